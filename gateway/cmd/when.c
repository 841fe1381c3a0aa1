#include "cmd/when.h"

#include "base/field_text.h"
#include "base/time.h"

#include <stdio.h>

/* Days are no unit of the configuration. */
static int parse_ago(struct gw_str text, int64_t *ms)
{
    const int64_t day_ms = 86400000;

    if (text.len > 0 && text.p[0] == '-') {
        text.p++;
        text.len--;
    }
    if (text.len > 1 && text.p[text.len - 1] == 'd') {
        char seconds[32];

        if (text.len >= sizeof(seconds))
            return -1;
        memcpy(seconds, text.p, text.len - 1);
        seconds[text.len - 1] = 's';
        return gw_field_duration_parse((struct gw_str){seconds, text.len}, ms) ||
                       __builtin_mul_overflow(*ms, day_ms / 1000, ms)
                   ? -1
                   : 0;
    }
    return gw_field_duration_parse(text, ms);
}

/* What is left out of RFC 3339 is put behind. */
static int parse_with(struct gw_str text, const char *rest, int64_t *ns)
{
    char whole[GW_TIME_TEXT + 16];
    const int len = snprintf(whole, sizeof(whole), "%.*s%s", (int)text.len, text.p, rest);

    return gw_time_parse_ns((struct gw_str){whole, (size_t)len}, ns);
}

int gw_when_parse(struct gw_str text, int64_t now_ns, int64_t *ns)
{
    int64_t ms;

    if (text.len == 0 || text.len > GW_TIME_TEXT)
        return -1;
    if (gw_str_is(text, "now")) {
        *ns = now_ns;
        return 0;
    }
    if (!gw_time_parse_ns(text, ns) || !parse_with(text, "Z", ns) ||
        !parse_with(text, "T00:00:00Z", ns) || !parse_with(text, ":00Z", ns))
        return 0;
    if (parse_ago(text, &ms) || ms > now_ns / 1000000)
        return -1;
    *ns = now_ns - ms * 1000000;
    return 0;
}
