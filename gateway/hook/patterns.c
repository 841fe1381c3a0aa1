/* string.find, match, gmatch and gsub on our own matcher. */
#include "hook/guard.h"
#include "hook/pattern.h"
#include "hook/vm.h"

#include <ctype.h>
#include <string.h>

/* ---- find and match ------------------------------------------------------------------ */

/* Where to start, from argument 3: 0 is the first byte; more than the length: nowhere. */
static size_t start_at(lua_State *L, int idx, size_t len)
{
    lua_Integer i = luaL_optinteger(L, idx, 1);

    if (i > 0)
        return (size_t)i - 1;
    if (i == 0 || i < -(lua_Integer)len)
        return 0;
    return len - (size_t)-i;
}

static int is_plain(const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (p[i] && strchr("^$*+?.([%-", p[i]))
            return 0;
    return 1;
}

/* memmem is linear in both lengths. */
static int find_plain(lua_State *L, const struct gw_match *m, size_t init, const char *p,
                      size_t len)
{
    size_t left = (size_t)(m->text_end - m->text) - init;
    const char *at;

    gw_guard_charge(L, (left + len) / 8);
    at = len ? memmem(m->text + init, left, p, len) : m->text + init;
    if (!at) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, at - m->text + 1);
    lua_pushinteger(L, at - m->text + (lua_Integer)len);
    return 2;
}

static int find_or_match(lua_State *L, int find)
{
    const char *p, *s, *e;
    struct gw_match m;
    size_t init;
    int anchored;

    gw_match_init(&m, L, 1, 2);
    p = lua_tostring(L, 2);
    init = start_at(L, 3, (size_t)(m.text_end - m.text));
    if (init > (size_t)(m.text_end - m.text)) {
        lua_pushnil(L);
        return 1;
    }
    if (find && (lua_toboolean(L, 4) || is_plain(p, (size_t)(m.pat_end - p))))
        return find_plain(L, &m, init, p, (size_t)(m.pat_end - p));
    anchored = p < m.pat_end && *p == '^';
    p += anchored;
    for (s = m.text + init; s <= m.text_end; s++) {
        e = gw_match_at(&m, s, p);
        if (e && find) {
            lua_pushinteger(L, s - m.text + 1);
            lua_pushinteger(L, e - m.text);
            return 2 + gw_match_push_all(&m, NULL, NULL);
        }
        if (e)
            return gw_match_push_all(&m, s, e);
        if (anchored)
            break;
    }
    lua_pushnil(L);
    return 1;
}

static int str_find(lua_State *L)
{
    return find_or_match(L, 1);
}

static int str_match(lua_State *L)
{
    return find_or_match(L, 0);
}

/* ---- gmatch -------------------------------------------------------------------------- */

/* Upvalues: text, pattern, where to go on, end of the last match (-1: none). */
static int gmatch_next(lua_State *L)
{
    struct gw_match m;
    const char *p, *last, *e;
    lua_Integer last_at = lua_tointeger(L, lua_upvalueindex(4));

    gw_match_init(&m, L, lua_upvalueindex(1), lua_upvalueindex(2));
    p = lua_tostring(L, lua_upvalueindex(2));
    last = last_at < 0 ? NULL : m.text + last_at;
    for (const char *s = m.text + lua_tointeger(L, lua_upvalueindex(3)); s <= m.text_end; s++) {
        e = gw_match_at(&m, s, p);
        if (!e || e == last)
            continue;
        lua_pushinteger(L, e - m.text);
        lua_copy(L, -1, lua_upvalueindex(3));
        lua_replace(L, lua_upvalueindex(4));
        return gw_match_push_all(&m, s, e);
    }
    return 0;
}

static int str_gmatch(lua_State *L)
{
    size_t len, init;

    luaL_checklstring(L, 1, &len);
    luaL_checkstring(L, 2);
    init = start_at(L, 3, len);
    lua_settop(L, 2);
    lua_pushinteger(L, (lua_Integer)(init > len ? len + 1 : init));
    lua_pushinteger(L, -1);
    lua_pushcclosure(L, gmatch_next, 4);
    return 1;
}

/* ---- gsub ---------------------------------------------------------------------------- */

/* The replacement string with its %0 to %9 and %%. */
static void add_string(struct gw_match *m, luaL_Buffer *b, const char *s, const char *e)
{
    size_t len;
    const char *r = lua_tolstring(m->L, 3, &len), *end = r + len, *p;

    while ((p = memchr(r, '%', (size_t)(end - r))) != NULL) {
        gw_guard_charge(m->L, 1);
        luaL_addlstring(b, r, (size_t)(p - r));
        p++;
        if (p < end && *p == '%') {
            luaL_addchar(b, '%');
        } else if (p < end && *p == '0') {
            luaL_addlstring(b, s, (size_t)(e - s));
        } else if (p < end && isdigit((unsigned char)*p)) {
            gw_match_push(m, *p - '1', s, e);
            luaL_tolstring(m->L, -1, NULL);
            lua_remove(m->L, -2);
            luaL_addvalue(b);
        } else {
            luaL_error(m->L, "invalid use of '%%' in replacement string");
        }
        r = p + 1;
    }
    luaL_addlstring(b, r, (size_t)(end - r));
}

/* What a match becomes; 1 if it changed. */
static int add_value(struct gw_match *m, luaL_Buffer *b, const char *s, const char *e, int type)
{
    lua_State *L = m->L;

    if (type == LUA_TFUNCTION) {
        lua_pushvalue(L, 3);
        lua_call(L, gw_match_push_all(m, s, e), 1);
    } else if (type == LUA_TTABLE) {
        gw_match_push(m, 0, s, e);
        lua_gettable(L, 3);
    } else {
        add_string(m, b, s, e);
        return 1;
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        luaL_addlstring(b, s, (size_t)(e - s));
        return 0;
    }
    if (!lua_isstring(L, -1))
        return luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    luaL_addvalue(b);
    return 1;
}

static int str_gsub(lua_State *L)
{
    struct gw_match m;
    const char *p, *s, *last = NULL;
    lua_Integer max, n = 0;
    int type = lua_type(L, 3), anchored, changed = 0;
    luaL_Buffer b;

    gw_match_init(&m, L, 1, 2);
    p = lua_tostring(L, 2);
    max = luaL_optinteger(L, 4, (m.text_end - m.text) + 1);
    luaL_argexpected(L,
                     type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION ||
                         type == LUA_TTABLE,
                     3, "string/function/table");
    anchored = p < m.pat_end && *p == '^';
    p += anchored;
    luaL_buffinit(L, &b);
    for (s = m.text; n < max;) {
        const char *e = gw_match_at(&m, s, p);

        if (e && e != last) {
            n++;
            changed |= add_value(&m, &b, s, e, type);
            s = last = e;
        } else if (s < m.text_end) {
            luaL_addchar(&b, *s++);
        } else {
            break;
        }
        if (anchored)
            break;
    }
    if (changed) {
        luaL_addlstring(&b, s, (size_t)(m.text_end - s));
        luaL_pushresult(&b);
    } else {
        lua_pushvalue(L, 1);
    }
    lua_pushinteger(L, n);
    return 2;
}

void gw_patterns_open(lua_State *L)
{
    static const luaL_Reg fns[] = {{"find", str_find},
                                   {"match", str_match},
                                   {"gmatch", str_gmatch},
                                   {"gsub", str_gsub},
                                   {NULL, NULL}};

    luaL_setfuncs(L, fns, 0);
}
