#ifndef GW_PIPELINE_DIFF_H
#define GW_PIPELINE_DIFF_H

#include "pipeline/pipeline.h"

struct gw_buf;
struct gw_diff;
struct gw_err;
struct gw_record;

/* What records would become under one pipeline configuration and under another: both hook chains
 * run, nothing is sent. The caller's thread. */
struct gw_diff *gw_diff_open(const struct gw_pipeline_conf *before,
                             const struct gw_pipeline_conf *after, struct gw_err *err);
/* Runs both on one record (a hook that waits is waited for). -1: the difference cannot be kept. */
int gw_diff_record(struct gw_diff *d, const struct gw_record *rec, struct gw_err *err);
/* Counts first, then each event that differs, attribute by attribute. json: an object a line. A
 * record counts once: same, changed, newly_filtered, no_longer_filtered, newly_failing or
 * no_longer_failing; a change of what its hooks' failure makes of it is one too. Events of a record
 * are compared by id, those left over by place. moongate.now says the same to both. put gives 0, or
 * -1 to end it. */
int gw_diff_report(struct gw_diff *d, int json, int (*put)(void *ctx, struct gw_str text),
                   void *ctx, struct gw_err *err);
void gw_diff_close(struct gw_diff *d);

#endif
