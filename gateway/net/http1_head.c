#include "net/http1_head.h"

#include "base/arena.h"
#include "base/header.h"
#include "net/codec.h"

#include <string.h>
#include <strings.h>

size_t gw_http1_head_length(struct gw_str bytes, size_t from)
{
    const char *p = bytes.p + (from > 3 ? from - 3 : 0), *end = bytes.p + bytes.len;

    while (p < end && (p = memchr(p, '\n', (size_t)(end - p)))) {
        if (p == bytes.p || p[-1] != '\r')
            return (size_t)(p - bytes.p) + 1; /* a bare LF: refused when read */
        if (end - p >= 3 && p[1] == '\r' && p[2] == '\n')
            return (size_t)(p - bytes.p) + 3;
        p++;
    }
    return 0;
}

int gw_http1_head_is_broken(struct gw_str bytes, size_t from)
{
    const char *p = bytes.p + (from ? from - 1 : 0), *end = bytes.p + bytes.len;

    while (p < end && (p = memchr(p, '\r', (size_t)(end - p))) && ++p < end)
        if (*p != '\n')
            return 1;
    return 0;
}

int gw_http1_line(struct gw_str *rest, struct gw_str *line)
{
    const char *lf = memchr(rest->p, '\n', rest->len);

    if (!lf || lf == rest->p || lf[-1] != '\r')
        return -1;
    *line = (struct gw_str){rest->p, (size_t)(lf - rest->p) - 1};
    rest->len -= (size_t)(lf - rest->p) + 1;
    rest->p = lf + 1;
    return memchr(line->p, '\r', line->len) || memchr(line->p, '\0', line->len) ? -1 : 0;
}

static struct gw_str up_to(struct gw_str *rest, char c)
{
    const char *at = memchr(rest->p, c, rest->len);
    struct gw_str part = {rest->p, at ? (size_t)(at - rest->p) : rest->len};
    size_t used = part.len + (at ? 1 : 0);

    rest->p += used;
    rest->len -= used;
    return part;
}

static int is_target(struct gw_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f || s.p[i] == '#')
            return 0;
    return s.len > 0;
}

/* uri-host, without a port: what RFC 3986 lets a name or an address be made of. */
static int is_host(struct gw_str s)
{
    const int literal = s.len > 2 && *s.p == '[' && s.p[s.len - 1] == ']';

    for (size_t i = literal; i < s.len - (size_t)literal; i++)
        if ((s.p[i] == ':' && !literal) || (s.p[i] != ':' && !gw_host_byte(s.p[i])))
            return 0;
    return 1;
}

/* Nothing at all is one too: a target without an authority has that. */
int gw_http1_is_authority(struct gw_str s)
{
    const char *colon = s.len ? memrchr(s.p, ':', s.len) : NULL;
    struct gw_str host = {s.p, colon ? (size_t)(colon - s.p) : s.len};

    if (!colon || memchr(colon, ']', s.len - host.len))
        return is_host(s);
    for (const char *p = colon + 1; p < s.p + s.len; p++)
        if (*p < '0' || *p > '9')
            return 0;
    return is_host(host) && host.len > 0;
}

/* A proxy's form, http://host/path: the path, and whom it is for whatever Host says (RFC 9112,
 * 3.2.2). -1: it names nobody. */
static int absolute_form(struct gw_str target, size_t scheme, struct gw_http_stream *s)
{
    struct gw_str rest = {target.p + scheme, target.len - scheme};
    size_t len = 0;

    while (len < rest.len && rest.p[len] != '/' && rest.p[len] != '?')
        len++;
    s->authority = gw_arena_str(s->mem, (struct gw_str){rest.p, len});
    if (len == 0 || !gw_http1_is_authority(s->authority))
        return -1;
    rest = (struct gw_str){rest.p + len, rest.len - len};
    s->path = gw_arena_printf(s->mem, "%s%.*s", rest.len && *rest.p == '/' ? "" : "/",
                              (int)rest.len, rest.p);
    return 0;
}

/* The four forms of RFC 9112, 3.2. */
static int take_target(struct gw_str target, struct gw_http_stream *s)
{
    static const struct gw_str schemes[] = {{"http://", 7}, {"https://", 8}};

    s->path = gw_arena_str(s->mem, target);
    if (*target.p == '/')
        return gw_str_is(s->method, "CONNECT") ? -1 : 0;
    if (gw_str_is(s->method, "CONNECT"))
        return gw_http1_is_authority(target) ? 0 : -1;
    for (size_t i = 0; i < 2; i++)
        if (target.len >= schemes[i].len && !strncasecmp(target.p, schemes[i].p, schemes[i].len))
            return absolute_form(target, schemes[i].len, s);
    return gw_str_is(target, "*") && gw_str_is(s->method, "OPTIONS") ? 0 : -1;
}

/* Three words without a slash in what would be target and version, as a line of another protocol,
 * do not mean HTTP. */
static int is_foreign(struct gw_str target, struct gw_str version)
{
    return version.len > 0 && !memchr(version.p, '/', version.len) &&
           !memchr(target.p, '/', target.len);
}

static const char *request_line(struct gw_str line, struct gw_stream *s, struct gw_http1_head *out)
{
    struct gw_str method = up_to(&line, ' '), target = up_to(&line, ' ');

    if (!gw_header_name_ok(method) || !is_target(target))
        return "the request line is not METHOD TARGET VERSION";
    out->foreign = is_foreign(target, line);
    if (gw_str_is(line, "HTTP/1.1"))
        out->version = 11;
    else if (gw_str_is(line, "HTTP/1.0"))
        out->version = 10;
    else
        return "the version is not HTTP/1.0 or HTTP/1.1";
    s->pub.method = gw_arena_str(s->pub.mem, method);
    out->is_head = gw_str_is(method, "HEAD");
    return take_target(target, &s->pub) ? "the target is no path, nor a URL of http or https"
                                        : NULL;
}

struct gw_str gw_http1_trim(struct gw_str s)
{
    while (s.len && (*s.p == ' ' || *s.p == '\t')) {
        s.p++;
        s.len--;
    }
    while (s.len && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* Its name in lower case; a NUL behind either. */
static void copy_header(struct gw_stream *s, struct gw_str name, struct gw_str value)
{
    char *lower = gw_arena_alloc(s->pub.mem, name.len + value.len + 2);
    char *text = lower + name.len + 1;

    for (size_t i = 0; i < name.len; i++)
        lower[i] = (char)(name.p[i] | ((unsigned char)(name.p[i] - 'A') < 26 ? 0x20 : 0));
    lower[name.len] = '\0';
    memcpy(text, value.p, value.len);
    text[value.len] = '\0';
    gw_stream_add_header(s, (struct gw_str){lower, name.len}, (struct gw_str){text, value.len});
}

static const char *header_line(struct gw_str line, struct gw_stream *s)
{
    struct gw_str name = up_to(&line, ':'), value = gw_http1_trim(line);

    if (*name.p == ' ' || *name.p == '\t')
        return "a folded header, or white space before the first one";
    if (name.p + name.len == line.p || !gw_header_name_ok(name))
        return "a header's name is not a token followed by a colon";
    if (!gw_header_value_ok(value))
        return "a control character in a header's value";
    copy_header(s, name, value);
    return NULL;
}

static int same(struct gw_str a, const char *b)
{
    return a.len == strlen(b) && !strncasecmp(a.p, b, a.len);
}

int gw_http1_lists(struct gw_str value, const char *word)
{
    while (value.len) {
        if (same(gw_http1_trim(up_to(&value, ',')), word))
            return 1;
    }
    return 0;
}

/* How many hosts it is: an absolute target has said it already, and has to be right anyway. */
static int take_host(struct gw_str value, struct gw_http_stream *s)
{
    if (!s->authority.p)
        s->authority = value;
    return gw_http1_is_authority(value) ? 1 : 2;
}

static const char *framing(struct gw_stream *s, struct gw_http1_head *out)
{
    int hosts = 0, lengths = 0, encodings = 0;

    out->keep_alive = out->version == 11;
    for (size_t i = 0; i < s->pub.n_headers; i++) {
        struct gw_str name = s->pub.headers[i].name, value = s->pub.headers[i].value;

        if (gw_str_is(name, "host")) {
            hosts += take_host(value, &s->pub);
        } else if (gw_str_is(name, "content-length")) {
            lengths++;
        } else if (gw_str_is(name, "transfer-encoding")) {
            encodings++;
            out->chunked = same(value, "chunked");
        } else if (gw_str_is(name, "connection")) {
            out->keep_alive = gw_http1_lists(value, "close")
                                  ? 0
                                  : out->keep_alive || gw_http1_lists(value, "keep-alive");
        } else if (gw_str_is(name, "expect")) {
            out->expect = same(value, "100-continue");
        }
    }
    if (hosts > 1 || (hosts == 0 && out->version == 11))
        return "not exactly one Host, of a name or an address and perhaps a port";
    if (encodings > 1 || (encodings == 1 && !out->chunked))
        return "a Transfer-Encoding but one chunked";
    if (encodings && (lengths || out->version == 10))
        return "Transfer-Encoding beside Content-Length, or in HTTP/1.0";
    return NULL;
}

const char *gw_http1_head_read(struct gw_str head, struct gw_stream *s, struct gw_http1_head *out)
{
    const char *why;
    struct gw_str line;

    *out = (struct gw_http1_head){0};
    if (gw_http1_line(&head, &line))
        return "a line that does not end in CRLF";
    if ((why = request_line(line, s, out)))
        return why;
    for (;;) {
        if (gw_http1_line(&head, &line))
            return "a line that does not end in CRLF";
        if (line.len == 0)
            return framing(s, out);
        if ((why = header_line(line, s)))
            return why;
    }
}
