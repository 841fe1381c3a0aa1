/* The hooks that specs make: each with a Lua state of its own, as in a pipeline. What a spec gets
 * of a call is plain values. Whatever must be given back hangs on a userdata with __gc, since
 * functions here raise; no script can reach it. */
#include "hook/spec_gate.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/field.h"
#include "base/problems.h"
#include "base/sums.h"
#include "base/yaml.h"
#include "event/event.h"
#include "event/format.h"
#include "flyte/flyte.h"
#include "hook/api.h"
#include "hook/counters.h"
#include "hook/explain.h"
#include "hook/guard.h"
#include "hook/shared.h"
#include "hook/spec.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_HOOKS = 256, MAX_LINES = 1000, OPEN_COST = 10000, CALL_COST = 1000 };

const char gw_spec_gate_key;
static const char hook_meta, call_meta;

/* What gate.hook takes, by a pipeline's names. */
struct hook_keys {
    const struct gw_yaml *match, *rename, *set, *remove, *params;
    struct gw_hook_limits limits;
    const char *source, *pipeline;
    int json;
};

static const char *const datas[] = {"protobuf", "json", NULL};

static const struct gw_field limit_fields[] = {
    {"instructions", GW_F_INT, offsetof(struct gw_hook_limits, instructions), .def = "1000000",
     .min = 1000, .max = 1000000000000},
    {"memory", GW_F_SIZE, offsetof(struct gw_hook_limits, memory), .def = "32MiB", .min = 1 << 20,
     .max = 1L << 36},
    {"timeout", GW_F_DURATION, offsetof(struct gw_hook_limits, timeout_ms), .def = "5s", .min = 1,
     .max = 86400000},
    {0}};

static const struct gw_field format_fields[] = {
    {"data", GW_F_CHOICE, 0, .def = "protobuf", .choices = datas}, {0}};

#define AT(member) offsetof(struct hook_keys, member)
static const struct gw_field key_fields[] = {
    {"match", GW_F_VALUE, AT(match), .def = NULL},
    {"rename", GW_F_VALUE, AT(rename), .def = NULL},
    {"set", GW_F_VALUE, AT(set), .def = NULL},
    {"remove", GW_F_VALUE, AT(remove), .def = NULL},
    {"params", GW_F_VALUE, AT(params), .def = NULL},
    {"hook_limits", GW_F_TABLE, AT(limits), .fields = limit_fields,
     .size = sizeof(struct gw_hook_limits)},
    {"format", GW_F_TABLE, AT(json), .fields = format_fields, .size = sizeof(int)},
    {"source", GW_F_STR, AT(source), .def = "https://github.com/flyteorg/flyteadmin"},
    {"name", GW_F_STR, AT(pipeline), .def = "spec"},
    {0}};

struct hook {
    struct gw_spec *spec;
    struct gw_arena *mem; /* of what it is made of */
    struct gw_hooks_conf conf;
    struct gw_style_conf style;
    struct gw_strs scripts;
    struct gw_hook_shared *shared;
    struct gw_hooks *hooks; /* NULL: closed */
    struct gw_hook_lines lines;
    struct gw_spec_outside world;
    struct gw_hook_outside outside;
    struct call *call; /* under way */
    size_t memory;     /* as counted in spec->hooks_memory */
};

struct line {
    struct line *next;
    enum gw_level level;
    struct gw_kv *kv; /* ends with GW_KV_END */
};

struct call {
    struct gw_arena *mem;
    struct gw_hook_call c;
    struct gw_event event;
    struct gw_flyte_request request;
    struct gw_flyte facts;
    struct line *lines, **last;
    unsigned n_lines;
    int done;
};

static struct gw_spec *spec_of(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

/* ---- memory ---- */

static void count_memory(struct hook *h)
{
    size_t now =
        (h->hooks ? (size_t)gw_hooks_memory(h->hooks) : 0) + (h->mem ? gw_arena_size(h->mem) : 0);

    h->spec->hooks_memory = h->spec->hooks_memory - h->memory + now;
    h->memory = now;
}

static void close_hooks(struct hook *h)
{
    gw_hooks_close(h->hooks);
    gw_hook_shared_drop(h->shared);
    h->hooks = NULL;
    h->shared = NULL;
}

static int hook_gc(lua_State *L)
{
    struct hook *h = lua_touserdata(L, 1);

    close_hooks(h);
    if (h->mem)
        h->spec->n_hooks--;
    gw_arena_free(h->mem);
    h->mem = NULL;
    count_memory(h);
    return 0;
}

static int call_gc(lua_State *L)
{
    struct call *k = lua_touserdata(L, 1);

    gw_arena_free(k->mem);
    k->mem = NULL;
    return 0;
}

/* Hooks that nothing refers to go before anything is refused. */
static void check_room(lua_State *L, const struct gw_spec *s)
{
    size_t limit = (size_t)s->limits.memory;

    if (s->n_hooks < MAX_HOOKS && s->hooks_memory <= limit)
        return;
    gw_guard_charge(L, gw_vm(L)->memory / 64);
    lua_gc(L, LUA_GCCOLLECT);
    if (s->n_hooks >= MAX_HOOKS)
        luaL_error(L, "more than %d hooks of gate.hook are open", MAX_HOOKS);
    if (s->hooks_memory > limit)
        luaL_error(L, "the hooks of gate.hook take more than %I bytes together",
                   (lua_Integer)limit);
}

static void *new_userdata(lua_State *L, size_t size, const char *key, lua_CFunction gc)
{
    void *p = lua_newuserdatauv(L, size, 0);

    memset(p, 0, size);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_createtable(L, 0, 1);
        lua_pushcfunction(L, gc);
        lua_setfield(L, -2, "__gc");
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, key);
    }
    lua_setmetatable(L, -2);
    return p;
}

/* ---- log lines ---- */

static void on_line(void *ctx, enum gw_level level, const struct gw_kv *kv)
{
    struct call *k = ((struct hook *)ctx)->call;
    struct line *l;
    size_t n = 0;

    if (!k || k->n_lines == MAX_LINES)
        return;
    while (kv[n].type != GW_KV_END)
        n++;
    l = gw_arena_zalloc(k->mem, sizeof(*l));
    l->level = level;
    l->kv = gw_arena_zalloc(k->mem, (n + 1) * sizeof(*l->kv));
    for (size_t i = 0; i < n; i++) {
        l->kv[i] = kv[i];
        l->kv[i].key = gw_arena_strndup(k->mem, kv[i].key, strlen(kv[i].key));
        l->kv[i].s = gw_arena_str(k->mem, kv[i].s);
    }
    *k->last = l;
    k->last = &l->next;
    k->n_lines++;
}

/* {level=, msg=, at=, …} for each line. */
static void push_lines(lua_State *L, const struct call *k)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    lua_Integer n = 0;

    lua_newtable(L);
    for (const struct line *l = k->lines; l; l = l->next) {
        lua_newtable(L);
        lua_pushstring(L, levels[l->level]);
        lua_setfield(L, -2, "level");
        for (const struct gw_kv *kv = l->kv; kv->type != GW_KV_END; kv++) {
            if (kv->type == GW_KV_STR && kv->s.p)
                lua_pushlstring(L, kv->s.p, kv->s.len);
            else if (kv->type == GW_KV_INT)
                lua_pushinteger(L, kv->i);
            else if (kv->type == GW_KV_DOUBLE)
                lua_pushnumber(L, kv->d);
            else
                continue;
            lua_setfield(L, -2, kv->key);
        }
        lua_rawseti(L, -2, ++n);
    }
}

/* ---- counters ---- */

struct counted {
    struct counted *next;
    struct gw_str name;
    double value;
};

struct counting {
    struct gw_arena *mem;
    size_t pipeline; /* bytes of the label that all have */
    struct counted *all;
};

/* Under the counters' lock: nothing here raises. */
static void on_counter(void *ctx, const char *metric, struct gw_str labels, double value)
{
    enum { PREFIX = sizeof("moongate_script_") - 1, SUFFIX = sizeof("_total") - 1 };
    struct counting *g = ctx;
    struct counted *c = gw_arena_alloc(g->mem, sizeof(*c));
    int len = (int)strlen(metric) - PREFIX - SUFFIX;

    c->next = g->all;
    c->value = value;
    if (labels.len > g->pipeline)
        c->name = gw_arena_printf(g->mem, "%.*s{%.*s}", len, metric + PREFIX,
                                  (int)(labels.len - g->pipeline - 1), labels.p + g->pipeline + 1);
    else
        c->name = gw_arena_printf(g->mem, "%.*s", len, metric + PREFIX);
    g->all = c;
}

/* {seen=2, ["failed{kind=\"task\"}"]=1}: by the names that the script gave. */
static void push_counters(lua_State *L, const struct hook *h, struct gw_arena *mem)
{
    struct counting g = {.mem = mem};
    struct gw_buf label;

    gw_buf_init(&label, 4096, mem);
    gw_sums_put_label(&label, "pipeline", gw_str_of(h->conf.pipeline));
    g.pipeline = label.len;
    gw_counters_each(gw_hook_shared_counters(h->shared), on_counter, &g);
    lua_newtable(L);
    for (const struct counted *c = g.all; c; c = c->next) {
        lua_pushlstring(L, c->name.p, c->name.len);
        if (c->value == floor(c->value))
            lua_pushinteger(L, (lua_Integer)c->value);
        else
            lua_pushnumber(L, c->value);
        lua_rawset(L, -3);
    }
}

/* ---- opening ---- */

/* Beside the spec, if it is relative. */
static const char *beside(struct gw_arena *mem, const char *file, struct gw_str path)
{
    const char *slash = strrchr(file, '/');

    if (path.p[0] == '/' || !slash)
        return gw_arena_str(mem, path).p;
    return gw_arena_printf(mem, "%.*s/%.*s", (int)(slash - file), file, (int)path.len, path.p).p;
}

static void read_scripts(lua_State *L, struct hook *h)
{
    h->scripts.n = lua_rawlen(L, 1);
    h->scripts.items = gw_arena_zalloc(h->mem, (h->scripts.n + 1) * sizeof(char *));
    for (size_t i = 0; i < h->scripts.n; i++) {
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        h->scripts.items[i] = beside(h->mem, h->spec->file, gw_check_str(L, -1));
        lua_pop(L, 1);
    }
}

/* -1: the message is on the stack. */
static int read_keys(lua_State *L, struct hook *h)
{
    struct gw_problems problems = {.mem = h->mem};
    struct hook_keys keys = {0};

    gw_fields_read(key_fields, gw_spec_yaml(L, 2, h->mem, h->spec->file), &keys, &problems, "");
    if (problems.errors) {
        lua_pushfstring(L, "gate.hook: %s", problems.items[0].text);
        return -1;
    }
    h->style = (struct gw_style_conf){.source = gw_str_of(keys.source), .json = keys.json};
    h->lines = (struct gw_hook_lines){h, on_line};
    h->outside = (struct gw_hook_outside){&h->world, gw_spec_http};
    h->conf = (struct gw_hooks_conf){.pipeline = keys.pipeline,
                                     .scripts = &h->scripts,
                                     .match = keys.match,
                                     .rename = keys.rename,
                                     .set = keys.set,
                                     .remove = keys.remove,
                                     .params = keys.params,
                                     .limits = keys.limits,
                                     .style = &h->style,
                                     .lua_path = h->spec->conf->lua_path,
                                     .sources = h->spec->conf->sources,
                                     .lines = &h->lines,
                                     .outside = &h->outside};
    return 0;
}

static int load(lua_State *L, struct hook *h)
{
    struct gw_err err;

    gw_guard_spend(L, OPEN_COST);
    h->shared = h->conf.shared = gw_hook_shared_new(h->conf.pipeline, NULL);
    h->hooks = gw_hooks_open(&h->conf, &err);
    count_memory(h);
    if (h->hooks)
        return 0;
    lua_pushstring(L, err.msg);
    return -1;
}

/* open(scripts, conf): a hook, or nil and why. */
static int host_open(lua_State *L)
{
    struct gw_spec *s = spec_of(L);
    struct hook *h;

    check_room(L, s);
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TTABLE);
    h = new_userdata(L, sizeof(*h), &hook_meta, hook_gc);
    h->spec = s;
    h->mem = gw_arena_new();
    s->n_hooks++;
    read_scripts(L, h);
    if (!read_keys(L, h) && !load(L, h))
        return 1;
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
}

/* reopen(hook): as if it were made now; raises. */
static int host_reopen(lua_State *L)
{
    struct hook *h = lua_touserdata(L, 1);

    close_hooks(h);
    return load(L, h) ? lua_error(L) : 0;
}

/* ---- calling ---- */

static void on_done(struct gw_hook_call *c)
{
    struct call *k = (struct call *)((char *)c - offsetof(struct call, c));

    k->done = 1;
}

/* Makes the event of a request or CloudEvent in JSON. -1: err. */
static int make_event(struct call *k, const struct gw_style_conf *style, struct gw_str kind,
                      struct gw_str json, struct gw_err *err)
{
    enum gw_kind which = GW_OTHER;

    gw_event_init(&k->event, k->mem);
    if (gw_kind_parse(kind, &which))
        return gw_err_set(err, GW_ERR_REJECT, "no such kind");
    k->c.kind = (int)which;
    json = gw_arena_str(k->mem, json);
    if (which == GW_OTHER)
        return gw_event_json_read(&k->event, json, err);
    if (gw_flyte_decode_json(k->mem, which, json, &k->request, err) ||
        gw_style_make(style, &k->request, &k->event, err))
        return -1;
    gw_flyte_facts(k->mem, &k->request, &k->facts);
    k->c.request = &k->request;
    k->c.flyte = &k->facts;
    return 0;
}

static void push_attributes(lua_State *L, const struct gw_event *ev)
{
    for (const struct gw_attr *a = ev->attrs; a; a = a->next) {
        lua_pushlstring(L, a->name.p, a->name.len);
        if (a->type == GW_ATTR_BOOL)
            lua_pushboolean(L, a->number);
        else if (a->type == GW_ATTR_INT)
            lua_pushinteger(L, a->number);
        else
            lua_pushlstring(L, a->text.p, a->text.len);
        lua_rawset(L, -3);
    }
}

static void push_event(lua_State *L, const struct gw_event *ev)
{
    lua_newtable(L);
    push_attributes(L, ev);
    if (ev->data_kind == GW_DATA_NONE)
        return;
    gw_guard_charge(L, ev->data.len);
    if (ev->data_kind == GW_DATA_JSON)
        gw_json_decode(L, ev->data);
    else
        lua_pushlstring(L, ev->data.p ? ev->data.p : "", ev->data.len);
    lua_setfield(L, -2, "data");
}

static void push_text(lua_State *L, const char *name, const char *text)
{
    if (!*text)
        return;
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

static void push_result(lua_State *L, const struct hook *h, const struct call *k)
{
    static const char *const verdicts[] = {[GW_HOOK_PUBLISH] = "published",
                                           [GW_HOOK_FILTER] = "filtered",
                                           [GW_HOOK_RETRY] = "retry",
                                           [GW_HOOK_FAILED] = "failed"};
    const struct gw_hook_call *c = &k->c;

    lua_newtable(L);
    push_text(L, "verdict", verdicts[c->verdict]);
    push_text(L, "reason", *c->label ? c->label : c->reason ? c->reason : "");
    push_text(L, "text", c->text);
    push_lines(L, k);
    lua_setfield(L, -2, "log");
    push_counters(L, h, k->mem);
    lua_setfield(L, -2, "counters");
    lua_newtable(L);
    for (size_t i = 0; i < c->n_events; i++) {
        push_event(L, c->events[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "events");
}

/* Seconds as nanoseconds; the clock if there are none. */
static int64_t time_at(lua_State *L, int idx)
{
    lua_Number t = luaL_checknumber(L, idx);

    if (!(t >= -9e9 && t <= 9e9))
        luaL_error(L, "gate.time: %f seconds is no time", t);
    return (int64_t)floor(t) * 1000000000 + (int64_t)((t - floor(t)) * 1e9);
}

static struct call *new_call(lua_State *L)
{
    struct call *k = new_userdata(L, sizeof(*k), &call_meta, call_gc);

    k->mem = gw_arena_new();
    k->last = &k->lines;
    k->c = (struct gw_hook_call){.mem = k->mem, .event = &k->event, .done = on_done};
    return k;
}

/* call(hook, kind, json, seconds): a table. */
static int host_call(lua_State *L)
{
    struct hook *h = lua_touserdata(L, 1);
    struct gw_spec *s = spec_of(L);
    int64_t now = gw_clock_wall_ns();
    struct gw_err err;
    struct call *k;

    check_room(L, s);
    gw_guard_spend(L, CALL_COST);
    if (!lua_isnoneornil(L, 4))
        now = time_at(L, 4);
    k = new_call(L);
    if (make_event(k, &h->style, gw_check_str(L, 2), gw_check_str(L, 3), &err))
        return luaL_error(L, "%s", err.msg);
    k->c.received_at_ns = now;
    k->c.now_ns = lua_isnoneornil(L, 4) ? 0 : now;
    k->c.seed = ++s->calls;
    h->call = k;
    h->world = (struct gw_spec_outside){.L = L, .mem = k->mem};
    gw_hooks_start(h->hooks, &k->c);
    h->call = NULL;
    count_memory(h);
    gw_guard_spend(L, (uint64_t)k->c.instructions);
    if (h->world.failed)
        return luaL_error(L, "%s", h->world.failed);
    if (!k->done)
        return luaL_error(L, "the hook waits for something that a spec cannot give");
    push_result(L, h, k);
    gw_arena_free(k->mem);
    k->mem = NULL;
    return 1;
}

/* check(kind, json): nil, or what is wrong. */
static int host_check(lua_State *L)
{
    const struct gw_style_conf style = {.source = GW_STR("/spec")};
    struct gw_str kind = gw_check_str(L, 1), json = gw_check_str(L, 2);
    struct gw_err err;
    struct call *k;

    gw_guard_spend(L, CALL_COST + json.len);
    k = new_call(L);
    if (make_event(k, &style, kind, json, &err))
        lua_pushstring(L, err.msg);
    else
        lua_pushnil(L);
    gw_arena_free(k->mem);
    k->mem = NULL;
    return 1;
}

void gw_spec_gate_open(lua_State *L, struct gw_spec *s)
{
    static const luaL_Reg fns[] = {{"open", host_open},
                                   {"reopen", host_reopen},
                                   {"call", host_call},
                                   {"check", host_check},
                                   {NULL, NULL}};

    lua_pushlightuserdata(L, s);
    luaL_setfuncs(L, fns, 1);
}
