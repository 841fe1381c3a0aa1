#include "net/http2_call.h"

#include "base/arena.h"

#include <assert.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>

enum {
    WINDOW = 1024 * 1024,
    MAX_OUT = 256 * 1024, /* taken ahead of the socket */
    MAX_LATER = 1 << 30,
    MUCH_SENT = 64 * 1024,
    MAX_HEAD = 1024 * 1024 /* of an answer: with those before it, and with trailers */
};

struct gw_http2_calls {
    nghttp2_session *session;
    struct gw_http_call *open;          /* started, not ended */
    struct gw_http_call *ended, **last; /* waiting for gw_http2_calls_ended */
    struct gw_http_call *news, **news_last, *drains, **drains_last;
    int closing;
};

/* ---- lists ---- */

static void unlink_call(struct gw_http_call *call)
{
    *call->at = call->next;
    if (call->next)
        call->next->at = call->at;
    call->next = NULL;
    call->at = NULL;
}

/* Whose answer has grown, in the order it did. */
static void add_news(struct gw_http2_calls *c, struct gw_http_call *call)
{
    if (!call->data || call->news.at)
        return;
    call->news = (struct gw_http_call_link){.at = c->news_last};
    *c->news_last = call;
    c->news_last = &call->news.next;
}

static void no_news(struct gw_http2_calls *c, struct gw_http_call *call)
{
    if (!call->news.at)
        return;
    *call->news.at = call->news.next;
    if (call->news.next)
        call->news.next->news.at = call->news.at;
    else
        c->news_last = call->news.at;
    call->news = (struct gw_http_call_link){0};
}

static void add_drained(struct gw_http2_calls *c, struct gw_http_call *call)
{
    if (!call->drained || call->drains.at)
        return;
    call->drains = (struct gw_http_call_link){.at = c->drains_last};
    *c->drains_last = call;
    c->drains_last = &call->drains.next;
}

static void not_drained(struct gw_http2_calls *c, struct gw_http_call *call)
{
    if (!call->drains.at)
        return;
    *call->drains.at = call->drains.next;
    if (call->drains.next)
        call->drains.next->drains.at = call->drains.at;
    else
        c->drains_last = call->drains.at;
    call->drains = (struct gw_http_call_link){0};
}

struct gw_http_call *gw_http2_calls_news(struct gw_http2_calls *c)
{
    struct gw_http_call *call = c->news;

    if (call)
        no_news(c, call);
    return call;
}

struct gw_http_call *gw_http2_calls_drained(struct gw_http2_calls *c)
{
    struct gw_http_call *call = c->drains;

    if (!call || !call->drains.sent) /* those behind it came later */
        return NULL;
    not_drained(c, call);
    return call;
}

void gw_http2_calls_sent(struct gw_http2_calls *c)
{
    for (struct gw_http_call *call = c->drains; call; call = call->drains.next)
        call->drains.sent = 1;
}

/* Nothing more of it is sent. */
static void take_out(struct gw_http2_calls *c, struct gw_http_call *call)
{
    unlink_call(call);
    not_drained(c, call);
    gw_buf_free(&call->later);
    call->later_sent = 0;
}

/* News of it stay: they come before the end. */
static void end_call(struct gw_http2_calls *c, struct gw_http_call *call)
{
    take_out(c, call);
    call->stream = -1;
    *c->last = call;
    c->last = &call->next;
}

struct gw_http_call *gw_http2_calls_ended(struct gw_http2_calls *c)
{
    struct gw_http_call *call = c->ended;

    if (!call)
        return NULL;
    c->ended = call->next;
    if (!c->ended)
        c->last = &c->ended;
    call->next = NULL;
    return call;
}

void gw_http2_calls_fail(struct gw_http2_calls *c, const struct gw_err *err)
{
    c->closing = 1;
    while (c->open) {
        gw_http_call_fail(c->open, err->kind, err->msg);
        if (c->open->stream > 0)
            nghttp2_session_set_stream_user_data(c->session, c->open->stream, NULL);
        end_call(c, c->open);
    }
}

/* ---- nghttp2's callbacks: copy into the call, set its state ---- */

static struct gw_http_call *call_of(nghttp2_session *session, int32_t stream)
{
    return nghttp2_session_get_stream_user_data(session, stream);
}

static int three_digits(const uint8_t *p, size_t len)
{
    int n = 0;

    for (size_t i = 0; i < 3; i++) {
        if (i >= len || p[i] < '0' || p[i] > '9')
            return 0;
        n = n * 10 + (p[i] - '0');
    }
    return n;
}

/* NOLINTNEXTLINE(readability-function-size): nghttp2's signature */
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *ctx)
{
    struct gw_http_call *call = call_of(session, frame->hd.stream_id);

    (void)flags;
    (void)ctx;
    if (!call)
        return 0;
    call->head_bytes += name_len + value_len;
    if (call->head_bytes > MAX_HEAD) {
        gw_http_call_fail(call, GW_ERR_TOO_LARGE, "the answer's head is too large");
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (name_len > 0 && name[0] == ':')
        call->status = three_digits(value, value_len);
    else if (gw_http_call_header(call, (struct gw_str){(const char *)name, name_len},
                                 (struct gw_str){(const char *)value, value_len}))
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    return 0;
}

/* Headers of a 1xx answer are not the answer's. */
static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct gw_http_call *call = call_of(session, frame->hd.stream_id);

    (void)ctx;
    if (call && (frame->headers.cat != NGHTTP2_HCAT_HEADERS || call->status < 200))
        call->n_answer_headers = call->n_head = 0;
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t len, void *ctx)
{
    struct gw_http_call *call = call_of(session, stream);

    (void)flags;
    nghttp2_session_consume_connection(session, len);
    if (!call || !call->holds)
        nghttp2_session_consume_stream(session, stream, len);
    if (!call || call->failed)
        return 0;
    gw_buf_put(&call->answer, data, len);
    if (call->answer.failed) {
        gw_http_call_fail(call, GW_ERR_TOO_LARGE, "the answer is too large");
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
    } else {
        add_news(ctx, call);
    }
    return 0;
}

/* Of calls that wait for a stream nghttp2 would say so only when another one ends, which may be in
 * hours. */
static void go_away(struct gw_http2_calls *c)
{
    struct gw_http_call *next;

    c->closing = 1;
    for (struct gw_http_call *call = c->open; call; call = next) {
        next = call->next;
        if (nghttp2_session_find_stream(c->session, call->stream))
            continue;
        nghttp2_session_set_stream_user_data(c->session, call->stream, NULL);
        nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, call->stream, NGHTTP2_CANCEL);
        call->refused = 1;
        gw_http_call_fail(call, GW_ERR_RETRY, "the server goes away");
        end_call(c, call);
    }
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct gw_http2_calls *c = ctx;
    struct gw_http_call *call;

    if (frame->hd.type == NGHTTP2_GOAWAY)
        go_away(c);
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    call = call_of(session, frame->hd.stream_id);
    if (!call || call->status < 200)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && !call->n_head) {
        call->n_head = call->n_answer_headers;
        add_news(c, call);
    }
    if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    call->ended = 1;
    /* The answer is whole: the rest of the request is not needed. */
    if (call->more || gw_http2_call_unsent(call) > 0)
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, call->stream, NGHTTP2_NO_ERROR);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t code, void *ctx)
{
    struct gw_http2_calls *c = ctx;
    struct gw_http_call *call = call_of(session, stream);

    if (!call)
        return 0;
    nghttp2_session_set_stream_user_data(session, stream, NULL);
    call->refused = code == NGHTTP2_REFUSED_STREAM;
    call->reset_code = call->ended || call->failed ? 0 : code;
    /* NO_ERROR after a whole answer means: the rest of the request is not needed. */
    if (!call->ended)
        gw_http_call_fail(call, GW_ERR_RETRY,
                          code == NGHTTP2_NO_ERROR ? "the stream ended without a whole answer"
                                                   : nghttp2_http2_strerror(code));
    end_call(c, call);
    return 0;
}

static int on_frame_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int code,
                             void *ctx)
{
    struct gw_http2_calls *c = ctx;
    struct gw_http_call *call;

    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    call = call_of(session, frame->hd.stream_id);
    if (!call)
        for (call = c->open; call && call->stream != frame->hd.stream_id;)
            call = call->next;
    if (!call)
        return 0;
    gw_http_call_fail(call, GW_ERR_RETRY, nghttp2_strerror(code));
    call->refused = 1;
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, NULL); /* it closes next */
    end_call(c, call);
    return 0;
}

size_t gw_http2_call_unsent(const struct gw_http_call *call)
{
    return call->lead.len + call->body.len - call->sent + call->later.len - call->later_sent;
}

/* Up to len bytes of what is left of src; how many. */
static size_t copy_from(uint8_t *out, size_t len, struct gw_str src, size_t at)
{
    size_t n = at < src.len ? src.len - at : 0;

    if (n > len)
        n = len;
    if (n > 0)
        memcpy(out, src.p + at, n);
    return n;
}

static size_t copy_body(struct gw_http_call *call, uint8_t *out, size_t len)
{
    size_t lead = call->lead.len;
    size_t n = copy_from(out, len, call->lead, call->sent);

    call->sent += n;
    if (call->sent >= lead && n < len) {
        size_t more = copy_from(out + n, len - n, call->body, call->sent - lead);

        call->sent += more;
        n += more;
    }
    if (n < len && call->later.len > 0) {
        size_t more = copy_from(out + n, len - n, gw_buf_str(&call->later), call->later_sent);

        call->later_sent += more;
        n += more;
    }
    return n;
}

/* NOLINTNEXTLINE(readability-function-size): nghttp2's signature */
static ssize_t read_body(nghttp2_session *session, int32_t stream, uint8_t *out, size_t len,
                         uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
    struct gw_http_call *call = call_of(session, stream);
    size_t n;

    (void)source;
    if (!call)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    n = copy_body(call, out, len);
    if (call->later_sent == call->later.len || call->later_sent > MUCH_SENT) {
        gw_buf_drop(&call->later, call->later_sent);
        call->later_sent = 0;
    }
    if (gw_http2_call_unsent(call) > 0)
        return (ssize_t)n;
    if (!call->more)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    else if (n == 0)
        return NGHTTP2_ERR_DEFERRED;
    add_drained(ctx, call);
    return (ssize_t)n;
}

/* ---- the session ---- */

static nghttp2_session *new_session(struct gw_http2_calls *c)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW},
    };
    nghttp2_session_callbacks *cb;
    nghttp2_session *session;
    nghttp2_option *option;

    if (nghttp2_session_callbacks_new(&cb) || nghttp2_option_new(&option))
        abort();
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(cb, on_frame_not_sent);
    if (nghttp2_session_client_new2(&session, cb, c, option))
        abort();
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(cb);
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, 2);
    nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, 16 * WINDOW);
    return session;
}

struct gw_http2_calls *gw_http2_calls_new(void)
{
    struct gw_http2_calls *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    c->last = &c->ended;
    c->news_last = &c->news;
    c->drains_last = &c->drains;
    c->session = new_session(c);
    return c;
}

void gw_http2_calls_free(struct gw_http2_calls *c)
{
    if (!c)
        return;
    assert(!c->open && !c->ended);
    nghttp2_session_del(c->session);
    free(c);
}

static nghttp2_nv nv(struct gw_str name, struct gw_str value)
{
    return (nghttp2_nv){(uint8_t *)name.p, (uint8_t *)value.p, name.len, value.len,
                        NGHTTP2_NV_FLAG_NONE};
}

void gw_http2_calls_start(struct gw_http2_calls *c, struct gw_http_call *call)
{
    const nghttp2_data_provider body = {.read_callback = read_body};
    const nghttp2_data_provider *p = call->more || call->lead.len + call->body.len ? &body : NULL;
    nghttp2_nv few[16], *h = few;
    size_t n = 0;

    if (4 + call->n_headers > sizeof(few) / sizeof(*few))
        h = gw_arena_alloc(call->mem, (4 + call->n_headers) * sizeof(*h));
    h[n++] = nv(GW_STR(":method"), call->method);
    h[n++] = nv(GW_STR(":scheme"), call->scheme);
    h[n++] = nv(GW_STR(":authority"), call->authority);
    h[n++] = nv(GW_STR(":path"), call->path);
    for (size_t i = 0; i < call->n_headers; i++)
        h[n++] = nv(call->headers[i].name, call->headers[i].value);
    gw_http_call_begin(call);
    gw_buf_init(&call->later, MAX_LATER, NULL);
    call->next = c->open;
    if (call->next)
        call->next->at = &call->next;
    call->at = &c->open;
    c->open = call;
    call->stream = c->closing ? -1 : nghttp2_submit_request(c->session, NULL, h, n, p, call);
    if (call->stream < 0) {
        call->refused = 1;
        gw_http_call_fail(call, GW_ERR_RETRY, "the connection takes no new calls");
        end_call(c, call);
    }
}

void gw_http2_calls_cancel(struct gw_http2_calls *c, struct gw_http_call *call)
{
    no_news(c, call);
    if (!call->at) { /* it has ended, and waits to be handed out */
        struct gw_http_call **p = &c->ended;

        while (*p != call)
            p = &(*p)->next;
        *p = call->next;
        if (!*p)
            c->last = p;
        return;
    }
    take_out(c, call);
    nghttp2_session_set_stream_user_data(c->session, call->stream, NULL);
    nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, call->stream, NGHTTP2_CANCEL);
}

void gw_http2_calls_write(struct gw_http2_calls *c, struct gw_http_call *call, struct gw_str body)
{
    if (call->stream < 0)
        return;
    gw_buf_put_str(&call->later, body);
    not_drained(c, call);
    nghttp2_session_resume_data(c->session, call->stream);
}

void gw_http2_calls_finish(struct gw_http2_calls *c, struct gw_http_call *call)
{
    call->more = 0;
    if (call->stream > 0)
        nghttp2_session_resume_data(c->session, call->stream);
}

void gw_http2_calls_took(struct gw_http2_calls *c, struct gw_http_call *call, size_t n)
{
    if (call->stream > 0)
        nghttp2_session_consume_stream(c->session, call->stream, n);
}

int gw_http2_calls_feed(struct gw_http2_calls *c, struct gw_str bytes, struct gw_err *err)
{
    ssize_t rc = nghttp2_session_mem_recv(c->session, (const uint8_t *)bytes.p, bytes.len);

    if (rc < 0)
        return gw_err_set(err, GW_ERR_RETRY, "HTTP/2: %s", nghttp2_strerror((int)rc));
    return 0;
}

int gw_http2_calls_take(struct gw_http2_calls *c, struct gw_buf *out, struct gw_err *err)
{
    size_t before = out->len;
    const uint8_t *p;
    ssize_t n;

    while (out->len < MAX_OUT && (n = nghttp2_session_mem_send(c->session, &p)) != 0) {
        if (n < 0)
            return gw_err_set(err, GW_ERR_RETRY, "HTTP/2: %s", nghttp2_strerror((int)n));
        gw_buf_put(out, p, (size_t)n);
    }
    if (out->len == before && !nghttp2_session_want_read(c->session) &&
        !nghttp2_session_want_write(c->session))
        return gw_err_set(err, GW_ERR_RETRY, "HTTP/2: the connection has ended");
    return 0;
}

int gw_http2_calls_idle(const struct gw_http2_calls *c)
{
    return !c->open && !c->ended;
}

int gw_http2_calls_closing(const struct gw_http2_calls *c)
{
    return c->closing;
}
