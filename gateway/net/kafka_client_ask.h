#ifndef GW_NET_KAFKA_CLIENT_ASK_H
#define GW_NET_KAFKA_CLIENT_ASK_H

#include "base/field.h"
#include "base/online.h"
#include "net/loop.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>

/* Asks a cluster what it has, for `check --online`: whether it lets us in, and its topics. Nothing
 * is made by it: all topics are asked for, since asking for one by its name makes it, where brokers
 * make what they are asked for. On a thread of its own, because librdkafka waits. */
struct gw_kafka_ask;

/* Who asks. */
struct gw_kafka_asker {
    rd_kafka_type_t type;
    const struct gw_strs *brokers;
    const void *conf; /* the judge's */
    /* The cluster's answer, on the loop: says what is to be said of it. */
    void (*judge)(struct gw_kafka_ask *a, const struct rd_kafka_metadata *m);
};

struct gw_kafka_ask {
    struct gw_asking base; /* first */
    struct gw_kafka_asker by;
    struct gw_loop *loop;
    struct gw_online *online;
    rd_kafka_t *rk;
    pthread_t thread;
    int runs;
    atomic_int stop;
    struct gw_mail mail; /* the thread's last act */
    int arrived, closed;
    const struct rd_kafka_metadata *metadata;
    int all_down, refused; /* no broker is there; why is about who we are */
    char why[400];
};

/* It is freed by a loop's turn after its close. conf becomes ours; NULL: why says why it could not
 * be made. */
struct gw_asking *gw_kafka_ask_start(const struct gw_kafka_asker *by, rd_kafka_conf_t *conf,
                                     const char *why, struct gw_loop *loop, struct gw_online *o);
void gw_kafka_ask_say(struct gw_kafka_ask *a, int answer, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* A topic of the answer; NULL: it is not there, or we may not see it. */
const struct rd_kafka_metadata_topic *gw_kafka_ask_topic(const struct rd_kafka_metadata *m,
                                                         const char *name);

#endif
