/* Many threads at one log: ingest loops that append, workers that read and settle, someone who
 * asks for statistics all the time (run it with BUILD=tsan). */
#include "log/log.h"

#include "logs.h"

#include <pthread.h>
#include <stdatomic.h>

enum { WRITERS = 3, PIPELINES = 3, WORKERS = 2, EACH = 400, AT_ONCE = 16 };

static struct gw_log *the_log;
static atomic_int writers_left, workers_left;

/* ---- an ingest loop ---- */

struct ingest {
    struct rig r; /* its loop and log */
    uint64_t id, next, kept;
};

struct request {
    struct rig_append a;
    struct ingest *in;
};

static void send_next(struct ingest *in, struct request *q);

static void on_kept(struct gw_mail *m)
{
    struct request *q = GW_CONTAINER(m, struct request, a.a.mail);

    CHECK(!q->a.a.failed && q->a.a.first.offset > 0);
    gw_arena_free(q->a.mem);
    q->in->kept++;
    send_next(q->in, q);
}

static void send_next(struct ingest *in, struct request *q)
{
    if (in->next == EACH) {
        if (in->kept == EACH)
            gw_loop_stop(in->r.loop);
        return;
    }
    in->next++;
    CHECK(!rig_prepare(&in->r, &q->a, in->id * EACH + in->next, 1 + in->next % 3, 2000));
    q->a.a.mail.fn = on_kept;
    gw_log_append(the_log, &q->a.a);
}

static void *ingest_main(void *arg)
{
    struct ingest in = {.id = (uint64_t)(uintptr_t)arg};
    struct request q[AT_ONCE];

    in.r = (struct rig){.log = the_log, .loop = gw_loop_new()};
    for (size_t i = 0; i < AT_ONCE; i++) {
        q[i].in = &in;
        send_next(&in, &q[i]);
    }
    gw_loop_run(in.r.loop);
    gw_loop_free(in.r.loop);
    writers_left--;
    return NULL;
}

/* ---- a worker: a part of the keys of one pipeline ---- */

struct worker {
    struct gw_cursor *cursor;
    uint64_t part, seen, last;
    struct gw_loop *loop;
    struct gw_reader *reader;
    struct gw_mail wake;
    struct gw_arena *mem;
    struct gw_settle settle;
    struct gw_settled items[64];
    int busy;
};

static uint64_t total;

static void read_on(struct worker *w);

static void on_settled(struct gw_mail *m)
{
    struct worker *w = GW_CONTAINER(m, struct worker, settle.mail);

    CHECK(!w->settle.failed);
    w->busy = 0;
    read_on(w);
}

static void on_more(struct gw_mail *m)
{
    struct worker *w = GW_CONTAINER(m, struct worker, wake);

    if (!w->busy)
        read_on(w);
}

static void read_on(struct worker *w)
{
    struct gw_record rec;
    struct gw_err err;
    size_t n = 0;
    int rc = 0;

    while (n < 64 && (rc = gw_reader_peek(w->reader, &rec, &err)) == 1) {
        if (rec.key_hash % WORKERS != w->part) {
            gw_reader_skip(w->reader);
            continue;
        }
        gw_arena_reset(w->mem);
        CHECK(gw_reader_next(w->reader, w->mem, &rec, &err) == 1 && !rec.damaged);
        CHECK(rec.at.offset > w->last); /* L3 */
        w->last = rec.at.offset;
        w->items[n++] =
            (struct gw_settled){rec.at, rec.at.offset % 5 ? GW_PUBLISHED : GW_FILTERED, NULL, 0};
    }
    CHECK(rc >= 0);
    if (n == 0)
        return;
    w->settle = (struct gw_settle){
        .mail.fn = on_settled, .reply = w->loop, .cursor = w->cursor, .items = w->items, .n = n};
    w->busy = 1;
    gw_log_settle(the_log, &w->settle);
    w->seen += n;
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct gw_cursor_stats s;

    w->mem = gw_arena_new();
    w->loop = gw_loop_new();
    w->wake.fn = on_more;
    w->settle.mail.fn = on_settled;
    w->reader = gw_reader_open(w->cursor, w->loop, &w->wake, NULL, NULL);
    read_on(w);
    for (;;) {
        gw_cursor_stats(w->cursor, &s);
        if (!w->busy && s.accepted == total && w->seen > 0) {
            struct gw_record rec;
            struct gw_err err;

            if (gw_reader_peek(w->reader, &rec, &err) == 0)
                break;
            read_on(w);
        }
        gw_loop_turn(w->loop, w->busy || s.accepted < total);
    }
    gw_reader_close(w->reader);
    gw_loop_turn(w->loop, 0);
    gw_loop_free(w->loop);
    gw_arena_free(w->mem);
    workers_left--;
    return NULL;
}

static void *stats_main(void *arg)
{
    (void)arg;
    while (workers_left > 0) {
        struct gw_cursor_stats c[PIPELINES];
        struct gw_log_stats s;

        gw_log_stats(the_log, &s, c, PIPELINES);
        for (size_t i = 0; i < s.cursors; i++) { /* L8 */
            CHECK(c[i].accepted == c[i].published + c[i].filtered + c[i].dead_lettered + c[i].lag);
            CHECK(c[i].accepted == c[0].accepted && s.unsettled >= c[i].lag);
        }
        (void)gw_log_full(the_log);
    }
    return NULL;
}

static void many(int type)
{
    struct gw_log_conf conf = rig_conf();
    struct worker workers[PIPELINES * WORKERS] = {{0}};
    pthread_t threads[WRITERS + PIPELINES * WORKERS + 1];
    struct gw_cursor_stats s;
    struct gw_err err;
    size_t n = 0;

    conf.type = type;
    gw_diag_sink = rig_quiet;
    the_log = gw_log_open(&conf, NULL, rig_failed, NULL, &err);
    CHECK(the_log);
    for (uint64_t i = 1; i <= EACH; i++)
        total += WRITERS * (1 + i % 3);
    writers_left = WRITERS;
    workers_left = PIPELINES * WORKERS;
    for (size_t i = 0; i < PIPELINES * WORKERS; i++) {
        char name[16];

        snprintf(name, sizeof(name), "p%zu", i / WORKERS);
        workers[i].cursor = gw_log_cursor(the_log, name, GW_START_RETAINED, NULL, &err);
        workers[i].part = i % WORKERS;
        CHECK(!pthread_create(&threads[n++], NULL, worker_main, &workers[i]));
    }
    CHECK(!pthread_create(&threads[n++], NULL, stats_main, NULL));
    for (size_t i = 0; i < WRITERS; i++)
        CHECK(!pthread_create(&threads[n++], NULL, ingest_main, (void *)(uintptr_t)i));
    for (size_t i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < PIPELINES; i++) {
        gw_cursor_stats(workers[i * WORKERS].cursor, &s);
        CHECK(s.accepted == total && s.lag == 0 && s.filtered == total / 5);
        CHECK(workers[i * WORKERS].seen + workers[i * WORKERS + 1].seen == total);
    }
    gw_log_close(the_log);
    CHECK(rig_failures == 0);
}

TEST(test_log_embedded_serves_many_threads)
{
    many(GW_LOG_EMBEDDED);
}

TEST(test_log_memory_serves_many_threads)
{
    many(GW_LOG_MEMORY);
}
