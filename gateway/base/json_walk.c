#include "base/json_walk.h"

#include <stddef.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static int is_mark(char c)
{
    return c == '"' || (c | 0x20) == '{' || (c | 0x20) == '}';
}

#if defined(__SSE2__)
static unsigned equal(__m128i v, char c)
{
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8(c)));
}

/* Of the sixteen bytes at p: a bit for each quote and backslash. */
static unsigned ends_text(const char *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);

    return equal(v, '"') | equal(v, '\\');
}

/* For each quote and bracket: [ and { differ in one bit, ] and } in the same. */
static unsigned marks(const char *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i folded = _mm_or_si128(v, _mm_set1_epi8(0x20));

    return equal(v, '"') | equal(folded, '{') | equal(folded, '}');
}
#define SKIP_BLOCKS(p, end, bits_of)                                                               \
    for (; (end) - (p) >= 16; (p) += 16) {                                                         \
        unsigned bits = bits_of(p);                                                                \
                                                                                                   \
        if (bits)                                                                                  \
            return (p) + __builtin_ctz(bits);                                                      \
    }
#else
#define SKIP_BLOCKS(p, end, bits_of)
#endif

static const char *find_text_end(const char *p, const char *end)
{
    SKIP_BLOCKS(p, end, ends_text)
    while (p < end && *p != '"' && *p != '\\')
        p++;
    return p;
}

static const char *find_mark(const char *p, const char *end)
{
    SKIP_BLOCKS(p, end, marks)
    while (p < end && !is_mark(*p))
        p++;
    return p;
}

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

static const char *past_brackets(const char *p, const char *end)
{
    size_t depth = 0;

    while ((p = find_mark(p, end)) < end) {
        if (*p == '"') {
            p = past_string(p, end);
            continue;
        }
        depth += (*p++ | 0x20) == '{' ? 1 : (size_t)-1;
        if (!depth)
            return p;
    }
    return end;
}

static int is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Spaces and one byte that parts values. */
static const char *skip(const char *p, const char *end, char parting)
{
    while (p < end && is_space(*p))
        p++;
    if (p == end || *p != parting)
        return p;
    for (p++; p < end && is_space(*p);)
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
    while (p < end && *p != ',' && (*p | 0x20) != '}' && !is_space(*p))
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

    while (p < end && (p = find_mark(p, end)) < end) {
        if (*p == '"') {
            p = past_string(p, end);
        } else if ((*p++ | 0x20) == '}') {
            depth -= depth > 0;
        } else if (++depth > most) {
            most = depth;
        }
    }
    return most;
}
