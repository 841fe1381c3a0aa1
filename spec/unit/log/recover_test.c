/* What a start makes of damaged and torn segments. */
#include "log/recover.h"

#include "log/segment.h"
#include "logs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- segment files ---- */

/* Path of the i-th segment in use, in order. */
static char *segment(size_t i)
{
    static char path[300];
    struct dirent **names;
    int n = scandir("data/segments", &names, NULL, alphasort);
    size_t seen = 0;

    path[0] = '\0';
    for (int k = 0; k < n; k++) {
        if (strlen(names[k]->d_name) == 20 && seen++ == i)
            snprintf(path, sizeof(path), "data/segments/%s", names[k]->d_name);
        free(names[k]);
    }
    free(names);
    CHECK(path[0]);
    return path;
}

struct file {
    char *p;
    size_t len;
};

static char *slurped; /* one file at a time */

static void drop_slurped(void)
{
    free(slurped);
}

static struct file slurp(const char *path)
{
    int fd = open(path, O_RDONLY);
    struct stat st;
    struct file f;

    CHECK(fd >= 0 && !fstat(fd, &st) && !slurped);
    f.len = (size_t)st.st_size;
    slurped = f.p = malloc(f.len + 1);
    atexit(drop_slurped);
    CHECK(f.p && read(fd, f.p, f.len) == (ssize_t)f.len);
    close(fd);
    return f;
}

static void spit(const char *path, const char *p, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    CHECK(fd >= 0 && write(fd, p, len) == (ssize_t)len);
    close(fd);
}

static void overwrite(const char *path, size_t at, const void *p, size_t len)
{
    int fd = open(path, O_WRONLY);

    CHECK(fd >= 0 && pwrite(fd, p, len, (off_t)at) == (ssize_t)len);
    close(fd);
}

static uint32_t seed_of(const struct file *f)
{
    uint64_t first, salt;

    CHECK(!gw_segment_head_get(f->p, &first, &salt));
    return gw_header_seed(salt);
}

/* Offset of the record with that sequence; header in *h. */
static size_t find(const struct file *f, uint64_t sequence, struct gw_header *h)
{
    for (size_t at = GW_SEGMENT_DATA; at + GW_HEADER <= f->len; at += GW_SEGMENT_ALIGN)
        if (!gw_header_get(f->p + at, seed_of(f), h) && h->sequence == sequence)
            return at;
    CHECK(!"no such record");
    return 0;
}

/* Looks like a kill -9: nothing is closed. */
static void killed(void (*fn)(struct rig *), const struct gw_log_conf *conf)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        struct rig r;

        alarm(30);
        rig_open(&r, conf);
        fn(&r);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

/* ---- a torn tail ---- */

/* Three commit groups; the last one holds a batch of three and, as one append, a single. */
static void three_groups(struct rig *r)
{
    rig_append_each(r, 1, 5, 30);
    CHECK(rig_append(r, 6, 4, 20) == 0);
    CHECK(rig_append(r, 10, 3, 25) == 0);
}

TEST(test_recover_cuts_a_torn_tail_at_every_byte)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_header h, last;
    struct file whole;
    size_t from, to;
    char path[300];

    killed(three_groups, &conf);
    snprintf(path, sizeof(path), "%s", segment(0));
    whole = slurp(path);
    from = find(&whole, 10, &h);
    to = find(&whole, 12, &last) + (size_t)gw_record_room(last.len);
    CHECK(h.group_first == 10 && h.ends_append == 0 && last.ends_append);
    for (size_t cut = from; cut <= to; cut++) {
        struct gw_tail t;
        int fd;

        spit("torn", whole.p, cut);
        fd = open("torn", O_RDWR);
        CHECK(!gw_recover_tail(fd, 1, cut, seed_of(&whole), &t));
        CHECK(t.last == (cut < to ? 9 : 12) && t.end == (cut < to ? from : to));
        CHECK(!ftruncate(fd, (off_t)whole.len)); /* zeros behind the cut */
        CHECK(!gw_recover_tail(fd, 1, whole.len, seed_of(&whole), &t));
        CHECK(t.last == (cut < to - 8 ? 9 : 12) || cut >= to - 8);
        close(fd);
    }
}

static void opens_with(const char *path, const struct file *f, size_t keep, uint64_t last)
{
    struct gw_log_conf conf = rig_conf();
    struct rig r;

    spit(path, f->p, keep);
    (void)unlink("data/state.db");
    (void)unlink("data/state.db-wal");
    spit("data/state.db.lost", "", 0);
    rig_open(&r, &conf);
    rig_expect(&r, 1, last);
    CHECK(rig_append(&r, last + 1, 2, 5) == 0); /* and goes on behind it */
    rig_expect(&r, last + 1, last + 2);
    rig_reopen(&r);
    rig_expect(&r, 1, last + 2);
    rig_close(&r);
}

TEST(test_recover_goes_on_behind_a_torn_tail)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_header h;
    struct file whole;
    char path[300];
    size_t from, second;

    killed(three_groups, &conf);
    snprintf(path, sizeof(path), "%s", segment(0));
    whole = slurp(path);
    from = find(&whole, 10, &h);
    second = find(&whole, 11, &h);
    opens_with(path, &whole, from, 9);
    opens_with(path, &whole, from + 20, 9);
    opens_with(path, &whole, second, 9);
    opens_with(path, &whole, second + GW_HEADER + 3, 9);
    opens_with(path, &whole, whole.len, 12);
    memset(whole.p + from, 0, GW_HEADER); /* the block with the first header never came */
    opens_with(path, &whole, whole.len, 9);
    opens_with(path, &whole, GW_SEGMENT_DATA, 0);
}

/* What a cut group left further on must not come back when later records end just before it. */
static void torn_then_shorter(struct rig *r)
{
    rig_append_each(r, 1, 3, 100);
    CHECK(rig_append(r, 4, 50, 100) == 0);
}

TEST(test_recover_does_not_bring_back_what_it_cut)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_header h;
    struct file f;
    struct rig r;
    size_t at;

    killed(torn_then_shorter, &conf);
    f = slurp(segment(0));
    at = find(&f, 4, &h);
    overwrite(segment(0), at + GW_HEADER, "\xff\xff", 2); /* torn: its first payload */
    rig_open(&r, &conf);
    rig_expect(&r, 1, 3);
    CHECK(rig_append(&r, 1004, 1, 100) == 0);
    rig_reopen(&r);
    for (uint64_t n = 1; n <= 3; n++)
        CHECK(rig_next(&r, &(struct gw_record){0}) == n);
    CHECK(rig_next(&r, &(struct gw_record){0}) == 1004);
    CHECK(rig_next(&r, &(struct gw_record){0}) == 0);
    CHECK(rig_stats(&r).accepted == 4 && rig_cuts == 1);
    rig_close(&r);
}

/* ---- damage before the last group ---- */

/* Reads 1 to last; those from lost to lost_end come damaged, the others whole. */
static void expect_but(struct rig *r, uint64_t last, uint64_t lost, uint64_t lost_end)
{
    for (uint64_t n = 1; n <= last; n++) {
        struct gw_record rec;
        uint64_t got = rig_next(r, &rec);
        int damaged = n >= lost && n <= lost_end;

        CHECK(rec.at.offset == n && rec.damaged == damaged && got == (damaged ? 0 : n));
        gw_arena_reset(r->mem);
    }
    CHECK(rig_next(r, &(struct gw_record){0}) == 0);
}

static void twenty(struct rig *r)
{
    rig_append_each(r, 1, 20, 50);
}

TEST(test_recover_keeps_all_but_a_record_with_a_flipped_bit)
{
    struct gw_log_conf conf = rig_conf();
    struct file f;
    struct gw_header h;
    size_t at;
    char path[300];

    killed(twenty, &conf);
    snprintf(path, sizeof(path), "%s", segment(0));
    f = slurp(path);
    at = find(&f, 7, &h);
    for (size_t bit = 0; bit < 8 * (GW_HEADER + h.len); bit += 11) {
        struct rig r;
        char byte = (char)(f.p[at + bit / 8] ^ 1 << bit % 8);

        spit(path, f.p, f.len);
        overwrite(path, at + bit / 8, &byte, 1);
        rig_open(&r, &conf);
        expect_but(&r, 20, 7, 7);
        CHECK(rig_append(&r, 21, 1, 5) == 0);
        CHECK(rig_next(&r, &(struct gw_record){0}) == 21);
        rig_close(&r);
        CHECK(!unlink("data/state.db"));
        spit("data/state.db.lost", "", 0);
    }
}

TEST(test_recover_counts_what_is_damaged_as_dead_letters_of_the_pipeline)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_cursor_stats s;
    struct gw_header h;
    struct file f;
    struct rig r;
    size_t at;

    killed(twenty, &conf);
    f = slurp(segment(0));
    at = find(&f, 5, &h);
    memset(f.p + at, 0xff, find(&f, 8, &h) - at); /* 5, 6 and 7: headers and all */
    spit(segment(0), f.p, f.len);
    rig_open(&r, &conf);
    expect_but(&r, 20, 5, 7);
    rig_settle(&r, 1, 4);
    rig_settle_as(&r, 5, 7, GW_DEAD);
    rig_settle(&r, 8, 20);
    s = rig_stats(&r);
    CHECK(s.accepted == 20 && s.published == 17 && s.dead_lettered == 3 && s.lag == 0);
    rig_close(&r);
}

TEST(test_recover_takes_a_header_in_a_payload_for_what_it_is)
{
    struct gw_log_conf conf = rig_conf();
    struct rig r;
    struct gw_arena *mem = gw_arena_new();
    struct gw_record rec = rig_record(mem, 2, 10), got;
    struct rig_append a;
    struct gw_header h;
    struct gw_buf b;
    struct file f;
    char *forged = gw_arena_zalloc(mem, 4096);
    size_t at;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 1, 10);
    for (size_t i = 0; i < 8; i++) /* at every alignment, with a seed that everybody knows */
        gw_header_put(forged + i * (GW_HEADER + 1),
                      &(struct gw_header){.sequence = 3, .group_first = 3, .ends_append = 1},
                      gw_header_seed(0));
    rec.payload = (struct gw_str){forged, 4096};
    gw_buf_init(&b, 1 << 20, mem);
    gw_record_put(&b, &rec);
    CHECK(!rig_prepare(&r, &a, 2, 1, 8000));
    ((struct gw_log_entry *)(uintptr_t)a.a.entries)->bytes = gw_buf_str(&b);
    gw_log_append(r.log, &a.a);
    rig_wait(&r, &a);
    rig_append_each(&r, 3, 5, 10);
    rig_close(&r);
    f = slurp(segment(0));
    at = find(&f, 2, &h);
    overwrite(segment(0), at, "\0\0\0\0", 4);
    rig_open(&r, &conf);
    CHECK(rig_next(&r, &got) == 1);
    CHECK(rig_next(&r, &got) == 0 && got.damaged && got.at.offset == 2);
    rig_expect(&r, 3, 5);
    rig_close(&r);
    gw_arena_free(mem);
}

/* ---- several segments ---- */

static void three_segments(struct rig *r)
{
    rig_append_each(r, 1, 30, 100 * 1024);
}

TEST(test_recover_tells_of_a_segment_that_is_gone)
{
    struct gw_log_conf conf = rig_conf();
    char path[300], next[300];
    uint64_t first, end;
    struct rig r;

    killed(three_segments, &conf);
    snprintf(path, sizeof(path), "%s", segment(1));
    snprintf(next, sizeof(next), "%s", segment(2));
    first = strtoull(strrchr(path, '/') + 1, NULL, 10);
    end = strtoull(strrchr(next, '/') + 1, NULL, 10);
    CHECK(!unlink(path));
    rig_open(&r, &conf);
    expect_but(&r, 30, first, end - 1);
    CHECK(rig_stats(&r).lag == 30);
    rig_close(&r);
}

TEST(test_recover_reads_a_segment_without_its_heads)
{
    struct gw_log_conf conf = rig_conf();
    static const char zeros[GW_SEGMENT_DATA];
    struct gw_err err;
    struct rig r;

    killed(three_segments, &conf);
    overwrite(segment(2), 0, zeros, sizeof(zeros));
    overwrite(segment(1), 0, zeros, 100);
    rig_open(&r, &conf);
    rig_expect(&r, 1, 30);
    rig_close(&r);
    overwrite(segment(0), 0, zeros, sizeof(zeros));
    overwrite(segment(1), 0, zeros, sizeof(zeros));
    overwrite(segment(2), 0, zeros, sizeof(zeros));
    CHECK(!gw_log_open(&conf, NULL, rig_failed, NULL, &err)); /* refused, not taken for empty */
    CHECK(strstr(err.msg, "heads") && strstr(err.msg, "cd data && mv segments segments.damaged"));
    CHECK(!rename("data/segments", "data/segments.damaged"));
    rig_open(&r, &conf);
    rig_append_each(&r, 1, 3, 10);
    rig_expect(&r, 1, 3);
    rig_close(&r);
}

TEST(test_recover_does_not_take_old_data_of_a_segment_for_records)
{
    struct gw_log_conf conf = rig_conf();
    uint64_t n = 0;
    struct rig r;

    rig_open(&r, &conf);
    for (int round = 0; round < 6; round++) { /* all segments have been written before */
        rig_append_each(&r, n + 1, n + 12, 100 * 1024);
        rig_expect(&r, n + 1, n + 12);
        rig_settle(&r, n + 1, n + 12);
        n += 12;
    }
    for (int i = 0; i < 14; i++) { /* a close at many places of a segment used again */
        rig_append_each(&r, n + 1, n + 1, 100 * 1024);
        rig_reopen(&r);
        rig_expect(&r, n + 1, n + 1);
        rig_settle(&r, n + 1, n + 1);
        n++;
        CHECK(rig_stats(&r).accepted == n && rig_stats(&r).lag == 0);
    }
    CHECK(rig_cuts == 0);
    rig_close(&r);
}

TEST(test_recover_never_gives_the_number_of_a_settled_record_again)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_header h;
    struct file f;
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 20, 50);
    rig_settle(&r, 1, 18);
    rig_settle(&r, 20, 20);
    rig_close(&r);
    f = slurp(segment(0));
    CHECK(!truncate(segment(0), (off_t)find(&f, 17, &h)));
    rig_open(&r, &conf);
    CHECK(rig_stats(&r).accepted == 20 && rig_stats(&r).lag == 1);
    CHECK(rig_append(&r, 21, 1, 50) == 0);
    for (uint64_t n = 19; n <= 21; n += 2) {
        struct gw_record rec;

        CHECK(rig_next(&r, &rec) == (n == 19 ? 0 : 21) && rec.at.offset == n);
        CHECK(rec.damaged == (n == 19));
    }
    rig_close(&r);
}

TEST(test_recover_finds_everything_after_a_kill)
{
    struct gw_log_conf conf = rig_conf();
    struct rig r;

    killed(three_segments, &conf);
    rig_open(&r, &conf);
    rig_expect(&r, 1, 30);
    CHECK(rig_append(&r, 31, 1, 10) == 0);
    rig_expect(&r, 31, 31);
    rig_close(&r);
}
