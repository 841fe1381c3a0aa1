/* What scripts hold of an event, a request, the facts: userdata with the number of the call they
 * belong to. When that call is over they raise, so a kept one is never another event. */
#include "hook/api.h"
#include "hook/explain.h"
#include "hook/vm.h"

#define NOUN(type) [GW_H_##type - GW_H_EVENT]
static const char *const nouns[GW_HANDLES] = {
    NOUN(EVENT) = "an event",
    NOUN(MESSAGE) = "a message",
    NOUN(LIST) = "a list of a message",
    NOUN(MAP) = "a map of a message",
    NOUN(FLYTE) = "flyte",
    NOUN(VIEW) = "a part of event.data",
    NOUN(PROTO) = "a loaded descriptor set",
    NOUN(COUNTER) = "a counter",
    NOUN(CACHE) = "a cache",
    NOUN(LOOKUP) = "a lookup",
    NOUN(ROW) = "a row of a lookup",
};

/* Metatables are looked up for each handle: in the registry they have small numbers, which it
 * finds without hashing. Those before are Lua's own and luaL_ref's. */
static lua_Integer meta_key(enum gw_handle_type type)
{
    return (lua_Integer)type - GW_H_EVENT + LUA_RIDX_LAST + 2;
}

static const char *a_noun(enum gw_handle_type type)
{
    return nouns[type - GW_H_EVENT];
}

void gw_handle_push_meta(lua_State *L, enum gw_handle_type type)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, meta_key(type));
}

struct gw_handle *gw_handle_new(lua_State *L, enum gw_handle_type type, size_t size, int values)
{
    struct gw_handle *h = lua_newuserdatauv(L, size, values);

    h->type = type;
    h->serial = gw_vm(L)->run->serial;
    h->p = NULL;
    h->field = NULL;
    h->depth = 0;
    h->made = 0;
    gw_handle_push_meta(L, type);
    lua_setmetatable(L, -2);
    return h;
}

struct gw_handle *gw_handle_push(lua_State *L, enum gw_handle_type type, void *p)
{
    struct gw_handle *h = gw_handle_new(L, type, sizeof(*h), type == GW_H_EVENT);

    h->p = p;
    return h;
}

struct gw_handle *gw_handle_test(lua_State *L, int idx, enum gw_handle_type type)
{
    struct gw_handle *h = lua_type(L, idx) == LUA_TUSERDATA ? lua_touserdata(L, idx) : NULL;

    if (!h || h->type != type)
        return NULL;
    if (h->serial && h->serial != gw_vm(L)->run->serial)
        luaL_error(L,
                   "%s used after its hook returned: keep the strings and numbers you need of it",
                   a_noun(type));
    return h;
}

const char *gw_handle_noun(lua_State *L, int idx)
{
    const struct gw_handle *h = lua_touserdata(L, idx);

    if (lua_type(L, idx) != LUA_TUSERDATA || lua_rawlen(L, idx) < sizeof(*h))
        return NULL;
    return a_noun(h->type);
}

struct gw_handle *gw_handle_check(lua_State *L, int idx, enum gw_handle_type type)
{
    struct gw_handle *h = gw_handle_test(L, idx, type);

    if (!h)
        gw_arg_error(L, idx, a_noun(type));
    return h;
}

void gw_handle_meta(lua_State *L, enum gw_handle_type type, const char *name, const luaL_Reg *fns)
{
    lua_createtable(L, 0, 8);
    luaL_setfuncs(L, fns, 0);
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_rawseti(L, LUA_REGISTRYINDEX, meta_key(type));
}

void gw_handle_methods(lua_State *L, enum gw_handle_type type, const luaL_Reg *methods)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, meta_key(type));
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

int gw_arg_error(lua_State *L, int idx, const char *wanted)
{
    char shown[GW_SHOWN];

    return luaL_argerror(L, idx,
                         lua_pushfstring(L, "%s expected, got %s", wanted,
                                         lua_isnone(L, idx) ? "nothing" : gw_show(L, idx, shown)));
}

struct gw_str gw_check_str(lua_State *L, int idx)
{
    struct gw_str s;

    if (!lua_isstring(L, idx))
        gw_arg_error(L, idx, "a string");
    s.p = lua_tolstring(L, idx, &s.len);
    return s;
}

lua_Integer gw_check_integer(lua_State *L, int idx)
{
    int ok;
    lua_Integer n = lua_tointegerx(L, idx, &ok);

    if (!ok)
        gw_arg_error(L, idx, "an integer");
    return n;
}

struct gw_arena *gw_mem_check(lua_State *L, const char *what)
{
    struct gw_arena *mem = gw_vm(L)->run->mem;

    if (!mem)
        luaL_error(L, "%s: there is no event while a script loads: call it in the hook", what);
    return mem;
}

struct gw_hook_run *gw_run_check(lua_State *L, const char *what)
{
    struct gw_hook_run *r = gw_vm(L)->run;

    if (!r->call)
        luaL_error(L, "%s: there is no event while a script loads: call it in the hook", what);
    return r;
}
