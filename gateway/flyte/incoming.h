#ifndef GW_FLYTE_INCOMING_H
#define GW_FLYTE_INCOMING_H

#include "base/str.h"
#include "flyte/flyte.h"

#include <stddef.h>

struct gw_arena;
struct gw_err;
struct gw_header;

/* A message of a broker, and the record that is kept of it. One decoder for every source (Kafka,
 * SQS, Pub/Sub, pushes): plain CloudEvents in every form, FlyteAdmin's own messages of both its
 * versions and of its externalEvents, envelopes of SNS around any of them. */
enum gw_as { GW_AS_AUTO, GW_AS_CLOUDEVENT, GW_AS_WORKFLOW, GW_AS_NODE, GW_AS_TASK };
extern const char *const gw_as_names[]; /* auto cloudevent workflow node task, NULL */

struct gw_incoming {
    struct gw_str body;              /* p NULL: none */
    const struct gw_header *headers; /* Kafka's headers, message attributes; names as they came */
    size_t n_headers;
    struct gw_str subject; /* of SNS, or Pub/Sub's attribute `key`; p NULL: none */
};

struct gw_incoming_record {
    enum gw_kind kind;         /* GW_OTHER: a CloudEvent, also one of FlyteAdmin's */
    struct gw_str payload;     /* what the log keeps: the request, or the event in protobuf */
    struct gw_str key;         /* of order */
    struct gw_str event_id;    /* p NULL: a request has none yet */
    struct gw_str traceparent; /* p NULL: none */
};

/* On mem; may borrow from the message. GW_ERR_REJECT says what it could not be read as, and why. */
int gw_incoming_read(struct gw_arena *mem, enum gw_as as, const struct gw_incoming *in,
                     struct gw_incoming_record *out, struct gw_err *err);

#endif
