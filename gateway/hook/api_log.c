/* moongate.log.* and print: log lines with the place in the script and the event. */
#include "base/diag.h"
#include "event/event.h"
#include "hook/api.h"
#include "hook/explain.h"
#include "hook/guard.h"
#include "hook/lograte.h"
#include "hook/shared.h"
#include "hook/vm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COST = 100, OWN = 5, MAX_FIELDS = 16, VALUE = 256 };

struct line {
    struct gw_kv kv[OWN + MAX_FIELDS + 1];
    int n;
    char where[GW_SHOWN], values[MAX_FIELDS][VALUE];
};

static int legal_key(const char *s)
{
    return *s && !s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")];
}

static void add(struct line *l, struct gw_kv kv)
{
    l->kv[l->n++] = kv;
}

/* The value at idx; tables and functions by their type: nothing of the script's runs here. */
static struct gw_str value_text(lua_State *L, int idx, char out[VALUE])
{
    struct gw_str s;
    char shown[GW_SHOWN];

    if (lua_type(L, idx) == LUA_TSTRING) {
        s.p = lua_tolstring(L, idx, &s.len);
        return s;
    }
    snprintf(out, VALUE, "%s", gw_show(L, idx, shown));
    return gw_str_of(out);
}

/* A field of a line's own name would stand there twice, and readers of JSON take the last: then a
 * script could pass for another pipeline, level or time. */
static const char *own_key(const char *key)
{
    static const char *const lines[][2] = {
        {"at", "fields.at"},       {"component", "fields.component"}, {"event", "fields.event"},
        {"level", "fields.level"}, {"left_out", "fields.left_out"},   {"msg", "fields.msg"},
        {"time", "fields.time"},   {"pipeline", "fields.pipeline"},
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        if (!strcmp(key, lines[i][0]))
            return lines[i][1];
    return key;
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct gw_kv *)a)->key, ((const struct gw_kv *)b)->key);
}

static void add_fields(lua_State *L, struct line *l, int idx)
{
    struct gw_kv *first = &l->kv[l->n];
    int n = 0;

    gw_thaw(L, idx);
    for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
        char shown[GW_SHOWN];
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";

        if (!legal_key(key))
            luaL_error(L, "moongate.log: %s is no name of a field", gw_show(L, -2, shown));
        if (n == MAX_FIELDS)
            luaL_error(L, "moongate.log: more than %d fields", MAX_FIELDS);
        key = own_key(key);
        if (lua_isinteger(L, -1))
            add(l, gw_kv_int(key, lua_tointeger(L, -1)));
        else
            add(l, gw_kv_str(key, value_text(L, -1, l->values[n])));
        n++;
    }
    qsort(first, (size_t)n, sizeof(*first), by_key);
}

/* Lines before this one that were left out; -1: this one is, too. */
static int64_t lines_left_out(const struct gw_hook_vm *vm)
{
    if (vm->conf->lines)
        return 0;
    return (int64_t)gw_lograte_allow(gw_hook_shared_lograte(vm->shared), gw_hook_now_ms()) - 1;
}

static void write_line(lua_State *L, enum gw_level level, struct gw_str message, int fields)
{
    const struct gw_hook_vm *vm = gw_vm(L);
    int64_t left_out = lines_left_out(vm);
    struct line l = {.n = 0};

    if (left_out < 0)
        return;
    add(&l, gw_kv_cstr("pipeline", vm->conf->pipeline ? vm->conf->pipeline : ""));
    add(&l, gw_kv_cstr("at", gw_where(L, l.where)));
    if (vm->run->item)
        add(&l, gw_kv_str("event", gw_event_text(vm->run->item->ev, "id")));
    add(&l, gw_kv_str("msg", message));
    if (fields)
        add_fields(L, &l, fields);
    if (left_out > 0)
        add(&l, gw_kv_int("left_out", left_out));
    if (vm->conf->lines)
        vm->conf->lines->put(vm->conf->lines->ctx, level, l.kv);
    else
        gw_diag_write(level, "hook", l.kv);
}

static int is_wanted(lua_State *L, enum gw_level level)
{
    return gw_vm(L)->conf->lines || level >= gw_diag_level;
}

/* Upvalue: the level. */
static int mg_log(lua_State *L)
{
    enum gw_level level = (enum gw_level)lua_tointeger(L, lua_upvalueindex(1));
    struct gw_str message;

    gw_guard_charge(L, COST);
    lua_settop(L, 2);
    message.p = luaL_tolstring(L, 1, &message.len);
    if (!lua_isnil(L, 2) && !lua_istable(L, 2))
        gw_arg_error(L, 2, "a table of fields");
    if (is_wanted(L, level))
        write_line(L, level, message, lua_isnil(L, 2) ? 0 : 2);
    return 0;
}

static int guard_print(lua_State *L)
{
    int n = lua_gettop(L);
    struct gw_str s;
    luaL_Buffer b;

    gw_guard_charge(L, COST);
    luaL_buffinit(L, &b);
    for (int i = 1; i <= n; i++) {
        if (i > 1)
            luaL_addchar(&b, '\t');
        luaL_tolstring(L, i, NULL);
        luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
    s.p = lua_tolstring(L, -1, &s.len);
    if (is_wanted(L, GW_INFO))
        write_line(L, GW_INFO, s, 0);
    return 0;
}

void gw_api_print(lua_State *L)
{
    lua_pushcfunction(L, guard_print);
}

void gw_api_log_open(lua_State *L)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};

    lua_createtable(L, 0, 4);
    for (int i = 0; i < 4; i++) {
        lua_pushinteger(L, GW_DEBUG + i);
        lua_pushcclosure(L, mg_log, 1);
        lua_setfield(L, -2, levels[i]);
    }
    gw_freeze(L, "moongate.log");
    lua_setfield(L, -2, "log");
}
