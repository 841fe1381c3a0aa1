/* /api/log: the records that are kept, and what is done with them again. */
#include "admin/inside.h"
#include "admin/lines_out.h"
#include "admin/query.h"

#include "base/buf.h"
#include "base/err.h"
#include "net/http.h"
#include "pipeline/pipeline.h"

#include <stdlib.h>

void gw_get_log(struct gw_request *q)
{
    struct gw_param none[] = {{0}};
    struct gw_buf b;

    if (gw_request_params(q, none))
        return;
    gw_buf_init(&b, GW_MAX_ANSWER, q->s->mem);
    gw_lines_stats(q->a->env.log, &b);
    gw_answer_json(q->s, 200, &b);
}

void gw_get_records(struct gw_request *q)
{
    enum { FROM, TO, RAW };
    struct gw_param params[] = {{.name = "from"}, {.name = "to"}, {.name = "raw"}, {0}};
    int64_t from, to;
    struct gw_lines_out *o;
    struct gw_err err;
    int raw;

    if (gw_request_params(q, params))
        return;
    if (gw_param_time(&params[FROM], &from, &err) || gw_param_time(&params[TO], &to, &err) ||
        gw_param_flag(&params[RAW], &raw, &err))
        gw_answer_err(q->s, &err);
    else if ((o = gw_lines_out_new(q)))
        gw_lines_out_run(o, gw_lines_records(q->a->env.log, from, to, raw, &err), &err);
}

/* The configuration that a replay borrows, until it has ended. */
struct hold {
    struct gw_admin_env env;
    void *hold;
};

static void let_go(void *ctx)
{
    struct hold *h = ctx;

    h->env.control->let_go(h->env.ctx, h->hold);
    free(h);
}

static void run_held(struct gw_request *q, struct gw_lines_out *o,
                     const struct gw_replay_conf *conf, struct hold *h)
{
    struct gw_err err;
    struct gw_lines *lines =
        gw_lines_replay(conf, h->env.log, h->env.metrics, q->a->loop, &o->wake, &err);

    if (lines) {
        lines->freed = let_go;
        lines->freed_ctx = h;
    } else {
        let_go(h);
    }
    gw_lines_out_run(o, lines, &err);
}

void gw_replay_run(struct gw_request *q, const char *pipeline, struct gw_replay_conf *conf)
{
    const struct gw_admin_env *env = &q->a->env;
    struct gw_lines_out *o;
    struct hold *h;
    void *hold;

    if (!pipeline) {
        gw_answer_error(q->s, 400, "pipeline: which one's hooks and destination?");
        return;
    }
    conf->pipeline = env->control->hold(env->ctx, pipeline, &hold);
    if (!conf->pipeline) {
        gw_answer_error(q->s, 404, "no such pipeline");
        return;
    }
    h = malloc(sizeof(*h));
    if (!h)
        abort();
    *h = (struct hold){*env, hold};
    conf->query.pipeline = conf->pipeline->name;
    o = gw_lines_out_new(q);
    if (o)
        run_held(q, o, conf, h);
    else
        let_go(h);
}

void gw_post_log_replay(struct gw_request *q)
{
    enum { PIPELINE, FROM, TO, SCRIPT, DRY };
    struct gw_param params[] = {{.name = "pipeline"}, {.name = "from"},    {.name = "to"},
                                {.name = "script"},   {.name = "dry_run"}, {0}};
    struct gw_replay_conf conf = {0};
    struct gw_err err;

    if (gw_request_params(q, params))
        return;
    conf.script = params[SCRIPT].value;
    if (gw_param_time(&params[FROM], &conf.from_ns, &err) ||
        gw_param_time(&params[TO], &conf.to_ns, &err) ||
        gw_param_flag(&params[DRY], &conf.dry, &err))
        gw_answer_err(q->s, &err);
    else
        gw_replay_run(q, params[PIPELINE].value, &conf);
}
