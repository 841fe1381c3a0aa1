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
 * versions and of its externalEvents, envelopes of SNS around any of them.
 *
 * What a message is, is asked in this order; what is said aloud comes before what it looks like:
 * 1. content-type application/cloudevents…: a structured CloudEvent, JSON or protobuf, also in
 *    base64 (queues carry text only);
 * 2. a header `ce_…` or `ce-…`: a CloudEvent in binary mode, whatever its data looks like;
 * 3. spec_version "1.0" and a type in protobuf's places: a CloudEvent in protobuf. Before JSON,
 *    since a first string of 123 bytes makes protobuf begin "\n{"; no request has these fields;
 * 4. a JSON object: with specversion a CloudEvent; Type, TopicArn and Message: an envelope of SNS,
 *    and its Message is asked anew with its Subject and its attributes (once);
 * 5. base64 text: what it holds is asked anew from 3 (once). No request is base64 text: its first
 *    byte says field 1 or 2;
 * 6. a request of externalEvents: of the kind that the subject names, else of the kind whose
 *    schema has every field in it and whose names are free of control characters. If that is more
 *    than one (an event without ids): GW_ERR_REJECT, `as` must say it. */
enum gw_as {
    GW_AS_AUTO,
    /* not 6 */
    GW_AS_CLOUDEVENT,
    /* At the end (4 too: proto3 JSON) a request of this kind, whatever the subject says. A
     * CloudEvent that carries one gives the request, and its attributes are gone. */
    GW_AS_WORKFLOW,
    GW_AS_NODE,
    GW_AS_TASK
};
extern const char *const gw_as_names[]; /* auto cloudevent workflow node task, NULL */

struct gw_incoming {
    struct gw_str body;              /* p NULL: none */
    const struct gw_header *headers; /* Kafka's headers, message attributes; names as they came,
                                        values as they mean: raw UTF-8 */
    size_t n_headers;
    struct gw_str subject; /* of SNS, or Pub/Sub's attribute `key` (looked for in headers, too); p
                              NULL: none */
};

struct gw_incoming_record {
    enum gw_kind kind;         /* GW_OTHER: a CloudEvent, also one of FlyteAdmin's */
    struct gw_str payload;     /* what the log keeps: the request, or the event in protobuf */
    struct gw_str key;         /* of order: gw_flyte_key, gw_event_key */
    struct gw_str event_id;    /* p NULL: a request has none yet */
    struct gw_str traceparent; /* the header of this name; p NULL: none */
};

/* On mem; may borrow from the message. GW_ERR_REJECT says what it could not be read as, and why;
 * GW_ERR_TOO_LARGE: a request that takes too much memory. No body without a `ce_` header is a
 * tombstone: GW_ERR_REJECT.
 *
 * What FlyteAdmin sends though it is no CloudEvent is mended, in events whose type begins
 * com.flyte.resource.: no source (version 2, if its URL cannot be parsed) becomes version 1's;
 * control characters and noncharacters in id and source are percent-encoded, as in keys. */
int gw_incoming_read(struct gw_arena *mem, enum gw_as as, const struct gw_incoming *in,
                     struct gw_incoming_record *out, struct gw_err *err);

#endif
