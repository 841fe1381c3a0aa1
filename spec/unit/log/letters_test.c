/* Dead letters: listed, changed, bounded, in both types of log. */
#include "letters.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

static struct gw_log_conf of_type(int type)
{
    struct gw_log_conf conf = rig_conf();

    conf.type = type;
    return conf;
}

static const struct gw_dead_letter one = {.reason = "gave_up",
                                          .event_id = GW_STR("id-7"),
                                          .error = GW_STR("503 Service Unavailable"),
                                          .record = GW_STR("bytes\0with a zero"),
                                          .attempts = 5,
                                          .first_at_ns = 7000,
                                          .last_at_ns = 9000};

static void check_one(struct rig *r, int whole)
{
    const struct gw_letter_query q = {.pipeline = "p", .number = 2};
    struct gw_letter l;
    struct gw_err err;
    struct gw_letters *all = gw_letters_open(r->log, &q, whole, &err);

    CHECK(all && gw_letters_next(all, r->mem, &l, &err) == 1);
    CHECK(gw_str_is(l.pipeline, "p") && l.number == 2 && l.at.offset == 9);
    CHECK(!strcmp(l.d.reason, "gave_up") && gw_str_is(l.d.event_id, "id-7"));
    CHECK(gw_str_eq(l.d.error, one.error) && l.d.attempts == 5);
    CHECK(l.d.first_at_ns == 7000 && l.d.last_at_ns == 9000);
    CHECK(whole ? gw_str_eq(l.d.record, one.record) : l.d.record.p == NULL);
    CHECK(gw_letters_next(all, r->mem, &l, &err) == 0);
    gw_letters_close(all);
}

static void lists(int type)
{
    struct gw_log_conf conf = of_type(type);
    struct gw_cursor *q;
    struct gw_err err;
    struct rig r;

    rig_open(&r, &conf);
    q = gw_log_cursor(r.log, "a", GW_START_NEW, NULL, &err);
    rig_append_each(&r, 1, 10, 20);
    CHECK_LETTERS(&r, "");
    CHECK(!letters_put(&r, 3, 50, 1) && !letters_settle(&r, r.cursor, 9, &one));
    CHECK(!letters_settle(&r, q, 4, &one) && !letters_put(&r, 5, 50, 1));
    CHECK_LETTERS(&r, "a/1 p/1 p/2 p/3");
    CHECK(!strcmp(letters_list(&r, &(struct gw_letter_query){.pipeline = "p"}), "p/1 p/2 p/3"));
    CHECK(!strcmp(letters_list(&r, &(struct gw_letter_query){.reason = "gave_up"}), "a/1 p/2"));
    CHECK(!strcmp(letters_list(&r, &(struct gw_letter_query){.number = 1}), "a/1 p/1"));
    CHECK(!strcmp(letters_list(&r, &(struct gw_letter_query){"p", "hook_error", 3}), "p/3"));
    CHECK(!strcmp(letters_list(&r, &(struct gw_letter_query){"p", "gave_up", 3}), ""));
    CHECK(!strcmp(letters_list(&r, &(struct gw_letter_query){.pipeline = "none"}), ""));
    check_one(&r, 0);
    check_one(&r, 1);
    CHECK(rig_stats(&r).dead_lettered == 3);
    if (type == GW_LOG_EMBEDDED) {
        rig_reopen(&r);
        CHECK_LETTERS(&r, "a/1 p/1 p/2 p/3");
        check_one(&r, 1);
        CHECK(!letters_put(&r, 6, 50, 1));
        CHECK_LETTERS(&r, "a/1 p/1 p/2 p/3 p/4");
    }
    rig_close(&r);
}

TEST(test_letters_embedded_lists_what_is_asked_for)
{
    lists(GW_LOG_EMBEDDED);
}

TEST(test_letters_memory_lists_what_is_asked_for)
{
    lists(GW_LOG_MEMORY);
}

/* ---- changes ---- */

static void changes(int type)
{
    const struct gw_dead_letter again = {
        .reason = "rejected", .error = GW_STR("410 Gone"), .attempts = 3, .last_at_ns = 12000};
    struct gw_log_conf conf = of_type(type);
    struct gw_letter_query q = {.pipeline = "p", .number = 2};
    struct gw_letters *all;
    struct gw_letter l;
    struct gw_err err;
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 10, 20);
    CHECK(!letters_put(&r, 1, 50, 1) && !letters_settle(&r, r.cursor, 2, &one));
    CHECK(!letters_put(&r, 3, 50, 1));
    CHECK(letters_change(&r, "p", 1, NULL) && !letters_change(&r, "p", 1, NULL));
    CHECK(!letters_change(&r, "p", 1, &again) && !letters_change(&r, "p", 0, NULL));
    CHECK(!letters_change(&r, "none", 2, NULL) && letters_change(&r, "p", 2, &again));
    all = gw_letters_open(r.log, &q, 1, &err);
    CHECK(all && gw_letters_next(all, r.mem, &l, &err) == 1);
    CHECK(!strcmp(l.d.reason, "rejected") && gw_str_is(l.d.error, "410 Gone"));
    CHECK(l.d.attempts == 8 && l.d.first_at_ns == 7000 && l.d.last_at_ns == 12000);
    CHECK(gw_str_eq(l.d.record, one.record) && gw_str_is(l.d.event_id, "id-7"));
    gw_letters_close(all);
    CHECK_LETTERS(&r, "p/2 p/3");
    CHECK(letters_change(&r, "p", 3, NULL));
    CHECK(rig_stats(&r).dead_lettered == 3); /* what the records have become */
    CHECK(!letters_put(&r, 4, 50, 1));       /* no number is given twice */
    CHECK_LETTERS(&r, "p/2 p/4");
    rig_close(&r);
}

TEST(test_letters_embedded_change_one_by_one)
{
    changes(GW_LOG_EMBEDDED);
}

TEST(test_letters_memory_change_one_by_one)
{
    changes(GW_LOG_MEMORY);
}

TEST(test_letters_never_give_a_number_twice_after_the_newest_went)
{
    struct gw_log_conf conf = rig_conf();
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 5, 20);
    CHECK(!letters_put(&r, 1, 50, 1) && letters_change(&r, "p", 1, NULL));
    rig_reopen(&r);
    CHECK(!letters_put(&r, 2, 50, 1));
    CHECK_LETTERS(&r, "p/2");
    rig_close(&r);
}

TEST(test_letters_are_many_and_each_is_listed_once)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_letters *all;
    struct gw_letter l;
    struct gw_err err;
    struct rig r;
    uint64_t n = 0;

    rig_open(&r, &conf);
    CHECK(!rig_append(&r, 1, 500, 20) && !rig_settle_as(&r, 1, 400, GW_DEAD));
    all = gw_letters_open(r.log, &(struct gw_letter_query){0}, 0, &err);
    while (gw_letters_next(all, r.mem, &l, &err) == 1) {
        CHECK(l.number == ++n);
        if (n == 7) { /* one that is near, one that is far, and others that come */
            CHECK(letters_change(&r, "p", 8, NULL) && letters_change(&r, "p", 399, NULL));
            CHECK(!rig_settle_as(&r, 401, 450, GW_DEAD));
        }
        n += n == 7 || n == 398;
    }
    CHECK(n == 400); /* and none that has come since the open */
    gw_letters_close(all);
    rig_close(&r);
}

/* ---- limits ---- */

static void bounds(int type)
{
    const struct gw_dead_letter again = {.reason = "rejected"};
    struct gw_log_conf conf = of_type(type);
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 20, 20);
    gw_cursor_letters(r.cursor, 1000, 0);
    CHECK(!letters_put(&r, 1, 5000, 1)); /* alone, it is let through */
    CHECK(letters_put(&r, 2, 5, 1) && rig_stats(&r).dead_lettered == 1);
    CHECK(letters_change(&r, "p", 1, NULL));
    CHECK(!letters_put(&r, 2, 400, 1) && !letters_put(&r, 3, 600, 1));
    CHECK(letters_put(&r, 4, 5, 1) && rig_stats(&r).lag == 17);
    rig_settle(&r, 5, 5); /* the others go on */
    CHECK(letters_change(&r, "p", 2, NULL));
    CHECK(letters_put(&r, 4, 401, 1) && !letters_put(&r, 4, 400, 1));
    CHECK(letters_change(&r, "p", 3, &again)); /* its error of 2 bytes is gone */
    CHECK(letters_put(&r, 6, 5, 1));
    if (type == GW_LOG_EMBEDDED) {
        rig_reopen(&r);
        gw_cursor_letters(r.cursor, 1005, 0);
        CHECK(letters_put(&r, 6, 8, 1) && !letters_put(&r, 6, 7, 1));
    }
    gw_cursor_letters(r.cursor, 2000, 0);
    CHECK(!letters_put(&r, 7, 500, 1));
    rig_close(&r);
}

TEST(test_letters_embedded_refuse_what_exceeds_their_bytes)
{
    bounds(GW_LOG_EMBEDDED);
}

TEST(test_letters_memory_refuse_what_exceeds_their_bytes)
{
    bounds(GW_LOG_MEMORY);
}

static int64_t wall;

static int64_t wall_clock(void)
{
    return wall;
}

static void expires(int type)
{
    struct gw_log_conf conf = of_type(type);
    struct rig r;

    gw_clock_wall_ns = wall_clock;
    wall = 100000 * INT64_C(1000000000);
    rig_open(&r, &conf);
    rig_append_each(&r, 1, 400, 20);
    gw_cursor_letters(r.cursor, 1000, 3600 * 1000);
    CHECK(!rig_settle_as(&r, 1, 300, GW_DEAD)); /* more than goes at once; of long ago */
    CHECK(!letters_put(&r, 301, 200, 97000));
    while (letters_put(&r, 302, 800, 99000)) /* until the state writer has come to it */
        CHECK(type == GW_LOG_EMBEDDED);
    CHECK_LETTERS(&r, "p/301 p/302");
    CHECK(letters_put(&r, 303, 5, 99000) && rig_stats(&r).dead_lettered == 302);
    rig_close(&r);
}

TEST(test_letters_embedded_go_when_they_are_old)
{
    expires(GW_LOG_EMBEDDED);
}

TEST(test_letters_memory_go_when_they_are_old)
{
    expires(GW_LOG_MEMORY);
}

/* Of the letter whose record is made of this character: the first page of what did not fit beside
 * its row says which is next, and says nonsense from now on. */
static void damage_letter(char c)
{
    char run[4096], page[4096];
    int fd = open("data/state.db", O_RDWR);
    off_t at = 0;

    memset(run, c, sizeof(run));
    CHECK(fd >= 0);
    while (pread(fd, page, sizeof(page), at) == (ssize_t)sizeof(page) &&
           memcmp(page + 4, run, sizeof(page) - 4) != 0)
        at += (off_t)sizeof(page);
    CHECK(pwrite(fd, "\377\377\377\377", 4, at) == 4 && !close(fd));
}

TEST(test_letters_that_are_damaged_keep_no_others_from_going)
{
    struct gw_log_conf conf = of_type(GW_LOG_EMBEDDED);
    struct rig r;

    gw_clock_wall_ns = wall_clock;
    wall = 100000 * INT64_C(1000000000);
    rig_open(&r, &conf);
    rig_append_each(&r, 1, 20, 20);
    for (int i = 0; i < 10; i++)
        CHECK(!letters_put_of(&r, (uint64_t)i + 1, (char)('a' + i), 20000, 1000 + i));
    rig_close(&r);
    damage_letter('a');
    damage_letter('d');
    rig_open(&r, &conf);
    gw_cursor_letters(r.cursor, 100000, 3600 * 1000);
    while (letters_put(&r, 11, 30000, 99000))
        ;
    CHECK_LETTERS(&r, "p/1 p/4 p/11");
    rig_close(&r);
}

/* ---- beside the writer ---- */

/* As another process sees it: whether somebody holds SQLite's shared lock on state.db. */
static int is_locked(void)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        struct flock l = {
            .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0x40000002, .l_len = 510};
        int fd = open("data/state.db", O_RDWR);

        _exit(fd < 0 || fcntl(fd, F_GETLK, &l) ? 2 : l.l_type != F_UNLCK);
    }
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) < 2);
    return WEXITSTATUS(status);
}

TEST(test_letters_listed_leave_the_writer_its_locks)
{
    struct gw_log_conf conf = rig_conf();
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 2, 20);
    CHECK(!letters_put(&r, 1, 50, 1) && is_locked());
    CHECK_LETTERS(&r, "p/1");
    CHECK(is_locked());
    CHECK(!letters_put(&r, 2, 50, 1));
    rig_close(&r);
    CHECK(!is_locked());
}

/* ---- of what became no record ---- */

static void ingest_letters(int type)
{
    const struct gw_letter_query q = {.pipeline = GW_INGEST, .number = 2};
    struct gw_log_conf conf = of_type(type);
    struct gw_cursor_stats stats[4];
    struct gw_dead_letter fresh = one;
    struct gw_log_stats all;
    struct gw_letters *list;
    struct gw_letter l;
    struct gw_err err;
    struct rig r;

    fresh.last_at_ns = gw_clock_wall_ns(); /* they are kept for 30 days */
    rig_open(&r, &conf);
    rig_append_each(&r, 1, 3, 20);
    CHECK(!letters_add(&r, &fresh) && !letters_put(&r, 1, 50, 1) && !letters_add(&r, &fresh));
    CHECK_LETTERS(&r, "ingest/1 ingest/2 p/1");
    list = gw_letters_open(r.log, &q, 1, &err);
    CHECK(list && gw_letters_next(list, r.mem, &l, &err) == 1);
    CHECK(l.number == 2 && !l.at.offset && gw_str_eq(l.d.record, one.record));
    gw_letters_close(list);
    gw_log_stats(r.log, &all, stats, 4); /* no cursor: it keeps no record, and is no orphan */
    CHECK(all.cursors == 1 && all.orphans == 0);
    CHECK(letters_change(&r, GW_INGEST, 2, NULL) && !letters_change(&r, GW_INGEST, 2, NULL));
    CHECK(letters_change(&r, GW_INGEST, 1, &fresh));
    if (type == GW_LOG_EMBEDDED)
        rig_reopen(&r);
    CHECK(!letters_add(&r, &fresh)); /* the newest went: its number does not come back */
    CHECK_LETTERS(&r, "ingest/1 ingest/3 p/1");
    rig_close(&r);
}

TEST(test_letters_of_ingest_are_listed_changed_and_numbered_once)
{
    ingest_letters(GW_LOG_EMBEDDED);
    ingest_letters(GW_LOG_MEMORY);
}

static void ingest_bounds(int type)
{
    struct gw_log_conf conf = of_type(type);
    struct gw_dead_letter d = one;
    const int64_t size = (int64_t)(d.record.len + d.error.len + d.event_id.len);
    struct rig r;

    rig_open(&r, &conf);
    gw_log_ingest_letters(r.log, 2 * size, 0);
    CHECK(!letters_add(&r, &d) && !letters_add(&r, &d) && letters_add(&r, &d));
    CHECK(letters_change(&r, GW_INGEST, 1, NULL) && !letters_add(&r, &d));
    CHECK_LETTERS(&r, "ingest/2 ingest/3");
    gw_log_ingest_letters(r.log, 2 * size, 1); /* they are of 1970 */
    if (type == GW_LOG_EMBEDDED) {
        while (*letters_list(&r, &(struct gw_letter_query){0}))
            (void)letters_change(&r, GW_INGEST, 99, NULL); /* time goes by */
        CHECK(!letters_add(&r, &d));
    } else {
        CHECK(!letters_add(&r, &d)); /* they go when another comes */
        gw_log_ingest_letters(r.log, 2 * size, 0);
        CHECK_LETTERS(&r, "ingest/4");
    }
    rig_close(&r);
}

TEST(test_letters_of_ingest_are_bounded_and_go_when_they_are_old)
{
    ingest_bounds(GW_LOG_EMBEDDED);
    ingest_bounds(GW_LOG_MEMORY);
}
