#include "cmd/gate.h"

#include "base/arena.h"
#include "base/err.h"
#include "config/beneath.h"
#include "hook/hook.h"
#include "hook/sources.h"
#include "hook/spec.h"
#include "pipeline/pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TRIES = 10,       /* of reading while files are being saved */
    SPECS_MS = 60000, /* of all specs of a pipeline together */
};

/* team_spec.lua of team.lua; NULL: the name has another form. */
static const char *spec_of(struct gw_arena *mem, const char *script)
{
    size_t len = strlen(script);

    if (len < 4 || strcmp(script + len - 4, ".lua") != 0)
        return NULL;
    return gw_arena_printf(mem, "%.*s_spec.lua", (int)len - 4, script).p;
}

/* Those that are there; all are noted in the snapshot. */
static struct gw_strs find_specs(struct gw_sources *s, const struct gw_pipeline_conf *conf,
                                 struct gw_arena *mem)
{
    const char **items = gw_arena_alloc(mem, (conf->hooks.n + 1) * sizeof(*items));
    struct gw_strs found = {items, 0};
    struct gw_str text;
    struct gw_err err;

    for (size_t i = 0; i < conf->hooks.n; i++) {
        const char *spec = spec_of(mem, conf->hooks.items[i]);

        if (spec && gw_sources_file(s, spec, &text, &err))
            items[found.n++] = spec;
    }
    return found;
}

void gw_gate_note(struct gw_sources *s, const struct gw_pipeline_conf *conf)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_str text;
    struct gw_err err;

    for (size_t i = 0; i < conf->hooks.n; i++)
        (void)gw_sources_file(s, conf->hooks.items[i], &text, &err);
    find_specs(s, conf, mem);
    gw_arena_free(mem);
}

static void load(struct gw_gate *g, const struct gw_pipeline_conf *conf, const atomic_int *over)
{
    const struct gw_style_conf style = gw_style_conf_of(conf);
    struct gw_hooks_conf hooks = gw_hooks_conf_of(conf, &style);
    struct gw_hook_vm *vm;
    struct gw_err err;

    g->why[0] = '\0';
    hooks.over = over;
    vm = gw_hooks_load(&hooks, g->sources, &err);
    if (!vm)
        (void)snprintf(g->why, sizeof(g->why), "%s", err.msg);
    gw_hooks_unload(vm);
}

static int is_allowed(const struct gw_pipeline_conf *conf, const char *path)
{
    const struct gw_strs *roots = conf->script_roots;
    size_t i = 0;

    while (roots && i < roots->n && !gw_is_beneath(path, roots->items[i]))
        i++;
    return !roots || i < roots->n;
}

/* As when the configuration was read: a link may lead elsewhere now. */
static int check_places(struct gw_gate *g, const struct gw_strs *scripts,
                        const struct gw_pipeline_conf *conf)
{
    for (size_t i = 0; i < scripts->n; i++)
        if (!is_allowed(conf, scripts->items[i])) {
            (void)snprintf(g->why, sizeof(g->why),
                           "%s:1: leads out of the folders that it may be in, and of guard.files",
                           scripts->items[i]);
            return -1;
        }
    return 0;
}

/* What was read while something was being saved is read again. */
static void read_and_load(struct gw_gate *g, const struct gw_pipeline_conf *conf,
                          struct gw_sources *before, const atomic_int *over)
{
    for (int i = 0; i < TRIES; i++) {
        gw_sources_drop(g->sources);
        g->sources = gw_sources_new();
        gw_gate_note(g->sources, conf);
        if (!check_places(g, &conf->hooks, conf))
            load(g, conf, over);
        if (before)
            gw_sources_carry(g->sources, before);
        if (!gw_sources_changed(g->sources))
            return;
    }
    (void)snprintf(g->why, sizeof(g->why), "%s:1: files are being saved all the time",
                   conf->hooks.n ? conf->hooks.items[0] : conf->lua_path);
}

static void run_specs(struct gw_gate *g, const struct gw_pipeline_conf *conf,
                      const atomic_int *over)
{
    struct gw_arena *mem = gw_arena_new();
    const struct gw_strs files = find_specs(g->sources, conf, mem);
    const struct gw_spec_conf spec = {.files = &files,
                                      .total_ms = SPECS_MS,
                                      .over = over,
                                      .sources = g->sources,
                                      .lua_path = conf->lua_path};
    struct gw_spec_report report;

    if (files.n && !check_places(g, &files, conf) && gw_spec_run(&spec, &report))
        (void)snprintf(g->why, sizeof(g->why), "%s", report.first);
    gw_arena_free(mem);
}

void gw_gate_try(struct gw_gate *g, const struct gw_pipeline_conf *conf, struct gw_sources *before,
                 int with_specs, const atomic_int *over)
{
    memset(g, 0, sizeof(*g));
    if (!gw_wants_hooks(conf)) {
        g->sources = gw_sources_new();
        return;
    }
    read_and_load(g, conf, before, over);
    if (!g->why[0] && with_specs)
        run_specs(g, conf, over);
}
