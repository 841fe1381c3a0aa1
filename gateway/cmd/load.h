#ifndef GW_CMD_LOAD_H
#define GW_CMD_LOAD_H

struct gw_config;
struct gw_problems;

/* A configuration to be run, on p->mem; NULL: p says why it cannot be. */
struct gw_config *gw_load(const char *path, struct gw_problems *p);
/* Each as a log line; the place stands in the message, as `check` prints it. */
void gw_log_problems(const struct gw_problems *p);

#endif
