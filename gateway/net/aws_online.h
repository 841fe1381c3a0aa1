#ifndef GW_NET_AWS_ONLINE_H
#define GW_NET_AWS_ONLINE_H

#include "base/online.h"

#include <stddef.h>

struct gw_loop;

/* `check --online` of a topic or a queue: its attributes, and who we are (STS), which says whether
 * a refusal is about the keys or about what they may do. */
struct gw_aws_wish {
    const char *service;           /* "sns", "sqs" */
    const char *to;                /* topic_arn, queue_url */
    const char *region, *endpoint; /* as configured; NULL: not */
    const char *actions;           /* what the gateway will do there: "sns:Publish" */
    size_t most;                   /* of bytes that a message to a queue may have */
    int reads;                     /* it is a source */
};
struct gw_asking *gw_aws_online(const struct gw_aws_wish *w, struct gw_loop *loop,
                                struct gw_online *o);

#endif
