/* HTTP binary mode, and the percent-encoding of its header values (HTTP binding, 3.1.3.2). */
#include "base/arena.h"
#include "base/err.h"
#include "base/header.h"
#include "base/text.h"
#include "event/event.h"
#include "event/format.h"
#include "event/parts.h"

#include <string.h>

/* RFC 9110, 5.6.4: the quote that ends it is its last byte, so `"a" and "b"` is none. */
static int is_quoted(struct gw_str s)
{
    size_t at = 1;

    if (s.len < 2 || *s.p != '"')
        return 0;
    while (at < s.len && s.p[at] != '"')
        at += s.p[at] == '\\' ? 2 : 1;
    return at == s.len - 1;
}

/* Quotes off, one round of percent-decoding; a % that begins no code stays. */
static struct gw_str decode(struct gw_arena *mem, struct gw_str s)
{
    const int quoted = is_quoted(s);
    char *out, *end;

    if (quoted)
        s = (struct gw_str){s.p + 1, s.len - 2};
    if (!s.len || (!memchr(s.p, '%', s.len) && !(quoted && memchr(s.p, '\\', s.len))))
        return (struct gw_str){s.len ? s.p : "", s.len};
    out = end = gw_arena_alloc(mem, s.len);
    for (size_t i = 0; i < s.len; i++) {
        const int byte = gw_percent_byte(s, i);

        if (quoted && s.p[i] == '\\' && i + 1 < s.len) {
            *end++ = s.p[++i];
        } else if (byte >= 0) {
            *end++ = (char)(unsigned char)byte;
            i += 2;
        } else {
            *end++ = s.p[i];
        }
    }
    return (struct gw_str){out, (size_t)(end - out)};
}

static int must_encode(char c)
{
    return c <= 0x20 || c >= 0x7f || c == '"' || c == '%';
}

struct gw_str gw_event_http_encode(struct gw_arena *mem, struct gw_str text)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t more = 0;
    char *out, *end;

    for (size_t i = 0; i < text.len; i++)
        more += (size_t)(2 * must_encode(text.p[i]));
    if (!more)
        return text;
    out = end = gw_arena_alloc(mem, text.len + more);
    for (size_t i = 0; i < text.len; i++) {
        if (!must_encode(text.p[i])) {
            *end++ = text.p[i];
            continue;
        }
        *end++ = '%';
        *end++ = digits[(unsigned char)text.p[i] >> 4];
        *end++ = digits[text.p[i] & 15];
    }
    return (struct gw_str){out, text.len + more};
}

int gw_event_http_read(struct gw_event *ev, const struct gw_http_header *headers, size_t n,
                       struct gw_str body, struct gw_err *err)
{
    struct gw_binary r;
    int is_binary = 0;

    gw_binary_init(&r, ev);
    for (size_t i = 0; i < n; i++) {
        const struct gw_http_header *h = &headers[i];
        const int is_ce = h->name.len >= 3 && !memcmp(h->name.p, "ce-", 3);

        is_binary |= is_ce;
        if (is_ce && gw_binary_attr(&r, h->name, decode(ev->mem, h->value), err))
            return -1;
        if (gw_str_is(h->name, "content-type") && gw_binary_content_type(&r, h->value, err))
            return -1;
    }
    if (!is_binary) /* a whole event, perhaps, under the name of all JSON */
        return gw_err_set(err, GW_ERR_REJECT,
                          "specversion: missing (no ce-specversion header): the content type of "
                          "a structured event is application/cloudevents+json");
    return gw_binary_end(&r, "ce-specversion", NULL, body, err);
}
