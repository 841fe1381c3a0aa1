#ifndef GW_INGEST_INGEST_H
#define GW_INGEST_INGEST_H

#include "base/field.h"
#include "net/listener.h"

#include <stddef.h>
#include <stdint.h>

struct gw_err;
struct gw_ingest;
struct gw_log;
struct gw_metrics;

/* Clients in, records out: the ingest loops (a thread each) with their listeners. A request is
 * decoded to check it and to find its key, room is reserved, the record appended, and the answer
 * sent when the log says it is kept. Nothing is changed on the way.
 *
 * Invariants
 *  I1 OK (200, 202) is sent only after the append's mail said "kept".
 *  I2 What is refused leaves nothing in the log.
 *  I3 A refusal costs no append and no sync.
 *  I4 A batch is kept whole or not at all. */
struct gw_ingest_grpc_conf {
    struct gw_listener_conf listener; /* max_body_bytes: max_message_bytes */
};
struct gw_ingest_http_conf {
    struct gw_listener_conf listener;
};
struct gw_ingest_conf {
    int64_t threads, max_pending_bytes;
    struct gw_ingest_grpc_conf *grpc; /* NULL: not listening */
    struct gw_ingest_http_conf *http;
};
extern const struct gw_field gw_ingest_fields[];

/* Binds and starts the threads; logs msg=listening for each listener. */
struct gw_ingest *gw_ingest_start(const struct gw_ingest_conf *conf, struct gw_log *log,
                                  struct gw_metrics *metrics, struct gw_err *err);
/* Bound addresses; NULL: not listening. */
const char *gw_ingest_grpc_address(const struct gw_ingest *in);
const char *gw_ingest_http_address(const struct gw_ingest *in);
/* Shutting down: new requests get UNAVAILABLE/503, connections are drained, requests in progress
 * are answered. The control thread; a second time does nothing. */
void gw_ingest_stop(struct gw_ingest *in, int64_t deadline_ms);
/* Waits until no append is under way, and the connections that were there at the stop are gone or
 * deadline_ms (of gw_mono_ms) has come. New ones are told "shutting down" until the join. */
void gw_ingest_quiet(struct gw_ingest *in);
/* Of a stopped one: waits until it is quiet, closes everything and frees it. */
void gw_ingest_join(struct gw_ingest *in);

#endif
