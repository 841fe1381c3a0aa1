#include "base/secret.h"

#include "base/buf.h"
#include "base/text.h"

#include <stdint.h>
#include <string.h>

enum { SHORTEST = 6, SIX = 6, BYTE = 8, CUT = 8 };

/* The secret stands at text.p[at], with some of its bytes as %XX, or as much of it as fits. */
static int is_in_form(struct gw_str text, size_t at, struct gw_str secret)
{
    for (size_t i = 0; i < secret.len; i++) {
        int byte;

        if (at >= text.len)
            return i >= CUT;
        byte = gw_percent_byte(text, at);
        if ((byte < 0 ? text.p[at] : (char)byte) != secret.p[i])
            return 0;
        at += byte < 0 ? 1 : 3;
    }
    return 1;
}

/* Six bits of the secret. */
static int six_at(struct gw_str secret, size_t bit)
{
    const size_t byte = bit / BYTE;
    const unsigned two = (unsigned)(unsigned char)secret.p[byte] << BYTE |
                         (byte + 1 < secret.len ? (unsigned char)secret.p[byte + 1] : 0U);

    return (int)(two >> (2 * BYTE - SIX - bit % BYTE)) & 63;
}

/* Base64 at text.p[at] has the secret's bits from that one on: those before, and the last ones,
 * share a digit with what stands around it. */
static int is_in_base64(struct gw_str text, size_t at, struct gw_str secret, size_t bit)
{
    const size_t first = bit;

    for (; bit + SIX <= secret.len * BYTE; bit += SIX, at++) {
        if (at >= text.len)
            return bit - first >= (size_t)CUT * SIX;
        if (gw_base64_digit(text.p[at]) != six_at(secret, bit))
            return 0;
    }
    return 1;
}

/* As a form has it, where it is something else: a Basic login of OAuth is Base64 of that. */
static void put_form(struct gw_buf *out, struct gw_str secret)
{
    static const char plain[] = "-._~";

    for (size_t i = 0; i < secret.len; i++) {
        const char c = secret.p[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            (c && strchr(plain, c)))
            gw_buf_putc(out, c);
        else
            gw_buf_printf(out, "%%%02X", (unsigned char)c);
    }
}

static int is_anywhere(struct gw_str text, struct gw_str secret, struct gw_str form)
{
    for (size_t at = 0; at < text.len; at++) {
        if (is_in_form(text, at, secret))
            return 1;
        for (size_t bit = 0; bit < SIX; bit += 2)
            if (is_in_base64(text, at, secret, bit) || is_in_base64(text, at, form, bit))
                return 1;
    }
    return 0;
}

int gw_secret_shown(struct gw_str text, struct gw_str secret)
{
    struct gw_buf form;
    int rc;

    if (!text.len || secret.len < SHORTEST)
        return 0;
    if (memmem(text.p, text.len, secret.p, secret.len))
        return 1;
    gw_buf_init(&form, SIZE_MAX / 2, NULL);
    put_form(&form, secret);
    rc = is_anywhere(text, secret, gw_buf_str(&form));
    explicit_bzero(form.p, form.cap);
    gw_buf_free(&form);
    return rc;
}
