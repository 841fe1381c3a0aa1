/* match, rename, set and remove of a pipeline: their YAML as plain tables for moongate.rules, which
 * makes a hook of them. The configuration has checked names and values by then. */
#include "hook/rules.h"

#include "base/yaml.h"
#include "flyte/flyte.h"
#include "hook/api.h"
#include "hook/vm.h"

static void push_scalar(lua_State *L, const struct gw_yaml *y)
{
    long long i;
    double d;
    int b;

    if (gw_yaml_is_null(y))
        lua_pushnil(L);
    else if (!gw_yaml_bool(y, &b))
        lua_pushboolean(L, b);
    else if (!gw_yaml_int(y, &i))
        lua_pushinteger(L, i);
    else if (!gw_yaml_double(y, &d))
        lua_pushnumber(L, d);
    else
        lua_pushlstring(L, y->text.p, y->text.len);
}

static void push_text(lua_State *L, const struct gw_yaml *y)
{
    lua_pushlstring(L, y->text.p, y->text.len);
}

void gw_api_yaml_push(lua_State *L, const struct gw_yaml *y)
{
    luaL_checkstack(L, 4, "configuration nested too deep");
    if (y->type == GW_YAML_SCALAR) {
        push_scalar(L, y);
        return;
    }
    lua_newtable(L);
    for (size_t i = 0; i < y->n; i++) {
        if (y->type == GW_YAML_MAP)
            push_text(L, &y->keys[i]);
        else
            lua_pushinteger(L, (lua_Integer)i + 1);
        gw_api_yaml_push(L, &y->values[i]);
        lua_rawset(L, -3);
    }
}

static int is_fact(struct gw_str name)
{
    for (int i = 0; i < GW_FACTS; i++)
        if (gw_str_is(name, gw_flyte_fact_table[i].name))
            return 1;
    return 0;
}

/* A condition of match belongs to the role. */
static int is_wanted(const struct gw_yaml *match, size_t i, enum gw_role role)
{
    return role == GW_ROLE_RULES || is_fact(match->keys[i].text) == (role == GW_ROLE_MATCH);
}

/* {{name, value}, …} in the order of the file. A value is pushed by push. */
static void push_pairs(lua_State *L, const char *name, const struct gw_yaml *map, enum gw_role role,
                       void (*push)(lua_State *L, const struct gw_yaml *y))
{
    lua_Integer n = 0;

    if (!map || map->type != GW_YAML_MAP)
        return;
    lua_newtable(L);
    for (size_t i = 0; i < map->n; i++) {
        if (!is_wanted(map, i, role))
            continue;
        lua_createtable(L, 2, 0);
        push_text(L, &map->keys[i]);
        lua_rawseti(L, -2, 1);
        push(L, &map->values[i]);
        lua_rawseti(L, -2, 2);
        lua_rawseti(L, -2, ++n);
    }
    lua_setfield(L, -2, name);
}

/* A list of texts; one scalar is a list of one. */
static void push_texts(lua_State *L, const struct gw_yaml *y)
{
    lua_newtable(L);
    if (y->type == GW_YAML_SCALAR) {
        push_text(L, y);
        lua_rawseti(L, -2, 1);
    }
    for (size_t i = 0; y->type == GW_YAML_SEQ && i < y->n; i++) {
        push_text(L, &y->values[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static int matches(const struct gw_hooks_conf *conf, enum gw_role role)
{
    if (!conf->match || role == GW_ROLE_RULES || conf->match->type != GW_YAML_MAP)
        return conf->match && role != GW_ROLE_MATCH;
    for (size_t i = 0; i < conf->match->n; i++)
        if (is_wanted(conf->match, i, role))
            return 1;
    return 0;
}

int gw_rules_has(const struct gw_hooks_conf *conf, enum gw_role role)
{
    return matches(conf, role) ||
           (role != GW_ROLE_MATCH && (conf->rename || conf->set || conf->remove));
}

void gw_rules_push(lua_State *L, const struct gw_hooks_conf *conf, enum gw_role role, int env)
{
    const char *path;

    env = lua_absindex(L, env);
    path = lua_pushfstring(L, "%s/moongate/rules.lua", conf->lua_path ? conf->lua_path : ".");
    gw_globals_load(L, path, "moongate/rules.lua", env);
    lua_remove(L, -2);
    lua_call(L, 0, 1);
    luaL_checktype(L, -1, LUA_TFUNCTION);
    lua_newtable(L);
    push_pairs(L, "match", conf->match, role, push_texts);
    if (role == GW_ROLE_MATCH)
        return;
    push_pairs(L, "rename", conf->rename, GW_ROLE_RULES, push_text);
    push_pairs(L, "set", conf->set, GW_ROLE_RULES, push_scalar);
    if (conf->remove) {
        push_texts(L, conf->remove);
        lua_setfield(L, -2, "remove");
    }
}
