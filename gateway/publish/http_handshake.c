/* Asking the destination whether it wants events from here, before the first one (CloudEvents,
 * "HTTP 1.1 Web Hooks", section 4), and keeping to the rate it allows. */
#include "publish/publish_http.h"

#include "base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { PAUSE_MS = 1000, AHEAD_US = 10000, MINUTE_US = 60000000 };

const char *gw_http_allowed(struct gw_str origin, struct gw_str allowed, struct gw_str rate,
                            int64_t *every_us)
{
    int64_t n = 0;

    *every_us = 0;
    if (!allowed.p)
        return "the answer has no WebHook-Allowed-Origin";
    if (!gw_str_is(allowed, "*") &&
        (allowed.len != origin.len || strncasecmp(allowed.p, origin.p, origin.len) != 0))
        return "WebHook-Allowed-Origin is another";
    if (!rate.p || gw_str_is(rate, "*"))
        return NULL;
    for (size_t i = 0; i < rate.len && n <= MINUTE_US; i++) {
        if (rate.p[i] < '0' || rate.p[i] > '9')
            return "WebHook-Allowed-Rate is no number";
        n = n * 10 + (rate.p[i] - '0');
    }
    if (!n)
        return "WebHook-Allowed-Rate allows nothing";
    *every_us = MINUTE_US / n;
    return NULL;
}

static void on_answer(struct gw_fetch *f)
{
    struct gw_http *h = GW_CONTAINER(f, struct gw_http, handshake.fetch);
    struct gw_http_handshake *s = &h->handshake;
    char why[GW_HTTP_WHY];
    const char *no;

    if (f->status == 401)
        gw_http_oauth_refused(h, s->token);
    if (gw_http_outcome(f->status) != GW_DELIVERED) {
        gw_http_why(h, f, "handshake: ", why);
        gw_http_give_back(h, why);
        return;
    }
    no = gw_http_allowed(gw_str_of(s->origin), gw_fetch_answer_header(f, "webhook-allowed-origin"),
                         gw_fetch_answer_header(f, "webhook-allowed-rate"), &s->every_us);
    if (no) {
        snprintf(why, sizeof(why), "handshake: HTTP %d: %s", f->status, no);
        gw_http_give_back(h, why);
        return;
    }
    s->agreed = 1;
    gw_http_go(h);
}

static int64_t ask(struct gw_http *h)
{
    struct gw_http_handshake *s = &h->handshake;
    const int64_t now = gw_mono_ms();

    if (s->fetch.running)
        return -1;
    if (s->asked_ms && now - s->asked_ms < PAUSE_MS)
        return PAUSE_MS - (now - s->asked_ms);
    s->asked_ms = now;
    s->token = h->oauth.number;
    gw_fetch_headers_clear(&s->fetch);
    gw_http_put_headers(h, &s->fetch, NULL);
    gw_fetch_start(&s->fetch);
    return -1;
}

/* A timer that was late may be caught up with. 0: it may go. */
static int64_t take_turn(const struct gw_http_handshake *s)
{
    const int64_t now = gw_clock_mono_ns() / 1000;
    int64_t next = atomic_load(s->next_us), then;

    do {
        if (next > now)
            return (next - now + 999) / 1000;
        then = (next > now - AHEAD_US ? next : now - AHEAD_US) + s->every_us;
    } while (!atomic_compare_exchange_weak(s->next_us, &next, then));
    return 0;
}

int64_t gw_http_handshake_wait(struct gw_http *h)
{
    struct gw_http_handshake *s = &h->handshake;

    if (!h->conf->handshake)
        return 0;
    if (!s->agreed)
        return ask(h);
    return s->every_us ? take_turn(s) : 0;
}

void gw_http_handshake_open(struct gw_http *h)
{
    struct gw_http_handshake *s = &h->handshake;
    const struct gw_pairs *own = &h->conf->headers;

    if (!h->conf->handshake)
        return;
    s->next_us = h->conf->next_us ? h->conf->next_us : &s->own_us;
    if (gethostname(s->origin, sizeof(s->origin) - 1) || !s->origin[0])
        snprintf(s->origin, sizeof(s->origin), "localhost");
    for (size_t i = 0; i < own->n; i++)
        if (!strcasecmp(own->items[i].key, GW_HTTP_ORIGIN))
            snprintf(s->origin, sizeof(s->origin), "%s", own->items[i].value);
    gw_fetch_init(&s->fetch, h->fetcher, GW_HTTP_ANSWER);
    s->fetch.url = h->conf->url;
    s->fetch.method = "OPTIONS";
    s->fetch.done = on_answer;
}

void gw_http_handshake_close(struct gw_http *h)
{
    gw_fetch_fini(&h->handshake.fetch);
}
