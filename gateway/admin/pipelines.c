/* /api/pipelines: what each does, and pausing them. */
#include "admin/inside.h"
#include "admin/lines_out.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "log/log.h"
#include "net/http.h"
#include "pipeline/pipeline.h"

/* One snapshot of every cursor, so that the counts of different pipelines agree too. */
struct snapshot {
    struct gw_cursor_stats *cursors;
    size_t n;
};

static struct snapshot take_snapshot(struct gw_admin *a, struct gw_arena *mem)
{
    struct gw_log_stats stats = {.cursors = 32};
    struct snapshot snap;
    size_t max;

    do { /* a reload may make another one meanwhile */
        max = stats.cursors;
        snap.cursors = gw_arena_alloc(mem, max * sizeof(*snap.cursors));
        gw_log_stats(a->env.log, &stats, snap.cursors, max);
        snap.n = stats.cursors;
    } while (snap.n > max);
    return snap;
}

static const struct gw_cursor_stats *find_stats(const struct snapshot *snap, const char *name)
{
    static const struct gw_cursor_stats none;

    for (size_t i = 0; i < snap->n; i++)
        if (!strcmp(snap->cursors[i].name, name))
            return &snap->cursors[i];
    return &none;
}

static void put_count(struct gw_buf *b, const char *name, uint64_t n)
{
    gw_buf_printf(b, ",\"%s\":%llu", name, (unsigned long long)n);
}

static void put_pipeline(struct gw_buf *b, const struct gw_admin_pipeline *p,
                         const struct snapshot *snap)
{
    const struct gw_cursor_stats *stats = find_stats(snap, p->name);
    struct gw_pipeline_status status = {0};
    const char *error = p->why;

    if (p->pipeline) {
        gw_pipeline_status(p->pipeline, &status);
        error = status.last_error[0] ? status.last_error : NULL;
    }
    gw_buf_puts(b, "{\"name\":");
    gw_json_put_string(b, gw_str_of(p->name));
    put_count(b, "accepted", stats->accepted);
    put_count(b, "published", stats->published);
    put_count(b, "filtered", stats->filtered);
    put_count(b, "dead_lettered", stats->dead_lettered);
    put_count(b, "lag", stats->lag);
    gw_buf_printf(b, ",\"up\":%s,\"last_error\":", status.up ? "true" : "false");
    if (error)
        gw_json_put_string(b, gw_str_of(error));
    else
        gw_buf_puts(b, "null");
    gw_buf_putc(b, '}');
}

void gw_get_pipelines(struct gw_request *q)
{
    const struct gw_admin_env *env = &q->a->env;
    struct snapshot snap = take_snapshot(q->a, q->s->mem);
    struct gw_admin_pipeline p;
    struct gw_buf b;

    gw_buf_init(&b, GW_MAX_ANSWER, q->s->mem);
    gw_buf_putc(&b, '[');
    for (size_t i = 0; env->control->pipeline(env->ctx, i, &p); i++) {
        if (i > 0)
            gw_buf_putc(&b, ',');
        put_pipeline(&b, &p, &snap);
    }
    gw_buf_puts(&b, "]\n");
    gw_answer_json(q->s, 200, &b);
}

/* The one that the path names, or 404 is answered and -1 is given. */
static int find(struct gw_request *q, struct gw_admin_pipeline *out)
{
    const struct gw_admin_env *env = &q->a->env;

    for (size_t i = 0; env->control->pipeline(env->ctx, i, out); i++)
        if (!strcmp(out->name, q->args[0]))
            return 0;
    gw_answer_error(q->s, 404, "no such pipeline");
    return -1;
}

static void answer_one(struct gw_request *q, const struct gw_admin_pipeline *p)
{
    struct snapshot snap = take_snapshot(q->a, q->s->mem);
    struct gw_buf b;

    gw_buf_init(&b, GW_MAX_ANSWER, q->s->mem);
    put_pipeline(&b, p, &snap);
    gw_buf_putc(&b, '\n');
    gw_answer_json(q->s, 200, &b);
}

void gw_get_pipeline(struct gw_request *q)
{
    struct gw_admin_pipeline p;

    if (!find(q, &p))
        answer_one(q, &p);
}

static void not_running(struct gw_request *q, const struct gw_admin_pipeline *p)
{
    gw_answer_error(q->s, 409,
                    gw_arena_printf(q->s->mem, "pipeline %s does not run: %s", p->name, p->why).p);
}

static void pause(struct gw_request *q, int paused)
{
    struct gw_admin_pipeline p;

    if (find(q, &p))
        return;
    if (q->a->env.control->pause(q->a->env.ctx, p.name, paused))
        not_running(q, &p);
    else
        answer_one(q, &p);
}

void gw_post_pause(struct gw_request *q)
{
    pause(q, 1);
}

void gw_post_resume(struct gw_request *q)
{
    pause(q, 0);
}

void gw_get_tap(struct gw_request *q)
{
    struct gw_admin_pipeline p;
    struct gw_lines_out *o;

    if (find(q, &p))
        return;
    if (!p.pipeline) {
        not_running(q, &p);
        return;
    }
    o = gw_lines_out_new(q);
    if (o)
        gw_lines_out_run(o, gw_lines_tap(p.pipeline, q->a->loop, &o->wake), NULL);
}
