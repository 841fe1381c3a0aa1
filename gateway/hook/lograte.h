#ifndef GW_HOOK_LOGRATE_H
#define GW_HOOK_LOGRATE_H

#include <stdatomic.h>
#include <stdint.h>

/* How many log lines the scripts of a pipeline may write: at once, and a second in the long run.
 * Zeroed is ready. Any thread. */
enum { GW_LOG_BURST = 500, GW_LOG_PER_SECOND = 50 };

struct gw_lograte {
    _Atomic int64_t paid_until_ms; /* every line moves it on; it may not be far ahead of now */
    _Atomic uint64_t left_out;
};

/* 0: this line is left out. Else 1 plus how many were left out since the last one. */
uint64_t gw_lograte_allow(struct gw_lograte *l, int64_t now_ms);

#endif
