#include "ingest/http.h"

#include "base/buf.h"
#include "base/gzip.h"
#include "base/json.h"
#include "event/event.h"
#include "ingest/actions.h"
#include "ingest/door.h"
#include "ingest/path.h"
#include "ingest/push.h"
#include "ingest/upstream.h"

#include <strings.h>

/* The HTTP front: what a request is by its path and media type, its body once it has come, its
 * answer. A request's memory is its stream's; `gone` is its last use. */

enum { MAX_ORIGIN = 255 };

struct route {
    struct gw_str path;
    enum gw_kind kind; /* GW_OTHER: CloudEvents */
    int push;          /* enum gw_push_from; 0: none */
};

static const struct route routes[] = {
    {{"/v1/events", 10}, GW_OTHER, 0},
    {{"/api/v1/events/tasks", 20}, GW_TASK, 0},
    {{"/api/v1/events/nodes", 20}, GW_NODE, 0},
    {{"/api/v1/events/workflows", 24}, GW_WORKFLOW, 0},
    {{"/v1/push/sns", 12}, GW_OTHER, GW_PUSH_SNS},
    {{"/v1/push/pubsub", 15}, GW_OTHER, GW_PUSH_PUBSUB},
};

struct request {
    struct gw_front *front;
    struct gw_http_stream *stream;
    const struct route *route; /* NULL: it passes through */
    enum gw_form form;
    int gzip, done;
    size_t held;                  /* of the body, see gw_body_hold */
    struct gw_sub *sub;           /* waits for the log */
    struct gw_exchange *exchange; /* FlyteAdmin's answer is to come, or streams */
    struct gw_push_call push;
};

static const struct gw_http_header json_head[] = {
    {{"content-type", 12}, {"application/json", 16}},
};

/* ---- answers ---- */

static int grpc_code(int status)
{
    static const struct {
        int status, code;
    } codes[] = {{400, 3}, {401, 16}, {403, 7}, {404, 5},  {405, 12}, {408, 4},
                 {413, 8}, {415, 12}, {429, 8}, {503, 14}, {504, 4}};

    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
        if (codes[i].status == status)
            return codes[i].code;
    return 2;
}

void gw_rest_error(struct gw_http_stream *s, int status, const char *message)
{
    struct gw_http_header h[3] = {json_head[0]};
    struct gw_buf b;
    size_t n = 1;

    gw_buf_init(&b, 8192, s->mem);
    gw_buf_printf(&b, "{\"code\":%d,\"message\":", grpc_code(status));
    gw_json_put_string(&b, gw_str_of(message));
    gw_buf_putc(&b, '}');
    if (status == 405)
        h[n++] = (struct gw_http_header){GW_STR("allow"), GW_STR("POST")};
    if (status == 401)
        h[n++] = (struct gw_http_header){GW_STR("www-authenticate"),
                                         GW_STR("Bearer realm=\"moongate\"")};
    if (status == 429 || status == 503)
        h[n++] = (struct gw_http_header){GW_STR("retry-after"), GW_STR("1")};
    gw_http_respond_all(s, status, h, n, gw_buf_str(&b));
}

static int status_of(const struct gw_err *err)
{
    switch (err->kind) {
    case GW_ERR_REJECT:
        return 400;
    case GW_ERR_TOO_LARGE:
        return 413;
    case GW_ERR_FULL:
        return 429;
    case GW_ERR_UNSUPPORTED:
        return 415;
    case GW_ERR_RETRY:
    case GW_ERR_FATAL:
        break;
    }
    return 503;
}

/* Returns -1, for head. */
static int refuse(struct request *r, enum gw_reason reason, int status, const char *message)
{
    r->done = 1;
    gw_push_gone(&r->push);
    gw_body_release(r->front, &r->held);
    if (r->route)
        gw_front_reject(r->front, GW_HTTP, reason);
    gw_rest_error(r->stream, status, message);
    return -1;
}

static void refuse_err(struct request *r, enum gw_reason reason, struct gw_err *err)
{
    gw_err_too_large(err);
    refuse(r, reason, status_of(err), err->msg);
}

static void accepted(struct request *r)
{
    r->done = 1;
    if (r->route->kind == GW_OTHER && !r->route->push)
        gw_http_respond_all(r->stream, 202, NULL, 0, GW_STR(""));
    else
        gw_http_respond_all(r->stream, 200, json_head, 1, GW_STR("{}"));
}

static void on_answer(void *owner, const struct gw_err *err)
{
    struct request *r = owner;

    r->sub = NULL;
    r->done = 1;
    if (err)
        gw_rest_error(r->stream, status_of(err), err->msg);
    else
        accepted(r);
}

/* What has been read was checked; a submission waits, or why there is none. */
static void submitted(struct request *r, enum gw_reason reason, struct gw_err *err)
{
    if (r->sub) {
        r->sub->owner = r;
        r->sub->answer = on_answer;
    } else if (reason == GW_REASONS) {
        accepted(r);
    } else {
        refuse_err(r, reason, err);
    }
}

/* ---- pushes ---- */

static void on_verdict(struct gw_push_call *c, const struct gw_push_verdict *v)
{
    struct request *r = GW_CONTAINER(c, struct request, push);
    enum gw_reason reason = GW_REASONS;
    struct gw_err err;

    gw_body_release(r->front, &r->held);
    if (v->status != 200) {
        refuse(r, v->reason, v->status, v->why);
        return;
    }
    if (v->record)
        r->sub = gw_submit(r->front, GW_HTTP, v->record, 1, &reason, &err);
    submitted(r, reason, &err);
}

static int begin_push(struct request *r)
{
    r->push = (struct gw_push_call){.push = r->front->push,
                                    .stream = r->stream,
                                    .from = (enum gw_push_from)r->route->push,
                                    .done = on_verdict};
    return gw_push_head(&r->push);
}

/* It stays until it is known to be genuine, and what is read of it beside it. */
static void end_push(struct request *r, struct gw_str body)
{
    struct gw_err err;

    if (gw_body_hold(r->front, &r->held, 2 * body.len, &err))
        refuse_err(r, GW_R_PENDING, &err);
    else
        gw_push_end(&r->push, body);
}

/* ---- the head ---- */

/* The media type without parameters. */
static struct gw_str media_type(struct gw_str value)
{
    const char *semicolon = value.len > 0 ? memchr(value.p, ';', value.len) : NULL;

    if (semicolon)
        value.len = (size_t)(semicolon - value.p);
    while (value.len > 0 && (value.p[value.len - 1] == ' ' || value.p[value.len - 1] == '\t'))
        value.len--;
    return value;
}

static int type_is(struct gw_str type, const char *s)
{
    return type.len == strlen(s) && !strncasecmp(type.p, s, type.len);
}

static enum gw_form flyte_form(struct gw_str type)
{
    if (type_is(type, "application/json"))
        return GW_FORM_JSON;
    if (type_is(type, "application/octet-stream") || type_is(type, "application/x-protobuf"))
        return GW_FORM_PROTOBUF;
    return GW_FORM_NONE;
}

static enum gw_form cloudevents_form(struct gw_str type)
{
    static const struct {
        const char *type;
        enum gw_form form;
    } forms[] = {{"application/cloudevents+json", GW_FORM_CE_JSON},
                 {"application/cloudevents-batch+json", GW_FORM_CE_BATCH},
                 {"application/cloudevents+protobuf", GW_FORM_CE_PROTOBUF},
                 {"application/cloudevents-batch+protobuf", GW_FORM_CE_PROTOBUF_BATCH}};

    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
        if (type_is(type, forms[i].type))
            return forms[i].form;
    if (type.len >= 23 && !strncasecmp(type.p, "application/cloudevents", 23))
        return GW_FORM_NONE;
    return GW_FORM_CE_BINARY;
}

static int is_given_twice(const struct gw_http_stream *s, const char *name)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_headers; i++)
        n += (size_t)gw_str_is(s->headers[i].name, name);
    return n > 1;
}

static int find_form(struct request *r)
{
    const struct gw_str *given = gw_http_get(r->stream, "content-type");
    const struct gw_str value = given ? *given : GW_STR(""), type = media_type(value);

    if (r->route->push)
        return 0; /* whatever it says it is */
    if (is_given_twice(r->stream, "content-type"))
        return refuse(r, GW_R_INVALID, 400, "content-type: given twice");
    if (r->route->kind == GW_OTHER) {
        r->form = cloudevents_form(type);
        if (r->form == GW_FORM_NONE)
            return refuse(r, GW_R_UNSUPPORTED, 415,
                          "content-type: of application/cloudevents only +json, -batch+json, "
                          "+protobuf and -batch+protobuf are understood");
    } else {
        r->form = flyte_form(type);
        if (r->form == GW_FORM_NONE)
            return refuse(r, GW_R_UNSUPPORTED, 415,
                          "content-type: neither application/json nor application/octet-stream "
                          "nor application/x-protobuf");
    }
    if (r->form != GW_FORM_CE_BINARY && !gw_media_type_is_utf8(value))
        return refuse(r, GW_R_UNSUPPORTED, 415, "content-type: the charset is not utf-8");
    return 0;
}

static int find_encoding(struct request *r)
{
    const struct gw_str *encoding = gw_http_get(r->stream, "content-encoding");
    int twice = is_given_twice(r->stream, "content-encoding");

    if (!encoding || (!twice && (type_is(*encoding, "identity") || encoding->len == 0)))
        return 0;
    if (r->route->push) /* nobody knows yet who sends it, and it would stay until that is known */
        return refuse(r, GW_R_UNSUPPORTED, 415, "content-encoding: no cloud compresses its pushes");
    r->gzip = !twice && (type_is(*encoding, "gzip") || type_is(*encoding, "x-gzip"));
    return r->gzip ? 0
                   : refuse(r, GW_R_UNSUPPORTED, 415,
                            "content-encoding: only gzip and identity are understood");
}

static const struct route *find_route(const struct gw_front *f, struct gw_str path)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++)
        if (gw_str_eq(path, routes[i].path))
            return !routes[i].push || gw_push_takes(f->push, (enum gw_push_from)routes[i].push)
                       ? &routes[i]
                       : NULL;
    return NULL;
}

/* ---- the handshake of a webhook ---- */

static int is_rate(struct gw_str s)
{
    size_t zeroes = 0;

    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return 0;
        zeroes += s.p[i] == '0';
    }
    return zeroes < s.len;
}

/* A sender asks whether it may come (CloudEvents, "HTTP 1.1 Web Hooks", section 4): anybody may, as
 * often as they like, and is told so at once, so no callback is ever called. */
static void consent(struct gw_http_stream *s)
{
    const struct gw_str *origin = gw_http_get(s, "webhook-request-origin");
    const struct gw_str *rate = gw_http_get(s, "webhook-request-rate");
    struct gw_http_header h[] = {{GW_STR("webhook-allowed-origin"), {0}},
                                 {GW_STR("webhook-allowed-rate"), GW_STR("*")},
                                 {GW_STR("allow"), GW_STR("POST")}};

    if (!origin) {
        gw_rest_error(s, 405, "only POST is allowed; OPTIONS needs WebHook-Request-Origin");
    } else if (!origin->len || origin->len > MAX_ORIGIN) {
        gw_rest_error(s, 400, "webhook-request-origin: no name of 1 to 255 bytes");
    } else if (rate && !is_rate(*rate)) {
        gw_rest_error(s, 400, "webhook-request-rate: no whole number above 0");
    } else {
        h[0].value = *origin;
        gw_http_respond_all(s, 200, h, 3, GW_STR(""));
    }
}

/* What is no POST. */
static int other_method(struct gw_http_stream *s, const struct gw_front *f,
                        const struct route *route)
{
    if (!route)
        gw_rest_error(s, 404, "no such path");
    else if (route->kind != GW_OTHER || route->push || !gw_str_is(s->method, "OPTIONS"))
        gw_rest_error(s, 405, "only POST is allowed");
    else if (f->stopping)
        gw_rest_error(s, 503, "shutting down");
    else
        consent(s);
    return -1;
}

/* Where FlyteAdmin tells its clients how to get a token: they cannot have one. */
static int is_about_tokens(struct gw_str path)
{
    return gw_str_is(path, "/.well-known/oauth-authorization-server") ||
           gw_str_is(path, "/config/v1/flyte_client");
}

/* 0: it may go on; -1: it is answered. */
static int admit(struct gw_front *f, struct gw_http_stream *s, const struct route *route)
{
    const char *why;

    /* A sender asks whether it may come before it shows anything, and gets nothing but consent; a
     * push shows who it is by its signature. */
    if ((route && route->kind == GW_OTHER && gw_str_is(s->method, "OPTIONS")) ||
        (f->http_upstream && is_about_tokens(s->path)) || (route && route->push) ||
        !gw_door_admit(f->doors[GW_HTTP], s, &why))
        return 0;
    if (route && gw_str_is(s->method, "POST"))
        gw_front_reject(f, GW_HTTP, GW_R_INVALID);
    gw_rest_error(s, 401, why);
    return -1;
}

/* A push that is not configured is nobody's; what is no path (*, or a CONNECT's HOST:PORT) is no
 * request for what is behind us. */
static int passes(const struct gw_front *f, struct gw_str path)
{
    static const char pushes[] = "/v1/push/";
    const size_t len = sizeof(pushes) - 1;

    return f->http_upstream && path.len > 0 && *path.p == '/' &&
           (path.len < len || memcmp(path.p, pushes, len) != 0);
}

/* Who asks how to get a token has nothing to say, and no part of everybody's max_pending_bytes. */
static size_t max_body(const struct gw_front *f, const struct gw_http_stream *s)
{
    const size_t max = (size_t)f->max_body[GW_HTTP];

    return is_about_tokens(s->path) && max > GW_ANONYMOUS_BYTES ? GW_ANONYMOUS_BYTES : max;
}

static int on_head(struct gw_http_stream *s, void *ctx)
{
    struct gw_front *f = ctx;
    const int posts = gw_str_is(s->method, "POST");
    const struct gw_str path = gw_path_plain(s->mem, s->path);
    const struct route *route = find_route(f, path);
    struct request *r;

    s->user = NULL;
    if (gw_record_handler(s, GW_HTTP))
        return s->handler->head(s, ctx);
    if (route && route->kind != GW_OTHER && f->http_upstream && !posts)
        route = NULL; /* whatever FlyteAdmin says to that */
    if (admit(f, s, route))
        return -1;
    if (route ? !posts : !passes(f, path))
        return other_method(s, f, route);
    r = gw_arena_zalloc(s->mem, sizeof(*r));
    *r = (struct request){.front = f, .stream = s, .route = route};
    s->user = r;
    s->body_max = max_body(f, s);
    if (f->stopping)
        return refuse(r, GW_R_UNAVAILABLE, 503, "shutting down");
    if (!route)
        return 0;
    if (find_form(r) || find_encoding(r))
        return -1;
    return route->push ? begin_push(r) : 0;
}

/* ---- the body ---- */

static void submit_flyte(struct request *r, struct gw_str body, enum gw_reason *reason,
                         struct gw_err *err)
{
    struct gw_front *f = r->front;
    enum gw_kind kind = r->route->kind;
    struct gw_flyte_request request;

    if (r->form == GW_FORM_JSON ? gw_flyte_decode_json(f->scratch, kind, body, &request, err)
                                : gw_flyte_decode(f->scratch, kind, body, &request, err))
        *reason = gw_reason_of(err);
    else if (f->http_upstream)
        r->exchange = gw_exchange_begin(f, r->stream, &request, &r->exchange, reason, err);
    else
        r->sub = gw_submit_flyte(f, GW_HTTP, r->stream, &request, reason, err);
}

static void on_data(struct gw_http_stream *s, void *ctx)
{
    struct request *r = s->user;
    /* Of a push nobody knows yet who sends it: what it says will come takes no room of others. */
    const int is_push = r && r->route && r->route->push;
    size_t coming = s->content_length > 0 && !is_push ? (size_t)s->content_length : s->body.len;
    struct gw_err err;

    (void)ctx;
    if (r && !r->done && gw_body_hold(r->front, &r->held, coming, &err))
        refuse_err(r, GW_R_PENDING, &err);
    if (!r || r->done)
        gw_buf_clear(&s->body);
}

static void on_end(struct gw_http_stream *s, void *ctx)
{
    struct gw_front *f = ctx;
    struct request *r = s->user;
    struct gw_str body = gw_buf_str(&s->body);
    enum gw_reason reason = GW_R_INVALID;
    struct gw_err err;
    int push;

    if (!r || r->done)
        return;
    push = r->route && r->route->push;
    gw_arena_reset(f->scratch);
    if (!push)
        gw_body_release(f, &r->held);
    if (r->gzip && gw_gunzip(f->scratch, body, (size_t)f->max_body[GW_HTTP], &body, &err)) {
        refuse_err(r, gw_reason_of(&err), &err);
        return;
    }
    if (push) {
        end_push(r, body);
        return;
    }
    if (!r->route)
        r->exchange = gw_exchange_begin(f, s, NULL, &r->exchange, &reason, &err);
    else if (r->route->kind == GW_OTHER)
        r->sub = gw_submit_cloudevents(f, s, r->form, body, &reason, &err);
    else
        submit_flyte(r, body, &reason, &err);
    if (r->exchange)
        r->done = 1;
    else
        submitted(r, reason, &err);
}

static void on_too_large(struct gw_http_stream *s, void *ctx)
{
    struct request *r = s->user;

    (void)ctx;
    if (!r || r->done)
        return;
    refuse(r, GW_R_TOO_LARGE, 413,
           gw_arena_printf(s->mem, "message too large: the body is above %s %zu",
                           s->body_max < (size_t)r->front->max_body[GW_HTTP]
                               ? "what a call that needs no token has:"
                               : "max_body_bytes",
                           s->body_max)
               .p);
}

static void on_gone(struct gw_http_stream *s, void *ctx)
{
    struct request *r = s->user;

    (void)ctx;
    if (!r)
        return;
    gw_body_release(r->front, &r->held);
    gw_push_gone(&r->push);
    if (r->sub)
        r->sub->owner = NULL;
    if (r->exchange)
        gw_exchange_leave(r->exchange);
}

static void on_drained(struct gw_http_stream *s, void *ctx)
{
    const struct request *r = s->user;

    (void)ctx;
    if (r && r->exchange)
        gw_exchange_drained(r->exchange);
}

const struct gw_http_handler gw_rest_handler = {
    .head = on_head,
    .data = on_data,
    .end = on_end,
    .too_large = on_too_large,
    .drained = on_drained,
    .gone = on_gone,
};
