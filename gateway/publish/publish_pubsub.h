#ifndef GW_PUBLISH_PUBLISH_PUBSUB_H
#define GW_PUBLISH_PUBLISH_PUBSUB_H

#include "base/buf.h"
#include "net/gcp_pubsub.h"
#include "publish/common.h"
#include "publish/flyteadmin.h"
#include "publish/pieces.h"

/* Inside the room: the publisher of Google Cloud Pub/Sub. A send is cut into requests, each of one
 * topic and one ordering key, which go at once; publish_pubsub.c has their way, pubsub_message.c
 * what an event becomes, pubsub_conf.c the keys. */
enum {
    GW_TO_PUBSUB_CALLS = 64, /* requests at once */
    GW_TO_PUBSUB_SENDS = 16,
    GW_TO_PUBSUB_WHY = GW_GCP_PUBSUB_WHY + 260,
    GW_TO_PUBSUB_NAME = 600, /* a topic's whole name */
    /* cloud.google.com/pubsub/quotas, "Resource limits". */
    GW_TO_PUBSUB_MESSAGES = 1000,
    GW_TO_PUBSUB_BYTES = 10000000, /* of a request */
    GW_TO_PUBSUB_ATTRIBUTES = 100,
    GW_TO_PUBSUB_ATTRIBUTE_NAME = 256,
    GW_TO_PUBSUB_ATTRIBUTE_VALUE = 1024,
    GW_TO_PUBSUB_KEY = 1024
};

/* ordering, as written or not. */
enum gw_ordering { GW_ORDERING_KEY, GW_ORDERING_NONE };

struct gw_publish_pubsub_conf {
    struct gw_publish_common common;
    const char *project, *topic, *endpoint;
    int ordering; /* enum gw_ordering */
    struct gw_strs attributes;
};

struct gw_to_pubsub;
struct gw_to_pubsub_request {
    struct gw_gcp_pubsub_call call; /* first */
    struct gw_to_pubsub *publisher;
    struct gw_to_pubsub_request *next; /* among the free ones */
    struct gw_pieces pieces;
    struct gw_buf body;
    char name[GW_TO_PUBSUB_NAME];
    size_t n_ids; /* in the answer */
};

struct gw_to_pubsub {
    struct gw_publisher base;
    const struct gw_publish_pubsub_conf *conf;
    int binary, protobuf;
    struct gw_flyteadmin flyteadmin;
    struct gw_gcp_pubsub client;
    struct gw_message *pending; /* for requests that are not free yet; by topic and key */
    struct gw_to_pubsub_request requests[GW_TO_PUBSUB_CALLS], *free;
    struct gw_gcp_pubsub_call look; /* online */
    struct gw_online *asker;
};

/* ---- pubsub_message.c ---- */

int gw_to_pubsub_format(struct gw_publisher *base, const struct gw_event *ev,
                        const struct gw_flyte *flyte, struct gw_arena *mem, struct gw_message *m,
                        struct gw_err *err);
/* PublishRequest with n messages. */
void gw_to_pubsub_put(struct gw_buf *out, struct gw_str topic, const struct gw_message *m,
                      size_t n);
/* How many message ids a PublishResponse has. */
size_t gw_to_pubsub_ids(struct gw_str answer);
/* The messages of a send, those of one topic and key together, in their order. */
struct gw_message *gw_to_pubsub_group(struct gw_message *batch);
int gw_to_pubsub_together(const struct gw_message *a, const struct gw_message *b);

/* ---- pubsub_conf.c ---- */

extern const struct gw_field gw_to_pubsub_fields[];
extern const struct gw_routing gw_to_pubsub_routing;
void gw_to_pubsub_check(const void *conf, const struct gw_format *f, struct gw_problems *p,
                        const struct gw_yaml *at);
int gw_to_pubsub_same(const void *a, const void *b);

#endif
