#include "ingest/ingest.h"

#include "base/diag.h"
#include "ingest/grpc.h"
#include "ingest/http.h"
#include "ingest/pubsub.h"
#include "ingest/push.h"
#include "ingest/source.h"
#include "ingest/sqs.h"
#include "ingest/upstream.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

/* The fronts (a loop and a thread each), those with listeners first, then one for each source, and
 * their life: bound and started on the control thread,
 * stopped by mail, freed by join. A stopped front is quiet when its listeners are drained or closed
 * and no append is under way; it refuses what comes then, until its loop is ended by the join. */

enum { LISTENERS = 2 }; /* the ways that listen come first */
static const char *const component[LISTENERS] = {"ingest.grpc", "ingest.http"};
struct worker {
    struct gw_front front;
    struct gw_mail stop, end, renew;
    struct gw_timer deadline;
    struct gw_task hang_up;
    pthread_t thread;
    struct gw_ingest *in;
    struct gw_source *source; /* NULL: it listens */
    const void *next;         /* what the source is to borrow from; NULL: it does */
    int open[GW_WAYS];        /* what is not drained yet */
    int started, quiet;
};

struct gw_ingest {
    struct gw_door *doors[LISTENERS]; /* of all workers; NULL: not listening */
    struct worker *workers;
    size_t n_fronts, n; /* n_fronts: those that listen */
    _Atomic int64_t pending;
    int64_t deadline_ms; /* set before the stop mails are posted */
    int stopping;
    pthread_mutex_t lock;
    pthread_cond_t became_quiet, renewed;
    size_t n_started, n_quiet;
};

/* ---- the end of a front ---- */

static void end_if_idle(struct gw_front *f)
{
    struct worker *w = GW_CONTAINER(f, struct worker, front);

    if (!f->stopping || f->under_way || w->quiet)
        return;
    for (int way = 0; way < GW_WAYS; way++)
        if (w->open[way])
            return;
    w->quiet = 1;
    pthread_mutex_lock(&w->in->lock);
    w->in->n_quiet++;
    pthread_cond_signal(&w->in->became_quiet);
    pthread_mutex_unlock(&w->in->lock);
}

static void on_grpc_idle(void *ctx)
{
    struct worker *w = ctx;

    w->open[GW_GRPC] = 0;
    end_if_idle(&w->front);
}

static void on_http_idle(void *ctx)
{
    struct worker *w = ctx;

    w->open[GW_HTTP] = 0;
    end_if_idle(&w->front);
}

static void on_source_stopped(void *ctx)
{
    struct worker *w = ctx;

    w->open[w->source->ops->way] = 0;
    end_if_idle(&w->front);
}

static void close_listeners(struct worker *w)
{
    for (int way = 0; way < LISTENERS; way++) {
        gw_listener_close(w->front.listeners[way]);
        w->front.listeners[way] = NULL;
        w->open[way] = 0;
    }
}

static void on_hang_up(struct gw_task *t)
{
    struct worker *w = GW_CONTAINER(t, struct worker, hang_up);

    for (int way = 0; way < LISTENERS; way++)
        if (w->front.listeners[way])
            gw_listener_hang_up(w->front.listeners[way]);
}

/* What is given up is told to its client before its connection goes. */
static void on_stop_deadline(struct gw_timer *t)
{
    struct worker *w = GW_CONTAINER(t, struct worker, deadline);

    gw_upstream_hurry(w->front.upstream);
    gw_http_upstream_hurry(w->front.http_upstream);
    if (w->source)
        w->source->ops->hurry(w->source);
    gw_loop_post(w->front.loop, &w->hang_up);
}

static void on_end(struct gw_mail *m)
{
    gw_loop_stop(GW_CONTAINER(m, struct worker, end)->front.loop);
}

static void on_stop(struct gw_mail *m)
{
    static void (*const idle[LISTENERS])(void *) = {on_grpc_idle, on_http_idle};
    struct worker *w = GW_CONTAINER(m, struct worker, stop);
    struct gw_front *f = &w->front;
    int64_t left = w->in->deadline_ms - gw_loop_now_ms(f->loop);

    f->stopping = 1;
    gw_timer_set(&w->deadline, left > 0 ? left : 0);
    gw_grpc_stop(f);
    for (int way = 0; way < LISTENERS; way++)
        if (f->listeners[way])
            gw_listener_drain(f->listeners[way], idle[way], w);
    if (w->source)
        w->source->ops->stop(w->source, on_source_stopped, w);
    end_if_idle(f);
}

/* ---- files that have changed ---- */

static void on_renew(struct gw_mail *m)
{
    struct worker *w = GW_CONTAINER(m, struct worker, renew);

    w->source->ops->renew(w->source, w->next);
    pthread_mutex_lock(&w->in->lock);
    w->next = NULL;
    pthread_cond_signal(&w->in->renewed);
    pthread_mutex_unlock(&w->in->lock);
}

static void renew(struct worker *w, const void *next)
{
    struct gw_ingest *in = w->in;

    pthread_mutex_lock(&in->lock);
    w->next = next;
    gw_loop_post_mail(w->front.loop, &w->renew);
    while (w->next)
        pthread_cond_wait(&in->renewed, &in->lock);
    pthread_mutex_unlock(&in->lock);
}

void gw_ingest_renew(struct gw_ingest *in, const struct gw_ingest_conf *next)
{
    struct gw_ingest_source s;

    for (size_t i = 0; gw_ingest_source(next, i, &s); i++)
        if (s.ops->renew)
            renew(&in->workers[in->n_fronts + i], s.conf);
}

/* ---- the start ---- */

static void init_worker(struct gw_ingest *in, struct worker *w, const struct gw_ingest_conf *conf,
                        struct gw_log *log, struct gw_metrics *metrics)
{
    w->in = in;
    w->stop.fn = on_stop;
    w->end.fn = on_end;
    w->renew.fn = on_renew;
    w->hang_up.fn = on_hang_up;
    gw_front_init(&w->front, log, metrics, &in->pending, conf->max_pending_bytes);
    w->front.settled = end_if_idle;
    gw_timer_init(&w->deadline, w->front.loop, on_stop_deadline);
}

/* Every front listens on the first one's address, also when the kernel chose its port. */
static int listen_on(struct gw_ingest *in, struct worker *w, enum gw_way way,
                     const struct gw_listener_conf *conf, struct gw_err *err)
{
    const struct gw_http_handler *handler = way == GW_GRPC ? &gw_grpc_handler : &gw_rest_handler;
    struct gw_listener *first = in->workers[0].front.listeners[way];
    struct gw_listener_conf c = *conf;

    c.reuse_port = in->n_fronts > 1;
    c.tls = gw_door_tls(in->doors[way]);
    w->front.doors[way] = in->doors[way];
    if (first)
        c.listen = gw_listener_address(first);
    w->front.max_body[way] = conf->max_body_bytes;
    w->front.listeners[way] = gw_listener_open(w->front.loop, &c, handler, &w->front, err);
    if (!w->front.listeners[way])
        return gw_err_wrap(err, "%s", component[way]);
    w->open[way] = 1;
    return 0;
}

static const struct kind {
    const char *key;
    const struct gw_source_ops *ops;
    size_t list, size; /* where its list stands in the configuration; of one in it */
} kinds[] = {
    {"kafka", &gw_source_kafka, offsetof(struct gw_ingest_conf, kafka),
     sizeof(struct gw_ingest_kafka)},
    {"sqs", &gw_source_sqs, offsetof(struct gw_ingest_conf, sqs), sizeof(struct gw_ingest_sqs)},
    {"pubsub", &gw_source_pubsub, offsetof(struct gw_ingest_conf, pubsub),
     sizeof(struct gw_ingest_pubsub)}};

int gw_ingest_source(const struct gw_ingest_conf *conf, size_t i, struct gw_ingest_source *out)
{
    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        const struct gw_list *list =
            (const struct gw_list *)(const void *)((const char *)conf + kinds[k].list);

        if (i < list->n) {
            *out = (struct gw_ingest_source){kinds[k].key, i, kinds[k].ops,
                                             (const char *)list->items + i * kinds[k].size};
            return 1;
        }
        i -= list->n;
    }
    return 0;
}

int gw_ingest_asked(const struct gw_ingest_conf *conf, size_t i, struct gw_ingest_asked *out)
{
    struct gw_ingest_source s;

    if (conf->grpc && conf->grpc->upstream && !i--) {
        *out = (struct gw_ingest_asked){
            "grpc.upstream", {"grpc", "upstream"}, 0, conf->grpc, gw_upstream_ask};
        return 1;
    }
    if (conf->http && conf->http->upstream && !i--) {
        *out = (struct gw_ingest_asked){
            "http.upstream", {"http", "upstream"}, 0, conf->http, gw_http_upstream_ask};
        return 1;
    }
    if (!gw_ingest_source(conf, i, &s))
        return 0;
    *out = (struct gw_ingest_asked){s.key, {s.key, NULL}, s.index, s.conf, s.ops->ask};
    return 1;
}

static int open_source(struct worker *w, const struct gw_source_ops *ops, const void *conf,
                       struct gw_err *err)
{
    w->source = ops->open(conf, &w->front, err);
    if (!w->source)
        return gw_err_wrap(err, "%s", ops->component);
    w->open[ops->way] = 1;
    return 0;
}

static void *run(void *arg)
{
    struct worker *w = arg;

    gw_loop_run(w->front.loop);
    close_listeners(w);
    return NULL;
}

static int start_threads(struct gw_ingest *in, struct gw_err *err)
{
    for (size_t i = 0; i < in->n; i++) {
        if (pthread_create(&in->workers[i].thread, NULL, run, &in->workers[i]))
            return gw_err_set(err, GW_ERR_FATAL, "ingest: cannot start a thread");
        in->workers[i].started = 1;
        in->n_started++;
    }
    return 0;
}

static int open_doors(struct gw_ingest *in, const struct gw_ingest_conf *conf, struct gw_err *err)
{
    const struct gw_door_conf *const confs[LISTENERS] = {conf->grpc ? &conf->grpc->door : NULL,
                                                         conf->http ? &conf->http->door : NULL};

    for (int way = 0; way < LISTENERS; way++) {
        if (!confs[way])
            continue;
        in->doors[way] = gw_door_open(confs[way], component[way], err);
        if (!in->doors[way])
            return -1;
    }
    return 0;
}

static int open_all(struct gw_ingest *in, const struct gw_ingest_conf *conf, struct gw_err *err)
{
    struct gw_ingest_source s;

    if (open_doors(in, conf, err))
        return -1;
    for (size_t i = 0; i < in->n_fronts; i++) {
        struct worker *w = &in->workers[i];

        if (conf->grpc && conf->grpc->upstream)
            w->front.upstream = gw_upstream_new(&w->front, conf->grpc);
        if (conf->grpc && listen_on(in, w, GW_GRPC, &conf->grpc->listener, err))
            return -1;
        if (conf->http && conf->http->upstream)
            w->front.http_upstream = gw_http_upstream_new(&w->front, conf->http);
        if (conf->http && conf->http->push)
            w->front.push = gw_push_new(conf->http->push, &w->front);
        if (conf->http && listen_on(in, w, GW_HTTP, &conf->http->listener, err))
            return -1;
    }
    for (size_t i = 0; gw_ingest_source(conf, i, &s); i++)
        if (open_source(&in->workers[in->n_fronts + i], s.ops, s.conf, err))
            return -1;
    return start_threads(in, err);
}

static void *zalloc(size_t n, size_t size)
{
    void *p = calloc(n, size);

    if (!p)
        abort();
    return p;
}

static const char *address(const struct gw_ingest *in, enum gw_way way)
{
    const struct gw_listener *l = in->n_fronts ? in->workers[0].front.listeners[way] : NULL;

    return l ? gw_listener_address(l) : NULL;
}

struct gw_ingest *gw_ingest_start(const struct gw_ingest_conf *conf, struct gw_log *log,
                                  struct gw_metrics *metrics, struct gw_err *err)
{
    struct gw_ingest *in = zalloc(1, sizeof(*in));
    struct gw_ingest_source unused;

    pthread_mutex_init(&in->lock, NULL);
    pthread_cond_init(&in->became_quiet, NULL);
    pthread_cond_init(&in->renewed, NULL);
    in->n_fronts = conf->grpc || conf->http ? (size_t)conf->threads : 0;
    in->n = in->n_fronts;
    for (size_t i = 0; gw_ingest_source(conf, i, &unused); i++)
        in->n++;
    in->workers = zalloc(in->n + 1, sizeof(*in->workers));
    for (size_t i = 0; i < in->n; i++)
        init_worker(in, &in->workers[i], conf, log, metrics);
    if (open_all(in, conf, err)) {
        gw_ingest_stop(in, 0);
        gw_ingest_join(in);
        return NULL;
    }
    for (int way = 0; way < LISTENERS; way++)
        if (address(in, way))
            GW_DIAG(GW_INFO, component[way], gw_msg("listening"),
                    gw_kv_cstr("address", address(in, way)));
    return in;
}

const char *gw_ingest_grpc_address(const struct gw_ingest *in)
{
    return address(in, GW_GRPC);
}

const char *gw_ingest_http_address(const struct gw_ingest *in)
{
    return address(in, GW_HTTP);
}

void gw_ingest_files(const struct gw_ingest *in, void (*fn)(void *ctx, const char *path), void *ctx)
{
    for (int way = 0; way < LISTENERS; way++)
        if (in->doors[way])
            gw_door_files(in->doors[way], fn, ctx);
}

void gw_ingest_refresh(struct gw_ingest *in)
{
    for (int way = 0; way < LISTENERS; way++)
        if (in->doors[way])
            gw_door_refresh(in->doors[way]);
}

void gw_ingest_stop(struct gw_ingest *in, int64_t deadline_ms)
{
    if (in->stopping)
        return;
    in->stopping = 1;
    in->deadline_ms = deadline_ms;
    for (size_t i = 0; i < in->n; i++)
        if (in->workers[i].started)
            gw_loop_post_mail(in->workers[i].front.loop, &in->workers[i].stop);
}

void gw_ingest_quiet(struct gw_ingest *in)
{
    pthread_mutex_lock(&in->lock);
    while (in->n_quiet < in->n_started)
        pthread_cond_wait(&in->became_quiet, &in->lock);
    pthread_mutex_unlock(&in->lock);
}

static void free_worker(struct worker *w)
{
    if (w->started) {
        gw_loop_post_mail(w->front.loop, &w->end);
        pthread_join(w->thread, NULL);
    }
    close_listeners(w);
    if (w->source)
        w->source->ops->close(w->source);
    gw_timer_fini(&w->deadline);
    gw_loop_cancel(w->front.loop, &w->hang_up);
    gw_upstream_free(w->front.upstream);
    gw_http_upstream_free(w->front.http_upstream);
    gw_front_fini(&w->front);
}

void gw_ingest_join(struct gw_ingest *in)
{
    gw_ingest_quiet(in);
    for (size_t i = 0; i < in->n; i++)
        free_worker(&in->workers[i]);
    for (int way = 0; way < LISTENERS; way++)
        gw_door_close(in->doors[way]);
    pthread_cond_destroy(&in->became_quiet);
    pthread_cond_destroy(&in->renewed);
    pthread_mutex_destroy(&in->lock);
    free(in->workers);
    free(in);
}
