/* Those who look while the log works: listings, scans, scrapes, on threads of their own. */
#include "base/metrics.h"
#include "letters.h"

#include <pthread.h>

struct looker {
    struct gw_log *log;
    struct gw_metrics *metrics;
    atomic_int stop, rounds;
};

static void list_letters(struct looker *k, struct gw_arena *mem)
{
    struct gw_letter l;
    struct gw_err err;
    struct gw_letters *all = gw_letters_open(k->log, &(struct gw_letter_query){0}, 1, &err);
    uint64_t last = 0;

    CHECK(all);
    while (gw_letters_next(all, mem, &l, &err) == 1) {
        CHECK(gw_str_is(l.pipeline, "p") ? l.number > last : l.d.record.len == 0);
        last = gw_str_is(l.pipeline, "p") ? l.number : 0;
        gw_arena_reset(mem);
    }
    gw_letters_close(all);
}

static void scan(struct looker *k, struct gw_arena *mem)
{
    struct gw_scan_progress p;
    struct gw_record rec;
    struct gw_err err;
    struct gw_scan *s = gw_scan_open(k->log, 0, 0, &err);
    uint64_t last = 0;

    while (gw_scan_next(s, mem, &rec, &err) == 1) {
        CHECK(!rec.damaged && rec.at.offset > last);
        CHECK(strtoull(rec.payload.p, NULL, 10) == rec.at.offset);
        last = rec.at.offset;
        gw_scan_progress(s, &p);
        CHECK(p.seen <= p.span);
        gw_arena_reset(mem);
    }
    gw_scan_close(s);
}

static void *look(void *arg)
{
    struct looker *k = arg;
    struct gw_arena *mem = gw_arena_new();
    struct gw_buf text;

    gw_buf_init(&text, 1 << 20, NULL);
    while (!k->stop) {
        list_letters(k, mem);
        scan(k, mem);
        gw_buf_clear(&text);
        gw_metrics_write(k->metrics, &text);
        k->rounds++;
    }
    gw_buf_free(&text);
    gw_arena_free(mem);
    return NULL;
}

static void come_and_go(struct rig *r, uint64_t round)
{
    struct gw_err err;
    struct gw_cursor *c;

    c = gw_log_cursor(r->log, "other", GW_START_NEW, NULL, &err);
    CHECK(c && !rig_append(r, round * 10 + 1, 10, 10000));
    gw_cursor_letters(c, 10, 1000);
    CHECK(!letters_settle(r, c, round * 10 + 1, NULL));
    gw_cursor_release(c);
    CHECK(!gw_log_forget(r->log, "other", &err));
}

static void works(int type)
{
    struct gw_log_conf conf = rig_conf();
    struct looker k = {.metrics = gw_metrics_new()};
    struct gw_err err;
    pthread_t thread;
    struct rig r;

    conf.type = type;
    rig_open(&r, &conf);
    gw_reader_close(r.reader);
    r.reader = NULL;
    gw_log_close(r.log);
    r.log = gw_log_open(&conf, k.metrics, rig_failed, NULL, &err);
    r.cursor = gw_log_cursor(r.log, "p", GW_START_NEW, NULL, &err);
    k.log = r.log;
    CHECK(!pthread_create(&thread, NULL, look, &k));
    for (uint64_t round = 0; round < 40 || k.rounds < 3; round++) {
        come_and_go(&r, round);
        for (uint64_t i = 1; i <= 3; i++)
            CHECK(!letters_put(&r, round * 10 + i, 5000, 1));
        rig_settle(&r, round * 10 + 4, round * 10 + 10);
        letters_change(&r, "p", round * 3 + 1, NULL);
    }
    k.stop = 1;
    pthread_join(thread, NULL);
    rig_close(&r);
    gw_metrics_free(k.metrics);
}

TEST(test_lookers_disturb_no_embedded_log)
{
    works(GW_LOG_EMBEDDED);
}

TEST(test_lookers_disturb_no_memory_log)
{
    works(GW_LOG_MEMORY);
}
