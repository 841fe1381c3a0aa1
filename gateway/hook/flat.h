#ifndef GW_HOOK_FLAT_H
#define GW_HOOK_FLAT_H

#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

struct gw_buf;
struct lua_State;

/* Lua values as bytes that belong to no Lua state: what caches and lookups keep. A value is a tag
 * and what it needs; a table is GW_FLAT_TABLE, keys and values in turn, GW_FLAT_END. In memory
 * only, never stored: free to change. */
enum gw_flat {
    GW_FLAT_END,
    GW_FLAT_NIL,
    GW_FLAT_NULL, /* moongate.json.null */
    GW_FLAT_FALSE,
    GW_FLAT_TRUE,
    GW_FLAT_INT,   /* 8 bytes */
    GW_FLAT_FLOAT, /* 8 bytes */
    GW_FLAT_STR,   /* varint: bytes; the bytes */
    GW_FLAT_TABLE, /* varint: how many of its keys are 1, 2, … */
    GW_FLAT_SHORT  /* from here on: a string of tag - GW_FLAT_SHORT bytes */
};
enum { GW_FLAT_DEPTH = 32 };

void gw_flat_tag(struct gw_buf *b, enum gw_flat tag);
void gw_flat_int(struct gw_buf *b, int64_t n);
void gw_flat_double(struct gw_buf *b, double d);
void gw_flat_str(struct gw_buf *b, struct gw_str s);
void gw_flat_table(struct gw_buf *b, size_t n); /* n keys are 1 to n; ended by GW_FLAT_END */
void gw_flat_varint(struct gw_buf *b, uint64_t n);
/* These take what they read off the front of s. */
uint64_t gw_flat_take_varint(struct gw_str *s);
struct gw_str gw_flat_take_str(struct gw_str *s); /* of a string */
void gw_flat_skip(struct gw_str *s);

/* A copy of the value at idx into b: strings, numbers, booleans, json.null and plain tables of
 * them. Raises for anything else, with its path below `what`. Charged. */
void gw_flat_encode(struct lua_State *L, int idx, const char *what, struct gw_buf *b);
/* Pushes the value at the front of s and takes it off. Charged. */
void gw_flat_push(struct lua_State *L, struct gw_str *s);

#endif
