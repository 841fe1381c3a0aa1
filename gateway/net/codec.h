#ifndef GW_NET_CODEC_H
#define GW_NET_CODEC_H

#include "base/buf.h"
#include "base/str.h"
#include "net/http.h"

#include <stddef.h>
#include <stdint.h>

struct gw_codec;

/* Between a connection and HTTP: a codec does no I/O. It is fed the bytes that came, calls the
 * handler, and appends what is to be sent to out. It is fuzzed like that. Shared by the files of
 * net/ only. */
struct gw_codec_conf {
    const struct gw_http_handler *handler;
    void *ctx;
    struct gw_conn *conn; /* for the streams; NULL in tests */
    size_t max_header_bytes, max_body_bytes;
    /* Something is to be sent that was not before: fill is to be called this turn. May be NULL. */
    void (*wake)(void *wake_ctx);
    void *wake_ctx;
};

/* For the rest of a head; for more of a body, or for the peer to take an answer; for the handler;
 * for the next request. */
enum gw_codec_wait { GW_WAIT_HEAD, GW_WAIT_BODY, GW_WAIT_ANSWER, GW_WAIT_REQUEST };

struct gw_codec_ops {
    struct gw_codec *(*open)(const struct gw_codec_conf *conf);
    /* 0; -1: the connection is to be closed once out is sent (the peer broke the protocol or asked
     * for it), and nothing more is to be fed. */
    int (*feed)(struct gw_codec *c, struct gw_str bytes);
    /* Writes the answers that are pending into out. */
    void (*fill)(struct gw_codec *c);
    void (*drain)(struct gw_codec *c); /* no new requests */
    void (*eof)(struct gw_codec *c);   /* nothing more will be fed */
    /* The connection is to be closed once out is sent: nothing is in progress and nothing more is
     * wanted, or its peer is sent away. */
    int (*done)(const struct gw_codec *c);
    /* Resets each stream that has waited for its peer since before now_ms - timeout_ms, though
     * others are busy. When to ask again; 0: no stream waits. NULL: the connection's deadline does
     * it. */
    int64_t (*expire)(struct gw_codec *c, int64_t timeout_ms);
    /* What it waits for, for the deadlines. */
    enum gw_codec_wait (*wait)(const struct gw_codec *c);
    void (*close)(struct gw_codec *c); /* gone for every stream left */
};

/* A stream and its answer so far. */
struct gw_stream {
    struct gw_http_stream pub;
    struct gw_codec *codec;
    struct gw_stream *next, *prev; /* all streams of the codec */
    struct gw_stream *next_pending;
    struct gw_buf out; /* body that was written and not taken by the codec */
    struct gw_http_header *answer, *trailers;
    size_t n_answer, n_trailers, header_bytes, headers_cap;
    size_t held; /* bytes of the body whose window was not given back (holds) */
    size_t took; /* of these, those that are to be */
    int status;
    uint32_t reset_code;
    int32_t id;
    size_t read_over; /* of the body, after the answer was complete */
    int64_t since_ms; /* bytes came or went, or an answer began to wait for its peer */
    unsigned queued : 1, responded : 1, finished : 1, whole : 1, reset : 1;
    unsigned head_done : 1, ended : 1, discard : 1, submitted : 1, sent : 1, deferred : 1;
    unsigned holds : 1, sized : 1; /* sized: the handler has said content-length itself */
    unsigned fresh : 1;            /* out was empty before it was written */
};

struct gw_codec {
    const struct gw_codec_ops *ops;
    struct gw_codec_conf conf;
    struct gw_buf out;                         /* to be sent; the connection drops what it wrote */
    struct gw_stream *streams, *free;          /* open ones; closed ones for the next request */
    struct gw_stream *pending, **pending_last; /* an answer has something new */
    size_t n_free;
    size_t heads;      /* complete ones so far: each has a deadline of its own */
    int64_t now_ms;    /* of this turn; the connection's to set */
    const char *flood; /* why the peer is sent away, if for doing much that brings nothing */
    size_t held;       /* bytes fed that wait for an answer: the connection stops reading */
    int ahead;         /* some of them for out to be sent: fill is to be called then */
};

void gw_codec_init(struct gw_codec *c, const struct gw_codec_ops *ops,
                   const struct gw_codec_conf *conf);
void gw_codec_fini(struct gw_codec *c); /* frees every stream, after gone */
struct gw_stream *gw_codec_stream(struct gw_codec *c);
/* Calls gone if head was called, and takes the stream back. */
void gw_codec_gone(struct gw_codec *c, struct gw_stream *s);
struct gw_stream *gw_codec_next_pending(struct gw_codec *c);
void gw_stream_add_header(struct gw_stream *s, struct gw_str name, struct gw_str value);
/* The head is complete: content-length is read, head and perhaps too_large are called. -1: the
 * content-length is no plain number. */
int gw_stream_head(struct gw_stream *s);
void gw_stream_data(struct gw_stream *s, struct gw_str bytes);
void gw_stream_end(struct gw_stream *s);

extern const struct gw_codec_ops gw_http1, gw_http2;

#endif
