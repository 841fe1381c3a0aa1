#ifndef GW_HOOK_WAIT_H
#define GW_HOOK_WAIT_H

/* Inside the room: functions of the API that wait for an answer. Such a function
 *   1. calls gw_wait_check first: it raises where a hook cannot wait,
 *   2. does all that may raise, then starts what it waits for, which never raises,
 *   3. ends with `return gw_wait(L, &mine->wait, end, k, ctx)`.
 * When the answer is there its owner calls gw_wait_over, on the worker's loop and from no function
 * that Lua called: the hook goes on in k, which pushes the results. `end` is called exactly once:
 * after k, or without k when the run ends otherwise (its time is over, the hooks are closed). By
 * then at the latest the owner gives up what is under way; no gw_wait_over may come after it. */
#include "hook/vm.h"

struct gw_wait {
    struct gw_hook_run *run;
    void (*end)(struct gw_wait *w);
    lua_KFunction k;
    lua_KContext ctx;
};

/* what: as the script calls it ("moongate.http.get"). 0: the host has nothing to wait on, so that
 * nil and a message are the answer. */
int gw_wait_check(lua_State *L, const char *what);
int gw_wait(lua_State *L, struct gw_wait *w, void (*end)(struct gw_wait *w), lua_KFunction k,
            lua_KContext ctx);
void gw_wait_over(struct gw_wait *w);
/* The time this hook may still wait: an answer after it is of no use. */
int64_t gw_wait_left_ms(lua_State *L);

/* For hooks.c and vm.c: the runs of one gw_hooks that wait, the one whose time ends first in
 * front. */
struct gw_waits {
    struct gw_hook_run *first, *last;
    size_t n;
};
void gw_waits_remove(struct gw_waits *ws, struct gw_hook_run *r);
void gw_wait_end(struct gw_hook_run *r); /* calls `end` of r->wait */

#endif
