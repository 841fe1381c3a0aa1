#ifndef GW_INGEST_SOURCE_H
#define GW_INGEST_SOURCE_H

#include "base/online.h"
#include "ingest/front.h"

#include <stdint.h>

/* A way in that fetches by itself instead of being called: a front of its own, with its thread and
 * no listener. On the front's thread, but for open and close.
 *
 * Invariants
 *  I9 The broker is told that a message is done only after the append's mail, or the dead letter's,
 *     said "kept"; and of one stream never past a message that is not.
 *  I10 Messages of one stream are appended in their order.
 *  I11 Nothing is dropped: without room in the log, or among the dead letters, the stream waits. */
struct gw_source;

struct gw_source_ops {
    enum gw_way way;
    const char *component; /* of its log lines */
    /* Begins to fetch when the front's loop runs. conf is borrowed until close. */
    struct gw_source *(*open)(const void *conf, struct gw_front *f, struct gw_err *err);
    /* Fetches no more, ends what is under way, tells the broker, then calls stopped once. */
    void (*stop)(struct gw_source *s, void (*stopped)(void *ctx), void *ctx);
    /* Time is up: calls stopped soon, whatever the broker does. */
    void (*hurry)(struct gw_source *s);
    void (*close)(struct gw_source *s); /* its loop runs no more */
    /* Files may have changed. conf says what the one before does, but for what they hold; from now
     * on it is the one that is borrowed. If they have, what they say is taken, and nothing is lost
     * or read twice by it; after a stop it is only borrowed. NULL: there are none. */
    void (*renew)(struct gw_source *s, const void *conf);
    /* `check --online`: is there something to take, and may we? Takes nothing. */
    struct gw_asking *(*ask)(const void *conf, struct gw_loop *loop, struct gw_online *o);
};

struct gw_source { /* first member of every source */
    const struct gw_source_ops *ops;
    struct gw_front *front;
};

extern const struct gw_source_ops gw_source_kafka, gw_source_sqs, gw_source_pubsub;

#endif
