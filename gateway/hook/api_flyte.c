/* `flyte`: the facts every kind of Flyte event has. Read-only. */
#include "base/text.h"
#include "flyte/flyte.h"
#include "hook/api.h"
#include "hook/explain.h"
#include "hook/vm.h"

#include <stddef.h>
#include <string.h>

static void push_fact(lua_State *L, const struct gw_flyte *f, const struct gw_fact *fact)
{
    const void *at = (const char *)f + fact->offset;
    const struct gw_str *text = at;

    switch (fact->type) {
    case GW_FACT_KIND:
        lua_pushstring(L, gw_kind_names[f->kind]);
        break;
    case GW_FACT_ATTEMPT:
        if (f->attempt < 0)
            lua_pushnil(L);
        else
            lua_pushinteger(L, f->attempt);
        break;
    case GW_FACT_FLAG:
        lua_pushboolean(L, *(const int *)at);
        break;
    case GW_FACT_TEXT:
        if (text->p)
            lua_pushlstring(L, text->p, text->len);
        else
            lua_pushnil(L);
        break;
    }
}

static int no_fact(lua_State *L)
{
    struct gw_nearest near = {0};
    char hint[64], shown[GW_SHOWN];

    if (lua_type(L, 2) == LUA_TSTRING) {
        near.wanted.p = lua_tolstring(L, 2, &near.wanted.len);
        for (int i = 0; i < GW_FACTS; i++)
            gw_nearest_offer(&near, gw_str_of(gw_flyte_fact_table[i].name));
    }
    return luaL_error(L, "flyte has no field %s%s", gw_show(L, 2, shown),
                      near.wanted.p ? gw_nearest_hint(&near, hint, sizeof(hint)) : "");
}

static int flyte_index(lua_State *L)
{
    const struct gw_flyte *f = gw_handle_check(L, 1, GW_H_FLYTE)->p;
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";

    for (int i = 0; i < GW_FACTS; i++)
        if (!strcmp(name, gw_flyte_fact_table[i].name)) {
            push_fact(L, f, &gw_flyte_fact_table[i]);
            return 1;
        }
    return no_fact(L);
}

static int flyte_newindex(lua_State *L)
{
    char shown[GW_SHOWN];

    return luaL_error(L, "flyte is read-only (field %s)", gw_show(L, 2, shown));
}

/* Upvalue: the number of the next fact. Those that a kind has not are left out. */
static int next_fact(lua_State *L)
{
    const struct gw_flyte *f = gw_handle_check(L, 1, GW_H_FLYTE)->p;
    lua_Integer i = lua_tointeger(L, lua_upvalueindex(1));

    for (; i < GW_FACTS; i++) {
        lua_settop(L, 1);
        lua_pushstring(L, gw_flyte_fact_table[i].name);
        push_fact(L, f, &gw_flyte_fact_table[i]);
        if (lua_isnil(L, -1))
            continue;
        lua_pushinteger(L, i + 1);
        lua_replace(L, lua_upvalueindex(1));
        return 2;
    }
    lua_pushnil(L);
    return 1;
}

static int flyte_pairs(lua_State *L)
{
    gw_handle_check(L, 1, GW_H_FLYTE);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_fact, 1);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

static void add_part(luaL_Buffer *b, struct gw_str s)
{
    luaL_addchar(b, ' ');
    luaL_addlstring(b, s.p ? s.p : "", s.len);
}

static int flyte_tostring(lua_State *L)
{
    const struct gw_flyte *f = gw_handle_check(L, 1, GW_H_FLYTE)->p;
    luaL_Buffer b;

    luaL_buffinit(L, &b);
    luaL_addstring(&b, gw_kind_names[f->kind]);
    add_part(&b, f->project);
    add_part(&b, f->domain);
    add_part(&b, f->execution);
    if (f->node.p)
        add_part(&b, f->node);
    add_part(&b, f->phase);
    luaL_pushresult(&b);
    return 1;
}

void gw_api_flyte_open(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__index", flyte_index},
                                    {"__newindex", flyte_newindex},
                                    {"__pairs", flyte_pairs},
                                    {"__tostring", flyte_tostring},
                                    {NULL, NULL}};

    gw_handle_meta(L, GW_H_FLYTE, "flyte", meta);
}
