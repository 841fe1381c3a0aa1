#ifndef GW_ADMIN_QUERY_H
#define GW_ADMIN_QUERY_H

#include "base/str.h"

#include <stdint.h>

struct gw_arena;
struct gw_err;

/* The pieces of a request's target. Texts are percent-decoded, on mem, with a NUL behind. */

/* Absent: a % without two hex digits, a NUL, or bytes that are no UTF-8. plus: + is a blank. */
struct gw_str gw_percent_decode(struct gw_arena *mem, struct gw_str s, int plus);

struct gw_param {
    const char *name;  /* a table of them ends with NULL */
    const char *value; /* NULL: not given */
};
/* Fills the values of `a=b&c=d`. A name that is not in the table, one that comes twice, or text
 * that cannot be decoded: -1, GW_ERR_REJECT. */
int gw_params_read(struct gw_arena *mem, struct gw_str query, struct gw_param *params,
                   struct gw_err *err);
/* Of a value that may be NULL, which is 0. "true", "1", "" are 1; "false", "0" are 0. */
int gw_param_flag(const struct gw_param *p, int *out, struct gw_err *err);
/* RFC 3339 or seconds since 1970; not given: 0. */
int gw_param_time(const struct gw_param *p, int64_t *out_ns, struct gw_err *err);

#endif
