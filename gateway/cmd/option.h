#ifndef GW_CMD_OPTION_H
#define GW_CMD_OPTION_H

#include <stddef.h>
#include <stdint.h>

/* Options of a command: a table that ends with a zeroed entry. They and the arguments may stand in
 * any order; `--` ends the options. --name value, --name=value, -c value, -cvalue. */
enum gw_option_type {
    GW_OPT_FLAG, /* int *: 1 when given */
    GW_OPT_STR,  /* const char ** */
    GW_OPT_STRS, /* struct gw_strs *: each time one more; items has room for argc */
    GW_OPT_INT   /* int64_t *, from min to max */
};

struct gw_option {
    const char *name; /* without the dashes */
    char letter;      /* 0: none */
    enum gw_option_type type;
    void *value;
    const char *arg; /* what help calls the value: "FILE" */
    const char *help;
    int64_t min, max; /* GW_OPT_INT */
};

struct gw_usage {
    const char *command; /* "run" */
    const char *line;    /* "moongate run [-c FILE]" */
    const char *about;   /* what it does, sentences */
    const struct gw_option *options;
    int max_args; /* arguments that are no options */
};

enum { GW_OPTIONS_OK = -1 };
/* Fills the options' values. GW_OPTIONS_OK: argv[1] to argv[*n_args] are the arguments, in their
 * order. Else the exit status: 0, help was printed; 2, the error was. */
int gw_options(const struct gw_usage *u, int argc, char **argv, int *n_args);
/* Logs the error with the way to help. Returns 2. */
int gw_usage_error(const struct gw_usage *u, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
