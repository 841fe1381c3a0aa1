#include "codec_host.h"

#include "base/arena.h"
#include "test.h"

static void answer(struct gw_http_stream *s)
{
    struct gw_str text =
        gw_arena_printf(s->mem, "%.*s %.*s [%.*s]", (int)s->method.len, s->method.p,
                        (int)s->path.len, s->path.p, (int)s->body.len, s->body.p ? s->body.p : "");

    gw_http_respond_all(s, 200, NULL, 0, text);
}

static int on_head(struct gw_http_stream *s, void *ctx)
{
    struct codec_host *h = ctx;

    h->heads++;
    if (!gw_str_is(s->path, "/early"))
        return 0;
    gw_http_respond_all(s, 404, NULL, 0, GW_STR("early"));
    return -1;
}

static void on_end(struct gw_http_stream *s, void *ctx)
{
    struct codec_host *h = ctx;

    h->ends++;
    if (gw_str_is(s->path, "/later"))
        h->later = s;
    else
        answer(s);
}

static void on_too_large(struct gw_http_stream *s, void *ctx)
{
    struct codec_host *h = ctx;

    h->too_large++;
    gw_http_respond_all(s, 413, NULL, 0, GW_STR("large"));
}

static void on_gone(struct gw_http_stream *s, void *ctx)
{
    struct codec_host *h = ctx;

    h->gones++;
    if (h->later == s)
        h->later = NULL;
}

static const struct gw_http_handler handler = {
    .head = on_head, .end = on_end, .too_large = on_too_large, .gone = on_gone};

void codec_host_open(struct codec_host *h, const struct gw_codec_ops *ops)
{
    const struct gw_codec_conf conf = {
        .handler = &handler, .ctx = h, .max_header_bytes = 1024, .max_body_bytes = 100};

    *h = (struct codec_host){0};
    h->codec = ops->open(&conf);
}

int codec_host_feed(struct codec_host *h, struct gw_str bytes, size_t step)
{
    for (size_t i = 0; i < bytes.len; i += step) {
        size_t n = bytes.len - i < step ? bytes.len - i : step;
        char piece[4096];

        /* A copy of its own size, so that ASan sees a read past it. */
        CHECK(n <= sizeof(piece));
        memcpy(piece, bytes.p + i, n);
        if (h->codec->ops->feed(h->codec, (struct gw_str){piece, n}))
            return -1;
        h->codec->ops->fill(h->codec);
        if (h->codec->ops->done(h->codec))
            return -1;
    }
    return 0;
}

void codec_host_answer_later(struct codec_host *h)
{
    struct gw_http_stream *s = h->later;

    CHECK(s);
    h->later = NULL;
    answer(s);
    h->codec->ops->fill(h->codec);
}

struct gw_str codec_host_out(struct codec_host *h)
{
    return gw_buf_str(&h->codec->out);
}

void codec_host_close(struct codec_host *h)
{
    h->codec->ops->close(h->codec);
    CHECK(h->heads == h->gones);
}
