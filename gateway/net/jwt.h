#ifndef GW_NET_JWT_H
#define GW_NET_JWT_H

#include "base/str.h"

#include <stdint.h>

struct gw_arena;
struct gw_err;

/* An OpenID Connect token as a bearer brings it: a JWS in compact form (RFC 7515), RS256 and
 * nothing else. What it says is worth nothing before its signature was verified (net/pubkey.h). */
enum { GW_JWT_MAX = 8192 };

struct gw_jwt {
    struct gw_str signed_text, signature; /* what is signed, borrowed; bytes */
    struct gw_str kid, iss, aud, email;   /* p NULL: it says none */
    int64_t exp_s, iat_s, nbf_s;          /* seconds since 1970; iat, nbf 0: it says none */
    int email_verified;
};

/* On mem; borrows from token. -1: GW_ERR_REJECT says why, without a word of the token. */
int gw_jwt_read(struct gw_arena *mem, struct gw_str token, struct gw_jwt *out, struct gw_err *err);

#endif
