#ifndef GW_NET_RPC_H
#define GW_NET_RPC_H

#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

/* gRPC calls that we make, unary and streams, over our own HTTP/2 (http2_client.h), with or without
 * TLS. A channel is one server's: it connects when a call needs it, and anew after it broke. All on
 * one thread.
 *
 * Invariants
 *  1. done is called once for each start that was not cancelled, never inside start, and is the
 *     last use of the call there; what a call points to is read until then.
 *  2. After cancel nothing of the call is called any more, and the server has been told
 * (RST_STREAM).
 *  3. Who does not take messages is not sent any: a paused call's window is not given back.
 *  4. A call ends with a code of gRPC whatever happens: no connection, a connection that broke, no
 *     status in the answer, half a message: UNAVAILABLE or INTERNAL with the reason in why; its
 *     timeout: DEADLINE_EXCEEDED. */
struct gw_http_header;
struct gw_loop;
struct gw_rpc_channel;

struct gw_rpc_conf { /* borrowed as long as the channel */
    const char
        *url; /* http://host:port (prior knowledge), https://host[:port]; a path is left out */
    const char *ca, *cert, *key; /* PEM files; NULL: the system's authorities, no certificate */
    int no_verify;
};

/* Connects to nobody yet. */
struct gw_rpc_channel *gw_rpc_channel_new(struct gw_loop *loop, const struct gw_rpc_conf *conf);
/* Every call of it has ended or is cancelled. NULL is fine. */
void gw_rpc_channel_free(struct gw_rpc_channel *c);

enum gw_rpc_code { /* https://github.com/grpc/grpc/blob/master/doc/statuscodes.md */
                   GW_RPC_OK,
                   GW_RPC_CANCELLED,
                   GW_RPC_UNKNOWN,
                   GW_RPC_INVALID_ARGUMENT,
                   GW_RPC_DEADLINE_EXCEEDED,
                   GW_RPC_NOT_FOUND,
                   GW_RPC_ALREADY_EXISTS,
                   GW_RPC_PERMISSION_DENIED,
                   GW_RPC_RESOURCE_EXHAUSTED,
                   GW_RPC_FAILED_PRECONDITION,
                   GW_RPC_ABORTED,
                   GW_RPC_OUT_OF_RANGE,
                   GW_RPC_UNIMPLEMENTED,
                   GW_RPC_INTERNAL,
                   GW_RPC_UNAVAILABLE,
                   GW_RPC_DATA_LOSS,
                   GW_RPC_UNAUTHENTICATED,
                   GW_RPC_CODES
};
const char *gw_rpc_code_name(int code); /* "NOT_FOUND"; what is none: "UNKNOWN" */

/* A number of an answer's grpc-status; -1: it is none. */
int gw_rpc_status(struct gw_str text);
/* What an answer's grpc-message says, as one line with a NUL behind: %XX are bytes, controls become
 * spaces, and it ends before what is no UTF-8. */
void gw_rpc_message(char *out, size_t room, struct gw_str text);
/* A content-type of gRPC: application/grpc, also with +CODEC or parameters. */
int gw_rpc_is_type(struct gw_str content_type);

enum { GW_RPC_WHY = 400 };

struct gw_rpc {       /* the caller's memory; zeroed before the first start, may be started again */
    const char *path; /* "/google.pubsub.v1.Publisher/Publish" */
    const struct gw_http_header *metadata; /* names in lower case */
    size_t n_metadata;
    int64_t timeout_ms; /* of the whole call, told the server too; 0: none */
    size_t max_message; /* of one message of the answer; 0: 4 MiB. Beyond: RESOURCE_EXHAUSTED */
    /* A message of the answer, in order; valid until it returns. It may cancel the call. */
    void (*message)(struct gw_rpc *r, struct gw_str bytes);
    /* All that was to be sent has been taken by the socket. May be NULL. */
    void (*drained)(struct gw_rpc *r);
    void (*done)(struct gw_rpc *r);
    /* When it is done. */
    int code;              /* enum gw_rpc_code, or whatever number the server said */
    char why[GW_RPC_WHY];  /* what the server said of it (grpc-message), or what happened */
    struct gw_str details; /* grpc-status-details-bin, decoded; until done returns; p NULL: none */
    struct gw_rpc_stream *impl;
};

/* message is borrowed until done; p NULL: none yet. more: others follow (gw_rpc_send), until
 * gw_rpc_end. How many messages the answer has is for the caller to look at: a unary method that
 * says OK without one has broken the protocol. */
void gw_rpc_start(struct gw_rpc_channel *c, struct gw_rpc *r, struct gw_str message, int more);
void gw_rpc_send(struct gw_rpc *r, struct gw_str message); /* keeps a copy */
void gw_rpc_end(struct gw_rpc *r);    /* no more messages: the stream's half of ours is closed */
void gw_rpc_cancel(struct gw_rpc *r); /* one that is not running is fine */
/* 1: no more messages for now, 0: go on; those that had come while it was paused come first. */
void gw_rpc_pause(struct gw_rpc *r, int paused);
size_t gw_rpc_unsent(const struct gw_rpc *r); /* bytes that the socket has not taken */

#endif
