#ifndef SPEC_LOG_LOGS_H
#define SPEC_LOG_LOGS_H

/* A log under test, and what a pipeline and an ingest would do with it, on one loop. */
#include "log/log.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/text.h"
#include "flyte/flyte.h"
#include "net/loop.h"
#include "test.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct rig {
    struct gw_log_conf conf;
    struct gw_log *log;
    struct gw_loop *loop;
    struct gw_cursor *cursor;
    struct gw_reader *reader;
    struct gw_mail wake;
    struct gw_arena *mem; /* of records read; reset by whoever likes */
};

static atomic_int rig_failures;
static struct gw_err rig_failure;

static inline void rig_failed(void *ctx, const struct gw_err *why)
{
    (void)ctx;
    rig_failure = *why;
    rig_failures++;
}

static atomic_int rig_cuts; /* how often a torn tail was told of */

static inline void rig_quiet(const char *text, size_t len)
{
    if (memmem(text, len, "cut off", 7))
        rig_cuts++;
}

static inline void rig_woken(struct gw_mail *m)
{
    (void)m;
}

/* A second goes by between any two looks: the state writer never waits for its next commit. */
static inline int64_t rig_fast_clock(void)
{
    static atomic_llong seconds;

    return ++seconds * 1000000000;
}

static inline struct gw_log_conf rig_conf(void)
{
    return (struct gw_log_conf){
        .type = GW_LOG_EMBEDDED, .path = "data", .max_bytes = 64 << 20, .segment_bytes = 1 << 20};
}

static inline void rig_open(struct rig *r, const struct gw_log_conf *conf)
{
    struct gw_err err = {0};

    *r = (struct rig){.conf = *conf, .loop = gw_loop_new(), .mem = gw_arena_new()};
    r->wake.fn = rig_woken;
    gw_diag_sink = rig_quiet;
    gw_clock_mono_ns = rig_fast_clock;
    r->log = gw_log_open(conf, NULL, rig_failed, NULL, &err);
    if (!r->log)
        fprintf(stderr, "%s\n", err.msg);
    CHECK(r->log);
    r->cursor = gw_log_cursor(r->log, "p", GW_START_RETAINED, NULL, &err);
    CHECK(r->cursor);
    r->reader = gw_reader_open(r->cursor, r->loop, &r->wake, NULL, NULL);
}

static inline void rig_close(struct rig *r)
{
    gw_reader_close(r->reader);
    gw_log_close(r->log);
    gw_loop_turn(r->loop, 0);
    gw_loop_free(r->loop);
    gw_arena_free(r->mem);
}

static inline void rig_reopen(struct rig *r)
{
    struct gw_log_conf conf = r->conf;

    rig_close(r);
    rig_open(r, &conf);
}

/* ---- appends ---- */

struct rig_append {
    struct gw_append a;
    struct gw_arena *mem;
    int done;
};

static inline void rig_kept(struct gw_mail *m)
{
    GW_CONTAINER(m, struct rig_append, a.mail)->done = 1;
}

/* A record whose payload is `size` bytes that tell `number`. */
static inline struct gw_record rig_record(struct gw_arena *mem, uint64_t number, size_t size)
{
    char *p = gw_arena_zalloc(mem, size + 24);
    int n = snprintf(p, 24, "%llu", (unsigned long long)number);

    memset(p + n, 'a' + (int)(number % 26), size);
    return (struct gw_record){
        .kind = GW_TASK,
        .received_at_ns = (int64_t)(1000 + number),
        .ingest = GW_STR("grpc"),
        .key = gw_arena_printf(mem, "p:d:%llu", (unsigned long long)(number % 7)),
        .payload = {p, (size_t)n + size}};
}

/* Prepares an append of n records numbered from first. Reserves; -1: no room. */
static inline int rig_prepare(struct rig *r, struct rig_append *out, uint64_t first, size_t n,
                              size_t size)
{
    struct gw_log_entry *entries;
    struct gw_err err;
    size_t bytes = 0;

    *out = (struct rig_append){.mem = gw_arena_new()};
    entries = gw_arena_alloc(out->mem, n * sizeof(*entries));
    for (size_t i = 0; i < n; i++) {
        struct gw_record rec = rig_record(out->mem, first + i, size);
        struct gw_buf b;

        gw_buf_init(&b, 1 << 30, out->mem);
        bytes += gw_record_size(&rec);
        gw_record_put(&b, &rec);
        entries[i] =
            (struct gw_log_entry){gw_buf_str(&b), gw_hash64(rec.key), rec.kind, rec.received_at_ns};
    }
    out->a = (struct gw_append){
        .mail.fn = rig_kept, .reply = r->loop, .entries = entries, .n = n, .reserved = bytes};
    if (!gw_log_reserve(r->log, bytes, &err))
        return 0;
    CHECK(err.kind == GW_ERR_FULL || err.kind == GW_ERR_RETRY);
    gw_arena_free(out->mem);
    return -1;
}

static inline void rig_wait(struct rig *r, struct rig_append *a)
{
    while (!a->done)
        gw_loop_turn(r->loop, 1);
    gw_arena_free(a->mem);
}

/* 0: kept; 1: failed; -1: no room. */
static inline int rig_append(struct rig *r, uint64_t first, size_t n, size_t size)
{
    struct rig_append a;

    if (rig_prepare(r, &a, first, n, size))
        return -1;
    gw_log_append(r->log, &a.a);
    rig_wait(r, &a);
    return a.a.failed;
}

static inline void rig_append_each(struct rig *r, uint64_t first, uint64_t last, size_t size)
{
    for (; first <= last; first++)
        CHECK(rig_append(r, first, 1, size) == 0);
}

/* ---- reading ---- */

/* The number that the next record tells; 0: none yet. */
static inline uint64_t rig_next(struct rig *r, struct gw_record *out)
{
    struct gw_record head = {0};
    struct gw_err err;
    char text[24] = "";
    int peeked = gw_reader_peek(r->reader, &head, &err);
    int rc = gw_reader_next(r->reader, r->mem, out, &err);

    CHECK(rc >= 0 && (rc == peeked || (peeked == 1 && !head.damaged)));
    if (rc == 1 && out->at.offset == head.at.offset)
        CHECK(head.damaged <= out->damaged);
    else if (rc == 1) /* its cursor had passed it, and its segment is written anew */
        CHECK(out->at.offset > head.at.offset && !head.damaged);
    if (rc == 0)
        return 0;
    memcpy(text, out->payload.p ? out->payload.p : "",
           out->payload.len < 23 ? out->payload.len : 23);
    return strtoull(text, NULL, 10);
}

/* Reads on, and settles: returns how many records there were, all in order and none damaged. */
static inline uint64_t rig_expect(struct rig *r, uint64_t first, uint64_t last)
{
    struct gw_record rec;

    for (uint64_t n = first; n <= last; n++) {
        uint64_t got = rig_next(r, &rec);

        if (got != n)
            fprintf(stderr, "record %llu, expected %llu\n", (unsigned long long)got,
                    (unsigned long long)n);
        CHECK(got == n && !rec.damaged);
        gw_arena_reset(r->mem);
    }
    CHECK(rig_next(r, &rec) == 0);
    return last + 1 - first;
}

/* ---- settling ---- */

struct rig_settle {
    struct gw_settle s;
    int done;
};

static inline void rig_settled(struct gw_mail *m)
{
    GW_CONTAINER(m, struct rig_settle, s.mail)->done = 1;
}

/* first to last, as published unless end says so. 0: kept. */
static inline int rig_settle_as(struct rig *r, uint64_t first, uint64_t last, enum gw_end end)
{
    static const struct gw_dead_letter letter = {.reason = "rejected", .error = {"no", 2}};
    size_t n = (size_t)(last + 1 - first);
    struct gw_settled *items = calloc(n, sizeof(*items));
    struct rig_settle s = {
        .s = {
            .mail.fn = rig_settled, .reply = r->loop, .cursor = r->cursor, .items = items, .n = n}};

    CHECK(items);
    for (size_t i = 0; i < n; i++)
        items[i] = (struct gw_settled){{0, first + i}, end, end == GW_DEAD ? &letter : NULL, 0};
    gw_log_settle(r->log, &s.s);
    while (!s.done)
        gw_loop_turn(r->loop, 1);
    free(items);
    return s.s.failed;
}

static inline void rig_settle(struct rig *r, uint64_t first, uint64_t last)
{
    CHECK(rig_settle_as(r, first, last, GW_PUBLISHED) == 0);
}

static inline struct gw_cursor_stats rig_stats(struct rig *r)
{
    struct gw_cursor_stats s;

    gw_cursor_stats(r->cursor, &s);
    CHECK(s.accepted == s.published + s.filtered + s.dead_lettered + s.lag); /* L8 */
    return s;
}

/* What a process that is gone without a word had; from it by a pipe. */
static inline void rig_give(int fd, const void *from, size_t n)
{
    for (size_t at = 0; at < n;) {
        const ssize_t put = write(fd, (const char *)from + at, n - at);

        CHECK(put > 0);
        at += (size_t)put;
    }
}

static inline void rig_take(int fd, void *to, size_t n)
{
    for (size_t at = 0; at < n;) {
        const ssize_t got = read(fd, (char *)to + at, n - at);

        CHECK(got > 0);
        at += (size_t)got;
    }
}

#endif
