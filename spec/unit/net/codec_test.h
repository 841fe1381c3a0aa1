#ifndef SPEC_NET_CODEC_TEST_H
#define SPEC_NET_CODEC_TEST_H

#include "base/buf.h"
#include "net/codec.h"
#include "test.h"

#include <string.h>

/* A handler that writes down what it is called with, and answers as it is told. */
enum reply { AT_END, AT_HEAD, LATER, STREAMED, RESETS, TRAILERS };

struct room {
    struct gw_buf seen; /* "POST /a[body]; " per request that ended, "too large; ", "gone; " */
    enum reply reply;
    struct gw_http_stream *open[512];
    int n_open, heads, gones, inside, woken;
    size_t answer_bytes;
    int drops; /* what comes of a body is taken at once */
};

static inline void room_answer(struct room *r, struct gw_http_stream *s, int status)
{
    static const struct gw_http_header head[] = {{{"x-a", 3}, {"1", 1}}};
    static const struct gw_http_header ok[] = {{{"grpc-status", 11}, {"0", 1}}};
    int gones = r->gones;

    if (r->reply == RESETS) {
        gw_http_reset(s, 7);
    } else if (r->reply == STREAMED || r->reply == TRAILERS) {
        gw_http_respond(s, status, head, 1);
        gw_http_write(s, GW_STR("one"));
        gw_http_write(s, GW_STR("two"));
        gw_http_finish(s, ok, r->reply == TRAILERS);
    } else if (r->answer_bytes) {
        char *bytes = malloc(r->answer_bytes);

        memset(bytes, 'x', r->answer_bytes);
        gw_http_respond_all(s, status, head, 1, (struct gw_str){bytes, r->answer_bytes});
        free(bytes);
    } else {
        gw_http_respond_all(s, status, head, 1, GW_STR("hi"));
    }
    CHECK(r->gones == gones);
}

static inline int room_head(struct gw_http_stream *s, void *ctx)
{
    struct room *r = ctx;

    r->heads++;
    r->open[r->n_open++] = s;
    if (r->reply != AT_HEAD)
        return 0;
    room_answer(r, s, 404);
    return -1;
}

static inline void room_data(struct gw_http_stream *s, void *ctx)
{
    if (((struct room *)ctx)->drops)
        gw_buf_clear(&s->body);
}

static inline void room_end(struct gw_http_stream *s, void *ctx)
{
    struct room *r = ctx;

    gw_buf_printf(&r->seen, "%.*s %.*s[%.*s]; ", (int)s->method.len, s->method.p, (int)s->path.len,
                  s->path.p, (int)s->body.len, gw_buf_str(&s->body).p);
    if (r->reply != LATER)
        room_answer(r, s, 200);
}

static inline void room_too_large(struct gw_http_stream *s, void *ctx)
{
    struct room *r = ctx;

    gw_buf_puts(&r->seen, "too large; ");
    room_answer(r, s, 413);
}

static inline void room_gone(struct gw_http_stream *s, void *ctx)
{
    struct room *r = ctx;
    int at = 0;

    while (at < r->n_open && r->open[at] != s)
        at++;
    CHECK(at < r->n_open); /* once for each head */
    memmove(&r->open[at], &r->open[at + 1], (size_t)(r->n_open - at - 1) * sizeof(r->open[0]));
    r->n_open--;
    r->gones++;
}

static inline void room_wake(void *ctx)
{
    ((struct room *)ctx)->woken++;
}

static const struct gw_http_handler room_handler = {.head = room_head,
                                                    .data = room_data,
                                                    .end = room_end,
                                                    .too_large = room_too_large,
                                                    .gone = room_gone};

static inline struct gw_codec *room_open(struct room *r, const struct gw_codec_ops *ops)
{
    const struct gw_codec_conf conf = {.handler = &room_handler,
                                       .ctx = r,
                                       .max_header_bytes = 1000,
                                       .max_body_bytes = 100,
                                       .wake = room_wake,
                                       .wake_ctx = r};

    if (!r->seen.max)
        gw_buf_init(&r->seen, 1000000, NULL);
    return ops->open(&conf);
}

/* Closes, and sees that every head was followed by one gone. */
static inline void room_close(struct room *r, struct gw_codec *c)
{
    c->ops->close(c);
    CHECK(r->heads == r->gones && r->n_open == 0);
}

static inline int has(const struct gw_buf *b, const char *text)
{
    return memmem(gw_buf_str(b).p, b->len, text, strlen(text)) != NULL;
}

#endif
