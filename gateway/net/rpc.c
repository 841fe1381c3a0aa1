#include "net/rpc.h"

#include "base/arena.h"
#include "base/text.h"
#include "net/http2_channel.h"
#include "net/loop.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* A call is an HTTP/2 stream of messages with five bytes before each, and a status in the trailers.
 * The memory of a stream that has ended serves the next one. Whatever calls the caller may find the
 * call cancelled, started anew, and the channel freed when it returns. */

enum {
    PREFIX = 5,
    MAX_MESSAGE = 4 * 1024 * 1024,
    MAX_KEPT = 256, /* streams in store */
    OWN_HEADERS = 4
};

struct gw_rpc_stream {
    struct gw_http_call call;
    struct gw_rpc *r; /* NULL: nothing of it is called any more */
    struct gw_rpc_channel *channel;
    struct gw_rpc_stream *next;
    struct gw_arena *mem;
    struct gw_timer timer;
    struct gw_task resume;
    size_t known; /* bytes in the answer's buffer that were counted */
    size_t held; /* those that came and were not given back: the server may not send as many more */
    char lead[PREFIX];
    int paused;
    int over; /* the HTTP call has ended */
    int reading;
    int follows; /* there was more to send than the first message: it is not there any more */
};

struct gw_rpc_channel {
    struct gw_loop *loop;
    struct gw_http2_channel_conf conf;
    struct gw_http2_channel *http;
    struct gw_rpc_stream *free;
    size_t n_free;
    int busy, freed; /* busy: a caller is being called */
};

const char *gw_rpc_code_name(int code)
{
    static const char *const names[GW_RPC_CODES] = {"OK",
                                                    "CANCELLED",
                                                    "UNKNOWN",
                                                    "INVALID_ARGUMENT",
                                                    "DEADLINE_EXCEEDED",
                                                    "NOT_FOUND",
                                                    "ALREADY_EXISTS",
                                                    "PERMISSION_DENIED",
                                                    "RESOURCE_EXHAUSTED",
                                                    "FAILED_PRECONDITION",
                                                    "ABORTED",
                                                    "OUT_OF_RANGE",
                                                    "UNIMPLEMENTED",
                                                    "INTERNAL",
                                                    "UNAVAILABLE",
                                                    "DATA_LOSS",
                                                    "UNAUTHENTICATED"};

    return code >= 0 && code < GW_RPC_CODES ? names[code] : "UNKNOWN";
}

/* ---- channels, streams in store ---- */

struct gw_rpc_channel *gw_rpc_channel_new(struct gw_loop *loop, const struct gw_rpc_conf *conf)
{
    struct gw_rpc_channel *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    c->loop = loop;
    c->conf = (struct gw_http2_channel_conf){.url = conf->url,
                                             .ca = conf->ca,
                                             .cert = conf->cert,
                                             .key = conf->key,
                                             .no_verify = conf->no_verify};
    c->http = gw_http2_channel_new(loop, &c->conf);
    return c;
}

static void free_stream(struct gw_rpc_stream *s)
{
    gw_loop_cancel(s->channel->loop, &s->resume);
    gw_timer_fini(&s->timer);
    gw_arena_free(s->mem);
    free(s);
}

static void destroy(struct gw_rpc_channel *c)
{
    for (struct gw_rpc_stream *s; (s = c->free);) {
        c->free = s->next;
        free_stream(s);
    }
    gw_http2_channel_free(c->http);
    free(c);
}

void gw_rpc_channel_free(struct gw_rpc_channel *c)
{
    if (!c)
        return;
    c->freed = 1;
    if (!c->busy)
        destroy(c);
}

static void on_timer(struct gw_timer *t);
static void on_resume(struct gw_task *t);

static struct gw_rpc_stream *take_stream(struct gw_rpc_channel *c)
{
    struct gw_rpc_stream *s = c->free;

    if (s) {
        c->free = s->next;
        c->n_free--;
        return s;
    }
    s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    s->channel = c;
    s->mem = gw_arena_new();
    s->resume.fn = on_resume;
    gw_timer_init(&s->timer, c->loop, on_timer);
    return s;
}

/* It has ended, and nobody is inside it. */
static void put_stream(struct gw_rpc_stream *s)
{
    struct gw_rpc_channel *c = s->channel;

    gw_timer_cancel(&s->timer);
    gw_loop_cancel(c->loop, &s->resume);
    if (c->n_free == MAX_KEPT) {
        free_stream(s);
        return;
    }
    gw_arena_reset(s->mem);
    s->next = c->free;
    c->free = s;
    c->n_free++;
}

static void leave(struct gw_rpc_channel *c)
{
    if (--c->busy == 0 && c->freed)
        destroy(c);
}

/* ---- the end of a call ---- */

static void set_why(struct gw_rpc *r, int code, const char *why)
{
    r->code = code;
    snprintf(r->why, sizeof(r->why), "%s", why);
}

/* code and why are set. The stream goes into store when done has returned: details are its. */
static void end(struct gw_rpc_stream *s)
{
    struct gw_rpc_channel *c = s->channel;
    struct gw_rpc *r = s->r;

    s->r = NULL;
    r->impl = NULL;
    c->busy++;
    gw_timer_cancel(&s->timer);
    r->done(r);
    if (!s->reading)
        put_stream(s);
    leave(c);
}

/* Ends it here, whatever the server is doing. */
static void abandon(struct gw_rpc_stream *s, int code, const char *why)
{
    if (!s->over)
        gw_http2_channel_cancel(s->channel->http, &s->call);
    s->over = 1;
    set_why(s->r, code, why);
    end(s);
}

static void on_timer(struct gw_timer *t)
{
    struct gw_rpc_stream *s = GW_CONTAINER(t, struct gw_rpc_stream, timer);

    if (s->r)
        abandon(s, GW_RPC_DEADLINE_EXCEEDED, "the deadline has passed");
}

static int code_of_http(int status)
{
    switch (status) {
    case 400:
        return GW_RPC_INTERNAL;
    case 401:
        return GW_RPC_UNAUTHENTICATED;
    case 403:
        return GW_RPC_PERMISSION_DENIED;
    case 404:
        return GW_RPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return GW_RPC_UNAVAILABLE;
    default:
        return GW_RPC_UNKNOWN;
    }
}

/* RST_STREAM's codes, as gRPC over HTTP/2 translates them. */
static int code_of_reset(uint32_t code)
{
    switch (code) {
    case 0: /* none: the connection broke */
    case 7: /* REFUSED_STREAM */
        return GW_RPC_UNAVAILABLE;
    case 8: /* CANCEL */
        return GW_RPC_CANCELLED;
    case 11: /* ENHANCE_YOUR_CALM */
        return GW_RPC_RESOURCE_EXHAUSTED;
    case 12: /* INADEQUATE_SECURITY */
        return GW_RPC_PERMISSION_DENIED;
    default:
        return GW_RPC_INTERNAL;
    }
}

int gw_rpc_status(struct gw_str text)
{
    int n = 0;

    if (text.len == 0 || text.len > 8)
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return -1;
        n = n * 10 + (text.p[i] - '0');
    }
    return n;
}

void gw_rpc_message(char *out, size_t room, struct gw_str text)
{
    size_t n = 0;

    for (size_t i = 0; i < text.len && n + 1 < room; i++) {
        const int byte = gw_percent_byte(text, i);
        const int c = byte >= 0 ? byte : (unsigned char)text.p[i];

        out[n++] = (char)(c < ' ' || c == 0x7f ? ' ' : c);
        i += byte >= 0 ? 2 : 0;
    }
    out[gw_utf8_valid((struct gw_str){out, n})] = '\0';
}

int gw_rpc_is_type(struct gw_str type)
{
    static const char name[] = "application/grpc";
    const size_t len = sizeof(name) - 1;

    return type.len >= len && !memcmp(type.p, name, len) &&
           (type.len == len || type.p[len] == '+' || type.p[len] == ';' || type.p[len] == ' ');
}

static int is_grpc(const struct gw_http_call *call)
{
    const struct gw_str *type = gw_http_answer(call, "content-type");

    return type && gw_rpc_is_type(*type);
}

static void judge_http(struct gw_rpc *r, const struct gw_http_call *call)
{
    const struct gw_str *type = gw_http_answer(call, "content-type");

    r->code = code_of_http(call->status);
    if (call->status != 200)
        snprintf(r->why, sizeof(r->why), "the server answered HTTP status %d", call->status);
    else if (is_grpc(call))
        set_why(r, GW_RPC_INTERNAL, "the server's answer has no grpc-status");
    else
        snprintf(r->why, sizeof(r->why), "the server's answer is not gRPC (content-type %.*s)",
                 type ? (int)(type->len < 100 ? type->len : 100) : 4, type ? type->p : "none");
}

/* The answer is whole, as far as HTTP/2 goes. */
static void judge(struct gw_rpc_stream *s)
{
    const struct gw_http_call *call = &s->call;
    const struct gw_str *status = gw_http_answer(call, "grpc-status");
    const struct gw_str *message = gw_http_answer(call, "grpc-message");
    const struct gw_str *details = gw_http_answer(call, "grpc-status-details-bin");
    struct gw_rpc *r = s->r;

    if (!status || !is_grpc(call)) {
        judge_http(r, call);
        return;
    }
    r->code = gw_rpc_status(*status);
    if (r->code < 0) {
        set_why(r, GW_RPC_UNKNOWN, "the server's grpc-status is not a number");
        return;
    }
    if (message)
        gw_rpc_message(r->why, sizeof(r->why), *message);
    if (details)
        r->details = gw_base64_decode(s->mem, *details);
    if (r->code == GW_RPC_OK && s->call.answer.len > 0)
        set_why(r, GW_RPC_INTERNAL, "the server's answer ends in the middle of a message");
}

static void judge_failure(struct gw_rpc_stream *s)
{
    const struct gw_http_call *call = &s->call;

    s->r->code = call->err.kind == GW_ERR_TOO_LARGE ? GW_RPC_RESOURCE_EXHAUSTED
                                                    : code_of_reset(call->reset_code);
    if (call->reset_code)
        snprintf(s->r->why, sizeof(s->r->why), "the server has reset the call: %s", call->err.msg);
    else
        set_why(s->r, s->r->code, call->err.msg);
}

/* The server has not looked at it, and it is as it was: once more, on another connection. */
static int start_again(struct gw_rpc_stream *s)
{
    return !s->call.more && !s->follows && !gw_http2_channel_again(s->channel->http, &s->call);
}

static void finish(struct gw_rpc_stream *s)
{
    if (s->call.failed)
        judge_failure(s);
    else
        judge(s);
    end(s);
}

/* ---- messages of the answer ---- */

static size_t length_at(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;

    return (size_t)u[1] << 24 | (size_t)u[2] << 16 | (size_t)u[3] << 8 | u[4];
}

/* 1: *message is whole; 0: there is none yet; -1: the call has ended. */
static int next_message(struct gw_rpc_stream *s, size_t at, struct gw_str *message)
{
    const struct gw_buf *b = &s->call.answer;
    size_t max = s->r->max_message ? s->r->max_message : MAX_MESSAGE, len;
    char why[120];

    if (b->len - at < PREFIX)
        return 0;
    len = length_at(b->p + at);
    if (b->p[at] != 0) {
        abandon(s, GW_RPC_INTERNAL,
                "the server sent a compressed message, which was not asked for");
        return -1;
    }
    if (len > max) {
        snprintf(why, sizeof(why), "the server's message of %zu bytes is over the limit of %zu",
                 len, max);
        abandon(s, GW_RPC_RESOURCE_EXHAUSTED, why);
        return -1;
    }
    *message = (struct gw_str){b->p + at + PREFIX, len};
    return b->len - at - PREFIX >= len;
}

static int is_answer(const struct gw_http_call *call)
{
    return call->status == 200 && is_grpc(call);
}

/* All, as one message may be larger than the window; a paused call's that wait are its window. */
static void give_back(struct gw_rpc_stream *s)
{
    size_t waits = s->call.answer.len;
    size_t keeps = !s->paused ? 0 : s->held < waits ? s->held : waits;

    gw_http2_channel_took(&s->call, s->held - keeps);
    s->held = keeps;
}

/* Hands out what there is. The caller may do anything meanwhile. */
static void read_messages(struct gw_rpc_stream *s)
{
    struct gw_rpc_channel *c = s->channel;
    struct gw_str message;
    size_t at = 0;

    s->reading = 1;
    c->busy++;
    while (s->r && !s->paused && next_message(s, at, &message) == 1) {
        at += PREFIX + message.len;
        s->r->message(s->r, message);
    }
    s->reading = 0;
    gw_buf_drop(&s->call.answer, at);
    s->known = s->call.answer.len;
    give_back(s);
    if (!s->r)
        put_stream(s);
    else if (s->over && !s->paused)
        finish(s);
    leave(c);
}

static void on_data(struct gw_http_call *call)
{
    struct gw_rpc_stream *s = GW_CONTAINER(call, struct gw_rpc_stream, call);
    size_t came = call->answer.len - s->known;

    if (!is_answer(call)) /* a body that is no messages: not kept */
        gw_buf_clear(&call->answer);
    s->known = call->answer.len;
    s->held += came;
    if (!s->paused)
        read_messages(s);
}

static void on_done(struct gw_http_call *call)
{
    struct gw_rpc_stream *s = GW_CONTAINER(call, struct gw_rpc_stream, call);

    if (start_again(s))
        return;
    s->over = 1;
    call->on = NULL;
    if (!s->paused || call->answer.len == 0)
        finish(s);
}

static void on_drained(struct gw_http_call *call)
{
    struct gw_rpc_stream *s = GW_CONTAINER(call, struct gw_rpc_stream, call);

    if (s->r->drained)
        s->r->drained(s->r);
}

static void on_resume(struct gw_task *t)
{
    struct gw_rpc_stream *s = GW_CONTAINER(t, struct gw_rpc_stream, resume);

    if (!s->paused)
        read_messages(s);
}

/* ---- what the caller does ---- */

/* At most eight digits and a unit. */
static struct gw_str timeout_text(struct gw_arena *mem, int64_t ms)
{
    enum { MAX = 99999999 };

    if (ms <= MAX)
        return gw_arena_printf(mem, "%lldm", (long long)ms);
    ms /= 1000;
    return gw_arena_printf(mem, "%lldS", (long long)(ms < MAX ? ms : MAX));
}

static void set_headers(struct gw_rpc_stream *s)
{
    const struct gw_rpc *r = s->r;
    struct gw_http_header *h = gw_arena_alloc(s->mem, (OWN_HEADERS + r->n_metadata) * sizeof(*h));
    size_t n = 0;

    h[n++] = (struct gw_http_header){GW_STR("content-type"), GW_STR("application/grpc")};
    h[n++] = (struct gw_http_header){GW_STR("te"), GW_STR("trailers")};
    h[n++] = (struct gw_http_header){GW_STR("user-agent"), GW_STR("moongate/" GW_VERSION)};
    if (r->timeout_ms > 0)
        h[n++] =
            (struct gw_http_header){GW_STR("grpc-timeout"), timeout_text(s->mem, r->timeout_ms)};
    for (size_t i = 0; i < r->n_metadata; i++)
        h[n++] = r->metadata[i];
    s->call.headers = h;
    s->call.n_headers = n;
}

static void put_prefix(char *p, size_t len)
{
    assert(len <= UINT32_MAX);
    p[0] = 0;
    for (int i = 0; i < 4; i++)
        p[1 + i] = (char)(len >> (24 - 8 * i));
}

void gw_rpc_start(struct gw_rpc_channel *c, struct gw_rpc *r, struct gw_str message, int more)
{
    struct gw_rpc_stream *s = take_stream(c);

    s->r = r;
    r->impl = s;
    r->code = GW_RPC_OK;
    r->why[0] = '\0';
    r->details = (struct gw_str){0};
    s->paused = s->over = s->reading = s->follows = 0;
    s->known = s->held = 0;
    put_prefix(s->lead, message.len);
    s->call = (struct gw_http_call){
        .method = GW_STR("POST"),
        .path = gw_str_of(r->path),
        .lead = {s->lead, message.p ? PREFIX : 0},
        .body = message,
        .more = more,
        .holds = 1,
        .max_answer = SIZE_MAX / 2, /* a message has its limit, and what comes unread a window */
        .mem = s->mem,
        .done = on_done,
        .data = on_data,
        .drained = on_drained};
    set_headers(s);
    if (r->timeout_ms > 0)
        gw_timer_set(&s->timer, r->timeout_ms);
    gw_http2_channel_start(c->http, &s->call);
}

void gw_rpc_send(struct gw_rpc *r, struct gw_str message)
{
    char prefix[PREFIX];

    if (!r->impl)
        return;
    r->impl->follows = 1;
    put_prefix(prefix, message.len);
    gw_http2_channel_write(&r->impl->call, (struct gw_str){prefix, PREFIX});
    gw_http2_channel_write(&r->impl->call, message);
}

void gw_rpc_end(struct gw_rpc *r)
{
    if (r->impl)
        gw_http2_channel_finish(&r->impl->call);
}

void gw_rpc_cancel(struct gw_rpc *r)
{
    struct gw_rpc_stream *s = r->impl;

    if (!s)
        return;
    r->impl = NULL;
    s->r = NULL;
    if (!s->over)
        gw_http2_channel_cancel(s->channel->http, &s->call);
    s->over = 1;
    s->call.on = NULL;
    if (!s->reading)
        put_stream(s);
}

void gw_rpc_pause(struct gw_rpc *r, int paused)
{
    struct gw_rpc_stream *s = r->impl;

    if (!s || s->paused == paused)
        return;
    s->paused = paused;
    if (!paused)
        gw_loop_post(s->channel->loop, &s->resume);
}

size_t gw_rpc_unsent(const struct gw_rpc *r)
{
    return r->impl ? gw_http2_channel_unsent(&r->impl->call) : 0;
}
