/* What a spec gets of a call of its hook: plain values. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/sums.h"
#include "event/format.h"
#include "event/route.h"
#include "hook/api.h"
#include "hook/attrs.h"
#include "hook/counters.h"
#include "hook/guard.h"
#include "hook/shared.h"
#include "hook/spec_gate.h"

#include <math.h>
#include <string.h>

enum { MAX_LINES = 1000 };

/* ---- log lines ---- */

void gw_spec_line(void *ctx, enum gw_level level, const struct gw_kv *kv)
{
    struct gw_spec_call *k = ((struct gw_spec_hook *)ctx)->call;
    struct gw_spec_line *l;
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
static void push_lines(lua_State *L, const struct gw_spec_call *k)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    lua_Integer n = 0;

    lua_newtable(L);
    for (const struct gw_spec_line *l = k->lines; l; l = l->next) {
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
static void push_counters(lua_State *L, const struct gw_spec_hook *h, struct gw_arena *mem)
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

/* ---- events ---- */

static void push_attributes(lua_State *L, const struct gw_event *ev)
{
    for (const struct gw_attr *a = ev->attrs; a; a = a->next) {
        lua_pushlstring(L, a->name.p, a->name.len);
        gw_attr_push(L, a);
        lua_rawset(L, -3);
    }
}

static void push_str(lua_State *L, const char *name, struct gw_str s)
{
    if (!s.p)
        return;
    lua_pushlstring(L, s.p, s.len);
    lua_setfield(L, -2, name);
}

/* {topic=, key=, headers={name=value}}: what moongate.route said. */
static void push_route(lua_State *L, const struct gw_route *r)
{
    lua_newtable(L);
    push_str(L, "topic", r->topic);
    push_str(L, "key", r->key);
    lua_newtable(L);
    for (size_t i = 0; i < r->n_headers; i++) {
        lua_pushlstring(L, r->headers[i].name.p, r->headers[i].name.len);
        lua_pushlstring(L, r->headers[i].value.p, r->headers[i].value.len);
        lua_rawset(L, -3);
    }
    lua_setfield(L, -2, "headers");
    lua_setfield(L, -2, "route");
}

static void push_event(lua_State *L, const struct gw_event *ev)
{
    lua_newtable(L);
    push_attributes(L, ev);
    if (ev->route)
        push_route(L, ev->route);
    if (ev->data_kind == GW_DATA_NONE)
        return;
    gw_guard_charge(L, ev->data.len);
    if (gw_event_data_is_json(ev))
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

void gw_spec_push_result(lua_State *L, const struct gw_spec_hook *h, const struct gw_spec_call *k)
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
