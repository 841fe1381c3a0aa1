#include "ingest/kafka.h"
#include "ingest/pubsub.h"
#include "ingest/push_read.h"
#include "ingest/sqs.h"
#include "net/tls_conf.h"

#include <assert.h>

/* The keys of `ingest`. grpc and http are tables of one shape; what differs are the names and the
 * defaults of two keys. Both structs begin with their listener and their door. */

enum { SECOND = 1000, DAY = 86400 * SECOND };
static_assert(!offsetof(struct gw_ingest_grpc_conf, listener), "one shape");
static_assert(!offsetof(struct gw_ingest_http_conf, listener), "one shape");
static_assert(offsetof(struct gw_ingest_grpc_conf, door) ==
                  offsetof(struct gw_ingest_http_conf, door),
              "one shape");

#define LISTEN(address)                                                                            \
    .name = "listen", .type = GW_F_STR, .offset = offsetof(struct gw_listener_conf, listen),       \
    .def = (address), .help = "Address and port; port 0 lets the kernel choose."
#define BODY_LIMIT(key, what)                                                                      \
    .name = (key), .type = GW_F_SIZE, .offset = offsetof(struct gw_listener_conf, max_body_bytes), \
    .def = "4MiB", .help = (what), .min = 1, .max = 1L << 30
#define HEADER_TIMEOUT                                                                             \
    .name = "header_timeout", .type = GW_F_DURATION,                                               \
    .offset = offsetof(struct gw_listener_conf, header_timeout_ms), .def = "30s",                  \
    .help = "For the whole head of a request, the connection's preface too.", .min = 1, .max = DAY
#define BODY_TIMEOUT                                                                               \
    .name = "body_timeout", .type = GW_F_DURATION,                                                 \
    .offset = offsetof(struct gw_listener_conf, body_timeout_ms), .def = "30s",                    \
    .help = "Between two pieces of a request's body.", .min = 1, .max = DAY
#define IDLE_TIMEOUT                                                                               \
    .name = "idle_timeout", .type = GW_F_DURATION,                                                 \
    .offset = offsetof(struct gw_listener_conf, idle_timeout_ms), .def = "5m",                     \
    .help = "Between two requests of a connection.", .min = 1, .max = DAY
#define MAX_HEADER_BYTES                                                                           \
    .name = "max_header_bytes", .type = GW_F_SIZE,                                                 \
    .offset = offsetof(struct gw_listener_conf, max_header_bytes), .def = "64KiB",                 \
    .help = "Of one request's head.", .min = 1024, .max = 1L << 24
#define MAX_CONNECTIONS                                                                            \
    .name = "max_connections", .type = GW_F_INT,                                                   \
    .offset = offsetof(struct gw_listener_conf, max_connections), .def = "10000",                  \
    .help = "Beyond it a connection is accepted and closed at once.", .min = 1, .max = 1000000
#define TLS                                                                                        \
    .name = "tls", .type = GW_F_TABLE, .offset = offsetof(struct gw_ingest_grpc_conf, door.tls),   \
    .help = "TLS 1.2 and newer; HTTP/2 and HTTP/1.1 by ALPN.", .fields = gw_tls_server_fields,     \
    .size = sizeof(struct gw_tls_server_conf), .pointer = 1
#define AUTH                                                                                       \
    .name = "auth", .type = GW_F_TABLE, .offset = offsetof(struct gw_ingest_grpc_conf, door.auth), \
    .help = "Who may send; absent: anybody.", .fields = gw_auth_fields,                            \
    .size = sizeof(struct gw_auth_conf), .pointer = 1

#define OF_EVERY_LISTENER                                                                          \
    {HEADER_TIMEOUT}, {BODY_TIMEOUT}, {IDLE_TIMEOUT}, {MAX_HEADER_BYTES}, {MAX_CONNECTIONS},       \
        {TLS},                                                                                     \
    {                                                                                              \
        AUTH                                                                                       \
    }

static const struct gw_field upstream_tls_fields[] = {
    {"ca", GW_F_STR, offsetof(struct gw_upstream_tls, ca),
     .help = "PEM file with the authorities that are trusted; default the system's.", .path = 1,
     .input = 1},
    {0}};

static const struct gw_field grpc_fields[] = {
    {LISTEN("127.0.0.1:8089")},
    {BODY_LIMIT("max_message_bytes", "Largest message of a call, also after gzip.")},
    OF_EVERY_LISTENER,
    {"upstream", GW_F_STR, offsetof(struct gw_ingest_grpc_conf, upstream),
     .help =
         "host:port of FlyteAdmin (also dns:///host:port), before which Moongate stands: events "
         "are kept when it has taken them, its answer is the client's; every other method goes "
         "through to it."},
    {"upstream_tls", GW_F_TABLE, offsetof(struct gw_ingest_grpc_conf, upstream_tls),
     .help = "TLS towards upstream; absent: none.", .fields = upstream_tls_fields,
     .size = sizeof(struct gw_upstream_tls), .pointer = 1},
    {0}};

static const struct gw_field http_fields[] = {
    {LISTEN("127.0.0.1:8088")},
    {BODY_LIMIT("max_body_bytes", "Largest body of a request, also after gzip.")},
    OF_EVERY_LISTENER,
    {"upstream", GW_F_STR, offsetof(struct gw_ingest_http_conf, upstream),
     .help =
         "URL of FlyteAdmin's HTTP port, as http://flyteadmin:80 or https://…, before which "
         "Moongate stands: events of its REST paths are kept when it has taken them, every path "
         "that is not Moongate's goes through to it."},
    {"upstream_tls", GW_F_TABLE, offsetof(struct gw_ingest_http_conf, upstream_tls),
     .help = "Of an upstream that is https://.", .fields = upstream_tls_fields,
     .size = sizeof(struct gw_upstream_tls), .pointer = 1},
    {"upstream_timeout", GW_F_DURATION, offsetof(struct gw_ingest_http_conf, upstream_timeout_ms),
     .def = "60s",
     .help = "How long upstream may be silent, before its answer and within it; then: 504.",
     .min = 1, .max = DAY},
    {"push", GW_F_TABLE, offsetof(struct gw_ingest_http_conf, push),
     .help = "Pushes of clouds, by what signs them. What is not named is answered 404.",
     .fields = gw_push_fields, .size = sizeof(struct gw_push_conf), .pointer = 1},
    {0}};

const struct gw_field gw_ingest_fields[] = {
    {"threads", GW_F_INT, offsetof(struct gw_ingest_conf, threads), .def = "1",
     .help = "Loops that serve clients, a thread each.", .min = 1, .max = 256},
    {"max_pending_bytes", GW_F_SIZE, offsetof(struct gw_ingest_conf, max_pending_bytes),
     .def = "64MiB",
     .help = "Unacknowledged requests in memory; beyond it: RESOURCE_EXHAUSTED, HTTP 429. As many "
             "calls may wait for grpc.upstream as it has 16 KiB, of each thread.",
     .min = 1024, .max = 1L << 40},
    {"grpc", GW_F_TABLE, offsetof(struct gw_ingest_conf, grpc),
     .help = "flyteidl.service.AdminService: what FlytePropeller talks to.", .fields = grpc_fields,
     .size = sizeof(struct gw_ingest_grpc_conf), .pointer = 1},
    {"http", GW_F_TABLE, offsetof(struct gw_ingest_conf, http),
     .help = "FlyteAdmin's REST paths and CloudEvents over HTTP.", .fields = http_fields,
     .size = sizeof(struct gw_ingest_http_conf), .pointer = 1},
    {"kafka", GW_F_TABLES, offsetof(struct gw_ingest_conf, kafka),
     .help = "Topics of Kafka to read: FlyteAdmin's own, or any with CloudEvents.",
     .fields = gw_ingest_kafka_fields, .size = sizeof(struct gw_ingest_kafka)},
    {"sqs", GW_F_TABLES, offsetof(struct gw_ingest_conf, sqs),
     .help =
         "Queues of Amazon SQS to read: FlyteAdmin's topic through a subscription, or CloudEvents.",
     .fields = gw_ingest_sqs_fields, .size = sizeof(struct gw_ingest_sqs)},
    {"pubsub", GW_F_TABLES, offsetof(struct gw_ingest_conf, pubsub),
     .help = "Subscriptions of Google Cloud Pub/Sub to pull: of FlyteAdmin's topic, or of any with "
             "CloudEvents.",
     .fields = gw_ingest_pubsub_fields, .size = sizeof(struct gw_ingest_pubsub)},
    {0}};
