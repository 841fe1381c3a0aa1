/* Numbers of proto3 JSON: in digits, as strings too, integers also as 1.0 or 1e3. */
#include "base/arena.h"
#include "flyte/pbjson.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t skip_digits(const char **p, const char *end)
{
    const char *start = *p;

    while (*p < end && **p >= '0' && **p <= '9')
        ++*p;
    return (size_t)(*p - start);
}

/* RFC 8259's grammar: the text may come out of a string, where nobody checked it. */
static int is_number(struct gw_str s)
{
    const char *p = s.p, *end = s.p + s.len, *start;

    p += p < end && *p == '-';
    start = p;
    if (!skip_digits(&p, end) || (*start == '0' && p - start > 1))
        return 0;
    if (p < end && *p == '.') {
        p++;
        if (!skip_digits(&p, end))
            return 0;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        p += p < end && (*p == '-' || *p == '+');
        if (!skip_digits(&p, end))
            return 0;
    }
    return p == end;
}

int gw_number_double(struct gw_arena *mem, struct gw_str s, double *out)
{
    if (!is_number(s))
        return -1;
    *out = strtod(gw_arena_strndup(mem, s.p, s.len), NULL);
    return isfinite(*out) ? 0 : -1;
}

/* Digits alone; 1: something else is in it. */
static int plain_integer(struct gw_str s, int *negative, uint64_t *out)
{
    uint64_t v = 0;
    size_t i = *negative = s.p[0] == '-';

    if (s.len - i > 20)
        return 1;
    for (; i < s.len; i++) {
        unsigned digit = (unsigned)(s.p[i] - '0');

        if (digit > 9)
            return 1;
        if (v > (UINT64_MAX - digit) / 10)
            return -1;
        v = v * 10 + digit;
    }
    *out = v;
    return 0;
}

/* Sign and magnitude of an integral number. */
static int integer(struct gw_arena *mem, struct gw_str s, int *negative, uint64_t *out)
{
    double d;
    int got;

    if (!is_number(s))
        return -1;
    got = plain_integer(s, negative, out);
    if (got <= 0)
        return got;
    if (gw_number_double(mem, s, &d) || d != trunc(d) || fabs(d) >= 18446744073709551616.0)
        return -1;
    *negative = d < 0;
    *out = (uint64_t)fabs(d);
    return 0;
}

int gw_number_i64(struct gw_arena *mem, struct gw_str s, int64_t *out)
{
    uint64_t v;
    int negative;

    if (integer(mem, s, &negative, &v) || v > (uint64_t)INT64_MAX + (unsigned)negative)
        return -1;
    *out = negative ? (int64_t)(0 - v) : (int64_t)v;
    return 0;
}

int gw_number_u64(struct gw_arena *mem, struct gw_str s, uint64_t *out)
{
    int negative;

    return integer(mem, s, &negative, out) || (negative && *out) ? -1 : 0;
}
