#ifndef GW_CMD_ROSTER_H
#define GW_CMD_ROSTER_H

#include "admin/admin.h"

#include <stddef.h>
#include <stdint.h>

struct gw_config;
struct gw_cursor;
struct gw_err;
struct gw_hook_shared;
struct gw_log;
struct gw_metrics;
struct gw_pipeline_conf;
struct gw_sources;

/* The pipelines that there are, and the configurations they were read from. On the control loop's
 * thread.
 *
 * Invariants
 *  G1 A configuration is freed when nothing that borrows from it is left: its pipelines, replays,
 *     and the gateway itself.
 *  G2 A member's pipeline is NULL while a thread aside stops or starts it, so nobody else touches
 *     it. */
struct gw_generation {
    struct gw_config *config;
    struct gw_sources **inputs; /* as its pipelines: the files that they need besides scripts */
    size_t holds;
};

/* What a reload has in store for a member: SCRIPTS swaps them in, CHANGE is a restart. */
enum gw_step { GW_STEP_NONE, GW_STEP_REMOVE, GW_STEP_SCRIPTS, GW_STEP_CHANGE, GW_STEP_ADD };

struct gw_member {
    struct gw_generation *gen; /* held; of conf */
    const struct gw_pipeline_conf *conf;
    struct gw_sources *inputs;  /* of gen */
    struct gw_sources *sources; /* held: what its scripts are loaded from */
    struct gw_pipeline *pipeline;
    struct gw_cursor *cursor;      /* asked for; NULL: none */
    struct gw_hook_shared *shared; /* its own: of all its generations */
    char why[240];                 /* it does not run */
    int paused;
    enum gw_step step;
    struct gw_generation *next_gen; /* held; of next: CHANGE */
    const struct gw_pipeline_conf *next;
    struct gw_sources *next_inputs;
    struct gw_sources *refused; /* held: newer scripts that it was not given; NULL: none. With
                                   next: that configuration waits for other ones */
    /* of a look at the disk */
    int ran; /* when it began */
    int scripts_changed, inputs_changed, refused_changed;
    int told_inputs; /* that what has changed waits for SIGHUP */
};

struct gw_roster {
    struct gw_log *log;
    struct gw_metrics *metrics;
    struct gw_generation *now;  /* held: what was read last */
    struct gw_member **members; /* in the configuration's order; those that go stand behind */
    size_t n;
    int waits; /* since the last look: what could not be read is looked at again in a while */
    void (*reload)(void *ctx, struct gw_reload *r);
    void (*grown)(void *ctx); /* a script has asked for a file that is not watched; any thread */
    void *ctx;
};

extern const struct gw_control gw_roster_control; /* its ctx is a roster */

/* Takes the configuration and notes the files it was made from; nobody holds it yet. Any thread. */
struct gw_generation *gw_generation_new(struct gw_config *config);
struct gw_generation *gw_generation_hold(struct gw_generation *g);
/* NULL is fine. */
void gw_generation_drop(struct gw_generation *g);
void gw_generation_free(struct gw_generation *g); /* one that nobody ever held */

/* Starts every pipeline of what was read first, `now`. */
int gw_roster_start(struct gw_roster *r, struct gw_err *err);
struct gw_member *gw_member_new(const struct gw_roster *r, struct gw_generation *g, size_t i);
/* It is to become what pipeline i of g says. */
void gw_member_plan(struct gw_member *m, struct gw_generation *g, size_t i);
void gw_member_free(struct gw_member *m);
/* Why it does not run although nothing failed: it is disabled, or down. NULL: it should run. */
const char *gw_member_why(const struct gw_pipeline_conf *conf);
/* How a pipeline is opened, and what came of it. */
struct gw_opening {
    const struct gw_pipeline_conf *conf;
    struct gw_sources *sources;
    int paused;
    struct gw_pipeline *pipeline; /* NULL: it is not enabled, or has failed */
    struct gw_cursor *cursor;
};
/* The pipeline, or what is kept of one that is not enabled. Any thread. */
int gw_member_open(struct gw_roster *r, struct gw_opening *o, struct gw_err *err);
/* From now on it is loaded from there; takes *sources. */
void gw_member_take_sources(const struct gw_roster *r, struct gw_member *m,
                            struct gw_sources **sources);
/* Newer scripts are not taken for now, and with them what is next; takes *sources. */
void gw_member_refuse(struct gw_member *m, struct gw_sources **sources);
void gw_member_take_next(struct gw_member *m); /* what is next is now */
void gw_member_forget_next(struct gw_member *m);
/* Every file whose change matters. Any thread, while no step is taken. */
void gw_roster_files(const struct gw_roster *r, void (*fn)(void *ctx, const char *path), void *ctx);
/* Looks what has changed on the disk, of every member. Any thread, while no step is taken. */
void gw_roster_look(struct gw_roster *r);
void gw_roster_stop(struct gw_roster *r, int64_t deadline_ms);
void gw_roster_join(struct gw_roster *r); /* any thread, while no other uses it */
void gw_roster_fini(struct gw_roster *r);

#endif
