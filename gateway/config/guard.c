/* What an included file may ask for: `guard`, key by key, never on the main file. A key that the
 * guard leaves out bounds nothing, but for `env`. Beside the guard's own keys, an included file
 * under a guard reads no file but its own team's. */
#include "config/assemble.h"

#include "base/arena.h"
#include "base/field_text.h"
#include "base/field_value.h"
#include "base/problems.h"
#include "base/text.h"
#include "base/yaml.h"
#include "config/beneath.h"
#include "hook/allow.h"
#include "net/kafka_client.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { DAY = 86400000, MAX_PROPERTIES = 100 };

#define AT(member) offsetof(struct gw_config_guard, member)

static const struct gw_field limit_fields[] = {
    {"instructions", GW_F_INT, AT(limits.instructions), .help = "Most that a file may ask for.",
     .min = 1000, .max = 1000000000000},
    {"memory", GW_F_SIZE, AT(limits.memory), .help = "Most that a file may ask for.",
     .min = 1 << 20, .max = 1L << 36},
    {"timeout", GW_F_DURATION, AT(limits.timeout_ms), .help = "Most that a file may ask for.",
     .min = 1, .max = DAY},
    {"allow_hosts", GW_F_STRS, AT(limits.allow_hosts),
     .help = "Hosts that a file may list; each has to be one of these or below one: `host`, "
             "`host:port`, `*.host`. Left out: any."},
    {0}};

const struct gw_field gw_config_guard_fields[] = {
    {"hook_limits", GW_F_TABLE, 0, .fields = limit_fields, .size = sizeof(struct gw_config_guard),
     .help = "Maxima of the pipelines' hook_limits. A key that a file leaves out is its default or "
             "the maximum, whichever is less."},
    {"env", GW_F_STRS, AT(env),
     .help = "Environment variables that a file may read, as globs. Left out: none."},
    {"publishers", GW_F_STRS, AT(publishers),
     .help = "Types of publishers that a file may have. Left out: any. `file` writes with the "
             "gateway's rights."},
    {"files", GW_F_STRS, AT(files), .path = 1,
     .help = "Files and folders that a file may read from, beside its own folder: certificates, "
             "secrets, hook_limits.files, scripts. Scripts may also be below the main file's "
             "folder."},
    {0}};

struct check {
    const struct gw_load *l;
    const struct gw_config_guard *guard;
    struct gw_pipeline_conf *conf;
    struct gw_problems *p;
};

#define PROBLEM(c, at, fmt, ...)                                                                   \
    gw_problems_add((c)->p, 0, (at)->file, (at)->line, (at)->column, "pipelines.%s." fmt,          \
                    (c)->conf->name ? (c)->conf->name : "?", __VA_ARGS__)

static const struct gw_yaml *get(const struct gw_yaml *map, const char *key)
{
    return map && map->type == GW_YAML_MAP ? gw_field_get(map, key) : NULL;
}

/* ---- limits ---- */

/* Above its maximum: a default is lowered, what the file says is an error; `check` runs its scripts
 * within the maximum all the same. */
static void hold(const struct check *c, const struct gw_field *f, int64_t most, int64_t *value)
{
    const struct gw_yaml *y = get(get(c->conf->yaml, "hook_limits"), f->name);
    char bound[GW_NUMBER_TEXT];

    if (!most || *value <= most)
        return;
    if (y && y->type == GW_YAML_SCALAR && !gw_yaml_is_null(y))
        PROBLEM(c, y, "hook_limits.%s: %s is above %s (guard.hook_limits.%s)", f->name, y->text.p,
                gw_field_number(f, most, bound), f->name);
    *value = most;
}

static void hold_limits(const struct check *c, struct gw_hook_limits *l)
{
    hold(c, &limit_fields[0], c->guard->limits.instructions, &l->instructions);
    hold(c, &limit_fields[1], c->guard->limits.memory, &l->memory);
    hold(c, &limit_fields[2], c->guard->limits.timeout_ms, &l->timeout_ms);
}

/* ---- hosts ---- */

/* `host`, `host:port`, `[address]:port`; port absent: any. */
static struct gw_str split_host(struct gw_str s, struct gw_str *port)
{
    const char *end = s.len && *s.p == '[' ? memchr(s.p, ']', s.len) : NULL;
    const char *colon = end ? end + 1 : s.len ? memchr(s.p, ':', s.len) : NULL;
    const size_t before = colon ? (size_t)(colon - s.p) : s.len;

    *port = (struct gw_str){0};
    if (before >= s.len || *colon != ':' || (!end && memchr(colon + 1, ':', s.len - before - 1)))
        return s; /* no port, or an address without brackets */
    *port = (struct gw_str){colon + 1, s.len - before - 1};
    return (struct gw_str){s.p, before};
}

static int same_host(struct gw_str a, struct gw_str b)
{
    return a.len == b.len && !strncasecmp(a.p, b.p, a.len);
}

static int covers(struct gw_str pattern, struct gw_str wanted)
{
    struct gw_str port, wanted_port, host = split_host(pattern, &port);
    struct gw_str want = split_host(wanted, &wanted_port);
    const int below = host.len > 2 && host.p[0] == '*' && host.p[1] == '.';

    if (port.len && !gw_str_eq(port, wanted_port))
        return 0;
    if (gw_str_is(host, "*") || same_host(host, want))
        return 1;
    host.p++; /* the dot stays */
    host.len--;
    return below && want.len > host.len &&
           !strncasecmp(want.p + want.len - host.len, host.p, host.len);
}

static void hold_host(const struct check *c, const struct gw_yaml *y)
{
    const struct gw_strs *all = &c->guard->limits.allow_hosts;

    if (y->type != GW_YAML_SCALAR || y->broken)
        return;
    for (size_t i = 0; i < all->n; i++)
        if (covers(gw_str_of(all->items[i]), y->text))
            return;
    PROBLEM(c, y,
            "hook_limits.allow_hosts: \"%.*s\" is none of the hosts of "
            "guard.hook_limits.allow_hosts",
            gw_field_shown(y->text), y->text.p);
}

static void hold_hosts(const struct check *c)
{
    const struct gw_yaml *y = get(get(c->conf->yaml, "hook_limits"), "allow_hosts");

    if (!y || gw_yaml_is_null(y) || !c->guard->limits.allow_hosts.items)
        return;
    if (y->type == GW_YAML_SCALAR)
        hold_host(c, y);
    for (size_t i = 0; y->type == GW_YAML_SEQ && i < y->n; i++)
        hold_host(c, &y->values[i]);
}

/* ---- publishers ---- */

static void hold_type(const struct check *c)
{
    const struct gw_strs *all = &c->guard->publishers;
    const struct gw_yaml *y = get(get(c->conf->yaml, "publisher"), "type");
    const char *type = c->conf->publisher.type;
    char list[300] = "";
    size_t len = 0;

    if (!type || !y || !all->items)
        return;
    for (size_t i = 0; i < all->n; i++) {
        if (!strcmp(all->items[i], type))
            return;
        if (len < sizeof(list))
            len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", i ? ", " : "",
                                    all->items[i]);
    }
    PROBLEM(c, y, "publisher.type: %s is none of what guard.publishers allows: %s", type,
            *list ? list : "nothing");
}

/* ---- files ---- */

static int hold_path(const struct check *c, const struct gw_yaml *at, const char *path,
                     const char *what, int scripts)
{
    const char *folder = gw_folder_of(c->p->mem, at->file);

    if (gw_is_beneath(path, folder))
        return 0;
    if (scripts && gw_is_beneath(path, gw_folder_of(c->p->mem, c->l->root->file)))
        return 0;
    for (size_t i = 0; i < c->guard->files.n; i++)
        if (gw_is_beneath(path, c->guard->files.items[i]))
            return 0;
    PROBLEM(c, at, "%s: %s is not below %s, nor in guard.files", what, at->text.p, folder);
    return -1;
}

static void on_file(void *ctx, const struct gw_field *f, const struct gw_yaml *at, const char *path)
{
    char what[80];

    if (f->type == GW_F_MAP) /* hold_properties tells which one */
        return;
    (void)snprintf(what, sizeof(what), f->secret ? "%s_file" : "%s", f->name);
    (void)hold_path(ctx, at, path, what, 0);
}

static int hold_list(const struct check *c, const struct gw_yaml *y, const char *what, int scripts)
{
    int bad = 0;
    const size_t n = !y || gw_yaml_is_null(y) ? 0 : y->type == GW_YAML_SEQ ? y->n : 1;

    for (size_t i = 0; i < n; i++) {
        const struct gw_yaml *at = y->type == GW_YAML_SEQ ? &y->values[i] : y;

        if (at->type == GW_YAML_SCALAR && !at->broken)
            bad |=
                hold_path(c, at, gw_field_resolve(c->p->mem, at->file, at->text.p), what, scripts);
    }
    return bad;
}

/* For scripts that are saved later. */
static const struct gw_strs *script_roots(const struct check *c)
{
    const struct gw_strs *files = &c->guard->files;
    struct gw_strs *roots = gw_arena_alloc(c->p->mem, sizeof(*roots));
    const char **items = gw_arena_alloc(c->p->mem, (files->n + 2) * sizeof(*items));

    items[0] = gw_folder_of(c->p->mem, c->conf->yaml->file);
    items[1] = gw_folder_of(c->p->mem, c->l->root->file);
    for (size_t i = 0; i < files->n; i++)
        items[i + 2] = files->items[i];
    *roots = (struct gw_strs){items, files->n + 2};
    return roots;
}

static void hold_files(const struct check *c)
{
    c->conf->script_roots = script_roots(c);
    gw_fields_files(gw_pipeline_fields, c->conf->yaml, on_file, (void *)c);
    if (hold_list(c, get(c->conf->yaml, "hooks"), "hooks", 1))
        c->conf->hooks.n = 0; /* what is wrong with such a file's text is told to nobody */
    (void)hold_list(c, get(get(c->conf->yaml, "hook_limits"), "files"), "hook_limits.files", 0);
}

/* ---- Kafka's settings ---- */

/* Settings of librdkafka with which a file would run programs of its choice in the gateway. */
static int runs_code(struct gw_str name)
{
    static const char *const all[] = {"plugin.library.paths", "ssl.engine.location",
                                      "ssl.engine.id", "ssl.providers", "sasl.kerberos.kinit.cmd"};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (gw_str_is(name, all[i]))
            return 1;
    return 0;
}

/* With or without a guard: no team's file runs programs. Such a publisher is not even checked: the
 * library loads a plugin as soon as it is told of it. */
static void hold_properties(const struct check *c)
{
    const struct gw_yaml *map = get(get(c->conf->yaml, "publisher"), "properties");

    if (map && map->type == GW_YAML_MAP && map->n > MAX_PROPERTIES) {
        PROBLEM(c, map, "publisher.properties: %zu of them; an included file sets %d at most",
                map->n, MAX_PROPERTIES);
        c->conf->publisher.type = NULL;
        return;
    }
    for (size_t i = 0; map && map->type == GW_YAML_MAP && i < map->n; i++) {
        const struct gw_yaml *key = &map->keys[i], *y = &map->values[i];

        if (runs_code(key->text)) {
            PROBLEM(c, key, "publisher.properties: %s runs code: only the main file may set it",
                    key->text.p);
            c->conf->publisher.type = NULL;
        } else if (c->guard && y->type == GW_YAML_SCALAR && !y->broken &&
                   gw_kafka_names_file(key->text, y->text))
            (void)hold_path(c, y, y->text.p, key->text.p, 0);
    }
}

void gw_config_guard_check(const struct gw_load *l, struct gw_pipeline_conf *conf)
{
    const struct check c = {l, l->guard, conf, l->p};

    hold_properties(&c);
    if (!c.guard)
        return;
    hold_limits(&c, &conf->hook_limits);
    hold_hosts(&c);
    hold_type(&c);
    hold_files(&c);
}

/* ---- the guard itself ---- */

#define GUARD_PROBLEM(p, severity, at, ...)                                                        \
    gw_problems_add(p, severity, (at)->file, (at)->line, (at)->column, __VA_ARGS__)

/* What it names and nobody can have would be allowed to nobody, and not be missed. */
static void check_type(const struct gw_yaml *y, struct gw_problems *p)
{
    struct gw_nearest near = {.wanted = y->text};
    char hint[80], all[200] = "";

    if (!gw_variant_find(gw_publisher_variant, &near, all, sizeof(all)))
        GUARD_PROBLEM(p, 0, y, "guard.publishers: \"%.*s\" is none of %s%s",
                      gw_field_shown(y->text), y->text.p, all,
                      gw_nearest_hint(&near, hint, sizeof(hint)));
}

static void check_allowed_host(const struct gw_yaml *y, struct gw_problems *p)
{
    const char *why = gw_str_is(y->text, "*") ? NULL : gw_allow_problem(y->text.p);

    if (why)
        GUARD_PROBLEM(p, 0, y, "guard.hook_limits.allow_hosts: \"%.*s\": %s",
                      gw_field_shown(y->text), y->text.p, why);
}

static void check_variable(const struct gw_yaml *y, struct gw_problems *p)
{
    static const char legal[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_*?";

    if (y->text.len != strspn(y->text.p, legal))
        GUARD_PROBLEM(
            p, GW_PROBLEM_WARNING, y,
            "guard.env: no variable has such a name: \"%.*s\" (NAME, without $ and braces)",
            gw_field_shown(y->text), y->text.p);
}

static void each_text(const struct gw_yaml *y,
                      void (*check)(const struct gw_yaml *y, struct gw_problems *p),
                      struct gw_problems *p)
{
    const size_t n = !y || gw_yaml_is_null(y) ? 0 : y->type == GW_YAML_SEQ ? y->n : 1;

    for (size_t i = 0; i < n; i++) {
        const struct gw_yaml *item = y->type == GW_YAML_SEQ ? &y->values[i] : y;

        if (item->type == GW_YAML_SCALAR && !item->broken)
            check(item, p);
    }
}

void gw_config_check_guard(const struct gw_load *l)
{
    const struct gw_yaml *guard = get(l->root, "guard");

    each_text(get(guard, "publishers"), check_type, l->p);
    each_text(get(guard, "env"), check_variable, l->p);
    each_text(get(get(guard, "hook_limits"), "allow_hosts"), check_allowed_host, l->p);
}
