/* A pipeline: its cursor, its workers, and what they share. */
#include "pipeline/pipeline.h"

#include "base/err.h"
#include "base/metrics.h"
#include "hook/shared.h"
#include "pipeline/tap.h"
#include "pipeline/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gw_pipeline *gw_pipeline_new(const struct gw_pipeline_conf *conf, struct gw_log *log,
                                    struct gw_metrics *metrics)
{
    struct gw_pipeline *p = calloc(1, sizeof(*p));

    if (!p)
        abort();
    p->conf = conf;
    p->log = log;
    p->metrics = metrics;
    p->component = "pipeline";
    p->taps = gw_taps_new(p);
    p->style = gw_style_conf_of(conf);
    p->shared =
        conf->shared ? gw_hook_shared_hold(conf->shared) : gw_hook_shared_new(conf->name, metrics);
    p->up = gw_metrics_counter(metrics, GW_M_PIPELINE_UP, conf->name, NULL);
    gw_metrics_counter(metrics, GW_M_REPLAYED, conf->name, NULL); /* shown from the start, as 0 */
    p->n_workers = (size_t)conf->workers;
    p->n_down = p->n_workers;
    p->workers = calloc(p->n_workers, sizeof(*p->workers));
    if (!p->workers)
        abort();
    gw_rate_init(&p->rate, conf->rate);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->opened, NULL);
    for (size_t i = 0; i < p->n_workers; i++)
        gw_worker_init(&p->workers[i], p, i);
    return p;
}

static void wait_opened(struct gw_pipeline *p, size_t n)
{
    pthread_mutex_lock(&p->lock);
    while (p->n_opened < n)
        pthread_cond_wait(&p->opened, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

static void join(struct gw_pipeline *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        pthread_join(p->workers[i].thread, NULL);
    for (size_t i = n; i < p->n_workers; i++)
        gw_worker_fini(&p->workers[i]);
    for (size_t i = 0; i < p->n_workers; i++)
        gw_loop_free(p->workers[i].loop);
    gw_taps_end(p->taps);
    gw_hook_shared_drop(p->shared);
    pthread_cond_destroy(&p->opened);
    pthread_mutex_destroy(&p->lock);
    free(p->workers);
    free(p);
}

int gw_pipeline_run(struct gw_pipeline *p, struct gw_err *err)
{
    for (size_t i = 0; i < p->n_workers; i++)
        if (gw_worker_run(&p->workers[i], err)) {
            for (size_t k = 0; k < i; k++)
                gw_worker_stop(&p->workers[k], 0);
            join(p, i);
            return -1;
        }
    wait_opened(p, p->n_workers);
    return 0;
}

static struct gw_pipeline *start(const struct gw_pipeline_conf *conf, struct gw_log *log,
                                 struct gw_metrics *metrics, int paused, struct gw_err *err)
{
    struct gw_cursor *cursor =
        gw_log_cursor(log, conf->name, (enum gw_start)conf->start, conf->renamed_from, err);
    struct gw_pipeline *p;

    if (!cursor)
        return NULL;
    p = gw_pipeline_new(conf, log, metrics);
    p->cursor = cursor;
    atomic_store(&p->paused, paused);
    gw_cursor_letters(cursor, conf->dead_letters.max_bytes, conf->dead_letters.keep_ms);
    return gw_pipeline_run(p, err) ? NULL : p;
}

struct gw_pipeline *gw_pipeline_start(const struct gw_pipeline_conf *conf, struct gw_log *log,
                                      struct gw_metrics *metrics, struct gw_err *err)
{
    return start(conf, log, metrics, 0, err);
}

struct gw_pipeline *gw_pipeline_start_paused(const struct gw_pipeline_conf *conf,
                                             struct gw_log *log, struct gw_metrics *metrics,
                                             struct gw_err *err)
{
    return start(conf, log, metrics, 1, err);
}

void gw_pipeline_stop(struct gw_pipeline *p, int64_t deadline_ms)
{
    for (size_t i = 0; i < p->n_workers; i++)
        gw_worker_stop(&p->workers[i], deadline_ms);
}

void gw_pipeline_join(struct gw_pipeline *p)
{
    join(p, p->n_workers);
}

void gw_pipeline_pause(struct gw_pipeline *p, int paused)
{
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->paused, paused != 0);
    gw_gauge_set(p->up, !p->n_down && !paused);
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; !paused && i < p->n_workers; i++)
        gw_worker_resume(&p->workers[i]);
}

/* What the table has read, and what the configuration has added. */
int gw_pipeline_same(const struct gw_pipeline_conf *a, const struct gw_pipeline_conf *b)
{
    return gw_fields_same(gw_pipeline_fields, a, b) && !strcmp(a->source, b->source) &&
           !strcmp(a->lua_path, b->lua_path);
}

void gw_pipeline_status(struct gw_pipeline *p, struct gw_pipeline_status *out)
{
    *out = (struct gw_pipeline_status){.name = p->conf->name, .cursor = p->cursor};
    pthread_mutex_lock(&p->lock);
    out->paused = p->paused;
    out->up = !p->n_down && !out->paused;
    if (out->paused)
        snprintf(out->last_error, sizeof(out->last_error), "paused%s%s", *p->last_error ? ": " : "",
                 p->last_error);
    else
        snprintf(out->last_error, sizeof(out->last_error), "%s", p->last_error);
    pthread_mutex_unlock(&p->lock);
}
