/* The keys of a Kafka source, what the table cannot say of them, and librdkafka's settings. */
#include "ingest/kafka.h"
#include "ingest/pubsub.h"
#include "ingest/push_read.h"
#include "ingest/sqs.h"
#include "ingest/upstream.h"

#include "base/err.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "flyte/incoming.h"

#include <fnmatch.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

enum { MAX_TOPIC = 249 }; /* Kafka's */

const struct gw_field gw_ingest_kafka_fields[] = {
    {"brokers", GW_F_STRS, offsetof(struct gw_ingest_kafka, brokers), .required = 1, .comma = 1,
     .help = "HOST:PORT of some brokers, as a list or with commas between."},
    {"topics", GW_F_STRS, offsetof(struct gw_ingest_kafka, topics), .required = 1, .comma = 1,
     .help = "Topics to read; one that begins with ^ is a regular expression."},
    {"group", GW_F_STR, offsetof(struct gw_ingest_kafka, group), .def = "moongate",
     .help =
         "Consumer group. Gateways of one group share the partitions; a new group begins at the "
         "oldest message (properties: auto.offset.reset)."},
    {"as", GW_F_CHOICE, offsetof(struct gw_ingest_kafka, as), .def = "auto",
     .help = "What the messages are: auto (FlyteAdmin's and CloudEvents, recognised), cloudevent, "
             "or requests of externalEvents: workflow, node, task.",
     .choices = gw_as_names},
    {"sasl", GW_F_TABLE, offsetof(struct gw_ingest_kafka, sasl), .pointer = 1,
     .help = "How to log in.", .fields = gw_kafka_sasl_fields,
     .size = sizeof(struct gw_kafka_sasl)},
    {"tls", GW_F_TABLE, offsetof(struct gw_ingest_kafka, tls), .pointer = 1,
     .help = "TLS to the brokers; {} with the system's certificates.", .fields = gw_tls_conf_fields,
     .size = sizeof(struct gw_tls_conf)},
    {"properties", GW_F_MAP, offsetof(struct gw_ingest_kafka, properties),
     .names_file = gw_kafka_names_file,
     .help = "Any other setting of librdkafka; files that they name (ssl.ca.location …, relative "
             "to the working directory) are watched."},
    {0}};

#define OURS "offsets are committed when records are durable"
static const struct gw_kafka_forbidden forbidden[] = {
    {"group.id", "use the key group"},
    {"enable.auto.commit", OURS},
    {"auto.commit.enable", OURS},
    {"auto.commit.interval.ms", OURS},
    {"enable.auto.offset.store", OURS},
    {"offset.store.method", OURS},
    {"offset.store.path", OURS},
    {"offset.store.sync.interval.ms", OURS},
    {"bootstrap.servers", "use the key brokers"},
    {"metadata.broker.list", "use the key brokers"},
    {0}};

static struct gw_kafka_client client_of(const struct gw_ingest_kafka *c)
{
    return (struct gw_kafka_client){&c->brokers, c->sasl, c->tls, &c->properties, forbidden};
}

/* ---- check ---- */

static const struct gw_yaml *at_item(const struct gw_yaml *list, size_t i)
{
    return list->type == GW_YAML_SEQ && i < list->n ? &list->values[i] : list;
}

#define PROBLEM(p, at, ...) gw_problems_add(p, 0, (at)->file, (at)->line, (at)->column, __VA_ARGS__)

static void check_topic(const char *topic, struct gw_problems *p, const struct gw_yaml *at)
{
    static const char legal[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    char why[160];
    regex_t pattern;
    int rc;

    if (*topic == '^') {
        rc = regcomp(&pattern, topic, REG_EXTENDED | REG_NOSUB);
        if (!rc) {
            regfree(&pattern);
            return;
        }
        regerror(rc, &pattern, why, sizeof(why));
        PROBLEM(p, at, "topics: \"%.80s\" is no regular expression: %s", topic, why);
    } else if (topic[strspn(topic, legal)] || strlen(topic) > MAX_TOPIC || !strcmp(topic, ".") ||
               !strcmp(topic, "..")) {
        PROBLEM(p, at,
                "topics: \"%.80s\" is no name of a topic: letters, digits, '.', '_', '-', at most "
                "249 (a regular expression begins with ^)",
                topic);
    }
}

static void check_one(const struct gw_ingest_kafka *c, struct gw_problems *p,
                      const struct gw_yaml *at)
{
    const struct gw_kafka_client client = client_of(c);
    const struct gw_yaml *y = gw_yaml_place(at, "topics");

    for (size_t i = 0; i < c->topics.n; i++)
        check_topic(c->topics.items[i], p, at_item(y, i));
    if (c->group && !*c->group) {
        y = gw_yaml_place(at, "group");
        PROBLEM(p, y, "group: a group has a name");
    }
    gw_kafka_client_check(&client, p, at);
}

/* What was wrong with it has been told. */
static int says_something(const struct gw_yaml *ingest)
{
    static const char *const ways[] = {"grpc", "http", "kafka", "sqs", "pubsub"};

    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
        const struct gw_yaml *y = gw_yaml_get(ingest, ways[i]);

        if (y && y->type != GW_YAML_SEQ && !gw_yaml_is_null(y))
            return 1;
    }
    return ingest->type != GW_YAML_MAP;
}

void gw_ingest_check(const struct gw_ingest_conf *conf, struct gw_problems *p,
                     const struct gw_yaml *at)
{
    const struct gw_yaml *list = gw_yaml_place(at, "kafka");
    const struct gw_ingest_kafka *all = conf->kafka.items;

    if (!conf->grpc && !conf->http && !conf->kafka.n && !conf->sqs.n && !conf->pubsub.n &&
        !says_something(at))
        gw_problems_add(p, 1, at->file, at->line, at->column,
                        "ingest: neither grpc nor http nor a source: no event comes in");
    if (conf->grpc) {
        gw_door_check(&conf->grpc->door, "ingest.grpc", p, gw_yaml_place(at, "grpc"));
        gw_upstream_check(conf->grpc, p, gw_yaml_place(at, "grpc"));
    }
    if (conf->http) {
        gw_door_check(&conf->http->door, "ingest.http", p, gw_yaml_place(at, "http"));
        gw_http_upstream_check(conf->http, p, gw_yaml_place(at, "http"));
    }
    for (size_t i = 0; list && list != at && i < conf->kafka.n; i++)
        check_one(&all[i], p, at_item(list, i));
    list = gw_yaml_place(at, "sqs");
    for (size_t i = 0; list && list != at && i < conf->sqs.n; i++)
        gw_ingest_sqs_check(&((const struct gw_ingest_sqs *)conf->sqs.items)[i], p,
                            at_item(list, i));
    list = gw_yaml_place(at, "pubsub");
    for (size_t i = 0; list && list != at && i < conf->pubsub.n; i++)
        gw_ingest_pubsub_check(&((const struct gw_ingest_pubsub *)conf->pubsub.items)[i], p,
                               at_item(list, i));
    if (conf->http && conf->http->push)
        gw_push_check(conf->http->push, p, gw_yaml_place(gw_yaml_place(at, "http"), "push"));
}

static int matches(const char *topic, const char *pattern)
{
    regex_t compiled;
    int rc;

    if (*pattern != '^')
        return !strcmp(topic, pattern);
    if (regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB))
        return 0;
    rc = !regexec(&compiled, topic, 0, NULL, 0);
    regfree(&compiled);
    return rc;
}

int gw_ingest_kafka_has(const struct gw_ingest_kafka *c, struct gw_str topic)
{
    char name[MAX_TOPIC + 1];

    if (topic.len > MAX_TOPIC)
        return 0;
    memcpy(name, topic.p, topic.len);
    name[topic.len] = '\0';
    for (size_t i = 0; i < c->topics.n; i++)
        if (matches(name, c->topics.items[i]))
            return 1;
    return 0;
}

/* {field} may become anything. */
static int may_be(const char *template, const char *topic)
{
    char glob[512];
    size_t n = 0;

    while (*template && n + 1 < sizeof(glob)) {
        const char *end = *template == '{' ? strchr(template, '}') : NULL;

        glob[n++] = *template;
        if (end)
            glob[n - 1] = '*';
        template = end ? end + 1 : template + 1;
    }
    glob[n] = '\0';
    return !fnmatch(glob, topic, 0);
}

static const char *loop_of(const struct gw_ingest_kafka *c, gw_ingest_topic_fn *topic_at,
                           const void *publisher)
{
    const char *topic = topic_at(publisher, &c->brokers);

    if (!topic)
        return NULL;
    if (!strchr(topic, '{'))
        return gw_ingest_kafka_has(c, gw_str_of(topic)) ? topic : NULL;
    for (size_t i = 0; i < c->topics.n; i++)
        if (may_be(topic, c->topics.items[i]))
            return c->topics.items[i];
    return NULL;
}

const char *gw_ingest_loop(const struct gw_ingest_conf *conf, gw_ingest_topic_fn *topic_at,
                           const void *publisher)
{
    const struct gw_ingest_kafka *all = conf->kafka.items;
    const char *topic = NULL;

    for (size_t i = 0; i < conf->kafka.n && !topic; i++)
        topic = loop_of(&all[i], topic_at, publisher);
    return topic;
}

/* ---- librdkafka's settings ---- */

rd_kafka_conf_t *gw_ingest_kafka_conf(const struct gw_ingest_kafka *c, struct gw_err *err)
{
    static const struct gw_kafka_setting ours[] = {
        {"client.id", "moongate"},
        {"socket.nagle.disable", "true"},
        {"reconnect.backoff.max.ms", "2000"},
        {"auto.offset.reset", "earliest"},               /* a new group: nothing is passed over */
        {"queued.max.messages.kbytes", "16384"},         /* fetched ahead, in memory */
        {"topic.metadata.refresh.interval.ms", "10000"}, /* so soon is a new topic seen */
        {"log.queue", "true"},
        {0}};
    const struct gw_kafka_setting fixed[] = {{"group.id", c->group},
                                             {"enable.auto.commit", "false"},
                                             {"enable.auto.offset.store", "false"},
                                             {0}};
    const struct gw_kafka_client client = client_of(c);
    rd_kafka_conf_t *rk = rd_kafka_conf_new();

    if (!gw_kafka_set(rk, ours, err) && !gw_kafka_client_set(rk, &client, fixed, err))
        return rk;
    rd_kafka_conf_destroy(rk);
    return NULL;
}

/* Of all files that the settings name, one after the other. */
static struct gw_print print_named(const struct gw_pairs *properties)
{
    struct gw_print all = {{0}};

    for (size_t i = 0; i < properties->n; i++) {
        const struct gw_pair *pair = &properties->items[i];
        struct gw_print one;

        if (!gw_kafka_names_file(gw_str_of(pair->key), gw_str_of(pair->value)))
            continue;
        one = gw_file_print(pair->value);
        for (size_t k = 0; k < sizeof(all.hash); k++)
            all.hash[k] = (unsigned char)(all.hash[k] * 31 + one.hash[k]);
    }
    return all;
}

struct gw_kafka_files gw_kafka_files_of(const struct gw_ingest_kafka *c)
{
    const struct gw_tls_conf none = {0}, *tls = c->tls ? c->tls : &none;

    return (struct gw_kafka_files){gw_file_print(tls->ca), gw_file_print(tls->cert),
                                   gw_file_print(tls->key), print_named(&c->properties)};
}

int gw_kafka_files_same(const struct gw_kafka_files *a, const struct gw_kafka_files *b)
{
    return gw_print_same(&a->ca, &b->ca) && gw_print_same(&a->cert, &b->cert) &&
           gw_print_same(&a->key, &b->key) && gw_print_same(&a->named, &b->named);
}
