/* moongate.http: get, post, request. The hook waits, its worker goes on with other keys. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/header.h"
#include "base/text.h"
#include "hook/api.h"
#include "hook/explain.h"
#include "hook/guard.h"
#include "hook/hooks.h"
#include "hook/http.h"
#include "hook/wait.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_HEADERS = 64, URL = 1, OPTS, BODY, KEPT };

struct ask {
    const char *what; /* "moongate.http.get" */
    int is_fixed;     /* get and post: the name says the method */
    struct gw_hook_request rq;
    struct gw_hook_header headers[MAX_HEADERS];
    int64_t timeout_ms; /* 0: none of its own */
    int has_type;       /* a Content-Type of the script's own */
};

/* ---- options: the value is on top ----------------------------------------------------------- */

/* What frames a request or names its server is not a script's to say. */
static int is_ours(const char *name)
{
    static const char *const names[] = {"host",    "content-length", "transfer-encoding",
                                        "te",      "connection",     "keep-alive",
                                        "upgrade", "expect",         "trailer"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!strcasecmp(name, names[i]))
            return 1;
    return !strncasecmp(name, "proxy-", 6);
}

/* A name and its value are on top. */
static void add_header(lua_State *L, struct ask *a)
{
    char name[GW_SHOWN], shown[GW_SHOWN];
    struct gw_hook_header *h;

    if (lua_type(L, -2) != LUA_TSTRING || !lua_isstring(L, -1))
        luaL_error(L, "%s: opts.headers has names and strings, not %s = %s", a->what,
                   gw_show(L, -2, name), gw_show(L, -1, shown));
    if (a->rq.n_headers == MAX_HEADERS)
        luaL_error(L, "%s: more than %d headers", a->what, MAX_HEADERS);
    h = &a->headers[a->rq.n_headers++];
    h->name.p = lua_tolstring(L, -2, &h->name.len);
    h->value.p = lua_tolstring(L, -1, &h->value.len);
    if (!gw_header_name_ok(h->name) || is_ours(h->name.p))
        luaL_error(L, "%s: %s is no header for a script to set", a->what,
                   gw_show_str(h->name, shown));
    if (!gw_header_value_ok(h->value))
        luaL_error(L, "%s: a control character in the header %s: %s", a->what, h->name.p,
                   gw_show_str(h->value, shown));
    a->has_type |= !strcasecmp(h->name.p, "content-type");
}

static void read_headers(lua_State *L, struct ask *a)
{
    const int idx = lua_gettop(L);
    char shown[GW_SHOWN];

    gw_thaw(L, idx);
    if (!lua_istable(L, idx))
        luaL_error(L, "%s: opts.headers is a table, not %s", a->what, gw_show(L, idx, shown));
    for (lua_pushnil(L); lua_next(L, idx); lua_settop(L, idx + 1)) {
        gw_guard_charge(L, 10);
        if (lua_type(L, -1) == LUA_TNUMBER) { /* its text is kept as long as we point to it */
            lua_tostring(L, -1);
            lua_pushvalue(L, -1);
            lua_rawseti(L, KEPT, (lua_Integer)a->rq.n_headers + 1);
        }
        add_header(L, a);
    }
}

static void read_method(lua_State *L, struct ask *a)
{
    static const char *const methods[] = {"GET",   "HEAD",   "POST",   "PUT",
                                          "PATCH", "DELETE", "OPTIONS"};
    char shown[GW_SHOWN];

    if (a->is_fixed)
        luaL_error(L, "%s: its method is its name (moongate.http.request takes opts.method)",
                   a->what);
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (lua_type(L, -1) == LUA_TSTRING && !strcasecmp(lua_tostring(L, -1), methods[i])) {
            a->rq.method = gw_str_of(methods[i]);
            return;
        }
    luaL_error(L, "%s: opts.method is GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS, not %s",
               a->what, gw_show(L, -1, shown));
}

static void read_timeout(lua_State *L, struct ask *a)
{
    const double seconds = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
    char shown[GW_SHOWN];

    if (!(seconds > 0))
        luaL_error(L, "%s: opts.timeout is a number of seconds above 0, not %s", a->what,
                   gw_show(L, -1, shown));
    a->timeout_ms = seconds < 86400 ? (int64_t)ceil(seconds * 1000) : 86400000;
}

/* The body takes a place on the stack, where it stays while the hook waits. */
static void set_body(lua_State *L, struct ask *a)
{
    if (!lua_isnil(L, BODY))
        luaL_error(L, "%s: opts has a body and json; one of them is sent", a->what);
    if (a->is_fixed && gw_str_is(a->rq.method, "GET"))
        luaL_error(L, "%s: a GET has no body (moongate.http.post or request)", a->what);
    lua_replace(L, BODY);
    a->rq.body.p = lua_tolstring(L, BODY, &a->rq.body.len);
}

static void read_body(lua_State *L, struct ask *a)
{
    char shown[GW_SHOWN];

    if (!lua_isstring(L, -1))
        luaL_error(L, "%s: opts.body is a string, not %s", a->what, gw_show(L, -1, shown));
    set_body(L, a);
}

static void read_json(lua_State *L, struct ask *a)
{
    struct gw_buf b;

    gw_scratch_buf(L, &b);
    gw_json_encode(L, -1, &b);
    gw_guard_buf(L, &b);
    lua_pushlstring(L, b.p ? b.p : "", b.len);
    set_body(L, a);
    if (a->has_type)
        return;
    if (a->rq.n_headers == MAX_HEADERS)
        luaL_error(L, "%s: more than %d headers", a->what, MAX_HEADERS);
    a->headers[a->rq.n_headers++] =
        (struct gw_hook_header){GW_STR("Content-Type"), GW_STR("application/json")};
}

static const struct {
    const char *name;
    void (*read)(lua_State *L, struct ask *a);
} options[] = {
    {"timeout", read_timeout}, {"method", read_method}, {"headers", read_headers},
    {"body", read_body},       {"json", read_json},
};
enum { OPTIONS = sizeof(options) / sizeof(options[0]) };

static void check_options(lua_State *L, const struct ask *a)
{
    char hint[64], shown[GW_SHOWN];

    for (lua_pushnil(L); lua_next(L, OPTS); lua_pop(L, 1)) {
        struct gw_nearest near = {0};
        int known = 0;

        gw_guard_charge(L, 10);
        if (lua_type(L, -2) == LUA_TSTRING)
            near.wanted.p = lua_tolstring(L, -2, &near.wanted.len);
        for (int i = 0; near.wanted.p && i < OPTIONS; i++) {
            known |= gw_str_is(near.wanted, options[i].name);
            gw_nearest_offer(&near, gw_str_of(options[i].name));
        }
        if (!known)
            luaL_error(L, "%s: opts has no member %s%s", a->what, gw_show(L, -2, shown),
                       near.wanted.p ? gw_nearest_hint(&near, hint, sizeof(hint)) : "");
    }
}

static void read_options(lua_State *L, struct ask *a)
{
    gw_thaw(L, OPTS);
    if (!lua_istable(L, OPTS))
        gw_arg_error(L, OPTS, "a table of options");
    check_options(L, a);
    for (int i = 0; i < OPTIONS; i++) {
        lua_pushstring(L, options[i].name);
        if (lua_rawget(L, OPTS) != LUA_TNIL)
            options[i].read(L, a);
        lua_settop(L, KEPT);
    }
}

static void read_arguments(lua_State *L, struct ask *a)
{
    a->rq.url = gw_check_str(L, URL);
    lua_settop(L, OPTS);
    lua_pushnil(L);
    lua_newtable(L);
    if (!lua_isnil(L, OPTS))
        read_options(L, a);
    if (!a->rq.method.p)
        a->rq.method = a->rq.body.p ? GW_STR("POST") : GW_STR("GET");
    if (a->rq.body.p && gw_str_is(a->rq.method, "HEAD"))
        luaL_error(L, "%s: a HEAD has no body", a->what);
    a->rq.headers = a->headers;
    gw_guard_charge(L, (a->rq.url.len + a->rq.body.len) / 16);
}

/* ---- the answer ------------------------------------------------------------------------------ */

/* Into the table on top: names in lower case, those that come again joined by commas. */
static void put_header(lua_State *L, struct gw_str name, struct gw_str value)
{
    luaL_Buffer b;
    char *lower = luaL_buffinitsize(L, &b, name.len);

    for (size_t i = 0; i < name.len; i++)
        lower[i] = (char)(name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] + 'a' - 'A' : name.p[i]);
    luaL_pushresultsize(&b, name.len);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_pushlstring(L, value.p, value.len);
    } else {
        gw_guard_charge(L, lua_rawlen(L, -1) / 16);
        lua_pushliteral(L, ", ");
        lua_pushlstring(L, value.p, value.len);
        lua_concat(L, 3);
    }
    gw_guard_charge(L, 10 + (name.len + value.len) / 16);
    lua_rawset(L, -3);
}

/* The headers are on top. */
static int push_answer(lua_State *L, int status, struct gw_str body)
{
    gw_guard_charge(L, body.len / 16);
    lua_createtable(L, 0, 3);
    lua_insert(L, -2);
    lua_setfield(L, -2, "headers");
    lua_pushinteger(L, status);
    lua_setfield(L, -2, "status");
    lua_pushlstring(L, body.p ? body.p : "", body.len);
    lua_setfield(L, -2, "body");
    return 1;
}

static int push_failure(lua_State *L, const char *why)
{
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
}

static int answered(lua_State *L, int status, lua_KContext ctx)
{
    struct gw_hook_ask *a = (struct gw_hook_ask *)gw_vm(L)->run->wait;
    struct gw_str name, value;
    void *at = NULL;

    (void)status;
    (void)ctx;
    if (a->why[0])
        return push_failure(L, a->why);
    lua_newtable(L);
    while (gw_fetch_answer_next(&a->fetch, &at, &name, &value))
        put_header(L, name, value);
    return push_answer(L, a->fetch.status, gw_hook_ask_body(a));
}

/* Answered in a spec. */
static int outside(lua_State *L, const struct gw_hook_outside *o, const struct ask *a)
{
    const char *wrong = gw_hook_url_problem(a->rq.url.p);
    struct gw_hook_answer answer = {.status = 0};

    if (wrong)
        return push_failure(L, wrong);
    if (!o->http(o->ctx, &a->rq, &answer))
        return luaL_error(L, "%s: no answer was given: gate.http(\"%s\", …)", a->what, a->rq.url.p);
    if (!answer.status)
        return push_failure(L, answer.why);
    lua_newtable(L);
    for (size_t i = 0; i < answer.n_headers; i++)
        put_header(L, answer.headers[i].name, answer.headers[i].value);
    return push_answer(L, answer.status, answer.body);
}

/* Nothing between the start and the wait may raise. */
static int ask_network(lua_State *L, const struct ask *a)
{
    const int64_t left = gw_wait_left_ms(L);
    struct gw_hook_run *r = gw_vm(L)->run;
    char why[GW_HTTP_WHY];
    struct gw_hook_ask *ask;

    ask = gw_hook_ask_start(gw_hooks_http(r->hooks), r->vm, &a->rq,
                            a->timeout_ms < left ? a->timeout_ms : 0, why);
    if (ask)
        return gw_wait(L, &ask->wait, gw_hook_ask_end, answered, 0);
    if (!why[0])
        gw_guard_check(L, LUA_ERRMEM);
    return push_failure(L, why);
}

static int http(lua_State *L, const char *what, const char *method)
{
    struct ask a = {.what = what, .is_fixed = method != NULL};
    const int can_wait = gw_wait_check(L, what);
    const struct gw_hook_outside *o = gw_hooks_outside(gw_vm(L)->run->hooks);

    if (method)
        a.rq.method = gw_str_of(method);
    read_arguments(L, &a);
    if (strlen(a.rq.url.p) != a.rq.url.len)
        return push_failure(L, "not a URL: it has a zero byte");
    if (o)
        return outside(L, o, &a);
    if (!can_wait)
        return push_failure(L, "there is no network here");
    return ask_network(L, &a);
}

static int http_get(lua_State *L)
{
    return http(L, "moongate.http.get", "GET");
}

static int http_post(lua_State *L)
{
    return http(L, "moongate.http.post", "POST");
}

static int http_request(lua_State *L)
{
    return http(L, "moongate.http.request", NULL);
}

void gw_api_http_open(lua_State *L)
{
    static const luaL_Reg fns[] = {
        {"get", http_get}, {"post", http_post}, {"request", http_request}, {NULL, NULL}};

    luaL_newlib(L, fns);
    gw_freeze(L, "moongate.http");
    lua_setfield(L, -2, "http");
}
