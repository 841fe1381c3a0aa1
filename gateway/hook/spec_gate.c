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

enum { MAX_HOOKS = 256, OPEN_COST = 10000, CALL_COST = 1000 };

const char gw_spec_gate_key;
static const char owned_meta;

/* What gate.hook takes, by a pipeline's names. */
struct hook_keys {
    const struct gw_yaml *match, *rename, *set, *remove, *params;
    struct gw_hook_limits limits;
    const char *source, *pipeline;
    struct {
        int json, style, enrich_all;
        int64_t id_spacing;
    } format;
};

static const char *const datas[] = {"protobuf", "json", NULL};

static const struct gw_field limit_fields[] = {
    {"instructions", GW_F_INT, offsetof(struct gw_hook_limits, instructions), .def = "1000000",
     .min = 1000, .max = 1000000000000},
    {"memory", GW_F_SIZE, offsetof(struct gw_hook_limits, memory), .def = "32MiB", .min = 1 << 20,
     .max = 1L << 36},
    {"timeout", GW_F_DURATION, offsetof(struct gw_hook_limits, timeout_ms), .def = "5s", .min = 1,
     .max = 86400000},
    {"allow_hosts", GW_F_STRS, offsetof(struct gw_hook_limits, allow_hosts), .def = NULL},
    {"files", GW_F_STRS, offsetof(struct gw_hook_limits, files), .path = 1},
    {0}};

#define AT(member)        offsetof(struct hook_keys, member)
#define IN_FORMAT(member) (AT(format.member) - AT(format))
static const struct gw_field format_fields[] = {
    {"data", GW_F_CHOICE, IN_FORMAT(json), .def = "protobuf", .choices = datas},
    {"style", GW_F_CHOICE, IN_FORMAT(style), .def = "documented", .choices = gw_style_names},
    {"id_spacing", GW_F_INT, IN_FORMAT(id_spacing), .def = "2", .min = 1, .max = 2},
    {"enrich_all", GW_F_BOOL, IN_FORMAT(enrich_all), .def = "false"},
    {0}};

static const struct gw_field key_fields[] = {
    {"match", GW_F_VALUE, AT(match), .def = NULL},
    {"rename", GW_F_VALUE, AT(rename), .def = NULL},
    {"set", GW_F_VALUE, AT(set), .def = NULL},
    {"remove", GW_F_VALUE, AT(remove), .def = NULL},
    {"params", GW_F_VALUE, AT(params), .def = NULL},
    {"hook_limits", GW_F_TABLE, AT(limits), .fields = limit_fields,
     .size = sizeof(struct gw_hook_limits)},
    {"format", GW_F_TABLE, AT(format), .fields = format_fields,
     .size = sizeof(((struct hook_keys *)0)->format)},
    {"source", GW_F_STR, AT(source), .def = "https://github.com/flyteorg/flyteadmin"},
    {"name", GW_F_STR, AT(pipeline), .def = "spec"},
    {0}};

static struct gw_spec *spec_of(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

/* ---- memory ---- */

static void count_memory(struct gw_spec_hook *h)
{
    size_t now =
        (h->hooks ? (size_t)gw_hooks_memory(h->hooks) : 0) + (h->mem ? gw_arena_size(h->mem) : 0);

    h->owned.spec->hooks_memory = h->owned.spec->hooks_memory - h->memory + now;
    h->memory = now;
}

static void close_hooks(struct gw_spec_hook *h)
{
    gw_hooks_close(h->hooks);
    gw_hook_shared_drop(h->shared);
    h->hooks = NULL;
    h->shared = NULL;
}

static void hook_free(struct gw_spec_owned *o)
{
    struct gw_spec_hook *h = (struct gw_spec_hook *)o;

    close_hooks(h);
    o->spec->hooks_memory -= h->memory;
    o->spec->n_hooks--;
    gw_arena_free(h->mem);
    free(h);
}

static void call_free(struct gw_spec_owned *o)
{
    struct gw_spec_call *k = (struct gw_spec_call *)o;

    gw_arena_free(k->mem);
    free(k);
}

static void give_back(struct gw_spec_owned *o)
{
    *o->at = o->next;
    if (o->next)
        o->next->at = o->at;
    o->free(o);
}

void gw_spec_gate_close(struct gw_spec *s)
{
    while (s->owned)
        give_back(s->owned);
}

static int owned_gc(lua_State *L)
{
    struct gw_spec_owned **p = lua_touserdata(L, 1);

    if (*p)
        give_back(*p);
    *p = NULL;
    return 0;
}

/* Pushes a userdata that owns a zeroed thing of that size. */
static void *new_owned(lua_State *L, struct gw_spec *s, size_t size,
                       void (*fn)(struct gw_spec_owned *o))
{
    struct gw_spec_owned **p = lua_newuserdatauv(L, sizeof(void *), 0);

    *p = NULL;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &owned_meta) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_createtable(L, 0, 1);
        lua_pushcfunction(L, owned_gc);
        lua_setfield(L, -2, "__gc");
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &owned_meta);
    }
    lua_setmetatable(L, -2);
    *p = calloc(1, size);
    if (!*p)
        abort();
    **p = (struct gw_spec_owned){.spec = s, .next = s->owned, .at = &s->owned, .free = fn};
    if (s->owned)
        s->owned->at = &(*p)->next;
    s->owned = *p;
    return *p;
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

/* ---- opening ---- */

/* Beside the spec, if it is relative. */
static const char *beside(struct gw_arena *mem, const char *file, struct gw_str path)
{
    const char *slash = strrchr(file, '/');

    if (path.p[0] == '/' || !slash)
        return gw_arena_str(mem, path).p;
    return gw_arena_printf(mem, "%.*s/%.*s", (int)(slash - file), file, (int)path.len, path.p).p;
}

static void read_scripts(lua_State *L, struct gw_spec_hook *h)
{
    h->scripts.n = lua_rawlen(L, 1);
    h->scripts.items = gw_arena_zalloc(h->mem, (h->scripts.n + 1) * sizeof(char *));
    for (size_t i = 0; i < h->scripts.n; i++) {
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        h->scripts.items[i] = beside(h->mem, h->owned.spec->file, gw_check_str(L, -1));
        lua_pop(L, 1);
    }
}

/* -1: the message is on the stack. */
static int read_keys(lua_State *L, struct gw_spec_hook *h)
{
    struct gw_problems problems = {.mem = h->mem};
    struct hook_keys keys = {0};

    gw_fields_read(key_fields, gw_spec_yaml(L, 2, h->mem, h->owned.spec->file), &keys, &problems,
                   "");
    if (problems.errors) {
        lua_pushfstring(L, "gate.hook: %s", problems.items[0].text);
        return -1;
    }
    h->style = (struct gw_style_conf){.style = (enum gw_style)keys.format.style,
                                      .source = gw_str_of(keys.source),
                                      .json = keys.format.json,
                                      .enrich_all = keys.format.enrich_all,
                                      .id_spacing = (int)keys.format.id_spacing};
    h->lines = (struct gw_hook_lines){h, gw_spec_line};
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
                                     .lua_path = h->owned.spec->conf->lua_path,
                                     .sources = h->owned.spec->conf->sources,
                                     .lines = &h->lines,
                                     .outside = &h->outside,
                                     .over = h->owned.spec->conf->over};
    return 0;
}

static int load(lua_State *L, struct gw_spec_hook *h)
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
    struct gw_spec_hook *h;

    check_room(L, s);
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TTABLE);
    h = new_owned(L, s, sizeof(*h), hook_free);
    s->n_hooks++;
    h->mem = gw_arena_new();
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
    struct gw_spec_hook *h = *(struct gw_spec_hook **)lua_touserdata(L, 1);

    close_hooks(h);
    return load(L, h) ? lua_error(L) : 0;
}

/* ---- calling ---- */

static void on_done(struct gw_hook_call *c)
{
    struct gw_spec_call *k = (struct gw_spec_call *)((char *)c - offsetof(struct gw_spec_call, c));

    k->done = 1;
}

/* Makes the event of a request or CloudEvent in JSON. -1: err. */
static int make_event(struct gw_spec_call *k, const struct gw_style_conf *style, struct gw_str kind,
                      struct gw_str json, struct gw_err *err)
{
    enum gw_kind which = GW_OTHER;

    gw_event_init(&k->event, k->mem);
    if (gw_kind_parse(kind, &which))
        return gw_err_set(err, GW_ERR_REJECT, "no such kind");
    k->c.kind = (int)which;
    json = gw_arena_str(k->mem, json);
    if (which == GW_OTHER) {
        if (gw_event_json_read(&k->event, json, err))
            return -1;
        k->c.kind = (int)gw_flyte_carried(gw_event_text(&k->event, "type"));
        if (!gw_flyte_from_event(&k->event, &k->request))
            return 0;
    } else if (gw_flyte_decode_json(k->mem, which, json, &k->request, err) ||
               gw_style_make(style, &k->request, &k->event, err)) {
        return -1;
    }
    gw_flyte_facts(k->mem, &k->request, &k->facts);
    k->c.request = &k->request;
    k->c.flyte = &k->facts;
    return 0;
}

/* Seconds as nanoseconds; the clock if there are none. */
static int64_t time_at(lua_State *L, int idx)
{
    lua_Number t = luaL_checknumber(L, idx);

    if (!(t >= -9e9 && t <= 9e9))
        luaL_error(L, "gate.time: %f seconds is no time", t);
    return (int64_t)floor(t) * 1000000000 + (int64_t)((t - floor(t)) * 1e9);
}

static struct gw_spec_call *new_call(lua_State *L)
{
    struct gw_spec_call *k = new_owned(L, spec_of(L), sizeof(*k), call_free);

    k->mem = gw_arena_new();
    k->last = &k->lines;
    k->c = (struct gw_hook_call){.mem = k->mem, .event = &k->event, .done = on_done};
    return k;
}

/* Its userdata is below the top. */
static void end_call(lua_State *L, struct gw_spec_call *k)
{
    *(void **)lua_touserdata(L, -2) = NULL;
    give_back(&k->owned);
}

/* call(hook, kind, json, seconds): a table. */
static int host_call(lua_State *L)
{
    struct gw_spec_hook *h = *(struct gw_spec_hook **)lua_touserdata(L, 1);
    struct gw_spec *s = spec_of(L);
    int64_t now = gw_clock_wall_ns();
    struct gw_err err;
    struct gw_spec_call *k;

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
    if (!k->done)
        return luaL_error(L, "the hook waits for something that a spec cannot give");
    gw_spec_push_result(L, h, k);
    end_call(L, k);
    return 1;
}

/* check(kind, json): nil, or what is wrong. */
static int host_check(lua_State *L)
{
    const struct gw_style_conf style = {.source = GW_STR("/spec")};
    struct gw_str kind = gw_check_str(L, 1), json = gw_check_str(L, 2);
    struct gw_err err;
    struct gw_spec_call *k;

    gw_guard_spend(L, CALL_COST + json.len);
    k = new_call(L);
    if (make_event(k, &style, kind, json, &err))
        lua_pushstring(L, err.msg);
    else
        lua_pushnil(L);
    end_call(L, k);
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
