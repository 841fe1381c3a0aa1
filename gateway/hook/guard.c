/* Keeps a call inside its budgets. A stop is kept in the run, out of the script's reach; every
 * function that could swallow one is replaced by ours, which leaves again once the run is stopped.
 * Lua runs no count hook while it handles an error raised in one, so nothing of the script's may
 * run there: no message handler, no __gc, no __close of a stopped coroutine. */
#include "hook/guard.h"
#include "base/arena.h"
#include "base/buf.h"
#include "hook/explain.h"
#include "hook/vm.h"

#include <stdio.h>
#include <stdlib.h>

static void count(lua_State *L, lua_Debug *ar);

/* Leaves for the host. A yield passes every pcall at once; raising through n of them costs n * n
 * (20 s within a million instructions), so that is only for where Lua cannot yield: there the C
 * stack bounds n. Neither allocates. */
static int leave(lua_State *L)
{
    lua_sethook(L, count, LUA_MASKCOUNT, 1);
    if (lua_isyieldable(L))
        return lua_yield(L, 0);
    lua_pushlightuserdata(L, NULL);
    return lua_error(L);
}

static int is_over(const struct gw_hook_vm *vm)
{
    return vm->conf->over && atomic_load_explicit(vm->conf->over, memory_order_relaxed);
}

void gw_guard_stop(struct gw_hook_run *r, lua_State *L, enum gw_hook_stop why)
{
    char what[96];

    if (why == GW_STOP_TIMEOUT && is_over(r->vm)) {
        r->stop = why;
        gw_explain(r, L, "ended from outside");
        return;
    }
    switch (why) {
    case GW_STOP_BUDGET:
        snprintf(what, sizeof(what), "more than %lld instructions",
                 (long long)r->limits->instructions);
        break;
    case GW_STOP_MEMORY:
        snprintf(what, sizeof(what), "not enough memory within %lld bytes",
                 (long long)r->limits->memory);
        break;
    default:
        snprintf(what, sizeof(what), "took more than %lld ms", (long long)r->limits->timeout_ms);
        break;
    }
    r->stop = why;
    gw_explain(r, L, what);
}

/* The time starts with the first look at the clock, so that a short call needs none. */
static int is_late(struct gw_hook_run *r, lua_State *L)
{
    enum { LONG = 10 * GW_QUANTUM, LARGE = 1 << 20 };
    int64_t now = gw_hook_now_ms();

    if (!r->deadline_ms)
        r->deadline_ms = now + r->limits->timeout_ms;
    if (r->limits->instructions - r->left >= LONG || r->vm->biggest > LARGE)
        gw_watch_arm(r);
    gw_watch_seen(r, L, now);
    return now > r->deadline_ms || is_over(r->vm);
}

/* From a count hook it may return: Lua then yields. From a function it never does. */
void gw_guard_spend(lua_State *L, uint64_t n)
{
    struct gw_hook_run *r = gw_vm(L)->run;

    if (!r->stop && n > (uint64_t)r->left)
        gw_guard_stop(r, L, GW_STOP_BUDGET);
    else if (!r->stop && is_late(r, L))
        gw_guard_stop(r, L, GW_STOP_TIMEOUT);
    if (r->stop)
        leave(L);
    else
        r->left -= (int64_t)n;
}

void gw_guard_charge(lua_State *L, uint64_t n)
{
    struct gw_hook_vm *vm = gw_vm(L);

    vm->unpaid += n;
    if (vm->unpaid < GW_QUANTUM && !vm->run->stop)
        return;
    n = vm->unpaid;
    vm->unpaid = 0;
    gw_guard_spend(L, n);
}

static void count(lua_State *L, lua_Debug *ar)
{
    struct gw_hook_vm *vm = gw_vm(L);
    uint64_t n = vm->unpaid + (uint64_t)lua_gethookcount(L);

    (void)ar;
    vm->unpaid = 0;
    gw_guard_spend(L, n);
}

/* A C function takes time with the length of what it works on: where there are large blocks the
 * clock is looked at more often. */
static int quantum(const struct gw_hook_vm *vm)
{
    enum { SMALL = 64 << 10, LEAST = 4 };
    size_t n;

    if (vm->conf->exact)
        return 1;
    if (vm->biggest <= SMALL)
        return GW_QUANTUM;
    n = (size_t)GW_QUANTUM * SMALL / vm->biggest;
    return n < LEAST ? LEAST : (int)n;
}

void gw_guard_arm(lua_State *L)
{
    lua_sethook(L, count, LUA_MASKCOUNT, quantum(gw_vm(L)));
}

/* Setting the hook begins its count anew, so it is set only when the quantum is half or less: what
 * grows byte by byte would never be looked at. */
void gw_guard_rearm(lua_State *L)
{
    if (lua_gethookcount(L) >= 2 * quantum(gw_vm(L)))
        gw_guard_arm(L);
}

void gw_guard_grown(struct gw_hook_vm *vm)
{
    if (vm->running && vm->run && !vm->run->stop)
        gw_guard_rearm(vm->running);
}

static _Noreturn void out_of_memory(lua_State *L)
{
    gw_guard_stop(gw_vm(L)->run, L, GW_STOP_MEMORY);
    leave(L);
    abort();
}

void gw_guard_take(lua_State *L, size_t bytes)
{
    gw_guard_charge(L, 10 + bytes / 16);
    if (!gw_heap_has_room(gw_vm(L), bytes))
        out_of_memory(L);
}

size_t gw_guard_left(lua_State *L)
{
    return gw_heap_room(gw_vm(L));
}

void gw_guard_full(lua_State *L)
{
    out_of_memory(L);
}

void gw_guard_hold(lua_State *L, size_t bytes)
{
    struct gw_hook_vm *vm = gw_vm(L);

    if (!gw_heap_has_room(vm, bytes))
        out_of_memory(L);
    vm->memory += bytes;
}

void gw_guard_buf(lua_State *L, const struct gw_buf *b)
{
    if (b->failed)
        out_of_memory(L);
}

struct gw_arena *gw_scratch(lua_State *L)
{
    gw_arena_reset(gw_vm(L)->scratch);
    return gw_vm(L)->scratch;
}

void gw_scratch_buf(lua_State *L, struct gw_buf *b)
{
    struct gw_arena *mem = gw_scratch(L);

    gw_buf_init(b, gw_heap_room(gw_vm(L)) / 2, mem); /* growing leaves the smaller ones behind */
}

void gw_guard_check(lua_State *L, int status)
{
    struct gw_hook_run *r = gw_vm(L)->run;

    if (!r->stop && status == LUA_ERRMEM)
        gw_guard_stop(r, L, GW_STOP_MEMORY);
    if (r->stop)
        leave(L);
}

/* Ends pcall and xpcall. Below the results lies `true`, and below that `under` values. */
static int caught(lua_State *L, int status, lua_KContext under)
{
    if (status == LUA_OK || status == LUA_YIELD)
        return lua_gettop(L) - (int)under;
    gw_guard_check(L, status);
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
}

static int guard_pcall(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_pushboolean(L, 1);
    lua_insert(L, 1);
    return caught(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, caught), 0);
}

static int handler(lua_State *L)
{
    if (gw_vm(L)->run->stop)
        return 1;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

static int guard_xpcall(lua_State *L)
{
    int nargs = lua_gettop(L) - 2;

    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_pushvalue(L, 1); /* f h ... becomes handler true f ... */
    lua_insert(L, 3);
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, handler, 1);
    lua_replace(L, 1);
    lua_pushboolean(L, 1);
    lua_replace(L, 2);
    return caught(L, lua_pcallk(L, nargs, LUA_MULTRET, 1, 1, caught), 1);
}

void gw_guard_open(lua_State *L)
{
    static const luaL_Reg base[] = {{"pcall", guard_pcall}, {"xpcall", guard_xpcall}, {NULL, NULL}};

    luaL_setfuncs(L, base, 0);
    gw_guard_base(L);
    lua_getfield(L, -1, "coroutine");
    gw_guard_coroutines(L);
    lua_pop(L, 1);
    lua_getfield(L, -1, "table");
    gw_guard_unpack(L);
    gw_guard_tables(L);
    lua_pop(L, 1);
    lua_getfield(L, -1, "string");
    gw_guard_rep(L);
    gw_patterns_open(L);
    lua_pop(L, 1);
}
