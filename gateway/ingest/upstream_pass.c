#include "ingest/door.h"
#include "ingest/grpc.h"
#include "ingest/upstream.h"
#include "net/http2_call.h"
#include "net/http2_channel.h"

/* A call that passes through, bytes as they are, of any of the four kinds. Each side is given its
 * windows back only as the other takes what came: what is held is a window and MUCH each way. It is
 * its stream's memory. */

enum { MUCH = 256 << 10, PREFIX = 5, MAX_KEPT = 64 << 10 };

struct gw_pass {
    struct gw_http_call http;
    struct gw_grpc_call *call;
    struct gw_upstream *up;
    struct gw_pass *next, **at; /* up->passes */
    int anonymous;              /* as in gw_upstream_enter */
    int ended;                  /* the client has: no more of the request comes */
    int finished;               /* FlyteAdmin was told so */
    int over;                   /* FlyteAdmin's answer has ended */
    /* What was sent, until FlyteAdmin answers: a call that it has not looked at goes there again.
     */
    struct gw_buf kept;
    unsigned char prefix[PREFIX];
    size_t n_prefix, left; /* of the message that is passing down */
};

/* ---- up: the client's request ---- */

/* What waits here counts as pending, as every body that is coming. */
static int hold(struct gw_pass *p)
{
    struct gw_grpc_call *c = p->call;
    size_t waits = c->stream->body.len + p->http.answer.len + gw_http2_call_unsent(&p->http);
    struct gw_err err;

    if (waits == 0)
        gw_body_release(c->front, &c->held);
    if (!gw_body_hold(c->front, &c->held, waits, &err))
        return 0;
    gw_grpc_finish(c, GW_RPC_RESOURCE_EXHAUSTED, err.msg);
    return -1;
}

static void move_up(struct gw_pass *p)
{
    struct gw_http_stream *s = p->call->stream;
    size_t n = s->body.len;

    if (p->over || p->finished)
        return;
    if (n > 0 && gw_http2_call_unsent(&p->http) < MUCH) {
        if (!p->http.n_head && !p->http.again)
            gw_buf_put_str(&p->kept, gw_buf_str(&s->body));
        if (p->anonymous && p->kept.failed) {
            gw_grpc_finish(p->call, GW_RPC_RESOURCE_EXHAUSTED,
                           "message too large: more than a call that needs no token may have");
            return;
        }
        gw_http2_channel_write(&p->http, gw_buf_str(&s->body));
        gw_buf_clear(&s->body);
        gw_http_took(s, n);
    }
    if (p->ended && s->body.len == 0) {
        p->finished = 1;
        gw_http2_channel_finish(&p->http);
    }
    (void)hold(p);
}

void gw_pass_data(struct gw_pass *p)
{
    if (p->over)
        gw_buf_clear(&p->call->stream->body);
    else
        move_up(p);
}

void gw_pass_end(struct gw_pass *p)
{
    p->ended = 1;
    move_up(p);
}

static void on_drained(struct gw_http_call *call)
{
    move_up(GW_CONTAINER(call, struct gw_pass, http));
}

/* ---- down: FlyteAdmin's answer ---- */

/* Where the messages begin, so that one that was cut is known at the end. */
static void follow(struct gw_pass *p, struct gw_str bytes)
{
    while (bytes.len > 0) {
        size_t n = p->left < bytes.len ? p->left : bytes.len;

        p->left -= n;
        bytes.p += n;
        bytes.len -= n;
        while (p->left == 0 && bytes.len > 0 && p->n_prefix < PREFIX) {
            p->prefix[p->n_prefix++] = (unsigned char)*bytes.p++;
            bytes.len--;
        }
        if (p->n_prefix < PREFIX)
            continue;
        p->n_prefix = 0;
        p->left = (size_t)p->prefix[1] << 24 | (size_t)p->prefix[2] << 16 |
                  (size_t)p->prefix[3] << 8 | p->prefix[4];
    }
}

/* The head goes down at once, unless all of the answer is in it. */
static void respond(struct gw_pass *p)
{
    const struct gw_http_call *a = &p->http;
    struct gw_grpc_call *c = p->call;
    size_t n = a->n_head;
    const struct gw_http_header *h =
        gw_upstream_headers(c->stream->mem, a->answer_headers, &n, NULL);

    c->responded = 1;
    gw_http_respond(c->stream, 200, h, n);
}

static int is_answer(const struct gw_http_call *a)
{
    const struct gw_str *type = gw_http_answer(a, "content-type");

    return a->status == 200 && type && gw_rpc_is_type(*type);
}

static void finish(struct gw_pass *p)
{
    struct gw_http_call *a = &p->http;
    struct gw_grpc_call *c = p->call;
    char why[GW_UPSTREAM_WHY];
    enum gw_rpc_code code;
    int status = gw_upstream_status(a, &code, why);
    size_t n = a->n_answer_headers - a->n_head;
    const struct gw_http_header *h;

    if (status < 0) {
        gw_grpc_finish(c, code, why);
        return;
    }
    if (status == GW_RPC_OK && (p->left > 0 || p->n_prefix > 0)) {
        gw_grpc_finish(c, GW_RPC_UNAVAILABLE, "upstream's answer ends in the middle of a message");
        return;
    }
    if (!c->responded)
        respond(p);
    h = gw_upstream_headers(c->stream->mem, a->answer_headers + a->n_head, &n, NULL);
    gw_grpc_settle(c);
    gw_http_finish(c->stream, h, n);
}

static void move_down(struct gw_pass *p)
{
    struct gw_http_call *a = &p->http;
    struct gw_grpc_call *c = p->call;
    size_t n = a->answer.len;

    if (!c->responded && is_answer(a) && (n > 0 || !a->ended))
        respond(p);
    if (n > 0 && !c->responded) { /* no answer of gRPC: what it says is not kept */
        gw_buf_clear(&a->answer);
        gw_http2_channel_took(a, n);
    } else if (n > 0 && gw_http_unsent(c->stream) < MUCH) {
        follow(p, gw_buf_str(&a->answer));
        gw_http_write(c->stream, gw_buf_str(&a->answer));
        gw_buf_clear(&a->answer);
        gw_http2_channel_took(a, n);
    }
    if (p->over && a->answer.len == 0)
        finish(p);
    else
        (void)hold(p);
}

static void on_data(struct gw_http_call *call)
{
    move_down(GW_CONTAINER(call, struct gw_pass, http));
}

/* What is still to come follows as it did. */
static int go_again(struct gw_pass *p)
{
    if (p->kept.failed)
        return 0;
    p->http.body = gw_buf_str(&p->kept);
    return !gw_http2_channel_again(p->up->channel, &p->http);
}

static void on_done(struct gw_http_call *call)
{
    struct gw_pass *p = GW_CONTAINER(call, struct gw_pass, http);

    if (go_again(p))
        return;
    p->over = 1;
    call->on = NULL;
    move_down(p);
}

void gw_pass_drained(struct gw_pass *p)
{
    if (p->http.answer.len > 0)
        move_down(p);
}

/* ---- its life ---- */

int gw_pass_begin(struct gw_grpc_call *c, int anonymous)
{
    struct gw_http_stream *s = c->stream;
    struct gw_upstream *u = c->front->upstream;
    struct gw_pass *p;
    size_t n = s->n_headers;
    struct gw_http_header *h;
    struct gw_err err;

    if (gw_upstream_enter(u, anonymous, &err)) {
        gw_grpc_finish(c, GW_RPC_RESOURCE_EXHAUSTED, err.msg);
        return -1;
    }
    p = gw_arena_zalloc(s->mem, sizeof(*p));
    h = gw_upstream_headers(s->mem, s->headers, &n, c->front->doors[GW_GRPC]);
    h[n++] = (struct gw_http_header){GW_STR("te"), GW_STR("trailers")};
    p->call = c;
    p->up = u;
    p->anonymous = anonymous;
    p->http = (struct gw_http_call){.method = s->method,
                                    .path = s->path,
                                    .headers = h,
                                    .n_headers = n,
                                    .more = 1,
                                    .holds = 1,
                                    .max_answer = SIZE_MAX / 2, /* a window, as it holds */
                                    .mem = s->mem,
                                    .done = on_done,
                                    .data = on_data,
                                    .drained = on_drained};
    gw_buf_init(&p->kept, anonymous ? GW_ANONYMOUS_BYTES + PREFIX : MAX_KEPT, s->mem);
    p->next = u->passes;
    if (p->next)
        p->next->at = &p->next;
    p->at = &u->passes;
    u->passes = p;
    c->pass = p;
    s->body_max = INT64_MAX;
    gw_http_hold(s);
    gw_http2_channel_start(p->up->channel, &p->http);
    return 0;
}

void gw_pass_leave(struct gw_pass *p)
{
    if (!p->over)
        gw_http2_channel_cancel(p->up->channel, &p->http);
    p->over = 1;
    *p->at = p->next;
    if (p->next)
        p->next->at = p->at;
    gw_upstream_leave(p->up, p->anonymous);
}

void gw_pass_hurry(struct gw_upstream *u)
{
    while (u->passes) /* it leaves */
        gw_grpc_finish(u->passes->call, GW_RPC_UNAVAILABLE, "shutting down");
}
