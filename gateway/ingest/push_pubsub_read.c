/* A message of Pub/Sub as it comes to a URL, and the claims of the token it brings
 * (cloud.google.com, Pub/Sub: "Push subscriptions", "Authentication for push"). */
#include "base/arena.h"
#include "base/err.h"
#include "base/header.h"
#include "base/json.h"
#include "base/json_members.h"
#include "base/text.h"
#include "flyte/incoming.h"
#include "ingest/push_read.h"
#include "net/jwt.h"

#include <string.h>
#include <strings.h>

enum {
    PAST_S = 5,   /* what is refused comes again, with a new token */
    AHEAD_S = 60, /* of the issuer's clock before ours */
    ATTRIBUTES_MAX = 256,
    DEPTH = 100
};

/* ---- the token ---- */

static const char *time_problem(const struct gw_jwt *t, int64_t now_s)
{
    if (now_s > t->exp_s + PAST_S)
        return "the token has expired";
    if (t->iat_s > now_s + AHEAD_S || t->nbf_s > now_s + AHEAD_S)
        return "the token is not valid yet: look at this machine's clock";
    return NULL;
}

static int is_listed(struct gw_str email, const struct gw_strs *listed)
{
    for (size_t i = 0; i < listed->n; i++)
        if (gw_str_is(email, listed->items[i]))
            return 1;
    return !listed->n;
}

const char *gw_pubsub_push_claims(const struct gw_jwt *t, const struct gw_push_pubsub_conf *conf,
                                  int64_t now_s, int *status)
{
    const char *why = time_problem(t, now_s);

    *status = 401;
    if (why)
        return why;
    if (!gw_str_is(t->iss, "https://accounts.google.com") &&
        !gw_str_is(t->iss, "accounts.google.com"))
        return "the token is not Google's (iss)";
    if (!gw_str_is(t->aud, conf->audience))
        return "the token is for another audience than push.pubsub.audience";
    *status = 403;
    if (!t->email.len || !t->email_verified)
        return "the token has no verified e-mail address";
    return is_listed(t->email, &conf->service_accounts)
               ? NULL
               : "the token's account is not among push.pubsub.service_accounts";
}

/* ---- wrapped ---- */

static int is_binary(const struct gw_http_header *headers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (gw_str_is(headers[i].name, "ce-specversion"))
            return 1;
    return 0;
}

/* What is around a message: in no CloudEvent `message` is an object. The data of a binary one may
 * have such a member, and is not wrapped unless the subscription stands beside it. */
static int is_wrapped(struct gw_str body, int binary, struct gw_str *message)
{
    struct gw_json_member m[] = {
        {.name = "message"}, {.name = "specversion"}, {.name = "subscription"}};
    struct gw_err err;

    if (gw_json_members(body, m, 3, NULL, &err) || !m[0].raw.p || m[0].raw.p[0] != '{' ||
        m[1].raw.p || (binary && (!m[2].raw.p || m[2].raw.p[0] != '"')))
        return 0;
    *message = m[0].raw;
    return 1;
}

static int is_twice(const struct gw_header *headers, size_t n, struct gw_str name)
{
    for (size_t i = 0; i < n; i++)
        if (gw_str_eq(headers[i].name, name))
            return 1;
    return 0;
}

static int read_attributes(struct gw_arena *mem, struct gw_str raw, struct gw_incoming *out,
                           struct gw_err *err)
{
    struct gw_header *headers = gw_arena_alloc(mem, ATTRIBUTES_MAX * sizeof(*headers));
    struct gw_json j;

    out->headers = headers;
    gw_json_init(&j, raw.p ? raw : GW_STR("null"), DEPTH);
    if (gw_json_next(&j) == GW_JSON_NULL)
        return 0;
    if (j.token != GW_JSON_OBJECT)
        return gw_err_set(err, GW_ERR_REJECT, "message.attributes: not an object");
    while (gw_json_next(&j) == GW_JSON_KEY) {
        struct gw_header h = {.name = gw_json_string(&j, mem)};

        if (out->n_headers == ATTRIBUTES_MAX || is_twice(headers, out->n_headers, h.name))
            return gw_err_set(err, GW_ERR_REJECT,
                              "message.attributes: more than %d, or one given twice",
                              ATTRIBUTES_MAX);
        if (gw_json_lone_surrogate(&j) || gw_json_next(&j) != GW_JSON_STRING ||
            gw_json_lone_surrogate(&j))
            return gw_err_set(err, GW_ERR_REJECT, "message.attributes: not a string of UTF-8");
        h.value = gw_json_string(&j, mem);
        headers[out->n_headers++] = h;
    }
    return 0;
}

static int read_wrapped(struct gw_arena *mem, struct gw_str message, struct gw_incoming *out,
                        struct gw_err *err)
{
    struct gw_json_member m[] = {{.name = "data"}, {.name = "attributes"}};
    struct gw_str data;

    if (gw_json_members(message, m, 2, NULL, err) || gw_json_member_text(mem, &m[0], &data, err))
        return gw_err_wrap(err, "message");
    if (data.p)
        out->body = gw_base64_strict(mem, data, 0);
    if (data.p && !out->body.p)
        return gw_err_set(err, GW_ERR_REJECT, "message.data: not base64");
    return read_attributes(mem, m[1].raw, out, err);
}

/* ---- unwrapped ---- */

static int is_attribute(struct gw_str name)
{
    return !gw_str_is(name, "authorization") &&
           !(name.len >= 14 && !strncasecmp(name.p, "x-goog-pubsub-", 14));
}

/* Its attributes came as plain headers, if its subscription writes metadata; those of the request
 * mean nothing to who reads messages. */
static int read_unwrapped(struct gw_arena *mem, struct gw_str body,
                          const struct gw_http_header *headers, size_t n, struct gw_incoming *out,
                          struct gw_err *err)
{
    struct gw_header *h = gw_arena_alloc(mem, (n + 1) * sizeof(*h));

    out->body = body;
    out->headers = h;
    for (size_t i = 0; i < n; i++) {
        if (!is_attribute(headers[i].name))
            continue;
        if (gw_utf8_valid(headers[i].value) != headers[i].value.len)
            return gw_err_set(err, GW_ERR_REJECT, "a header's value is not UTF-8");
        h[out->n_headers++] = (struct gw_header){headers[i].name, headers[i].value};
    }
    return 0;
}

int gw_pubsub_push_read(struct gw_arena *mem, struct gw_str body,
                        const struct gw_http_header *headers, size_t n, struct gw_incoming *out,
                        struct gw_err *err)
{
    struct gw_str message;

    *out = (struct gw_incoming){0};
    return is_wrapped(body, is_binary(headers, n), &message)
               ? read_wrapped(mem, message, out, err)
               : read_unwrapped(mem, body, headers, n, out, err);
}
