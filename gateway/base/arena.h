#ifndef GW_BASE_ARENA_H
#define GW_BASE_ARENA_H

#include "base/str.h"

#include <stddef.h>

/* Memory that lives as long as one record, request or configuration. One thread at a time; never
 * returns NULL (sizes are bounded at the edge, and out of memory aborts). A thread keeps up to 256
 * KiB of what its arenas give back for those that come. */
struct gw_arena;

struct gw_arena *gw_arena_new(void);
void gw_arena_free(struct gw_arena *a);
/* Gives everything back but the first chunk, ready for the next record. */
void gw_arena_reset(struct gw_arena *a);
/* Aligned for any type, not cleared. */
void *gw_arena_alloc(struct gw_arena *a, size_t size);
void *gw_arena_zalloc(struct gw_arena *a, size_t size);
/* A copy with a NUL behind it. */
char *gw_arena_strndup(struct gw_arena *a, const char *s, size_t len);
/* The same as a slice; the NUL is not counted. An absent one stays absent. */
struct gw_str gw_arena_str(struct gw_arena *a, struct gw_str s);
struct gw_str gw_arena_printf(struct gw_arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Bytes taken from the system, for limits on what is in flight. */
size_t gw_arena_size(const struct gw_arena *a);

#endif
