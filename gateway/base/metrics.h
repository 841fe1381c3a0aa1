#ifndef GW_BASE_METRICS_H
#define GW_BASE_METRICS_H

#include "base/str.h"

#include <stdatomic.h>
#include <stdint.h>

struct gw_buf;
struct gw_sums;

/* Prometheus metrics. A family is listed once, in GW_METRICS (metrics_list.h); a series of it is
 * made on first use and lives as long as the registry, so its pointer may be kept and written from
 * any thread without a lock. */
struct gw_metrics; /* the registry; any thread */

struct gw_counter { /* counters and gauges */
    _Atomic int64_t value;
};

enum { GW_HISTOGRAM_BOUNDS = 22 };
struct gw_histogram {
    _Atomic uint64_t bucket[GW_HISTOGRAM_BOUNDS + 1]; /* not cumulative; the last is +Inf */
    _Atomic uint64_t sum_ns;
};

#include "base/metrics_list.h" /* enum gw_metric: GW_M_EVENTS_RECEIVED, … */

struct gw_metrics *gw_metrics_new(void);
void gw_metrics_free(struct gw_metrics *m);
/* Label values in the order of the family's label names; NULL for labels it does not have. Asking
 * again gives the same series. Values are copied. */
struct gw_counter *gw_metrics_counter(struct gw_metrics *m, enum gw_metric family, const char *v1,
                                      const char *v2);
struct gw_histogram *gw_metrics_histogram(struct gw_metrics *m, enum gw_metric family,
                                          const char *v1, const char *v2);
/* The counters that are made at run time: written behind the list's. */
struct gw_sums *gw_metrics_sums(struct gw_metrics *m);
int gw_metrics_has(struct gw_str name); /* the list has a family of this name */
/* Called before each scrape, on the scraper's thread: sets gauges that are cheaper to ask for. */
void gw_metrics_on_scrape(struct gw_metrics *m, void (*fn)(void *ctx), void *ctx);
/* The text format 0.0.4, families in the order of the list, help and type lines included. */
void gw_metrics_write(struct gw_metrics *m, struct gw_buf *out);

static inline void gw_count(struct gw_counter *c, int64_t n)
{
    atomic_fetch_add_explicit(&c->value, n, memory_order_relaxed);
}

static inline void gw_gauge_set(struct gw_counter *c, int64_t v)
{
    atomic_store_explicit(&c->value, v, memory_order_relaxed);
}

/* The value of a gauge whose thing is gone: its series is left out until it is set again. */
static const int64_t gw_gauge_absent = INT64_MIN;

void gw_histogram_add(struct gw_histogram *h, int64_t ns);

#endif
