#include "hook/lograte.h"

uint64_t gw_lograte_allow(struct gw_lograte *l, int64_t now_ms)
{
    enum { LINE_MS = 1000 / GW_LOG_PER_SECOND, AHEAD_MS = GW_LOG_BURST * LINE_MS };
    int64_t paid = atomic_load(&l->paid_until_ms), next;

    do {
        next = (paid > now_ms ? paid : now_ms) + LINE_MS;
        if (next - now_ms > AHEAD_MS) {
            atomic_fetch_add(&l->left_out, 1);
            return 0;
        }
    } while (!atomic_compare_exchange_weak(&l->paid_until_ms, &paid, next));
    return 1 + atomic_exchange(&l->left_out, 0);
}
