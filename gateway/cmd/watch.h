#ifndef GW_CMD_WATCH_H
#define GW_CMD_WATCH_H

#include <stdint.h>

struct gw_loop;
struct gw_paths;
struct gw_watcher;

/* Tells when files may have changed: inotify, and a look at them every few seconds where that
 * cannot be had. One call for what comes together: when nothing has happened for a moment and no
 * file is still being written, so that half of a save is not told. On a loop's thread; while
 * nothing happens it does not wake up. */
struct gw_watcher_times {
    int64_t quiet_ms;   /* nothing has happened for so long */
    int64_t most_ms;    /* something happens all the time */
    int64_t writing_ms; /* somebody holds a file open that he has written to */
    int64_t look_ms;    /* where there is no inotify */
};
extern const struct gw_watcher_times gw_watcher_times; /* 200 ms, 2 s, 10 s, 3 s */

struct gw_watcher *gw_watcher_new(struct gw_loop *loop, const struct gw_watcher_times *times,
                                  void (*changed)(void *ctx), void *ctx);
/* NULL is fine. */
void gw_watcher_free(struct gw_watcher *w);
/* Something has happened since the last call of changed, and will be told. */
int gw_watcher_stirs(struct gw_watcher *w);
/* What to watch from now on; takes *paths, sorted. What is new may have changed before it was
 * watched, so that is told like a change. */
void gw_watcher_set(struct gw_watcher *w, struct gw_paths **paths);

/* What was seen at each look: a print of all files. 1: they are others than what was told, and the
 * same as at the look before, so nobody is writing any more. */
struct gw_watcher_looks {
    uint64_t before, told;
};
int gw_watcher_is_settled(struct gw_watcher_looks *l, uint64_t print);

/* For tests: inotify_init1 and inotify_add_watch may fail. */
extern int (*gw_watcher_inotify)(int flags);
extern int (*gw_watcher_add)(int fd, const char *path, uint32_t mask);

#endif
