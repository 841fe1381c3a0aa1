#ifndef GW_PUBLISH_PUBLISH_KAFKA_H
#define GW_PUBLISH_PUBLISH_KAFKA_H

#include "base/diag.h"
#include "net/kafka_client.h"
#include "net/loop.h"
#include "publish/common.h"
#include "publish/flyteadmin.h"
#include "publish/key.h"
#include "publish/template.h"

#include <librdkafka/rdkafka.h>

/* Inside the room: the configuration of a Kafka publisher (kafka_conf.c) and its topic
 * (kafka_topic.c). */
struct gw_publish_kafka_conf {
    struct gw_publish_common common;
    struct gw_strs brokers;
    const char *topic, *key;
    int compression;
    struct gw_kafka_sasl *sasl; /* NULL: none */
    struct gw_tls_conf *tls;    /* NULL: none */
    struct gw_pairs properties;
};

extern const struct gw_field gw_kafka_fields[];
void gw_kafka_check(const void *conf, const struct gw_format *f, struct gw_problems *p,
                    const struct gw_yaml *at);
int gw_kafka_same(const void *a, const void *b);
/* librdkafka's configuration; the caller frees it or gives it to rd_kafka_new. */
rd_kafka_conf_t *gw_kafka_conf(const struct gw_publish_kafka_conf *c, int style,
                               struct gw_err *err);

/* kafka_online.c */
struct gw_asking *gw_kafka_ask(const void *conf, const struct gw_format *f, struct gw_loop *loop,
                               struct gw_online *o);

/* A topic, with `{field}` of flyte in it. */
extern const struct gw_template_form gw_kafka_topic;
extern const struct gw_routing gw_kafka_routing;

/* The producer (kafka_producer.c): what is sent goes through it, in order, and every result comes
 * from it, on the worker's loop. */
struct gw_kafka {
    struct gw_publisher base;
    const struct gw_publish_kafka_conf *conf;
    struct gw_template topic;
    struct gw_key_choice key; /* where the configuration has none: the record's or the style's */
    int binary, protobuf;
    struct gw_flyteadmin flyteadmin;

    rd_kafka_t *rk;        /* NULL: it could not be made; each send tries */
    rd_kafka_topic_t *rkt; /* of a fixed topic */
    int wake_fd;
    struct gw_watch wake;
    struct gw_timer tick;
    struct gw_task after; /* what must not happen inside a callback or send */
    struct gw_message *waiting, *out, *ended;
    size_t n_out, alone; /* the next `alone` messages are sent one by one */
    int reset;           /* the producer has to go; why says why */
    int fatal;           /* librdkafka said so of the producer */
    int suspect;         /* one of a batch was found bad */
    int all_down, troubled;
    int64_t progress_ms;
    char why[200];
    struct gw_diag_limit quiet;
};

/* k is zeroed but for base, conf and topic. -1: nothing is left open. */
int gw_kafka_start(struct gw_kafka *k, struct gw_err *err);
void gw_kafka_send(struct gw_kafka *k, struct gw_message *batch);
/* Gives a result to everything outstanding and ends. */
void gw_kafka_stop(struct gw_kafka *k);

#endif
