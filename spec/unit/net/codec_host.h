#ifndef SPEC_NET_CODEC_HOST_H
#define SPEC_NET_CODEC_HOST_H

#include "net/codec.h"

/* A codec without a socket, and a handler that answers what it got: the body in brackets, behind
 * the method and the path. /later answers only when the test says so; /early answers at the head.
 */
struct codec_host {
    struct gw_codec *codec;
    struct gw_http_stream *later;
    int heads, ends, gones, too_large;
};

void codec_host_open(struct codec_host *h, const struct gw_codec_ops *ops);
/* In pieces of at most step bytes, filling after each; what feed said. */
int codec_host_feed(struct codec_host *h, struct gw_str bytes, size_t step);
void codec_host_answer_later(struct codec_host *h);
struct gw_str codec_host_out(struct codec_host *h);
void codec_host_close(struct codec_host *h);

#endif
