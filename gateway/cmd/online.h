#ifndef GW_CMD_ONLINE_H
#define GW_CMD_ONLINE_H

#include <stdint.h>

struct gw_config;
struct gw_problems;

/* Asks the destination of each enabled pipeline, each upstream and each source, some at a time: a
 * problem for each, in the configuration's order: a note if all is well. Nothing is published,
 * taken or made. c has no errors. */
enum { GW_ONLINE_MS = 15000, GW_ONLINE_AT_ONCE = 16 };
void gw_check_online(const struct gw_config *c, int64_t deadline_ms, struct gw_problems *p);

#endif
