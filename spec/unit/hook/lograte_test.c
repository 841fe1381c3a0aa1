/* Log lines of scripts: a burst, then so many a second, and a count of those left out. */
#include "hook/lograte.h"

#include "base/diag.h"
#include "hook/world.h"

TEST(test_lograte_lets_a_burst_through_then_a_line_each_so_often)
{
    struct gw_lograte l = {0};
    int64_t now = 1000000;

    for (int i = 0; i < GW_LOG_BURST; i++)
        CHECK(gw_lograte_allow(&l, now) == 1);
    for (int i = 0; i < 7; i++)
        CHECK(gw_lograte_allow(&l, now) == 0);
    now += 1000 / GW_LOG_PER_SECOND;
    CHECK(gw_lograte_allow(&l, now) == 8 && gw_lograte_allow(&l, now) == 0);
    now += 3600 * 1000;
    for (int i = 0; i < GW_LOG_BURST; i++)
        CHECK(gw_lograte_allow(&l, now) == (i ? 1 : 2));
    CHECK(gw_lograte_allow(&l, now) == 0);
}

static int lines, told;

static void count_line(const char *text, size_t len)
{
    lines++;
    CHECK(len < 20000);
    told |= memmem(text, len, "left_out=", 9) != NULL;
}

static int64_t now_ms = 5000;

static int64_t still_clock(void)
{
    return now_ms;
}

/* Neither a call, nor a load after a stop, nor the next call begins the count anew. */
TEST(test_lograte_holds_over_calls_and_stops)
{
    struct world w;

    gw_hook_now_ms = still_clock;
    gw_diag_sink = count_line;
    world_init(&w);
    w.conf.limits.instructions = 100000;
    world_script(&w, "hook.lua",
                 "local m = require 'moongate' print('loaded')\n"
                 "return function(e) while true do m.log.warn('x', {a = 1}) print('y') end end");
    world_open(&w);
    for (int i = 0; i < 3; i++)
        CHECK(!strcmp(world_call(&w)->reason, "hook_budget"));
    CHECK(lines == GW_LOG_BURST && !told);
    now_ms += 1000;
    CHECK(world_call(&w)->verdict == GW_HOOK_FAILED);
    CHECK(lines == GW_LOG_BURST + GW_LOG_PER_SECOND && told);
    world_close(&w);
}
