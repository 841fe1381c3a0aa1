/* Whether two configurations read by one table say the same: by their values, so that defaults that
 * are written out, another layout and a secret in another place make no difference. */
#include "base/field.h"

#include "base/yaml.h"

#include <string.h>

static int same_strs(const struct gw_strs *a, const struct gw_strs *b)
{
    if (a->n != b->n)
        return 0;
    for (size_t i = 0; i < a->n; i++)
        if (!gw_cstr_same(a->items[i], b->items[i]))
            return 0;
    return 1;
}

static int same_pairs(const struct gw_pairs *a, const struct gw_pairs *b)
{
    if (a->n != b->n)
        return 0;
    for (size_t i = 0; i < a->n; i++)
        if (!gw_cstr_same(a->items[i].key, b->items[i].key) ||
            !gw_cstr_same(a->items[i].value, b->items[i].value))
            return 0;
    return 1;
}

int gw_yaml_same(const struct gw_yaml *a, const struct gw_yaml *b)
{
    if (!a || !b)
        return a == b;
    if (a->type != b->type || a->n != b->n)
        return 0;
    if (a->type == GW_YAML_SCALAR)
        return !a->quoted == !b->quoted && gw_str_eq(a->text, b->text);
    for (size_t i = 0; i < a->n; i++)
        if ((a->type == GW_YAML_MAP && !gw_str_eq(a->keys[i].text, b->keys[i].text)) ||
            !gw_yaml_same(&a->values[i], &b->values[i]))
            return 0;
    return 1;
}

static int same_list(const struct gw_field *f, const struct gw_list *a, const struct gw_list *b)
{
    if (a->n != b->n)
        return 0;
    for (size_t i = 0; i < a->n; i++)
        if (!gw_fields_same(f->fields, (const char *)a->items + i * f->size,
                            (const char *)b->items + i * f->size))
            return 0;
    return 1;
}

static int same_union(const struct gw_field *f, const struct gw_union *a, const struct gw_union *b)
{
    const struct gw_variant *v;

    if (!gw_cstr_same(a->type, b->type))
        return 0;
    for (size_t i = 0; a->type && (v = f->variant(i)); i++)
        if (!strcmp(v->name, a->type))
            return gw_fields_same(v->fields, a->conf, b->conf);
    return 1;
}

static int same_table(const struct gw_field *f, const void *a, const void *b)
{
    if (f->pointer) {
        a = *(const void *const *)a;
        b = *(const void *const *)b;
    }
    return a && b ? gw_fields_same(f->fields, a, b) : a == b;
}

static int same_value(const struct gw_field *f, const void *a, const void *b)
{
    switch (f->type) {
    case GW_F_STR:
        return gw_cstr_same(*(const char *const *)a, *(const char *const *)b);
    case GW_F_BOOL:
    case GW_F_CHOICE:
        return *(const int *)a == *(const int *)b;
    case GW_F_INT:
    case GW_F_SIZE:
    case GW_F_DURATION:
        return *(const int64_t *)a == *(const int64_t *)b;
    case GW_F_STRS:
        return same_strs(a, b);
    case GW_F_MAP:
        return same_pairs(a, b);
    case GW_F_VALUE:
        return gw_yaml_same(*(const struct gw_yaml *const *)a, *(const struct gw_yaml *const *)b);
    case GW_F_TABLE:
        return same_table(f, a, b);
    case GW_F_TABLES:
        return same_list(f, a, b);
    case GW_F_UNION:
        return same_union(f, a, b);
    }
    return 0;
}

int gw_fields_same(const struct gw_field *fields, const void *a, const void *b)
{
    for (const struct gw_field *f = fields; f->name; f++)
        if (!same_value(f, (const char *)a + f->offset, (const char *)b + f->offset))
            return 0;
    return 1;
}
