#ifndef GW_LOG_RECORD_H
#define GW_LOG_RECORD_H

#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

struct gw_arena;
struct gw_buf;
struct gw_err;

/* Where a record stands. embedded and memory: stream 0, offset is the sequence number, from 1 with
 * no gaps; kafka: stream is the partition. */
struct gw_position {
    uint32_t stream;
    uint64_t offset;
};

/* What ingest keeps and a worker reads: moongate.log.v1.Record (proto/record.proto). */
struct gw_record {
    struct gw_position at;     /* the log's */
    uint64_t key_hash;         /* gw_hash64 of key */
    int kind;                  /* enum gw_kind: which request payload is; GW_OTHER: a CloudEvent */
    int64_t received_at_ns;    /* since 1970; given at ingest */
    struct gw_str ingest;      /* grpc http … */
    struct gw_str client;      /* the token's name; absent without auth */
    struct gw_str key;         /* order */
    struct gw_str traceparent; /* absent if the caller sent none */
    struct gw_str payload;     /* the request's bytes, or an io.cloudevents.v1.CloudEvent */
    struct gw_str encoded;     /* the whole record's bytes (read only) */
    int damaged;               /* read only: its bytes are lost */
};

/* Upper bound of what gw_record_put writes, for the reservation. */
size_t gw_record_size(const struct gw_record *r);
void gw_record_put(struct gw_buf *out, const struct gw_record *r);
/* Slices borrow from bytes. GW_ERR_REJECT: not a record, or of a newer version. */
int gw_record_read(struct gw_str bytes, struct gw_record *out, struct gw_err *err);

#endif
