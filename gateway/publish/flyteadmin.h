#ifndef GW_PUBLISH_FLYTEADMIN_H
#define GW_PUBLISH_FLYTEADMIN_H

#include "flyte/flyte.h"
#include "publish/publisher.h"

/* The message that FlyteAdmin would have sent for an event, in its styles: one function a binding,
 * for the publishers of these bindings to call in format. Each fills m's body, key, subject and
 * headers, on mem or borrowed from ev; what a hook routed (gw_publish_route), event_id and bytes
 * are the publisher's.
 *
 *            | flyteadmin, flyteadmin-v2                | flyteadmin-external
 *  sns       | base64 of the SDK's protobuf CloudEvent  | base64 of the data
 *  pubsub    | its bytes                                | the data
 *  kafka     | binary mode, key = id                    | binary mode, key = id (no sink of
 *            |                                          | FlyteAdmin's: ce_ headers tell the type)
 *  nats      | the SDK's structured JSON                | the data
 *  http      | the same (FlyteAdmin has no such sink)   | binary mode
 *  file      | the same, a line                         | the SDK's structured JSON, a line
 *
 * sns' subject and pubsub's attribute `key` are the type without `com.flyte.resource.`, in
 * flyteadmin-external the attribute subject. Kafka and NATS: FlyteAdmin's client gives an event
 * without time that of sending, and refuses one whose id, source or type is empty: here
 * GW_ERR_REJECT, so a dead letter (invalid_event) where FlyteAdmin drops it. HTTP and file refuse
 * such an event too; SNS and Pub/Sub take it, as FlyteAdmin's do. GW_ERR_TOO_LARGE: the body has
 * more than max bytes.
 *
 * They write what the event says, whoever made it: hooks may have changed it. */
struct gw_flyteadmin {
    enum gw_style style; /* GW_STYLE_DOCUMENTED: none of this */
    enum gw_mode mode;   /* as written */
    int protobuf;        /* encoding of structured events */
    size_t max;
};
struct gw_flyteadmin gw_flyteadmin_of(const struct gw_format *f, size_t max);

typedef int gw_flyteadmin_fn(const struct gw_flyteadmin *f, const struct gw_event *ev,
                             struct gw_arena *mem, struct gw_message *m, struct gw_err *err);
gw_flyteadmin_fn gw_flyteadmin_sns, gw_flyteadmin_pubsub, gw_flyteadmin_nats;
/* With format.mode structured the SDK's document instead. The key is that of its client:
 * partitionkey where the event has one, else the id. */
gw_flyteadmin_fn gw_flyteadmin_kafka;
gw_flyteadmin_fn gw_flyteadmin_http, gw_flyteadmin_file;
/* The document alone: file's without the end of its line, in format.encoding. */
gw_flyteadmin_fn gw_flyteadmin_document;

/* Whether events go in binary mode: as format.mode says, else as the style has it there. */
int gw_kafka_is_binary(const struct gw_format *f);
int gw_http_is_binary(const struct gw_format *f);

#endif
