#ifndef GW_BASE_FIELD_TEXT_H
#define GW_BASE_FIELD_TEXT_H

#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

struct gw_field;

/* Sizes and durations as people write them, for field tables alone. */

/* 4096, 64KiB, 10MB … ; -1: none. */
int gw_field_size_parse(struct gw_str text, int64_t *bytes);
/* 250ms, 30s, 1h30m, 0 … ; -1: none. */
int gw_field_duration_parse(struct gw_str text, int64_t *ms);
enum { GW_NUMBER_TEXT = 32 };
/* A bound in the largest unit that holds it whole: 1GiB, 24h, 7. Returns out. */
const char *gw_field_number(const struct gw_field *f, int64_t n, char out[GW_NUMBER_TEXT]);

#endif
