#include "ingest/actions.h"

#include "base/gzip.h"
#include "base/json.h"
#include "ingest/door.h"
#include "ingest/grpc.h"
#include "net/rpc.h"

#include <string.h>
#include <strings.h>

/* Connect's unary protocol, for the one method there is: a POST whose body is the message, in
 * protobuf or JSON, perhaps gzipped; an error is JSON under the status that stands for its code. On
 * the front's thread. A call's memory is its stream's; `gone` is its last use. */

struct call {
    struct gw_front *front;
    struct gw_http_stream *stream;
    struct gw_timer timer; /* connect-timeout-ms */
    int timed, json, gzip, done;
    size_t held; /* of the body, see gw_body_hold */
    struct gw_sub *sub;
};

/* ---- answers ---- */

/* Names and status of https://connectrpc.com/docs/protocol#error-codes */
static const struct code {
    const char *name;
    int status;
} invalid = {"invalid_argument", 400}, exhausted = {"resource_exhausted", 429},
  too_large = {"resource_exhausted", 429}, /* the same, but waiting does not help */
    unimplemented = {"unimplemented", 501}, unavailable = {"unavailable", 503},
  late = {"deadline_exceeded", 504}, nobody = {"unauthenticated", 401},
  bad_method = {"unknown", 405}, bad_type = {"unknown", 415};

static void settle(struct call *c)
{
    c->done = 1;
    gw_body_release(c->front, &c->held);
    if (c->timed)
        gw_timer_fini(&c->timer);
    c->timed = 0;
    if (c->sub)
        c->sub->owner = NULL;
    c->sub = NULL;
}

static void respond(struct gw_http_stream *s, const struct code *code, const char *message)
{
    struct gw_http_header h[2] = {{GW_STR("content-type"), GW_STR("application/json")}};
    struct gw_buf b;
    size_t n = 1;

    gw_buf_init(&b, 8192, s->mem);
    gw_buf_printf(&b, "{\"code\":\"%s\",\"message\":", code->name);
    gw_json_put_string(&b, gw_str_of(message));
    gw_buf_putc(&b, '}');
    if (code == &exhausted || code == &unavailable)
        h[n++] = (struct gw_http_header){GW_STR("retry-after"), GW_STR("1")};
    if (code == &unimplemented)
        h[n++] = (struct gw_http_header){GW_STR("accept-encoding"), GW_STR("gzip,identity")};
    if (code == &nobody)
        h[n++] = (struct gw_http_header){GW_STR("www-authenticate"),
                                         GW_STR("Bearer realm=\"moongate\"")};
    if (code == &bad_method)
        h[n++] = (struct gw_http_header){GW_STR("allow"), GW_STR("POST")};
    if (code == &bad_type)
        h[n++] = (struct gw_http_header){GW_STR("accept-post"),
                                         GW_STR("application/proto, application/json")};
    gw_http_respond_all(s, code->status, h, n, gw_buf_str(&b));
}

static int fail(struct call *c, const struct code *code, const char *message)
{
    settle(c);
    respond(c->stream, code, message);
    return -1;
}

static int refuse(struct call *c, enum gw_reason reason, const struct code *code,
                  const char *message)
{
    gw_front_reject(c->front, GW_HTTP, reason);
    return fail(c, code, message);
}

static const struct code *code_of(const struct gw_err *err)
{
    switch (err->kind) {
    case GW_ERR_REJECT:
        return &invalid;
    case GW_ERR_TOO_LARGE:
        return &too_large;
    case GW_ERR_FULL:
        return &exhausted;
    case GW_ERR_UNSUPPORTED:
        return &unimplemented;
    case GW_ERR_RETRY:
    case GW_ERR_FATAL:
        break;
    }
    return &unavailable;
}

static void refuse_err(struct call *c, enum gw_reason reason, struct gw_err *err)
{
    gw_err_too_large(err);
    refuse(c, reason, code_of(err), err->msg);
}

static void on_answer(void *owner, const struct gw_err *err)
{
    static const struct gw_http_header proto[] = {
        {{"content-type", 12}, {"application/proto", 17}}};
    static const struct gw_http_header json[] = {{{"content-type", 12}, {"application/json", 16}}};
    struct call *c = owner;

    c->sub = NULL;
    if (err) {
        fail(c, code_of(err), err->msg);
        return;
    }
    settle(c);
    gw_http_respond_all(c->stream, 200, c->json ? json : proto, 1,
                        c->json ? GW_STR("{}") : GW_STR(""));
}

static void on_late(struct gw_timer *t)
{
    struct call *c = GW_CONTAINER(t, struct call, timer);

    refuse(c, GW_R_DEADLINE, &late,
           c->sub ? "the deadline passed before the events were known to be kept"
                  : "the deadline passed before the request had come");
}

/* ---- the head ---- */

static int starts(struct gw_str s, const char *with, struct gw_str *rest)
{
    const size_t n = strlen(with);

    if (s.len < n || strncasecmp(s.p, with, n) != 0)
        return 0;
    *rest = (struct gw_str){s.p + n, s.len - n};
    return 1;
}

/* application/proto, application/json, with parameters. -1: neither. */
static int find_form(struct call *c)
{
    const struct gw_str *type = gw_http_get(c->stream, "content-type");
    struct gw_str rest = {0};

    if (type && starts(*type, "application/json", &rest))
        c->json = 1;
    else if (!type || !starts(*type, "application/proto", &rest))
        rest = GW_STR("?");
    if (rest.len == 0 || rest.p[0] == ';' || rest.p[0] == ' ')
        return 0;
    return refuse(c, GW_R_UNSUPPORTED, &bad_type,
                  "content-type: neither application/proto nor application/json");
}

static int find_encoding(struct call *c)
{
    const struct gw_str *encoding = gw_http_get(c->stream, "content-encoding");

    if (!encoding || gw_str_is(*encoding, "identity") || encoding->len == 0)
        return 0;
    c->gzip = gw_str_is(*encoding, "gzip");
    return c->gzip ? 0
                   : refuse(c, GW_R_UNSUPPORTED, &unimplemented,
                            "content-encoding: only gzip and identity are understood");
}

static int find_version(struct call *c)
{
    const struct gw_str *version = gw_http_get(c->stream, "connect-protocol-version");

    return !version || gw_str_is(*version, "1")
               ? 0
               : refuse(c, GW_R_INVALID, &invalid, "connect-protocol-version: not 1");
}

static int find_deadline(struct call *c)
{
    const struct gw_str *value = gw_http_get(c->stream, "connect-timeout-ms");
    int64_t ms = 0;

    if (!value)
        return 0;
    for (size_t i = 0; i < value->len; i++) {
        if (value->len > 10 || value->p[i] < '0' || value->p[i] > '9')
            return refuse(c, GW_R_INVALID, &invalid,
                          "connect-timeout-ms: not a number of up to ten digits");
        ms = ms * 10 + (value->p[i] - '0');
    }
    if (value->len == 0)
        return refuse(c, GW_R_INVALID, &invalid, "connect-timeout-ms: empty");
    if (ms == 0)
        return refuse(c, GW_R_DEADLINE, &late, "the deadline had passed already");
    gw_timer_init(&c->timer, c->front->loop, on_late);
    c->timed = 1;
    gw_timer_set(&c->timer, ms);
    return 0;
}

static int begin(struct gw_http_stream *s, struct gw_front *f, enum gw_way port)
{
    const char *why;
    struct call *c;

    s->user = NULL;
    if (!gw_str_is(s->method, "POST")) {
        respond(s, &bad_method, "only POST is allowed");
        return -1;
    }
    c = gw_arena_zalloc(s->mem, sizeof(*c));
    c->front = f;
    c->stream = s;
    s->user = c;
    if (gw_door_admit(f->doors[port], s, &why))
        return refuse(c, GW_R_INVALID, &nobody, why);
    if (f->stopping)
        return refuse(c, GW_R_UNAVAILABLE, &unavailable, "shutting down");
    return find_form(c) || find_encoding(c) || find_version(c) || find_deadline(c) ? -1 : 0;
}

static int on_grpc_head(struct gw_http_stream *s, void *ctx)
{
    return begin(s, ctx, GW_GRPC);
}

static int on_http_head(struct gw_http_stream *s, void *ctx)
{
    return begin(s, ctx, GW_HTTP);
}

/* ---- the body ---- */

static void on_data(struct gw_http_stream *s, void *ctx)
{
    struct call *c = s->user;
    size_t coming = s->content_length > 0 ? (size_t)s->content_length : s->body.len;
    struct gw_err err;

    (void)ctx;
    if (c && !c->done && gw_body_hold(c->front, &c->held, coming, &err))
        refuse_err(c, GW_R_PENDING, &err);
    if (!c || c->done)
        gw_buf_clear(&s->body);
}

static void on_end(struct gw_http_stream *s, void *ctx)
{
    struct gw_front *f = ctx;
    struct call *c = s->user;
    struct gw_str body = gw_buf_str(&s->body);
    enum gw_reason reason = GW_R_INVALID;
    struct gw_err err;

    if (!c || c->done)
        return;
    gw_arena_reset(f->scratch);
    gw_body_release(f, &c->held);
    /* Connect leaves an empty body as it is. */
    if (c->gzip && body.len > 0 && gw_gunzip(f->scratch, body, s->body_max, &body, &err)) {
        refuse_err(c, gw_reason_of(&err), &err);
        return;
    }
    c->sub = c->json ? gw_submit_actions_json(f, s, body, &reason, &err)
                     : gw_submit_actions(f, GW_HTTP, s, body, &reason, &err);
    if (!c->sub) {
        refuse_err(c, reason, &err);
        return;
    }
    c->sub->owner = c;
    c->sub->answer = on_answer;
}

static void on_too_large(struct gw_http_stream *s, void *ctx)
{
    struct call *c = s->user;

    (void)ctx;
    if (c && !c->done)
        refuse(
            c, GW_R_TOO_LARGE, &too_large,
            gw_arena_printf(s->mem, "message too large: the body is above %zu bytes", s->body_max)
                .p);
}

static void on_gone(struct gw_http_stream *s, void *ctx)
{
    (void)ctx;
    if (s->user)
        settle(s->user);
}

static const struct gw_http_handler on_grpc = {
    .head = on_grpc_head,
    .data = on_data,
    .end = on_end,
    .too_large = on_too_large,
    .gone = on_gone,
};

static const struct gw_http_handler on_http = {
    .head = on_http_head,
    .data = on_data,
    .end = on_end,
    .too_large = on_too_large,
    .gone = on_gone,
};

int gw_record_handler(struct gw_http_stream *s, enum gw_way port)
{
    const struct gw_str *type = gw_http_get(s, "content-type");

    if (!gw_str_is(s->path, GW_RECORD_PATH))
        return 0;
    if (type && gw_rpc_is_type(*type)) {
        if (port == GW_GRPC)
            return 0;
        s->handler = &gw_grpc_on_http_handler;
    } else {
        s->handler = port == GW_GRPC ? &on_grpc : &on_http;
    }
    return 1;
}
