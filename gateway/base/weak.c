#include "base/weak.h"

#include "base/arena.h"
#include "base/yaml.h"

#include <errno.h>
#include <float.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { NOTHING, TEXT, NULL_VALUE, BOOL, INT, UINT, FLOAT, DATE };
enum { MAX_NUMBER = 64, DIGITS = 17 };

struct plain {
    enum kind kind;
    long long i;
    unsigned long long u;
    double d;
};

/* Without the underscores that Go lets stand in numbers; NULL: too long for one. */
static const char *without_underscores(struct gw_str s, char out[MAX_NUMBER])
{
    size_t n = 0;

    if (s.len >= MAX_NUMBER)
        return NULL;
    for (size_t i = 0; i < s.len; i++)
        if (s.p[i] != '_')
            out[n++] = s.p[i];
    out[n] = '\0';
    return out;
}

/* The base by the prefix, as Go: 0x, 0b, 0o, and 0 alone for octal. */
static int base_of(const char **digits)
{
    const char *p = *digits;

    if (p[0] != '0' || !p[1])
        return 10;
    *digits += 2;
    if (p[1] == 'x' || p[1] == 'X')
        return 16;
    if (p[1] == 'b' || p[1] == 'B')
        return 2;
    if (p[1] == 'o' || p[1] == 'O')
        return 8;
    --*digits;
    return 8;
}

static int parse_int(const char *text, struct plain *out)
{
    const int minus = *text == '-';
    const char *digits = text + (*text == '-' || *text == '+');
    const int base = base_of(&digits);
    unsigned long long u;
    char *end;

    if (!((*digits >= '0' && *digits <= '9') || (base == 16 && strchr("abcdefABCDEF", *digits))) ||
        !*digits)
        return -1;
    errno = 0;
    u = strtoull(digits, &end, base);
    if (*end || errno)
        return -1;
    if (u > INT64_MAX && minus)
        return -1;
    out->kind = u > INT64_MAX ? UINT : INT;
    out->u = u;
    out->i = minus ? -(long long)u : (long long)u;
    return 0;
}

static int parse_float(const char *text, struct plain *out)
{
    const char *p = text + (*text == '-' || *text == '+');
    char *end;

    if (!(*p >= '0' && *p <= '9') && !(*p == '.' && p[1] >= '0' && p[1] <= '9'))
        return -1;
    if (p[strspn(p, "0123456789.eE+-")])
        return -1;
    out->d = strtod(text, &end);
    out->kind = FLOAT;
    return *end ? -1 : 0;
}

static const char *skip_digits(const char *p, int least, int most)
{
    int n = 0;

    while (n < most && p[n] >= '0' && p[n] <= '9')
        n++;
    return n < least ? NULL : p + n;
}

/* 2026-1-2, alone or with a time behind it. */
static int is_date(struct gw_str s)
{
    const char *p = skip_digits(s.p, 4, 4);

    for (int i = 0; p && i < 2; i++)
        p = *p == '-' ? skip_digits(p + 1, 1, 2) : NULL;
    return p && (!*p || strchr(" Tt", *p));
}

static struct plain resolve(const struct gw_yaml *y)
{
    struct plain out = {.kind = TEXT};
    char buf[MAX_NUMBER];
    const char *number;
    int truth;

    if (y->type != GW_YAML_SCALAR)
        return (struct plain){.kind = NOTHING};
    if (y->quoted)
        return out;
    if (gw_yaml_is_null(y)) {
        out.kind = NULL_VALUE;
    } else if (!gw_yaml_bool(y, &truth)) {
        out.kind = BOOL;
        out.i = truth;
    } else if (is_date(y->text)) {
        out.kind = DATE;
    } else if ((number = without_underscores(y->text, buf)) && *y->text.p != '_' &&
               parse_int(number, &out) && parse_float(number, &out)) {
        out.kind = TEXT;
    }
    return out;
}

int gw_weak_is_text(const struct gw_yaml *y)
{
    return resolve(y).kind == TEXT;
}

int gw_weak_is_date(const struct gw_yaml *y)
{
    return resolve(y).kind == DATE;
}

static int text_bool(struct gw_str s, int *out)
{
    static const char *const names[] = {"",  "0", "f", "F",    "false", "False", "FALSE",
                                        "1", "t", "T", "true", "True",  "TRUE"};

    for (int i = 0; i < 13; i++)
        if (gw_str_is(s, names[i])) {
            *out = i >= 7;
            return 0;
        }
    return -1;
}

int gw_weak_bool(const struct gw_yaml *y, int *out)
{
    const struct plain v = resolve(y);

    *out = 0;
    switch (v.kind) {
    case NULL_VALUE:
        return 0;
    case TEXT:
        return text_bool(y->text, out);
    case BOOL:
    case INT:
        *out = v.i != 0;
        return 0;
    case UINT:
    case FLOAT:
        *out = v.kind == UINT || v.d != 0;
        return 0;
    default:
        return -1;
    }
}

int gw_weak_int(const struct gw_yaml *y, long long *out)
{
    struct plain v = resolve(y);
    char buf[MAX_NUMBER];
    const char *number;

    if (v.kind == TEXT && y->text.len) {
        number = without_underscores(y->text, buf);
        if (!number || *y->text.p == '_' || parse_int(number, &v))
            return -1;
    }
    switch (v.kind) {
    case NULL_VALUE:
    case TEXT: /* "" */
        *out = 0;
        return 0;
    case BOOL:
    case INT:
        *out = v.i;
        return 0;
    case FLOAT:
        if (v.d <= -9e18 || v.d >= 9e18)
            return -1;
        *out = (long long)v.d;
        return 0;
    default:
        return -1;
    }
}

/* The shortest digits that read back the same, and the power of ten of the first. */
static int shortest(double d, char digits[DIGITS + 2], int *n)
{
    char text[40] = "";

    for (int precision = 0; precision < DIGITS && (!*text || strtod(text, NULL) != d); precision++)
        (void)snprintf(text, sizeof(text), "%.*e", precision, d);
    *n = 0;
    for (const char *p = text; *p != 'e'; p++)
        if (*p >= '0' && *p <= '9')
            digits[(*n)++] = *p;
    return (int)strtol(strchr(text, 'e') + 1, NULL, 10);
}

/* Without an exponent. */
static struct gw_str float_text(double d, struct gw_arena *mem)
{
    char digits[DIGITS + 2], zeros[DBL_MAX_10_EXP + 1];
    int n;
    const int exponent = shortest(d, digits, &n);

    if (n - 1 > exponent) /* what stands behind the point */
        return gw_arena_printf(mem, "%.*f", n - 1 - exponent, d);
    memset(zeros, '0', sizeof(zeros));
    return gw_arena_printf(mem, "%s%.*s%.*s", d < 0 ? "-" : "", n, digits, exponent - n + 1, zeros);
}

int gw_weak_text(const struct gw_yaml *y, struct gw_arena *mem, struct gw_str *out)
{
    const struct plain v = resolve(y);

    switch (v.kind) {
    case NULL_VALUE:
        *out = GW_STR("");
        return 0;
    case TEXT:
        *out = y->text;
        return 0;
    case BOOL:
    case INT:
        *out = gw_arena_printf(mem, "%lld", v.i);
        return 0;
    case UINT:
        *out = gw_arena_printf(mem, "%llu", v.u);
        return 0;
    case FLOAT:
        *out = float_text(v.d, mem);
        return 0;
    default:
        return -1;
    }
}
