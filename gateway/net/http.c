/* What both codecs share: streams, what they call of the handler, and the answer that a handler
 * writes, kept until the codec fills its output. */
#include "net/http.h"

#include "base/arena.h"
#include "net/codec.h"
#include "net/loop.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT_STREAMS = 64, MAX_OUT = 1 << 30, FIRST_HEADERS = 16 };

static struct gw_stream *of(const struct gw_http_stream *s)
{
    return GW_CONTAINER(s, struct gw_stream, pub);
}

void gw_codec_init(struct gw_codec *c, const struct gw_codec_ops *ops,
                   const struct gw_codec_conf *conf)
{
    c->ops = ops;
    c->conf = *conf;
    gw_buf_init(&c->out, MAX_OUT, NULL);
    c->pending_last = &c->pending;
}

static void stream_free(struct gw_stream *s)
{
    gw_buf_free(&s->pub.body);
    gw_buf_free(&s->out);
    gw_arena_free(s->pub.mem);
    free(s);
}

void gw_codec_fini(struct gw_codec *c)
{
    for (struct gw_stream *s; (s = c->streams);) {
        gw_codec_gone(c, s);
        assert(c->streams != s);
    }
    while (c->free) {
        struct gw_stream *next = c->free->next;

        stream_free(c->free);
        c->free = next;
    }
    gw_buf_free(&c->out);
}

struct gw_stream *gw_codec_stream(struct gw_codec *c)
{
    struct gw_stream *s = c->free;

    if (s) {
        c->free = s->next;
        c->n_free--;
    } else {
        s = calloc(1, sizeof(*s));
        if (!s)
            abort();
        s->pub.mem = gw_arena_new();
        gw_buf_init(&s->out, MAX_OUT, NULL);
        gw_buf_init(&s->pub.body, MAX_OUT, NULL);
    }
    s->codec = c;
    s->prev = NULL;
    s->next = c->streams;
    if (c->streams)
        c->streams->prev = s;
    c->streams = s;
    s->pub.conn = c->conf.conn;
    s->pub.handler = c->conf.handler;
    s->pub.body_max = c->conf.max_body_bytes;
    s->pub.content_length = -1;
    s->headers_cap = FIRST_HEADERS;
    s->pub.headers = gw_arena_alloc(s->pub.mem, FIRST_HEADERS * sizeof(*s->pub.headers));
    return s;
}

static void unlink_pending(struct gw_codec *c, struct gw_stream *s)
{
    struct gw_stream **p = &c->pending;

    if (!s->queued)
        return;
    while (*p != s)
        p = &(*p)->next_pending;
    *p = s->next_pending;
    if (c->pending_last == &s->next_pending)
        c->pending_last = p;
}

/* What a kept stream brings to its next request: its memory, nothing else. */
static void recycle(struct gw_codec *c, struct gw_stream *s)
{
    struct gw_arena *mem = s->pub.mem;
    struct gw_buf out = s->out, body = s->pub.body;

    enum { KEPT_BYTES = 64 << 10 };
    if (c->n_free == KEPT_STREAMS || out.cap > KEPT_BYTES || body.cap > KEPT_BYTES) {
        stream_free(s);
        return;
    }
    gw_arena_reset(mem);
    gw_buf_clear(&out);
    gw_buf_clear(&body);
    memset(s, 0, sizeof(*s));
    s->pub.mem = mem;
    s->out = out;
    s->pub.body = body;
    s->next = c->free;
    c->free = s;
    c->n_free++;
}

void gw_codec_gone(struct gw_codec *c, struct gw_stream *s)
{
    if (s->head_done && s->pub.handler->gone)
        s->pub.handler->gone(&s->pub, c->conf.ctx);
    unlink_pending(c, s);
    if (s->next)
        s->next->prev = s->prev;
    *(s->prev ? &s->prev->next : &c->streams) = s->next;
    recycle(c, s);
}

struct gw_stream *gw_codec_next_pending(struct gw_codec *c)
{
    struct gw_stream *s = c->pending;

    if (!s)
        return NULL;
    c->pending = s->next_pending;
    if (!c->pending)
        c->pending_last = &c->pending;
    s->next_pending = NULL;
    s->queued = 0;
    return s;
}

static void mark_pending(struct gw_stream *s)
{
    struct gw_codec *c = s->codec;

    if (s->queued)
        return;
    s->queued = 1;
    s->next_pending = NULL;
    *c->pending_last = s;
    c->pending_last = &s->next_pending;
    if (c->conf.wake)
        c->conf.wake(c->conf.wake_ctx);
}

void gw_stream_add_header(struct gw_stream *s, struct gw_str name, struct gw_str value)
{
    struct gw_http_header *h = (struct gw_http_header *)s->pub.headers;

    if (s->pub.n_headers == s->headers_cap) {
        s->headers_cap *= 2;
        h = gw_arena_alloc(s->pub.mem, s->headers_cap * sizeof(*h));
        memcpy(h, s->pub.headers, s->pub.n_headers * sizeof(*h));
        s->pub.headers = h;
    }
    h[s->pub.n_headers++] = (struct gw_http_header){name, value};
}

/* At most 15 digits: more than any body we take, and no overflow. */
static int plain_number(struct gw_str s, int64_t *out)
{
    int64_t n = 0;

    if (s.len == 0 || s.len > 15)
        return -1;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return -1;
        n = n * 10 + s.p[i] - '0';
    }
    *out = n;
    return 0;
}

static int read_content_length(struct gw_http_stream *s)
{
    for (size_t i = 0; i < s->n_headers; i++) {
        int64_t n;

        if (!gw_str_is(s->headers[i].name, "content-length"))
            continue;
        if (plain_number(s->headers[i].value, &n) ||
            (s->content_length >= 0 && s->content_length != n))
            return -1;
        s->content_length = n;
    }
    return 0;
}

static void too_large(struct gw_stream *s)
{
    s->discard = 1;
    gw_buf_clear(&s->pub.body);
    if (s->pub.handler->too_large)
        s->pub.handler->too_large(&s->pub, s->codec->conf.ctx);
}

int gw_stream_head(struct gw_stream *s)
{
    if (read_content_length(&s->pub))
        return -1;
    s->head_done = 1;
    s->codec->heads++;
    if (s->pub.handler->head && s->pub.handler->head(&s->pub, s->codec->conf.ctx))
        s->discard = 1;
    else if (s->pub.content_length > (int64_t)s->pub.body_max)
        too_large(s);
    return 0;
}

void gw_stream_data(struct gw_stream *s, struct gw_str bytes)
{
    if (s->discard || bytes.len == 0)
        return;
    if (bytes.len > s->pub.body_max || s->pub.body.len > s->pub.body_max - bytes.len) {
        too_large(s);
        return;
    }
    gw_buf_put_str(&s->pub.body, bytes);
    if (s->pub.handler->data)
        s->pub.handler->data(&s->pub, s->codec->conf.ctx);
}

void gw_stream_end(struct gw_stream *s)
{
    s->ended = 1;
    if (!s->discard && s->pub.handler->end)
        s->pub.handler->end(&s->pub, s->codec->conf.ctx);
}

const struct gw_str *gw_http_get(const struct gw_http_stream *s, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < s->n_headers; i++)
        if (s->headers[i].name.len == len && !memcmp(s->headers[i].name.p, name, len))
            return &s->headers[i].value;
    return NULL;
}

static struct gw_http_header *copy_headers(struct gw_stream *s, const struct gw_http_header *h,
                                           size_t n)
{
    struct gw_http_header *copy = gw_arena_alloc(s->pub.mem, n * sizeof(*copy) + 1);

    for (size_t i = 0; i < n; i++) {
        copy[i].name = gw_arena_str(s->pub.mem, h[i].name);
        copy[i].value = gw_arena_str(s->pub.mem, h[i].value);
    }
    return copy;
}

void gw_http_respond(struct gw_http_stream *s, int status, const struct gw_http_header *h, size_t n)
{
    struct gw_stream *st = of(s);

    assert(!st->responded);
    st->responded = 1;
    st->status = status;
    st->answer = copy_headers(st, h, n);
    st->n_answer = n;
    for (size_t i = 0; i < n; i++)
        st->sized |= gw_str_is(h[i].name, "content-length");
    mark_pending(st);
}

void gw_http_write(struct gw_http_stream *s, struct gw_str body)
{
    struct gw_stream *st = of(s);

    assert(st->responded && !st->finished);
    st->fresh |= st->out.len == 0;
    gw_buf_put_str(&st->out, body);
    mark_pending(st);
}

void gw_http_finish(struct gw_http_stream *s, const struct gw_http_header *trailers, size_t n)
{
    struct gw_stream *st = of(s);

    assert(st->responded && !st->finished);
    st->trailers = copy_headers(st, trailers, n);
    st->n_trailers = n;
    st->whole = !st->submitted;
    st->finished = 1;
    mark_pending(st);
}

void gw_http_respond_all(struct gw_http_stream *s, int status, const struct gw_http_header *h,
                         size_t n, struct gw_str body)
{
    gw_http_respond(s, status, h, n);
    gw_http_write(s, body);
    gw_http_finish(s, NULL, 0);
}

void gw_http_reset(struct gw_http_stream *s, uint32_t code)
{
    struct gw_stream *st = of(s);

    st->reset = 1;
    st->reset_code = code;
    mark_pending(st);
}

void gw_http_hold(struct gw_http_stream *s)
{
    of(s)->holds = 1;
}

void gw_http_took(struct gw_http_stream *s, size_t n)
{
    struct gw_stream *st = of(s);

    st->took += n;
    mark_pending(st);
}

size_t gw_http_unsent(const struct gw_http_stream *s)
{
    return of(s)->out.len + of(s)->codec->out.len;
}
