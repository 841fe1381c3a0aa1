#ifndef GW_NET_HTTP2_CALL_H
#define GW_NET_HTTP2_CALL_H

#include "base/buf.h"
#include "base/err.h"
#include "net/http.h"

#include <stddef.h>
#include <stdint.h>

/* The client's side of one HTTP/2 connection, without I/O: fed the bytes that came, it gives the
 * bytes to send, and is fuzzed like that. nghttp2 queues what is above the server's limit of
 * streams. One thread.
 *
 * A call is the caller's memory from start until its `done`, which runs once and is the last use of
 * it here. Nothing calls done from inside start, cancel or feed: gw_http2_calls_ended hands the
 * ended calls out. */
struct gw_http2_calls;

struct gw_http2_call {
    struct gw_str method, scheme, authority, path;
    const struct gw_http_header *headers; /* names in lower case; borrowed until done */
    size_t n_headers;
    struct gw_str body;   /* borrowed until done */
    size_t max_answer;    /* bytes of the answer's body; beyond: the call fails */
    struct gw_arena *mem; /* the answer goes here */
    void (*done)(struct gw_http2_call *call);
    /* the answer */
    int failed; /* no whole answer; err says why */
    struct gw_err err;
    int status;
    struct gw_http_header *answer_headers; /* trailers behind them, in the order they came */
    size_t n_answer_headers;
    struct gw_buf answer;
    /* the codec's own */
    struct gw_http2_call *next, **at;
    int32_t stream;
    size_t sent, room;
};

struct gw_http2_calls *gw_http2_calls_new(void);
/* Every call has ended, or was cancelled. NULL is fine. */
void gw_http2_calls_free(struct gw_http2_calls *c);
void gw_http2_calls_start(struct gw_http2_calls *c, struct gw_http2_call *call);
/* Resets the stream; the call is the caller's again, done is not called. */
void gw_http2_calls_cancel(struct gw_http2_calls *c, struct gw_http2_call *call);
/* -1: the connection is of no use any more; fail is to follow. */
int gw_http2_calls_feed(struct gw_http2_calls *c, struct gw_str bytes, struct gw_err *err);
/* Appends what is to be sent. -1: as feed; said of a connection that is over once there is nothing
 * left to send, so take again after a write. */
int gw_http2_calls_take(struct gw_http2_calls *c, struct gw_buf *out, struct gw_err *err);
/* Every call that has not ended ends with err. */
void gw_http2_calls_fail(struct gw_http2_calls *c, const struct gw_err *err);
/* The next call that has ended, NULL: none. The caller calls done. */
struct gw_http2_call *gw_http2_calls_ended(struct gw_http2_calls *c);
/* The server takes no new calls (GOAWAY). */
int gw_http2_calls_closing(const struct gw_http2_calls *c);

/* A header or trailer of the answer; the last of that name. NULL: none. */
const struct gw_str *gw_http2_answer(const struct gw_http2_call *call, const char *name);

#endif
