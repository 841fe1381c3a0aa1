#ifndef GW_NET_TLS_H
#define GW_NET_TLS_H

#include "base/str.h"

#include <stddef.h>
#include <sys/types.h>

/* TLS 1.2 and newer over OpenSSL, both roles, on a socket that does not block. A context is what
 * many connections share, any thread; a connection belongs to one thread. OpenSSL is initialised by
 * the first context. tls.c alone knows it (beside fetch.c's libcurl). */
struct gw_err;
struct gw_tls;
struct gw_tls_context;

struct gw_tls_files { /* PEM files; read by the calls below, not kept */
    const char *ca;   /* client: NULL: the system's authorities. Server: whose clients are let in;
                         NULL: no certificate is asked for */
    const char *cert, *key;
    int no_verify; /* client: the server's certificate is not looked at */
};

/* alpn: names in order of preference, NULL at the end ("h2", "http/1.1"). NULL: err names the file
 * and what is wrong with it. */
struct gw_tls_context *gw_tls_client_context(const struct gw_tls_files *f, const char *const *alpn,
                                             struct gw_err *err);
struct gw_tls_context *gw_tls_server_context(const struct gw_tls_files *f, const char *const *alpn,
                                             struct gw_err *err);
/* Connections keep what they were opened with: a context may be replaced and dropped at any time.
 */
void gw_tls_context_drop(struct gw_tls_context *c); /* NULL is fine */

/* fd stays the caller's. host (client): the name or address that the certificate has to have. */
struct gw_tls *gw_tls_client(struct gw_tls_context *c, int fd, const char *host);
struct gw_tls *gw_tls_server(struct gw_tls_context *c, int fd);
void gw_tls_free(struct gw_tls *t); /* says goodbye if that does not block; NULL is fine */

/* As recv and send, the handshake included: bytes; 0 of read: the peer has ended; -1: over, err
 * says why; GW_TLS_AGAIN: call again when the socket is ready for gw_tls_wants. */
enum { GW_TLS_AGAIN = -2 };
ssize_t gw_tls_read(struct gw_tls *t, void *p, size_t n, struct gw_err *err);
ssize_t gw_tls_write(struct gw_tls *t, const void *p, size_t n, struct gw_err *err);
int gw_tls_wants(const struct gw_tls *t); /* GW_READABLE, GW_WRITABLE (loop.h) */
/* Bytes that were received and not read: the socket will not tell of them. */
int gw_tls_pending(const struct gw_tls *t);
int gw_tls_shaken(const struct gw_tls *t); /* the handshake is done */
/* The protocol that was agreed on, "" if none. Valid as long as t. */
const char *gw_tls_alpn(const struct gw_tls *t);

#endif
