#ifndef GW_CMD_LOG_H
#define GW_CMD_LOG_H

#include "base/err.h"
#include "cmd/place.h"

/* Between log.c and log_diff.c. */
struct gw_log_cmd {
    struct gw_place place;
    struct gw_err err;
    struct gw_arena *mem; /* of a line */
    /* options */
    const char *file, *from, *to, *name, *script; /* name: of a pipeline */
    const char *against;                          /* a file of somebody else's events */
    int dry, diff, json;
    /* what they mean */
    int64_t from_ns, to_ns;
    int raw;
    const struct gw_pipeline_conf *conf;
    uint64_t found;
};

/* With from and to. */
struct gw_str gw_log_path(struct gw_log_cmd *l, const char *path);
struct gw_lines *gw_log_open_records(void *ctx, struct gw_place *p, struct gw_mail *wake,
                                     struct gw_err *err);
int gw_log_diff(struct gw_log_cmd *l);

#endif
