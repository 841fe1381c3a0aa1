#ifndef GW_BASE_WEAK_H
#define GW_BASE_WEAK_H

#include "base/str.h"

struct gw_arena;
struct gw_yaml;

/* Values as FlyteAdmin reads them, for the fields that are `weak`. First its YAML says what a plain
 * scalar is (010 is 8, 1_000 is 1000, 2026-01-01 is a date), then the decoder makes of that what
 * the field wants. -1: FlyteAdmin refuses the value. */
int gw_weak_bool(const struct gw_yaml *y, int *out);
int gw_weak_int(const struct gw_yaml *y, long long *out);
/* On mem, with a NUL behind it; null is "". */
int gw_weak_text(const struct gw_yaml *y, struct gw_arena *mem, struct gw_str *out);
/* 1: a scalar that is no number, boolean, date or null. */
int gw_weak_is_text(const struct gw_yaml *y);
/* 1: a plain date, which no field takes. */
int gw_weak_is_date(const struct gw_yaml *y);

#endif
