/* Which files a mapping needs, found by its table: a walk over the keys that stand there. */
#include "base/field.h"

#include "base/arena.h"
#include "base/field_value.h"
#include "base/text.h"
#include "base/yaml.h"

struct walk {
    struct gw_arena *mem;
    gw_field_file_fn *fn;
    void *ctx;
};

static void walk_table(const struct walk *w, const struct gw_field *fields,
                       const struct gw_yaml *map);

static void tell(const struct walk *w, const struct gw_field *f, const struct gw_yaml *y)
{
    if (y->type == GW_YAML_SCALAR && y->text.len && !y->broken && !gw_yaml_is_null(y))
        w->fn(w->ctx, f, y, gw_field_resolve(w->mem, y->file, y->text.p));
}

static void tell_all(const struct walk *w, const struct gw_field *f, const struct gw_yaml *y)
{
    if (y->type == GW_YAML_SCALAR)
        tell(w, f, y);
    for (size_t i = 0; y->type == GW_YAML_SEQ && i < y->n; i++)
        tell(w, f, &y->values[i]);
}

static void walk_union(const struct walk *w, const struct gw_field *f, const struct gw_yaml *y)
{
    const struct gw_yaml *type = y->type == GW_YAML_MAP ? gw_field_get(y, "type") : NULL;
    const struct gw_variant *v;

    if (!type || type->type != GW_YAML_SCALAR)
        return;
    for (size_t i = 0; (v = f->variant(i)); i++)
        if (gw_str_is(type->text, v->name)) {
            walk_table(w, v->fields, y);
            return;
        }
}

static void tell_named(const struct walk *w, const struct gw_field *f, const struct gw_yaml *map)
{
    for (size_t i = 0; i < map->n; i++) {
        const struct gw_yaml *y = &map->values[i];

        if (y->type == GW_YAML_SCALAR && y->text.len && !y->broken &&
            f->names_file(map->keys[i].text, y->text))
            w->fn(w->ctx, f, y, y->text.p);
    }
}

static void walk_field(const struct walk *w, const struct gw_field *f, const struct gw_yaml *y)
{
    if (f->type == GW_F_TABLE)
        walk_table(w, f->fields, y);
    else if (f->type == GW_F_UNION)
        walk_union(w, f, y);
    else if (f->type == GW_F_TABLES && y->type == GW_YAML_SEQ)
        for (size_t i = 0; i < y->n; i++)
            walk_table(w, f->fields, &y->values[i]);
    else if (f->names_file && y->type == GW_YAML_MAP)
        tell_named(w, f, y);
    else if (f->input)
        tell_all(w, f, y);
}

static void walk_table(const struct walk *w, const struct gw_field *fields,
                       const struct gw_yaml *map)
{
    for (size_t i = 0; map->type == GW_YAML_MAP && i < map->n; i++) {
        struct gw_nearest near = {.wanted = map->keys[i].text};
        int is_file;
        const struct gw_field *f = gw_field_find(fields, map->keys[i].text.p, &is_file, &near);

        if (f && is_file)
            tell(w, f, &map->values[i]);
        else if (f)
            walk_field(w, f, &map->values[i]);
    }
}

void gw_fields_files(const struct gw_field *fields, const struct gw_yaml *map, gw_field_file_fn *fn,
                     void *ctx)
{
    const struct walk w = {gw_arena_new(), fn, ctx};

    walk_table(&w, fields, map);
    gw_arena_free(w.mem);
}
