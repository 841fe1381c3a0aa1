#ifndef GW_NET_OAUTH_H
#define GW_NET_OAUTH_H

#include "base/buf.h"
#include "base/str.h"

#include <stdint.h>

struct gw_arena;
struct gw_err;
struct gw_fetch;

/* OAuth 2.0 client credentials (RFC 6749, 4.4). When to ask is the caller's. */
enum { GW_OAUTH_FORM = 1 << 20, GW_OAUTH_ANSWER = 65536 };

struct gw_oauth_client {
    const char *client_id, *client_secret, *scope, *audience; /* the last two may be NULL */
};
/* Starts a fetch whose url and method are set. in_body: the credentials stand in the form, which
 * not every endpoint takes; form stays until the fetch is done. */
void gw_oauth_ask(struct gw_fetch *f, const struct gw_oauth_client *c, int in_body,
                  struct gw_buf *form, struct gw_arena *scratch);

/* What requests with other grants are made of. A field of a form, with `&` before it where it is
 * not the first. */
void gw_oauth_field(struct gw_buf *form, const char *name, const char *value);
/* The headers and the body of a fetch whose url and method are set. id NULL: no client says who it
 * is. */
void gw_oauth_prepare(struct gw_fetch *f, const char *id, const char *secret, int in_body,
                      struct gw_buf *form, struct gw_arena *scratch);

struct gw_oauth_token {
    struct gw_str access_token;
    struct gw_str refresh_token; /* p NULL: none was given; it fits in a form */
    int64_t lives_s;             /* 0: not said */
};
/* A token endpoint's answer (RFC 6749, 5.1); the token is on mem. */
int gw_oauth_token_read(struct gw_str json, struct gw_arena *mem, struct gw_oauth_token *out,
                        struct gw_err *err);

#endif
