/* The memory of a Lua state: a limit, and a list of its blocks, so that a state that was left in
 * the middle of something can be given back without asking Lua. Costs are those of the C library's
 * blocks, so that the limit holds for the process and not only for Lua's own sums.
 *
 * Every call makes a few small objects, and a collection gives back many at once, more than malloc
 * has at hand again quickly. So some small blocks are spared for the next object of their size:
 * they stay in the list and count as memory, and are given up before anything is refused. */
#include "base/arena.h"
#include "base/asan.h"
#include "hook/guard.h"
#include "hook/vm.h"

#include <stdlib.h>

struct gw_heap_block {
    struct gw_heap_block *next, *prev; /* a ring through the vm's `blocks` */
};

/* Bytes asked for cost instructions, or one that joins two long strings would be cheap. */
enum { HEAD = sizeof(struct gw_heap_block), PER_INSTRUCTION = 256 };
enum { OWN = 8, UNIT = GW_HEAP_UNIT }; /* of glibc's malloc */

/* Bytes at most; under ASan nothing is spared. */
enum { SPARED = GW_HAS_ASAN ? 0 : 32 << 10 };

/* A multiple of UNIT. Blocks of equal cost have room for the same. */
static size_t cost(size_t size)
{
    return size ? (size + HEAD + OWN + UNIT - 1) & ~(size_t)(UNIT - 1) : 0;
}

static struct gw_heap_block *block_of(void *p)
{
    return (struct gw_heap_block *)((char *)p - HEAD);
}

/* What the API took for the call that runs: the record's arena and its own. */
static size_t lent(const struct gw_hook_vm *vm)
{
    size_t n = gw_arena_size(vm->scratch);

    if (vm->run && vm->run->mem)
        n += gw_arena_size(vm->run->mem) - vm->run->mem_before;
    return n;
}

size_t gw_heap_room(const struct gw_hook_vm *vm)
{
    const struct gw_hook_limits *limits = vm->run ? vm->run->limits : &vm->conf->limits;
    size_t used = vm->memory + lent(vm), limit = (size_t)limits->memory;

    return used < limit ? limit - used : 0;
}

static void unlink_block(struct gw_heap_block *b)
{
    b->next->prev = b->prev;
    b->prev->next = b->next;
}

static void give_up(struct gw_hook_vm *vm, void *ptr, size_t paid)
{
    vm->memory -= paid;
    unlink_block(block_of(ptr));
    free(block_of(ptr));
}

/* The spared of one size are a list: each begins with the address of the next. */
static void *take_spared(struct gw_hook_vm *vm, size_t paid)
{
    void **first = vm->spared[paid / UNIT];

    if (first) {
        vm->spared[paid / UNIT] = *first;
        vm->n_spared -= paid;
    }
    return first;
}

static void *give_back(struct gw_hook_vm *vm, void *ptr, size_t osize)
{
    const size_t paid = cost(osize);

    if (!ptr)
        return NULL;
    if (paid <= GW_HEAP_SMALL && vm->n_spared + paid <= SPARED) {
        *(void **)ptr = vm->spared[paid / UNIT];
        vm->spared[paid / UNIT] = ptr;
        vm->n_spared += paid;
    } else {
        give_up(vm, ptr, paid);
    }
    return NULL;
}

static void give_up_spared(struct gw_hook_vm *vm)
{
    void *ptr;

    for (size_t paid = UNIT; paid <= GW_HEAP_SMALL; paid += UNIT)
        while ((ptr = take_spared(vm, paid)))
            give_up(vm, ptr, paid);
}

int gw_heap_has_room(struct gw_hook_vm *vm, size_t more)
{
    if (more <= gw_heap_room(vm))
        return 1;
    if (!vm->n_spared)
        return 0;
    give_up_spared(vm);
    return more <= gw_heap_room(vm);
}

/* A new block, or one that realloc may have moved, is where its neighbours find it. */
static void link_block(struct gw_hook_vm *vm, struct gw_heap_block *b, int is_new)
{
    if (is_new) {
        b->next = vm->blocks->next;
        b->prev = vm->blocks;
    }
    b->next->prev = b;
    b->prev->next = b;
}

/* Bytes of a block that grows, or of a new one. */
static void charge(struct gw_hook_vm *vm, size_t nsize)
{
    vm->unpaid += nsize / PER_INSTRUCTION;
    if (nsize > vm->biggest) {
        vm->biggest = nsize;
        gw_guard_grown(vm);
    }
}

/* From malloc, with the room its cost is for. Alone and by this name, so that what Lua asks of
 * malloc can be told from what we do (spec/fault/mallocs.c). */
static __attribute__((noinline)) void *heap_resize(struct gw_hook_vm *vm, void *ptr, size_t old,
                                                   size_t now)
{
    struct gw_heap_block *b;

    if (now > old && !gw_heap_has_room(vm, now - old))
        return NULL;
    b = realloc(ptr ? block_of(ptr) : NULL, now - OWN);
    if (!b)
        return NULL;
    link_block(vm, b, !ptr);
    vm->memory = vm->memory - old + now;
    if (vm->memory > vm->peak)
        vm->peak = vm->memory;
    return b + 1;
}

void *gw_heap_alloc(void *ud, void *ptr, size_t osize, size_t nsize)
{
    struct gw_hook_vm *vm = ud;
    size_t old = ptr ? cost(osize) : 0, now = cost(nsize);

    if (nsize == 0)
        return give_back(vm, ptr, osize);
    if (nsize > PTRDIFF_MAX - 64)
        return NULL;
    if (ptr || now > GW_HEAP_SMALL || !vm->spared[now / UNIT])
        ptr = heap_resize(vm, ptr, old, now);
    else
        ptr = take_spared(vm, now);
    if (ptr && nsize > old)
        charge(vm, nsize);
    return ptr;
}

void gw_heap_open(struct gw_hook_vm *vm)
{
    vm->blocks = malloc(sizeof(*vm->blocks));
    if (!vm->blocks)
        abort();
    *vm->blocks = (struct gw_heap_block){vm->blocks, vm->blocks};
}

void gw_heap_close(struct gw_hook_vm *vm)
{
    struct gw_heap_block *b = vm->blocks->next;

    while (b != vm->blocks) {
        struct gw_heap_block *next = b->next;

        free(b);
        b = next;
    }
    free(vm->blocks);
    vm->memory = 0;
}
