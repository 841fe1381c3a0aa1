/* A record that is stuck for long: what is settled behind it is bounded (L9). */
#include "log/log.h"

#include "log/inside.h"
#include "log/reader.h"
#include "logs.h"

static int woken;

static void count_wake(struct gw_mail *m)
{
    (void)m;
    woken++;
}

static void stops_at_the_bound(int type)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_record rec;
    struct rig r;

    conf.type = type;
    rig_open(&r, &conf);
    woken = 0;
    r.wake.fn = count_wake;
    gw_reader_ahead(r.reader, 10);
    rig_append_each(&r, 1, 100, 10);
    for (uint64_t n = 1; n <= 10; n++)
        CHECK(rig_next(&r, &rec) == n);
    for (int i = 0; i < 3; i++)
        CHECK(rig_next(&r, &rec) == 0);
    rig_settle(&r, 2, 10); /* the first one is stuck */
    rig_append_each(&r, 101, 102, 10);
    gw_loop_turn(r.loop, 0);
    CHECK(woken == 0 && rig_next(&r, &rec) == 0);
    rig_settle(&r, 1, 1);
    while (!woken)
        gw_loop_turn(r.loop, 1);
    for (uint64_t n = 11; n <= 20; n++)
        CHECK(rig_next(&r, &rec) == n);
    CHECK(rig_next(&r, &rec) == 0 && rig_stats(&r).lag == 92);
    rig_close(&r);
}

TEST(test_log_reader_waits_for_its_cursor)
{
    stops_at_the_bound(GW_LOG_EMBEDDED);
    stops_at_the_bound(GW_LOG_MEMORY);
}

/* A worker that passes over the records of others is held as well: it is its skips that would go on
 * for ever. */
TEST(test_log_reader_that_skips_waits_for_its_cursor)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_record rec;
    struct gw_err err;
    struct rig r;
    uint64_t n = 0;

    rig_open(&r, &conf);
    gw_reader_ahead(r.reader, 64);
    rig_append_each(&r, 1, 300, 10);
    for (; gw_reader_peek(r.reader, &rec, &err) == 1; n++)
        gw_reader_skip(r.reader);
    CHECK(n == 64);
    rig_settle(&r, 1, 32);
    for (; gw_reader_peek(r.reader, &rec, &err) == 1; n++)
        gw_reader_skip(r.reader);
    CHECK(n == 96);
    rig_close(&r);
}

/* At most so much memory, and so much in state.db at each commit. */
TEST(test_log_set_above_a_stuck_record_is_bounded)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_record rec;
    struct gw_err err;
    struct rig r;
    uint64_t last = 0;

    rig_open(&r, &conf);
    gw_reader_ahead(r.reader, 128);
    for (uint64_t n = 1; n <= 2000; n += 100) {
        uint64_t from = last + 1;

        CHECK(rig_append(&r, n, 100, 10) == 0);
        while (gw_reader_next(r.reader, r.mem, &rec, &err) == 1)
            last = rec.at.offset;
        if (last >= from)
            rig_settle(&r, from > 1 ? from : 2, last);
        CHECK(r.cursor->done.n <= 128 / 64 + 1 && r.cursor->next.cap <= 8);
    }
    CHECK(last == 128 && rig_stats(&r).lag == 2000 - 127);
    rig_close(&r);
}

/* The writer lets go of the lock before it tells who is woken: a worker may go in between. */
TEST(test_log_a_reader_that_goes_is_not_told_any_more)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_reader *other;
    struct gw_record rec;
    struct gw_err err;
    struct rig r;

    conf.type = GW_LOG_MEMORY;
    rig_open(&r, &conf);
    other = gw_reader_open(r.cursor, r.loop, &r.wake, NULL, NULL);
    CHECK(gw_reader_peek(r.reader, &rec, &err) == 0 && gw_reader_peek(other, &rec, &err) == 0);
    pthread_mutex_lock(&r.log->lock);
    gw_readers_wake(r.log);
    pthread_mutex_unlock(&r.log->lock);
    CHECK(r.log->woken == r.reader || r.log->woken == other);
    gw_reader_close(r.reader);
    CHECK(r.log->woken == other && !other->next_woken);
    gw_reader_close(other);
    CHECK(!r.log->woken);
    gw_readers_post(r.log);
    r.reader = gw_reader_open(r.cursor, r.loop, &r.wake, NULL, NULL);
    rig_append_each(&r, 1, 1, 10);
    CHECK(rig_expect(&r, 1, 1) == 1);
    rig_close(&r);
}
