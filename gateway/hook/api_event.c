/* `event`: attributes and data of a CloudEvent. What a script sets is checked at that line, so an
 * event that leaves the hooks is legal. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "base/time.h"
#include "event/event.h"
#include "event/format.h"
#include "flyte/flyte.h"
#include "hook/vm.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_NAME = 20, MAX_JSON_DEPTH = 100 };

struct gw_item *gw_item_check(lua_State *L, int idx)
{
    return gw_handle_check(L, idx, GW_H_EVENT)->p;
}

/* ---- names and values -------------------------------------------------------------------------
 */

static int is_required(struct gw_str name)
{
    return gw_str_is(name, "id") || gw_str_is(name, "source") || gw_str_is(name, "type");
}

static int is_text_only(struct gw_str name)
{
    return is_required(name) || gw_str_is(name, "subject") || gw_str_is(name, "time") ||
           gw_str_is(name, "datacontenttype") || gw_str_is(name, "dataschema");
}

static struct gw_str check_name(lua_State *L, int idx)
{
    struct gw_str name;
    char shown[GW_SHOWN];

    if (lua_type(L, idx) != LUA_TSTRING)
        luaL_error(L, "the name of an attribute is a string, not %s", gw_show(L, idx, shown));
    name.p = lua_tolstring(L, idx, &name.len);
    if (!gw_attr_name_ok(name))
        luaL_error(L, "%s can never be an attribute: names are 1 to %d of a-z and 0-9",
                   gw_show_str(name, shown), MAX_NAME);
    return name;
}

/* For a name that gets a value. */
static void check_new_name(lua_State *L, const struct gw_event *ev, struct gw_str name)
{
    char shown[GW_SHOWN];

    if (gw_str_is(name, "specversion"))
        luaL_error(L, "event.specversion is read-only");
    if (name.len > MAX_NAME && !gw_event_get(ev, name))
        luaL_error(L, "%s is too long for a new attribute: names are 1 to %d of a-z and 0-9",
                   gw_show_str(name, shown), MAX_NAME);
}

static void check_text(lua_State *L, struct gw_str name, struct gw_str text)
{
    const char *problem = gw_attr_text_problem(text);
    char shown[GW_SHOWN];
    struct gw_time t;

    if (problem)
        luaL_error(L, "event.%s: %s: %s (moongate.clean makes a legal value)", name.p, problem,
                   gw_show_str(text, shown));
    if (!text.len && is_text_only(name))
        luaL_error(L, "event.%s must not be empty", name.p);
    if (gw_str_is(name, "time") && gw_time_parse(text, &t))
        luaL_error(L, "event.time: %s is not an RFC 3339 time", gw_show_str(text, shown));
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

static void set_attr(lua_State *L, struct gw_event *ev, struct gw_str name, int idx)
{
    int type = lua_type(L, idx);
    char shown[GW_SHOWN];
    struct gw_str text;

    if (type == LUA_TNIL) {
        if (is_required(name))
            luaL_error(L, "event.%s cannot be removed", name.p);
        if (gw_str_is(name, "specversion"))
            luaL_error(L, "event.specversion is read-only");
        gw_event_remove(ev, name);
        return;
    }
    check_new_name(L, ev, name);
    if (type != LUA_TSTRING && is_text_only(name))
        luaL_error(L, "event.%s is a string, not %s", name.p, gw_show(L, idx, shown));
    if (type == LUA_TSTRING) {
        text.p = lua_tolstring(L, idx, &text.len);
        check_text(L, name, text);
        gw_guard_take(L, text.len);
        gw_event_set(ev, name, text);
    } else if (type == LUA_TBOOLEAN) {
        gw_event_set_bool(ev, name, lua_toboolean(L, idx));
    } else if (type == LUA_TNUMBER) {
        set_integer(L, ev, name, idx);
    } else {
        luaL_error(L, "event.%s: an attribute is a string, boolean or integer, not %s", name.p,
                   gw_show(L, idx, shown));
    }
}

static void push_attr(lua_State *L, const struct gw_attr *a)
{
    if (a->type == GW_ATTR_BOOL)
        lua_pushboolean(L, a->number);
    else if (a->type == GW_ATTR_INT)
        lua_pushinteger(L, a->number);
    else
        lua_pushlstring(L, a->text.p, a->text.len);
}

/* ---- data -------------------------------------------------------------------------------------
 */

/* -1: err. */
static int refresh(struct gw_hook_run *r, struct gw_item *it, struct gw_err *err)
{
    if (!it->follows || it->data_at >= r->request_at)
        return 0;
    it->data_at = r->request_at;
    return gw_style_data(r->vm->conf->style, r->call->request, it->ev, err);
}

int gw_item_settle(struct gw_hook_run *r, struct gw_item *it, struct gw_err *err)
{
    return refresh(r, it, err);
}

void gw_item_refresh(lua_State *L, struct gw_item *it)
{
    struct gw_err err;

    if (refresh(gw_vm(L)->run, it, &err))
        luaL_error(L, "event.data: %s", err.msg);
}

static int is_json(struct gw_str text)
{
    struct gw_json j;
    struct gw_str all;

    gw_json_init(&j, text, MAX_JSON_DEPTH);
    return gw_json_next(&j) > GW_JSON_END && !gw_json_value(&j, &all) &&
           gw_json_next(&j) == GW_JSON_END;
}

/* Types whose payload people read. */
static int is_text_type(const struct gw_event *ev)
{
    struct gw_str t = gw_event_text(ev, "datacontenttype");

    return !t.p || gw_event_is_json(ev) || (t.len > 5 && !strncasecmp(t.p, "text/", 5)) ||
           (t.len > 3 && !strncasecmp(t.p + t.len - 3, "xml", 3));
}

static void set_string(lua_State *L, struct gw_event *ev, int idx)
{
    struct gw_str s;

    s.p = lua_tolstring(L, idx, &s.len);
    gw_guard_take(L, s.len);
    s = gw_arena_str(ev->mem, s);
    ev->data = s;
    if (gw_event_is_json(ev) && is_json(s))
        ev->data_kind = GW_DATA_JSON;
    else if (is_text_type(ev) && gw_utf8_valid(s) == s.len)
        ev->data_kind = GW_DATA_TEXT;
    else
        ev->data_kind = GW_DATA_BYTES;
}

static void set_json(lua_State *L, struct gw_event *ev, int idx)
{
    struct gw_buf b;

    gw_guard_take(L, 0);
    gw_buf_init(&b, (size_t)gw_vm(L)->conf->limits.memory, ev->mem);
    gw_json_encode(L, idx, &b);
    gw_guard_buf(L, &b);
    ev->data = gw_buf_str(&b);
    ev->data_kind = GW_DATA_JSON;
    if (!gw_event_get(ev, GW_STR("datacontenttype")) || !gw_event_is_json(ev))
        gw_event_set(ev, GW_STR("datacontenttype"), GW_STR("application/json"));
}

static void set_message(lua_State *L, struct gw_event *ev, int idx)
{
    ev->data = gw_request_bytes(L, idx);
    ev->data_kind = GW_DATA_BYTES;
    gw_event_set(ev, GW_STR("datacontenttype"), GW_STR("application/protobuf"));
}

static void set_data(lua_State *L, struct gw_item *it, int idx)
{
    int type = lua_type(L, idx);
    char shown[GW_SHOWN];

    if (type == LUA_TNIL) {
        it->ev->data_kind = GW_DATA_NONE;
        it->ev->data = (struct gw_str){0};
    } else if (type == LUA_TSTRING) {
        set_string(L, it->ev, idx);
    } else if (type == LUA_TTABLE) {
        set_json(L, it->ev, idx);
    } else if (gw_handle_test(L, idx, GW_H_MESSAGE)) {
        set_message(L, it->ev, idx);
    } else {
        luaL_error(L, "event.data is a string, a table (becomes JSON), a message or nil, not %s",
                   gw_show(L, idx, shown));
    }
    it->data_at = ++gw_vm(L)->run->stamp;
}

static int push_data(lua_State *L, struct gw_item *it)
{
    gw_item_refresh(L, it);
    if (it->ev->data_kind == GW_DATA_NONE)
        lua_pushnil(L);
    else
        lua_pushlstring(L, it->ev->data.p, it->ev->data.len);
    return 1;
}

/* ---- the metatable ----------------------------------------------------------------------------
 */

static int event_index(lua_State *L)
{
    struct gw_item *it = gw_item_check(L, 1);
    const struct gw_attr *a;
    struct gw_str name;

    if (lua_type(L, 2) == LUA_TSTRING) {
        name.p = lua_tolstring(L, 2, &name.len);
        a = gw_event_get(it->ev, name);
        if (a) {
            push_attr(L, a);
            return 1;
        }
        if (gw_str_is(name, "data"))
            return push_data(L, it);
        if (gw_str_is(name, "specversion")) {
            lua_pushliteral(L, "1.0");
            return 1;
        }
    }
    check_name(L, 2);
    lua_pushnil(L);
    return 1;
}

static int event_newindex(lua_State *L)
{
    struct gw_item *it = gw_item_check(L, 1);
    struct gw_str name;

    if (lua_type(L, 2) == LUA_TSTRING) {
        name.p = lua_tolstring(L, 2, &name.len);
        if (gw_str_is(name, "data")) {
            set_data(L, it, 3);
            return 0;
        }
    }
    set_attr(L, it->ev, check_name(L, 2), 3);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const struct gw_str *x = a, *y = b;
    int c = memcmp(x->p, y->p, x->len < y->len ? x->len : y->len);

    return c ? c : x->len < y->len ? -1 : 1;
}

/* Pushes the list of attribute names: required ones first, then by name. */
static void push_names(lua_State *L, const struct gw_event *ev)
{
    static const struct gw_str required[] = {GW_STR("specversion"), GW_STR("id"), GW_STR("source"),
                                             GW_STR("type")};
    enum { REQUIRED = sizeof(required) / sizeof(required[0]) };
    struct gw_str *names;
    size_t n = 0;

    for (const struct gw_attr *a = ev->attrs; a; a = a->next)
        n++;
    gw_guard_charge(L, n);
    names = gw_arena_alloc(gw_scratch(L), (n + 1) * sizeof(*names));
    n = 0;
    for (const struct gw_attr *a = ev->attrs; a; a = a->next)
        if (!is_required(a->name))
            names[n++] = a->name;
    qsort(names, n, sizeof(*names), by_name);
    lua_createtable(L, (int)n + REQUIRED, 0);
    for (size_t i = 0; i < n + REQUIRED; i++) {
        const struct gw_str *name = i < REQUIRED ? &required[i] : &names[i - REQUIRED];

        lua_pushlstring(L, name->p, name->len);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* Upvalues: names, the next one's number. Attributes removed meanwhile are left out. */
static int next_attr(lua_State *L)
{
    lua_Integer i = lua_tointeger(L, lua_upvalueindex(2));

    gw_item_check(L, 1);
    lua_settop(L, 1);
    while (lua_rawgeti(L, lua_upvalueindex(1), i++) == LUA_TSTRING) {
        lua_pushinteger(L, i);
        lua_replace(L, lua_upvalueindex(2));
        lua_pushvalue(L, -1);
        if (lua_gettable(L, 1) != LUA_TNIL)
            return 2;
        lua_settop(L, 1);
    }
    return 1; /* nil */
}

static int event_pairs(lua_State *L)
{
    push_names(L, gw_item_check(L, 1)->ev);
    lua_pushinteger(L, 1);
    lua_pushcclosure(L, next_attr, 2);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

/* Long data is cut and told with its length. */
static void shorten(struct gw_event *ev)
{
    enum { SHOWN = 200 };
    size_t n = SHOWN, len = ev->data.len;

    if (len <= SHOWN)
        return;
    if (ev->data_kind == GW_DATA_TEXT || ev->data_kind == GW_DATA_JSON) {
        while (n > 0 && ((unsigned char)ev->data.p[n] & 0xc0) == 0x80)
            n--;
        ev->data = gw_arena_printf(ev->mem, "%.*s… (%zu bytes)", (int)n, ev->data.p, len);
    } else {
        struct gw_buf b;

        gw_buf_init(&b, SIZE_MAX / 2, ev->mem);
        gw_base64_put(&b, (struct gw_str){ev->data.p, n - n % 3});
        gw_buf_printf(&b, "… (%zu bytes)", len);
        ev->data = gw_buf_str(&b);
    }
    ev->data_kind = GW_DATA_TEXT;
}

static int event_tostring(lua_State *L)
{
    struct gw_item *it = gw_item_check(L, 1);
    struct gw_event *copy;
    struct gw_buf b;

    gw_item_refresh(L, it);
    gw_guard_charge(L, 100);
    gw_scratch_buf(L, &b);
    copy = gw_event_copy(it->ev, b.mem);
    shorten(copy);
    gw_event_json_put(&b, copy);
    gw_guard_buf(L, &b);
    lua_pushlstring(L, b.p, b.len);
    return 1;
}

static int event_eq(lua_State *L)
{
    const struct gw_handle *a = gw_handle_test(L, 1, GW_H_EVENT);
    const struct gw_handle *b = gw_handle_test(L, 2, GW_H_EVENT);

    lua_pushboolean(L, a && b && a->p == b->p);
    return 1;
}

/* ---- moongate.rename, copy, new ---------------------------------------------------------------
 */

/* rename(event, old, new): an absent old does nothing, an existing new is replaced. */
static int mg_rename(lua_State *L)
{
    struct gw_item *it = gw_item_check(L, 1);
    struct gw_str old = check_name(L, 2), name = check_name(L, 3);
    const struct gw_attr *a;

    if (gw_str_is(old, "specversion") || is_required(old))
        return luaL_error(L, "event.%s cannot be renamed", old.p);
    check_new_name(L, it->ev, name);
    a = gw_event_get(it->ev, old);
    if (!a || gw_str_eq(old, name))
        return 0;
    if (a->type == GW_ATTR_STRING && !is_text_only(name)) {
        gw_event_set_typed(it->ev, name, a->type, a->text);
    } else {
        push_attr(L, a);
        set_attr(L, it->ev, name, -1);
    }
    gw_event_remove(it->ev, old);
    return 0;
}

static struct gw_item *new_item(lua_State *L, struct gw_event *ev)
{
    struct gw_item *it = gw_arena_zalloc(ev->mem, sizeof(*it));

    it->ev = ev;
    gw_handle_push(L, GW_H_EVENT, it);
    return it;
}

static int mg_copy(lua_State *L)
{
    struct gw_item *from = gw_item_check(L, 1), *it;
    struct gw_hook_run *r = gw_run_check(L, "moongate.copy");
    struct gw_event *ev;
    struct gw_str id;

    gw_guard_take(L, 1600);
    gw_item_refresh(L, from);
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
    check_name(L, 2);
    lua_pushvalue(L, 2);
    lua_rawget(L, 1);
    if (gw_str_is(name, "specversion") && lua_type(L, 3) == LUA_TSTRING &&
        !strcmp(lua_tostring(L, 3), "1.0"))
        return;
    set_attr(L, ev, name, 3);
}

static int mg_new(lua_State *L)
{
    static const struct gw_str first[] = {GW_STR("id"),   GW_STR("source"),
                                          GW_STR("type"), GW_STR("subject"),
                                          GW_STR("time"), GW_STR("datacontenttype")};
    struct gw_hook_run *r = gw_run_check(L, "moongate.new");
    struct gw_event *ev = gw_arena_alloc(r->call->mem, sizeof(*ev));
    struct gw_item *it;
    struct gw_str *names;
    size_t n;

    luaL_checktype(L, 1, LUA_TTABLE);
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
        else if (is_required(first[i]))
            luaL_error(L, "moongate.new: %s is missing", first[i].p);
    }
    for (size_t i = 0; i < n; i++)
        if (!gw_event_get(ev, names[i]))
            set_field(L, ev, names[i]);
    lua_settop(L, 1);
    it = new_item(L, ev);
    lua_pushliteral(L, "data");
    lua_rawget(L, 1);
    set_data(L, it, -1);
    lua_pop(L, 1);
    return 1;
}

void gw_api_event_open(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__index", event_index},       {"__newindex", event_newindex},
                                    {"__pairs", event_pairs},       {"__eq", event_eq},
                                    {"__tostring", event_tostring}, {NULL, NULL}};
    static const luaL_Reg fns[] = {
        {"rename", mg_rename}, {"copy", mg_copy}, {"new", mg_new}, {NULL, NULL}};

    gw_handle_meta(L, GW_H_EVENT, "event", meta);
    luaL_setfuncs(L, fns, 0);
}
