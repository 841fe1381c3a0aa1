/* What an included file may not do, guard or none: write over what the gateway lives from (of which
 * the main file is warned), and reach its own admin, which takes changes from this machine. */
#include "config/assemble.h"

#include "admin/access.h"
#include "base/arena.h"
#include "base/field_value.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "config/beneath.h"

#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define TELL(l, severity, c, at, fmt, ...)                                                         \
    gw_problems_add((l)->p, severity, (at)->file, (at)->line, (at)->column, "pipelines.%s." fmt,   \
                    (c)->name ? (c)->name : "?", __VA_ARGS__)
#define PROBLEM(l, c, at, fmt, ...) TELL(l, 0, c, at, fmt, __VA_ARGS__)

static const struct gw_yaml *get(const struct gw_yaml *map, const char *key)
{
    const struct gw_yaml *y = map && map->type == GW_YAML_MAP ? gw_field_get(map, key) : NULL;

    return y && !y->broken ? y : NULL;
}

/* ---- files ---- */

/* Files that the gateway reads, by what they are and not by what they are called. */
struct kept {
    struct gw_arena *mem;
    struct stat *items;
    size_t n;
};

static void keep(struct kept *k, const char *path)
{
    struct stat *to = k->items, st;

    if (stat(path, &st))
        return;
    if (!(k->n & (k->n - 1))) {
        to = gw_arena_alloc(k->mem, (k->n ? 2 * k->n : 1) * sizeof(*to));
        if (k->n)
            memcpy(to, k->items, k->n * sizeof(*to));
        k->items = to;
    }
    to[k->n++] = st;
}

static void keep_input(void *ctx, const struct gw_field *f, const struct gw_yaml *at,
                       const char *path)
{
    (void)f;
    (void)at;
    keep(ctx, path);
}

/* Of the main file: listeners' certificates, tokens, passwords of sources. */
static void keep_section(const struct gw_load *l, const struct gw_field *fields, const char *name,
                         struct kept *k)
{
    const struct gw_yaml *section = get(l->root, name);

    if (section)
        gw_fields_files(fields, section, keep_input, k);
}

static struct kept all_kept(const struct gw_load *l)
{
    const struct gw_pipeline_conf *all = l->config->pipelines.items;
    struct kept k = {.mem = l->p->mem};

    keep(&k, l->root->file);
    if (l->config->admin.token_file)
        keep(&k, l->config->admin.token_file);
    keep_section(l, gw_ingest_fields, "ingest", &k);
    keep_section(l, gw_flyte_client_fields, "flyteadmin", &k);
    for (size_t i = 0; i < l->n_included; i++)
        keep(&k, l->included[i].path);
    for (size_t i = 0; i < l->config->pipelines.n; i++) {
        gw_fields_files(gw_pipeline_fields, all[i].yaml, keep_input, &k);
        for (size_t h = 0; h < all[i].hooks.n; h++)
            keep(&k, all[i].hooks.items[h]);
    }
    return k;
}

static int is_kept(const struct kept *k, const char *path)
{
    struct stat st;

    if (stat(path, &st))
        return 0;
    for (size_t i = 0; i < k->n; i++)
        if (k->items[i].st_dev == st.st_dev && k->items[i].st_ino == st.st_ino)
            return 1;
    return 0;
}

/* guest: it stands in an included file. Who wrote the main file may do so, and hardly means it. */
static void check_file(const struct gw_load *l, const struct kept *k,
                       const struct gw_pipeline_conf *c, int guest)
{
    const struct gw_yaml *y = get(get(c->yaml, "publisher"), "path");
    const char *path;

    if (!y || y->type != GW_YAML_SCALAR || gw_str_is(y->text, "-"))
        return;
    path = gw_field_resolve(l->p->mem, y->file, y->text.p);
    if (is_kept(k, path))
        TELL(l, !guest, c, y, "publisher.path: %s is a file that the gateway reads", y->text.p);
    else if (l->config->log.path && gw_is_beneath(path, l->config->log.path))
        TELL(l, !guest, c, y, "publisher.path: %s is in the gateway's data directory", y->text.p);
}

/* ---- the admin ---- */

static struct gw_str port_of(struct gw_str address)
{
    size_t i = address.len;

    while (i && address.p[i - 1] >= '0' && address.p[i - 1] <= '9')
        i--;
    if (!i || address.p[i - 1] != ':' || i == address.len)
        return (struct gw_str){0};
    return (struct gw_str){address.p + i, address.len - i};
}

/* HOST:PORT, or HOST for any port. */
static int is_admin(const struct gw_load *l, struct gw_str address)
{
    const char *listen = l->config->admin.listen;
    const char *text = gw_arena_strndup(l->p->mem, address.p, address.len);
    struct gw_str own, port = port_of(address);

    if (!listen || !strcmp(listen, "none"))
        return 0;
    own = port_of(gw_str_of(listen));
    if (port.len && !gw_str_eq(port, own))
        return 0;
    return gw_access_is_loopback(text) ||
           (address.len == strlen(listen) - (port.len ? 0 : own.len + 1) &&
            !strncasecmp(address.p, listen, address.len));
}

/* The part with host and port, which is what a client connects to. */
static struct gw_str authority(struct gw_str url)
{
    const char *from = memmem(url.p, url.len, "://", 3), *at;
    size_t len;

    if (!from)
        return (struct gw_str){0};
    from += 3;
    len = strcspn(from, "/?#");
    at = memrchr(from, '@', len);
    return at ? (struct gw_str){at + 1, len - (size_t)(at + 1 - from)} : (struct gw_str){from, len};
}

static void check_address(const struct gw_load *l, const struct gw_pipeline_conf *c,
                          const struct gw_yaml *y, struct gw_str address, const char *key)
{
    if (address.len && is_admin(l, address))
        PROBLEM(l, c, y, "%s: %.*s is the gateway's own admin", key, gw_field_shown(address),
                address.p);
}

static void check_hosts(const struct gw_load *l, const struct gw_pipeline_conf *c)
{
    const struct gw_yaml *y = get(get(c->yaml, "hook_limits"), "allow_hosts");

    if (y && y->type == GW_YAML_SCALAR)
        check_address(l, c, y, y->text, "hook_limits.allow_hosts");
    for (size_t i = 0; y && y->type == GW_YAML_SEQ && i < y->n; i++)
        if (y->values[i].type == GW_YAML_SCALAR)
            check_address(l, c, &y->values[i], y->values[i].text, "hook_limits.allow_hosts");
}

static void check_url(const struct gw_load *l, const struct gw_pipeline_conf *c)
{
    const struct gw_yaml *y = get(get(c->yaml, "publisher"), "url");

    if (!y || y->type != GW_YAML_SCALAR)
        return;
    /* a port that the URL leaves out is not the admin's, whose port is always said */
    if (port_of(authority(y->text)).len)
        check_address(l, c, y, authority(y->text), "publisher.url");
}

void gw_config_check_harm(struct gw_load *l)
{
    const struct gw_pipeline_conf *all = l->config->pipelines.items;
    struct kept k;

    k = all_kept(l);
    for (size_t i = 0; i < l->config->pipelines.n; i++) {
        const char *type = all[i].publisher.type;

        if (all[i].guessed)
            continue;
        if (type && !strcmp(type, "file"))
            check_file(l, &k, &all[i], l->from[i] != NULL);
        if (!l->from[i])
            continue;
        if (type && !strcmp(type, "http"))
            check_url(l, &all[i]);
        check_hosts(l, &all[i]);
    }
}
