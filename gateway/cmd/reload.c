#include "cmd/reload.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/metrics.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "cmd/load.h"
#include "cmd/roster.h"
#include "config/config.h"
#include "log/log.h"
#include "net/loop.h"
#include "pipeline/pipeline.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gw_reload_load {
    struct gw_problems problems;
    size_t scripts;            /* how many of them are errors of scripts */
    struct gw_generation *gen; /* NULL: the main file has problems */
};

struct gw_reload_step {
    struct gw_member *member;
    struct gw_pipeline *old;             /* NULL: none runs */
    struct gw_cursor *cursor;            /* the old one's */
    const struct gw_pipeline_conf *conf; /* what is to be; NULL: nothing */
    int paused;                          /* from its start on */
    struct gw_pipeline *pipeline;        /* out */
    struct gw_cursor *new_cursor;
    int failed;
    struct gw_err err;
};

static void begin(struct gw_reloader *r);
static void next_step(struct gw_reloader *r);

static void run_aside(struct gw_reloader *r, void *(*run)(void *), void (*then)(struct gw_mail *))
{
    r->done.fn = then;
    r->aside = !pthread_create(&r->thread, NULL, run, r);
    if (!r->aside) {
        GW_DIAG(GW_WARN, "reload", gw_msg("cannot start a thread, the admin waits meanwhile"));
        run(r);
    }
}

static void join_aside(struct gw_reloader *r)
{
    if (r->aside)
        pthread_join(r->thread, NULL);
}

/* ---- the end of one ---- */

static void fulfil(struct gw_reloader *r, struct gw_reload *list)
{
    while (list) {
        struct gw_reload *wish = list, answer = r->result;

        list = wish->next;
        answer.next = NULL;
        answer.done = wish->done;
        *wish = answer;
        wish->done(wish);
    }
}

static void end(struct gw_reloader *r)
{
    struct gw_reload *wishes = r->wishes;

    r->state = GW_RELOAD_IDLE;
    r->wishes = NULL;
    fulfil(r, wishes);
    if (r->load) {
        if (!r->load->gen)
            gw_arena_free(r->load->problems.mem);
        free(r->load);
        r->load = NULL;
    }
    if (r->again)
        begin(r);
}

static void refuse(struct gw_reloader *r)
{
    r->result = (struct gw_reload){.message = "the configuration has problems, nothing has changed",
                                   .problems = r->load->problems.items,
                                   .n_problems = r->load->problems.n};
    end(r);
}

static void give_up(struct gw_reloader *r)
{
    r->result = (struct gw_reload){.message = "shutting down"};
    end(r);
}

static void tell_stopped(struct gw_reloader *r)
{
    void (*stopped)(void *ctx) = r->stopped;

    r->stopped = NULL;
    if (stopped)
        stopped(r->ctx);
}

/* ---- one pipeline ---- */

static void *run_step(void *arg)
{
    struct gw_reloader *r = arg;
    struct gw_reload_step *s = r->step;

    if (s->old)
        gw_pipeline_join(s->old);
    if (!s->conf && s->cursor)
        gw_cursor_release(s->cursor);
    if (s->conf && !atomic_load(&r->stopping))
        s->failed =
            gw_member_open(r->roster, s->conf, s->paused, &s->pipeline, &s->new_cursor, &s->err);
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

static void take_next(struct gw_member *m)
{
    if (!m->next_gen)
        return;
    gw_generation_drop(m->gen);
    m->gen = m->next_gen;
    m->conf = m->next;
    m->scripts = m->next_scripts;
    m->next_gen = NULL;
    m->next = NULL;
}

static void settle_member(struct gw_reloader *r, struct gw_reload_step *s)
{
    struct gw_member *m = s->member;
    const char *why;

    take_next(m);
    why = gw_member_why(m->conf);
    m->step = GW_STEP_NONE;
    m->pipeline = s->pipeline;
    m->cursor = s->new_cursor ? s->new_cursor : s->cursor;
    (void)snprintf(m->why, sizeof(m->why), "%s",
                   s->failed ? s->err.msg
                   : why     ? why
                             : "shutting down");
    if (!m->pipeline && !m->conf->enabled)
        hide_gauge(r->roster, m->conf->name);
    if (m->pipeline && m->paused != s->paused) /* somebody wished it meanwhile */
        gw_pipeline_pause(m->pipeline, m->paused);
    r->result.failed += s->failed || (!m->pipeline && m->conf->enabled && why);
    if (s->failed)
        GW_DIAG(GW_ERROR, "reload", gw_msg("a pipeline does not start"),
                gw_kv_cstr("pipeline", m->conf->name), gw_kv_cstr("error", s->err.msg));
}

static void on_step_done(struct gw_mail *mail)
{
    struct gw_reloader *r = GW_CONTAINER(mail, struct gw_reloader, done);
    struct gw_reload_step *s = r->step;

    join_aside(r);
    r->step = NULL;
    if (s->member->step == GW_STEP_REMOVE) {
        hide_gauge(r->roster, s->member->conf->name);
        remove_member(r->roster, s->member);
    } else {
        settle_member(r, s);
    }
    free(s);
    next_step(r);
}

static void start_step(struct gw_reloader *r, struct gw_member *m)
{
    static const char *const what[] = {[GW_STEP_REMOVE] = "a pipeline goes",
                                       [GW_STEP_CHANGE] = "a pipeline changes",
                                       [GW_STEP_ADD] = "a pipeline is new"};
    struct gw_reload_step *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    GW_DIAG(GW_INFO, "reload", gw_msg(what[m->step]), gw_kv_cstr("pipeline", m->conf->name));
    s->member = m;
    s->old = m->pipeline;
    s->cursor = m->cursor;
    s->paused = m->paused;
    s->conf = m->step == GW_STEP_CHANGE ? m->next : m->step == GW_STEP_ADD ? m->conf : NULL;
    m->pipeline = NULL;
    if (s->old)
        gw_pipeline_stop(s->old, gw_mono_ms() + r->roster->now->config->shutdown_timeout_ms);
    r->step = s;
    run_aside(r, run_step, on_step_done);
}

/* ---- all of them ---- */

/* What was read is true from now on: those that go first, for their destinations and cursors may
 * be taken over. */
static struct gw_member *find_step(const struct gw_roster *roster)
{
    struct gw_member *best = NULL;

    for (size_t i = 0; i < roster->n; i++) {
        struct gw_member *m = roster->members[i];

        if (m->step && (!best || m->step < best->step))
            best = m;
    }
    return best;
}

static void finish(struct gw_reloader *r)
{
    const struct gw_reload *x = &r->result;

    gw_config_note_owners(r->roster->now->config);
    r->result.reloaded = 1;
    r->result.problems = r->load->problems.items;
    r->result.n_problems = r->load->problems.n;
    GW_DIAG(GW_INFO, "reload", gw_msg("reloaded"), gw_kv_int("added", (int64_t)x->added),
            gw_kv_int("removed", (int64_t)x->removed), gw_kv_int("changed", (int64_t)x->changed),
            gw_kv_int("unchanged", (int64_t)x->unchanged), gw_kv_int("failed", (int64_t)x->failed));
    end(r);
}

static void next_step(struct gw_reloader *r)
{
    struct gw_member *m = find_step(r->roster);

    if (atomic_load(&r->stopping)) {
        give_up(r);
        tell_stopped(r);
    } else if (m) {
        start_step(r, m);
    } else {
        finish(r);
    }
}

/* ---- what is to be done ---- */

static struct gw_member *take_member(struct gw_roster *roster, const char *name)
{
    for (size_t i = 0; i < roster->n; i++) {
        struct gw_member *m = roster->members[i];

        if (m && !strcmp(m->conf->name, name)) {
            roster->members[i] = NULL;
            return m;
        }
    }
    return NULL;
}

/* A broken file changes nothing of the pipelines that run from it, nor does another that claims one
 * of their names meanwhile, and none is stopped for a file that is broken. */
static int goes_on(const struct gw_member *m, const struct gw_config *c,
                   const struct gw_pipeline_conf *next)
{
    if (!m->pipeline)
        return 0;
    if (next && next->down)
        return 1;
    for (size_t i = 0; i < c->broken.n; i++)
        if (!strcmp(m->conf->yaml->file, c->broken.items[i]))
            return 1;
    return 0;
}

static int is_same(const struct gw_member *m, const struct gw_generation *g, size_t i)
{
    const struct gw_pipeline_conf *conf = g->config->pipelines.items;

    return (m->pipeline || !conf[i].enabled) && m->conf->enabled == conf[i].enabled &&
           m->scripts == g->scripts[i] && gw_pipeline_same(m->conf, &conf[i]);
}

static struct gw_member *plan_one(struct gw_reloader *r, struct gw_generation *g, size_t i)
{
    const struct gw_pipeline_conf *conf = g->config->pipelines.items;
    struct gw_member *m = take_member(r->roster, conf[i].name);

    if (!m) {
        m = gw_member_new(r->roster, g, i);
        m->step = GW_STEP_ADD;
        (void)snprintf(m->why, sizeof(m->why), "starting");
        r->result.added++;
    } else if (goes_on(m, g->config, &conf[i]) || is_same(m, g, i)) {
        r->result.unchanged++;
    } else {
        gw_member_plan(m, g, i);
        r->result.changed++;
    }
    return m;
}

static void plan(struct gw_reloader *r, struct gw_generation *g)
{
    struct gw_roster *roster = r->roster;
    const size_t n = g->config->pipelines.n;
    struct gw_member **members = calloc(n + roster->n, sizeof(struct gw_member *));
    size_t k = 0;

    if (!members)
        abort();
    for (; k < n; k++)
        members[k] = plan_one(r, g, k);
    for (size_t i = 0; i < roster->n; i++) {
        struct gw_member *m = roster->members[i];

        if (!m)
            continue;
        if (goes_on(m, g->config, NULL)) {
            r->result.unchanged++;
            members[k++] = m;
            continue;
        }
        m->step = GW_STEP_REMOVE;
        (void)snprintf(m->why, sizeof(m->why), "stopping");
        r->result.removed++;
        members[k++] = m;
    }
    free(roster->members);
    roster->members = members;
    roster->n = k;
}

/* What runs was read at the start. */
static void compare_sections(struct gw_reloader *r, const struct gw_config *now)
{
    const struct gw_config *first = r->first;
    const struct {
        const char *name;
        int same;
    } sections[] = {{"ingest", gw_fields_same(gw_ingest_fields, first->ingest, now->ingest)},
                    {"admin", gw_fields_same(gw_admin_fields, &first->admin, &now->admin)},
                    {"log", gw_fields_same(gw_log_fields, &first->log, &now->log)}};

    for (size_t i = 0; i < sizeof(sections) / sizeof(*sections); i++) {
        if (sections[i].same)
            continue;
        r->result.restart_needed[r->result.n_restart_needed++] = sections[i].name;
        GW_DIAG(GW_WARN, "reload", gw_msg("restart needed"),
                gw_kv_cstr("section", sections[i].name));
    }
}

static void adopt(struct gw_reloader *r)
{
    struct gw_roster *roster = r->roster;
    struct gw_generation *g = r->load->gen, *before = roster->now;

    roster->now = gw_generation_hold(g);
    r->result = (struct gw_reload){0};
    r->state = GW_RELOAD_STEPPING;
    compare_sections(r, g->config);
    plan(r, g);
    gw_generation_drop(before);
}

/* ---- reading ---- */

static void *run_load(void *arg)
{
    struct gw_reloader *r = arg;
    struct gw_reload_load *load = r->load;
    struct gw_config *c = gw_load(r->path, &load->problems);

    if (c) {
        const size_t before = load->problems.errors;

        load->gen = gw_generation_new(c);
        gw_config_check_scripts(c, &load->problems);
        load->scripts = load->problems.errors - before;
    }
    gw_loop_post_mail(r->loop, &r->done);
    return NULL;
}

/* Its arena is the problems' as well, and goes with them. */
static void give_up_generation(struct gw_reload_load *load)
{
    if (load->gen) {
        free(load->gen->scripts);
        free(load->gen);
    }
    load->gen = NULL;
}

static void on_loaded(struct gw_mail *mail)
{
    struct gw_reloader *r = GW_CONTAINER(mail, struct gw_reloader, done);

    join_aside(r);
    if (atomic_load(&r->stopping)) {
        give_up_generation(r->load);
        give_up(r);
        return;
    }
    gw_log_problems(&r->load->problems);
    if (!r->load->gen || r->load->scripts) {
        give_up_generation(r->load);
        GW_DIAG(GW_ERROR, "reload", gw_msg("not reloaded, nothing has changed"),
                gw_kv_int("errors", (int64_t)r->load->problems.errors));
        refuse(r);
        return;
    }
    adopt(r);
    next_step(r);
}

static void begin(struct gw_reloader *r)
{
    r->again = 0;
    r->wishes = r->later;
    r->later = NULL;
    r->state = GW_RELOAD_LOADING;
    r->load = calloc(1, sizeof(*r->load));
    if (!r->load)
        abort();
    r->load->problems.mem = gw_arena_new();
    run_aside(r, run_load, on_loaded);
}

/* ---- the owner's side ---- */

void gw_reloader_init(struct gw_reloader *r, struct gw_roster *roster, struct gw_loop *loop,
                      const char *path)
{
    *r = (struct gw_reloader){
        .roster = roster, .loop = loop, .path = path, .first = roster->now->config};
}

void gw_reload_want(struct gw_reloader *r, struct gw_reload *wish)
{
    if (atomic_load(&r->stopping)) {
        r->result = (struct gw_reload){.message = "shutting down"};
        fulfil(r, wish);
        return;
    }
    if (wish) {
        wish->next = r->later;
        r->later = wish;
    }
    r->again = 1;
    if (r->state == GW_RELOAD_IDLE)
        begin(r);
}

void gw_reloader_stop(struct gw_reloader *r, void (*stopped)(void *ctx), void *ctx)
{
    struct gw_reload *later = r->later;

    atomic_store(&r->stopping, 1);
    r->again = 0;
    r->later = NULL;
    r->result = (struct gw_reload){.message = "shutting down"};
    fulfil(r, later);
    r->stopped = stopped;
    r->ctx = ctx;
    if (r->state != GW_RELOAD_STEPPING)
        tell_stopped(r);
}

void gw_reloader_fini(struct gw_reloader *r)
{
    while (r->state != GW_RELOAD_IDLE)
        gw_loop_turn(r->loop, 1);
}
