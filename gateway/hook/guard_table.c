/* table.insert, remove, move, concat and sort, and string.rep, that pay as they go: each step is
 * charged, so the clock is looked at in the middle of them, too. Results and errors are those of
 * Lua 5.4. */
#include "hook/guard.h"
#include "hook/vm.h"

#include <string.h>

enum { READ = 1, WRITE = 2, LENGTH = 4 };

static void need(lua_State *L, int idx, const char *metamethod, int needed)
{
    if (!needed)
        return;
    lua_pushstring(L, metamethod);
    if (lua_rawget(L, -2) == LUA_TNIL)
        luaL_checktype(L, idx, LUA_TTABLE);
    lua_pop(L, 1);
}

/* A table, or a value whose metatable makes it work as one. */
static void check_table(lua_State *L, int idx, int what)
{
    if (lua_istable(L, idx))
        return;
    if (!lua_getmetatable(L, idx))
        luaL_checktype(L, idx, LUA_TTABLE);
    need(L, idx, "__index", what & READ);
    need(L, idx, "__newindex", what & WRITE);
    need(L, idx, "__len", what & LENGTH);
    lua_pop(L, 1);
}

static lua_Integer length(lua_State *L, int what)
{
    check_table(L, 1, what | LENGTH);
    return luaL_len(L, 1);
}

/* t2[to] = t1[from] */
static void copy_item(lua_State *L, int t1, lua_Integer from, int t2, lua_Integer to)
{
    gw_guard_charge(L, 1);
    lua_geti(L, t1, from);
    lua_seti(L, t2, to);
}

static int table_insert(lua_State *L)
{
    lua_Integer end = (lua_Integer)((lua_Unsigned)length(L, READ | WRITE) + 1), pos = end;
    int n = lua_gettop(L);

    if (n != 2 && n != 3)
        return luaL_error(L, "wrong number of arguments to 'insert'");
    if (n == 3) {
        pos = luaL_checkinteger(L, 2);
        luaL_argcheck(L, (lua_Unsigned)pos - 1U < (lua_Unsigned)end, 2, "position out of bounds");
        for (lua_Integer i = end; i > pos; i--)
            copy_item(L, 1, i - 1, 1, i);
    }
    lua_settop(L, n);
    lua_seti(L, 1, pos);
    return 0;
}

static int table_remove(lua_State *L)
{
    lua_Integer size = length(L, READ | WRITE), pos = luaL_optinteger(L, 2, size);

    if (pos != size)
        luaL_argcheck(L, (lua_Unsigned)pos - 1U <= (lua_Unsigned)size, 2, "position out of bounds");
    lua_geti(L, 1, pos);
    for (; pos < size; pos++)
        copy_item(L, 1, pos + 1, 1, pos);
    lua_pushnil(L);
    lua_seti(L, 1, pos);
    return 1;
}

static int table_move(lua_State *L)
{
    lua_Integer from = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3), n;
    lua_Integer to = luaL_checkinteger(L, 4);
    int dst = lua_isnoneornil(L, 5) ? 1 : 5;

    check_table(L, 1, READ);
    check_table(L, dst, WRITE);
    if (last >= from) {
        luaL_argcheck(L, from > 0 || last < LUA_MAXINTEGER + from, 3, "too many elements to move");
        n = last - from + 1;
        luaL_argcheck(L, to <= LUA_MAXINTEGER - n + 1, 4, "destination wrap around");
        if (to > last || to <= from || (dst != 1 && !lua_compare(L, 1, dst, LUA_OPEQ)))
            for (lua_Integer i = 0; i < n; i++)
                copy_item(L, 1, from + i, dst, to + i);
        else
            for (lua_Integer i = n - 1; i >= 0; i--)
                copy_item(L, 1, from + i, dst, to + i);
    }
    lua_pushvalue(L, dst);
    return 1;
}

/* Numbers cost more than their length says. */
static void add_item(lua_State *L, luaL_Buffer *b, lua_Integer i)
{
    size_t len;

    lua_geti(L, 1, i);
    if (!lua_isstring(L, -1))
        luaL_error(L, "invalid value (%s) at index %I in table for 'concat'", luaL_typename(L, -1),
                   (LUAI_UACINT)i);
    len = lua_type(L, -1) == LUA_TSTRING ? lua_rawlen(L, -1) / 64 : 10;
    luaL_addvalue(b);
    gw_guard_charge(L, 1 + len);
}

static int table_concat(lua_State *L)
{
    lua_Integer last = length(L, READ), i;
    size_t sep_len;
    const char *sep = luaL_optlstring(L, 2, "", &sep_len);
    luaL_Buffer b;

    i = luaL_optinteger(L, 3, 1);
    last = luaL_optinteger(L, 4, last);
    luaL_buffinit(L, &b);
    for (; i < last; i++) {
        add_item(L, &b, i);
        luaL_addlstring(&b, sep, sep_len);
        gw_guard_charge(L, sep_len / 64);
    }
    if (i == last)
        add_item(L, &b, i);
    luaL_pushresult(&b);
    return 1;
}

/* ---- sort ------------------------------------------------------------------------------ */

static size_t text_length(lua_State *L, int idx)
{
    return lua_type(L, idx) == LUA_TSTRING ? lua_rawlen(L, idx) : 0;
}

/* The order of two values, by < or by a function in C (upvalue): these run no count hook. */
static int paid_order(lua_State *L)
{
    size_t a = text_length(L, 1), b = text_length(L, 2);

    gw_guard_charge(L, 1 + (a < b ? a : b) / 64);
    lua_settop(L, 2);
    if (lua_isnil(L, lua_upvalueindex(1))) {
        lua_pushboolean(L, lua_compare(L, 1, 2, LUA_OPLT));
        return 1;
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 2, 1);
    return 1;
}

/* Upvalue: Lua's own. */
static int table_sort(lua_State *L)
{
    enum { PER_ITEM = 4 };
    lua_Integer n = length(L, READ | WRITE);

    if (n > 1) {
        luaL_argcheck(L, n < INT32_MAX, 1, "array too big");
        gw_guard_spend(L, (uint64_t)n * PER_ITEM);
        if (!lua_isnoneornil(L, 2))
            luaL_checktype(L, 2, LUA_TFUNCTION);
        lua_settop(L, 2);
        if (lua_isnil(L, 2) || lua_iscfunction(L, 2))
            lua_pushcclosure(L, paid_order, 1);
    }
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* ---- rep ------------------------------------------------------------------------------- */

/* The first `unit` bytes of p over and over, until there are `total`. */
static void repeat(char *p, size_t unit, size_t total)
{
    for (size_t have = unit; have < total; have *= 2)
        memcpy(p + have, p, have < total - have ? have : total - have);
}

static int string_rep(lua_State *L)
{
    size_t len, sep_len, unit, total;
    const char *s = luaL_checklstring(L, 1, &len), *sep;
    lua_Integer n = luaL_checkinteger(L, 2);
    luaL_Buffer b;
    char *p;

    sep = luaL_optlstring(L, 3, "", &sep_len);
    if (n > 0)
        gw_guard_spend(L, (uint64_t)n);
    unit = len + sep_len;
    if (n <= 0 || unit == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    if (unit > (size_t)LUA_MAXINTEGER / (size_t)n)
        return luaL_error(L, "resulting string too large");
    total = unit * (size_t)n - sep_len;
    p = luaL_buffinitsize(L, &b, total);
    memcpy(p, s, len);
    if (n > 1) {
        memcpy(p + len, sep, sep_len);
        repeat(p, unit, total);
    }
    luaL_pushresultsize(&b, total);
    return 1;
}

/* The library's table on top. */
void gw_guard_tables(lua_State *L)
{
    static const luaL_Reg fns[] = {{"insert", table_insert},
                                   {"remove", table_remove},
                                   {"move", table_move},
                                   {"concat", table_concat},
                                   {NULL, NULL}};

    luaL_setfuncs(L, fns, 0);
    lua_getfield(L, -1, "sort");
    lua_pushcclosure(L, table_sort, 1);
    lua_setfield(L, -2, "sort");
}

void gw_guard_rep(lua_State *L)
{
    lua_pushcfunction(L, string_rep);
    lua_setfield(L, -2, "rep");
}
