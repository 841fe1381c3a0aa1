#include "base/field.h"

#include "base/arena.h"
#include "base/field_value.h"
#include "base/problems.h"
#include "base/text.h"
#include "base/yaml.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Reads a mapping into a struct by its table. Every key of the mapping is looked up once; then the
 * fields that no key has set get their defaults, read as if they stood in the file. */

enum { MAX_FIELDS = 128 };

static void read_table(struct gw_field_reader *r, const struct gw_field *fields,
                       const struct gw_yaml *map, void *conf, const char *where);
static void read_variant(struct gw_field_reader *r, const struct gw_field *fields,
                         const struct gw_yaml *map, void *conf, const char *where);

/* pipelines.orders when it has a name, else pipelines[0]. */
static void name_item(const struct gw_field_at *a, size_t i, char out[GW_FIELD_NAME])
{
    const struct gw_yaml *name = gw_yaml_get(&a->y->values[i], "name");

    if (name && name->type == GW_YAML_SCALAR && name->text.len)
        gw_field_join(out, a->name, name->text.p);
    else
        snprintf(out, GW_FIELD_NAME, "%.*s[%zu]", GW_FIELD_NAME - 30, a->name, i);
}

static void read_tables(const struct gw_field_at *a, struct gw_list *out)
{
    char where[GW_FIELD_NAME];

    if (a->y->type != GW_YAML_SEQ) {
        gw_field_fail_type(a, "a list");
        return;
    }
    out->items = gw_arena_zalloc(a->r->p->mem, (a->y->n + 1) * a->f->size);
    for (size_t i = 0; i < a->y->n; i++) {
        name_item(a, i, where);
        read_table(a->r, a->f->fields, &a->y->values[i], (char *)out->items + out->n++ * a->f->size,
                   where);
    }
}

/* ---- unions ---- */

const struct gw_variant *gw_variant_find(const struct gw_variant *(*variant)(size_t i),
                                         struct gw_nearest *near, char *all, size_t size)
{
    const struct gw_variant *v, *found = NULL;
    size_t len = 0;

    for (size_t i = 0; (v = variant(i)); i++) {
        if (gw_str_is(near->wanted, v->name))
            found = v;
        gw_nearest_offer(near, gw_str_of(v->name));
        if (len < size)
            len += (size_t)snprintf(all + len, size - len, "%s%s", len ? ", " : "", v->name);
    }
    return found;
}

/* An unquoted null is a name here: publisher: {type: null}. */
static const struct gw_variant *read_type(const struct gw_field_at *a)
{
    const struct gw_yaml *type = gw_field_get(a->y, "type");
    struct gw_nearest near = {0};
    const struct gw_variant *v;
    char hint[120], all[300] = "";
    struct gw_field_at here = *a;

    if (type && type->type == GW_YAML_SCALAR)
        near.wanted = type->text;
    v = gw_variant_find(a->f->variant, &near, all, sizeof(all));
    if (v || (type && type->broken))
        return v;
    here.y = type;
    gw_field_join(here.name, a->name, "type");
    if (!type)
        gw_field_fail(a, "type is required, one of %s", all);
    else if (type->type != GW_YAML_SCALAR)
        gw_field_fail_type(&here, all);
    else
        gw_field_fail(&here, "\"%.*s\" is none of %s%s", gw_field_shown(type->text), type->text.p,
                      all, gw_nearest_hint(&near, hint, sizeof(hint)));
    return NULL;
}

static void read_union(const struct gw_field_at *a, struct gw_union *out)
{
    const struct gw_variant *v;

    if (a->y->type != GW_YAML_MAP) {
        gw_field_fail_type(a, "a mapping");
        return;
    }
    v = read_type(a);
    if (!v)
        return;
    out->type = v->name;
    out->line = a->y->line;
    out->column = a->y->column;
    out->conf = gw_arena_zalloc(a->r->p->mem, v->size);
    read_variant(a->r, v->fields, a->y, out->conf, a->name);
}

/* ---- one field ---- */

static void read_nested(const struct gw_field_at *a, void *to)
{
    if (a->f->pointer) {
        void *conf = gw_arena_zalloc(a->r->p->mem, a->f->size);

        *(void **)to = conf;
        to = conf;
    }
    read_table(a->r, a->f->fields, a->y, to, a->name);
}

static void read_field(const struct gw_field_at *a, void *conf)
{
    void *to = (char *)conf + a->f->offset;

    if (a->f->type == GW_F_TABLE)
        read_nested(a, to);
    else if (a->f->type == GW_F_TABLES)
        read_tables(a, to);
    else if (a->f->type == GW_F_UNION)
        read_union(a, to);
    else
        gw_field_read_value(a, to);
}

/* map: where the field is missing; NULL: nowhere. */
static void read_default(struct gw_field_reader *r, const struct gw_field *f,
                         const struct gw_yaml *map, void *conf, const char *where)
{
    struct gw_yaml text = {.type = GW_YAML_SCALAR, .file = r->file, .text = gw_str_of(f->def)};
    struct gw_yaml empty = {.type = GW_YAML_MAP};
    struct gw_field_at a = {.r = r, .f = f, .y = &text};

    gw_field_join(a.name, where, f->name);
    if (f->type == GW_F_TABLE && !f->pointer) {
        if (map) {
            empty.file = map->file;
            empty.line = map->line;
            empty.column = map->column;
        }
        read_table(r, f->fields, map ? &empty : NULL, (char *)conf + f->offset, a.name);
    } else if (f->def) {
        read_field(&a, conf);
    }
}

/* ---- keys ---- */

static int stands_for_absent(const struct gw_field *f, const struct gw_yaml *y)
{
    if (f->weak && y->type == GW_YAML_MAP && y->n == 0) /* FlyteAdmin's reader drops it */
        return 1;
    return gw_yaml_is_null(y) && f->type != GW_F_VALUE && f->type != GW_F_TABLE;
}

/* A mapping in work. */
struct table {
    struct gw_field_reader *r;
    const struct gw_field *fields;
    const struct gw_yaml *map;
    void *conf;
    const char *where;
    int in_union; /* the key `type` is known: it chose the fields */
    unsigned char seen[MAX_FIELDS], meant[MAX_FIELDS]; /* meant: an unknown key is nearly it */
};

static int has_key(const struct gw_field *fields, const char *key)
{
    struct gw_nearest unused = {.wanted = gw_str_of(key)};
    int is_file;

    return gw_field_find(fields, key, &is_file, &unused) != NULL;
}

/* at: what the field is now, NULL: it is absent. */
static int has_below(const struct gw_field *f, const struct gw_yaml *at, const char *key)
{
    const struct gw_yaml *type = at && at->type == GW_YAML_MAP ? gw_field_get(at, "type") : NULL;
    const struct gw_variant *v;

    if (f->type == GW_F_TABLE)
        return has_key(f->fields, key);
    for (size_t i = 0; f->type == GW_F_UNION && (v = f->variant(i)); i++)
        if ((!type || gw_str_is(type->text, v->name)) && has_key(v->fields, key))
            return 1;
    return 0;
}

/* A key that stands one level too high: where it could stand; two places at most. */
static int hint_below(const struct table *t, const char *key, char *out, size_t size)
{
    size_t n = 0, len = 0;

    for (const struct gw_field *f = t->fields; f->name && n < 2; f++)
        if (has_below(f, gw_field_get(t->map, f->name), key)) {
            len += (size_t)snprintf(out + len, size - len, "%s\"%s.%s\"",
                                    n ? " or " : " (did you mean ", f->name, key);
            if (len + 3 >= size)
                return 0;
            n++;
        }
    if (n)
        snprintf(out + len, size - len, "?)");
    return n > 0;
}

/* The key is the beginning or the end of a name, up to a _: token, and it is token_file. */
static int is_part(const char *name, struct gw_str key)
{
    const size_t len = strlen(name);

    if (key.len < 4 || len <= key.len + 1)
        return 0;
    return (name[key.len] == '_' && !strncasecmp(name, key.p, key.len)) ||
           (name[len - key.len - 1] == '_' && !strcasecmp(name + len - key.len, key.p));
}

/* If one name alone has it. */
static void offer_whole(const struct gw_field *fields, struct gw_nearest *near)
{
    const char *found = NULL;
    size_t n = 0;

    for (const struct gw_field *f = fields; f->name; f++)
        if (is_part(f->name, near->wanted)) {
            found = f->name;
            n++;
        }
    if (n == 1 && !near->best.p)
        near->best = gw_str_of(found);
}

static void unknown_key(struct table *t, const struct gw_yaml *key, struct gw_nearest *near)
{
    char hint[120];
    const int is_below = hint_below(t, key->text.p, hint, sizeof(hint));

    if (t->in_union)
        gw_nearest_offer(near, GW_STR("type"));
    offer_whole(t->fields, near);
    if (!is_below)
        gw_nearest_hint(near, hint, sizeof(hint));
    gw_problems_add(t->r->p, 0, key->file, key->line, key->column, "%s%sunknown key \"%.*s\"%s",
                    t->where, *t->where ? ": " : "", gw_field_shown(key->text), key->text.p, hint);
    /* a required key that is misspelt is one mistake, not two */
    for (size_t i = 0; !is_below && near->best.p && t->fields[i].name; i++)
        t->meant[i] |= gw_str_is(near->best, t->fields[i].name);
}

static int is_plain(enum gw_field_type type)
{
    return type == GW_F_INT || type == GW_F_SIZE || type == GW_F_DURATION || type == GW_F_CHOICE ||
           type == GW_F_BOOL;
}

static void read_key(struct table *t, size_t i)
{
    const struct gw_yaml *key = &t->map->keys[i];
    struct gw_nearest near = {.wanted = key->text};
    struct gw_field_at a = {.r = t->r, .y = &t->map->values[i]};
    int is_file;

    a.f = gw_field_find(t->fields, key->text.p, &is_file, &near);
    if (!a.f) {
        if (!t->in_union || strcasecmp(key->text.p, "type") != 0)
            unknown_key(t, key, &near);
        return;
    }
    if (key->broken || stands_for_absent(a.f, a.y))
        return;
    gw_field_join(a.name, t->where, key->text.p);
    assert(a.f - t->fields < MAX_FIELDS);
    if (t->seen[a.f - t->fields]) {
        gw_problems_add(t->r->p, 0, key->file, key->line, key->column, "%s: stands here twice%s",
                        a.name, a.f->secret ? ": itself, or as a file" : "");
        return;
    }
    t->seen[a.f - t->fields] = 1;
    if (a.y->broken)
        return;
    /* what is wrong with a value is told once, and the default stands for it */
    if (is_plain(a.f->type))
        read_default(t->r, a.f, t->map, t->conf, t->where);
    if (is_file)
        gw_field_read_secret_file(&a, (const char **)((char *)t->conf + a.f->offset));
    else
        read_field(&a, t->conf);
}

static void read_keys(struct table *t)
{
    for (size_t i = 0; t->map && i < t->map->n; i++)
        read_key(t, i);
    for (size_t i = 0; t->fields[i].name; i++) {
        if (t->seen[i])
            continue;
        if (t->fields[i].required && t->map && !t->meant[i] && !t->map->broken)
            gw_problems_add(t->r->p, 0, t->map->file, t->map->line, t->map->column,
                            "%s%s%s is required", t->where, *t->where ? "." : "",
                            t->fields[i].name);
        read_default(t->r, &t->fields[i], t->map, t->conf, t->where);
    }
}

static void read_table(struct gw_field_reader *r, const struct gw_field *fields,
                       const struct gw_yaml *map, void *conf, const char *where)
{
    struct table t = {.r = r, .fields = fields, .map = map, .conf = conf, .where = where};
    struct gw_field_at a = {.r = r, .y = map};
    struct gw_yaml empty = {.type = GW_YAML_MAP};

    if (map && gw_yaml_is_null(map)) {
        empty.file = map->file;
        empty.line = map->line;
        empty.column = map->column;
        t.map = &empty;
    }
    if (t.map && t.map->type != GW_YAML_MAP) {
        snprintf(a.name, sizeof(a.name), "%s", *where ? where : "the file");
        gw_field_fail_type(&a, "a mapping");
        return;
    }
    read_keys(&t);
}

static void read_variant(struct gw_field_reader *r, const struct gw_field *fields,
                         const struct gw_yaml *map, void *conf, const char *where)
{
    struct table t = {
        .r = r, .fields = fields, .map = map, .conf = conf, .where = where, .in_union = 1};

    read_keys(&t);
}

void gw_fields_read(const struct gw_field *fields, const struct gw_yaml *map, void *conf,
                    struct gw_problems *p, const char *where)
{
    struct gw_field_reader r = {.p = p, .file = map ? map->file : NULL};

    read_table(&r, fields, map, conf, where);
}
