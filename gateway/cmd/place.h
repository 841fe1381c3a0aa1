#ifndef GW_CMD_PLACE_H
#define GW_CMD_PLACE_H

#include "base/str.h"
#include "config/config.h"
#include "net/loop.h"

struct gw_arena;
struct gw_buf;
struct gw_err;
struct gw_http1_client;
struct gw_lines;
struct gw_log;
struct gw_metrics;

/* Who answers for a data directory: the gateway that holds its lock, over its admin address, or
 * this process, which opens the directory. Nothing is made where there is nothing. */
struct gw_place {
    struct gw_arena *mem;
    const char *file;         /* -c; NULL: the built-in configuration */
    struct gw_config *config; /* never NULL when open */
    struct gw_loop *loop;
    int held, pid; /* by a running gateway */
    char admin[300];
    const char *authorization; /* the header's value; NULL: none */
    struct gw_http1_client *client;
    struct gw_metrics *metrics;
    struct gw_log *log; /* not held */
    int interrupted;    /* SIGINT or SIGTERM has come: what is under way is to end */
    struct gw_signal on_int, on_term;
};

/* Problems of the configuration are logged. On failure it is to be closed all the same. */
int gw_place_open(struct gw_place *p, const char *file, struct gw_err *err);
void gw_place_close(struct gw_place *p);
/* The pipeline of -c's file; NULL: err names those that there are. */
const struct gw_pipeline_conf *gw_place_pipeline(struct gw_place *p, struct gw_str name,
                                                 struct gw_err *err);
/* The same, and its hooks and its destination can be used: its file is sound. */
const struct gw_pipeline_conf *gw_place_sound(struct gw_place *p, struct gw_str name,
                                              struct gw_err *err);

/* That the gateway has no such pipeline; asks it for those that it runs. Returns -1. */
int gw_place_no_pipeline(struct gw_place *p, struct gw_str name, struct gw_err *err);

/* 0: the gateway that runs, or -c's file, has it. Else -1, err names those that there are. */
int gw_place_knows(struct gw_place *p, struct gw_str name, struct gw_err *err);

/* The one pipeline there is, of the gateway that runs or of -c's file. NULL: there are several, err
 * names them; or it cannot be known. */
const char *gw_place_only_pipeline(struct gw_place *p, struct gw_err *err);

/* One question: a request to the admin API, and the same of an open directory. */
struct gw_ask {
    const char *method;
    struct gw_str path; /* with its query */
    struct gw_lines *(*open)(void *ctx, struct gw_place *p, struct gw_mail *wake,
                             struct gw_err *err);
    /* Each JSON object, without its line feed. Not 0: enough, nothing more is wanted. */
    int (*line)(void *ctx, struct gw_str line);
    void *ctx;
};
/* Until the last line, or until interrupted (0 too). GW_ERR_REJECT: the gateway refuses it;
 * GW_ERR_UNSUPPORTED: there is no such thing. */
int gw_ask(struct gw_place *p, const struct gw_ask *a, struct gw_err *err);

/* Text as part of a path, percent-encoded. */
void gw_ask_segment(struct gw_buf *path, struct gw_str text);
/* ?name=value or &name=value behind a path; nothing for an absent value. */
void gw_ask_param(struct gw_buf *path, const char *name, struct gw_str value);

#endif
