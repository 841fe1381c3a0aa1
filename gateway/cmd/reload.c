#include "cmd/reload.h"

#include "base/arena.h"
#include "base/diag.h"
#include "base/yaml.h"
#include "cmd/load.h"
#include "cmd/own.h"
#include "cmd/paths.h"
#include "cmd/roster.h"
#include "cmd/steps.h"
#include "cmd/watch.h"
#include "config/config.h"
#include "hook/sources.h"
#include "log/log.h"
#include "net/loop.h"
#include "pipeline/pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STIRRED = 20 };
enum { LOOK_AGAIN_MS = 2000 }; /* when a file could not be read for a reason that passes */

struct gw_reload_load {
    int reads_all; /* the configuration too, as somebody wishes */
    struct gw_problems problems;
    struct gw_generation *gen; /* NULL: nothing was read, or the main file has problems */
    int renewed;               /* the sources of ingest have taken it */
};

static void begin(struct gw_reloader *r);
static void list_files(struct gw_reloader *r);

void gw_reload_aside(struct gw_reloader *r, void *(*run)(void *), void (*then)(struct gw_mail *))
{
    r->done.fn = then;
    r->aside = !pthread_create(&r->thread, NULL, run, r);
    if (!r->aside) {
        GW_DIAG(GW_WARN, "reload", gw_msg("cannot start a thread, the admin waits meanwhile"));
        run(r);
    }
}

void gw_reload_join(struct gw_reloader *r)
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

/* A generation's arena is that of the problems as well. */
static void free_load(struct gw_reload_load *load)
{
    if (load->gen)
        gw_generation_drop(load->gen);
    else
        gw_arena_free(load->problems.mem);
    free(load);
}

static void end(struct gw_reloader *r)
{
    struct gw_reload *wishes = r->wishes;

    r->state = GW_RELOAD_IDLE;
    r->wishes = NULL;
    fulfil(r, wishes);
    free_load(r->load);
    r->load = NULL;
    gw_arena_free(r->refused.mem);
    r->refused = (struct gw_problems){0};
    if (r->roster->waits && !atomic_load(&r->stopping))
        gw_timer_set(&r->look_again, LOOK_AGAIN_MS);
    if (r->again || r->look)
        begin(r);
    else if (r->watcher && !atomic_load(&r->stopping))
        list_files(r);
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

/* Of the configuration, and of scripts. */
static void list_problems(struct gw_reloader *r)
{
    const struct gw_problems *p = &r->load->problems;

    for (size_t i = 0; i < p->n; i++)
        if (p->items[i].severity != GW_PROBLEM_NOTE)
            gw_problems_add(&r->refused, p->items[i].severity, p->items[i].file, p->items[i].line,
                            p->items[i].column, "%s", p->items[i].text);
    r->result.problems = r->refused.items;
    r->result.n_problems = r->refused.n;
}

static void finish(struct gw_reloader *r)
{
    const struct gw_reload *x = &r->result;

    if (r->load->reads_all) {
        gw_config_note_owners(r->roster->now->config);
        r->result.reloaded = 1;
        list_problems(r);
        GW_DIAG(
            GW_INFO, "reload", gw_msg("reloaded"), gw_kv_int("added", (int64_t)x->added),
            gw_kv_int("removed", (int64_t)x->removed), gw_kv_int("changed", (int64_t)x->changed),
            gw_kv_int("unchanged", (int64_t)x->unchanged), gw_kv_int("failed", (int64_t)x->failed));
    }
    end(r);
}

/* Not for ever: a file may be touched all the time. */
int gw_reload_stirs(struct gw_reloader *r)
{
    const int stirs = !r->load->reads_all && r->watcher && gw_watcher_stirs(r->watcher) &&
                      r->stirred < MAX_STIRRED;

    r->stirred = stirs ? r->stirred + 1 : 0;
    return stirs;
}

void gw_reload_stepped(struct gw_reloader *r)
{
    struct gw_member *m = find_step(r->roster);

    if (atomic_load(&r->stopping)) {
        give_up(r);
        tell_stopped(r);
    } else if (m) {
        gw_reload_step(r, m);
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

static int is_of_broken(const struct gw_member *m, const struct gw_config *c)
{
    for (size_t i = 0; i < c->broken.n; i++)
        if (!strcmp(m->conf->yaml->file, c->broken.items[i]))
            return 1;
    return 0;
}

/* A broken file changes nothing of the pipelines that run from it, nor does another that claims one
 * of their names meanwhile, and none is stopped for a file that is broken. */
static int goes_on(const struct gw_member *m, const struct gw_config *c,
                   const struct gw_pipeline_conf *next)
{
    return m->pipeline && ((next && next->down) || is_of_broken(m, c));
}

static int is_same(const struct gw_member *m, const struct gw_pipeline_conf *conf)
{
    return (m->pipeline || !conf->enabled) && m->conf->enabled == conf->enabled &&
           gw_pipeline_same(m->conf, conf);
}

/* The files are what runs. */
static void nothing_new(struct gw_reloader *r, struct gw_member *m)
{
    struct gw_sources *none = NULL;

    r->result.unchanged++;
    if (!m->refused)
        return;
    gw_member_refuse(m, &none);
    gw_pipeline_refuse(m->pipeline, NULL);
    GW_DIAG(GW_INFO, "reload", gw_msg("script is again the one that runs"),
            gw_kv_cstr("pipeline", m->conf->name));
}

/* Who wishes a reload hears of a script that does not load even if it is the same. */
static int is_worth_a_try(const struct gw_reloader *r, const struct gw_member *m)
{
    struct gw_pipeline_status status;

    if (!m->pipeline || m->scripts_changed || !r->load->reads_all)
        return m->pipeline && m->scripts_changed;
    gw_pipeline_status(m->pipeline, &status);
    return !status.loaded;
}

static void plan_scripts(struct gw_reloader *r, struct gw_member *m)
{
    if (!is_worth_a_try(r, m)) {
        nothing_new(r, m);
        return;
    }
    m->step = GW_STEP_SCRIPTS;
    r->result.changed++;
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
    } else if (goes_on(m, g->config, &conf[i]) ||
               (is_same(m, &conf[i]) && !(m->inputs_changed && conf[i].enabled))) {
        gw_member_forget_next(m);
        plan_scripts(r, m);
    } else {
        gw_member_plan(m, g, i);
        r->result.changed++;
    }
    return m;
}

/* Nobody knows whether its file, which is broken, names it still. Records of one that does not run
 * are kept as well: it is its cursor that does. */
static void plan_unnamed(struct gw_reloader *r, struct gw_member *m)
{
    if (m->pipeline)
        plan_scripts(r, m);
    else
        r->result.unchanged++;
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
        members[k++] = m;
        if (is_of_broken(m, g->config)) {
            plan_unnamed(r, m);
            continue;
        }
        m->step = GW_STEP_REMOVE;
        (void)snprintf(m->why, sizeof(m->why), "stopping");
        r->result.removed++;
    }
    free(roster->members);
    roster->members = members;
    roster->n = k;
}

/* What runs was read at the start. */
static void compare_sections(struct gw_reloader *r, const struct gw_config *now)
{
    const struct gw_config *first = r->first;
    const struct gw_ingest_conf *in = r->sources ? r->sources->config->ingest : first->ingest;
    const struct {
        const char *name;
        int same;
    } sections[] = {{"ingest", gw_fields_same(gw_ingest_fields, in, now->ingest)},
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
    compare_sections(r, g->config);
    plan(r, g);
    gw_generation_drop(before);
}

/* ---- files that have changed by themselves ---- */

static int index_of(const struct gw_generation *g, const char *name, size_t *i)
{
    const struct gw_pipeline_conf *conf = g->config->pipelines.items;

    for (*i = 0; *i < g->config->pipelines.n; ++*i)
        if (!strcmp(conf[*i].name, name))
            return 0;
    return -1;
}

/* A secret or a certificate: the pipeline starts with what it says now. What else is new in the
 * configuration waits until somebody wishes it, and the change with it. 0: it waits. */
static int plan_inputs(struct gw_reloader *r, struct gw_member *m)
{
    struct gw_generation *g = r->load->gen;
    const struct gw_pipeline_conf *conf = g->config->pipelines.items;
    size_t i;

    if (index_of(g, m->conf->name, &i) || goes_on(m, g->config, &conf[i]) ||
        !gw_yaml_same(m->conf->yaml, conf[i].yaml) ||
        strcmp(m->conf->source, conf[i].source) != 0) {
        if (!m->told_inputs)
            GW_DIAG(GW_WARN, "reload",
                    gw_msg("a file of a pipeline has changed, and so has its configuration: SIGHUP "
                           "takes both"),
                    gw_kv_cstr("pipeline", m->conf->name));
        m->told_inputs = 1;
        return 0;
    }
    gw_member_plan(m, g, i);
    return 1;
}

static void plan_look(struct gw_reloader *r)
{
    for (size_t i = 0; i < r->roster->n; i++) {
        struct gw_member *m = r->roster->members[i];

        if (m->inputs_changed && m->pipeline && r->load->gen && plan_inputs(r, m))
            continue;
        if (m->refused && m->next && m->refused_changed)
            m->step = GW_STEP_CHANGE;
        else if (!m->refused || m->refused_changed)
            plan_scripts(r, m);
    }
}

/* ---- reading ---- */

/* Aside: a stop may end the pipelines meanwhile, so what ran is what ran at the beginning. */
static int needs_reading(const struct gw_roster *roster)
{
    for (size_t i = 0; i < roster->n; i++)
        if (roster->members[i]->inputs_changed && roster->members[i]->ran)
            return 1;
    return 0;
}

/* The sources of ingest, for which a restart is not needed if it is files alone that are new. */
static void renew_sources(struct gw_reloader *r)
{
    const struct gw_config *now = r->load->gen->config;

    r->load->renewed = gw_yaml_same(r->first->ingest_yaml, now->ingest_yaml);
    if (r->load->renewed) {
        gw_ingest_renew(r->ingest, now->ingest);
        gw_own_taken(r->own);
    } else if (!r->load->reads_all && gw_own_tell(r->own)) {
        GW_DIAG(GW_WARN, "reload",
                gw_msg("a file of a source has changed, and so has ingest: a restart takes both"));
    }
}

static void *run_load(void *arg)
{
    struct gw_reloader *r = arg;
    struct gw_reload_load *load = r->load;
    struct gw_config *c;
    int is_own = 0;

    gw_roster_look(r->roster);
    if (r->ingest) {
        gw_ingest_refresh(r->ingest);
        is_own = gw_own_look(r->own);
    }
    if (load->reads_all || is_own || needs_reading(r->roster)) {
        c = gw_config_load(r->path, &load->problems);
        if (c)
            load->gen = gw_generation_hold(gw_generation_new(c));
    }
    if (load->gen && is_own)
        renew_sources(r);
    gw_loop_post_mail(r->loop, &r->done);
    return NULL;
}

static void on_loaded(struct gw_mail *mail)
{
    struct gw_reloader *r = GW_CONTAINER(mail, struct gw_reloader, done);
    struct gw_reload_load *load = r->load;

    gw_reload_join(r);
    if (load->renewed) {
        gw_generation_drop(r->sources);
        r->sources = gw_generation_hold(load->gen);
    }
    if (atomic_load(&r->stopping)) {
        give_up(r);
        return;
    }
    if (load->reads_all || load->problems.errors)
        gw_log_problems(&load->problems);
    if (load->reads_all && load->gen)
        gw_log_sections(load->gen->config);
    if (!load->gen && load->problems.errors)
        GW_DIAG(GW_ERROR, "reload", gw_msg("not reloaded, nothing has changed"),
                gw_kv_int("errors", (int64_t)load->problems.errors));
    if (!load->gen && load->reads_all) {
        refuse(r);
        return;
    }
    r->result = (struct gw_reload){0};
    r->state = GW_RELOAD_STEPPING;
    if (load->reads_all)
        adopt(r);
    else
        plan_look(r);
    gw_reload_stepped(r);
}

static void begin(struct gw_reloader *r)
{
    r->load = calloc(1, sizeof(*r->load));
    if (!r->load)
        abort();
    r->load->reads_all = r->again;
    r->load->problems.mem = gw_arena_new();
    r->refused.mem = gw_arena_new();
    r->again = r->look = 0;
    r->wishes = r->later;
    r->later = NULL;
    r->state = GW_RELOAD_LOADING;
    for (size_t i = 0; i < r->roster->n; i++)
        r->roster->members[i]->ran = r->roster->members[i]->pipeline != NULL;
    gw_reload_aside(r, run_load, on_loaded);
}

/* ---- watching ---- */

static void add_path(void *ctx, const char *path)
{
    gw_paths_add(ctx, path);
}

static void *run_list(void *arg)
{
    struct gw_reloader *r = arg;

    r->paths = gw_paths_new();
    gw_roster_files(r->roster, add_path, r->paths);
    gw_ingest_files(r->ingest, add_path, r->paths);
    gw_own_each(r->own, add_path, r->paths);
    gw_paths_sort(r->paths);
    gw_loop_post_mail(r->loop, &r->done);
    return NULL;
}

static void on_listed(struct gw_mail *mail)
{
    struct gw_reloader *r = GW_CONTAINER(mail, struct gw_reloader, done);

    gw_reload_join(r);
    r->state = GW_RELOAD_IDLE;
    if (atomic_load(&r->stopping))
        gw_paths_free(r->paths);
    else
        gw_watcher_set(r->watcher, &r->paths);
    r->paths = NULL;
    if (r->again || r->look)
        begin(r);
}

/* After each reload, for it may need others. What is new is looked at once more, so nothing is
 * missed between reading a file and watching it. */
static void list_files(struct gw_reloader *r)
{
    r->state = GW_RELOAD_LISTING;
    gw_reload_aside(r, run_list, on_listed);
}

static void on_grown(struct gw_mail *mail)
{
    struct gw_reloader *r = GW_CONTAINER(mail, struct gw_reloader, grown);

    atomic_store(&r->is_grown, 0);
    if (!r->watcher || atomic_load(&r->stopping))
        return;
    if (r->state == GW_RELOAD_IDLE)
        list_files(r);
    else
        r->look = 1; /* its end lists them */
}

void gw_reloader_grown(struct gw_reloader *r)
{
    if (!atomic_exchange(&r->is_grown, 1))
        gw_loop_post_mail(r->loop, &r->grown);
}

static void on_changed(void *ctx)
{
    struct gw_reloader *r = ctx;

    if (atomic_load(&r->stopping))
        return;
    r->look = 1;
    if (r->state == GW_RELOAD_IDLE)
        begin(r);
}

static void on_look_again(struct gw_timer *t)
{
    on_changed(GW_CONTAINER(t, struct gw_reloader, look_again));
}

void gw_reloader_watch(struct gw_reloader *r, struct gw_ingest *ingest)
{
    r->ingest = ingest;
    r->own = gw_own_new(r->first, ingest);
    r->watcher = gw_watcher_new(r->loop, &gw_watcher_times, on_changed, r);
    if (r->state == GW_RELOAD_IDLE)
        list_files(r);
}

/* ---- the owner's side ---- */

void gw_reloader_init(struct gw_reloader *r, struct gw_roster *roster, struct gw_loop *loop,
                      const char *path)
{
    *r = (struct gw_reloader){.roster = roster,
                              .loop = loop,
                              .path = path,
                              .first = roster->now->config,
                              .grown.fn = on_grown};
    gw_timer_init(&r->look_again, loop, on_look_again);
    gw_steps_count(roster->metrics);
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
    r->again = r->look = 0;
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
    gw_timer_fini(&r->look_again);
    gw_watcher_free(r->watcher);
    r->watcher = NULL;
    gw_own_free(r->own);
    r->own = NULL;
}

void gw_reloader_let_go(struct gw_reloader *r)
{
    gw_generation_drop(r->sources);
    r->sources = NULL;
}
