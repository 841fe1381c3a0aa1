/* The keys of a Kafka publisher, what the table cannot say of them, and librdkafka's settings. */
#include "publish/publish_kafka.h"

#include "base/err.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "flyte/flyte.h"
#include "publish/common.h"

#include <stdio.h>
#include <string.h>

static const char *const compressions[] = {"none", "gzip", "snappy", "lz4", "zstd", NULL};
static const struct gw_field batch_fields[] = {GW_PUBLISH_BATCH("1000", 10000, "1MiB")};
const struct gw_field gw_kafka_fields[] = {
    {"brokers", GW_F_STRS, offsetof(struct gw_publish_kafka_conf, brokers), .required = 1,
     .comma = 1, .help = "HOST:PORT of some brokers, as a list or with commas between."},
    {"topic", GW_F_STR, offsetof(struct gw_publish_kafka_conf, topic), .required = 1,
     .help = "Topic; {project} and other fields of flyte are filled in."},
    {"key", GW_F_STR, offsetof(struct gw_publish_kafka_conf, key),
     .help = "Message key: key (the execution), id, none, or attr:NAME. Default: key; in "
             "FlyteAdmin's styles id (or partitionkey, where the event has that attribute)."},
    {"compression", GW_F_CHOICE, offsetof(struct gw_publish_kafka_conf, compression), .def = "none",
     .help = "Of batches.", .choices = compressions},
    {"sasl", GW_F_TABLE, offsetof(struct gw_publish_kafka_conf, sasl), .pointer = 1,
     .help = "How to log in.", .fields = gw_kafka_sasl_fields,
     .size = sizeof(struct gw_kafka_sasl)},
    {"tls", GW_F_TABLE, offsetof(struct gw_publish_kafka_conf, tls), .pointer = 1,
     .help = "TLS to the brokers; {} with the system's certificates.", .fields = gw_tls_conf_fields,
     .size = sizeof(struct gw_tls_conf)},
    {"properties", GW_F_MAP, offsetof(struct gw_publish_kafka_conf, properties),
     .names_file = gw_kafka_names_file,
     .help = "Any other setting of librdkafka; files that they name (ssl.ca.location …, relative "
             "to the working directory) are watched. In FlyteAdmin's styles partitioner is "
             "fnv1a_random, which is its client's."},
    GW_PUBLISH_COMMON("1000000", batch_fields),
    {0}};

/* ---- properties ---- */

static const struct gw_kafka_forbidden forbidden[] = {
    {"acks", "always all"},
    {"request.required.acks", "always all"},
    {"enable.idempotence", "always on"},
    {"message.timeout.ms", "retry says how long"},
    {"delivery.timeout.ms", "retry says how long"},
    {"transactional.id", "not used"},
    {"bootstrap.servers", "use the key brokers"},
    {"metadata.broker.list", "use the key brokers"},
    {0}};

static struct gw_kafka_client client_of(const struct gw_publish_kafka_conf *c)
{
    return (struct gw_kafka_client){&c->brokers, c->sasl, c->tls, &c->properties, forbidden};
}

/* ---- check ---- */

int gw_kafka_same(const void *a, const void *b)
{
    const struct gw_publish_kafka_conf *x = a, *y = b;

    if (!x->topic || !y->topic || strcmp(x->topic, y->topic) != 0 || x->brokers.n != y->brokers.n)
        return 0;
    for (size_t i = 0; i < x->brokers.n; i++)
        if (strcmp(x->brokers.items[i], y->brokers.items[i]) != 0)
            return 0;
    return 1;
}

const char *gw_kafka_topic_at(const void *publisher, const struct gw_strs *brokers)
{
    const struct gw_publish_kafka_conf *c = publisher;

    for (size_t i = 0; i < c->brokers.n; i++)
        for (size_t k = 0; k < brokers->n; k++)
            if (!strcmp(c->brokers.items[i], brokers->items[k]))
                return c->topic;
    return NULL;
}

static void note(struct gw_problems *p, const struct gw_yaml *at, const char *text)
{
    gw_problems_add(p, GW_PROBLEM_NOTE, at->file, at->line, at->column, "%s", text);
}

/* What is written is done, and what FlyteAdmin's consumers may notice of it is said. */
static void check_departures(const struct gw_publish_kafka_conf *c, const struct gw_format *f,
                             struct gw_problems *p, const struct gw_yaml *at)
{
    const struct gw_yaml *partitioner =
        gw_yaml_place(gw_yaml_place(at, "properties"), "partitioner");

    if (f->style != GW_STYLE_FLYTEADMIN && f->style != GW_STYLE_FLYTEADMIN_V2)
        return; /* FlyteAdmin's externalEvents know no Kafka */
    if (f->mode == GW_MODE_STRUCTURED)
        note(p, at, "format.mode: structured is sent, FlyteAdmin's messages are binary");
    if (c->key && strcmp(c->key, "id") != 0)
        note(p, gw_yaml_place(at, "key"),
             "key: FlyteAdmin's is id; with another one messages go to other partitions");
    for (size_t i = 0; i < c->properties.n; i++)
        if (!strcmp(c->properties.items[i].key, "partitioner") &&
            strncmp(c->properties.items[i].value, "fnv1a", 5) != 0)
            note(p, partitioner,
                 "properties: FlyteAdmin's partitioner is fnv1a_random; another one sends "
                 "messages to other partitions");
}

void gw_kafka_check(const void *conf, const struct gw_format *f, struct gw_problems *p,
                    const struct gw_yaml *at)
{
    const struct gw_publish_kafka_conf *c = conf;
    const struct gw_kafka_client client = client_of(c);
    const struct gw_yaml *y;
    struct gw_template topic;
    struct gw_key_choice key;
    struct gw_err err;

    check_departures(c, f, p, at);
    if (c->topic && gw_template_parse(&gw_kafka_topic, c->topic, &topic, &err)) {
        y = gw_yaml_place(at, "topic");
        gw_problems_add(p, 0, y->file, y->line, y->column, "topic: %s", err.msg);
    }
    if (c->key && gw_key_choice_parse(c->key, &key)) {
        y = gw_yaml_place(at, "key");
        gw_problems_add(p, 0, y->file, y->line, y->column,
                        "key: \"%s\" is none of key, id, none, attr:NAME", c->key);
    }
    gw_kafka_client_check(&client, p, at);
}

/* ---- librdkafka's settings ---- */

rd_kafka_conf_t *gw_kafka_conf(const struct gw_publish_kafka_conf *c, int style, struct gw_err *err)
{
    enum { LEAST = 1000, MOST = 1000000000 }; /* librdkafka's bounds */
    const int64_t max = c->common.max_message_bytes;
    char message_max[24];
    const struct gw_kafka_setting ours[] = {
        {"client.id", "moongate"},
        {"socket.nagle.disable", "true"},
        {"linger.ms", "0.5"},
        {"reconnect.backoff.max.ms", "2000"},
        {"queue.buffering.max.messages", "10000000"}, /* the pipeline bounds what is in flight */
        {"queue.buffering.max.kbytes", "2147483647"},
        {"message.max.bytes", message_max},
        {"compression.codec", compressions[c->compression]},
        {"log.queue", "true"},
        /* the client of FlyteAdmin has the same hash; a user's `properties` are set after this */
        {"partitioner", style == GW_STYLE_DOCUMENTED ? NULL : "fnv1a_random"},
        {0}};
    /* Order and no loss: never given up, never overtaken, also not by what follows a refusal. */
    const struct gw_kafka_setting fixed[] = {{"enable.idempotence", "true"},
                                             {"acks", "all"},
                                             {"message.timeout.ms", "0"},
                                             {"enable.gapless.guarantee", "true"},
                                             {0}};
    const struct gw_kafka_client client = client_of(c);
    rd_kafka_conf_t *rk = rd_kafka_conf_new();

    snprintf(message_max, sizeof(message_max), "%lld",
             (long long)(max < LEAST  ? LEAST
                         : max > MOST ? MOST
                                      : max));
    if (gw_kafka_set(rk, ours, err) || gw_kafka_client_set(rk, &client, fixed, err)) {
        rd_kafka_conf_destroy(rk);
        return NULL;
    }
    return rk;
}
