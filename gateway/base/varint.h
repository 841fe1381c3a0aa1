#ifndef GW_BASE_VARINT_H
#define GW_BASE_VARINT_H

#include <stdint.h>

/* Protobuf's variable-length integers, low seven bits first. */
enum { GW_VARINT_MAX = 10 };

/* The byte behind it; p has room for GW_VARINT_MAX bytes. */
static inline char *gw_varint_put(char *p, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *p++ = (char)(v | 0x80);
    *p++ = (char)v;
    return p;
}

/* Moves *at behind it. -1: cut short, or longer than GW_VARINT_MAX bytes. */
static inline int gw_varint_read(const unsigned char **at, const unsigned char *end, uint64_t *out)
{
    uint64_t v = 0;

    if (*at < end && **at < 0x80) { /* most are */
        *out = *(*at)++;
        return 0;
    }
    for (unsigned shift = 0; shift < 7 * GW_VARINT_MAX && *at < end; shift += 7) {
        unsigned char b = *(*at)++;

        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            *out = v;
            return 0;
        }
    }
    return -1;
}

#endif
