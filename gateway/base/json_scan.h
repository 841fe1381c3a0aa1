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

#if defined(__SSE2__)
enum { GW_JSON_STEP = 16 };

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
enum { GW_JSON_STEP = 8 };

/* 8 when all eight bytes at p are plain, else 0: the caller goes on byte by byte. */
static inline size_t gw_json_plain_step(const char *p)
{
    const uint64_t ones = 0x0101010101010101U, tops = 0x8080808080808080U;
    uint64_t w, quote, backslash;

    memcpy(&w, p, sizeof(w));
    quote = w ^ (ones * '"');
    backslash = w ^ (ones * '\\');
    return (w | (w - ones * 0x20) | (quote - ones) | (backslash - ones)) & tops ? 0 : GW_JSON_STEP;
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
        if (n < GW_JSON_STEP)
            break;
    }
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
