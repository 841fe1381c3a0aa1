/* A Lua table of a spec as the tree that configuration is read from, so that gate.hook takes the
 * keys of a pipeline with the same checks. */
#include "base/arena.h"
#include "base/yaml.h"
#include "hook/api.h"
#include "hook/explain.h"
#include "hook/guard.h"
#include "hook/spec_gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 60, NODE_COST = 10 };

struct maker {
    struct gw_arena *mem;
    const char *file;
    int line, depth;
};

static void put(lua_State *L, int idx, struct maker *m, struct gw_yaml *y);

static void put_scalar(lua_State *L, int idx, struct maker *m, struct gw_yaml *y)
{
    char shown[GW_SHOWN];

    y->type = GW_YAML_SCALAR;
    switch (lua_type(L, idx)) {
    case LUA_TSTRING:
        y->quoted = 1;
        y->text.p = lua_tolstring(L, idx, &y->text.len);
        y->text = gw_arena_str(m->mem, y->text);
        break;
    case LUA_TNUMBER:
        y->text = lua_isinteger(L, idx)
                      ? gw_arena_printf(m->mem, LUA_INTEGER_FMT, lua_tointeger(L, idx))
                      : gw_arena_printf(m->mem, "%.17g", lua_tonumber(L, idx));
        break;
    case LUA_TBOOLEAN:
        y->text = gw_str_of(lua_toboolean(L, idx) ? "true" : "false");
        break;
    case LUA_TLIGHTUSERDATA: /* json.null */
        y->text = gw_str_of("null");
        break;
    default:
        luaL_error(L, "%s is nothing that configuration can hold", gw_show(L, idx, shown));
    }
}

static int by_text(const void *a, const void *b)
{
    const struct gw_str *x = &((const struct gw_yaml *)a)->text;
    const struct gw_str *y = &((const struct gw_yaml *)b)->text;
    int c = memcmp(x->p, y->p, x->len < y->len ? x->len : y->len);

    return c ? c : x->len < y->len ? -1 : x->len > y->len;
}

static void put_list(lua_State *L, int idx, struct maker *m, struct gw_yaml *y)
{
    y->type = GW_YAML_SEQ;
    y->values = gw_arena_zalloc(m->mem, y->n * sizeof(*y->values));
    for (size_t i = 0; i < y->n; i++) {
        lua_rawgeti(L, idx, (lua_Integer)i + 1);
        put(L, lua_gettop(L), m, &y->values[i]);
        lua_pop(L, 1);
    }
}

/* Members in the order of their names: a table has none. */
static void put_map(lua_State *L, int idx, struct maker *m, struct gw_yaml *y)
{
    size_t n = 0;

    y->type = GW_YAML_MAP;
    for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1))
        n++;
    y->keys = gw_arena_zalloc(m->mem, (n + 1) * sizeof(*y->keys));
    y->values = gw_arena_zalloc(m->mem, (n + 1) * sizeof(*y->values));
    for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
        struct gw_yaml *key = &y->keys[y->n++];

        *key = (struct gw_yaml){.file = m->file, .line = m->line, .column = 1};
        put_scalar(L, lua_gettop(L) - 1, m, key);
    }
    qsort(y->keys, n, sizeof(*y->keys), by_text);
    for (size_t i = 0; i < n; i++) {
        lua_pushlstring(L, y->keys[i].text.p, y->keys[i].text.len);
        if (!y->keys[i].quoted)
            lua_stringtonumber(L, y->keys[i].text.p), lua_remove(L, -2);
        lua_rawget(L, idx);
        put(L, lua_gettop(L), m, &y->values[i]);
        lua_pop(L, 1);
    }
}

static void put(lua_State *L, int idx, struct maker *m, struct gw_yaml *y)
{
    *y = (struct gw_yaml){.file = m->file, .line = m->line, .column = 1};
    gw_guard_charge(L, NODE_COST);
    luaL_checkstack(L, 8, "a table nested too deep");
    if (lua_type(L, idx) != LUA_TTABLE) {
        put_scalar(L, idx, m, y);
        return;
    }
    if (++m->depth > MAX_DEPTH)
        luaL_error(L, "a table nested more than %d deep", MAX_DEPTH);
    gw_thaw(L, idx);
    y->n = lua_rawlen(L, idx);
    if (y->n)
        put_list(L, idx, m, y);
    else
        put_map(L, idx, m, y);
    m->depth--;
}

struct gw_yaml *gw_spec_yaml(lua_State *L, int idx, struct gw_arena *mem, const char *file)
{
    struct maker m = {mem, file, 1, 0};
    struct gw_yaml *y = gw_arena_alloc(mem, sizeof(*y));
    lua_Debug ar;

    for (int i = 0; lua_getstack(L, i, &ar); i++) {
        lua_getinfo(L, "Sl", &ar);
        if (ar.currentline >= 0 && !strcmp(ar.source + 1, file))
            m.line = ar.currentline;
    }
    put(L, lua_absindex(L, idx), &m, y);
    return y;
}
