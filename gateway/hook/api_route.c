/* moongate.route(event, {topic=…, key=…, headers={…}}): where this one goes. Checked here against
 * the publisher's `routes`, so that the error stands at the script's line. */
#include "base/arena.h"
#include "base/err.h"
#include "base/field.h"
#include "base/text.h"
#include "event/event.h"
#include "event/format.h"
#include "event/route.h"
#include "hook/api.h"
#include "hook/explain.h"
#include "hook/guard.h"
#include "hook/vm.h"

#include <stdlib.h>
#include <string.h>

enum { FIELDS = 3 };
static const char *const names[FIELDS] = {"topic", "key", "headers"};

static void check_fields(lua_State *L)
{
    for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
        struct gw_nearest near = {0};
        char hint[80], shown[GW_SHOWN];

        if (lua_type(L, -2) == LUA_TSTRING)
            near.wanted.p = lua_tolstring(L, -2, &near.wanted.len);
        for (int i = 0; i < FIELDS && near.wanted.p; i++) {
            gw_nearest_offer(&near, gw_str_of(names[i]));
            if (gw_str_is(near.wanted, names[i]))
                near.wanted.p = NULL;
        }
        if (near.wanted.p || lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "moongate.route: a route has topic, key and headers, not %s%s",
                       gw_show(L, -2, shown),
                       near.wanted.p ? gw_nearest_hint(&near, hint, sizeof(hint)) : "");
    }
}

/* Field `name` of the table at 2, a copy on mem; p NULL: absent. */
static struct gw_str text_of(lua_State *L, const char *name, struct gw_arena *mem)
{
    struct gw_str s = {0};
    char shown[GW_SHOWN];

    lua_pushstring(L, name);
    if (lua_rawget(L, 2) == LUA_TSTRING) {
        s.p = lua_tolstring(L, -1, &s.len);
        gw_guard_take(L, s.len);
        s = gw_arena_str(mem, s);
    } else if (!lua_isnil(L, -1)) {
        luaL_error(L, "moongate.route: %s is a string, not %s", name, gw_show(L, -1, shown));
    }
    lua_pop(L, 1);
    return s;
}

static int by_name(const void *a, const void *b)
{
    const struct gw_str *x = &((const struct gw_header *)a)->name;
    const struct gw_str *y = &((const struct gw_header *)b)->name;
    int c = memcmp(x->p, y->p, x->len < y->len ? x->len : y->len);

    return c ? c : x->len < y->len ? -1 : 1;
}

/* The pair on top of the stack: a header's name and value. */
static void read_header(lua_State *L, struct gw_arena *mem, struct gw_header *out)
{
    char shown[GW_SHOWN];
    struct gw_err err;

    if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
        luaL_error(L, "moongate.route: headers are strings by name, not %s",
                   gw_show(L, lua_type(L, -2) != LUA_TSTRING ? -2 : -1, shown));
    out->name.p = lua_tolstring(L, -2, &out->name.len);
    out->value.p = lua_tolstring(L, -1, &out->value.len);
    if (gw_route_header_check(gw_vm(L)->conf->routing, out->name, out->value, &err))
        luaL_error(L, "moongate.route: %s", err.msg);
    gw_guard_take(L, out->name.len + out->value.len);
    out->name = gw_arena_str(mem, out->name);
    out->value = gw_arena_str(mem, out->value);
}

/* The table on top, sorted: the same route gives the same bytes. */
static void read_headers(lua_State *L, struct gw_arena *mem, struct gw_route *route)
{
    struct gw_header *all;
    size_t n = 0;

    gw_thaw(L, -1);
    gw_guard_take(L, GW_ROUTE_HEADERS_MAX * sizeof(*all));
    all = gw_arena_alloc(mem, GW_ROUTE_HEADERS_MAX * sizeof(*all));
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        if (n == GW_ROUTE_HEADERS_MAX)
            luaL_error(L, "moongate.route: more than %d headers", GW_ROUTE_HEADERS_MAX);
        read_header(L, mem, &all[n++]);
    }
    qsort(all, n, sizeof(*all), by_name);
    route->headers = all;
    route->n_headers = n;
}

static int mg_route(lua_State *L)
{
    static const struct gw_strs none = {0};
    struct gw_hook_item *it = gw_item_check(L, 1);
    const struct gw_hooks_conf *conf = gw_vm(L)->conf;
    struct gw_arena *mem = it->ev->mem;
    struct gw_route *route;
    char shown[GW_SHOWN];
    struct gw_err err;

    if (!lua_istable(L, 2))
        gw_arg_error(L, 2, "a table");
    lua_settop(L, 2);
    gw_thaw(L, 2);
    check_fields(L);
    gw_guard_take(L, sizeof(*route));
    route = gw_arena_zalloc(mem, sizeof(*route));
    route->topic = text_of(L, "topic", mem);
    route->key = text_of(L, "key", mem);
    if (route->topic.p && gw_route_topic_check(conf->routing, conf->routes ? conf->routes : &none,
                                               route->topic, &err))
        luaL_error(L, "moongate.route: %s", err.msg);
    lua_pushliteral(L, "headers");
    if (lua_rawget(L, 2) == LUA_TTABLE)
        read_headers(L, mem, route);
    else if (!lua_isnil(L, -1))
        luaL_error(L, "moongate.route: headers is a table, not %s", gw_show(L, -1, shown));
    it->ev->route = route;
    return 0;
}

void gw_api_route_open(lua_State *L)
{
    static const luaL_Reg fns[] = {{"route", mg_route}, {NULL, NULL}};

    luaL_setfuncs(L, fns, 0);
}
