/* Which files a configuration was made from, or needs, so that their change can be seen. Noted
 * while it is read: afterwards any thread may ask. */
#include "config/assemble.h"

#include "base/arena.h"

#include <string.h>

struct note {
    struct gw_config *config;
    const struct gw_pipeline_conf *of;
};

/* Doubled, so that a long list does not take the square of its length. */
static struct gw_config_file *grow(struct gw_arena *mem, struct gw_list *list)
{
    struct gw_config_file *to;

    if (list->n & (list->n - 1))
        return list->items;
    to = gw_arena_alloc(mem, (list->n ? 2 * list->n : 1) * sizeof(*to));
    if (list->n)
        memcpy(to, list->items, list->n * sizeof(*to));
    return to;
}

static void note(void *ctx, const struct gw_field *f, const struct gw_yaml *at, const char *path)
{
    const struct note *n = ctx;
    struct gw_list *list = &n->config->files;
    struct gw_config_file *items = grow(n->config->mem, list);

    (void)f;
    (void)at;
    items[list->n++] =
        (struct gw_config_file){n->of, gw_arena_strndup(n->config->mem, path, strlen(path))};
    list->items = items;
}

void gw_config_note_files(struct gw_config *c, const struct gw_field *fields,
                          const struct gw_yaml *map, const struct gw_pipeline_conf *of)
{
    struct note n = {c, of};

    gw_fields_files(fields, map, note, &n);
}

void gw_config_files(const struct gw_config *c, gw_config_file_fn *fn, void *ctx)
{
    const struct gw_config_file *all = c->files.items;

    for (size_t i = 0; i < c->files.n; i++)
        fn(ctx, all[i].of, all[i].path);
}
