/* Protobuf bytes to protobuf-c's structs, by descriptors. Not protobuf_c_message_unpack, because
 * that recurses without a bound, says nothing of where an input is wrong, copies every string, and
 * leaves UTF-8 to a second pass; encoding is protobuf-c's.
 *
 * 1. Nothing is read past the input, and nothing recurses deeper than GW_PB_MAX_DEPTH.
 *    It takes no more than GW_PB_MAX_MEMORY.
 * 2. What it gives encodes to bytes of the same meaning: fields the schema does not have are kept,
 *    a message that comes twice is merged, the last scalar and the last of a oneof win.
 * 3. It takes what Go's library takes: a field of another wire type is one that the schema does not
 *    have, and those may be groups, too. */
#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"
#include "flyte/reflect.h"
#include "flyte/schema.h"

#include <stdio.h>
#include <string.h>

enum wire { VARINT = 0, FIXED64 = 1, LENGTH = 2, GROUP = 3, GROUP_END = 4, FIXED32 = 5 };

#define COLD __attribute__((noinline, cold))

struct decoder {
    struct gw_arena *mem;
    struct gw_err *err;
    const uint8_t *start;
    size_t memory, max_memory; /* what it may take; the arena's size then */
};

/* One message under way; the chain upwards is the path for errors. */
struct place {
    const struct place *up;
    const ProtobufCMessageDescriptor *d;
    const ProtobufCFieldDescriptor *f; /* the field being read; NULL: between fields */
    const uint8_t *end;
    unsigned depth;
};

/* What reads takes the position and gives the next one, NULL after an error. */

static size_t put_path(const struct place *p, char *out, size_t size)
{
    size_t n = p->up ? put_path(p->up, out, size) : 0;

    if (!p->f || n >= size)
        return n;
    return n + (size_t)snprintf(out + n, size - n, "%s%s", n ? "." : "", p->f->name);
}

static COLD const uint8_t *fail(const struct decoder *dec, const struct place *p, const char *what,
                                size_t at)
{
    char path[130];

    if (!put_path(p, path, sizeof(path)))
        snprintf(path, sizeof(path), "%s", p->d->short_name);
    gw_err_set(dec->err, GW_ERR_REJECT, "%s: %s at byte %zu", path, what, at);
    return NULL;
}

static COLD const uint8_t *fail_at(const struct decoder *dec, const struct place *p,
                                   const char *what, const uint8_t *at)
{
    return fail(dec, p, what, (size_t)(at - dec->start));
}

static COLD const uint8_t *fail_cut(const struct decoder *dec, const struct place *p,
                                    const uint8_t *at, uint64_t needs)
{
    char what[80];

    snprintf(what, sizeof(what), "cut short: needs %llu bytes, has %zu", (unsigned long long)needs,
             (size_t)(p->end - at));
    return fail_at(dec, p, what, at);
}

static __attribute__((noinline)) const uint8_t *
long_varint(const struct decoder *dec, const struct place *p, const uint8_t *at, uint64_t *out)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < 10; i++) {
        if (at + i == p->end)
            return fail_at(dec, p, "cut short in a varint", at);
        v |= (uint64_t)(at[i] & 0x7f) << (7 * i);
        if ((i < 9 || at[i] < 2) && at[i] < 0x80) {
            *out = v;
            return at + i + 1;
        }
    }
    return fail_at(dec, p, "a varint of more than 64 bits", at);
}

static inline const uint8_t *read_varint(const struct decoder *dec, const struct place *p,
                                         const uint8_t *at, uint64_t *out)
{
    if (at < p->end && *at < 0x80) {
        *out = *at;
        return at + 1;
    }
    *out = 0;
    return long_varint(dec, p, at, out);
}

static const uint8_t *read_fixed(const struct decoder *dec, const struct place *p,
                                 const uint8_t *at, void *out, size_t size)
{
    if ((size_t)(p->end - at) < size)
        return fail_cut(dec, p, at, size);
    memcpy(out, at, size);
    return at + size;
}

static inline const uint8_t *read_length(const struct decoder *dec, const struct place *p,
                                         const uint8_t *at, size_t *len)
{
    uint64_t n;

    *len = 0;
    at = read_varint(dec, p, at, &n);
    if (at && n > (size_t)(p->end - at))
        return fail_cut(dec, p, at, n);
    *len = (size_t)n;
    return at;
}

static enum wire wire_of(ProtobufCType type)
{
    static const uint8_t wires[] = {
        [PROTOBUF_C_TYPE_SFIXED64] = FIXED64, [PROTOBUF_C_TYPE_FIXED64] = FIXED64,
        [PROTOBUF_C_TYPE_DOUBLE] = FIXED64,   [PROTOBUF_C_TYPE_SFIXED32] = FIXED32,
        [PROTOBUF_C_TYPE_FIXED32] = FIXED32,  [PROTOBUF_C_TYPE_FLOAT] = FIXED32,
        [PROTOBUF_C_TYPE_STRING] = LENGTH,    [PROTOBUF_C_TYPE_BYTES] = LENGTH,
        [PROTOBUF_C_TYPE_MESSAGE] = LENGTH, /* the others: VARINT */
    };

    return wires[type];
}

static const uint8_t *read_number(const struct decoder *dec, const struct place *p,
                                  const uint8_t *at, void *slot)
{
    enum wire wire = wire_of(p->f->type);
    uint64_t v;

    if (wire != VARINT)
        return read_fixed(dec, p, at, slot, wire == FIXED64 ? 8 : 4);
    at = read_varint(dec, p, at, &v);
    switch (p->f->type) {
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
    return at;
}

static COLD const uint8_t *fail_utf8(const struct decoder *dec, const struct place *p, size_t valid)
{
    return fail(dec, p, "not UTF-8", valid);
}

static inline const uint8_t *read_bytes(const struct decoder *dec, const struct place *p,
                                        const uint8_t *at, ProtobufCBinaryData *slot)
{
    size_t len, valid;

    at = read_length(dec, p, at, &len);
    if (!at)
        return NULL;
    if (gw_schema_field(p->d, p->f)->kind == GW_PB_STRING) {
        valid = gw_utf8_valid((struct gw_str){(const char *)at, len});
        if (valid < len)
            return fail_utf8(dec, p, valid);
    }
    slot->data = (uint8_t *)at;
    slot->len = len;
    return at + len;
}

static int read_message(const struct decoder *dec, struct place *p, const uint8_t *at,
                        ProtobufCMessage *m);

static COLD const uint8_t *fail_memory(const struct decoder *dec)
{
    gw_err_set(dec->err, GW_ERR_TOO_LARGE, "message too large: more than %zu MiB decoded",
               dec->memory >> 20);
    return NULL;
}

/* Depth is counted as JSON has it, so that what was read from JSON (100 deep as well) can always
 * be read back from its bytes: a level of a Struct is three messages, and counts once. */
static unsigned counts(const ProtobufCMessageDescriptor *outer,
                       const ProtobufCMessageDescriptor *inner)
{
    return gw_schema_of(outer)->known != GW_KNOWN_STRUCT &&
           gw_schema_of(inner)->known != GW_KNOWN_VALUE;
}

static __attribute__((noinline)) const uint8_t *read_nested(const struct decoder *dec,
                                                            const struct place *p,
                                                            const uint8_t *at,
                                                            ProtobufCMessage **slot)
{
    struct place inner = {.up = p, .d = p->f->descriptor};
    size_t len;

    at = read_length(dec, p, at, &len);
    if (!at)
        return NULL;
    inner.depth = p->depth + counts(p->d, inner.d);
    if (inner.depth > GW_PB_MAX_DEPTH)
        return fail_at(dec, p, "nests more than 100 deep", at);
    if (gw_arena_size(dec->mem) > dec->max_memory)
        return fail_memory(dec);
    inner.end = at + len;
    if (!*slot)
        *slot = gw_pb_new(dec->mem, inner.d);
    return read_message(dec, &inner, at, *slot) ? NULL : inner.end;
}

/* Room for one more of a list; NULL: it would take too much. */
static void *add_item(const struct decoder *dec, const struct place *p, ProtobufCMessage *m)
{
    size_t n = gw_pb_count(m, p->f);

    if (n >= 1024 && (n & (n - 1)) == 0 &&
        gw_arena_size(dec->mem) + 2 * n * gw_pb_size(p->f) > dec->max_memory) {
        fail_memory(dec);
        return NULL;
    }
    return gw_pb_add(dec->mem, m, p->f);
}

static const uint8_t *read_value(const struct decoder *dec, const struct place *p,
                                 const uint8_t *at, void *slot)
{
    if (p->f->type == PROTOBUF_C_TYPE_BYTES)
        return read_bytes(dec, p, at, slot);
    if (p->f->type == PROTOBUF_C_TYPE_MESSAGE)
        return read_nested(dec, p, at, slot);
    return read_number(dec, p, at, slot);
}

static const uint8_t *read_packed(const struct decoder *dec, const struct place *p,
                                  const uint8_t *at, ProtobufCMessage *m)
{
    struct place packed = *p;
    size_t len;

    at = read_length(dec, p, at, &len);
    if (!at)
        return NULL;
    packed.end = at + len;
    while (at && at < packed.end) {
        void *slot = add_item(dec, p, m);

        at = slot ? read_value(dec, &packed, at, slot) : NULL;
    }
    return at;
}

static const uint8_t *read_field(const struct decoder *dec, const struct place *p,
                                 const uint8_t *at, unsigned wire, ProtobufCMessage *m)
{
    const ProtobufCFieldDescriptor *f = p->f;
    enum wire own = wire_of(f->type);

    if (wire == own && f->label != PROTOBUF_C_LABEL_REPEATED) {
        if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
            gw_pb_choose(m, f);
        return read_value(dec, p, at, (char *)m + f->offset);
    }
    if (wire == own) {
        void *slot = add_item(dec, p, m);

        return slot ? read_value(dec, p, at, slot) : NULL;
    }
    return read_packed(dec, p, at, m);
}

/* Whether the field may come so; numbers of a list come packed, too. */
static int fits(const ProtobufCFieldDescriptor *f, unsigned wire)
{
    return wire == wire_of(f->type) || (wire == LENGTH && f->label == PROTOBUF_C_LABEL_REPEATED);
}

static const uint8_t *read_tag(const struct decoder *dec, const struct place *p, const uint8_t *at,
                               uint64_t *tag)
{
    at = read_varint(dec, p, at, tag);
    if (at && (*tag > UINT32_MAX || *tag >> 3 == 0))
        return fail_at(dec, p, "no field number", at);
    return at;
}

static const uint8_t *skip(const struct decoder *dec, const struct place *p, const uint8_t *at,
                           uint64_t tag);

static const uint8_t *skip_group(const struct decoder *dec, const struct place *p,
                                 const uint8_t *at, uint64_t number)
{
    uint64_t open[GW_PB_MAX_DEPTH] = {number}, tag;
    unsigned n = 1;

    while (n) {
        at = read_tag(dec, p, at, &tag);
        if (at && (tag & 7) == GROUP) {
            if (p->depth + n >= GW_PB_MAX_DEPTH)
                return fail_at(dec, p, "nests more than 100 deep", at);
            open[n++] = tag >> 3;
        } else if (at && (tag & 7) == GROUP_END) {
            if (open[--n] != tag >> 3)
                return fail_at(dec, p, "the end of another group", at);
        } else if (at) {
            at = skip(dec, p, at, tag);
        }
        if (!at)
            return NULL;
    }
    return at;
}

static const uint8_t *skip(const struct decoder *dec, const struct place *p, const uint8_t *at,
                           uint64_t tag)
{
    uint64_t skipped;
    size_t len;

    switch (tag & 7) {
    case VARINT:
        return read_varint(dec, p, at, &skipped);
    case FIXED64:
        return read_fixed(dec, p, at, &skipped, 8);
    case FIXED32:
        return read_fixed(dec, p, at, &skipped, 4);
    case LENGTH:
        at = read_length(dec, p, at, &len);
        return at ? at + len : NULL;
    case GROUP:
        return skip_group(dec, p, at, tag >> 3);
    default:
        return fail_at(dec, p, "no such wire type", at);
    }
}

/* Fields the schema does not have are kept as they came. */
static const uint8_t *keep_unknown(const struct decoder *dec, const struct place *p,
                                   const uint8_t *at, uint64_t tag, ProtobufCMessage *m)
{
    const uint8_t *next = skip(dec, p, at, tag);
    ProtobufCMessageUnknownField *grown;
    size_t n = m->n_unknown_fields;

    if (!next)
        return NULL;
    if ((n & (n - 1)) == 0) {
        grown = gw_arena_alloc(dec->mem, (n ? 2 * n : 1) * sizeof(*grown));
        if (n)
            memcpy(grown, m->unknown_fields, n * sizeof(*grown));
        m->unknown_fields = grown;
    }
    m->unknown_fields[n] = (ProtobufCMessageUnknownField){
        (uint32_t)(tag >> 3), (ProtobufCWireType)(tag & 7), (size_t)(next - at), (uint8_t *)at};
    m->n_unknown_fields++;
    return next;
}

/* Most schemas number their fields 1, 2, 3 …. */
static inline const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *d,
                                                         uint64_t id)
{
    if (id - 1 < d->n_fields && d->fields[id - 1].id == id)
        return &d->fields[id - 1];
    return protobuf_c_message_descriptor_get_field(d, (unsigned)id);
}

static int read_message(const struct decoder *dec, struct place *p, const uint8_t *at,
                        ProtobufCMessage *m)
{
    uint64_t tag;

    while (at < p->end) {
        p->f = NULL;
        at = read_tag(dec, p, at, &tag);
        if (!at)
            return -1;
        p->f = find_field(p->d, tag >> 3);
        if (p->f && !fits(p->f, tag & 7))
            p->f = NULL;
        at = p->f ? read_field(dec, p, at, tag & 7, m) : keep_unknown(dec, p, at, tag, m);
        if (!at)
            return -1;
    }
    return 0;
}

ProtobufCMessage *gw_pb_decode_within(struct gw_arena *mem, const ProtobufCMessageDescriptor *d,
                                      struct gw_str bytes, unsigned depth, size_t memory,
                                      struct gw_err *err)
{
    const uint8_t *start = (const uint8_t *)(bytes.p ? bytes.p : "");
    struct decoder dec = {mem, err, start, memory, gw_arena_size(mem) + memory};
    struct place top = {.d = d, .end = start + bytes.len, .depth = depth};
    ProtobufCMessage *m = gw_pb_new(mem, d);

    return read_message(&dec, &top, start, m) ? NULL : m;
}

ProtobufCMessage *gw_pb_decode(struct gw_arena *mem, const ProtobufCMessageDescriptor *d,
                               struct gw_str bytes, struct gw_err *err)
{
    return gw_pb_decode_within(mem, d, bytes, 0, GW_PB_MAX_MEMORY, err);
}
