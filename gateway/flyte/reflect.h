#ifndef GW_FLYTE_REFLECT_H
#define GW_FLYTE_REFLECT_H

#include "base/str.h"
#include "base/time.h"

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

struct gw_arena;
struct gw_buf;
struct gw_err;

/* Messages by their descriptors: for Lua, for JSON, for the UTF-8 check. A string is a bytes field
 * that the schema calls a string; a map is a repeated field whose entries have key (1) and value
 * (2). Both come from tables that the build makes from proto/ (flyte/schema.c). */
enum gw_pb_kind { GW_PB_PLAIN, GW_PB_STRING, GW_PB_MAP };
enum gw_pb_kind gw_pb_kind(const ProtobufCMessageDescriptor *d, const ProtobufCFieldDescriptor *f);
/* Camel case of the field: "executionId". */
const char *gw_pb_json_name(const ProtobufCMessageDescriptor *d, const ProtobufCFieldDescriptor *f);
/* By proto name, or by either spelling; NULL: none. */
const ProtobufCFieldDescriptor *gw_pb_field(const ProtobufCMessageDescriptor *d,
                                            struct gw_str name);
const ProtobufCFieldDescriptor *gw_pb_field_json(const ProtobufCMessageDescriptor *d,
                                                 struct gw_str name);
/* The oneof a field belongs to: its name, NULL if none. */
const char *gw_pb_oneof(const ProtobufCMessageDescriptor *d, const ProtobufCFieldDescriptor *f);
/* Set: a message that is there, the oneof's chosen member, any non-default scalar, a non-empty
 * list. */
int gw_pb_has(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f);
void *gw_pb_member(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f);
/* Bytes one value of the field takes in memory. */
size_t gw_pb_size(const ProtobufCFieldDescriptor *f);
/* Items of a repeated field. */
size_t gw_pb_count(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f);
/* Room for one more item, zeroed and counted. Only for lists that were decoded or begun by it: it
 * takes the room for the next power of two as there. */
void *gw_pb_add(struct gw_arena *mem, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f);
/* Clears a field; of a oneof only if it is the chosen member. */
void gw_pb_clear(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f);
/* Chooses f in its oneof (clearing another member); nothing for other fields. */
void gw_pb_choose(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f);
ProtobufCMessage *gw_pb_new(struct gw_arena *mem, const ProtobufCMessageDescriptor *d);
int gw_pb_is_timestamp(const ProtobufCMessageDescriptor *d);
int gw_pb_is_duration(const ProtobufCMessageDescriptor *d);
/* Of either. */
struct gw_time gw_pb_time(const ProtobufCMessage *m);
/* "-1.500s", as in JSON; 0: out of range. */
enum { GW_DURATION_TEXT = 32 };
size_t gw_duration_format(int64_t sec, int32_t nanos, char out[GW_DURATION_TEXT]);

/* Decodes protobuf bytes, checking UTF-8 of every string; the message borrows them. Nests at most
 * GW_PB_MAX_DEPTH deep and takes at most GW_PB_MAX_MEMORY of mem (two bytes on the wire may be an
 * empty message of hundreds). NULL: GW_ERR_REJECT that names the field and the byte, or
 * GW_ERR_TOO_LARGE. */
enum { GW_PB_MAX_DEPTH = 100, GW_PB_MAX_MEMORY = 64 << 20 };
ProtobufCMessage *gw_pb_decode(struct gw_arena *mem, const ProtobufCMessageDescriptor *d,
                               struct gw_str bytes, struct gw_err *err);
/* The same for a message that will lie depth deep in another, with another bound of memory. */
ProtobufCMessage *gw_pb_decode_within(struct gw_arena *mem, const ProtobufCMessageDescriptor *d,
                                      struct gw_str bytes, unsigned depth, size_t memory,
                                      struct gw_err *err);
/* Every field in the bytes is the schema's, however deep: 1. Builds nothing; the decoder may still
 * refuse what fits. */
int gw_pb_fits(const ProtobufCMessageDescriptor *d, struct gw_str bytes);

/* proto3 JSON as Google's own library prints it with its defaults, without white space: camelCase,
 * enums by name, 64-bit in quotes, well-known types. GW_ERR_REJECT: a Timestamp or Duration out of
 * range. A Value without a kind is null. */
int gw_pb_json_put(struct gw_buf *out, const ProtobufCMessage *m, struct gw_err *err);
/* As jsonpb of Go's golang/protobuf 1.5.4 prints it, byte for byte: what FlyteAdmin sends. Fields
 * as the .proto declares them, strings and numbers as encoding/json has them, years above 9999 as
 * they are. GW_ERR_REJECT, naming the field: what that library refuses as well, which is a
 * Timestamp's nanos or a Duration out of range, a Value without a kind, an Any whose type is not
 * known here. */
int gw_pb_jsonpb_put(struct gw_buf *out, const ProtobufCMessage *m, struct gw_err *err);
/* Reads it back, strictly. */
ProtobufCMessage *gw_pb_json_read(struct gw_arena *mem, const ProtobufCMessageDescriptor *d,
                                  struct gw_str json, struct gw_err *err);
/* The same, passing over fields that the schema does not have. */
ProtobufCMessage *gw_pb_json_read_known(struct gw_arena *mem, const ProtobufCMessageDescriptor *d,
                                        struct gw_str json, struct gw_err *err);

/* A name of the value, NULL if it has none. */
const char *gw_pb_enum_name(const ProtobufCEnumDescriptor *d, int32_t value);

/* Server reflection: the FileDescriptorProto of a file ("flyteidl/service/admin.proto"), or of the
 * file that declares a symbol ("flyteidl.service.AdminService"). p NULL: none. */
struct gw_str gw_schema_file(struct gw_str name);
struct gw_str gw_schema_symbol(struct gw_str symbol);

#endif
