#ifndef GW_NET_TLS_CONTEXT_H
#define GW_NET_TLS_CONTEXT_H

#include <openssl/ssl.h>
#include <stdatomic.h>

/* Shared by tls.c and tls_context.c only. */
struct gw_tls_context {
    SSL_CTX *ctx;
    atomic_int refs; /* the owner's and one for each connection */
    int verifies;    /* a client's: the name has to fit too */
    unsigned char alpn[64];
    unsigned alpn_len;
};

/* What the library said first, in plain words; never empty. */
const char *gw_tls_reason(void);

#endif
