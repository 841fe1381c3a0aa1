#include "hook/flat.h"

#include "base/buf.h"
#include "hook/api.h"
#include "hook/explain.h"
#include "hook/guard.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { SHORT_MAX = 255 - GW_FLAT_SHORT };

void gw_flat_tag(struct gw_buf *b, enum gw_flat tag)
{
    gw_buf_putc(b, (char)tag);
}

void gw_flat_varint(struct gw_buf *b, uint64_t n)
{
    for (; n >= 0x80; n >>= 7)
        gw_buf_putc(b, (char)(n | 0x80));
    gw_buf_putc(b, (char)n);
}

void gw_flat_int(struct gw_buf *b, int64_t n)
{
    gw_flat_tag(b, GW_FLAT_INT);
    gw_buf_put(b, &n, sizeof(n));
}

void gw_flat_double(struct gw_buf *b, double d)
{
    gw_flat_tag(b, GW_FLAT_FLOAT);
    gw_buf_put(b, &d, sizeof(d));
}

void gw_flat_str(struct gw_buf *b, struct gw_str s)
{
    if (s.len <= SHORT_MAX) {
        gw_buf_putc(b, (char)(GW_FLAT_SHORT + s.len));
    } else {
        gw_flat_tag(b, GW_FLAT_STR);
        gw_flat_varint(b, s.len);
    }
    gw_buf_put_str(b, s);
}

void gw_flat_table(struct gw_buf *b, size_t n)
{
    gw_flat_tag(b, GW_FLAT_TABLE);
    gw_flat_varint(b, n);
}

/* ---- taking ---- */

static void drop(struct gw_str *s, size_t n)
{
    assert(n <= s->len);
    s->p += n;
    s->len -= n;
}

static unsigned take_tag(struct gw_str *s)
{
    unsigned tag;

    assert(s->len);
    tag = (unsigned char)*s->p;
    drop(s, 1);
    return tag;
}

uint64_t gw_flat_take_varint(struct gw_str *s)
{
    uint64_t n = 0;
    unsigned shift = 0, c;

    do {
        c = take_tag(s);
        n |= (uint64_t)(c & 0x7f) << shift;
        shift += 7;
    } while (c & 0x80 && shift < 64);
    return n;
}

static struct gw_str take_str(struct gw_str *s, unsigned tag)
{
    const size_t len =
        tag == GW_FLAT_STR ? (size_t)gw_flat_take_varint(s) : (size_t)(tag - GW_FLAT_SHORT);
    const struct gw_str text = {s->p, len};

    drop(s, len);
    return text;
}

struct gw_str gw_flat_take_str(struct gw_str *s)
{
    return take_str(s, take_tag(s));
}

/* What follows a tag of a value that is no table. */
static void skip_plain(struct gw_str *s, unsigned tag)
{
    if (tag >= GW_FLAT_SHORT || tag == GW_FLAT_STR)
        take_str(s, tag);
    else if (tag == GW_FLAT_INT || tag == GW_FLAT_FLOAT)
        drop(s, 8);
}

void gw_flat_skip(struct gw_str *s)
{
    size_t open = 0;

    do {
        const unsigned tag = take_tag(s);

        if (tag == GW_FLAT_TABLE) {
            gw_flat_take_varint(s);
            open++;
        } else if (tag == GW_FLAT_END) {
            open--;
        } else {
            skip_plain(s, tag);
        }
    } while (open);
}

/* ---- to Lua ---- */

static void push(lua_State *L, struct gw_str *s, unsigned tag)
{
    lua_Integer n;
    lua_Number d;

    switch (tag) {
    case GW_FLAT_NIL:
        lua_pushnil(L);
        return;
    case GW_FLAT_NULL:
        lua_pushlightuserdata(L, (void *)&gw_null_key);
        return;
    case GW_FLAT_FALSE:
    case GW_FLAT_TRUE:
        lua_pushboolean(L, tag == GW_FLAT_TRUE);
        return;
    case GW_FLAT_INT:
        memcpy(&n, s->p, sizeof(n));
        drop(s, sizeof(n));
        lua_pushinteger(L, n);
        return;
    case GW_FLAT_FLOAT:
        memcpy(&d, s->p, sizeof(d));
        drop(s, sizeof(d));
        lua_pushnumber(L, d);
        return;
    default: {
        const struct gw_str text = take_str(s, tag);

        lua_pushlstring(L, text.p, text.len);
        return;
    }
    }
}

/* The table that begins is pushed with nothing in it. */
static void push_table(lua_State *L, struct gw_str *s)
{
    const uint64_t n = gw_flat_take_varint(s);

    luaL_checkstack(L, 4, "a value nested too deep");
    lua_createtable(L, n < INT32_MAX ? (int)n : 0, 0);
}

void gw_flat_push(lua_State *L, struct gw_str *s)
{
    const size_t before = s->len;
    unsigned depth = 0, tag = take_tag(s);
    int is_value = 0; /* in a table: a key lies on top */

    if (tag != GW_FLAT_TABLE) {
        push(L, s, tag);
        gw_guard_charge(L, (before - s->len) / 16);
        return;
    }
    push_table(L, s);
    depth = 1;
    while (depth) {
        tag = take_tag(s);
        if (tag == GW_FLAT_END) {
            depth--;
            is_value = 1;
        } else if (tag == GW_FLAT_TABLE) {
            push_table(L, s);
            depth++;
            is_value = 0;
            continue;
        } else {
            push(L, s, tag);
            if (!is_value) {
                is_value = 1;
                continue;
            }
        }
        if (depth) {
            lua_rawset(L, -3);
            is_value = 0;
            gw_guard_charge(L, 3);
        }
    }
    gw_guard_charge(L, (before - s->len) / 16);
}

/* ---- from Lua ---- */

/* Where a value lies, for an error: value.items[3]. */
struct path {
    char text[GW_SHOWN];
    size_t len;
};

static int wrong(lua_State *L, const struct path *at, const char *why)
{
    return luaL_error(L, "%s%s", at->text, why);
}

static size_t enter(struct path *at, lua_State *L, int key)
{
    const size_t before = at->len;
    char shown[GW_SHOWN];
    int n = snprintf(at->text + before, sizeof(at->text) - before, "[%s]", gw_show(L, key, shown));

    at->len += (size_t)n < sizeof(at->text) - before ? (size_t)n : sizeof(at->text) - before - 1;
    return before;
}

static void leave(struct path *at, size_t before)
{
    at->len = before;
    at->text[before] = '\0';
}

static void encode(lua_State *L, int idx, unsigned depth, struct path *at, struct gw_buf *b);

static int sequence(lua_State *L, int idx)
{
    const lua_Unsigned n = lua_rawlen(L, idx);

    return n < INT32_MAX ? (int)n : 0;
}

static void encode_table(lua_State *L, int idx, unsigned depth, struct path *at, struct gw_buf *b)
{
    if (depth == GW_FLAT_DEPTH)
        wrong(L, at, " is nested too deep (32 at most)");
    luaL_checkstack(L, 4, "a value nested too deep");
    lua_pushvalue(L, idx);
    gw_thaw(L, -1);
    if (lua_getmetatable(L, -1))
        wrong(L, at, " is a table with a metatable, which no copy of it would have");
    idx = lua_gettop(L);
    gw_flat_table(b, (size_t)sequence(L, idx));
    for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
        const size_t before = enter(at, L, -2);

        gw_guard_charge(L, 4);
        if (lua_type(L, -2) != LUA_TSTRING && lua_type(L, -2) != LUA_TNUMBER)
            wrong(L, at, ": a key is a string or a number");
        encode(L, -2, depth + 1, at, b);
        encode(L, lua_gettop(L), depth + 1, at, b);
        leave(at, before);
        if (b->failed)
            break;
    }
    gw_flat_tag(b, GW_FLAT_END);
    lua_settop(L, idx - 1);
}

static void encode_number(lua_State *L, int idx, struct gw_buf *b)
{
    if (lua_isinteger(L, idx))
        gw_flat_int(b, lua_tointeger(L, idx));
    else
        gw_flat_double(b, lua_tonumber(L, idx));
}

static void encode(lua_State *L, int idx, unsigned depth, struct path *at, struct gw_buf *b)
{
    char shown[GW_SHOWN], why[2 * GW_SHOWN];
    struct gw_str s;

    switch (lua_type(L, idx)) {
    case LUA_TSTRING:
        s.p = lua_tolstring(L, idx, &s.len);
        gw_guard_charge(L, s.len / 16);
        gw_flat_str(b, s);
        return;
    case LUA_TNUMBER:
        encode_number(L, idx, b);
        return;
    case LUA_TBOOLEAN:
        gw_flat_tag(b, lua_toboolean(L, idx) ? GW_FLAT_TRUE : GW_FLAT_FALSE);
        return;
    case LUA_TTABLE:
        encode_table(L, idx, depth, at, b);
        return;
    case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(L, idx) == &gw_null_key) {
            gw_flat_tag(b, GW_FLAT_NULL);
            return;
        }
        break;
    default:
        break;
    }
    snprintf(why, sizeof(why),
             " is %s; only strings, numbers, booleans and plain tables are kept%s",
             gw_show(L, idx, shown),
             lua_type(L, idx) == LUA_TUSERDATA ? " (moongate.to_table copies one out)" : "");
    wrong(L, at, why);
}

void gw_flat_encode(lua_State *L, int idx, const char *what, struct gw_buf *b)
{
    struct path at;

    at.len = (size_t)snprintf(at.text, sizeof(at.text), "%s", what);
    encode(L, lua_absindex(L, idx), 0, &at, b);
}
