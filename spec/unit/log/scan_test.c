/* Records by time, without a cursor. */
#include "logs.h"

static struct gw_log_conf of_type(int type)
{
    struct gw_log_conf conf = rig_conf();

    conf.type = type;
    return conf;
}

/* The numbers that the records tell, first to last without a gap. */
static uint64_t scan_expect(struct rig *r, int64_t from, int64_t to, uint64_t first, uint64_t last)
{
    struct gw_scan_progress p;
    struct gw_record rec;
    struct gw_err err = {0};
    struct gw_scan *s = gw_scan_open(r->log, from, to, &err);

    CHECK(s);
    for (uint64_t n = first; n <= last; n++) {
        CHECK(gw_scan_next(s, r->mem, &rec, &err) == 1 && !rec.damaged);
        CHECK(strtoull(rec.payload.p, NULL, 10) == n && rec.received_at_ns == (int64_t)(1000 + n));
        CHECK(rec.at.offset == n && rec.encoded.len > rec.payload.len);
        gw_scan_progress(s, &p);
        CHECK(p.seen <= p.span && p.seen > 0);
        gw_arena_reset(r->mem);
    }
    CHECK(gw_scan_next(s, r->mem, &rec, &err) == 0 && gw_scan_next(s, r->mem, &rec, &err) == 0);
    gw_scan_progress(s, &p);
    CHECK(p.seen == p.span && p.missed == 0);
    gw_scan_close(s);
    return p.span;
}

static void by_time(int type)
{
    struct gw_log_conf conf = of_type(type);
    struct rig r;

    rig_open(&r, &conf);
    CHECK(scan_expect(&r, 0, 0, 1, 0) == 0);
    rig_append_each(&r, 1, 100, 50);
    CHECK(scan_expect(&r, 0, 0, 1, 100) > 10000);
    scan_expect(&r, 1040, 0, 40, 100);
    scan_expect(&r, 1040, 1061, 40, 60);
    scan_expect(&r, 0, 1011, 1, 10);
    scan_expect(&r, 1101, 0, 1, 0);
    rig_settle(&r, 1, 50); /* they are kept while their segment is */
    scan_expect(&r, 1040, 0, 40, 100);
    if (type == GW_LOG_EMBEDDED) {
        rig_reopen(&r);
        scan_expect(&r, 1040, 0, 40, 100);
    }
    rig_close(&r);
}

TEST(test_scan_embedded_gives_records_by_time)
{
    by_time(GW_LOG_EMBEDDED);
}

TEST(test_scan_memory_gives_records_by_time)
{
    by_time(GW_LOG_MEMORY);
}
