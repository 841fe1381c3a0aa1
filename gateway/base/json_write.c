/* Writers of JSON text. */
#include "base/buf.h"
#include "base/json.h"
#include "base/json_scan.h"
#include "base/text.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_escape(struct gw_buf *b, unsigned char c)
{
    static const char names[] = "\"\"\\\\\nn\rr\tt\bb\ff";

    for (const char *p = names; *p; p += 2) {
        if ((unsigned char)*p != c)
            continue;
        gw_buf_put(b, (const char[]){'\\', p[1]}, 2);
        return;
    }
    gw_buf_printf(b, "\\u%04x", c);
}

/* Bytes before the next that cannot stand as it is. */
static size_t plain(const char *p, size_t len)
{
    const char *from = p, *end = p + len;
    size_t n;

    while ((p = gw_json_skip_plain(p, end)) < end && (unsigned char)*p >= 0x80 &&
           (n = gw_utf8_step(p, (size_t)(end - p))))
        p += n;
    return (size_t)(p - from);
}

/* Nearly all are. */
static void put_plain(struct gw_buf *b, struct gw_str s)
{
    char *to = gw_buf_room(b, s.len + 2);

    if (!to)
        return;
    *to = '"';
    if (s.len)
        memcpy(to + 1, s.p, s.len);
    to[s.len + 1] = '"';
    gw_buf_added(b, s.len + 2);
}

/* n plain bytes, and a quote or a backslash: in JSON that stands in a string there are many. */
static void put_quoted(struct gw_buf *b, const char *p, size_t n, char c)
{
    char *to = gw_buf_room(b, n + 2);

    if (!to)
        return;
    memcpy(to, p, n);
    to[n] = '\\';
    to[n + 1] = c;
    gw_buf_added(b, n + 2);
}

void gw_json_put_string(struct gw_buf *b, struct gw_str s)
{
    if (gw_json_skip_plain(s.p, s.p + s.len) == s.p + s.len) {
        put_plain(b, s);
        return;
    }
    gw_buf_putc(b, '"');
    for (size_t i = 0; i < s.len;) {
        const char *p = s.p + i;
        size_t n = plain(p, s.len - i);

        i += n;
        if (i < s.len && (s.p[i] == '"' || s.p[i] == '\\')) {
            put_quoted(b, p, n, s.p[i++]);
            continue;
        }
        gw_buf_put(b, p, n);
        if (i == s.len)
            break;
        if ((unsigned char)s.p[i] < 0x80)
            put_escape(b, (unsigned char)s.p[i]);
        else
            gw_utf8_put(b, 0xfffd);
        i++;
    }
    gw_buf_putc(b, '"');
}

/* U+2028 and U+2029, which JavaScript takes for the end of a line: E2 80 A8, E2 80 A9. */
static int is_line_end(const char *p, size_t len)
{
    return len >= 3 && !memcmp(p, "\xe2\x80", 2) && ((unsigned char)p[2] & 0xfe) == 0xa8;
}

/* Bytes before the next that Go would not leave as it is. */
static size_t plain_go(const char *p, size_t len)
{
    const char *from = p, *end = p + len;
    size_t n;

    while ((p = gw_json_skip_html_plain(p, end)) < end && (unsigned char)*p >= 0x80 &&
           !is_line_end(p, (size_t)(end - p)) && (n = gw_utf8_step(p, (size_t)(end - p))))
        p += n;
    return (size_t)(p - from);
}

/* What stands at p instead of itself; returns its length. */
static size_t put_escape_go(struct gw_buf *b, const char *p, size_t len)
{
    if (is_line_end(p, len)) {
        gw_buf_puts(b, (unsigned char)p[2] == 0xa8 ? "\\u2028" : "\\u2029");
        return 3;
    }
    if ((unsigned char)*p >= 0x80)
        gw_buf_puts(b, "\\ufffd");
    else if (gw_json_is_html(*p))
        gw_buf_put(b, *p == '<' ? "\\u003c" : *p == '>' ? "\\u003e" : "\\u0026", 6);
    else
        put_escape(b, (unsigned char)*p);
    return 1;
}

void gw_json_put_string_go(struct gw_buf *b, struct gw_str s)
{
    gw_buf_putc(b, '"');
    for (size_t i = 0; i < s.len;) {
        size_t n = plain_go(s.p + i, s.len - i);

        gw_buf_put(b, s.p + i, n);
        i += n;
        if (i < s.len)
            i += put_escape_go(b, s.p + i, s.len - i);
    }
    gw_buf_putc(b, '"');
}

static int put_special(struct gw_buf *b, double d)
{
    if (isfinite(d))
        return 0;
    gw_buf_puts(b, isnan(d) ? "\"NaN\"" : d > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    return 1;
}

/* A normal number keeps any 15 decimal digits (a float: 6), so fewer need no try; a subnormal one
 * holds less. */
void gw_json_put_double(struct gw_buf *b, double d)
{
    char text[32];

    if (put_special(b, d))
        return;
    for (int precision = fabs(d) < DBL_MIN ? 1 : 15; precision <= 17; precision++) {
        snprintf(text, sizeof(text), "%.*g", precision, d);
        if (strtod(text, NULL) == d)
            break;
    }
    gw_buf_puts(b, text);
}

void gw_json_put_float(struct gw_buf *b, float f)
{
    char text[32];

    if (put_special(b, (double)f))
        return;
    for (int precision = fabsf(f) < FLT_MIN ? 1 : 6; precision <= 9; precision++) {
        snprintf(text, sizeof(text), "%.*g", precision, (double)f);
        if (strtof(text, NULL) == f)
            break;
    }
    gw_buf_puts(b, text);
}

void gw_json_put_key(struct gw_buf *b, int first, struct gw_str name)
{
    if (!first)
        gw_buf_putc(b, ',');
    gw_json_put_string(b, name);
    gw_buf_putc(b, ':');
}
