#ifndef GW_NET_GCP_JWT_H
#define GW_NET_GCP_JWT_H

#include "base/str.h"

struct gw_arena;
struct gw_err;

/* A JSON web token of a service account, signed with its key (RFC 7515, RS256). Good for an hour.
 */
enum { GW_GCP_JWT_S = 3600 };
struct gw_gcp_jwt {
    const char *email;    /* issuer and subject */
    const char *key;      /* PEM */
    const char *key_id;   /* NULL: it is not said */
    const char *audience; /* the service, or the token endpoint */
    const char *scope;    /* NULL: none */
};
/* On mem. GW_ERR_REJECT: the key is none; it is not quoted. */
int gw_gcp_jwt_make(struct gw_arena *mem, const struct gw_gcp_jwt *j, struct gw_str *out,
                    struct gw_err *err);

#endif
