#ifndef GW_NET_AWS_SIGN_H
#define GW_NET_AWS_SIGN_H

#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

struct gw_arena;
struct gw_header;

/* AWS Signature Version 4 (docs.aws.amazon.com, "Signature Version 4 signing process"), for every
 * service but S3, which writes paths in another way. Texts are borrowed; what is made lies on mem.
 */
struct gw_aws_keys {
    struct gw_str id, secret;
    struct gw_str token; /* of a session; p NULL: none */
};

struct gw_aws_request {
    struct gw_str method; /* "POST" */
    struct gw_str path;   /* as it goes over the wire, from the first slash on; empty: "/" */
    struct gw_str query;  /* what stands behind the `?`, without it */
    const struct gw_header *headers; /* all that are to be signed, host among them; in any case */
    size_t n_headers;
    struct gw_str body;
    /* Unusual wishes: */
    int raw_path;       /* `.`, `..` and doubled slashes of the path stay */
    int hash_header;    /* the body's hash is sent as x-amz-content-sha256, too */
    int unsigned_token; /* the token is sent, but not signed */
    int64_t expires_s;  /* > 0: the signature goes into the query and is good for so long */
};

struct gw_aws_scope {
    struct gw_str region, service; /* "us-east-1", "sns" */
    int64_t now;                   /* seconds since 1970, by the service's clock */
};

struct gw_aws_signature {
    struct gw_str date;          /* x-amz-date */
    struct gw_str body_hash;     /* x-amz-content-sha256, where it is wished */
    struct gw_str authorization; /* the header; p NULL when it goes into the query */
    struct gw_str query;         /* the whole query then; as it was otherwise */
    /* What it was made of, for tests and for who has to find a difference. */
    struct gw_str canonical, to_sign, signature;
};

void gw_aws_sign(struct gw_arena *mem, const struct gw_aws_request *r,
                 const struct gw_aws_scope *scope, const struct gw_aws_keys *keys,
                 struct gw_aws_signature *out);
/* Percent-encoding as AWS wants it: all but A-Z a-z 0-9 - . _ ~, upper-case hex; forms too. */
struct gw_buf;
void gw_aws_encode(struct gw_buf *out, struct gw_str text);

#endif
