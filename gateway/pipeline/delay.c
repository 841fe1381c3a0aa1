#include "pipeline/delay.h"

#include "pipeline/pipeline.h"

static uint32_t next_random(uint32_t *r)
{
    *r ^= *r << 13;
    *r ^= *r >> 17;
    *r ^= *r << 5;
    return *r;
}

int64_t gw_delay_ms(const struct gw_pipeline_conf *conf, uint32_t tries, uint32_t *random)
{
    const int64_t initial = conf->retry.initial_ms, max = conf->retry.max_ms;
    int64_t low, high, d = initial;

    for (uint32_t i = 1; i < tries && d < max; i++)
        d *= 2;
    high = d + d / 2 < max ? d + d / 2 : max;
    low = high - high / 3;
    if (low < initial)
        low = initial < high ? initial : high;
    return low + (int64_t)(next_random(random) % (uint64_t)(high - low + 1));
}
