/* coroutine.create, resume, wrap, close, yield: none of them lets a stop be caught. */
#include "hook/guard.h"
#include "hook/vm.h"

#include <stddef.h>

enum { MAX_CLOSING = 50, MAX_STACK = 2 << 20 };

static lua_State *check_co(lua_State *L, int idx)
{
    luaL_checktype(L, idx, LUA_TTHREAD);
    return lua_tothread(L, idx);
}

static int co_create(lua_State *L)
{
    lua_State *co;

    luaL_checktype(L, 1, LUA_TFUNCTION);
    gw_guard_spend(L, GW_QUANTUM); /* its count starts at zero: pay for what it can run unseen */
    co = lua_newthread(L);
    gw_guard_arm(co);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    return 1;
}

/* Runs co on the nargs values on top. Leaves n >= 0 results, or -1 and the error. */
static int step(lua_State *L, lua_State *co, int nargs)
{
    struct gw_hook_vm *vm = gw_vm(L);
    int n = 0, status;

    if (!lua_checkstack(co, nargs))
        return luaL_error(L, "too many arguments to resume");
    lua_xmove(L, co, nargs);
    gw_guard_rearm(co);
    vm->running = co;
    status = lua_resume(co, L, nargs, &n);
    vm->running = L;
    gw_guard_rearm(L);
    gw_guard_check(L, status);
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_xmove(co, L, 1);
        return -1;
    }
    luaL_checkstack(L, n + 1, "too many results to resume");
    lua_xmove(co, L, n);
    return n;
}

static int co_resume(lua_State *L)
{
    int n = step(L, check_co(L, 1), lua_gettop(L) - 1);

    lua_pushboolean(L, n >= 0);
    n = n < 0 ? 1 : n;
    lua_insert(L, -(n + 1));
    return n + 1;
}

/* Lua 5.4.4 does not count the C stack here: a chain of __close that close would crash, and each
 * of them may be as deep as Lua lets C be. */
static int is_deep(const struct gw_hook_run *r)
{
    ptrdiff_t used = r->c_stack - (const char *)__builtin_frame_address(0);

    return r->closing == MAX_CLOSING || used > MAX_STACK || -used > MAX_STACK;
}

static int close_co(lua_State *L, lua_State *co)
{
    struct gw_hook_vm *vm = gw_vm(L);
    struct gw_hook_run *r = vm->run;
    int status;

    if (is_deep(r))
        return luaL_error(L, "too many coroutines closing each other");
    r->closing++;
    gw_guard_rearm(co);
    vm->running = co;
    status = lua_resetthread(co);
    vm->running = L;
    gw_guard_rearm(L);
    r->closing--;
    gw_guard_check(L, status);
    return status;
}

static int co_close(lua_State *L)
{
    lua_State *co = check_co(L, 1);
    lua_Debug ar;

    if (co == L || (lua_status(co) == LUA_OK && lua_getstack(co, 0, &ar)))
        return luaL_error(L, "cannot close a running coroutine");
    if (close_co(L, co) == LUA_OK) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushboolean(L, 0);
    lua_xmove(co, L, 1);
    return 2;
}

static int wrapped(lua_State *L)
{
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    int n = step(L, co, lua_gettop(L));

    if (n >= 0)
        return n;
    if (lua_status(co) > LUA_YIELD) { /* it died now: run what it left to close */
        close_co(L, co);
        lua_settop(co, 0);
    }
    return lua_error(L);
}

static int co_wrap(lua_State *L)
{
    co_create(L);
    lua_pushcclosure(L, wrapped, 1);
    return 1;
}

static int co_yield (lua_State *L)
{
    if (L == gw_vm(L)->run->co)
        return luaL_error(L, "attempt to yield from outside a coroutine");
    return lua_yield(L, lua_gettop(L));
}

void gw_guard_coroutines(lua_State *L)
{
    static const luaL_Reg co[] = {{"create", co_create}, {"resume", co_resume}, {"close", co_close},
                                  {"wrap", co_wrap},     {"yield", co_yield },  {NULL, NULL}};

    luaL_setfuncs(L, co, 0);
}
