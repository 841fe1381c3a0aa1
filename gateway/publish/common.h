#ifndef GW_PUBLISH_COMMON_H
#define GW_PUBLISH_COMMON_H

#include "base/yaml.h"
#include "net/tls_conf.h"
#include "publish/publisher.h"

struct gw_buf;

/* Inside the room: what the types share. */

/* The common keys, first in every type's table; its conf starts with struct gw_publish_common. */
#define GW_PUBLISH_COMMON(message_bytes, batch_fields)                                             \
    {"max_message_bytes",                                                                          \
     GW_F_SIZE,                                                                                    \
     offsetof(struct gw_publish_common, max_message_bytes),                                        \
     .def = (message_bytes),                                                                       \
     .help = "Largest message; a larger one is a dead letter, reason too_large.",                  \
     .min = 1,                                                                                     \
     .max = GW_MESSAGE_BYTES_MAX},                                                                 \
        {"batch",                                                                                  \
         GW_F_TABLE,                                                                               \
         offsetof(struct gw_publish_common, batch),                                                \
         .help = "How much one send holds.",                                                       \
         .fields = (batch_fields),                                                                 \
         .size = sizeof(((struct gw_publish_common *)0)->batch)},                                  \
    {                                                                                              \
        "routes", GW_F_STRS, offsetof(struct gw_publish_common, routes),                           \
            .help = "Destinations that hooks may choose with moongate.route, as globs: topics "    \
                    "(kafka), subjects (nats: * is a word, > the rest), URLs (http: scheme and "   \
                    "host, then the path). Default: none."                                         \
    }

enum { GW_MESSAGE_BYTES_MAX = 1 << 30 };

/* The keys of `batch`, for a type's defaults. Offsets are into the nested struct. */
#define GW_PUBLISH_BATCH(events_def, events_max, bytes_def)                                        \
    {"events", GW_F_INT,           0, .def = (events_def), .help = "Most messages of one send.",   \
     .min = 1, .max = (events_max)},                                                               \
        {"bytes",                                                                                  \
         GW_F_SIZE,                                                                                \
         sizeof(int64_t),                                                                          \
         .def = (bytes_def),                                                                       \
         .help = "Most bytes of one send: data, attributes and framing. One larger message goes "  \
                 "alone.",                                                                         \
         .min = 1,                                                                                 \
         .max = GW_MESSAGE_BYTES_MAX},                                                             \
        {"wait",                                                                                   \
         GW_F_DURATION,                                                                            \
         2 * sizeof(int64_t),                                                                      \
         .def = "0s",                                                                              \
         .help = "How long a send may be filled before it goes.",                                  \
         .max = 60000},                                                                            \
    {                                                                                              \
        0                                                                                          \
    }

struct gw_publisher_limits gw_publish_limits(const struct gw_publish_common *c, unsigned batches);

/* The event as structured JSON, as text of one line when `line` is set (a newline behind it).
 * GW_ERR_TOO_LARGE beyond max. */
int gw_publish_json(const struct gw_event *ev, struct gw_arena *mem, size_t max, int line,
                    struct gw_str *out, struct gw_err *err);
/* The same as io.cloudevents.v1.CloudEvent. */
int gw_publish_protobuf(const struct gw_event *ev, struct gw_arena *mem, size_t max,
                        struct gw_str *out, struct gw_err *err);
/* What a writer like those of event/format.h writes. */
typedef void gw_event_put_fn(struct gw_buf *out, const struct gw_event *ev);
int gw_publish_form(gw_event_put_fn *put, const struct gw_event *ev, struct gw_arena *mem,
                    size_t max, struct gw_str *out, struct gw_err *err);
/* What a hook said of where the event goes: m gets the topic, the key, the headers behind its own.
 */
void gw_publish_route(const struct gw_event *ev, struct gw_arena *mem, struct gw_message *m);
int gw_publish_too_large(struct gw_err *err, size_t max);

/* Gives every message of a list its result; a result may lead to the next send. */
void gw_publish_results(struct gw_publisher *p, struct gw_message *list, const struct gw_result *r);

#endif
