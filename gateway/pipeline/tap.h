#ifndef GW_PIPELINE_TAP_H
#define GW_PIPELINE_TAP_H

#include "base/str.h"
#include "log/record.h"
#include "net/mailbox.h"

#include <stdint.h>

struct gw_buf;
struct gw_event;
struct gw_item;
struct gw_loop;
struct gw_pipeline;

/* Watches what a running pipeline does: a JSON object for each event of each record that has ended
 * and for each try again, with the event as the hooks left it. A pipeline without a tap pays one
 * relaxed load a record; a watcher that is slower than the pipeline misses some, and is told how
 * many:
 *   {"time":…,"pipeline":…,"outcome":"published|filtered|dead_letter|try_again","reason":…,
 *    "error":…,"key":…,"seq":…,"kind":…,"event":{…}}
 *   {"missed":7}
 * reason: of a filtered one the rule's or the hook's, of a dead letter the letter's, of a try again
 * what the destination or the hook said. Data of more than 8 KiB is not in the event; then
 * "data_cut":{"bytes":…,"start":…} comes before it. */
struct gw_tap;
/* wake is posted to loop when gw_tap_next gave 0 and there is more. */
struct gw_tap *gw_tap_open(struct gw_pipeline *p, struct gw_loop *loop, struct gw_mail *wake);
/* 1: one line was added, with its line feed; 0: none yet; -1: the pipeline has stopped. */
int gw_tap_next(struct gw_tap *t, struct gw_buf *out);
/* On the loop's thread; wake is not posted after it. Also after the pipeline's end; NULL is fine.
 */
void gw_tap_close(struct gw_tap *t);

/* Inside the room: what a pipeline shares with its watchers. Workers tell only while
 * p->watchers is not 0. */
struct gw_taps;
struct gw_taps *gw_taps_new(struct gw_pipeline *p);
void gw_taps_end(struct gw_taps *t); /* its workers have ended */

struct gw_tap_line {
    const char *outcome, *reason; /* reason NULL: none */
    struct gw_str error, key;     /* p NULL: none */
    struct gw_position at;
    int kind;
    const struct gw_event *event; /* NULL: none */
};
void gw_tap_tell(struct gw_pipeline *p, const struct gw_tap_line *l);
/* reason: of a filtered record. */
void gw_tap_ended(struct gw_pipeline *p, const struct gw_item *it, const char *reason);
/* ev NULL: the record's. */
void gw_tap_again(struct gw_pipeline *p, const struct gw_item *it, const struct gw_event *ev,
                  const char *why);

#endif
