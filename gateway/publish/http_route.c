/* URLs that hooks choose, and the patterns that allow them. A pattern is held part by part, so that
 * no `*` of the path reaches into the host, nor one of the host beyond it. */
#include "publish/publish_http.h"

#include "base/err.h"
#include "base/text.h"
#include "event/route.h"

#include <string.h>
#include <strings.h>

struct url {
    struct gw_str scheme, host, rest; /* host: with its port */
};

static struct url split(struct gw_str s, const char *ends)
{
    struct url u = {0};

    for (size_t i = 4; i <= 5; i++)
        if (s.len >= i + 3 && !memcmp(s.p + i, "://", 3) && !strncasecmp(s.p, "https", i)) {
            u.scheme = (struct gw_str){s.p, i};
            s = (struct gw_str){s.p + i + 3, s.len - i - 3};
            break;
        }
    while (u.host.len < s.len && (!s.p[u.host.len] || !strchr(ends, s.p[u.host.len])))
        u.host.len++;
    u.host.p = s.p;
    u.rest = (struct gw_str){s.p + u.host.len, s.len - u.host.len};
    return u;
}

static struct url split_url(struct gw_str s)
{
    return split(s, "/?#");
}

/* In a pattern ? is any one character. */
static struct url split_pattern(struct gw_str s)
{
    return split(s, "/#");
}

/* Letters, digits and one of these. */
static int only(struct gw_str s, const char *more, const char *wild)
{
    for (size_t i = 0; i < s.len; i++) {
        const char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              (c && (strchr(more, c) || strchr(wild, c)))))
            return 0;
    }
    return 1;
}

static const char *problem_of(const struct url *u, const char *wild)
{
    if (!u->scheme.len)
        return "it begins with http:// or https://";
    if (!u->host.len)
        return "it has no host";
    if (!only(u->host, ".-:[]", wild))
        return "its host has letters, digits, . - : and [] only";
    if (!only(u->rest, "/?-._~!$&'()*+,;=:@%", wild))
        return "its path has a character that stands there only as %XX";
    return NULL;
}

/* "." or "..", also with %2e: a server may take such a path for another. */
static int is_dots(struct gw_str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++, n++) {
        if (s.p[i] == '.')
            continue;
        if (s.len - i < 3 || strncasecmp(s.p + i, "%2e", 3) != 0)
            return 0;
        i += 2;
    }
    return n == 1 || n == 2;
}

/* How many characters separate parts at s; 0: none do. Servers take %2f and %5c for what they stand
 * for, too. */
static size_t separator(struct gw_str s)
{
    if (s.len && *s.p == '/')
        return 1;
    return s.len >= 3 && (!strncasecmp(s.p, "%2f", 3) || !strncasecmp(s.p, "%5c", 3)) ? 3 : 0;
}

/* A part without what follows its first ; (some servers have parameters there). */
static struct gw_str without_parameters(struct gw_str part)
{
    const char *end = part.len ? memchr(part.p, ';', part.len) : NULL;

    return end ? (struct gw_str){part.p, (size_t)(end - part.p)} : part;
}

static int has_dots(struct gw_str path)
{
    const char *query = path.len ? memchr(path.p, '?', path.len) : NULL;
    struct gw_str part = {path.p, 0};

    if (query)
        path.len = (size_t)(query - path.p);
    while (path.len) {
        const size_t n = separator(path), step = n ? n : 1;

        path.p += step;
        path.len -= step;
        if (n && is_dots(without_parameters(part)))
            return 1;
        part = n ? (struct gw_str){path.p, 0} : (struct gw_str){part.p, part.len + 1};
    }
    return is_dots(without_parameters(part));
}

static int wrong(struct gw_err *err, struct gw_str url, const char *why)
{
    return gw_err_set(err, GW_ERR_REJECT, "URL \"%.*s\": %s", url.len > 80 ? 80 : (int)url.len,
                      url.p, why);
}

static int http_topic(struct gw_str topic, struct gw_err *err)
{
    struct url u = split_url(topic);
    const char *why = problem_of(&u, "");

    if (!why && has_dots(u.rest))
        why = "its path goes up, by . or ..";
    if (!why)
        why = gw_fetch_url_problem(topic.p);
    return why ? wrong(err, topic, why) : 0;
}

static int http_pattern(struct gw_str pattern, struct gw_err *err)
{
    struct url u = split_pattern(pattern);
    const char *why = problem_of(&u, "*?");

    return why ? gw_err_set(err, GW_ERR_REJECT, "%s", why) : 0;
}

static int http_allows(struct gw_str pattern, struct gw_str topic)
{
    struct url p = split_pattern(pattern), t = split_url(topic);

    return p.scheme.len == t.scheme.len && gw_glob(p.host, t.host) && gw_glob(p.rest, t.rest);
}

static int http_header(struct gw_str name, struct gw_str value, struct gw_err *err)
{
    const char *why = gw_http_header_problem(name, value);

    return why ? gw_err_set(err, GW_ERR_REJECT, "headers: %.*s: %s",
                            name.len > 80 ? 80 : (int)name.len, name.p, why)
               : 0;
}

const struct gw_routing gw_http_routing = {
    .publisher = "http",
    .topic_is = "URL",
    .topic = http_topic,
    .pattern = http_pattern,
    .allows = http_allows,
    .header = http_header,
};
