/* HTTP binary mode, and the percent-encoding of its header values (HTTP binding, 3.1.3.2). */
#include "base/arena.h"
#include "base/err.h"
#include "base/header.h"
#include "base/text.h"
#include "event/event.h"
#include "event/format.h"
#include "event/parts.h"

#include <string.h>
#include <strings.h>

/* Quotes off, one round of percent-decoding; a % that begins no code stays. */
static struct gw_str decode(struct gw_arena *mem, struct gw_str s)
{
    int quoted = s.len >= 2 && s.p[0] == '"' && s.p[s.len - 1] == '"';
    char *out, *end;

    if (quoted)
        s = (struct gw_str){s.p + 1, s.len - 2};
    if (!s.len || (!memchr(s.p, '%', s.len) && !(quoted && memchr(s.p, '\\', s.len))))
        return (struct gw_str){s.len ? s.p : "", s.len};
    out = end = gw_arena_alloc(mem, s.len);
    for (size_t i = 0; i < s.len; i++) {
        if (quoted && s.p[i] == '\\' && i + 1 < s.len) {
            *end++ = s.p[++i];
        } else if (s.p[i] == '%' && i + 2 < s.len && gw_hex_digit(s.p[i + 1]) >= 0 &&
                   gw_hex_digit(s.p[i + 2]) >= 0) {
            *end++ = (char)(gw_hex_digit(s.p[i + 1]) << 4 | gw_hex_digit(s.p[i + 2]));
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

struct reader {
    struct gw_attr_list attrs;
    int has_specversion;
};

static int read_header(struct reader *r, const struct gw_http_header *h, struct gw_err *err)
{
    struct gw_str name = {h->name.p + 3, h->name.len - 3};
    struct gw_str value = decode(r->attrs.ev->mem, h->value);
    struct gw_attr *a;

    if (gw_str_is(name, "specversion")) {
        if (r->has_specversion++)
            return gw_err_set(err, GW_ERR_REJECT, "specversion: given twice");
        if (!gw_str_is(value, "1.0"))
            return gw_err_set(err, GW_ERR_REJECT, "specversion: not \"1.0\"");
        return 0;
    }
    if (gw_str_is(name, "datacontenttype"))
        return gw_err_set(err, GW_ERR_REJECT,
                          "ce-datacontenttype: not in binary mode, it is the Content-Type");
    a = gw_attr_list_add(&r->attrs, name, err);
    if (!a)
        return -1;
    a->text = value;
    return 0;
}

static int read_content_type(struct reader *r, struct gw_str value, struct gw_err *err)
{
    struct gw_attr *a;

    if (!value.len)
        return 0;
    a = gw_attr_list_add(&r->attrs, GW_STR("datacontenttype"), err);
    if (!a)
        return gw_err_set(err, GW_ERR_REJECT, "content-type: given twice");
    a->text = value;
    return 0;
}

/* text/…, in UTF-8 as far as one can tell. */
static int is_text(const struct gw_event *ev, struct gw_str body)
{
    struct gw_str type = gw_event_text(ev, "datacontenttype");
    const char *end = type.p + type.len;

    if (type.len < 5 || strncasecmp(type.p, "text/", 5) != 0)
        return 0;
    for (const char *p = type.p; p + 8 <= end; p++)
        if (!strncasecmp(p, "charset=", 8)) {
            p += 8 + (p + 8 < end && p[8] == '"');
            if (end - p < 5 || strncasecmp(p, "utf-8", 5) != 0)
                return 0;
            break;
        }
    return gw_utf8_valid(body) == body.len;
}

int gw_event_http_read(struct gw_event *ev, const struct gw_http_header *headers, size_t n,
                       struct gw_str body, struct gw_err *err)
{
    struct reader r = {0};

    gw_attr_list_init(&r.attrs, ev);
    for (size_t i = 0; i < n; i++) {
        const struct gw_http_header *h = &headers[i];

        if (h->name.len >= 3 && !memcmp(h->name.p, "ce-", 3) && read_header(&r, h, err))
            return -1;
        if (gw_str_is(h->name, "content-type") && read_content_type(&r, h->value, err))
            return -1;
    }
    if (!r.has_specversion)
        return gw_err_set(err, GW_ERR_REJECT, "specversion: missing (no ce-specversion header)");
    if (gw_event_check(ev, err))
        return -1;
    if (!body.len)
        return 0;
    ev->data = body;
    ev->data_kind = GW_DATA_BYTES;
    if (!gw_event_get(ev, GW_STR("datacontenttype")))
        return 0; /* nothing says that it is text */
    if (gw_event_is_json(ev) || is_text(ev, body))
        return gw_event_take_text(ev, body, err);
    return 0;
}
