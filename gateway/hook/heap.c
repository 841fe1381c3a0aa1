/* The memory of a Lua state: a limit, and a list of its blocks, so that a state that was left in
 * the middle of something can be given back without asking Lua. Costs are those of the C library's
 * blocks, so that the limit holds for the process and not only for Lua's own sums. */
#include "base/arena.h"
#include "hook/guard.h"
#include "hook/vm.h"

#include <stdlib.h>

struct gw_heap_block {
    struct gw_heap_block *next, *prev; /* a ring through the vm's `blocks` */
};

/* Bytes asked for cost instructions, or one that joins two long strings would be cheap. */
enum { HEAD = sizeof(struct gw_heap_block), PER_INSTRUCTION = 256 };

static size_t cost(size_t size)
{
    enum { OWN = 8, UNIT = 16 }; /* of glibc's malloc */

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
    size_t used = vm->memory + lent(vm), limit = (size_t)vm->conf->limits.memory;

    return used < limit ? limit - used : 0;
}

static void unlink_block(struct gw_heap_block *b)
{
    b->next->prev = b->prev;
    b->prev->next = b->next;
}

static void *give_back(struct gw_hook_vm *vm, void *ptr, size_t osize)
{
    if (!ptr)
        return NULL;
    vm->memory -= cost(osize);
    unlink_block(block_of(ptr));
    free(block_of(ptr));
    return NULL;
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

void *gw_heap_alloc(void *ud, void *ptr, size_t osize, size_t nsize)
{
    struct gw_hook_vm *vm = ud;
    size_t old = ptr ? cost(osize) : 0, now = cost(nsize);
    struct gw_heap_block *b;

    if (nsize == 0)
        return give_back(vm, ptr, osize);
    if (nsize > PTRDIFF_MAX - 64 || (now > old && now - old > gw_heap_room(vm)))
        return NULL;
    b = realloc(ptr ? block_of(ptr) : NULL, HEAD + nsize);
    if (!b)
        return NULL;
    link_block(vm, b, !ptr);
    vm->memory = vm->memory - old + now;
    if (vm->memory > vm->peak)
        vm->peak = vm->memory;
    if (nsize > old)
        vm->unpaid += nsize / PER_INSTRUCTION;
    if (nsize > vm->biggest) {
        vm->biggest = nsize;
        gw_guard_grown(vm);
    }
    return b + 1;
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
