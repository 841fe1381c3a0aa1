#include "base/json_walk.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* ---- sixty-four bytes at a time ---- */

enum { BLOCK = 64 };

/* Of the bytes of a block: a bit for each. [ and { differ in one bit, ] and } in the same. */
struct marks {
    uint64_t quotes, slashes, opens, closes;
};

#if defined(__SSE2__)
static uint64_t equal(__m128i v, char c)
{
    return (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8(c)));
}

static struct marks find_marks(const char *p)
{
    struct marks m = {0};

    for (unsigned i = 0; i < BLOCK; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        __m128i folded = _mm_or_si128(v, _mm_set1_epi8(0x20));

        m.quotes |= equal(v, '"') << i;
        m.slashes |= equal(v, '\\') << i;
        m.opens |= equal(folded, '{') << i;
        m.closes |= equal(folded, '}') << i;
    }
    return m;
}

static const char *find_text_end(const char *p, const char *end)
{
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        uint64_t bits = equal(v, '"') | equal(v, '\\');

        if (bits)
            return p + __builtin_ctzll(bits);
    }
    while (p < end && *p != '"' && *p != '\\')
        p++;
    return p;
}
#else
static struct marks find_marks(const char *p)
{
    struct marks m = {0};

    for (unsigned i = 0; i < BLOCK; i++) {
        m.quotes |= (uint64_t)(p[i] == '"') << i;
        m.slashes |= (uint64_t)(p[i] == '\\') << i;
        m.opens |= (uint64_t)((p[i] | 0x20) == '{') << i;
        m.closes |= (uint64_t)((p[i] | 0x20) == '}') << i;
    }
    return m;
}

static const char *find_text_end(const char *p, const char *end)
{
    while (p < end && *p != '"' && *p != '\\')
        p++;
    return p;
}
#endif

/* What goes from block to block. */
struct scan {
    uint64_t in_string; /* all ones: the block begins inside of one */
    uint64_t escaped;   /* 1: its first byte is behind a backslash */
};

/* Bytes behind a backslash that counts. */
static uint64_t escaped_bytes(struct scan *s, uint64_t slashes)
{
    uint64_t escaped = s->escaped;

    s->escaped = 0;
    for (; slashes; slashes &= slashes - 1) {
        uint64_t slash = slashes & -slashes;

        if (escaped & slash)
            continue;
        escaped |= slash << 1;
        s->escaped = slash >> 63;
    }
    return escaped;
}

/* A bit is set from each quote on until the next one. */
static uint64_t between(uint64_t quotes)
{
    for (unsigned i = 1; i < BLOCK; i *= 2)
        quotes ^= quotes << i;
    return quotes;
}

/* Brackets that are not in strings. */
static struct marks brackets(struct scan *s, const char *p)
{
    struct marks m = find_marks(p);
    uint64_t inside;

    if (m.slashes | s->escaped)
        m.quotes &= ~escaped_bytes(s, m.slashes);
    inside = between(m.quotes) ^ s->in_string;
    s->in_string = 0 - (inside >> 63);
    m.opens &= ~inside;
    m.closes &= ~inside;
    return m;
}

/* Bytes until behind the bracket that takes depth to 0; 0: none in this block, depth is new. */
static unsigned walk_block(struct marks m, size_t *depth)
{
    size_t closes = (size_t)__builtin_popcountll(m.closes);

    if (*depth > closes) {
        *depth += (size_t)__builtin_popcountll(m.opens) - closes;
        return 0;
    }
    for (uint64_t both = m.opens | m.closes; both; both &= both - 1) {
        *depth += m.opens & both & -both ? 1 : (size_t)-1;
        if (!*depth)
            return (unsigned)__builtin_ctzll(both) + 1;
    }
    return 0;
}

/* At an opening bracket. */
static const char *past_brackets(const char *p, const char *end)
{
    struct scan s = {0};
    size_t depth = 0;
    char rest[BLOCK];
    unsigned n;

    for (; end - p >= BLOCK; p += BLOCK)
        if ((n = walk_block(brackets(&s, p), &depth)))
            return p + n;
    memset(rest, ' ', sizeof(rest));
    memcpy(rest, p, (size_t)(end - p));
    n = walk_block(brackets(&s, rest), &depth);
    return n ? p + n : end;
}

/* ---- values ---- */

static const char *past_string(const char *p, const char *end)
{
    for (p++;; p += 2) {
        p = find_text_end(p, end);
        if (p < end && *p == '"')
            return p + 1;
        if (end - p < 2)
            return end;
    }
}

/* Spaces and one byte that parts values. */
static const char *skip(const char *p, const char *end, char parting)
{
    while (p < end && gw_json_is_space(*p))
        p++;
    if (p == end || *p != parting)
        return p;
    for (p++; p < end && gw_json_is_space(*p);)
        p++;
    return p;
}

const char *gw_json_past(const char *p, const char *end)
{
    if (p == end)
        return end;
    if (*p == '"')
        return past_string(p, end);
    if ((*p | 0x20) == '{')
        return past_brackets(p, end);
    while (p < end && *p != ',' && (*p | 0x20) != '}' && !gw_json_is_space(*p))
        p++;
    return p;
}

int gw_json_part(const char **at, const char *end, int object, struct gw_json_part *out)
{
    const char *p = skip(*at, end, ',');

    *at = p;
    if (p == end || (*p | 0x20) == '}')
        return 0;
    *out = (struct gw_json_part){.value = p};
    if (object) {
        const char *past = gw_json_past(p, end);

        if (past - p < 2)
            return 0;
        out->name = (struct gw_str){p + 1, (size_t)(past - p) - 2};
        out->value = skip(past, end, ':');
    }
    *at = out->end = gw_json_past(out->value, end);
    return out->end > p;
}

size_t gw_json_depth(struct gw_str text)
{
    const char *p = text.p, *end = text.p + text.len;
    size_t depth = 0, most = 0;

    while (p < end) {
        if (*p == '"') {
            p = past_string(p, end);
            continue;
        }
        if ((*p | 0x20) == '{' && ++depth > most)
            most = depth;
        depth -= (*p++ | 0x20) == '}' && depth;
    }
    return most;
}
