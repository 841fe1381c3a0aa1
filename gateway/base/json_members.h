#ifndef GW_BASE_JSON_MEMBERS_H
#define GW_BASE_JSON_MEMBERS_H

#include "base/str.h"

struct gw_arena;
struct gw_err;

/* An object of a protocol, read by the names that it may have: what security rests on must mean one
 * thing only, so a name that stands twice is refused. */
struct gw_json_member {
    const char *name;
    struct gw_str raw; /* its value as it stands there; p NULL: absent */
};

/* Fills the raws of n members. others: how many names stand there besides; NULL: any may. -1:
 * GW_ERR_REJECT, it is no JSON object, or has one of the names twice. */
int gw_json_members(struct gw_str text, struct gw_json_member *m, size_t n, size_t *others,
                    struct gw_err *err);
/* The value as text, on mem; absent and null give p NULL. -1: it is no string of UTF-8. */
int gw_json_member_text(struct gw_arena *mem, const struct gw_json_member *m, struct gw_str *out,
                        struct gw_err *err);

#endif
