#ifndef GW_BASE_CLOCK_H
#define GW_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Function pointers, so that tests move time by hand. Any thread; set them before threads start. */
extern int64_t (*gw_clock_mono_ns)(void); /* never jumps; for deadlines and durations */
extern int64_t (*gw_clock_wall_ns)(void); /* since 1970 UTC; for what people see */

static inline int64_t gw_mono_ms(void)
{
    return gw_clock_mono_ns() / 1000000;
}

/* So long from now by the clock that a condition variable has, for its timed wait. The real time,
 * whatever a test has made of the clocks above. */
struct timespec gw_clock_after(clockid_t id, int64_t ms);

#endif
