#include "admin/admin.h"

#include "admin/inside.h"
#include "admin/lines_out.h"
#include "admin/process.h"
#include "admin/query.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/diag.h"
#include "base/err.h"
#include "net/http.h"
#include "net/listener.h"
#include "net/loop.h"

#include <assert.h>
#include <stdlib.h>

/* The admin listener: who may ask, and which route answers. All on the control loop's thread. What
 * waits for a disk or a thread is done aside and answered later. */

/* ---- who may ---- */

static int refused(struct gw_admin *a, struct gw_http_stream *s)
{
    const struct gw_str *authorization = gw_http_get(s, "authorization");
    struct gw_str *origins = gw_arena_alloc(s->mem, (s->n_headers + 1) * sizeof(*origins));
    struct gw_access_request r = {.host = s->authority, .origins = origins};
    struct gw_access_answer answer;

    if (authorization)
        r.authorization = *authorization;
    for (size_t i = 0; i < s->n_headers; i++)
        if (gw_str_is(s->headers[i].name, "origin"))
            origins[r.n_origins++] = s->headers[i].value;
    gw_access_check(&a->access, &r, &answer);
    if (answer.status == 200)
        return 0;
    gw_answer_error(s, answer.status, answer.message);
    return 1;
}

/* ---- a request ---- */

static struct gw_str cut_query(struct gw_str *path)
{
    const char *mark = path->len > 0 ? memchr(path->p, '?', path->len) : NULL;
    struct gw_str query = {0};

    if (!mark)
        return query;
    query = (struct gw_str){mark + 1, path->len - (size_t)(mark + 1 - path->p)};
    path->len = (size_t)(mark - path->p);
    return query;
}

static void not_allowed(struct gw_http_stream *s, const char *allow)
{
    const struct gw_http_header h[] = {{GW_STR("content-type"), GW_STR("application/json")},
                                       {GW_STR("allow"), gw_str_of(allow)}};
    struct gw_buf b;

    gw_buf_init(&b, 256, s->mem);
    gw_put_error(&b, 405, "this path has other methods, see Allow");
    gw_http_respond_all(s, 405, h, 2, gw_buf_str(&b));
}

static int decode_args(struct gw_request *q, const struct gw_str args[GW_ROUTE_ARGS])
{
    for (size_t i = 0; i < GW_ROUTE_ARGS && args[i].p; i++) {
        q->args[i] = gw_percent_decode(q->s->mem, args[i], 0).p;
        if (!q->args[i])
            return -1;
    }
    return 0;
}

static void take(struct gw_admin *a, struct gw_http_stream *s, const struct gw_route *route,
                 const struct gw_str args[GW_ROUTE_ARGS], struct gw_str query)
{
    struct gw_request q = {.a = a, .s = s, .query = query, .is_head = gw_str_is(s->method, "HEAD")};

    if ((route->flags & GW_ROUTE_CHANGES) && refused(a, s))
        return;
    if (((route->flags & GW_ROUTE_LIVE) && a->detached) ||
        ((route->flags & GW_ROUTE_CHANGES) && a->stopping))
        gw_answer_error(s, 503, "shutting down");
    else if (decode_args(&q, args))
        gw_answer_error(s, 400, "the path is not percent-encoded UTF-8");
    else
        route->answer(&q);
}

static int on_head(struct gw_http_stream *s, void *ctx)
{
    struct gw_str path = s->path, query = cut_query(&path), args[GW_ROUTE_ARGS] = {{0}};
    char allow[GW_ALLOW_MAX];
    const struct gw_route *route = gw_route_find(s->method, path, args, allow);

    if (route)
        take(ctx, s, route, args, query);
    else if (*allow)
        not_allowed(s, allow);
    else
        gw_answer_error(s, 404, "no such path");
    return -1;
}

static void on_end(struct gw_http_stream *s, void *ctx)
{
    (void)s;
    (void)ctx;
}

static void on_drained(struct gw_http_stream *s, void *ctx)
{
    (void)ctx;
    if (s->user)
        gw_lines_out_drained(s->user);
}

static void on_gone(struct gw_http_stream *s, void *ctx)
{
    if (s->user)
        gw_lines_out_free(s->user);
    gw_forgets_gone(ctx, s);
    gw_wishes_gone(ctx, s);
}

static const struct gw_http_handler handler = {
    .head = on_head, .end = on_end, .too_large = on_end, .drained = on_drained, .gone = on_gone};

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
    a->loop = loop;
    a->listener = gw_listener_open(loop, &listener, &handler, a, err);
    if (!a->listener) {
        gw_err_wrap(err, "admin");
        free(a);
        return NULL;
    }
    a->access = (struct gw_access){conf->token_file, gw_listener_address(a->listener)};
    gw_process_metrics(env->metrics);
    GW_DIAG(GW_INFO, "admin", gw_msg("listening"),
            gw_kv_cstr("address", gw_listener_address(a->listener)));
    return a;
}

const char *gw_admin_address(const struct gw_admin *a)
{
    return gw_listener_address(a->listener);
}

void gw_admin_set_ready(struct gw_admin *a)
{
    a->ready = 1;
}

void gw_admin_stop(struct gw_admin *a)
{
    a->stopping = 1;
    gw_lines_out_end_all(a);
}

void gw_admin_detach(struct gw_admin *a)
{
    a->stopping = a->detached = 1;
    gw_lines_out_end_all(a);
}

void gw_admin_close(struct gw_admin *a)
{
    if (!a)
        return;
    gw_listener_close(a->listener);
    gw_forgets_end(a);
    while (gw_lines_busy())
        gw_loop_turn(a->loop, 1);
    assert(!a->wishes && !a->lines);
    free(a);
}
