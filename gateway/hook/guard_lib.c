/* Library functions that are ours: what could break the sandbox, and what pays for its length
 * before it runs. */
#include "hook/guard.h"
#include "hook/vm.h"

#include <string.h>

static int guard_setmetatable(lua_State *L)
{
    int type = lua_type(L, 2);

    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
    lua_settop(L, 2);
    if (luaL_getmetafield(L, 1, "__metatable"))
        return luaL_error(L, "cannot change a protected metatable");
    if (type == LUA_TTABLE) {
        lua_pushliteral(L, "__gc");
        luaL_argcheck(L, lua_rawget(L, 2) == LUA_TNIL, 2, "__gc is not available to hooks");
    }
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

static int guard_rawset(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkany(L, 2);
    luaL_checkany(L, 3);
    luaL_argcheck(L, !gw_is_frozen(L, 1), 1, "this table is read-only");
    lua_settop(L, 3);
    lua_rawset(L, 1);
    return 1;
}

static int guard_collectgarbage(lua_State *L)
{
    const char *what = luaL_optstring(L, 1, "collect");

    if (strcmp(what, "count") != 0)
        return luaL_error(L, "collectgarbage: only \"count\" is available to hooks");
    lua_pushnumber(L, (lua_Number)gw_vm(L)->memory / 1024);
    return 1;
}

/* The pieces a reader function gives, as one string in place of it. */
static void read_pieces(lua_State *L)
{
    luaL_Buffer b;

    luaL_buffinit(L, &b);
    for (;;) {
        size_t len;

        lua_pushvalue(L, 1);
        lua_call(L, 0, 1);
        if (lua_isnil(L, -1) || !lua_tolstring(L, -1, &len) || !len) {
            luaL_argcheck(L, lua_isnil(L, -1) || lua_isstring(L, -1), 1,
                          "reader function must return a string");
            lua_pop(L, 1);
            break;
        }
        gw_guard_spend(L, len);
        luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
    lua_replace(L, 1);
}

/* Text only: bytecode can crash the VM. Upvalue: the script's globals. */
static int guard_load(lua_State *L)
{
    size_t len;
    const char *s, *name;
    int has_env = !lua_isnone(L, 4), status;

    lua_settop(L, 4);
    if (lua_isfunction(L, 1))
        read_pieces(L);
    s = luaL_checklstring(L, 1, &len);
    name = luaL_optstring(L, 2, s);
    gw_guard_spend(L, len);
    if (len > GW_QUANTUM)
        gw_watch_arm(gw_vm(L)->run); /* some texts compile in the square of their length */
    status = luaL_loadbufferx(L, s, len, name, "t");
    gw_guard_check(L, status);
    if (status == LUA_OK) {
        lua_pushvalue(L, has_env ? 4 : lua_upvalueindex(1));
        if (!lua_setupvalue(L, -2, 1)) /* a main chunk always has one: its globals */
            lua_pop(L, 1);
        return 1;
    }
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
}

void gw_guard_push_load(lua_State *L)
{
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, guard_load, 1);
}

/* table.unpack pays for its range before it runs: at most a stack full. Upvalue: Lua's own. */
static int guard_unpack(lua_State *L)
{
    lua_Integer from = luaL_optinteger(L, 2, 1);
    lua_Integer to = lua_isnoneornil(L, 3) ? luaL_len(L, 1) : luaL_checkinteger(L, 3);

    if (to > from)
        gw_guard_spend(L, (uint64_t)to - (uint64_t)from);
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

void gw_guard_unpack(lua_State *L)
{
    lua_getfield(L, -1, "unpack");
    lua_pushcclosure(L, guard_unpack, 1);
    lua_setfield(L, -2, "unpack");
}

void gw_guard_base(lua_State *L)
{
    static const luaL_Reg base[] = {{"setmetatable", guard_setmetatable},
                                    {"rawset", guard_rawset},
                                    {"next", gw_frozen_next},
                                    {"collectgarbage", guard_collectgarbage},
                                    {NULL, NULL}};

    luaL_setfuncs(L, base, 0);
}
