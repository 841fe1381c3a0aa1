/* Protobuf bytes to protobuf-c's structs, by descriptors. Not protobuf_c_message_unpack, because
 * that recurses without a bound, says nothing of where an input is wrong, copies every string, and
 * leaves UTF-8 to a second pass; encoding is protobuf-c's.
 *
 * 1. Nothing is read past the input, and nothing recurses deeper than GW_PB_MAX_DEPTH.
 * 2. What it gives encodes to bytes of the same meaning: fields the schema does not have are kept,
 *    a message that comes twice is merged, the last scalar and the last of a oneof win. */
#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"
#include "flyte/reflect.h"
#include "flyte/schema.h"

#include <stdio.h>
#include <string.h>

enum wire { VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5 };

struct decoder {
    struct gw_arena *mem;
    struct gw_err *err;
    const uint8_t *start;
};

/* One message under way; the chain upwards is the path for errors. */
struct place {
    const struct place *up;
    const ProtobufCMessageDescriptor *d;
    const ProtobufCFieldDescriptor *f; /* the field being read; NULL: between fields */
    const uint8_t *at, *end;
    unsigned depth;
};

static size_t put_path(const struct place *p, char *out, size_t size)
{
    size_t n = p->up ? put_path(p->up, out, size) : 0;

    if (!p->f || n >= size)
        return n;
    return n + (size_t)snprintf(out + n, size - n, "%s%s", n ? "." : "", p->f->name);
}

static int fail(const struct decoder *dec, const struct place *p, const char *what)
{
    char path[130];

    if (!put_path(p, path, sizeof(path)))
        snprintf(path, sizeof(path), "%s", p->d->short_name);
    return gw_err_set(dec->err, GW_ERR_REJECT, "%s: %s at byte %zu", path, what,
                      (size_t)(p->at - dec->start));
}

static int fail_cut(const struct decoder *dec, const struct place *p, uint64_t needs)
{
    char what[80];

    snprintf(what, sizeof(what), "cut short: needs %llu bytes, has %zu", (unsigned long long)needs,
             (size_t)(p->end - p->at));
    return fail(dec, p, what);
}

static int read_varint(const struct decoder *dec, struct place *p, uint64_t *out)
{
    uint64_t v = 0;

    if (p->at < p->end && *p->at < 0x80) {
        *out = *p->at++;
        return 0;
    }
    for (unsigned i = 0; i < 10; i++) {
        if (p->at + i == p->end)
            return fail(dec, p, "cut short in a varint");
        v |= (uint64_t)(p->at[i] & 0x7f) << (7 * i);
        if (p->at[i] < 0x80) {
            p->at += i + 1;
            *out = v;
            return 0;
        }
    }
    return fail(dec, p, "a varint of more than 10 bytes");
}

static int read_fixed(const struct decoder *dec, struct place *p, void *out, size_t size)
{
    if ((size_t)(p->end - p->at) < size)
        return fail_cut(dec, p, size);
    memcpy(out, p->at, size);
    p->at += size;
    return 0;
}

static int read_length(const struct decoder *dec, struct place *p, size_t *len)
{
    uint64_t n = 0;

    if (read_varint(dec, p, &n))
        return -1;
    if (n > (size_t)(p->end - p->at))
        return fail_cut(dec, p, n);
    *len = (size_t)n;
    return 0;
}

static enum wire wire_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return FIXED64;
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return FIXED32;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return LENGTH;
    default:
        return VARINT;
    }
}

static int read_number(const struct decoder *dec, struct place *p, ProtobufCType type, void *slot)
{
    enum wire wire = wire_of(type);
    uint64_t v = 0;

    if (wire != VARINT)
        return read_fixed(dec, p, slot, wire == FIXED64 ? 8 : 4);
    if (read_varint(dec, p, &v))
        return -1;
    switch (type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        *(uint64_t *)slot = v;
        break;
    case PROTOBUF_C_TYPE_SINT64:
        *(uint64_t *)slot = v >> 1 ^ (0 - (v & 1));
        break;
    case PROTOBUF_C_TYPE_SINT32:
        *(uint32_t *)slot = (uint32_t)v >> 1 ^ (0 - ((uint32_t)v & 1));
        break;
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)slot = v != 0;
        break;
    default:
        *(uint32_t *)slot = (uint32_t)v;
    }
    return 0;
}

static int read_bytes(const struct decoder *dec, struct place *p, ProtobufCBinaryData *slot)
{
    size_t len = 0, valid;

    if (read_length(dec, p, &len))
        return -1;
    if (gw_schema_field(p->d, p->f)->kind == GW_PB_STRING) {
        valid = gw_utf8_valid((struct gw_str){(const char *)p->at, len});
        if (valid < len) {
            char path[130];

            put_path(p, path, sizeof(path));
            return gw_err_set(dec->err, GW_ERR_REJECT, "%s: not UTF-8 at byte %zu", path, valid);
        }
    }
    slot->data = (uint8_t *)p->at;
    slot->len = len;
    p->at += len;
    return 0;
}

static int read_message(const struct decoder *dec, struct place *p, ProtobufCMessage *m);

/* Depth is counted as JSON has it, so that what was read from JSON (100 deep as well) can always
 * be read back from its bytes: a level of a Struct is three messages, and counts once. */
static unsigned counts(const ProtobufCMessageDescriptor *outer,
                       const ProtobufCMessageDescriptor *inner)
{
    return gw_schema_of(outer)->known != GW_KNOWN_STRUCT &&
           gw_schema_of(inner)->known != GW_KNOWN_VALUE;
}

static int read_nested(const struct decoder *dec, struct place *p, ProtobufCMessage **slot)
{
    struct place inner = {.up = p, .d = p->f->descriptor};
    size_t len = 0;

    inner.depth = p->depth + counts(p->d, inner.d);
    if (read_length(dec, p, &len))
        return -1;
    if (inner.depth > GW_PB_MAX_DEPTH)
        return fail(dec, p, "nests more than 100 deep");
    inner.at = p->at;
    inner.end = p->at += len;
    if (!*slot)
        *slot = gw_pb_new(dec->mem, inner.d);
    return read_message(dec, &inner, *slot);
}

static int read_value(const struct decoder *dec, struct place *p, void *slot)
{
    if (p->f->type == PROTOBUF_C_TYPE_MESSAGE)
        return read_nested(dec, p, slot);
    if (p->f->type == PROTOBUF_C_TYPE_BYTES)
        return read_bytes(dec, p, slot);
    return read_number(dec, p, p->f->type, slot);
}

static int read_packed(const struct decoder *dec, struct place *p, ProtobufCMessage *m)
{
    const uint8_t *end = p->end;
    size_t len = 0;

    if (read_length(dec, p, &len))
        return -1;
    p->end = p->at + len;
    while (p->at < p->end)
        if (read_value(dec, p, gw_pb_add(dec->mem, m, p->f)))
            return -1;
    p->end = end;
    return 0;
}

static int read_field(const struct decoder *dec, struct place *p, ProtobufCMessage *m,
                      unsigned wire)
{
    const ProtobufCFieldDescriptor *f = p->f;
    enum wire own = wire_of(f->type);

    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        if (wire == LENGTH && own != LENGTH)
            return read_packed(dec, p, m);
        if (wire == own)
            return read_value(dec, p, gw_pb_add(dec->mem, m, p->f));
    } else if (wire == own) {
        gw_pb_choose(m, f);
        return read_value(dec, p, gw_pb_member(m, f));
    }
    return fail(dec, p, "another wire type than the schema's");
}

/* Fields the schema does not have are kept as they came. */
static int keep_unknown(const struct decoder *dec, struct place *p, ProtobufCMessage *m,
                        uint64_t tag)
{
    ProtobufCMessageUnknownField *grown;
    const uint8_t *from = p->at;
    unsigned n = m->n_unknown_fields;
    uint64_t skipped = 0;
    size_t len = 0;
    int bad;

    switch (tag & 7) {
    case VARINT:
        bad = read_varint(dec, p, &skipped);
        break;
    case FIXED64:
        bad = read_fixed(dec, p, &skipped, 8);
        break;
    case FIXED32:
        bad = read_fixed(dec, p, &skipped, 4);
        break;
    case LENGTH:
        bad = read_length(dec, p, &len);
        if (!bad)
            p->at += len;
        break;
    default:
        bad = fail(dec, p, "a wire type proto3 does not have");
    }
    if (bad)
        return -1;
    if ((n & (n - 1)) == 0) {
        grown = gw_arena_alloc(dec->mem, (n ? 2 * (size_t)n : 1) * sizeof(*grown));
        if (n)
            memcpy(grown, m->unknown_fields, n * sizeof(*grown));
        m->unknown_fields = grown;
    }
    m->unknown_fields[n] =
        (ProtobufCMessageUnknownField){(uint32_t)(tag >> 3), (ProtobufCWireType)(tag & 7),
                                       (size_t)(p->at - from), (uint8_t *)from};
    m->n_unknown_fields = n + 1;
    return 0;
}

/* Most schemas number their fields 1, 2, 3 …. */
static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *d, uint64_t id)
{
    if (id - 1 < d->n_fields && d->fields[id - 1].id == id)
        return &d->fields[id - 1];
    return protobuf_c_message_descriptor_get_field(d, (unsigned)id);
}

static int read_message(const struct decoder *dec, struct place *p, ProtobufCMessage *m)
{
    uint64_t tag = 0;

    while (p->at < p->end) {
        if (read_varint(dec, p, &tag))
            return -1;
        if (tag > UINT32_MAX || tag >> 3 == 0)
            return fail(dec, p, "no field number");
        p->f = find_field(p->d, tag >> 3);
        if (p->f ? read_field(dec, p, m, tag & 7) : keep_unknown(dec, p, m, tag))
            return -1;
        p->f = NULL;
    }
    return 0;
}

ProtobufCMessage *gw_pb_decode(struct gw_arena *mem, const ProtobufCMessageDescriptor *d,
                               struct gw_str bytes, struct gw_err *err)
{
    const uint8_t *p = (const uint8_t *)(bytes.p ? bytes.p : "");
    struct decoder dec = {mem, err, p};
    struct place top = {.d = d, .at = p, .end = p + bytes.len};
    ProtobufCMessage *m = gw_pb_new(mem, d);

    return read_message(&dec, &top, m) ? NULL : m;
}
