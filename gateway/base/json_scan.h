#ifndef GW_BASE_JSON_SCAN_H
#define GW_BASE_JSON_SCAN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* Shared by the reader and the writer alone: the bytes that stand for themselves in a JSON string,
 * that is ASCII but controls, quotes and backslashes. */
static inline int gw_json_is_plain(char c)
{
    return (unsigned char)c >= 0x20 && (unsigned char)c < 0x80 && c != '"' && c != '\\';
}

/* Whether all eight bytes are plain; a no may be wrong: what a byte borrows from its neighbour is
 * not looked at. */
static inline int gw_json_are_plain(uint64_t w)
{
    const uint64_t ones = 0x0101010101010101U, tops = 0x8080808080808080U;
    uint64_t quote = w ^ (ones * '"'), backslash = w ^ (ones * '\\');

    return !((w | (w - ones * 0x20) | (quote - ones) | (backslash - ones)) & tops);
}

/* The same of fewer than sixteen: two halves that meet or overlap. Of fewer than four it is no. */
static inline int gw_json_is_plain_short(const char *p, size_t n)
{
    uint64_t w[2];
    uint32_t half[2];

    if (n >= sizeof(w[0])) {
        memcpy(&w[0], p, sizeof(w[0]));
        memcpy(&w[1], p + n - sizeof(w[0]), sizeof(w[0]));
        return gw_json_are_plain(w[0]) && gw_json_are_plain(w[1]);
    }
    if (n < sizeof(half[0]))
        return 0;
    memcpy(&half[0], p, sizeof(half[0]));
    memcpy(&half[1], p + n - sizeof(half[0]), sizeof(half[0]));
    return gw_json_are_plain((uint64_t)half[0] << 32 | half[1]);
}

#if defined(__SSE2__)
enum { GW_JSON_STEP = 16, GW_JSON_EXACT = 1 }; /* a step that is shorter ends where it says */

/* Plain bytes at the start of the sixteen at p. */
static inline size_t gw_json_plain_step(const char *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    /* bytes from 0x80 on are negative */
    __m128i special = _mm_or_si128(_mm_cmplt_epi8(v, _mm_set1_epi8(0x20)),
                                   _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')),
                                                _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))));
    unsigned mask = (unsigned)_mm_movemask_epi8(special);

    return mask ? (size_t)__builtin_ctz(mask) : GW_JSON_STEP;
}

/* Those that Go's encoding/json does not escape for HTML either. */
static inline size_t gw_json_html_step(const char *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i html = _mm_or_si128(
        _mm_cmpeq_epi8(v, _mm_set1_epi8('&')),
        _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('<')), _mm_cmpeq_epi8(v, _mm_set1_epi8('>'))));
    unsigned mask = (unsigned)_mm_movemask_epi8(html);
    size_t n = gw_json_plain_step(p), first = mask ? (size_t)__builtin_ctz(mask) : GW_JSON_STEP;

    return n < first ? n : first;
}
#else
enum { GW_JSON_STEP = 8, GW_JSON_EXACT = 0 };

/* 8 when all eight bytes at p are plain, else 0: the caller goes on byte by byte. */
static inline size_t gw_json_plain_step(const char *p)
{
    uint64_t w;

    memcpy(&w, p, sizeof(w));
    return gw_json_are_plain(w) ? GW_JSON_STEP : 0;
}

static inline size_t gw_json_html_step(const char *p)
{
    (void)p;
    return 0;
}
#endif

/* The first byte from p on that is not plain; end if there is none. */
static inline const char *gw_json_skip_plain(const char *p, const char *end)
{
    while (end - p >= GW_JSON_STEP) {
        size_t n = gw_json_plain_step(p);

        p += n;
        if (n < GW_JSON_STEP && GW_JSON_EXACT)
            return p;
        if (n < GW_JSON_STEP)
            break;
    }
    if (end - p < 16 && gw_json_is_plain_short(p, (size_t)(end - p)))
        return end;
    while (p < end && gw_json_is_plain(*p))
        p++;
    return p;
}

static inline int gw_json_is_html(char c)
{
    return c == '<' || c == '>' || c == '&';
}

/* The same, stopping at what Go escapes for HTML's sake too. */
static inline const char *gw_json_skip_html_plain(const char *p, const char *end)
{
    while (end - p >= GW_JSON_STEP) {
        size_t n = gw_json_html_step(p);

        p += n;
        if (n < GW_JSON_STEP)
            break;
    }
    while (p < end && gw_json_is_plain(*p) && !gw_json_is_html(*p))
        p++;
    return p;
}

#endif
