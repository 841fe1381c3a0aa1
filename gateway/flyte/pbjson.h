#ifndef GW_FLYTE_PBJSON_H
#define GW_FLYTE_PBJSON_H

#include "base/str.h"

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

/* Inside the room: what the JSON writer and reader share. */

enum { GW_PB_ENTRY_KEY, GW_PB_ENTRY_VALUE }; /* fields of a map's entry */
/* The entries of a map by key, the last one first among those of one key (it is the one that
 * counts). Freed by the caller. */
ProtobufCMessage **gw_pb_map_sorted(ProtobufCMessage *const *entries, size_t n);
/* The same key. */
int gw_pb_same_key(const ProtobufCMessage *a, const ProtobufCMessage *b);

/* A map's entries by key, of each key the one that counts. */
enum { GW_PB_MAP_FEW = 16 };
struct gw_pb_map {
    ProtobufCMessage *const *entries;
    size_t n;
    ProtobufCMessage *few[GW_PB_MAP_FEW]; /* where they are, if there is room */
    ProtobufCMessage **many;
};
void gw_pb_map_open(struct gw_pb_map *out, const ProtobufCMessage *m,
                    const ProtobufCFieldDescriptor *f);
void gw_pb_map_close(struct gw_pb_map *map);

/* google.protobuf.Duration. */
int gw_duration_parse(struct gw_str s, int64_t *sec, int32_t *nanos);

/* JSON's number texts. -1: no number, or out of range, or (integers) a fraction. */
struct gw_arena;
int gw_number_double(struct gw_arena *mem, struct gw_str s, double *out);
int gw_number_i64(struct gw_arena *mem, struct gw_str s, int64_t *out);
int gw_number_u64(struct gw_arena *mem, struct gw_str s, uint64_t *out);

#endif
