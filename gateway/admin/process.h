#ifndef GW_ADMIN_PROCESS_H
#define GW_ADMIN_PROCESS_H

struct gw_metrics;

/* Sets build_info, and the process_* gauges at every scrape. */
void gw_process_metrics(struct gw_metrics *m);

#endif
