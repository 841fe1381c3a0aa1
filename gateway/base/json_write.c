/* Writers of JSON text. */
#include "base/buf.h"
#include "base/json.h"
#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

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
    size_t i = 0;

    while (i < len) {
        unsigned char c = (unsigned char)p[i];
        size_t n;

        if (c < 0x20 || c == '"' || c == '\\')
            break;
        n = c < 0x80 ? 1 : gw_utf8_step(p + i, len - i);
        if (!n)
            break;
        i += n;
    }
    return i;
}

void gw_json_put_string(struct gw_buf *b, struct gw_str s)
{
    gw_buf_putc(b, '"');
    for (size_t i = 0; i < s.len;) {
        size_t n = plain(s.p + i, s.len - i);

        gw_buf_put(b, s.p + i, n);
        i += n;
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

static int put_special(struct gw_buf *b, double d)
{
    if (isfinite(d))
        return 0;
    gw_buf_puts(b, isnan(d) ? "\"NaN\"" : d > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    return 1;
}

void gw_json_put_double(struct gw_buf *b, double d)
{
    char text[32];

    if (put_special(b, d))
        return;
    for (int precision = 15; precision <= 17; precision++) {
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
    for (int precision = 6; precision <= 9; precision++) {
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
