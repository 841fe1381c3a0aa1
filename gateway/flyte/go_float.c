#include "flyte/go_float.h"

#include "base/buf.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* d.ddd * 10^exp, no zeros at the end. */
struct decimal {
    char digits[24];
    int n, exp;
};

enum { TEXT = 40 };

static int reads_back(const char *text, double d, int bits)
{
    return bits == 32 ? (double)strtof(text, NULL) == d : strtod(text, NULL) == d;
}

static void take(struct decimal *out, const char *text)
{
    const char *p = text;

    out->n = 0;
    for (; *p != 'e'; p++)
        if (*p != '.')
            out->digits[out->n++] = *p;
    while (out->n > 1 && out->digits[out->n - 1] == '0')
        out->n--;
    out->exp = (int)strtol(p + 1, NULL, 10);
}

/* The next number of so many digits; text is d.ddde+XX with a last digit that is not 9. */
static int next_up(char *text)
{
    char *last = strchr(text, 'e') - 1;

    if (*last == '9' || *last == '.')
        return 0;
    ++*last;
    return 1;
}

/* The numbers around a power of two lie twice as close below it as above, so the shortest text may
 * be the one above the nearest. */
static int is_power_of_two(double d)
{
    int exp;

    return frexp(d, &exp) == 0.5;
}

/* At most six digits behind the point and fifteen in all: no other text of so few reads back as the
 * same number, and the division is exact but for its one rounding, as reading is. */
static int take_short(struct decimal *out, double d)
{
    double millionths = d * 1e6;
    uint64_t n = millionths < 1e15 ? (uint64_t)(millionths + 0.5) : 0;
    char *p = out->digits + 15;

    if (!n || (double)n / 1e6 != d)
        return 0;
    out->exp = -7;
    for (out->n = 0; n; n /= 10, out->exp++)
        if (out->n || n % 10) {
            *--p = (char)('0' + n % 10);
            out->n++;
        }
    memmove(out->digits, p, (size_t)out->n);
    return 1;
}

/* A normal number keeps any 15 decimal digits (a float: 6), so fewer need no try; a subnormal one
 * holds less. */
static void shortest(struct decimal *out, double d, int bits)
{
    /* The one float right between two texts of its length; Go takes the one above. */
    static const double tied = 0x1p-12;
    int most = bits == 32 ? 9 : 17, least = bits == 32 ? 6 : 15;
    char text[TEXT];

    if (bits == 64 && take_short(out, d))
        return;
    if (d < (bits == 32 ? (double)FLT_MIN : DBL_MIN))
        least = 1;
    for (int n = least; n <= most; n++) {
        snprintf(text, sizeof(text), "%.*e", n - 1, d);
        if ((reads_back(text, d, bits) && !(bits == 32 && d == tied)) ||
            (is_power_of_two(d) && next_up(text) && reads_back(text, d, bits)))
            break;
    }
    take(out, text);
}

static void put_zeros(struct gw_buf *out, int n)
{
    for (; n > 0; n--)
        gw_buf_putc(out, '0');
}

static void put_plain(struct gw_buf *out, const struct decimal *x)
{
    int whole = x->exp + 1; /* digits before the point */

    if (whole <= 0) {
        gw_buf_puts(out, "0.");
        put_zeros(out, -whole);
        gw_buf_put(out, x->digits, (size_t)x->n);
    } else if (whole >= x->n) {
        gw_buf_put(out, x->digits, (size_t)x->n);
        put_zeros(out, whole - x->n);
    } else {
        gw_buf_put(out, x->digits, (size_t)whole);
        gw_buf_putc(out, '.');
        gw_buf_put(out, x->digits + whole, (size_t)(x->n - whole));
    }
}

/* At least so many digits of the exponent. */
static void put_exponent(struct gw_buf *out, const struct decimal *x, int least)
{
    gw_buf_putc(out, x->digits[0]);
    if (x->n > 1) {
        gw_buf_putc(out, '.');
        gw_buf_put(out, x->digits + 1, (size_t)x->n - 1);
    }
    gw_buf_printf(out, "e%c%0*d", x->exp < 0 ? '-' : '+', least, abs(x->exp));
}

/* Nearly every number is one, and its digits are what it is. */
static int put_whole(struct gw_buf *out, double d, int bits)
{
    const double exact = bits == 32 ? 16777216 : 9007199254740992;

    if (!(fabs(d) < exact) || (double)(int64_t)d != d || (d == 0 && signbit(d)))
        return 0;
    gw_buf_put_i64(out, (int64_t)d);
    return 1;
}

static int put_special(struct gw_buf *out, double d, const char *nan, const char *inf,
                       const char *minus_inf)
{
    if (isfinite(d))
        return 0;
    gw_buf_puts(out, isnan(d) ? nan : d > 0 ? inf : minus_inf);
    return 1;
}

void gw_go_json_float(struct gw_buf *out, double d, int bits)
{
    struct decimal x = {.n = 0};

    if (put_special(out, d, "\"NaN\"", "\"Infinity\"", "\"-Infinity\"") || put_whole(out, d, bits))
        return;
    if (signbit(d))
        gw_buf_putc(out, '-');
    shortest(&x, fabs(d), bits);
    if (d != 0 && (x.exp < -6 || x.exp >= 21))
        put_exponent(out, &x, 1);
    else
        put_plain(out, &x);
}

void gw_go_text_float(struct gw_buf *out, double d, int bits)
{
    struct decimal x = {.n = 0};

    if (put_special(out, d, "nan", "inf", "-inf"))
        return;
    if (signbit(d))
        gw_buf_putc(out, '-');
    shortest(&x, fabs(d), bits);
    if (x.exp < -4 || x.exp >= 6)
        put_exponent(out, &x, 2);
    else
        put_plain(out, &x);
}
