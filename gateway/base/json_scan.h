#ifndef GW_BASE_JSON_SCAN_H
#define GW_BASE_JSON_SCAN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Shared by the reader and the writer alone: the bytes from p on that stand for themselves in a
 * JSON string, that is ASCII but controls, quotes and backslashes; eight at a time. */

/* Not 0 when a byte of w is no such byte. A borrow may flag the byte above a flagged one too. */
static inline uint64_t gw_json_special(uint64_t w)
{
    const uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
    uint64_t quote = w ^ (ones * '"'), backslash = w ^ (ones * '\\');

    return (w | (w - ones * 0x20) | (quote - ones) | (backslash - ones)) & tops;
}

static inline const char *gw_json_skip_plain(const char *p, const char *end)
{
    uint64_t w;

    while (end - p >= (ptrdiff_t)sizeof(w)) {
        memcpy(&w, p, sizeof(w));
        if (gw_json_special(w))
            break;
        p += sizeof(w);
    }
    while (p < end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"' &&
           *p != '\\')
        p++;
    return p;
}

#endif
