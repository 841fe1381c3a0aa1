#ifndef GW_LOG_MESSAGE_H
#define GW_LOG_MESSAGE_H

#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

struct gw_arena;
struct gw_err;
struct gw_header;

/* A broker's message that could not become a record, as a letter of GW_INGEST keeps it:
 * moongate.log.v1.Message (proto/message.proto). */
struct gw_unread {
    int64_t received_at_ns;
    struct gw_str ingest; /* kafka … */
    struct gw_str source; /* the topic, the queue */
    uint32_t partition;
    int64_t offset, timestamp_ms;
    struct gw_str key, subject, body; /* p NULL: none */
    const struct gw_header *headers;  /* a value's p NULL: none */
    size_t n_headers;
};

/* Its bytes, on mem. */
struct gw_str gw_unread_put(struct gw_arena *mem, const struct gw_unread *u);
/* On mem; slices borrow from bytes. GW_ERR_REJECT: not a message, or of a newer version. */
int gw_unread_read(struct gw_arena *mem, struct gw_str bytes, struct gw_unread *out,
                   struct gw_err *err);

#endif
