/* What the table of a pipeline's keys cannot say. Values may be missing: the table has told that
 * already. */
#include "pipeline/pipeline.h"

#include "base/problems.h"
#include "base/text.h"
#include "base/time.h"
#include "base/yaml.h"
#include "event/event.h"
#include "flyte/flyte.h"
#include "hook/allow.h"
#include "log/log.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct check {
    const struct gw_pipeline_conf *conf;
    struct gw_problems *p;
};

#define PROBLEM(c, warning, at, ...)                                                               \
    gw_problems_add((c)->p, warning, (at)->file, (at)->line, (at)->column, __VA_ARGS__)

static const struct gw_yaml *at_key(const struct check *c, const char *key)
{
    const struct gw_yaml *y =
        c->conf->yaml->type == GW_YAML_MAP ? gw_yaml_get(c->conf->yaml, key) : NULL;

    return y ? y : c->conf->yaml;
}

static const struct gw_yaml *at_item(const struct gw_yaml *y, size_t i)
{
    return y->type == GW_YAML_SEQ && i < y->n ? &y->values[i] : y;
}

static void check_name(const struct check *c)
{
    const char *name = c->conf->name;
    const size_t len = name ? strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") : 0;

    if (name && (name[len] || len < 1 || len > 63))
        PROBLEM(c, 0, at_key(c, "name"), "name: \"%.80s\" is not [a-z0-9_-]{1,63}", name);
    else if (name && !strcmp(name, GW_INGEST))
        PROBLEM(c, 0, at_key(c, "name"),
                "name: \"%s\" is taken: dead letters of what came in and cannot be read have it",
                name);
}

/* ---- event types ---- */

static int type_mask(const char *name, unsigned *mask)
{
    enum gw_kind kind;

    if (!strcmp(name, "all") || !strcmp(name, "*"))
        *mask |= (1U << GW_KINDS) - 1;
    else if (!gw_kind_parse(gw_str_of(name), &kind))
        *mask |= 1U << kind;
    else
        return -1;
    return 0;
}

static void check_types(const struct check *c, unsigned *mask)
{
    const struct gw_strs *types = &c->conf->event_types;

    for (size_t i = 0; i < types->n; i++) {
        struct gw_nearest near = {.wanted = gw_str_of(types->items[i])};
        char hint[80];

        if (!type_mask(types->items[i], mask))
            continue;
        gw_nearest_offer(&near, GW_STR("all"));
        for (int k = 0; k < GW_KINDS; k++)
            gw_nearest_offer(&near, gw_str_of(gw_kind_names[k]));
        PROBLEM(c, 0, at_item(at_key(c, "event_types"), i),
                "event_types: \"%.80s\" is none of all, *, workflow, node, task, action, other%s",
                types->items[i], gw_nearest_hint(&near, hint, sizeof(hint)));
    }
    if (!*mask)
        *mask = (1U << GW_KINDS) - 1;
}

/* ---- attributes in rules ---- */

/* Legal in a rule: at most 20 characters, as a script may set. */
static int name_ok(struct gw_str s)
{
    return s.len <= 20 && gw_attr_name_ok(s) && !gw_str_is(s, "specversion");
}

static void bad_name(const struct check *c, const char *rule, const struct gw_yaml *at)
{
    PROBLEM(c, 0, at,
            "%s: \"%.*s\" cannot be an attribute: [a-z0-9], 1 to 20 characters, not data "
            "or specversion",
            rule, at->text.len > 80 ? 80 : (int)at->text.len, at->text.p);
}

static int is_map(const struct check *c, const char *rule, const struct gw_yaml *y)
{
    if (!y || gw_yaml_is_null(y))
        return 0;
    if (y->type == GW_YAML_MAP)
        return 1;
    PROBLEM(c, 0, y, "%s: expected a mapping", rule);
    return 0;
}

static int is_required(struct gw_str name)
{
    return gw_str_is(name, "id") || gw_str_is(name, "source") || gw_str_is(name, "type");
}

/* ---- match ---- */

static int is_flyte_field(struct gw_str name)
{
    for (size_t i = 0; i < GW_FACTS; i++)
        if (gw_str_is(name, gw_flyte_fact_table[i].name))
            return 1;
    return 0;
}

/* An attribute may have any name, so a misspelt field of flyte is only likely one. */
static void check_match_key(const struct check *c, const struct gw_yaml *key)
{
    static const char *const attrs[] = {"id",   "source",          "type",       "subject",
                                        "time", "datacontenttype", "dataschema", "jsonschemaurl"};
    enum { SHORT = 5, LONG = 7 };
    struct gw_nearest near = {.wanted = key->text};
    char text[80];
    const char *hint;

    if (is_flyte_field(key->text))
        return;
    for (size_t i = 0; i < GW_FACTS; i++)
        gw_nearest_offer(&near, gw_str_of(gw_flyte_fact_table[i].name));
    for (size_t i = 0; i < sizeof(attrs) / sizeof(attrs[0]); i++)
        gw_nearest_offer(&near, gw_str_of(attrs[i]));
    if (key->text.len > 6 && !memcmp(key->text.p, "flyte.", 6) &&
        is_flyte_field((struct gw_str){key->text.p + 6, key->text.len - 6}))
        near.best = (struct gw_str){key->text.p + 6, key->text.len - 6};
    hint = gw_nearest_hint(&near, text, sizeof(text));
    if (!gw_attr_name_ok(key->text) || gw_str_is(key->text, "specversion"))
        PROBLEM(c, 0, key, "match: \"%.*s\" is neither a field of flyte nor an attribute%s",
                key->text.len > 80 ? 80 : (int)key->text.len, key->text.p, hint);
    else if (hint[0] && near.distance > 0 &&
             (near.distance == 1 ? key->text.len >= SHORT : key->text.len >= LONG))
        PROBLEM(c, 1, key, "match: \"%.*s\" is no field of flyte and no usual attribute%s",
                (int)key->text.len, key->text.p, hint);
}

static int has_lower(struct gw_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.p[i] >= 'a' && s.p[i] <= 'z')
            return 1;
    return 0;
}

/* 1: a phase of one of these kinds matches. What is nearly one is offered. */
static int is_phase(unsigned kinds, struct gw_str glob, struct gw_nearest *near)
{
    const char *name;

    if (glob.len && strspn(glob.p, "0123456789*?") >= glob.len) /* unknown ones are numbers */
        return 1;
    for (int kind = 0; kind < GW_KINDS; kind++)
        for (size_t i = 0; kinds & 1U << kind && (name = gw_flyte_phase_name(kind, i)); i++) {
            if (gw_glob(glob, gw_str_of(name)))
                return 1;
            if (glob.len == strlen(name) && !strncasecmp(glob.p, name, glob.len))
                near->wanted = near->best = gw_str_of(name);
            gw_nearest_offer(near, gw_str_of(name));
        }
    return 0;
}

/* The list has this text, too. */
static int has_item(const struct gw_yaml *list, struct gw_str text)
{
    for (size_t i = 0; list->type == GW_YAML_SEQ && i < list->n; i++)
        if (list->values[i].type == GW_YAML_SCALAR && gw_str_eq(list->values[i].text, text))
            return 1;
    return 0;
}

/* An event from elsewhere may have an attribute of that name, with whatever in it: Flyte's phases
 * are in capitals. A phase of Flyte's in small letters is a slip more often than another's word,
 * and one that costs alarms, so it is warned of; but not beside the phase as Flyte writes it. */
static void check_phase(const struct check *c, const struct gw_yaml *list, const struct gw_yaml *v)
{
    enum { FLYTE = (1U << GW_OTHER) - 1 };
    const unsigned kinds = c->conf->event_type_mask & FLYTE;
    const int of_others = (c->conf->event_type_mask & 1U << GW_OTHER) != 0;
    struct gw_nearest near = {.wanted = v->text};
    char hint[80];

    if (v->type != GW_YAML_SCALAR || !kinds || is_phase(kinds, v->text, &near))
        return;
    if (of_others && has_lower(v->text) && (!near.best.p || has_item(list, near.best)))
        return;
    PROBLEM(c, 1, v, "match.phase: %s has a phase \"%.*s\"%s",
            kinds == FLYTE ? "no event of Flyte's" : "none of event_types",
            v->text.len > 80 ? 80 : (int)v->text.len, v->text.p,
            gw_nearest_hint(&near, hint, sizeof(hint)));
}

static void check_pattern(const struct check *c, const struct gw_yaml *key,
                          const struct gw_yaml *list, const struct gw_yaml *v)
{
    const struct gw_str s = v->text;

    if (s.len > 1 && (s.p[0] == '^' || s.p[s.len - 1] == '$'))
        PROBLEM(c, 1, v,
                "match.%.*s: a glob, no regular expression: * is any text, ? a character, and all "
                "else stands for itself",
                (int)key->text.len, key->text.p);
    else if (gw_str_is(key->text, "phase"))
        check_phase(c, list, v);
}

static void check_match(const struct check *c)
{
    const struct gw_yaml *y = c->conf->match;

    if (!is_map(c, "match", y))
        return;
    for (size_t i = 0; i < y->n; i++) {
        const struct gw_yaml *v = &y->values[i];
        const size_t n = v->type == GW_YAML_SEQ ? v->n : 1;

        check_match_key(c, &y->keys[i]);
        if (v->type == GW_YAML_SEQ && !v->n)
            PROBLEM(c, 0, v, "match.%.*s: an empty list matches nothing", (int)y->keys[i].text.len,
                    y->keys[i].text.p);
        for (size_t k = 0; k < n; k++)
            if (at_item(v, k)->type != GW_YAML_SCALAR || gw_yaml_is_null(at_item(v, k)))
                PROBLEM(c, 0, at_item(v, k), "match.%.*s: expected a text or a list of texts",
                        (int)y->keys[i].text.len, y->keys[i].text.p);
            else
                check_pattern(c, &y->keys[i], v, at_item(v, k));
    }
}

/* ---- rename, set, remove ---- */

static void check_rename(const struct check *c)
{
    const struct gw_yaml *y = c->conf->rename;

    if (!is_map(c, "rename", y))
        return;
    for (size_t i = 0; i < y->n; i++) {
        const struct gw_yaml *from = &y->keys[i], *to = &y->values[i];

        /* longer names came with an event */
        if (!gw_attr_name_ok(from->text) || gw_str_is(from->text, "specversion"))
            bad_name(c, "rename", from);
        else if (is_required(from->text))
            PROBLEM(c, 0, from, "rename: %.*s cannot be taken away", (int)from->text.len,
                    from->text.p);
        if (to->type != GW_YAML_SCALAR)
            PROBLEM(c, 0, to, "rename.%.*s: expected the new name", (int)from->text.len,
                    from->text.p);
        else if (!name_ok(to->text))
            bad_name(c, "rename", to);
    }
}

static const char *value_problem(struct gw_str name, const struct gw_yaml *v)
{
    struct gw_time time;
    long long number;
    double fraction;
    int flag;

    if (v->type != GW_YAML_SCALAR || gw_yaml_is_null(v))
        return "expected a text, a boolean or an integer";
    if (!gw_yaml_int(v, &number) && (number < INT32_MIN || number > INT32_MAX))
        return "an integer attribute has 32 bits; quote it to make it a text";
    if (gw_yaml_int(v, &number) && !gw_yaml_double(v, &fraction))
        return "a number that is no 32-bit integer; quote it to make it a text";
    if (gw_str_is(name, "time") && gw_time_parse(v->text, &time))
        return "not an RFC 3339 time";
    if (is_required(name) && !v->text.len)
        return "cannot be empty";
    if (!gw_yaml_bool(v, &flag))
        return NULL;
    return gw_attr_text_problem(v->text);
}

static void check_set(const struct check *c)
{
    const struct gw_yaml *y = c->conf->set;

    if (!is_map(c, "set", y))
        return;
    for (size_t i = 0; i < y->n; i++) {
        const char *why = value_problem(y->keys[i].text, &y->values[i]);

        if (!name_ok(y->keys[i].text))
            bad_name(c, "set", &y->keys[i]);
        if (why)
            PROBLEM(c, 0, &y->values[i], "set.%.*s: %s", (int)y->keys[i].text.len,
                    y->keys[i].text.p, why);
    }
}

static void check_remove(const struct check *c)
{
    const struct gw_yaml *y = c->conf->remove;
    const size_t n = !y || gw_yaml_is_null(y) ? 0 : y->type == GW_YAML_SEQ ? y->n : 1;

    for (size_t i = 0; i < n; i++) {
        const struct gw_yaml *v = at_item(y, i);

        if (v->type != GW_YAML_SCALAR)
            PROBLEM(c, 0, v, "remove: expected a list of attributes");
        else if (!gw_attr_name_ok(v->text) || gw_str_is(v->text, "specversion"))
            bad_name(c, "remove", v);
        else if (is_required(v->text))
            PROBLEM(c, 0, v, "remove: %.*s cannot be removed", (int)v->text.len, v->text.p);
    }
}

/* ---- the rest ---- */

static void check_extensions(const struct check *c)
{
    const struct gw_strs *all = &c->conf->format.extensions;

    for (size_t i = 0; i < all->n; i++) {
        struct gw_nearest near = {.wanted = gw_str_of(all->items[i])};
        const struct gw_yaml *at = at_key(c, "format");
        char hint[80];

        if (!strcmp(all->items[i], "traceparent") || !strcmp(all->items[i], "partitionkey"))
            continue;
        gw_nearest_offer(&near, GW_STR("traceparent"));
        gw_nearest_offer(&near, GW_STR("partitionkey"));
        if (at->type == GW_YAML_MAP && gw_yaml_get(at, "extensions"))
            at = at_item(gw_yaml_get(at, "extensions"), i);
        PROBLEM(c, 0, at, "format.extensions: \"%.80s\" is neither traceparent nor partitionkey%s",
                all->items[i], gw_nearest_hint(&near, hint, sizeof(hint)));
    }
}

static void check_params(const struct check *c)
{
    (void)is_map(c, "params", c->conf->params);
}

static void check_hosts(const struct check *c)
{
    const struct gw_strs *all = &c->conf->hook_limits.allow_hosts;

    for (size_t i = 0; i < all->n; i++) {
        const struct gw_yaml *at = at_key(c, "hook_limits");
        const char *why = gw_allow_problem(all->items[i]);

        if (!why)
            continue;
        if (at->type == GW_YAML_MAP && gw_yaml_get(at, "allow_hosts"))
            at = at_item(gw_yaml_get(at, "allow_hosts"), i);
        PROBLEM(c, 0, at, "hook_limits.allow_hosts: \"%.80s\": %s", all->items[i], why);
    }
}

static const struct gw_yaml *at_format(const struct check *c, const char *key)
{
    const struct gw_yaml *format = at_key(c, "format");
    const struct gw_yaml *y = format->type == GW_YAML_MAP ? gw_yaml_get(format, key) : NULL;

    return y ? y : format;
}

static void check_form(const struct check *c, const struct gw_publisher_ops *ops)
{
    const struct gw_format *f = &c->conf->format;
    const int binary = f->mode == GW_MODE_BINARY;

    if (binary && ops->lacks & GW_LACKS_BINARY)
        PROBLEM(c, 0, at_format(c, "mode"), "format: publisher %s has no binary mode", ops->name);
    else if (binary && f->protobuf)
        PROBLEM(c, 1, at_format(c, "encoding"), "format: encoding has no effect in binary mode");
    if (f->protobuf && ops->lacks & GW_LACKS_PROTOBUF)
        PROBLEM(c, 0, at_format(c, "encoding"), "format: publisher %s has JSON alone", ops->name);
}

static void check_publisher(const struct check *c)
{
    const struct gw_union *u = &c->conf->publisher;
    const struct gw_publisher_ops *ops = u->type ? gw_publisher_find(u->type) : NULL;

    if (ops)
        check_form(c, ops);
    if (ops && u->conf)
        gw_publisher_check(ops, u->conf, &c->conf->format, c->p, at_key(c, "publisher"));
}

/* ---- the form ---- */

static void check_format(const struct check *c)
{
    const struct gw_format *f = &c->conf->format;

    if (f->style != GW_STYLE_DOCUMENTED && f->json)
        PROBLEM(c, 1, at_format(c, "data"), "format: data has no effect in the style %s",
                gw_style_names[f->style]);
    if ((f->style == GW_STYLE_DOCUMENTED || f->style == GW_STYLE_FLYTEADMIN_EXTERNAL) &&
        f->id_spacing == 1)
        PROBLEM(c, 1, at_format(c, "id_spacing"),
                "format: id_spacing has no effect in the style %s", gw_style_names[f->style]);
    if (f->style != GW_STYLE_FLYTEADMIN_V2 && f->enrich_all)
        PROBLEM(c, 1, at_format(c, "enrich_all"),
                "format: enrich_all has no effect in the style %s", gw_style_names[f->style]);
}

void gw_pipeline_check(struct gw_pipeline_conf *conf, struct gw_problems *p)
{
    const struct check c = {conf, p};

    check_name(&c);
    check_types(&c, &conf->event_type_mask);
    check_match(&c);
    check_rename(&c);
    check_set(&c);
    check_remove(&c);
    check_params(&c);
    check_extensions(&c);
    check_format(&c);
    check_hosts(&c);
    if (conf->retry.max_ms < conf->retry.initial_ms)
        PROBLEM(&c, 0, at_key(&c, "retry"), "retry: max is below initial");
    check_publisher(&c);
}
