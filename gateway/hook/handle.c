/* What scripts hold of an event, a request, the facts: userdata with the number of the call they
 * belong to. When that call is over they raise, so a kept one is never another event. */
#include "hook/api.h"
#include "hook/vm.h"

static const char *const nouns[GW_HANDLES] = {"event", "request", "list", "map", "flyte"};
static const char meta_keys[GW_HANDLES];

static const char *noun(enum gw_handle_type type)
{
    return nouns[type - GW_H_EVENT];
}

struct gw_handle *gw_handle_push(lua_State *L, enum gw_handle_type type, void *p)
{
    struct gw_handle *h = lua_newuserdatauv(L, sizeof(*h), 0);

    h->type = type;
    h->serial = gw_vm(L)->run->serial;
    h->p = p;
    h->field = NULL;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &meta_keys[type - GW_H_EVENT]);
    lua_setmetatable(L, -2);
    return h;
}

struct gw_handle *gw_handle_test(lua_State *L, int idx, enum gw_handle_type type)
{
    struct gw_handle *h = lua_type(L, idx) == LUA_TUSERDATA ? lua_touserdata(L, idx) : NULL;

    if (!h || h->type != type)
        return NULL;
    if (h->serial != gw_vm(L)->run->serial)
        luaL_error(L, "%s used after its hook returned", noun(type));
    return h;
}

struct gw_handle *gw_handle_check(lua_State *L, int idx, enum gw_handle_type type)
{
    struct gw_handle *h = gw_handle_test(L, idx, type);

    if (!h)
        luaL_typeerror(L, idx, noun(type));
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
    lua_rawsetp(L, LUA_REGISTRYINDEX, &meta_keys[type - GW_H_EVENT]);
}

struct gw_hook_run *gw_run_check(lua_State *L, const char *what)
{
    struct gw_hook_run *r = gw_vm(L)->run;

    if (!r->call)
        luaL_error(L, "%s: there is no event while a script loads", what);
    return r;
}
