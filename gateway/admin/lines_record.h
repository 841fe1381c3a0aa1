#ifndef GW_ADMIN_LINES_RECORD_H
#define GW_ADMIN_LINES_RECORD_H

#include "base/str.h"

#include <stdint.h>

struct gw_arena;
struct gw_buf;
struct gw_record;

/* Between the files of lines: records as JSON. */

/* RFC 3339 in quotes; 0: null. */
void gw_put_json_time(struct gw_buf *out, int64_t ns);
/* ,"name":"…", or null where it is absent. */
void gw_put_json_member(struct gw_buf *out, const char *name, struct gw_str value);
/* The id of the CloudEvent that a record becomes in the documented style. p NULL: none, *why says
 * so in text that is on mem. */
struct gw_str gw_record_event_id(struct gw_arena *mem, const struct gw_record *r, const char **why);
/* {received_at, ingest, client, kind, key, traceparent, request}: `event` instead for what came in
 * as a CloudEvent; `payload` in base64 and `error` for what cannot be decoded. */
void gw_put_json_record(struct gw_buf *out, struct gw_arena *mem, struct gw_str encoded);
/* What a letter of GW_INGEST keeps, as an object. */
void gw_put_json_message(struct gw_buf *out, struct gw_arena *mem, struct gw_str bytes);

#endif
