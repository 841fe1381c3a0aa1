#ifndef GW_FLYTE_PBSET_H
#define GW_FLYTE_PBSET_H

#include "base/str.h"

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

struct gw_err;
struct gw_nearest;

/* A compiled descriptor set (protoc --include_imports --descriptor_set_out) as descriptors that
 * reflect.h works on, made at run time. What it says of google.protobuf's Timestamp, Duration, Any,
 * Struct and wrappers is not looked at: they are those compiled in, so a Timestamp of a request is
 * one of the set's too. Services, options and extensions are not read (extensions of a message are
 * unknown fields and kept). proto3, and proto2 without groups: what is `optional` there reads as
 * unset until it is set, whatever its default.
 * (protobuf-c leaves out a -0.0 where zero means unset.)
 *
 * 1. Immutable once parsed: threads may share it.
 * 2. Whatever the bytes are, what comes out is a set or an error that names file and place; a set
 *    takes at most GW_PBSET_MAX_BYTES as a file and has at most GW_PBSET_MAX_ITEMS in it.
 * 3. What depends on whom is taken from the set alone: each file comes after those it imports. */
struct gw_pbset;

enum { GW_PBSET_MAX_BYTES = 16 << 20, GW_PBSET_MAX_ITEMS = 200000, GW_PBSET_MAX_NAME = 255 };

/* NULL: GW_ERR_REJECT or GW_ERR_TOO_LARGE, "v2.proto: Run.name: field number 0 is …". */
struct gw_pbset *gw_pbset_parse(struct gw_str bytes, struct gw_err *err);
void gw_pbset_free(struct gw_pbset *s); /* NULL is fine */
/* What is compiled in, all of proto/: events, FlyteAdmin's records, CloudEvents. Never freed. */
const struct gw_pbset *gw_pbset_known(void);
/* Bytes it takes. */
size_t gw_pbset_memory(const struct gw_pbset *s);
/* By full name, "team.v2.Run"; NULL: none. */
const ProtobufCMessageDescriptor *gw_pbset_message(const struct gw_pbset *s, struct gw_str name);
/* Offers the names of all messages. */
void gw_pbset_offer(const struct gw_pbset *s, struct gw_nearest *near);
size_t gw_pbset_count(const struct gw_pbset *s);
const ProtobufCMessageDescriptor *gw_pbset_at(const struct gw_pbset *s, size_t i);

/* A field that proto2 calls required and that is not set, somewhere in m: its name, else NULL. */
const char *gw_pb_missing(const ProtobufCMessage *m);

#endif
