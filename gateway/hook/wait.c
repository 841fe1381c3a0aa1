/* Hooks that wait. The hook's own thread yields to the host and is resumed when the answer is
 * there; nothing else of the run changes, so it goes on with its own budget, handles and text. */
#include "hook/wait.h"
#include "hook/guard.h"
#include "hook/hooks.h"

#include <assert.h>

/* The time is looked at here, so that a hook that only waits has a deadline. */
static void set_until(struct gw_hook_run *r)
{
    if (!r->deadline_ms)
        r->deadline_ms = gw_hook_now_ms() + r->limits->timeout_ms;
    if (!r->until_ms)
        r->until_ms = r->deadline_ms;
}

int64_t gw_wait_left_ms(lua_State *L)
{
    struct gw_hook_run *r = gw_vm(L)->run;
    int64_t left;

    set_until(r);
    left = r->until_ms - gw_hook_now_ms();
    return left > 0 ? left : 0;
}

int gw_wait_check(lua_State *L, const char *what)
{
    struct gw_hook_run *r = gw_vm(L)->run;

    if (!r->call)
        luaL_error(L, "%s: a script cannot wait while it loads", what);
    if (r->requiring)
        luaL_error(L, "%s: a module cannot wait while it loads", what);
    if (L != r->co)
        luaL_error(L, "%s: a coroutine of the script's own cannot wait, only its hook can", what);
    if (!lua_isyieldable(L))
        luaL_error(L,
                   "%s: a hook cannot wait in a function that the library calls "
                   "(table.sort, string.gsub, load, an xpcall handler)",
                   what);
    /* What it did since its thread was resumed was not counted; and it gets no more than this. */
    gw_guard_spend(L, GW_QUANTUM);
    if (r->wait)
        gw_wait_end(r);
    return gw_hooks_loop(r->hooks) != NULL;
}

/* All have the same timeout, so a new one is nearly always the last. */
static void waits_add(struct gw_waits *ws, struct gw_hook_run *r)
{
    struct gw_hook_run *at = ws->last;

    while (at && at->until_ms > r->until_ms)
        at = at->wait_prev;
    r->wait_prev = at;
    r->wait_next = at ? at->wait_next : ws->first;
    *(at ? &at->wait_next : &ws->first) = r;
    *(r->wait_next ? &r->wait_next->wait_prev : &ws->last) = r;
    r->is_waiting = 1;
    ws->n++;
}

void gw_waits_remove(struct gw_waits *ws, struct gw_hook_run *r)
{
    assert(r->is_waiting);
    *(r->wait_prev ? &r->wait_prev->wait_next : &ws->first) = r->wait_next;
    *(r->wait_next ? &r->wait_next->wait_prev : &ws->last) = r->wait_prev;
    r->is_waiting = 0;
    ws->n--;
}

void gw_wait_end(struct gw_hook_run *r)
{
    struct gw_wait *w = r->wait;

    r->wait = NULL;
    w->end(w);
}

static int went_on(lua_State *L, int status, lua_KContext ctx)
{
    struct gw_hook_run *r = gw_vm(L)->run;
    const int n = r->wait->k(L, status, ctx);

    gw_wait_end(r);
    return n;
}

int gw_wait(lua_State *L, struct gw_wait *w, void (*end)(struct gw_wait *w), lua_KFunction k,
            lua_KContext ctx)
{
    struct gw_hook_vm *vm = gw_vm(L);
    struct gw_hook_run *r = vm->run;

    assert(L == r->co && !r->wait);
    *w = (struct gw_wait){.run = r, .end = end, .k = k, .ctx = ctx};
    gw_watch_disarm(vm); /* from here on a broken state would find it among those that wait */
    r->wait = w;
    r->unpaid = vm->unpaid;
    set_until(r);
    waits_add(gw_hooks_waits(r->hooks), r);
    gw_hooks_set_timer(r->hooks);
    return lua_yieldk(L, 0, ctx, went_on);
}

void gw_wait_over(struct gw_wait *w)
{
    struct gw_hook_run *r = w->run;
    const int64_t grace = gw_hook_now_ms() + GW_GRACE_MS;

    assert(r->wait == w && !r->vm->run);
    gw_waits_remove(gw_hooks_waits(r->hooks), r);
    /* An answer at the last moment is no runaway: what follows may take its time. */
    if (r->deadline_ms < grace)
        r->deadline_ms = grace;
    r->vm->unpaid = r->unpaid;
    gw_hooks_go_on(r);
}
