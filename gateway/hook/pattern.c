/* Lua's patterns, matched by our own code, which charges each step, so that no pattern runs past
 * the budget. Results and errors are those of Lua 5.4. */
#include "hook/pattern.h"

#include "hook/guard.h"
#include "hook/vm.h"

#include <ctype.h>
#include <string.h>

enum { MAX_CALLS = 200 };

enum { OPEN = -1, POSITION = -2 };

static const char *match_here(struct gw_match *m, const char *s, const char *p);

static void step(struct gw_match *m)
{
    gw_guard_charge(m->L, 1);
}

/* ---- single characters --------------------------------------------------------------- */

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
static const char *set_end(const struct gw_match *m, const char *p)
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

static const char *class_end(const struct gw_match *m, const char *p)
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
static int is_single(struct gw_match *m, const char *s, const char *p, const char *end)
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

/* ---- items --------------------------------------------------------------------------- */

static const char *match_balance(struct gw_match *m, const char *s, const char *p)
{
    int open, close, depth = 1;

    if (m->pat_end - p < 2)
        luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
    if (s >= m->text_end || *s != *p)
        return NULL;
    open = (unsigned char)*p;
    close = (unsigned char)p[1];
    while (++s < m->text_end) {
        step(m);
        if ((unsigned char)*s == close) {
            if (--depth == 0)
                return s + 1;
        } else if ((unsigned char)*s == open) {
            depth++;
        }
    }
    return NULL;
}

static const char *match_most(struct gw_match *m, const char *s, const char *p, const char *end)
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

static const char *match_least(struct gw_match *m, const char *s, const char *p, const char *end)
{
    for (;; s++) {
        const char *r = match_here(m, s, end + 1);

        if (r || !is_single(m, s, p, end))
            return r;
    }
}

static const char *start_capture(struct gw_match *m, const char *s, const char *p, ptrdiff_t what)
{
    const char *r;

    if (m->n >= GW_MATCH_CAPTURES)
        luaL_error(m->L, "too many captures");
    m->cap[m->n].start = s;
    m->cap[m->n].len = what;
    m->n++;
    r = match_here(m, s, p);
    if (!r)
        m->n--;
    return r;
}

static const char *end_capture(struct gw_match *m, const char *s, const char *p)
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
static const char *match_again(struct gw_match *m, const char *s, int digit)
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
static int is_frontier(struct gw_match *m, const char *s, const char *p, const char **end)
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
static int match_special(struct gw_match *m, const char **s, const char **p)
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
static int match_item(struct gw_match *m, const char **s, const char **p)
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

static const char *match_rest(struct gw_match *m, const char *s, const char *p)
{
    while (p < m->pat_end) {
        if (*p == '(')
            return p + 1 < m->pat_end && p[1] == ')' ? start_capture(m, s, p + 2, POSITION)
                                                     : start_capture(m, s, p + 1, OPEN);
        if (*p == ')')
            return end_capture(m, s, p + 1);
        if (*p == '$' && p + 1 == m->pat_end)
            return s == m->text_end ? s : NULL;
        if (match_special(m, &s, &p) ? !s : match_item(m, &s, &p))
            return s;
    }
    return s;
}

/* The end of the match of p at s, NULL if there is none. */
static const char *match_here(struct gw_match *m, const char *s, const char *p)
{
    const char *r;

    if (m->calls-- == 0)
        luaL_error(m->L, "pattern too complex");
    step(m);
    r = match_rest(m, s, p);
    m->calls++;
    return r;
}

/* ---- captures ------------------------------------------------------------------------ */

void gw_match_push(const struct gw_match *m, int i, const char *s, const char *e)
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

int gw_match_push_all(const struct gw_match *m, const char *s, const char *e)
{
    int n = m->n == 0 && s ? 1 : m->n;

    luaL_checkstack(m->L, n, "too many captures");
    for (int i = 0; i < n; i++)
        gw_match_push(m, i, s, e);
    return n;
}

void gw_match_init(struct gw_match *m, lua_State *L, int text, int pat)
{
    size_t text_len, pat_len;

    m->L = L;
    m->text = luaL_checklstring(L, text, &text_len);
    m->text_end = m->text + text_len;
    m->pat_end = luaL_checklstring(L, pat, &pat_len) + pat_len;
    m->calls = MAX_CALLS;
    m->n = 0;
}

const char *gw_match_at(struct gw_match *m, const char *s, const char *p)
{
    m->calls = MAX_CALLS;
    m->n = 0;
    return match_here(m, s, p);
}
