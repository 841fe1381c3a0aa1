#include "ingest/front.h"

#include "base/clock.h"
#include "base/metrics.h"
#include "base/text.h"
#include "net/http.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From a checked request to its answer: room, append, mail (I1 to I4). On the front's thread. */

enum { MAX_IDLE_SUBS = 1024, MAX_TRACEPARENT = 512 };

static struct gw_sub *take_sub(struct gw_front *f)
{
    struct gw_sub *sub = f->idle_subs;

    if (sub) {
        f->idle_subs = sub->next;
        f->n_idle_subs--;
        return sub;
    }
    sub = calloc(1, sizeof(*sub));
    if (!sub)
        abort();
    sub->front = f;
    sub->mem = gw_arena_new();
    return sub;
}

static void free_sub(struct gw_sub *sub)
{
    gw_arena_free(sub->mem);
    free(sub);
}

static void give_sub(struct gw_sub *sub)
{
    struct gw_front *f = sub->front;

    if (f->n_idle_subs >= MAX_IDLE_SUBS) {
        free_sub(sub);
        return;
    }
    gw_arena_reset(sub->mem);
    sub->owner = NULL;
    sub->next = f->idle_subs;
    f->idle_subs = sub;
    f->n_idle_subs++;
}

void gw_submit_fini(struct gw_front *f)
{
    struct gw_sub *next;

    assert(f->under_way == 0);
    for (struct gw_sub *sub = f->idle_subs; sub; sub = next) {
        next = sub->next;
        free_sub(sub);
    }
    f->idle_subs = NULL;
    f->n_idle_subs = 0;
}

static void on_kept(struct gw_mail *m)
{
    struct gw_sub *sub = GW_CONTAINER(m, struct gw_sub, append.mail);
    struct gw_front *f = sub->front;

    atomic_fetch_sub_explicit(f->pending, (int64_t)sub->append.reserved, memory_order_relaxed);
    f->under_way--;
    if (sub->append.failed) {
        gw_front_reject(f, sub->way, GW_R_UNAVAILABLE);
    } else {
        for (size_t i = 0; i < sub->append.n; i++)
            gw_count(f->received[sub->way][sub->append.entries[i].kind], 1);
        gw_histogram_add(f->ack[sub->way], gw_clock_mono_ns() - sub->began_ns);
    }
    if (sub->owner)
        sub->answer(sub->owner, sub->append.failed ? &sub->append.err : NULL);
    give_sub(sub);
    f->settled(f);
}

static int take_room(struct gw_front *f, size_t bytes, enum gw_reason *reason, struct gw_err *err)
{
    int64_t n = (int64_t)bytes, before;

    if (n > f->max_pending) {
        *reason = GW_R_TOO_LARGE;
        return gw_err_set(err, GW_ERR_TOO_LARGE,
                          "message too large: %lld bytes as a record, above max_pending_bytes %lld",
                          (long long)n, (long long)f->max_pending);
    }
    before = atomic_fetch_add_explicit(f->pending, n, memory_order_relaxed);
    if (before + n > f->max_pending) {
        *reason = GW_R_PENDING;
        gw_err_set(err, GW_ERR_FULL, "too much is waiting to be written (max_pending_bytes %lld)",
                   (long long)f->max_pending);
    } else if (gw_log_reserve(f->log, bytes, err)) {
        *reason = gw_reason_of(err);
        f->full = err->kind == GW_ERR_FULL;
    } else {
        f->full = 0;
        return 0;
    }
    atomic_fetch_sub_explicit(f->pending, n, memory_order_relaxed);
    return -1;
}

static void encode(struct gw_sub *sub, const struct gw_record *records, size_t n, size_t bytes)
{
    struct gw_log_entry *entries = &sub->one;
    struct gw_buf b;
    size_t at = 0;

    if (n > 1)
        entries = gw_arena_alloc(sub->mem, n * sizeof(*entries));
    gw_buf_init(&b, bytes, sub->mem);
    (void)gw_buf_room(&b, bytes); /* one allocation: slices of it stay where they are */
    for (size_t i = 0; i < n; i++) {
        gw_record_put(&b, &records[i]);
        assert(!b.failed);
        entries[i] = (struct gw_log_entry){.bytes = {b.p + at, b.len - at},
                                           .key_hash = gw_hash64(records[i].key),
                                           .kind = records[i].kind,
                                           .received_at_ns = records[i].received_at_ns};
        at = b.len;
    }
    sub->append.entries = entries;
    sub->append.n = n;
}

struct gw_sub *gw_submit(struct gw_front *f, enum gw_way way, const struct gw_record *records,
                         size_t n, enum gw_reason *reason, struct gw_err *err)
{
    struct gw_sub *sub;
    size_t bytes = 0;

    assert(n > 0);
    for (size_t i = 0; i < n; i++)
        bytes += gw_record_size(&records[i]);
    if (take_room(f, bytes, reason, err))
        return NULL;
    sub = take_sub(f);
    sub->way = way;
    sub->began_ns = gw_clock_mono_ns();
    sub->append = (struct gw_append){.mail.fn = on_kept, .reply = f->loop, .reserved = bytes};
    encode(sub, records, n, bytes);
    f->under_way++;
    gw_log_append(f->log, &sub->append);
    return sub;
}

struct gw_sub *gw_submit_flyte(struct gw_front *f, enum gw_way way, const struct gw_http_stream *s,
                               const struct gw_flyte_request *r, enum gw_reason *reason,
                               struct gw_err *err)
{
    const struct gw_record record = {.kind = r->kind,
                                     .received_at_ns = gw_clock_wall_ns(),
                                     .ingest = way == GW_GRPC ? GW_STR("grpc") : GW_STR("http"),
                                     .key = gw_flyte_key(f->scratch, r),
                                     .traceparent = gw_traceparent(s),
                                     .payload = r->bytes};

    return gw_submit(f, way, &record, 1, reason, err);
}

enum gw_reason gw_reason_of(const struct gw_err *err)
{
    switch (err->kind) {
    case GW_ERR_REJECT:
        return GW_R_INVALID;
    case GW_ERR_TOO_LARGE:
        return GW_R_TOO_LARGE;
    case GW_ERR_FULL:
        return GW_R_FULL;
    case GW_ERR_UNSUPPORTED:
        return GW_R_UNSUPPORTED;
    case GW_ERR_RETRY:
    case GW_ERR_FATAL:
        break;
    }
    return GW_R_UNAVAILABLE;
}

void gw_err_too_large(struct gw_err *err)
{
    if (err->kind == GW_ERR_TOO_LARGE && strncmp(err->msg, "message too large", 17) != 0)
        gw_err_wrap(err, "message too large");
}

struct gw_str gw_traceparent(const struct gw_http_stream *s)
{
    const struct gw_str *v = gw_http_get(s, "traceparent");

    if (!v || v->len == 0 || v->len > MAX_TRACEPARENT)
        return (struct gw_str){0};
    for (size_t i = 0; i < v->len; i++)
        if (v->p[i] <= ' ' || v->p[i] > '~')
            return (struct gw_str){0};
    return *v;
}
