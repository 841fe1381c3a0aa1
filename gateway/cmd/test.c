/* `test`: runs *_spec.lua files and prints what became of them as busted does. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/problems.h"
#include "cmd/cmd.h"
#include "cmd/load.h"
#include "cmd/option.h"
#include "cmd/plain.h"
#include "cmd/specs.h"
#include "config/config.h"
#include "hook/spec.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MAX_SHOWN = 1000 };

struct shown {
    struct shown *next;
    struct gw_spec_result r;
};

struct test {
    struct gw_arena *mem;
    const char *config, *filter;
    int list, terminal;
    int64_t instructions, timeout_ms;
    struct gw_specs specs;
    struct shown *shown, **last;
    unsigned n_shown;
};

/* By enum gw_spec_kind. */
static const char *const marks[] = {"+", "-", "*", "."};
static const char *const titles[] = {"Success", "Failure", "Error", "Pending"};
static const char *const colours[] = {"32", "31", "35", "33"};

static void put_coloured(const struct test *t, enum gw_spec_kind kind, const char *text)
{
    if (t->terminal)
        printf("\033[%sm%s\033[0m", colours[kind], text);
    else
        fputs(text, stdout);
}

static const char *keep(const struct test *t, const char *s)
{
    return gw_arena_strndup(t->mem, s, strlen(s));
}

static void list_one(const struct gw_spec_result *r)
{
    printf("%s:%d: ", r->file, r->line);
    gw_print_plain(gw_str_of(r->name), 0);
    putchar('\n');
}

static void on_result(void *ctx, const struct gw_spec_result *r)
{
    struct test *t = ctx;
    struct shown *s;

    if (t->list && r->kind == GW_SPEC_PENDING) {
        list_one(r);
        return;
    }
    if (!t->list) {
        put_coloured(t, r->kind, t->terminal ? "●" : marks[r->kind]);
        fflush(stdout); /* NOLINT(cert-err33-c): main looks at the end */
    }
    if (r->kind == GW_SPEC_SUCCESS || t->n_shown == MAX_SHOWN)
        return;
    s = gw_arena_alloc(t->mem, sizeof(*s));
    *s = (struct shown){.r = *r};
    s->r.name = keep(t, r->name);
    s->r.text = keep(t, r->text);
    *t->last = s;
    t->last = &s->next;
    t->n_shown++;
}

static void print_shown(const struct test *t, enum gw_spec_kind kind)
{
    for (const struct shown *s = t->shown; s; s = s->next) {
        if (s->r.kind != kind)
            continue;
        putchar('\n');
        put_coloured(t, kind, titles[kind]);
        printf(" -> %s", s->r.file);
        if (s->r.line)
            printf(" @ %d", s->r.line);
        putchar('\n');
        if (*s->r.name) {
            gw_print_plain(gw_str_of(s->r.name), 0);
            putchar('\n');
        }
        if (*s->r.text) {
            gw_print_plain(gw_str_of(s->r.text), 1);
            putchar('\n');
        }
    }
}

static void print_count(const struct test *t, enum gw_spec_kind kind, unsigned n, const char *one,
                        const char *many)
{
    char text[20];

    snprintf(text, sizeof(text), "%u", n);
    put_coloured(t, kind, text);
    printf(" %s", n == 1 ? one : many);
}

static void print_report(const struct test *t, const struct gw_spec_report *r, int64_t took_ns)
{
    if (!t->list) {
        putchar('\n');
        print_count(t, GW_SPEC_SUCCESS, r->successes, "success", "successes");
        fputs(" / ", stdout);
        print_count(t, GW_SPEC_FAILURE, r->failures, "failure", "failures");
        fputs(" / ", stdout);
        print_count(t, GW_SPEC_ERROR, r->errors, "error", "errors");
        fputs(" / ", stdout);
        print_count(t, GW_SPEC_PENDING, r->pending, "pending", "pending");
        printf(" : %.6f seconds\n", (double)took_ns / 1e9);
        print_shown(t, GW_SPEC_PENDING);
        print_shown(t, GW_SPEC_FAILURE);
    }
    print_shown(t, GW_SPEC_ERROR);
    if (t->n_shown == MAX_SHOWN)
        printf("\n(only the first %d are shown)\n", MAX_SHOWN);
}

/* ---- which files ---- */

/* The folders of the scripts that the configuration's pipelines run. */
static int add_configured(struct test *t, struct gw_err *err)
{
    struct gw_problems p = {.mem = gw_arena_new()};
    const struct gw_config *c = gw_config_load(t->config, &p);
    const struct gw_pipeline_conf *all = c ? c->pipelines.items : NULL;
    int rc = 0;

    gw_log_problems(&p);
    if (!c)
        rc = gw_err_set(err, GW_ERR_REJECT, "%s cannot be read", t->config);
    for (size_t i = 0; c && !rc && i < c->pipelines.n; i++)
        for (size_t k = 0; !rc && k < all[i].hooks.n; k++) {
            const char *path = all[i].hooks.items[k], *slash = strrchr(path, '/');
            const char *folder =
                slash ? gw_arena_strndup(t->mem, path, (size_t)(slash - path) + (slash == path))
                      : ".";

            rc = gw_specs_add(&t->specs, folder, 0, err);
        }
    gw_arena_free(p.mem);
    return rc;
}

static int find_specs(struct test *t, char **paths, int n, struct gw_err *err)
{
    t->specs.mem = t->mem;
    for (int i = 0; i < n; i++)
        if (gw_specs_add(&t->specs, paths[i], 1, err))
            return -1;
    if (!n && t->config && add_configured(t, err))
        return -1;
    if (!n && !t->config &&
        (gw_specs_add(&t->specs, ".", 0, err) ||
         (!access("scripts", F_OK) && gw_specs_add(&t->specs, "scripts", 1, err))))
        return -1;
    gw_specs_sort(&t->specs);
    if (!t->specs.files.n)
        return gw_err_set(err, GW_ERR_REJECT, "no tests: there is no file *_spec.lua in %s",
                          n           ? paths[0]
                          : t->config ? "the folders of the configuration's scripts"
                                      : "this folder or in scripts/");
    return 0;
}

static int run(struct test *t, char **paths, int n)
{
    struct gw_spec_report report;
    struct gw_spec_conf conf = {.files = &t->specs.files,
                                .limits = gw_spec_limits,
                                .lua_path = gw_config_lua_path(t->mem),
                                .filter = t->filter,
                                .list = t->list,
                                .each = on_result,
                                .ctx = t};
    struct gw_err err;
    int64_t begin;
    int rc;

    if (find_specs(t, paths, n, &err)) {
        GW_DIAG(GW_ERROR, "test", gw_msg(err.msg));
        return 1;
    }
    if (t->instructions)
        conf.limits.instructions = t->instructions;
    if (t->timeout_ms)
        conf.limits.timeout_ms = t->timeout_ms;
    begin = gw_clock_mono_ns();
    rc = gw_spec_run(&conf, &report) ? 1 : 0;
    print_report(t, &report, gw_clock_mono_ns() - begin);
    return rc;
}

int gw_cmd_test(int argc, char **argv)
{
    struct test t = {.terminal = isatty(STDOUT_FILENO)};
    const struct gw_option options[] = {
        {"config", 'c', GW_OPT_STR, &t.config, "FILE",
         "without PATH: the specs beside the scripts of its pipelines", 0, 0},
        {"filter", 0, GW_OPT_STR, &t.filter, "PATTERN",
         "only tests whose name matches, a Lua pattern", 0, 0},
        {"list", 0, GW_OPT_FLAG, &t.list, .help = "print FILE:LINE: name of each test, run none"},
        {"instructions", 0, GW_OPT_INT, &t.instructions, "N",
         "Lua instructions of one test with its hooks; 100000000", 1000, INT64_C(1000000000000)},
        {"timeout", 0, GW_OPT_INT, &t.timeout_ms, "MS", "milliseconds of one test; 10000", 1,
         86400000},
        {0}};
    const struct gw_usage usage = {
        .command = "test",
        .line = "moongate test [-c FILE] [--filter PATTERN] [--list] [PATH...]",
        .about = "Runs the tests of scripts: describe, it, before_each, assert and the others as "
                 "in busted,\nand `require \"moongate.test\"` for hooks and events "
                 "(lua/README.md, \"Tests\"). A PATH is a file, or\na folder: every *_spec.lua in "
                 "it and below. Without PATH: those beside the scripts of -c's\npipelines; without "
                 "-c, too: those in this folder, and in scripts/ and below.\nExit status: 0 all "
                 "passed, 1 some failed or there are none, 2 wrong usage.",
        .options = options,
        .max_args = 1000000};
    int n_args, rc = gw_options(&usage, argc, argv, &n_args);

    if (rc != GW_OPTIONS_OK)
        return rc;
    t.mem = gw_arena_new();
    t.last = &t.shown;
    rc = run(&t, argv + 1, n_args);
    gw_arena_free(t.mem);
    return rc;
}
