/* FlyteAdmin's own sections in a file: where they stand, and the pipelines that they become. */
#include "config/section.h"

#include "base/arena.h"
#include "base/field_value.h"
#include "base/problems.h"
#include "base/weak.h"
#include "base/yaml.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { MOST = 2 };

/* ---- finding them ---- */

static const struct {
    const char *name;
    int external;
} spellings[] = {
    {"cloudEvents", 0}, {"cloud_events", 0}, {"externalEvents", 1}, {"external_events", 1}};

static int find_spelling(const char *key)
{
    for (size_t i = 0; i < sizeof(spellings) / sizeof(*spellings); i++)
        if (!strcasecmp(key, spellings[i].name))
            return (int)i;
    return -1;
}

static void add(struct gw_load *l, const struct gw_yaml *key, struct gw_yaml *value, int external)
{
    struct gw_section *s;

    for (size_t i = 0; i < l->n_sections; i++)
        if (l->sections[i].external == external) {
            const struct gw_yaml *other = l->sections[i].key;

            gw_problems_add(l->p, GW_PROBLEM_ERROR, key->file, key->line, key->column,
                            "%s: the section stands at %s:%d:%d already, as %s", key->text.p,
                            other->file, other->line, other->column, other->text.p);
            return;
        }
    s = &l->sections[l->n_sections++];
    *s = (struct gw_section){.name = key->text.p,
                             .pipeline = external ? "external_events" : "cloud_events",
                             .external = external,
                             .key = key,
                             .yaml = value,
                             .broken = value->broken};
}

/* Takes the sections out of a mapping. */
static void take_sections(struct gw_load *l, struct gw_yaml *map)
{
    const struct gw_yaml all = *map;

    map->n = 0;
    map->keys = gw_arena_alloc(l->p->mem, (all.n + 1) * sizeof(*map->keys));
    map->values = gw_arena_alloc(l->p->mem, (all.n + 1) * sizeof(*map->values));
    for (size_t i = 0; i < all.n; i++) {
        const int k = find_spelling(all.keys[i].text.p);

        if (k >= 0 && !all.keys[i].broken)
            add(l, &all.keys[i], &all.values[i], spellings[k].external);
        if (k >= 0)
            continue;
        map->keys[map->n] = all.keys[i];
        map->values[map->n++] = all.values[i];
    }
}

/* The text of a file, or (written without the |) the mapping itself. */
static struct gw_yaml *parse_file(struct gw_load *l, struct gw_yaml *y)
{
    if (y->type == GW_YAML_SCALAR && y->block_column)
        return gw_yaml_parse(y->file, y->text, y->line + 1, y->block_column, l->p);
    if (y->type == GW_YAML_SCALAR)
        return gw_yaml_parse(y->file, y->text, y->line, y->column, l->p);
    return y;
}

static void look_beside(struct gw_load *l, const struct gw_yaml *map)
{
    struct gw_yaml *copy = gw_arena_alloc(l->p->mem, sizeof(*copy));

    *copy = *map;
    l->beside[l->n_beside++] = copy;
}

static void tell_empty(struct gw_load *l, const struct gw_yaml *key)
{
    gw_problems_add(l->p, GW_PROBLEM_WARNING, key->file, key->line, key->column,
                    "%s: there is no section in it: FlyteAdmin sends nothing, and no pipeline is "
                    "made",
                    key->text.p);
}

/* A file of FlyteAdmin's inside of the file: all of it is theirs. */
static void take_file(struct gw_load *l, const struct gw_yaml *key, struct gw_yaml *value)
{
    const size_t n = l->n_sections, errors = l->p->errors;
    struct gw_yaml *map;

    if (value->type == GW_YAML_SCALAR && value->broken) /* told */
        return;
    map = gw_yaml_is_null(value) ? NULL : parse_file(l, value);
    if (!map && l->p->errors == errors)
        tell_empty(l, key);
    if (!map)
        return;
    if (map->type != GW_YAML_MAP) {
        gw_problems_add(l->p, GW_PROBLEM_ERROR, map->file, map->line, map->column,
                        "%s: expected a mapping", key->text.p);
        return;
    }
    look_beside(l, map);
    take_sections(l, map);
    if (l->n_sections == n && l->p->errors == errors)
        tell_empty(l, key);
    gw_foreign_take_out(map, l->beside[l->n_beside - 1], gw_config_section_fields, l->p);
}

static int is_file(const char *key)
{
    return !strcasecmp(key, "cloud_events.yaml") || !strcasecmp(key, "external_events.yaml");
}

/* The chart flyte-binary has FlyteAdmin's configuration below configuration.inline. */
static size_t find_inline(const struct gw_yaml *key, const struct gw_yaml *value)
{
    const size_t i = value->type == GW_YAML_MAP ? gw_config_find(value, "inline") : value->n;

    return strcasecmp(key->text.p, "configuration") != 0 || value->type != GW_YAML_MAP ? value->n
                                                                                       : i;
}

static void take_files(struct gw_load *l)
{
    const struct gw_yaml all = *l->root;

    l->root->n = 0;
    for (size_t i = 0; i < all.n; i++) {
        const size_t at = find_inline(&all.keys[i], &all.values[i]);

        if (at < all.values[i].n) {
            take_file(l, &all.values[i].keys[at], &all.values[i].values[at]);
            continue;
        }
        if (is_file(all.keys[i].text.p)) {
            if (!all.keys[i].broken)
                take_file(l, &all.keys[i], &all.values[i]);
            continue;
        }
        l->root->keys[l->root->n] = all.keys[i];
        l->root->values[l->root->n++] = all.values[i];
    }
}

void gw_config_find_sections(struct gw_load *l, const struct gw_field *fields)
{
    l->sections = gw_arena_zalloc(l->p->mem, MOST * sizeof(*l->sections));
    l->beside = gw_arena_zalloc(l->p->mem, (l->root->n + 1) * sizeof(struct gw_yaml *));
    look_beside(l, l->root);
    take_sections(l, l->root);
    take_files(l);
    if (l->n_sections)
        gw_foreign_take_out(l->root, l->beside[0], fields, l->p);
}

/* ---- reading them ---- */

static struct gw_str template_in(struct gw_str s)
{
    const char *open = s.len ? memmem(s.p, s.len, "{{", 2) : NULL;
    const char *close = open ? memmem(open, s.len - (size_t)(open - s.p), "}}", 2) : NULL;

    return close ? (struct gw_str){open, (size_t)(close + 2 - open)} : (struct gw_str){0};
}

/* A value that Helm has still to fill in says nothing yet. quiet: the section is not enabled. */
static void mark_templates(struct gw_yaml *y, const char *path, int quiet, struct gw_problems *p)
{
    const struct gw_str template = y->type == GW_YAML_SCALAR ? template_in(y->text) : y->text;

    if (template.len) {
        y->broken = 1;
        if (!quiet)
            gw_problems_add(p, GW_PROBLEM_ERROR, y->file, y->line, y->column,
                            "%s: %.*s is a template of Helm's: fill it in, as `helm template` "
                            "does, or write the value",
                            path, gw_field_shown(template), template.p);
    }
    for (size_t i = 0; y->type != GW_YAML_SCALAR && i < y->n; i++)
        mark_templates(&y->values[i],
                       y->type == GW_YAML_SEQ
                           ? path
                           : gw_arena_printf(p->mem, "%s.%s", path, y->keys[i].text.p).p,
                       quiet, p);
}

static int is_off(const struct gw_section *s)
{
    int on = 0;

    if (!gw_section_has(s, "enable"))
        return 1;
    return !template_in(gw_section_at(s, "enable")->text).len &&
           !gw_weak_bool(gw_section_at(s, "enable"), &on) && !on;
}

/* A value in it could not be read: of a variable that is not set, the reader of the file told. */
static int has_broken(const struct gw_yaml *y)
{
    int broken = y->broken;

    for (size_t i = 0; y->type != GW_YAML_SCALAR && i < y->n; i++)
        broken |= has_broken(&y->values[i]);
    return broken;
}

static void read_section(struct gw_load *l, struct gw_section *s)
{
    struct gw_flyteadmin_conf *conf = gw_arena_zalloc(l->p->mem, sizeof(*conf));
    const size_t errors = l->p->errors;

    s->conf = conf;
    s->broken |= has_broken(s->yaml);
    mark_templates((struct gw_yaml *)s->yaml, s->name, is_off(s), l->p);
    gw_fields_read(s->external ? gw_external_events_fields : gw_cloud_events_fields, s->yaml, conf,
                   l->p, s->name);
    s->broken |= l->p->errors > errors;
    if (s->yaml->type == GW_YAML_MAP || gw_yaml_is_null(s->yaml))
        gw_section_check(s, l);
    s->broken |= l->p->errors > errors;
}

void gw_config_read_sections(struct gw_load *l)
{
    for (size_t i = 0; i < l->n_sections; i++)
        read_section(l, &l->sections[i]);
    if (l->n_sections)
        gw_config_check_notifications(l);
}

/* ---- the pipelines ---- */

static void note_words(struct gw_load *l, const struct gw_section *s)
{
    struct gw_strs *all = &l->config->sections;
    const char *text = gw_section_says(s, l->p->mem);

    if (!all->items)
        all->items = gw_arena_zalloc(l->p->mem, MOST * sizeof(*all->items));
    all->items[all->n++] = text;
    gw_problems_add(l->p, GW_PROBLEM_NOTE, s->key->file, s->key->line, s->key->column, "%s", text);
}

size_t gw_config_join_sections(struct gw_load *l)
{
    size_t made = 0;

    for (size_t i = 0; i < l->n_sections; i++) {
        const struct gw_section *s = &l->sections[i];

        if (!s->type || s->broken)
            continue;
        gw_config_append_one(l, gw_section_map(s, 0, l->p->mem))->yaml =
            gw_section_map(s, 1, l->p->mem);
        note_words(l, s);
        made++;
    }
    return made;
}

/* The built-in pipeline writes to standard output, which nobody with a section means. */
void gw_config_refuse_nothing(struct gw_load *l)
{
    const struct gw_section *s = &l->sections[0];

    for (size_t i = 0; i < l->n_sections; i++)
        if (l->sections[i].broken)
            return;
    gw_section_tell_all(s, l->p, GW_PROBLEM_ERROR,
                        "no pipeline is made of it, and the file has no other: events would go "
                        "nowhere");
}
