/* string.find, match, gmatch and gsub: Lua's patterns, matched by our own code, which charges each
 * step, so that no pattern runs past the budget. Results and errors are those of Lua 5.4. */
#include "hook/vm.h"

#include <ctype.h>
#include <string.h>

enum { MAX_CAPTURES = 32, MAX_CALLS = 200 };

enum { OPEN = -1, POSITION = -2 };

struct match {
    lua_State *L;
    const char *text, *text_end, *pat_end;
    int calls; /* left */
    int n;     /* captures, finished or not */
    struct {
        const char *start;
        ptrdiff_t len; /* or OPEN, POSITION */
    } cap[MAX_CAPTURES];
};

static const char *match_here(struct match *m, const char *s, const char *p);

static void step(struct match *m)
{
    gw_guard_charge(m->L, 1);
}

/* ---- single characters ------------------------------------------------------------------------
 */

static int is_class(int c, int class)
{
    int yes;

    switch (tolower(class)) {
    case 'a':
        yes = isalpha(c);
        break;
    case 'c':
        yes = iscntrl(c);
        break;
    case 'd':
        yes = isdigit(c);
        break;
    case 'g':
        yes = isgraph(c);
        break;
    case 'l':
        yes = islower(c);
        break;
    case 'p':
        yes = ispunct(c);
        break;
    case 's':
        yes = isspace(c);
        break;
    case 'u':
        yes = isupper(c);
        break;
    case 'w':
        yes = isalnum(c);
        break;
    case 'x':
        yes = isxdigit(c);
        break;
    case 'z': /* of old scripts */
        yes = c == 0;
        break;
    default:
        return class == c;
    }
    return isupper(class) ? !yes : yes != 0;
}

/* p is behind the '['; the end is behind the ']'. The first character, or the first behind ^, is
 * never the end. */
static const char *set_end(const struct match *m, const char *p)
{
    if (p < m->pat_end && *p == '^')
        p++;
    do {
        if (p == m->pat_end)
            luaL_error(m->L, "malformed pattern (missing ']')");
        if (*p++ == '%') {
            if (p == m->pat_end)
                luaL_error(m->L, "malformed pattern (missing ']')");
            p++;
        }
    } while (p == m->pat_end || *p != ']');
    return p + 1;
}

static const char *class_end(const struct match *m, const char *p)
{
    if (*p == '%') {
        if (p + 1 == m->pat_end)
            luaL_error(m->L, "malformed pattern (ends with '%%')");
        return p + 2;
    }
    return *p == '[' ? set_end(m, p + 1) : p + 1;
}

/* c is in the set between p (behind '[') and last (the ']'). */
static int in_set(int c, const char *p, const char *last)
{
    int wanted = 1;

    if (*p == '^') {
        wanted = 0;
        p++;
    }
    while (p < last) {
        unsigned char from = (unsigned char)*p;

        if (*p == '%') {
            if (is_class(c, (unsigned char)p[1]))
                return wanted;
            p += 2;
        } else if (p + 2 < last && p[1] == '-') {
            if (from <= c && c <= (unsigned char)p[2])
                return wanted;
            p += 3;
        } else {
            if (from == c)
                return wanted;
            p++;
        }
    }
    return !wanted;
}

/* The character at s matches the single item p..end. */
static int is_single(struct match *m, const char *s, const char *p, const char *end)
{
    int c;

    step(m);
    if (s >= m->text_end)
        return 0;
    c = (unsigned char)*s;
    switch (*p) {
    case '.':
        return 1;
    case '%':
        return is_class(c, (unsigned char)p[1]);
    case '[':
        return in_set(c, p + 1, end - 1);
    default:
        return (unsigned char)*p == c;
    }
}

/* ---- items ------------------------------------------------------------------------------------
 */

static const char *match_balance(struct match *m, const char *s, const char *p)
{
    int open, close, depth = 1;

    if (m->pat_end - p < 2)
        luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
    if (s >= m->text_end || *s != *p)
        return NULL;
    open = *p;
    close = p[1];
    while (++s < m->text_end) {
        step(m);
        if (*s == close) {
            if (--depth == 0)
                return s + 1;
        } else if (*s == open) {
            depth++;
        }
    }
    return NULL;
}

static const char *match_most(struct match *m, const char *s, const char *p, const char *end)
{
    ptrdiff_t n = 0;

    while (is_single(m, s + n, p, end))
        n++;
    for (; n >= 0; n--) {
        const char *r = match_here(m, s + n, end + 1);

        if (r)
            return r;
    }
    return NULL;
}

static const char *match_least(struct match *m, const char *s, const char *p, const char *end)
{
    for (;; s++) {
        const char *r = match_here(m, s, end + 1);

        if (r || !is_single(m, s, p, end))
            return r;
    }
}

static const char *start_capture(struct match *m, const char *s, const char *p, ptrdiff_t what)
{
    const char *r;

    if (m->n >= MAX_CAPTURES)
        luaL_error(m->L, "too many captures");
    m->cap[m->n].start = s;
    m->cap[m->n].len = what;
    m->n++;
    r = match_here(m, s, p);
    if (!r)
        m->n--;
    return r;
}

static const char *end_capture(struct match *m, const char *s, const char *p)
{
    const char *r;
    int i = m->n - 1;

    while (i >= 0 && m->cap[i].len != OPEN)
        i--;
    if (i < 0)
        luaL_error(m->L, "invalid pattern capture");
    m->cap[i].len = s - m->cap[i].start;
    r = match_here(m, s, p);
    if (!r)
        m->cap[i].len = OPEN;
    return r;
}

/* %1 to %9: the text of that capture again. */
static const char *match_again(struct match *m, const char *s, int digit)
{
    int i = digit - '1';
    size_t len;

    if (i < 0 || i >= m->n || m->cap[i].len == OPEN)
        luaL_error(m->L, "invalid capture index %%%d", i + 1);
    len = (size_t)m->cap[i].len;
    if (m->cap[i].len == POSITION || (size_t)(m->text_end - s) < len ||
        memcmp(m->cap[i].start, s, len) != 0)
        return NULL;
    return s + len;
}

/* %f[set]: between a character outside the set and one inside. p is behind the 'f'. */
static int is_frontier(struct match *m, const char *s, const char *p, const char **end)
{
    int before, after;

    if (p >= m->pat_end || *p != '[')
        luaL_error(m->L, "missing '[' after '%%f' in pattern");
    *end = class_end(m, p);
    before = s == m->text ? 0 : (unsigned char)s[-1];
    after = s < m->text_end ? (unsigned char)*s : 0;
    return !in_set(before, p + 1, *end - 1) && in_set(after, p + 1, *end - 1);
}

/* An item that is no single character: %b, %f, %1. 0: it is a single one. 1: *s and *p moved
 * behind, *s NULL if it did not match. */
static int match_special(struct match *m, const char **s, const char **p)
{
    const char *at = *p, *end;

    if (*at != '%' || at + 1 == m->pat_end)
        return 0;
    if (at[1] == 'b') {
        *s = match_balance(m, *s, at + 2);
        *p = at + 4;
    } else if (at[1] == 'f') {
        *s = is_frontier(m, *s, at + 2, &end) ? *s : NULL;
        *p = end;
    } else if (isdigit((unsigned char)at[1])) {
        *s = match_again(m, *s, (unsigned char)at[1]);
        *p = at + 2;
    } else {
        return 0;
    }
    return 1;
}

/* A single character and what stands behind it. 0: *s and *p moved, go on; else *s is the result.
 */
static int match_item(struct match *m, const char **s, const char **p)
{
    const char *end = class_end(m, *p), *r;

    switch (end < m->pat_end ? *end : '\0') {
    case '?':
        if (is_single(m, *s, *p, end) && (r = match_here(m, *s + 1, end + 1)) != NULL) {
            *s = r;
            return 1;
        }
        *p = end + 1;
        return 0;
    case '+':
        *s = is_single(m, *s, *p, end) ? match_most(m, *s + 1, *p, end) : NULL;
        return 1;
    case '*':
        *s = match_most(m, *s, *p, end);
        return 1;
    case '-':
        *s = match_least(m, *s, *p, end);
        return 1;
    default:
        *s = is_single(m, *s, *p, end) ? *s + 1 : NULL;
        *p = end;
        return *s == NULL;
    }
}

static const char *match_rest(struct match *m, const char *s, const char *p)
{
    while (p < m->pat_end) {
        if (*p == '(')
            return p + 1 < m->pat_end && p[1] == ')' ? start_capture(m, s, p + 2, POSITION)
                                                     : start_capture(m, s, p + 1, OPEN);
        if (*p == ')')
            return end_capture(m, s, p + 1);
        if (*p == '$' && p + 1 == m->pat_end)
            return s == m->text_end ? s : NULL;
        if (match_special(m, &s, &p)) {
            step(m);
            if (!s)
                return NULL;
        } else if (match_item(m, &s, &p)) {
            return s;
        }
    }
    return s;
}

/* The end of the match of p at s, NULL if there is none. */
static const char *match_here(struct match *m, const char *s, const char *p)
{
    const char *r;

    if (m->calls-- == 0)
        luaL_error(m->L, "pattern too complex");
    step(m);
    r = match_rest(m, s, p);
    m->calls++;
    return r;
}

/* ---- captures ---------------------------------------------------------------------------------
 */

static void push_capture(const struct match *m, int i, const char *s, const char *e)
{
    if (i >= m->n) {
        if (i != 0)
            luaL_error(m->L, "invalid capture index %%%d", i + 1);
        lua_pushlstring(m->L, s, (size_t)(e - s));
    } else if (m->cap[i].len == OPEN) {
        luaL_error(m->L, "unfinished capture");
    } else if (m->cap[i].len == POSITION) {
        lua_pushinteger(m->L, m->cap[i].start - m->text + 1);
    } else {
        lua_pushlstring(m->L, m->cap[i].start, (size_t)m->cap[i].len);
    }
}

/* All of them, or with s the whole match when there are none. */
static int push_captures(const struct match *m, const char *s, const char *e)
{
    int n = m->n == 0 && s ? 1 : m->n;

    luaL_checkstack(m->L, n, "too many captures");
    for (int i = 0; i < n; i++)
        push_capture(m, i, s, e);
    return n;
}

static void match_init(struct match *m, lua_State *L, int text, int pat)
{
    size_t text_len, pat_len;

    m->L = L;
    m->text = luaL_checklstring(L, text, &text_len);
    m->text_end = m->text + text_len;
    m->pat_end = luaL_checklstring(L, pat, &pat_len) + pat_len;
    m->calls = MAX_CALLS;
    m->n = 0;
}

static const char *match_at(struct match *m, const char *s, const char *p)
{
    m->calls = MAX_CALLS;
    m->n = 0;
    return match_here(m, s, p);
}

/* ---- find and match ---------------------------------------------------------------------------
 */

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
        if (memchr("^$*+?.([%-", p[i], 10))
            return 0;
    return 1;
}

/* memmem is linear in both lengths. */
static int find_plain(lua_State *L, const struct match *m, size_t init, const char *p, size_t len)
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
    struct match m;
    size_t init;
    int anchored;

    match_init(&m, L, 1, 2);
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
        e = match_at(&m, s, p);
        if (e && find) {
            lua_pushinteger(L, s - m.text + 1);
            lua_pushinteger(L, e - m.text);
            return 2 + push_captures(&m, NULL, NULL);
        }
        if (e)
            return push_captures(&m, s, e);
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

/* ---- gmatch -----------------------------------------------------------------------------------
 */

/* Upvalues: text, pattern, where to go on, end of the last match (-1: none). */
static int gmatch_next(lua_State *L)
{
    struct match m;
    const char *p, *last, *e;
    lua_Integer last_at = lua_tointeger(L, lua_upvalueindex(4));

    match_init(&m, L, lua_upvalueindex(1), lua_upvalueindex(2));
    p = lua_tostring(L, lua_upvalueindex(2));
    last = last_at < 0 ? NULL : m.text + last_at;
    for (const char *s = m.text + lua_tointeger(L, lua_upvalueindex(3)); s <= m.text_end; s++) {
        e = match_at(&m, s, p);
        if (!e || e == last)
            continue;
        lua_pushinteger(L, e - m.text);
        lua_copy(L, -1, lua_upvalueindex(3));
        lua_replace(L, lua_upvalueindex(4));
        return push_captures(&m, s, e);
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

/* ---- gsub -------------------------------------------------------------------------------------
 */

/* The replacement string with its %0 to %9 and %%. */
static void add_string(struct match *m, luaL_Buffer *b, const char *s, const char *e)
{
    size_t len;
    const char *r = lua_tolstring(m->L, 3, &len), *end = r + len, *p;

    while ((p = memchr(r, '%', (size_t)(end - r))) != NULL) {
        step(m);
        luaL_addlstring(b, r, (size_t)(p - r));
        p++;
        if (p < end && *p == '%') {
            luaL_addchar(b, '%');
        } else if (p < end && *p == '0') {
            luaL_addlstring(b, s, (size_t)(e - s));
        } else if (p < end && isdigit((unsigned char)*p)) {
            push_capture(m, *p - '1', s, e);
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
static int add_value(struct match *m, luaL_Buffer *b, const char *s, const char *e, int type)
{
    lua_State *L = m->L;

    if (type == LUA_TFUNCTION) {
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(m, s, e), 1);
    } else if (type == LUA_TTABLE) {
        push_capture(m, 0, s, e);
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
    struct match m;
    const char *p, *s, *last = NULL;
    lua_Integer max, n = 0;
    int type = lua_type(L, 3), anchored, changed = 0;
    luaL_Buffer b;

    match_init(&m, L, 1, 2);
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
        const char *e = match_at(&m, s, p);

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
