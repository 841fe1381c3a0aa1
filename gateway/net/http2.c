/* HTTP/2, server role: nghttp2 behind feed and fill. Its callbacks only copy into the stream and
 * call the handler; answers are submitted in fill, so that nothing of nghttp2 runs inside a
 * handler's call. Windows are given back as data comes: what a stream may hold is bounded by its
 * body_max, or by its window if the handler gives that back itself. The connection's window is
 * given back at once either way, so that a stream that is held keeps no other waiting. */
#include "base/arena.h"
#include "net/codec.h"
#include "net/loop.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_STREAMS = 256,
    STREAM_WINDOW = 1 << 20,
    CONNECTION_WINDOW = 16 << 20,
    MAX_READ_OVER = 8 << 20, /* twice what a listener takes unless told otherwise */
    /* More than the answers finished and those that go with time (calls that are given up, watches
     * that end by a reset, over the weeks of a connection): the peer only opens and resets. */
    MAX_RESETS = 1000,
    RESETS_A_SECOND = 33, /* as nghttp2 gives */
    /* Frames that bring nothing, beyond what goes with work (a window is opened for what we send,
     * a PING measures what it does) and with time. Pieces of a head that does not come whole weigh
     * more: today's nghttp2 ends one after a few by itself, older ones do not. */
    MAX_EMPTY = 10000,
    EMPTY_A_FRAME = 10, /* that we send */
    EMPTY_A_PIECE = 3,  /* of a body that comes */
    EMPTY_A_SECOND = 100,
    CONTINUATION_WEIGHS = 100,
    FIRST_UNKNOWN = 0xa
};

struct http2 {
    struct gw_codec base;
    nghttp2_session *session;
    size_t n_streams, finished;
    size_t resets;     /* see MAX_RESETS */
    size_t empty;      /* see MAX_EMPTY */
    int64_t second_ms; /* what goes with time was given up to then */
    int draining, eof;
    size_t pieces; /* of the head that comes, after its first */
    int in_head;   /* one has begun, and has not come whole: it may have been refused meanwhile */
    int unread;    /* there is a complete answer to a request that goes on */
};

static struct http2 *of(struct gw_codec *c)
{
    return (struct http2 *)c;
}

/* ---- floods ---- */

static void earn(size_t *count, size_t n)
{
    *count -= n < *count ? n : *count;
}

static const char RESETS[] = "too many requests that end in a reset";

static void send_away(struct http2 *h, const char *why)
{
    h->base.flood = why;
    nghttp2_session_terminate_session(h->session, NGHTTP2_ENHANCE_YOUR_CALM);
}

/* Of what begins. A request is counted by its end; DATA earns more if there are bytes in it. */
static size_t weight_of(const nghttp2_frame_hd *hd)
{
    if (hd->type == NGHTTP2_CONTINUATION)
        return CONTINUATION_WEIGHS;
    return hd->type != NGHTTP2_HEADERS;
}

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *user)
{
    struct http2 *h = user;

    (void)session;
    h->empty += weight_of(hd);
    h->pieces = hd->type == NGHTTP2_CONTINUATION ? h->pieces + 1 : 0;
    if (hd->type != NGHTTP2_CONTINUATION)
        h->in_head = hd->type == NGHTTP2_HEADERS;
    return 0;
}

/* Only so does nghttp2 say that one began. */
static int on_unknown(nghttp2_session *session, void **payload, const nghttp2_frame_hd *hd,
                      void *user)
{
    (void)session;
    (void)payload;
    (void)hd;
    (void)user;
    return NGHTTP2_ERR_CANCEL; /* it is passed over */
}

/* Behind each piece that was read, for nghttp2 goes on inside one. rc: of nghttp2. */
static void look_for_floods(struct http2 *h, ssize_t rc)
{
    const int64_t seconds = (h->base.now_ms - h->second_ms) / 1000;

    if (seconds > 0) {
        earn(&h->empty, (size_t)seconds * EMPTY_A_SECOND);
        earn(&h->resets, (size_t)seconds * RESETS_A_SECOND);
        h->second_ms += seconds * 1000;
    }
    if (rc == NGHTTP2_ERR_FLOODED)
        h->base.flood = "frames that want an answer came faster than answers are taken";
    if (h->empty > MAX_EMPTY && rc >= 0)
        send_away(h, "too many frames that bring nothing");
}

/* nghttp2 has a bound of its own on resets, in bursts, whatever was answered before. Beyond it, it
 * only takes no more requests, and an open one would keep the connection. */
static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct http2 *h = user;

    (void)session;
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code == NGHTTP2_INTERNAL_ERROR &&
        !h->base.flood)
        send_away(h, RESETS);
    return 0;
}

/* ---- what comes ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct http2 *h = user;
    struct gw_stream *s;

    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    s = gw_codec_stream(&h->base);
    s->id = frame->hd.stream_id;
    s->pub.http2 = 1;
    s->since_ms = h->base.now_ms;
    h->n_streams++;
    nghttp2_session_set_stream_user_data(session, s->id, s);
    return 0;
}

static void pseudo_header(struct gw_http_stream *s, struct gw_str name, struct gw_str value)
{
    if (gw_str_is(name, ":method"))
        s->method = value;
    else if (gw_str_is(name, ":path"))
        s->path = value;
    else if (gw_str_is(name, ":authority"))
        s->authority = value;
}

/* NOLINTNEXTLINE(readability-function-size): nghttp2 dictates the parameters */
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *user)
{
    struct http2 *h = user;
    struct gw_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    struct gw_str n = {(const char *)name, name_len}, v = {(const char *)value, value_len};

    (void)flags;
    if (!s || s->head_done) /* trailers of a request say nothing to us */
        return 0;
    s->header_bytes += name_len + value_len + 32;
    if (s->header_bytes > h->base.conf.max_header_bytes)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    v = gw_arena_str(s->pub.mem, v);
    if (name_len > 0 && name[0] == ':') {
        pseudo_header(&s->pub, n, v);
        return 0;
    }
    if (gw_str_is(n, "host") && !s->pub.authority.p)
        s->pub.authority = v;
    gw_stream_add_header(s, gw_arena_str(s->pub.mem, n), v);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct gw_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    struct http2 *h = user;

    h->in_head &= frame->hd.type != NGHTTP2_HEADERS;
    if (frame->hd.type == NGHTTP2_HEADERS) /* a whole one: its pieces were frames like others */
        earn(&h->empty, h->pieces * (CONTINUATION_WEIGHS - 1));
    if (!s || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && !s->head_done && gw_stream_head(s)) {
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_PROTOCOL_ERROR);
        return 0;
    }
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        gw_stream_end(s);
    return 0;
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                    size_t len, void *user)
{
    struct http2 *h = user;
    struct gw_stream *s = nghttp2_session_get_stream_user_data(session, id);

    (void)flags;
    earn(&h->empty, EMPTY_A_PIECE);
    nghttp2_session_consume_connection(session, len);
    if (s && s->holds && !s->discard && !s->finished)
        s->held += len;
    else
        nghttp2_session_consume_stream(session, id, len);
    if (s)
        s->since_ms = h->base.now_ms;
    if (s && s->finished)
        s->read_over += len;
    if (s && s->head_done)
        gw_stream_data(s, (struct gw_str){(const char *)data, len});
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    struct http2 *h = user;
    struct gw_stream *s = nghttp2_session_get_stream_user_data(session, id);

    if (!s)
        return 0;
    h->n_streams--;
    /* Whoever resets it: a peer can bring us to. */
    if (s->sent && code == NGHTTP2_NO_ERROR) {
        h->finished++;
        earn(&h->empty, EMPTY_A_FRAME);
    } else if (++h->resets > h->finished + MAX_RESETS) {
        send_away(h, RESETS);
    }
    gw_codec_gone(&h->base, s);
    return 0;
}

static nghttp2_session_callbacks *callbacks(void)
{
    nghttp2_session_callbacks *cb;

    if (nghttp2_session_callbacks_new(&cb))
        abort();
    nghttp2_session_callbacks_set_on_begin_frame_callback(cb, on_begin_frame);
    nghttp2_session_callbacks_set_unpack_extension_callback(cb, on_unknown);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_sent);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
    return cb;
}

static void http2_fill(struct gw_codec *c);

static struct gw_codec *http2_open(const struct gw_codec_conf *conf)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, MAX_STREAMS},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)conf->max_header_bytes}};
    nghttp2_session_callbacks *cb = callbacks();
    struct http2 *h = calloc(1, sizeof(*h));
    nghttp2_option *option;

    if (!h || nghttp2_option_new(&option))
        abort();
    nghttp2_option_set_no_auto_window_update(option, 1);
    /* Frames that nobody knows are passed over; so that they are counted, they are asked for. */
    for (int type = FIRST_UNKNOWN; type <= UINT8_MAX; type++)
        nghttp2_option_set_user_recv_extension_type(option, (uint8_t)type);
    gw_codec_init(&h->base, &gw_http2, conf);
    if (nghttp2_session_server_new2(&h->session, cb, h, option))
        abort();
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(cb);
    nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings,
                            sizeof(settings) / sizeof(settings[0]));
    nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW);
    http2_fill(&h->base);
    return &h->base;
}

static int http2_feed(struct gw_codec *c, struct gw_str bytes)
{
    struct http2 *h = of(c);
    ssize_t n = nghttp2_session_mem_recv(h->session, (const uint8_t *)bytes.p, bytes.len);

    look_for_floods(h, n);
    http2_fill(c);
    return n < 0 || !nghttp2_session_want_read(h->session) ? -1 : 0;
}

static nghttp2_nv nv_of(struct gw_str name, struct gw_str value)
{
    return (nghttp2_nv){(uint8_t *)name.p, (uint8_t *)value.p, name.len, value.len,
                        NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

/* NOLINTNEXTLINE(readability-function-size): nghttp2 dictates the parameters */
static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *buf, size_t len,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct gw_stream *s = source->ptr;
    size_t n = s->out.len < len ? s->out.len : len;

    s->since_ms = s->codec->now_ms;
    if (n) {
        earn(&((struct http2 *)user)->empty, EMPTY_A_FRAME);
        memcpy(buf, s->out.p, n);
    }
    gw_buf_drop(&s->out, n);
    if (n == 0 && !s->finished) {
        s->deferred = 1;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (!s->finished || s->out.len > 0)
        return (ssize_t)n;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    s->sent = 1;
    if (s->n_trailers) {
        nghttp2_nv *nv = gw_arena_alloc(s->pub.mem, s->n_trailers * sizeof(*nv));

        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        for (size_t i = 0; i < s->n_trailers; i++)
            nv[i] = nv_of(s->trailers[i].name, s->trailers[i].value);
        nghttp2_submit_trailer(session, id, nv, s->n_trailers);
    }
    return (ssize_t)n;
}

static void submit(struct http2 *h, struct gw_stream *s)
{
    nghttp2_data_provider body = {.source.ptr = s, .read_callback = read_body};
    nghttp2_nv *nv = gw_arena_alloc(s->pub.mem, (s->n_answer + 2) * sizeof(*nv));
    char *status = gw_arena_alloc(s->pub.mem, 4);
    size_t n = 0;

    for (int i = 2, left = s->status; i >= 0; i--, left /= 10)
        status[i] = (char)('0' + left % 10);
    nv[n++] = nv_of(GW_STR(":status"), (struct gw_str){status, 3});
    for (size_t i = 0; i < s->n_answer; i++)
        nv[n++] = nv_of(s->answer[i].name, s->answer[i].value);
    if (s->finished && s->out.len && !s->n_trailers && !s->sized)
        nv[n++] = nv_of(GW_STR("content-length"), gw_arena_printf(s->pub.mem, "%zu", s->out.len));
    if (gw_str_is(s->pub.method, "HEAD"))
        gw_buf_clear(&s->out);
    s->submitted = 1;
    if (s->finished && s->out.len == 0 && s->n_trailers == 0)
        s->sent = 1;
    nghttp2_submit_response(h->session, s->id, nv, n, s->sent ? NULL : &body);
}

/* What its handler has taken; once the answer is complete, all: a peer may have to send the rest
 * before it looks. */
static void give_back(struct http2 *h, struct gw_stream *s)
{
    const size_t n = s->finished || s->took > s->held ? s->held : s->took;

    s->took = 0;
    s->held -= n;
    if (n)
        nghttp2_session_consume_stream(h->session, s->id, n);
}

static void answer(struct http2 *h, struct gw_stream *s)
{
    give_back(h, s);
    if (s->fresh) /* till now its peer kept nobody waiting, whatever its window */
        s->since_ms = h->base.now_ms;
    s->fresh = 0;
    if (s->reset) {
        nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, s->id, s->reset_code);
    } else if (!s->responded) {
        return;
    } else if (!s->submitted) {
        submit(h, s);
    } else if (s->deferred) {
        s->deferred = 0;
        nghttp2_session_resume_data(h->session, s->id);
    }
    /* The answer is complete and the peer still sends: it need not. */
    if (s->finished && !s->ended && !s->reset) {
        s->reset_code = 1;
        h->unread = 1;
    }
}

/* Some of it is read over instead: there are clients that forget an answer for the reset behind it.
 * There are proxies, too, that neither send the rest nor end it: they need the stream's place. */
static int goes_on_for_long(const struct http2 *h, const struct gw_stream *s)
{
    return h->draining || h->n_streams == MAX_STREAMS || s->read_over > MAX_READ_OVER ||
           s->pub.content_length > MAX_READ_OVER;
}

/* After the answer's last frame is out: a stream whose request goes on is closed by us. */
static void stop_requests(struct http2 *h)
{
    h->unread = 0;
    for (struct gw_stream *s = h->base.streams, *next; s; s = next) {
        next = s->next;
        h->unread |= s->reset_code == 1 && !s->ended && !s->reset;
        if (s->sent && s->reset_code == 1 && !s->ended && !s->reset && goes_on_for_long(h, s)) {
            s->reset = 1;
            nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR);
        }
    }
}

static void take_output(struct http2 *h)
{
    const uint8_t *p;
    ssize_t n;

    while ((n = nghttp2_session_mem_send(h->session, &p)) > 0)
        gw_buf_put(&h->base.out, p, (size_t)n);
}

static void http2_fill(struct gw_codec *c)
{
    struct http2 *h = of(c);
    struct gw_stream *s;

    while ((s = gw_codec_next_pending(c)))
        answer(h, s);
    take_output(h);
    if (h->unread) {
        stop_requests(h);
        take_output(h);
    }
}

static void http2_drain(struct gw_codec *c)
{
    struct http2 *h = of(c);

    if (h->draining)
        return;
    h->draining = 1;
    nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(h->session), NGHTTP2_NO_ERROR,
                          NULL, 0);
    http2_fill(c);
}

static int http2_done(const struct gw_codec *c)
{
    const struct http2 *h = (const struct http2 *)c;

    /* With GOAWAY from the peer nothing more is read after the last answer. */
    return h->eof || h->base.flood || (h->draining && h->n_streams == 0) ||
           !nghttp2_session_want_read(h->session);
}

static int waits_for_peer(const struct gw_stream *s)
{
    if (s->fresh || (s->holds && !s->finished)) /* fresh: nothing of its answer was sent yet */
        return 0;
    return !s->reset && (!s->ended || s->out.len > 0);
}

static int64_t http2_expire(struct gw_codec *c, int64_t timeout_ms)
{
    struct http2 *h = of(c);
    int64_t next = 0;
    int expired = 0;

    for (struct gw_stream *s = c->streams; s; s = s->next) {
        int64_t at = s->since_ms + timeout_ms;

        if (!waits_for_peer(s))
            continue;
        if (at <= c->now_ms) {
            s->reset = 1;
            nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, s->id,
                                      s->sent ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL);
            expired = 1;
        } else if (!next || at < next) {
            next = at;
        }
    }
    if (expired && c->conf.wake)
        c->conf.wake(c->conf.wake_ctx);
    return next;
}

static enum gw_codec_wait http2_wait(const struct gw_codec *c)
{
    const struct http2 *h = (const struct http2 *)c;

    if (h->n_streams == 0)
        return h->in_head ? GW_WAIT_HEAD : GW_WAIT_REQUEST;
    for (const struct gw_stream *s = c->streams; s; s = s->next) {
        if (!s->head_done)
            return GW_WAIT_HEAD;
        if (!s->finished && (s->holds || (s->ended && s->out.len == 0)))
            return GW_WAIT_ANSWER;
    }
    return GW_WAIT_BODY; /* all others wait for the peer: for bytes, or for room in its window */
}

/* A client that shuts its side has nothing to wait for: RFC 9113 knows no half closed connection.
 */
static void http2_eof(struct gw_codec *c)
{
    of(c)->eof = 1;
}

static void http2_close(struct gw_codec *c)
{
    struct http2 *h = of(c);

    /* No callback of nghttp2 may run: the streams go first. */
    gw_codec_fini(c);
    nghttp2_session_del(h->session);
    free(h);
}

const struct gw_codec_ops gw_http2 = {.open = http2_open,
                                      .feed = http2_feed,
                                      .fill = http2_fill,
                                      .drain = http2_drain,
                                      .eof = http2_eof,
                                      .done = http2_done,
                                      .expire = http2_expire,
                                      .wait = http2_wait,
                                      .close = http2_close};
