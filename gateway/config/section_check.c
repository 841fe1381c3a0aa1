/* What is wrong with a section of FlyteAdmin's, and what FlyteAdmin would do otherwise. What
 * FlyteAdmin refuses although it could be done is done, with a warning. */
#include "config/section.h"

#include "base/arena.h"
#include "base/problems.h"
#include "base/text.h"
#include "base/weak.h"
#include "base/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { MAX_TEXT = 600 };

/* ---- places ---- */

static const struct gw_yaml *step(const struct gw_yaml *map, const char *name, size_t len)
{
    for (size_t i = 0; map->type == GW_YAML_MAP && i < map->n; i++)
        if (map->keys[i].text.len == len && !strncasecmp(map->keys[i].text.p, name, len))
            return &map->values[i];
    return NULL;
}

/* rest: what of the path does not stand there. */
static const struct gw_yaml *walk(const struct gw_section *s, const char *path, const char **rest)
{
    const struct gw_yaml *at = s->key, *next = s->yaml;

    for (*rest = path; **rest && next; at = next ? next : at) {
        const size_t len = strcspn(*rest, ".");

        next = step(next, *rest, len);
        if (next)
            *rest += len + ((*rest)[len] == '.');
    }
    return at;
}

const struct gw_yaml *gw_section_at(const struct gw_section *s, const char *path)
{
    const char *rest;

    return walk(s, path, &rest);
}

/* A key without a value is none, and so is an empty mapping. */
int gw_section_has(const struct gw_section *s, const char *path)
{
    const char *rest;
    const struct gw_yaml *y = walk(s, path, &rest);

    return !*rest && !gw_yaml_is_null(y) && !(y->type == GW_YAML_MAP && y->n == 0);
}

static void tell(const struct gw_section *s, struct gw_problems *p, int severity,
                 const struct gw_yaml *at, const char *path, const char *text)
{
    gw_problems_add(p, severity, at->file, at->line, at->column, "%s%s%s: %s", s->name,
                    *path ? "." : "", path, text);
}

void gw_section_tell(const struct gw_section *s, struct gw_problems *p, int severity,
                     const char *path, const char *fmt, ...)
{
    char text[MAX_TEXT];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    tell(s, p, severity, gw_section_at(s, path), path, text);
}

void gw_section_lacks(const struct gw_section *s, struct gw_problems *p, int severity,
                      const char *path, const char *text)
{
    const struct gw_yaml *at = gw_section_at(s, path);

    if (!s->broken)
        gw_problems_add(p, severity, at->file, at->line, at->column, "%s.%s %s", s->name, path,
                        text);
}

void gw_section_tell_item(const struct gw_section *s, struct gw_problems *p, int severity,
                          const char *path, size_t i, const char *fmt, ...)
{
    const struct gw_yaml *list = gw_section_at(s, path);
    char text[MAX_TEXT];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    tell(s, p, severity, list->type == GW_YAML_SEQ && i < list->n ? &list->values[i] : list, path,
         text);
}

void gw_section_tell_all(const struct gw_section *s, struct gw_problems *p, int severity,
                         const char *text)
{
    tell(s, p, severity, s->key, "", text);
}

/* ---- enable, type ---- */

#define NO_PIPELINE "FlyteAdmin sends nothing, and no pipeline is made"

static int is_enabled(const struct gw_section *s, struct gw_problems *p)
{
    if (s->conf->enable)
        return 1;
    if (gw_section_has(s, "enable") && !s->broken)
        gw_section_tell(s, p, GW_PROBLEM_NOTE, "enable", "false: " NO_PIPELINE);
    else
        gw_section_lacks(s, p, GW_PROBLEM_WARNING, "enable",
                         "is absent, which is false: " NO_PIPELINE);
    return 0;
}

/* cloudEvents are compared in any case, externalEvents as they are written. */
static int is_type(const struct gw_section *s, const char *name)
{
    return s->external ? !strcmp(s->conf->type, name) : !strcasecmp(s->conf->type, name);
}

static void tell_no_type(const struct gw_section *s, struct gw_problems *p)
{
    struct gw_nearest near = {.wanted = gw_str_of(s->conf->type)};
    const struct gw_section_type *t;
    char hint[120];

    if (!gw_section_has(s, "type")) {
        gw_section_lacks(s, p, GW_PROBLEM_WARNING, "type",
                         "is absent, which is local: " NO_PIPELINE);
        return;
    }
    for (size_t i = 0; (t = gw_section_type_at(i)); i++) {
        if (s->external && t->cloud_only)
            continue;
        if (!strcasecmp(s->conf->type, t->name)) /* of external events, in another case */
            near.wanted = gw_str_of(t->name);
        gw_nearest_offer(&near, gw_str_of(t->name));
    }
    if (is_type(s, "local") || is_type(s, "sandbox"))
        gw_section_tell(s, p, GW_PROBLEM_WARNING, "type", "%s: " NO_PIPELINE, s->conf->type);
    else
        gw_section_tell(s, p, GW_PROBLEM_WARNING, "type",
                        "FlyteAdmin has no type \"%.80s\" here: it sends nothing, and no pipeline "
                        "is made%s",
                        s->conf->type, gw_nearest_hint(&near, hint, sizeof(hint)));
}

static const struct gw_section_type *find_type(const struct gw_section *s, struct gw_problems *p)
{
    const struct gw_section_type *t;

    if (!s->conf->type) /* it could not be read */
        return NULL;
    for (size_t i = 0; (t = gw_section_type_at(i)); i++)
        if (is_type(s, t->name) && (!s->external || !t->cloud_only))
            return t;
    tell_no_type(s, p);
    return NULL;
}

/* ---- style ---- */

/* FlyteAdmin keeps a byte of a number and knows 1 as v2. */
static int number_version(const struct gw_section *s, struct gw_problems *p, long long n)
{
    const int v2 = (n & 0xff) == 1;

    gw_section_tell(s, p, GW_PROBLEM_WARNING, "cloudEventVersion",
                    "%.40s is none of v1, v2; FlyteAdmin takes it for v%d, and so does Moongate: "
                    "write v%d",
                    s->conf->version, 1 + v2, 1 + v2);
    return v2;
}

static int is_v2(const struct gw_section *s, struct gw_problems *p)
{
    const struct gw_yaml *y = gw_section_at(s, "cloudEventVersion");
    struct gw_nearest near = {.wanted = gw_str_of(s->conf->version)};
    char hint[120];
    long long n;

    if (s->external || !s->conf->version || !*s->conf->version || !strcmp(s->conf->version, "v1"))
        return 0;
    if (!strcmp(s->conf->version, "v2"))
        return 1;
    if (!gw_weak_int(y, &n) && (!gw_weak_is_text(y) || (n >= 0 && n <= 255)))
        return number_version(s, p, n);
    for (int i = 1; i <= 2; i++)
        if (!strcasecmp(s->conf->version, i == 1 ? "v1" : "v2"))
            gw_nearest_offer(&near, i == 1 ? GW_STR("v1") : GW_STR("v2"));
    gw_section_tell(s, p, GW_PROBLEM_ERROR, "cloudEventVersion",
                    "\"%.80s\" is none of v1, v2: FlyteAdmin does not start%s", s->conf->version,
                    gw_nearest_hint(&near, hint, sizeof(hint)));
    return 0;
}

static enum gw_style style_of(const struct gw_section *s, struct gw_problems *p)
{
    const int v2 = is_v2(s, p);

    if (s->conf->documented)
        return GW_STYLE_DOCUMENTED;
    if (s->external)
        return GW_STYLE_FLYTEADMIN_EXTERNAL;
    return v2 ? GW_STYLE_FLYTEADMIN_V2 : GW_STYLE_FLYTEADMIN;
}

int gw_section_has_spacing(const struct gw_section *s)
{
    return s->style == GW_STYLE_FLYTEADMIN || s->style == GW_STYLE_FLYTEADMIN_V2;
}

static void check_style(const struct gw_section *s, const struct gw_load *l)
{
    if (gw_section_has(s, "id_spacing") && !gw_section_has_spacing(s))
        gw_section_tell(s, l->p, GW_PROBLEM_WARNING, "id_spacing",
                        "the ids of this style have no such spaces");
    if (s->style == GW_STYLE_FLYTEADMIN_V2 &&
        (!l->config->flyteadmin || !l->config->flyteadmin->address))
        gw_section_tell(s, l->p, GW_PROBLEM_WARNING, "cloudEventVersion",
                        "v2 sends what FlyteAdmin knows of an execution: without "
                        "flyteadmin.address its labels, principal and interfaces are left out");
    if (s->style != GW_STYLE_FLYTEADMIN_V2 && s->conf->publisher.enrich)
        gw_section_tell(s, l->p, GW_PROBLEM_NOTE, "eventsPublisher.enrichAllWorkflowEventTypes",
                        "read with cloudEventVersion v2 alone");
}

/* ---- event types ---- */

#define EVENT_TYPES "eventsPublisher.eventTypes"

static int find_kind(const char *name)
{
    for (int i = 0; i < 3; i++)
        if (!strcmp(name, gw_kind_names[i]))
            return i;
    return -1;
}

/* v1 does not start with an unknown type; v2 never reads them, external events pass over it. */
static void tell_unknown(const struct gw_section *s, struct gw_problems *p, size_t i, int behind)
{
    const char *name = s->conf->publisher.event_types.items[i];
    const int stops = s->style != GW_STYLE_FLYTEADMIN_V2 && !s->external && !behind;
    struct gw_nearest near = {.wanted = gw_str_of(name)};
    char hint[120];

    for (int k = 0; k < 3; k++)
        gw_nearest_offer(&near, gw_str_of(gw_kind_names[k]));
    gw_nearest_offer(&near, GW_STR("all"));
    gw_section_tell_item(s, p, stops ? GW_PROBLEM_ERROR : GW_PROBLEM_WARNING, EVENT_TYPES, i,
                         "\"%.80s\" is none of workflow, node, task, all, *: %s%s", name,
                         stops ? "FlyteAdmin does not start" : "it is passed over",
                         gw_nearest_hint(&near, hint, sizeof(hint)));
}

static void read_kinds(struct gw_section *s, struct gw_problems *p)
{
    const struct gw_strs *types = &s->conf->publisher.event_types;
    int all = 0;

    for (size_t i = 0; i < types->n; i++) {
        const int kind = find_kind(types->items[i]);

        if (kind >= 0)
            s->kinds[kind] = 1;
        else if (!strcmp(types->items[i], "all") || !strcmp(types->items[i], "*"))
            all = 1;
        else
            tell_unknown(s, p, i, all);
    }
    for (int i = 0; i < 3; i++)
        s->kinds[i] |= all;
}

/* 1: there is something to be sent. */
static int check_kinds(struct gw_section *s, struct gw_problems *p)
{
    const size_t errors = p->errors;

    read_kinds(s, p);
    if (s->style == GW_STYLE_FLYTEADMIN_V2) {
        s->kinds[0] = s->kinds[1] = s->kinds[2] = 1;
        gw_section_tell(
            s, p, GW_PROBLEM_NOTE, EVENT_TYPES,
            "FlyteAdmin does not read them with cloudEventVersion v2: it sends workflow, "
            "node and task events, and so does Moongate");
    }
    if (!s->kinds[0] && !s->kinds[1] && !s->kinds[2]) {
        if (p->errors == errors)
            gw_section_lacks(s, p, GW_PROBLEM_WARNING, EVENT_TYPES,
                             "has none: " NO_PIPELINE "; [all] is workflow, node and task");
        return p->errors > errors;
    }
    if (s->kinds[GW_TASK])
        gw_section_tell(s, p, GW_PROBLEM_NOTE, EVENT_TYPES,
                        "FlyteAdmin never sends the first event of a task execution; Moongate "
                        "sends it");
    return 1;
}

/* ---- the rest ---- */

static void check_reconnect(const struct gw_section *s, struct gw_problems *p)
{
    static const char *const paths[] = {"reconnectAttempts", "reconnectDelaySeconds"};
    const int nats = !strcmp(s->type->name, "nats");

    for (int i = 0; i < 2; i++)
        if (gw_section_has(s, paths[i]))
            gw_section_tell(s, p, GW_PROBLEM_NOTE, paths[i],
                            "%s; Moongate tries for ever, as `retry` of a pipeline says",
                            !strcmp(s->type->name, "kafka") ? "FlyteAdmin does not read it for "
                                                              "Kafka"
                            : nats ? "FlyteAdmin loses what it cannot send meanwhile"
                                   : "FlyteAdmin tries so at its start, and then not any more");
    if (nats && !s->conf->reconnect_attempts)
        gw_section_lacks(s, p, GW_PROBLEM_NOTE, "reconnectAttempts",
                         "is 0: FlyteAdmin sends nothing any more once the "
                         "connection is lost; Moongate connects again");
}

const char *gw_section_says(const struct gw_section *s, struct gw_arena *mem)
{
    static const char *const what[] = {
        [GW_STYLE_DOCUMENTED] = "sends the events that Flyte's documentation promises; without "
                                "`style: documented` those that FlyteAdmin really sends",
        [GW_STYLE_FLYTEADMIN] =
            "sends what FlyteAdmin really sends (cloudEventVersion v1); `style: "
            "documented` beside type gives what Flyte's documentation promises",
        [GW_STYLE_FLYTEADMIN_V2] = "sends what FlyteAdmin really sends with cloudEventVersion v2; "
                                   "`style: documented` beside type gives what Flyte's "
                                   "documentation promises",
        [GW_STYLE_FLYTEADMIN_EXTERNAL] =
            "sends the requests themselves, as FlyteAdmin does; `style: documented` beside type "
            "gives the CloudEvents that Flyte's documentation promises"};

    return gw_arena_printf(mem, "%s: pipeline %s %s", s->name, s->pipeline, what[s->style]).p;
}

void gw_section_check(struct gw_section *s, const struct gw_load *l)
{
    const struct gw_section_type *type;
    struct gw_problems *p = l->p;

    if (!is_enabled(s, p))
        return;
    type = find_type(s, p);
    s->style = style_of(s, p);
    if (!type || !check_kinds(s, p))
        return;
    s->type = type;
    check_style(s, l);
    if (!s->conf->publisher.topic || !*s->conf->publisher.topic)
        gw_section_lacks(s, p, GW_PROBLEM_ERROR, "eventsPublisher.topicName", "is required");
    type->check(s, p);
    check_reconnect(s, p);
}
