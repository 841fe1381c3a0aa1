#ifndef GW_NET_HTTP1_CLIENT_H
#define GW_NET_HTTP1_CLIENT_H

#include "net/http_call.h"

struct gw_http1_client;
struct gw_loop;
struct gw_tls_context;

/* HTTP/1.1 to one server: one connection, one call at a time, the connection kept while the server
 * keeps it. It is opened by a call, and again by the next one after it broke. A kept connection
 * that breaks before any answer is opened anew for the same call, once, and one with something on
 * it that nobody asked for is not used. A connection that does not come about within 10 s, with TLS
 * and all, is broken. An answer that comes before all of the request was taken counts. */
struct gw_http1_client *gw_http1_client_new(struct gw_loop *loop, const char *address);
/* Over TLS, from the next connection on; NULL: plain. Borrowed until another is set, a connection
 * keeps its own. Also while a call is under way. */
void gw_http1_client_tls(struct gw_http1_client *c, struct gw_tls_context *context);
/* From the next call on: one fails whose server takes nothing and says nothing for so long, or has
 * not said all of its answer's head so long after it took the request. 0, as at first: it waits. */
void gw_http1_client_patience(struct gw_http1_client *c, int64_t ms);
/* No other call is under way. done runs on a later turn, and may start the next. */
void gw_http1_client_start(struct gw_http1_client *c, struct gw_http_call *call);
/* The next call gets a connection of its own: nothing is sent twice then. No call is under way. */
void gw_http1_client_renew(struct gw_http1_client *c);
/* 1: the answer is not read for now (but for what has come), 0: it is. From inside data too. */
void gw_http1_client_pause(struct gw_http1_client *c, int paused);
/* A call under way is forgotten, done is not called. Not from inside done. NULL is fine. */
void gw_http1_client_close(struct gw_http1_client *c);

#endif
