#ifndef SPEC_UNIT_PUBLISH_KAFKA_MOCK_H
#define SPEC_UNIT_PUBLISH_KAFKA_MOCK_H

#include "publish/publish_kafka.h"
#include "test.h"

#include <librdkafka/rdkafka_mock.h>

#include <string.h>

/* librdkafka's own broker in this process: one for the test, made on first use. */
static rd_kafka_t *mock_handle;
static rd_kafka_mock_cluster_t *mock;

static inline rd_kafka_mock_cluster_t *kafka_mock(void)
{
    char why[200];

    if (mock)
        return mock;
    mock_handle = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), why, sizeof(why));
    CHECK(mock_handle);
    mock = rd_kafka_mock_cluster_new(mock_handle, 1);
    CHECK(mock);
    return mock;
}

static inline void kafka_mock_conf(struct gw_publish_kafka_conf *c, const char *topic)
{
    static const char *brokers[1];

    memset(c, 0, sizeof(*c));
    c->common =
        (struct gw_publish_common){.max_message_bytes = 1000000, .batch = {1000, 1 << 20, 0}};
    brokers[0] = rd_kafka_mock_cluster_bootstraps(kafka_mock());
    c->brokers = (struct gw_strs){brokers, 1};
    c->topic = topic;
    c->key = "key";
}

enum { KAFKA_PRODUCE = 0 };

/* The next Produce requests fail. */
static inline void kafka_mock_refuse(rd_kafka_resp_err_t err)
{
    rd_kafka_mock_push_request_errors(kafka_mock(), KAFKA_PRODUCE, 4, err, err, err, err);
}

static inline void kafka_mock_accept(void)
{
    rd_kafka_mock_clear_request_errors(kafka_mock(), KAFKA_PRODUCE);
}

#endif
