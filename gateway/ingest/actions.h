#ifndef GW_INGEST_ACTIONS_H
#define GW_INGEST_ACTIONS_H

#include "ingest/front.h"
#include "net/http.h"

/* Flyte 2: flyteidl2.workflow.EventsProxyService/Record, over gRPC (a line of grpc.c's table) and
 * Connect's unary protocol (https://connectrpc.com/docs/protocol), on both listeners. */
#define GW_RECORD_PATH "/flyteidl2.workflow.EventsProxyService/Record"

/* A RecordRequest in, a record of kind `action` for each of its events, whole or not at all: its
 * client sends a refused batch again as a whole. NULL: refused; err names the event by its index
 * ("events[1].id: …"). A request without events is refused, as flyteidl2 wants one at least. */
struct gw_sub *gw_submit_actions(struct gw_front *f, enum gw_way way,
                                 const struct gw_http_stream *s, struct gw_str body,
                                 enum gw_reason *reason, struct gw_err *err);
/* The same of a RecordRequest in JSON, over HTTP. */
struct gw_sub *gw_submit_actions_json(struct gw_front *f, const struct gw_http_stream *s,
                                      struct gw_str body, enum gw_reason *reason,
                                      struct gw_err *err);

/* A stream that the listener of this way has got: 1, if it asks for Record in another protocol than
 * the listener's own; then it has the handler for that. */
int gw_record_handler(struct gw_http_stream *s, enum gw_way port);

#endif
