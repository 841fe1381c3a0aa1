/* RFC 3986's URI-references and RFC 2046's media types: what a sender must keep to. Letters outside
 * ASCII are let through as they are: RFC 3987 has one URI for each. */
#include "base/err.h"
#include "base/text.h"
#include "event/event.h"
#include "event/parts.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

static int is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static int is_one_of(char c, const char *set)
{
    return c && strchr(set, c) != NULL;
}

/* Unreserved, sub-delims, %XX, letters beyond ASCII, and what stands in more. */
static int all(struct gw_str s, const char *more)
{
    for (; s.len; s.p++, s.len--)
        if (!is_alnum(*s.p) && (unsigned char)*s.p < 0x80 && !is_one_of(*s.p, "-._~!$&'()*+,;=") &&
            !is_one_of(*s.p, more) && gw_percent_byte(s, 0) < 0)
            return 0;
    return 1;
}

/* The part of s behind its first c, which is cut off s with it; p NULL: it has none. */
static struct gw_str cut_at(struct gw_str *s, char c)
{
    const char *at = s->len ? memchr(s->p, c, s->len) : NULL;
    struct gw_str rest = {0};

    if (at) {
        rest = (struct gw_str){at + 1, (size_t)(s->p + s->len - at - 1)};
        s->len = (size_t)(at - s->p);
    }
    return rest;
}

static int is_scheme(struct gw_str s)
{
    if (!s.len || !is_alnum(*s.p) || (*s.p >= '0' && *s.p <= '9'))
        return 0;
    for (size_t i = 1; i < s.len; i++)
        if (!is_alnum(s.p[i]) && !is_one_of(s.p[i], "+-."))
            return 0;
    return 1;
}

static int is_port(struct gw_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return 0;
    return 1;
}

/* What stands in brackets: an IPv6 address, or what a later version may be. */
static int is_literal(struct gw_str s)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    size_t digits = 1;

    if (s.len && (*s.p == 'v' || *s.p == 'V')) {
        while (digits < s.len && gw_hex_digit(s.p[digits]) >= 0)
            digits++;
        return digits > 1 && digits + 1 < s.len && s.p[digits] == '.' &&
               all((struct gw_str){s.p + digits + 1, s.len - digits - 1}, ":");
    }
    if (!s.len || s.len >= sizeof(text))
        return 0;
    memcpy(text, s.p, s.len);
    text[s.len] = 0;
    return inet_pton(AF_INET6, text, &address) == 1;
}

static int is_authority(struct gw_str s)
{
    struct gw_str user = s, host = cut_at(&user, '@'), literal;

    if (!host.p)
        host = s;
    else if (!all(user, ":"))
        return 0;
    if (!host.len || *host.p != '[')
        return is_port(cut_at(&host, ':')) && all(host, "");
    literal = (struct gw_str){host.p + 1, host.len - 1};
    host = cut_at(&literal, ']'); /* behind the address */
    return host.p && is_literal(literal) &&
           (!host.len || (*host.p == ':' && is_port((struct gw_str){host.p + 1, host.len - 1})));
}

int gw_uri_reference_ok(struct gw_str s)
{
    struct gw_str fragment = cut_at(&s, '#'), query = cut_at(&s, '?'), scheme = s, path;

    if (!all(fragment, ":@/?") || !all(query, ":@/?"))
        return 0;
    path = cut_at(&scheme, ':');
    if (!path.p || memchr(scheme.p, '/', scheme.len))
        path = s; /* a colon behind a slash begins nothing */
    else if (!is_scheme(scheme))
        return 0;
    if (path.len >= 2 && path.p[0] == '/' && path.p[1] == '/') {
        struct gw_str authority = {path.p + 2, path.len - 2};

        path = cut_at(&authority, '/');
        if (!is_authority(authority))
            return 0;
    }
    return all(path, ":@/");
}

static int is_token(struct gw_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_alnum(s.p[i]) && !is_one_of(s.p[i], "!#$%&'*+-.^_`|~"))
            return 0;
    return s.len > 0;
}

int gw_media_type_ok(struct gw_str s)
{
    struct gw_str subtype;

    cut_at(&s, ';');
    while (s.len && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
        s.len--;
    subtype = cut_at(&s, '/');
    return is_token(s) && is_token(subtype);
}

/* Cuts the first parameter off *rest, which stands behind a semicolon: one in quotes ends none. */
static struct gw_str cut_parameter(struct gw_str *rest)
{
    struct gw_str first = *rest;
    int quoted = 0;
    size_t n = 0;

    for (; n < rest->len && (quoted || rest->p[n] != ';'); n++) {
        if (rest->p[n] == '"')
            quoted = !quoted;
        else if (quoted && rest->p[n] == '\\')
            n++;
    }
    first.len = n < rest->len ? n : rest->len;
    n = n < rest->len ? n + 1 : rest->len;
    *rest = (struct gw_str){rest->p + n, rest->len - n};
    while (first.len && (*first.p == ' ' || *first.p == '\t'))
        first = (struct gw_str){first.p + 1, first.len - 1};
    return first;
}

static int is_utf8(struct gw_str charset)
{
    static const char *const names[] = {"utf-8", "utf8", "us-ascii"};

    while (charset.len && is_one_of(charset.p[charset.len - 1], " \t"))
        charset.len--;
    if (charset.len >= 2 && *charset.p == '"' && charset.p[charset.len - 1] == '"')
        charset = (struct gw_str){charset.p + 1, charset.len - 2};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (charset.len == strlen(names[i]) && !strncasecmp(charset.p, names[i], charset.len))
            return 1;
    return 0;
}

int gw_media_type_is_utf8(struct gw_str type)
{
    static const char name[] = "charset=";
    const size_t n = sizeof(name) - 1;
    struct gw_str rest = cut_at(&type, ';');

    while (rest.len) {
        const struct gw_str p = cut_parameter(&rest);

        if (p.len >= n && !strncasecmp(p.p, name, n))
            return is_utf8((struct gw_str){p.p + n, p.len - n});
    }
    return 1;
}

static const char *problem(const struct gw_attr *a)
{
    enum gw_known_attr known = gw_known_attr(a->name);

    if (known == GW_A_DATACONTENTTYPE)
        return gw_media_type_ok(a->text) ? NULL : "not a media type (RFC 2046)";
    if (known == GW_A_SOURCE || known == GW_A_DATASCHEMA || a->type == GW_ATTR_URI ||
        a->type == GW_ATTR_URI_REF)
        return gw_uri_reference_ok(a->text) ? NULL : "not a URI-reference (RFC 3986)";
    return NULL;
}

int gw_event_check_sent(const struct gw_event *ev, struct gw_err *err)
{
    for (const struct gw_attr *a = ev->attrs; a; a = a->next) {
        const char *why = problem(a);

        if (why)
            return gw_err_set(err, GW_ERR_REJECT, "%.*s: %s: %.*s",
                              (int)(a->name.len < 64 ? a->name.len : 64), a->name.p, why,
                              (int)(a->text.len < 60 ? a->text.len : 60), a->text.p);
    }
    return 0;
}
