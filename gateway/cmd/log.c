#include "cmd/cmd.h"

#include "admin/lines.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/json.h"
#include "base/time.h"
#include "cmd/fields.h"
#include "cmd/log.h"
#include "cmd/option.h"
#include "cmd/replaying.h"
#include "cmd/sub.h"
#include "cmd/when.h"
#include "flyte/flyte.h"

#include <stdio.h>
#include <stdlib.h>

/* `log`: what the log keeps. log_diff.c has --diff. */

#define O_CONFIG                                                                                   \
    {                                                                                              \
        "config", 'c', GW_OPT_STR, &l.file, "FILE", "the gateway's configuration", 0, 0            \
    }
#define O_FROM                                                                                     \
    {                                                                                              \
        "from", 0, GW_OPT_STR, &l.from, "TIME", "what came then or later; else from the oldest",   \
            0, 0                                                                                   \
    }
#define O_TO                                                                                       \
    {                                                                                              \
        "to", 0, GW_OPT_STR, &l.to, "TIME", "what came before then; else up to now", 0, 0          \
    }
#define TIMES                                                                                      \
    "TIME: 2026-11-24T10:00:00Z, 2026-11-24 (UTC), seconds since 1970, now, or so long ago: 90m, " \
    "1h30m, 7d."

static int fail(const struct gw_err *err)
{
    GW_DIAG(GW_ERROR, "log", gw_msg(err->msg));
    return 1;
}

static int take_time(const struct gw_usage *u, const char *option, const char *text, int64_t *ns)
{
    if (text && gw_when_parse(gw_str_of(text), gw_clock_wall_ns(), ns))
        return gw_usage_error(u, "%s: \"%.60s\" is no time: 2026-11-24T10:00:00Z, 2026-11-24, 1h",
                              option, text);
    return GW_OPTIONS_OK;
}

/* GW_OPTIONS_OK, or the exit status. */
static int read_options(const struct gw_usage *u, struct gw_log_cmd *l, int argc, char **argv)
{
    int n_args, rc = gw_options(u, argc, argv, &n_args);

    if (rc == GW_OPTIONS_OK)
        rc = take_time(u, "--from", l->from, &l->from_ns);
    if (rc == GW_OPTIONS_OK)
        rc = take_time(u, "--to", l->to, &l->to_ns);
    if (rc == GW_OPTIONS_OK && l->to && l->from_ns >= l->to_ns)
        rc = gw_usage_error(u, "--from is not before --to");
    if (n_args)
        l->name = argv[1];
    return rc;
}

static int act(struct gw_log_cmd *l, int (*action)(struct gw_log_cmd *l))
{
    int status;

    l->mem = gw_arena_new();
    if (gw_place_open(&l->place, l->file, &l->err))
        status = fail(&l->err);
    else
        status = action(l) ? (l->err.msg[0] ? fail(&l->err) : 1) : l->place.interrupted;
    gw_place_close(&l->place);
    gw_arena_free(l->mem);
    return status;
}

static void put_time(struct gw_buf *b, const char *name, int64_t ns)
{
    char text[GW_TIME_TEXT];

    if (ns)
        gw_ask_param(b, name, (struct gw_str){text, gw_time_format(gw_time_of_ns(ns), text)});
}

struct gw_str gw_log_path(struct gw_log_cmd *l, const char *path)
{
    struct gw_buf b;

    gw_buf_init(&b, 16384, l->place.mem);
    gw_buf_puts(&b, path);
    put_time(&b, "from", l->from_ns);
    put_time(&b, "to", l->to_ns);
    return gw_buf_str(&b);
}

struct gw_lines *gw_log_open_records(void *ctx, struct gw_place *p, struct gw_mail *wake,
                                     struct gw_err *err)
{
    struct gw_log_cmd *l = ctx;

    (void)wake;
    return gw_lines_records(p->log, l->from_ns, l->to_ns, l->raw, err);
}

/* ---- stats ---- */

static void print_cursor(struct gw_log_cmd *l, struct gw_str c)
{
    const struct gw_str name = gw_line_get(l->mem, c, "name");

    if (l->name && !gw_str_is(name, l->name))
        return;
    l->found++;
    printf("pipeline=%.*s lag=%llu", (int)name.len, name.p,
           (unsigned long long)gw_line_number(l->mem, c, "lag"));
    printf(gw_line_flag(l->mem, c, "orphan") && l->place.held ? " orphan=true\n" : "\n");
}

static int on_stats(void *ctx, struct gw_str line)
{
    struct gw_log_cmd *l = ctx;
    const struct gw_str list = gw_line_get(l->mem, line, "pipelines");
    const struct gw_str oldest = gw_line_get(l->mem, line, "oldest");
    struct gw_str cursor;
    struct gw_json j;

    printf("records=%llu bytes=%llu unsettled=%llu",
           (unsigned long long)gw_line_number(l->mem, line, "records"),
           (unsigned long long)gw_line_number(l->mem, line, "bytes"),
           (unsigned long long)gw_line_number(l->mem, line, "unsettled"));
    if (oldest.p)
        printf(" oldest=%.*s", (int)oldest.len, oldest.p);
    putchar('\n');
    gw_json_init(&j, list, 100);
    if (gw_json_next(&j) == GW_JSON_ARRAY)
        while (gw_json_next(&j) == GW_JSON_OBJECT && !gw_json_value(&j, &cursor))
            print_cursor(l, cursor);
    return 0;
}

static int stats(struct gw_log_cmd *l)
{
    const struct gw_ask ask = {
        .method = "GET", .path = GW_STR("/api/log"), .line = on_stats, .ctx = l};
    struct gw_buf line;
    int rc = 0;

    if (l->place.held) {
        rc = gw_ask(&l->place, &ask, &l->err);
    } else {
        gw_buf_init(&line, 1 << 20, l->place.mem);
        gw_lines_stats(l->place.log, &line);
        on_stats(l, (struct gw_str){line.p, line.len - 1});
    }
    if (!rc && l->name && !l->found)
        return gw_err_set(&l->err, GW_ERR_REJECT, "the log knows no pipeline %.63s", l->name);
    return rc;
}

static int log_stats(int argc, char **argv)
{
    struct gw_log_cmd l = {0};
    const struct gw_option options[] = {
        O_CONFIG, {"pipeline", 0, GW_OPT_STR, &l.name, "P", "the lag of this one only", 0, 0}, {0}};
    const struct gw_usage usage = {
        .command = "log stats",
        .line = "moongate log stats [-c FILE] [--pipeline P]",
        .about = "Prints records= bytes= of what the log keeps, and a line for each pipeline with "
                 "its lag: records it\nhas not settled.",
        .options = options};
    const int rc = read_options(&usage, &l, argc, argv);

    return rc != GW_OPTIONS_OK ? rc : act(&l, stats);
}

/* ---- dump ---- */

static int on_dump(void *ctx, struct gw_str line)
{
    struct gw_log_cmd *l = ctx;
    enum gw_kind kind;

    if (l->conf &&
        (!gw_kind_parse(gw_line_get(l->mem, line, "carries"), &kind) ||
         !gw_kind_parse(gw_line_get(l->mem, line, "kind"), &kind)) &&
        !(l->conf->event_type_mask & 1U << kind))
        return 0;
    gw_arena_reset(l->mem);
    printf("%.*s\n", (int)line.len, line.p);
    return ferror(stdout);
}

static int dump(struct gw_log_cmd *l)
{
    const struct gw_ask ask = {"GET", gw_log_path(l, "/api/log/records"), gw_log_open_records,
                               on_dump, l};

    if (l->name && !(l->conf = gw_place_pipeline(&l->place, gw_str_of(l->name), &l->err)))
        return -1;
    return gw_ask(&l->place, &ask, &l->err);
}

static int log_dump(int argc, char **argv)
{
    struct gw_log_cmd l = {0};
    const struct gw_option options[] = {
        O_CONFIG,
        O_FROM,
        O_TO,
        {"pipeline", 0, GW_OPT_STR, &l.name, "P", "what the event_types of this one let in", 0, 0},
        {0}};
    const struct gw_usage usage = {
        .command = "log dump",
        .line = "moongate log dump [-c FILE] [--from TIME] [--to TIME] [--pipeline P]",
        .about =
            "Prints a JSON object for each record that is kept, oldest first: seq, "
            "received_at, kind, key, and\nid, of the event it becomes; `carries`, the kind of the "
            "request in a CloudEvent. " TIMES,
        .options = options};
    const int rc = read_options(&usage, &l, argc, argv);

    return rc != GW_OPTIONS_OK ? rc : act(&l, dump);
}

/* ---- replay ---- */

static int count_record(void *ctx, struct gw_str line)
{
    struct gw_log_cmd *l = ctx;

    (void)line;
    l->found++;
    return 0;
}

/* Without a pipeline there is nothing to send to, but to count. */
static int count(struct gw_log_cmd *l)
{
    const struct gw_ask ask = {"GET", gw_log_path(l, "/api/log/records"), gw_log_open_records,
                               count_record, l};

    if (gw_ask(&l->place, &ask, &l->err))
        return -1;
    printf(l->json ? "{\"records\":%llu}\n" : "records=%llu\n", (unsigned long long)l->found);
    return 0;
}

/* The gateway of this machine opens it: by a path that does not depend on who asks. */
static int absolute_script(struct gw_log_cmd *l)
{
    char *path = l->script ? realpath(l->script, NULL) : NULL;

    if (l->script && !path)
        return gw_err_errno(&l->err, GW_ERR_REJECT, "--script %s", l->script);
    if (path)
        l->script = gw_arena_strndup(l->place.mem, path, strlen(path));
    free(path);
    return 0;
}

static int replay(struct gw_log_cmd *l)
{
    struct gw_replaying r = {.place = &l->place, .json = l->json};
    struct gw_buf path;
    int rc;

    if (absolute_script(l))
        return -1;
    if (!l->name && l->dry)
        return count(l);
    if (!l->name && !(l->name = gw_place_only_pipeline(&l->place, &l->err)))
        return -1;
    r.pipeline = l->name;
    gw_buf_init(&path, 32768, l->place.mem);
    gw_buf_put_str(&path, gw_log_path(l, "/api/log/replay"));
    gw_ask_param(&path, "pipeline", gw_str_of(l->name));
    gw_ask_param(&path, "script", gw_str_of(l->script));
    if (l->dry)
        gw_ask_param(&path, "dry_run", GW_STR("true"));
    r.path = gw_buf_str(&path);
    r.conf = (struct gw_replay_conf){
        .script = l->script, .from_ns = l->from_ns, .to_ns = l->to_ns, .dry = l->dry};
    if (!l->place.held &&
        !(r.conf.pipeline = gw_place_sound(&l->place, gw_str_of(l->name), &l->err)))
        return -1;
    gw_replaying_begin(&r);
    rc = gw_replaying_run(&r, &l->err);
    gw_replaying_end(&r);
    if (!rc)
        l->place.interrupted = 0; /* too late: all was done */
    return rc ? rc : r.failed ? -1 : 0;
}

static int check_replay(const struct gw_usage *u, const struct gw_log_cmd *l)
{
    if (l->against && !l->diff)
        return gw_usage_error(u, "--against needs --diff: nothing is sent");
    if (l->diff && !l->script && !l->against)
        return gw_usage_error(u, "--diff needs --script: what would be new; or --against: events "
                                 "that another program has published");
    if (l->diff && !l->file)
        return gw_usage_error(u, "--diff needs -c: the pipeline's hooks as they are");
    if (l->diff && l->dry)
        return gw_usage_error(u, "--diff beside --dry-run: one of them");
    return GW_OPTIONS_OK;
}

static int log_replay(int argc, char **argv)
{
    struct gw_log_cmd l = {0};
    const struct gw_option options[] = {
        O_CONFIG,
        O_FROM,
        O_TO,
        {"pipeline", 0, GW_OPT_STR, &l.name, "P",
         "to the destination of this one; needed when there are several", 0, 0},
        {"script", 0, GW_OPT_STR, &l.script, "F", "with this script instead of its hooks", 0, 0},
        {"dry-run", 0, GW_OPT_FLAG, &l.dry, .help = "print records=N, send nothing"},
        {"diff", 0, GW_OPT_FLAG, &l.diff,
         .help = "send nothing; what the events would become under --script, or are --against"},
        {"against", 0, GW_OPT_STR, &l.against, "EVENTS",
         "with --diff: a file of CloudEvents (- standard input), one a line, of another publisher",
         0, 0},
        {"json", 0, GW_OPT_FLAG, &l.json,
         .help = "the counts, or the differences, as an object a line"},
        {0}};
    const struct gw_usage usage = {
        .command = "log replay",
        .line =
            "moongate log replay [-c FILE] [--pipeline P] [--from TIME] [--to TIME] [--script F]\n"
            "                           [--dry-run | --diff [--against EVENTS]] [--json]",
        .about = "Sends what the log keeps once more through a pipeline, with the same ids. Prints "
                 "records= published=\nfiltered= failed= seconds=; exit status 1 when something "
                 "failed. --diff sends nothing: it compares\nwhat the events become under --script "
                 "with what they become under the hooks in FILE, or, with\n--against, with what "
                 "another publisher made of the same reports (FlyteAdmin's own, say: EVENTS is\n"
                 "what a pipeline from its topic to a file wrote; --from and --to choose these by "
                 "their time). It ends\nwith 0 also when they differ.\n" TIMES,
        .options = options};
    int rc = read_options(&usage, &l, argc, argv);

    if (rc == GW_OPTIONS_OK)
        rc = check_replay(&usage, &l);
    l.raw = l.diff;
    return rc != GW_OPTIONS_OK ? rc : act(&l, l.diff ? gw_log_diff : replay);
}

/* ---- forget ---- */

static int on_forgotten(void *ctx, struct gw_str line)
{
    (void)ctx;
    (void)line;
    return 0;
}

static int forget(struct gw_log_cmd *l)
{
    struct gw_ask ask = {.method = "POST", .line = on_forgotten, .ctx = l};
    struct gw_err unknown;
    struct gw_buf path;

    if (l->place.held) {
        gw_buf_init(&path, 1024, l->place.mem);
        gw_buf_puts(&path, "/api/log/forget");
        gw_ask_param(&path, "pipeline", gw_str_of(l->name));
        ask.path = gw_buf_str(&path);
        if (gw_ask(&l->place, &ask, &l->err))
            return -1;
    } else {
        if (l->file && gw_place_pipeline(&l->place, gw_str_of(l->name), &unknown))
            return gw_err_set(&l->err, GW_ERR_REJECT,
                              "pipeline %.63s is in %s: take it out of there first", l->name,
                              l->file);
        if (gw_log_forget(l->place.log, l->name, &l->err))
            return -1;
    }
    printf("forgotten=%s\n", l->name);
    return 0;
}

static int log_forget(int argc, char **argv)
{
    struct gw_log_cmd l = {0};
    const char *option = NULL;
    const struct gw_option options[] = {
        O_CONFIG, {"pipeline", 0, GW_OPT_STR, &option, "P", "the same as PIPELINE", 0, 0}, {0}};
    const struct gw_usage usage = {
        .command = "log forget",
        .line = "moongate log forget [-c FILE] PIPELINE",
        .about = "Gives up the place of a pipeline that is in the configuration no more, and its "
                 "dead letters, so that\nthe log keeps no records for it. One that is in use is "
                 "refused.",
        .options = options,
        .max_args = 1};
    const int rc = read_options(&usage, &l, argc, argv);

    if (rc != GW_OPTIONS_OK)
        return rc;
    if (l.name && option)
        return gw_usage_error(&usage, "unexpected argument \"%.100s\"", l.name);
    if (option)
        l.name = option;
    return l.name ? act(&l, forget) : gw_usage_error(&usage, "which PIPELINE?");
}

int gw_cmd_log(int argc, char **argv)
{
    static const struct gw_sub subs[] = {
        {"stats", log_stats, "how much is kept, how far behind each pipeline is"},
        {"dump", log_dump, "print the records that are kept"},
        {"replay", log_replay, "send them again, or compare what a new script makes of them"},
        {"forget", log_forget, "give up the place of a pipeline that is gone"},
        {0}};

    return gw_sub_run("log",
                      "The durable log. Asks the gateway that runs on the data directory, or opens "
                      "the directory when none\ndoes.",
                      subs, argc, argv);
}
