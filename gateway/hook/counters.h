#ifndef GW_HOOK_COUNTERS_H
#define GW_HOOK_COUNTERS_H

#include "base/str.h"

#include <stddef.h>

struct gw_metrics;
struct gw_sum;

/* The counters that a pipeline's scripts make (moongate.counter), any thread. Bounded: past so many
 * names the next ones are all counted as `other`, past so many series the next ones of a counter as
 * the one whose labels are all `other`. A line in the log tells of the first of each. */
enum { GW_COUNTER_NAMES = 100, GW_COUNTER_SERIES = 1000, GW_COUNTER_LABELS = 8 };

struct gw_counters;

struct gw_label {
    struct gw_str name, value; /* value: UTF-8 without control characters */
};

/* metrics: where they are shown; NULL: nowhere. */
struct gw_counters *gw_counters_new(const char *pipeline, struct gw_metrics *metrics);
void gw_counters_free(struct gw_counters *c);
/* Labels sorted by name, at most GW_COUNTER_LABELS. The same again when asked again, as long as c
 * lives. */
struct gw_sum *gw_counters_get(struct gw_counters *c, struct gw_str name,
                               const struct gw_label *labels, size_t n);
/* Each in the order it was made; labels: as on /metrics, between the braces. */
typedef void gw_counter_fn(void *ctx, const char *metric, struct gw_str labels, double value);
void gw_counters_each(struct gw_counters *c, gw_counter_fn *fn, void *ctx);

#endif
