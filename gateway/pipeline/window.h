#ifndef GW_PIPELINE_WINDOW_H
#define GW_PIPELINE_WINDOW_H

#include "log/record.h"

#include <stddef.h>
#include <stdint.h>

/* What one worker has read and not settled. One thread.
 *
 * Invariants
 *  W1 A record is in the window from its read until its last message has ended.
 *  W2 A record is settled exactly once, and only when every message of it is delivered, filtered or
 * a dead letter. W3 Of one key, hooks start in the order of positions, and the next record's hooks
 * start when the previous one's have returned. W4 Of one key, messages are handed to the publisher
 * in order; while one is to be tried again, later ones of its key wait behind it. Other keys go on.
 *  W5 At most max_in_flight records above the settled prefix, and max_in_flight_bytes of arenas
 * (one record alone is always let through). W6 A message sent again has the same bytes: hooks do
 * not run twice for it. W7 keeps_order publishers: what was outstanding is sent again in the order
 * of the first send. W8 At stop, what has no result stays unsettled in the log.
 *
 * The state writer owns the cursor (log.h): the window says which records ended, the log moves the
 * position over the contiguous prefix. Revoked streams: their entries are dropped when their
 * results have come, without a settle. */
struct gw_window;
struct gw_item; /* one record in flight; defined in window.c's own header use by the room */

#endif
