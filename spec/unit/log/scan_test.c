/* Records by time, without a cursor. */
#include "log/segment.h"
#include "logs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* ---- segments ---- */

static int64_t second; /* what the next records have, of the wall clock */

/* n records of `size` in one append, all of this second; numbers from first. */
static void append_at(struct rig *r, int64_t at, uint64_t first, size_t n, size_t size)
{
    struct gw_log_entry *entries;
    struct rig_append a;

    second = at;
    CHECK(!rig_prepare(r, &a, first, n, size));
    entries = (struct gw_log_entry *)a.a.entries;
    for (size_t i = 0; i < n; i++)
        entries[i].received_at_ns = at * 1000000000;
    gw_log_append(r->log, &a.a);
    rig_wait(r, &a);
    CHECK(!a.a.failed);
}

static int64_t second_clock(void)
{
    return second * 1000000000;
}

/* How many records there are from second `from` on, before `to`; *first: the first one's number. */
static uint64_t scan_count(struct rig *r, int64_t from, int64_t to, uint64_t *first, uint64_t *span)
{
    struct gw_scan_progress p;
    struct gw_record rec;
    struct gw_err err = {0};
    struct gw_scan *s = gw_scan_open(r->log, from * 1000000000, to * 1000000000, &err);
    uint64_t n = 0;

    for (; gw_scan_next(s, r->mem, &rec, &err) == 1; n++) {
        CHECK(!rec.damaged);
        if (n == 0)
            *first = rec.at.offset;
        gw_arena_reset(r->mem);
    }
    gw_scan_progress(s, &p);
    CHECK(p.seen == p.span);
    *span = p.span;
    gw_scan_close(s);
    return n;
}

/* Ten segments and more, 100 seconds each; the header's time counts. */
static void fill_segments(struct rig *r, int64_t at)
{
    for (uint64_t i = 0; i < 10; i++)
        for (uint64_t k = 0; k < 10; k++)
            append_at(r, at + (int64_t)(i * 100 + k * 10), 1 + i * 100 + k * 10, 10, 10000);
}

static void bounded_span(int type)
{
    struct gw_log_conf conf = of_type(type);
    uint64_t first, span, all;
    struct rig r;

    gw_clock_wall_ns = second_clock;
    rig_open(&r, &conf);
    fill_segments(&r, 100000);
    CHECK(scan_count(&r, 1, 0, &first, &all) == 1000 && first == 1 && all > 10000000);
    CHECK(scan_count(&r, 100500, 0, &first, &span) == 500 && first == 501 && span < all * 6 / 10);
    CHECK(scan_count(&r, 100500, 100600, &first, &span) == 100 && first == 501);
    CHECK(span < all * 3 / 10);
    CHECK(scan_count(&r, 1, 100050, &first, &span) == 50 && first == 1 && span < all * 2 / 10);
    CHECK(scan_count(&r, 200000, 0, &first, &span) == 0 && span < all * 2 / 10);
    CHECK(scan_count(&r, 1, 2, &first, &span) == 0);
    rig_close(&r);
}

TEST(test_scan_embedded_reads_only_segments_that_can_matter)
{
    bounded_span(GW_LOG_EMBEDDED);
}

TEST(test_scan_memory_reads_only_segments_that_can_matter)
{
    bounded_span(GW_LOG_MEMORY);
}

/* A file's time is the kernel's clock, which is not the test's: as if it were, but for those that
 * the log has set itself. */
static void set_file_times(void)
{
    for (int k = 0; k < 9; k++) {
        const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
                                          {.tv_sec = 100000 + k * 100 + 90}};
        char path[64];
        struct stat st;

        snprintf(path, sizeof(path), "data/segments/%020d", 1 + k * 100);
        CHECK(!stat(path, &st));
        if (st.st_mtim.tv_sec > 1000000)
            CHECK(!utimensat(AT_FDCWD, path, times, 0));
    }
}

/* The clock is put forward for a while, and then back. */
static void jumping(int type)
{
    struct gw_log_conf conf = of_type(type);
    uint64_t first, span;
    struct rig r;

    gw_clock_wall_ns = second_clock;
    rig_open(&r, &conf);
    for (uint64_t i = 0; i < 90; i++) {
        int64_t at = i == 33 || i == 77 ? 900000 : 100000 + (int64_t)i * 10;

        append_at(&r, at, 1 + i * 10, 10, 10000);
    }
    for (int run = 0; run < 2; run++) {
        CHECK(scan_count(&r, 100450, 0, &first, &span) == 460 && first == 331);
        CHECK(scan_count(&r, 100450, 100800, &first, &span) == 340 && first == 451);
        CHECK(scan_count(&r, 800000, 0, &first, &span) == 20 && first == 331);
        CHECK(scan_count(&r, 1, 100890, &first, &span) == 870 && first == 1);
        if (type == GW_LOG_MEMORY)
            break;
        rig_close(&r);
        set_file_times();
        rig_open(&r, &conf);
    }
    rig_close(&r);
}

TEST(test_scan_embedded_finds_all_when_the_clock_jumps)
{
    jumping(GW_LOG_EMBEDDED);
}

TEST(test_scan_memory_finds_all_when_the_clock_jumps)
{
    jumping(GW_LOG_MEMORY);
}

/* ---- what goes, and what is damaged ---- */

static void trimmed_meanwhile(int type)
{
    struct gw_log_conf conf = of_type(type);
    struct gw_scan_progress p = {0};
    struct gw_record rec;
    struct gw_err err;
    struct gw_scan *s;
    uint64_t n = 0, next = 1;
    struct rig r;

    rig_open(&r, &conf);
    for (uint64_t i = 0; i < 50; i++)
        CHECK(rig_append(&r, 1 + i * 10, 10, 10000) == 0);
    s = gw_scan_open(r.log, 0, 0, &err);
    while (gw_scan_next(s, r.mem, &rec, &err) == 1) {
        CHECK(!rec.damaged && rec.at.offset >= next && rec.at.offset <= 500);
        CHECK(strtoull(rec.payload.p, NULL, 10) == rec.at.offset);
        next = rec.at.offset + 1;
        gw_arena_reset(r.mem);
        if (++n == 5) /* their files are renamed, and written anew under the scan */
            for (uint64_t i = 0; i < 30; i++) {
                rig_settle(&r, 1 + i * 10, 10 + i * 10);
                CHECK(rig_append(&r, 501 + i * 10, 10, 10000) == 0);
            }
    }
    gw_scan_progress(s, &p);
    CHECK(next == 501 && p.missed > 150 && n + p.missed == 500 && p.seen == p.span);
    gw_scan_close(s);
    rig_close(&r);
}

TEST(test_scan_embedded_passes_over_what_is_trimmed_and_counts_it)
{
    trimmed_meanwhile(GW_LOG_EMBEDDED);
}

TEST(test_scan_memory_passes_over_what_is_trimmed_and_counts_it)
{
    trimmed_meanwhile(GW_LOG_MEMORY);
}

static void all_trimmed(int type)
{
    struct gw_log_conf conf = of_type(type);
    struct gw_scan_progress p;
    struct gw_record rec;
    struct gw_err err;
    struct gw_scan *s;
    struct rig r;

    rig_open(&r, &conf);
    CHECK(rig_append(&r, 1, 50, 10000) == 0);
    s = gw_scan_open(r.log, 0, 0, &err);
    rig_settle(&r, 1, 50);
    for (uint64_t i = 0; i < 30; i++) {
        CHECK(rig_append(&r, 51 + i * 10, 10, 10000) == 0);
        rig_settle(&r, 51 + i * 10, 60 + i * 10);
    }
    CHECK(gw_scan_next(s, r.mem, &rec, &err) == 0);
    gw_scan_progress(s, &p);
    CHECK(p.missed == 50 && p.seen == p.span);
    gw_scan_close(s);
    rig_close(&r);
}

TEST(test_scan_embedded_of_what_has_gone_is_empty)
{
    all_trimmed(GW_LOG_EMBEDDED);
}

TEST(test_scan_memory_of_what_has_gone_is_empty)
{
    all_trimmed(GW_LOG_MEMORY);
}

static void flip(off_t at)
{
    int fd = open("data/segments/00000000000000000001", O_RDWR);
    char c;

    CHECK(fd >= 0 && pread(fd, &c, 1, at) == 1);
    c ^= 1;
    CHECK(pwrite(fd, &c, 1, at) == 1 && !close(fd));
}

TEST(test_scan_gives_a_damaged_record_as_such_and_goes_on)
{
    struct gw_log_conf conf = rig_conf();
    uint64_t room;
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 20, 1000);
    room = scan_expect(&r, 0, 0, 1, 20) / 20; /* they differ by a few bytes */
    flip((off_t)(GW_SEGMENT_DATA + 4 * room + room / 2));
    for (int headers = 0; headers < 2; headers++) {
        struct gw_record rec;
        struct gw_err err;
        struct gw_scan *s = gw_scan_open(r.log, 1003, headers ? 0 : 1011, &err);

        for (uint64_t n = 3; n <= (headers ? 20 : 10); n++) {
            CHECK(gw_scan_next(s, r.mem, &rec, &err) == 1 && rec.at.offset == n);
            CHECK(rec.damaged == (n == 5 || (headers && n == 12)));
        }
        CHECK(gw_scan_next(s, r.mem, &rec, &err) == 0);
        gw_scan_close(s);
        if (!headers)
            flip((off_t)(GW_SEGMENT_DATA + 11 * room + 40));
    }
    rig_close(&r);
}
