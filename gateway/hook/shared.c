#include "hook/shared.h"

#include "hook/caches.h"
#include "hook/counters.h"
#include "hook/lograte.h"
#include "hook/lookups.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct gw_hook_shared {
    _Atomic unsigned refs;
    char *pipeline;
    struct gw_counters *counters;
    struct gw_lograte lograte;
    struct gw_caches *caches;
    struct gw_lookups *lookups;
    struct gw_hook_shared *of; /* held: whose caches and lookups these are; NULL: its own */
};

static struct gw_hook_shared *without_stores(const char *pipeline, struct gw_metrics *metrics)
{
    struct gw_hook_shared *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    s->refs = 1;
    s->pipeline = strdup(pipeline ? pipeline : "");
    if (!s->pipeline)
        abort();
    s->counters = gw_counters_new(s->pipeline, metrics);
    return s;
}

struct gw_hook_shared *gw_hook_shared_new(const char *pipeline, struct gw_metrics *metrics)
{
    struct gw_hook_shared *s = without_stores(pipeline, metrics);

    s->caches = gw_caches_new();
    s->lookups = gw_lookups_new(s->pipeline);
    return s;
}

struct gw_hook_shared *gw_hook_shared_hold(struct gw_hook_shared *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void gw_hook_shared_drop(struct gw_hook_shared *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1)
        return;
    gw_hook_shared_drop(s->of);
    gw_counters_free(s->counters);
    gw_caches_free(s->caches);
    gw_lookups_free(s->lookups);
    free(s->pipeline);
    free(s);
}

struct gw_hook_shared *gw_hook_shared_aside(struct gw_hook_shared *s)
{
    struct gw_hook_shared *aside = without_stores(s->pipeline, NULL);

    aside->of = gw_hook_shared_hold(s->of ? s->of : s);
    return aside;
}

struct gw_counters *gw_hook_shared_counters(struct gw_hook_shared *s)
{
    return s->counters;
}

struct gw_lograte *gw_hook_shared_lograte(struct gw_hook_shared *s)
{
    return s->of ? &s->of->lograte : &s->lograte;
}

struct gw_caches *gw_hook_shared_caches(struct gw_hook_shared *s)
{
    return s->of ? s->of->caches : s->caches;
}

struct gw_lookups *gw_hook_shared_lookups(struct gw_hook_shared *s)
{
    return s->of ? s->of->lookups : s->lookups;
}

void gw_hook_shared_files(struct gw_hook_shared *s, void (*fn)(void *ctx, const char *path),
                          void *ctx)
{
    gw_lookups_each(gw_hook_shared_lookups(s), fn, ctx);
}

size_t gw_hook_shared_refresh(struct gw_hook_shared *s)
{
    return gw_lookups_refresh(gw_hook_shared_lookups(s));
}

int gw_hook_shared_waits(struct gw_hook_shared *s)
{
    return gw_lookups_wait(gw_hook_shared_lookups(s));
}
