/* `event`: a CloudEvent's data and what else can be done with the handle; attrs.c has the
 * attributes. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "event/event.h"
#include "event/format.h"
#include "flyte/flyte.h"
#include "hook/api.h"
#include "hook/attrs.h"
#include "hook/explain.h"
#include "hook/guard.h"
#include "hook/view.h"
#include "hook/vm.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_JSON_DEPTH = 100 };

struct gw_hook_item *gw_item_check(lua_State *L, int idx)
{
    return gw_handle_check(L, idx, GW_H_EVENT)->p;
}

/* ---- data ---------------------------------------------------------------------------- */

static int is_stale(const struct gw_hook_run *r, const struct gw_hook_item *it)
{
    return it->follows && it == r->request_of && it->data_at < r->request_at;
}

/* -1: err. */
static int refresh(struct gw_hook_run *r, struct gw_hook_item *it, struct gw_err *err)
{
    if (!is_stale(r, it))
        return 0;
    it->data_at = r->request_at;
    it->doc = NULL;
    return gw_style_data(r->vm->conf->style, r->call->request, it->ev, err);
}

int gw_item_settle(struct gw_hook_run *r, struct gw_hook_item *it, struct gw_err *err)
{
    return refresh(r, it, err);
}

void gw_item_refresh(lua_State *L, struct gw_hook_item *it)
{
    struct gw_hook_run *r = gw_vm(L)->run;
    struct gw_err err;

    if (!is_stale(r, it))
        return;
    gw_guard_take(L, protobuf_c_message_get_packed_size(r->call->request->msg));
    if (refresh(r, it, &err))
        luaL_error(L, "event.data: %s", err.msg);
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
    if (gw_event_is_json(ev) && gw_json_is_text(s, MAX_JSON_DEPTH))
        ev->data_kind = GW_DATA_JSON;
    else if (is_text_type(ev) && gw_utf8_valid(s) == s.len)
        ev->data_kind = GW_DATA_TEXT;
    else
        ev->data_kind = GW_DATA_BYTES;
}

static void become_json(struct gw_event *ev, struct gw_str text)
{
    ev->data = text;
    ev->data_kind = GW_DATA_JSON;
    if (!gw_event_get(ev, GW_STR("datacontenttype")) || !gw_event_is_json(ev))
        gw_event_set(ev, GW_STR("datacontenttype"), GW_STR("application/json"));
}

static void set_json(lua_State *L, struct gw_event *ev, int idx)
{
    struct gw_buf b;

    gw_guard_take(L, 0);
    gw_buf_init(&b, (size_t)gw_vm(L)->run->limits->memory, ev->mem);
    gw_json_encode(L, idx, &b);
    gw_guard_buf(L, &b);
    become_json(ev, gw_buf_str(&b));
}

static void set_message(lua_State *L, struct gw_event *ev, int idx)
{
    ev->data = gw_request_bytes(L, idx);
    ev->data_kind = GW_DATA_BYTES;
    gw_event_set(ev, GW_STR("datacontenttype"), GW_STR("application/protobuf"));
}

/* The text of a part as it stands, of any event. */
static void set_view(const struct gw_view *v, struct gw_hook_item *it)
{
    struct gw_view_doc *doc = v->h.p;

    if (doc == it->doc && v->depth == 1) { /* event.data = event.data: its parts live on */
        become_json(it->ev, it->ev->data);
        return;
    }
    gw_view_share(doc->it);
    become_json(it->ev, gw_view_text(v));
    it->doc = NULL;
}

void gw_data_set(lua_State *L, struct gw_hook_item *it, int idx)
{
    const struct gw_view *v = gw_view_test(L, idx);
    int type = lua_type(L, idx);
    char shown[GW_SHOWN];

    if (v) {
        set_view(v, it);
    } else if (type == LUA_TNIL) {
        it->ev->data_kind = GW_DATA_NONE;
        it->ev->data = (struct gw_str){0};
    } else if (type == LUA_TSTRING) {
        set_string(L, it->ev, idx);
    } else if (type == LUA_TTABLE) {
        set_json(L, it->ev, idx);
    } else if (gw_handle_test(L, idx, GW_H_MESSAGE)) {
        set_message(L, it->ev, idx);
    } else {
        luaL_error(L,
                   "event.data is a string, a table (becomes JSON), a part of event.data, a "
                   "message or nil, not %s",
                   gw_show(L, idx, shown));
    }
    if (!v)
        it->doc = NULL;
    it->data_at = ++gw_vm(L)->run->stamp;
}

/* Bytes are looked through once: the document stands for it as long as they stay. */
static int is_view(lua_State *L, const struct gw_hook_item *it)
{
    const struct gw_event *ev = it->ev;

    if (!gw_event_is_json(ev) || ev->data_kind != GW_DATA_BYTES)
        return ev->data_kind == GW_DATA_JSON && gw_event_is_json(ev);
    if (it->doc)
        return 1;
    gw_guard_charge(L, ev->data.len / 16);
    return gw_event_data_is_json(ev);
}

static int push_data(lua_State *L, struct gw_hook_item *it)
{
    const struct gw_event *ev = it->ev;

    gw_item_refresh(L, it);
    if (ev->data_kind == GW_DATA_NONE)
        lua_pushnil(L);
    else if (is_view(L, it))
        gw_view_push_data(L, it, 1);
    else
        lua_pushlstring(L, ev->data.p, ev->data.len);
    return 1;
}

/* ---- the metatable ------------------------------------------------------------------- */

static int event_index(lua_State *L)
{
    struct gw_hook_item *it = gw_item_check(L, 1);
    const struct gw_attr *a;
    struct gw_str name;

    if (lua_type(L, 2) == LUA_TSTRING) {
        name.p = lua_tolstring(L, 2, &name.len);
        a = gw_event_get(it->ev, name);
        if (a) {
            gw_attr_push(L, a);
            return 1;
        }
        if (gw_str_is(name, "data"))
            return push_data(L, it);
        if (gw_str_is(name, "specversion")) {
            lua_pushliteral(L, "1.0");
            return 1;
        }
    }
    gw_attr_check_name(L, 2);
    lua_pushnil(L);
    return 1;
}

static int event_newindex(lua_State *L)
{
    struct gw_hook_item *it = gw_item_check(L, 1);
    struct gw_str name;

    if (lua_type(L, 2) == LUA_TSTRING) {
        name.p = lua_tolstring(L, 2, &name.len);
        if (gw_str_is(name, "data")) {
            gw_data_set(L, it, 3);
            return 0;
        }
    }
    gw_attr_set(L, it->ev, gw_attr_check_name(L, 2), 3);
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
        if (!gw_attr_is_required(a->name))
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
    struct gw_hook_item *it = gw_item_check(L, 1);
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

void gw_api_event_open(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__index", event_index},       {"__newindex", event_newindex},
                                    {"__pairs", event_pairs},       {"__eq", event_eq},
                                    {"__tostring", event_tostring}, {NULL, NULL}};

    gw_handle_meta(L, GW_H_EVENT, "event", meta);
}
