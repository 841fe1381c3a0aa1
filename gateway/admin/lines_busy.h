#ifndef GW_ADMIN_LINES_BUSY_H
#define GW_ADMIN_LINES_BUSY_H

struct gw_lines;

/* Between the files of lines: n more (or fewer) need the log. */
void gw_lines_count_busy(int n);
/* Tells the caller, then frees it. */
void gw_lines_free(struct gw_lines *l);

#endif
