/* Cursors whose pipelines are gone, and renamed ones. */
#include "letters.h"

static struct gw_log_conf of_type(int type)
{
    struct gw_log_conf conf = rig_conf();

    conf.type = type;
    return conf;
}

static size_t orphans(struct rig *r)
{
    struct gw_log_stats s;

    gw_log_stats(r->log, &s, NULL, 0);
    return s.orphans;
}

static void forgets(int type)
{
    struct gw_log_conf conf = of_type(type);
    struct gw_cursor_stats s;
    struct gw_cursor *other;
    struct gw_err err = {0};
    struct rig r;

    rig_open(&r, &conf);
    other = gw_log_cursor(r.log, "other", GW_START_RETAINED, NULL, &err);
    rig_append_each(&r, 1, 10, 20);
    CHECK(!letters_put(&r, 1, 50, 1));
    for (uint64_t i = 1; i <= 9; i++)
        CHECK(!letters_settle(&r, other, i, NULL));
    CHECK(gw_log_forget(r.log, "other", &err) && err.kind == GW_ERR_REJECT);
    CHECK(gw_log_forget(r.log, "none", &err) && err.kind == GW_ERR_REJECT);
    CHECK(orphans(&r) == 0);
    gw_cursor_release(other);
    CHECK(orphans(&r) == 1);
    other = gw_log_cursor(r.log, "other", GW_START_NEW, NULL, &err); /* it comes back */
    gw_cursor_stats(other, &s);
    CHECK(orphans(&r) == 0 && s.dead_lettered == 9 && s.lag == 1);
    gw_cursor_release(other);
    CHECK(gw_log_forget(r.log, "other", &err) == 0 && orphans(&r) == 0);
    CHECK_LETTERS(&r, "p/1");
    other = gw_log_cursor(r.log, "other", GW_START_NEW, NULL, &err);
    gw_cursor_stats(other, &s);
    CHECK(s.accepted == 0 && s.dead_lettered == 0);
    rig_close(&r);
}

TEST(test_forget_embedded_ends_an_orphan_with_its_letters)
{
    forgets(GW_LOG_EMBEDDED);
}

TEST(test_forget_memory_ends_an_orphan_with_its_letters)
{
    forgets(GW_LOG_MEMORY);
}
