/* Names and values of attributes. What a script sets is checked at that line, so an event that
 * leaves the hooks is legal, but for what a style repeats of another program. */
#include "hook/attrs.h"

#include "base/arena.h"
#include "base/text.h"
#include "base/time.h"
#include "event/event.h"
#include "hook/explain.h"
#include "hook/guard.h"
#include "hook/vm.h"

#include <stdint.h>
#include <string.h>

int gw_attr_is_required(struct gw_str name)
{
    return gw_str_is(name, "id") || gw_str_is(name, "source") || gw_str_is(name, "type");
}

int gw_attr_is_text_only(struct gw_str name)
{
    return gw_attr_is_required(name) || gw_str_is(name, "subject") || gw_str_is(name, "time") ||
           gw_str_is(name, "datacontenttype") || gw_str_is(name, "dataschema");
}

struct gw_str gw_attr_check_name(lua_State *L, int idx)
{
    struct gw_str name;
    char shown[GW_SHOWN];

    if (lua_type(L, idx) != LUA_TSTRING)
        luaL_error(L, "the name of an attribute is a string, not %s", gw_show(L, idx, shown));
    name.p = lua_tolstring(L, idx, &name.len);
    if (!gw_attr_name_ok(name))
        luaL_error(L, "%s can never be an attribute: names are 1 to %d of a-z and 0-9",
                   gw_show_str(name, shown), GW_ATTR_NAME_MAX);
    return name;
}

/* For a name that gets a value. */
void gw_attr_check_new(lua_State *L, const struct gw_event *ev, struct gw_str name)
{
    char shown[GW_SHOWN];
    unsigned n = 0;

    for (const struct gw_attr *a = ev->attrs; a; a = a->next, n++)
        if (gw_str_eq(a->name, name))
            return;
    if (gw_str_is(name, "specversion"))
        luaL_error(L, "event.specversion is read-only");
    if (name.len > GW_ATTR_NAME_MAX)
        luaL_error(L, "%s is too long for a new attribute: names are 1 to %d of a-z and 0-9",
                   gw_show_str(name, shown), GW_ATTR_NAME_MAX);
    if (n >= GW_EVENT_ATTRS_MAX)
        luaL_error(L, "event.%s: more than %d attributes", name.p, GW_EVENT_ATTRS_MAX);
}

static void check_text(lua_State *L, struct gw_str name, struct gw_str text)
{
    const char *problem = gw_attr_text_problem(text);
    char shown[GW_SHOWN];
    struct gw_time t;

    if (problem)
        luaL_error(L, "event.%s: %s: %s (moongate.clean makes a legal value)", name.p, problem,
                   gw_show_str(text, shown));
    if (!text.len && gw_attr_is_text_only(name))
        luaL_error(L, "event.%s must not be empty", name.p);
    if (gw_str_is(name, "time") && gw_time_parse(text, &t))
        luaL_error(L, "event.time: %s is not an RFC 3339 time, as 2026-01-02T03:04:05Z",
                   gw_show_str(text, shown));
}

/* What a style's script says is another program's text, whatever characters that put there. */
static int says_anothers(lua_State *L, struct gw_str text)
{
    const struct gw_script *s = gw_vm(L)->run->script;

    return s && s->role == GW_ROLE_STYLE && gw_utf8_valid(text) == text.len;
}

static void set_text(lua_State *L, struct gw_event *ev, struct gw_str name, int idx)
{
    struct gw_str text;

    text.p = lua_tolstring(L, idx, &text.len);
    if (!says_anothers(L, text))
        check_text(L, name, text);
    gw_guard_take(L, text.len);
    if (says_anothers(L, text))
        gw_event_lend_verbatim(ev, gw_arena_str(ev->mem, name), gw_arena_str(ev->mem, text));
    else
        gw_event_set(ev, name, text);
}

static void set_integer(lua_State *L, struct gw_event *ev, struct gw_str name, int idx)
{
    lua_Integer i = lua_tointeger(L, idx);
    char shown[GW_SHOWN];

    if (!lua_isinteger(L, idx))
        luaL_error(L, "event.%s: %s is a float; an attribute is a string, boolean or integer",
                   name.p, gw_show(L, idx, shown));
    if (i < INT32_MIN || i > INT32_MAX)
        luaL_error(L, "event.%s: %s does not fit 32 bits (tostring makes it a string)", name.p,
                   gw_show(L, idx, shown));
    gw_event_set_int(ev, name, (int32_t)i);
}

void gw_attr_set(lua_State *L, struct gw_event *ev, struct gw_str name, int idx)
{
    int type = lua_type(L, idx);
    char shown[GW_SHOWN];

    if (type == LUA_TNIL) {
        if (gw_attr_is_required(name))
            luaL_error(L, "event.%s cannot be removed", name.p);
        if (gw_str_is(name, "specversion"))
            luaL_error(L, "event.specversion is read-only");
        gw_event_remove(ev, name);
        return;
    }
    gw_attr_check_new(L, ev, name);
    if (type != LUA_TSTRING && gw_attr_is_text_only(name))
        luaL_error(L, "event.%s is a string, not %s", name.p, gw_show(L, idx, shown));
    if (type == LUA_TSTRING) {
        set_text(L, ev, name, idx);
    } else if (type == LUA_TBOOLEAN) {
        gw_event_set_bool(ev, name, lua_toboolean(L, idx));
    } else if (type == LUA_TNUMBER) {
        set_integer(L, ev, name, idx);
    } else {
        luaL_error(L, "event.%s: an attribute is a string, boolean or integer, not %s", name.p,
                   gw_show(L, idx, shown));
    }
}

void gw_attr_push(lua_State *L, const struct gw_attr *a)
{
    if (a->type == GW_ATTR_BOOL)
        lua_pushboolean(L, a->number);
    else if (a->type == GW_ATTR_INT)
        lua_pushinteger(L, a->number);
    else
        lua_pushlstring(L, a->text.p, a->text.len);
}
