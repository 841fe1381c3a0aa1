#ifndef GW_NET_HTTP_H
#define GW_NET_HTTP_H

#include "base/buf.h"
#include "base/header.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

struct gw_arena;
struct gw_conn;

/* One request and its answer, the same for HTTP/1.1 and HTTP/2 (a gRPC call is an HTTP/2 stream).
 * All on the loop's thread of its connection.
 *
 * Life: the codec makes the stream, calls head once the head is complete, data for each piece of
 * body, end when the request has ended. The handler answers at any time after head, at once or
 * later: respond, any number of writes, finish (or reset). When both sides have ended, or the peer
 * resets or the connection breaks, gone is called, once, as the last use of the stream; after it
 * the stream and its arena are freed. finish and reset do not call gone from inside themselves.
 *
 * Invariants: 1. gone is called exactly once for each head; 2. nothing is called after gone; 3. a
 * handler that never answers holds only its own stream (HTTP/1.1: its connection's next requests
 * wait); 4. respond, write, finish on one turn leave in one write to the socket. */
struct gw_http_stream {
    struct gw_arena *mem; /* lives until gone returns */
    struct gw_conn *conn;
    struct gw_str method, path;           /* path with its query, as sent */
    struct gw_str authority;              /* Host, or :authority */
    const struct gw_http_header *headers; /* without the pseudo headers; repeated ones repeat */
    size_t n_headers;
    int http2;
    int64_t content_length; /* -1: not said */
    struct gw_buf body;     /* what has come and data has not dropped; see body_max */
    size_t body_max;        /* head may change it: going past it ends in too_large */
    void *user;             /* the handler's own */
    struct gw_str client;   /* the handler's: who sends it; absent: nobody was asked */
    /* The listener's to begin with. Its head may put another one here, with the same ctx, and call
     * that one's head. */
    const struct gw_http_handler *handler;
};

struct gw_http_handler {
    /* The head is complete. -1: the handler has answered already, the body is thrown away. */
    int (*head)(struct gw_http_stream *s, void *ctx);
    /* More of the body is in s->body; NULL: collect until end. What the handler does not drop
     * counts against body_max, and only that: HTTP/2 windows are given back as bytes come, unless
     * gw_http_hold said otherwise. */
    void (*data)(struct gw_http_stream *s, void *ctx);
    void (*end)(struct gw_http_stream *s, void *ctx);
    /* The body went past body_max (said or counted) before end. The handler answers; HTTP/1.1
     * closes the connection after the answer. */
    void (*too_large)(struct gw_http_stream *s, void *ctx);
    /* The socket took what was written, and the answer goes on: one that streams writes more. May
     * be NULL; is called again and again. */
    void (*drained)(struct gw_http_stream *s, void *ctx);
    void (*gone)(struct gw_http_stream *s, void *ctx);
};

const struct gw_str *gw_http_get(const struct gw_http_stream *s, const char *name); /* NULL: none */

/* The head of the answer. Header names in lower case; content-length is added where the whole body
 * is known (finish without write, or respond_all) and it is not among them: who says it writes as
 * many bytes, or resets. Keeps copies. */
void gw_http_respond(struct gw_http_stream *s, int status, const struct gw_http_header *h,
                     size_t n);
void gw_http_write(struct gw_http_stream *s, struct gw_str body); /* keeps a copy */
/* Ends the answer; trailers on HTTP/2 only (dropped on HTTP/1.1). */
void gw_http_finish(struct gw_http_stream *s, const struct gw_http_header *trailers, size_t n);
/* Head, body and end in one; on HTTP/1.1 with content-length. */
void gw_http_respond_all(struct gw_http_stream *s, int status, const struct gw_http_header *h,
                         size_t n, struct gw_str body);
/* gRPC's "trailers only" is gw_http_respond with the trailers as headers, then finish. */
/* HTTP/2: RST_STREAM with the code; HTTP/1.1: the connection is closed. */
void gw_http_reset(struct gw_http_stream *s, uint32_t code);
/* HTTP/2, from head: what the peer may send is a window (1 MiB) and what gw_http_took says; how
 * long either side is silent is the handler's affair, until it has finished its answer. */
void gw_http_hold(struct gw_http_stream *s);
void gw_http_took(struct gw_http_stream *s, size_t n);
/* Bytes written and not yet taken by the socket: a handler that streams looks before it writes. */
size_t gw_http_unsent(const struct gw_http_stream *s);

#endif
