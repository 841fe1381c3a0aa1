#ifndef GW_FLYTE_SCHEMA_H
#define GW_FLYTE_SCHEMA_H

#include "flyte/reflect.h"

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

/* What protobuf-c's descriptors do not know of our schemas. proto/gen.lua writes the tables (into
 * build/gen/schema_tables.c) and hangs each message's on reserved1 of its descriptor. */
enum gw_known {
    GW_KNOWN_NONE,
    GW_KNOWN_TIMESTAMP,
    GW_KNOWN_DURATION,
    GW_KNOWN_STRUCT,
    GW_KNOWN_VALUE,
    GW_KNOWN_LIST,
    GW_KNOWN_ANY,
    GW_KNOWN_WRAPPER
};

struct gw_schema_field {
    const char *json;
    uint8_t json_len, name_len;
    uint8_t oneof;    /* from 1; 0: in none */
    uint8_t kind;     /* enum gw_pb_kind */
    uint8_t required; /* of proto2; only in sets that are loaded at run time */
};

struct gw_schema_message {
    const struct gw_schema_field *fields; /* as the descriptor's fields: by number */
    const char *const *oneofs;
    enum gw_known known;
    int map_entry;
    int demands; /* its set has required fields */
    /* Go writes fields in the order in which the .proto declares them: their places in `fields`;
     * NULL: that is the order of their numbers. */
    const uint32_t *declared;
};

static inline const struct gw_schema_message *gw_schema_of(const ProtobufCMessageDescriptor *d)
{
    return d->reserved1;
}

static inline const struct gw_schema_field *gw_schema_field(const ProtobufCMessageDescriptor *d,
                                                            const ProtobufCFieldDescriptor *f)
{
    return &gw_schema_of(d)->fields[f - d->fields];
}

/* The place in `fields` of the field that the .proto declares as the i-th. */
static inline unsigned gw_schema_declared(const struct gw_schema_message *s, unsigned i)
{
    return s->declared ? s->declared[i] : i;
}

/* Serialized FileDescriptorProtos, by file name; symbols by name, with the file's index. */
struct gw_schema_file {
    const char *name;
    const unsigned char *bytes;
    size_t len;
};
struct gw_schema_symbol {
    const char *name;
    size_t file;
};
/* Every message but the entries of maps, by full name. */
extern const ProtobufCMessageDescriptor *const gw_schema_messages[];
extern const size_t gw_schema_n_messages;
extern const struct gw_schema_file gw_schema_files[];
extern const size_t gw_schema_n_files;
extern const struct gw_schema_symbol gw_schema_symbols[];
extern const size_t gw_schema_n_symbols;

#endif
