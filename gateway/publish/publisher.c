/* The list of types, and what they all do with limits and results. To add one: its file, its ops
 * in publisher.h, a line here, a line in spec/unit/publish/contract_test.c. */
#include "publish/common.h"

#include "base/err.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "event/route.h"

#include <string.h>

static const struct gw_publisher_ops *const all[] = {
    &gw_publish_file, &gw_publish_http,   &gw_publish_kafka, &gw_publish_nats,
    &gw_publish_null, &gw_publish_pubsub, &gw_publish_sns,   &gw_publish_sqs};
enum { TYPES = sizeof(all) / sizeof(all[0]) };

/* Configurations are read on one thread. */
const struct gw_variant *gw_publisher_variant(size_t i)
{
    static struct gw_variant variants[TYPES];

    if (i >= TYPES)
        return NULL;
    variants[i] =
        (struct gw_variant){all[i]->name, all[i]->fields, all[i]->conf_size, all[i]->help};
    return &variants[i];
}

const struct gw_publisher_ops *gw_publisher_find(const char *name)
{
    for (size_t i = 0; i < TYPES; i++)
        if (!strcmp(all[i]->name, name))
            return all[i];
    return NULL;
}

static void check_routes(const struct gw_publisher_ops *ops, const struct gw_publish_common *c,
                         struct gw_problems *p, const struct gw_yaml *publisher)
{
    const struct gw_yaml *list = gw_yaml_place(publisher, "routes");
    const struct gw_routing *r = ops->routing;

    for (size_t i = 0; i < c->routes.n; i++) {
        const struct gw_yaml *at =
            list->type == GW_YAML_SEQ && i < list->n ? &list->values[i] : list;
        struct gw_err err;

        if (!r->topic_is)
            gw_problems_add(p, 0, at->file, at->line, at->column,
                            "routes: publisher %s has one destination", ops->name);
        else if (r->pattern && r->pattern(gw_str_of(c->routes.items[i]), &err))
            gw_problems_add(p, 0, at->file, at->line, at->column, "routes: \"%.80s\": %s",
                            c->routes.items[i], err.msg);
    }
}

void gw_publisher_check(const struct gw_publisher_ops *ops, const void *conf,
                        const struct gw_format *f, struct gw_problems *p, const struct gw_yaml *at)
{
    check_routes(ops, conf, p, at);
    if (ops->check)
        ops->check(conf, f, p, at);
}

struct gw_publisher_limits gw_publish_limits(const struct gw_publish_common *c, unsigned batches)
{
    return (struct gw_publisher_limits){
        .messages = (size_t)c->batch.events,
        .bytes = (size_t)c->batch.bytes,
        .message_bytes = (size_t)c->max_message_bytes,
        .batches = batches,
        .wait_ms = c->batch.wait_ms,
    };
}

void gw_publish_results(struct gw_publisher *p, struct gw_message *list, const struct gw_result *r)
{
    while (list) {
        struct gw_message *next = list->next;

        p->result(p->ctx, list, r);
        list = next;
    }
}
