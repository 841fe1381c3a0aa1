#ifndef GW_CMD_STEPS_H
#define GW_CMD_STEPS_H

struct gw_mail;
struct gw_member;
struct gw_metrics;
struct gw_reloader;

/* Inside of a reload, on the control loop's thread. */

/* Takes the step that the member has in store: first its scripts are tried, then they are swapped
 * in, or the pipeline stops and starts. Ends with gw_reload_stepped. */
void gw_reload_step(struct gw_reloader *r, struct gw_member *m);
void gw_steps_count(struct gw_metrics *m); /* shown from the start, as 0 */

/* reload.c: run on a thread aside, which ends by posting r->done; then, here, `then`. */
void gw_reload_aside(struct gw_reloader *r, void *(*run)(void *), void (*then)(struct gw_mail *));
void gw_reload_join(struct gw_reloader *r);
void gw_reload_stepped(struct gw_reloader *r);
/* The files that this look is for are being saved again: what was read may be half a save, and
 * there will be another look. */
int gw_reload_stirs(struct gw_reloader *r);

#endif
