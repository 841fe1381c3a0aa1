#ifndef GW_CMD_LOAD_H
#define GW_CMD_LOAD_H

struct gw_config;
struct gw_problems;

/* Errors and warnings, each as a log line; the place stands in the message, as `check` prints it.
 */
void gw_log_problems(const struct gw_problems *p);
/* What FlyteAdmin's own sections became, in the words of `check`. */
void gw_log_sections(const struct gw_config *c);

#endif
