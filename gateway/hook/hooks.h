#ifndef GW_HOOK_HOOKS_H
#define GW_HOOK_HOOKS_H

#include <stddef.h>
#include <stdint.h>

struct gw_flyte_asker;
struct gw_flyte_client;
struct gw_hook_http;
struct gw_hook_outside;
struct gw_hook_run;
struct gw_hooks;
struct gw_loop;
struct gw_waits;

/* Inside the room: counts one call of script `index` of the pipeline, begun at gw_hooks_clock. */
int64_t gw_hooks_clock(const struct gw_hooks *h); /* ns; 0 without metrics */
/* Gives the time it ended, at which the next one begins; 0: it was not looked at. */
int64_t gw_hooks_measure(struct gw_hooks *h, size_t index, int64_t begin, int is_failure);
struct gw_loop *gw_hooks_loop(const struct gw_hooks *h); /* NULL: nothing can wait */
struct gw_waits *gw_hooks_waits(struct gw_hooks *h);
struct gw_hook_http *gw_hooks_http(struct gw_hooks *h); /* made when the first script asks */
struct gw_flyte_client *gw_hooks_flyte_client(struct gw_hooks *h); /* NULL: there is none */
struct gw_flyte_asker *gw_hooks_flyte(struct gw_hooks *h);         /* its asker, made likewise */
const struct gw_hook_outside *gw_hooks_outside(const struct gw_hooks *h); /* NULL: the network */
void gw_hooks_set_timer(struct gw_hooks *h);                              /* a run waits */
void gw_hooks_go_on(struct gw_hook_run *r);                               /* its answer is there */

#endif
