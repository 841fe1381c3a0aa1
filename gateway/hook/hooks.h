#ifndef GW_HOOK_HOOKS_H
#define GW_HOOK_HOOKS_H

#include <stddef.h>
#include <stdint.h>

struct gw_hooks;

/* Inside the room: counts one call of script `index` of the pipeline, begun at gw_hooks_clock. */
int64_t gw_hooks_clock(const struct gw_hooks *h); /* ns; 0 without metrics */
void gw_hooks_measure(struct gw_hooks *h, size_t index, int64_t begin, int is_failure);

#endif
