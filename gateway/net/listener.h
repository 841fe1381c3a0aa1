#ifndef GW_NET_LISTENER_H
#define GW_NET_LISTENER_H

#include <stddef.h>
#include <stdint.h>

struct gw_err;
struct gw_http_handler;
struct gw_listener;
struct gw_loop;
struct gw_tls_slot;

/* A listening socket of one loop and the connections it accepted. The first bytes decide between
 * HTTP/1.1 and HTTP/2 with prior knowledge; with TLS so does ALPN. TLS sits between the socket and
 * the codec, inside conn.c. Connections read until dry and write once a turn.
 *
 * Every wait has a deadline: header_timeout_ms for a whole head (the handshake and preface too),
 * body_timeout_ms between two pieces of a body, idle_timeout_ms between requests. */
struct gw_listener_conf {
    const char *listen; /* host:port; port 0: the kernel chooses */
    int64_t header_timeout_ms, body_timeout_ms, idle_timeout_ms;
    int64_t max_header_bytes; /* of one head; beyond: 431, or RST_STREAM */
    int64_t max_connections;  /* beyond: accepted and closed at once */
    int64_t max_body_bytes;   /* the stream's body_max to start with */
    int reuse_port;           /* several loops listen on one address */
    struct gw_tls_slot *tls;  /* NULL: plain; borrowed. Who speaks no TLS is told so */
};

/* Has the form that conf.listen needs: for checks of a configuration. */
int gw_listen_ok(const char *listen);
/* handler and ctx are borrowed for life. */
struct gw_listener *gw_listener_open(struct gw_loop *loop, const struct gw_listener_conf *conf,
                                     const struct gw_http_handler *handler, void *ctx,
                                     struct gw_err *err);
/* The bound address, "127.0.0.1:41873". */
const char *gw_listener_address(const struct gw_listener *l);
/* Says goodbye to the connections that are there: GOAWAY, Connection: close; requests in progress
 * go on. idle is called, once, when the last of them is gone (in the next turn if there is none).
 * New ones are still accepted, so that the handler can tell them why it takes nothing more. */
void gw_listener_drain(struct gw_listener *l, void (*idle)(void *ctx), void *ctx);
/* Of a drained one: the connections that have not gone yet are closed. */
void gw_listener_hang_up(struct gw_listener *l);
/* Stops accepting and closes what is left (gone is called for every stream). NULL is fine. */
void gw_listener_close(struct gw_listener *l);

#endif
