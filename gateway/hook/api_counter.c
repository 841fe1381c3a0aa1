/* moongate.counter: metrics of a script's own. A counter belongs to its pipeline, so it may be kept
 * and goes on over reloads. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/metrics.h"
#include "base/sums.h"
#include "base/text.h"
#include "hook/api.h"
#include "hook/counters.h"
#include "hook/explain.h"
#include "hook/guard.h"
#include "hook/shared.h"
#include "hook/vm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COST = 60, COST_ADD = 10, NAME = 64, VALUE = 128 };

static const char sets_key; /* in the registry: name to its labels, as this state's scripts say */

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static int is_of(struct gw_str s, const char *first, const char *rest)
{
    return s.len && s.len <= NAME && strlen(s.p) == s.len && strspn(s.p, first) &&
           strspn(s.p, rest) == s.len;
}

static struct gw_str check_name(lua_State *L)
{
    static const char end[] = "_total";
    struct gw_str s = gw_check_str(L, 1);
    char metric[NAME + 32], shown[GW_SHOWN];

    if (!is_of(s, LOWER "_", LOWER DIGITS "_"))
        luaL_error(L,
                   "moongate.counter: %s is no name of a counter (a to z, 0 to 9 and _, %d "
                   "characters at most)",
                   gw_show_str(s, shown), NAME);
    if (s.len >= sizeof(end) - 1 && !strcmp(s.p + s.len - (sizeof(end) - 1), end))
        luaL_error(L, "moongate.counter: %s: the metric's name gets its _total by itself",
                   gw_show_str(s, shown));
    snprintf(metric, sizeof(metric), "moongate_script_%s_total", s.p);
    if (gw_metrics_has(gw_str_of(metric)))
        luaL_error(L, "moongate.counter: %s is the gateway's own metric, take another name than %s",
                   metric, gw_show_str(s, shown));
    return s;
}

static struct gw_str check_label(lua_State *L, int idx)
{
    struct gw_str s = {"", 0};
    char shown[GW_SHOWN];

    if (lua_type(L, idx) == LUA_TSTRING)
        s.p = lua_tolstring(L, idx, &s.len);
    if (!is_of(s, LOWER UPPER "_", LOWER UPPER DIGITS "_"))
        luaL_error(L, "moongate.counter: %s is no name of a label (letters, digits and _)",
                   gw_show(L, idx, shown));
    if (gw_str_is(s, "pipeline") || !strncmp(s.p, "__", 2))
        luaL_error(L, "moongate.counter: the label %s is not a script's to set", s.p);
    return s;
}

/* At most VALUE bytes of whole characters, none of them a control: what is shown is what was
 * counted, and two series never look the same. */
static struct gw_str clean(struct gw_arena *mem, struct gw_str s)
{
    struct gw_buf b;
    size_t n, len;

    gw_buf_init(&b, (size_t)2 * VALUE, mem);
    for (size_t at = 0; at < s.len; at += n) {
        len = gw_utf8_step(s.p + at, s.len - at);
        n = len ? len : 1;
        if (b.len + (len ? len : 3) > VALUE)
            break;
        if (!len)
            gw_utf8_put(&b, 0xfffd);
        else if (len == 1 && ((unsigned char)s.p[at] < 0x20 || s.p[at] == 0x7f))
            gw_buf_putc(&b, ' ');
        else
            gw_buf_put(&b, s.p + at, len);
    }
    return gw_buf_str(&b);
}

static int is_clean(struct gw_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.p[i] < 0x20 || (unsigned char)s.p[i] >= 0x7f)
            return 0;
    return s.len <= VALUE;
}

/* The value on top; a string of it stays there. */
static struct gw_str label_value(lua_State *L, const char *name)
{
    char shown[GW_SHOWN];
    struct gw_str s;

    if (lua_type(L, -1) == LUA_TBOOLEAN)
        return gw_str_of(lua_toboolean(L, -1) ? "true" : "false");
    if (!lua_isstring(L, -1))
        luaL_error(L, "moongate.counter: the label %s is a string, a number or a boolean, not %s",
                   name, gw_show(L, -1, shown));
    s.p = lua_tolstring(L, -1, &s.len);
    gw_guard_charge(L, (s.len < VALUE ? s.len : VALUE) / 8);
    return s;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct gw_label *)a)->name.p, ((const struct gw_label *)b)->name.p);
}

/* The table at 2. Names and values stay on the stack while they are used. */
static size_t read_labels(lua_State *L, struct gw_label labels[GW_COUNTER_LABELS])
{
    struct gw_arena *mem = gw_scratch(L);
    size_t n = 0;

    luaL_checkstack(L, 3 * GW_COUNTER_LABELS, "labels");
    gw_thaw(L, 2);
    lua_pushnil(L);
    while (lua_next(L, 2)) {
        struct gw_label *l = &labels[n];

        if (n++ == GW_COUNTER_LABELS)
            luaL_error(L, "moongate.counter: more than %d labels", GW_COUNTER_LABELS);
        l->name = check_label(L, -2);
        l->value = label_value(L, l->name.p);
        if (!is_clean(l->value))
            l->value = clean(mem, l->value);
        lua_pushvalue(L, -2); /* below it the name and the value stay */
    }
    qsort(labels, n, sizeof(*labels), by_name);
    return n;
}

/* A metric has one set of labels, or sums over it mean nothing. A new version of the script may
 * have another. */
static void check_set(lua_State *L, const char *name, const struct gw_label *labels, size_t n)
{
    luaL_Buffer b;
    int known;

    luaL_buffinit(L, &b);
    for (size_t i = 0; i < n; i++) {
        if (i)
            luaL_addstring(&b, ", ");
        luaL_addlstring(&b, labels[i].name.p, labels[i].name.len);
    }
    luaL_pushresult(&b);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &sets_key);
    known = lua_getfield(L, -1, name) != LUA_TNIL;
    if (known && !lua_rawequal(L, -1, -3))
        luaL_error(L, "moongate.counter: %s has the labels {%s} elsewhere, not {%s}", name,
                   lua_tostring(L, -1), lua_tostring(L, -3));
    lua_pop(L, 1);
    lua_insert(L, -2);
    if (!known)
        lua_setfield(L, -2, name);
}

static int mg_counter(lua_State *L)
{
    struct gw_label labels[GW_COUNTER_LABELS];
    struct gw_str name = check_name(L);
    struct gw_handle *h;
    size_t n = 0;

    gw_guard_charge(L, COST);
    lua_settop(L, 2);
    if (lua_istable(L, 2))
        n = read_labels(L, labels);
    else if (!lua_isnil(L, 2))
        gw_arg_error(L, 2, "a table of labels");
    check_set(L, name.p, labels, n);
    h = gw_handle_push(L, GW_H_COUNTER, NULL);
    h->serial = 0;
    h->p = gw_counters_get(gw_hook_shared_counters(gw_vm(L)->shared), name, labels, n);
    return 1;
}

static int counter_add(lua_State *L)
{
    static const double most = 9007199254740992; /* 2^53 */
    const struct gw_handle *h = gw_handle_check(L, 1, GW_H_COUNTER);
    double n = 1;

    gw_guard_charge(L, COST_ADD);
    if (!lua_isnoneornil(L, 2)) {
        n = lua_type(L, 2) == LUA_TNUMBER ? lua_tonumber(L, 2) : NAN;
        if (!(n >= 0 && n <= most))
            return gw_arg_error(L, 2, "a number from 0 to 2^53");
    }
    gw_sum_count(h->p, n);
    return 0;
}

void gw_api_counter_open(lua_State *L)
{
    static const luaL_Reg meta[] = {{NULL, NULL}};
    static const luaL_Reg methods[] = {{"add", counter_add}, {NULL, NULL}};

    gw_handle_meta(L, GW_H_COUNTER, "counter", meta);
    gw_handle_methods(L, GW_H_COUNTER, methods);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &sets_key);
    lua_pushcfunction(L, mg_counter);
    lua_setfield(L, -2, "counter");
}
