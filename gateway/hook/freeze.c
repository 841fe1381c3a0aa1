/* Read-only views: an empty table whose metatable reads through to the real one, which no script
 * can reach. pairs, ipairs, # and next work on them as on tables. */
#include "hook/explain.h"
#include "hook/guard.h"
#include "hook/vm.h"

static const char frozen_key; /* in the metatable: the table behind */

int gw_is_frozen(lua_State *L, int idx)
{
    int frozen;

    if (lua_type(L, idx) != LUA_TTABLE || !lua_getmetatable(L, idx))
        return 0;
    frozen = lua_rawgetp(L, -1, &frozen_key) == LUA_TTABLE;
    lua_pop(L, 2);
    return frozen;
}

void gw_thaw(lua_State *L, int idx)
{
    idx = lua_absindex(L, idx);
    if (lua_type(L, idx) != LUA_TTABLE || !lua_getmetatable(L, idx))
        return;
    if (lua_rawgetp(L, -1, &frozen_key) == LUA_TTABLE)
        lua_copy(L, -1, idx);
    lua_pop(L, 2);
}

static int refuse_write(lua_State *L)
{
    char shown[GW_SHOWN];

    return luaL_error(L, "%s is read-only (key %s)", lua_tostring(L, lua_upvalueindex(1)),
                      gw_show(L, 2, shown));
}

static int frozen_len(lua_State *L)
{
    gw_thaw(L, 1);
    lua_pushinteger(L, (lua_Integer)lua_rawlen(L, 1));
    return 1;
}

int gw_frozen_next(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    gw_thaw(L, 1);
    if (lua_next(L, 1))
        return 2;
    lua_pushnil(L);
    return 1;
}

static int frozen_pairs(lua_State *L)
{
    lua_pushcfunction(L, gw_frozen_next);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

void gw_freeze(lua_State *L, const char *what)
{
    static const luaL_Reg meta[] = {{"__len", frozen_len}, {"__pairs", frozen_pairs}, {NULL, NULL}};

    lua_newtable(L); /* the view, empty: reads go through to the table */
    lua_createtable(L, 0, 6);
    luaL_setfuncs(L, meta, 0);
    lua_rotate(L, -3, -1);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, -3, &frozen_key);
    lua_setfield(L, -2, "__index");
    lua_pushstring(L, what);
    lua_pushcclosure(L, refuse_write, 1);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
}
