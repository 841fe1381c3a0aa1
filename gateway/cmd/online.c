/* `check --online`: every destination and source is asked, on one loop. */
#include "cmd/online.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/online.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "cmd/progress.h"
#include "config/config.h"
#include "net/loop.h"

#include <stdlib.h>
#include <string.h>

struct all;
struct ask {
    struct gw_online online; /* first */
    struct all *all;
    const struct gw_yaml *at;
    const char *name;                        /* for people: the pipeline's, or the source's key */
    const struct gw_pipeline_conf *pipeline; /* NULL: a source, an upstream */
    struct gw_ingest_asked asked;
    struct gw_publisher *publisher; /* what is open while it is asked; one of the two */
    struct gw_asking *asking;
    struct gw_timer late;
    struct gw_task ended; /* closing waits for the turn's end: the answer comes from inside */
    int answer, has_answered;
    const char *text;
};

struct all {
    const struct gw_config *config;
    struct gw_loop *loop;
    struct gw_arena *mem;
    int64_t deadline_ms;
    struct ask *asks;
    size_t n, next, n_ended;
    struct gw_progress bar;
};

/* ---- one ---- */

static void answer(struct ask *a, int what, const char *text)
{
    if (a->has_answered)
        return;
    a->has_answered = 1;
    a->answer = what;
    a->text = gw_arena_printf(a->all->mem, "%s: %s", a->name, text).p;
    gw_loop_post(a->all->loop, &a->ended);
}

static void on_said(struct gw_online *o, int what, const char *text)
{
    answer((struct ask *)o, what, text);
}

static void on_late(struct gw_timer *t)
{
    struct ask *a = GW_CONTAINER(t, struct ask, late);
    const char *whom = a->online.whom[0] ? a->online.whom
                       : a->pipeline     ? a->pipeline->publisher.type
                                         : a->asked.name;

    answer(a, GW_ONLINE_NO,
           gw_arena_printf(a->all->mem,
                           "no answer within %lld s from %s: is the address right, and do "
                           "firewalls, security groups and proxies let us through?",
                           (long long)((a->all->deadline_ms + 999) / 1000), whom)
               .p);
}

static void ask_pipeline(struct ask *a)
{
    const struct gw_pipeline_conf *c = a->pipeline;
    const struct gw_publisher_ops *ops = gw_publisher_find(c->publisher.type);
    struct gw_err err;

    if (ops->ask) {
        a->asking = ops->ask(c->publisher.conf, &c->format, a->all->loop, &a->online);
    } else if (!ops->online) {
        answer(a, GW_ONLINE_YES, "takes everything");
    } else if ((a->publisher = ops->open(c->publisher.conf, &c->format, a->all->loop, &err))) {
        ops->online(a->publisher, &a->online);
    } else {
        answer(a, GW_ONLINE_NO, err.msg);
    }
}

static void begin_next(struct all *all)
{
    struct ask *a = &all->asks[all->next++];

    gw_timer_set(&a->late, all->deadline_ms);
    if (a->pipeline)
        ask_pipeline(a);
    else
        a->asking = a->asked.ask(a->asked.conf, all->loop, &a->online);
}

static void on_ended(struct gw_task *t)
{
    struct ask *a = GW_CONTAINER(t, struct ask, ended);
    struct all *all = a->all;

    gw_timer_cancel(&a->late);
    if (a->publisher)
        gw_publisher_close(a->publisher);
    if (a->asking)
        a->asking->close(a->asking);
    all->n_ended++;
    gw_progress_show(&all->bar, all->n_ended, all->n, "%zu of %zu asked, %s", all->n_ended, all->n,
                     a->name);
    if (all->next < all->n)
        begin_next(all);
    else if (all->n_ended == all->n)
        gw_loop_stop(all->loop);
}

/* ---- all of them ---- */

static struct ask *add(struct all *all, const char *name, const struct gw_yaml *at)
{
    struct ask *a = &all->asks[all->n++];

    *a = (struct ask){.online = {.said = on_said}, .all = all, .name = name, .at = at};
    a->ended.fn = on_ended;
    gw_timer_init(&a->late, all->loop, on_late);
    return a;
}

static void list_pipelines(struct all *all)
{
    const struct gw_pipeline_conf *every = all->config->pipelines.items;

    for (size_t i = 0; i < all->config->pipelines.n; i++)
        if (every[i].enabled)
            add(all, every[i].name, gw_yaml_place(every[i].yaml, "publisher"))->pipeline =
                &every[i];
}

static void list_sources(struct all *all)
{
    struct gw_ingest_asked s;

    for (size_t i = 0; gw_ingest_asked(all->config->ingest, i, &s); i++) {
        const struct gw_yaml *at = gw_yaml_place(all->config->ingest_yaml, s.key[0]);

        if (s.key[1])
            at = gw_yaml_place(at, s.key[1]);
        else if (at->type == GW_YAML_SEQ && s.index < at->n)
            at = &at->values[s.index];
        add(all, gw_arena_printf(all->mem, "ingest.%s", s.name).p, at)->asked = s;
    }
}

static size_t count(const struct gw_config *c)
{
    struct gw_ingest_asked s;
    size_t n = c->pipelines.n;

    for (size_t i = 0; gw_ingest_asked(c->ingest, i, &s); i++)
        n++;
    return n;
}

static void report(const struct all *all, struct gw_problems *p)
{
    static const int severity[] = {GW_PROBLEM_ERROR, GW_PROBLEM_NOTE, GW_PROBLEM_WARNING};

    for (size_t i = 0; i < all->n; i++) {
        const struct ask *a = &all->asks[i];

        gw_problems_add(p, severity[a->answer], a->at->file, a->at->line, a->at->column, "%s",
                        a->text);
    }
}

void gw_check_online(const struct gw_config *c, int64_t deadline_ms, struct gw_problems *p)
{
    struct all all = {
        .config = c, .loop = gw_loop_new(), .mem = p->mem, .deadline_ms = deadline_ms};

    all.asks = gw_arena_zalloc(p->mem, (count(c) + 1) * sizeof(*all.asks));
    list_pipelines(&all);
    list_sources(&all);
    gw_progress_init(&all.bar);
    gw_progress_show(&all.bar, 0, all.n, "0 of %zu asked", all.n);
    while (all.next < all.n && all.next < GW_ONLINE_AT_ONCE)
        begin_next(&all);
    if (all.n)
        gw_loop_run(all.loop);
    gw_loop_turn(all.loop, 0); /* mail of threads that ended when it stopped */
    gw_progress_end(&all.bar);
    for (size_t i = 0; i < all.n; i++)
        gw_timer_fini(&all.asks[i].late);
    gw_loop_free(all.loop);
    report(&all, p);
}
