#include "base/clock.h"
#include "ingest/grpc.h"
#include "ingest/grpc_frame.h"
#include "ingest/upstream.h"
#include "net/http2_channel.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An event on its way to FlyteAdmin and, when that has taken it, into the log. Its memory is its
 * own, so that a client that leaves takes nothing with it. */

enum { GRACE_MS = 10000, MAX_ANSWER = 4 << 20, MAX_IDLE = 64 };

struct gw_forward {
    struct gw_http_call http;
    struct gw_upstream *up;
    struct gw_grpc_call *owner; /* NULL: it has been answered */
    struct gw_arena *mem;
    struct gw_record record;
    size_t reserved;
    int64_t began_ns;
    struct gw_timer grace;
    struct gw_forward *next, **at;
    int left; /* grace is set */
    int sent; /* FlyteAdmin has it, and has not answered */
};

static void on_grace(struct gw_timer *t);

static struct gw_forward *take(struct gw_upstream *u)
{
    struct gw_forward *fw = u->idle;

    if (fw) {
        u->idle = fw->next;
        u->n_idle--;
    } else {
        fw = calloc(1, sizeof(*fw));
        if (!fw)
            abort();
        fw->up = u;
        fw->mem = gw_arena_new();
        gw_timer_init(&fw->grace, u->front->loop, on_grace);
    }
    fw->sent = fw->left = 0;
    fw->next = u->forwards;
    if (fw->next)
        fw->next->at = &fw->next;
    fw->at = &u->forwards;
    u->forwards = fw;
    u->front->under_way++;
    return fw;
}

static void destroy(struct gw_forward *fw)
{
    gw_timer_fini(&fw->grace);
    gw_arena_free(fw->mem);
    free(fw);
}

/* It has ended; the last use of it. */
static void give(struct gw_forward *fw)
{
    struct gw_upstream *u = fw->up;
    struct gw_front *f = u->front;

    if (fw->left)
        gw_timer_cancel(&fw->grace);
    gw_upstream_leave(u, 0);
    *fw->at = fw->next;
    if (fw->next)
        fw->next->at = fw->at;
    if (u->n_idle == MAX_IDLE) {
        destroy(fw);
    } else {
        gw_arena_reset(fw->mem);
        fw->next = u->idle;
        u->idle = fw;
        u->n_idle++;
    }
    f->under_way--;
    f->settled(f);
}

void gw_forward_free_idle(struct gw_upstream *u)
{
    struct gw_forward *next;

    assert(!u->forwards);
    for (struct gw_forward *fw = u->idle; fw; fw = next) {
        next = fw->next;
        destroy(fw);
    }
    u->idle = NULL;
}

/* ---- the answer ---- */

static struct gw_grpc_call *disown(struct gw_forward *fw)
{
    struct gw_grpc_call *c = fw->owner;

    fw->owner = NULL;
    if (c)
        c->forward = NULL;
    return c;
}

/* As FlyteAdmin said it. */
static void relay(struct gw_forward *fw)
{
    const struct gw_http_call *a = &fw->http;
    struct gw_grpc_call *c = disown(fw);
    size_t n = a->n_head, n_trailers = a->n_answer_headers - a->n_head;
    struct gw_http_header *head, *trailers;

    if (!c)
        return;
    head = gw_upstream_headers(fw->mem, a->answer_headers, &n, NULL);
    trailers = gw_upstream_headers(fw->mem, a->answer_headers + a->n_head, &n_trailers, NULL);
    gw_grpc_settle(c);
    c->responded = 1;
    gw_http_respond(c->stream, 200, head, n);
    if (a->answer.len > 0)
        gw_http_write(c->stream, gw_buf_str(&a->answer));
    gw_http_finish(c->stream, trailers, n_trailers);
}

/* What is reserved is given back, and the client is told why if there is something to tell. */
static void drop(struct gw_forward *fw, enum gw_rpc_code code, const char *why)
{
    struct gw_grpc_call *c;

    gw_unreserve(fw->up->front, fw->reserved);
    gw_front_reject(fw->up->front, GW_GRPC, GW_R_UPSTREAM);
    if (!why)
        relay(fw);
    else if ((c = disown(fw)))
        gw_grpc_finish(c, code, why);
    give(fw);
}

static void on_kept(void *owner, const struct gw_err *err)
{
    struct gw_forward *fw = owner;
    struct gw_grpc_call *c;

    if (!err)
        relay(fw);
    else if ((c = disown(fw)))
        gw_grpc_finish(c, GW_RPC_UNAVAILABLE, err->msg);
    give(fw);
}

/* One message, whole, if FlyteAdmin says OK. */
static int is_whole(const struct gw_http_call *call)
{
    struct gw_str body = gw_buf_str(&call->answer);
    struct gw_grpc_frame frame;
    struct gw_err err;

    return gw_grpc_frame_read(body, MAX_ANSWER, &frame, &err) == 1 && frame.size == body.len;
}

static void on_done(struct gw_http_call *call)
{
    struct gw_forward *fw = GW_CONTAINER(call, struct gw_forward, http);
    char why[GW_UPSTREAM_WHY];
    struct gw_sub *sub;
    enum gw_rpc_code code;
    int status;

    if (!gw_http2_channel_again(fw->up->channel, call)) /* FlyteAdmin has not looked at it */
        return;
    fw->sent = 0;
    status = gw_upstream_status(call, &code, why);
    if (status == GW_RPC_OK && !is_whole(call)) {
        status = -1;
        (void)snprintf(why, sizeof(why), "upstream's answer is not one message");
    }
    if (status != GW_RPC_OK && status != GW_RPC_ALREADY_EXISTS) {
        drop(fw, code, status < 0 ? why : NULL);
        return;
    }
    if (fw->left)
        gw_timer_cancel(&fw->grace);
    sub = gw_submit_reserved(fw->up->front, GW_GRPC, &fw->record, 1, fw->reserved);
    sub->began_ns = fw->began_ns;
    sub->owner = fw;
    sub->answer = on_kept;
}

/* ---- the way there ---- */

static void keep(struct gw_forward *fw, const struct gw_record *r, struct gw_str body)
{
    struct gw_str copy = gw_arena_str(fw->mem, body);
    int inside = r->payload.p >= body.p && r->payload.p + r->payload.len <= body.p + body.len;

    fw->record = *r;
    fw->record.client = gw_arena_str(fw->mem, r->client);
    fw->record.key = gw_arena_str(fw->mem, r->key);
    fw->record.traceparent = gw_arena_str(fw->mem, r->traceparent);
    fw->record.payload = inside ? (struct gw_str){copy.p + (r->payload.p - body.p), r->payload.len}
                                : gw_arena_str(fw->mem, r->payload);
    fw->http.body = copy;
}

static void set_headers(struct gw_forward *fw, const struct gw_grpc_call *c)
{
    int64_t left = c->deadline_ms - gw_loop_now_ms(fw->up->front->loop);
    size_t n = c->stream->n_headers, kept = 0;
    struct gw_http_header *h =
        gw_upstream_headers(fw->mem, c->stream->headers, &n, fw->up->front->doors[GW_GRPC]);

    for (size_t i = 0; i < n; i++)
        if (!gw_str_is(h[i].name, "grpc-timeout"))
            h[kept++] = (struct gw_http_header){gw_arena_str(fw->mem, h[i].name),
                                                gw_arena_str(fw->mem, h[i].value)};
    h[kept++] = (struct gw_http_header){GW_STR("te"), GW_STR("trailers")};
    if (c->deadline_ms) {
        const char *unit = left > 99999999 ? "S" : "m";

        left = left > 99999999 ? left / 1000 : left > 0 ? left : 1;
        h[kept++] = (struct gw_http_header){
            GW_STR("grpc-timeout"), gw_arena_printf(fw->mem, "%lld%s", (long long)left, unit)};
    }
    fw->http.headers = h;
    fw->http.n_headers = kept;
}

struct gw_forward *gw_forward_event(struct gw_grpc_call *c, const struct gw_flyte_request *r,
                                    enum gw_reason *reason, struct gw_err *err)
{
    struct gw_front *f = c->front;
    const struct gw_record record = gw_flyte_record(f, GW_GRPC, c->stream, r);
    struct gw_forward *fw;
    size_t reserved;

    if (gw_upstream_enter(f->upstream, 0, err)) {
        *reason = GW_R_PENDING;
        return NULL;
    }
    if (gw_reserve(f, &record, 1, &reserved, reason, err)) {
        gw_upstream_leave(f->upstream, 0);
        return NULL;
    }
    fw = take(f->upstream);
    fw->owner = c;
    fw->reserved = reserved;
    fw->began_ns = gw_clock_mono_ns();
    fw->http = (struct gw_http_call){.method = GW_STR("POST"),
                                     .path = c->method->path,
                                     .max_answer = MAX_ANSWER,
                                     .mem = fw->mem,
                                     .done = on_done};
    keep(fw, &record, gw_buf_str(&c->stream->body));
    set_headers(fw, c);
    fw->sent = 1;
    gw_http2_channel_start(fw->up->channel, &fw->http);
    return fw;
}

static void give_up(struct gw_forward *fw)
{
    if (!fw->sent)
        return;
    fw->sent = 0;
    gw_http2_channel_cancel(fw->up->channel, &fw->http);
    drop(fw, GW_RPC_UNAVAILABLE, "shutting down");
}

static void on_grace(struct gw_timer *t)
{
    give_up(GW_CONTAINER(t, struct gw_forward, grace));
}

void gw_forward_leave(struct gw_forward *fw)
{
    fw->owner = NULL;
    fw->left = fw->sent;
    if (fw->left)
        gw_timer_set(&fw->grace, GRACE_MS);
}

void gw_upstream_hurry(struct gw_upstream *u)
{
    struct gw_forward *next;

    for (struct gw_forward *fw = u ? u->forwards : NULL; fw; fw = next) {
        next = fw->next;
        give_up(fw);
    }
    if (u)
        gw_pass_hurry(u);
}
