/* Google Pub/Sub's push: the token says who it is from. It is looked at as soon as the headers are
 * there, so nobody else's body is waited for, but when its key has yet to be fetched.
 *
 * Pub/Sub sends again whatever is not answered with 2xx, also what can never be taken; a
 * dead-letter policy of the subscription ends that. */
#include "base/arena.h"
#include "base/clock.h"
#include "flyte/incoming.h"
#include "ingest/push.h"
#include "net/jwks.h"

#include <strings.h>

enum { NS = 1000000000 };

/* ---- the token ---- */

/* 1: it is Google's; 0: its key is being fetched; -1: refused. */
static int verify(struct gw_push_call *c)
{
    const struct gw_pubkey *key = NULL;
    struct gw_err err;
    const int rc = gw_jwks_get(c->push->jwks, c->token.kid, &c->waiter, &key, &err);

    if (rc < 0)
        return gw_push_refuse_err(c, 401, &err);
    if (!rc)
        return 0;
    if (!gw_pubkey_verifies(key, GW_PUBKEY_SHA256, c->token.signed_text, c->token.signature))
        return gw_push_refuse(c, 401, "the token's signature is wrong");
    return c->authentic = 1;
}

static int find_token(struct gw_push_call *c, struct gw_str *out)
{
    const struct gw_str *value = gw_http_get(c->stream, "authorization");

    if (!value || value->len < 8 || strncasecmp(value->p, "bearer ", 7) != 0)
        return gw_push_refuse(c, 401,
                              "no bearer token: the subscription needs "
                              "--push-auth-service-account");
    *out = (struct gw_str){value->p + 7, value->len - 7};
    return 0;
}

static void read_message(struct gw_push_call *c);

/* Its body may be there or may not: then end goes on. */
static void on_told(struct gw_waiter *w, const struct gw_err *err)
{
    struct gw_push_call *c = GW_CONTAINER(w, struct gw_push_call, waiter);

    if (err)
        gw_push_refuse_err(c, 401, err);
    else if (verify(c) > 0 && c->body.p)
        read_message(c);
}

int gw_push_pubsub_head(struct gw_push_call *c)
{
    struct gw_str token = {0};
    struct gw_err err;
    const char *why;
    int status;

    c->waiter.done = on_told;
    if (find_token(c, &token))
        return -1;
    if (gw_jwt_read(c->stream->mem, token, &c->token, &err)) {
        gw_err_wrap(&err, "the token");
        return gw_push_refuse_err(c, 401, &err);
    }
    why = gw_pubsub_push_claims(&c->token, c->push->conf->pubsub, gw_clock_wall_ns() / NS, &status);
    if (why)
        return gw_push_refuse(c, status, why);
    return verify(c) < 0 ? -1 : 0;
}

/* ---- the body ---- */

static void read_message(struct gw_push_call *c)
{
    struct gw_arena *mem = c->push->front->scratch;
    struct gw_incoming in;
    struct gw_err err;

    gw_arena_reset(mem);
    if (gw_pubsub_push_read(mem, c->body, c->stream->headers, c->stream->n_headers, &in, &err))
        gw_push_refuse_err(c, 400, &err);
    else
        gw_push_keep(c, &in);
}

void gw_push_pubsub_end(struct gw_push_call *c)
{
    if (c->authentic)
        read_message(c);
}
