#include "base/clock.h"

static int64_t read_clock(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t mono_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

static int64_t wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t (*gw_clock_mono_ns)(void) = mono_ns;
int64_t (*gw_clock_wall_ns)(void) = wall_ns;

struct timespec gw_clock_after(clockid_t id, int64_t ms)
{
    struct timespec t;

    clock_gettime(id, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}
