/* What a worker needs before it can read: its hooks, its publisher, its reader. Each that fails is
 * tried again later, so a pipeline comes up by itself when what it waits for is mended. */
#include "pipeline/worker.h"

#include "base/metrics.h"
#include "hook/sources.h"
#include "pipeline/tap.h"

static void on_settled(void *ctx, struct gw_item *items)
{
    struct gw_worker *w = ctx;

    while (items) {
        struct gw_item *next = items->next;

        if (items->refused) {
            gw_refused_add(w, items);
        } else {
            gw_refused_kept(w, items);
            gw_window_free(&w->window, items);
        }
        items = next;
    }
    gw_worker_poke(w);
}

static void poke(void *ctx)
{
    gw_worker_poke(ctx);
}

static void on_again(void *ctx, struct gw_out *o, const char *why)
{
    struct gw_worker *w = ctx;

    if (gw_is_watched(w->pipeline))
        gw_tap_again(w->pipeline, o->item, o->event, why);
}

static void on_state(void *ctx, const char *why)
{
    gw_worker_state(ctx, why);
}

int gw_wants_hooks(const struct gw_pipeline_conf *c)
{
    return c->hooks.n || c->match || c->rename || c->set || c->remove ||
           c->format.style == GW_STYLE_FLYTEADMIN_V2;
}

struct gw_style_conf gw_style_conf_of(const struct gw_pipeline_conf *c)
{
    return (struct gw_style_conf){.style = (enum gw_style)c->format.style,
                                  .source = gw_str_of(c->source),
                                  .json = c->format.json,
                                  .enrich_all = c->format.enrich_all,
                                  .id_spacing = (int)c->format.id_spacing};
}

struct gw_hooks_conf gw_hooks_conf_of(const struct gw_pipeline_conf *c,
                                      const struct gw_style_conf *style)
{
    const struct gw_publisher_ops *ops =
        c->publisher.type ? gw_publisher_find(c->publisher.type) : NULL;
    const struct gw_publish_common *common = c->publisher.conf; /* first in every type's */

    return (struct gw_hooks_conf){.pipeline = c->name,
                                  .scripts = &c->hooks,
                                  .match = c->match,
                                  .rename = c->rename,
                                  .set = c->set,
                                  .remove = c->remove,
                                  .params = c->params,
                                  .limits = c->hook_limits,
                                  .style = style,
                                  .routing = ops ? ops->routing : NULL,
                                  .routes = common ? &common->routes : NULL,
                                  .lua_path = c->lua_path,
                                  .flyteadmin = c->flyteadmin};
}

void gw_worker_configure_hooks(struct gw_worker *w)
{
    w->hooks_conf = gw_hooks_conf_of(w->conf, &w->pipeline->style);
    w->hooks_conf.metrics = w->pipeline->metrics;
    w->hooks_conf.shared = w->pipeline->shared;
    w->hooks_conf.loop = w->loop;
}

static void count_loaded(struct gw_pipeline *p)
{
    pthread_mutex_lock(&p->lock);
    p->n_loaded++;
    pthread_mutex_unlock(&p->lock);
}

static int open_hooks(struct gw_worker *w, struct gw_err *err)
{
    struct gw_sources *sources;
    struct gw_hook_vm *vm;

    if (w->hooks || !gw_wants_hooks(w->conf))
        return 0;
    sources = gw_pipeline_sources(w->pipeline);
    vm = gw_hooks_load(&w->hooks_conf, sources, err);
    gw_sources_drop(sources);
    if (!vm)
        return -1;
    w->hooks = gw_hooks_of(&w->hooks_conf, &vm);
    count_loaded(w->pipeline);
    return 0;
}

void gw_worker_take_scripts(struct gw_worker *w)
{
    struct gw_hook_vm *vm;

    if (w->hooks && !gw_hooks_have_room(w->hooks)) /* when a hook that waits has ended */
        return;
    vm = atomic_exchange(&w->newer, NULL);
    if (!vm)
        return;
    if (w->hooks) {
        gw_hooks_swap(w->hooks, &vm);
    } else {
        w->hooks = gw_hooks_of(&w->hooks_conf, &vm);
        count_loaded(w->pipeline);
    }
    w->stops = 0;
    gw_worker_retry(w);
}

static int open_publisher(struct gw_worker *w, struct gw_err *err)
{
    const struct gw_pipeline_conf *c = w->conf;
    struct gw_metrics *m = w->pipeline->metrics;
    const struct gw_publisher_ops *ops = gw_publisher_find(c->publisher.type);
    struct gw_publisher *p;

    if (w->outbox.publisher)
        return 0;
    p = ops->open(c->publisher.conf, &c->format, w->loop, err);
    if (!p)
        return gw_err_wrap(err, "publisher %s", ops->name);
    w->outbox = (struct gw_outbox){
        .publisher = p,
        .loop = w->loop,
        .conf = c,
        .rate = &w->pipeline->rate,
        .retries = gw_metrics_counter(m, GW_M_PUBLISH_RETRIES, c->name, NULL),
        .seconds = gw_metrics_histogram(m, GW_M_PUBLISH_SECONDS, c->name, NULL),
        .ctx = w,
        .ended = gw_out_ended,
        .retried = on_again,
        .poke = poke,
        .state = on_state,
    };
    gw_outbox_open(&w->outbox);
    return 0;
}

static void open_reader(struct gw_worker *w)
{
    const uint64_t window = (uint64_t)w->conf->max_in_flight;

    w->reader = gw_reader_open(w->pipeline->cursor, w->loop, &w->more_mail, NULL, NULL);
    if (2 * window > GW_READ_AHEAD) /* the window is the bound */
        gw_reader_ahead(w->reader, 2 * window);
}

int gw_worker_open(struct gw_worker *w, struct gw_err *err)
{
    struct gw_pipeline *p = w->pipeline;

    if (open_hooks(w, err) || open_publisher(w, err))
        return -1;
    w->settler = (struct gw_settler){
        .log = p->log, .cursor = p->cursor, .loop = w->loop, .ctx = w, .settled = on_settled};
    if (!p->ends)
        open_reader(w);
    return 0;
}

void gw_worker_close(struct gw_worker *w)
{
    gw_reader_close(w->reader);
    w->reader = NULL;
    gw_hooks_close(w->hooks);
    w->hooks = NULL;
    gw_hooks_unload(atomic_exchange(&w->newer, NULL));
    gw_settler_fini(&w->settler);
    gw_refused_free(w);
    gw_window_fini(&w->window);
}
