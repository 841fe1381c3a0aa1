/* OAuth 2.0 client credentials (RFC 6749, 4.4): a request for a token, and its answer. */
#include "net/oauth.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "net/fetch.h"

#include <string.h>
#include <strings.h>

enum { DEPTH = 20 };

/* ---- the answer ---- */

static int header_safe(struct gw_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f)
            return 0;
    return s.len > 0;
}

/* Some endpoints give the number as text. Fractions are cut. */
static int64_t seconds_of(struct gw_str s)
{
    enum { MOST = 1000000000 };
    int64_t n = 0;

    for (size_t i = 0; i < s.len && s.p[i] >= '0' && s.p[i] <= '9' && n < MOST; i++)
        n = n * 10 + (s.p[i] - '0');
    return n;
}

/* At the value. */
static int read_life(const struct gw_json *j, struct gw_oauth_token *out, struct gw_err *err)
{
    if (j->token == GW_JSON_NUMBER || j->token == GW_JSON_STRING)
        out->lives_s = seconds_of(j->raw);
    else if (j->token != GW_JSON_NULL)
        return gw_err_set(err, GW_ERR_REJECT, "expires_in is no number");
    return 0;
}

static int read_member(struct gw_json *j, struct gw_arena *mem, struct gw_oauth_token *out,
                       struct gw_err *err)
{
    const int token = gw_json_is(j, "access_token"), type = gw_json_is(j, "token_type"),
              lives = gw_json_is(j, "expires_in"), renews = gw_json_is(j, "refresh_token");
    struct gw_str text;

    if (!token && !type && !lives && !renews)
        return gw_json_value(j, &text) ? gw_json_error(j, err) : 0;
    if (gw_json_next(j) == GW_JSON_ERROR)
        return gw_json_error(j, err);
    if (lives)
        return read_life(j, out, err);
    if (renews && j->token == GW_JSON_NULL)
        return 0; /* where none is given */
    if (j->token != GW_JSON_STRING)
        return gw_err_set(err, GW_ERR_REJECT, "%s is no text",
                          token    ? "access_token"
                          : renews ? "refresh_token"
                                   : "token_type");
    text = gw_json_string(j, mem);
    if (token)
        out->access_token = text;
    else if (renews)
        out->refresh_token = text;
    else if (text.len != 6 || strncasecmp(text.p, "bearer", 6) != 0)
        return gw_err_set(err, GW_ERR_REJECT, "token_type is not Bearer");
    return 0;
}

int gw_oauth_token_read(struct gw_str json, struct gw_arena *mem, struct gw_oauth_token *out,
                        struct gw_err *err)
{
    struct gw_json j;

    *out = (struct gw_oauth_token){0};
    gw_json_init(&j, json, DEPTH);
    if (gw_json_next(&j) != GW_JSON_OBJECT)
        return j.token == GW_JSON_ERROR ? gw_json_error(&j, err)
                                        : gw_err_set(err, GW_ERR_REJECT, "JSON: no object");
    while (gw_json_next(&j) == GW_JSON_KEY)
        if (read_member(&j, mem, out, err))
            return -1;
    if (j.token != GW_JSON_OBJECT_END || gw_json_next(&j) != GW_JSON_END)
        return gw_json_error(&j, err);
    if (!header_safe(out->access_token))
        return gw_err_set(err, GW_ERR_REJECT, "no access_token that a header can hold");
    return 0;
}

/* ---- the request ---- */

/* application/x-www-form-urlencoded. */
static void put_encoded(struct gw_buf *b, struct gw_str s)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < s.len; i++) {
        const char c = s.p[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            (c && strchr("-._~", c))) {
            gw_buf_putc(b, c);
            continue;
        }
        gw_buf_putc(b, '%');
        gw_buf_putc(b, digits[(unsigned char)c >> 4]);
        gw_buf_putc(b, digits[c & 15]);
    }
}

void gw_oauth_field(struct gw_buf *form, const char *name, const char *value)
{
    if (form->len)
        gw_buf_putc(form, '&');
    gw_buf_puts(form, name);
    gw_buf_putc(form, '=');
    put_encoded(form, gw_str_of(value));
}

/* RFC 6749, 2.3.1: in the header, or else in the body. */
static void put_basic(struct gw_fetch *f, const char *id, const char *secret,
                      struct gw_arena *scratch)
{
    struct gw_buf pair, text;

    gw_buf_init(&pair, GW_OAUTH_FORM, scratch);
    put_encoded(&pair, gw_str_of(id));
    gw_buf_putc(&pair, ':');
    put_encoded(&pair, gw_str_of(secret));
    gw_buf_init(&text, GW_OAUTH_FORM, scratch);
    gw_buf_puts(&text, "Basic ");
    gw_base64_put(&text, gw_buf_str(&pair));
    gw_fetch_header(f, GW_STR("Authorization"), gw_buf_str(&text));
}

void gw_oauth_prepare(struct gw_fetch *f, const char *id, const char *secret, int in_body,
                      struct gw_buf *form, struct gw_arena *scratch)
{
    gw_fetch_headers_clear(f);
    gw_fetch_header(f, GW_STR("Content-Type"), GW_STR("application/x-www-form-urlencoded"));
    gw_fetch_header(f, GW_STR("Accept"), GW_STR("application/json"));
    if (id && in_body) {
        gw_oauth_field(form, "client_id", id);
        gw_oauth_field(form, "client_secret", secret);
    } else if (id) {
        put_basic(f, id, secret, scratch);
    }
    f->body = gw_buf_str(form);
}

void gw_oauth_ask(struct gw_fetch *f, const struct gw_oauth_client *c, int in_body,
                  struct gw_buf *form, struct gw_arena *scratch)
{
    gw_buf_clear(form);
    gw_oauth_field(form, "grant_type", "client_credentials");
    if (c->scope && *c->scope)
        gw_oauth_field(form, "scope", c->scope);
    if (c->audience && *c->audience)
        gw_oauth_field(form, "audience", c->audience);
    gw_oauth_prepare(f, c->client_id, c->client_secret, in_body, form, scratch);
    gw_fetch_start(f);
}
