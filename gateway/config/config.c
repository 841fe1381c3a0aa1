#include "config/config.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "config/assemble.h"
#include "config/flyteadmin.h"
#include "config/owners.h"
#include "config/section.h"
#include "event/event.h"
#include "net/listener.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The configuration as one table over the rooms' tables. What a file leaves out is put in as if the
 * file had said so: defaults and files are read by the same code. */

/* For the schema and the reference: sections.c reads them. */
struct sections {
    struct gw_flyteadmin_conf *cloud, *external;
};

struct file {
    struct gw_config conf;
    struct gw_strs include;
    struct gw_config_guard *guard;
    struct sections sections;
    const struct gw_yaml *cloud_yaml, *external_yaml;
};

static const char built_in[] = "ingest: {grpc: {}, http: {}}\n";

#define SECTIONS(offset)                                                                           \
    {"cloudEvents",                                                                                \
     GW_F_TABLE,                                                                                   \
     (offset) + offsetof(struct sections, cloud),                                                  \
     .help = "FlyteAdmin's own section, as it is: it becomes the pipeline cloud_events.",          \
     .fields = gw_cloud_events_fields,                                                             \
     .size = sizeof(struct gw_flyteadmin_conf),                                                    \
     .alias = "cloud_events",                                                                      \
     .pointer = 1},                                                                                \
    {                                                                                              \
        "externalEvents", GW_F_TABLE, (offset) + offsetof(struct sections, external),              \
            .help =                                                                                \
                "FlyteAdmin's own section, as it is: it becomes the pipeline external_events.",    \
            .fields = gw_external_events_fields, .size = sizeof(struct gw_flyteadmin_conf),        \
            .alias = "external_events", .pointer = 1                                               \
    }

const struct gw_field gw_config_section_fields[] = {SECTIONS(0), {0}};

static const struct gw_field fields[] = {
    {"source", GW_F_STR, offsetof(struct file, conf.source),
     .def = "https://github.com/flyteorg/flyteadmin",
     .help = "The CloudEvents attribute source of Flyte's events."},
    {"shutdown_timeout", GW_F_DURATION, offsetof(struct file, conf.shutdown_timeout_ms),
     .def = "25s", .help = "What is in flight at a stop has this long to end.", .max = 3600000},
    {"ingest", GW_F_TABLE, offsetof(struct file, conf.ingest),
     .help = "Where events come in. Absent: gRPC and HTTP on their defaults; else what it lists.",
     .fields = gw_ingest_fields, .size = sizeof(struct gw_ingest_conf), .pointer = 1},
    {"admin", GW_F_TABLE, offsetof(struct file, conf.admin), .help = "Health, metrics and the API.",
     .fields = gw_admin_fields, .size = sizeof(struct gw_admin_conf), .theirs = gw_foreign_admin},
    {"log", GW_F_TABLE, offsetof(struct file, conf.log),
     .help = "Keeps events until every pipeline is done with them.", .fields = gw_log_fields,
     .size = sizeof(struct gw_log_conf)},
    {"flyteadmin", GW_F_TABLE, offsetof(struct file, conf.flyteadmin),
     .help = "The FlyteAdmin that moongate.flyte asks.", .fields = gw_flyte_client_fields,
     .size = sizeof(struct gw_flyte_client_conf), .pointer = 1, .theirs = gw_foreign_flyteadmin},
    {"include", GW_F_STRS, offsetof(struct file, include),
     .help =
         "Files that add pipelines and hold nothing else, paths or globs as pipelines.d/*.yaml. "
         "What is wrong with one leaves its own pipelines down."},
    {"guard", GW_F_TABLE, offsetof(struct file, guard),
     .help = "What included files may ask for; never held against this file.",
     .fields = gw_config_guard_fields, .size = sizeof(struct gw_config_guard), .pointer = 1},
    {"pipelines", GW_F_TABLES, offsetof(struct file, conf.pipelines),
     .help = "Where events go, a pipeline for each team or purpose. None: one, default, to "
             "standard output.",
     .fields = gw_pipeline_fields, .size = sizeof(struct gw_pipeline_conf)},
    SECTIONS(offsetof(struct file, sections)),
    {"cloud_events.yaml", GW_F_VALUE, offsetof(struct file, cloud_yaml),
     .help = "FlyteAdmin's sections as its documentation and Helm write them: the text of a file."},
    {"external_events.yaml", GW_F_VALUE, offsetof(struct file, external_yaml), .help = "The same."},
    {0}};

/* ---- what the file leaves out ---- */

static void append(struct gw_arena *mem, struct gw_yaml *map, struct gw_yaml key,
                   struct gw_yaml value)
{
    struct gw_yaml *keys = gw_arena_alloc(mem, (map->n + 1) * sizeof(*keys));
    struct gw_yaml *values = gw_arena_alloc(mem, (map->n + 1) * sizeof(*values));

    if (map->n) {
        memcpy(keys, map->keys, map->n * sizeof(*keys));
        memcpy(values, map->values, map->n * sizeof(*values));
    }
    keys[map->n] = key;
    values[map->n] = value;
    map->keys = keys;
    map->values = values;
    map->n++;
}

size_t gw_config_find(const struct gw_yaml *map, const char *key)
{
    size_t i = 0;

    while (i < map->n && strcasecmp(map->keys[i].text.p, key) != 0)
        i++;
    return i;
}

/* An empty `ingest:` was never filled in. */
static void complete(struct gw_yaml *root, struct gw_problems *p)
{
    struct gw_yaml *more = gw_yaml_parse("(built in)", gw_str_of(built_in), 1, 1, p);

    for (size_t i = 0; i < more->n; i++) {
        size_t at = gw_config_find(root, more->keys[i].text.p);

        if (at == root->n)
            append(p->mem, root, more->keys[i], more->values[i]);
        else if (gw_yaml_is_null(&root->values[at]))
            root->values[at] = more->values[i];
    }
}

/* ---- addresses ---- */

static const struct gw_yaml *value(const struct gw_yaml *map, const char *key)
{
    const size_t i = map && map->type == GW_YAML_MAP ? gw_config_find(map, key) : 0;

    return map && map->type == GW_YAML_MAP && i < map->n ? &map->values[i] : NULL;
}

/* Who wants none, and says it in another word. */
static const char *hint_off(const char *listen, const char *where)
{
    static const char *const words[] = {"off",     "no",      "false", "disabled",
                                        "disable", "nowhere", "none"};

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (!strcasecmp(listen, words[i]))
            return strcmp(where, "admin") ? " (ingest has what it lists: leave this one out)"
                                          : " (did you mean \"none\"?)";
    return "";
}

static void check_listen(const char *listen, const char *where, const struct gw_yaml *table,
                         struct gw_problems *p)
{
    const struct gw_yaml *at = value(table, "listen");

    if (listen && at && !gw_listen_ok(listen))
        gw_problems_add(p, 0, at->file, at->line, at->column,
                        "%s.listen: expected HOST:PORT as 127.0.0.1:8089, not \"%.80s\"%s", where,
                        listen, hint_off(listen, where));
}

/* Only one of two can have an address; of port 0 each gets its own. */
static void check_twice(const char *listen, const char *where, const char *other,
                        const char *other_where, const struct gw_yaml *table, struct gw_problems *p)
{
    const struct gw_yaml *at = table ? gw_yaml_place(table, "listen") : NULL;
    const size_t len = listen && gw_listen_ok(listen) ? strlen(listen) : 0;

    if (at && other && len > 2 && !strcmp(listen, other) && strcmp(listen + len - 2, ":0") != 0)
        gw_problems_add(p, 0, at->file, at->line, at->column,
                        "%s.listen: %s is %s.listen, too: each needs an address of its own", where,
                        listen, other_where);
}

static void check_addresses(const struct gw_config *c, const struct gw_yaml *root,
                            struct gw_problems *p)
{
    const struct gw_yaml *ingest = value(root, "ingest"), *admin = value(root, "admin");
    const struct gw_ingest_conf *in = c->ingest;

    if (in && in->grpc)
        check_listen(in->grpc->listener.listen, "ingest.grpc", value(ingest, "grpc"), p);
    if (in && in->http)
        check_listen(in->http->listener.listen, "ingest.http", value(ingest, "http"), p);
    if (in && in->grpc && in->http)
        check_twice(in->http->listener.listen, "ingest.http", in->grpc->listener.listen,
                    "ingest.grpc", value(ingest, "http"), p);
    if (in && in->grpc)
        check_twice(c->admin.listen, "admin", in->grpc->listener.listen, "ingest.grpc",
                    admin ? admin : value(ingest, "grpc"), p);
    if (in && in->http)
        check_twice(c->admin.listen, "admin", in->http->listener.listen, "ingest.http",
                    admin ? admin : value(ingest, "http"), p);
    if (in)
        gw_ingest_check(in, p, ingest);
    if (c->admin.listen && strcmp(c->admin.listen, "none") != 0)
        check_listen(c->admin.listen, "admin", admin, p);
    gw_admin_check(&c->admin, value(root, "admin"), p);
}

/* ---- the whole ---- */

/* By place: they were found table by table. */
static int by_place(const void *a, const void *b)
{
    const struct gw_problem *x = a, *y = b;
    int files = x->file && y->file ? strcmp(x->file, y->file) : 0;

    if (files)
        return files;
    if (x->line != y->line || x->column != y->column)
        return x->line != y->line ? x->line - y->line : x->column - y->column;
    return x->severity != y->severity ? x->severity - y->severity : strcmp(x->text, y->text);
}

static void sort(struct gw_problems *p)
{
    if (p->n)
        qsort(p->items, p->n, sizeof(*p->items), by_place);
}

static struct gw_yaml *read_root(const char *path, struct gw_problems *p)
{
    if (path)
        return gw_yaml_read(path, p);
    return gw_yaml_parse("", GW_STR(""), 1, 1, p);
}

/* The secret of the client that they ask FlyteAdmin with. */
static void note_flyteadmin(struct gw_config *c, const struct gw_yaml *one)
{
    const struct gw_pipeline_conf *all = c->pipelines.items;

    for (size_t i = 0; i < c->pipelines.n; i++)
        if (all[i].hooks.n)
            gw_config_note_files(c, fields, one, &all[i]);
}

/* The pipelines' files are theirs, all others the gateway's. */
static void note_files(struct gw_config *c, const struct gw_yaml *root)
{
    const struct gw_pipeline_conf *all = c->pipelines.items;

    for (size_t i = 0; i < root->n; i++) {
        struct gw_yaml one = *root;

        one.keys = &root->keys[i];
        one.values = &root->values[i];
        one.n = 1;
        if (!strcasecmp(root->keys[i].text.p, "flyteadmin"))
            note_flyteadmin(c, &one);
        else if (strcasecmp(root->keys[i].text.p, "pipelines") != 0)
            gw_config_note_files(c, fields, &one, NULL);
    }
    for (size_t i = 0; i < c->pipelines.n; i++)
        gw_config_note_files(c, gw_pipeline_fields, all[i].yaml, &all[i]);
}

/* No event would be one with it. */
static void check_source(const struct gw_config *c, const struct gw_yaml *root,
                         struct gw_problems *p)
{
    const struct gw_yaml *at = value(root, "source");

    if (at && c->source && !*c->source)
        gw_problems_add(p, 0, at->file, at->line, at->column, "source: it cannot be empty");
    else if (at && c->source && !gw_uri_reference_ok(gw_str_of(c->source)))
        gw_problems_add(p, GW_PROBLEM_WARNING, at->file, at->line, at->column,
                        "source: not a URI-reference (RFC 3986): receivers may refuse the events");
}

/* What the main file's table has read, and all that belongs to it. */
static void assemble(struct gw_load *l, struct file *f)
{
    gw_config_include(l, &f->include);
    gw_config_read_sections(l);
    if (l->n_included)
        l->owners = gw_owners_read(&f->conf.log, l->p->mem);
    gw_config_join(l);
    gw_config_check_each(l);
    gw_config_check_harm(l);
    check_source(&f->conf, l->root, l->p);
    gw_config_check_guard(l);
    gw_log_check(&f->conf.log, value(l->root, "log"), l->p);
    check_addresses(&f->conf, l->root, l->p);
    gw_flyte_client_check(f->conf.flyteadmin, l->p, value(l->root, "flyteadmin"));
    gw_config_check_together(l);
}

/* all: also what is down and cannot be told by its name. 0: the main file has errors. */
static int load(const char *path, struct gw_problems *p, int all, struct gw_config **out)
{
    struct file *f = gw_arena_zalloc(p->mem, sizeof(*f));
    struct gw_load l = {.config = &f->conf, .p = p, .root = read_root(path, p)};

    f->conf.mem = p->mem;
    f->conf.file = l.root ? l.root->file : path;
    *out = &f->conf;
    if (l.root && l.root->type == GW_YAML_MAP) {
        gw_config_find_sections(&l, fields);
        complete(l.root, p);
    }
    if (l.root)
        gw_fields_read(fields, l.root, f, p, "");
    f->conf.ingest_yaml = value(l.root, "ingest");
    l.guard = f->guard;
    l.failed = !l.root || l.root->type != GW_YAML_MAP;
    if (!l.failed) {
        assemble(&l, f);
        gw_config_shorten(&l);
        if (!all)
            gw_config_prune(&l);
        note_files(&f->conf, l.root);
    }
    sort(p);
    return !l.failed;
}

struct gw_config *gw_config_load(const char *path, struct gw_problems *p)
{
    struct gw_config *c;

    return load(path, p, 0, &c) ? c : NULL;
}

const struct gw_config *gw_config_check(const char *path, struct gw_problems *p)
{
    struct gw_config *c;

    load(path, p, 1, &c);
    gw_config_check_all_scripts(c, p);
    sort(p);
    return c;
}

void gw_config_free(struct gw_config *c)
{
    if (c)
        gw_arena_free(c->mem);
}

void gw_config_put_schema(const struct gw_field *table, const char *title,
                          void (*put_more)(struct gw_buf *out), struct gw_buf *out)
{
    struct gw_buf rest;

    gw_buf_init(&rest, out->max, NULL);
    gw_fields_schema(table, &rest);
    gw_buf_printf(out,
                  "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\","
                  "\"title\":\"%s\",",
                  title);
    if (put_more)
        put_more(out);
    if (rest.failed || rest.len == 0)
        out->failed = 1;
    else
        gw_buf_put(out, rest.p + 1, rest.len - 1);
    gw_buf_free(&rest);
}

void gw_config_schema(struct gw_buf *out)
{
    gw_config_put_schema(fields, "Moongate's configuration", gw_foreign_put_schema, out);
}

void gw_config_reference(struct gw_buf *out)
{
    gw_buf_puts(
        out, "# The configuration, key by key\n\n"
             "Made by `moongate schema --markdown` from the tables that read the file.\n\n"
             "Keys may be written in any case. Sizes: `4096`, `64KiB`, `1GiB`, `10MB`; durations: "
             "`250ms`, `30s`,\n`5m`, `24h`. `${NAME}` and `${NAME:-default}` stand for environment "
             "variables, in values; `$${` for\n`${`. Relative paths are relative to the file. A "
             "key without a value is left out, but for mappings.\n");
    gw_fields_reference(fields, out);
}
