/* moongate.lookup: a file of rows as a read-only table. The rows stay outside of the Lua state,
 * shared by the pipeline's workers; what a script holds are places in them. A run sees one version
 * from its first look to its end; a kept row is found again by its key. */
#include "base/err.h"
#include "hook/api.h"
#include "hook/explain.h"
#include "hook/flat.h"
#include "hook/guard.h"
#include "hook/lookups.h"
#include "hook/table.h"
#include "hook/uses.h"
#include "hook/vm.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { COST_OPEN = 500, COST = 5, MAX_IN_HOOK = 1 << 20 };

/* p: the lookup; uservalue: the key. */
struct row {
    struct gw_handle h;
    uint64_t table; /* its id, for which number holds */
    size_t number;
};

/* ---- moongate.lookup(path, key_column) ---- */

/* Beside the script, as its modules are. */
static void resolve(lua_State *L, const char *path, char out[PATH_MAX])
{
    const struct gw_script *s = gw_vm(L)->run->script;
    const char *slash = s && s->path ? strrchr(s->path, '/') : NULL;
    int n;

    if (slash && *path != '/')
        n = snprintf(out, PATH_MAX, "%.*s/%s", (int)(slash - s->path), s->path, path);
    else
        n = snprintf(out, PATH_MAX, "%s", path);
    if (n >= PATH_MAX)
        luaL_error(L, "moongate.lookup: a path of %d bytes", n);
}

static const char *check_text(lua_State *L, int idx, const char *wanted)
{
    struct gw_str s = {0};

    if (lua_type(L, idx) == LUA_TSTRING)
        s.p = lua_tolstring(L, idx, &s.len);
    if (!s.len || strlen(s.p) != s.len)
        gw_arg_error(L, idx, wanted);
    return s.p;
}

static int mg_lookup(lua_State *L)
{
    struct gw_hook_vm *vm = gw_vm(L);
    const int loading = !vm->run->call;
    char path[PATH_MAX];
    struct gw_lookup_conf conf = {.path = path,
                                  .files = &vm->conf->limits.files,
                                  .max_file = loading ? GW_LOOKUP_FILE_MAX : MAX_IN_HOOK,
                                  .renew = loading};
    struct gw_handle *h;
    int64_t begin_ms;
    struct gw_err err;

    gw_guard_charge(L, COST_OPEN);
    resolve(L, check_text(L, 1, "a path"), path);
    if (!lua_isnoneornil(L, 2))
        conf.column = check_text(L, 2, "a column's name");
    h = gw_handle_push(L, GW_H_LOOKUP, NULL);
    h->serial = 0;
    begin_ms = gw_hook_now_ms();
    h->p = gw_use_lookup(vm, &conf, &err);
    if (loading) /* reading files is not the script's time */
        gw_watch_postpone(vm->run, gw_hook_now_ms() - begin_ms);
    if (!h->p)
        luaL_error(L, "moongate.lookup: %s%s", err.msg,
                   !loading && err.kind == GW_ERR_TOO_LARGE
                       ? ", so it is looked up while the script loads, not in a hook"
                       : "");
    return 1;
}

/* ---- the table ---- */

static struct gw_lookup *check_lookup(lua_State *L)
{
    gw_guard_charge(L, COST);
    return gw_handle_check(L, 1, GW_H_LOOKUP)->p;
}

static struct gw_table *table_of(lua_State *L, struct gw_lookup *l)
{
    return gw_use_table(gw_vm(L)->run, l);
}

/* Absent: nothing that can be a key. out holds a number's text. */
static struct gw_str key_at(lua_State *L, int idx, char out[32])
{
    struct gw_str s = {0};
    lua_Integer n;
    int is_whole;

    if (lua_type(L, idx) == LUA_TSTRING) {
        s.p = lua_tolstring(L, idx, &s.len);
        gw_guard_charge(L, s.len / 16);
    } else if (lua_type(L, idx) == LUA_TNUMBER) {
        n = lua_tointegerx(L, idx, &is_whole);
        if (is_whole) {
            snprintf(out, 32, LUA_INTEGER_FMT, n);
            s = gw_str_of(out);
        }
    }
    return s;
}

static void push_row(lua_State *L, struct gw_lookup *l, const struct gw_table *t, size_t number)
{
    const struct gw_str key = gw_table_key(t, number);
    struct row *r = (struct row *)gw_handle_new(L, GW_H_ROW, sizeof(*r), 1);

    r->h.serial = 0;
    r->h.p = l;
    r->table = t->id;
    r->number = number;
    lua_pushlstring(L, key.p, key.len);
    lua_setiuservalue(L, -2, 1);
}

static int lookup_index(lua_State *L)
{
    struct gw_lookup *l = check_lookup(L);
    const struct gw_table *t = table_of(L, l);
    char text[32];
    struct gw_str key = key_at(L, 2, text);
    int64_t number = key.p ? gw_table_find(t, key) : -1;

    if (number < 0)
        lua_pushnil(L);
    else
        push_row(L, l, t, (size_t)number);
    return 1;
}

static int lookup_len(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)table_of(L, check_lookup(L))->n);
    return 1;
}

static int lookup_newindex(lua_State *L)
{
    char shown[GW_SHOWN];

    return luaL_error(L, "%s is read-only (key %s)", gw_lookup_path(check_lookup(L)),
                      gw_show(L, 2, shown));
}

static int no_such_key(lua_State *L)
{
    char shown[GW_SHOWN];

    return luaL_error(L, "there is no key %s to go on from", gw_show(L, 2, shown));
}

/* next(t, key): the next key and its row. */
static int lookup_next(lua_State *L)
{
    struct gw_lookup *l = check_lookup(L);
    const struct gw_table *t = table_of(L, l);
    char text[32];
    struct gw_str key;
    int64_t number = 0;

    lua_settop(L, 2);
    if (!lua_isnil(L, 2)) {
        key = key_at(L, 2, text);
        number = key.p ? gw_table_find(t, key) + 1 : 0;
        if (!number)
            return no_such_key(L);
    }
    if ((size_t)number == t->n) {
        lua_pushnil(L);
        return 1;
    }
    key = gw_table_key(t, (size_t)number);
    lua_pushlstring(L, key.p, key.len);
    push_row(L, l, t, (size_t)number);
    return 2;
}

static int lookup_pairs(lua_State *L)
{
    check_lookup(L);
    lua_pushcfunction(L, lookup_next);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

/* ---- a row ---- */

/* The row at idx, in the version that this run sees. */
static const struct gw_table *row_at(lua_State *L, int idx, size_t *number)
{
    struct row *r = (struct row *)gw_handle_check(L, idx, GW_H_ROW);
    const struct gw_table *t = table_of(L, r->h.p);
    char text[32], shown[GW_SHOWN];
    int64_t found;

    gw_guard_charge(L, COST);
    if (t->id != r->table) {
        lua_getiuservalue(L, idx, 1);
        found = gw_table_find(t, key_at(L, -1, text));
        if (found < 0)
            luaL_error(L, "%s has no row %s any more", gw_lookup_path(r->h.p),
                       gw_show(L, -1, shown));
        lua_pop(L, 1);
        r->table = t->id;
        r->number = (size_t)found;
    }
    *number = r->number;
    return t;
}

static int row_index(lua_State *L)
{
    size_t number, passed;
    const struct gw_table *t = row_at(L, 1, &number);
    struct gw_str name, value = {0};

    if (lua_type(L, 2) == LUA_TSTRING) {
        name.p = lua_tolstring(L, 2, &name.len);
        value = gw_table_value(t, number, name, &passed);
        gw_guard_charge(L, passed);
    }
    if (value.p)
        gw_flat_push(L, &value);
    else
        lua_pushnil(L);
    return 1;
}

static int row_newindex(lua_State *L)
{
    const struct gw_handle *h = gw_handle_check(L, 1, GW_H_ROW);
    char shown[GW_SHOWN];

    return luaL_error(L, "a row of %s is read-only (column %s)", gw_lookup_path(h->p),
                      gw_show(L, 2, shown));
}

/* next(row, name): the next column that it has, and its value. */
static int row_next(lua_State *L)
{
    size_t number;
    const struct gw_table *t = row_at(L, 1, &number);
    struct gw_str cells = gw_table_cells(t, number), after = {0}, value, name;
    int column, seen;

    lua_settop(L, 2);
    seen = lua_isnil(L, 2);
    if (lua_type(L, 2) == LUA_TSTRING)
        after.p = lua_tolstring(L, 2, &after.len);
    while ((column = gw_table_next(t, &cells, &value)) >= 0) {
        gw_guard_charge(L, 1);
        name = gw_table_name(t, column);
        if (seen) {
            lua_pushlstring(L, name.p, name.len);
            gw_flat_push(L, &value);
            return 2;
        }
        seen = after.p && gw_str_eq(name, after);
    }
    if (!seen)
        return no_such_key(L);
    lua_pushnil(L);
    return 1;
}

static int row_pairs(lua_State *L)
{
    gw_handle_check(L, 1, GW_H_ROW);
    lua_pushcfunction(L, row_next);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

int gw_lookup_plain(lua_State *L, int idx)
{
    struct gw_str cells, value, name;
    const struct gw_table *t;
    size_t number;
    int column;

    if (!gw_handle_test(L, idx, GW_H_ROW))
        return 0;
    t = row_at(L, idx, &number);
    lua_newtable(L);
    cells = gw_table_cells(t, number);
    while ((column = gw_table_next(t, &cells, &value)) >= 0) {
        gw_guard_charge(L, 3);
        name = gw_table_name(t, column);
        lua_pushlstring(L, name.p, name.len);
        gw_flat_push(L, &value);
        lua_rawset(L, -3);
    }
    return 1;
}

void gw_api_lookup_open(lua_State *L)
{
    static const luaL_Reg lookup[] = {{"__index", lookup_index},
                                      {"__newindex", lookup_newindex},
                                      {"__len", lookup_len},
                                      {"__pairs", lookup_pairs},
                                      {NULL, NULL}};
    static const luaL_Reg row[] = {
        {"__index", row_index}, {"__newindex", row_newindex}, {"__pairs", row_pairs}, {NULL, NULL}};

    gw_handle_meta(L, GW_H_LOOKUP, "lookup", lookup);
    gw_handle_meta(L, GW_H_ROW, "row", row);
    lua_pushcfunction(L, mg_lookup);
    lua_setfield(L, -2, "lookup");
}
