#ifndef GW_PIPELINE_REPLAY_H
#define GW_PIPELINE_REPLAY_H

#include "log/log.h"
#include "net/mailbox.h"
#include "pipeline/pipeline.h"

#include <stdint.h>

struct gw_err;
struct gw_loop;
struct gw_metrics;

/* Records once more through a pipeline's hooks and its destination: dead letters, or what the log
 * keeps of a span of time. A thread, hooks and a publisher of its own, beside the pipeline's
 * workers; the pipeline need not run. Ids are the same as the first time; counts go to
 * moongate_replayed_total only.
 *
 * Invariants
 *  R1 A dead letter goes only after every message of its record is delivered or filtered.
 *  R2 A dead letter that fails again stays, with the new reason, error and time, attempts added up.
 *  R3 No cursor moves, no count of a pipeline changes.
 *  R4 Events of one key go out in the order of their positions. */
struct gw_replay_conf {
    const struct gw_pipeline_conf *pipeline; /* borrowed until the join */
    const char *script;                      /* instead of its hooks; NULL: as it is. A copy */
    int letters;                             /* 1: dead letters of query; 0: the log */
    struct gw_letter_query query;            /* copied; pipeline: the one above */
    int64_t from_ns, to_ns;                  /* of the log; to_ns 0: what is there now */
    int dry;                                 /* counts the records, runs and sends nothing */
};

struct gw_replay_counts { /* records */
    uint64_t total;       /* 0 until it is known */
    uint64_t done, published, filtered, failed;
    uint64_t seen, span; /* for a progress bar, when total is not known: parts of the span */
    char error[GW_TOLD]; /* of the last one that failed, or why all of it ended early */
    int ended, broken;   /* broken: ended early */
};

struct gw_replay;
/* ended is posted to loop once, when every message has ended and is counted. NULL: a script that
 * does not load, a destination whose settings are wrong. */
struct gw_replay *gw_replay_start(const struct gw_replay_conf *conf, struct gw_log *log,
                                  struct gw_metrics *metrics, struct gw_loop *loop,
                                  struct gw_mail *ended, struct gw_err *err);
void gw_replay_counts(struct gw_replay *r, struct gw_replay_counts *out); /* any thread */
/* Ends it early: what is in flight gets until deadline_ms, the rest is left as it was. */
void gw_replay_stop(struct gw_replay *r, int64_t deadline_ms);
void gw_replay_join(struct gw_replay *r); /* after ended */

#endif
