#ifndef GW_FLYTE_SNS_H
#define GW_FLYTE_SNS_H

#include "base/str.h"

struct gw_arena;
struct gw_err;
struct gw_incoming;

/* The JSON envelope that SNS puts around a message on its way to a queue or a URL. */
struct gw_sns {
    /* JSON texts of its members, p NULL: absent */
    struct gw_str type, topic_arn, message, subject, attributes;
    int has_specversion; /* it is no envelope but a CloudEvent */
};

/* Looks at an object's members. -1: it is no JSON object; GW_ERR_REJECT says where. */
int gw_sns_look(struct gw_str body, struct gw_sns *out, struct gw_err *err);
/* Has the members of an envelope. */
int gw_sns_is_envelope(const struct gw_sns *s);
/* What it is around: Message, Subject, MessageAttributes as headers. GW_ERR_REJECT: it is no
 * Notification, or a member is not what SNS writes. */
int gw_sns_open(struct gw_arena *mem, const struct gw_sns *s, struct gw_incoming *out,
                struct gw_err *err);

#endif
