/* Descriptors of enums, and the number ranges that protobuf-c looks fields and values up in. */
#include "base/arena.h"
#include "flyte/pbset_raw.h"

#include "google/protobuf/struct.pb-c.h"

#include <stdlib.h>
#include <string.h>

/* As it looks them up, one that would pass the largest number starts anew. */
unsigned gw_pbraw_ranges(const int *numbers, unsigned n, ProtobufCIntRange *out)
{
    unsigned ranges = 0;

    for (unsigned i = 0; i < n; i++) {
        if (i && numbers[i - 1] + 1LL == numbers[i])
            continue;
        if (out)
            out[ranges] = (ProtobufCIntRange){numbers[i], i};
        ranges++;
    }
    if (out)
        out[ranges] = (ProtobufCIntRange){0, n};
    return ranges;
}

struct ranked {
    const struct gw_pbraw_name *v;
    size_t rank;
};

/* Of values with one number the first stands for all. */
static int by_number(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    int32_t m = x->v->number, n = y->v->number;

    return m != n ? (m > n) - (m < n) : (x->rank > y->rank) - (x->rank < y->rank);
}

static int by_name(const void *a, const void *b)
{
    const ProtobufCEnumValueIndex *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static struct ranked *sorted(struct gw_pbraw *raw, const struct gw_pbraw_enum *e)
{
    struct ranked *all = gw_arena_alloc(raw->mem, e->n_values * sizeof(*all));
    size_t n = 0;

    for (const struct gw_pbraw_name *v = e->values; v; v = v->next, n++)
        all[n] = (struct ranked){v, n};
    qsort(all, n, sizeof(*all), by_number);
    return all;
}

static void put_ranges(struct gw_pbraw *raw, ProtobufCEnumDescriptor *d)
{
    int *numbers = gw_arena_alloc(raw->mem, d->n_values * sizeof(*numbers));
    ProtobufCIntRange *ranges;

    for (unsigned i = 0; i < d->n_values; i++)
        numbers[i] = d->values[i].value;
    d->n_value_ranges = gw_pbraw_ranges(numbers, d->n_values, NULL);
    ranges = gw_arena_alloc(raw->keep, (d->n_value_ranges + 1) * sizeof(*ranges));
    gw_pbraw_ranges(numbers, d->n_values, ranges);
    d->value_ranges = ranges;
}

int gw_pbraw_enum(struct gw_pbraw *raw, struct gw_pbraw_enum *e)
{
    const struct ranked *all = sorted(raw, e);
    ProtobufCEnumDescriptor *d = gw_arena_zalloc(raw->keep, sizeof(*d));
    ProtobufCEnumValue *values = gw_arena_alloc(raw->keep, e->n_values * sizeof(*values));
    ProtobufCEnumValueIndex *names = gw_arena_alloc(raw->keep, e->n_values * sizeof(*names));
    unsigned n = 0;

    for (size_t i = 0; i < e->n_values; i++) {
        const struct gw_pbraw_name *v = all[i].v;

        if (!n || values[n - 1].value != v->number)
            values[n++] = (ProtobufCEnumValue){v->name.p, v->name.p, v->number};
        names[i] = (ProtobufCEnumValueIndex){v->name.p, n - 1};
    }
    qsort(names, e->n_values, sizeof(*names), by_name);
    for (size_t i = 1; i < e->n_values; i++)
        if (!strcmp(names[i - 1].name, names[i].name))
            return gw_pbraw_fail(raw, e->file, e->name, "two values are named %.60s",
                                 names[i].name);
    *d = (ProtobufCEnumDescriptor){.magic = PROTOBUF_C__ENUM_DESCRIPTOR_MAGIC,
                                   .name = e->name.p,
                                   .short_name = e->last.p,
                                   .c_name = e->name.p,
                                   .package_name = "",
                                   .n_values = n,
                                   .values = values,
                                   .n_value_names = (unsigned)e->n_values,
                                   .values_by_name = names};
    put_ranges(raw, d);
    e->d = gw_str_is(e->name, "google.protobuf.NullValue")
               ? &google__protobuf__null_value__descriptor
               : d;
    return 0;
}
