/* Is the destination there, and does it let us in? With `handshake` it is asked what it is asked
 * before the first event; else OPTIONS, which changes nothing anywhere. */
#include "publish/publish_http.h"

#include "base/buf.h"

#include <stdio.h>
#include <string.h>

/* The URL's path may be a secret. */
static void name_host(const struct gw_http *h, char *out, size_t size)
{
    struct gw_fetch_url url = {0};

    gw_buf_init(&url.text, 1 << 16, NULL);
    if (gw_fetch_url_read(&url, NULL, h->conf->url))
        (void)snprintf(out, size, "the destination");
    else
        (void)snprintf(out, size, "%s:%d", url.host, url.port);
    gw_buf_free(&url.text);
}

static void say(struct gw_http *h, int answer, const char *text)
{
    struct gw_online *o = h->online;
    char line[sizeof(o->whom) + GW_HTTP_WHY + 160];

    h->online = NULL;
    (void)snprintf(line, sizeof(line), "%s: %s", o->whom, text);
    o->said(o, answer, line);
}

void gw_http_online_failed(struct gw_http *h, const char *why)
{
    const char *todo = strstr(why, "SSL") || strstr(why, "certificate")
                           ? "is `tls` right: its ca, a certificate of ours?"
                           : "is `url` right, and are headers, token and origin what it wants?";
    char text[GW_HTTP_WHY + 120];

    (void)snprintf(text, sizeof(text), "%s: %s", why, todo);
    say(h, GW_ONLINE_NO, text);
}

static int is_not_ready(int status)
{
    return status == 401 || (status >= 300 && status < 400) || (status >= 500 && status != 501);
}

static void on_options(struct gw_fetch *f)
{
    struct gw_http *h = GW_CONTAINER(f, struct gw_http, options);
    const int unsure = f->status == 403 || f->status == 404 || f->status == 410 || f->status == 429;
    char why[GW_HTTP_WHY];

    if (!f->status || is_not_ready(f->status)) {
        gw_http_why(h, f, f->status ? "OPTIONS: " : "", why);
        gw_http_online_failed(h, why);
        return;
    }
    (void)snprintf(why, sizeof(why), "is there, OPTIONS is answered with HTTP %d%s", f->status,
                   unsure ? ": it may refuse events, too"
                          : "; whether it takes an event only an event shows");
    say(h, unsure ? GW_ONLINE_UNSURE : GW_ONLINE_YES, why);
}

static void say_welcome(struct gw_http *h)
{
    const int64_t every_us = h->handshake.every_us;
    char text[GW_HTTP_WHY], rate[60] = "";

    if (every_us)
        (void)snprintf(rate, sizeof(rate), ", %lld a minute at most", 60000000LL / every_us);
    (void)snprintf(text, sizeof(text), "the handshake says that events from %s are welcome%s",
                   h->handshake.origin, rate);
    say(h, GW_ONLINE_YES, text);
}

void gw_http_online_go(struct gw_http *h)
{
    if (h->conf->handshake) {
        say_welcome(h);
    } else if (!h->options.running) {
        gw_fetch_headers_clear(&h->options);
        gw_http_put_headers(h, &h->options, NULL);
        gw_fetch_start(&h->options);
    }
}

void gw_http_online(struct gw_publisher *p, struct gw_online *o)
{
    struct gw_http *h = (struct gw_http *)p;

    h->online = o;
    name_host(h, o->whom, sizeof(o->whom));
    gw_fetch_init(&h->options, h->fetcher, GW_HTTP_ANSWER);
    h->options.url = h->conf->url;
    h->options.method = "OPTIONS";
    h->options.done = on_options;
    gw_http_go(h);
}
