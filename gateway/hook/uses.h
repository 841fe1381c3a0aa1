#ifndef GW_HOOK_USES_H
#define GW_HOOK_USES_H

#include "base/str.h"

struct gw_cache;
struct gw_cache_conf;
struct gw_err;
struct gw_hook_run;
struct gw_hook_vm;
struct gw_lookup;
struct gw_lookup_conf;
struct gw_table;

/* What one Lua state uses of what its pipeline shares, so that it can be let go of when the state
 * goes, however it ends. One thread. Never raises. */
struct gw_uses;

/* NULL: there are too many. */
struct gw_cache *gw_use_cache(struct gw_hook_vm *vm, struct gw_str name,
                              const struct gw_cache_conf *conf);
struct gw_lookup *gw_use_lookup(struct gw_hook_vm *vm, const struct gw_lookup_conf *conf,
                                struct gw_err *err);
/* The table as this run sees it, from its first look to its end. */
struct gw_table *gw_use_table(struct gw_hook_run *r, struct gw_lookup *l);
void gw_uses_end_run(struct gw_hook_run *r);
void gw_uses_end(struct gw_hook_vm *vm);

#endif
