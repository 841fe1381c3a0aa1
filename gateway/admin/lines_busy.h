#ifndef GW_ADMIN_LINES_BUSY_H
#define GW_ADMIN_LINES_BUSY_H

/* Between the files of lines: n more (or fewer) need the log. */
void gw_lines_count_busy(int n);

#endif
