#ifndef GW_INGEST_GRPC_FRAME_H
#define GW_INGEST_GRPC_FRAME_H

#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

struct gw_err;

/* gRPC's framing of messages in a stream of bytes: a compressed flag, a length of four bytes, the
 * message. No state: look again when more has come. */
enum { GW_GRPC_HEADER = 5 };

struct gw_grpc_frame {
    int compressed;
    uint32_t declared; /* the message's length; good once the header is there */
    struct gw_str message;
    size_t size; /* of the whole frame */
};

/* 1: a whole message is at the start of `in`; 0: more must come; -1: it never will be one
 * (GW_ERR_REJECT), or declares more than max bytes (GW_ERR_TOO_LARGE, as soon as the header is
 * there). */
int gw_grpc_frame_read(struct gw_str in, size_t max, struct gw_grpc_frame *out, struct gw_err *err);
/* What is wrong with a stream that ends after `in`, for which read said 0. Returns -1. */
int gw_grpc_frame_cut(struct gw_str in, struct gw_err *err);

#endif
