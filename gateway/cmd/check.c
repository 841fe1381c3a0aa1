#include "base/arena.h"
#include "base/problems.h"
#include "cmd/cmd.h"
#include "cmd/online.h"
#include "cmd/option.h"
#include "config/config.h"

#include <stdio.h>

/* Problems are data, so they go to standard output, one a line. */
static void print(const struct gw_problems *p, size_t from)
{
    for (size_t i = from; i < p->n; i++)
        printf("%s:%d:%d: %s: %s\n", p->items[i].file, p->items[i].line, p->items[i].column,
               gw_problem_level(&p->items[i]), p->items[i].text);
    (void)fflush(stdout);
}

static int failed(const struct gw_problems *p, int strict)
{
    return p->errors || (strict && p->warnings);
}

int gw_cmd_check(int argc, char **argv)
{
    const char *file = NULL;
    int strict = 0, online = 0, n_args, status;
    const struct gw_option options[] = {
        {"config", 'c', GW_OPT_STR, &file, .arg = "FILE", .help = "the configuration (YAML)"},
        {"strict", 0, GW_OPT_FLAG, &strict, .help = "warnings count as failures"},
        {"online", 0, GW_OPT_FLAG, &online,
         .help =
             "if nothing is wrong: ask each destination, source and upstream, publishing nothing"},
        {0}};
    const struct gw_usage usage = {
        .command = "check",
        .line = "moongate check [-c FILE] [--strict] [--online]",
        .about =
            "Reads the configuration and loads every script, runs no traffic. Every problem is a "
            "line on standard output: FILE:LINE:COLUMN: error|warning: what is wrong; note: what "
            "is "
            "done where one might expect something else. With --online each destination whose "
            "pipeline is enabled, each source and each upstream says whether it would take events, "
            "give some, or is there: a line each. Exit status 1 if there are errors.",
        .options = options};
    const struct gw_config *c;
    struct gw_problems p;

    status = gw_options(&usage, argc, argv, &n_args);
    if (status != GW_OPTIONS_OK)
        return status;
    p = (struct gw_problems){.mem = gw_arena_new()};
    c = gw_config_check(file, &p);
    print(&p, 0);
    if (online && !failed(&p, strict)) {
        const size_t n = p.n;

        gw_check_online(c, GW_ONLINE_MS, &p);
        print(&p, n);
    }
    status = failed(&p, strict);
    gw_arena_free(p.mem);
    return status;
}
