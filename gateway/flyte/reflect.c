#include "flyte/reflect.h"

#include "base/arena.h"
#include "flyte/schema.h"

#include <assert.h>
#include <string.h>

enum gw_pb_kind gw_pb_kind(const ProtobufCMessageDescriptor *d, const ProtobufCFieldDescriptor *f)
{
    return gw_schema_field(d, f)->kind;
}

const char *gw_pb_json_name(const ProtobufCMessageDescriptor *d, const ProtobufCFieldDescriptor *f)
{
    return gw_schema_field(d, f)->json;
}

enum { FEW = 24 }; /* fields: so many are looked through one by one */

static const ProtobufCFieldDescriptor *by_name(const ProtobufCMessageDescriptor *d,
                                               struct gw_str name)
{
    unsigned low = 0, high = d->n_fields;

    while (low < high) {
        unsigned mid = low + (high - low) / 2, i = d->fields_sorted_by_name[mid];
        size_t len = gw_schema_of(d)->fields[i].name_len;
        int c = memcmp(name.p, d->fields[i].name, name.len < len ? name.len : len);

        if (!c && name.len == len)
            return &d->fields[i];
        if (c > 0 || (!c && name.len > len))
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

const ProtobufCFieldDescriptor *gw_pb_field(const ProtobufCMessageDescriptor *d, struct gw_str name)
{
    const struct gw_schema_field *s = gw_schema_of(d)->fields;

    if (d->n_fields > FEW)
        return by_name(d, name);
    for (unsigned i = 0; i < d->n_fields; i++)
        if (s[i].name_len == name.len && !memcmp(d->fields[i].name, name.p, name.len))
            return &d->fields[i];
    return NULL;
}

const ProtobufCFieldDescriptor *gw_pb_field_json(const ProtobufCMessageDescriptor *d,
                                                 struct gw_str name)
{
    const struct gw_schema_field *s = gw_schema_of(d)->fields;

    for (unsigned i = 0; i < d->n_fields; i++)
        if (s[i].json_len == name.len && !memcmp(s[i].json, name.p, name.len))
            return &d->fields[i];
    return gw_pb_field(d, name);
}

const char *gw_pb_oneof(const ProtobufCMessageDescriptor *d, const ProtobufCFieldDescriptor *f)
{
    unsigned i = gw_schema_field(d, f)->oneof;

    return i ? gw_schema_of(d)->oneofs[i - 1] : NULL;
}

void *gw_pb_member(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    return (char *)m + f->offset;
}

/* The count of a repeated field. */
static size_t *count_of(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    return (size_t *)((char *)m + f->quantifier_offset);
}

size_t gw_pb_count(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    return *count_of(m, f);
}

void *gw_pb_add(struct gw_arena *mem, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    size_t n = (*count_of(m, f))++, size = gw_pb_size(f);
    void **list = gw_pb_member(m, f);

    if ((n & (n - 1)) == 0) {
        void *grown = gw_arena_alloc(mem, (n ? 2 * n : 1) * size);

        if (n)
            memcpy(grown, *list, n * size);
        *list = grown;
    }
    return memset((char *)*list + n * size, 0, size);
}

/* The chosen member's number of a oneof. */
static uint32_t *case_of(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    return (uint32_t *)((char *)m + f->quantifier_offset);
}

static int in_oneof(const ProtobufCFieldDescriptor *f)
{
    return (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
}

size_t gw_pb_size(const ProtobufCFieldDescriptor *f)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(uint64_t);
    case PROTOBUF_C_TYPE_STRING:
        assert(!"strings are compiled as bytes");
        return sizeof(char *);
    default:
        return sizeof(uint32_t);
    }
}

int gw_pb_has(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    const void *member = gw_pb_member(m, f);

    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return *count_of(m, f) > 0;
    if (in_oneof(f))
        return *case_of(m, f) == f->id;
    switch (f->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
        return *(void *const *)member != NULL;
    case PROTOBUF_C_TYPE_BYTES:
        return ((const ProtobufCBinaryData *)member)->len > 0;
    default: /* by its bits, as -0.0 is a value */
        return gw_pb_size(f) == sizeof(uint64_t) ? *(const uint64_t *)member != 0
                                                 : *(const uint32_t *)member != 0;
    }
}

static void zero_member(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    memset(gw_pb_member(m, f), 0,
           f->label == PROTOBUF_C_LABEL_REPEATED ? sizeof(void *) : gw_pb_size(f));
}

void gw_pb_clear(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    if (in_oneof(f)) {
        if (*case_of(m, f) != f->id)
            return;
        *case_of(m, f) = 0;
    } else if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        *count_of(m, f) = 0;
    }
    zero_member(m, f);
}

void gw_pb_choose(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    if (!in_oneof(f) || *case_of(m, f) == f->id)
        return;
    *case_of(m, f) = f->id;
    zero_member(m, f);
}

ProtobufCMessage *gw_pb_new(struct gw_arena *mem, const ProtobufCMessageDescriptor *d)
{
    /* proto3: every default is zero. */
    ProtobufCMessage *m = gw_arena_zalloc(mem, d->sizeof_message);

    m->descriptor = d;
    return m;
}

/* Not protobuf-c's lookup, which does not find the largest number there is. */
const char *gw_pb_enum_name(const ProtobufCEnumDescriptor *d, int32_t value)
{
    unsigned low = 0, high = d->n_values;

    while (low < high) {
        unsigned mid = low + (high - low) / 2;

        if (d->values[mid].value == value)
            return d->values[mid].name;
        if (d->values[mid].value < value)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

int gw_pb_is_timestamp(const ProtobufCMessageDescriptor *d)
{
    return gw_schema_of(d)->known == GW_KNOWN_TIMESTAMP;
}

int gw_pb_is_duration(const ProtobufCMessageDescriptor *d)
{
    return gw_schema_of(d)->known == GW_KNOWN_DURATION;
}

struct gw_time gw_pb_time(const ProtobufCMessage *m)
{
    const ProtobufCMessageDescriptor *d = m->descriptor;

    return (struct gw_time){*(const int64_t *)gw_pb_member(m, &d->fields[0]),
                            *(const int32_t *)gw_pb_member(m, &d->fields[1])};
}
