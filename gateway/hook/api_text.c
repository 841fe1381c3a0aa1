/* moongate.clean, and time: received, now, time, rfc3339. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/time.h"
#include "event/event.h"
#include "flyte/reflect.h"
#include "hook/api.h"
#include "hook/explain.h"
#include "hook/guard.h"
#include "hook/vm.h"

#include <math.h>

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/* One character of s at `at`: what it becomes; *n gets the bytes it has in s. */
static struct gw_str legal(struct gw_str s, size_t at, size_t *n)
{
    struct gw_str c = {s.p + at, gw_utf8_step(s.p + at, s.len - at)};
    uint32_t code;

    *n = c.len ? c.len : 1;
    if (!c.len)
        return (struct gw_str){replacement, sizeof(replacement) - 1};
    code = gw_utf8_get(c.p, &c.len);
    if (code < 0x20 || (code >= 0x7f && code <= 0x9f))
        return GW_STR(" ");
    return gw_attr_text_problem(c) ? (struct gw_str){replacement, sizeof(replacement) - 1} : c;
}

/* clean(s [, max]): a legal attribute value of at most max bytes. */
static int mg_clean(lua_State *L)
{
    lua_Integer max = lua_isnoneornil(L, 2) ? INT64_MAX : gw_check_integer(L, 2);
    struct gw_str s, c;
    struct gw_buf b;

    if (lua_isnoneornil(L, 1)) {
        lua_pushnil(L);
        return 1;
    }
    s = gw_check_str(L, 1);
    if (max < 0)
        gw_arg_error(L, 2, "a number of bytes");
    gw_guard_charge(L, s.len / 4);
    if (s.len <= (size_t)max && !gw_attr_text_problem(s)) {
        lua_pushvalue(L, 1);
        return 1;
    }
    gw_scratch_buf(L, &b);
    for (size_t at = 0, n; at < s.len; at += n) {
        c = legal(s, at, &n);
        if (b.len + c.len > (size_t)max)
            break;
        gw_buf_put_str(&b, c);
    }
    gw_guard_buf(L, &b);
    lua_pushlstring(L, b.p ? b.p : "", b.len);
    return 1;
}

static lua_Number seconds_of(struct gw_time t)
{
    return (lua_Number)t.sec + (lua_Number)t.nanos / 1e9;
}

static int mg_received(lua_State *L)
{
    const struct gw_hook_run *r = gw_run_check(L, "moongate.received");

    lua_pushnumber(L, seconds_of(gw_time_of_ns(r->call->received_at_ns)));
    return 1;
}

static int mg_now(lua_State *L)
{
    const struct gw_hook_call *c = gw_vm(L)->run->call;

    lua_pushnumber(L, seconds_of(gw_time_of_ns(c && c->now_ns ? c->now_ns : gw_clock_wall_ns())));
    return 1;
}

/* time(x): a Timestamp or an RFC 3339 string as seconds since 1970; nil gives nil. */
static int is_time(const ProtobufCMessageDescriptor *d)
{
    return gw_pb_is_timestamp(d) || gw_pb_is_duration(d);
}

static int mg_time(lua_State *L)
{
    const struct gw_handle *h = gw_handle_test(L, 1, GW_H_MESSAGE);
    char shown[GW_SHOWN];
    struct gw_time t;
    struct gw_str s;

    if (lua_isnil(L, 1)) {
        lua_pushnil(L);
        return 1;
    }
    if (h && is_time(((const ProtobufCMessage *)h->p)->descriptor)) {
        lua_pushnumber(L, seconds_of(gw_pb_time(h->p)));
        return 1;
    }
    if (lua_type(L, 1) != LUA_TSTRING)
        return gw_arg_error(L, 1, "a Timestamp, a Duration or an RFC 3339 string");
    s.p = lua_tolstring(L, 1, &s.len);
    if (gw_time_parse(s, &t))
        return luaL_error(L, "%s is not an RFC 3339 time, as 2026-01-02T03:04:05Z",
                          gw_show_str(s, shown));
    lua_pushnumber(L, seconds_of(t));
    return 1;
}

/* A float has no more than microseconds at today's dates. */
static int mg_rfc3339(lua_State *L)
{
    lua_Number seconds = lua_isnumber(L, 1) ? lua_tonumber(L, 1) : gw_arg_error(L, 1, "a number");
    lua_Number whole = floor(seconds);
    char text[GW_TIME_TEXT], shown[GW_SHOWN];
    struct gw_time t;
    size_t len = 0;

    if (whole >= -1e12 && whole <= 1e12) {
        t.sec = (int64_t)whole;
        t.nanos = (int32_t)(round((seconds - whole) * 1e6) * 1000);
        if (t.nanos == 1000000000) {
            t.sec++;
            t.nanos = 0;
        }
        len = gw_time_format(t, text);
    }
    if (!len)
        return luaL_error(L, "rfc3339: %s is outside the years 0001 to 9999", gw_show(L, 1, shown));
    lua_pushlstring(L, text, len);
    return 1;
}

void gw_api_text_open(lua_State *L)
{
    static const luaL_Reg fns[] = {{"clean", mg_clean}, {"received", mg_received}, {"now", mg_now},
                                   {"time", mg_time},   {"rfc3339", mg_rfc3339},   {NULL, NULL}};

    luaL_setfuncs(L, fns, 0);
}
