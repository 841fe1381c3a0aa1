#include "ingest/ingest.h"

/* The keys of `ingest`. grpc and http share all but the names of their body limit. */

enum { SECOND = 1000, DAY = 86400 * SECOND };

#define AT(conf, member) offsetof(struct conf, listener.member)
#define LISTENER_KEYS(conf, address, body_key, body_help)                                          \
    {"listen", GW_F_STR, AT(conf, listen), .def = address,                                         \
     .help = "Address and port; port 0 lets the kernel choose."},                                  \
        {body_key,          GW_F_SIZE, AT(conf, max_body_bytes),  .def = "4MiB",                   \
         .help = body_help, .min = 1,  .max = 1024L * 1024 * 1024},                                \
        {"header_timeout",                                                                         \
         GW_F_DURATION,                                                                            \
         AT(conf, header_timeout_ms),                                                              \
         .def = "30s",                                                                             \
         .help = "For the whole head of a request, the connection's preface too.",                 \
         .min = 1,                                                                                 \
         .max = DAY},                                                                              \
        {"body_timeout",                                                                           \
         GW_F_DURATION,                                                                            \
         AT(conf, body_timeout_ms),                                                                \
         .def = "30s",                                                                             \
         .help = "Between two pieces of a request's body.",                                        \
         .min = 1,                                                                                 \
         .max = DAY},                                                                              \
        {"idle_timeout",                                                                           \
         GW_F_DURATION,                                                                            \
         AT(conf, idle_timeout_ms),                                                                \
         .def = "5m",                                                                              \
         .help = "Between two requests of a connection.",                                          \
         .min = 1,                                                                                 \
         .max = DAY},                                                                              \
        {"max_header_bytes",                                                                       \
         GW_F_SIZE,                                                                                \
         AT(conf, max_header_bytes),                                                               \
         .def = "64KiB",                                                                           \
         .help = "Of one request's head.",                                                         \
         .min = 1024,                                                                              \
         .max = 16 * 1024 * 1024},                                                                 \
    {                                                                                              \
        "max_connections", GW_F_INT, AT(conf, max_connections),                                    \
            .def = "10000", .help = "Beyond it a connection is accepted and closed at once.",      \
            .min = 1, .max = 1000000                                                               \
    }

static const struct gw_field grpc_fields[] = {
    LISTENER_KEYS(gw_ingest_grpc_conf, "127.0.0.1:8089", "max_message_bytes",
                  "Largest message of a call, also after gzip."),
    {0}};

static const struct gw_field http_fields[] = {
    LISTENER_KEYS(gw_ingest_http_conf, "127.0.0.1:8088", "max_body_bytes",
                  "Largest body of a request, also after gzip."),
    {0}};

const struct gw_field gw_ingest_fields[] = {
    {"threads", GW_F_INT, offsetof(struct gw_ingest_conf, threads), .def = "1",
     .help = "Loops that serve clients, a thread each.", .min = 1, .max = 256},
    {"max_pending_bytes", GW_F_SIZE, offsetof(struct gw_ingest_conf, max_pending_bytes),
     .def = "64MiB",
     .help = "Unacknowledged requests in memory; beyond it: RESOURCE_EXHAUSTED, HTTP 429.",
     .min = 1024, .max = 1024L * 1024 * 1024 * 1024},
    {"grpc", GW_F_TABLE, offsetof(struct gw_ingest_conf, grpc),
     .help = "flyteidl.service.AdminService: what FlytePropeller talks to.", .fields = grpc_fields,
     .size = sizeof(struct gw_ingest_grpc_conf), .pointer = 1},
    {"http", GW_F_TABLE, offsetof(struct gw_ingest_conf, http),
     .help = "FlyteAdmin's REST paths and CloudEvents over HTTP.", .fields = http_fields,
     .size = sizeof(struct gw_ingest_http_conf), .pointer = 1},
    {0}};
