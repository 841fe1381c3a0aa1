/* Library functions that are ours: what could break the sandbox, and C loops that pay for their
 * length before they run. */
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

/* From an argument (or `first`) to an argument (or the length of argument 1), times `factor`. */
static const struct paid {
    const char *lib, *name;
    int min_args, from;
    lua_Integer first;
    int to, factor;
} paid[] = {
    {"string", "rep", 2, 0, 0, 2, 1},   {"table", "move", 3, 2, 0, 3, 1},
    {"table", "insert", 3, 2, 0, 0, 1}, {"table", "remove", 2, 2, 0, 0, 1},
    {"table", "concat", 1, 3, 1, 4, 1}, {"table", "unpack", 1, 2, 1, 3, 1},
    {"table", "sort", 1, 0, 1, 0, 20},
};

static lua_Unsigned cost(lua_State *L, const struct paid *f)
{
    lua_Integer from, to;

    if (lua_gettop(L) < f->min_args)
        return 0;
    from = f->from ? luaL_optinteger(L, f->from, f->first) : f->first;
    to = f->to && !lua_isnoneornil(L, f->to) ? luaL_checkinteger(L, f->to) : luaL_len(L, 1);
    if (to <= from)
        return 0;
    return ((lua_Unsigned)to - (lua_Unsigned)from) * (lua_Unsigned)f->factor;
}

static int pay_and_call(lua_State *L)
{
    const struct paid *f = lua_touserdata(L, lua_upvalueindex(2));

    gw_guard_spend(L, cost(L, f));
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

void gw_guard_paid(lua_State *L)
{
    for (size_t i = 0; i < sizeof(paid) / sizeof(paid[0]); i++) {
        const struct paid *f = &paid[i];

        lua_getfield(L, -1, f->lib);
        lua_getfield(L, -1, f->name);
        lua_pushlightuserdata(L, (void *)f);
        lua_pushcclosure(L, pay_and_call, 2);
        lua_setfield(L, -2, f->name);
        lua_pop(L, 1);
    }
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
