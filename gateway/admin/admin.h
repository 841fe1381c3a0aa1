#ifndef GW_ADMIN_ADMIN_H
#define GW_ADMIN_ADMIN_H

#include "base/field.h"

#include <stddef.h>

struct gw_admin;
struct gw_err;
struct gw_ingest_conf;
struct gw_log;
struct gw_loop;
struct gw_metrics;
struct gw_pipeline;
struct gw_pipeline_conf;
struct gw_problem;
struct gw_problems;
struct gw_yaml;

/* Health, metrics and the JSON API, on the control loop's thread. */
struct gw_admin_conf {
    const char *listen;     /* "none": off */
    const char *token_file; /* NULL: changes are taken on loopback only */
};
extern const struct gw_field gw_admin_fields[];
/* What the table cannot say. at: the section in the file, NULL: it is not there. */
void gw_admin_check(const struct gw_admin_conf *conf, const struct gw_yaml *at,
                    struct gw_problems *p);

/* A pipeline that is configured, or that has not ended yet. */
struct gw_admin_pipeline {
    const char *name;
    struct gw_pipeline *pipeline; /* NULL: it does not run */
    const char *why;              /* then: "disabled" */
};

/* One wish to read the configuration again. The asker's memory until done. */
struct gw_reload {
    struct gw_reload *next;
    void (*done)(struct gw_reload *r);
    /* out; the pointers are valid inside done */
    int reloaded; /* 0: nothing has changed, the problems or message say why */
    size_t added, removed, changed, unchanged, failed;
    const struct gw_problem *problems;
    size_t n_problems;
    const char *restart_needed[3]; /* sections whose change takes effect at a restart */
    size_t n_restart_needed;
    const char *message; /* NULL: none */
};

/* What the owner of the pipelines does for the admin, on the control loop's thread. */
struct gw_control {
    /* The i-th pipeline, 0: there are no more. Valid until the loop's turn ends. */
    int (*pipeline)(void *ctx, size_t i, struct gw_admin_pipeline *out);
    /* -1: no such pipeline runs. Holds over a reload. */
    int (*pause)(void *ctx, const char *name, int paused);
    /* Its configuration, valid until let_go(*hold); NULL: there is none of that name. */
    const struct gw_pipeline_conf *(*hold)(void *ctx, const char *name, void **hold);
    void (*let_go)(void *ctx, void *hold);
    void (*reload)(void *ctx, struct gw_reload *r); /* done is called once, maybe at once */
};

struct gw_admin_env {
    struct gw_log *log;
    struct gw_metrics *metrics;
    const struct gw_control *control;
    void *ctx;
    const struct gw_ingest_conf *ingest; /* what sources say of their messages */
};

/* conf is borrowed for life. NULL with err.kind 0 never happens: a conf with "none" is not to be
 * opened. */
struct gw_admin *gw_admin_open(const struct gw_admin_conf *conf, const struct gw_admin_env *env,
                               struct gw_loop *loop, struct gw_err *err);
const char *gw_admin_address(const struct gw_admin *a);
/* /readyz answers 503 until this. */
void gw_admin_set_ready(struct gw_admin *a);
/* Shutdown begins: /readyz answers 503, nothing is changed any more, answers that stream end. */
void gw_admin_stop(struct gw_admin *a);
/* The pipelines and the log are about to go: their routes and /metrics answer 503 from now on. */
void gw_admin_detach(struct gw_admin *a);
/* Before the loop and the log go. NULL is fine. */
void gw_admin_close(struct gw_admin *a);

#endif
