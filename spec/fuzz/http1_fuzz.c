#include "base/buf.h"
#include "net/codec.h"

#include <stdint.h>

static void on_end(struct gw_http_stream *s, void *ctx)
{
    (void)ctx;
    gw_http_respond_all(s, 200, NULL, 0, gw_buf_str(&s->body));
}

/* The first byte says in pieces of which size the rest is fed. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct gw_http_handler handler = {.end = on_end, .too_large = on_end};
    const struct gw_codec_conf conf = {
        .handler = &handler, .max_header_bytes = 1024, .max_body_bytes = 1000};
    struct gw_codec *c = gw_http1.open(&conf);
    size_t step = size ? data[0] + 1U : 1;

    for (size_t i = 1; i < size; i += step) {
        size_t n = size - i < step ? size - i : step;

        if (c->ops->feed(c, (struct gw_str){(const char *)data + i, n}))
            break;
        c->ops->fill(c);
    }
    c->ops->close(c);
    return 0;
}
