#ifndef GW_PIPELINE_WINDOW_H
#define GW_PIPELINE_WINDOW_H

#include "flyte/flyte.h"
#include "log/log.h"
#include "pipeline/keymap.h"

#include <stddef.h>
#include <stdint.h>

struct gw_event;
struct gw_out;

/* What one worker has read and not settled. One thread.
 *
 * Invariants
 *  W1 A record is in the window from its read until its last message has ended.
 *  W2 A record is settled exactly once, and only when every message of it is delivered, filtered or
 *     a dead letter.
 *  W3 Of one key, hooks start in the order of positions, and the next record's hooks start when the
 *     previous one's have returned.
 *  W4 Of one key, messages are handed to the publisher in order; while one is to be tried again,
 *     later ones of its key wait behind it. Other keys go on.
 *  W5 At most max_in_flight records above the settled prefix, and max_in_flight_bytes of arenas
 *     (one record alone is always let through).
 *  W6 A message sent again has the same bytes: hooks do not run twice for it.
 *  W7 keeps_order publishers: what was outstanding is sent again in the order of the first send.
 *  W8 At stop, what has no result stays unsettled in the log.
 *  W9 No worker of a pipeline reads max_in_flight or further past the lowest record of any of them
 *     that has not ended.
 *  W10 A dead letter for which the log has no room is offered until it has; its record is not
 *     settled, and the pipeline reads nothing meanwhile.
 *  W11 A stop that is given the time sends nothing that a start would send again: what the
 *     destination has is waited for, and a record that is delivered in part is ended.
 *
 * window.c keeps W1, W3 and W5, outbox.c W4, W6 and W7, settler.c and worker.c W2 and W8, reach.c
 * W9, refused.c W10, worker.c and ending.c W11.
 *
 * The state writer owns the cursor (log.h): the window says which records ended, the log moves the
 * position over the contiguous prefix. Revoked streams: their entries are dropped when their
 * results have come, without a settle. */
/* One record in flight. */
struct gw_item {
    struct gw_item *prev, *next; /* in the window */
    struct gw_item *behind;      /* the next of its key that waits for its hooks */
    struct gw_arena *mem;        /* everything of the record, messages included */
    size_t bytes;                /* of mem, as the window counted it */
    uint64_t number;             /* of its read, from 0 without gaps */
    struct gw_record rec;
    struct gw_flyte_request request;
    struct gw_flyte flyte;
    int is_flyte;
    struct gw_event *event; /* before the hooks, and as they changed it; NULL: it has none */
    int held;               /* its hooks have started and not returned, or are to start */
    unsigned calls;         /* how often its hooks were started */
    struct gw_item *due_prev, *due_next; /* the worker's: to be started, now or at due_ms */
    int64_t due_ms;
    int64_t first_fail_ms; /* monotonic; 0: nothing of it has failed */
    int partial;           /* some of its messages are delivered and some have not ended */
    struct gw_out *outs;
    size_t n_outs;
    size_t open; /* messages that have not ended */
    enum gw_end end;
    uint64_t letter;             /* of a replay: its number */
    const char *why;             /* it was filtered */
    struct gw_dead_letter *dead; /* on mem */
    int refused;                 /* by the log: there was no room for its dead letter */
    int stuck;                   /* the worker's: it was refused and is not kept yet */
};

struct gw_window {
    uint64_t max_records;
    size_t max_bytes;
    uint64_t next, first; /* numbers of the next read, and of the first that has not ended */
    uint64_t *ended;      /* a bit for each number in [first, next), at number % (64 × words) */
    size_t words, bytes;
    struct gw_item *items, *spare_items; /* by next */
    struct gw_item *oldest;              /* the last of items: they are in the order of reading */
    size_t n_items, n_spares;
    struct gw_keymap keys; /* whose hooks have not returned */
};

void gw_window_init(struct gw_window *w, uint64_t max_records, size_t max_bytes);
void gw_window_fini(struct gw_window *w); /* what is still in it is dropped */

/* W5: another record may be read. */
int gw_window_has_room(const struct gw_window *w);
/* An item for the record that is read next. */
struct gw_item *gw_window_add(struct gw_window *w);
/* The record that was read next has ended without an item. */
void gw_window_pass(struct gw_window *w);
/* Counts what the item's arena has grown to. */
void gw_window_measure(struct gw_window *w, struct gw_item *it);
/* Its memory starts anew with a copy of the record, for hooks that run again. */
void gw_window_renew(struct gw_window *w, struct gw_item *it);
/* The newest item's record could not be read after all. */
void gw_window_drop(struct gw_window *w, struct gw_item *it);
/* W1: the item's last message has ended; its memory stays, and counts, until it is freed. */
void gw_window_end(struct gw_window *w, struct gw_item *it);
void gw_window_free(struct gw_window *w, struct gw_item *it);

/* W3. 1: an earlier record of its key is held, the item waits behind it. */
int gw_window_waits(struct gw_window *w, struct gw_item *it);
/* Its hooks have not returned; later ones of its key wait. Doing it twice is fine. */
void gw_window_hold(struct gw_window *w, struct gw_item *it);
/* They have: gives the next of its key, NULL if none waits; that one is held now. */
struct gw_item *gw_window_let_go(struct gw_window *w, struct gw_item *it);

#endif
