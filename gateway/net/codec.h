#ifndef GW_NET_CODEC_H
#define GW_NET_CODEC_H

#include "base/buf.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

struct gw_conn;
struct gw_http_handler;
struct gw_http_header;
struct gw_http_stream;

/* Between a connection and HTTP: a codec does no I/O. It is fed the bytes that came, calls the
 * handler, and appends what is to be sent to out. It is fuzzed like that. Shared by the files of
 * net/ only. */
struct gw_codec_conf {
    const struct gw_http_handler *handler;
    void *ctx;
    struct gw_conn *conn; /* for the streams; NULL in tests */
    size_t max_header_bytes, max_body_bytes;
    /* Something was put into out outside feed: the connection writes it this turn. May be NULL. */
    void (*wake)(void *wake_ctx);
    void *wake_ctx;
};

struct gw_codec;

struct gw_codec_ops {
    struct gw_codec *(*open)(const struct gw_codec_conf *conf);
    /* 0; -1: the connection is to be closed once out is sent (the peer broke the protocol, or asked
     * for it). */
    int (*feed)(struct gw_codec *c, struct gw_str bytes);
    void (*drain)(struct gw_codec *c);     /* no new requests; done says when */
    int (*done)(const struct gw_codec *c); /* nothing in progress, and drained or to be closed */
    /* What the codec waits for, for the deadlines: a head, a body, an answer, or the next request.
     */
    enum gw_codec_wait {
        GW_WAIT_HEAD,
        GW_WAIT_BODY,
        GW_WAIT_ANSWER,
        GW_WAIT_REQUEST
    } (*wait)(const struct gw_codec *c);
    void (*close)(struct gw_codec *c); /* gone for every stream left */
};

struct gw_codec {
    const struct gw_codec_ops *ops;
    struct gw_codec_conf conf;
    struct gw_buf out; /* to be sent; the connection drops what it wrote */
};

extern const struct gw_codec_ops gw_http1, gw_http2;

#endif
