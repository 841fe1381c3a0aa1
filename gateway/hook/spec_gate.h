#ifndef GW_HOOK_SPEC_GATE_H
#define GW_HOOK_SPEC_GATE_H

#include "hook/vm.h"

struct gw_spec_conf;

/* Shared by spec*.c only. One spec file that is run: who runs it, and what its hooks are made of.
 */
struct gw_spec {
    const struct gw_spec_conf *conf;
    const char *file;
    struct gw_hooks_conf hooks_conf; /* of the spec's own state */
    struct gw_hook_limits limits;
    struct gw_script script, runner; /* the file; moongate/test.lua */
    uint64_t hooks_memory;           /* of all hooks of gate.hook that are open */
    unsigned n_hooks;
    unsigned calls; /* of hooks, so that each has a record of its own */
};

/* Puts open, reopen, call, check into the table on top. Each has the spec as upvalue. */
void gw_spec_gate_open(lua_State *L, struct gw_spec *s);
/* spec_value.c: the Lua value at idx as configuration, on mem; raises. */
struct gw_yaml *gw_spec_yaml(lua_State *L, int idx, struct gw_arena *mem, const char *file);

#endif
