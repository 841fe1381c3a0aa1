/* Texts of errors: where, what, the value, the event. Runs in count hooks and after errors, so it
 * allocates nothing and never calls back into a script. */
#include "hook/explain.h"
#include "base/text.h"
#include "event/event.h"
#include "hook/api.h"
#include "hook/vm.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAX_FRAMES = 12, SHOWN_BYTES = 60, ID_BYTES = 200 };

struct text {
    char *p;
    size_t len;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *fmt, ...)
{
    size_t room = GW_HOOK_TEXT - t->len;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(t->p + t->len, room, fmt, ap);
    va_end(ap);
    if (n > 0)
        t->len += (size_t)n < room ? (size_t)n : room - 1;
}

/* The longest start of s with at most max bytes that does not cut a character. */
static size_t cut(struct gw_str s, size_t max)
{
    size_t n = s.len;

    if (n <= max)
        return n;
    for (n = max; n > 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80; n--)
        ;
    return n;
}

static void add_event(struct text *t, const struct gw_hook_run *r)
{
    struct gw_str id;

    if (!r->item)
        return;
    id = gw_event_text(r->item->ev, "id");
    if (id.p)
        add(t, " (event %.*s)", (int)cut(id, ID_BYTES), id.p);
}

/* One line of UTF-8, whatever it was: spaces and question marks take the place of the rest. */
static void make_plain(char *p, size_t len)
{
    for (size_t n; len; p += n, len -= n) {
        n = gw_utf8_step(p, len);
        if (!n) {
            n = 1;
            *p = '?';
        } else if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            *p = ' ';
        }
    }
}

/* The text may hold anything a script raised: at most half the room. */
static void add_what(struct text *t, const char *what)
{
    struct gw_str s = gw_str_of(what);
    size_t n = cut(s, GW_HOOK_TEXT / 2), start = t->len;

    add(t, "%.*s%s", (int)n, s.p, n < s.len ? "…" : "");
    make_plain(t->p + start, t->len - start);
}

/* Starts with a place, as error() and luaL_error put it: "team.lua:7: ", "[string "x"]:1: ", or
 * `chunk`, whatever load was told that its name is. Not "kafka-1:9092: refused". */
static int positioned(const struct gw_hook_run *r, const char *chunk, const char *what)
{
    const char *name = r->script ? r->script->name : "", *colon;
    size_t len;

    for (colon = strchr(what, ':'); colon; colon = strchr(colon + 1, ':')) {
        size_t digits = strspn(colon + 1, "0123456789");

        if (!digits || colon[1 + digits] != ':')
            continue;
        len = (size_t)(colon - what);
        return (len > 4 && !memcmp(colon - 4, ".lua", 4)) ||
               (len > 2 && !memcmp(colon - 2, "\"]", 2)) ||
               (len && len == strlen(name) && !memcmp(what, name, len)) ||
               (len && len == strlen(chunk) && !memcmp(what, chunk, len));
    }
    return 0;
}

void gw_explain(struct gw_hook_run *r, lua_State *L, const char *what)
{
    struct text t = {r->text, 0};
    lua_Debug ar;

    r->text[0] = '\0';
    for (int i = 0, n = 0; n < MAX_FRAMES && lua_getstack(L, i, &ar); i++) {
        lua_getinfo(L, "Sln", &ar);
        if (ar.currentline < 0)
            continue; /* a C function */
        if (n++ == 0) {
            if (!positioned(r, ar.short_src, what))
                add(&t, "%s:%d: ", ar.short_src, ar.currentline);
            add_what(&t, what);
            add_event(&t, r);
        }
        add(&t, "\n  %s:%d: in %s", ar.short_src, ar.currentline, ar.name ? ar.name : "hook");
    }
    if (t.len == 0)
        gw_explain_result(r, what);
}

void gw_explain_result(struct gw_hook_run *r, const char *what)
{
    struct text t = {r->text, 0};

    r->text[0] = '\0';
    if (r->script && !positioned(r, "", what))
        add(&t, "%s:%d: ", r->script->name, r->script->line);
    add_what(&t, what);
    add_event(&t, r);
}

void gw_explain_plain(struct gw_hook_run *r, const char *what)
{
    struct text t = {r->text, 0};

    r->text[0] = '\0';
    add_what(&t, what);
}

const char *gw_show_str(struct gw_str s, char out[GW_SHOWN])
{
    size_t n = cut(s, SHOWN_BYTES), len;

    len = (size_t)snprintf(out, GW_SHOWN, "\"%.*s%s\"", (int)n, s.p, n < s.len ? "…" : "");
    for (size_t i = 0; i < len && i < GW_SHOWN; i++)
        if ((unsigned char)out[i] < 0x20 || out[i] == 0x7f)
            out[i] = '?';
    return out;
}

/* As Lua shows it: 1.0 is no integer. */
static void show_float(double d, char out[GW_SHOWN])
{
    int n = snprintf(out, GW_SHOWN, "%.14g", d);

    if (isnan(d))
        snprintf(out, GW_SHOWN, "nan");
    else if (out[strspn(out, "-0123456789")] == '\0')
        snprintf(out + n, (size_t)(GW_SHOWN - n), ".0");
}

const char *gw_show(lua_State *L, int idx, char out[GW_SHOWN])
{
    const char *noun;
    struct gw_str s;

    switch (lua_type(L, idx)) {
    case LUA_TSTRING:
        s.p = lua_tolstring(L, idx, &s.len);
        return gw_show_str(s, out);
    case LUA_TNUMBER:
        if (lua_isinteger(L, idx))
            snprintf(out, GW_SHOWN, LUA_INTEGER_FMT, lua_tointeger(L, idx));
        else
            show_float(lua_tonumber(L, idx), out);
        return out;
    case LUA_TBOOLEAN:
        return lua_toboolean(L, idx) ? "true" : "false";
    case LUA_TNIL:
    case LUA_TNONE:
        return "nil";
    case LUA_TLIGHTUSERDATA:
        return lua_touserdata(L, idx) == &gw_retry_key ? "moongate.retry" : "moongate.json.null";
    default:
        noun = gw_handle_noun(L, idx);
        if (noun)
            return noun;
        snprintf(out, GW_SHOWN, "a %s", luaL_typename(L, idx));
        return out;
    }
}

const char *gw_error_text(lua_State *L, int idx, char *out, size_t size)
{
    char shown[GW_SHOWN];

    if (lua_type(L, idx) == LUA_TSTRING)
        return lua_tostring(L, idx);
    snprintf(out, size, "the error is %s, not a string", gw_show(L, idx, shown));
    return out;
}

const char *gw_where(lua_State *L, char out[GW_SHOWN])
{
    lua_Debug ar;

    out[0] = '\0';
    for (int i = 0; lua_getstack(L, i, &ar); i++) {
        lua_getinfo(L, "Sl", &ar);
        if (ar.currentline < 0)
            continue;
        snprintf(out, GW_SHOWN, "%s:%d", ar.short_src, ar.currentline);
        break;
    }
    return out;
}
