/* How far the workers of a pipeline read: max_in_flight past the lowest record of any of them that
 * has not ended, so that one that is stuck stops all in the end, and what is settled above it stays
 * small. A worker alone needs none of it: its window is that. */
#include "pipeline/worker.h"

static uint64_t lowest(struct gw_pipeline *p)
{
    uint64_t low = UINT64_MAX;

    for (size_t i = 0; i < p->n_workers; i++) {
        uint64_t at = atomic_load(&p->workers[i].reach.low);

        if (!at) /* not open yet: nothing before what anybody has seen is its */
            at = atomic_load(&p->first_seen);
        if (at < low)
            low = at;
    }
    return low;
}

static int within(struct gw_pipeline *p, uint64_t at)
{
    const uint64_t low = lowest(p);

    return at <= low || at - low < (uint64_t)p->conf->max_in_flight;
}

void gw_reach_see(struct gw_worker *w, uint64_t at)
{
    uint64_t none = 0;

    if (!w->reach.next)
        atomic_compare_exchange_strong(&w->pipeline->first_seen, &none, at);
    w->reach.next = at;
}

/* Who waits says so before it looks, who moves looks for those who wait after it has: one of the
 * two sees the other. */
int gw_reach_waits(struct gw_worker *w, uint64_t at)
{
    struct gw_pipeline *p = w->pipeline;

    if (p->n_workers == 1 || within(p, at))
        return 0;
    gw_reach_tell(w);
    atomic_store(&w->reach.waits, 1);
    if (!within(p, at))
        return 1;
    atomic_store(&w->reach.waits, 0);
    return 0;
}

void gw_reach_tell(struct gw_worker *w)
{
    struct gw_pipeline *p = w->pipeline;
    const struct gw_item *oldest = w->window.oldest;
    const uint64_t low = oldest ? oldest->rec.at.offset : w->reach.next;

    if (p->n_workers == 1 || low == w->reach.told)
        return;
    w->reach.told = low;
    atomic_store(&w->reach.low, low);
    for (size_t i = 0; i < p->n_workers; i++)
        if (atomic_load_explicit(&p->workers[i].reach.waits, memory_order_seq_cst) &&
            atomic_exchange(&p->workers[i].reach.waits, 0))
            gw_worker_nudge(&p->workers[i]);
}
