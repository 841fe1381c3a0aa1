#ifndef GW_CMD_PATHS_H
#define GW_CMD_PATHS_H

#include <stddef.h>
#include <stdint.h>

struct gw_arena;

/* Where to look so that a change of some files is seen, whichever way it is made: written in place,
 * renamed over, deleted and made anew, or by another target of a symbolic link on the way, as
 * Kubernetes swaps `..data`. Made on any thread, not changed afterwards. */
struct gw_spot { /* an entry of a folder */
    const char *folder, *name;
};
struct gw_paths {
    struct gw_arena *mem;
    const char **asked; /* as they were added */
    struct gw_spot *spots;
    const char **files; /* regular files at their ends, without links on the way */
    size_t n_asked, n_spots, n_files, cap_asked, cap_spots, cap_files;
    int is_remote; /* some are on a file system that does not tell of changes by others */
};

struct gw_paths *gw_paths_new(void);
void gw_paths_free(struct gw_paths *p); /* NULL is fine */
void gw_paths_add(struct gw_paths *p, const char *path);
/* Sorted, each once: after the last one is added. */
void gw_paths_sort(struct gw_paths *p);
int gw_paths_same(const struct gw_paths *a, const struct gw_paths *b);
/* Of the identities of what stands there now: another one says that something has changed. */
uint64_t gw_paths_print(const struct gw_paths *p);

#endif
