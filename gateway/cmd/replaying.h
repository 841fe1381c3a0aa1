#ifndef GW_CMD_REPLAYING_H
#define GW_CMD_REPLAYING_H

#include "cmd/place.h"
#include "cmd/progress.h"
#include "pipeline/replay.h"

#include <stdint.h>

/* Replays of one command, one after another: a bar meanwhile, one summary at the end. */
struct gw_replaying {
    struct gw_place *place;
    int json; /* the summary as an object */
    /* of the next run */
    const char *pipeline;
    struct gw_str path;         /* of the admin API */
    struct gw_replay_conf conf; /* of an open directory */
    int reread;                 /* letters of ingest, which go into the log again */
    /* sums of those that have ended */
    uint64_t records, published, filtered, failed;
    /* its own */
    struct gw_progress progress;
    struct gw_arena *mem;
    int64_t begin_ns;
    uint64_t done, total, now_published, now_filtered, now_failed, now_total;
    int tried, began, ended, broken;
    char error[240];
};

void gw_replaying_begin(struct gw_replaying *r);
/* -1: it did not run to its end, err says why. What failed alone is logged and counted. */
int gw_replaying_run(struct gw_replaying *r, struct gw_err *err);
/* records= published= filtered= failed= seconds=, if any began or there was none to run. */
void gw_replaying_end(struct gw_replaying *r);

#endif
