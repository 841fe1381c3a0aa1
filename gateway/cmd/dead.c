#include "cmd/cmd.h"

#include "admin/lines.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/text.h"
#include "cmd/dead.h"
#include "cmd/fields.h"
#include "cmd/option.h"
#include "cmd/place.h"
#include "cmd/replaying.h"
#include "cmd/sub.h"

#include <stdio.h>
#include <stdlib.h>

/* `dead`: the same lines whether a gateway runs or not; this file picks letters, dead_print.c shows
 * them. */

struct dead {
    struct gw_place place;
    struct gw_err err;
    /* options */
    const char *file, *pipeline, *reason, *id;
    int json, all;
    int whole; /* show, not list */
    /* what they mean */
    struct gw_letter_query query;
    char named[64]; /* the pipeline of id */
    /* what is found */
    uint64_t found, dropped;
    struct gw_dead_table *table;
    struct gw_arena *mem; /* of a line */
};

#define O_CONFIG                                                                                   \
    {                                                                                              \
        "config", 'c', GW_OPT_STR, &d.file, "FILE", "the gateway's configuration", 0, 0            \
    }
#define O_PIPELINE                                                                                 \
    {                                                                                              \
        "pipeline", 0, GW_OPT_STR, &d.pipeline, "P", "of this pipeline", 0, 0                      \
    }
#define O_ID                                                                                       \
    {                                                                                              \
        "id", 0, GW_OPT_STR, &d.id, "ID", "this one: PIPELINE/NUMBER", 0, 0                        \
    }
#define O_REASON                                                                                   \
    {                                                                                              \
        "reason", 0, GW_OPT_STR, &d.reason, "R", "with this reason: hook_error, rejected, …", 0, 0 \
    }
#define O_SUMMARY                                                                                  \
    {                                                                                              \
        "json", 0, GW_OPT_FLAG, &d.json, NULL, "the counts as a JSON object", 0, 0                 \
    }

/* ---- which letters ---- */

static int check_reason(const struct gw_usage *u, const char *reason)
{
    static const char *const reasons[] = {
        "hook_error", "hook_budget", "hook_memory", "hook_timeout", "invalid_event",
        "too_large",  "rejected",    "gave_up",     "undecodable",  NULL};
    struct gw_nearest near = {.wanted = gw_str_of(reason)};
    char hint[100];

    for (size_t i = 0; reasons[i]; i++) {
        if (!strcmp(reason, reasons[i]))
            return GW_OPTIONS_OK;
        gw_nearest_offer(&near, gw_str_of(reasons[i]));
    }
    return gw_usage_error(u, "--reason: \"%.60s\" is no reason%s", reason,
                          gw_nearest_hint(&near, hint, sizeof(hint)));
}

static int parse_number(const char *text, uint64_t *n)
{
    *n = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        if (__builtin_mul_overflow(*n, 10, n) ||
            __builtin_add_overflow(*n, (uint64_t)(*text - '0'), n))
            return -1;
    return *text || !*n || *n > INT64_MAX ? -1 : 0;
}

static int take_id(const struct gw_usage *u, struct dead *d)
{
    const char *slash = strchr(d->id, '/');
    const size_t len = slash ? (size_t)(slash - d->id) : 0;

    if (!len || len >= sizeof(d->named) || parse_number(slash + 1, &d->query.number))
        return gw_usage_error(
            u, "\"%.100s\" is no id: they are PIPELINE/NUMBER, as list shows them", d->id);
    memcpy(d->named, d->id, len);
    if (d->pipeline && strcmp(d->pipeline, d->named) != 0)
        return gw_usage_error(u, "--pipeline %.63s: %.100s is of another", d->pipeline, d->id);
    d->query.pipeline = d->named;
    return GW_OPTIONS_OK;
}

/* GW_OPTIONS_OK, or the exit status. */
static int read_options(const struct gw_usage *u, struct dead *d, int argc, char **argv)
{
    int n_args, rc = gw_options(u, argc, argv, &n_args);

    if (rc != GW_OPTIONS_OK)
        return rc;
    if (n_args && d->id)
        return gw_usage_error(u, "unexpected argument \"%.100s\"", argv[1]);
    if (n_args)
        d->id = argv[1];
    d->query = (struct gw_letter_query){.pipeline = d->pipeline, .reason = d->reason};
    if (d->reason && (rc = check_reason(u, d->reason)) != GW_OPTIONS_OK)
        return rc;
    return d->id ? take_id(u, d) : GW_OPTIONS_OK;
}

static struct gw_str query_path(struct dead *d, const char *path, const char *pipeline)
{
    struct gw_buf b;

    gw_buf_init(&b, 4096, d->place.mem);
    gw_buf_puts(&b, path);
    gw_ask_param(&b, "pipeline", gw_str_of(pipeline));
    gw_ask_param(&b, "reason", gw_str_of(d->reason));
    gw_ask_param(&b, "id", gw_str_of(d->id));
    if (d->all)
        gw_ask_param(&b, "all", GW_STR("true"));
    return gw_buf_str(&b);
}

/* ---- running an action ---- */

static int fail(struct dead *d)
{
    GW_DIAG(GW_ERROR, "dead", gw_msg(d->err.msg));
    return 1;
}

static int not_found(struct dead *d)
{
    gw_err_set(&d->err, GW_ERR_UNSUPPORTED, "there is no dead letter %s%s%s", d->id,
               d->reason ? " with reason " : "", d->reason ? d->reason : "");
    return -1;
}

/* Nothing was found: for want of such a pipeline? Then -1. `ingest` has no pipeline, but letters.
 */
static int check_pipeline(struct dead *d)
{
    if (!d->pipeline || d->place.interrupted || !strcmp(d->pipeline, GW_INGEST))
        return 0;
    return gw_place_knows(&d->place, gw_str_of(d->pipeline), &d->err);
}

static int act(struct dead *d, int (*action)(struct dead *d))
{
    int status;

    d->mem = gw_arena_new();
    if (gw_place_open(&d->place, d->file, &d->err))
        status = fail(d);
    else
        status = action(d) ? (d->err.msg[0] ? fail(d) : 1) : d->place.interrupted;
    gw_place_close(&d->place);
    gw_arena_free(d->mem);
    return status;
}

/* ---- list, show ---- */

static struct gw_lines *open_letters(void *ctx, struct gw_place *p, struct gw_mail *wake,
                                     struct gw_err *err)
{
    struct dead *d = ctx;

    (void)wake;
    return gw_lines_letters(p->log, &d->query, d->whole, err);
}

static int on_letter(void *ctx, struct gw_str line)
{
    struct dead *d = ctx;

    d->found++;
    if (d->json)
        printf("%.*s\n", (int)line.len, line.p);
    else if (d->whole)
        gw_dead_show(line);
    else
        gw_dead_table_add(d->table, line);
    return ferror(stdout);
}

static int list(struct dead *d)
{
    const struct gw_ask ask = {"GET", query_path(d, "/api/dead", d->query.pipeline), open_letters,
                               on_letter, d};
    int rc;

    d->table = gw_dead_table_new();
    rc = gw_ask(&d->place, &ask, &d->err);
    gw_dead_table_end(d->table);
    if (rc || d->found)
        return rc;
    if (d->id)
        return not_found(d);
    if (check_pipeline(d))
        GW_DIAG(GW_WARN, "dead", gw_msg(d->err.msg));
    return 0;
}

static int show(struct dead *d)
{
    struct gw_ask ask = {"GET", {0}, open_letters, on_letter, d};
    struct gw_buf path;
    int rc;

    d->whole = 1;
    gw_buf_init(&path, 1024, d->place.mem);
    gw_buf_puts(&path, "/api/dead/");
    gw_ask_segment(&path, gw_str_of(d->named));
    gw_buf_printf(&path, "/%llu", (unsigned long long)d->query.number);
    ask.path = gw_buf_str(&path);
    rc = gw_ask(&d->place, &ask, &d->err);

    if (rc && d->err.kind == GW_ERR_UNSUPPORTED)
        return not_found(d);
    return !rc && !d->found ? not_found(d) : rc;
}

static int dead_list(int argc, char **argv)
{
    struct dead d = {0};
    const struct gw_option options[] = {
        O_CONFIG,
        O_PIPELINE,
        O_ID,
        O_REASON,
        {"json", 0, GW_OPT_FLAG, &d.json, .help = "an object a line, with all that is known"},
        {0}};
    const struct gw_usage usage = {
        .command = "dead list",
        .line = "moongate dead list [-c FILE] [--pipeline P] [--id ID] [--reason R] [--json]",
        .about = "Lists events that could not be delivered, oldest first, with the first line of "
                 "the error.",
        .options = options,
        .max_args = 1};
    const int rc = read_options(&usage, &d, argc, argv);

    return rc != GW_OPTIONS_OK ? rc : act(&d, list);
}

static int dead_show(int argc, char **argv)
{
    struct dead d = {0};
    const struct gw_option options[] = {
        O_CONFIG,
        O_ID,
        {"json", 0, GW_OPT_FLAG, &d.json, .help = "as one JSON object on one line"},
        {0}};
    const struct gw_usage usage = {
        .command = "dead show",
        .line = "moongate dead show [-c FILE] [--json] ID",
        .about =
            "Shows all of one dead letter: the whole error, with the script's traceback or the "
            "destination's\nanswer, and the request as JSON.",
        .options = options,
        .max_args = 1};
    const int rc = read_options(&usage, &d, argc, argv);

    if (rc != GW_OPTIONS_OK)
        return rc;
    return d.id ? act(&d, show) : gw_usage_error(&usage, "which one is missing: an ID");
}

/* ---- drop ---- */

static struct gw_lines *open_drop(void *ctx, struct gw_place *p, struct gw_mail *wake,
                                  struct gw_err *err)
{
    struct dead *d = ctx;

    return gw_lines_drop(p->log, &d->query, p->loop, wake, err);
}

static int on_drop(void *ctx, struct gw_str line)
{
    struct dead *d = ctx;

    d->dropped = gw_line_number(d->mem, line, "dropped");
    return 0;
}

static int drop(struct dead *d)
{
    const struct gw_ask ask = {"DELETE", query_path(d, "/api/dead", d->query.pipeline), open_drop,
                               on_drop, d};

    if (gw_ask(&d->place, &ask, &d->err) || (!d->dropped && !d->id && check_pipeline(d)))
        return -1;
    printf(d->json ? "{\"dropped\":%llu}\n" : "dropped=%llu\n", (unsigned long long)d->dropped);
    return d->id && !d->dropped && !d->place.interrupted ? not_found(d) : 0;
}

static int dead_drop(int argc, char **argv)
{
    struct dead d = {0};
    const struct gw_option options[] = {
        O_CONFIG,
        O_PIPELINE,
        O_ID,
        O_REASON,
        {"all", 0, GW_OPT_FLAG, &d.all, .help = "all there are, of every pipeline"},
        O_SUMMARY,
        {0}};
    const struct gw_usage usage = {
        .command = "dead drop",
        .line = "moongate dead drop [-c FILE] [--pipeline P] [--reason R] [--json] [ID]\n"
                "       moongate dead drop [-c FILE] --all [--json]",
        .about = "Gives dead letters up for good. Prints dropped=N.",
        .options = options,
        .max_args = 1};
    const int rc = read_options(&usage, &d, argc, argv);

    if (rc != GW_OPTIONS_OK)
        return rc;
    if (d.all && (d.pipeline || d.reason || d.id))
        return gw_usage_error(&usage, "--all beside --pipeline, --reason or an ID: one of them");
    if (!d.all && !d.pipeline && !d.reason && !d.id)
        return gw_usage_error(&usage, "which ones? --pipeline, --reason, an ID, or --all");
    return act(&d, drop);
}

/* ---- replay ---- */

struct names { /* of the pipelines that have letters */
    struct dead *dead;
    const char **items;
    size_t n, room;
};

/* They come pipeline by pipeline. */
static int on_name(void *ctx, struct gw_str line)
{
    struct names *names = ctx;
    struct gw_arena *keep = names->dead->place.mem;
    const struct gw_str name = gw_line_get(names->dead->mem, line, "pipeline");

    names->dead->found++;
    if (name.p && (!names->n || !gw_str_is(name, names->items[names->n - 1]))) {
        if (names->n == names->room) {
            const char **more;

            names->room = names->room ? 2 * names->room : 16;
            more = gw_arena_alloc(keep, names->room * sizeof(*more));
            if (names->n)
                memcpy(more, names->items, names->n * sizeof(*more));
            names->items = more;
        }
        names->items[names->n++] = gw_arena_strndup(keep, name.p, name.len);
    }
    gw_arena_reset(names->dead->mem);
    return 0;
}

static struct gw_lines *open_names(void *ctx, struct gw_place *p, struct gw_mail *wake,
                                   struct gw_err *err)
{
    struct names *names = ctx;

    return open_letters(names->dead, p, wake, err);
}

static int find_names(struct dead *d, struct names *names)
{
    const struct gw_ask ask = {"GET", query_path(d, "/api/dead", d->query.pipeline), open_names,
                               on_name, names};

    if (gw_ask(&d->place, &ask, &d->err))
        return -1;
    if (d->id && !names->n && !d->place.interrupted)
        return not_found(d);
    return names->n ? 0 : check_pipeline(d);
}

static int replay_one(struct dead *d, struct gw_replaying *r, const char *pipeline)
{
    r->pipeline = pipeline;
    r->path = query_path(d, "/api/dead/replay", pipeline);
    r->conf = (struct gw_replay_conf){.letters = 1, .query = d->query};
    r->conf.query.pipeline = pipeline;
    r->reread = !strcmp(pipeline, GW_INGEST);
    if (!d->place.held && !r->reread) {
        r->tried = 1;
        r->conf.pipeline = gw_place_sound(&d->place, gw_str_of(pipeline), &d->err);
        if (!r->conf.pipeline)
            return -1;
    }
    return gw_replaying_run(r, &d->err);
}

/* A pipeline that cannot be replayed does not keep the others from it. */
static int replay(struct dead *d)
{
    struct names names = {.dead = d};
    struct gw_replaying r = {.place = &d->place, .json = d->json};
    size_t n = 0;
    int failed = 0;

    if (find_names(d, &names))
        return -1;
    if (d->place.interrupted)
        return gw_err_set(&d->err, GW_ERR_RETRY, "interrupted: nothing was done yet");
    gw_replaying_begin(&r);
    for (; n < names.n && !d->place.interrupted; n++)
        if (replay_one(d, &r, names.items[n]))
            failed = fail(d);
    gw_replaying_end(&r);
    d->err.msg[0] = '\0'; /* told */
    if (n < names.n && !failed)
        return gw_err_set(&d->err, GW_ERR_RETRY,
                          "interrupted before %s: what was not done is left as it was",
                          names.items[n]);
    d->place.interrupted = 0; /* too late: all was done */
    return failed || r.failed ? -1 : 0;
}

static int dead_replay(int argc, char **argv)
{
    struct dead d = {0};
    const struct gw_option options[] = {O_CONFIG, O_PIPELINE, O_ID, O_REASON, O_SUMMARY, {0}};
    const struct gw_usage usage = {
        .command = "dead replay",
        .line = "moongate dead replay [-c FILE] [--pipeline P] [--reason R] [--json] [ID]",
        .about = "Runs dead letters through today's hooks and sends what comes of them, with the "
                 "same ids: all of\nthem, or those chosen. What is delivered or filtered goes from "
                 "the list, what fails again stays.\nMessages of ingest are read again and go into "
                 "the log (published: kept there).\nPrints records= published= filtered= failed= "
                 "seconds=; exit status 1 when something failed again.",
        .options = options,
        .max_args = 1};
    const int rc = read_options(&usage, &d, argc, argv);

    return rc != GW_OPTIONS_OK ? rc : act(&d, replay);
}

int gw_cmd_dead(int argc, char **argv)
{
    static const struct gw_sub subs[] = {
        {"list", dead_list, "list events that could not be delivered"},
        {"show", dead_show, "show one whole: error, traceback, request"},
        {"replay", dead_replay, "send them again through today's hooks"},
        {"drop", dead_drop, "give them up"},
        {0}};

    return gw_sub_run("dead",
                      "Dead letters: events that could not be delivered, with the reason. Asks the "
                      "gateway that runs on the\ndata directory, or opens the directory when none "
                      "does.",
                      subs, argc, argv);
}
