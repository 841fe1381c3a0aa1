/* Bytes as text: base64 and hex. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/text.h"

#include <string.h>

#if defined(__x86_64__)
#include <tmmintrin.h>
#endif

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void encode(char *to, const unsigned char *u, size_t len)
{
    size_t i = 0;

    for (; i + 2 < len; i += 3, to += 4) {
        uint32_t v = (uint32_t)u[i] << 16 | (uint32_t)u[i + 1] << 8 | u[i + 2];

        to[0] = base64_digits[v >> 18];
        to[1] = base64_digits[v >> 12 & 63];
        to[2] = base64_digits[v >> 6 & 63];
        to[3] = base64_digits[v & 63];
    }
    if (i < len) {
        uint32_t v = (uint32_t)u[i] << 16 | (i + 1 < len ? (uint32_t)u[i + 1] << 8 : 0);

        to[0] = base64_digits[v >> 18];
        to[1] = base64_digits[v >> 12 & 63];
        to[2] = to[3] = '=';
        if (i + 1 < len)
            to[2] = base64_digits[v >> 6 & 63];
    }
}

#if defined(__x86_64__)
/* Twelve bytes at a time, as in "Faster Base64 Encoding and Decoding Using AVX2 Instructions": a
 * shuffle brings three bytes into each lane, two multiplications move its
 * four groups of six bits apart, and a table of offsets makes digits of them. Reads 16 bytes, so
 * the last ones are left to the plain loop. Returns the bytes that were encoded. */
__attribute__((target("ssse3"))) static size_t encode_fast(char *to, const unsigned char *u,
                                                           size_t len)
{
    const __m128i spread = _mm_set_epi8(10, 11, 9, 10, 7, 8, 6, 7, 4, 5, 3, 4, 1, 2, 0, 1);
    const __m128i offsets =
        _mm_setr_epi8('a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
                      '0' - 52, '0' - 52, '0' - 52, '0' - 52, '+' - 62, '/' - 63, 'A', 0, 0);
    size_t i = 0;

    for (; len - i >= 16; i += 12, to += 16) {
        __m128i in = _mm_loadu_si128((const __m128i *)(const void *)(u + i)), six, row;

        in = _mm_shuffle_epi8(in, spread);
        six = _mm_or_si128(_mm_mulhi_epu16(_mm_and_si128(in, _mm_set1_epi32(0x0fc0fc00)),
                                           _mm_set1_epi32(0x04000040)),
                           _mm_mullo_epi16(_mm_and_si128(in, _mm_set1_epi32(0x003f03f0)),
                                           _mm_set1_epi32(0x01000010)));
        /* 0 for a-z, 1 to 10 for digits, 11 for +, 12 for /, 13 for A-Z */
        row = _mm_subs_epu8(six, _mm_set1_epi8(51));
        row = _mm_or_si128(
            row, _mm_and_si128(_mm_cmpgt_epi8(_mm_set1_epi8(26), six), _mm_set1_epi8(13)));
        _mm_storeu_si128((__m128i *)(void *)to, _mm_add_epi8(_mm_shuffle_epi8(offsets, row), six));
    }
    return i;
}
#endif

void gw_base64_put(struct gw_buf *b, struct gw_str bytes)
{
    size_t len = (bytes.len + 2) / 3 * 4, done = 0;
    char *to = gw_buf_room(b, len);

    if (!to)
        return;
#if defined(__x86_64__)
    if (bytes.len >= 16 && __builtin_cpu_supports("ssse3"))
        done = encode_fast(to, (const unsigned char *)bytes.p, bytes.len);
#endif
    encode(to + done / 3 * 4, (const unsigned char *)bytes.p + done, bytes.len - done);
    gw_buf_added(b, len);
}

int gw_base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

struct gw_str gw_base64_decode(struct gw_arena *mem, struct gw_str text)
{
    const struct gw_str bad = {NULL, 0};
    size_t n = 0, pad = 0;
    uint32_t v = 0;
    char *out;

    while (pad < 2 && text.len > 0 && text.p[text.len - 1] == '=') {
        text.len--;
        pad++;
    }
    if (text.len % 4 == 1 || (pad && (text.len + pad) % 4 != 0))
        return bad;
    out = gw_arena_alloc(mem, text.len / 4 * 3 + 3);
    for (size_t i = 0; i < text.len; i++) {
        int digit = gw_base64_digit(text.p[i]);

        if (digit < 0)
            return bad;
        v = v << 6 | (uint32_t)digit;
        if (i % 4 != 0)
            out[n++] = (char)(v >> (6 - 2 * (i % 4)));
    }
    return (struct gw_str){out, n};
}

struct gw_str gw_base64_strict(struct gw_arena *mem, struct gw_str text, int url)
{
    static const unsigned left_over[4] = {0, 63, 15, 3};
    const struct gw_str bad = {NULL, 0};
    size_t digits = text.len;

    for (size_t i = 0; i < text.len; i++)
        if (strchr(url ? "+/=" : "-_", text.p[i])) /* NUL, too */
            return bad;
    if (!url && text.len % 4)
        return bad;
    while (digits > 0 && text.p[digits - 1] == '=')
        digits--;
    if (digits > 0 && (unsigned)gw_base64_digit(text.p[digits - 1]) & left_over[digits % 4])
        return bad;
    return gw_base64_decode(mem, text);
}

int gw_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int gw_percent_byte(struct gw_str s, size_t at)
{
    const int has = at + 2 < s.len && s.p[at] == '%';
    const int high = has ? gw_hex_digit(s.p[at + 1]) : -1;
    const int low = high >= 0 ? gw_hex_digit(s.p[at + 2]) : -1;

    return low >= 0 ? high << 4 | low : -1;
}

void gw_hex_put(struct gw_buf *b, struct gw_str bytes)
{
    static const char digits[] = "0123456789abcdef";
    char *to = gw_buf_room(b, bytes.len * 2);

    if (!to)
        return;
    for (size_t i = 0; i < bytes.len; i++) {
        to[2 * i] = digits[(unsigned char)bytes.p[i] >> 4];
        to[2 * i + 1] = digits[(unsigned char)bytes.p[i] & 15];
    }
    gw_buf_added(b, bytes.len * 2);
}
