#ifndef GW_PIPELINE_DELAY_H
#define GW_PIPELINE_DELAY_H

#include <stdint.h>

struct gw_pipeline_conf;

/* Before try number `tries` + 1: doubles from initial to max, and by chance up to half as much
 * again, never outside of the two. random is the caller's state, not 0. */
int64_t gw_delay_ms(const struct gw_pipeline_conf *conf, uint32_t tries, uint32_t *random);

#endif
