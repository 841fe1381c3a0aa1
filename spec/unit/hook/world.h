#ifndef SPEC_HOOK_WORLD_H
#define SPEC_HOOK_WORLD_H

/* Hooks of a test: scripts in its own folder, an event or a request, one call. */
#include "base/arena.h"
#include "base/err.h"
#include "base/field.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "event/event.h"
#include "flyte/flyte.h"
#include "hook/hook.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

struct world {
    struct gw_arena *mem;
    struct gw_problems problems;
    const char *paths[4];
    struct gw_strs scripts;
    struct gw_style_conf style;
    struct gw_hooks_conf conf;
    struct gw_hooks *hooks;
    struct gw_err err;
    struct gw_event ev;
    struct gw_flyte_request request;
    struct gw_flyte facts;
    struct gw_hook_call call;
    int dones;
};

static inline void world_write(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");

    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static inline void world_init(struct world *w)
{
    memset(w, 0, sizeof(*w));
    w->mem = gw_arena_new();
    w->problems.mem = w->mem;
    w->scripts.items = w->paths;
    w->style.source = GW_STR("/spec");
    w->conf = (struct gw_hooks_conf){
        .pipeline = "orders",
        .scripts = &w->scripts,
        .limits = {.instructions = 1000000, .memory = 32 << 20, .timeout_ms = 5000},
        .style = &w->style,
        .lua_path = gw_arena_printf(w->mem, "%s/lua", spec_root()).p,
    };
    gw_event_init(&w->ev, w->mem);
    gw_event_set(&w->ev, GW_STR("id"), GW_STR("e1"));
    gw_event_set(&w->ev, GW_STR("source"), GW_STR("/s"));
    gw_event_set(&w->ev, GW_STR("type"), GW_STR("t"));
    gw_event_set(&w->ev, GW_STR("subject"), GW_STR("orders"));
}

/* Adds a script to the pipeline. */
static inline void world_script(struct world *w, const char *name, const char *text)
{
    world_write(name, text);
    w->paths[w->scripts.n++] = name;
}

static inline const struct gw_yaml *world_yaml(struct world *w, const char *text)
{
    const struct gw_yaml *y = gw_yaml_parse("conf", gw_str_of(text), 1, 1, &w->problems);

    CHECK(y);
    return y;
}

static inline void world_open(struct world *w)
{
    w->hooks = gw_hooks_open(&w->conf, &w->err);
    if (!w->hooks)
        fprintf(stderr, "%s\n", w->err.msg);
    CHECK(w->hooks);
}

static inline void world_done(struct gw_hook_call *c)
{
    struct world *w = (struct world *)((char *)c - offsetof(struct world, call));

    w->dones++;
}

static inline struct gw_hook_call *world_call(struct world *w)
{
    w->call = (struct gw_hook_call){.mem = w->mem,
                                    .event = &w->ev,
                                    .kind = w->request.msg ? (int)w->request.kind : GW_OTHER,
                                    .received_at_ns = 1700000000123000000,
                                    .run = (struct gw_hook_run *)w, /* as in a call used again */
                                    .seed = 42,
                                    .done = world_done};
    if (w->request.msg) {
        w->call.request = &w->request;
        w->call.flyte = &w->facts;
    }
    w->dones = 0;
    gw_hooks_start(w->hooks, &w->call);
    CHECK(w->dones == 1);
    return &w->call;
}

static inline void world_close(struct world *w)
{
    gw_hooks_close(w->hooks);
    gw_arena_free(w->mem);
}

/* The event becomes the documented one of a request in JSON. */
static inline void world_request(struct world *w, enum gw_kind kind, const char *json)
{
    int ok = !gw_flyte_decode_json(w->mem, kind, gw_str_of(json), &w->request, &w->err);

    if (!ok)
        fprintf(stderr, "%s\n", w->err.msg);
    CHECK(ok);
    gw_flyte_facts(w->mem, &w->request, &w->facts);
    gw_event_init(&w->ev, w->mem);
    CHECK(!gw_style_make(&w->style, &w->request, &w->ev, &w->err));
}

static inline const char *world_attr(struct world *w, const char *name)
{
    struct gw_str s = gw_event_text(&w->ev, name);

    return s.p ? gw_arena_strndup(w->mem, s.p, s.len) : "";
}

#endif
