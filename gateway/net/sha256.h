#ifndef GW_NET_SHA256_H
#define GW_NET_SHA256_H

#include "base/str.h"

struct gw_arena;
struct gw_buf;

enum { GW_SHA256_HEX = 64 };

/* The SHA-256 of a text in hex, lower case, GW_SHA256_HEX characters. */
void gw_sha256_hex_put(struct gw_buf *out, struct gw_str text);
struct gw_str gw_sha256_hex(struct gw_arena *mem, struct gw_str text);

#endif
