#include "pipeline/rate.h"

enum { SECOND_NS = 1000000000, MS_NS = 1000000, BURST_NS = 50 * MS_NS, STEP_NS = 10 * MS_NS };

void gw_rate_init(struct gw_rate *r, int64_t a_second)
{
    r->every_ns = a_second > 0 ? SECOND_NS / a_second : 0;
    atomic_init(&r->free_at_ns, 0);
}

int64_t gw_rate_wait_ms(struct gw_rate *r, int64_t now_ns)
{
    int64_t wait;

    if (!r->every_ns)
        return 0;
    wait = atomic_load_explicit(&r->free_at_ns, memory_order_relaxed) - now_ns;
    if (wait <= 0)
        return 0;
    if (r->every_ns < STEP_NS)
        wait += STEP_NS;
    return (wait + MS_NS - 1) / MS_NS;
}

void gw_rate_spend(struct gw_rate *r, int64_t now_ns)
{
    int64_t free_at, next;

    if (!r->every_ns)
        return;
    free_at = atomic_load_explicit(&r->free_at_ns, memory_order_relaxed);
    do {
        next = free_at < now_ns - BURST_NS ? now_ns - BURST_NS : free_at;
        next += r->every_ns;
    } while (!atomic_compare_exchange_weak_explicit(&r->free_at_ns, &free_at, next,
                                                    memory_order_relaxed, memory_order_relaxed));
}
