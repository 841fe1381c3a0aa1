/* What a section says of SNS, Pub/Sub and NATS. */
#include "config/section.h"

#include "base/err.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "event/route.h"
#include "publish/publisher.h"

#include <string.h>

#define TOPIC "eventsPublisher.topicName"

/* The part of an ARN behind n colons; "" if there is none. */
static struct gw_str arn_part(const char *arn, int n)
{
    for (; n && *arn; n--) {
        arn += strcspn(arn, ":");
        arn += *arn == ':';
    }
    return (struct gw_str){arn, strcspn(arn, ":")};
}

void gw_section_check_aws(struct gw_section *s, struct gw_problems *p)
{
    const char *topic = s->conf->publisher.topic;

    if (!topic || !*topic)
        return;
    if (!gw_str_is(arn_part(topic, 0), "arn") || !gw_str_is(arn_part(topic, 2), "sns") ||
        !arn_part(topic, 3).len || !arn_part(topic, 5).len) {
        gw_section_tell(
            s, p, GW_PROBLEM_ERROR, TOPIC,
            "\"%.120s\" is no ARN of a topic as arn:aws:sns:us-east-2:123456789012:name", topic);
        return;
    }
    if (strlen(topic) > 5 && !strcmp(topic + strlen(topic) - 5, ".fifo"))
        gw_section_tell(s, p, GW_PROBLEM_WARNING, TOPIC,
                        "FlyteAdmin cannot send to a FIFO topic; Moongate can");
    if (!s->conf->aws.region || !*s->conf->aws.region)
        gw_section_lacks(s, p, GW_PROBLEM_WARNING, "aws.region",
                         "is absent: FlyteAdmin does not start without it; Moongate takes the "
                         "topic's");
}

void gw_section_check_gcp(struct gw_section *s, struct gw_problems *p)
{
    if (!s->conf->gcp.project || !*s->conf->gcp.project)
        gw_section_lacks(s, p, GW_PROBLEM_ERROR, "gcp.projectId", "is required");
    if (gw_section_has(s, "gcp.region"))
        gw_section_tell(s, p, GW_PROBLEM_NOTE, "gcp.region",
                        "FlyteAdmin does not read it; the topic's project is all that is needed");
}

void gw_section_check_nats(struct gw_section *s, struct gw_problems *p)
{
    const char *subject = s->conf->publisher.topic;
    struct gw_err err;

    if (!s->conf->nats.servers.n)
        gw_section_lacks(s, p, GW_PROBLEM_ERROR, "nats.servers", "is required");
    for (size_t i = 0; i < s->conf->nats.servers.n; i++)
        if (!*gw_section_trimmed(p->mem, s->conf->nats.servers.items[i]))
            gw_section_tell_item(s, p, GW_PROBLEM_ERROR, "nats.servers", i,
                                 "a server without a name");
    if (subject && *subject && gw_publish_nats.routing->topic(gw_str_of(subject), &err))
        gw_section_tell(s, p, GW_PROBLEM_ERROR, TOPIC, "%s", err.msg);
    else if (subject && strchr(subject, '{'))
        gw_section_tell(
            s, p, GW_PROBLEM_ERROR, TOPIC,
            "a { begins the name of a field in a pipeline of Moongate: \"%.80s\" cannot "
            "be sent to as it is",
            subject);
}
