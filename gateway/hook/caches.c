#include "hook/caches.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/text.h"

#include <pthread.h>
#include <stdlib.h>

enum { SLOTS_MIN = 16, OVERHEAD = 32 /* of an allocation and of its slots */ };

/* Of its cache (by use) and of all caches: the last one was used longest ago. */
enum { OWN, ALL, LISTS };
struct link {
    struct entry *newer, *older;
};

struct entry {
    struct link links[LISTS];
    struct entry *next; /* in its slot */
    struct gw_cache *cache;
    uint64_t hash;
    int64_t set_ns;
    size_t key_len, value_len;
    char bytes[]; /* key, value */
};

struct list {
    struct entry *newest, *oldest;
};

struct gw_cache {
    struct gw_cache *next; /* opened before it */
    struct gw_caches *all;
    struct gw_str name;
    unsigned users;
    struct gw_cache_conf conf;
    struct list list;
    struct entry **slots;
    size_t n, n_slots;
};

struct gw_caches {
    pthread_mutex_t lock;
    struct gw_cache *first; /* opened last */
    size_t n;
    struct list list;
    size_t bytes, max_bytes;
    int64_t offset_ns; /* from the monotonic clock to the time of day, as it was */
};

static void *zeroed(size_t size)
{
    void *p = calloc(1, size);

    if (!p)
        abort();
    return p;
}

/* ---- entries; under the lock ---- */

static size_t cost(size_t key_len, size_t value_len)
{
    return sizeof(struct entry) + OVERHEAD + key_len + value_len;
}

static void list_add(struct list *l, struct entry *e, int which)
{
    struct link *k = &e->links[which];

    *k = (struct link){.older = l->newest};
    *(l->newest ? &l->newest->links[which].newer : &l->oldest) = e;
    l->newest = e;
}

static void list_remove(struct list *l, struct entry *e, int which)
{
    const struct link *k = &e->links[which];

    *(k->newer ? &k->newer->links[which].older : &l->newest) = k->older;
    *(k->older ? &k->older->links[which].newer : &l->oldest) = k->newer;
}

static void lists_add(struct entry *e)
{
    list_add(&e->cache->list, e, OWN);
    list_add(&e->cache->all->list, e, ALL);
}

static void lists_remove(struct entry *e)
{
    list_remove(&e->cache->list, e, OWN);
    list_remove(&e->cache->all->list, e, ALL);
}

static struct entry **slot_of(const struct gw_cache *cache, struct gw_str key, uint64_t hash)
{
    struct entry **at = &cache->slots[hash & (cache->n_slots - 1)];

    while (*at &&
           ((*at)->hash != hash || !gw_str_eq((struct gw_str){(*at)->bytes, (*at)->key_len}, key)))
        at = &(*at)->next;
    return at;
}

static void resize(struct gw_cache *cache, size_t n_slots)
{
    struct entry **old = cache->slots;
    const size_t n = cache->n_slots;

    cache->n_slots = n_slots;
    cache->slots = zeroed(n_slots * sizeof(struct entry *));
    for (size_t i = 0; i < n; i++)
        for (struct entry *e = old[i], *next; e; e = next) {
            struct entry **at = &cache->slots[e->hash & (n_slots - 1)];

            next = e->next;
            e->next = *at;
            *at = e;
        }
    free(old);
}

/* No other slot that was found before is good behind it. */
static void take_out(struct entry **slot)
{
    struct entry *e = *slot;
    struct gw_cache *cache = e->cache;

    *slot = e->next;
    lists_remove(e);
    cache->n--;
    cache->all->bytes -= cost(e->key_len, e->value_len);
    free(e);
    if (cache->n_slots > SLOTS_MIN && cache->n < cache->n_slots / 8)
        resize(cache, cache->n_slots / 2);
}

static void evict(struct entry *e)
{
    take_out(slot_of(e->cache, (struct gw_str){e->bytes, e->key_len}, e->hash));
}

static void keep_bounds(struct gw_caches *c, struct gw_cache *cache)
{
    while (cache && cache->n > cache->conf.max)
        evict(cache->list.oldest);
    while (c->bytes > c->max_bytes)
        evict(c->list.oldest);
}

/* ---- caches ---- */

struct gw_caches *gw_caches_new(void)
{
    struct gw_caches *c = zeroed(sizeof(*c));

    pthread_mutex_init(&c->lock, NULL);
    c->offset_ns = gw_clock_wall_ns() - gw_clock_mono_ns();
    return c;
}

/* The link that leads to it. */
static void remove_cache(struct gw_cache **at)
{
    struct gw_cache *cache = *at;

    while (cache->list.oldest)
        evict(cache->list.oldest);
    *at = cache->next;
    cache->all->n--;
    free(cache->slots);
    free((char *)cache->name.p);
    free(cache);
}

void gw_caches_free(struct gw_caches *c)
{
    if (!c)
        return;
    while (c->first)
        remove_cache(&c->first);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

void gw_caches_bound(struct gw_caches *c, size_t bytes)
{
    pthread_mutex_lock(&c->lock);
    c->max_bytes = bytes;
    keep_bounds(c, NULL);
    pthread_mutex_unlock(&c->lock);
}

int64_t gw_caches_now(const struct gw_caches *c)
{
    return gw_clock_mono_ns() + c->offset_ns;
}

/* Of those that nobody uses, the one that was opened longest ago; NULL: each is in use. */
static struct gw_cache **find_unused(struct gw_caches *c)
{
    struct gw_cache **found = NULL;

    for (struct gw_cache **at = &c->first; *at; at = &(*at)->next)
        if (!(*at)->users)
            found = at;
    return found;
}

static struct gw_cache *add_cache(struct gw_caches *c, struct gw_str name)
{
    char *text;
    struct gw_cache **unused, *cache;

    if (c->n == GW_CACHES_MAX) {
        unused = find_unused(c);
        if (!unused)
            return NULL;
        remove_cache(unused);
    }
    cache = zeroed(sizeof(*cache));
    cache->all = c;
    text = zeroed(name.len + 1);
    memcpy(text, name.p, name.len);
    cache->name = (struct gw_str){text, name.len};
    cache->conf = (struct gw_cache_conf){.max = 10000, .ttl_ns = 300 * (int64_t)1000000000};
    resize(cache, SLOTS_MIN);
    cache->next = c->first;
    c->first = cache;
    c->n++;
    return cache;
}

struct gw_cache *gw_caches_open(struct gw_caches *c, struct gw_str name,
                                const struct gw_cache_conf *conf)
{
    struct gw_cache *cache;

    pthread_mutex_lock(&c->lock);
    for (cache = c->first; cache && !gw_str_eq(cache->name, name); cache = cache->next)
        continue;
    if (!cache)
        cache = add_cache(c, name);
    if (cache) {
        cache->users++;
        if (conf)
            cache->conf = *conf;
        keep_bounds(c, cache);
    }
    pthread_mutex_unlock(&c->lock);
    return cache;
}

void gw_cache_close(struct gw_cache *cache)
{
    struct gw_caches *c = cache->all;

    pthread_mutex_lock(&c->lock);
    cache->users--;
    pthread_mutex_unlock(&c->lock);
}

/* ---- what scripts do ---- */

static int is_old(const struct entry *e, int64_t now_ns)
{
    return e->cache->conf.ttl_ns != INT64_MAX && now_ns - e->set_ns >= e->cache->conf.ttl_ns;
}

int gw_cache_get(struct gw_cache *cache, struct gw_str key, int64_t now_ns, struct gw_arena *mem,
                 struct gw_str *value)
{
    struct gw_caches *c = cache->all;
    const uint64_t hash = gw_hash64_secret(key);
    struct entry **slot, *e;

    pthread_mutex_lock(&c->lock);
    slot = slot_of(cache, key, hash);
    if (*slot && is_old(*slot, now_ns))
        take_out(slot);
    else if (*slot) {
        e = *slot;
        *value = gw_arena_str(mem, (struct gw_str){e->bytes + e->key_len, e->value_len});
        lists_remove(e);
        lists_add(e);
        pthread_mutex_unlock(&c->lock);
        return 1;
    }
    pthread_mutex_unlock(&c->lock);
    return 0;
}

static struct entry *entry_new(struct gw_str key, struct gw_str value)
{
    struct entry *e = malloc(sizeof(*e) + key.len + value.len);

    if (!e)
        abort();
    e->key_len = key.len;
    e->value_len = value.len;
    memcpy(e->bytes, key.p, key.len);
    memcpy(e->bytes + key.len, value.p, value.len);
    return e;
}

int gw_cache_set(struct gw_cache *cache, struct gw_str key, struct gw_str value, int64_t now_ns)
{
    struct gw_caches *c = cache->all;
    struct entry *e = entry_new(key, value), **slot;
    int fits;

    e->cache = cache;
    e->hash = gw_hash64_secret(key);
    e->set_ns = now_ns;
    pthread_mutex_lock(&c->lock);
    slot = slot_of(cache, key, e->hash);
    if (*slot)
        take_out(slot);
    fits = cost(key.len, value.len) <= c->max_bytes;
    if (fits) {
        if (cache->n == cache->n_slots)
            resize(cache, 2 * cache->n_slots);
        slot = &cache->slots[e->hash & (cache->n_slots - 1)];
        e->next = *slot;
        *slot = e;
        lists_add(e);
        cache->n++;
        c->bytes += cost(key.len, value.len);
        keep_bounds(c, cache);
    }
    pthread_mutex_unlock(&c->lock);
    if (!fits)
        free(e);
    return fits ? 0 : -1;
}

void gw_cache_delete(struct gw_cache *cache, struct gw_str key)
{
    struct gw_caches *c = cache->all;
    const uint64_t hash = gw_hash64_secret(key);
    struct entry **slot;

    pthread_mutex_lock(&c->lock);
    slot = slot_of(cache, key, hash);
    if (*slot)
        take_out(slot);
    pthread_mutex_unlock(&c->lock);
}
