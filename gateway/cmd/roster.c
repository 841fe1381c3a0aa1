#include "cmd/roster.h"

#include "base/diag.h"
#include "base/err.h"
#include "base/metrics.h"
#include "cmd/gate.h"
#include "config/config.h"
#include "hook/shared.h"
#include "hook/sources.h"
#include "log/log.h"
#include "pipeline/pipeline.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- generations ---- */

static void note_input(void *ctx, const struct gw_pipeline_conf *of, const char *path)
{
    const struct gw_generation *g = ctx;
    const struct gw_pipeline_conf *conf = g->config->pipelines.items;
    struct gw_str text;
    struct gw_err err;

    if (of)
        (void)gw_sources_file(g->inputs[of - conf], path, &text, &err);
}

struct gw_generation *gw_generation_new(struct gw_config *config)
{
    struct gw_generation *g = calloc(1, sizeof(*g));

    if (!g)
        abort();
    g->config = config;
    g->inputs = calloc(config->pipelines.n + 1, sizeof(struct gw_sources *));
    if (!g->inputs)
        abort();
    for (size_t i = 0; i < config->pipelines.n; i++)
        g->inputs[i] = gw_sources_new();
    gw_config_files(config, note_input, g);
    return g;
}

void gw_generation_free(struct gw_generation *g)
{
    for (size_t i = 0; i < g->config->pipelines.n; i++)
        gw_sources_drop(g->inputs[i]);
    free(g->inputs);
    gw_config_free(g->config);
    free(g);
}

struct gw_generation *gw_generation_hold(struct gw_generation *g)
{
    g->holds++;
    return g;
}

void gw_generation_drop(struct gw_generation *g)
{
    if (!g)
        return;
    assert(g->holds > 0);
    if (--g->holds == 0)
        gw_generation_free(g);
}

/* ---- members ---- */

/* What the hooks of a pipeline share belongs to its name, whatever configuration it has. */
static const struct gw_pipeline_conf *take_conf(const struct gw_member *m, struct gw_generation *g,
                                                size_t i)
{
    struct gw_pipeline_conf *conf = g->config->pipelines.items;

    conf[i].shared = m->shared;
    return &conf[i];
}

struct gw_member *gw_member_new(const struct gw_roster *r, struct gw_generation *g, size_t i)
{
    const struct gw_pipeline_conf *conf = g->config->pipelines.items;
    struct gw_member *m = calloc(1, sizeof(*m));

    if (!m)
        abort();
    m->gen = gw_generation_hold(g);
    m->shared = gw_hook_shared_new(conf[i].name, r->metrics);
    m->conf = take_conf(m, g, i);
    m->inputs = g->inputs[i];
    return m;
}

void gw_member_forget_next(struct gw_member *m)
{
    gw_generation_drop(m->next_gen);
    m->next_gen = NULL;
    m->next = NULL;
}

void gw_member_plan(struct gw_member *m, struct gw_generation *g, size_t i)
{
    gw_member_forget_next(m);
    m->step = GW_STEP_CHANGE;
    m->next_gen = gw_generation_hold(g);
    m->next = take_conf(m, g, i);
    m->next_inputs = g->inputs[i];
    (void)snprintf(m->why, sizeof(m->why), "restarting");
}

void gw_member_take_next(struct gw_member *m)
{
    if (!m->next_gen)
        return;
    gw_generation_drop(m->gen);
    m->gen = m->next_gen;
    m->conf = m->next;
    m->inputs = m->next_inputs;
    m->next_gen = NULL;
    m->next = NULL;
}

void gw_member_take_sources(const struct gw_roster *r, struct gw_member *m,
                            struct gw_sources **sources)
{
    gw_sources_drop(m->refused);
    m->refused = NULL;
    if (m->sources)
        gw_sources_on_new(m->sources, NULL, NULL);
    gw_sources_drop(m->sources);
    m->sources = *sources;
    *sources = NULL;
    if (r->grown)
        gw_sources_on_new(m->sources, r->grown, r->ctx);
}

void gw_member_refuse(struct gw_member *m, struct gw_sources **sources)
{
    gw_sources_drop(m->refused);
    m->refused = *sources;
    *sources = NULL;
}

void gw_member_free(struct gw_member *m)
{
    gw_hook_shared_drop(m->shared);
    gw_sources_drop(m->sources);
    gw_sources_drop(m->refused);
    gw_generation_drop(m->gen);
    gw_generation_drop(m->next_gen);
    free(m);
}

static int has_cursor(struct gw_log *log, const char *name)
{
    struct gw_log_stats stats = {.cursors = 16};
    struct gw_cursor_stats *all = NULL;
    size_t room = 0;
    int found = 0;

    while (room < stats.cursors) {
        room = stats.cursors;
        free(all);
        all = calloc(room, sizeof(*all));
        if (!all)
            abort();
        gw_log_stats(log, &stats, all, room);
    }
    for (size_t i = 0; i < stats.cursors; i++)
        found |= !strcmp(all[i].name, name);
    free(all);
    return found;
}

/* One that is not enabled makes no cursor, but keeps the one that it has. */
static int keep_cursor(struct gw_roster *r, const struct gw_pipeline_conf *c,
                       struct gw_cursor **cursor, struct gw_err *err)
{
    if (!has_cursor(r->log, c->name) && !(c->renamed_from && has_cursor(r->log, c->renamed_from)))
        return 0;
    *cursor = gw_log_cursor(r->log, c->name, (enum gw_start)c->start, c->renamed_from, err);
    return *cursor ? 0 : -1;
}

const char *gw_member_why(const struct gw_pipeline_conf *conf)
{
    if (!conf->enabled)
        return "disabled";
    return conf->down ? conf->down : conf->contested;
}

/* Its records wait from its first start on, as those of any pipeline that is down. A name that was
 * guessed makes no cursor, and nothing takes over while it is not clear that it may. */
static int open_down(struct gw_roster *r, const struct gw_pipeline_conf *c,
                     struct gw_cursor **cursor, struct gw_err *err)
{
    gw_gauge_set(gw_metrics_counter(r->metrics, GW_M_PIPELINE_UP, c->name, NULL), 0);
    GW_DIAG(GW_ERROR, "pipeline", gw_msg("down"), gw_kv_cstr("pipeline", c->name),
            gw_kv_cstr("error", gw_member_why(c)));
    if ((c->guessed || (c->renamed_from && has_cursor(r->log, c->renamed_from))) &&
        !has_cursor(r->log, c->name))
        return 0;
    *cursor = gw_log_cursor(r->log, c->name, (enum gw_start)c->start, NULL, err);
    return *cursor ? 0 : -1;
}

/* Who may not take over runs when there is nothing to take. */
static int is_down(struct gw_roster *r, const struct gw_pipeline_conf *c)
{
    return c->down ||
           (c->contested && !has_cursor(r->log, c->name) && has_cursor(r->log, c->renamed_from));
}

int gw_member_open(struct gw_roster *r, struct gw_opening *o, struct gw_err *err)
{
    const struct gw_pipeline_start how = {.paused = o->paused, .sources = o->sources};
    struct gw_pipeline_status status;

    if (!o->conf->enabled)
        return keep_cursor(r, o->conf, &o->cursor, err);
    if (is_down(r, o->conf))
        return open_down(r, o->conf, &o->cursor, err);
    o->pipeline = gw_pipeline_start_as(o->conf, r->log, r->metrics, &how, err);
    if (!o->pipeline)
        return -1;
    gw_pipeline_status(o->pipeline, &status);
    o->cursor = status.cursor;
    return 0;
}

/* ---- all of them ---- */

static int start_member(struct gw_roster *r, struct gw_member *m, struct gw_err *err)
{
    struct gw_sources *sources = gw_sources_new();
    struct gw_opening o = {.conf = m->conf, .sources = sources};
    const char *why = gw_member_why(m->conf);

    (void)snprintf(m->why, sizeof(m->why), "%s", why ? why : "starting");
    gw_gate_note(sources, m->conf);
    gw_member_take_sources(r, m, &sources);
    if (gw_member_open(r, &o, err))
        return -1;
    m->pipeline = o.pipeline;
    m->cursor = o.cursor;
    return 0;
}

int gw_roster_start(struct gw_roster *r, struct gw_err *err)
{
    struct gw_generation *g = r->now;
    const size_t n = g->config->pipelines.n;

    r->members = calloc(n + 1, sizeof(struct gw_member *));
    if (!r->members)
        abort();
    for (size_t i = 0; i < n; i++) {
        r->members[r->n++] = gw_member_new(r, g, i);
        if (start_member(r, r->members[i], err))
            return gw_err_wrap(err, "pipeline %s", r->members[i]->conf->name);
    }
    return 0;
}

void gw_roster_files(const struct gw_roster *r, void (*fn)(void *ctx, const char *path), void *ctx)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct gw_member *m = r->members[i];

        gw_sources_each(m->inputs, fn, ctx);
        if (m->sources)
            gw_sources_each(m->sources, fn, ctx);
        if (m->refused)
            gw_sources_each(m->refused, fn, ctx);
        gw_hook_shared_files(m->shared, fn, ctx);
    }
}

void gw_roster_look(struct gw_roster *r)
{
    r->waits = 0;
    for (size_t i = 0; i < r->n; i++) {
        struct gw_member *m = r->members[i];

        m->scripts_changed = m->sources && gw_sources_changed(m->sources);
        m->inputs_changed = gw_sources_changed(m->inputs);
        m->told_inputs &= m->inputs_changed;
        m->refused_changed = m->refused && gw_sources_changed(m->refused);
        gw_hook_shared_refresh(m->shared); /* lookups: nothing else depends on them */
        r->waits |= gw_hook_shared_waits(m->shared) || gw_sources_waits(m->inputs) ||
                    (m->sources && gw_sources_waits(m->sources)) ||
                    (m->refused && gw_sources_waits(m->refused));
    }
}

void gw_roster_stop(struct gw_roster *r, int64_t deadline_ms)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->members[i]->pipeline)
            gw_pipeline_stop(r->members[i]->pipeline, deadline_ms);
}

void gw_roster_join(struct gw_roster *r)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->members[i]->pipeline)
            gw_pipeline_join(r->members[i]->pipeline);
        r->members[i]->pipeline = NULL;
    }
}

void gw_roster_fini(struct gw_roster *r)
{
    for (size_t i = 0; i < r->n; i++)
        gw_member_free(r->members[i]);
    free(r->members);
    gw_generation_drop(r->now);
}

/* ---- what the admin asks ---- */

static struct gw_member *find(const struct gw_roster *r, const char *name)
{
    for (size_t i = 0; i < r->n; i++)
        if (!strcmp(r->members[i]->conf->name, name))
            return r->members[i];
    return NULL;
}

/* One that is not enabled is shown when there is something to show. */
static int is_shown(const struct gw_member *m)
{
    return m->conf->enabled || m->cursor || m->step;
}

static int control_pipeline(void *ctx, size_t i, struct gw_admin_pipeline *out)
{
    const struct gw_roster *r = ctx;

    for (size_t k = 0; k < r->n; k++) {
        const struct gw_member *m = r->members[k];

        if (!is_shown(m) || i--)
            continue;
        *out = (struct gw_admin_pipeline){m->conf->name, m->pipeline, m->why};
        return 1;
    }
    return 0;
}

static int control_pause(void *ctx, const char *name, int paused)
{
    struct gw_member *m = find(ctx, name);

    if (!m || (!m->pipeline && !m->step))
        return -1;
    m->paused = paused;
    if (m->pipeline)
        gw_pipeline_pause(m->pipeline, paused);
    return 0;
}

static const struct gw_pipeline_conf *control_hold(void *ctx, const char *name, void **hold)
{
    struct gw_member *m = find(ctx, name);

    if (!m)
        return NULL;
    *hold = gw_generation_hold(m->gen);
    return m->conf;
}

static void control_let_go(void *ctx, void *hold)
{
    (void)ctx;
    gw_generation_drop(hold);
}

static void control_reload(void *ctx, struct gw_reload *reload)
{
    struct gw_roster *r = ctx;

    r->reload(r->ctx, reload);
}

const struct gw_control gw_roster_control = {.pipeline = control_pipeline,
                                             .pause = control_pause,
                                             .hold = control_hold,
                                             .let_go = control_let_go,
                                             .reload = control_reload};
