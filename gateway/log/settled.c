#include "log/settled.h"

#include "base/buf.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

enum { BITS = 64 };

void gw_settled_init(struct gw_settled_set *s, uint64_t position)
{
    *s = (struct gw_settled_set){.position = position,
                                 .base = (position + 1) & ~(uint64_t)(BITS - 1)};
}

void gw_settled_fini(struct gw_settled_set *s)
{
    free(s->words);
    *s = (struct gw_settled_set){0};
}

static void grow(struct gw_settled_set *s, size_t n)
{
    if (n > s->cap) {
        s->cap = n > 2 * s->cap ? n : 2 * s->cap;
        s->words = realloc(s->words, s->cap * sizeof(*s->words));
        if (!s->words)
            abort();
    }
    if (n > s->n) {
        memset(s->words + s->n, 0, (n - s->n) * sizeof(*s->words));
        s->n = n;
    }
}

void gw_settled_copy(struct gw_settled_set *to, const struct gw_settled_set *from)
{
    to->position = from->position;
    to->above = from->above;
    to->base = from->base;
    to->n = 0;
    grow(to, from->n);
    if (from->n)
        memcpy(to->words, from->words, from->n * sizeof(*to->words));
}

int gw_settled_has(const struct gw_settled_set *s, uint64_t sequence)
{
    uint64_t bit = sequence - s->base;

    if (sequence <= s->position)
        return 1;
    return bit / BITS < s->n && (s->words[bit / BITS] >> bit % BITS & 1);
}

/* Words that the position has passed are given up. */
static void drop_passed(struct gw_settled_set *s)
{
    size_t passed = (size_t)((s->position + 1 - s->base) / BITS);

    if (passed > s->n)
        passed = s->n;
    if (passed == 0)
        return;
    s->n -= passed;
    if (s->n)
        memmove(s->words, s->words + passed, s->n * sizeof(*s->words));
    s->base += (uint64_t)passed * BITS;
    if (s->n == 0)
        s->base = (s->position + 1) & ~(uint64_t)(BITS - 1);
}

static void advance(struct gw_settled_set *s)
{
    for (;;) {
        uint64_t bit = s->position + 1 - s->base;

        if (bit / BITS >= s->n || !(s->words[bit / BITS] >> bit % BITS & 1))
            break;
        s->position++;
        s->above--;
    }
    /* Not for each record: moving what is left costs its length. */
    if (s->position + 1 - s->base >= (uint64_t)BITS * (s->n / 2 + 1))
        drop_passed(s);
}

int gw_settled_add(struct gw_settled_set *s, uint64_t sequence)
{
    uint64_t bit = sequence - s->base;

    if (sequence <= s->position)
        return 0;
    if (sequence == s->position + 1 && s->above == 0) { /* the usual way: in order */
        s->position = sequence;
        if (s->n == 0 || bit / BITS >= s->n) {
            s->n = 0;
            s->base = (s->position + 1) & ~(uint64_t)(BITS - 1);
        }
        return 1;
    }
    grow(s, (size_t)(bit / BITS) + 1);
    if (s->words[bit / BITS] >> bit % BITS & 1)
        return 0;
    s->words[bit / BITS] |= (uint64_t)1 << bit % BITS;
    s->above++;
    if (sequence == s->position + 1)
        advance(s);
    return 1;
}

uint64_t gw_settled_last(const struct gw_settled_set *s)
{
    for (size_t i = s->above ? s->n : 0; i-- > 0;)
        if (s->words[i]) {
            uint64_t top = BITS - 1 - (uint64_t)__builtin_clzll(s->words[i]);

            return s->base + i * BITS + top;
        }
    return s->position;
}

static uint64_t word_at(const struct gw_settled_set *s, uint64_t base)
{
    uint64_t i = (base - s->base) / BITS, word = base < s->base || i >= s->n ? 0 : s->words[i];

    if (s->position + 1 >= base + BITS)
        return ~(uint64_t)0;
    if (s->position + 1 > base)
        word |= ((uint64_t)1 << (s->position + 1 - base)) - 1;
    return word;
}

uint64_t gw_settled_in_all(const struct gw_settled_set *const *sets, size_t n, uint64_t from)
{
    uint64_t end = 0, count = 0;

    for (size_t i = 0; i < n; i++) {
        uint64_t last = sets[i]->base + sets[i]->n * BITS;

        if (last < sets[i]->position + 1)
            last = sets[i]->position + 1;
        if (i == 0 || last < end)
            end = last;
    }
    for (uint64_t base = (from + 1) & ~(uint64_t)(BITS - 1); base < end; base += BITS) {
        uint64_t word = ~(uint64_t)0;

        if (base < from + 1)
            word <<= from + 1 - base;
        for (size_t i = 0; i < n && word; i++)
            word &= word_at(sets[i], base);
        count += (uint64_t)__builtin_popcountll(word);
    }
    return count;
}

void gw_settled_put(struct gw_buf *out, const struct gw_settled_set *s)
{
    uint64_t at = s->position + 1, left = s->above;

    while (left) {
        unsigned byte = 0;

        for (unsigned i = 0; i < 8; i++)
            if (gw_settled_has(s, at + i)) {
                byte |= 1U << i;
                left--;
            }
        gw_buf_putc(out, (char)byte);
        at += 8;
    }
}

void gw_settled_read(struct gw_settled_set *s, uint64_t position, struct gw_str bits)
{
    gw_settled_init(s, position);
    for (size_t i = 0; i < bits.len * 8; i++)
        if ((unsigned char)bits.p[i / 8] >> i % 8 & 1)
            gw_settled_add(s, position + 1 + i);
}
