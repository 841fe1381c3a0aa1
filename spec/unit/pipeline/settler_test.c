#include "pipeline/settler.h"

#include "log/logs.h"

static int n_settled;

static void on_settled(void *ctx, struct gw_item *items)
{
    (void)ctx;
    CHECK(!items);
    n_settled++;
}

/* The loop does not turn meanwhile, as if each commit took very long. */
TEST(test_settler_has_few_batches_with_the_log_and_all_others_go_in_the_next)
{
    enum { RECORDS = 200, MOST = 64 };
    const struct gw_log_conf conf = rig_conf();
    struct gw_cursor_stats stats;
    struct gw_settler s;
    struct rig r;

    rig_open(&r, &conf);
    CHECK(rig_append(&r, 1, RECORDS, 10) == 0);
    s = (struct gw_settler){
        .log = r.log, .cursor = r.cursor, .loop = r.loop, .settled = on_settled};
    for (uint64_t i = 1; i <= RECORDS; i++) {
        gw_settler_add(&s, (struct gw_position){0, i}, GW_PUBLISHED);
        gw_settler_send(&s);
        CHECK(s.batches == (i < MOST ? i : MOST) && s.waiting == i);
    }
    while (s.batches)
        gw_loop_turn(r.loop, 1);
    CHECK(n_settled == MOST && s.waiting == RECORDS - MOST && s.filling);
    gw_settler_send(&s);
    CHECK(s.batches == 1);
    while (s.batches)
        gw_loop_turn(r.loop, 1);
    CHECK(n_settled == MOST + 1 && !s.waiting && !s.filling);
    gw_cursor_stats(r.cursor, &stats);
    CHECK(stats.published == RECORDS && stats.lag == 0);
    gw_settler_fini(&s);
    rig_close(&r);
}
