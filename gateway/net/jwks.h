#ifndef GW_NET_JWKS_H
#define GW_NET_JWKS_H

#include "net/document.h"
#include "net/pubkey.h"

struct gw_arena;

/* The keys that an issuer signs with, at one URL (RFC 7517): RSA for RS256. They are kept as long
 * as Cache-Control says, 30 s to a day; past that they are used for ten more minutes while newer
 * ones are fetched. A key that is not among them makes them be fetched anew at once, but four times
 * in a row and then once in 15 s: rotation is seen, and nobody makes us ask for ever. Of one
 * thread. */
enum { GW_JWKS_KEYS = 32 };

struct gw_jwk {
    struct gw_str kid;
    struct gw_pubkey *key;
};

/* What a document says; kids on mem, the caller frees the keys. How many there are; -1:
 * GW_ERR_REJECT it is no such document. Keys of other kinds are passed over. */
int gw_jwks_read(struct gw_arena *mem, struct gw_str json, struct gw_jwk out[GW_JWKS_KEYS],
                 struct gw_err *err);

struct gw_jwks;

struct gw_jwks *gw_jwks_new(struct gw_loop *loop, const char *url); /* borrowed */
void gw_jwks_free(struct gw_jwks *j);                               /* NULL is fine; nobody waits */
/* 1: *key is there, until the next call; 0: w waits, and may ask again once it is told; -1:
 * GW_ERR_REJECT, there is no such key, GW_ERR_RETRY, the keys are not to be had, GW_ERR_FULL. */
int gw_jwks_get(struct gw_jwks *j, struct gw_str kid, struct gw_waiter *w,
                const struct gw_pubkey **key, struct gw_err *err);

#endif
