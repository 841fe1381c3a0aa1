/* Descriptors and disk blocks that run out for a while: nothing that was kept is lost by it. */
#include "log/log.h"

#include "logs.h"

#include <pthread.h>
#include <sqlite3.h>
#include <sys/resource.h>

/* ---- descriptors ---- */

static void limit_descriptors(rlim_t n)
{
    struct rlimit lim;

    CHECK(!getrlimit(RLIMIT_NOFILE, &lim));
    lim.rlim_cur = n;
    CHECK(!setrlimit(RLIMIT_NOFILE, &lim));
}

TEST(test_log_reader_without_descriptors_comes_back_and_loses_nothing)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_record rec;
    struct gw_err err;
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 60, 50000); /* three segments */
    limit_descriptors(3);
    for (int i = 0; i < 2; i++)
        CHECK(gw_reader_next(r.reader, r.mem, &rec, &err) == -1 && err.kind == GW_ERR_RETRY);
    limit_descriptors(256);
    for (uint64_t n = 1; n <= 10; n++)
        CHECK(rig_next(&r, &rec) == n);
    limit_descriptors(3);
    for (uint64_t n = 11; gw_reader_next(r.reader, r.mem, &rec, &err) == 1; n++)
        CHECK(rec.at.offset == n && !rec.damaged);
    CHECK(err.kind == GW_ERR_RETRY && rec.at.offset < 60);
    limit_descriptors(256);
    rig_expect(&r, rec.at.offset + 1, 60);
    rig_close(&r);
}

TEST(test_log_reader_opened_without_descriptors_at_the_end_reads_what_comes)
{
    struct gw_log_conf conf = rig_conf();
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 5, 10);
    rig_settle(&r, 1, 5);
    gw_reader_close(r.reader);
    limit_descriptors(3);
    r.reader = gw_reader_open(r.cursor, r.loop, &r.wake, NULL, NULL);
    limit_descriptors(256);
    rig_append_each(&r, 6, 9, 10);
    rig_expect(&r, 6, 9);
    rig_close(&r);
}

/* A file with a segment's name would say that the records before its first end in front of it. */
TEST(test_log_roll_without_descriptors_leaves_no_segment_behind)
{
    struct gw_log_conf conf = rig_conf();
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 50, 50000);
    rig_expect(&r, 1, 50);
    rig_settle(&r, 1, 50); /* two spares */
    limit_descriptors(3);
    rig_append_each(&r, 51, 80, 50000); /* goes on where it is */
    limit_descriptors(256);
    rig_append_each(&r, 81, 90, 50000);
    rig_reopen(&r);
    rig_expect(&r, 51, 90);
    rig_append_each(&r, 91, 95, 10);
    rig_expect(&r, 91, 95);
    rig_close(&r);
}

static int64_t still_clock(void)
{
    return 1000000000;
}

/* No descriptors is no full disk: the active segment grows until there are some again. */
TEST(test_log_without_descriptors_goes_on_in_its_segment)
{
    struct gw_log_conf conf = rig_conf();
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 5, 50000);
    gw_clock_mono_ns = still_clock;
    limit_descriptors(3);
    rig_append_each(&r, 6, 60, 50000);
    CHECK(!gw_log_full(r.log));
    limit_descriptors(256);
    rig_append_each(&r, 61, 90, 50000);
    rig_reopen(&r);
    rig_expect(&r, 1, 90);
    rig_close(&r);
}

/* ---- a disk without room for state.db ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int full, refused;
static sqlite3_vfs *real, scarce;
static sqlite3_io_methods methods;
static int (*real_write)(sqlite3_file *f, const void *p, int n, sqlite3_int64 at);

static int write_if_room(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    int refuse;

    pthread_mutex_lock(&lock);
    refuse = full;
    refused += refuse;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return refuse ? SQLITE_FULL : real_write(f, p, n, at);
}

static int open_scarce(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out)
{
    int rc = real->xOpen(real, name, f, flags, out);

    (void)v;
    if (rc == SQLITE_OK) {
        real_write = f->pMethods->xWrite;
        methods = *f->pMethods;
        methods.xWrite = write_if_room;
        f->pMethods = &methods;
    }
    return rc;
}

static void make_disk_scarce(void)
{
    real = sqlite3_vfs_find(NULL);
    scarce = *real;
    scarce.zName = "scarce";
    scarce.xOpen = open_scarce;
    sqlite3_vfs_register(&scarce, 1);
}

static void set_full(int is)
{
    pthread_mutex_lock(&lock);
    full = is;
    refused = 0;
    pthread_mutex_unlock(&lock);
}

static void wait_refused(void)
{
    pthread_mutex_lock(&lock);
    while (!refused)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

/* Larger than SQLite's cache, so that the letter itself meets the full disk, not the commit. */
static struct gw_dead_letter large_letter(struct rig *r)
{
    return (struct gw_dead_letter){.reason = "rejected",
                                   .record = {gw_arena_zalloc(r->mem, 1 << 20), 1 << 20}};
}

TEST(test_log_waits_for_room_for_letters_and_keeps_their_numbers)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_dead_letter letter;
    struct gw_settled item = {{0, 3}, GW_DEAD, &letter, 0};
    struct rig_settle s = {.s = {.mail.fn = rig_settled, .items = &item, .n = 1}};
    struct rig r;

    make_disk_scarce();
    rig_open(&r, &conf);
    letter = large_letter(&r);
    rig_append_each(&r, 1, 5, 10);
    CHECK(rig_settle_as(&r, 1, 2, GW_DEAD) == 0);
    set_full(1);
    s.s.reply = r.loop;
    s.s.cursor = r.cursor;
    gw_log_settle(r.log, &s.s);
    wait_refused();
    CHECK(rig_stats(&r).dead_lettered == 2);
    set_full(0);
    while (!s.done)
        gw_loop_turn(r.loop, 1);
    CHECK(!s.s.failed && rig_failures == 0 && rig_stats(&r).dead_lettered == 3);
    CHECK(rig_settle_as(&r, 4, 5, GW_DEAD) == 0);
    rig_reopen(&r);
    CHECK(rig_stats(&r).dead_lettered == 5 && rig_failures == 0);
    rig_close(&r);
}

/* At stop nobody waits for a disk that stays full: what could not be written is done again. */
TEST(test_log_gives_up_waiting_for_room_when_told_to)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_settled item = {{0, 1}, GW_PUBLISHED, NULL, 0};
    struct rig_settle s = {.s = {.mail.fn = rig_settled, .items = &item, .n = 1}};
    struct rig r;

    make_disk_scarce();
    rig_open(&r, &conf);
    rig_append_each(&r, 1, 5, 10);
    set_full(1);
    s.s.reply = r.loop;
    s.s.cursor = r.cursor;
    gw_log_settle(r.log, &s.s);
    wait_refused();
    CHECK(!s.done);
    gw_log_hurry(r.log);
    while (!s.done)
        gw_loop_turn(r.loop, 1);
    CHECK(s.s.failed && rig_failures == 1);
    set_full(0);
    rig_reopen(&r);
    CHECK(rig_stats(&r).lag == 5);
    rig_expect(&r, 1, 5);
    rig_close(&r);
}
