#include "cmd/steps.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/metrics.h"
#include "base/problems.h"
#include "cmd/gate.h"
#include "cmd/reload.h"
#include "cmd/roster.h"
#include "config/config.h"
#include "hook/sources.h"
#include "log/log.h"
#include "net/loop.h"
#include "pipeline/pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One pipeline's step. What a thread aside needs is here, so that it asks the member for nothing
 * that others may change meanwhile. */
struct gw_reload_step {
    struct gw_member *member;
    struct gw_pipeline *old;  /* NULL: none runs */
    struct gw_cursor *cursor; /* the old one's */
    struct gw_gate gate;
    struct gw_sources *before; /* held by the member */
    int with_specs;
    struct gw_opening open; /* its conf: what is to be; NULL: nothing */
    int failed;
    struct gw_err err;
};

static void end(struct gw_reloader *r)
{
    struct gw_reload_step *s = r->step;

    r->step = NULL;
    gw_sources_drop(s->gate.sources);
    free(s);
    gw_reload_stepped(r);
}

/* ---- what is told ---- */

static struct gw_counter *counter(struct gw_metrics *m, const char *result)
{
    return gw_metrics_counter(m, GW_M_SCRIPT_RELOADS, result, NULL);
}

void gw_steps_count(struct gw_metrics *m)
{
    (void)counter(m, "ok");
    (void)counter(m, "failed");
}

/* "FILE:LINE: what" is a problem with its place. */
static void add_problem(struct gw_problems *p, const char *why)
{
    const char *at = strchr(why, ':');
    char *end;
    long line = at ? strtol(at + 1, &end, 10) : 0;

    if (line > 0 && line < INT32_MAX && end[0] == ':' && end[1] == ' ')
        gw_problems_add(p, 0, gw_arena_strndup(p->mem, why, (size_t)(at - why)), (int)line, 1, "%s",
                        end + 2);
    else
        gw_problems_add(p, 0, NULL, 0, 0, "%s", why);
}

static void say_refused(struct gw_reloader *r, const struct gw_reload_step *s)
{
    static const char *const what[] = {
        [GW_STEP_SCRIPTS] = "script not reloaded, the version before goes on",
        [GW_STEP_CHANGE] = "script does not load, the pipeline goes on as it was",
        [GW_STEP_ADD] = "script does not load, the pipeline is down"};
    const struct gw_member *m = s->member;

    add_problem(&r->refused, s->gate.why);
    r->result.failed++;
    GW_DIAG(GW_ERROR, "reload", gw_msg(what[m->step]), gw_kv_cstr("pipeline", m->conf->name),
            gw_kv_cstr("error", s->gate.why));
}

static void say_reloaded(const struct gw_reloader *r, const struct gw_member *m)
{
    struct gw_buf names;

    gw_buf_init(&names, 1000, NULL);
    for (size_t i = 0; i < m->conf->hooks.n && !names.failed; i++)
        gw_buf_printf(&names, "%s%s", i ? "," : "", m->conf->hooks.items[i]);
    gw_count(counter(r->roster->metrics, "ok"), 1);
    GW_DIAG(GW_INFO, "reload", gw_msg("script reloaded"), gw_kv_cstr("pipeline", m->conf->name),
            gw_kv_str("scripts", gw_buf_str(&names)));
    gw_buf_free(&names);
}

/* ---- stop and start ---- */

static void *run_move(void *arg)
{
    struct gw_reloader *r = arg;
    struct gw_reload_step *s = r->step;

    if (s->old)
        gw_pipeline_join(s->old);
    if (!s->open.conf && s->cursor)
        gw_cursor_release(s->cursor);
    if (s->open.conf && !atomic_load(&r->stopping))
        s->failed = gw_member_open(r->roster, &s->open, &s->err);
    gw_loop_post_mail(r->loop, &r->done);
    return NULL;
}

/* What is not wanted is not down. */
static void hide_gauge(const struct gw_roster *roster, const char *name)
{
    gw_gauge_set(gw_metrics_counter(roster->metrics, GW_M_PIPELINE_UP, name, NULL),
                 gw_gauge_absent);
}

static void remove_member(struct gw_roster *roster, struct gw_member *m)
{
    size_t i = 0;

    while (roster->members[i] != m)
        i++;
    roster->n--;
    memmove(&roster->members[i], &roster->members[i + 1],
            (roster->n - i) * sizeof(struct gw_member *));
    gw_member_free(m);
}

static void say_failed(const struct gw_reload_step *s)
{
    GW_DIAG(GW_ERROR, "reload", gw_msg("a pipeline does not start"),
            gw_kv_cstr("pipeline", s->member->conf->name), gw_kv_cstr("error", s->err.msg));
}

static void settle(struct gw_reloader *r, struct gw_reload_step *s)
{
    struct gw_member *m = s->member;
    const char *why;

    gw_member_take_next(m);
    why = gw_member_why(m->conf);
    m->step = GW_STEP_NONE;
    m->pipeline = s->open.pipeline;
    m->cursor = s->open.cursor ? s->open.cursor : s->cursor;
    (void)snprintf(m->why, sizeof(m->why), "%s",
                   s->failed ? s->err.msg
                   : why     ? why
                             : "shutting down");
    if (!m->pipeline && !m->conf->enabled)
        hide_gauge(r->roster, m->conf->name);
    if (m->pipeline && m->paused != s->open.paused) /* somebody wished it meanwhile */
        gw_pipeline_pause(m->pipeline, m->paused);
    r->result.failed += s->failed || (!m->pipeline && m->conf->enabled && why);
    if (s->failed)
        say_failed(s);
    else if (m->scripts_changed && !s->gate.why[0])
        say_reloaded(r, m);
}

static void on_moved(struct gw_mail *mail)
{
    struct gw_reloader *r = GW_CONTAINER(mail, struct gw_reloader, done);
    struct gw_reload_step *s = r->step;

    gw_reload_join(r);
    if (s->member->step == GW_STEP_REMOVE) {
        hide_gauge(r->roster, s->member->conf->name);
        remove_member(r->roster, s->member);
    } else {
        settle(r, s);
    }
    end(r);
}

static void move(struct gw_reloader *r)
{
    struct gw_reload_step *s = r->step;
    struct gw_member *m = s->member;

    m->pipeline = NULL;
    if (s->gate.sources)
        gw_member_take_sources(r->roster, m, &s->gate.sources);
    else
        gw_member_refuse(m, &s->gate.sources);
    s->open.sources = m->sources;
    s->open.paused = m->paused;
    if (s->old)
        gw_pipeline_stop(s->old, gw_mono_ms() + r->roster->now->config->shutdown_timeout_ms);
    gw_reload_aside(r, run_move, on_moved);
}

/* ---- scripts ---- */

static void *run_try(void *arg)
{
    struct gw_reloader *r = arg;
    struct gw_reload_step *s = r->step;
    struct gw_gate *g = &s->gate;

    if (s->open.conf->enabled && !s->open.conf->down)
        gw_gate_try(g, s->open.conf, s->before, s->with_specs, &r->stopping);
    gw_loop_post_mail(r->loop, &r->done);
    return NULL;
}

/* All is set up before any worker sees it, so a script is taken whole or not at all. */
static void *run_swap(void *arg)
{
    struct gw_reloader *r = arg;
    struct gw_reload_step *s = r->step;

    if (gw_pipeline_reload(s->old, s->gate.sources, &s->err))
        (void)snprintf(s->gate.why, sizeof(s->gate.why), "%s", s->err.msg);
    gw_loop_post_mail(r->loop, &r->done);
    return NULL;
}

/* What runs goes on; the next look tries again when one of the files has changed. */
static void refuse(struct gw_reloader *r)
{
    struct gw_reload_step *s = r->step;
    struct gw_member *m = s->member;

    gw_count(counter(r->roster->metrics, "failed"), 1);
    gw_pipeline_refuse(s->old, s->gate.why);
    r->roster->waits |= gw_sources_waits(s->gate.sources);
    gw_member_refuse(m, &s->gate.sources);
    m->step = GW_STEP_NONE;
    end(r);
}

/* Nothing is to come of it for now, which is nobody's fault. */
static void give_way(struct gw_reloader *r)
{
    r->step->member->step = GW_STEP_NONE;
    end(r);
}

static void take(struct gw_reloader *r)
{
    struct gw_reload_step *s = r->step;
    struct gw_member *m = s->member;

    if (s->gate.why[0]) {
        --*(m->step == GW_STEP_ADD ? &r->result.added : &r->result.changed);
        say_refused(r, s);
    }
    if (s->gate.why[0] && s->old) {
        refuse(r);
    } else if (m->step != GW_STEP_SCRIPTS) {
        move(r);
    } else {
        gw_member_take_sources(r->roster, m, &s->gate.sources);
        m->step = GW_STEP_NONE;
        say_reloaded(r, m);
        end(r);
    }
}

static void on_swapped(struct gw_mail *mail)
{
    struct gw_reloader *r = GW_CONTAINER(mail, struct gw_reloader, done);

    gw_reload_join(r);
    take(r);
}

static void on_tried(struct gw_mail *mail)
{
    struct gw_reloader *r = GW_CONTAINER(mail, struct gw_reloader, done);
    struct gw_reload_step *s = r->step;
    const int swaps = s->member->step == GW_STEP_SCRIPTS;

    gw_reload_join(r);
    if ((s->gate.why[0] && atomic_load(&r->stopping)) || (swaps && gw_reload_stirs(r)))
        give_way(r);
    else if (swaps && !s->gate.why[0])
        gw_reload_aside(r, run_swap, on_swapped);
    else
        take(r);
}

void gw_reload_step(struct gw_reloader *r, struct gw_member *m)
{
    static const char *const what[] = {[GW_STEP_REMOVE] = "a pipeline goes",
                                       [GW_STEP_CHANGE] = "a pipeline changes",
                                       [GW_STEP_ADD] = "a pipeline is new"};
    struct gw_reload_step *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    if (m->step != GW_STEP_SCRIPTS)
        GW_DIAG(GW_INFO, "reload", gw_msg(what[m->step]), gw_kv_cstr("pipeline", m->conf->name));
    s->member = m;
    s->old = m->pipeline;
    s->cursor = m->cursor;
    s->before = m->sources;
    s->with_specs = m->step == GW_STEP_SCRIPTS || (m->step == GW_STEP_CHANGE && m->scripts_changed);
    if (m->step != GW_STEP_REMOVE)
        s->open.conf = m->step == GW_STEP_CHANGE ? m->next : m->conf;
    r->step = s;
    if (m->step == GW_STEP_REMOVE)
        move(r);
    else
        gw_reload_aside(r, run_try, on_tried);
}
