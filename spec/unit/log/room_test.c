/* Room: reserve before accept, full, and back by itself (L4, L6). */
#include "log/log.h"

#include "logs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t files(size_t *n)
{
    struct dirent **names;
    int all = scandir("data/segments", &names, NULL, alphasort);
    uint64_t bytes = 0;

    *n = 0;
    for (int i = 0; i < all; i++) {
        char path[400];
        struct stat st;

        snprintf(path, sizeof(path), "data/segments/%s", names[i]->d_name);
        if (!stat(path, &st) && S_ISREG(st.st_mode)) {
            bytes += (uint64_t)st.st_size;
            (*n)++;
        }
        free(names[i]);
    }
    free(names);
    return bytes;
}

static struct gw_log_conf small(int type)
{
    struct gw_log_conf conf = rig_conf();

    conf.type = type;
    conf.max_bytes = 4 << 20;
    return conf;
}

static void full_and_back(int type)
{
    struct gw_log_conf conf = small(type);
    struct gw_log_stats stats;
    uint64_t kept = 0, more;
    struct rig r;
    size_t n;

    rig_open(&r, &conf);
    while (rig_append(&r, kept + 1, 1, 50000) == 0)
        kept++;
    CHECK(kept > 60 && kept < 84);
    CHECK(gw_log_full(r.log));
    CHECK(rig_stats(&r).lag == kept);
    if (type == GW_LOG_EMBEDDED)
        CHECK(files(&n) <= (uint64_t)conf.max_bytes);
    rig_expect(&r, 1, kept);
    rig_settle(&r, 1, kept);
    CHECK(!gw_log_full(r.log));
    more = kept;
    for (int i = 0; i < 100; i++, more++) { /* once and a half around */
        CHECK(rig_append(&r, more + 1, 1, 50000) == 0);
        rig_expect(&r, more + 1, more + 1);
        rig_settle(&r, more + 1, more + 1);
    }
    gw_log_stats(r.log, &stats, NULL, 0);
    CHECK(stats.bytes <= 2 << 20);
    rig_close(&r);
}

TEST(test_log_embedded_is_full_and_back_by_itself)
{
    full_and_back(GW_LOG_EMBEDDED);
}

TEST(test_log_memory_is_full_and_back_by_itself)
{
    full_and_back(GW_LOG_MEMORY);
}

/* One record takes most of the log; nothing but giving up its segment makes room again. */
TEST(test_log_gives_up_its_last_segment_when_all_is_settled)
{
    for (int type = GW_LOG_EMBEDDED; type <= GW_LOG_MEMORY; type++) {
        struct gw_log_conf conf = small(type);
        struct rig r;

        rig_open(&r, &conf);
        for (uint64_t n = 1; n <= 5; n++) {
            CHECK(rig_append(&r, n, 1, 2200000) == 0);
            CHECK(rig_append(&r, n + 1, 1, 2200000) == -1);
            rig_expect(&r, n, n);
            rig_settle(&r, n, n);
        }
        rig_close(&r);
    }
}

/* Everything is reserved before anything is written. */
static void keeps_every(const char *path, size_t n_each, size_t size)
{
    struct gw_log_conf conf = small(GW_LOG_EMBEDDED);
    struct rig_append a[400];
    uint64_t number = 1;
    struct rig r;
    size_t n = 0;

    conf.path = path;
    rig_open(&r, &conf);
    rig_append_each(&r, number, number + 8, 90000); /* most of a segment is taken */
    number += 9;
    for (; n < 400 && !rig_prepare(&r, &a[n], number, n_each, n % 7 ? size : 9 * size); n++)
        number += n_each;
    CHECK(n > 10 && n < 400);
    for (size_t i = 0; i < n; i++)
        gw_log_append(r.log, &a[i].a);
    for (size_t i = 0; i < n; i++) {
        rig_wait(&r, &a[i]);
        CHECK(!a[i].a.failed);
    }
    rig_expect(&r, 1, number - 1);
    rig_settle(&r, 1, number - 1);
    rig_close(&r);
}

TEST(test_log_keeps_every_reservation)
{
    keeps_every("small", 200, 1); /* mostly headers */
    keeps_every("large", 2, 30000);
}

TEST(test_log_gives_released_room_to_others)
{
    struct gw_log_conf conf = small(GW_LOG_EMBEDDED);
    struct gw_err err;
    struct rig r;

    rig_open(&r, &conf);
    for (int i = 0; i < 50; i++) {
        CHECK(!gw_log_reserve(r.log, 2000000, &err));
        CHECK(gw_log_reserve(r.log, 2000000, &err) && err.kind == GW_ERR_FULL);
        CHECK(gw_log_full(r.log));
        gw_log_release(r.log, 2000000);
        CHECK(!gw_log_full(r.log));
    }
    rig_close(&r);
}

/* The limit on file sizes stands for a full disk: the same calls fail. */
TEST(test_log_takes_a_full_disk_for_a_full_log)
{
    struct gw_log_conf conf = rig_conf();
    struct rlimit small_files = {300 * 1024, RLIM_INFINITY}, any = {RLIM_INFINITY, RLIM_INFINITY};
    struct rig r;

    signal(SIGXFSZ, SIG_IGN);
    conf.durability = 1;
    rig_open(&r, &conf);
    rig_append_each(&r, 1, 3, 10);
    CHECK(!setrlimit(RLIMIT_FSIZE, &small_files));
    CHECK(rig_append(&r, 4, 1, 2 << 20) == -1);
    CHECK(gw_log_full(r.log));
    rig_append_each(&r, 4, 6, 10); /* what there is room for is taken */
    CHECK(!setrlimit(RLIMIT_FSIZE, &any));
    while (gw_log_full(r.log)) /* asks the disk now and then */
        usleep(1000);
    rig_append_each(&r, 7, 7, 2 << 20);
    rig_expect(&r, 1, 7);
    CHECK(rig_failures == 0);
    rig_close(&r);
}

TEST(test_log_trims_nothing_that_a_cursor_has_not_passed)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_cursor *slow;
    struct gw_log_stats stats;
    struct gw_reader *reader;
    struct gw_err err;
    struct rig r;

    rig_open(&r, &conf);
    slow = gw_log_cursor(r.log, "slow", GW_START_NEW, NULL, &err);
    CHECK(slow);
    rig_append_each(&r, 1, 50, 100 * 1024);
    rig_expect(&r, 1, 50);
    rig_settle(&r, 1, 50);
    gw_log_stats(r.log, &stats, NULL, 0);
    CHECK(stats.records == 50 && stats.unsettled == 50 && stats.cursors == 2);
    gw_reader_close(r.reader);
    r.reader = NULL;
    rig_reopen(&r); /* now "slow" is of nobody, and keeps them still */
    gw_log_stats(r.log, &stats, NULL, 0);
    CHECK(stats.records == 50 && stats.orphans == 1);
    slow = gw_log_cursor(r.log, "slow", GW_START_NEW, NULL, &err);
    reader = gw_reader_open(slow, r.loop, &r.wake, NULL, NULL);
    gw_reader_close(r.reader);
    r.reader = reader;
    rig_expect(&r, 1, 50);
    r.cursor = slow;
    rig_settle(&r, 1, 49);
    gw_log_stats(r.log, &stats, NULL, 0);
    CHECK(stats.records < 15 && stats.unsettled == 1);
    rig_close(&r);
}

TEST(test_log_retains_what_is_settled_while_there_is_room)
{
    struct gw_log_conf conf = small(GW_LOG_EMBEDDED);
    struct gw_log_stats stats;
    struct rig r;

    conf.retain_ms = 3600 * 1000;
    rig_open(&r, &conf);
    rig_append_each(&r, 1, 30, 100 * 1024);
    rig_settle(&r, 1, 30);
    gw_log_stats(r.log, &stats, NULL, 0);
    CHECK(stats.records == 30 && stats.unsettled == 0 && !gw_log_full(r.log));
    rig_append_each(&r, 31, 45, 100 * 1024); /* the oldest go, and no more than have to */
    gw_log_stats(r.log, &stats, NULL, 0);
    CHECK(stats.records < 45 && stats.records > 25);
    rig_settle(&r, 31, 45);
    rig_close(&r);
}

TEST(test_log_uses_files_again)
{
    struct gw_log_conf conf = rig_conf();
    struct rig r;
    size_t n;

    rig_open(&r, &conf);
    for (uint64_t i = 0; i < 200; i++) {
        rig_append_each(&r, i + 1, i + 1, 100 * 1024);
        rig_settle(&r, i + 1, i + 1);
        CHECK(files(&n) <= 5 << 20 && n <= 4);
    }
    rig_close(&r);
}

/* A worker that is far behind the others of its pipeline stands in segments that are written anew:
 * what it finds there is neither a record of then nor damage. */
static void left_behind(int type)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_record rec;
    struct rig r;
    uint64_t n, last = 0;

    conf.type = type;
    rig_open(&r, &conf);
    for (n = 0; n < 400; n += 4) {
        rig_append_each(&r, n + 1, n + 4, 70 * 1024);
        if (n % 40 == 0) { /* some of it is in the reader's window, some is not */
            uint64_t got = rig_next(&r, &rec);

            CHECK(got > last && got == rec.at.offset && !rec.damaged);
            last = got;
            gw_arena_reset(r.mem);
        }
        rig_settle(&r, n + 1, n + 4);
    }
    rig_append_each(&r, n + 1, n + 3, 10);
    while ((last = rig_next(&r, &rec)) <= n) {
        CHECK(!rec.damaged && last == rec.at.offset);
        gw_arena_reset(r.mem);
    }
    CHECK(last == n + 1);
    rig_expect(&r, n + 2, n + 3);
    rig_close(&r);
}

TEST(test_log_reader_left_behind_moves_on_with_its_cursor)
{
    left_behind(GW_LOG_EMBEDDED);
    left_behind(GW_LOG_MEMORY);
}
