#ifndef GW_CMD_DEAD_H
#define GW_CMD_DEAD_H

#include "base/str.h"

/* How dead letters are shown to people, on standard output. */
struct gw_dead_table;
struct gw_dead_table *gw_dead_table_new(void);
void gw_dead_table_add(struct gw_dead_table *t, struct gw_str line); /* of /api/dead */
void gw_dead_table_end(struct gw_dead_table *t);                     /* prints the rest; frees it */
void gw_dead_show(struct gw_str line); /* of /api/dead/{pipeline}/{number} */

#endif
