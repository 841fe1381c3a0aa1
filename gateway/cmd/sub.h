#ifndef GW_CMD_SUB_H
#define GW_CMD_SUB_H

#include <stddef.h>

/* A command of several: `moongate dead list …`. */
struct gw_sub {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0]: its name */
    const char *help;
};
/* Picks the one that is named, wherever it stands between options, or prints help. The exit status.
 */
int gw_sub_run(const char *command, const char *about, const struct gw_sub *subs, int argc,
               char **argv);

#endif
