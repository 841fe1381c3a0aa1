/* What the log costs by itself: appends of one record, many under way at once, as an ingest loop
 * makes them; one reader that settles everything.
 *   build/release/log_bench [--dir DIR] [--type embedded|memory] [--n RECORDS] [--at-once N]
 *                           [--size BYTES] [--pipelines N]
 *                           [--batch RECORDS of an append] */
#include "log/log.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"
#include "flyte/flyte.h"
#include "net/loop.h"

#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MAX_SYNCS = 1 << 20, SETTLE = 500, MAX_PIPELINES = 64 };

static struct gw_log *the_log;
static uint64_t total = 1000000, sent, kept;
static size_t at_once = 100, size = 300, batch = 1;
static int64_t *syncs;
static atomic_size_t n_syncs;

static int timed_sync(int fd)
{
    int64_t began = gw_clock_mono_ns();
    int rc = fdatasync(fd);
    size_t i = n_syncs++;

    if (i < MAX_SYNCS)
        syncs[i] = gw_clock_mono_ns() - began;
    return rc;
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static void die(const char *what, const struct gw_err *err)
{
    fprintf(stderr, "log_bench: %s: %s\n", what, err->msg);
    exit(1);
}

/* ---- a client with at_once appends under way ---- */

struct client {
    struct gw_append a;
    struct gw_log_entry *entries;
    struct gw_loop *loop;
    struct gw_task task;
};

static void send_next(struct client *c)
{
    struct gw_err err;

    if (sent == total)
        return;
    c->a.reserved = batch * (c->entries[0].bytes.len + 77);
    if (gw_log_reserve(the_log, c->a.reserved, &err))
        die("reserve", &err);
    sent += batch;
    for (size_t i = 0; i < batch; i++)
        c->entries[i].received_at_ns = gw_clock_wall_ns();
    gw_log_append(the_log, &c->a);
}

static void on_task(struct gw_task *t)
{
    send_next(GW_CONTAINER(t, struct client, task));
}

static void on_kept(struct gw_mail *m)
{
    struct client *c = GW_CONTAINER(m, struct client, a.mail);

    if (c->a.failed)
        die("append", &c->a.err);
    kept += batch;
    if (kept == total)
        gw_loop_stop(c->loop);
    gw_loop_post(c->loop, &c->task);
}

static struct gw_str encode(struct gw_arena *mem)
{
    struct gw_record rec = {.kind = GW_TASK,
                            .received_at_ns = gw_clock_wall_ns(),
                            .ingest = GW_STR("grpc"),
                            .key = GW_STR("flytesnacks:development:f3a9c1d2e4b5a6978800"),
                            .payload = {gw_arena_zalloc(mem, size), size}};
    struct gw_buf b;

    gw_buf_init(&b, 1 << 30, mem);
    gw_record_put(&b, &rec);
    return gw_buf_str(&b);
}

static void run_clients(void)
{
    struct client *c = calloc(at_once, sizeof(*c));
    struct gw_arena *mem = gw_arena_new();
    struct gw_loop *loop = gw_loop_new();
    struct gw_str bytes = encode(mem);

    if (!c)
        abort();
    for (size_t i = 0; i < at_once; i++) {
        c[i] = (struct client){.loop = loop, .task.fn = on_task};
        c[i].entries = gw_arena_alloc(mem, batch * sizeof(*c[i].entries));
        for (size_t k = 0; k < batch; k++)
            c[i].entries[k] = (struct gw_log_entry){bytes, gw_hash64(GW_STR("k")), GW_TASK, 0};
        c[i].a = (struct gw_append){
            .mail.fn = on_kept, .reply = loop, .entries = c[i].entries, .n = batch};
        gw_loop_post(loop, &c[i].task);
    }
    gw_loop_run(loop);
    gw_loop_free(loop);
    gw_arena_free(mem);
    free(c);
}

/* ---- a worker ---- */

struct worker {
    struct gw_cursor *cursor;
    struct gw_loop *loop;
    struct gw_reader *reader;
    struct gw_mail wake;
    struct gw_arena *mem;
    uint64_t read, settled;
    pthread_t thread;
};

struct batch {
    struct gw_settle s;
    struct worker *w;
    struct gw_settled items[SETTLE];
};

static void on_settled(struct gw_mail *m)
{
    struct batch *b = GW_CONTAINER(m, struct batch, s.mail);

    b->w->settled += b->s.n;
    if (b->w->settled == total)
        gw_loop_stop(b->w->loop);
    free(b);
}

static size_t read_batch(struct worker *w, struct batch *b)
{
    struct gw_record rec;
    struct gw_err err;
    size_t n = 0;
    int rc = 1;

    while (n < SETTLE && (rc = gw_reader_next(w->reader, w->mem, &rec, &err)) == 1) {
        b->items[n++] = (struct gw_settled){rec.at, GW_PUBLISHED, NULL, 0};
        gw_arena_reset(w->mem);
    }
    if (rc < 0)
        die("read", &err);
    return n;
}

static void read_on(struct worker *w)
{
    for (;;) {
        struct batch *b = malloc(sizeof(*b));
        size_t n;

        if (!b)
            abort();
        n = read_batch(w, b);
        if (n == 0) {
            free(b);
            return;
        }
        b->w = w;
        b->s = (struct gw_settle){.mail.fn = on_settled,
                                  .reply = w->loop,
                                  .cursor = w->cursor,
                                  .items = b->items,
                                  .n = n};
        w->read += n;
        gw_log_settle(the_log, &b->s);
    }
}

static void on_wake(struct gw_mail *m)
{
    read_on(GW_CONTAINER(m, struct worker, wake));
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;

    w->mem = gw_arena_new();
    w->wake.fn = on_wake;
    w->reader = gw_reader_open(w->cursor, w->loop, &w->wake, NULL, NULL);
    read_on(w);
    gw_loop_run(w->loop);
    gw_reader_close(w->reader);
    gw_arena_free(w->mem);
    return NULL;
}

/* ---- the run ---- */

static double cpu_us(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void report(double cpu, double seconds, const char *what)
{
    printf("%s: %.0f records/s, %.2f us CPU a record", what, (double)total / seconds,
           cpu / (double)total);
    if (n_syncs) {
        qsort(syncs, n_syncs, sizeof(*syncs), by_time);
        printf(", %zu syncs, %.1f records each, median sync %.0f us", n_syncs,
               (double)total / (double)n_syncs, (double)syncs[n_syncs / 2] / 1e3);
    }
    printf("\n");
}

static void bench(const struct gw_log_conf *conf, size_t pipelines)
{
    struct worker w[MAX_PIPELINES] = {{0}};
    struct gw_err err;
    double cpu;
    int64_t began;

    the_log = gw_log_open(conf, NULL, NULL, NULL, &err);
    if (!the_log)
        die("open", &err);
    for (size_t i = 0; i < pipelines; i++) {
        char name[16];

        snprintf(name, sizeof(name), "p%zu", i);
        w[i].loop = gw_loop_new();
        w[i].cursor = gw_log_cursor(the_log, name, GW_START_NEW, NULL, &err);
        if (!w[i].cursor)
            die("cursor", &err);
        if (pthread_create(&w[i].thread, NULL, worker_main, &w[i]))
            abort();
    }
    cpu = cpu_us();
    began = gw_clock_mono_ns();
    run_clients();
    report(cpu_us() - cpu, (double)(gw_clock_mono_ns() - began) / 1e9, "kept");
    for (size_t i = 0; i < pipelines; i++) {
        pthread_join(w[i].thread, NULL);
        gw_loop_turn(w[i].loop, 0);
        gw_loop_free(w[i].loop);
    }
    if (pipelines)
        report(cpu_us() - cpu, (double)(gw_clock_mono_ns() - began) / 1e9, "read and settled");
    gw_log_close(the_log);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"dir", required_argument, NULL, 'd'},   {"type", required_argument, NULL, 't'},
        {"n", required_argument, NULL, 'n'},     {"at-once", required_argument, NULL, 'a'},
        {"size", required_argument, NULL, 's'},  {"pipelines", required_argument, NULL, 'p'},
        {"batch", required_argument, NULL, 'b'}, {NULL, 0, NULL, 0}};
    struct gw_log_conf conf = {
        .path = "log-bench-data", .max_bytes = 8L << 30, .segment_bytes = 64 << 20};
    size_t pipelines = 1;
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'd':
            conf.path = optarg;
            break;
        case 't':
            conf.type = !strcmp(optarg, "memory") ? GW_LOG_MEMORY : GW_LOG_EMBEDDED;
            break;
        case 'n':
            total = strtoull(optarg, NULL, 10);
            break;
        case 'a':
            at_once = strtoull(optarg, NULL, 10);
            break;
        case 's':
            size = strtoull(optarg, NULL, 10);
            break;
        case 'p':
            pipelines = strtoull(optarg, NULL, 10);
            break;
        case 'b':
            batch = strtoull(optarg, NULL, 10);
            break;
        default:
            return 2;
        }
    }
    total -= batch ? total % batch : 0;
    if (at_once == 0 || batch == 0 || total < at_once * batch || pipelines > MAX_PIPELINES)
        return 2;
    syncs = calloc(MAX_SYNCS, sizeof(*syncs));
    gw_log_sync = timed_sync;
    bench(&conf, pipelines);
    free(syncs);
    return 0;
}
