/* The allocator of a Lua state, called as Lua calls it. */
#include "base/arena.h"
#include "hook/vm.h"
#include "test.h"

#include <string.h>

enum { LIMIT = 80 << 10, SLOTS = 400, MOST = 1000 };

struct heap {
    struct gw_hook_vm vm;
    struct gw_hooks_conf conf;
    unsigned char *at[SLOTS];
    size_t size[SLOTS];
    unsigned random;
};

static void heap_open(struct heap *h)
{
    memset(h, 0, sizeof(*h));
    h->conf.limits.memory = LIMIT;
    h->vm.conf = &h->conf;
    h->vm.scratch = gw_arena_new();
    h->random = 7;
    gw_heap_open(&h->vm);
}

static void heap_close(struct heap *h)
{
    gw_heap_close(&h->vm);
    gw_arena_free(h->vm.scratch);
}

static unsigned next(struct heap *h, unsigned n)
{
    h->random = h->random * 1103515245 + 12345;
    return (h->random >> 8) % n;
}

/* Every byte of a slot says whose it is. */
static void fill(struct heap *h, unsigned i)
{
    memset(h->at[i], (int)(i & 0xff), h->size[i]);
}

static size_t wrong_bytes(const struct heap *h, unsigned i, size_t n)
{
    size_t wrong = 0;

    for (size_t k = 0; k < n; k++)
        wrong += h->at[i][k] != (i & 0xff);
    return wrong;
}

static void change(struct heap *h, unsigned i, size_t size)
{
    size_t same = size < h->size[i] ? size : h->size[i];
    void *p = gw_heap_alloc(&h->vm, h->at[i], h->at[i] ? h->size[i] : LUA_TUSERDATA, size);

    if (size && !p) {
        CHECK(size > h->size[i]); /* what shrinks is never refused */
        return;
    }
    h->at[i] = p;
    CHECK(wrong_bytes(h, i, same) == 0);
    h->size[i] = size;
    if (size)
        fill(h, i);
}

static size_t asked_for(const struct heap *h)
{
    size_t sum = 0;

    for (unsigned i = 0; i < SLOTS; i++)
        sum += h->size[i];
    return sum;
}

/* Blocks of all sizes come, grow, shrink and go: each keeps its bytes, and the limit holds. */
TEST(test_heap_blocks_are_each_ones_own_within_the_limit)
{
    struct heap h;

    heap_open(&h);
    for (int k = 0; k < 200000; k++) {
        unsigned i = next(&h, SLOTS), most = next(&h, 4) ? 200 : 2 * MOST;

        change(&h, i, next(&h, 3) ? next(&h, most) : 0);
        CHECK(h.vm.memory <= LIMIT && h.vm.memory >= asked_for(&h) + h.vm.n_spared);
    }
    for (unsigned i = 0; i < SLOTS; i++)
        change(&h, i, 0);
    CHECK(h.vm.memory == h.vm.n_spared);
    heap_close(&h);
}

/* What is spared stands in nobody's way. */
TEST(test_heap_spares_nothing_that_is_wanted)
{
    struct heap h;
    size_t all;

    heap_open(&h);
    all = gw_heap_room(&h.vm);
    for (unsigned i = 0; i < SLOTS; i++)
        change(&h, i, 40 + i % 50);
    for (unsigned i = 0; i < SLOTS; i++)
        change(&h, i, 0);
    CHECK(gw_heap_has_room(&h.vm, all));
    CHECK(!gw_heap_has_room(&h.vm, all + 1));
    CHECK(h.vm.memory == 0);
    for (unsigned i = 0; i < SLOTS; i++)
        change(&h, i, 40);
    for (unsigned i = 0; i < SLOTS; i++)
        change(&h, i, 0);
    change(&h, 0, all - 64);
    CHECK(h.at[0] && !h.vm.n_spared);
    heap_close(&h); /* as a broken state is: with what it still holds */
}
