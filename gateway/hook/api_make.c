/* moongate.rename, copy and new. */
#include "base/arena.h"
#include "event/event.h"
#include "hook/api.h"
#include "hook/attrs.h"
#include "hook/explain.h"
#include "hook/guard.h"
#include "hook/view.h"
#include "hook/vm.h"

#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b)
{
    const struct gw_str *x = a, *y = b;
    int c = memcmp(x->p, y->p, x->len < y->len ? x->len : y->len);

    return c ? c : x->len < y->len ? -1 : 1;
}

/* rename(event, old, new): an absent old does nothing, an existing new is replaced. */
static int mg_rename(lua_State *L)
{
    struct gw_hook_item *it = gw_item_check(L, 1);
    struct gw_str old = gw_attr_check_name(L, 2), name = gw_attr_check_name(L, 3);
    const struct gw_attr *a;

    if (gw_str_is(old, "specversion") || gw_attr_is_required(old))
        return luaL_error(L, "event.%s cannot be renamed", old.p);
    gw_attr_check_new(L, it->ev, name);
    a = gw_event_get(it->ev, old);
    if (!a || gw_str_eq(old, name))
        return 0;
    if (a->type == GW_ATTR_STRING && !gw_attr_is_text_only(name)) {
        gw_event_set_typed(it->ev, name, a->type, a->text);
    } else {
        gw_attr_push(L, a);
        gw_attr_set(L, it->ev, name, -1);
    }
    gw_event_remove(it->ev, old);
    return 0;
}

static struct gw_hook_item *new_item(lua_State *L, struct gw_event *ev)
{
    struct gw_hook_item *it = gw_arena_zalloc(ev->mem, sizeof(*it));

    it->ev = ev;
    gw_handle_push(L, GW_H_EVENT, it);
    return it;
}

static int mg_copy(lua_State *L)
{
    struct gw_hook_item *from = gw_item_check(L, 1), *it;
    struct gw_hook_run *r = gw_run_check(L, "moongate.copy");
    struct gw_event *ev;
    struct gw_str id;

    gw_guard_take(L, 1600);
    gw_item_refresh(L, from);
    gw_view_share(from);
    ev = gw_event_copy(from->ev, from->ev->mem);
    id = gw_event_text(ev, "id");
    gw_event_lend(ev, GW_STR("id"),
                  gw_arena_printf(ev->mem, "%.*s:%u", (int)id.len, id.p, ++r->copies));
    it = new_item(L, ev);
    it->follows = from->follows;
    it->data_at = from->data_at;
    return 1;
}

/* The table at 1 has string keys only; its names, known ones first, then sorted, are pushed. */
static size_t field_names(lua_State *L, struct gw_event *ev, struct gw_str **out)
{
    size_t n = 0;

    for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1))
        n++;
    *out = gw_arena_alloc(ev->mem, (n + 1) * sizeof(**out));
    n = 0;
    for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
        char shown[GW_SHOWN];
        struct gw_str s;

        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "moongate.new: %s is no name of an attribute", gw_show(L, -2, shown));
        s.p = lua_tolstring(L, -2, &s.len);
        if (!gw_str_is(s, "data"))
            (*out)[n++] = gw_arena_str(ev->mem, s);
    }
    qsort(*out, n, sizeof(**out), by_name);
    return n;
}

static void set_field(lua_State *L, struct gw_event *ev, struct gw_str name)
{
    lua_settop(L, 1);
    lua_pushlstring(L, name.p, name.len);
    gw_attr_check_name(L, 2);
    lua_pushvalue(L, 2);
    lua_rawget(L, 1);
    if (gw_str_is(name, "specversion") && lua_type(L, 3) == LUA_TSTRING &&
        !strcmp(lua_tostring(L, 3), "1.0"))
        return;
    gw_attr_set(L, ev, name, 3);
}

static int mg_new(lua_State *L)
{
    static const struct gw_str first[] = {GW_STR("id"),   GW_STR("source"),
                                          GW_STR("type"), GW_STR("subject"),
                                          GW_STR("time"), GW_STR("datacontenttype")};
    struct gw_hook_run *r = gw_run_check(L, "moongate.new");
    struct gw_event *ev = gw_arena_alloc(r->call->mem, sizeof(*ev));
    struct gw_hook_item *it;
    struct gw_str *names;
    size_t n;

    if (!lua_istable(L, 1))
        gw_arg_error(L, 1, "a table");
    lua_settop(L, 1);
    gw_thaw(L, 1);
    gw_event_init(ev, r->call->mem);
    n = field_names(L, ev, &names);
    gw_guard_take(L, 1600 + n * 64);
    for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
        lua_settop(L, 1);
        lua_pushstring(L, first[i].p);
        if (lua_rawget(L, 1) != LUA_TNIL)
            set_field(L, ev, first[i]);
        else if (gw_attr_is_required(first[i]))
            luaL_error(L, "moongate.new: %s is missing", first[i].p);
    }
    for (size_t i = 0; i < n; i++)
        if (!gw_event_get(ev, names[i]))
            set_field(L, ev, names[i]);
    lua_settop(L, 1);
    it = new_item(L, ev);
    lua_pushliteral(L, "data");
    lua_rawget(L, 1);
    gw_data_set(L, it, -1);
    lua_pop(L, 1);
    return 1;
}

void gw_api_make_open(lua_State *L)
{
    static const luaL_Reg fns[] = {
        {"rename", mg_rename}, {"copy", mg_copy}, {"new", mg_new}, {NULL, NULL}};

    luaL_setfuncs(L, fns, 0);
}
