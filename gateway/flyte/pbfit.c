/* Whether bytes could be a message of a schema: every field on the wire is one of the schema's, in
 * its wire type, and strings are UTF-8. Nothing is built, so hostile bytes cost no memory. */
#include "base/pbwire.h"
#include "base/text.h"
#include "flyte/reflect.h"

static enum gw_pbwire_type wire_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return GW_PBWIRE_I64;
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return GW_PBWIRE_I32;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return GW_PBWIRE_BYTES;
    default:
        return GW_PBWIRE_VARINT;
    }
}

static int fits(const ProtobufCMessageDescriptor *d, struct gw_str bytes, unsigned depth);

static int field_fits(const ProtobufCMessageDescriptor *d, const struct gw_pbwire_field *field,
                      unsigned depth)
{
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(d, field->number);
    enum gw_pbwire_type own;

    if (!f)
        return 0;
    own = wire_of(f->type);
    if (field->type != own) /* packed: what is in it, the decoder will say */
        return field->type == GW_PBWIRE_BYTES && f->label == PROTOBUF_C_LABEL_REPEATED;
    if (f->type == PROTOBUF_C_TYPE_MESSAGE)
        return fits(f->descriptor, field->bytes, depth + 1);
    return gw_pb_kind(d, f) != GW_PB_STRING || gw_utf8_valid(field->bytes) == field->bytes.len;
}

/* Messages on the wire nest up to three times as deep as GW_PB_MAX_DEPTH counts (a Struct's
 * levels); the decoder has the last word, this only ends. */
static int fits(const ProtobufCMessageDescriptor *d, struct gw_str bytes, unsigned depth)
{
    struct gw_pbwire w = {bytes.p, bytes.p + bytes.len};
    struct gw_pbwire_field field;
    int got;

    if (depth > 3 * GW_PB_MAX_DEPTH + 3)
        return 0;
    while ((got = gw_pbwire_next(&w, &field)) == 1)
        if (!field_fits(d, &field, depth))
            return 0;
    return got == 0;
}

int gw_pb_fits(const ProtobufCMessageDescriptor *d, struct gw_str bytes)
{
    return fits(d, bytes, 1);
}
