#ifndef GW_HOOK_SOURCES_H
#define GW_HOOK_SOURCES_H

#include "base/str.h"

struct gw_err;
struct gw_pbset;

/* A snapshot of the text of a pipeline's scripts and of what they load: a file is read when it is
 * first asked for, and from then on it is what it was, for every worker and every state that loads
 * from here, whatever is saved on the disk meanwhile. Any thread.
 *
 * Invariants
 *  F1 One path gives one answer for the snapshot's life, also that there is no such file.
 *  F2 It is bounded: in the size of a file, in all, and in the number of files. */
struct gw_sources;

/* Held once. */
struct gw_sources *gw_sources_new(void);
struct gw_sources *gw_sources_hold(struct gw_sources *s); /* NULL is fine */
void gw_sources_drop(struct gw_sources *s);               /* NULL is fine */

/* 1: *text is the file's, borrowed for as long as the snapshot is held; 0: there is no such file;
 * -1: it cannot be read, or a bound is met: err says why, without the path. */
int gw_sources_file(struct gw_sources *s, const char *path, struct gw_str *text,
                    struct gw_err *err);
/* The file as a descriptor set, parsed once and shared by who loads it; held by the snapshot. NULL:
 * err says why, without the path. */
const struct gw_pbset *gw_sources_pbset(struct gw_sources *s, const char *path, struct gw_err *err);
/* A file that was asked for is now another on the disk, has come or has gone. When this is 0 just
 * after everything was read, what was read stood on the disk at one moment. */
int gw_sources_changed(struct gw_sources *s);
/* By the last look, or since: a file could not be read for a reason that may pass (no descriptors
 * are left), so look again in a while. Whether it has changed is not known. */
int gw_sources_waits(struct gw_sources *s);
/* Reads what the pipeline's running version has needed, late too, so that the newer one finds it as
 * it was at the same moment. */
void gw_sources_carry(struct gw_sources *to, struct gw_sources *from);
/* fn is called whenever a path is asked for that was not before, on any thread; it may not ask s
 * for anything. */
void gw_sources_on_new(struct gw_sources *s, void (*fn)(void *ctx), void *ctx);
/* The scripts read something else that is new, as a lookup: on_new is called for it too. */
void gw_sources_more(struct gw_sources *s);
/* Each path that was asked for, those without a file too. fn may not ask s for anything. */
void gw_sources_each(struct gw_sources *s, void (*fn)(void *ctx, const char *path), void *ctx);

#endif
