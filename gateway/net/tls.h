#ifndef GW_NET_TLS_H
#define GW_NET_TLS_H

#include "base/str.h"

#include <stddef.h>
#include <sys/types.h>

/* TLS 1.2 and newer over OpenSSL, both roles, on a socket that does not block. A context is what
 * many connections share, any thread; a connection belongs to one thread. OpenSSL is initialised by
 * the first context. tls.c and tls_context.c alone know it (beside fetch.c's libcurl). */
struct gw_err;
struct gw_tls;
struct gw_tls_context;

struct gw_tls_files { /* PEM files; read by the calls below, not kept */
    const char *ca;   /* client: NULL: the system's authorities. Server: whose clients are let in;
                         NULL: no certificate is asked for */
    const char *cert, *key;
    int no_verify; /* client: the server's certificate is not looked at */
};

/* alpn: names in order of preference, NULL at the end ("h2", "http/1.1"); all of them at most 64
 * bytes. NULL: err names the file and what is wrong with it. */
struct gw_tls_context *gw_tls_client_context(const struct gw_tls_files *f, const char *const *alpn,
                                             struct gw_err *err);
/* A client that has ALPN names, but none of ours, gets no connection; one without any does. */
struct gw_tls_context *gw_tls_server_context(const struct gw_tls_files *f, const char *const *alpn,
                                             struct gw_err *err);
/* For checks of a configuration. NULL: a context can be made of them; else the key of the file that
 * err speaks of: cert, key, ca (client_ca: that of a server). A client's may be for librdkafka or
 * libcurl too: a directory of authorities, or a key with a passphrase, is no problem. GW_ERR_RETRY:
 * the file is there, and other contents would do. */
const char *gw_tls_client_problem(const struct gw_tls_files *f, struct gw_err *err);
const char *gw_tls_server_problem(const struct gw_tls_files *f, struct gw_err *err);
/* Connections keep what they were opened with: a context may be replaced and dropped at any time.
 */
void gw_tls_context_drop(struct gw_tls_context *c); /* NULL is fine */

/* The context that new connections of a listener get, which another may take the place of at any
 * time. Any thread. */
struct gw_tls_slot;
struct gw_tls_slot *gw_tls_slot_new(void);    /* empty: gw_tls_slot_server does not do then */
void gw_tls_slot_free(struct gw_tls_slot *s); /* NULL is fine */
void gw_tls_slot_set(struct gw_tls_slot *s, struct gw_tls_context *c); /* takes c */
struct gw_tls *gw_tls_slot_server(struct gw_tls_slot *s, int fd);

/* fd stays the caller's. host (client): the name or address that the certificate has to have; an
 * IPv6 address may be in brackets. */
struct gw_tls *gw_tls_client(struct gw_tls_context *c, int fd, const char *host);
struct gw_tls *gw_tls_server(struct gw_tls_context *c, int fd);
void gw_tls_free(struct gw_tls *t); /* says goodbye if that does not block; NULL is fine */

/* As recv and send: bytes; 0 of read: the peer has said goodbye; -1: over, err says why (an end
 * without goodbye too); GW_TLS_AGAIN: call again when the socket is ready for gw_tls_wants.
 *
 * The handshake goes on in gw_tls_read: call it when the socket is readable though nothing is
 * expected yet, then write again. A client begins with either. Read until GW_TLS_AGAIN, or look at
 * gw_tls_pending.
 *
 * A write goes out by one send each 64 KiB; after GW_TLS_AGAIN the next one begins with the same
 * bytes (they may have moved, and more may follow them). A write of nothing sends what the
 * library has left to say, and is 0 then. */
enum { GW_TLS_AGAIN = -2 };
ssize_t gw_tls_read(struct gw_tls *t, void *p, size_t n, struct gw_err *err);
ssize_t gw_tls_write(struct gw_tls *t, const void *p, size_t n, struct gw_err *err);
/* What GW_TLS_AGAIN waits for: GW_READABLE or GW_WRITABLE (loop.h). Who waits for answers as well
 * wants GW_READABLE anyway. */
int gw_tls_wants(const struct gw_tls *t);
/* Bytes that were received and not read: the socket will not tell of them. */
int gw_tls_pending(const struct gw_tls *t);
/* No more will be written: tells the peer, before a shutdown of the socket's half. 0; GW_TLS_AGAIN;
 * -1: over. */
int gw_tls_goodbye(struct gw_tls *t);
int gw_tls_shaken(const struct gw_tls *t); /* the handshake is done */
/* The protocol that was agreed on, "" if none. Valid as long as t. */
const char *gw_tls_alpn(struct gw_tls *t);

#endif
