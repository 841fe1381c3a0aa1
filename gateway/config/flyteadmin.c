/* The keys of FlyteAdmin's own sections. */
#include "config/flyteadmin.h"

#define AT(member) offsetof(struct gw_flyteadmin_conf, member)

static const char *const styles[] = {"flyteadmin", "documented", NULL};

static const struct gw_field aws_fields[] = {
    {"region", GW_F_STR, 0, .help = "AWS region of the topic.", .weak = 1}, {0}};

static const struct gw_field gcp_fields[] = {
    {"projectId", GW_F_STR, 0, .help = "Google Cloud project of the topic.", .weak = 1},
    {"region", GW_F_STR, sizeof(const char *),
     .help = "In Helm's samples; FlyteAdmin does not read it.", .weak = 1},
    {0}};

static const struct gw_field sasl_fields[] = {
    {"enabled", GW_F_BOOL, offsetof(struct gw_flyteadmin_sasl, enabled), .help = "Log in.",
     .weak = 1},
    {"handshake", GW_F_BOOL, offsetof(struct gw_flyteadmin_sasl, handshake),
     .help = "Kafka's SASL handshake first; Moongate always does.", .weak = 1},
    {"user", GW_F_STR, offsetof(struct gw_flyteadmin_sasl, user), .help = "User name.", .weak = 1},
    {"password", GW_F_STR, offsetof(struct gw_flyteadmin_sasl, password), .help = "Password.",
     .secret = 1, .weak = 1},
    {"passwordPath", GW_F_STR, offsetof(struct gw_flyteadmin_sasl, password_path),
     .help = "File with the password, white space around it left out; wins over password.",
     .weak = 1},
    {"mechanism", GW_F_STR, offsetof(struct gw_flyteadmin_sasl, mechanism),
     .help = "PLAIN, the only one that works in FlyteAdmin; also SCRAM-SHA-256, SCRAM-SHA-512.",
     .weak = 1},
    {0}};

static const struct gw_field tls_fields[] = {
    {"enabled", GW_F_BOOL, offsetof(struct gw_flyteadmin_tls, enabled), .help = "Use TLS.",
     .weak = 1},
    {"insecureSkipVerify", GW_F_BOOL, offsetof(struct gw_flyteadmin_tls, skip_verify),
     .help = "Do not verify the broker.", .weak = 1},
    {"certPath", GW_F_STR, offsetof(struct gw_flyteadmin_tls, cert_path),
     .help = "Client certificate; only with keyPath.", .weak = 1},
    {"keyPath", GW_F_STR, offsetof(struct gw_flyteadmin_tls, key_path),
     .help = "Client key; only with certPath.", .weak = 1},
    {0}};

#define KAFKA(member) (AT(kafka.member) - AT(kafka))
static const struct gw_field kafka_fields[] = {
    {"version", GW_F_STR, KAFKA(version),
     .help = "Kafka's version, which FlyteAdmin wants as 2.1.0; Moongate needs none.", .weak = 1},
    {"brokers", GW_F_STRS, KAFKA(brokers), .help = "host:port of brokers.", .comma = 1, .weak = 1},
    {"saslConfig", GW_F_TABLE, KAFKA(sasl), .help = "Log in to the brokers.",
     .fields = sasl_fields},
    {"tlsConfig", GW_F_TABLE, KAFKA(tls), .help = "TLS to the brokers.", .fields = tls_fields},
    {0}};

#define NATS(member) (AT(nats.member) - AT(nats))
static const struct gw_field nats_user_fields[] = {
    {"enabled", GW_F_BOOL, NATS(user_enabled), .help = "Log in with user and password.", .weak = 1},
    {"user", GW_F_STR, NATS(user), .help = "User name.", .weak = 1},
    {"password", GW_F_STR, NATS(password), .help = "Password.", .secret = 1, .weak = 1},
    {0}};
static const struct gw_field nats_token_fields[] = {
    {"enabled", GW_F_BOOL, NATS(token_enabled), .help = "Log in with a token.", .weak = 1},
    {"token", GW_F_STR, NATS(token), .help = "The token.", .secret = 1, .weak = 1},
    {0}};
static const struct gw_field nats_fields[] = {
    {"servers", GW_F_STRS, NATS(servers), .help = "URLs of servers.", .comma = 1, .weak = 1},
    /* their keys lie in the same struct, so they start where it starts */
    {"userAuthentication", GW_F_TABLE, 0, .help = "User and password.", .fields = nats_user_fields},
    {"tokenAuthentication", GW_F_TABLE, 0, .help = "A token.", .fields = nats_token_fields},
    {0}};

#define PUBLISHER(member) (AT(publisher.member) - AT(publisher))
static const struct gw_field publisher_fields[] = {
    {"topicName", GW_F_STR, PUBLISHER(topic), .help = "SNS ARN, topic or subject.", .weak = 1},
    {"eventTypes", GW_F_STRS, PUBLISHER(event_types),
     .help = "workflow, node, task, all or *. None: nothing is sent (v1).", .comma = 1, .weak = 1},
    {"enrichAllWorkflowEventTypes", GW_F_BOOL, PUBLISHER(enrich),
     .help = "v2: what FlyteAdmin knows of the execution with every workflow event, not the last "
             "alone.",
     .weak = 1},
    {0}};

#define COMMON                                                                                     \
    {"enable", GW_F_BOOL, AT(enable),                                                              \
     .help = "true: the section becomes a pipeline. Absent is false, as in FlyteAdmin.",           \
     .weak = 1},                                                                                   \
        {"type",                                                                                   \
         GW_F_STR,                                                                                 \
         AT(type),                                                                                 \
         .def = "local",                                                                           \
         .help = "aws, gcp, kafka, nats; with sandbox or local nothing is sent.",                  \
         .weak = 1},                                                                               \
        {"style",                                                                                  \
         GW_F_CHOICE,                                                                              \
         AT(documented),                                                                           \
         .def = "flyteadmin",                                                                      \
         .help = "What FlyteAdmin sends, or what Flyte's documentation says it sends.",            \
         .choices = styles},                                                                       \
        {"id_spacing",                                                                             \
         GW_F_INT,                                                                                 \
         AT(id_spacing),                                                                           \
         .def = "2",                                                                               \
         .min = 1,                                                                                 \
         .max = 2,                                                                                 \
         .help = "Spaces between the parts of an id, 1 or 2, as your FlyteAdmin's binary writes "  \
                 "them."},                                                                         \
        {"aws", GW_F_TABLE, AT(aws), .help = "Amazon SNS.", .fields = aws_fields},                 \
        {"gcp", GW_F_TABLE, AT(gcp), .help = "Google Cloud Pub/Sub.", .fields = gcp_fields},       \
        {"eventsPublisher", GW_F_TABLE, AT(publisher), .help = "What is sent, and where.",         \
         .fields = publisher_fields},                                                              \
        {"reconnectAttempts", GW_F_INT, AT(reconnect_attempts),                                    \
         .help = "Tries to connect; Moongate tries for ever.", .weak = 1},                         \
    {                                                                                              \
        "reconnectDelaySeconds", GW_F_INT, AT(reconnect_delay),                                    \
            .help = "Seconds between tries; Moongate has its own.", .weak = 1                      \
    }

const struct gw_field gw_external_events_fields[] = {COMMON, {0}};
const struct gw_field gw_cloud_events_fields[] = {
    COMMON,
    {"kafka", GW_F_TABLE, AT(kafka), .help = "Kafka.", .fields = kafka_fields},
    {"nats", GW_F_TABLE, AT(nats), .help = "NATS.", .fields = nats_fields},
    {"cloudEventVersion", GW_F_STR, AT(version), .def = "v1", .help = "v1 or v2.", .weak = 1},
    {0}};
