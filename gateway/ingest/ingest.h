#ifndef GW_INGEST_INGEST_H
#define GW_INGEST_INGEST_H

#include "base/field.h"
#include "ingest/door.h"
#include "net/listener.h"

#include <stddef.h>
#include <stdint.h>

struct gw_asking;
struct gw_err;
struct gw_ingest;
struct gw_log;
struct gw_loop;
struct gw_metrics;
struct gw_online;
struct gw_kafka_sasl;
struct gw_problems;
struct gw_source_ops;
struct gw_push_conf;
struct gw_tls_conf;
struct gw_yaml;

/* Clients in, records out: the ingest loops (a thread each) with their listeners, and the sources,
 * which fetch by themselves (source.h), a thread each. A request is
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
    struct gw_door_conf door;
    const char *upstream; /* host:port of FlyteAdmin, before whom we stand; NULL: none */
    struct gw_upstream_tls *upstream_tls; /* NULL: without TLS */
};
struct gw_upstream_tls {
    const char *ca; /* NULL: the system's authorities */
};
struct gw_ingest_http_conf {
    struct gw_listener_conf listener;
    struct gw_door_conf door;
    const char *upstream;                 /* URL of FlyteAdmin's HTTP; NULL: none */
    struct gw_upstream_tls *upstream_tls; /* of https://; NULL: the system's authorities */
    int64_t upstream_timeout_ms;
    struct gw_push_conf *push; /* NULL: none */
};
/* Topics that are read as a member of a consumer group. */
struct gw_ingest_kafka {
    struct gw_strs brokers, topics;
    const char *group;
    int as;                     /* enum gw_as */
    struct gw_kafka_sasl *sasl; /* NULL: none */
    struct gw_tls_conf *tls;    /* NULL: none */
    struct gw_pairs properties;
};
struct gw_ingest_conf {
    int64_t threads, max_pending_bytes;
    struct gw_ingest_grpc_conf *grpc; /* NULL: not listening */
    struct gw_ingest_http_conf *http;
    struct gw_list kafka;  /* of struct gw_ingest_kafka */
    struct gw_list sqs;    /* of struct gw_ingest_sqs */
    struct gw_list pubsub; /* of struct gw_ingest_pubsub */
};
extern const struct gw_field gw_ingest_fields[];
/* What the tables cannot say. at: the section in the file. */
void gw_ingest_check(const struct gw_ingest_conf *conf, struct gw_problems *p,
                     const struct gw_yaml *at);
/* 1: one of its sources reads that queue of that service (endpoint NULL: the default one). */
int gw_ingest_sqs_reads(const struct gw_ingest_conf *conf, const char *queue_url,
                        const char *endpoint);
/* 1: its topics name this one, or a pattern of them matches. */
int gw_ingest_kafka_has(const struct gw_ingest_kafka *c, struct gw_str topic);
/* What a publisher sends comes in here again, through this topic; NULL: it does not, as far as can
 * be told. topic_at: its topic, with {field} as it is written, if one of its brokers is among
 * these. */
typedef const char *gw_ingest_topic_fn(const void *publisher, const struct gw_strs *brokers);
const char *gw_ingest_loop(const struct gw_ingest_conf *conf, gw_ingest_topic_fn *topic_at,
                           const void *publisher);

/* One of the sources. */
struct gw_ingest_source {
    const char *key; /* of the section: "kafka" */
    size_t index;    /* in that key's list */
    const struct gw_source_ops *ops;
    const void *conf;
};
/* Number i of all of them; 0: there are no more. */
int gw_ingest_source(const struct gw_ingest_conf *conf, size_t i, struct gw_ingest_source *out);
/* What `check --online` asks (base/online.h): the upstreams, then the sources. */
struct gw_ingest_asked {
    const char *name; /* for people, behind "ingest.": "grpc.upstream", "kafka" */
    const char
        *key[2];  /* where it is in the section; the second one NULL: in the list of the first */
    size_t index; /* in that list */
    const void *conf;
    struct gw_asking *(*ask)(const void *conf, struct gw_loop *loop, struct gw_online *o);
};
/* Number i of all of them; 0: there are no more. */
int gw_ingest_asked(const struct gw_ingest_conf *conf, size_t i, struct gw_ingest_asked *out);

/* Binds and starts the threads; logs msg=listening for each listener. */
struct gw_ingest *gw_ingest_start(const struct gw_ingest_conf *conf, struct gw_log *log,
                                  struct gw_metrics *metrics, struct gw_err *err);
/* Bound addresses; NULL: not listening. */
const char *gw_ingest_grpc_address(const struct gw_ingest *in);
const char *gw_ingest_http_address(const struct gw_ingest *in);
/* Files of the listeners (certificates, tokens) whose change matters, and what is done about it:
 * by one thread at a time, until the join. */
void gw_ingest_files(const struct gw_ingest *in, void (*fn)(void *ctx, const char *path),
                     void *ctx);
void gw_ingest_refresh(struct gw_ingest *in);
/* Sources take what their files say now. next says the same as the configuration at the start but
 * for what files hold; they borrow from it when this returns, and from what they had before no
 * more. Waits for each of them. Not on a loop of the ingest; one thread at a time, until the join.
 */
void gw_ingest_renew(struct gw_ingest *in, const struct gw_ingest_conf *next);
/* Shutting down: new requests get UNAVAILABLE/503, connections are drained, requests in progress
 * are answered. The control thread; a second time does nothing. */
void gw_ingest_stop(struct gw_ingest *in, int64_t deadline_ms);
/* Waits until no append is under way, and the connections that were there at the stop are gone or
 * deadline_ms (of gw_mono_ms) has come. New ones are told "shutting down" until the join. */
void gw_ingest_quiet(struct gw_ingest *in);
/* Of a stopped one: waits until it is quiet, closes everything and frees it. */
void gw_ingest_join(struct gw_ingest *in);

#endif
