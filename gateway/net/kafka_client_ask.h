#ifndef GW_NET_KAFKA_CLIENT_ASK_H
#define GW_NET_KAFKA_CLIENT_ASK_H

#include "base/online.h"
#include "net/loop.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>

/* Asks a cluster what it has, for `check --online`: whether it lets us in, and its topics. Nothing
 * is made by it: all topics are asked for, since asking for one by its name makes it, where brokers
 * make what they are asked for. On a thread of its own, because librdkafka waits. */
struct gw_kafka_ask {
    struct gw_asking base; /* first */
    struct gw_loop *loop;
    struct gw_online *online;
    rd_kafka_t *rk;
    pthread_t thread;
    int runs;
    atomic_int stop;
    struct gw_mail mail; /* the thread's last act */
    int arrived, closed;
    /* The cluster's answer, on the loop: says what is to be said of it. */
    void (*judge)(struct gw_kafka_ask *a, const struct rd_kafka_metadata *m);
    const struct rd_kafka_metadata *metadata;
    int all_down, refused; /* no broker is there; why is about who we are */
    char why[400];
};

/* a is zeroed but for judge, and from malloc: it is freed by a loop's turn after its close. conf
 * becomes ours; NULL: why says why it could not be made. */
void gw_kafka_ask_start(struct gw_kafka_ask *a, rd_kafka_type_t type, rd_kafka_conf_t *conf,
                        const char *why, struct gw_loop *loop, struct gw_online *o);
void gw_kafka_ask_say(struct gw_kafka_ask *a, int answer, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* A topic of the answer; NULL: it is not there, or we may not see it. */
const struct rd_kafka_metadata_topic *gw_kafka_ask_topic(const struct rd_kafka_metadata *m,
                                                         const char *name);

#endif
