#ifndef GW_HOOK_LOOKUPS_H
#define GW_HOOK_LOOKUPS_H

#include <stddef.h>

struct gw_err;
struct gw_strs;
struct gw_table;

/* The files that a pipeline's scripts look things up in (moongate.lookup): each is read once for
 * all workers, and again when it has changed. Any thread.
 *
 * Invariants
 *  L1 A file is read only if `files` (hook_limits.files) names it, wherever links in its path lead,
 *     and only if it is a regular one.
 *  L2 Who holds a table goes on with it; a new version is read aside and takes its place whole. One
 *     that cannot be read leaves the old one there, and the log says why, once. What is not the
 *     file's own fault (no descriptors are left) is tried again at each refresh. */
enum { GW_LOOKUPS_MAX = 100, GW_LOOKUP_FILE_MAX = 64 << 20, GW_LOOKUPS_BYTES = 256 << 20 };

struct gw_lookups;
struct gw_lookup;

struct gw_lookups *gw_lookups_new(const char *pipeline);
void gw_lookups_free(struct gw_lookups *all); /* NULL is fine */

struct gw_lookup_conf {
    const char *path, *column; /* column of the keys; NULL: none */
    const struct gw_strs *files;
    size_t max_file; /* of one that is not there yet */
    int renew;       /* one that is there is looked at again */
};
/* Until gw_lookup_close. NULL: err says FILE:LINE: why. */
struct gw_lookup *gw_lookups_open(struct gw_lookups *all, const struct gw_lookup_conf *conf,
                                  struct gw_err *err);
void gw_lookup_close(struct gw_lookup *l);
struct gw_table *gw_lookup_table(struct gw_lookup *l); /* held, as it is now */
const char *gw_lookup_path(const struct gw_lookup *l);

void gw_lookups_each(struct gw_lookups *all, void (*fn)(void *ctx, const char *path), void *ctx);
/* Reads again what has changed: takes its time. How many files were read anew or failed to be. */
size_t gw_lookups_refresh(struct gw_lookups *all);
/* Something that has changed could not be read, which may pass: refresh in a while. */
int gw_lookups_wait(struct gw_lookups *all);

/* lookup_file.c: L1. */
int gw_lookup_file_allowed(const char *path, const struct gw_strs *files, struct gw_err *err);
/* 0: *text is malloc'ed, with a NUL behind it, st says which file it was (zeroed
 * if none was found). GW_ERR_RETRY: it is not the file's fault. */
struct gw_str;
struct stat;
int gw_lookup_file_read(const char *path, const struct gw_strs *files, size_t max,
                        struct gw_str *text, struct stat *st, struct gw_err *err);
int gw_lookup_file_stat(const char *path, const struct gw_strs *files, struct stat *st,
                        struct gw_err *err);

#endif
