/* Parts of event.data as scripts use them: v.a.b, v[1], #v, pairs, assignment. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/text.h"
#include "event/event.h"
#include "hook/api.h"
#include "hook/explain.h"
#include "hook/guard.h"
#include "hook/view.h"
#include "hook/vm.h"

enum { MAX_DEPTH = 100 };

/* ---- reading -----------------------------------------------------------------------------------
 */

static struct gw_str value_of(const struct gw_json_part *part)
{
    return (struct gw_str){part->value, (size_t)(part->end - part->value)};
}

/* Finds what the key at idx names; 0 also for a key that such a part never has. */
static int find(lua_State *L, struct gw_view *v, int idx, struct gw_json_part *part)
{
    struct gw_str name;
    lua_Integer i;
    int ok;

    if (gw_view_is_object(v)) {
        if (lua_type(L, idx) != LUA_TSTRING)
            return 0;
        name.p = lua_tolstring(L, idx, &name.len);
        return gw_view_member(L, 1, v, name, part);
    }
    i = lua_type(L, idx) == LUA_TNUMBER ? lua_tointegerx(L, idx, &ok) : 0;
    return gw_view_element(L, v, i, part);
}

static int view_index(lua_State *L)
{
    struct gw_view *v = gw_view_check(L, 1);
    struct gw_json_part part;

    if (find(L, v, 2, &part))
        gw_view_push_value(L, 1, v, value_of(&part));
    else
        lua_pushnil(L);
    return 1;
}

static int view_len(lua_State *L)
{
    struct gw_view *v = gw_view_check(L, 1);

    lua_pushinteger(L, gw_view_is_object(v) ? 0 : gw_view_count(L, v));
    return 1;
}

static int view_tostring(lua_State *L)
{
    struct gw_str text = gw_view_text(gw_view_check(L, 1));

    gw_guard_charge(L, text.len / 16);
    lua_pushlstring(L, text.p, text.len);
    return 1;
}

static int view_eq(lua_State *L)
{
    const struct gw_view *a = gw_view_test(L, 1), *b = gw_view_test(L, 2);

    lua_pushboolean(L, a && b && a->h.p == b->h.p && a->at == b->at);
    return 1;
}

/* Upvalues: a place behind the last part, the edits it knows, the number of parts before it. So
 * parts may be assigned and removed meanwhile; one that is added comes last. */
static int next_part(lua_State *L)
{
    struct gw_view *v = gw_view_check(L, 1);
    struct gw_view_doc *doc = v->h.p;
    const char *text = doc->it->ev->data.p, *p, *end = text + v->at + v->len;
    size_t at = gw_view_follow(L, doc, (size_t)lua_tointeger(L, lua_upvalueindex(2)),
                               (size_t)lua_tointeger(L, lua_upvalueindex(1)));
    lua_Integer n = lua_tointeger(L, lua_upvalueindex(3)) + 1;
    struct gw_json_part part;

    lua_settop(L, 1);
    p = text + at;
    if (at <= v->at || p >= end || !gw_json_part(&p, end, gw_view_is_object(v), &part)) {
        lua_pushnil(L);
        return 1;
    }
    gw_guard_charge(L, 2 + (size_t)(p - text - at) / 16);
    lua_pushinteger(L, (lua_Integer)(p - text));
    lua_replace(L, lua_upvalueindex(1));
    lua_pushinteger(L, (lua_Integer)doc->n_edits);
    lua_replace(L, lua_upvalueindex(2));
    lua_pushinteger(L, n);
    lua_replace(L, lua_upvalueindex(3));
    if (part.name.p) {
        struct gw_str name = gw_json_unescape(part.name, gw_scratch(L));

        lua_pushlstring(L, name.p, name.len);
    } else {
        lua_pushinteger(L, n);
    }
    gw_view_push_value(L, 1, v, value_of(&part));
    return 2;
}

static int view_pairs(lua_State *L)
{
    const struct gw_view *v = gw_view_check(L, 1);

    lua_pushinteger(L, (lua_Integer)v->at + 1);
    lua_pushinteger(L, (lua_Integer)v->seen);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_part, 3);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

int gw_view_json(lua_State *L, int idx, struct gw_buf *b, int depth)
{
    const struct gw_view *v = gw_view_test(L, idx);
    struct gw_str text;

    if (!v)
        return 0;
    text = gw_view_text(v);
    gw_guard_charge(L, text.len / 16);
    if (depth && (size_t)depth + gw_json_depth(text) > MAX_DEPTH)
        luaL_error(L, "JSON: nests more than %d deep", MAX_DEPTH);
    gw_buf_put_str(b, text);
    return 1;
}

int gw_view_push_plain(lua_State *L, int idx)
{
    const struct gw_view *v = gw_view_test(L, idx);

    if (!v)
        return 0;
    gw_json_decode(L, gw_view_text(v));
    return 1;
}

/* ---- assigning ---------------------------------------------------------------------------------
 */

static size_t offset(const struct gw_view *v, const char *p)
{
    return (size_t)(p - gw_view_text(v).p) + v->at;
}

/* Takes a part away, and the comma that parted it from a neighbour. */
static void cut(lua_State *L, const struct gw_view *v, const struct gw_json_part *part)
{
    const char *begin = part->name.p ? part->name.p - 1 : part->value, *end = part->end, *p = end;
    const char *open = gw_view_text(v).p;

    while (gw_json_is_space(*p))
        p++;
    if (*p == ',') {
        for (end = p + 1; gw_json_is_space(*end);)
            end++;
    } else {
        for (p = begin - 1; gw_json_is_space(*p);)
            p--;
        begin = p == open ? p + 1 : p;
    }
    gw_view_splice(L, v,
                   (struct gw_view_edit){
                       .at = offset(v, begin), .old_len = (size_t)(end - begin), .added = -1},
                   NULL);
}

/* The value at 3 as JSON behind what b has. */
static void encode(lua_State *L, const struct gw_view *v, struct gw_buf *b)
{
    size_t from = b->len;

    gw_json_encode(L, 3, b);
    gw_guard_buf(L, b);
    if (v->depth + gw_json_depth((struct gw_str){b->p + from, b->len - from}) > MAX_DEPTH)
        luaL_error(L, "event.data would nest more than %d deep", MAX_DEPTH);
}

static void replace(lua_State *L, const struct gw_view *v, const struct gw_json_part *part)
{
    size_t at = offset(v, part->value), len = value_of(part).len;
    const struct gw_view *same = gw_view_test(L, 3);
    struct gw_buf b;

    if (same && same->h.p == v->h.p && same->at == at)
        return; /* t.x = t.x */
    gw_scratch_buf(L, &b);
    encode(L, v, &b);
    gw_view_splice(L, v, (struct gw_view_edit){.at = at, .old_len = len, .new_len = b.len}, b.p);
}

/* Behind the last part; name absent: of a list. */
static void append(lua_State *L, const struct gw_view *v, struct gw_str name)
{
    struct gw_str text = gw_view_text(v);
    const char *p = text.p + text.len - 2;
    struct gw_buf b;

    gw_scratch_buf(L, &b);
    while (gw_json_is_space(*p))
        p--;
    if (p > text.p)
        gw_buf_putc(&b, ',');
    if (name.p) {
        gw_json_put_string(&b, name);
        gw_buf_putc(&b, ':');
    }
    encode(L, v, &b);
    gw_view_splice(
        L, v, (struct gw_view_edit){.at = offset(v, p) + 1, .new_len = b.len, .added = 1}, b.p);
}

static struct gw_str check_name(lua_State *L)
{
    struct gw_str name;
    char shown[GW_SHOWN];

    if (lua_type(L, 2) != LUA_TSTRING)
        luaL_error(L, "this part of event.data is an object: its keys are strings, not %s",
                   gw_show(L, 2, shown));
    name.p = lua_tolstring(L, 2, &name.len);
    if (gw_utf8_valid(name) < name.len)
        luaL_error(L, "the name of a member is UTF-8, not %s", gw_show_str(name, shown));
    return name;
}

static void set_member(lua_State *L, struct gw_view *v)
{
    struct gw_str name = check_name(L);
    struct gw_json_part part;
    int found = gw_view_member(L, 1, v, name, &part);

    if (!lua_isnil(L, 3)) {
        if (found)
            replace(L, v, &part);
        else
            append(L, v, name);
        return;
    }
    while (found) { /* a name may stand there more than once */
        cut(L, v, &part);
        v = gw_view_check(L, 1);
        found = gw_view_member(L, 1, v, name, &part);
    }
}

static void bad_place(lua_State *L, lua_Integer n)
{
    char shown[GW_SHOWN];

    luaL_error(L,
               "this part of event.data is a list of %d: an item from 1 to %d is assigned, or "
               "number %d added, not %s",
               (int)n, (int)n, (int)n + 1, gw_show(L, 2, shown));
}

/* What is not there goes away without a word, as in a table. */
static void remove_element(lua_State *L, struct gw_view *v, lua_Integer i, lua_Integer n)
{
    struct gw_json_part part;

    if (i > 0 && i < n)
        luaL_error(L,
                   "only the last item of a list in event.data is removed by nil, not %d of %d "
                   "(moongate.json.null keeps the place, table.remove moves the rest)",
                   (int)i, (int)n);
    if (i == n && gw_view_element(L, v, i, &part))
        cut(L, v, &part);
}

static void set_element(lua_State *L, struct gw_view *v)
{
    lua_Integer n = gw_view_count(L, v), i;
    struct gw_json_part part;
    int ok = 0;

    i = lua_type(L, 2) == LUA_TNUMBER ? lua_tointegerx(L, 2, &ok) : 0;
    if (!ok)
        bad_place(L, n);
    if (lua_isnil(L, 3))
        remove_element(L, v, i, n);
    else if (i == n + 1)
        append(L, v, (struct gw_str){0});
    else if (gw_view_element(L, v, i, &part))
        replace(L, v, &part);
    else
        bad_place(L, n);
}

static int view_newindex(lua_State *L)
{
    struct gw_view *v = gw_view_check(L, 1);

    lua_settop(L, 3);
    if (gw_view_is_object(v))
        set_member(L, v);
    else
        set_element(L, v);
    return 0;
}

void gw_api_view_open(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__index", view_index},
                                    {"__newindex", view_newindex},
                                    {"__len", view_len},
                                    {"__pairs", view_pairs},
                                    {"__tostring", view_tostring},
                                    {"__eq", view_eq},
                                    {NULL, NULL}};

    gw_handle_meta(L, GW_H_VIEW, "data", meta);
}
