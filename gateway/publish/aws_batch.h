#ifndef GW_PUBLISH_AWS_BATCH_H
#define GW_PUBLISH_AWS_BATCH_H

#include "event/route.h"
#include "net/aws_call.h"
#include "publish/common.h"
#include "publish/flyteadmin.h"
#include "publish/key.h"
#include "publish/pieces.h"

/* Inside the room: what the publishers of SNS and SQS share. A send is one batch call, or a few one
 * after the other where topics differ or the service refuses a batch whole; entries that failed
 * alone are told so alone. Of one key there is only one send out (the pipeline's lanes). */
enum { GW_AWS_ENTRIES = 10, GW_AWS_ATTRIBUTES = 10 };

struct gw_aws_publish_conf {
    struct gw_publish_common common;
    const char *to; /* topic_arn, queue_url */
    const char *region, *endpoint, *group;
    int dedup; /* 0 id, 1 none */
    struct gw_strs attributes;
};

/* What became of one entry. */
struct gw_aws_entry {
    int told, delivered;
    struct gw_str code, message;
};

struct gw_aws_publisher;
struct gw_aws_service {
    const char *name, *content_type, *target;
    size_t message_bytes; /* no message is larger, whatever the configuration says */
    /* The body of a call with n messages; entry i has the id "i". */
    void (*put)(const struct gw_aws_publisher *p, const struct gw_message *m, size_t n,
                struct gw_buf *out);
    /* entries are zeroed; texts lie on mem. */
    void (*read)(struct gw_arena *mem, struct gw_str answer, struct gw_aws_entry *entries,
                 size_t n);
    /* 0, or why the service takes no such text as a body. */
    int (*check)(struct gw_str body, struct gw_err *err);
};

extern const struct gw_aws_service gw_aws_sns, gw_aws_sqs;

struct gw_aws_send {
    struct gw_aws_call call; /* first */
    struct gw_aws_publisher *publisher;
    struct gw_aws_send *next; /* among the free ones */
    struct gw_pieces pieces;
    struct gw_buf body;
};

struct gw_aws_publisher {
    struct gw_publisher base;
    const struct gw_aws_publish_conf *conf;
    const struct gw_aws_service *service;
    int protobuf;
    struct gw_flyteadmin flyteadmin;
    struct gw_key_choice group;
    struct gw_aws_client client;
    struct gw_aws_send sends[GW_AWS_CALLS], *free;
};

struct gw_publisher *gw_aws_open(const struct gw_publisher_ops *ops,
                                 const struct gw_aws_service *service, const void *conf,
                                 const struct gw_format *f, struct gw_loop *loop);
void gw_aws_send(struct gw_publisher *base, struct gw_message *batch);
void gw_aws_close(struct gw_publisher *base);

/* What an event becomes (aws_message.c): m's key is the group of a FIFO topic or queue, its headers
 * are message attributes. */
int gw_aws_format(struct gw_publisher *base, const struct gw_event *ev,
                  const struct gw_flyte *flyte, struct gw_arena *mem, struct gw_message *m,
                  struct gw_err *err);
/* The topic or queue of a message. */
struct gw_str gw_aws_topic(const struct gw_aws_publisher *p, const struct gw_message *m);
/* A group or a deduplication id: 1 to 128 printable characters of ASCII; of anything else the
 * SHA-256 in hex. On mem. */
struct gw_str gw_aws_fifo_id(struct gw_arena *mem, struct gw_str id);
/* The event's id, with the body's hash where ids are FlyteAdmin's, which repeat; of a replay
 * another one, since for five minutes nobody would get it again. */
struct gw_str gw_aws_dedup_id(const struct gw_aws_publisher *p, struct gw_arena *mem,
                              const struct gw_message *m);
void gw_aws_publish_check(const struct gw_aws_publish_conf *c, struct gw_problems *p,
                          const struct gw_yaml *at);
int gw_aws_attribute_check(struct gw_str name, struct gw_str value, struct gw_err *err);
int gw_aws_same(const void *a, const void *b);

/* The keys that both have but for where to. */
#define GW_AWS_FIELDS                                                                              \
    {"region", GW_F_STR, offsetof(struct gw_aws_publish_conf, region),                             \
     .help = "Default: the one of the topic or queue, else AWS_REGION, else the profile's."},      \
        {"endpoint", GW_F_STR, offsetof(struct gw_aws_publish_conf, endpoint),                     \
         .help = "URL of the service. Default: AWS_ENDPOINT_URL_SNS or _SQS, AWS_ENDPOINT_URL, "   \
                 "the profile's endpoint_url, else the region's own."},                            \
        {"attributes", GW_F_STRS, offsetof(struct gw_aws_publish_conf, attributes),                \
         .help = "Attributes of the event that become message attributes, for filter policies."},  \
        {"group", GW_F_STR, offsetof(struct gw_aws_publish_conf, group), .def = "key",             \
         .help = "FIFO: what stays in order together: key, id or attr:NAME."},                     \
    {                                                                                              \
        "dedup", GW_F_CHOICE, offsetof(struct gw_aws_publish_conf, dedup),                         \
            .def = "id", .choices = gw_aws_dedups,                                                 \
            .help =                                                                                \
                "FIFO: id: the event's id keeps repeats out (a replay has another); none: the "    \
                "contents do, where the topic or queue is told so."                                \
    }
extern const char *const gw_aws_dedups[];

#endif
