#ifndef GW_HOOK_SHARED_H
#define GW_HOOK_SHARED_H

#include <stddef.h>

struct gw_caches;
struct gw_counters;
struct gw_lograte;
struct gw_lookups;
struct gw_metrics;

/* What the hooks of one pipeline share: its counters, caches and lookups. The roster makes one by
 * the pipeline's name, so it is kept over a reload of the scripts and over a restart of the
 * pipeline, and goes with the pipeline. Any thread; what is in it are flat bytes, no Lua objects.
 *
 * Invariants
 *  S1 It goes with its last holder. Whoever opens hooks with it holds it until they are closed. */
struct gw_hook_shared;

/* metrics: where its counters are shown; NULL: nowhere. Outlives it. */
struct gw_hook_shared *gw_hook_shared_new(const char *pipeline, struct gw_metrics *metrics);
struct gw_hook_shared *gw_hook_shared_hold(struct gw_hook_shared *s);
void gw_hook_shared_drop(struct gw_hook_shared *s); /* NULL is fine */
/* For a replay: the same caches and lookups, but counters of its own that nobody sees. */
struct gw_hook_shared *gw_hook_shared_aside(struct gw_hook_shared *s);

struct gw_counters *gw_hook_shared_counters(struct gw_hook_shared *s); /* hook/counters.h */
struct gw_lograte *gw_hook_shared_lograte(struct gw_hook_shared *s);   /* hook/lograte.h */
struct gw_caches *gw_hook_shared_caches(struct gw_hook_shared *s);     /* hook/caches.h */
struct gw_lookups *gw_hook_shared_lookups(struct gw_hook_shared *s);   /* hook/lookups.h */
/* The files that scripts look things up in now, as the scripts name them; fn may not ask s for
 * anything. */
void gw_hook_shared_files(struct gw_hook_shared *s, void (*fn)(void *ctx, const char *path),
                          void *ctx);
/* Reads those again that have changed, and takes its time for it: on a thread that nobody waits
 * for. What cannot be read is told in the log and stays as it was. How many have changed. */
size_t gw_hook_shared_refresh(struct gw_hook_shared *s);
/* One could not be read for a reason that may pass: refresh in a while, no file changes for it. */
int gw_hook_shared_waits(struct gw_hook_shared *s);

#endif
