#ifndef GW_BASE_GZIP_H
#define GW_BASE_GZIP_H

#include "base/str.h"

#include <stddef.h>

struct gw_arena;
struct gw_err;

/* One or more gzip members, whole, onto mem. More than max bytes: GW_ERR_TOO_LARGE, and no more
 * than that is ever inflated. */
int gw_gunzip(struct gw_arena *mem, struct gw_str in, size_t max, struct gw_str *out,
              struct gw_err *err);

#endif
