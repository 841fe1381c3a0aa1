#ifndef GW_HOOK_CHAIN_H
#define GW_HOOK_CHAIN_H

struct gw_hook_run;

/* Runs the rules and the scripts in order on the call's event; each event that one gives goes
 * through the next. 1: the verdict and what belongs to it are set; 0: a script waits, the run knows
 * where it stands. */
int gw_chain_run(struct gw_hook_run *r);
int gw_chain_go_on(struct gw_hook_run *r);   /* what it waited for is there */
void gw_chain_expire(struct gw_hook_run *r); /* its time is over while it waits: failed */

#endif
