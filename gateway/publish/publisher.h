#ifndef GW_PUBLISH_PUBLISHER_H
#define GW_PUBLISH_PUBLISHER_H

#include "base/field.h"
#include "base/online.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

struct gw_arena;
struct gw_err;
struct gw_event;
struct gw_flyte;
struct gw_header;
struct gw_loop;
struct gw_problems;
struct gw_publisher;
struct gw_routing;
struct gw_yaml;

/* Delivers messages to one destination. One instance a worker, on its thread and loop.
 *
 * Invariants (spec/unit/publish/contract_test.c runs them for every type)
 *  P1 Every message of a send gets exactly one result, on the worker's thread, never inside send.
 *  P2 A message belongs to the pipeline; the publisher borrows it, and what it points to, until its
 *     result. `next`, `prev` and `mark` are the publisher's while it has it.
 *  P3 Impossible is said of a message (too large, invalid content), never of the destination.
 *  P4 keeps_order: after "try again" of one message, all outstanding ones are told "try again" too,
 *     and nothing sent after it is delivered before it was sent again. Nothing is delivered twice
 *     within one send.
 *  P5 close first gives a result to everything outstanding (try again where the outcome is
 *     unknown).
 *
 * On paper: SNS, FlyteAdmin's v1: body is base64 of the protobuf event, subject set, no headers;
 * Kafka binary: headers `ce_…`, body the data; NATS: JSON body; a batch of ten with one failed
 * entry: ten results, one of them "try again". */
enum gw_outcome { GW_DELIVERED = 1, GW_TRY_AGAIN, GW_IMPOSSIBLE, GW_TOO_LARGE };

struct gw_message {
    struct gw_message *next, *prev;
    struct gw_str key;     /* p NULL: none; format gets the record's and leaves the destination's */
    struct gw_str body;    /* p NULL: no body (Kafka: null value) */
    struct gw_str subject; /* SNS; p NULL: none */
    struct gw_str topic;   /* the destination, where the type has several; p NULL: the default */
    struct gw_str event_id;
    const struct gw_header *headers; /* Kafka headers, HTTP headers, message attributes */
    size_t n_headers;
    size_t bytes;      /* on the wire: body, key, headers, framing; set by format */
    uint64_t order;    /* hash of the event's key: messages of one order arrive in order */
    uint32_t attempts; /* counted by the pipeline */
    uint64_t replay;   /* 0: none; of all messages of one replay the same number, of no other */
    int mark;
};

/* Extra about a result. */
struct gw_result {
    enum gw_outcome outcome;
    const char *why;        /* borrowed; NULL when delivered */
    int64_t retry_after_ms; /* the destination asked for it; 0: it did not */
};
typedef void gw_result_fn(void *ctx, struct gw_message *m, const struct gw_result *r);
/* The destination takes nothing although the publisher still tries on its own: counts as three
 * failures. Called when that begins and each second while it lasts, never inside send. 1: give
 * what is outstanding back now (try again). */
typedef int gw_trouble_fn(void *ctx, const char *why);

/* First member of every type's conf; its keys are GW_PUBLISH_COMMON of publish/common.h. */
struct gw_publish_common {
    int64_t max_message_bytes;
    struct {
        int64_t events, bytes, wait_ms;
    } batch;
    struct gw_strs routes; /* patterns of the destinations that hooks may choose */
};

struct gw_publisher_limits { /* the pipeline keeps to them */
    size_t messages, bytes;  /* of one send */
    size_t message_bytes;    /* of one message: beyond is dead-letter reason too_large */
    unsigned batches;        /* sends without all their results */
    int64_t wait_ms;         /* how long a batch may be filled before it is sent */
};

/* format: of the configuration. */
enum gw_mode { GW_MODE_BY_STYLE, GW_MODE_STRUCTURED, GW_MODE_BINARY };
struct gw_format {
    int style;          /* enum gw_style */
    int json;           /* data: json */
    int mode;           /* enum gw_mode; not written: as the style has it on its binding */
    int protobuf;       /* encoding */
    int64_t id_spacing; /* of FlyteAdmin's styles */
    int enrich_all;     /* of flyteadmin-v2: every workflow event, not SUCCEEDED alone */
    struct gw_strs extensions;
};

enum { GW_LACKS_BINARY = 1, GW_LACKS_PROTOBUF = 2 };

struct gw_publisher_ops {
    const char *name, *help;       /* name as in the configuration: publisher.type */
    const struct gw_field *fields; /* its keys; offsets into the conf that open gets */
    size_t conf_size;
    /* FlyteAdmin's v2 sends events there whose source is empty (Go could not parse it). */
    int sourceless;
    unsigned lacks;                   /* GW_LACKS_…: what of `format` it has no form for */
    const struct gw_routing *routing; /* what moongate.route means here (event/route.h) */
    /* What the table cannot say (keys that exclude each other, a forbidden property). NULL: all
     * said. */
    void (*check)(const void *conf, const struct gw_format *f, struct gw_problems *p,
                  const struct gw_yaml *at);
    /* Two configurations name one topic, queue or file; NULL: they cannot. */
    int (*same)(const void *a, const void *b);
    struct gw_publisher *(*open)(const void *conf, const struct gw_format *f, struct gw_loop *loop,
                                 struct gw_err *err);
    /* Writes ev into m (zeroed but for key), on mem. flyte may be NULL. GW_ERR_REJECT:
     * invalid_event; GW_ERR_TOO_LARGE. */
    int (*format)(struct gw_publisher *p, const struct gw_event *ev, const struct gw_flyte *flyte,
                  struct gw_arena *mem, struct gw_message *m, struct gw_err *err);
    void (*send)(struct gw_publisher *p, struct gw_message *batch); /* a list by next */
    /* `check --online`: asks the destination, publishes nothing; nothing was sent before. NULL: ask
     * does, or there is nobody to ask (null). */
    void (*online)(struct gw_publisher *p, struct gw_online *o);
    /* The same without open, where that makes something already (a file, a topic) or is not needed;
     * never NULL. */
    struct gw_asking *(*ask)(const void *conf, const struct gw_format *f, struct gw_loop *loop,
                             struct gw_online *o);
    void (*close)(struct gw_publisher *p);
};

/* First member of every publisher. limits and keeps_order are set by open. */
struct gw_publisher {
    const struct gw_publisher_ops *ops;
    struct gw_loop *loop;
    struct gw_publisher_limits limits;
    int keeps_order;
    int wants_flyte;      /* format looks at flyte */
    int one_a_key;        /* a batch holds one message of an order (FIFO queues) */
    gw_result_fn *result; /* set by the pipeline after open, like trouble */
    gw_trouble_fn *trouble;
    void *ctx;
};

/* Every type, for the configuration: `variants` of the key `publisher`. NULL past the last. */
const struct gw_variant *gw_publisher_variant(size_t i);
const struct gw_publisher_ops *gw_publisher_find(const char *name);
/* What the table cannot say of a conf: the type's own check, and `routes`. */
void gw_publisher_check(const struct gw_publisher_ops *ops, const void *conf,
                        const struct gw_format *f, struct gw_problems *p, const struct gw_yaml *at);

static inline void gw_publisher_send(struct gw_publisher *p, struct gw_message *batch)
{
    p->ops->send(p, batch);
}

static inline void gw_publisher_close(struct gw_publisher *p)
{
    if (p)
        p->ops->close(p);
}

/* The topic of a publisher's configuration, with {field} as it is written, if one of its brokers
 * is among these; NULL: none is. */
const char *gw_kafka_topic_at(const void *publisher, const struct gw_strs *brokers);

/* The queue of an SQS publisher's configuration, and the service that it is of; NULL: the default.
 */
const char *gw_sqs_queue_at(const void *publisher, const char **endpoint);

extern const struct gw_publisher_ops gw_publish_file, gw_publish_http, gw_publish_kafka,
    gw_publish_nats, gw_publish_null, gw_publish_pubsub, gw_publish_sns, gw_publish_sqs;

#endif
