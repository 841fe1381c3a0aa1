#include "base/clock.h"
#include "ingest/http.h"
#include "ingest/upstream.h"
#include "net/http1_client.h"
#include "net/http1_head.h"
#include "net/tls.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Requests of the HTTP front on their way to FlyteAdmin: an exchange is one request, with a
 * connection that it keeps for the next. Answers of events are collected, for their records come
 * first; all others stream, and are read only as their client takes them. */

enum {
    GRACE_MS = 10000,
    MAX_EXCHANGES = 256, /* of a front; beyond: 429 */
    MAX_EVENT_ANSWER = 1 << 20,
    MUCH = 256 << 10
};

struct gw_exchange {
    struct gw_http_call http;
    struct gw_http_upstream *up;
    struct gw_http1_client *client;
    struct gw_http_stream *stream; /* NULL: it has been answered, or is gone */
    struct gw_exchange **back;     /* the owner's, cleared when it has been answered */
    struct gw_arena *mem;
    struct gw_record record;
    size_t reserved; /* 0: no event */
    size_t held;     /* the body of what is none, see gw_body_hold */
    int64_t began_ns;
    struct gw_timer grace;
    struct gw_task cut; /* its client is gone: not from inside the connection's callbacks */
    struct gw_exchange *next, **at;
    int sent, responded;
};

struct gw_http_upstream {
    struct gw_front *front;
    struct gw_upstream_place place;
    struct gw_upstream_trust tls;
    struct gw_exchange *open, *idle;
    size_t n;
    int64_t patience_ms;
};

struct gw_http_upstream *gw_http_upstream_new(struct gw_front *f,
                                              const struct gw_ingest_http_conf *conf)
{
    struct gw_http_upstream *u = calloc(1, sizeof(*u));

    if (!u)
        abort();
    u->front = f;
    u->patience_ms = conf->upstream_timeout_ms;
    u->tls.ca = conf->upstream_tls ? conf->upstream_tls->ca : NULL;
    gw_upstream_place(&u->place, conf->upstream);
    return u;
}

/* 0: there is TLS if there has to be. */
static int ready_tls(struct gw_http_upstream *u, struct gw_err *err)
{
    struct gw_exchange *const lists[] = {u->open, u->idle};
    int rc =
        u->place.secure ? gw_upstream_tls_ready(&u->tls, gw_loop_now_ms(u->front->loop), err) : 0;

    for (size_t i = 0; i < 2 && rc == 1; i++)
        for (struct gw_exchange *x = lists[i]; x; x = x->next)
            gw_http1_client_tls(x->client, u->tls.context);
    return rc < 0 ? gw_err_wrap(err, "upstream") : 0;
}

/* ---- exchanges in store ---- */

static void on_grace(struct gw_timer *t);
static void on_cut(struct gw_task *t);

static struct gw_http1_client *new_client(const struct gw_http_upstream *u)
{
    struct gw_http1_client *c = gw_http1_client_new(u->front->loop, u->place.address);

    gw_http1_client_tls(c, u->tls.context);
    gw_http1_client_patience(c, u->patience_ms);
    return c;
}

static struct gw_exchange *take(struct gw_http_upstream *u)
{
    struct gw_exchange *x = u->idle;

    if (x) {
        u->idle = x->next;
    } else {
        x = calloc(1, sizeof(*x));
        if (!x)
            abort();
        u->n++;
        x->up = u;
        x->mem = gw_arena_new();
        x->client = new_client(u);
        x->cut.fn = on_cut;
        gw_timer_init(&x->grace, u->front->loop, on_grace);
    }
    x->next = u->open;
    if (x->next)
        x->next->at = &x->next;
    x->at = &u->open;
    u->open = x;
    x->sent = x->responded = 0;
    x->reserved = 0;
    u->front->under_way++;
    return x;
}

/* It has ended; the last use of it. */
static void give(struct gw_exchange *x)
{
    struct gw_http_upstream *u = x->up;
    struct gw_front *f = u->front;

    gw_timer_cancel(&x->grace);
    gw_loop_cancel(f->loop, &x->cut);
    gw_body_release(f, &x->held);
    *x->at = x->next;
    if (x->next)
        x->next->at = x->at;
    gw_arena_reset(x->mem);
    x->next = u->idle;
    u->idle = x;
    f->under_way--;
    f->settled(f);
}

void gw_http_upstream_free(struct gw_http_upstream *u)
{
    struct gw_exchange *next;

    if (!u)
        return;
    assert(!u->open);
    for (struct gw_exchange *x = u->idle; x; x = next) {
        next = x->next;
        gw_http1_client_close(x->client);
        gw_timer_fini(&x->grace);
        gw_arena_free(x->mem);
        free(x);
    }
    gw_tls_context_drop(u->tls.context);
    gw_upstream_place_fini(&u->place);
    free(u);
}

/* ---- the answer ---- */

static struct gw_http_stream *disown(struct gw_exchange *x)
{
    struct gw_http_stream *s = x->stream;

    x->stream = NULL;
    if (s)
        *x->back = NULL;
    return s;
}

/* A length of what never has a body is not to be said (RFC 9110, 8.6), and peers trip over it. */
static size_t without_length(struct gw_http_header *h, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++)
        if (!gw_str_is(h[i].name, "content-length"))
            h[kept++] = h[i];
    return kept;
}

static void respond(struct gw_exchange *x)
{
    size_t n = x->http.n_head;
    struct gw_http_header *h = gw_upstream_headers(x->mem, x->http.answer_headers, &n, NULL);

    x->responded = 1;
    if (x->http.status == 204)
        n = without_length(h, n);
    gw_http_respond(x->stream, x->http.status, h, n);
}

static void move_down(struct gw_exchange *x)
{
    struct gw_buf *b = &x->http.answer;
    int much;

    if (!x->responded)
        respond(x);
    if (b->len > 0)
        gw_http_write(x->stream, gw_buf_str(b));
    gw_buf_clear(b);
    much = gw_http_unsent(x->stream) > MUCH;
    gw_http1_client_pause(x->client, much);
}

static void on_data(struct gw_http_call *call)
{
    struct gw_exchange *x = GW_CONTAINER(call, struct gw_exchange, http);

    if (x->stream && !x->reserved)
        move_down(x);
}

void gw_exchange_drained(struct gw_exchange *x)
{
    if (x->responded && x->sent && gw_http_unsent(x->stream) <= MUCH)
        gw_http1_client_pause(x->client, 0);
}

/* The whole answer, or its end. */
static void relay(struct gw_exchange *x)
{
    struct gw_http_stream *s;

    if (!x->stream)
        return;
    if (!x->responded)
        respond(x);
    if (x->http.answer.len > 0)
        gw_http_write(x->stream, gw_buf_str(&x->http.answer));
    s = disown(x);
    gw_http_finish(s, NULL, 0);
}

/* No answer, or only a part of one. */
static void fail(struct gw_exchange *x, int status, const char *why)
{
    struct gw_http_stream *s = disown(x);

    if (s && x->responded)
        gw_http_reset(s, 2); /* INTERNAL_ERROR */
    else if (s)
        gw_rest_error(s, status, why);
}

static void on_kept(void *owner, const struct gw_err *err)
{
    struct gw_exchange *x = owner;

    if (err)
        fail(x, 503, err->msg);
    else
        relay(x);
    give(x);
}

static void keep(struct gw_exchange *x)
{
    struct gw_sub *sub = gw_submit_reserved(x->up->front, GW_HTTP, &x->record, 1, x->reserved);

    sub->began_ns = x->began_ns;
    sub->owner = x;
    sub->answer = on_kept;
}

static void drop_event(struct gw_exchange *x)
{
    if (!x->reserved)
        return;
    gw_unreserve(x->up->front, x->reserved);
    gw_front_reject(x->up->front, GW_HTTP, GW_R_UPSTREAM);
}

static void on_done(struct gw_http_call *call)
{
    struct gw_exchange *x = GW_CONTAINER(call, struct gw_exchange, http);
    int taken = !call->failed && (call->status / 100 == 2 || call->status == 409);

    x->sent = 0;
    gw_timer_cancel(&x->grace);
    if (x->reserved && taken) {
        keep(x);
        return;
    }
    drop_event(x);
    if (call->failed)
        fail(x, call->silent ? 504 : 503, gw_arena_printf(x->mem, "upstream: %s", call->err.msg).p);
    else
        relay(x);
    give(x);
}

/* ---- the way there ---- */

/* HTTP/2 may send one field in pieces, which HTTP/1.1 does not know (RFC 9113, 8.2.3). */
static size_t join_cookies(struct gw_exchange *x, struct gw_http_header *h, size_t n)
{
    struct gw_buf all;
    size_t kept = 0, at = n;

    gw_buf_init(&all, SIZE_MAX / 2, x->mem); /* no more than came */
    for (size_t i = 0; i < n; i++) {
        if (!gw_str_is(h[i].name, "cookie")) {
            h[kept++] = h[i];
            continue;
        }
        gw_buf_puts(&all, at < n ? "; " : "");
        gw_buf_put_str(&all, h[i].value);
        if (at == n)
            h[at = kept++] = h[i];
    }
    if (at < n)
        h[at].value = gw_buf_str(&all);
    return kept;
}

static void set_headers(struct gw_exchange *x, const struct gw_http_stream *s)
{
    size_t n = s->n_headers, kept = 0;
    struct gw_http_header *h =
        gw_upstream_headers(x->mem, s->headers, &n, x->up->front->doors[GW_HTTP]);

    for (size_t i = 0; i < n; i++)
        if (!gw_str_is(h[i].name, "content-length"))
            h[kept++] = (struct gw_http_header){gw_arena_str(x->mem, h[i].name),
                                                gw_arena_str(x->mem, h[i].value)};
    x->http.headers = h;
    x->http.n_headers = join_cookies(x, h, kept);
}

/* Sent again though the first time may have arrived, it would do no more. Of an event FlyteAdmin
 * says then that it has it. */
static int may_repeat(const struct gw_exchange *x)
{
    static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"};

    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
        if (gw_str_is(x->http.method, methods[i]))
            return 1;
    return x->reserved > 0;
}

static struct gw_record copy_record(struct gw_exchange *x, const struct gw_record *r)
{
    struct gw_record copy = *r;

    copy.client = gw_arena_str(x->mem, r->client);
    copy.key = gw_arena_str(x->mem, r->key);
    copy.traceparent = gw_arena_str(x->mem, r->traceparent);
    copy.payload = gw_arena_str(x->mem, r->payload);
    return copy;
}

/* What HTTP/1.1 cannot say, or says something else by; a client of HTTP/1.1 has been refused. */
static int check_target(const struct gw_http_upstream *u, const struct gw_http_stream *s,
                        struct gw_err *err)
{
    if (memchr(s->path.p, '#', s->path.len))
        return gw_err_set(err, GW_ERR_REJECT, "the path has a fragment");
    if (!gw_http1_is_authority(s->authority))
        return gw_err_set(err, GW_ERR_REJECT, "the authority is not HOST or HOST:PORT");
    if (gw_upstream_leaves(&u->place, s->path))
        return gw_err_set(err, GW_ERR_REJECT, "the path leads out of the upstream's");
    return 0;
}

struct gw_exchange *gw_exchange_begin(struct gw_front *f, struct gw_http_stream *s,
                                      const struct gw_flyte_request *r, struct gw_exchange **back,
                                      enum gw_reason *reason, struct gw_err *err)
{
    const struct gw_record record = r ? gw_flyte_record(f, GW_HTTP, s, r) : (struct gw_record){0};
    struct gw_http_upstream *u = f->http_upstream;
    struct gw_exchange *x;
    size_t reserved = 0, held = 0;

    *reason = GW_R_INVALID;
    if (check_target(u, s, err))
        return NULL;
    *reason = GW_R_PENDING;
    if (!u->idle && u->n == MAX_EXCHANGES) {
        gw_err_set(err, GW_ERR_FULL, "too many requests wait for upstream");
        return NULL;
    }
    if (ready_tls(u, err)) {
        *reason = GW_R_UPSTREAM;
        return NULL;
    }
    if (r && gw_reserve(f, &record, 1, &reserved, reason, err))
        return NULL;
    if (!r && gw_body_hold(f, &held, s->body.len, err)) {
        gw_body_release(f, &held);
        return NULL;
    }
    x = take(u);
    x->stream = s;
    x->back = back;
    x->reserved = reserved;
    x->held = held;
    x->began_ns = gw_clock_mono_ns();
    if (r)
        x->record = copy_record(x, &record);
    x->http = (struct gw_http_call){
        .method = gw_arena_str(x->mem, s->method),
        .authority =
            gw_arena_str(x->mem, s->authority.p ? s->authority : gw_str_of(u->place.address)),
        .path = gw_arena_printf(x->mem, "%s%.*s", u->place.prefix, (int)s->path.len, s->path.p),
        .body = gw_arena_str(x->mem, gw_buf_str(&s->body)),
        .max_answer = r ? MAX_EVENT_ANSWER : SIZE_MAX / 2, /* it is moved on as it comes */
        .mem = x->mem,
        .done = on_done,
        .data = on_data};
    set_headers(x, s);
    if (!may_repeat(x))
        gw_http1_client_renew(x->client);
    x->sent = 1;
    gw_http1_client_start(x->client, &x->http);
    return x;
}

/* The connection goes with it: the answer would still come. */
static void give_up(struct gw_exchange *x, const char *why)
{
    if (!x->sent)
        return;
    x->sent = 0;
    gw_http1_client_close(x->client);
    x->client = new_client(x->up);
    drop_event(x);
    fail(x, 503, why);
    give(x);
}

static void on_cut(struct gw_task *t)
{
    give_up(GW_CONTAINER(t, struct gw_exchange, cut), "");
}

static void on_grace(struct gw_timer *t)
{
    give_up(GW_CONTAINER(t, struct gw_exchange, grace), "");
}

void gw_exchange_leave(struct gw_exchange *x)
{
    disown(x);
    if (x->sent && x->reserved)
        gw_timer_set(&x->grace, GRACE_MS);
    else if (x->sent)
        gw_loop_post(x->up->front->loop, &x->cut);
}

void gw_http_upstream_hurry(struct gw_http_upstream *u)
{
    struct gw_exchange *next;

    for (struct gw_exchange *x = u ? u->open : NULL; x; x = next) {
        next = x->next;
        give_up(x, "shutting down");
    }
}
