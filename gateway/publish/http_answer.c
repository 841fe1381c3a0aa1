/* What a destination's answer means, and how it is told. */
#include "publish/publish_http.h"

#include "base/secret.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Impossible is only what faults the message; all else may be well later. */
enum gw_outcome gw_http_outcome(int status)
{
    switch (status) {
    case 400: /* Bad Request */
    case 415: /* Unsupported Media Type */
    case 422: /* Unprocessable Content */
        return GW_IMPOSSIBLE;
    case 413: /* Content Too Large */
        return GW_TOO_LARGE;
    default:
        return status >= 200 && status < 300 ? GW_DELIVERED : GW_TRY_AGAIN;
    }
}

/* Seconds, or an HTTP date. */
int64_t gw_http_retry_after_ms(struct gw_str value, int64_t now_s)
{
    enum { LONGEST_S = 86400, DATE_MAX = 64 };
    char text[DATE_MAX];
    int64_t s = 0, date;

    if (!value.p || !value.len || value.len >= DATE_MAX)
        return 0;
    memcpy(text, value.p, value.len);
    text[value.len] = 0;
    if (text[strspn(text, "0123456789")] == 0) {
        for (const char *p = text; *p && s <= LONGEST_S; p++)
            s = s * 10 + (*p - '0');
    } else {
        date = gw_fetch_date(text);
        s = date < 0 ? 0 : date - now_s;
    }
    return s <= 0 ? 0 : (s < LONGEST_S ? s : LONGEST_S) * 1000;
}

/* Appends as much of s as fits: controls and white space become one space, what is not UTF-8 a
 * question mark. */
static void put_clean(char *out, size_t size, struct gw_str s)
{
    size_t n = strlen(out), step;
    int gap = 1;

    for (size_t i = 0; i < s.len; i += step) {
        const unsigned char c = (unsigned char)s.p[i];

        step = gw_utf8_step(s.p + i, s.len - i);
        if (c <= ' ' || c == 0x7f) {
            step = 1;
            gap = 1;
            continue;
        }
        if (gap + n + (step ? step : 1) >= size)
            break;
        if (gap && n)
            out[n++] = ' ';
        gap = 0;
        if (step)
            memcpy(out + n, s.p + i, step);
        else
            out[n] = '?';
        n += step ? step : 1;
        step = step ? step : 1;
    }
    out[n] = 0;
}

/* 1: it says again what logs us in there, as servers do that show a request to who sent it. */
static int repeats_secret(const struct gw_http *h, struct gw_str s)
{
    const struct gw_publish_http_conf *c = h->conf;
    const char *space =
        h->authorization.len ? memchr(h->authorization.p, ' ', h->authorization.len) : NULL;

    if (space &&
        gw_secret_shown(s, (struct gw_str){space + 1, (size_t)(h->authorization.p +
                                                               h->authorization.len - space - 1)}))
        return 1;
    if (c->oauth && c->oauth->client_secret &&
        gw_secret_shown(s, gw_str_of(c->oauth->client_secret)))
        return 1;
    for (size_t i = 0; i < c->headers.n; i++)
        if (gw_secret_shown(s, gw_str_of(c->headers.items[i].value)))
            return 1;
    return 0;
}

void gw_http_why(const struct gw_http *h, const struct gw_fetch *f, const char *of,
                 char out[GW_HTTP_WHY])
{
    const struct gw_str to = gw_fetch_answer_header(f, "location");

    if (!f->status) {
        snprintf(out, GW_HTTP_WHY, "%s%s", of, f->why);
        return;
    }
    snprintf(out, GW_HTTP_WHY, "%sHTTP %d", of, f->status);
    if (f->status >= 300 && f->status < 400 && to.p) {
        put_clean(out, GW_HTTP_WHY - 64, GW_STR("to"));
        put_clean(out, GW_HTTP_WHY - 64, to);
        put_clean(out, GW_HTTP_WHY, GW_STR("(redirects are not followed)"));
    } else if (f->answer.len) {
        snprintf(out + strlen(out), GW_HTTP_WHY - strlen(out), ":");
        put_clean(out, GW_HTTP_WHY,
                  h && repeats_secret(h, gw_buf_str(&f->answer))
                      ? GW_STR("(not shown: it repeats what logs us in)")
                      : gw_buf_str(&f->answer));
    }
}
