/* How to talk to Kafka's brokers: log in, TLS, whatever else librdkafka has. */
#include "net/kafka_client.h"

#include "base/err.h"
#include "base/problems.h"
#include "base/text.h"
#include "base/yaml.h"
#include "net/address.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { SCRAM_FIXED_IN = 0x02060100 }; /* librdkafka #4895 */

const struct gw_field gw_kafka_sasl_fields[] = {
    {"mechanism", GW_F_STR, offsetof(struct gw_kafka_sasl, mechanism), .def = "PLAIN",
     .help = "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, …, as librdkafka's sasl.mechanism."},
    {"username", GW_F_STR, offsetof(struct gw_kafka_sasl, username), .help = "Name of the user."},
    {"password", GW_F_STR, offsetof(struct gw_kafka_sasl, password), .secret = 1,
     .help = "Password of the user."},
    {0}};

/* ---- properties ---- */

static const char *why_forbidden(const struct gw_kafka_forbidden *f, const char *name)
{
    while (f->name && strcmp(f->name, name) != 0)
        f++;
    return f->why;
}

static void offer_all(struct gw_nearest *near, const char **all, size_t n)
{
    for (size_t i = 0; i + 1 < n; i += 2)
        gw_nearest_offer(near, gw_str_of(all[i]));
}

/* "Did you mean", from librdkafka's own names and the aliases it does not list. */
static const char *hint_of(rd_kafka_conf_t *rk, const char *name, char *out, size_t size)
{
    static const char *const aliases[] = {"linger.ms",      "compression.type", "max.in.flight",
                                          "sasl.mechanism", "retries",          "batch.size"};
    struct gw_nearest near = {.wanted = gw_str_of(name)};
    rd_kafka_topic_conf_t *topic = rd_kafka_topic_conf_new();
    const char **ours, **of_topic, *hint;
    size_t n = 0, n_topic = 0;

    ours = rd_kafka_conf_dump(rk, &n);
    of_topic = rd_kafka_topic_conf_dump(topic, &n_topic);
    offer_all(&near, ours, n);
    offer_all(&near, of_topic, n_topic);
    for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
        gw_nearest_offer(&near, gw_str_of(aliases[i]));
    hint = gw_nearest_hint(&near, out, size);
    rd_kafka_conf_dump_free(ours, n);
    rd_kafka_conf_dump_free(of_topic, n_topic);
    rd_kafka_topic_conf_destroy(topic);
    return hint;
}

static int set_property(rd_kafka_conf_t *rk, const struct gw_kafka_client *c,
                        const struct gw_pair *pair, char *why, size_t size)
{
    const char *no = why_forbidden(c->forbidden, pair->key);
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

/* ---- files ---- */

static int ends_in(struct gw_str s, const char *end)
{
    const size_t len = strlen(end);

    return s.len >= len && !memcmp(s.p + s.len - len, end, len);
}

/* Offsets are written, not read; `probe` looks where systems have authorities. */
int gw_kafka_names_file(struct gw_str setting, struct gw_str value)
{
    if (gw_str_is(setting, "offset.store.path") || gw_str_is(value, "probe"))
        return 0;
    return ends_in(setting, ".location") || ends_in(setting, ".file") ||
           ends_in(setting, ".keytab") || ends_in(setting, ".path");
}

/* ---- check ---- */

struct place {
    struct gw_problems *p;
    const struct gw_yaml *at;
};

/* It is opened with the client, by librdkafka, from the working directory. */
static void check_property_file(const struct gw_pair *pair, struct place w)
{
    char why[100], key[120];

    if (!gw_kafka_names_file(gw_str_of(pair->key), gw_str_of(pair->value)))
        return;
    if (access(pair->value, R_OK))
        gw_problems_add(w.p, 0, w.at->file, w.at->line, w.at->column, "properties: %s: %s: %s",
                        pair->key, pair->value, strerror_r(errno, why, sizeof(why)));
    (void)snprintf(key, sizeof(key), "properties: %s", pair->key);
    if (!strcmp(pair->key, "ssl.ca.location") || !strcmp(pair->key, "ssl.certificate.location"))
        gw_tls_dates_check(pair->value, pair->key[4] == 'c' && pair->key[5] == 'e', key, w.p, w.at);
}

static const struct gw_yaml *value_of(const struct gw_yaml *map, const char *key)
{
    const struct gw_yaml *y = gw_yaml_get(map, key);

    return y ? y : map;
}

static void check_properties(const struct gw_kafka_client *c, struct place w)
{
    const struct gw_yaml *map = gw_yaml_place(w.at, "properties");
    rd_kafka_conf_t *rk = rd_kafka_conf_new();

    for (size_t i = 0; i < c->properties->n; i++) {
        const struct gw_yaml *at = map;
        char why[700];

        if (!set_property(rk, c, &c->properties->items[i], why, sizeof(why))) {
            check_property_file(&c->properties->items[i],
                                (struct place){w.p, value_of(map, c->properties->items[i].key)});
            continue;
        }
        for (size_t k = 0; k < map->n && map->type == GW_YAML_MAP; k++)
            if (gw_str_is(map->keys[k].text, c->properties->items[i].key))
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

static void check_sasl(const struct gw_kafka_client *c, struct place w)
{
    const struct gw_yaml *at = gw_yaml_place(gw_yaml_place(w.at, "sasl"), "mechanism");
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

/* Behind librdkafka's own PLAINTEXT://, SSL://, SASL_PLAINTEXT://, SASL_SSL://. NULL: it has
 * another scheme. */
static const char *behind_protocol(const char *broker)
{
    static const char *const all[] = {"plaintext", "ssl", "sasl_plaintext", "sasl_ssl"};
    const char *mark = strstr(broker, "://");

    for (size_t i = 0; mark && i < sizeof(all) / sizeof(all[0]); i++)
        if (strlen(all[i]) == (size_t)(mark - broker) &&
            !strncasecmp(broker, all[i], strlen(all[i])))
            return mark + 3;
    return mark ? NULL : broker;
}

/* Without a port it is 9092; an IPv6 address has one in brackets only. */
static int is_broker(const char *text)
{
    const char *host = behind_protocol(text), *colon = host ? strrchr(host, ':') : NULL;

    if (!host || !*host || strpbrk(host, "/ @?#"))
        return 0;
    if (!colon || (strchr(host, ':') != colon && colon[-1] != ']'))
        return 1;
    return colon > host && gw_port_read(gw_str_of(colon + 1)) > 0;
}

static void check_brokers(const struct gw_kafka_client *c, struct place w)
{
    const struct gw_yaml *list = gw_yaml_place(w.at, "brokers");

    for (size_t i = 0; i < c->brokers->n; i++) {
        const char *text = c->brokers->items[i];
        const struct gw_yaml *at =
            list->type == GW_YAML_SEQ && i < list->n ? &list->values[i] : list;

        if (*text && !is_broker(text))
            gw_problems_add(w.p, 0, at->file, at->line, at->column,
                            "brokers: expected HOST:PORT as kafka:9092, not \"%.80s\"", text);
    }
}

void gw_kafka_client_check(const struct gw_kafka_client *c, struct gw_problems *p,
                           const struct gw_yaml *at)
{
    const struct place w = {p, at};

    check_brokers(c, w);
    gw_tls_conf_check(c->tls, p, at);
    check_sasl(c, w);
    check_properties(c, w);
}

/* ---- librdkafka's settings ---- */

static int set(rd_kafka_conf_t *rk, const char *name, const char *value, struct gw_err *err)
{
    char why[160];

    if (!value || rd_kafka_conf_set(rk, name, value, why, sizeof(why)) == RD_KAFKA_CONF_OK)
        return 0;
    return gw_err_set(err, GW_ERR_RETRY, "%s: %s", name, why);
}

int gw_kafka_set(rd_kafka_conf_t *rk, const struct gw_kafka_setting *s, struct gw_err *err)
{
    for (; s->name; s++)
        if (set(rk, s->name, s->value, err))
            return -1;
    return 0;
}

static int set_security(rd_kafka_conf_t *rk, const struct gw_kafka_client *c, struct gw_err *err)
{
    const struct gw_kafka_sasl none = {0}, *sasl = c->sasl ? c->sasl : &none;
    const struct gw_tls_conf no_tls = {.verify = 1}, *tls = c->tls ? c->tls : &no_tls;
    const struct gw_kafka_setting all[] = {
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

    return gw_kafka_set(rk, all, err);
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

static int set_properties(rd_kafka_conf_t *rk, const struct gw_kafka_client *c, struct gw_err *err)
{
    char why[200];

    for (size_t i = 0; i < c->properties->n; i++)
        if (set_property(rk, c, &c->properties->items[i], why, sizeof(why)))
            return gw_err_set(err, GW_ERR_FATAL, "properties: %s", why);
    return 0;
}

int gw_kafka_client_set(rd_kafka_conf_t *rk, const struct gw_kafka_client *c,
                        const struct gw_kafka_setting *fixed, struct gw_err *err)
{
    return set_security(rk, c, err) || set_properties(rk, c, err) || gw_kafka_set(rk, fixed, err) ||
                   set_brokers(rk, c->brokers, err)
               ? -1
               : 0;
}
