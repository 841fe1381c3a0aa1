#ifndef GW_INGEST_HTTP_H
#define GW_INGEST_HTTP_H

#include "ingest/front.h"
#include "net/http.h"

/* FlyteAdmin's REST paths and CloudEvents over HTTP, on the HTTP handler of either version. On the
 * front's thread. */
extern const struct gw_http_handler gw_rest_handler; /* ctx: struct gw_front */

/* An error's body, {"code":…,"message":…} with gRPC's code, for a status other than 2xx. */
void gw_rest_error(struct gw_http_stream *s, int status, const char *message);

/* The media types a body may have here. */
enum gw_form {
    GW_FORM_NONE,
    GW_FORM_JSON,      /* a Flyte request as proto3 JSON */
    GW_FORM_PROTOBUF,  /* … as bytes */
    GW_FORM_CE_BINARY, /* ce- headers, the body is the data */
    GW_FORM_CE_JSON,
    GW_FORM_CE_BATCH,
    GW_FORM_CE_PROTOBUF,
    GW_FORM_CE_PROTOBUF_BATCH
};

/* CloudEvents of a body, appended as one. NULL: refused; with *reason GW_REASONS there was nothing
 * to keep (an empty batch), which is no error. */
struct gw_sub *gw_submit_cloudevents(struct gw_front *f, const struct gw_http_stream *s,
                                     enum gw_form form, struct gw_str body, enum gw_reason *reason,
                                     struct gw_err *err);

#endif
