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
        if (p - bytes.p >= 1 && p[-1] == '\n')
            return (size_t)(p - bytes.p) + 1; /* bare LFs: refused when read */
        if (end - p >= 3 && p[1] == '\r' && p[2] == '\n')
            return (size_t)(p - bytes.p) + 3;
        p++;
    }
    return 0;
}

/* One line without its CRLF; -1: it has no proper end. */
static int take_line(struct gw_str *rest, struct gw_str *line)
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
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
            return 0;
    return s.len > 0;
}

/* A proxy's form, http://host/path, says no more than the path beside Host (RFC 9112, 3.2.2). */
static struct gw_str origin_form(struct gw_str target)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(schemes[i]);
        const char *slash;

        if (target.len < len || strncasecmp(target.p, schemes[i], len) != 0)
            continue;
        slash = memchr(target.p + len, '/', target.len - len);
        return slash ? (struct gw_str){slash, target.len - (size_t)(slash - target.p)}
                     : GW_STR("/");
    }
    return target;
}

static const char *request_line(struct gw_str line, struct gw_stream *s, struct gw_http1_head *out)
{
    struct gw_arena *mem = s->pub.mem;
    struct gw_str method = up_to(&line, ' '), target = up_to(&line, ' ');

    if (!gw_header_name_ok(method) || !is_target(target))
        return "the request line is not METHOD TARGET VERSION";
    if (gw_str_is(line, "HTTP/1.1"))
        out->version = 11;
    else if (gw_str_is(line, "HTTP/1.0"))
        out->version = 10;
    else
        return "the version is not HTTP/1.0 or HTTP/1.1";
    s->pub.method = gw_arena_str(mem, method);
    s->pub.path = gw_arena_str(mem, origin_form(target));
    out->is_head = gw_str_is(method, "HEAD");
    return NULL;
}

static int has_control(struct gw_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (((unsigned char)s.p[i] < ' ' && s.p[i] != '\t') || s.p[i] == 0x7f)
            return 1;
    return 0;
}

static struct gw_str trim(struct gw_str s)
{
    while (s.len && (*s.p == ' ' || *s.p == '\t')) {
        s.p++;
        s.len--;
    }
    while (s.len && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
        s.len--;
    return s;
}

static const char *header_line(struct gw_str line, struct gw_stream *s)
{
    struct gw_str name = up_to(&line, ':'), value = trim(line);
    char *lower;

    if (*name.p == ' ' || *name.p == '\t')
        return "a folded header, or white space before the first one";
    if (name.p + name.len == line.p || !gw_header_name_ok(name))
        return "a header's name is not a token followed by a colon";
    if (has_control(value))
        return "a control character in a header's value";
    lower = gw_arena_strndup(s->pub.mem, name.p, name.len);
    for (size_t i = 0; i < name.len; i++)
        if (lower[i] >= 'A' && lower[i] <= 'Z')
            lower[i] = (char)(lower[i] | 0x20);
    gw_stream_add_header(s, (struct gw_str){lower, name.len}, gw_arena_str(s->pub.mem, value));
    return NULL;
}

static int same(struct gw_str a, const char *b)
{
    return a.len == strlen(b) && !strncasecmp(a.p, b, a.len);
}

/* One of the comma separated words. */
static int lists(struct gw_str value, const char *word)
{
    while (value.len) {
        if (same(trim(up_to(&value, ',')), word))
            return 1;
    }
    return 0;
}

static const char *framing(struct gw_stream *s, struct gw_http1_head *out)
{
    int hosts = 0, lengths = 0, encodings = 0;

    out->keep_alive = out->version == 11;
    for (size_t i = 0; i < s->pub.n_headers; i++) {
        struct gw_str name = s->pub.headers[i].name, value = s->pub.headers[i].value;

        if (gw_str_is(name, "host")) {
            s->pub.authority = value;
            hosts++;
        } else if (gw_str_is(name, "content-length")) {
            lengths++;
        } else if (gw_str_is(name, "transfer-encoding")) {
            encodings++;
            out->chunked = same(value, "chunked");
        } else if (gw_str_is(name, "connection")) {
            out->keep_alive =
                lists(value, "close") ? 0 : out->keep_alive || lists(value, "keep-alive");
        } else if (gw_str_is(name, "expect")) {
            out->expect = same(value, "100-continue");
        }
    }
    if (hosts > 1 || (hosts == 0 && out->version == 11))
        return "not exactly one Host";
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
    if (take_line(&head, &line))
        return "a line that does not end in CRLF";
    if ((why = request_line(line, s, out)))
        return why;
    for (;;) {
        if (take_line(&head, &line))
            return "a line that does not end in CRLF";
        if (line.len == 0)
            return framing(s, out);
        if ((why = header_line(line, s)))
            return why;
    }
}
