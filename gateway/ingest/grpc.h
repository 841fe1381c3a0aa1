#ifndef GW_INGEST_GRPC_H
#define GW_INGEST_GRPC_H

#include "base/err.h"
#include "ingest/front.h"
#include "net/http.h"
#include "net/rpc.h"

/* gRPC calls over the HTTP handler. A service is a table of methods; each method gets whole
 * messages, uncompressed, and answers at once or later. On the front's thread. */
struct gw_forward;
struct gw_grpc_call;
struct gw_pass;

struct gw_grpc_method {
    struct gw_str path;
    /* message is borrowed for the call. A method with `streams` gets each message as it comes, and
     * the call is finished OK when the client has ended; any other gets exactly one. */
    void (*message)(struct gw_grpc_call *c, struct gw_str message);
    enum gw_kind kind; /* the methods that take events; else GW_OTHER */
    int streams;
    int open; /* anybody may call it, whatever the listener's auth says */
};

struct gw_grpc_call {
    struct gw_front *front;
    enum gw_way port; /* whose listener it came to */
    struct gw_http_stream *stream;
    const struct gw_grpc_method *method;
    struct gw_sub *sub;                        /* waits for the log */
    struct gw_forward *forward;                /* waits for FlyteAdmin, then for the log */
    struct gw_pass *pass;                      /* goes through to FlyteAdmin */
    struct gw_grpc_call *next_due, **due_at;   /* front->deadlines */
    struct gw_grpc_call *next_open, **open_at; /* front->open_calls */
    int64_t deadline_ms;                       /* monotonic; 0: none */
    size_t held;                               /* of the body, see gw_body_hold */
    int gzip;                                  /* grpc-encoding */
    int responded, done;
    int watches, status; /* a health watch, and what was said last */
};

extern const char *const gw_grpc_services[];         /* what is served here; ends with NULL */
extern const struct gw_http_handler gw_grpc_handler; /* ctx: struct gw_front */
/* Calls that came to the HTTP listener, with its limits and its door. */
extern const struct gw_http_handler gw_grpc_on_http_handler;

void gw_grpc_init(struct gw_front *f);
/* Shutting down: calls that stay open are ended. */
void gw_grpc_stop(struct gw_front *f);
void gw_grpc_fini(struct gw_front *f);

enum gw_rpc_code gw_grpc_status_of(const struct gw_err *err);
/* It is answered, by whoever calls this: nothing else will. */
void gw_grpc_settle(struct gw_grpc_call *c);
/* The event is not taken. */
void gw_grpc_refuse(struct gw_grpc_call *c, enum gw_reason reason, enum gw_rpc_code status,
                    const char *message);
/* One message of the answer. */
void gw_grpc_reply(struct gw_grpc_call *c, struct gw_str message);
/* Ends the answer; message "" for none. */
void gw_grpc_finish(struct gw_grpc_call *c, enum gw_rpc_code status, const char *message);
void gw_grpc_fail(struct gw_grpc_call *c, const struct gw_err *err);
/* The call stays open until its client or the front ends it. */
void gw_grpc_keep_open(struct gw_grpc_call *c);

/* grpc.health.v1.Health: serving when the front can take an event. */
void gw_health_check(struct gw_grpc_call *c, struct gw_str message);
void gw_health_watch(struct gw_grpc_call *c, struct gw_str message);
/* Tells the watchers when it has changed. */
void gw_health_changed(struct gw_front *f);

/* grpc.reflection.v1 and v1alpha: one message type, two names. */
void gw_reflection_message(struct gw_grpc_call *c, struct gw_str message);

#endif
