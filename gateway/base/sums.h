#ifndef GW_BASE_SUMS_H
#define GW_BASE_SUMS_H

#include "base/str.h"

struct gw_buf;

/* Counters whose names and labels are made at run time (those of scripts), beside the fixed list of
 * base/metrics.h. A sum may have fractions; counts are exact up to 2^53. Any thread: a lock to make
 * one, to take one away and to write them all, none to count. */
struct gw_sums;
struct gw_sum;

struct gw_sums *gw_sums_new(void);
void gw_sums_free(struct gw_sums *s); /* none is left in it */
/* labels: as they stand between the braces (gw_sums_put_label); the caller never makes one twice. s
 * NULL: nobody is shown it. */
struct gw_sum *gw_sums_add(struct gw_sums *s, const char *name, struct gw_str labels);
void gw_sums_remove(struct gw_sums *s, struct gw_sum *sum); /* nobody counts on it any more */
void gw_sum_count(struct gw_sum *sum, double n);
double gw_sum_value(struct gw_sum *sum);
/* name="value", a comma before all but the first; whatever bytes a value has, the text stays
 * readable. */
void gw_sums_put_label(struct gw_buf *b, const char *name, struct gw_str value);
void gw_sums_put_value(struct gw_buf *b, struct gw_str value);
/* The text format 0.0.4, families by name. */
void gw_sums_write(struct gw_sums *s, struct gw_buf *out);

#endif
