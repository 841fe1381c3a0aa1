#ifndef GW_CMD_RELOAD_H
#define GW_CMD_RELOAD_H

#include "admin/admin.h"
#include "base/problems.h"
#include "net/loop.h"
#include "net/mailbox.h"

#include <pthread.h>
#include <stdatomic.h>

struct gw_config;
struct gw_generation;
struct gw_ingest;
struct gw_own;
struct gw_paths;
struct gw_roster;
struct gw_watcher;

/* Makes the pipelines what the configuration and their files say, one by one: when somebody wishes
 * that everything is read again, and when a watched file has changed. On the control loop's thread;
 * what takes time is done on a thread aside, one at a time.
 *
 * Invariants
 *  G3 A main file with a problem changes nothing; an included one with a problem changes nothing of
 *     the pipelines that run from it. A script with one, or whose specs fail, keeps its own
 * pipeline as it was, configuration and scripts, and no other. G4 A pipeline that means the same,
 * and whose files have not changed, goes on untouched. One of which only scripts have changed does
 * not stop: they are swapped in. G5 Wishes that come while one is carried out are carried out once,
 * after it. G7 Whatever is saved, a pipeline's scripts are one snapshot: all of them, or none, are
 * new. */
struct gw_reloader {
    struct gw_roster *roster;
    struct gw_loop *loop;
    const char *path;              /* NULL: the built-in defaults */
    const struct gw_config *first; /* what was read at the start: what its listeners run with */
    struct gw_generation *sources; /* held: what the sources of ingest run with; NULL: first */
    /* what the wishes are for, and those for the next time */
    struct gw_reload *wishes, *later;
    int again, look; /* a next time is wanted: of everything, of the files that have changed */
    enum { GW_RELOAD_IDLE, GW_RELOAD_LOADING, GW_RELOAD_STEPPING, GW_RELOAD_LISTING } state;
    pthread_t thread;
    int aside;                   /* thread is there */
    struct gw_mail done;         /* from it */
    struct gw_reload_load *load; /* from the beginning to the end */
    struct gw_reload_step *step; /* while a pipeline is changed */
    struct gw_reload result;
    struct gw_watcher *watcher; /* of all files that count; NULL: they are not watched */
    struct gw_ingest *ingest;   /* whose files are watched too; with watcher */
    struct gw_own *own;         /* the same */
    struct gw_timer look_again; /* a look without a change of a file */
    struct gw_paths *paths;     /* while they are listed */
    int stirred;                /* looks in a row that gave way to another */
    struct gw_mail grown;       /* a script has asked for one more */
    atomic_int is_grown;        /* grown is under way */
    struct gw_problems refused; /* scripts that are not taken; with its arena while there is load */
    atomic_int stopping;
    void (*stopped)(void *ctx); /* NULL: not asked for, or told */
    void *ctx;
};

void gw_reloader_init(struct gw_reloader *r, struct gw_roster *roster, struct gw_loop *loop,
                      const char *path);
/* wish NULL: nobody waits for it. */
void gw_reload_want(struct gw_reloader *r, struct gw_reload *wish);
/* From now on a file that changes is taken by itself: when the pipelines have started, and the
 * ingest, which may go after gw_reloader_fini. */
void gw_reloader_watch(struct gw_reloader *r, struct gw_ingest *ingest);
/* A script has asked for a file that it did not need before. Any thread. */
void gw_reloader_grown(struct gw_reloader *r);
/* Nothing is begun any more. stopped is called, once and maybe at once, when no pipeline is being
 * stopped or started by a reload. */
void gw_reloader_stop(struct gw_reloader *r, void (*stopped)(void *ctx), void *ctx);
/* After the stop: waits for a load that is under way. */
void gw_reloader_fini(struct gw_reloader *r);
/* The ingest is gone, and borrows no more. */
void gw_reloader_let_go(struct gw_reloader *r);

#endif
