#ifndef GW_PIPELINE_RATE_H
#define GW_PIPELINE_RATE_H

#include <stdatomic.h>
#include <stdint.h>

/* Events a second, of all workers of a pipeline together: a token bucket of BURST that is kept as
 * the moment from which on it holds one token. Zeroed: no limit. Any thread. */
enum { GW_RATE_MAX = 1000000 };

struct gw_rate {
    int64_t every_ns; /* 0: no limit */
    _Atomic int64_t free_at_ns;
};

void gw_rate_init(struct gw_rate *r, int64_t a_second);
/* 0: one may go now; else how long to wait. Waits of less than a hundredth of a second are made one
 * of it, so that a fast pipeline sends several at a time. */
int64_t gw_rate_wait_ms(struct gw_rate *r, int64_t now_ns);
/* One goes: also before its time, the next ones then wait for longer. */
void gw_rate_spend(struct gw_rate *r, int64_t now_ns);

#endif
