#ifndef GW_PIPELINE_TAP_H
#define GW_PIPELINE_TAP_H

#include "net/mailbox.h"

#include <stdint.h>

struct gw_buf;
struct gw_loop;
struct gw_pipeline;

/* Watches what a running pipeline does: a JSON object for each record that has ended and each try
 * again, with the event as the hooks left it. A pipeline without a tap pays one relaxed load a
 * record; a watcher that is slower than the pipeline misses some, and is told how many. */
struct gw_tap;
/* wake is posted to loop when gw_tap_next gave 0 and there is more. */
struct gw_tap *gw_tap_open(struct gw_pipeline *p, struct gw_loop *loop, struct gw_mail *wake);
/* 1: one line was added, with its line feed; 0: none yet; -1: the pipeline has stopped. */
int gw_tap_next(struct gw_tap *t, struct gw_buf *out);
void gw_tap_close(
    struct gw_tap *t); /* wake is not posted after it; also after the pipeline's end */

#endif
