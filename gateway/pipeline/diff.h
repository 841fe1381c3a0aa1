#ifndef GW_PIPELINE_DIFF_H
#define GW_PIPELINE_DIFF_H

#include "pipeline/pipeline.h"

struct gw_buf;
struct gw_diff;
struct gw_err;
struct gw_event;
struct gw_record;

/* What records would become under one pipeline configuration and under another: both hook chains
 * run, nothing is sent. What differs is kept in a temporary file (gw_tmp_open of folder). The
 * caller's thread. before NULL: for gw_diff_open_against alone. */
struct gw_diff *gw_diff_open(const struct gw_pipeline_conf *before,
                             const struct gw_pipeline_conf *after, const char *folder,
                             struct gw_err *err);
/* Runs both on one record (a hook that waits is waited for). -1: the difference cannot be kept. */
int gw_diff_record(struct gw_diff *d, const struct gw_record *rec, struct gw_err *err);

/* The same against what somebody else has published of the same reports, FlyteAdmin for one:
 * *there* are its events, *here* is what records become under after. A record counts once: same,
 * changed, only_here, filtered_here, failing_here, repeated_here (its report was compared before)
 * or neither (nothing of it is published on either side); an event without a record is only_there
 * or repeated_there. Times are equal by the moment, data that is JSON by what it says; a request
 * counts as JSON beside JSON. */
struct gw_diff *gw_diff_open_against(const struct gw_pipeline_conf *after, uint64_t n_there,
                                     const char *folder, struct gw_err *err);
/* there: the event that reports what rec does; NULL: there is none. */
int gw_diff_against(struct gw_diff *d, const struct gw_record *rec, const struct gw_event *there,
                    struct gw_err *err);
void gw_diff_repeated_here(struct gw_diff *d);
/* An event that no record reports; line: where it stands. */
int gw_diff_only_there(struct gw_diff *d, const struct gw_event *there, uint64_t line,
                       struct gw_err *err);
void gw_diff_repeated_there(struct gw_diff *d);

/* Counts first, then each event that differs, attribute by attribute. json: an object a line. A
 * record counts once: same, changed, newly_filtered, no_longer_filtered, newly_failing or
 * no_longer_failing; a change of what its hooks' failure makes of it is one too. Events of a record
 * are compared by id, those left over by place. moongate.now says the same to both. put gives 0, or
 * -1 to end it. */
int gw_diff_report(struct gw_diff *d, int json, int (*put)(void *ctx, struct gw_str text),
                   void *ctx, struct gw_err *err);
void gw_diff_close(struct gw_diff *d);

#endif
