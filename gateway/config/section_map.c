/* A section of FlyteAdmin's as a pipeline: the mapping that a file would have for it. */
#include "config/section.h"

#include "base/arena.h"
#include "base/yaml.h"

#include <string.h>

struct gw_mapping {
    const struct gw_section *s;
    struct gw_arena *mem;
    int files; /* secrets are named by the files that they come from */
};

/* ---- mappings ---- */

static struct gw_yaml *node(struct gw_arena *mem, enum gw_yaml_type type, const struct gw_yaml *at)
{
    struct gw_yaml *y = gw_arena_zalloc(mem, sizeof(*y));

    *y = (struct gw_yaml){.type = type, .file = at->file, .line = at->line, .column = at->column};
    return y;
}

static struct gw_yaml *scalar(struct gw_arena *mem, const struct gw_yaml *at, const char *text)
{
    struct gw_yaml *y = node(mem, GW_YAML_SCALAR, at);

    y->text = gw_str_of(text);
    y->quoted = 1;
    return y;
}

static void put(struct gw_arena *mem, struct gw_yaml *map, const char *key,
                const struct gw_yaml *value)
{
    struct gw_yaml *keys = gw_arena_alloc(mem, (map->n + 1) * sizeof(*keys));
    struct gw_yaml *values = gw_arena_alloc(mem, (map->n + 1) * sizeof(*values));

    if (map->n) {
        memcpy(keys, map->keys, map->n * sizeof(*keys));
        memcpy(values, map->values, map->n * sizeof(*values));
    }
    keys[map->n] = *scalar(mem, value, key);
    values[map->n] = *value;
    map->keys = keys;
    map->values = values;
    map->n++;
}

/* The text of path's value; absent or empty: nothing. */
static void put_text(const struct gw_mapping *m, struct gw_yaml *map, const char *key,
                     const char *path, const char *text)
{
    if (text && *text)
        put(m->mem, map, key, scalar(m->mem, gw_section_at(m->s, path), text));
}

/* A number or a boolean. */
static void put_plain(const struct gw_mapping *m, struct gw_yaml *map, const char *key,
                      const char *path, const char *text)
{
    struct gw_yaml *y = scalar(m->mem, gw_section_at(m->s, path), text);

    y->quoted = 0;
    put(m->mem, map, key, y);
}

static void put_list(const struct gw_mapping *m, struct gw_yaml *map, const char *key,
                     const char *path, const struct gw_strs *items)
{
    const struct gw_yaml *at = gw_section_at(m->s, path);
    struct gw_yaml *list = node(m->mem, GW_YAML_SEQ, at);

    list->values = gw_arena_zalloc(m->mem, (items->n + 1) * sizeof(*list->values));
    for (; list->n < items->n; list->n++) {
        const size_t i = list->n;

        list->values[i] = *scalar(
            m->mem, at->type == GW_YAML_SEQ && i < at->n ? &at->values[i] : at, items->items[i]);
    }
    put(m->mem, map, key, list);
}

/* file: where the secret comes from; NULL: from the section itself. */
static void put_secret(const struct gw_mapping *m, struct gw_yaml *map, const char *key,
                       const char *path, const char *text, const struct gw_yaml *file)
{
    if (m->files && file)
        put(m->mem, map, gw_arena_printf(m->mem, "%s_file", key).p,
            scalar(m->mem, file, file->text.p));
    else
        put_text(m, map, key, path, text);
}

static const struct gw_yaml *twin(const struct gw_mapping *m, const char *path)
{
    return gw_section_has(m->s, path) ? gw_section_at(m->s, path) : NULL;
}

/* ---- types ---- */

const char *gw_section_trimmed(struct gw_arena *mem, const char *text)
{
    static const char space[] = " \t\r\n\v\f";
    size_t len;

    text += strspn(text, space);
    for (len = strlen(text); len && strchr(space, text[len - 1]);)
        len--;
    return gw_arena_strndup(mem, text, len);
}

static void put_sasl(const struct gw_mapping *m, struct gw_yaml *publisher)
{
    const struct gw_flyteadmin_sasl *c = &m->s->conf->kafka.sasl;
    struct gw_yaml *sasl = node(m->mem, GW_YAML_MAP, gw_section_at(m->s, "kafka.saslConfig"));

    put_text(m, sasl, "mechanism", "kafka.saslConfig.mechanism", c->mechanism);
    put_text(m, sasl, "username", "kafka.saslConfig.user", c->user);
    put_secret(m, sasl, "password", "kafka.saslConfig.password", m->s->password,
               m->s->password_file);
    put(m->mem, publisher, "sasl", sasl);
}

/* A certificate is shown only with both. */
static void put_tls(const struct gw_mapping *m, struct gw_yaml *publisher)
{
    const struct gw_flyteadmin_tls *c = &m->s->conf->kafka.tls;
    struct gw_yaml *tls = node(m->mem, GW_YAML_MAP, gw_section_at(m->s, "kafka.tlsConfig"));

    if (c->cert_path && c->key_path && *c->cert_path && *c->key_path) {
        put_text(m, tls, "cert", "kafka.tlsConfig.certPath", c->cert_path);
        put_text(m, tls, "key", "kafka.tlsConfig.keyPath", c->key_path);
    }
    if (c->skip_verify)
        put_plain(m, tls, "verify", "kafka.tlsConfig.insecureSkipVerify", "false");
    put(m->mem, publisher, "tls", tls);
}

/* Without the white space around its items. */
static void put_hosts(const struct gw_mapping *m, struct gw_yaml *map, const char *key,
                      const char *path, const struct gw_strs *items)
{
    struct gw_strs hosts = *items;

    hosts.items = gw_arena_alloc(m->mem, (hosts.n + 1) * sizeof(*hosts.items));
    for (size_t i = 0; i < hosts.n; i++)
        hosts.items[i] = gw_section_trimmed(m->mem, items->items[i]);
    put_list(m, map, key, path, &hosts);
}

static void map_kafka(const struct gw_mapping *m, struct gw_yaml *publisher)
{
    const struct gw_flyteadmin_conf *c = m->s->conf;

    put_hosts(m, publisher, "brokers", "kafka.brokers", &c->kafka.brokers);
    put_text(m, publisher, "topic", "eventsPublisher.topicName", c->publisher.topic);
    if (c->kafka.sasl.enabled)
        put_sasl(m, publisher);
    if (c->kafka.tls.enabled)
        put_tls(m, publisher);
}

static void map_aws(const struct gw_mapping *m, struct gw_yaml *publisher)
{
    put_text(m, publisher, "topic_arn", "eventsPublisher.topicName", m->s->conf->publisher.topic);
    put_text(m, publisher, "region", "aws.region", m->s->conf->aws.region);
}

static void map_gcp(const struct gw_mapping *m, struct gw_yaml *publisher)
{
    put_text(m, publisher, "project", "gcp.projectId", m->s->conf->gcp.project);
    put_text(m, publisher, "topic", "eventsPublisher.topicName", m->s->conf->publisher.topic);
}

static void map_nats(const struct gw_mapping *m, struct gw_yaml *publisher)
{
    const struct gw_flyteadmin_conf *c = m->s->conf;

    put_hosts(m, publisher, "servers", "nats.servers", &c->nats.servers);
    put_text(m, publisher, "subject", "eventsPublisher.topicName", c->publisher.topic);
    if (c->nats.user_enabled) {
        put_text(m, publisher, "username", "nats.userAuthentication.user", c->nats.user);
        put_secret(m, publisher, "password", "nats.userAuthentication.password", c->nats.password,
                   twin(m, "nats.userAuthentication.password_file"));
    }
    if (c->nats.token_enabled)
        put_secret(m, publisher, "token", "nats.tokenAuthentication.token", c->nats.token,
                   twin(m, "nats.tokenAuthentication.token_file"));
}

static const struct gw_section_type types[] = {
    {.name = "aws", .publisher = "sns", .check = gw_section_check_aws, .map = map_aws},
    {.name = "gcp", .publisher = "pubsub", .check = gw_section_check_gcp, .map = map_gcp},
    {.name = "kafka",
     .publisher = "kafka",
     .cloud_only = 1,
     .check = gw_section_check_kafka,
     .map = map_kafka},
    {.name = "nats",
     .publisher = "nats",
     .cloud_only = 1,
     .check = gw_section_check_nats,
     .map = map_nats},
};

const struct gw_section_type *gw_section_type_at(size_t i)
{
    return i < sizeof(types) / sizeof(*types) ? &types[i] : NULL;
}

/* ---- the pipeline ---- */

static void put_event_types(const struct gw_mapping *m, struct gw_yaml *pipeline)
{
    const char *names[3];
    struct gw_strs all = {.items = names};

    for (int i = 0; i < 3; i++)
        if (m->s->kinds[i])
            names[all.n++] = gw_kind_names[i];
    put_list(m, pipeline, "event_types", "eventsPublisher.eventTypes", &all);
}

static void put_format(const struct gw_mapping *m, struct gw_yaml *pipeline)
{
    const char *enrich = "eventsPublisher.enrichAllWorkflowEventTypes";
    struct gw_yaml *format = node(m->mem, GW_YAML_MAP, m->s->key);

    put(m->mem, format, "style",
        scalar(m->mem,
               gw_section_at(m->s, gw_section_has(m->s, "style") ? "style" : "cloudEventVersion"),
               gw_style_names[m->s->style]));
    if (gw_section_has(m->s, "id_spacing") && gw_section_has_spacing(m->s))
        put_plain(m, format, "id_spacing", "id_spacing", m->s->conf->id_spacing == 1 ? "1" : "2");
    if (m->s->conf->publisher.enrich && m->s->style == GW_STYLE_FLYTEADMIN_V2)
        put_plain(m, format, "enrich_all", enrich, "true");
    put(m->mem, pipeline, "format", format);
}

struct gw_yaml *gw_section_map(const struct gw_section *s, int files, struct gw_arena *mem)
{
    const struct gw_mapping m = {s, mem, files};
    struct gw_yaml *pipeline = node(mem, GW_YAML_MAP, s->key);
    struct gw_yaml *publisher =
        node(mem, GW_YAML_MAP, gw_section_at(s, "eventsPublisher.topicName"));

    put(mem, pipeline, "name", scalar(mem, s->key, s->pipeline));
    put_event_types(&m, pipeline);
    put_format(&m, pipeline);
    put(mem, publisher, "type", scalar(mem, gw_section_at(s, "type"), s->type->publisher));
    s->type->map(&m, publisher);
    put(mem, pipeline, "publisher", publisher);
    return pipeline;
}
