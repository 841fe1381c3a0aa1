#include "config/flyteadmin.h"

#include "base/field.h"
#include "base/problems.h"
#include "base/text.h"
#include "base/yaml.h"

#include <strings.h>

#define AT(member) offsetof(struct gw_flyteadmin_conf, member)

static const char *const styles[] = {"flyteadmin", "documented", NULL};

static const struct gw_field aws_fields[] = {
    {"region", GW_F_STR, 0, .help = "AWS region of the topic."}, {0}};

static const struct gw_field gcp_fields[] = {
    {"projectId", GW_F_STR, 0, .help = "Google Cloud project of the topic."},
    {"region", GW_F_STR, sizeof(const char *),
     .help = "In Helm's samples; FlyteAdmin does not read it."},
    {0}};

static const struct gw_field sasl_fields[] = {
    {"enabled", GW_F_BOOL, offsetof(struct gw_flyteadmin_sasl, enabled), .help = "Log in.",
     .weak = 1},
    {"handshake", GW_F_BOOL, offsetof(struct gw_flyteadmin_sasl, handshake),
     .help = "Kafka's SASL handshake first.", .weak = 1},
    {"user", GW_F_STR, offsetof(struct gw_flyteadmin_sasl, user), .help = "User name."},
    {"password", GW_F_STR, offsetof(struct gw_flyteadmin_sasl, password), .help = "Password.",
     .secret = 1},
    {"passwordPath", GW_F_STR, offsetof(struct gw_flyteadmin_sasl, password_path),
     .help = "File with the password; wins over password."},
    {"mechanism", GW_F_STR, offsetof(struct gw_flyteadmin_sasl, mechanism),
     .help = "PLAIN, the only one that works in FlyteAdmin."},
    {0}};

static const struct gw_field tls_fields[] = {
    {"enabled", GW_F_BOOL, offsetof(struct gw_flyteadmin_tls, enabled), .help = "Use TLS.",
     .weak = 1},
    {"insecureSkipVerify", GW_F_BOOL, offsetof(struct gw_flyteadmin_tls, skip_verify),
     .help = "Do not verify the broker.", .weak = 1},
    {"certPath", GW_F_STR, offsetof(struct gw_flyteadmin_tls, cert_path),
     .help = "Client certificate."},
    {"keyPath", GW_F_STR, offsetof(struct gw_flyteadmin_tls, key_path), .help = "Client key."},
    {0}};

#define KAFKA(member) (AT(kafka.member) - AT(kafka))
static const struct gw_field kafka_fields[] = {
    {"version", GW_F_STR, KAFKA(version), .help = "Kafka's version as FlyteAdmin wants it, 2.1.0."},
    {"brokers", GW_F_STRS, KAFKA(brokers), .help = "host:port of brokers.", .comma = 1},
    {"saslConfig", GW_F_TABLE, KAFKA(sasl), .help = "Log in to the brokers.",
     .fields = sasl_fields},
    {"tlsConfig", GW_F_TABLE, KAFKA(tls), .help = "TLS to the brokers.", .fields = tls_fields},
    {0}};

#define NATS(member) (AT(nats.member) - AT(nats))
static const struct gw_field nats_user_fields[] = {
    {"enabled", GW_F_BOOL, NATS(user_enabled), .help = "Log in with user and password.", .weak = 1},
    {"user", GW_F_STR, NATS(user), .help = "User name."},
    {"password", GW_F_STR, NATS(password), .help = "Password.", .secret = 1},
    {0}};
static const struct gw_field nats_token_fields[] = {
    {"enabled", GW_F_BOOL, NATS(token_enabled), .help = "Log in with a token.", .weak = 1},
    {"token", GW_F_STR, NATS(token), .help = "The token.", .secret = 1},
    {0}};
static const struct gw_field nats_fields[] = {
    {"servers", GW_F_STRS, NATS(servers), .help = "URLs of servers.", .comma = 1},
    /* their keys lie in the same struct, so they start where it starts */
    {"userAuthentication", GW_F_TABLE, 0, .help = "User and password.", .fields = nats_user_fields},
    {"tokenAuthentication", GW_F_TABLE, 0, .help = "A token.", .fields = nats_token_fields},
    {0}};

#define PUBLISHER(member) (AT(publisher.member) - AT(publisher))
static const struct gw_field publisher_fields[] = {
    {"topicName", GW_F_STR, PUBLISHER(topic), .help = "SNS ARN, topic or subject."},
    {"eventTypes", GW_F_STRS, PUBLISHER(event_types), .help = "workflow, node, task, all or *.",
     .comma = 1},
    {"enrichAllWorkflowEventTypes", GW_F_BOOL, PUBLISHER(enrich),
     .help = "v2: inputs with every workflow event.", .weak = 1},
    {0}};

#define COMMON                                                                                     \
    {"enable", GW_F_BOOL, AT(enable), .help = "false: no pipeline is made of the section.",        \
     .weak = 1},                                                                                   \
        {"type", GW_F_STR, AT(type), .def = "local",                                               \
         .help = "aws, gcp, kafka, nats, sandbox or local."},                                      \
        {"style",                                                                                  \
         GW_F_CHOICE,                                                                              \
         AT(style),                                                                                \
         .def = "flyteadmin",                                                                      \
         .help = "What FlyteAdmin sends, or what Flyte's documentation says it sends.",            \
         .choices = styles},                                                                       \
        {"aws", GW_F_TABLE, AT(aws), .help = "Amazon SNS.", .fields = aws_fields},                 \
        {"gcp", GW_F_TABLE, AT(gcp), .help = "Google Cloud Pub/Sub.", .fields = gcp_fields},       \
        {"eventsPublisher", GW_F_TABLE, AT(publisher), .help = "What is sent, and where.",         \
         .fields = publisher_fields},                                                              \
        {"reconnectAttempts", GW_F_INT, AT(reconnect_attempts), .help = "Tries to connect.",       \
         .weak = 1},                                                                               \
    {                                                                                              \
        "reconnectDelaySeconds", GW_F_INT, AT(reconnect_delay), .help = "Between tries.",          \
                                                                .weak = 1                          \
    }

const struct gw_field gw_external_events_fields[] = {COMMON, {0}};
const struct gw_field gw_cloud_events_fields[] = {
    COMMON,
    {"kafka", GW_F_TABLE, AT(kafka), .help = "Kafka.", .fields = kafka_fields},
    {"nats", GW_F_TABLE, AT(nats), .help = "NATS.", .fields = nats_fields},
    {"cloudEventVersion", GW_F_STR, AT(version), .def = "v1", .help = "v1 or v2."},
    {0}};

/* The key of a path like "kafka.brokers", or the deepest part of it that stands there. */
static const struct gw_yaml *find(const struct gw_yaml *at, const char *path)
{
    while (*path && at->type == GW_YAML_MAP) {
        size_t len = strcspn(path, "."), i = 0;

        while (i < at->n &&
               (at->keys[i].text.len != len || strncasecmp(at->keys[i].text.p, path, len) != 0))
            i++;
        if (i == at->n)
            break;
        at = &at->values[i];
        path += len + (path[len] == '.');
    }
    return at;
}

static void required(const struct gw_yaml *at, struct gw_problems *p, const char *name,
                     const char *path)
{
    const struct gw_yaml *y = find(at, path);

    gw_problems_add(p, 0, y->file, y->line, y->column, "%s.%s is required", name, path);
}

static void check_kafka(const struct gw_flyteadmin_conf *c, const struct gw_yaml *at,
                        struct gw_problems *p, const char *name)
{
    const struct gw_yaml *y;

    if (!c->kafka.version)
        required(at, p, name, "kafka.version");
    if (!c->kafka.brokers.n)
        required(at, p, name, "kafka.brokers");
    if (c->kafka.sasl.enabled && c->kafka.sasl.mechanism && *c->kafka.sasl.mechanism &&
        strcmp(c->kafka.sasl.mechanism, "PLAIN") != 0) {
        y = find(at, "kafka.saslConfig.mechanism");
        gw_problems_add(
            p, 1, y->file, y->line, y->column,
            "%s.kafka.saslConfig.mechanism: FlyteAdmin itself stops at start with any but PLAIN",
            name);
    }
}

static void check_type(const struct gw_flyteadmin_conf *c, const struct gw_yaml *at,
                       struct gw_problems *p, const char *name, int external)
{
    static const char *const types[] = {"aws", "gcp", "kafka", "nats", "sandbox", "local"};
    struct gw_nearest near = {.wanted = gw_str_of(c->type)};
    const struct gw_yaml *y = find(at, "type");
    char hint[120];

    for (size_t i = 0; i < 6; i++) {
        if (!strcmp(c->type, types[i]) && !(external && (i == 2 || i == 3)))
            return;
        gw_nearest_offer(&near, gw_str_of(types[i]));
    }
    gw_problems_add(p, 1, y->file, y->line, y->column,
                    "%s.type: FlyteAdmin knows no \"%s\" here and sends nothing%s", name, c->type,
                    gw_nearest_hint(&near, hint, sizeof(hint)));
}

static void check_event_types(const struct gw_flyteadmin_conf *c, const struct gw_yaml *at,
                              struct gw_problems *p, const char *name)
{
    static const char *const known[] = {"workflow", "node", "task", "all", "*"};
    const struct gw_yaml *list = find(at, "eventsPublisher.eventTypes");

    for (size_t i = 0; i < c->publisher.event_types.n; i++) {
        const char *text = c->publisher.event_types.items[i];
        const struct gw_yaml *y =
            list->type == GW_YAML_SEQ && i < list->n ? &list->values[i] : list;
        struct gw_nearest near = {.wanted = gw_str_of(text)};
        char hint[120];
        size_t k = 0;

        for (; k < 5 && strcmp(text, known[k]) != 0; k++)
            gw_nearest_offer(&near, gw_str_of(known[k]));
        if (k == 5)
            gw_problems_add(
                p, 0, y->file, y->line, y->column,
                "%s.eventsPublisher.eventTypes: \"%s\" is none of workflow, node, task, all, *%s",
                name, text, gw_nearest_hint(&near, hint, sizeof(hint)));
    }
}

static void check_version(const struct gw_flyteadmin_conf *c, const struct gw_yaml *at,
                          struct gw_problems *p, const char *name)
{
    const struct gw_yaml *y = find(at, "cloudEventVersion");

    if (c->version && strcmp(c->version, "v1") != 0 && strcmp(c->version, "v2") != 0)
        gw_problems_add(p, 0, y->file, y->line, y->column,
                        "%s.cloudEventVersion: \"%s\" is none of v1, v2", name, c->version);
}

int gw_flyteadmin_check(const struct gw_flyteadmin_conf *c, const struct gw_yaml *at,
                        struct gw_problems *p, const char *name)
{
    int external = !strncasecmp(name, "external", 8);

    check_event_types(c, at, p, name);
    check_version(c, at, p, name);
    if (c->type)
        check_type(c, at, p, name, external);
    if (!c->enable || !c->type)
        return c->enable;
    if (!strcmp(c->type, "aws") && (!c->aws.region || !*c->aws.region))
        required(at, p, name, "aws.region");
    if (!strcmp(c->type, "gcp") && (!c->gcp.project || !*c->gcp.project))
        required(at, p, name, "gcp.projectId");
    if (!strcmp(c->type, "kafka") && !external)
        check_kafka(c, at, p, name);
    return 1;
}
