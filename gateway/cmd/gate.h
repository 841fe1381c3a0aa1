#ifndef GW_CMD_GATE_H
#define GW_CMD_GATE_H

#include <stdatomic.h>

struct gw_pipeline_conf;
struct gw_sources;

/* A newer version of a pipeline's scripts: read at one moment, loaded in a Lua state that nobody
 * else uses, and tried by the specs beside them, before any worker sees it. Any thread. */
struct gw_gate {
    struct gw_sources *sources; /* held for the caller, also when it failed */
    char why[1024];             /* FILE:LINE: what; "": it passed */
};

/* before: what runs, NULL: nothing. with_specs 0: it is loaded only. Once *over is not 0 it fails
 * soon, for nobody waits any more; NULL: that never is. */
void gw_gate_try(struct gw_gate *g, const struct gw_pipeline_conf *conf, struct gw_sources *before,
                 int with_specs, const atomic_int *over);
/* Reads the scripts and the specs beside them into a snapshot, so that a change of one is a change
 * of it, however far loading comes. */
void gw_gate_note(struct gw_sources *s, const struct gw_pipeline_conf *conf);

#endif
