/* Runs spec files in the style of busted against our own Lua VM: lua_spec FILE...
 *
 * The spec itself runs in a plain Lua state, with spec/lua/gate.lua; a hook it makes runs in the
 * gateway's. Prints ok or FAIL for each test, and last `N passed, N failed`. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/field.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "event/event.h"
#include "event/format.h"
#include "event/route.h"
#include "flyte/flyte.h"
#include "hook/attrs.h"
#include "hook/counters.h"
#include "hook/hook.h"
#include "hook/shared.h"
#include "publish/publisher.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct runner {
    struct gw_arena *mem; /* of everything that hooks are made of */
    char log[65536];
    size_t log_len;
    int64_t now_ns; /* what the next calls take for now; 0: the clock */
};
static struct runner runner;

struct hook {
    struct gw_hooks_conf conf;
    struct gw_style_conf style;
    struct gw_strs scripts, routes;
    struct gw_hooks *hooks;
};

static void on_log(const char *text, size_t len)
{
    if (len > sizeof(runner.log) - runner.log_len)
        len = sizeof(runner.log) - runner.log_len;
    memcpy(runner.log + runner.log_len, text, len);
    runner.log_len += len;
}

static struct gw_str check_str(lua_State *L, int idx)
{
    struct gw_str s;

    s.p = luaL_checklstring(L, idx, &s.len);
    return gw_arena_str(runner.mem, s);
}

/* The list at idx. */
static void read_strs(lua_State *L, int idx, struct gw_strs *strs)
{
    strs->n = lua_rawlen(L, idx);
    strs->items = gw_arena_alloc(runner.mem, (strs->n + 1) * sizeof(char *));
    for (size_t i = 0; i < strs->n; i++) {
        lua_rawgeti(L, idx, (lua_Integer)i + 1);
        strs->items[i] = check_str(L, -1).p;
        lua_pop(L, 1);
    }
}

static void read_limits(lua_State *L, struct gw_hook_limits *limits)
{
    *limits =
        (struct gw_hook_limits){.instructions = 1000000, .memory = 32 << 20, .timeout_ms = 5000};
    if (lua_getfield(L, 2, "instructions") == LUA_TNUMBER)
        limits->instructions = lua_tointeger(L, -1);
    if (lua_getfield(L, 2, "memory") == LUA_TNUMBER)
        limits->memory = lua_tointeger(L, -1);
    if (lua_getfield(L, 2, "files") == LUA_TTABLE)
        read_strs(L, lua_gettop(L), &limits->files);
    lua_pop(L, 3);
}

/* publisher and routes of conf: what moongate.route is held to. */
static void read_routes(const struct gw_yaml *conf, struct hook *h)
{
    const struct gw_yaml *type = gw_yaml_get(conf, "publisher"), *all = gw_yaml_get(conf, "routes");
    const struct gw_publisher_ops *ops = type ? gw_publisher_find(type->text.p) : NULL;

    h->conf.routing = ops ? ops->routing : NULL;
    h->conf.routes = &h->routes;
    h->routes.items = gw_arena_alloc(runner.mem, (all ? all->n + 1 : 1) * sizeof(char *));
    for (size_t i = 0; all && i < all->n; i++)
        h->routes.items[h->routes.n++] = all->values[i].text.p;
}

/* open(scripts, limits, yaml): a hook, or nil and why. */
static int hook_open(lua_State *L)
{
    struct hook *h = lua_newuserdatauv(L, sizeof(*h), 0);
    struct gw_problems problems = {.mem = runner.mem};
    const struct gw_yaml *conf = gw_yaml_parse("spec", check_str(L, 3), 1, 1, &problems);
    struct gw_err err;

    if (!conf)
        return luaL_error(L, "conf: %s", problems.n ? problems.items[0].text : "no YAML");
    memset(h, 0, sizeof(*h));
    read_strs(L, 1, &h->scripts);
    h->style.source = GW_STR("https://github.com/flyteorg/flyteadmin");
    h->conf = (struct gw_hooks_conf){.pipeline = "spec",
                                     .scripts = &h->scripts,
                                     .match = gw_yaml_get(conf, "match"),
                                     .rename = gw_yaml_get(conf, "rename"),
                                     .set = gw_yaml_get(conf, "set"),
                                     .remove = gw_yaml_get(conf, "remove"),
                                     .params = gw_yaml_get(conf, "params"),
                                     .style = &h->style,
                                     .lua_path = "lua",
                                     .shared = gw_hook_shared_new("spec", NULL)};
    read_limits(L, &h->conf.limits);
    read_routes(conf, h);
    h->hooks = gw_hooks_open(&h->conf, &err);
    if (h->hooks) {
        luaL_setmetatable(L, "hook");
        return 1;
    }
    gw_hook_shared_drop(h->conf.shared);
    lua_pushnil(L);
    lua_pushstring(L, err.msg);
    return 2;
}

static int hook_close(lua_State *L)
{
    struct hook *h = luaL_checkudata(L, 1, "hook");

    gw_hooks_close(h->hooks);
    gw_hook_shared_drop(h->conf.shared);
    h->hooks = NULL;
    h->conf.shared = NULL;
    return 0;
}

static void push_route(lua_State *L, const struct gw_route *r)
{
    lua_newtable(L);
    if (r->topic.p) {
        lua_pushlstring(L, r->topic.p, r->topic.len);
        lua_setfield(L, -2, "topic");
    }
    if (r->key.p) {
        lua_pushlstring(L, r->key.p, r->key.len);
        lua_setfield(L, -2, "key");
    }
    lua_newtable(L);
    for (size_t i = 0; i < r->n_headers; i++) {
        lua_pushfstring(L, "%s=%s", r->headers[i].name.p, r->headers[i].value.p);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "headers");
}

static void push_event(lua_State *L, const struct gw_event *ev)
{
    struct gw_buf b;

    lua_newtable(L);
    for (const struct gw_attr *a = ev->attrs; a; a = a->next) {
        lua_pushlstring(L, a->name.p, a->name.len);
        gw_attr_push(L, a);
        lua_rawset(L, -3);
    }
    if (ev->data_kind != GW_DATA_NONE) {
        lua_pushlstring(L, ev->data.p, ev->data.len);
        lua_setfield(L, -2, "data");
    }
    gw_buf_init(&b, SIZE_MAX / 2, ev->mem);
    gw_event_json_put(&b, ev);
    lua_newtable(L);
    lua_pushlstring(L, b.p, b.len);
    lua_setfield(L, -2, "json");
    if (ev->route) {
        push_route(L, ev->route);
        lua_setfield(L, -2, "route");
    }
    lua_setmetatable(L, -2); /* out of the way of comparisons */
}

/* Below the table on top: name{labels} to value. */
static void put_counter(void *ctx, const char *metric, struct gw_str labels, double value)
{
    lua_State *L = ctx;

    lua_pushfstring(L, "%s{%s}", metric, labels.p);
    lua_pushnumber(L, value);
    lua_rawset(L, -3);
}

static void push_result(lua_State *L, const struct hook *h, const struct gw_hook_call *c)
{
    static const char *const verdicts[] = {[GW_HOOK_PUBLISH] = "publish",
                                           [GW_HOOK_FILTER] = "filter",
                                           [GW_HOOK_RETRY] = "retry",
                                           [GW_HOOK_FAILED] = "failed"};

    lua_newtable(L);
    lua_pushstring(L, verdicts[c->verdict]);
    lua_setfield(L, -2, "verdict");
    lua_pushstring(L, c->reason);
    lua_setfield(L, -2, "reason");
    lua_pushstring(L, c->label);
    lua_setfield(L, -2, "label");
    lua_pushstring(L, c->text);
    lua_setfield(L, -2, "text");
    lua_pushlstring(L, runner.log, runner.log_len);
    lua_setfield(L, -2, "log");
    lua_newtable(L);
    gw_counters_each(gw_hook_shared_counters(h->conf.shared), put_counter, L);
    lua_setfield(L, -2, "counters");
    lua_newtable(L);
    for (size_t i = 0; i < c->n_events; i++) {
        push_event(L, c->events[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "events");
}

static void on_done(struct gw_hook_call *c)
{
    (void)c; /* what waits would need a loop; nothing does */
}

/* call(hook, kind, json): a request in proto3 JSON, or a CloudEvent (kind "other"). */
static int hook_call(lua_State *L)
{
    struct hook *h = luaL_checkudata(L, 1, "hook");
    struct gw_arena *mem = gw_arena_new();
    struct gw_flyte_request request;
    struct gw_flyte facts;
    struct gw_event ev;
    struct gw_hook_call c = {.mem = mem,
                             .event = &ev,
                             .received_at_ns = 1700000000500000000,
                             .seed = 7,
                             .now_ns = runner.now_ns,
                             .done = on_done};
    struct gw_err err = {.msg = ""};
    enum gw_kind kind = GW_OTHER;
    struct gw_str json = check_str(L, 3);
    int bad;

    gw_event_init(&ev, mem);
    bad = gw_kind_parse(check_str(L, 2), &kind);
    c.kind = (int)kind;
    if (!bad && kind == GW_OTHER) {
        bad = gw_event_json_read(&ev, json, &err);
        c.kind = (int)gw_flyte_carried(gw_event_text(&ev, "type"));
        if (!bad && gw_flyte_from_event(&ev, &request)) {
            c.request = &request;
            c.flyte = &facts;
            gw_flyte_facts(mem, &request, &facts);
        }
    } else if (!bad) {
        bad = gw_flyte_decode_json(mem, kind, json, &request, &err) ||
              gw_style_make(&h->style, &request, &ev, &err);
        c.request = &request;
        c.flyte = &facts;
        if (!bad)
            gw_flyte_facts(mem, &request, &facts);
    }
    runner.log_len = 0;
    if (bad) {
        lua_pushstring(L, err.msg);
    } else {
        gw_hooks_start(h->hooks, &c);
        push_result(L, h, &c);
    }
    gw_arena_free(mem);
    return bad ? lua_error(L) : 1;
}

/* time(seconds): nil for the clock again. */
static int set_time(lua_State *L)
{
    runner.now_ns = (int64_t)(luaL_optnumber(L, 1, 0) * 1e9);
    return 0;
}

static void open_runner(lua_State *L)
{
    static const luaL_Reg fns[] = {
        {"open", hook_open}, {"call", hook_call}, {"time", set_time}, {NULL, NULL}};

    luaL_openlibs(L);
    luaL_newmetatable(L, "hook");
    lua_pushcfunction(L, hook_close);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    luaL_newlib(L, fns);
    lua_setglobal(L, "gateway");
}

int main(int argc, char **argv)
{
    lua_State *L = luaL_newstate();
    int failed = 1;

    runner.mem = gw_arena_new();
    gw_diag_sink = on_log;
    open_runner(L);
    lua_createtable(L, argc, 0);
    for (int i = 1; i < argc; i++) {
        lua_pushstring(L, argv[i]);
        lua_rawseti(L, -2, i);
    }
    lua_setglobal(L, "arg");
    if (luaL_dofile(L, "spec/lua/gate.lua") != LUA_OK)
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
    else
        failed = (int)lua_tointeger(L, -1);
    lua_close(L);
    gw_arena_free(runner.mem);
    return failed != 0;
}
