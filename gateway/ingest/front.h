#ifndef GW_INGEST_FRONT_H
#define GW_INGEST_FRONT_H

#include "base/arena.h"
#include "base/err.h"
#include "flyte/flyte.h"
#include "ingest/ingest.h"
#include "log/log.h"
#include "net/loop.h"

#include <stdatomic.h>

/* What the files of this room share. A front is one ingest loop: its listeners, and the requests
 * that wait for the log. All of it belongs to the loop's thread; only `pending` is shared. */
struct gw_counter;
struct gw_door;
struct gw_group;
struct gw_grpc_call;
struct gw_histogram;
struct gw_http_stream;
struct gw_http_upstream;
struct gw_metrics;
struct gw_upstream;
struct gw_push;

enum gw_way { GW_GRPC, GW_HTTP, GW_KAFKA, GW_SQS, GW_PUBSUB, GW_WAYS };

/* Why a request was refused: the closed values of moongate_events_rejected_total's reason. */
enum gw_reason {
    GW_R_INVALID,
    GW_R_TOO_LARGE,
    GW_R_FULL,
    GW_R_PENDING,
    GW_R_UNAVAILABLE,
    GW_R_UNSUPPORTED,
    GW_R_DEADLINE,
    GW_R_UPSTREAM, /* FlyteAdmin, which we stand in front of, said no or nothing */
    GW_REASONS
};

struct gw_front {
    struct gw_loop *loop;
    struct gw_log *log;
    struct gw_metrics *metrics;
    struct gw_listener *listeners[GW_WAYS]; /* NULL: not listening */
    struct gw_door *doors[GW_WAYS];         /* NULL: anybody may come in */
    int64_t max_body[GW_WAYS];
    _Atomic int64_t *pending; /* bytes of unacknowledged requests, of all fronts */
    int64_t max_pending;
    struct gw_counter *received[GW_WAYS][GW_KINDS], *rejected[GW_WAYS][GW_REASONS];
    struct gw_histogram *ack[GW_WAYS];
    struct gw_push *push; /* the front's; NULL: none is configured */
    int stopping;
    struct gw_arena *scratch; /* of the request being looked at; reset before the next */
    size_t under_way;         /* appends whose mail has not come, the open one, and events that
                                 FlyteAdmin has not answered */
    /* Requests of one turn make one append: one message to the log's writer and one back. */
    struct gw_group *open, *idle;
    size_t n_idle;
    struct gw_task append_task;
    /* of the CloudEvents of one request, kept for the next */
    struct gw_record *records;
    size_t records_room;
    /* gRPC: calls with a deadline, and calls that stay open until the front stops */
    struct gw_grpc_call *deadlines, *open_calls;
    struct gw_timer deadline_timer, health_timer;
    int64_t deadline_at_ms;              /* what deadline_timer is set to; 0: not set */
    void (*settled)(struct gw_front *f); /* an append has ended */
    struct gw_upstream *upstream;        /* NULL: we stand in front of nobody */
    struct gw_http_upstream *http_upstream;
};

/* max_pending and pending are shared by the fronts of one gateway; settled is called after each
 * append has ended. */
void gw_front_init(struct gw_front *f, struct gw_log *log, struct gw_metrics *metrics,
                   _Atomic int64_t *pending, int64_t max_pending);
/* No append may be under way. The listeners are closed already. */
void gw_front_fini(struct gw_front *f);

/* A request that waits for the log, in its group's memory, so a client that goes away takes nothing
 * with it. */
struct gw_sub {
    struct gw_sub *next;
    size_t n; /* records */
    enum gw_way way;
    int64_t began_ns;
    /* The answer: on the front's thread, once, on a later turn; the last use of the submission. err
     * NULL: kept. The owner clears `owner` when its client is gone; then nothing is called. */
    void (*answer)(void *owner, const struct gw_err *err);
    void *owner;
};

/* A body that is coming counts as pending from its 65th KiB on, by what it says its length is or by
 * what has come. -1: too much is pending. release is fine at any time. */
int gw_body_hold(struct gw_front *f, size_t *held, size_t bytes, struct gw_err *err);
void gw_body_release(struct gw_front *f, size_t *held);

/* Reserves room and appends n records, whole or not at all; bytes are copied. NULL: refused,
 * nothing is left behind; err and reason say why. */
struct gw_sub *gw_submit(struct gw_front *f, enum gw_way way, const struct gw_record *records,
                         size_t n, enum gw_reason *reason, struct gw_err *err);
/* The same in two steps, for who has something to do between them: room first; then it is given
 * back, or used up by the same records. */
int gw_reserve(struct gw_front *f, const struct gw_record *records, size_t n, size_t *bytes,
               enum gw_reason *reason, struct gw_err *err);
void gw_unreserve(struct gw_front *f, size_t bytes);
struct gw_sub *gw_submit_reserved(struct gw_front *f, enum gw_way way,
                                  const struct gw_record *records, size_t n, size_t bytes);
/* A Flyte request's record; traceparent is s's. What it points to is the scratch's and the
 * request's. */
struct gw_record gw_flyte_record(struct gw_front *f, enum gw_way way,
                                 const struct gw_http_stream *s, const struct gw_flyte_request *r);
struct gw_sub *gw_submit_flyte(struct gw_front *f, enum gw_way way, const struct gw_http_stream *s,
                               const struct gw_flyte_request *r, enum gw_reason *reason,
                               struct gw_err *err);
void gw_submit_init(struct gw_front *f);
void gw_submit_fini(struct gw_front *f); /* nothing may be under way */

void gw_front_reject(struct gw_front *f, enum gw_way way, enum gw_reason reason);
enum gw_reason gw_reason_of(const struct gw_err *err);
/* "message too large" stands in front, as clients look for it. */
void gw_err_too_large(struct gw_err *err);
/* The traceparent of a request as it came; absent if it has none that could be one. */
struct gw_str gw_traceparent(const struct gw_http_stream *s);

#endif
