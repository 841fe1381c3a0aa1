#ifndef GW_HOOK_GUARD_H
#define GW_HOOK_GUARD_H

#include "hook/vm.h"

/* guard.c: budgets. Open puts the guarded functions into the table on top. */
void gw_guard_open(lua_State *L);
void gw_guard_arm(lua_State *L); /* never raises */
/* The same if blocks have grown since: a coroutine may have been armed long ago. */
void gw_guard_rearm(lua_State *L);
void gw_guard_spend(lua_State *L, uint64_t n);
/* The same for small things: they are summed up, and the clock is looked at once a quantum. */
void gw_guard_charge(lua_State *L, uint64_t n);
/* After anything that catches: out of memory becomes a stop, and a stop goes on to the host. */
void gw_guard_check(lua_State *L, int status);
void gw_guard_stop(struct gw_hook_run *r, lua_State *L, enum gw_hook_stop why);
/* Before bytes of the record's arena are taken: they count as memory, too. */
void gw_guard_take(lua_State *L, size_t bytes);
/* What is left of it for the record's arena. */
size_t gw_guard_left(lua_State *L);
/* There is none left: stops. */
void gw_guard_full(lua_State *L);
/* Memory that this state holds for as long as it lives counts, too. */
void gw_guard_hold(lua_State *L, size_t bytes);
/* A buffer reached the limit of memory: stops. Does nothing else. */
void gw_guard_buf(lua_State *L, const struct gw_buf *b);
/* An empty arena for one function of the API, and a buffer in it. */
struct gw_arena *gw_scratch(lua_State *L);
void gw_scratch_buf(lua_State *L, struct gw_buf *b);
void gw_guard_grown(struct gw_hook_vm *vm); /* the allocator met its largest block yet */
enum { GW_QUANTUM = 1000 };

/* guard_co.c, guard_lib.c, guard_table.c, patterns.c: the library functions that are ours. Library
 * or globals on top. */
void gw_guard_coroutines(lua_State *L);
void gw_guard_base(lua_State *L);
void gw_guard_unpack(lua_State *L);
void gw_guard_tables(lua_State *L);
void gw_guard_rep(lua_State *L);
void gw_patterns_open(lua_State *L);
/* load with the globals on top: pushes the function. */
void gw_guard_push_load(lua_State *L);

/* freeze.c: replaces the table on top by a read-only view of it. */
void gw_freeze(lua_State *L, const char *what);
/* The table behind a view, in its place on the stack; other values stay. */
void gw_thaw(lua_State *L, int idx);
int gw_is_frozen(lua_State *L, int idx);
/* Lua's next, looking through views, so that next(t) == nil says that one is empty. */
int gw_frozen_next(lua_State *L);

#endif
