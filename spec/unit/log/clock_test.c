/* Clocks that jump: `retain` goes by the clock that does not, and nothing else by either. */
#include "log/log.h"

#include "log/inside.h"
#include "logs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#define HOUR_MS (3600 * 1000LL)
static atomic_llong mono_ms = 1000 * HOUR_MS, wall_ms = 500000 * HOUR_MS;

static int64_t mono(void)
{
    return mono_ms * 1000000;
}

static int64_t wall(void)
{
    return wall_ms * 1000000;
}

static void open_with_clocks(struct rig *r, const struct gw_log_conf *conf)
{
    struct gw_err err = {0};

    *r = (struct rig){.conf = *conf, .loop = gw_loop_new(), .mem = gw_arena_new()};
    r->wake.fn = rig_woken;
    gw_diag_sink = rig_quiet;
    gw_clock_mono_ns = mono;
    gw_clock_wall_ns = wall;
    r->log = gw_log_open(conf, NULL, rig_failed, NULL, &err);
    CHECK(r->log);
    r->cursor = gw_log_cursor(r->log, "p", GW_START_RETAINED, NULL, &err);
    r->reader = gw_reader_open(r->cursor, r->loop, &r->wake, NULL, NULL);
}

static uint64_t kept(struct rig *r)
{
    struct gw_log_stats stats;

    gw_log_stats(r->log, &stats, NULL, 0);
    return stats.records;
}

/* One more record, settled: what retain lets go is given up by it. */
static void settle_one(struct rig *r, uint64_t number)
{
    mono_ms += 1000; /* the state writer commits at once */
    rig_append_each(r, number, number, 10);
    rig_settle(r, number, number);
}

static struct gw_log_conf an_hour(int type)
{
    struct gw_log_conf conf = rig_conf();

    conf.type = type;
    conf.retain_ms = HOUR_MS;
    return conf;
}

static void retains(int type)
{
    struct gw_log_conf conf = an_hour(type);
    struct rig r;

    open_with_clocks(&r, &conf);
    rig_append_each(&r, 1, 40, 100 * 1024);
    rig_settle(&r, 1, 40);
    wall_ms += 50 * HOUR_MS; /* forward: not trimmed early */
    settle_one(&r, 41);
    CHECK(kept(&r) == 41);
    wall_ms -= 100 * HOUR_MS; /* back: nor never */
    settle_one(&r, 42);
    CHECK(kept(&r) == 42);
    mono_ms += HOUR_MS / 2;
    settle_one(&r, 43);
    CHECK(kept(&r) == 43);
    mono_ms += HOUR_MS;
    settle_one(&r, 44);
    CHECK(kept(&r) < 20);
    rig_close(&r);
}

TEST(test_log_retain_follows_no_clock_that_jumps)
{
    retains(GW_LOG_EMBEDDED);
    retains(GW_LOG_MEMORY);
}

static void written_at(const char *path, int64_t ms)
{
    const struct timespec t[2] = {{ms / 1000, 0}, {ms / 1000, 0}};

    CHECK(!utimensat(AT_FDCWD, path, t, 0));
}

static void all_written_at(int64_t ms)
{
    DIR *d = opendir("data/segments");
    struct dirent *e;
    char path[300];

    CHECK(d);
    while ((e = readdir(d)))
        if (e->d_name[0] != '.') {
            snprintf(path, sizeof(path), "data/segments/%s", e->d_name);
            written_at(path, ms);
        }
    closedir(d);
}

/* Of an older run the file's time tells, if it can be true. */
TEST(test_log_retain_outlives_a_restart)
{
    struct gw_log_conf conf = an_hour(GW_LOG_EMBEDDED);
    struct rig r;

    open_with_clocks(&r, &conf);
    rig_append_each(&r, 1, 40, 100 * 1024);
    rig_settle(&r, 1, 40);
    rig_close(&r);
    all_written_at(wall_ms - HOUR_MS / 2);
    mono_ms = 1000; /* the machine has started anew */
    open_with_clocks(&r, &conf);
    CHECK(kept(&r) == 40);
    rig_close(&r);
    all_written_at(wall_ms + 70 * HOUR_MS); /* by a clock that has been put back since */
    open_with_clocks(&r, &conf);
    CHECK(kept(&r) == 40);
    mono_ms += 2 * HOUR_MS;
    settle_one(&r, 41);
    CHECK(kept(&r) < 20);
    rig_append_each(&r, 42, 80, 100 * 1024);
    rig_settle(&r, 42, 80);
    rig_close(&r);
    all_written_at(wall_ms - 2 * HOUR_MS);
    open_with_clocks(&r, &conf);
    CHECK(kept(&r) < 20);
    rig_close(&r);
}

/* Records whose times go back and forth are read in the order they came. */
TEST(test_log_order_is_not_the_clocks)
{
    static const int64_t times[] = {5000, 9000, 10, 7000, 1};
    struct gw_log_conf conf = rig_conf();
    struct gw_cursor_stats s;
    struct gw_record rec;
    struct rig r;

    open_with_clocks(&r, &conf);
    for (uint64_t n = 0; n < 5; n++) {
        struct rig_append a;
        struct gw_log_entry *e;

        CHECK(!rig_prepare(&r, &a, n + 1, 1, 10));
        e = (struct gw_log_entry *)(void *)a.a.entries;
        e->received_at_ns = times[n];
        gw_log_append(r.log, &a.a);
        rig_wait(&r, &a);
    }
    for (uint64_t n = 0; n < 5; n++) {
        CHECK(gw_reader_peek(r.reader, &rec, &rig_failure) == 1);
        CHECK(rec.at.offset == n + 1 && rec.received_at_ns == times[n]);
        gw_cursor_stats(r.cursor, &s);
        CHECK(s.oldest_ns == times[n]);
        CHECK(rig_next(&r, &rec) == n + 1);
        mono_ms += 1000;
        rig_settle(&r, n + 1, n + 1);
    }
    rig_close(&r);
}
