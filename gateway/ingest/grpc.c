#include "ingest/grpc.h"

#include "base/buf.h"
#include "base/gzip.h"
#include "ingest/actions.h"
#include "ingest/door.h"
#include "ingest/grpc_frame.h"
#include "ingest/upstream.h"

#include <string.h>

/* gRPC on the HTTP handler: the head of a call, its messages, its answer, its deadline. On the
 * front's thread. A call's memory is its stream's; `gone` is its last use. */

/* Of who need not say who it is: how long a call may take that goes on to FlyteAdmin. */
enum { ANONYMOUS_MS = 30000 };

static const struct gw_http_header head_ok[] = {
    {{"content-type", 12}, {"application/grpc", 16}},
};
static const struct gw_http_header trailers_ok[] = {{{"grpc-status", 11}, {"0", 1}}};
static const char empty_message[GW_GRPC_HEADER];

/* ---- answers ---- */

void gw_grpc_settle(struct gw_grpc_call *c)
{
    c->done = 1;
    gw_body_release(c->front, &c->held);
    if (c->due_at) {
        *c->due_at = c->next_due;
        if (c->next_due)
            c->next_due->due_at = c->due_at;
        c->due_at = NULL;
    }
    if (c->open_at) {
        *c->open_at = c->next_open;
        if (c->next_open)
            c->next_open->open_at = c->open_at;
        c->open_at = NULL;
    }
    if (c->sub) {
        c->sub->owner = NULL;
        c->sub = NULL;
    }
    if (c->forward)
        gw_forward_leave(c->forward);
    if (c->pass)
        gw_pass_leave(c->pass);
    c->forward = NULL;
    c->pass = NULL;
}

/* As gRPC's specification has it: what is not printable ASCII, and %, as %XX. */
static struct gw_str percent_encode(struct gw_arena *mem, const char *s)
{
    static const char hex[] = "0123456789ABCDEF";
    struct gw_buf b;

    gw_buf_init(&b, 4096, mem);
    for (; *s; s++) {
        unsigned char ch = (unsigned char)*s;

        if (ch >= ' ' && ch <= '~' && ch != '%') {
            gw_buf_putc(&b, *s);
        } else {
            gw_buf_putc(&b, '%');
            gw_buf_putc(&b, hex[ch >> 4]);
            gw_buf_putc(&b, hex[ch & 15]);
        }
    }
    return gw_buf_str(&b);
}

void gw_grpc_reply(struct gw_grpc_call *c, struct gw_str message)
{
    const unsigned char frame[GW_GRPC_HEADER] = {
        0, (unsigned char)(message.len >> 24), (unsigned char)(message.len >> 16),
        (unsigned char)(message.len >> 8), (unsigned char)message.len};

    if (!c->responded)
        gw_http_respond(c->stream, 200, head_ok, 1);
    c->responded = 1;
    gw_http_write(c->stream, (struct gw_str){(const char *)frame, sizeof(frame)});
    if (message.len > 0)
        gw_http_write(c->stream, message);
}

void gw_grpc_finish(struct gw_grpc_call *c, enum gw_rpc_code status, const char *message)
{
    struct gw_http_header h[4] = {head_ok[0]}, *trailers = h + 1;
    struct gw_arena *mem = c->stream->mem;
    size_t n = 0;

    trailers[n++] =
        (struct gw_http_header){GW_STR("grpc-status"), gw_arena_printf(mem, "%d", status)};
    if (*message)
        trailers[n++] =
            (struct gw_http_header){GW_STR("grpc-message"), percent_encode(mem, message)};
    if (status == GW_RPC_UNIMPLEMENTED && !c->responded)
        trailers[n++] =
            (struct gw_http_header){GW_STR("grpc-accept-encoding"), GW_STR("gzip,identity")};
    gw_grpc_settle(c);
    if (c->responded) {
        gw_http_finish(c->stream, trailers, n);
        return;
    }
    c->responded = 1;
    gw_http_respond(c->stream, 200, h, n + 1);
    gw_http_finish(c->stream, NULL, 0);
}

enum gw_rpc_code gw_grpc_status_of(const struct gw_err *err)
{
    switch (err->kind) {
    case GW_ERR_REJECT:
        return GW_RPC_INVALID_ARGUMENT;
    case GW_ERR_TOO_LARGE:
    case GW_ERR_FULL:
        return GW_RPC_RESOURCE_EXHAUSTED;
    case GW_ERR_UNSUPPORTED:
        return GW_RPC_UNIMPLEMENTED;
    case GW_ERR_RETRY:
    case GW_ERR_FATAL:
        break;
    }
    return GW_RPC_UNAVAILABLE;
}

void gw_grpc_refuse(struct gw_grpc_call *c, enum gw_reason reason, enum gw_rpc_code status,
                    const char *message)
{
    if (c->method && c->method->kind != GW_OTHER)
        gw_front_reject(c->front, GW_GRPC, reason);
    gw_grpc_finish(c, status, message);
}

/* FlytePropeller looks for two texts. "message too large" in front lets it send outputs by
 * reference; "message larger than max" anywhere lets it fail the node instead of trying it for
 * ever. */
static void say_too_large(struct gw_err *err)
{
    static const char front[] = "message too large";
    struct gw_err said = *err;

    if (err->kind != GW_ERR_TOO_LARGE)
        return;
    gw_err_too_large(&said);
    gw_err_set(err, GW_ERR_TOO_LARGE, "%s (message larger than max)%s", front,
               said.msg + sizeof(front) - 1);
}

void gw_grpc_fail(struct gw_grpc_call *c, const struct gw_err *err)
{
    struct gw_err e = *err;

    say_too_large(&e);
    gw_grpc_refuse(c, gw_reason_of(&e), gw_grpc_status_of(&e), e.msg);
}

/* ---- the methods that take events ---- */

static void on_answer(void *owner, const struct gw_err *err)
{
    struct gw_grpc_call *c = owner;

    c->sub = NULL;
    if (err) {
        gw_grpc_finish(c, gw_grpc_status_of(err), err->msg);
        return;
    }
    gw_grpc_settle(c);
    c->responded = 1;
    gw_http_respond(c->stream, 200, head_ok, 1);
    gw_http_write(c->stream, (struct gw_str){empty_message, sizeof(empty_message)});
    gw_http_finish(c->stream, trailers_ok, 1);
}

static void not_taken(struct gw_grpc_call *c, enum gw_reason reason, struct gw_err *err)
{
    say_too_large(err);
    gw_grpc_refuse(c, reason, gw_grpc_status_of(err), err->msg);
    gw_health_changed(c->front);
}

/* sub NULL: it was refused, for the reason and with the error. */
static void submitted(struct gw_grpc_call *c, struct gw_sub *sub, enum gw_reason reason,
                      struct gw_err *err)
{
    c->sub = sub;
    if (!sub) {
        not_taken(c, reason, err);
        return;
    }
    sub->owner = c;
    sub->answer = on_answer;
}

static void forward_event(struct gw_grpc_call *c, const struct gw_flyte_request *r)
{
    enum gw_reason reason = GW_R_INVALID;
    struct gw_err err;

    c->forward = gw_forward_event(c, r, &reason, &err);
    if (!c->forward)
        not_taken(c, reason, &err);
}

static void event_message(struct gw_grpc_call *c, struct gw_str message)
{
    struct gw_front *f = c->front;
    enum gw_reason reason = GW_R_INVALID;
    struct gw_flyte_request r;
    struct gw_sub *sub;
    struct gw_err err;

    if (gw_flyte_decode(f->scratch, c->method->kind, message, &r, &err)) {
        gw_grpc_fail(c, &err);
    } else if (f->upstream) {
        forward_event(c, &r);
    } else {
        sub = gw_submit_flyte(f, GW_GRPC, c->stream, &r, &reason, &err);
        submitted(c, sub, reason, &err);
    }
}

static void actions_message(struct gw_grpc_call *c, struct gw_str message)
{
    enum gw_reason reason = GW_R_INVALID;
    struct gw_err err;
    struct gw_sub *sub = gw_submit_actions(c->front, GW_GRPC, c->stream, message, &reason, &err);

    submitted(c, sub, reason, &err);
}

#define ADMIN "/flyteidl.service.AdminService/"
static const struct gw_grpc_method methods[] = {
    {{ADMIN "CreateTaskEvent", sizeof(ADMIN "CreateTaskEvent") - 1}, event_message, GW_TASK, 0, 0},
    {{ADMIN "CreateNodeEvent", sizeof(ADMIN "CreateNodeEvent") - 1}, event_message, GW_NODE, 0, 0},
    {{ADMIN "CreateWorkflowEvent", sizeof(ADMIN "CreateWorkflowEvent") - 1},
     event_message,
     GW_WORKFLOW,
     0,
     0},
    {{GW_RECORD_PATH, sizeof(GW_RECORD_PATH) - 1}, actions_message, GW_ACTION, 0, 0},
    /* probes have no token */
    {{"/grpc.health.v1.Health/Check", 28}, gw_health_check, GW_OTHER, 0, 1},
    {{"/grpc.health.v1.Health/Watch", 28}, gw_health_watch, GW_OTHER, 0, 1},
    {{"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", 57},
     gw_reflection_message,
     GW_OTHER,
     1,
     0},
    {{"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", 62},
     gw_reflection_message,
     GW_OTHER,
     1,
     0},
};

const char *const gw_grpc_services[] = {
    "flyteidl.service.AdminService",
    "flyteidl2.workflow.EventsProxyService",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    NULL,
};

static const struct gw_grpc_method *find_method(struct gw_str path)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
        if (gw_str_eq(path, methods[i].path))
            return &methods[i];
    return NULL;
}

/* ---- deadlines ---- */

static void on_deadline(struct gw_timer *t)
{
    struct gw_front *f = GW_CONTAINER(t, struct gw_front, deadline_timer);
    int64_t now = gw_loop_now_ms(f->loop), next_ms = 0;
    struct gw_grpc_call *next;

    f->deadline_at_ms = 0;
    for (struct gw_grpc_call *c = f->deadlines; c; c = next) {
        next = c->next_due;
        if (c->deadline_ms <= now)
            gw_grpc_refuse(c, GW_R_DEADLINE, GW_RPC_DEADLINE_EXCEEDED,
                           c->pass || c->forward ? "the deadline passed before the answer had come"
                           : c->sub ? "the deadline passed before the event was known to be kept"
                                    : "the deadline passed before the request had come");
        else if (!next_ms || c->deadline_ms < next_ms)
            next_ms = c->deadline_ms;
    }
    if (next_ms) {
        f->deadline_at_ms = next_ms;
        gw_timer_set(t, next_ms - now);
    }
}

static void set_deadline(struct gw_grpc_call *c, int64_t ms)
{
    struct gw_front *f = c->front;
    int64_t at = gw_loop_now_ms(f->loop) + ms;

    c->deadline_ms = at;
    c->next_due = f->deadlines;
    if (c->next_due)
        c->next_due->due_at = &c->next_due;
    c->due_at = &f->deadlines;
    f->deadlines = c;
    if (!f->deadline_at_ms || at < f->deadline_at_ms) {
        f->deadline_at_ms = at;
        gw_timer_set(&f->deadline_timer, ms);
    }
}

/* "15S", "250m": up to eight digits and a unit. Rounded up; -1: no such thing. */
static int64_t parse_timeout(struct gw_str s)
{
    int64_t n = 0;

    if (s.len < 2 || s.len > 9)
        return -1;
    for (size_t i = 0; i + 1 < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return -1;
        n = n * 10 + (s.p[i] - '0');
    }
    switch (s.p[s.len - 1]) {
    case 'H':
        return n * 3600000;
    case 'M':
        return n * 60000;
    case 'S':
        return n * 1000;
    case 'm':
        return n;
    case 'u':
        return (n + 999) / 1000;
    case 'n':
        return (n + 999999) / 1000000;
    default:
        return -1;
    }
}

/* ---- the head ---- */

/* With no other codec than protobuf. */
static int is_protobuf(struct gw_str type)
{
    static const char name[] = "application/grpc+proto";
    const size_t bare = sizeof("application/grpc") - 1, len = sizeof(name) - 1;

    return gw_rpc_is_type(type) &&
           (type.len == bare || type.p[bare] != '+' ||
            (type.len >= len && !memcmp(type.p, name, len) &&
             (type.len == len || type.p[len] == ';' || type.p[len] == ' ')));
}

static int plain(struct gw_http_stream *s, int status, const char *why)
{
    const struct gw_http_header h[] = {{GW_STR("content-type"), GW_STR("text/plain")},
                                       {GW_STR("allow"), GW_STR("POST")}};

    gw_http_respond_all(s, status, h, status == 405 ? 2 : 1, gw_str_of(why));
    return -1;
}

static int unknown_method(struct gw_grpc_call *c, struct gw_str path)
{
    struct gw_str text = gw_arena_printf(c->stream->mem, "no such method: %.*s",
                                         path.len < 200 ? (int)path.len : 200, path.p);

    gw_grpc_finish(c, GW_RPC_UNIMPLEMENTED, text.p);
    return -1;
}

/* 0, or -1 with the call answered. max_ms: whatever it says; 0: none. */
static int read_timeout(struct gw_grpc_call *c, int64_t max_ms)
{
    const struct gw_str *timeout = gw_http_get(c->stream, "grpc-timeout");
    int64_t ms;

    if (!timeout && !max_ms)
        return 0;
    ms = timeout ? parse_timeout(*timeout) : max_ms;
    if (ms > 0) {
        set_deadline(c, max_ms && max_ms < ms ? max_ms : ms);
        return 0;
    }
    if (ms < 0)
        gw_grpc_refuse(c, GW_R_INVALID, GW_RPC_INVALID_ARGUMENT,
                       "grpc-timeout: not up to eight digits and one of H M S m u n");
    else
        gw_grpc_refuse(c, GW_R_DEADLINE, GW_RPC_DEADLINE_EXCEEDED,
                       "the deadline had passed already");
    return -1;
}

/* FlytePropeller asks it how to get a token, so it cannot have one. */
static int is_about_tokens(struct gw_str path)
{
#define METADATA "/flyteidl.service.AuthMetadataService/"
    /* These two alone: a path that goes on may mean another method to who stands behind us. */
    return gw_str_is(path, METADATA "GetOAuth2Metadata") ||
           gw_str_is(path, METADATA "GetPublicClientConfig");
}

/* 0: the call may go on; -1: it is answered. */
static int admit(struct gw_grpc_call *c)
{
    const char *why;

    if ((c->method ? c->method->open : is_about_tokens(c->stream->path)) ||
        !gw_door_admit(c->front->doors[c->port], c->stream, &why))
        return 0;
    gw_grpc_refuse(c, GW_R_INVALID, GW_RPC_UNAUTHENTICATED, why);
    return -1;
}

/* What of the head a call needs; 0, or -1 with the call answered. */
static int read_head(struct gw_grpc_call *c)
{
    const struct gw_str *encoding = gw_http_get(c->stream, "grpc-encoding");

    if (encoding && gw_str_is(*encoding, "gzip")) {
        c->gzip = 1;
    } else if (encoding && !gw_str_is(*encoding, "identity")) {
        gw_grpc_refuse(c, GW_R_UNSUPPORTED, GW_RPC_UNIMPLEMENTED,
                       "grpc-encoding: only gzip and identity are understood");
        return -1;
    }
    return read_timeout(c, 0);
}

/* The call needs no token, which bounds it closer than the configuration does. */
static int is_anonymous(const struct gw_grpc_call *c)
{
    return c->method && c->method->open && (size_t)c->front->max_body[c->port] > GW_ANONYMOUS_BYTES;
}

/* Of one message of a call that does not pass through. */
static size_t max_message(const struct gw_grpc_call *c)
{
    return is_anonymous(c) ? GW_ANONYMOUS_BYTES : (size_t)c->front->max_body[c->port];
}

/* What is said of max_message_bytes is not true of a call without a token. */
static void fail_message(struct gw_grpc_call *c, struct gw_err *err)
{
    if (err->kind == GW_ERR_TOO_LARGE && is_anonymous(c))
        gw_err_set(err, GW_ERR_TOO_LARGE,
                   "message too large: more than the %d bytes of a call that needs no token",
                   GW_ANONYMOUS_BYTES);
    gw_grpc_fail(c, err);
}

static int begin(struct gw_http_stream *s, struct gw_front *f, enum gw_way port)
{
    const struct gw_str *type = gw_http_get(s, "content-type");
    const struct gw_grpc_method *method = find_method(s->path);
    int passes = !method && f->upstream;
    struct gw_grpc_call *c;
    int anonymous;

    s->user = NULL;
    if (!type || !(passes ? gw_rpc_is_type(*type) : is_protobuf(*type)))
        return plain(s, 415, "content-type is not application/grpc\n");
    if (!s->http2)
        return plain(s, 505, "gRPC needs HTTP/2\n");
    if (!gw_str_is(s->method, "POST"))
        return plain(s, 405, "gRPC calls are POST\n");
    c = gw_arena_zalloc(s->mem, sizeof(*c));
    c->front = f;
    c->port = port;
    c->stream = s;
    s->user = c;
    c->method = method;
    s->body_max = max_message(c) + GW_GRPC_HEADER;
    if (admit(c))
        return -1;
    if (!method && !passes)
        return unknown_method(c, s->path);
    if (f->stopping && (passes || method->message != gw_health_check)) {
        gw_grpc_refuse(c, GW_R_UNAVAILABLE, GW_RPC_UNAVAILABLE, "shutting down");
        return -1;
    }
    if (!passes)
        return read_head(c);
    anonymous = is_about_tokens(s->path);
    if (read_timeout(c, anonymous ? ANONYMOUS_MS : 0))
        return -1;
    return gw_pass_begin(c, anonymous);
}

static int on_head(struct gw_http_stream *s, void *ctx)
{
    return gw_record_handler(s, GW_GRPC) ? s->handler->head(s, ctx) : begin(s, ctx, GW_GRPC);
}

static int on_http_head(struct gw_http_stream *s, void *ctx)
{
    return begin(s, ctx, GW_HTTP);
}

/* ---- messages ---- */

static void deliver(struct gw_grpc_call *c, const struct gw_grpc_frame *frame)
{
    struct gw_front *f = c->front;
    struct gw_str message = frame->message;
    struct gw_err err;

    gw_arena_reset(f->scratch);
    gw_body_release(f, &c->held);
    if (frame->compressed && !c->gzip) {
        gw_grpc_refuse(c, GW_R_INVALID, GW_RPC_INTERNAL,
                       "gRPC frame: byte 0: compressed, but grpc-encoding names no compression");
        return;
    }
    if (frame->compressed && gw_gunzip(f->scratch, message, max_message(c), &message, &err)) {
        fail_message(c, &err);
        return;
    }
    c->method->message(c, message);
}

/* Looks at what has come. A unary call's message waits for the end of the stream, so that a second
 * one is seen. */
static void look(struct gw_grpc_call *c, int ended)
{
    struct gw_buf *body = &c->stream->body;
    struct gw_grpc_frame frame;
    struct gw_err err;
    int rc;

    while (!c->done) {
        rc = gw_grpc_frame_read(gw_buf_str(body), max_message(c), &frame, &err);
        if (rc == 0 && ended && (body->len > 0 || !c->method->streams))
            rc = gw_grpc_frame_cut(gw_buf_str(body), &err);
        if (rc == 1 && !c->method->streams && body->len > frame.size)
            rc = gw_err_set(&err, GW_ERR_REJECT, "two messages in a unary call");
        if (rc < 0)
            fail_message(c, &err);
        else if (rc == 0 && body->len >= GW_GRPC_HEADER &&
                 gw_body_hold(c->front, &c->held, frame.size, &err))
            gw_grpc_refuse(c, GW_R_PENDING, GW_RPC_RESOURCE_EXHAUSTED, err.msg);
        if (rc <= 0 || (!c->method->streams && !ended))
            return;
        deliver(c, &frame);
        if (!c->method->streams)
            return;
        gw_buf_drop(body, frame.size);
    }
}

static void on_data(struct gw_http_stream *s, void *ctx)
{
    struct gw_grpc_call *c = s->user;

    (void)ctx;
    if (c && c->pass)
        gw_pass_data(c->pass);
    else if (c && !c->done)
        look(c, 0);
    if (!c || c->done)
        gw_buf_clear(&s->body);
}

static void on_end(struct gw_http_stream *s, void *ctx)
{
    struct gw_grpc_call *c = s->user;

    (void)ctx;
    if (!c || c->done)
        return;
    if (c->pass) {
        gw_pass_end(c->pass);
        return;
    }
    look(c, 1);
    if (!c->done && c->method->streams)
        gw_grpc_finish(c, GW_RPC_OK, "");
}

static void on_too_large(struct gw_http_stream *s, void *ctx)
{
    struct gw_grpc_call *c = s->user;
    struct gw_err err;

    (void)ctx;
    if (!c || c->done)
        return;
    look(c, 0); /* the frame may say it better */
    if (c->done)
        return;
    gw_err_set(&err, GW_ERR_TOO_LARGE,
               "message too large: the request is above max_message_bytes %zu", max_message(c));
    fail_message(c, &err);
}

static void on_drained(struct gw_http_stream *s, void *ctx)
{
    struct gw_grpc_call *c = s->user;

    (void)ctx;
    if (c && c->pass)
        gw_pass_drained(c->pass);
}

static void on_gone(struct gw_http_stream *s, void *ctx)
{
    (void)ctx;
    if (s->user)
        gw_grpc_settle(s->user);
}

const struct gw_http_handler gw_grpc_handler = {
    .head = on_head,
    .data = on_data,
    .end = on_end,
    .too_large = on_too_large,
    .drained = on_drained,
    .gone = on_gone,
};

const struct gw_http_handler gw_grpc_on_http_handler = {
    .head = on_http_head,
    .data = on_data,
    .end = on_end,
    .too_large = on_too_large,
    .gone = on_gone,
};

/* ---- the front's part ---- */

static void on_health_timer(struct gw_timer *t)
{
    gw_health_changed(GW_CONTAINER(t, struct gw_front, health_timer));
}

void gw_grpc_init(struct gw_front *f)
{
    gw_timer_init(&f->deadline_timer, f->loop, on_deadline);
    gw_timer_init(&f->health_timer, f->loop, on_health_timer);
}

void gw_grpc_keep_open(struct gw_grpc_call *c)
{
    struct gw_front *f = c->front;

    if (c->open_at)
        return;
    c->next_open = f->open_calls;
    if (c->next_open)
        c->next_open->open_at = &c->next_open;
    c->open_at = &f->open_calls;
    f->open_calls = c;
}

void gw_grpc_stop(struct gw_front *f)
{
    struct gw_grpc_call *next;

    gw_health_changed(f);
    for (struct gw_grpc_call *c = f->open_calls; c; c = next) {
        next = c->next_open;
        gw_grpc_finish(c, GW_RPC_UNAVAILABLE, "shutting down");
    }
}

void gw_grpc_fini(struct gw_front *f)
{
    gw_timer_fini(&f->deadline_timer);
    gw_timer_fini(&f->health_timer);
}
