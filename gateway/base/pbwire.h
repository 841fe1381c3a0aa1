#ifndef GW_BASE_PBWIRE_H
#define GW_BASE_PBWIRE_H

#include "base/str.h"

#include <stdint.h>

struct gw_buf;

/* Protobuf's wire format for small messages that have no compiled schema (gRPC's own services,
 * descriptor sets): fields one after the other, and the same way back. */
enum gw_pbwire_type {
    GW_PBWIRE_VARINT = 0,
    GW_PBWIRE_I64 = 1,
    GW_PBWIRE_BYTES = 2,
    GW_PBWIRE_I32 = 5
};

struct gw_pbwire {
    const char *at, *end;
};

struct gw_pbwire_field {
    uint32_t number;
    enum gw_pbwire_type type;
    uint64_t varint;     /* GW_PBWIRE_VARINT */
    struct gw_str bytes; /* GW_PBWIRE_BYTES; borrowed */
};

/* 1: a field; 0: the end; -1: not protobuf. */
int gw_pbwire_next(struct gw_pbwire *w, struct gw_pbwire_field *out);

void gw_pbwire_put_varint(struct gw_buf *b, uint32_t number, uint64_t value);
void gw_pbwire_put_bytes(struct gw_buf *b, uint32_t number, struct gw_str bytes);
/* A field of len bytes, which the caller writes behind it; the size of such a field, if its number
 * is below 16. */
void gw_pbwire_put_head(struct gw_buf *b, uint32_t number, size_t len);
size_t gw_pbwire_size(size_t len);

#endif
