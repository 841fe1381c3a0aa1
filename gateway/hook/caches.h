#ifndef GW_HOOK_CACHES_H
#define GW_HOOK_CACHES_H

#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

struct gw_arena;

/* The caches of a pipeline (moongate.cache), by name: bytes to bytes, any thread, a short lock.
 *
 * Invariants
 *  C1 A cache has no more than its `max` entries, and all of them together no more than the bound
 * in bytes, what an entry costs beside its key and value included: the one that was used longest
 *     ago goes first.
 *  C2 An entry older than its cache's ttl is not found. */
enum { GW_CACHES_MAX = 100 };

struct gw_caches;
struct gw_cache;

struct gw_cache_conf {
    size_t max;
    int64_t ttl_ns; /* INT64_MAX: for ever */
};

struct gw_caches *gw_caches_new(void);
void gw_caches_free(struct gw_caches *c);
/* Of all of them; what is over it goes. */
void gw_caches_bound(struct gw_caches *c, size_t bytes);
/* What the time is for the entries: nanoseconds that never jump, near to those since 1970. */
int64_t gw_caches_now(const struct gw_caches *c);

/* Finds or makes one, until gw_cache_close; what it holds stays. conf: from now on; NULL: as it is.
 * NULL: there are too many, and each is in use. */
struct gw_cache *gw_caches_open(struct gw_caches *c, struct gw_str name,
                                const struct gw_cache_conf *conf);
void gw_cache_close(struct gw_cache *cache);
/* 1: *value is a copy on mem; 0: there is none. */
int gw_cache_get(struct gw_cache *cache, struct gw_str key, int64_t now_ns, struct gw_arena *mem,
                 struct gw_str *value);
/* -1: it alone would be over the bound; the entry it had is gone. */
int gw_cache_set(struct gw_cache *cache, struct gw_str key, struct gw_str value, int64_t now_ns);
void gw_cache_delete(struct gw_cache *cache, struct gw_str key);

#endif
