#include "cmd/cmd.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/diag.h"
#include "base/err.h"
#include "cmd/fields.h"
#include "cmd/option.h"
#include "cmd/place.h"
#include "cmd/plain.h"

#include <stdio.h>

/* `tap`: lines of a running pipeline, as they come. */
struct tap {
    struct gw_place place;
    struct gw_err err;
    struct gw_arena *mem; /* of a line */
    const char *file, *name;
    int json;
};

/* The first line. */
static void put_line(struct gw_str s)
{
    const char *end = s.len ? memchr(s.p, '\n', s.len) : NULL;

    gw_print_plain(end ? (struct gw_str){s.p, (size_t)(end - s.p)} : s, 0);
}

static void put_field(struct tap *t, struct gw_str line, const char *name, const char *before)
{
    const struct gw_str value = gw_line_get(t->mem, line, name);

    if (!value.len)
        return;
    fputs(before, stdout);
    put_line(value);
}

/* 2026-…Z published   node      project:domain:name:n0:0:RUNNING */
static void print_event(struct tap *t, struct gw_str line)
{
    const struct gw_str outcome = gw_line_get(t->mem, line, "outcome");
    const struct gw_str kind = gw_line_get(t->mem, line, "kind");
    const struct gw_str event = gw_line_get(t->mem, line, "event");
    const struct gw_str id = event.p ? gw_line_get(t->mem, event, "id") : (struct gw_str){0};

    put_field(t, line, "time", "");
    printf(" %-11.*s %-8.*s ", (int)outcome.len, outcome.p ? outcome.p : "", (int)kind.len,
           kind.p ? kind.p : "");
    if (id.p)
        put_line(id);
    else
        put_field(t, line, "key", "key=");
    put_field(t, line, "reason", "  ");
    put_field(t, line, "error", ": ");
    putchar('\n');
}

static int on_line(void *ctx, struct gw_str line)
{
    struct tap *t = ctx;
    const uint64_t missed = gw_line_number(t->mem, line, "missed");

    if (t->json)
        printf("%.*s\n", (int)line.len, line.p);
    else if (missed)
        printf("(%llu missed: more than could be shown)\n", (unsigned long long)missed);
    else
        print_event(t, line);
    gw_arena_reset(t->mem);
    return fflush(stdout);
}

static int tap(struct tap *t)
{
    struct gw_ask ask = {.method = "GET", .line = on_line, .ctx = t};
    struct gw_buf path;

    if (!t->place.held)
        return gw_err_set(&t->err, GW_ERR_FATAL, "no gateway runs on %s: tap watches a running one",
                          t->place.config->log.path);
    gw_buf_init(&path, 1024, t->place.mem);
    gw_buf_puts(&path, "/api/pipelines/");
    gw_ask_segment(&path, gw_str_of(t->name));
    gw_buf_puts(&path, "/tap");
    ask.path = gw_buf_str(&path);
    if (!gw_ask(&t->place, &ask, &t->err))
        return 0;
    return t->err.kind == GW_ERR_UNSUPPORTED
               ? gw_place_no_pipeline(&t->place, gw_str_of(t->name), &t->err)
               : -1;
}

static int run(struct tap *t)
{
    int rc;

    t->mem = gw_arena_new();
    rc = gw_place_open(&t->place, t->file, &t->err) || tap(t) ? 1 : 0;
    if (rc)
        GW_DIAG(GW_ERROR, "tap", gw_msg(t->err.msg));
    gw_place_close(&t->place);
    gw_arena_free(t->mem);
    return rc;
}

int gw_cmd_tap(int argc, char **argv)
{
    struct tap t = {0};
    const struct gw_option options[] = {
        {"config", 'c', GW_OPT_STR, &t.file, "FILE", "the gateway's configuration", 0, 0},
        {"json", 0, GW_OPT_FLAG, &t.json, .help = "an object a line, with the whole event"},
        {0}};
    const struct gw_usage usage = {
        .command = "tap",
        .line = "moongate tap [-c FILE] [--json] PIPELINE",
        .about = "Prints what a running pipeline does, event by event, until interrupted or until "
                 "the pipeline stops.\nA pipeline is not slowed down by it: what comes too fast is "
                 "left out and counted.",
        .options = options,
        .max_args = 1};
    int n_args, rc = gw_options(&usage, argc, argv, &n_args);

    if (rc != GW_OPTIONS_OK)
        return rc;
    if (!n_args)
        return gw_usage_error(&usage, "which PIPELINE?");
    t.name = argv[1];
    return run(&t);
}
