#ifndef GW_NET_PUBKEY_H
#define GW_NET_PUBKEY_H

#include "base/str.h"

#include <stdint.h>

struct gw_err;

/* An RSA public key that others sign with (RSASSA-PKCS1-v1_5), 2048 to 8192 bits. */
struct gw_pubkey;
enum gw_pubkey_hash { GW_PUBKEY_SHA1, GW_PUBKEY_SHA256 };

/* Of a certificate in PEM, the first thing in the text; from and until are what it says of its
 * validity, in seconds since 1970: the caller looks at the clock. NULL: GW_ERR_REJECT. */
struct gw_pubkey *gw_pubkey_of_certificate(struct gw_str pem, int64_t *from_s, int64_t *until_s,
                                           struct gw_err *err);
/* Of modulus and exponent, big-endian bytes as a JWK has them. */
struct gw_pubkey *gw_pubkey_of_numbers(struct gw_str n, struct gw_str e, struct gw_err *err);
void gw_pubkey_free(struct gw_pubkey *k); /* NULL is fine */
/* 1: whoever has the private key signed this text. */
int gw_pubkey_verifies(const struct gw_pubkey *k, enum gw_pubkey_hash hash, struct gw_str text,
                       struct gw_str signature);

#endif
