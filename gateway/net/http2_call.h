#ifndef GW_NET_HTTP2_CALL_H
#define GW_NET_HTTP2_CALL_H

#include "net/http_call.h"

struct gw_buf;

/* The client's side of one HTTP/2 connection, without I/O: fed the bytes that came, it gives the
 * bytes to send, and is fuzzed like that. nghttp2 queues what is above the server's limit of
 * streams. One thread.
 *
 * Nothing of a call is called from inside start, cancel, feed or take: gw_http2_calls_news,
 * _drained and _ended hand the calls out. The connection's window is given back as bytes come, so
 * that a call that holds its own never keeps others waiting: what may come unasked for is a window
 * (1 MiB) a call. */
struct gw_http2_calls;

struct gw_http2_calls *gw_http2_calls_new(void);
/* Every call has ended, or was cancelled. NULL is fine. */
void gw_http2_calls_free(struct gw_http2_calls *c);
void gw_http2_calls_start(struct gw_http2_calls *c, struct gw_http_call *call);
/* Resets the stream; the call is the caller's again, done is not called. */
void gw_http2_calls_cancel(struct gw_http2_calls *c, struct gw_http_call *call);
/* More of the body of a call that said so; keeps a copy. Not after it has ended. */
void gw_http2_calls_write(struct gw_http2_calls *c, struct gw_http_call *call, struct gw_str body);
void gw_http2_calls_finish(struct gw_http2_calls *c, struct gw_http_call *call);
/* The server may send n bytes more (a call that holds). */
void gw_http2_calls_took(struct gw_http2_calls *c, struct gw_http_call *call, size_t n);
/* -1: the connection is of no use any more; fail is to follow. */
int gw_http2_calls_feed(struct gw_http2_calls *c, struct gw_str bytes, struct gw_err *err);
/* Appends what is to be sent. -1: as feed; said of a connection that is over once there is nothing
 * left to send, so take again after a write. */
int gw_http2_calls_take(struct gw_http2_calls *c, struct gw_buf *out, struct gw_err *err);
/* Every call that has not ended ends with err. */
void gw_http2_calls_fail(struct gw_http2_calls *c, const struct gw_err *err);
/* The next call that has ended, NULL: none. The caller calls done. */
struct gw_http_call *gw_http2_calls_ended(struct gw_http2_calls *c);
/* The next call whose answer's head or body has grown: the caller calls data. */
struct gw_http_call *gw_http2_calls_news(struct gw_http2_calls *c);
/* All that was taken has been sent. */
void gw_http2_calls_sent(struct gw_http2_calls *c);
/* The next one whose body, so far, was sent: the caller calls drained. */
struct gw_http_call *gw_http2_calls_drained(struct gw_http2_calls *c);
/* Bytes of the body that were not taken. */
size_t gw_http2_call_unsent(const struct gw_http_call *call);
int gw_http2_calls_idle(const struct gw_http2_calls *c); /* no call has to be handed out any more */
/* The server takes no new calls (GOAWAY). */
int gw_http2_calls_closing(const struct gw_http2_calls *c);

#endif
