/* The keys of publisher pubsub, and the topics that hooks may choose. */
#include "publish/publish_pubsub.h"

#include "base/err.h"
#include "base/problems.h"
#include "base/text.h"
#include "event/event.h"
#include "event/route.h"

#include <string.h>

static const char *const orderings[] = {"key", "none", NULL};

#define AT(member) offsetof(struct gw_publish_pubsub_conf, member)

static const struct gw_field batch_fields[] = {
    GW_PUBLISH_BATCH("100", GW_TO_PUBSUB_MESSAGES, "1MB")};
const struct gw_field gw_to_pubsub_fields[] = {
    {"project", GW_F_STR, AT(project), .required = 1, .help = "The id of the topic's project."},
    {"topic", GW_F_STR, AT(topic), .required = 1, .help = "The topic's id, without its project."},
    {"endpoint", GW_F_STR, AT(endpoint),
     .help = "URL of the service, as https://europe-west1-pubsub.googleapis.com; http:// is HTTP/2 "
             "without TLS. Default: PUBSUB_EMULATOR_HOST, else https://pubsub.googleapis.com."},
    {"ordering", GW_F_CHOICE, AT(ordering), .def = "none", .choices = orderings,
     .help = "key: the record's key (or a hook's) is the ordering key, so a subscription that "
             "orders messages gets those of a key in their order; each request has one key then. "
             "none: no ordering key, as FlyteAdmin sends."},
    {"attributes", GW_F_STRS, AT(attributes),
     .help = "Attributes of the event that become message attributes, for filters. One over 1024 "
             "bytes makes the event a dead letter, reason too_large."},
    GW_PUBLISH_COMMON("10MB", batch_fields),
    {0}};

/* ---- check ---- */

static void problem(struct gw_problems *p, const struct gw_yaml *at, const char *key,
                    const char *why)
{
    const struct gw_yaml *y = gw_yaml_place(at, key);

    if (why)
        gw_problems_add(p, 0, y->file, y->line, y->column, "%s: %s", key, why);
}

static void check_attributes(const struct gw_publish_pubsub_conf *c, struct gw_problems *p,
                             const struct gw_yaml *at)
{
    if (c->attributes.n >= GW_TO_PUBSUB_ATTRIBUTES)
        problem(p, at, "attributes", "a message has at most 100, content-type among them");
    for (size_t i = 0; i < c->attributes.n; i++)
        if (!gw_attr_name_ok(gw_str_of(c->attributes.items[i])))
            problem(p, at, "attributes", "names of the event's attributes: a-z, 0-9");
        else if (!strncmp(c->attributes.items[i], "goog", 4))
            problem(p, at, "attributes", "names that begin with goog are Google's");
}

void gw_to_pubsub_check(const void *conf, const struct gw_format *f, struct gw_problems *p,
                        const struct gw_yaml *at)
{
    const struct gw_publish_pubsub_conf *c = conf;

    if (c->project)
        problem(p, at, "project", gw_gcp_pubsub_project_problem(gw_str_of(c->project)));
    if (c->topic)
        problem(p, at, "topic", gw_gcp_pubsub_id_problem(gw_str_of(c->topic)));
    if (c->endpoint)
        problem(p, at, "endpoint", gw_gcp_pubsub_endpoint_problem(c->endpoint));
    if (f->style != GW_STYLE_DOCUMENTED && f->mode != GW_MODE_BY_STYLE)
        problem(p, at, "type", "format.mode: FlyteAdmin's messages have one form on Pub/Sub");
    check_attributes(c, p, at);
}

int gw_to_pubsub_same(const void *a, const void *b)
{
    const struct gw_publish_pubsub_conf *x = a, *y = b;

    return x->project && y->project && x->topic && y->topic && !strcmp(x->project, y->project) &&
           !strcmp(x->topic, y->topic);
}

/* ---- topics and attributes that hooks choose ---- */

static int pubsub_topic(struct gw_str topic, struct gw_err *err)
{
    const char *why = gw_gcp_pubsub_id_problem(topic);

    return why ? gw_err_set(err, GW_ERR_REJECT, "topic \"%.*s\": %s",
                            topic.len > 80 ? 80 : (int)topic.len, topic.p, why)
               : 0;
}

static int pubsub_pattern(struct gw_str pattern, struct gw_err *err)
{
    static const char legal[] = "-_.~+%*?";

    for (size_t i = 0; i < pattern.len; i++) {
        const char c = pattern.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              (c && strchr(legal, c))))
            return gw_err_set(err, GW_ERR_REJECT,
                              "a topic's id has letters, digits and - _ . ~ + %%");
    }
    return pattern.len ? 0 : gw_err_set(err, GW_ERR_REJECT, "it is empty");
}

static int pubsub_attribute(struct gw_str name, struct gw_str value, struct gw_err *err)
{
    if (name.len >= 4 && !memcmp(name.p, "goog", 4))
        return gw_err_set(err, GW_ERR_REJECT, "attributes that begin with goog are Google's");
    if (value.len > GW_TO_PUBSUB_ATTRIBUTE_VALUE || gw_utf8_valid(value) < value.len)
        return gw_err_set(err, GW_ERR_REJECT, "an attribute's value has at most %d bytes of UTF-8",
                          GW_TO_PUBSUB_ATTRIBUTE_VALUE);
    return 0;
}

const struct gw_routing gw_to_pubsub_routing = {.publisher = "pubsub",
                                                .topic_is = "topic",
                                                .topic = pubsub_topic,
                                                .pattern = pubsub_pattern,
                                                .header = pubsub_attribute};
