/* OAuth 2.0 client credentials (RFC 6749, 4.4): a token is fetched when the first request needs it,
 * kept, and fetched anew before it ends while requests still go with the old one. */
#include "publish/publish_http.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "net/oauth.h"

#include <stdio.h>

enum {
    PAUSE_MS = 1000,   /* between two requests for a token */
    MARGIN_MS = 60000, /* before its end, or half its life */
};
#define NEVER_MS INT64_MAX

static void ask(struct gw_http *h)
{
    struct gw_http_oauth *o = &h->oauth;
    const struct gw_http_oauth_conf *c = h->conf->oauth;
    const struct gw_oauth_client client = {
        .client_id = c->client_id, .client_secret = c->client_secret, .scope = c->scope};

    gw_arena_reset(h->scratch);
    o->asked_ms = gw_mono_ms();
    gw_oauth_ask(&o->fetch, &client, o->in_body, &o->form, h->scratch);
}

/* ---- its life ---- */

static void take_token(struct gw_http *h, const struct gw_oauth_token *t)
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
    struct gw_oauth_token t;
    struct gw_err err;

    gw_arena_reset(h->scratch);
    if (f->status == 200 && !gw_oauth_token_read(gw_buf_str(&f->answer), h->scratch, &t, &err)) {
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
        gw_http_why(h, f, "oauth: ", why);
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
    gw_fetch_init(&o->fetch, h->fetcher, GW_OAUTH_ANSWER);
    gw_buf_init(&o->form, GW_OAUTH_FORM, NULL);
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
