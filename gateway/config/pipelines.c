/* The pipelines of all files, as one list: each checked on its own, then against the others. What
 * one included file does never stops another's pipelines: of two that claim one thing, the main
 * file's goes on, else that of the file which is sound and comes first. */
#include "config/assemble.h"

#include "base/arena.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "config/owners.h"
#include "publish/publisher.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { MAX_PATH = 4096, MAX_TOLD = 100 };

static const char built_in[] = "[{name: default, publisher: {type: file, path: '-'}}]\n";

const char *gw_config_placed(struct gw_problems *p, const struct gw_yaml *at, const char *what)
{
    return gw_arena_printf(p->mem, "%s:%d:%d: %s", at->file, at->line, at->column, what).p;
}

/* ---- one list ---- */

static struct gw_pipeline_conf *append(struct gw_load *l, const struct gw_yaml *yaml,
                                       struct gw_included *from)
{
    struct gw_list *list = &l->config->pipelines;
    struct gw_pipeline_conf *all = list->items;

    if (!(list->n & (list->n - 1))) {
        const size_t cap = list->n ? 2 * list->n : 1;
        struct gw_pipeline_conf *to = gw_arena_zalloc(l->p->mem, cap * sizeof(*to));
        struct gw_included **owners =
            gw_arena_zalloc(l->p->mem, cap * sizeof(struct gw_included *));

        if (list->n) {
            memcpy(to, all, list->n * sizeof(*to));
            memcpy(owners, l->from, list->n * sizeof(struct gw_included *));
        }
        list->items = all = to;
        l->from = owners;
    }
    l->from[list->n] = from;
    all[list->n].yaml = yaml;
    return &all[list->n++];
}

/* A key without a value is none, so of two spellings the one with a value is what was read. */
const struct gw_yaml *gw_config_pipelines(const struct gw_yaml *root)
{
    const struct gw_yaml *found = NULL;

    for (size_t i = 0; i < root->n && (!found || gw_yaml_is_null(found)); i++)
        if (!strcasecmp(root->keys[i].text.p, "pipelines"))
            found = &root->values[i];
    return found;
}

static void append_all(struct gw_load *l, const struct gw_list *list, const struct gw_yaml *in,
                       struct gw_included *from)
{
    const struct gw_pipeline_conf *all = list->items;

    for (size_t i = 0; in && i < list->n && i < in->n; i++) {
        struct gw_pipeline_conf *c = append(l, &in->values[i], from);

        *c = all[i];
        c->yaml = &in->values[i];
    }
}

struct guess {
    struct gw_load *l;
    struct gw_included *from;
};

static struct gw_yaml scalar(const char *file, int line, struct gw_str text)
{
    return (struct gw_yaml){
        .type = GW_YAML_SCALAR, .file = file, .line = line, .column = 1, .text = text};
}

/* A pipeline of which the name alone is known. */
static void on_name(void *ctx, struct gw_str name, int line)
{
    const struct guess *g = ctx;
    struct gw_arena *mem = g->l->p->mem;
    struct gw_problems unused = {.mem = mem};
    struct gw_yaml *y = gw_arena_zalloc(mem, 3 * sizeof(*y));
    struct gw_pipeline_conf *c;

    y[1] = scalar(g->from->path, line, GW_STR("name"));
    y[2] = scalar(g->from->path, line, gw_arena_str(mem, name));
    y[2].quoted = 1;
    y[0] = (struct gw_yaml){.type = GW_YAML_MAP,
                            .file = g->from->path,
                            .line = line,
                            .column = 1,
                            .keys = &y[1],
                            .values = &y[2],
                            .n = 1};
    c = append(g->l, y, g->from);
    gw_fields_read(gw_pipeline_fields, y, c, &unused, "");
    c->yaml = y;
    c->guessed = 1;
}

struct gw_pipeline_conf *gw_config_append_one(struct gw_load *l, struct gw_yaml *yaml)
{
    static const struct gw_field list_fields[] = {{"pipelines", GW_F_TABLES, 0,
                                                   .fields = gw_pipeline_fields,
                                                   .size = sizeof(struct gw_pipeline_conf)},
                                                  {0}};
    struct gw_list list = {0};
    struct gw_yaml key = scalar(yaml->file, yaml->line, GW_STR("pipelines")), seq = *yaml, map;
    struct gw_pipeline_conf *c;

    seq.type = GW_YAML_SEQ;
    seq.values = yaml;
    seq.n = 1;
    map = seq;
    map.type = GW_YAML_MAP;
    map.keys = &key;
    map.values = &seq;
    gw_fields_read(list_fields, &map, &list, l->p, "");
    c = append(l, yaml, NULL);
    *c = *(const struct gw_pipeline_conf *)list.items;
    c->yaml = yaml;
    return c;
}

void gw_config_join(struct gw_load *l)
{
    const struct gw_yaml *y = gw_config_pipelines(l->root);
    const struct gw_list own = l->config->pipelines;
    int none = !y || gw_yaml_is_null(y) || (y->type == GW_YAML_SEQ && y->n == 0);

    l->config->pipelines = (struct gw_list){0};
    append_all(l, &own, y, NULL);
    none = !gw_config_join_sections(l) && none;
    for (size_t i = 0; i < l->n_included; i++) {
        struct gw_included *f = &l->included[i];
        struct guess g = {l, f};

        if (f->root && f->pipelines.n)
            append_all(l, &f->pipelines, gw_config_pipelines(f->root), f);
        else if (!f->root)
            gw_config_guess_names(f->text, on_name, &g);
        none = none && f->root && !f->pipelines.n;
    }
    if (none && l->n_sections)
        gw_config_refuse_nothing(l);
    else if (none)
        gw_config_append_one(
            l, &gw_yaml_parse("(built in)", gw_str_of(built_in), 1, 1, l->p)->values[0]);
}

/* ---- each on its own ---- */

/* The folder of the shipped Lua modules: found from the program, so that it can be installed under
 * any prefix, and runs from the source tree. */
const char *gw_config_lua_path(struct gw_arena *mem)
{
    static const char *const places[] = {"../share/moongate/lua", "../../lua"};
    const char *env = getenv("MOONGATE_LUA"); /* NOLINT(concurrency-mt-unsafe): as in base/env.c */
    char exe[MAX_PATH];
    ssize_t len;

    if (env && *env)
        return gw_arena_strndup(mem, env, strlen(env));
    len = readlink("/proc/self/exe", exe, sizeof(exe));
    while (len > 0 && exe[len - 1] != '/')
        len--;
    for (size_t i = 0; len > 0 && i < sizeof(places) / sizeof(*places); i++) {
        const char *path = gw_arena_printf(mem, "%.*s%s", (int)len, exe, places[i]).p;

        if (!access(path, R_OK))
            return path;
    }
    return GW_DATADIR "/lua";
}

/* A file with so many problems is broken, and what more is wrong with it may take long to find. */
static int is_hopeless(const struct gw_load *l, const struct gw_included *f, const size_t *errors)
{
    return f && errors[f - l->included] > MAX_TOLD;
}

void gw_config_check_each(struct gw_load *l)
{
    struct gw_pipeline_conf *all = l->config->pipelines.items;
    size_t *errors = gw_arena_zalloc(l->p->mem, (l->n_included + 1) * sizeof(*errors));
    const char *lua = gw_config_lua_path(l->p->mem);

    for (size_t i = 0; i < l->config->pipelines.n; i++) {
        const size_t before = l->p->errors;

        all[i].source = l->config->source;
        all[i].lua_path = lua;
        all[i].flyteadmin = l->config->flyteadmin;
        if (all[i].guessed || is_hopeless(l, l->from[i], errors))
            continue;
        if (l->from[i])
            gw_config_guard_check(l, &all[i]);
        gw_pipeline_check(&all[i], l->p);
        if (l->from[i])
            errors[l->from[i] - l->included] += l->p->errors - before;
    }
}

/* ---- who is broken ---- */

static struct gw_included *included_of(const struct gw_load *l, const char *file)
{
    for (size_t i = 0; file && i < l->n_included; i++)
        if (l->included[i].path == file || !strcmp(l->included[i].path, file))
            return &l->included[i];
    return NULL;
}

/* The first problem of each file says why it is. */
static void find_broken(struct gw_load *l)
{
    const struct gw_problem **first =
        gw_arena_zalloc(l->p->mem, (l->n_included + 1) * sizeof(struct gw_problem *));
    size_t own = 0;

    for (size_t i = 0; i < l->p->n; i++) {
        const struct gw_problem *q = &l->p->items[i], **f;
        struct gw_included *in = q->severity ? NULL : included_of(l, q->file);

        own += !q->severity && !in;
        if (!in)
            continue;
        f = &first[in - l->included];
        if (!*f || q->line < (*f)->line || (q->line == (*f)->line && q->column < (*f)->column))
            *f = q;
    }
    for (size_t i = 0; i < l->n_included; i++)
        if (first[i])
            l->included[i].why = gw_arena_printf(l->p->mem, "%s:%d:%d: %s", first[i]->file,
                                                 first[i]->line, first[i]->column, first[i]->text)
                                     .p;
    l->failed = own > l->pardoned;
}

/* ---- two of one name ---- */

static const struct gw_yaml *at_key(const struct gw_pipeline_conf *c, const char *key)
{
    const struct gw_yaml *y = gw_yaml_get(c->yaml, key);

    return y ? y : c->yaml;
}

static int same(const char *a, const char *b)
{
    return a && b && !strcmp(a, b);
}

/* Told where the one stands that cannot have the name. */
static const char *tell_clash(struct gw_load *l, const struct gw_pipeline_conf *has,
                              const struct gw_pipeline_conf *wants)
{
    const struct gw_yaml *at = at_key(wants, "name"), *other = at_key(has, "name");
    const char *text = gw_arena_printf(l->p->mem,
                                       "pipelines.%s: two pipelines have this name, the other "
                                       "stands at %s:%d:%d",
                                       wants->name, other->file, other->line, other->column)
                           .p;

    gw_problems_add(l->p, 0, at->file, at->line, at->column, "%s", text);
    return gw_config_placed(l->p, at, text);
}

static int owns(const struct gw_load *l, const struct gw_included *f, const char *name)
{
    const char *owner = gw_owner_of(&l->owners, name);

    return f && owner && !strcmp(owner, gw_owner_path(l->root->file, f->path));
}

/* Which of two, k before i, has the name: the main file's, or whose it was, or who is sound, or who
 * comes first. */
static int first_has(const struct gw_load *l, size_t i, size_t k)
{
    const struct gw_included *mine = l->from[i], *other = l->from[k];
    const char *name = ((const struct gw_pipeline_conf *)l->config->pipelines.items)[i].name;

    if (mine == other || !other || owns(l, other, name))
        return 1;
    if (owns(l, mine, name))
        return 0;
    return !other->why || mine->why;
}

static void lose(struct gw_load *l, const struct gw_included *f, const char *why, const char **lost)
{
    if (!f)
        l->failed = 1;
    else if (!lost[f - l->included])
        lost[f - l->included] = why;
}

/* 1: i cannot have its name. lost: why a file, by its number, is broken from now on. */
static int check_name(struct gw_load *l, size_t i, size_t k, const char **lost)
{
    const struct gw_pipeline_conf *all = l->config->pipelines.items;
    size_t has = k, wants = i;
    int first;

    if (!same(all[i].name, all[k].name))
        return 0;
    first = first_has(l, i, k); /* owners are searched: not for every pair */
    if (!first)
        has = i, wants = k;
    /* what is guessed claims nothing but what was its file's */
    if (all[wants].guessed || (all[has].guessed && !owns(l, l->from[has], all[i].name)))
        return 0;
    lose(l, l->from[wants], tell_clash(l, &all[has], &all[wants]), lost);
    return first;
}

/* A name whose file cannot be read now, so that nobody knows whether it has it still. */
static void check_owner(struct gw_load *l, size_t i, const char **lost)
{
    const struct gw_pipeline_conf *c =
        &((const struct gw_pipeline_conf *)l->config->pipelines.items)[i];
    const char *text;

    for (size_t k = 0; l->from[i] && !c->guessed && k < l->n_included; k++) {
        const struct gw_included *f = &l->included[k];

        if (f == l->from[i] || f->root || !owns(l, f, c->name))
            continue;
        text = gw_arena_printf(l->p->mem,
                               "pipelines.%s: the name is that of a pipeline of %s, which cannot "
                               "be read now",
                               c->name, f->path)
                   .p;
        gw_problems_add(l->p, 0, at_key(c, "name")->file, at_key(c, "name")->line,
                        at_key(c, "name")->column, "%s", text);
        lose(l, l->from[i], gw_config_placed(l->p, at_key(c, "name"), text), lost);
    }
}

static void check_names(struct gw_load *l)
{
    const char **lost = gw_arena_zalloc(l->p->mem, (l->n_included + 1) * sizeof(char *));

    for (size_t i = 0; i < l->config->pipelines.n; i++) {
        size_t k = 0;

        while (k < i && !check_name(l, i, k, lost))
            k++;
        if (k == i)
            check_owner(l, i, lost);
    }
    for (size_t i = 0; i < l->n_included; i++)
        if (!l->included[i].why)
            l->included[i].why = lost[i];
}

/* ---- renamed_from ---- */

/* In one file it is an error of that file. Between files it keeps the pipeline from taking over
 * and nothing else: by naming what is not its own, no file can stop another's pipelines. */
static void tell_renamed(struct gw_load *l, size_t i, size_t k, const char *text)
{
    struct gw_pipeline_conf *all = l->config->pipelines.items, *c = &all[i];
    const struct gw_yaml *at = at_key(c, "renamed_from");
    const char *why = gw_config_placed(l->p, at, text);

    gw_problems_add(l->p, 0, at->file, at->line, at->column, "%s", text);
    if (l->from[i] != l->from[k])
        c->contested = why;
    else if (!l->from[i])
        l->failed = 1;
    else if (!l->from[i]->why)
        l->from[i]->why = why;
}

static void check_renamed_with(struct gw_load *l, size_t i, size_t k)
{
    const struct gw_pipeline_conf *all = l->config->pipelines.items, *c = &all[i];
    const struct gw_yaml *other = at_key(&all[k], "name");

    if (same(all[k].name, c->renamed_from))
        tell_renamed(l, i, k,
                     gw_arena_printf(l->p->mem,
                                     "pipelines.%s.renamed_from: there is a pipeline %s at "
                                     "%s:%d:%d: its cursor is its own",
                                     c->name, c->renamed_from, other->file, other->line,
                                     other->column)
                         .p);
    else if (same(all[k].renamed_from, c->renamed_from) && all[k].name &&
             (k < i || (l->from[i] && l->from[k] != l->from[i])))
        tell_renamed(l, i, k,
                     gw_arena_printf(l->p->mem,
                                     "pipelines.%s.renamed_from: another pipeline takes over "
                                     "from %s already: %s at %s:%d:%d",
                                     c->name, c->renamed_from, all[k].name, other->file,
                                     other->line, other->column)
                         .p);
}

/* Of a file that is no YAML nobody knows what names it has. */
static const char *unread(const struct gw_load *l, const struct gw_included *but)
{
    for (size_t i = 0; i < l->n_included; i++)
        if (&l->included[i] != but && !l->included[i].root)
            return l->included[i].why;
    return NULL;
}

static void check_renamed(struct gw_load *l, size_t i)
{
    struct gw_pipeline_conf *all = l->config->pipelines.items;

    if (!all[i].renamed_from || !all[i].name)
        return;
    if (same(all[i].renamed_from, all[i].name))
        gw_problems_add(l->p, GW_PROBLEM_WARNING, at_key(&all[i], "renamed_from")->file,
                        at_key(&all[i], "renamed_from")->line,
                        at_key(&all[i], "renamed_from")->column,
                        "pipelines.%s.renamed_from: it has that name", all[i].name);
    for (size_t k = 0; k < l->config->pipelines.n; k++)
        if (k != i)
            check_renamed_with(l, i, k);
    if (l->from[i] && !all[i].contested)
        all[i].contested = unread(l, l->from[i]);
}

/* ---- destinations ---- */

static void check_destination(const struct gw_pipeline_conf *all, size_t i, struct gw_problems *p)
{
    const struct gw_union *u = &all[i].publisher;
    const struct gw_publisher_ops *ops = u->type ? gw_publisher_find(u->type) : NULL;

    if (!ops || !ops->same || !u->conf || !all[i].name)
        return;
    for (size_t k = 0; k < i; k++) {
        const struct gw_union *v = &all[k].publisher;

        if (!v->type || strcmp(v->type, u->type) != 0 || !v->conf || !all[k].name ||
            !ops->same(v->conf, u->conf))
            continue;
        gw_problems_add(p, 1, all[i].yaml->file, u->line, u->column,
                        "pipelines.%s: sends to where pipeline %s sends", all[i].name, all[k].name);
        return;
    }
}

/* ---- all of them ---- */

static void mark_down(struct gw_load *l)
{
    struct gw_pipeline_conf *all = l->config->pipelines.items;
    const char **broken = gw_arena_zalloc(l->p->mem, (l->n_included + 1) * sizeof(char *));

    for (size_t i = 0; i < l->config->pipelines.n; i++)
        all[i].down = l->from[i] ? l->from[i]->why : NULL;
    l->config->broken.items = broken;
    for (size_t i = 0; i < l->n_included; i++)
        if (l->included[i].why)
            broken[l->config->broken.n++] = l->included[i].path;
}

static void tell_loop(const struct gw_load *l, const struct gw_pipeline_conf *c, const char *what)
{
    const struct gw_yaml *at = gw_yaml_get(c->yaml, "publisher");

    gw_problems_add(l->p, 1, at->file, at->line, at->column,
                    "pipelines.%s.publisher: %s: what is sent there comes in again, without end",
                    c->name ? c->name : "?", what);
}

/* It runs, and sends to a thing of that type that ingest could read. */
static int sends_to(const struct gw_load *l, const struct gw_pipeline_conf *c, const char *type)
{
    return l->config->ingest && c->enabled && !c->down && !c->guessed && c->publisher.conf &&
           c->publisher.type && !strcmp(c->publisher.type, type);
}

static void check_queue_loop(const struct gw_load *l, const struct gw_pipeline_conf *c)
{
    const char *endpoint, *url;

    if (!sends_to(l, c, "sqs"))
        return;
    url = gw_sqs_queue_at(c->publisher.conf, &endpoint);
    if (gw_ingest_sqs_reads(l->config->ingest, url, endpoint))
        tell_loop(l, c, "ingest.sqs reads this queue");
}

/* What it sends comes in again, for ever. */
static void check_loop(const struct gw_load *l, const struct gw_pipeline_conf *c)
{
    const char *topic =
        sends_to(l, c, "kafka")
            ? gw_ingest_loop(l->config->ingest, gw_kafka_topic_at, c->publisher.conf)
            : NULL;

    check_queue_loop(l, c);
    if (topic)
        tell_loop(
            l, c,
            gw_arena_printf(l->p->mem, "ingest.kafka reads topic %s of the same brokers", topic).p);
}

void gw_config_check_together(struct gw_load *l)
{
    const struct gw_pipeline_conf *all = l->config->pipelines.items;

    find_broken(l);
    check_names(l);
    for (size_t i = 0; i < l->config->pipelines.n; i++) {
        check_renamed(l, i);
        check_destination(all, i, l->p);
        check_loop(l, &all[i]);
    }
    mark_down(l);
}

void gw_config_shorten(struct gw_load *l)
{
    size_t *told = gw_arena_zalloc(l->p->mem, (l->n_included + 1) * sizeof(*told)), kept = 0;
    const size_t n = l->p->n;

    for (size_t i = 0; i < n; i++) {
        const struct gw_problem q = l->p->items[i];
        const struct gw_included *f = included_of(l, q.file);

        if (f && ++told[f - l->included] > MAX_TOLD)
            l->p->errors -= !q.severity;
        else
            l->p->items[kept++] = q;
    }
    l->p->n = kept;
    for (size_t i = 0; i < l->n_included; i++)
        if (told[i] > MAX_TOLD)
            gw_problems_add(l->p, 0, l->included[i].path, 1, 1,
                            "%zu more problems of this file are not told", told[i] - MAX_TOLD);
}

static int has_name(const struct gw_pipeline_conf *c)
{
    const size_t len = c->name ? strspn(c->name, "abcdefghijklmnopqrstuvwxyz0123456789_-") : 0;

    return len > 0 && len <= 63 && !c->name[len];
}

static int is_told(const struct gw_pipeline_conf *all, size_t n, size_t i, size_t kept)
{
    if (!has_name(&all[i]))
        return 0;
    for (size_t k = 0; k < n; k++)
        if ((k < kept || (k > i && !all[k].down)) && same(all[k].name, all[i].name))
            return 0;
    return 1;
}

void gw_config_prune(struct gw_load *l)
{
    struct gw_pipeline_conf *all = l->config->pipelines.items;
    const size_t n = l->config->pipelines.n;
    size_t kept = 0;

    for (size_t i = 0; i < n; i++)
        if (!all[i].down || is_told(all, n, i, kept))
            all[kept++] = all[i];
    l->config->pipelines.n = kept;
}
