#include "hook/uses.h"

#include "hook/caches.h"
#include "hook/lookups.h"
#include "hook/shared.h"
#include "hook/sources.h"
#include "hook/table.h"
#include "hook/vm.h"

#include <stdlib.h>

struct gw_uses {
    struct gw_cache *caches[GW_CACHES_MAX];
    struct gw_lookup *lookups[GW_LOOKUPS_MAX];
    size_t n_caches, n_lookups;
};

/* A table that a run goes on with. */
struct gw_pin {
    struct gw_pin *next;
    struct gw_lookup *lookup;
    struct gw_table *table;
};

static void *zeroed(size_t size)
{
    void *p = calloc(1, size);

    if (!p)
        abort();
    return p;
}

static struct gw_uses *uses_of(struct gw_hook_vm *vm)
{
    if (!vm->uses)
        vm->uses = zeroed(sizeof(*vm->uses));
    return vm->uses;
}

struct gw_cache *gw_use_cache(struct gw_hook_vm *vm, struct gw_str name,
                              const struct gw_cache_conf *conf)
{
    struct gw_uses *u = uses_of(vm);
    struct gw_cache *cache = gw_caches_open(gw_hook_shared_caches(vm->shared), name, conf);

    for (size_t i = 0; cache && i < u->n_caches; i++)
        if (u->caches[i] == cache) {
            gw_cache_close(cache); /* once is enough */
            return cache;
        }
    if (cache)
        u->caches[u->n_caches++] = cache;
    return cache;
}

struct gw_lookup *gw_use_lookup(struct gw_hook_vm *vm, const struct gw_lookup_conf *conf,
                                struct gw_err *err)
{
    struct gw_uses *u = uses_of(vm);
    struct gw_lookup *l = gw_lookups_open(gw_hook_shared_lookups(vm->shared), conf, err);

    for (size_t i = 0; l && i < u->n_lookups; i++)
        if (u->lookups[i] == l) {
            gw_lookup_close(l);
            return l;
        }
    if (l) {
        u->lookups[u->n_lookups++] = l;
        gw_sources_more(vm->sources);
    }
    return l;
}

struct gw_table *gw_use_table(struct gw_hook_run *r, struct gw_lookup *l)
{
    struct gw_pin *pin = r->pins;

    while (pin && pin->lookup != l)
        pin = pin->next;
    if (!pin) {
        pin = zeroed(sizeof(*pin));
        *pin = (struct gw_pin){r->pins, l, gw_lookup_table(l)};
        r->pins = pin;
    }
    return pin->table;
}

void gw_uses_end_run(struct gw_hook_run *r)
{
    while (r->pins) {
        struct gw_pin *next = r->pins->next;

        gw_table_drop(r->pins->table);
        free(r->pins);
        r->pins = next;
    }
}

void gw_uses_end(struct gw_hook_vm *vm)
{
    struct gw_uses *u = vm->uses;

    for (size_t i = 0; u && i < u->n_caches; i++)
        gw_cache_close(u->caches[i]);
    for (size_t i = 0; u && i < u->n_lookups; i++)
        gw_lookup_close(u->lookups[i]);
    free(u);
    vm->uses = NULL;
}
