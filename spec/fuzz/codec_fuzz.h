#ifndef SPEC_FUZZ_CODEC_FUZZ_H
#define SPEC_FUZZ_CODEC_FUZZ_H

#include "base/buf.h"
#include "net/codec.h"

#include <stdint.h>
#include <stdlib.h>

/* Feeds a codec from outside. Of the first byte the low six bits say in pieces of which size, the
 * high two how the handler answers: at the end, after the next piece, in a stream with trailers,
 * or by reset. */
enum { FUZZ_OPEN = 300 };
struct codec_fuzz {
    struct gw_http_stream *waits[FUZZ_OPEN];
    int n_waits, mode;
    long heads, gones;
};

static inline void codec_fuzz_answer(struct codec_fuzz *f, struct gw_http_stream *s)
{
    static const struct gw_http_header h[] = {{{"grpc-status", 11}, {"0", 1}}};

    if (f->mode == 3) {
        gw_http_reset(s, 8);
    } else if (f->mode == 2) {
        gw_http_respond(s, 200, h, 1);
        gw_http_write(s, gw_buf_str(&s->body));
        gw_http_finish(s, h, 1);
    } else {
        gw_http_respond_all(s, 200, h, 1, gw_buf_str(&s->body));
    }
}

static inline int codec_fuzz_head(struct gw_http_stream *s, void *ctx)
{
    struct codec_fuzz *f = ctx;

    f->heads++;
    if (s->path.len != 2)
        return 0;
    codec_fuzz_answer(f, s);
    return -1;
}

static inline void codec_fuzz_end(struct gw_http_stream *s, void *ctx)
{
    struct codec_fuzz *f = ctx;

    if (f->mode == 1 && f->n_waits < FUZZ_OPEN)
        f->waits[f->n_waits++] = s;
    else
        codec_fuzz_answer(f, s);
}

static inline void codec_fuzz_gone(struct gw_http_stream *s, void *ctx)
{
    struct codec_fuzz *f = ctx;

    f->gones++;
    for (int i = 0; i < f->n_waits; i++)
        if (f->waits[i] == s)
            f->waits[i--] = f->waits[--f->n_waits];
}

static inline void codec_fuzz_run(const struct gw_codec_ops *ops, const uint8_t *data, size_t size)
{
    static const struct gw_http_handler handler = {.head = codec_fuzz_head,
                                                   .end = codec_fuzz_end,
                                                   .too_large = codec_fuzz_end,
                                                   .gone = codec_fuzz_gone};
    struct codec_fuzz f = {.mode = size ? data[0] >> 6 : 0};
    const struct gw_codec_conf conf = {
        .handler = &handler, .ctx = &f, .max_header_bytes = 1024, .max_body_bytes = 1000};
    struct gw_codec *c = ops->open(&conf);
    size_t step = size ? (data[0] & 63) * 4 + 1U : 1;

    for (size_t i = 1; i < size; i += step) {
        size_t n = size - i < step ? size - i : step;

        if (c->ops->feed(c, (struct gw_str){(const char *)data + i, n}))
            break;
        c->ops->fill(c);
        if (f.n_waits)
            codec_fuzz_answer(&f, f.waits[--f.n_waits]);
    }
    c->ops->eof(c);
    c->ops->fill(c);
    c->ops->close(c);
    if (f.heads != f.gones)
        abort();
}

#endif
