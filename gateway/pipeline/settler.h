#ifndef GW_PIPELINE_SETTLER_H
#define GW_PIPELINE_SETTLER_H

#include "log/log.h"

#include <stddef.h>

struct gw_item;
struct gw_loop;
struct gw_settle_batch;

/* Tells the log what has ended: one settle a turn, with all that ended in it, and fewer while the
 * log has many. One a worker. A dead letter's item is kept until the commit, since the letter's
 * bytes are in it. */
struct gw_settler {
    struct gw_log *log;
    struct gw_cursor *cursor;
    struct gw_loop *loop;
    void *ctx;
    /* On the worker's thread after each commit. items: those kept, a list by next; of each that the
     * log has no room for `refused` is set: its record is not settled. */
    void (*settled)(void *ctx, struct gw_item *items);
    struct gw_settle_batch *filling, *spare;
    size_t waiting; /* records that have ended and are not committed */
    size_t batches; /* under way */
};

void gw_settler_add(struct gw_settler *s, struct gw_position at, enum gw_end end);
/* it->dead says why; the settler has the item until `settled`. */
void gw_settler_add_dead(struct gw_settler *s, struct gw_item *it);
void gw_settler_send(struct gw_settler *s); /* or, when the log has many, after the next commit */
void gw_settler_fini(struct gw_settler *s); /* nothing may be under way */

#endif
