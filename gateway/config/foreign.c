/* What else stands in a file with a section of FlyteAdmin's: the rest of FlyteAdmin's
 * configuration, or of the values of its chart. What is known is passed over in silence. */
#include "config/section.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/field_value.h"
#include "base/problems.h"
#include "base/text.h"
#include "base/yaml.h"

#include <string.h>
#include <strings.h>

/* Sections that Flyte's programs read, in any case. */
static const char *const flyte_keys[] = {"server",
                                         "auth",
                                         "flyteadmin",
                                         "scheduler",
                                         "remoteData",
                                         "notifications",
                                         "domains",
                                         "clusters",
                                         "clusterPools",
                                         "cluster_resources",
                                         "queues",
                                         "namespace_mapping",
                                         "qualityOfService",
                                         "registration",
                                         "task_resources",
                                         "task_type_whitelist",
                                         "database",
                                         "logger",
                                         "otel",
                                         "prof",
                                         "storage",
                                         "admin",
                                         "event",
                                         "propeller",
                                         "plugins",
                                         "secrets",
                                         "tasks",
                                         "webhook",
                                         "catalog-cache",
                                         "manager",
                                         "flyte",
                                         "application",
                                         "datacatalog",
                                         NULL};

/* The values of the chart flyte-core, and what Helm itself knows. */
static const char *const chart_keys[] = {
    "flytescheduler", "flyteconnector", "flyteagent", "flytepropeller", "flyteconsole",
    "deployRedoc", "common", "db", "configmap", "workflow_scheduler", "workflow_notifications",
    "cluster_resource_manager", "sparkoperator", "daskoperator", "databricks", "userSettings",
    "Release", "redis", "global", "nameOverride", "fullnameOverride", "forceNamespace",
    /* flyte-binary's */
    "flyte-core-components", "commonLabels", "commonAnnotations", "clusterResourceTemplates",
    "configuration", "deployment", "ingress", "service", "serviceAccount", "rbac", NULL};

/* The files that the chart makes of them. */
static const char *const file_keys[] = {"clusters.yaml",
                                        "db.yaml",
                                        "domain.yaml",
                                        "logger.yaml",
                                        "otel.yaml",
                                        "server.yaml",
                                        "remoteData.yaml",
                                        "namespace_config.yaml",
                                        "clusterpool_config.yaml",
                                        "storage.yaml",
                                        "task_resource_defaults.yaml",
                                        "notifications.yaml",
                                        "cluster_resources.yaml",
                                        "scheduler.yaml",
                                        NULL};

static const char *const *const known[] = {flyte_keys, chart_keys, file_keys};

/* Keys that are ours and theirs, and what stands below them in FlyteAdmin's file or the chart's. */
const char *const gw_foreign_flyteadmin[] = {"roleNameKey",
                                             "metricsScope",
                                             "metricsKeys",
                                             "profilerPort",
                                             "metadataStoragePrefix",
                                             "eventVersion",
                                             "asyncEventsBufferSize",
                                             "maxParallelism",
                                             "labels",
                                             "annotations",
                                             "interruptible",
                                             "overwriteCache",
                                             "assumableIamRole",
                                             "k8sServiceAccount",
                                             "outputLocationPrefix",
                                             "useOffloadedWorkflowClosure",
                                             "envs",
                                             "featureGates",
                                             "consoleUrl",
                                             "useOffloadedInputs",
                                             "injectIdentityAnnotations",
                                             "identityAnnotationPrefix",
                                             "identityAnnotationKeys",
                                             "runScheduler",
                                             "testing",
                                             "enabled",
                                             "replicaCount",
                                             "image",
                                             "env",
                                             "envFrom",
                                             "readinessProbe",
                                             "livenessProbe",
                                             "resources",
                                             "strategy",
                                             "autoscaling",
                                             "configPath",
                                             "initialProjects",
                                             "service",
                                             "serviceAccount",
                                             "podAnnotations",
                                             "podEnv",
                                             "podLabels",
                                             "nodeSelector",
                                             "tolerations",
                                             "affinity",
                                             "secrets",
                                             "additionalVolumes",
                                             "additionalVolumeMounts",
                                             "additionalContainers",
                                             "extraArgs",
                                             "priorityClassName",
                                             "securityContext",
                                             "serviceMonitor",
                                             NULL};
const char *const gw_foreign_admin[] = {"endpoint",
                                        "insecure",
                                        "insecureSkipVerify",
                                        "caCertFilePath",
                                        "maxBackoffDelay",
                                        "perRetryTimeout",
                                        "maxRetries",
                                        "maxMessageSizeBytes",
                                        "authType",
                                        "tokenRefreshWindow",
                                        "useAuth",
                                        "clientId",
                                        "clientSecretLocation",
                                        "clientSecretEnvVar",
                                        "scopes",
                                        "useAudienceFromAdmin",
                                        "audience",
                                        "authorizationServerUrl",
                                        "tokenUrl",
                                        "authorizationHeader",
                                        "pkceConfig",
                                        "deviceFlowConfig",
                                        "command",
                                        "proxyCommand",
                                        "defaultServiceConfig",
                                        "httpProxyURL",
                                        NULL};

static const struct {
    const char *name;
    const char *const *theirs;
} shared[] = {{"flyteadmin", gw_foreign_flyteadmin}, {"admin", gw_foreign_admin}};

static int is_one_of(const char *const *names, const char *key)
{
    while (*names && strcasecmp(*names, key) != 0)
        names++;
    return *names != NULL;
}

static int is_known(const char *key)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (is_one_of(known[i], key))
            return 1;
    return 0;
}

/* A mapping without any key of ours and with some of theirs. */
static int is_theirs(const struct gw_field *ours, const char *name, const struct gw_yaml *y)
{
    const char *const *theirs = NULL;
    int found = 0, is_file;

    for (size_t i = 0; i < sizeof(shared) / sizeof(*shared); i++)
        if (!strcasecmp(shared[i].name, name))
            theirs = shared[i].theirs;
    for (size_t i = 0; theirs && y->type == GW_YAML_MAP && i < y->n; i++) {
        struct gw_nearest near = {.wanted = y->keys[i].text};

        if (gw_field_find(ours, y->keys[i].text.p, &is_file, &near))
            return 0;
        found |= is_one_of(theirs, y->keys[i].text.p);
    }
    return found;
}

static void tell_unknown(const struct gw_field *fields, const struct gw_yaml *key,
                         struct gw_problems *p)
{
    struct gw_nearest near = {.wanted = key->text};
    char hint[120];
    int is_file;

    (void)gw_field_find(fields, key->text.p, &is_file, &near);
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        for (const char *const *name = known[i]; *name; name++)
            gw_nearest_offer(&near, gw_str_of(*name));
    gw_problems_add(p, GW_PROBLEM_ERROR, key->file, key->line, key->column,
                    "unknown key \"%.*s\": neither Moongate's nor FlyteAdmin's or its chart's%s",
                    gw_field_shown(key->text), key->text.p,
                    gw_nearest_hint(&near, hint, sizeof(hint)));
}

/* What was told of what is passed over: a variable that is not set, for FlyteAdmin has none. */
static void forget_problems(struct gw_problems *p, const struct gw_yaml *from,
                            const struct gw_yaml *to)
{
    size_t kept = 0;

    for (size_t i = 0; i < p->n; i++) {
        const struct gw_problem q = p->items[i];
        const int behind = q.line > from->line || (q.line == from->line && q.column > from->column);
        const int before =
            !to || q.line < to->line || (q.line == to->line && q.column < to->column);

        if (q.file && !strcmp(q.file, from->file) && behind && before) {
            p->errors -= q.severity == GW_PROBLEM_ERROR;
            p->warnings -= q.severity == GW_PROBLEM_WARNING;
        } else {
            p->items[kept++] = q;
        }
    }
    p->n = kept;
}

/* The key behind one, in the whole mapping. */
static const struct gw_yaml *next_key(const struct gw_yaml *whole, const struct gw_yaml *key)
{
    for (size_t i = 0; i + 1 < whole->n; i++)
        if (whole->keys[i].line == key->line && whole->keys[i].column == key->column)
            return &whole->keys[i + 1];
    return NULL;
}

void gw_foreign_take_out(struct gw_yaml *map, const struct gw_yaml *whole,
                         const struct gw_field *fields, struct gw_problems *p)
{
    const struct gw_yaml all = *map;

    map->n = 0;
    map->keys = gw_arena_alloc(p->mem, (all.n + 1) * sizeof(*map->keys));
    map->values = gw_arena_alloc(p->mem, (all.n + 1) * sizeof(*map->values));
    for (size_t i = 0; i < all.n; i++) {
        const char *name = all.keys[i].text.p;
        struct gw_nearest near = {.wanted = all.keys[i].text};
        int is_file;
        const struct gw_field *ours = gw_field_find(fields, name, &is_file, &near);

        if (ours ? is_theirs(ours->fields, name, &all.values[i]) : is_known(name)) {
            forget_problems(p, &all.keys[i], next_key(whole, &all.keys[i]));
        } else if (ours) {
            map->keys[map->n] = all.keys[i];
            map->values[map->n++] = all.values[i];
        } else {
            tell_unknown(fields, &all.keys[i], p);
        }
    }
}

/* ---- the schema ---- */

/* Whether the key is one of theirs, as a regular expression. */
static void put_pattern(struct gw_buf *out)
{
    const char *between = "";

    gw_buf_puts(out, "\"^(");
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        for (const char *const *name = known[i]; *name; name++) {
            int ours = 0;

            for (size_t k = 0; k < sizeof(shared) / sizeof(*shared); k++)
                ours |= !strcmp(shared[k].name, *name);
            if (ours)
                continue;
            gw_buf_puts(out, between);
            between = "|";
            for (const char *p = *name; *p; p++) {
                if (*p == '.')
                    gw_buf_putc(out, '[');
                gw_buf_putc(out, *p);
                if (*p == '.')
                    gw_buf_putc(out, ']');
            }
        }
    gw_buf_puts(out, ")$\"");
}

/* Without a section these keys are ours alone. */
static void put_without(struct gw_buf *out, const char *name, const char *const *theirs,
                        const char *between)
{
    gw_buf_printf(out, "%s\"%s\":{\"propertyNames\":{\"not\":{\"enum\":[", between, name);
    for (size_t i = 0; theirs[i]; i++)
        gw_buf_printf(out, "%s\"%s\"", i ? "," : "", theirs[i]);
    gw_buf_puts(out, "]}}}");
}

void gw_foreign_put_schema(struct gw_buf *out)
{
    static const char *const sections[] = {"cloudEvents",       "cloud_events",
                                           "externalEvents",    "external_events",
                                           "cloud_events.yaml", "external_events.yaml"};

    gw_buf_puts(out, "\"patternProperties\":{");
    put_pattern(out);
    gw_buf_puts(out, ":true},\"if\":{\"not\":{\"anyOf\":[");
    for (size_t i = 0; i < sizeof(sections) / sizeof(*sections); i++)
        gw_buf_printf(out, "%s{\"required\":[\"%s\"]}", i ? "," : "", sections[i]);
    gw_buf_puts(out, "]}},\"then\":{\"propertyNames\":{\"not\":{\"pattern\":");
    put_pattern(out);
    gw_buf_puts(out, "}},\"properties\":{");
    for (size_t i = 0; i < sizeof(shared) / sizeof(*shared); i++)
        put_without(out, shared[i].name, shared[i].theirs, i ? "," : "");
    gw_buf_puts(out, "}},");
}
