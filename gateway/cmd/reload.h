#ifndef GW_CMD_RELOAD_H
#define GW_CMD_RELOAD_H

#include "admin/admin.h"
#include "net/mailbox.h"

#include <pthread.h>
#include <stdatomic.h>

struct gw_config;
struct gw_generation;
struct gw_loop;
struct gw_roster;

/* Reads the configuration again and makes the pipelines what it says, one by one. On the control
 * loop's thread; what takes time is done on a thread aside, one at a time.
 *
 * Invariants
 *  G3 A main file with a problem, also in a script, changes nothing; an included one with a problem
 *     changes nothing of the pipelines that run from it.
 *  G4 A pipeline that means the same, and whose scripts have not changed, goes on untouched.
 *  G5 Wishes that come while one is carried out are carried out once, after it. */
struct gw_reloader {
    struct gw_roster *roster;
    struct gw_loop *loop;
    const char *path;              /* NULL: the built-in defaults */
    const struct gw_config *first; /* what was read at the start: what its listeners run with */
    /* what the wishes are for, and those for the next time */
    struct gw_reload *wishes, *later;
    int again; /* a next time is wanted */
    enum { GW_RELOAD_IDLE, GW_RELOAD_LOADING, GW_RELOAD_STEPPING } state;
    pthread_t thread;
    int aside;                   /* thread is there */
    struct gw_mail done;         /* from it */
    struct gw_reload_load *load; /* while loading */
    struct gw_reload_step *step; /* while a pipeline stops or starts */
    struct gw_reload result;
    atomic_int stopping;
    void (*stopped)(void *ctx); /* NULL: not asked for, or told */
    void *ctx;
};

void gw_reloader_init(struct gw_reloader *r, struct gw_roster *roster, struct gw_loop *loop,
                      const char *path);
/* wish NULL: nobody waits for it. */
void gw_reload_want(struct gw_reloader *r, struct gw_reload *wish);
/* Nothing is begun any more. stopped is called, once and maybe at once, when no pipeline is being
 * stopped or started by a reload. */
void gw_reloader_stop(struct gw_reloader *r, void (*stopped)(void *ctx), void *ctx);
/* After the stop: waits for a load that is under way. */
void gw_reloader_fini(struct gw_reloader *r);

#endif
