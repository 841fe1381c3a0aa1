#ifndef GW_CMD_PROGRESS_H
#define GW_CMD_PROGRESS_H

#include <stdint.h>

/* A bar on standard error, drawn over itself: on a terminal only. */
struct gw_progress {
    int on, shown;
};
void gw_progress_init(struct gw_progress *p);
/* part of whole is done (whole 0: not known yet); text stands behind the bar. */
void gw_progress_show(struct gw_progress *p, uint64_t part, uint64_t whole, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Leaves the last one and its line. */
void gw_progress_end(struct gw_progress *p);

#endif
