/* Whether events go where FlyteAdmin's notifications go: Flyte's documentation asks for separate
 * topics and queues. */
#include "config/section.h"

#include "base/arena.h"
#include "base/field_value.h"
#include "base/problems.h"
#include "base/yaml.h"

#include <string.h>

struct names {
    const struct gw_yaml *topic, *queue, *account;
};

static const struct gw_yaml *get(const struct gw_yaml *map, const char *key)
{
    const struct gw_yaml *y = map && map->type == GW_YAML_MAP ? gw_field_get(map, key) : NULL;

    return y && !(y->type == GW_YAML_SCALAR && y->text.len == 0) ? y : NULL;
}

static const struct gw_yaml *text(const struct gw_yaml *map, const char *key)
{
    const struct gw_yaml *y = get(map, key);

    return y && y->type == GW_YAML_SCALAR && !gw_yaml_is_null(y) ? y : NULL;
}

/* The section, the chart's values, or the chart's file. */
static const struct gw_yaml *find(const struct gw_yaml *all, struct gw_problems *p)
{
    const struct gw_yaml *y = get(all, "notifications"), *file;
    struct gw_problems unused = {.mem = p->mem};

    if (!y)
        y = get(get(get(all, "workflow_notifications"), "config"), "notifications");
    file = y ? NULL : get(all, "notifications.yaml");
    if (file && file->type == GW_YAML_SCALAR && file->block_column)
        file = gw_yaml_parse(file->file, file->text, file->line + 1, file->block_column, &unused);
    return y ? y : get(file, "notifications");
}

static int is_text(const struct gw_yaml *y, const char *s)
{
    return y && s && gw_str_is(y->text, s);
}

/* https://sqs.REGION.amazonaws.com/ACCOUNT/QUEUE */
static int is_queue(const struct names *n, const char *url)
{
    const char *slash = url ? strrchr(url, '/') : NULL, *account;

    if (!slash || !gw_str_is(n->queue->text, slash + 1))
        return 0;
    for (account = slash; account > url && account[-1] != '/';)
        account--;
    return !n->account ||
           gw_str_eq(n->account->text, (struct gw_str){account, (size_t)(slash - account)});
}

static void tell(struct gw_problems *p, const struct gw_yaml *at, const char *what,
                 const struct gw_yaml *other, const char *key)
{
    gw_problems_add(p, GW_PROBLEM_WARNING, at->file, at->line, at->column,
                    "%s: \"%.120s\" is also notifications.%s, at %s:%d:%d: Flyte's documentation "
                    "asks for separate topics and queues",
                    what, at->type == GW_YAML_SCALAR ? at->text.p : "", key, other->file,
                    other->line, other->column);
}

/* The keys under which publishers name where they send. */
static void check_pipeline(const struct gw_yaml *pipeline, const struct names *n,
                           struct gw_problems *p)
{
    static const char *const keys[] = {"topic", "topic_arn", "subject", "queue_url"};
    const struct gw_yaml *publisher = get(pipeline, "publisher"), *name = text(pipeline, "name");
    const char *where = gw_arena_printf(p->mem, "pipelines.%s", name ? name->text.p : "?").p;

    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        const struct gw_yaml *y = text(publisher, keys[i]);

        if (y && is_text(n->topic, y->text.p))
            tell(p, y, where, n->topic, "publisher.topicName");
        else if (y && n->queue && (is_text(n->queue, y->text.p) || is_queue(n, y->text.p)))
            tell(p, y, where, n->queue, "processor.queueName");
    }
}

static void check_all(const struct gw_yaml *root, const struct names *n, struct gw_problems *p)
{
    const struct gw_yaml *list = root ? gw_config_pipelines(root) : NULL;

    for (size_t i = 0; list && list->type == GW_YAML_SEQ && i < list->n; i++)
        check_pipeline(&list->values[i], n, p);
}

static void check_section(const struct gw_section *s, const struct names *n, struct gw_problems *p)
{
    static const char path[] = "eventsPublisher.topicName";
    const char *topic = s->conf->publisher.topic;

    if (!s->conf->enable || !topic || !*topic)
        return;
    if (is_text(n->topic, topic))
        tell(p, gw_section_at(s, path), s->name, n->topic, "publisher.topicName");
    else if (is_text(n->queue, topic))
        tell(p, gw_section_at(s, path), s->name, n->queue, "processor.queueName");
}

/* Where the destination is known, all pipelines are compared. */
static void check_both(const struct gw_section *a, const struct gw_section *b,
                       struct gw_problems *p)
{
    if (!a->type || a->type != b->type || !a->conf->publisher.topic || !b->conf->publisher.topic ||
        strcmp(a->conf->publisher.topic, b->conf->publisher.topic) != 0 ||
        (!a->broken && !b->broken))
        return;
    gw_section_tell(b, p, GW_PROBLEM_WARNING, "eventsPublisher.topicName",
                    "%s sends to the same topic: Flyte's documentation asks for separate ones",
                    a->name);
}

void gw_config_check_notifications(const struct gw_load *l)
{
    const struct gw_yaml *y = NULL;
    struct names n;

    if (l->n_sections == 2)
        check_both(&l->sections[0], &l->sections[1], l->p);
    for (size_t i = 0; i < l->n_beside && !y; i++)
        y = find(l->beside[i], l->p);
    n = (struct names){.topic = text(get(y, "publisher"), "topicName"),
                       .queue = text(get(y, "processor"), "queueName"),
                       .account = text(get(y, "processor"), "accountId")};
    for (size_t i = 0; i < l->n_sections; i++)
        check_section(&l->sections[i], &n, l->p);
    check_all(l->root, &n, l->p);
    for (size_t i = 0; i < l->n_included; i++)
        check_all(l->included[i].root, &n, l->p);
}
