/* Lua's patterns, matched by our own code, which charges each step, so that no pattern runs past
 * the budget. Results and errors are those of Lua 5.4. */
#include "hook/pattern.h"

#include "hook/guard.h"
#include "hook/vm.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_CALLS = 200, CHUNK = 1024 };

enum { OPEN = -1, POSITION = -2 };
enum { HEAD_ANY, HEAD_CHAR, HEAD_ITEM };

static const char *match_here(struct gw_match *m, const char *s, const char *p);

void gw_match_pay(struct gw_match *m)
{
    uint64_t n = m->unpaid;

    m->unpaid = 0;
    gw_guard_charge(m->L, n);
}

static inline void step(struct gw_match *m, uint64_t n)
{
    m->unpaid += n;
    if (m->unpaid >= CHUNK)
        gw_match_pay(m);
}

/* A wrong pattern; the steps up to here are paid. */
static _Noreturn void refuse(struct gw_match *m, const char *what)
{
    gw_match_pay(m);
    luaL_error(m->L, "%s", what);
    abort();
}

static _Noreturn void refuse_index(struct gw_match *m, int i)
{
    gw_match_pay(m);
    luaL_error(m->L, "invalid capture index %%%d", i + 1);
    abort();
}

/* ---- single characters --------------------------------------------------------------- */

/* The classes of C's own locale, and the characters that are special in a pattern. */
enum {
    UPPER = 1,
    LOWER = 2,
    DIGIT = 4,
    HEX = 8,
    PUNCT = 16,
    SPACE = 32,
    CONTROL = 64,
    ZERO = 128,
    SPECIAL = 256,
    ALPHA = UPPER | LOWER,
    ALNUM = ALPHA | DIGIT,
    GRAPH = ALNUM | PUNCT,
};

static const uint16_t kinds[256] = {
    [0] = CONTROL | ZERO,
    [1 ... 8] = CONTROL,
    ['\t' ... '\r'] = CONTROL | SPACE,
    [14 ... 31] = CONTROL,
    [' '] = SPACE,
    ['!' ... '#'] = PUNCT,
    ['$' ... '%'] = PUNCT | SPECIAL,
    ['&' ... '\''] = PUNCT,
    ['('] = PUNCT | SPECIAL,
    [')'] = PUNCT,
    ['*' ... '+'] = PUNCT | SPECIAL,
    [','] = PUNCT,
    ['-' ... '.'] = PUNCT | SPECIAL,
    ['/'] = PUNCT,
    ['0' ... '9'] = DIGIT | HEX,
    [':' ... '>'] = PUNCT,
    ['?'] = PUNCT | SPECIAL,
    ['@'] = PUNCT,
    ['A' ... 'F'] = UPPER | HEX,
    ['G' ... 'Z'] = UPPER,
    ['['] = PUNCT | SPECIAL,
    ['\\' ... ']'] = PUNCT,
    ['^'] = PUNCT | SPECIAL,
    ['_' ... '`'] = PUNCT,
    ['a' ... 'f'] = LOWER | HEX,
    ['g' ... 'z'] = LOWER,
    ['{' ... '~'] = PUNCT,
    [127] = CONTROL,
};

/* By the letter behind a %, in lower case; z is of old scripts. */
static const uint16_t classes[128] = {
    ['a'] = ALPHA, ['c'] = CONTROL, ['d'] = DIGIT, ['g'] = GRAPH, ['l'] = LOWER, ['p'] = PUNCT,
    ['s'] = SPACE, ['u'] = UPPER,   ['w'] = ALNUM, ['x'] = HEX,   ['z'] = ZERO,
};

static inline int is_class(int c, int class)
{
    int wanted = kinds[class] & ALPHA ? classes[class | 0x20] : 0;

    if (!wanted)
        return class == c;
    return !(kinds[c] & wanted) == !(class & 0x20);
}

/* p is behind the '['; the end is behind the ']'. The first character, or the first behind ^, is
 * never the end. */
static const char *set_end(struct gw_match *m, const char *p)
{
    if (p < m->pat_end && *p == '^')
        p++;
    do {
        if (p == m->pat_end)
            refuse(m, "malformed pattern (missing ']')");
        if (*p++ == '%') {
            if (p == m->pat_end)
                refuse(m, "malformed pattern (missing ']')");
            p++;
        }
    } while (p == m->pat_end || *p != ']');
    return p + 1;
}

static inline const char *class_end(struct gw_match *m, const char *p)
{
    if (*p == '%') {
        if (p + 1 == m->pat_end)
            refuse(m, "malformed pattern (ends with '%')");
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

/* The character c matches the single item p..end. */
static inline int is_one(int c, const char *p, const char *end)
{
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

static inline int is_single(struct gw_match *m, const char *s, const char *p, const char *end)
{
    step(m, 1);
    return s < m->text_end && is_one((unsigned char)*s, p, end);
}

/* Where the characters from s on end that match the item, or with 0 do not. Paid by the chunk. */
static const char *run_end(struct gw_match *m, const char *s, const char *p, const char *end,
                           int yes)
{
    while (s < m->text_end) {
        size_t left = (size_t)(m->text_end - s), n = 0;

        if (left > CHUNK)
            left = CHUNK;
        while (n < left && is_one((unsigned char)s[n], p, end) == yes)
            n++;
        step(m, n + 1);
        s += n;
        if (n < left)
            break;
    }
    return s;
}

/* ---- items --------------------------------------------------------------------------- */

static const char *match_balance(struct gw_match *m, const char *s, const char *p)
{
    int open, close, depth = 1;

    if (m->pat_end - p < 2)
        refuse(m, "malformed pattern (missing arguments to '%b')");
    if (s >= m->text_end || *s != *p)
        return NULL;
    open = (unsigned char)*p;
    close = (unsigned char)p[1];
    while (++s < m->text_end) {
        step(m, 1);
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
    const char *last = *p == '.' ? m->text_end : run_end(m, s, p, end, 1);

    if (end + 1 == m->pat_end)
        return last;
    for (; last >= s; last--) {
        const char *r = match_here(m, last, end + 1);

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
        refuse(m, "too many captures");
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
        refuse(m, "invalid pattern capture");
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
        refuse_index(m, i);
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
        refuse(m, "missing '[' after '%f' in pattern");
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
    } else if (kinds[(unsigned char)at[1]] & DIGIT) {
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
        refuse(m, "pattern too complex");
    step(m, 1);
    r = match_rest(m, s, p);
    m->calls++;
    return r;
}

/* ---- where a match can begin ----------------------------------------------------------- */

/* A match that begins with one character out of a few is looked for quickly. A wrong pattern is
 * left to the matcher, which says what is wrong with it. */
static void find_head(struct gw_match *m)
{
    const char *p = m->pat;

    m->head = HEAD_ANY;
    if (p + 1 < m->pat_end && *p == '(' && p[1] != ')')
        p++;
    if (p == m->pat_end || *p == '(' || *p == ')' || *p == '.' ||
        (*p == '$' && p + 1 == m->pat_end))
        return;
    if (*p == '%' &&
        (p + 1 == m->pat_end || p[1] == 'b' || p[1] == 'f' || kinds[(unsigned char)p[1]] & DIGIT))
        return;
    m->head_item = p;
    m->head_end = class_end(m, p);
    if (m->head_end < m->pat_end && *m->head_end && strchr("*?-", *m->head_end))
        return;
    m->head = *p == '%' || *p == '[' ? HEAD_ITEM : HEAD_CHAR;
}

static const char *skip_to_head(struct gw_match *m, const char *s)
{
    const char *at = s;

    if (m->head == HEAD_CHAR) {
        at = memchr(s, *m->head_item, (size_t)(m->text_end - s));
        at = at ? at : m->text_end;
        step(m, (uint64_t)(at - s) / 16);
    } else if (m->head == HEAD_ITEM) {
        at = run_end(m, s, m->head_item, m->head_end, 0);
    }
    return at == m->text_end && m->head != HEAD_ANY ? NULL : at;
}

const char *gw_match_from(struct gw_match *m, const char **s)
{
    const char *at, *e;

    if (m->head < 0 && *s <= m->text_end)
        find_head(m);
    for (at = *s; at <= m->text_end; at++) {
        if (!m->anchored && !(at = skip_to_head(m, at)))
            return NULL;
        m->calls = MAX_CALLS;
        m->n = 0;
        *s = at;
        e = match_here(m, at, m->pat);
        if (e || m->anchored)
            return e;
    }
    return NULL;
}

/* ---- captures ------------------------------------------------------------------------ */

void gw_match_push(struct gw_match *m, int i, const char *s, const char *e)
{
    if (i >= m->n) {
        if (i != 0)
            refuse_index(m, i);
        lua_pushlstring(m->L, s, (size_t)(e - s));
    } else if (m->cap[i].len == OPEN) {
        refuse(m, "unfinished capture");
    } else if (m->cap[i].len == POSITION) {
        lua_pushinteger(m->L, m->cap[i].start - m->text + 1);
    } else {
        lua_pushlstring(m->L, m->cap[i].start, (size_t)m->cap[i].len);
    }
}

int gw_match_push_all(struct gw_match *m, const char *s, const char *e)
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
    m->pat = luaL_checklstring(L, pat, &pat_len);
    m->pat_end = m->pat + pat_len;
    m->unpaid = 0;
    m->anchored = 0;
    m->head = -1;
    m->n = 0;
}

void gw_match_anchor(struct gw_match *m)
{
    m->anchored = m->pat < m->pat_end && *m->pat == '^';
    m->pat += m->anchored;
}

int gw_match_is_plain(const struct gw_match *m)
{
    for (const char *p = m->pat; p < m->pat_end; p++)
        if (kinds[(unsigned char)*p] & SPECIAL)
            return 0;
    return 1;
}
