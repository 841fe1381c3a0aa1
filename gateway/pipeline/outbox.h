#ifndef GW_PIPELINE_OUTBOX_H
#define GW_PIPELINE_OUTBOX_H

#include "net/loop.h"
#include "pipeline/delay.h"
#include "pipeline/keymap.h"
#include "pipeline/pipeline.h"
#include "pipeline/rate.h"
#include "publish/publisher.h"

#include <stddef.h>
#include <stdint.h>

struct gw_counter;
struct gw_event;
struct gw_histogram;
struct gw_item;
struct gw_lane;

/* The way of messages from made to ended: batches within the publisher's limits, results, tries
 * again. One a worker, on its thread. window.h has the invariants it keeps: W4, W6, W7.
 *
 * A publisher that keeps order gets everything outstanding again, in order, after one delay. For
 * the others a key whose messages are out or to be tried again has a lane: later ones of the key
 * wait in it, other keys go on. */
struct gw_out {
    struct gw_message m; /* first; next and prev are ours while the publisher has it not */
    struct gw_item *item;
    const struct gw_event *event;
    uint64_t number; /* in the order of gw_outbox_put */
    unsigned part;   /* of its record's messages, from 0 */
    int64_t first_fail_ms, sent_ns;
    unsigned slot; /* of the send it is in */
};

enum gw_out_end { GW_OUT_DELIVERED = 1, GW_OUT_REJECTED, GW_OUT_TOO_LARGE, GW_OUT_GAVE_UP };

struct gw_slot { /* one send without all its results */
    size_t left;
    int failed;
    unsigned next_free;
};

struct gw_outbox {
    struct gw_publisher *publisher;
    struct gw_loop *loop;
    const struct gw_pipeline_conf *conf;
    struct gw_rate *rate; /* may be NULL, like retries and seconds */
    struct gw_counter *retries;
    struct gw_histogram *seconds;
    void *ctx;
    /* Each message once; its memory is free to go after it. */
    void (*ended)(void *ctx, struct gw_out *o, enum gw_out_end end, const char *why);
    /* It is to be tried again. May be NULL. */
    void (*retried)(void *ctx, struct gw_out *o, const char *why);
    /* Something to do: call gw_outbox_flush at the end of the turn. */
    void (*poke)(void *ctx);
    /* The destination fails (three sends in a row, why) or delivers again (NULL). */
    void (*state)(void *ctx, const char *why);

    struct gw_message *ready; /* to be sent, in order */
    size_t n_ready, out;      /* out: the publisher has them */
    size_t count;             /* messages that have not ended */
    struct gw_slot *slots;
    unsigned free_slot;
    uint64_t numbers, sends;
    struct gw_message *again; /* keeps_order: to be sent again, in order */
    struct gw_keymap lanes;   /* by order */
    struct gw_lane *due, *due_last;
    int64_t retry_after_ms, ready_since_ms, trouble_ms, now_ns;
    unsigned rounds; /* failures in a row, for the delay */
    unsigned failures;
    int down, draining, closing, fill_over;
    struct gw_timer retry, fill, pace; /* pace: the rate lets the next one go */
    uint32_t random;
};

/* conf, publisher and the callbacks are set by the caller. */
void gw_outbox_open(struct gw_outbox *b);
/* At a stop: nothing waits to fill a batch any more. */
void gw_outbox_drain(struct gw_outbox *b);
/* Ends the publisher: what has no result then is forgotten, without `ended` (W8). */
void gw_outbox_close(struct gw_outbox *b);
void gw_outbox_put(struct gw_outbox *b, struct gw_out *o);
void gw_outbox_flush(struct gw_outbox *b);
/* The destination has messages, and is not known to take nothing. */
int gw_outbox_under_way(const struct gw_outbox *b);
/* More would only wait here. */
int gw_outbox_full(const struct gw_outbox *b);

/* Inside the room (lane.c). */
/* 1: o may be in batch `send` now; 0: it waits in its lane. */
int gw_lane_enter(struct gw_outbox *b, struct gw_out *o, uint64_t send);
void gw_lane_done(struct gw_outbox *b, struct gw_out *o);
/* To be tried again after delay_ms. */
void gw_lane_again(struct gw_outbox *b, struct gw_out *o, int64_t delay_ms);
/* Lanes whose time has come give their messages back to `ready`; ms to the next one, -1: none. */
int64_t gw_lanes_wake(struct gw_outbox *b, int64_t now_ms);
void gw_lanes_free(struct gw_outbox *b);
void gw_out_sort_in(struct gw_message **list, struct gw_out *o);

#endif
