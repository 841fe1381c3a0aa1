#include "flyte/pbjson.h"
#include "flyte/reflect.h"

#include <stdio.h>

static const int64_t max_seconds = 315576000000; /* ± 10,000 years, as protobuf has it */

size_t gw_duration_format(int64_t sec, int32_t nanos, char out[GW_DURATION_TEXT])
{
    int negative = sec < 0 || nanos < 0, digits = 9;
    uint64_t whole = sec < 0 ? 0 - (uint64_t)sec : (uint64_t)sec;
    uint32_t rest = nanos < 0 ? 0 - (uint32_t)nanos : (uint32_t)nanos;

    if (whole > (uint64_t)max_seconds || rest > 999999999 || (sec > 0 && nanos < 0) ||
        (sec < 0 && nanos > 0))
        return 0;
    if (!rest)
        return (size_t)snprintf(out, GW_DURATION_TEXT, "%s%llus", negative ? "-" : "",
                                (unsigned long long)whole);
    while (rest % 1000 == 0) {
        rest /= 1000;
        digits -= 3;
    }
    return (size_t)snprintf(out, GW_DURATION_TEXT, "%s%llu.%0*us", negative ? "-" : "",
                            (unsigned long long)whole, digits, (unsigned)rest);
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

int gw_duration_parse(struct gw_str s, int64_t *sec, int32_t *nanos)
{
    const char *p = s.p, *end = s.p + s.len;
    int negative = p < end && *p == '-';
    int32_t scale = 100000000;
    const char *digits = p += negative;

    *sec = *nanos = 0;
    for (; p < end && is_digit(*p); p++) {
        *sec = *sec * 10 + (*p - '0');
        if (*sec > max_seconds)
            return -1;
    }
    if (p == digits)
        return -1;
    if (p < end && *p == '.') {
        digits = ++p;
        for (; p < end && is_digit(*p) && scale; p++, scale /= 10)
            *nanos += (*p - '0') * scale;
        if (p == digits)
            return -1;
    }
    if (end - p != 1 || *p != 's' || (*sec == max_seconds && *nanos))
        return -1;
    if (negative) {
        *sec = -*sec;
        *nanos = -*nanos;
    }
    return 0;
}
