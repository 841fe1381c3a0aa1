#ifndef GW_NET_DOCUMENT_H
#define GW_NET_DOCUMENT_H

#include "net/fetch.h"

struct gw_err;
struct gw_loop;

/* A document at a URL that several wait for: asked for once, told to all. Of one thread.
 *
 * Invariants: 1. a waiter is told once, never inside wait, and not after it left; 2. a document
 * that nobody waits for any more still arrives. */
enum {
    GW_DOCUMENT_MS = 5000,      /* of a whole request */
    GW_DOCUMENT_BYTES = 65536,  /* of a document */
    GW_DOCUMENT_WAITERS = 1000, /* for one */
    GW_DOCUMENT_WHY = 200
};

struct gw_waiter {
    /* err NULL: it is there. */
    void (*done)(struct gw_waiter *w, const struct gw_err *err);
    int told; /* once at least */
    struct gw_waiter *next, **at;
    struct gw_document *of; /* NULL: it does not wait */
};

struct gw_document {
    struct gw_fetch fetch;
    /* What has come, whole, before anybody is told; text ends with the call. -1: err is what they
     * are told. */
    int (*take)(struct gw_document *d, struct gw_str text, struct gw_err *err);
    /* It is not to be had; may be NULL. */
    void (*failed)(struct gw_document *d, const struct gw_err *err);
    struct gw_waiter *first, **last;
    size_t n_waiting;
};

struct gw_fetcher *gw_document_fetcher(struct gw_loop *loop);
void gw_document_init(struct gw_document *d, struct gw_fetcher *f);
void gw_document_fini(struct gw_document *d); /* nobody waits; nothing is called */
/* Does nothing while it is being fetched. url lives until then. */
void gw_document_start(struct gw_document *d, const char *url);
/* For one that is being fetched. -1: GW_ERR_FULL, too many wait. */
int gw_document_wait(struct gw_document *d, struct gw_waiter *w, struct gw_err *err);
void gw_waiter_leave(struct gw_waiter *w); /* at any time */

#endif
