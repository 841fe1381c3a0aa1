/* moongate.cache: what a pipeline's workers remember together. Values are copies, kept as bytes
 * outside of the Lua state; a cache belongs to its pipeline, so it goes on over reloads. */
#include "base/buf.h"
#include "base/text.h"
#include "hook/api.h"
#include "hook/caches.h"
#include "hook/explain.h"
#include "hook/flat.h"
#include "hook/guard.h"
#include "hook/shared.h"
#include "hook/uses.h"
#include "hook/vm.h"

#include <math.h>
#include <string.h>

enum { COST = 40, COST_CALL = 20, NAME = 64, MAX = 1000000 };

/* Of all caches of the pipeline: a part of what each of its workers may have. */
static size_t bound(lua_State *L)
{
    return (size_t)gw_vm(L)->conf->limits.memory / 4;
}

/* ---- moongate.cache(name, {max=, ttl=}) ---- */

static void check_options(lua_State *L)
{
    char shown[GW_SHOWN], hint[64];

    for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
        struct gw_nearest near = {0};

        if (lua_type(L, -2) == LUA_TSTRING)
            near.wanted.p = lua_tolstring(L, -2, &near.wanted.len);
        if (gw_str_is(near.wanted, "max") || gw_str_is(near.wanted, "ttl"))
            continue;
        gw_nearest_offer(&near, GW_STR("max"));
        gw_nearest_offer(&near, GW_STR("ttl"));
        luaL_error(L, "moongate.cache: no option %s%s", gw_show(L, -2, shown),
                   near.wanted.p ? gw_nearest_hint(&near, hint, sizeof(hint)) : "");
    }
}

static size_t check_max(lua_State *L)
{
    char shown[GW_SHOWN];
    lua_Integer n = 10000;
    int ok = 1;

    if (lua_getfield(L, 2, "max") != LUA_TNIL)
        n = lua_type(L, -1) == LUA_TNUMBER ? lua_tointegerx(L, -1, &ok) : 0;
    if (!ok || n < 1 || n > MAX)
        luaL_error(L, "moongate.cache: max is a number of entries from 1 to %d, not %s", MAX,
                   gw_show(L, -1, shown));
    lua_pop(L, 1);
    return (size_t)n;
}

static int64_t check_ttl(lua_State *L)
{
    char shown[GW_SHOWN];
    double seconds = 300;

    if (lua_getfield(L, 2, "ttl") != LUA_TNIL)
        seconds = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : NAN;
    if (!(seconds > 0))
        luaL_error(L,
                   "moongate.cache: ttl is a number of seconds above 0 (math.huge: for ever), "
                   "not %s",
                   gw_show(L, -1, shown));
    lua_pop(L, 1);
    return seconds < 9e9 ? (int64_t)ceil(seconds * 1e9) : INT64_MAX;
}

static int mg_cache(lua_State *L)
{
    struct gw_caches *all = gw_hook_shared_caches(gw_vm(L)->shared);
    struct gw_str name = gw_check_str(L, 1);
    struct gw_cache_conf conf = {0};
    char shown[GW_SHOWN];
    struct gw_handle *h;

    gw_guard_charge(L, COST);
    lua_settop(L, 2);
    if (!name.len || name.len > NAME)
        luaL_error(L, "moongate.cache: a name has 1 to %d bytes, not %d: %s", NAME, (int)name.len,
                   gw_show_str(name, shown));
    if (!lua_isnil(L, 2)) {
        if (!lua_istable(L, 2))
            gw_arg_error(L, 2, "a table of options");
        gw_thaw(L, 2);
        check_options(L);
        conf.max = check_max(L);
        conf.ttl_ns = check_ttl(L);
    }
    h = gw_handle_push(L, GW_H_CACHE, NULL);
    h->serial = 0;
    gw_caches_bound(all, bound(L));
    h->p = gw_use_cache(gw_vm(L), name, conf.max ? &conf : NULL);
    if (!h->p)
        luaL_error(L, "moongate.cache: %s would be one of more than %d caches",
                   gw_show_str(name, shown), GW_CACHES_MAX);
    return 1;
}

/* ---- get, set, delete ---- */

static int64_t now_ns(lua_State *L)
{
    const struct gw_hook_call *c = gw_vm(L)->run->call;

    return c && c->now_ns ? c->now_ns : gw_caches_now(gw_hook_shared_caches(gw_vm(L)->shared));
}

/* The key at 2 as the first bytes of b. As in a table 1.0 is 1. */
static struct gw_cache *begin(lua_State *L, struct gw_buf *b)
{
    struct gw_cache *cache = gw_handle_check(L, 1, GW_H_CACHE)->p;
    lua_Integer n;

    gw_guard_charge(L, COST_CALL);
    if (lua_type(L, 2) != LUA_TSTRING && lua_type(L, 2) != LUA_TNUMBER)
        gw_arg_error(L, 2, "a string or a number as the key");
    gw_buf_init(b, bound(L) / 8, gw_scratch(L));
    if (lua_type(L, 2) == LUA_TNUMBER && lua_tonumber(L, 2) != lua_tonumber(L, 2))
        gw_arg_error(L, 2, "a key that equals itself");
    if (lua_type(L, 2) == LUA_TNUMBER && lua_numbertointeger(lua_tonumber(L, 2), &n) &&
        !lua_isinteger(L, 2) && (lua_Number)n == lua_tonumber(L, 2))
        gw_flat_int(b, n);
    else
        gw_flat_encode(L, 2, "the key", b);
    return cache;
}

static void check_size(lua_State *L, const struct gw_buf *b)
{
    char shown[GW_SHOWN];

    if (b->failed)
        luaL_error(L, "moongate.cache: key and value of %s have more than %d bytes",
                   gw_show(L, 2, shown), (int)(bound(L) / 8));
}

static int cache_get(lua_State *L)
{
    struct gw_str value;
    struct gw_buf b;
    struct gw_cache *cache = begin(L, &b);

    if (b.failed || !gw_cache_get(cache, gw_buf_str(&b), now_ns(L), b.mem, &value))
        lua_pushnil(L);
    else
        gw_flat_push(L, &value);
    return 1;
}

static int cache_set(lua_State *L)
{
    struct gw_str key, value;
    struct gw_buf b;
    struct gw_cache *cache = begin(L, &b);
    size_t len = b.len;

    check_size(L, &b);
    if (lua_isnoneornil(L, 3)) {
        gw_cache_delete(cache, gw_buf_str(&b));
        return 0;
    }
    gw_flat_encode(L, 3, "moongate.cache: the value", &b);
    check_size(L, &b);
    key = (struct gw_str){b.p, len};
    value = (struct gw_str){b.p + len, b.len - len};
    gw_guard_charge(L, value.len / 16);
    gw_cache_set(cache, key, value, now_ns(L));
    return 0;
}

static int cache_delete(lua_State *L)
{
    struct gw_buf b;
    struct gw_cache *cache = begin(L, &b);

    if (!b.failed)
        gw_cache_delete(cache, gw_buf_str(&b));
    return 0;
}

void gw_api_cache_open(lua_State *L)
{
    static const luaL_Reg meta[] = {{NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"get", cache_get}, {"set", cache_set}, {"delete", cache_delete}, {NULL, NULL}};

    gw_handle_meta(L, GW_H_CACHE, "cache", meta);
    gw_handle_methods(L, GW_H_CACHE, methods);
    lua_pushcfunction(L, mg_cache);
    lua_setfield(L, -2, "cache");
}
