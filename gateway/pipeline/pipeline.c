/* A pipeline: its cursor, its workers, and what they share. */
#include "pipeline/pipeline.h"

#include "base/err.h"
#include "base/metrics.h"
#include "hook/flyte_client.h"
#include "hook/shared.h"
#include "hook/sources.h"
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
    p->sources = gw_sources_new();
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

/* ---- scripts ---- */

static void keep_sources(struct gw_pipeline *p, struct gw_sources *sources)
{
    struct gw_sources *before;

    pthread_mutex_lock(&p->lock);
    before = p->sources;
    p->sources = gw_sources_hold(sources);
    pthread_mutex_unlock(&p->lock);
    gw_sources_drop(before);
}

struct gw_sources *gw_pipeline_sources(struct gw_pipeline *p)
{
    struct gw_sources *s;

    pthread_mutex_lock(&p->lock);
    if (!p->is_given && !p->n_loaded && gw_sources_changed(p->sources)) {
        gw_sources_drop(p->sources);
        p->sources = gw_sources_new();
    }
    s = gw_sources_hold(p->sources);
    pthread_mutex_unlock(&p->lock);
    return s;
}

/* Of all workers, or of none. */
static int load_scripts(struct gw_pipeline *p, struct gw_sources *sources, struct gw_hook_vm **vms,
                        struct gw_err *err)
{
    for (size_t i = 0; i < p->n_workers; i++) {
        vms[i] = gw_hooks_load(&p->workers[i].hooks_conf, sources, err);
        if (vms[i])
            continue;
        while (i-- > 0)
            gw_hooks_unload(vms[i]);
        return -1;
    }
    return 0;
}

int gw_pipeline_reload(struct gw_pipeline *p, struct gw_sources *sources, struct gw_err *err)
{
    struct gw_hook_vm **vms = calloc(p->n_workers, sizeof(struct gw_hook_vm *));
    const int wants = gw_wants_hooks(p->conf);
    int rc = 0;

    if (!vms)
        abort();
    if (wants)
        rc = load_scripts(p, sources, vms, err);
    if (!rc) {
        keep_sources(p, sources);
        gw_pipeline_refuse(p, NULL);
    }
    for (size_t i = 0; wants && !rc && i < p->n_workers; i++) {
        gw_hooks_unload(atomic_exchange(&p->workers[i].newer, vms[i]));
        gw_worker_nudge(&p->workers[i]);
    }
    free(vms);
    return rc;
}

void gw_pipeline_refuse(struct gw_pipeline *p, const char *why)
{
    pthread_mutex_lock(&p->lock);
    snprintf(p->refused, sizeof(p->refused), "%s", why ? why : "");
    pthread_mutex_unlock(&p->lock);
}

/* ---- life ---- */

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
    gw_sources_drop(p->sources);
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

struct gw_pipeline *gw_pipeline_start_as(const struct gw_pipeline_conf *conf, struct gw_log *log,
                                         struct gw_metrics *metrics,
                                         const struct gw_pipeline_start *how, struct gw_err *err)
{
    struct gw_cursor *cursor =
        gw_log_cursor(log, conf->name, (enum gw_start)conf->start, conf->renamed_from, err);
    struct gw_pipeline *p;

    if (!cursor)
        return NULL;
    p = gw_pipeline_new(conf, log, metrics);
    p->cursor = cursor;
    atomic_store(&p->paused, how->paused);
    if (how->sources) {
        p->is_given = 1;
        keep_sources(p, how->sources);
    }
    gw_cursor_letters(cursor, conf->dead_letters.max_bytes, conf->dead_letters.keep_ms);
    return gw_pipeline_run(p, err) ? NULL : p;
}

struct gw_pipeline *gw_pipeline_start(const struct gw_pipeline_conf *conf, struct gw_log *log,
                                      struct gw_metrics *metrics, struct gw_err *err)
{
    return gw_pipeline_start_as(conf, log, metrics, &(struct gw_pipeline_start){0}, err);
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

static int same_flyteadmin(const struct gw_flyte_client_conf *a,
                           const struct gw_flyte_client_conf *b)
{
    return a == b || (a && b && gw_fields_same(gw_flyte_client_fields, a, b));
}

/* What the table has read, and what the configuration has added. */
int gw_pipeline_same(const struct gw_pipeline_conf *a, const struct gw_pipeline_conf *b)
{
    return gw_fields_same(gw_pipeline_fields, a, b) && !strcmp(a->source, b->source) &&
           !strcmp(a->lua_path, b->lua_path) &&
           (!a->hooks.n || same_flyteadmin(a->flyteadmin, b->flyteadmin));
}

/* A newer version that is not taken is told when there is nothing else, or it is the trouble. */
static const char *last_error(const struct gw_pipeline *p)
{
    if (*p->refused && (!*p->last_error || p->n_loaded < p->n_workers))
        return p->refused;
    return p->last_error;
}

void gw_pipeline_status(struct gw_pipeline *p, struct gw_pipeline_status *out)
{
    const char *error;

    *out = (struct gw_pipeline_status){.name = p->conf->name, .cursor = p->cursor};
    pthread_mutex_lock(&p->lock);
    out->paused = p->paused;
    out->loaded = !gw_wants_hooks(p->conf) || p->n_loaded == p->n_workers;
    out->up = !p->n_down && !out->paused;
    error = last_error(p);
    snprintf(out->last_error, sizeof(out->last_error), "%s%s%s", out->paused ? "paused" : "",
             out->paused && *error ? ": " : "", error);
    pthread_mutex_unlock(&p->lock);
}
