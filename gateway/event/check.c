/* The rules of CloudEvents 1.0.2 for names and values. */
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "base/time.h"
#include "event/event.h"
#include "event/parts.h"

#include <string.h>
#include <strings.h>

static int is_name_byte(char c)
{
    return (unsigned char)(c - 'a') < 26 || (unsigned char)(c - '0') < 10;
}

int gw_attr_name_ok(struct gw_str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!is_name_byte(name.p[i]))
            return 0;
    return name.len > 0 && !gw_str_is(name, "data");
}

/* Eight bytes from 0x20 to 0x7e. What a byte carries into its neighbour only matters where the
 * answer is no anyway. */
static int are_plain(uint64_t x)
{
    const uint64_t each = 0x0101010101010101;

    return !((x | (x + each) | (x - 0x20 * each)) & 0x80 * each);
}

static int is_plain8(const char *p)
{
    uint64_t x;

    memcpy(&x, p, sizeof(x));
    return are_plain(x);
}

/* Fewer than eight: two halves that meet or overlap, or each of three bytes at most. */
static int is_plain_short(const char *p, size_t n)
{
    uint32_t half[2];

    if (n >= sizeof(half[0])) {
        memcpy(&half[0], p, sizeof(half[0]));
        memcpy(&half[1], p + n - sizeof(half[0]), sizeof(half[0]));
        return are_plain((uint64_t)half[0] << 32 | half[1]);
    }
    while (n > 0 && p[n - 1] >= 0x20 && p[n - 1] < 0x7f)
        n--;
    return n == 0;
}

/* Nearly every value is, and each that a hook sets is looked at. */
static int is_plain(struct gw_str s)
{
    size_t at = 0;

    for (; s.len - at >= 8; at += 8)
        if (!is_plain8(s.p + at))
            return 0;
    if (at)
        return at == s.len || is_plain8(s.p + s.len - 8);
    return is_plain_short(s.p, s.len);
}

const char *gw_attr_text_problem(struct gw_str s)
{
    if (is_plain(s))
        return NULL;
    for (size_t at = 0, n; at < s.len; at += n) {
        unsigned char c = (unsigned char)s.p[at];
        uint32_t code;

        n = 1;
        if (c >= 0x20 && c < 0x7f)
            continue;
        n = gw_utf8_step(s.p + at, s.len - at);
        if (!n)
            return "not UTF-8";
        code = gw_utf8_get(s.p + at, &n);
        if (code < 0x20 || (code >= 0x7f && code <= 0x9f))
            return "has a control character";
        if ((code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) == 0xfffe)
            return "has a Unicode noncharacter";
    }
    return NULL;
}

static int check_attr(const struct gw_attr *a, enum gw_known_attr known, struct gw_err *err)
{
    const char *problem = gw_attr_text_problem(a->text);
    int len = (int)(a->name.len < 64 ? a->name.len : 64);
    struct gw_time t;

    if (known == GW_A_EXTENSION && !gw_attr_name_ok(a->name))
        return gw_err_set(err, GW_ERR_REJECT,
                          "%.*s: not an attribute name (a to z, 0 to 9, not data)", len, a->name.p);
    if (problem)
        return gw_err_set(err, GW_ERR_REJECT, "%.*s: %s", len, a->name.p, problem);
    if (known == GW_A_EXTENSION)
        return 0;
    if (a->type == GW_ATTR_BOOL || a->type == GW_ATTR_INT || a->type == GW_ATTR_BYTES)
        return gw_err_set(err, GW_ERR_REJECT, "%.*s: not a string", len, a->name.p);
    if (a->text.len == 0)
        return gw_err_set(err, GW_ERR_REJECT, "%.*s: empty", len, a->name.p);
    if (known == GW_A_TIME && gw_time_parse(a->text, &t))
        return gw_err_set(err, GW_ERR_REJECT, "time: not an RFC 3339 time: %.*s",
                          (int)(a->text.len < 60 ? a->text.len : 60), a->text.p);
    return 0;
}

static int check(const struct gw_event *ev, int sourceless, struct gw_err *err)
{
    unsigned seen = 0;

    for (struct gw_attr *a = ev->attrs; a; a = a->next) {
        enum gw_known_attr known = gw_known_attr(a->name);

        seen |= 1U << known;
        if (a->checked || a->verbatim || (sourceless && known == GW_A_SOURCE && !a->text.len))
            continue;
        if (check_attr(a, known, err))
            return -1;
        a->checked = 1;
    }
    for (int i = GW_A_ID; i <= GW_A_TYPE; i++)
        if (!(seen & 1U << i) && !(sourceless && i == GW_A_SOURCE))
            return gw_err_set(err, GW_ERR_REJECT, "%s: missing",
                              ((const char *const[]){"id", "source", "type"})[i]);
    return 0;
}

int gw_event_check(const struct gw_event *ev, struct gw_err *err)
{
    return check(ev, 0, err);
}

int gw_event_check_but_source(const struct gw_event *ev, struct gw_err *err)
{
    return check(ev, 1, err);
}

static int is_json_type(struct gw_str type)
{
    const char *slash, *end;

    if (gw_str_is(type, "application/json")) /* most are */
        return 1;
    end = memchr(type.p, ';', type.len);
    if (end)
        type.len = (size_t)(end - type.p);
    while (type.len && (type.p[type.len - 1] == ' ' || type.p[type.len - 1] == '\t'))
        type.len--;
    slash = memchr(type.p, '/', type.len);
    if (!slash)
        return 0;
    end = type.p + type.len;
    if (end - slash == 5 && !strncasecmp(slash, "/json", 5))
        return 1;
    return end - slash > 5 && !strncasecmp(end - 5, "+json", 5);
}

int gw_event_is_json(const struct gw_event *ev)
{
    const struct gw_attr *a = gw_event_get(ev, GW_STR("datacontenttype"));

    return !a || is_json_type(a->text);
}

/* What FlyteAdmin's styles write is such, and of a message that nests 100 deep JSON has the lists
 * and maps, too. */
enum { BYTES_JSON_DEPTH = 400 };

int gw_event_data_is_json(const struct gw_event *ev)
{
    if (ev->data_kind != GW_DATA_BYTES)
        return ev->data_kind == GW_DATA_JSON;
    return gw_event_get(ev, GW_STR("datacontenttype")) && gw_event_is_json(ev) &&
           gw_json_is_text(ev->data, BYTES_JSON_DEPTH);
}
