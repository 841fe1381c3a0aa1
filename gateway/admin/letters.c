/* /api/dead: dead letters, listed, shown, dropped and replayed. */
#include "admin/inside.h"
#include "admin/lines_out.h"
#include "admin/query.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "net/http.h"
#include "pipeline/pipeline.h"

enum { PIPELINE, REASON, ID, MORE, PARAMS };
enum { MAX_LETTER = 64 << 20 };

static int read_number(const char *text, uint64_t *out)
{
    uint64_t n = 0;
    size_t len = strspn(text, "0123456789");

    if (len == 0 || text[len] || len > 18)
        return -1;
    for (; *text; text++)
        n = n * 10 + (uint64_t)(*text - '0');
    *out = n;
    return n ? 0 : -1;
}

static int bad_id(struct gw_request *q, const char *id)
{
    gw_answer_error(
        q->s, 400, gw_arena_printf(q->s->mem, "id: expected PIPELINE/NUMBER, not \"%.80s\"", id).p);
    return -1;
}

static int read_id(struct gw_request *q, const char *id, struct gw_letter_query *out)
{
    const char *slash = strrchr(id, '/'), *name;

    if (!slash || slash == id || read_number(slash + 1, &out->number))
        return bad_id(q, id);
    name = gw_arena_strndup(q->s->mem, id, (size_t)(slash - id));
    if (out->pipeline && strcmp(out->pipeline, name) != 0) {
        gw_answer_error(q->s, 400, "id: of another pipeline than pipeline says");
        return -1;
    }
    out->pipeline = name;
    return 0;
}

/* The letters that the query names; -1: answered. */
static int read_query(struct gw_request *q, struct gw_param params[PARAMS],
                      struct gw_letter_query *out)
{
    if (gw_request_params(q, params))
        return -1;
    *out = (struct gw_letter_query){.pipeline = params[PIPELINE].value,
                                    .reason = params[REASON].value};
    return params[ID].value ? read_id(q, params[ID].value, out) : 0;
}

/* The one letter that the path names; -1: answered. */
static int read_path(struct gw_request *q, struct gw_letter_query *out)
{
    struct gw_param none[] = {{0}};

    *out = (struct gw_letter_query){.pipeline = q->args[0]};
    if (gw_request_params(q, none))
        return -1;
    if (!read_number(q->args[1], &out->number))
        return 0;
    gw_answer_error(q->s, 404, "no such dead letter");
    return -1;
}

void gw_get_letters(struct gw_request *q)
{
    struct gw_param params[PARAMS + 1] = {{.name = "pipeline"}, {.name = "reason"}, {.name = "id"}};
    struct gw_letter_query query;
    struct gw_lines_out *o;
    struct gw_err err;

    if (!read_query(q, params, &query) && (o = gw_lines_out_new(q)))
        gw_lines_out_run(o, gw_lines_letters(q->a->env.log, &query, 0, &err), &err);
}

/* The letter that the path names, whole: 1; 0: answered, since there is none. */
static int find_letter(struct gw_request *q, struct gw_letter_query *query, struct gw_buf *out)
{
    struct gw_lines *lines;
    struct gw_err err;
    int rc;

    gw_buf_init(out, MAX_LETTER, q->s->mem);
    if (read_path(q, query))
        return 0;
    lines = gw_lines_letters(q->a->env.log, query, 1, &err);
    rc = lines ? lines->next(lines, out, &err) : -1;
    if (lines)
        lines->close(lines);
    if (rc < 0)
        gw_answer_err(q->s, &err);
    else if (rc == 0)
        gw_answer_error(q->s, 404, "no such dead letter");
    return rc == 1;
}

void gw_get_letter(struct gw_request *q)
{
    struct gw_letter_query query;
    struct gw_buf b;

    if (find_letter(q, &query, &b))
        gw_answer_json(q->s, 200, &b);
}

static void drop(struct gw_request *q, const struct gw_letter_query *query)
{
    struct gw_lines_out *o = gw_lines_out_new(q);
    struct gw_err err;

    if (o)
        gw_lines_out_run(o, gw_lines_drop(q->a->env.log, query, q->a->loop, &o->wake, &err), &err);
}

void gw_delete_letters(struct gw_request *q)
{
    struct gw_param params[PARAMS + 1] = {
        {.name = "pipeline"}, {.name = "reason"}, {.name = "id"}, {.name = "all"}};
    struct gw_letter_query query;
    struct gw_err err;
    int all;

    if (read_query(q, params, &query))
        return;
    if (gw_param_flag(&params[MORE], &all, &err))
        gw_answer_err(q->s, &err);
    else if (!all && !query.pipeline && !query.reason)
        gw_answer_error(q->s, 400,
                        "this would drop every dead letter of every pipeline: say which with "
                        "pipeline=, reason= or id=, or say all=true");
    else
        drop(q, &query);
}

void gw_delete_letter(struct gw_request *q)
{
    struct gw_letter_query query;
    struct gw_buf b;

    if (find_letter(q, &query, &b))
        drop(q, &query);
}

static void reread(struct gw_request *q, const struct gw_replay_conf *replay)
{
    const struct gw_admin_env *env = &q->a->env;
    const struct gw_reread_conf conf = {env->ingest, replay->query, replay->dry};
    struct gw_lines_out *o = gw_lines_out_new(q);
    struct gw_err err;

    if (o)
        gw_lines_out_run(
            o, gw_lines_reread(&conf, env->log, env->metrics, q->a->loop, &o->wake, &err), &err);
}

void gw_post_letters_replay(struct gw_request *q)
{
    struct gw_param params[PARAMS + 1] = {
        {.name = "pipeline"}, {.name = "reason"}, {.name = "id"}, {.name = "dry_run"}};
    struct gw_replay_conf conf = {.letters = 1};
    struct gw_err err;

    if (read_query(q, params, &conf.query))
        return;
    if (gw_param_flag(&params[MORE], &conf.dry, &err))
        gw_answer_err(q->s, &err);
    else if (conf.query.pipeline && !strcmp(conf.query.pipeline, GW_INGEST))
        reread(q, &conf);
    else
        gw_replay_run(q, conf.query.pipeline, &conf);
}
