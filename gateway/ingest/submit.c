#include "ingest/front.h"

#include "base/clock.h"
#include "base/metrics.h"
#include "base/text.h"
#include "net/http.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From a checked request to its answer: room, append, mail (I1 to I4). On the front's thread.
 *
 * What the requests of one turn bring goes into one group and is appended as one at the turn's end,
 * or when the group is large: the writer is woken once, and answers once. A group is whole or not
 * at all in the log, and so is each request of it. */

enum {
    MAX_IDLE_GROUPS = 8,
    GROUP_RECORDS = 1024,
    GROUP_BYTES = 1024 * 1024,
    FREE_BODY = 64 * 1024,
    MAX_TRACEPARENT = 512
};

struct gw_group {
    struct gw_append append;
    struct gw_front *front;
    struct gw_group *next;
    struct gw_arena *mem; /* records and submissions */
    struct gw_log_entry *entries;
    size_t n, room;
    struct gw_sub *first, **last;
};

static void on_kept(struct gw_mail *m);

static struct gw_group *take_group(struct gw_front *f)
{
    struct gw_group *g = f->idle;

    if (g) {
        f->idle = g->next;
        f->n_idle--;
    } else {
        g = calloc(1, sizeof(*g));
        if (!g)
            abort();
        g->front = f;
        g->mem = gw_arena_new();
    }
    g->append = (struct gw_append){.mail.fn = on_kept, .reply = f->loop};
    g->n = 0;
    g->first = NULL;
    g->last = &g->first;
    f->under_way++;
    return g;
}

static void free_group(struct gw_group *g)
{
    gw_arena_free(g->mem);
    free(g->entries);
    free(g);
}

static void give_group(struct gw_group *g)
{
    struct gw_front *f = g->front;

    f->under_way--;
    if (f->n_idle >= MAX_IDLE_GROUPS || g->room > GROUP_RECORDS) {
        free_group(g);
        return;
    }
    gw_arena_reset(g->mem);
    g->next = f->idle;
    f->idle = g;
    f->n_idle++;
}

static void append_open(struct gw_front *f)
{
    struct gw_group *g = f->open;

    f->open = NULL;
    g->append.entries = g->entries;
    g->append.n = g->n;
    gw_log_append(f->log, &g->append);
}

static void on_turn_end(struct gw_task *t)
{
    struct gw_front *f = GW_CONTAINER(t, struct gw_front, append_task);

    if (f->open)
        append_open(f);
}

void gw_submit_init(struct gw_front *f)
{
    f->append_task.fn = on_turn_end;
}

void gw_submit_fini(struct gw_front *f)
{
    struct gw_group *next;

    assert(f->under_way == 0);
    gw_loop_cancel(f->loop, &f->append_task);
    for (struct gw_group *g = f->idle; g; g = next) {
        next = g->next;
        free_group(g);
    }
    f->idle = NULL;
    f->n_idle = 0;
    free(f->records);
    f->records = NULL;
    f->records_room = 0;
}

static void count_kept(struct gw_front *f, const struct gw_sub *sub,
                       const struct gw_log_entry *entries, int64_t now_ns)
{
    for (size_t i = 0; i < sub->n; i++)
        gw_count(f->received[sub->way][entries[i].kind], 1);
    gw_histogram_add(f->ack[sub->way], now_ns - sub->began_ns);
}

static void on_kept(struct gw_mail *m)
{
    struct gw_group *g = GW_CONTAINER(m, struct gw_group, append.mail);
    struct gw_front *f = g->front;
    const struct gw_err *err = g->append.failed ? &g->append.err : NULL;
    const struct gw_log_entry *entries = g->entries;
    int64_t now_ns = gw_clock_mono_ns();

    atomic_fetch_sub_explicit(f->pending, (int64_t)g->append.reserved, memory_order_relaxed);
    for (struct gw_sub *sub = g->first; sub; sub = sub->next) {
        if (err)
            gw_front_reject(f, sub->way, GW_R_UNAVAILABLE);
        else
            count_kept(f, sub, entries, now_ns);
        entries += sub->n;
        if (sub->owner)
            sub->answer(sub->owner, err);
    }
    give_group(g);
    f->settled(f);
}

static int too_much(const struct gw_front *f, struct gw_err *err)
{
    return gw_err_set(err, GW_ERR_FULL,
                      "too much is waiting to be written (max_pending_bytes %lld)",
                      (long long)f->max_pending);
}

int gw_body_hold(struct gw_front *f, size_t *held, size_t bytes, struct gw_err *err)
{
    int64_t more, before;

    if (bytes <= FREE_BODY || bytes <= *held)
        return 0;
    bytes = (bytes + FREE_BODY - 1) / FREE_BODY * FREE_BODY; /* in steps */
    more = (int64_t)(bytes - *held);
    before = atomic_fetch_add_explicit(f->pending, more, memory_order_relaxed);
    *held = bytes;
    return before + more > f->max_pending ? too_much(f, err) : 0;
}

void gw_body_release(struct gw_front *f, size_t *held)
{
    if (*held > 0)
        atomic_fetch_sub_explicit(f->pending, (int64_t)*held, memory_order_relaxed);
    *held = 0;
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
        too_much(f, err);
    } else if (gw_log_reserve(f->log, bytes, err)) {
        *reason = gw_reason_of(err);
    } else {
        return 0;
    }
    atomic_fetch_sub_explicit(f->pending, n, memory_order_relaxed);
    return -1;
}

static void need_room(struct gw_group *g, size_t n)
{
    if (g->n + n <= g->room)
        return;
    g->room = g->n + n < 64 ? 64 : 2 * (g->n + n);
    g->entries = realloc(g->entries, g->room * sizeof(*g->entries));
    if (!g->entries)
        abort();
}

static void encode(struct gw_group *g, const struct gw_record *records, size_t n, size_t bytes)
{
    struct gw_buf b;
    size_t at = 0;

    need_room(g, n);
    gw_buf_init(&b, bytes, g->mem);
    (void)gw_buf_room(&b, bytes); /* one allocation: slices of it stay where they are */
    for (size_t i = 0; i < n; i++) {
        gw_record_put(&b, &records[i]);
        assert(!b.failed);
        g->entries[g->n++] = (struct gw_log_entry){.bytes = {b.p + at, b.len - at},
                                                   .key_hash = gw_hash64(records[i].key),
                                                   .kind = records[i].kind,
                                                   .received_at_ns = records[i].received_at_ns};
        at = b.len;
    }
    g->append.reserved += bytes;
}

int gw_reserve(struct gw_front *f, const struct gw_record *records, size_t n, size_t *bytes,
               enum gw_reason *reason, struct gw_err *err)
{
    *bytes = 0;
    assert(n > 0);
    for (size_t i = 0; i < n; i++)
        *bytes += gw_record_size(&records[i]);
    return take_room(f, *bytes, reason, err);
}

void gw_unreserve(struct gw_front *f, size_t bytes)
{
    atomic_fetch_sub_explicit(f->pending, (int64_t)bytes, memory_order_relaxed);
    gw_log_release(f->log, bytes);
}

struct gw_sub *gw_submit_reserved(struct gw_front *f, enum gw_way way,
                                  const struct gw_record *records, size_t n, size_t bytes)
{
    struct gw_sub *sub;

    if (!f->open)
        f->open = take_group(f);
    encode(f->open, records, n, bytes);
    sub = gw_arena_alloc(f->open->mem, sizeof(*sub));
    *sub = (struct gw_sub){.way = way, .n = n, .began_ns = gw_clock_mono_ns()};
    *f->open->last = sub;
    f->open->last = &sub->next;
    if (f->open->n >= GROUP_RECORDS || f->open->append.reserved >= GROUP_BYTES)
        append_open(f);
    else
        gw_loop_post(f->loop, &f->append_task);
    return sub;
}

struct gw_sub *gw_submit(struct gw_front *f, enum gw_way way, const struct gw_record *records,
                         size_t n, enum gw_reason *reason, struct gw_err *err)
{
    size_t bytes;

    if (gw_reserve(f, records, n, &bytes, reason, err))
        return NULL;
    return gw_submit_reserved(f, way, records, n, bytes);
}

struct gw_record gw_flyte_record(struct gw_front *f, enum gw_way way,
                                 const struct gw_http_stream *s, const struct gw_flyte_request *r)
{
    return (struct gw_record){.kind = r->kind,
                              .received_at_ns = gw_clock_wall_ns(),
                              .ingest = way == GW_GRPC ? GW_STR("grpc") : GW_STR("http"),
                              .client = s->client,
                              .key = gw_flyte_key(f->scratch, r),
                              .traceparent = gw_traceparent(s),
                              .payload = r->bytes};
}

struct gw_sub *gw_submit_flyte(struct gw_front *f, enum gw_way way, const struct gw_http_stream *s,
                               const struct gw_flyte_request *r, enum gw_reason *reason,
                               struct gw_err *err)
{
    const struct gw_record record = gw_flyte_record(f, way, s, r);

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
