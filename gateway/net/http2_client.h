#ifndef GW_NET_HTTP2_CLIENT_H
#define GW_NET_HTTP2_CLIENT_H

#include "net/http2_call.h"

struct gw_err;
struct gw_http2_client;
struct gw_loop;
struct gw_tls_context;

/* One connection to an HTTP/2 server with prior knowledge, on a loop: calls share it, all that is
 * started on one turn leaves in one write. A connection that does not come about within 10 s, or
 * whose peer has not acknowledged bytes for 30 s, is broken. When it breaks, every call ends with
 * GW_ERR_RETRY and `closed` runs once; the owner closes it and may open another. */
struct gw_http2_client *gw_http2_client_open(struct gw_loop *loop, const char *address,
                                             void (*closed)(void *ctx, const struct gw_err *why),
                                             void *ctx, struct gw_err *err);
/* Over TLS, the certificate as the context and the host of address want it, HTTP/2 by ALPN.
 * Takes tls, also when it fails; NULL: without TLS. */
struct gw_http2_client *
gw_http2_client_open_tls(struct gw_loop *loop, const char *address, struct gw_tls_context *tls,
                         void (*closed)(void *ctx, const struct gw_err *why), void *ctx,
                         struct gw_err *err);
/* call->done runs on a later turn. */
void gw_http2_client_start(struct gw_http2_client *c, struct gw_http_call *call);
/* As gw_http2_calls_write, _finish, _took. */
void gw_http2_client_write(struct gw_http2_client *c, struct gw_http_call *call,
                           struct gw_str body);
void gw_http2_client_finish(struct gw_http2_client *c, struct gw_http_call *call);
void gw_http2_client_took(struct gw_http2_client *c, struct gw_http_call *call, size_t n);
/* Bytes of the call that the socket has not taken; those of others before it count too. */
size_t gw_http2_client_unsent(const struct gw_http2_client *c, const struct gw_http_call *call);
/* It takes no new calls: the server goes away, or it is broken. Those under way may end yet. */
int gw_http2_client_closing(const struct gw_http2_client *c);
int gw_http2_client_idle(const struct gw_http2_client *c); /* no call is under way */
void gw_http2_client_cancel(struct gw_http2_client *c, struct gw_http_call *call);
/* Calls under way end first, with an error. May be called from done and closed. NULL is fine. */
void gw_http2_client_close(struct gw_http2_client *c);

#endif
