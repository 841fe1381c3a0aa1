#ifndef GW_EVENT_FORMAT_H
#define GW_EVENT_FORMAT_H

#include "base/header.h"
#include "base/str.h"

#include <stddef.h>

struct gw_arena;
struct gw_buf;
struct gw_err;
struct gw_event;
struct gw_http_header;

/* The forms of a CloudEvent: one file each (event_json.c, event_protobuf.c, event_http.c,
 * event_binary.c, event_headers.c, event_sdk.c). Readers check what they read (gw_event_check) and
 * fail with GW_ERR_REJECT that names the place; writers cannot fail but by the buffer's maximum.
 * Texts of a read event are borrowed from the input where they can be: the input must outlive it.
 */

/* Mends what a sender is known to do, once the attributes are read and before they are checked;
 * NULL: nothing. */
typedef void gw_event_mend_fn(struct gw_event *ev);

/* application/cloudevents+json. Members in this order: specversion, id, source, type, subject,
 * time, datacontenttype, dataschema, extensions in their own order, data. */
void gw_event_json_put(struct gw_buf *out, const struct gw_event *ev);
int gw_event_json_read(struct gw_event *ev, struct gw_str text, struct gw_err *err);
int gw_event_json_read_as(struct gw_event *ev, struct gw_str text, gw_event_mend_fn *mend,
                          struct gw_err *err);
/* application/cloudevents-batch+json: calls each with events of mem; an error names the index:
 * "events[1].time: …". each may fail too. */
int gw_event_batch_read(struct gw_arena *mem, struct gw_str text,
                        int (*each)(void *ctx, struct gw_event *ev, struct gw_err *err), void *ctx,
                        struct gw_err *err);
/* Says which event of a batch an error is about: "events[1].time: …". Returns -1. */
int gw_event_batch_error(struct gw_err *err, size_t i);

/* application/cloudevents+protobuf (io.cloudevents.v1.CloudEvent). JSON data becomes text_data with
 * its datacontenttype, byte for byte. Also the form in the log. */
void gw_event_protobuf_put(struct gw_buf *out, const struct gw_event *ev);
/* The same for others: `time` is a Timestamp, which others' readers want, however it was spelt (the
 * log keeps the spelling). */
void gw_event_protobuf_send(struct gw_buf *out, const struct gw_event *ev);
int gw_event_protobuf_read(struct gw_event *ev, struct gw_str bytes, struct gw_err *err);
int gw_event_protobuf_read_as(struct gw_event *ev, struct gw_str bytes, gw_event_mend_fn *mend,
                              struct gw_err *err);
/* Of what gw_event_protobuf_put wrote of an event that was checked, as in the log: data that its
 * datacontenttype calls JSON is it, and is not looked through again. */
int gw_event_protobuf_read_kept(struct gw_event *ev, struct gw_str bytes, struct gw_err *err);

/* HTTP binary mode: `ce-` headers (percent-decoded), content-type as datacontenttype, body as data.
 * headers as a codec gives them: names in lower case. */
int gw_event_http_read(struct gw_event *ev, const struct gw_http_header *headers, size_t n,
                       struct gw_str body, struct gw_err *err);
/* The value of a `ce-` header: percent-encoded as the HTTP binding says (8.7 of wire.md). */
struct gw_str gw_event_http_encode(struct gw_arena *mem, struct gw_str text);

/* The payload as plain bytes, what binary modes carry: of an Any its value. p NULL: no data. */
struct gw_str gw_event_payload(const struct gw_event *ev);
/* Binary mode of brokers: headers `ce_` (Kafka) or `ce-` (attributes of Pub/Sub and the queues),
 * values in raw UTF-8, content-type (or ce-datacontenttype, or both) as datacontenttype, body as
 * data; p NULL or empty: none. A header whose value is null (p NULL) is absent. */
int gw_event_headers_read(struct gw_event *ev, const struct gw_header *headers, size_t n,
                          struct gw_str body, gw_event_mend_fn *mend, struct gw_err *err);
/* Begins with ce_ or ce-. */
int gw_event_is_ce_header(struct gw_str name);
/* Kafka binary mode: ce_id, ce_source, ce_specversion, ce_type, then content-type, then the others
 * in their order; on mem. *n gets the count. */
struct gw_header *gw_event_kafka_headers(const struct gw_event *ev, struct gw_arena *mem,
                                         size_t *n);
/* Pub/Sub's binary mode: the same with `ce-`. */
struct gw_header *gw_event_pubsub_headers(const struct gw_event *ev, struct gw_arena *mem,
                                          size_t *n);
/* HTTP binary mode: the same with `ce-`, values percent-encoded. */
struct gw_header *gw_event_http_headers(const struct gw_event *ev, struct gw_arena *mem, size_t *n);

/* The same three forms as the CloudEvents SDK for Go writes them, byte for byte: what the consumers
 * of FlyteAdmin get (event_sdk.c). Data is bytes whatever its type (data_base64, binary_data; of
 * the type application/protobuf proto_data with dataschema as its type URL); time is UTC with as
 * many digits as it needs; dataschema is a plain text in protobuf. They check nothing. */
/* Members: specversion, id, source, type, subject, datacontenttype, dataschema, time, data_base64,
 * extensions; < > & U+2028 U+2029 escaped in all of them. */
void gw_event_sdk_json_put(struct gw_buf *out, const struct gw_event *ev);
/* Attributes: datacontenttype, dataschema, subject, time, extensions (the SDK's own order is this
 * one or a rotation of it). */
void gw_event_sdk_protobuf_put(struct gw_buf *out, const struct gw_event *ev);
/* ce_id, ce_source, ce_specversion, ce_type, content-type, ce_dataschema, ce_subject, ce_time,
 * extensions; an empty value is empty, not absent. */
struct gw_header *gw_event_sdk_kafka_headers(const struct gw_event *ev, struct gw_arena *mem,
                                             size_t *n);

#endif
