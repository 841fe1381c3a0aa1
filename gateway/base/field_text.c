#include "base/field_text.h"

#include "base/field.h"

#include <stdio.h>

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit sizes[] = {{"KiB", 1LL << 10}, {"MiB", 1LL << 20}, {"GiB", 1LL << 30},
                                    {"TiB", 1LL << 40}, {"KB", 1000},       {"kB", 1000},
                                    {"MB", 1000000},    {"GB", 1000000000}, {"TB", 1000000000000},
                                    {"B", 1},           {NULL, 0}};
static const struct unit durations[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {NULL, 0}};

/* A whole number at *at; -1 if there is none or it is too large. */
static int take_number(struct gw_str s, size_t *at, int64_t *n)
{
    size_t from = *at;

    *n = 0;
    for (; *at < s.len && s.p[*at] >= '0' && s.p[*at] <= '9'; (*at)++)
        if (__builtin_mul_overflow(*n, 10, n) || __builtin_add_overflow(*n, s.p[*at] - '0', n))
            return -1;
    return *at > from ? 0 : -1;
}

/* Letters up to a digit or the end. */
static int take_unit(struct gw_str s, size_t *at, const struct unit *units, int64_t *factor)
{
    size_t from = *at;

    while (*at < s.len && (s.p[*at] < '0' || s.p[*at] > '9'))
        (*at)++;
    for (; units->name; units++)
        if (gw_str_is((struct gw_str){s.p + from, *at - from}, units->name)) {
            *factor = units->factor;
            return 0;
        }
    return -1;
}

int gw_field_size_parse(struct gw_str text, int64_t *bytes)
{
    int64_t factor = 1;
    size_t at = 0;

    if (take_number(text, &at, bytes))
        return -1;
    if (at < text.len && take_unit(text, &at, sizes, &factor))
        return -1;
    return at == text.len && !__builtin_mul_overflow(*bytes, factor, bytes) ? 0 : -1;
}

int gw_field_duration_parse(struct gw_str text, int64_t *ms)
{
    int64_t n, factor, last = INT64_MAX;
    size_t at = 0;

    *ms = 0;
    if (gw_str_is(text, "0"))
        return 0;
    do {
        if (take_number(text, &at, &n) || take_unit(text, &at, durations, &factor))
            return -1;
        /* 1h30m, not 30m1h */
        if (factor >= last || __builtin_mul_overflow(n, factor, &n) ||
            __builtin_add_overflow(*ms, n, ms))
            return -1;
        last = factor;
    } while (at < text.len);
    return 0;
}

const char *gw_field_number(const struct gw_field *f, int64_t n, char out[GW_NUMBER_TEXT])
{
    static const struct unit size_names[] = {
        {"TiB", 1LL << 40}, {"GiB", 1LL << 30}, {"MiB", 1LL << 20}, {"KiB", 1LL << 10}, {"", 1}};
    static const struct unit duration_names[] = {
        {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
    static const struct unit plain[] = {{"", 1}};
    const struct unit *u = f->type == GW_F_SIZE       ? size_names
                           : f->type == GW_F_DURATION ? duration_names
                                                      : plain;

    if (n == 0) {
        snprintf(out, GW_NUMBER_TEXT, "%s", f->type == GW_F_DURATION ? "0s" : "0");
        return out;
    }
    while (n % u->factor != 0)
        u++;
    snprintf(out, GW_NUMBER_TEXT, "%lld%s", (long long)(n / u->factor), u->name);
    return out;
}
