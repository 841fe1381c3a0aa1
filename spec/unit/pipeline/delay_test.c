#include "pipeline/delay.h"

#include "pipeline/pipeline.h"
#include "test.h"

static int64_t low, high;

static void spread(int64_t initial, int64_t max, uint32_t tries)
{
    struct gw_pipeline_conf c = {.retry = {.initial_ms = initial, .max_ms = max}};
    uint32_t random = 7;

    low = INT64_MAX;
    high = 0;
    for (int i = 0; i < 2000; i++) {
        const int64_t d = gw_delay_ms(&c, tries, &random);

        low = d < low ? d : low;
        high = d > high ? d : high;
    }
}

TEST(test_delay_doubles_and_varies_and_stays_between_initial_and_max)
{
    int64_t before = 0;

    for (uint32_t tries = 1; tries < 100; tries++) {
        spread(100, 30000, tries);
        CHECK(low >= 100 && high <= 30000 && high - low >= 40);
        CHECK(low >= before);
        before = low;
    }
    CHECK(low < 21000 && high > 29000);
    spread(100, 30000, 1);
    CHECK(high <= 150);
    spread(100, 30000, 4);
    CHECK(low < 850 && high > 1150);
}

TEST(test_delay_of_one_length_is_that)
{
    spread(20, 20, 1);
    CHECK(low == 20 && high == 20);
    spread(1, 1, 50);
    CHECK(low == 1 && high == 1);
    spread(86400000, 86400000, UINT32_MAX);
    CHECK(low == 86400000 && high == low);
}
