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
/* spec_http.c: the function on top is asked for what moongate.http of hooks gets; pops it. */
void gw_spec_answer_with(lua_State *L);
/* What h->outside is: ctx is one of these. Never raises. */
struct gw_spec_outside {
    lua_State *L;         /* of the spec while it calls a hook */
    struct gw_arena *mem; /* of that call */
    char *failed;         /* the function that answers raised: why; NULL: it did not */
};
int gw_spec_http(void *ctx, const struct gw_hook_request *rq, struct gw_hook_answer *a);
/* spec_value.c: the Lua value at idx as configuration, on mem; raises. */
struct gw_yaml *gw_spec_yaml(lua_State *L, int idx, struct gw_arena *mem, const char *file);

#endif
