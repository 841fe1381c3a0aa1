#include "admin/admin.h"

#include "admin/process.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/json.h"
#include "base/metrics.h"
#include "log/log.h"
#include "net/http.h"
#include "net/listener.h"
#include "pipeline/pipeline.h"

#include <stdlib.h>

/* The admin listener: health, metrics, the state of pipelines. All on the control loop's thread.
 * Every route is a GET that answers at once; what it shows is read while it answers. */

struct gw_admin {
    struct gw_admin_env env;
    struct gw_listener *listener;
    int ready, detached;
};

enum { MAX_ANSWER = 64 * 1024 * 1024 };

/* ---- answers ---- */

static void answer(struct gw_http_stream *s, int status, const char *type, struct gw_str body)
{
    const struct gw_http_header h[] = {{GW_STR("content-type"), gw_str_of(type)},
                                       {GW_STR("allow"), GW_STR("GET, HEAD")}};

    gw_http_respond_all(s, status, h, status == 405 ? 2 : 1, body);
}

static void answer_error(struct gw_http_stream *s, int status, int code, const char *message)
{
    struct gw_buf b;

    gw_buf_init(&b, 4096, s->mem);
    gw_buf_printf(&b, "{\"code\":%d,\"message\":", code);
    gw_json_put_string(&b, gw_str_of(message));
    gw_buf_putc(&b, '}');
    answer(s, status, "application/json", gw_buf_str(&b));
}

static void answer_text(struct gw_http_stream *s, int status, const char *text)
{
    answer(s, status, "text/plain; charset=utf-8", gw_str_of(text));
}

/* ---- /healthz, /readyz, /metrics ---- */

static void get_healthz(struct gw_admin *a, struct gw_http_stream *s, struct gw_str rest)
{
    (void)a;
    (void)rest;
    answer_text(s, 200, "ok\n");
}

static void get_readyz(struct gw_admin *a, struct gw_http_stream *s, struct gw_str rest)
{
    (void)rest;
    if (!a->ready)
        answer_text(s, 503, a->detached ? "shutting down\n" : "not ready\n");
    else if (gw_log_full(a->env.log))
        answer_text(s, 503, "the log is full\n");
    else
        answer_text(s, 200, "ok\n");
}

static void get_metrics(struct gw_admin *a, struct gw_http_stream *s, struct gw_str rest)
{
    struct gw_buf b;

    (void)rest;
    gw_buf_init(&b, MAX_ANSWER, s->mem);
    gw_metrics_write(a->env.metrics, &b);
    answer(s, 200, "text/plain; version=0.0.4; charset=utf-8", gw_buf_str(&b));
}

/* ---- /api/pipelines ---- */

/* One snapshot of every cursor, so that the counts of different pipelines agree too. */
struct snapshot {
    struct gw_cursor_stats *cursors;
    size_t n;
};

static struct snapshot take_snapshot(struct gw_admin *a, struct gw_arena *mem)
{
    struct gw_log_stats stats = {.cursors = a->env.n_pipelines + 16};
    struct snapshot snap;
    size_t max;

    do { /* cursors of former pipelines are counted too; none is made while the loop runs */
        max = stats.cursors;
        snap.cursors = gw_arena_alloc(mem, max * sizeof(*snap.cursors));
        gw_log_stats(a->env.log, &stats, snap.cursors, max);
        snap.n = stats.cursors;
    } while (snap.n > max);
    return snap;
}

static const struct gw_cursor_stats *find_stats(const struct snapshot *snap, const char *name)
{
    for (size_t i = 0; i < snap->n; i++)
        if (!strcmp(snap->cursors[i].name, name))
            return &snap->cursors[i];
    return NULL;
}

static void put_count(struct gw_buf *b, const char *name, uint64_t n)
{
    gw_buf_printf(b, ",\"%s\":%llu", name, (unsigned long long)n);
}

static void put_pipeline(struct gw_buf *b, struct gw_pipeline *p, const struct snapshot *snap)
{
    static const struct gw_cursor_stats none;
    struct gw_pipeline_status status;
    const struct gw_cursor_stats *stats;

    gw_pipeline_status(p, &status);
    stats = find_stats(snap, status.name);
    if (!stats)
        stats = &none;
    gw_buf_puts(b, "{\"name\":");
    gw_json_put_string(b, gw_str_of(status.name));
    put_count(b, "accepted", stats->accepted);
    put_count(b, "published", stats->published);
    put_count(b, "filtered", stats->filtered);
    put_count(b, "dead_lettered", stats->dead_lettered);
    put_count(b, "lag", stats->lag);
    gw_buf_printf(b, ",\"up\":%s,\"last_error\":", status.up ? "true" : "false");
    if (status.last_error[0])
        gw_json_put_string(b, gw_str_of(status.last_error));
    else
        gw_buf_puts(b, "null");
    gw_buf_putc(b, '}');
}

static void get_pipelines(struct gw_admin *a, struct gw_http_stream *s, struct gw_str rest)
{
    struct snapshot snap = take_snapshot(a, s->mem);
    struct gw_buf b;

    (void)rest;
    gw_buf_init(&b, MAX_ANSWER, s->mem);
    gw_buf_putc(&b, '[');
    for (size_t i = 0; i < a->env.n_pipelines; i++) {
        if (i > 0)
            gw_buf_putc(&b, ',');
        put_pipeline(&b, a->env.pipelines[i], &snap);
    }
    gw_buf_puts(&b, "]\n");
    answer(s, 200, "application/json", gw_buf_str(&b));
}

static void get_pipeline(struct gw_admin *a, struct gw_http_stream *s, struct gw_str rest)
{
    struct gw_pipeline_status status;
    struct snapshot snap;
    struct gw_buf b;

    for (size_t i = 0; i < a->env.n_pipelines; i++) {
        gw_pipeline_status(a->env.pipelines[i], &status);
        if (!gw_str_is(rest, status.name))
            continue;
        snap = take_snapshot(a, s->mem);
        gw_buf_init(&b, MAX_ANSWER, s->mem);
        put_pipeline(&b, a->env.pipelines[i], &snap);
        gw_buf_putc(&b, '\n');
        answer(s, 200, "application/json", gw_buf_str(&b));
        return;
    }
    answer_error(s, 404, 5, "no such pipeline");
}

/* ---- routes ---- */

struct route {
    struct gw_str path;
    int prefix; /* the rest of the path is a name */
    int live;   /* needs the pipelines */
    void (*get)(struct gw_admin *a, struct gw_http_stream *s, struct gw_str rest);
};

static const struct route routes[] = {
    {{"/healthz", 8}, 0, 0, get_healthz},          {{"/readyz", 7}, 0, 0, get_readyz},
    {{"/metrics", 8}, 0, 1, get_metrics},          {{"/api/pipelines", 14}, 0, 1, get_pipelines},
    {{"/api/pipelines/", 15}, 1, 1, get_pipeline},
};

static const struct route *find_route(struct gw_str path, struct gw_str *rest)
{
    const char *query = path.len > 0 ? memchr(path.p, '?', path.len) : NULL;

    if (query)
        path.len = (size_t)(query - path.p);
    for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++) {
        const struct route *r = &routes[i];

        if (path.len < r->path.len || memcmp(path.p, r->path.p, r->path.len) != 0)
            continue;
        *rest = (struct gw_str){path.p + r->path.len, path.len - r->path.len};
        if (r->prefix ? rest->len > 0 : rest->len == 0)
            return r;
    }
    return NULL;
}

static int on_head(struct gw_http_stream *s, void *ctx)
{
    struct gw_admin *a = ctx;
    struct gw_str rest = {0};
    const struct route *route = find_route(s->path, &rest);

    if (!route)
        answer_error(s, 404, 5, "no such path");
    else if (!gw_str_is(s->method, "GET") && !gw_str_is(s->method, "HEAD"))
        answer_error(s, 405, 12, "only GET is allowed");
    else if (route->live && a->detached)
        answer_error(s, 503, 14, "shutting down");
    else
        route->get(a, s, rest);
    return -1;
}

static void on_end(struct gw_http_stream *s, void *ctx)
{
    (void)s;
    (void)ctx;
}

static const struct gw_http_handler handler = {
    .head = on_head, .end = on_end, .too_large = on_end, .gone = on_end};

/* ---- life ---- */

struct gw_admin *gw_admin_open(const struct gw_admin_conf *conf, const struct gw_admin_env *env,
                               struct gw_loop *loop, struct gw_err *err)
{
    const struct gw_listener_conf listener = {.listen = conf->listen,
                                              .header_timeout_ms = 30000,
                                              .body_timeout_ms = 30000,
                                              .idle_timeout_ms = 300000,
                                              .max_header_bytes = 64L * 1024,
                                              .max_connections = 1000,
                                              .max_body_bytes = 64L * 1024};
    struct gw_admin *a = calloc(1, sizeof(*a));

    if (!a)
        abort();
    a->env = *env;
    a->listener = gw_listener_open(loop, &listener, &handler, a, err);
    if (!a->listener) {
        gw_err_wrap(err, "admin");
        free(a);
        return NULL;
    }
    gw_process_metrics(env->metrics);
    GW_DIAG(GW_INFO, "admin", gw_msg("listening"),
            gw_kv_cstr("address", gw_listener_address(a->listener)));
    return a;
}

const char *gw_admin_address(const struct gw_admin *a)
{
    return gw_listener_address(a->listener);
}

void gw_admin_set_ready(struct gw_admin *a, int ready)
{
    a->ready = ready;
}

void gw_admin_detach(struct gw_admin *a)
{
    a->ready = 0;
    a->detached = 1;
    a->env.n_pipelines = 0;
}

void gw_admin_close(struct gw_admin *a)
{
    if (!a)
        return;
    gw_listener_close(a->listener);
    free(a);
}
