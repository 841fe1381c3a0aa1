#include "base/buf.h"
#include "cmd/cmd.h"
#include "cmd/option.h"
#include "config/config.h"

#include <stdio.h>

enum { MAX_SCHEMA = 4 * 1024 * 1024 };

int gw_cmd_schema(int argc, char **argv)
{
    int markdown = 0, include = 0;
    const struct gw_option options[] = {
        {"include", 0, GW_OPT_FLAG, &include, .help = "of a file that `include` adds"},
        {"markdown", 0, GW_OPT_FLAG, &markdown, .help = "the reference page instead"},
        {0}};
    const struct gw_usage usage = {
        .command = "schema",
        .line = "moongate schema [--include | --markdown]",
        .about = "Prints the JSON Schema of the configuration: editors complete and check with it.",
        .options = options};
    int n_args, status = gw_options(&usage, argc, argv, &n_args);
    struct gw_buf b;

    if (status != GW_OPTIONS_OK)
        return status;
    gw_buf_init(&b, MAX_SCHEMA, NULL);
    if (markdown) {
        gw_config_reference(&b);
    } else {
        (include ? gw_config_included_schema : gw_config_schema)(&b);
        gw_buf_putc(&b, '\n');
    }
    status = b.failed || fwrite(b.p, 1, b.len, stdout) != b.len;
    gw_buf_free(&b);
    return status;
}
