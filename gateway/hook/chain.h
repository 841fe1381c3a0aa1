#ifndef GW_HOOK_CHAIN_H
#define GW_HOOK_CHAIN_H

struct gw_hook_run;

/* Runs the rules and the scripts in order on the call's event; each event that one gives goes
 * through the next. Sets the verdict and what belongs to it. */
void gw_chain_run(struct gw_hook_run *r);

#endif
