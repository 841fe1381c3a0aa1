#ifndef GW_CMD_LINEDIFF_H
#define GW_CMD_LINEDIFF_H

#include "base/str.h"

struct gw_arena;

/* Two texts, line by line: each line with what became of it, in order; unchanged ones that are far
 * from a change are left out and told as one line '@', whose text says how many. */
void gw_linediff(struct gw_arena *mem, struct gw_str before, struct gw_str after,
                 void (*line)(void *ctx, char mark, struct gw_str text), /* ' ' '-' '+' '@' */
                 void *ctx);

#endif
