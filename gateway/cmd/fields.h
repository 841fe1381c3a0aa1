#ifndef GW_CMD_FIELDS_H
#define GW_CMD_FIELDS_H

#include "base/str.h"

#include <stdint.h>

struct gw_arena;
struct gw_buf;

/* A line of the admin API: a JSON object. */

/* A member: a string's text, else the JSON as it stands. p NULL: absent, null, or no object. */
struct gw_str gw_line_get(struct gw_arena *mem, struct gw_str line, const char *name);
uint64_t gw_line_number(struct gw_arena *mem, struct gw_str line, const char *name); /* or 0 */
int gw_line_flag(struct gw_arena *mem, struct gw_str line, const char *name);
/* JSON over several lines, indented by depth. */
void gw_json_put_pretty(struct gw_buf *out, struct gw_str json, int depth);

#endif
