#ifndef SPEC_TEST_ARENA_H
#define SPEC_TEST_ARENA_H

#include "base/arena.h"
#include "test.h"

/* An arena that lives as long as the test's process. Kept in reach, so it is no leak. */
static inline struct gw_arena *test_arena(void)
{
    static struct gw_arena *kept[1024];
    static size_t n;

    CHECK(n < sizeof(kept) / sizeof(kept[0]));
    return kept[n++] = gw_arena_new();
}

#endif
