#ifndef GW_BASE_TIME_H
#define GW_BASE_TIME_H

#include "base/str.h"

#include <stdint.h>

struct gw_buf;

/* A point in time as protobuf's Timestamp has it: nanos count forward, 0 to 999,999,999. */
struct gw_time {
    int64_t sec;
    int32_t nanos;
};

/* RFC 3339 with any offset and up to 9 digits of fraction (more are cut), year 0001 to 9999, a
 * leap second :60 becomes the next second. -1: not such a time. */
int gw_time_parse(struct gw_str s, struct gw_time *out);
/* As people give a moment to a command or a route: RFC 3339, or seconds since 1970 with up to 9
 * digits of fraction. -1: neither, or outside the years that 64 bits of nanoseconds have. */
int gw_time_parse_ns(struct gw_str s, int64_t *out_ns);
enum { GW_TIME_TEXT = 40 };
/* UTC with Z and 0, 3, 6 or 9 digits, as protobuf's JSON mapping; returns the length, 0 if it has
 * no such form (year outside 0001 to 9999, nanos out of range). */
size_t gw_time_format(struct gw_time t, char out[GW_TIME_TEXT]);
/* As Go's time.Time does it, whatever the year ("10000-01-01T00:00:00Z", "-0001-…"); the fraction
 * as above, or, trimmed, without zeros at its end (RFC3339Nano). 0: nanos out of range. */
size_t gw_time_format_go(struct gw_time t, int trimmed, char out[GW_TIME_TEXT]);
/* Reads back what gw_time_format_go wrote: any year, no offset. -1: not such a time. */
int gw_time_parse_go(struct gw_str s, struct gw_time *out);
static inline struct gw_time gw_time_of_ns(int64_t ns)
{
    int64_t sec = ns / 1000000000, rest = ns % 1000000000;

    return rest < 0 ? (struct gw_time){sec - 1, (int32_t)(rest + 1000000000)}
                    : (struct gw_time){sec, (int32_t)rest};
}

#endif
