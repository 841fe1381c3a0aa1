#include "base/arena.h"
#include "base/problems.h"
#include "cmd/cmd.h"
#include "cmd/option.h"
#include "config/config.h"

#include <stdio.h>

/* Problems are data, so they go to standard output, one a line. */
static void print(const struct gw_problems *p)
{
    for (size_t i = 0; i < p->n; i++)
        printf("%s:%d:%d: %s: %s\n", p->items[i].file, p->items[i].line, p->items[i].column,
               gw_problem_level(&p->items[i]), p->items[i].text);
}

int gw_cmd_check(int argc, char **argv)
{
    const char *file = NULL;
    int strict = 0, n_args, status;
    const struct gw_option options[] = {
        {"config", 'c', GW_OPT_STR, &file, .arg = "FILE", .help = "the configuration (YAML)"},
        {"strict", 0, GW_OPT_FLAG, &strict, .help = "warnings count as failures"},
        {0}};
    const struct gw_usage usage = {
        .command = "check",
        .line = "moongate check [-c FILE] [--strict]",
        .about =
            "Reads the configuration and loads every script, runs no traffic. Every problem is a "
            "line on standard output: FILE:LINE:COLUMN: error|warning: what is wrong; note: what "
            "is "
            "done where one might expect something else. Exit status 1 if there are errors.",
        .options = options};
    struct gw_problems p;

    status = gw_options(&usage, argc, argv, &n_args);
    if (status != GW_OPTIONS_OK)
        return status;
    p = (struct gw_problems){.mem = gw_arena_new()};
    gw_config_check(file, &p);
    print(&p);
    status = p.errors || (strict && p.warnings);
    gw_arena_free(p.mem);
    return status;
}
