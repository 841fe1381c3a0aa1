/* moongate.json: Lua values as JSON text and back. Keys are written sorted, so that the same value
 * always gives the same text. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "hook/api.h"
#include "hook/explain.h"
#include "hook/guard.h"
#include "hook/vm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 100 };

static const char empty_list_key; /* registry: metatable of a list without items */

struct writer {
    lua_State *L;
    struct gw_buf *out;
    int depth;
};

static void put_value(struct writer *w, int idx);

static void put_string(struct writer *w, int idx)
{
    char shown[GW_SHOWN];
    struct gw_str s;
    size_t ok;

    s.p = lua_tolstring(w->L, idx, &s.len);
    ok = gw_utf8_valid(s);
    if (ok < s.len)
        luaL_error(w->L, "JSON: not UTF-8 at byte %d: %s", (int)ok + 1, gw_show_str(s, shown));
    gw_guard_charge(w->L, s.len / 16);
    gw_json_put_string(w->out, s);
}

static void put_number(struct writer *w, int idx)
{
    double d;

    if (lua_isinteger(w->L, idx)) {
        gw_buf_put_i64(w->out, lua_tointeger(w->L, idx));
        return;
    }
    d = lua_tonumber(w->L, idx);
    if (!isfinite(d))
        luaL_error(w->L, "JSON has no number for %f", d);
    gw_json_put_double(w->out, d);
}

/* Its length if the table at idx is a list (keys 1 to n and no other, or marked), else -1. */
static lua_Integer list_length(lua_State *L, int idx)
{
    lua_Integer n = (lua_Integer)lua_rawlen(L, idx), members = 0;

    if (n == 0) {
        int marked = lua_getmetatable(L, idx);

        if (!marked)
            return -1;
        lua_rawgetp(L, LUA_REGISTRYINDEX, &empty_list_key);
        marked = lua_rawequal(L, -1, -2);
        lua_pop(L, 2);
        return marked ? 0 : -1;
    }
    lua_pushnil(L);
    while (members <= n && lua_next(L, idx)) {
        lua_pop(L, 1);
        members++;
    }
    if (members > n)
        lua_pop(L, 1);
    gw_guard_charge(L, (uint64_t)members);
    return members == n ? n : -1;
}

static void put_list(struct writer *w, int idx, lua_Integer n)
{
    gw_buf_putc(w->out, '[');
    for (lua_Integer i = 1; i <= n; i++) {
        if (i > 1)
            gw_buf_putc(w->out, ',');
        lua_rawgeti(w->L, idx, i);
        put_value(w, lua_gettop(w->L));
        lua_pop(w->L, 1);
    }
    gw_buf_putc(w->out, ']');
}

static int by_key(const void *a, const void *b)
{
    const struct gw_str *x = a, *y = b;
    int c = memcmp(x->p, y->p, x->len < y->len ? x->len : y->len);

    return c ? c : x->len < y->len ? -1 : 1;
}

/* The keys of the table at idx, sorted, in a block the Lua state owns (pushed). */
static struct gw_str *sorted_keys(lua_State *L, int idx, size_t *n)
{
    struct gw_str *keys;
    char shown[GW_SHOWN];

    *n = 0;
    for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1))
        ++*n;
    gw_guard_charge(L, 2 * *n);
    keys = lua_newuserdatauv(L, *n * sizeof(*keys) + 1, 0);
    *n = 0;
    for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L,
                       "JSON: a table is a list (keys 1 to n; moongate.json.null fills a gap) or "
                       "all its keys are "
                       "strings; this one has the key %s",
                       gw_show(L, -2, shown));
        keys[*n].p = lua_tolstring(L, -2, &keys[*n].len);
        ++*n;
    }
    qsort(keys, *n, sizeof(*keys), by_key);
    return keys;
}

static void put_object(struct writer *w, int idx)
{
    size_t n;
    struct gw_str *keys = sorted_keys(w->L, idx, &n);

    gw_buf_putc(w->out, '{');
    for (size_t i = 0; i < n; i++) {
        if (i)
            gw_buf_putc(w->out, ',');
        lua_pushlstring(w->L, keys[i].p, keys[i].len);
        put_string(w, -1);
        gw_buf_putc(w->out, ':');
        lua_rawget(w->L, idx);
        put_value(w, lua_gettop(w->L));
        lua_pop(w->L, 1);
    }
    gw_buf_putc(w->out, '}');
    lua_pop(w->L, 1);
}

static void put_table(struct writer *w, int idx)
{
    lua_Integer n;

    if (++w->depth > MAX_DEPTH)
        luaL_error(w->L, "JSON: tables nest more than %d deep", MAX_DEPTH);
    luaL_checkstack(w->L, 8, "JSON");
    lua_pushvalue(w->L, idx);
    gw_thaw(w->L, -1);
    idx = lua_gettop(w->L);
    gw_guard_buf(w->L, w->out);
    n = list_length(w->L, idx);
    if (n >= 0)
        put_list(w, idx, n);
    else
        put_object(w, idx);
    lua_settop(w->L, idx - 1);
    w->depth--;
}

static void put_value(struct writer *w, int idx)
{
    char shown[GW_SHOWN];

    switch (lua_type(w->L, idx)) {
    case LUA_TSTRING:
        put_string(w, idx);
        return;
    case LUA_TNUMBER:
        put_number(w, idx);
        return;
    case LUA_TBOOLEAN:
        gw_buf_puts(w->out, lua_toboolean(w->L, idx) ? "true" : "false");
        return;
    case LUA_TNIL:
        gw_buf_puts(w->out, "null");
        return;
    case LUA_TTABLE:
        put_table(w, idx);
        return;
    case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(w->L, idx) == &gw_null_key) {
            gw_buf_puts(w->out, "null");
            return;
        }
        break;
    default:
        if (gw_request_json(w->L, idx, w->out) || gw_view_json(w->L, idx, w->out, w->depth))
            return;
    }
    luaL_error(w->L, "JSON has no form for %s", gw_show(w->L, idx, shown));
}

void gw_json_encode(lua_State *L, int idx, struct gw_buf *b)
{
    struct writer w = {L, b, 0};

    put_value(&w, lua_absindex(L, idx));
}

static int json_encode(lua_State *L)
{
    struct gw_buf b;

    luaL_checkany(L, 1);
    gw_scratch_buf(L, &b);
    gw_json_encode(L, 1, &b);
    gw_guard_buf(L, &b);
    lua_pushlstring(L, b.p ? b.p : "", b.len);
    return 1;
}

/* ---- reading ------------------------------------------------------------------------- */

struct reader {
    lua_State *L;
    struct gw_json j;
    struct gw_arena *mem;
};

static int bad_json(struct reader *r)
{
    struct gw_err err;

    gw_json_error(&r->j, &err);
    return luaL_error(r->L, "%s", err.msg);
}

void gw_json_push_number(lua_State *L, struct gw_str raw)
{
    char small[64];

    if (memchr(raw.p, '.', raw.len) || memchr(raw.p, 'e', raw.len) || memchr(raw.p, 'E', raw.len)) {
        lua_pushlstring(L, raw.p, raw.len); /* strtod wants a NUL behind it */
        lua_pushnumber(L, strtod(lua_tostring(L, -1), NULL));
        lua_remove(L, -2);
        return;
    }
    if (raw.len < sizeof(small)) {
        char *end;
        long long i;

        memcpy(small, raw.p, raw.len);
        small[raw.len] = '\0';
        if (raw.len < 19 || ((i = strtoll(small, &end, 10)) != INT64_MAX && i != INT64_MIN)) {
            lua_pushinteger(L, strtoll(small, NULL, 10));
            return;
        }
        if (!strcmp(small, "9223372036854775807") || !strcmp(small, "-9223372036854775808")) {
            lua_pushinteger(L, i);
            return;
        }
    }
    lua_pushlstring(L, raw.p, raw.len);
}

static void read_value(struct reader *r);

static void next_token(struct reader *r)
{
    if (gw_json_next(&r->j) == GW_JSON_ERROR)
        bad_json(r);
}

static void read_object(struct reader *r)
{
    lua_newtable(r->L);
    for (next_token(r); r->j.token != GW_JSON_OBJECT_END; next_token(r)) {
        struct gw_str key = gw_json_string(&r->j, r->mem);

        lua_pushlstring(r->L, key.p, key.len);
        next_token(r);
        read_value(r);
        lua_rawset(r->L, -3);
    }
}

static void read_array(struct reader *r)
{
    lua_Integer n = 0;

    lua_newtable(r->L);
    for (next_token(r); r->j.token != GW_JSON_ARRAY_END; next_token(r)) {
        read_value(r);
        lua_rawseti(r->L, -2, ++n);
    }
    if (n)
        return;
    lua_rawgetp(r->L, LUA_REGISTRYINDEX, &empty_list_key); /* [] stays [] when it is encoded */
    lua_setmetatable(r->L, -2);
}

static void read_value(struct reader *r)
{
    struct gw_str s;

    luaL_checkstack(r->L, 4, "JSON");
    switch (r->j.token) {
    case GW_JSON_OBJECT:
        read_object(r);
        break;
    case GW_JSON_ARRAY:
        read_array(r);
        break;
    case GW_JSON_STRING:
        s = gw_json_string(&r->j, r->mem);
        lua_pushlstring(r->L, s.p, s.len);
        break;
    case GW_JSON_NUMBER:
        gw_json_push_number(r->L, r->j.raw);
        break;
    case GW_JSON_TRUE:
    case GW_JSON_FALSE:
        lua_pushboolean(r->L, r->j.token == GW_JSON_TRUE);
        break;
    default:
        lua_pushlightuserdata(r->L, (void *)&gw_null_key);
        break;
    }
}

void gw_json_decode(lua_State *L, struct gw_str text)
{
    struct reader r = {.L = L, .mem = gw_scratch(L)};

    gw_guard_charge(L, text.len / 4);
    gw_json_init(&r.j, text, MAX_DEPTH);
    next_token(&r);
    if (r.j.token == GW_JSON_END)
        luaL_error(L, "JSON: empty text");
    read_value(&r);
    next_token(&r);
    if (r.j.token != GW_JSON_END)
        bad_json(&r);
}

/* A part of event.data, too: scripts that have JSON as text or as a view do the same with it. */
static int json_decode(lua_State *L)
{
    lua_settop(L, 1);
    if (!gw_view_push_plain(L, 1))
        gw_json_decode(L, gw_check_str(L, 1));
    return 1;
}

static int show_light(lua_State *L)
{
    int null = lua_touserdata(L, 1) == &gw_null_key;

    lua_pushstring(L, null ? "null" : "moongate.retry");
    return 1;
}

/* tostring of moongate.json.null and moongate.retry: the only light userdata that scripts see. */
static void name_light(lua_State *L)
{
    lua_pushlightuserdata(L, (void *)&gw_null_key);
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, show_light);
    lua_setfield(L, -2, "__tostring");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}

void gw_api_json_open(lua_State *L)
{
    static const luaL_Reg fns[] = {{"encode", json_encode}, {"decode", json_decode}, {NULL, NULL}};

    lua_newtable(L);
    lua_pushliteral(L, "json.list");
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, 0); /* scripts share it */
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &empty_list_key);
    name_light(L);
    lua_createtable(L, 0, 3);
    luaL_setfuncs(L, fns, 0);
    lua_pushlightuserdata(L, (void *)&gw_null_key);
    lua_setfield(L, -2, "null");
    gw_freeze(L, "moongate.json");
    lua_setfield(L, -2, "json");
}
