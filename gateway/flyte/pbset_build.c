/* Descriptors of messages. Each message is laid out as protobuf-c would: the members of a oneof
 * share their room, and what can be unset without being zero (proto3's optional, proto2's scalars)
 * is a oneof of one member, so that everything that knows oneofs knows it. */
#include "base/arena.h"
#include "base/err.h"
#include "flyte/pbset_raw.h"
#include "flyte/reflect.h"
#include "flyte/schema.h"

#include "google/protobuf/any.pb-c.h"
#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/struct.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"
#include "google/protobuf/wrappers.pb-c.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_NUMBER = (1 << 29) - 1, SLOT = sizeof(ProtobufCBinaryData) };

/* By FieldDescriptorProto.Type; a string is kept as bytes. */
static const uint8_t types[GW_PBRAW_TYPES] = {
    [1] = PROTOBUF_C_TYPE_DOUBLE,    [2] = PROTOBUF_C_TYPE_FLOAT,
    [3] = PROTOBUF_C_TYPE_INT64,     [4] = PROTOBUF_C_TYPE_UINT64,
    [5] = PROTOBUF_C_TYPE_INT32,     [6] = PROTOBUF_C_TYPE_FIXED64,
    [7] = PROTOBUF_C_TYPE_FIXED32,   [8] = PROTOBUF_C_TYPE_BOOL,
    [9] = PROTOBUF_C_TYPE_BYTES,     [11] = PROTOBUF_C_TYPE_MESSAGE,
    [12] = PROTOBUF_C_TYPE_BYTES,    [13] = PROTOBUF_C_TYPE_UINT32,
    [14] = PROTOBUF_C_TYPE_ENUM,     [15] = PROTOBUF_C_TYPE_SFIXED32,
    [16] = PROTOBUF_C_TYPE_SFIXED64, [17] = PROTOBUF_C_TYPE_SINT32,
    [18] = PROTOBUF_C_TYPE_SINT64};
enum { TYPE_DOUBLE = 1, TYPE_FLOAT = 2, TYPE_STRING = 9, TYPE_BYTES = 12 };

static const ProtobufCMessageDescriptor *const known[] = {
    &google__protobuf__any__descriptor,          &google__protobuf__bool_value__descriptor,
    &google__protobuf__bytes_value__descriptor,  &google__protobuf__double_value__descriptor,
    &google__protobuf__duration__descriptor,     &google__protobuf__float_value__descriptor,
    &google__protobuf__int32_value__descriptor,  &google__protobuf__int64_value__descriptor,
    &google__protobuf__list_value__descriptor,   &google__protobuf__string_value__descriptor,
    &google__protobuf__struct__descriptor,       &google__protobuf__timestamp__descriptor,
    &google__protobuf__uint32_value__descriptor, &google__protobuf__uint64_value__descriptor,
    &google__protobuf__value__descriptor,
};

static const ProtobufCMessageDescriptor *known_of(struct gw_str name)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (gw_str_is(name, known[i]->name))
            return known[i];
    return NULL;
}

/* ---- names --------------------------------------------------------------------------- */

static int compare(struct gw_str a, struct gw_str b)
{
    int c = memcmp(a.p, b.p, a.len < b.len ? a.len : b.len);

    return c ? c : (a.len > b.len) - (a.len < b.len);
}

static int by_name(const void *a, const void *b)
{
    const struct gw_pbraw_symbol *x = a, *y = b;

    return compare(x->name, y->name);
}

static const struct gw_pbraw_file *file_of(const struct gw_pbraw_symbol *s)
{
    return s->message ? s->message->file : s->en->file;
}

static int make_table(struct gw_pbraw *raw, struct gw_pbraw_table *t)
{
    size_t n = 0;

    t->all = gw_arena_alloc(raw->mem, (raw->n_messages + raw->n_enums + 1) * sizeof(*t->all));
    for (struct gw_pbraw_message *m = raw->messages; m; m = m->next)
        t->all[n++] = (struct gw_pbraw_symbol){m->name, m, NULL};
    for (struct gw_pbraw_enum *e = raw->enums; e; e = e->next)
        t->all[n++] = (struct gw_pbraw_symbol){e->name, NULL, e};
    t->n = n;
    qsort(t->all, n, sizeof(*t->all), by_name);
    for (size_t i = 1; i < n; i++)
        if (!by_name(&t->all[i - 1], &t->all[i]))
            return gw_pbraw_fail(raw, file_of(&t->all[i]), t->all[i].name,
                                 "declared twice (in %.60s, too)", file_of(&t->all[i - 1])->name.p);
    return 0;
}

static struct gw_pbraw_symbol *find(const struct gw_pbraw_table *t, struct gw_str name)
{
    struct gw_pbraw_symbol key = {.name = name};

    return t->n ? bsearch(&key, t->all, t->n, sizeof(*t->all), by_name) : NULL;
}

/* ---- files --------------------------------------------------------------------------- */

static int by_file(const void *a, const void *b)
{
    return compare((*(struct gw_pbraw_file *const *)a)->name,
                   (*(struct gw_pbraw_file *const *)b)->name);
}

static int check_import(struct gw_pbraw *raw, struct gw_pbraw_file **files,
                        const struct gw_pbraw_file *f, struct gw_str import)
{
    struct gw_pbraw_file key = {.name = import}, *one = &key, **found;

    found = bsearch(&one, files, raw->n_files, sizeof(struct gw_pbraw_file *), by_file);
    if (!found)
        return gw_pbraw_fail(raw, f, (struct gw_str){0},
                             "imports %.*s, which is not in the set (protoc --include_imports)",
                             (int)(import.len < 60 ? import.len : 60), import.p);
    if ((*found)->index >= f->index)
        return gw_pbraw_fail(raw, f, (struct gw_str){0},
                             "imports %.60s, which comes after it: in a circle, or not in order",
                             (*found)->name.p);
    return 0;
}

static int check_files(struct gw_pbraw *raw)
{
    struct gw_pbraw_file **files =
        gw_arena_alloc(raw->mem, raw->n_files * sizeof(struct gw_pbraw_file *));
    size_t n = 0;

    for (struct gw_pbraw_file *f = raw->files; f; f = f->next)
        files[n++] = f;
    qsort(files, n, sizeof(struct gw_pbraw_file *), by_file);
    for (size_t i = 1; i < n; i++)
        if (!by_file(&files[i - 1], &files[i]))
            return gw_pbraw_fail(raw, files[i], (struct gw_str){0}, "twice in the set");
    for (struct gw_pbraw_file *f = raw->files; f; f = f->next)
        for (const struct gw_pbraw_name *import = f->imports; import; import = import->next)
            if (check_import(raw, files, f, import->name))
                return -1;
    return 0;
}

/* ---- fields -------------------------------------------------------------------------- */

/* One message under way. */
struct building {
    struct gw_pbraw *raw;
    const struct gw_pbraw_table *table;
    struct gw_pbraw_message *m;
    ProtobufCFieldDescriptor *fields;
    struct gw_schema_field *schema;
    unsigned *cases, *slots; /* of the oneofs: offsets; 0: no member yet */
    unsigned *members;
    unsigned size;
};

static int fail(const struct building *b, const struct gw_pbraw_field *f, const char *why)
{
    return gw_pbraw_fail(b->raw, b->m->file, b->m->name, "%.60s %s", f->name.p, why);
}

static unsigned room(struct building *b, unsigned size)
{
    unsigned align = size < 8 ? 4 : 8, at = (b->size + align - 1) / align * align;

    b->size = at + size;
    return at;
}

static int is_required(const struct gw_pbraw_field *f)
{
    return f->label == GW_PBRAW_REQUIRED;
}

/* Unset is something else than zero (proto3's optional has a oneof of its own in the set). */
static int has_presence(const struct building *b, const struct gw_pbraw_field *f)
{
    if (f->type == GW_PBRAW_MESSAGE || f->label == GW_PBRAW_REPEATED || b->m->map_entry)
        return 0;
    return !b->m->file->proto3;
}

static void place_member(struct building *b, const struct gw_pbraw_field *f,
                         ProtobufCFieldDescriptor *d)
{
    unsigned i = (unsigned)f->oneof - 1;

    if (!b->slots[i]) {
        b->cases[i] = room(b, sizeof(uint32_t));
        b->slots[i] = room(b, SLOT);
    }
    d->flags |= PROTOBUF_C_FIELD_FLAG_ONEOF;
    d->quantifier_offset = b->cases[i];
    d->offset = b->slots[i];
}

static void place(struct building *b, const struct gw_pbraw_field *f, ProtobufCFieldDescriptor *d)
{
    if (d->label == PROTOBUF_C_LABEL_REPEATED) {
        d->quantifier_offset = room(b, sizeof(size_t));
        d->offset = room(b, sizeof(void *));
    } else if (f->oneof) {
        place_member(b, f, d);
    } else {
        if (has_presence(b, f)) {
            d->flags |= PROTOBUF_C_FIELD_FLAG_ONEOF;
            d->quantifier_offset = room(b, sizeof(uint32_t));
        }
        d->offset = room(b, (unsigned)gw_pb_size(d));
    }
}

static int check_field(const struct building *b, const struct gw_pbraw_field *f)
{
    if (f->number == 0 || f->number > MAX_NUMBER)
        return fail(b, f, "has a number that is none of 1 to 536870911");
    if (f->label < 1 || f->label > 3)
        return fail(b, f, "is neither optional, required nor repeated");
    if (f->type == GW_PBRAW_GROUP)
        return fail(b, f, "is a group (proto2), which is not supported");
    if (f->type == 0 || f->type >= GW_PBRAW_TYPES)
        return fail(b, f, "has a type that does not exist");
    if (is_required(f) && b->m->file->proto3)
        return fail(b, f, "is required, which proto3 does not have");
    if (f->oneof > b->m->n_oneofs)
        return fail(b, f, "is of a oneof that does not exist");
    if (f->oneof && f->label != 1)
        return fail(b, f, "is of a oneof and repeated or required");
    return 0;
}

/* What a message or an enum field refers to. */
static int resolve(const struct building *b, const struct gw_pbraw_field *f,
                   const struct gw_pbraw_symbol **out)
{
    struct gw_str name = f->type_name;

    *out = NULL;
    if (f->type != GW_PBRAW_MESSAGE && f->type != GW_PBRAW_ENUM)
        return 0;
    if (!name.len || name.p[0] != '.')
        return fail(b, f, "has no full name of a type (protoc writes them)");
    *out = find(b->table, (struct gw_str){name.p + 1, name.len - 1});
    if (!*out)
        return gw_pbraw_fail(b->raw, b->m->file, b->m->name,
                             "%.60s: its type is not in the set (protoc --include_imports)",
                             f->name.p);
    if ((f->type == GW_PBRAW_MESSAGE) != ((*out)->message != NULL))
        return fail(b, f, "has a type of another sort (message, enum) than it says");
    if ((*out)->message && (*out)->message->map_entry && f->label != GW_PBRAW_REPEATED)
        return fail(b, f, "is one entry of a map, which is not supported");
    return 0;
}

static int is_packed(const struct building *b, const struct gw_pbraw_field *f)
{
    if (f->label != GW_PBRAW_REPEATED || types[f->type] == PROTOBUF_C_TYPE_BYTES ||
        f->type == GW_PBRAW_MESSAGE)
        return 0;
    return f->packed < 0 ? b->m->file->proto3 : f->packed;
}

/* A oneof made up for one optional field has no name that anybody uses. */
static uint8_t oneof_of(const struct building *b, const struct gw_pbraw_field *f)
{
    return f->optional3 && b->members[f->oneof ? f->oneof - 1 : 0] == 1 ? 0 : (uint8_t)f->oneof;
}

static int make_field(struct building *b, const struct gw_pbraw_field *f, unsigned i)
{
    ProtobufCFieldDescriptor *d = &b->fields[i];
    const struct gw_pbraw_symbol *s;
    enum gw_pb_kind kind = f->type == TYPE_STRING ? GW_PB_STRING : GW_PB_PLAIN;

    if (resolve(b, f, &s))
        return -1;
    b->raw->demands |= is_required(f);
    *d = (ProtobufCFieldDescriptor){
        .name = f->name.p,
        .id = (uint32_t)f->number,
        .label = f->label == GW_PBRAW_REPEATED ? PROTOBUF_C_LABEL_REPEATED : PROTOBUF_C_LABEL_NONE,
        .type = (ProtobufCType)types[f->type],
        .flags = is_packed(b, f) ? PROTOBUF_C_FIELD_FLAG_PACKED : 0};
    if (s && s->message) {
        d->descriptor = s->message->d;
        kind = s->message->map_entry ? GW_PB_MAP : kind;
    } else if (s) {
        d->descriptor = s->en->d;
    }
    place(b, f, d);
    b->schema[i] = (struct gw_schema_field){.json = f->json.p,
                                            .json_len = (uint8_t)f->json.len,
                                            .name_len = (uint8_t)f->name.len,
                                            .oneof = oneof_of(b, f),
                                            .required = is_required(f),
                                            .kind = (uint8_t)kind};
    return 0;
}

/* ---- messages ------------------------------------------------------------------------ */

static int by_number(const void *a, const void *b)
{
    const struct gw_pbraw_field *x = *(struct gw_pbraw_field *const *)a,
                                *y = *(struct gw_pbraw_field *const *)b;

    return (x->number > y->number) - (x->number < y->number);
}

static int sort_fields(const struct building *b, struct gw_pbraw_field **sorted)
{
    size_t n = 0;

    for (struct gw_pbraw_field *f = b->m->fields; f; f = f->next) {
        if (check_field(b, f))
            return -1;
        if (f->oneof)
            b->members[f->oneof - 1]++;
        sorted[n++] = f;
    }
    if (n)
        qsort(sorted, n, sizeof(struct gw_pbraw_field *), by_number);
    for (size_t i = 1; i < n; i++)
        if (sorted[i - 1]->number == sorted[i]->number)
            return gw_pbraw_fail(b->raw, b->m->file, b->m->name, "%.60s and %.60s have one number",
                                 sorted[i - 1]->name.p, sorted[i]->name.p);
    return 0;
}

/* The reflection knows entries by the place of their fields. */
static int check_entry(const struct building *b, struct gw_pbraw_field *const *sorted)
{
    const struct gw_pbraw_field *key;

    if (!b->m->map_entry)
        return 0;
    if (b->m->n_fields != 2 || sorted[0]->number != 1 || sorted[1]->number != 2 ||
        sorted[0]->label != 1 || sorted[1]->label != 1 || b->m->n_oneofs)
        return gw_pbraw_fail(b->raw, b->m->file, b->m->name, "no entry of a map: (1) and (2)");
    key = sorted[0];
    if (key->type == TYPE_DOUBLE || key->type == TYPE_FLOAT || key->type == TYPE_BYTES ||
        key->type == GW_PBRAW_MESSAGE || key->type == GW_PBRAW_ENUM)
        return fail(b, key, "is no type for the key of a map");
    return 0;
}

struct named {
    const char *name;
    unsigned index;
};

static int by_field_name(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

static int sort_names(const struct building *b, ProtobufCMessageDescriptor *d)
{
    unsigned n = d->n_fields, *out = gw_arena_alloc(b->raw->keep, (n + 1) * sizeof(*out));
    struct named *names = gw_arena_alloc(b->raw->mem, (n + 1) * sizeof(*names));

    for (unsigned i = 0; i < n; i++)
        names[i] = (struct named){b->fields[i].name, i};
    qsort(names, n, sizeof(*names), by_field_name);
    for (unsigned i = 0; i < n; i++) {
        if (i && !strcmp(names[i - 1].name, names[i].name))
            return gw_pbraw_fail(b->raw, b->m->file, b->m->name, "two fields are named %.60s",
                                 names[i].name);
        out[i] = names[i].index;
    }
    d->fields_sorted_by_name = out;
    return 0;
}

static void put_ranges(const struct building *b, ProtobufCMessageDescriptor *d)
{
    int *numbers = gw_arena_alloc(b->raw->mem, (d->n_fields + 1) * sizeof(*numbers));
    ProtobufCIntRange *ranges;

    for (unsigned i = 0; i < d->n_fields; i++)
        numbers[i] = (int)b->fields[i].id;
    d->n_field_ranges = gw_pbraw_ranges(numbers, d->n_fields, NULL);
    ranges = gw_arena_alloc(b->raw->keep, (d->n_field_ranges + 1) * sizeof(*ranges));
    gw_pbraw_ranges(numbers, d->n_fields, ranges);
    d->field_ranges = ranges;
}

/* The fields' places among `sorted`, in the order of the file. NULL: in order already. */
static const uint32_t *declared_order(const struct building *b,
                                      struct gw_pbraw_field *const *sorted)
{
    size_t n = b->m->n_fields, i = 0, in_order = 0;
    uint32_t *places = gw_arena_alloc(b->raw->keep, (n + 1) * sizeof(*places));

    for (struct gw_pbraw_field *f = b->m->fields; f; f = f->next, i++) {
        struct gw_pbraw_field *const *at =
            bsearch(&f, sorted, n, sizeof(struct gw_pbraw_field *), by_number);

        places[i] = (uint32_t)(at - sorted);
        in_order += places[i] == i;
    }
    return in_order == n ? NULL : places;
}

static struct gw_schema_message *make_schema(const struct building *b,
                                             struct gw_pbraw_field *const *sorted)
{
    struct gw_schema_message *s = gw_arena_zalloc(b->raw->keep, sizeof(*s));
    const char **oneofs = gw_arena_alloc(b->raw->keep, (b->m->n_oneofs + 1) * sizeof(*oneofs));
    size_t n = 0;

    for (const struct gw_pbraw_name *o = b->m->oneofs; o; o = o->next)
        oneofs[n++] = o->name.p;
    *s = (struct gw_schema_message){b->schema,       oneofs, GW_KNOWN_NONE,
                                    b->m->map_entry, 0,      declared_order(b, sorted)};
    return s;
}

static void begin(struct building *b)
{
    size_t n = b->m->n_fields + 1, oneofs = b->m->n_oneofs + 1;

    b->fields = gw_arena_zalloc(b->raw->keep, n * sizeof(*b->fields));
    b->schema = gw_arena_zalloc(b->raw->keep, n * sizeof(*b->schema));
    b->cases = gw_arena_zalloc(b->raw->mem, 3 * oneofs * sizeof(*b->cases));
    b->slots = b->cases + oneofs;
    b->members = b->slots + oneofs;
    b->size = sizeof(ProtobufCMessage);
}

/* Its descriptor is there already, for those that refer to it. */
static int make_message(struct building *b)
{
    ProtobufCMessageDescriptor *d = (ProtobufCMessageDescriptor *)b->m->d;
    struct gw_pbraw_field **sorted =
        gw_arena_alloc(b->raw->mem, (b->m->n_fields + 1) * sizeof(struct gw_pbraw_field *));

    begin(b);
    if (sort_fields(b, sorted) || check_entry(b, sorted))
        return -1;
    for (size_t i = 0; i < b->m->n_fields; i++)
        if (make_field(b, sorted[i], (unsigned)i))
            return -1;
    *d = (ProtobufCMessageDescriptor){.magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
                                      .name = b->m->name.p,
                                      .short_name = b->m->last.p,
                                      .c_name = b->m->name.p,
                                      .package_name = "",
                                      .n_fields = (unsigned)b->m->n_fields,
                                      .fields = b->fields,
                                      .reserved1 = make_schema(b, sorted)};
    d->sizeof_message = (room(b, 8) + 7U) & ~7U; /* a multiple of 8, as structs are */
    put_ranges(b, d);
    return sort_names(b, d);
}

int gw_pbraw_build(struct gw_pbraw *raw, struct gw_pbraw_table *table)
{
    if (check_files(raw) || make_table(raw, table))
        return -1;
    for (struct gw_pbraw_enum *e = raw->enums; e; e = e->next)
        if (gw_pbraw_enum(raw, e))
            return -1;
    for (struct gw_pbraw_message *m = raw->messages; m; m = m->next) {
        m->d = known_of(m->name);
        if (!m->d)
            m->d = gw_arena_zalloc(raw->keep, sizeof(*m->d));
    }
    for (struct gw_pbraw_message *m = raw->messages; m; m = m->next) {
        struct building b = {.raw = raw, .table = table, .m = m};

        if (!known_of(m->name) && make_message(&b))
            return -1;
    }
    for (struct gw_pbraw_message *m = raw->messages; raw->demands && m; m = m->next)
        if (!known_of(m->name))
            ((struct gw_schema_message *)m->d->reserved1)->demands = 1;
    return 0;
}
