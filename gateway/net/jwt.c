#include "net/jwt.h"

#include "base/err.h"
#include "base/json_members.h"
#include "base/text.h"

#include <string.h>

enum { MAX_KID = 256 };

/* ---- three parts ---- */

static int decode(struct gw_arena *mem, struct gw_str text, const char *name, struct gw_str *out,
                  struct gw_err *err)
{
    *out = gw_base64_strict(mem, text, 1);
    return out->p && out->len ? 0 : gw_err_set(err, GW_ERR_REJECT, "its %s is not base64url", name);
}

/* The text before the dot; the rest is left. */
static int cut(struct gw_str *rest, struct gw_str *part)
{
    const char *dot = rest->len ? memchr(rest->p, '.', rest->len) : NULL;

    if (!dot)
        return -1;
    *part = (struct gw_str){rest->p, (size_t)(dot - rest->p)};
    *rest = (struct gw_str){dot + 1, rest->len - part->len - 1};
    return 0;
}

/* ---- what they say ---- */

static int read_header(struct gw_arena *mem, struct gw_str json, struct gw_jwt *out,
                       struct gw_err *err)
{
    struct gw_json_member m[] = {{.name = "alg"}, {.name = "kid"}, {.name = "crit"}};
    struct gw_str alg;

    if (gw_json_members(json, m, 3, NULL, err) || gw_json_member_text(mem, &m[0], &alg, err) ||
        gw_json_member_text(mem, &m[1], &out->kid, err))
        return gw_err_wrap(err, "its header");
    if (!gw_str_is(alg, "RS256"))
        return gw_err_set(err, GW_ERR_REJECT, "its header: alg is not RS256");
    if (m[2].raw.p)
        return gw_err_set(err, GW_ERR_REJECT, "its header: crit is not understood");
    if (!out->kid.len || out->kid.len > MAX_KID)
        return gw_err_set(err, GW_ERR_REJECT, "its header: kid is missing or too long");
    return 0;
}

/* A NumericDate; a fraction is cut. */
static int read_seconds(const struct gw_json_member *m, int64_t *out, struct gw_err *err)
{
    enum { DIGITS = 12 };
    size_t i = 0;

    *out = 0;
    for (; i < m->raw.len && i <= DIGITS && m->raw.p[i] >= '0' && m->raw.p[i] <= '9'; i++)
        *out = *out * 10 + (m->raw.p[i] - '0');
    if (!i || i > DIGITS)
        return gw_err_set(err, GW_ERR_REJECT, "%s: missing, or no number of seconds", m->name);
    if (i < m->raw.len && m->raw.p[i] == '.')
        for (i++; i < m->raw.len && m->raw.p[i] >= '0' && m->raw.p[i] <= '9';)
            i++;
    return i == m->raw.len ? 0
                           : gw_err_set(err, GW_ERR_REJECT, "%s: no number of seconds", m->name);
}

static int read_claims(struct gw_arena *mem, struct gw_str json, struct gw_jwt *out,
                       struct gw_err *err)
{
    enum { ISS, AUD, EMAIL, VERIFIED, EXP, IAT, NBF, N };
    struct gw_json_member m[N] = {
        {.name = "iss"}, {.name = "aud"}, {.name = "email"}, {.name = "email_verified"},
        {.name = "exp"}, {.name = "iat"}, {.name = "nbf"}};

    if (gw_json_members(json, m, N, NULL, err) ||
        gw_json_member_text(mem, &m[ISS], &out->iss, err) ||
        gw_json_member_text(mem, &m[AUD], &out->aud, err) ||
        gw_json_member_text(mem, &m[EMAIL], &out->email, err) ||
        read_seconds(&m[EXP], &out->exp_s, err) ||
        (m[IAT].raw.p && read_seconds(&m[IAT], &out->iat_s, err)) ||
        (m[NBF].raw.p && read_seconds(&m[NBF], &out->nbf_s, err)))
        return gw_err_wrap(err, "its claims");
    out->email_verified = gw_str_is(m[VERIFIED].raw, "true");
    return 0;
}

int gw_jwt_read(struct gw_arena *mem, struct gw_str token, struct gw_jwt *out, struct gw_err *err)
{
    struct gw_str rest = token, header, claims, bytes;

    *out = (struct gw_jwt){0};
    if (token.len > GW_JWT_MAX)
        return gw_err_set(err, GW_ERR_REJECT, "it has more than %d bytes", GW_JWT_MAX);
    if (cut(&rest, &header) || cut(&rest, &claims))
        return gw_err_set(err, GW_ERR_REJECT, "it has not three parts");
    out->signed_text = (struct gw_str){token.p, (size_t)(rest.p - 1 - token.p)};
    if (decode(mem, header, "header", &bytes, err) || read_header(mem, bytes, out, err) ||
        decode(mem, claims, "claims", &bytes, err) || read_claims(mem, bytes, out, err))
        return -1;
    return decode(mem, rest, "signature", &out->signature, err);
}
