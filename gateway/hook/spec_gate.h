#ifndef GW_HOOK_SPEC_GATE_H
#define GW_HOOK_SPEC_GATE_H

#include "base/diag.h"
#include "event/event.h"
#include "flyte/flyte.h"
#include "hook/vm.h"

struct gw_spec_conf;
struct gw_spec_owned;

/* Shared by spec*.c only. One spec file that is run: who runs it, and what its hooks are made of.
 */
struct gw_spec {
    const struct gw_spec_conf *conf;
    const char *file;
    struct gw_hooks_conf hooks_conf; /* of the spec's own state */
    struct gw_hook_limits limits;
    struct gw_script script, runner; /* the file; moongate/test.lua */
    struct gw_spec_owned *owned;
    uint64_t hooks_memory; /* of all hooks of gate.hook that are open */
    unsigned n_hooks;
    unsigned calls; /* of hooks, so that each has a record of its own */
};

/* What a spec holds that must be given back even if its Lua state breaks: the userdata points to
 * it, the spec lists it. */
struct gw_spec_owned {
    struct gw_spec *spec;
    struct gw_spec_owned *next, **at;
    void (*free)(struct gw_spec_owned *o); /* of what it holds and of itself */
};

struct gw_spec_line {
    struct gw_spec_line *next;
    enum gw_level level;
    struct gw_kv *kv; /* ends with GW_KV_END */
};

/* One call of a hook. */
struct gw_spec_call {
    struct gw_spec_owned owned;
    struct gw_arena *mem;
    struct gw_hook_call c;
    struct gw_event event;
    struct gw_flyte_request request;
    struct gw_flyte facts;
    struct gw_spec_line *lines, **last;
    unsigned n_lines;
    int done;
};

/* What h->outside asks. */
struct gw_spec_outside {
    lua_State *L;         /* of the spec while it calls a hook */
    struct gw_arena *mem; /* of that call */
};

/* A hook of gate.hook. */
struct gw_spec_hook {
    struct gw_spec_owned owned;
    struct gw_arena *mem; /* of what it is made of */
    struct gw_hooks_conf conf;
    struct gw_style_conf style;
    struct gw_strs scripts;
    struct gw_hook_shared *shared;
    struct gw_hooks *hooks; /* NULL: closed */
    struct gw_hook_lines lines;
    struct gw_hook_outside outside;
    struct gw_spec_outside world;
    struct gw_spec_call *call; /* under way */
    size_t memory;             /* as counted in spec->hooks_memory */
};

/* Puts open, reopen, call, check into the table on top. Each has the spec as upvalue. */
void gw_spec_gate_open(lua_State *L, struct gw_spec *s);
/* What is left when the Lua state is gone. */
void gw_spec_gate_close(struct gw_spec *s);
/* spec_result.c: takes a line of moongate.log; ctx: the hook. Pushes how a call ended, a table. */
void gw_spec_line(void *ctx, enum gw_level level, const struct gw_kv *kv);
void gw_spec_push_result(lua_State *L, const struct gw_spec_hook *h, const struct gw_spec_call *k);
/* spec_http.c: the function on top is asked for what moongate.http of hooks gets; pops it. */
void gw_spec_answer_with(lua_State *L);
/* ctx: a gw_spec_outside. Never raises. */
int gw_spec_http(void *ctx, const struct gw_hook_request *rq, struct gw_hook_answer *a);
/* spec_value.c: the Lua value at idx as configuration, on mem; raises. */
struct gw_yaml *gw_spec_yaml(lua_State *L, int idx, struct gw_arena *mem, const char *file);

#endif
