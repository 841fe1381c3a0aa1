#ifndef GW_INGEST_PUBSUB_H
#define GW_INGEST_PUBSUB_H

#include "base/buf.h"
#include "base/diag.h"
#include "ingest/source.h"
#include "net/gcp_pubsub.h"

struct gw_unread;

/* Inside the room: a subscription of Google Cloud Pub/Sub as a source. pubsub.c has the stream and
 * a message's way to the log, pubsub_lease.c what is ours until it is acknowledged, pubsub_read.c
 * the configuration and what Pub/Sub's protobuf says. */
enum {
    GW_PUBSUB_OUTSTANDING = 2500,     /* messages that are ours; the server sends no more of them */
    GW_PUBSUB_ASK_IDS = 2500,         /* of one request, as Google's own clients do */
    GW_PUBSUB_ASK_BYTES = 480 * 1024, /* the limit of Pub/Sub is 512 KiB */
    GW_PUBSUB_DEADLINE_S = 60,        /* how long a message is ours; renewed at a third of it */
    GW_PUBSUB_KEPT_BACK = 100         /* undecodable ones that keep their ordering key going */
};

struct gw_ingest_pubsub {
    const char *project, *subscription, *endpoint;
    int as; /* enum gw_as */
};
extern const struct gw_field gw_ingest_pubsub_fields[];
void gw_ingest_pubsub_check(const struct gw_ingest_pubsub *c, struct gw_problems *p,
                            const struct gw_yaml *at);

struct gw_asking;
struct gw_pubsub_in;

/* A message that is ours until it is acknowledged, given back, or its deadline has run out. */
struct gw_pubsub_message {
    struct gw_pubsub_message *next;        /* of its queue */
    struct gw_pubsub_message *prev, *more; /* of all that are ours */
    struct gw_pubsub_in *in;
    struct gw_str ack_id;   /* behind the struct */
    struct gw_str received; /* malloc'ed if it had to wait for room */
    int64_t until_ms;       /* ours by our clock */
    int renewing;           /* a ModifyAckDeadline with it is under way */
    size_t bytes;           /* counted as under way */
};

struct gw_pubsub_queue { /* in order */
    struct gw_pubsub_message *first, **last;
};

/* Acknowledge or ModifyAckDeadline, one at a time of each kind. */
struct gw_pubsub_ask {
    struct gw_gcp_pubsub_call call; /* first */
    struct gw_pubsub_in *in;
    struct gw_buf body;
    int running;
};

struct gw_pubsub_in {
    struct gw_source base;
    const struct gw_ingest_pubsub *conf;
    char *name; /* projects/P/subscriptions/S */
    struct gw_gcp_pubsub client;
    struct gw_gcp_pubsub_call stream;
    struct gw_buf hello; /* the stream's first request */
    /* the stream: there is one; the server has its first request; it was not refused */
    int streaming, open, alive, paused;
    int64_t backoff_ms; /* before the next stream */
    struct gw_timer again, beat, hold, drain;

    struct gw_pubsub_message *first, *last; /* all that are ours */
    size_t n, bytes, budget;                /* how many; bytes on their way to the disk */
    size_t held_bytes;                      /* of those that are held */
    size_t appending, n_kept_back;
    struct gw_pubsub_queue held;    /* the log had no room for them */
    struct gw_pubsub_queue kept;    /* durable, to be acknowledged */
    struct gw_pubsub_queue leaving; /* being acknowledged */
    struct gw_pubsub_queue back;    /* for others: to be given back */
    struct gw_pubsub_queue stays;   /* undecodable, with an ordering key */
    struct gw_pubsub_ask ack, renew, nack;
    struct gw_task turn; /* acknowledges what a turn made durable, as one */
    struct gw_timer lease, ack_again;
    int64_t renewed_ms;     /* when the renewal that is under way was asked for */
    int64_t ack_backoff_ms; /* not 0: acknowledging fails, nothing more is taken meanwhile */
    int ack_waits;          /* for ack_again */

    struct gw_task ended;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
    int stopping, hurried, told;
    struct gw_diag_limit quiet, quiet_bad, quiet_full, quiet_stuck;
};

/* ---- pubsub.c ---- */

/* More may be taken, or less: the stream is told. */
void gw_pubsub_flow(struct gw_pubsub_in *in);
void gw_pubsub_end_if_done(struct gw_pubsub_in *in);

/* ---- pubsub_lease.c ---- */

void gw_pubsub_lease_init(struct gw_pubsub_in *in);
void gw_pubsub_lease_fini(struct gw_pubsub_in *in); /* forgets everything */
/* Its acknowledgement's id is copied. */
struct gw_pubsub_message *gw_pubsub_take(struct gw_pubsub_in *in, struct gw_str ack_id);
void gw_pubsub_drop_copy(struct gw_pubsub_message *m); /* what it had while it was held */
void gw_pubsub_forget(struct gw_pubsub_message *m);    /* it comes back by itself */
void gw_pubsub_put(struct gw_pubsub_queue *q, struct gw_pubsub_message *m);
void gw_pubsub_push(struct gw_pubsub_queue *q, struct gw_pubsub_message *m); /* as the first */
struct gw_pubsub_message *gw_pubsub_pop(struct gw_pubsub_queue *q);
void gw_pubsub_kept(struct gw_pubsub_message *m);      /* durable */
void gw_pubsub_give_back(struct gw_pubsub_message *m); /* others get it at once */
void gw_pubsub_lease_stop(struct gw_pubsub_in *in);    /* gives back what waits */
void gw_pubsub_lease_hurry(struct gw_pubsub_in *in);
int gw_pubsub_lease_idle(const struct gw_pubsub_in *in); /* nothing is left to tell */

/* ---- pubsub_online.c ---- */

struct gw_asking *gw_pubsub_in_ask(const void *conf, struct gw_loop *loop, struct gw_online *o);

/* ---- pubsub_read.c ---- */

/* "; …": what to do about a refusal, on mem; "" if there is nothing to say. */
struct gw_str gw_pubsub_hint(struct gw_arena *mem, const struct gw_ingest_pubsub *c, int code);

struct gw_pubsub_subscription { /* what `check --online` tells of it */
    struct gw_str topic, dead_letter_topic;
    int64_t attempts, state; /* state: 1 active, 2 in error */
    int is_pushed, is_ordered, is_detached;
};
/* Borrows from bytes. -1: it is none. */
int gw_pubsub_subscription(struct gw_str bytes, struct gw_pubsub_subscription *out);

/* Elements of StreamingPullResponse.received_messages, one after the other: 1 and its bytes, 0 no
 * more, -1 no such message. *left is what is left of the answer. */
int gw_pubsub_next(struct gw_str *left, struct gw_str *received);
struct gw_pubsub_received {
    struct gw_str ack_id, ordering_key, message;
    int64_t attempt; /* 0: nobody counts: there is no dead-letter policy */
};
int gw_pubsub_received(struct gw_str bytes, struct gw_pubsub_received *out);
/* The message: data, attributes as headers; on mem. -1: it is none. */
int gw_pubsub_read(struct gw_arena *mem, struct gw_str message, struct gw_unread *out);

/* Requests. hello: the stream's first. */
void gw_pubsub_put_hello(struct gw_buf *out, const char *name, struct gw_str client_id,
                         int64_t bytes);
/* AcknowledgeRequest (deadline_s < 0) or ModifyAckDeadlineRequest without its ids. */
void gw_pubsub_put_ask(struct gw_buf *out, const char *name, int deadline_s);
/* 0: it is full. */
int gw_pubsub_put_id(struct gw_buf *out, int is_ack, struct gw_str ack_id);

#endif
