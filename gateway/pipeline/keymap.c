/* Linear probing; a removal moves back what had to step aside, so no slot is ever merely marked. */
#include "pipeline/keymap.h"

#include <assert.h>
#include <stdlib.h>

enum { FIRST = 16 };

static size_t home(const struct gw_keymap *m, uint64_t key)
{
    return (size_t)(key * 0x9E3779B97F4A7C15ULL >> 32) & (m->cap - 1);
}

/* The slot of key, or the free one where it would be. */
static size_t slot_of(const struct gw_keymap *m, uint64_t key)
{
    size_t i = home(m, key);

    while (m->slots[i].value && m->slots[i].key != key)
        i = (i + 1) & (m->cap - 1);
    return i;
}

void *gw_keymap_get(const struct gw_keymap *m, uint64_t key)
{
    return m->n ? m->slots[slot_of(m, key)].value : NULL;
}

static void grow(struct gw_keymap *m)
{
    const struct gw_keymap old = *m;

    m->cap = old.cap ? old.cap * 2 : FIRST;
    m->slots = calloc(m->cap, sizeof(*m->slots));
    if (!m->slots)
        abort();
    for (size_t i = 0; i < old.cap; i++)
        if (old.slots[i].value)
            m->slots[slot_of(m, old.slots[i].key)] = old.slots[i];
    free(old.slots);
}

void gw_keymap_add(struct gw_keymap *m, uint64_t key, void *value)
{
    size_t i;

    if (m->n * 2 >= m->cap)
        grow(m);
    i = slot_of(m, key);
    assert(value && !m->slots[i].value);
    m->slots[i] = (struct gw_keymap_slot){key, value};
    m->n++;
}

void gw_keymap_remove(struct gw_keymap *m, uint64_t key)
{
    size_t hole = slot_of(m, key), i = hole;

    assert(m->slots[hole].value);
    for (;;) {
        size_t h;

        i = (i + 1) & (m->cap - 1);
        if (!m->slots[i].value)
            break;
        /* it may move into the hole unless its home lies behind the hole */
        h = home(m, m->slots[i].key);
        if (((i - h) & (m->cap - 1)) >= ((i - hole) & (m->cap - 1))) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole].value = NULL;
    m->n--;
}

void gw_keymap_free(struct gw_keymap *m)
{
    for (size_t i = 0; i < m->cap; i++)
        free(m->slots[i].value);
    free(m->slots);
    *m = (struct gw_keymap){0};
}
