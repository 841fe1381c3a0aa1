#ifndef GW_NET_HTTP2_CHANNEL_H
#define GW_NET_HTTP2_CHANNEL_H

#include "net/http_call.h"

struct gw_loop;

/* One HTTP/2 server: a connection that is made when a call needs it, anew after it broke, and
 * beside the old one when the server goes away: calls that are under way there end there.
 * Connecting again is not delayed: whoever starts calls decides when. All on one thread.
 *
 * Invariants: 1. done is called once for each start that was not cancelled, never inside start; 2.
 * a call that could not be sent has failed with `refused` set or the reason of the connection; 3.
 * the server has looked at what is started again at most once. */
struct gw_http2_channel;

struct gw_http2_channel_conf { /* borrowed as long as the channel */
    const char *url; /* http://host:port (prior knowledge), https://host[:port]; no path is read */
    const char *ca, *cert, *key; /* PEM files; NULL: the system's authorities, no certificate */
    int no_verify;
};

struct gw_http2_channel *gw_http2_channel_new(struct gw_loop *loop,
                                              const struct gw_http2_channel_conf *conf);
/* Every call has ended or is cancelled. From inside done too. NULL is fine. */
void gw_http2_channel_free(struct gw_http2_channel *c);
struct gw_str gw_http2_channel_authority(const struct gw_http2_channel *c);
struct gw_str gw_http2_channel_scheme(const struct gw_http2_channel *c);

/* scheme and authority are the channel's if absent. */
void gw_http2_channel_start(struct gw_http2_channel *c, struct gw_http_call *call);
/* From inside done: a call that the server has not looked at (RST_STREAM with REFUSED_STREAM, a
 * stream above GOAWAY's last one) is started once more, on a connection that is not the one that
 * refused it. Its body has to be whole as it was, or to come again by write. -1: it has ended. */
int gw_http2_channel_again(struct gw_http2_channel *c, struct gw_http_call *call);
void gw_http2_channel_cancel(struct gw_http2_channel *c, struct gw_http_call *call);
/* As http2_call.h has them. Not after done, unless call->on was set to NULL there: then they do
 * nothing. */
void gw_http2_channel_write(struct gw_http_call *call, struct gw_str body);
void gw_http2_channel_finish(struct gw_http_call *call);
void gw_http2_channel_took(struct gw_http_call *call, size_t n);
size_t gw_http2_channel_unsent(const struct gw_http_call *call);

#endif
