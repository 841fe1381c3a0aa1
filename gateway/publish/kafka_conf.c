/* The keys of a Kafka publisher, what the table cannot say of them, and librdkafka's settings. */
#include "publish/publish_kafka.h"

#include "base/err.h"
#include "base/problems.h"
#include "base/text.h"
#include "base/yaml.h"
#include "event/event.h"
#include "publish/common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCRAM_FIXED_IN = 0x02060100 }; /* librdkafka #4895 */

static const char *const compressions[] = {"none", "gzip", "snappy", "lz4", "zstd", NULL};
static const struct gw_field batch_fields[] = {GW_PUBLISH_BATCH("1000", 10000, "1MiB")};
static const struct gw_field sasl_fields[] = {
    {"mechanism", GW_F_STR, offsetof(struct gw_kafka_sasl, mechanism), .def = "PLAIN",
     .help = "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, …, as librdkafka's sasl.mechanism."},
    {"username", GW_F_STR, offsetof(struct gw_kafka_sasl, username), .help = "Name of the user."},
    {"password", GW_F_STR, offsetof(struct gw_kafka_sasl, password), .secret = 1,
     .help = "Password of the user."},
    {0}};
const struct gw_field gw_kafka_fields[] = {
    {"brokers", GW_F_STRS, offsetof(struct gw_publish_kafka_conf, brokers), .required = 1,
     .comma = 1, .help = "HOST:PORT of some brokers, as a list or with commas between."},
    {"topic", GW_F_STR, offsetof(struct gw_publish_kafka_conf, topic), .required = 1,
     .help = "Topic; {project} and other fields of flyte are filled in."},
    {"key", GW_F_STR, offsetof(struct gw_publish_kafka_conf, key), .def = "key",
     .help = "Message key: key (the execution), id, none, or attr:NAME."},
    {"compression", GW_F_CHOICE, offsetof(struct gw_publish_kafka_conf, compression), .def = "none",
     .help = "Of batches.", .choices = compressions},
    {"sasl", GW_F_TABLE, offsetof(struct gw_publish_kafka_conf, sasl), .pointer = 1,
     .help = "How to log in.", .fields = sasl_fields, .size = sizeof(struct gw_kafka_sasl)},
    {"tls", GW_F_TABLE, offsetof(struct gw_publish_kafka_conf, tls), .pointer = 1,
     .help = "TLS to the brokers; {} with the system's certificates.",
     .fields = gw_publish_tls_fields, .size = sizeof(struct gw_publish_tls)},
    {"properties", GW_F_MAP, offsetof(struct gw_publish_kafka_conf, properties),
     .help = "Any other setting of librdkafka."},
    GW_PUBLISH_COMMON("1000000", batch_fields),
    {0}};

/* ---- key ---- */

int gw_kafka_key_parse(const char *text, enum gw_kafka_key *out, struct gw_str *attr)
{
    static const char *const names[] = {"key", "id", "none"};

    for (int i = 0; i < GW_KEY_ATTR; i++)
        if (!strcmp(text, names[i])) {
            *out = (enum gw_kafka_key)i;
            return 0;
        }
    *out = GW_KEY_ATTR;
    if (strncmp(text, "attr:", 5) != 0)
        return -1;
    *attr = gw_str_of(text + 5);
    return gw_attr_name_ok(*attr) ? 0 : -1;
}

/* ---- properties ---- */

static const struct {
    const char *name, *why;
} forbidden[] = {
    {"acks", "always all"},
    {"request.required.acks", "always all"},
    {"enable.idempotence", "always on"},
    {"message.timeout.ms", "retry says how long"},
    {"delivery.timeout.ms", "retry says how long"},
    {"transactional.id", "not used"},
    {"bootstrap.servers", "use the key brokers"},
    {"metadata.broker.list", "use the key brokers"},
};

static const char *why_forbidden(const char *name)
{
    for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
        if (!strcmp(forbidden[i].name, name))
            return forbidden[i].why;
    return NULL;
}

static void offer_dump(struct gw_nearest *near, const char **all, size_t n)
{
    for (size_t i = 0; i + 1 < n; i += 2)
        gw_nearest_offer(near, gw_str_of(all[i]));
    rd_kafka_conf_dump_free(all, n);
}

/* "Did you mean", from librdkafka's own names and the aliases it does not list. */
static const char *hint_of(rd_kafka_conf_t *rk, const char *name, char *out, size_t size)
{
    static const char *const aliases[] = {"linger.ms",      "compression.type", "max.in.flight",
                                          "sasl.mechanism", "retries",          "batch.size"};
    struct gw_nearest near = {.wanted = gw_str_of(name)};
    rd_kafka_topic_conf_t *topic = rd_kafka_topic_conf_new();
    const char **all;
    size_t n = 0;

    all = rd_kafka_conf_dump(rk, &n);
    offer_dump(&near, all, n);
    all = rd_kafka_topic_conf_dump(topic, &n);
    offer_dump(&near, all, n);
    rd_kafka_topic_conf_destroy(topic);
    for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
        gw_nearest_offer(&near, gw_str_of(aliases[i]));
    return gw_nearest_hint(&near, out, size);
}

static int set_property(rd_kafka_conf_t *rk, const struct gw_pair *pair, char *why, size_t size)
{
    const char *no = why_forbidden(pair->key);
    char text[512], hint[160];

    if (no) {
        snprintf(why, size, "%s cannot be set: %s", pair->key, no);
        return -1;
    }
    switch (rd_kafka_conf_set(rk, pair->key, pair->value, text, sizeof(text))) {
    case RD_KAFKA_CONF_OK:
        return 0;
    case RD_KAFKA_CONF_UNKNOWN:
        snprintf(why, size, "librdkafka has no setting \"%s\"%s", pair->key,
                 hint_of(rk, pair->key, hint, sizeof(hint)));
        return -1;
    default:
        snprintf(why, size, "%s: %s", pair->key, text);
        return -1;
    }
}

/* ---- check ---- */

struct place {
    struct gw_problems *p;
    const struct gw_yaml *at;
};

static void check_properties(const struct gw_publish_kafka_conf *c, struct place w)
{
    const struct gw_yaml *map = gw_publish_value_of(w.at, "properties");
    rd_kafka_conf_t *rk = rd_kafka_conf_new();

    for (size_t i = 0; i < c->properties.n; i++) {
        const struct gw_yaml *at = map;
        char why[700];

        if (!set_property(rk, &c->properties.items[i], why, sizeof(why)))
            continue;
        for (size_t k = 0; k < map->n && map->type == GW_YAML_MAP; k++)
            if (gw_str_is(map->keys[k].text, c->properties.items[i].key))
                at = &map->keys[k];
        gw_problems_add(w.p, 0, at->file, at->line, at->column, "properties: %s", why);
    }
    rd_kafka_conf_destroy(rk);
}

static int knows_mechanism(const char *name, char *hint, size_t size, const char **said)
{
    static const char *const all[] = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI",
                                      "OAUTHBEARER"};
    struct gw_nearest near = {.wanted = gw_str_of(name)};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (!strcmp(name, all[i]))
            return 1;
        gw_nearest_offer(&near, gw_str_of(all[i]));
    }
    *said = gw_nearest_hint(&near, hint, size);
    return 0;
}

static void check_sasl(const struct gw_publish_kafka_conf *c, struct place w)
{
    const struct gw_yaml *at = gw_publish_value_of(gw_publish_value_of(w.at, "sasl"), "mechanism");
    const char *name, *said = "";
    char hint[80];

    if (!c->sasl)
        return;
    name = c->sasl->mechanism;
    if (!knows_mechanism(name, hint, sizeof(hint), &said))
        gw_problems_add(w.p, 0, at->file, at->line, at->column,
                        "sasl.mechanism: \"%.80s\" is none of PLAIN, SCRAM-SHA-256, "
                        "SCRAM-SHA-512, GSSAPI, OAUTHBEARER%s",
                        name, said);
    if (!strncmp(name, "SCRAM", 5) && rd_kafka_version() < SCRAM_FIXED_IN)
        gw_problems_add(w.p, 1, at->file, at->line, at->column,
                        "sasl.mechanism: librdkafka %s cannot log in with %s at Kafka 4 and newer "
                        "(fixed in 2.6.1)",
                        rd_kafka_version_str(), name);
    if ((!strcmp(name, "PLAIN") || !strncmp(name, "SCRAM", 5)) &&
        (!c->sasl->username || !c->sasl->password))
        gw_problems_add(w.p, 0, at->file, at->line, at->column,
                        "sasl: %s needs username and password", name);
}

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

void gw_kafka_check(const void *conf, const struct gw_format *f, struct gw_problems *p,
                    const struct gw_yaml *at)
{
    const struct gw_publish_kafka_conf *c = conf;
    const struct place w = {p, at};
    const struct gw_yaml *y;
    struct gw_kafka_topic topic;
    enum gw_kafka_key key;
    struct gw_str attr;
    struct gw_err err;

    (void)f;
    if (c->topic && gw_kafka_topic_parse(c->topic, &topic, &err)) {
        y = gw_publish_value_of(at, "topic");
        gw_problems_add(p, 0, y->file, y->line, y->column, "topic: %s", err.msg);
    }
    if (c->key && gw_kafka_key_parse(c->key, &key, &attr)) {
        y = gw_publish_value_of(at, "key");
        gw_problems_add(p, 0, y->file, y->line, y->column,
                        "key: \"%s\" is none of key, id, none, attr:NAME", c->key);
    }
    gw_publish_tls_check(c->tls, p, at);
    check_sasl(c, w);
    check_properties(c, w);
}

/* ---- librdkafka's settings ---- */

struct setting {
    const char *name, *value;
};

static int set(rd_kafka_conf_t *rk, const char *name, const char *value, struct gw_err *err)
{
    char why[160];

    if (!value || rd_kafka_conf_set(rk, name, value, why, sizeof(why)) == RD_KAFKA_CONF_OK)
        return 0;
    return gw_err_set(err, GW_ERR_RETRY, "%s: %s", name, why);
}

static int set_all(rd_kafka_conf_t *rk, const struct setting *s, struct gw_err *err)
{
    for (; s->name; s++)
        if (set(rk, s->name, s->value, err))
            return -1;
    return 0;
}

static int set_security(rd_kafka_conf_t *rk, const struct gw_publish_kafka_conf *c,
                        struct gw_err *err)
{
    const struct gw_kafka_sasl none = {0}, *sasl = c->sasl ? c->sasl : &none;
    const struct gw_publish_tls no_tls = {.verify = 1}, *tls = c->tls ? c->tls : &no_tls;
    const struct setting all[] = {
        {"security.protocol", c->sasl && c->tls ? "SASL_SSL"
                              : c->sasl         ? "SASL_PLAINTEXT"
                              : c->tls          ? "SSL"
                                                : "PLAINTEXT"},
        {"sasl.mechanism", sasl->mechanism},
        {"sasl.username", sasl->username},
        {"sasl.password", sasl->password},
        {"ssl.ca.location", tls->ca},
        {"ssl.certificate.location", tls->cert},
        {"ssl.key.location", tls->key},
        {"enable.ssl.certificate.verification", tls->verify ? NULL : "false"},
        {"ssl.endpoint.identification.algorithm", c->tls && tls->verify ? "https" : NULL},
        {0}};

    return set_all(rk, all, err);
}

static int set_brokers(rd_kafka_conf_t *rk, const struct gw_strs *brokers, struct gw_err *err)
{
    char all[4096];
    size_t len = 0;

    for (size_t i = 0; i < brokers->n; i++) {
        int n = snprintf(all + len, sizeof(all) - len, "%s%s", i ? "," : "", brokers->items[i]);

        if (n < 0 || (size_t)n >= sizeof(all) - len)
            return gw_err_set(err, GW_ERR_FATAL, "brokers: the list is too long");
        len += (size_t)n;
    }
    return set(rk, "bootstrap.servers", len ? all : NULL, err);
}

static int set_properties(rd_kafka_conf_t *rk, const struct gw_pairs *all, struct gw_err *err)
{
    char why[200];

    for (size_t i = 0; i < all->n; i++)
        if (set_property(rk, &all->items[i], why, sizeof(why)))
            return gw_err_set(err, GW_ERR_FATAL, "properties: %s", why);
    return 0;
}

rd_kafka_conf_t *gw_kafka_conf(const struct gw_publish_kafka_conf *c, struct gw_err *err)
{
    enum { LEAST = 1000, MOST = 1000000000 }; /* librdkafka's bounds */
    const int64_t max = c->common.max_message_bytes;
    char message_max[24];
    const struct setting ours[] = {
        {"client.id", "moongate"},
        {"socket.nagle.disable", "true"},
        {"linger.ms", "0.5"},
        {"reconnect.backoff.max.ms", "2000"},
        {"queue.buffering.max.messages", "10000000"}, /* the pipeline bounds what is in flight */
        {"queue.buffering.max.kbytes", "2147483647"},
        {"message.max.bytes", message_max},
        {"compression.codec", compressions[c->compression]},
        {"log.queue", "true"},
        {0}};
    /* Order and no loss: never given up, never overtaken, also not by what follows a refusal. */
    const struct setting fixed[] = {{"enable.idempotence", "true"},
                                    {"acks", "all"},
                                    {"message.timeout.ms", "0"},
                                    {"enable.gapless.guarantee", "true"},
                                    {0}};
    rd_kafka_conf_t *rk = rd_kafka_conf_new();

    snprintf(message_max, sizeof(message_max), "%lld",
             (long long)(max < LEAST  ? LEAST
                         : max > MOST ? MOST
                                      : max));
    if (set_all(rk, ours, err) || set_security(rk, c, err) ||
        set_properties(rk, &c->properties, err) || set_all(rk, fixed, err) ||
        set_brokers(rk, &c->brokers, err)) {
        rd_kafka_conf_destroy(rk);
        return NULL;
    }
    return rk;
}
