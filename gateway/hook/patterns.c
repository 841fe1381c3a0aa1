/* string.find, match, gmatch and gsub on our own matcher. */
#include "hook/guard.h"
#include "hook/pattern.h"
#include "hook/vm.h"

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

/* The first few places by hand, which is quick for most; then memmem, which is linear. */
static const char *find_text(const char *s, size_t len, const char *p, size_t p_len)
{
    enum { TRIES = 16 };
    const char *end = s + len;

    for (int i = 0; i < TRIES && p_len && (size_t)(end - s) >= p_len; i++, s++) {
        s = memchr(s, *p, (size_t)(end - s) - p_len + 1);
        if (!s)
            return NULL;
        if (!memcmp(s, p, p_len))
            return s;
    }
    return p_len ? memmem(s, (size_t)(end - s), p, p_len) : s;
}

static int find_plain(lua_State *L, const struct gw_match *m, size_t init)
{
    size_t left = (size_t)(m->text_end - m->text) - init, len = (size_t)(m->pat_end - m->pat);
    const char *at;

    gw_guard_charge(L, (left + len) / 8);
    at = find_text(m->text + init, left, m->pat, len);
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
    const char *s, *e;
    struct gw_match m;
    size_t init;

    gw_match_init(&m, L, 1, 2);
    init = start_at(L, 3, (size_t)(m.text_end - m.text));
    if (init > (size_t)(m.text_end - m.text)) {
        lua_pushnil(L);
        return 1;
    }
    if (find && (lua_toboolean(L, 4) || gw_match_is_plain(&m)))
        return find_plain(L, &m, init);
    gw_match_anchor(&m);
    s = m.text + init;
    e = gw_match_from(&m, &s);
    gw_match_pay(&m);
    if (!e) {
        lua_pushnil(L);
        return 1;
    }
    if (!find)
        return gw_match_push_all(&m, s, e);
    lua_pushinteger(L, s - m.text + 1);
    lua_pushinteger(L, e - m.text);
    return 2 + gw_match_push_all(&m, NULL, NULL);
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
    const char *last, *e, *s;
    lua_Integer last_at = lua_tointeger(L, lua_upvalueindex(4));

    gw_match_init(&m, L, lua_upvalueindex(1), lua_upvalueindex(2));
    last = last_at < 0 ? NULL : m.text + last_at;
    s = m.text + lua_tointeger(L, lua_upvalueindex(3));
    while ((e = gw_match_from(&m, &s)) != NULL && e == last)
        s++;
    gw_match_pay(&m);
    if (!e)
        return 0;
    lua_pushinteger(L, e - m.text);
    lua_copy(L, -1, lua_upvalueindex(3));
    lua_replace(L, lua_upvalueindex(4));
    return gw_match_push_all(&m, s, e);
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
        } else if (p < end && *p >= '1' && *p <= '9') {
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

    gw_match_pay(m);
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

/* Replaces up to max matches; *changed: not all stayed as they were. */
static lua_Integer replace_all(struct gw_match *m, luaL_Buffer *b, lua_Integer max, int type,
                               int *changed)
{
    const char *from = m->text, *last = NULL, *s, *e;
    lua_Integer n = 0;

    for (s = from; n < max && (e = gw_match_from(m, &s)) != NULL;) {
        if (e == last) { /* an empty match where one has just ended */
            s++;
            continue;
        }
        n++;
        luaL_addlstring(b, from, (size_t)(s - from));
        *changed |= add_value(m, b, s, e, type);
        from = s = last = e;
        if (m->anchored)
            break;
    }
    luaL_addlstring(b, from, (size_t)(m->text_end - from));
    return n;
}

static int str_gsub(lua_State *L)
{
    struct gw_match m;
    lua_Integer max, n;
    int type = lua_type(L, 3), changed = 0;
    luaL_Buffer b;

    gw_match_init(&m, L, 1, 2);
    max = luaL_optinteger(L, 4, (m.text_end - m.text) + 1);
    luaL_argexpected(L,
                     type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION ||
                         type == LUA_TTABLE,
                     3, "string/function/table");
    gw_match_anchor(&m);
    luaL_buffinit(L, &b);
    n = replace_all(&m, &b, max, type, &changed);
    gw_match_pay(&m);
    if (changed)
        luaL_pushresult(&b);
    else
        lua_pushvalue(L, 1);
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
