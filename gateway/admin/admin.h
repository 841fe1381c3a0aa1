#ifndef GW_ADMIN_ADMIN_H
#define GW_ADMIN_ADMIN_H

#include "base/field.h"

#include <stddef.h>

struct gw_admin;
struct gw_err;
struct gw_log;
struct gw_loop;
struct gw_metrics;
struct gw_pipeline;

/* Health, metrics and the JSON API, on the control loop's thread. */
struct gw_admin_conf {
    const char *listen; /* "none": off */
};
extern const struct gw_field gw_admin_fields[];

struct gw_admin_env {
    struct gw_log *log;
    struct gw_metrics *metrics;
    struct gw_pipeline **pipelines; /* borrowed until gw_admin_detach */
    size_t n_pipelines;
};

/* NULL with err.kind 0 never happens: a conf with "none" is not to be opened. */
struct gw_admin *gw_admin_open(const struct gw_admin_conf *conf, const struct gw_admin_env *env,
                               struct gw_loop *loop, struct gw_err *err);
const char *gw_admin_address(const struct gw_admin *a);
/* /readyz answers 503 until ready, and again from the moment of shutdown. */
void gw_admin_set_ready(struct gw_admin *a, int ready);
/* The pipelines and the log are about to go: their routes and /metrics answer 503 from now on. */
void gw_admin_detach(struct gw_admin *a);
void gw_admin_close(struct gw_admin *a); /* NULL is fine */

#endif
