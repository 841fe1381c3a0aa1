/* OAuth 2.0 client credentials (RFC 6749, 4.4): a token is fetched when the first request needs it,
 * kept, and fetched anew before it ends while requests still go with the old one. */
#include "publish/publish_http.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"

#include <stdio.h>
#include <strings.h>

enum {
    PAUSE_MS = 1000,   /* between two requests for a token */
    MARGIN_MS = 60000, /* before its end, or half its life */
    ANSWER_MAX = 65536,
    FORM_MAX = 1 << 20,
    DEPTH = 20,
};
#define NEVER_MS INT64_MAX

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
static int read_life(const struct gw_json *j, struct gw_http_token *out, struct gw_err *err)
{
    if (j->token == GW_JSON_NUMBER || j->token == GW_JSON_STRING)
        out->lives_s = seconds_of(j->raw);
    else if (j->token != GW_JSON_NULL)
        return gw_err_set(err, GW_ERR_REJECT, "expires_in is no number");
    return 0;
}

static int read_member(struct gw_json *j, struct gw_arena *mem, struct gw_http_token *out,
                       struct gw_err *err)
{
    const int token = gw_json_is(j, "access_token"), type = gw_json_is(j, "token_type"),
              lives = gw_json_is(j, "expires_in");
    struct gw_str text;

    if (!token && !type && !lives)
        return gw_json_value(j, &text) ? gw_json_error(j, err) : 0;
    if (gw_json_next(j) == GW_JSON_ERROR)
        return gw_json_error(j, err);
    if (lives)
        return read_life(j, out, err);
    if (j->token != GW_JSON_STRING)
        return gw_err_set(err, GW_ERR_REJECT, "%s is no text",
                          token ? "access_token" : "token_type");
    text = gw_json_string(j, mem);
    if (token)
        out->access_token = text;
    else if (text.len != 6 || strncasecmp(text.p, "bearer", 6) != 0)
        return gw_err_set(err, GW_ERR_REJECT, "token_type is not Bearer");
    return 0;
}

int gw_http_token_read(struct gw_str json, struct gw_arena *mem, struct gw_http_token *out,
                       struct gw_err *err)
{
    struct gw_json j;

    *out = (struct gw_http_token){0};
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

static void put_field(struct gw_buf *b, const char *name, const char *value)
{
    gw_buf_puts(b, name);
    put_encoded(b, gw_str_of(value));
}

/* RFC 6749, 2.3.1: in the header, or else in the body. */
static void put_basic(struct gw_http *h, struct gw_fetch *f)
{
    const struct gw_http_oauth_conf *c = h->conf->oauth;
    struct gw_buf pair, text;

    gw_buf_init(&pair, FORM_MAX, h->scratch);
    put_encoded(&pair, gw_str_of(c->client_id));
    gw_buf_putc(&pair, ':');
    put_encoded(&pair, gw_str_of(c->client_secret));
    gw_buf_init(&text, FORM_MAX, h->scratch);
    gw_buf_puts(&text, "Basic ");
    gw_base64_put(&text, gw_buf_str(&pair));
    gw_fetch_header(f, GW_STR("Authorization"), gw_buf_str(&text));
}

static void ask(struct gw_http *h)
{
    struct gw_http_oauth *o = &h->oauth;
    const struct gw_http_oauth_conf *c = h->conf->oauth;

    gw_arena_reset(h->scratch);
    gw_buf_clear(&o->form);
    gw_buf_puts(&o->form, "grant_type=client_credentials");
    if (c->scope && *c->scope)
        put_field(&o->form, "&scope=", c->scope);
    gw_fetch_headers_clear(&o->fetch);
    gw_fetch_header(&o->fetch, GW_STR("Content-Type"), GW_STR("application/x-www-form-urlencoded"));
    gw_fetch_header(&o->fetch, GW_STR("Accept"), GW_STR("application/json"));
    if (o->in_body) {
        put_field(&o->form, "&client_id=", c->client_id);
        put_field(&o->form, "&client_secret=", c->client_secret);
    } else {
        put_basic(h, &o->fetch);
    }
    o->fetch.body = gw_buf_str(&o->form);
    o->asked_ms = gw_mono_ms();
    gw_fetch_start(&o->fetch);
}

/* ---- its life ---- */

static void take_token(struct gw_http *h, const struct gw_http_token *t)
{
    struct gw_http_oauth *o = &h->oauth;
    const int64_t life = t->lives_s * 1000, half = life / 2;

    o->number++;
    o->end_ms = life ? o->asked_ms + life : NEVER_MS;
    o->renew_ms = life ? o->end_ms - (half < MARGIN_MS ? half : MARGIN_MS) : NEVER_MS;
    o->tried_both = 0;
    gw_buf_clear(&h->authorization);
    gw_buf_puts(&h->authorization, "Bearer ");
    gw_buf_put_str(&h->authorization, t->access_token);
    gw_http_go(h);
}

static void on_answer(struct gw_fetch *f)
{
    struct gw_http *h = GW_CONTAINER(f, struct gw_http, oauth.fetch);
    struct gw_http_oauth *o = &h->oauth;
    char why[GW_HTTP_WHY];
    struct gw_http_token t;
    struct gw_err err;

    gw_arena_reset(h->scratch);
    if (f->status == 200 && !gw_http_token_read(gw_buf_str(&f->answer), h->scratch, &t, &err)) {
        take_token(h, &t);
        return;
    }
    /* Not every endpoint takes credentials where the standard says every one must. */
    if ((f->status == 400 || f->status == 401) && !o->tried_both) {
        o->tried_both = 1;
        o->in_body = !o->in_body;
        ask(h);
        return;
    }
    o->tried_both = 0;
    if (f->status == 200)
        snprintf(why, sizeof(why), "oauth: %s", err.msg);
    else
        gw_http_why(f, "oauth: ", why);
    if (gw_mono_ms() >= o->end_ms)
        gw_http_give_back(h, why);
}

int64_t gw_http_oauth_wait(struct gw_http *h)
{
    struct gw_http_oauth *o = &h->oauth;
    const int64_t now = gw_mono_ms();
    int64_t pause;

    if (!h->conf->oauth || now < o->renew_ms)
        return 0;
    pause = o->asked_ms ? o->asked_ms + PAUSE_MS - now : 0;
    if (!o->fetch.running && pause <= 0)
        ask(h);
    if (now < o->end_ms)
        return 0;
    return o->fetch.running ? -1 : pause;
}

void gw_http_oauth_refused(struct gw_http *h, uint64_t number)
{
    if (number == h->oauth.number)
        h->oauth.renew_ms = h->oauth.end_ms = 0;
}

void gw_http_oauth_open(struct gw_http *h)
{
    struct gw_http_oauth *o = &h->oauth;

    if (!h->conf->oauth)
        return;
    gw_fetch_init(&o->fetch, h->fetcher, ANSWER_MAX);
    gw_buf_init(&o->form, FORM_MAX, NULL);
    o->fetch.url = h->conf->oauth->token_url;
    o->fetch.method = "POST";
    o->fetch.system_ca = 1;
    o->fetch.done = on_answer;
}

void gw_http_oauth_close(struct gw_http *h)
{
    gw_fetch_fini(&h->oauth.fetch);
    gw_buf_free(&h->oauth.form);
}
