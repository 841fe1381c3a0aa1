/* The log as ingest and pipelines see it, in both types. */
#include "log/log.h"

#include "base/metrics.h"
#include "logs.h"

static struct gw_log_conf of_type(int type)
{
    struct gw_log_conf conf = rig_conf();

    conf.type = type;
    return conf;
}

static void appends_and_reads(int type)
{
    struct gw_log_conf conf = of_type(type);
    struct gw_cursor_stats s;
    struct rig r;

    rig_open(&r, &conf);
    rig_expect(&r, 1, 0);
    rig_append_each(&r, 1, 10, 200);
    CHECK(rig_append(&r, 11, 90, 200) == 0);
    rig_expect(&r, 1, 100);
    s = rig_stats(&r);
    CHECK(s.accepted == 100 && s.lag == 100 && s.published == 0 && s.oldest_ns == 1001);
    rig_settle(&r, 1, 40);
    rig_settle(&r, 42, 60);
    s = rig_stats(&r);
    CHECK(s.published == 59 && s.lag == 41 && s.oldest_ns == 1041 && !s.orphan);
    rig_settle_as(&r, 41, 41, GW_FILTERED);
    rig_settle_as(&r, 61, 70, GW_DEAD);
    s = rig_stats(&r);
    CHECK(s.filtered == 1 && s.dead_lettered == 10 && s.lag == 30 && s.oldest_ns == 1071);
    rig_close(&r);
}

TEST(test_log_embedded_keeps_appends_in_order)
{
    appends_and_reads(GW_LOG_EMBEDDED);
}

TEST(test_log_memory_keeps_appends_in_order)
{
    appends_and_reads(GW_LOG_MEMORY);
}

TEST(test_log_goes_on_where_it_was_after_a_close)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_cursor_stats s;
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 50, 100);
    rig_settle(&r, 1, 20);
    rig_settle(&r, 23, 24);
    rig_settle_as(&r, 30, 30, GW_DEAD);
    rig_reopen(&r);
    s = rig_stats(&r);
    CHECK(s.accepted == 50 && s.published == 22 && s.dead_lettered == 1 && s.lag == 27);
    rig_append_each(&r, 51, 60, 100);
    for (uint64_t n = 21; n <= 60; n++) {
        struct gw_record rec;

        if (n == 23 || n == 24 || n == 30)
            continue;
        CHECK(rig_next(&r, &rec) == n && rec.at.offset == n && !rec.damaged);
    }
    rig_expect(&r, 1, 0);
    rig_close(&r);
}

static void rolls(int type)
{
    struct gw_log_conf conf = of_type(type);
    struct gw_log_stats s;
    struct rig r;

    rig_open(&r, &conf);
    for (uint64_t round = 0; round < 20; round++) {
        for (uint64_t i = 0; i < 20; i++)
            CHECK(rig_append(&r, round * 200 + i * 10 + 1, 10, 3000) == 0);
        rig_expect(&r, round * 200 + 1, round * 200 + 200);
        rig_settle(&r, round * 200 + 1, round * 200 + 200);
    }
    gw_log_stats(r.log, &s, NULL, 0);
    CHECK(s.bytes < 3 << 20 && s.unsettled == 0 && s.cursors == 1);
    rig_append_each(&r, 4001, 4001, 3 << 20); /* larger than a segment */
    rig_append_each(&r, 4002, 4010, 10);
    rig_expect(&r, 4001, 4010);
    rig_close(&r);
}

TEST(test_log_embedded_rolls_and_uses_segments_again)
{
    rolls(GW_LOG_EMBEDDED);
}

TEST(test_log_memory_gives_back_what_is_settled)
{
    rolls(GW_LOG_MEMORY);
}

/* ---- waking ---- */

static int woken;

static void count_wake(struct gw_mail *m)
{
    (void)m;
    woken++;
}

static void turn_until_woken(struct rig *r, int times)
{
    while (woken < times)
        gw_loop_turn(r->loop, 1);
    gw_loop_turn(r->loop, 0);
    CHECK(woken == times);
}

static void wakes(int type)
{
    struct gw_log_conf conf = of_type(type);
    struct rig r;

    woken = 0;
    rig_open(&r, &conf);
    r.wake.fn = count_wake;
    rig_append_each(&r, 1, 3, 10);
    CHECK(woken == 0); /* nobody waits */
    rig_expect(&r, 1, 3);
    rig_append_each(&r, 4, 6, 10);
    turn_until_woken(&r, 1); /* once, however much came */
    rig_expect(&r, 4, 6);
    CHECK(rig_next(&r, &(struct gw_record){0}) == 0); /* asking twice is waiting once */
    rig_append_each(&r, 7, 7, 10);
    turn_until_woken(&r, 2);
    rig_close(&r);
}

TEST(test_log_wakes_a_reader_once_when_there_is_more)
{
    wakes(GW_LOG_EMBEDDED);
    wakes(GW_LOG_MEMORY);
}

/* The worker reads on, and waits again, before its mail has run; and closes before it has. */
TEST(test_log_wakes_a_reader_that_did_not_wait_for_its_mail)
{
    struct gw_log_conf conf = of_type(GW_LOG_MEMORY);
    struct rig_append a, b;
    struct rig r;

    rig_open(&r, &conf);
    r.wake.fn = count_wake;
    rig_expect(&r, 1, 0);
    CHECK(!rig_prepare(&r, &a, 1, 1, 10) && !rig_prepare(&r, &b, 2, 1, 10));
    gw_log_append(r.log, &a.a);
    rig_expect(&r, 1, 1); /* waits again */
    gw_log_append(r.log, &b.a);
    rig_wait(&r, &a);
    rig_wait(&r, &b);
    turn_until_woken(&r, 1);
    rig_expect(&r, 2, 2);
    CHECK(!rig_prepare(&r, &a, 3, 1, 10));
    gw_log_append(r.log, &a.a);
    gw_reader_close(r.reader); /* with its mail under way */
    r.reader = NULL;
    rig_wait(&r, &a);
    gw_loop_turn(r.loop, 0);
    CHECK(woken == 1);
    rig_close(&r);
}

/* ---- metrics ---- */

static int64_t wall_5s(void)
{
    return 5000001001; /* 5 s after the first record of a rig */
}

TEST(test_log_metrics_are_what_the_statistics_say)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_metrics *m = gw_metrics_new();
    struct gw_cursor *other;
    struct gw_err err;
    struct gw_buf b;
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 1, 10);
    other = gw_log_cursor(r.log, "gone", GW_START_RETAINED, NULL, &err);
    CHECK(other);
    gw_reader_close(r.reader);
    gw_log_close(r.log);
    r.log = gw_log_open(&conf, m, rig_failed, NULL, &err);
    r.cursor = gw_log_cursor(r.log, "p", GW_START_NEW, NULL, &err);
    r.reader = gw_reader_open(r.cursor, r.loop, &r.wake, NULL, NULL);
    rig_append_each(&r, 2, 4, 10);
    rig_settle(&r, 2, 3);
    gw_clock_wall_ns = wall_5s;
    gw_buf_init(&b, 1 << 20, NULL);
    gw_metrics_write(m, &b);
    gw_buf_putc(&b, '\0');
    CHECK(strstr(b.p, "moongate_pipeline_lag_events{pipeline=\"p\"} 2\n"));
    CHECK(strstr(b.p, "moongate_pipeline_lag_events{pipeline=\"gone\"} 4\n"));
    CHECK(strstr(b.p, "moongate_pipeline_lag_seconds{pipeline=\"p\"} 5\n"));
    CHECK(strstr(b.p, "moongate_log_events 4\n"));
    CHECK(strstr(b.p, "moongate_log_orphan_cursors 1\n"));
    CHECK(strstr(b.p, "moongate_log_commit_seconds_count 3\n"));
    CHECK(strstr(b.p, "moongate_log_bytes ") && !strstr(b.p, "moongate_log_bytes 0\n"));
    gw_buf_free(&b);
    rig_close(&r);
    gw_metrics_free(m);
}
