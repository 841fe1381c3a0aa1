/* A disk that is held or broken: gw_log_sync is the fault pointer (L1, L3, L5, L7). */
#include "log/log.h"

#include "logs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int held, waiting, failing, tried;

static int faulty_sync(int fd)
{
    int rc;

    pthread_mutex_lock(&lock);
    tried++;
    while (held) {
        waiting = 1;
        pthread_cond_broadcast(&changed);
        pthread_cond_wait(&changed, &lock);
    }
    waiting = 0;
    rc = failing ? -1 : 0;
    pthread_mutex_unlock(&lock);
    if (rc)
        errno = EIO;
    return rc ? rc : fdatasync(fd);
}

/* Whether a segment had something to write back when its sync was asked for. */
static int segment_synced_after_write;

static int watching_sync(int fd)
{
    char link[64], path[4096] = "";

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    if (readlink(link, path, sizeof(path) - 1) > 0 && strstr(path, "/segments/")) {
        struct stat st;

        CHECK(!fstat(fd, &st));
        if (st.st_mtim.tv_sec != 1) /* it was set back; a write has set it again */
            segment_synced_after_write = 1;
    }
    return fdatasync(fd);
}

static void hold(void)
{
    gw_log_sync = faulty_sync;
    pthread_mutex_lock(&lock);
    held = 1;
    pthread_mutex_unlock(&lock);
}

static void wait_until_held(void)
{
    pthread_mutex_lock(&lock);
    while (!waiting)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static void let_go(int fail)
{
    pthread_mutex_lock(&lock);
    held = 0;
    failing = fail;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

TEST(test_log_says_kept_only_after_the_sync)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_record rec;
    struct rig_append a, b;
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 3, 10);
    rig_expect(&r, 1, 3);
    hold();
    CHECK(!rig_prepare(&r, &a, 4, 1, 10) && !rig_prepare(&r, &b, 5, 2, 10));
    gw_log_append(r.log, &a.a);
    wait_until_held();
    gw_log_append(r.log, &b.a);
    gw_loop_turn(r.loop, 0);
    CHECK(!a.done && !b.done);
    CHECK(rig_next(&r, &rec) == 0 && rig_stats(&r).accepted == 3);
    let_go(0);
    rig_wait(&r, &a);
    rig_wait(&r, &b);
    CHECK(!a.a.failed && !b.a.failed);
    rig_expect(&r, 4, 6);
    rig_close(&r);
}

TEST(test_log_moves_no_cursor_before_the_sync_of_the_state)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_settled item = {{0, 1}, GW_PUBLISHED, NULL, 0};
    struct rig_settle s = {.s = {.mail.fn = rig_settled, .items = &item, .n = 1}};
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 2, 10);
    s.s.reply = r.loop;
    s.s.cursor = r.cursor;
    hold();
    gw_log_settle(r.log, &s.s);
    wait_until_held();
    gw_loop_turn(r.loop, 0);
    CHECK(!s.done && rig_stats(&r).published == 0 && rig_stats(&r).lag == 2);
    let_go(0);
    while (!s.done)
        gw_loop_turn(r.loop, 1);
    CHECK(!s.s.failed && rig_stats(&r).published == 1);
    rig_close(&r);
}

TEST(test_log_fails_all_that_wait_on_a_failed_sync_and_keeps_nothing_more)
{
    struct gw_log_conf conf = rig_conf();
    struct rig_append a[10];
    struct gw_record rec;
    struct gw_err err;
    struct rig r;
    int syncs;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 3, 10);
    hold();
    for (size_t i = 0; i < 10; i++) {
        CHECK(!rig_prepare(&r, &a[i], 4 + i, 1, 10));
        gw_log_append(r.log, &a[i].a);
    }
    wait_until_held();
    let_go(1);
    for (size_t i = 0; i < 10; i++) {
        rig_wait(&r, &a[i]);
        CHECK(a[i].a.failed && a[i].a.err.kind == GW_ERR_RETRY);
    }
    rig_expect(&r, 1, 3);
    while (!rig_failures) /* said on the writer's thread */
        sched_yield();
    CHECK(rig_failures == 1);
    failing = 0;
    syncs = tried;
    CHECK(gw_log_reserve(r.log, 10, &err) && err.kind == GW_ERR_RETRY);
    CHECK(gw_log_full(r.log));
    CHECK(rig_next(&r, &rec) == 0 && rig_stats(&r).accepted == 3);
    gw_reader_close(r.reader);
    r.reader = NULL;
    CHECK(tried == syncs); /* never again */
    rig_close(&r);
    CHECK(rig_failures == 1);
}

TEST(test_log_after_a_failed_sync_goes_on_with_what_was_kept)
{
    const struct timespec times[2] = {{1, 0}, {1, 0}};
    struct gw_log_conf conf = rig_conf();
    struct gw_record rec;
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 3, 10);
    gw_log_sync = faulty_sync;
    failing = 1;
    CHECK(rig_append(&r, 4, 1, 10) == 1);
    failing = 0;
    rig_close(&r);
    CHECK(!utimensat(AT_FDCWD, "data/segments/00000000000000000001", times, 0));
    gw_log_sync = watching_sync;
    rig_open(&r, &conf);
    CHECK(segment_synced_after_write); /* the last group is written and synced again */
    for (uint64_t n = 1; n <= 3; n++)
        CHECK(rig_next(&r, &rec) == n);
    if (rig_next(&r, &rec)) /* the one that failed may be there */
        CHECK(rec.at.offset == 4 && rig_next(&r, &rec) == 0);
    rig_close(&r);
}

TEST(test_log_ends_when_the_state_cannot_be_synced)
{
    struct gw_log_conf conf = rig_conf();
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 5, 10);
    gw_log_sync = faulty_sync;
    failing = 1;
    CHECK(rig_settle_as(&r, 1, 5, GW_PUBLISHED) == 1 && rig_failures == 1);
    CHECK(rig_stats(&r).published == 0 && rig_stats(&r).lag == 5);
    CHECK(rig_settle_as(&r, 1, 5, GW_PUBLISHED) == 1 && rig_failures == 1);
    failing = 0;
    rig_reopen(&r);
    rig_settle(&r, 1, 1); /* whether the commit came through nobody knows; the counts agree */
    CHECK(rig_stats(&r).accepted == 5);
    rig_close(&r);
}

TEST(test_log_os_durability_syncs_nothing_on_append)
{
    struct gw_log_conf conf = rig_conf();
    struct rig r;

    conf.durability = 1;
    rig_open(&r, &conf);
    gw_log_sync = faulty_sync;
    rig_append_each(&r, 1, 5, 10);
    CHECK(tried == 0);
    rig_expect(&r, 1, 5);
    rig_close(&r);
}

/* ---- the state, as sqlite3 sees it ---- */

static int64_t ask(const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    int64_t n = -1;

    CHECK(sqlite3_open_v2("data/state.db", &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK);
    CHECK(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK);
    if (sqlite3_step(stmt) == SQLITE_ROW)
        n = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return n;
}

TEST(test_log_commits_letters_counts_and_cursor_together)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_dead_letter letter = {.reason = "hook_error",
                                    .event_id = GW_STR("id-1"),
                                    .error = GW_STR("script.lua:3: no"),
                                    .record = GW_STR("bytes\0with a zero"),
                                    .attempts = 2,
                                    .first_at_ns = 5,
                                    .last_at_ns = 7};
    struct gw_settled items[] = {{{0, 2}, GW_DEAD, &letter, 0}, {{0, 1}, GW_FILTERED, NULL, 0}};
    struct rig_settle s = {.s = {.mail.fn = rig_settled, .items = items, .n = 2}};
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 5, 10);
    rig_settle_as(&r, 4, 4, GW_DEAD);
    CHECK(ask("SELECT count(*) FROM dead_letters WHERE pipeline = 'p' AND number = 1") == 1);
    CHECK(ask("SELECT position FROM cursors WHERE name = 'p'") == 0);
    CHECK(ask("SELECT settled = x'08' FROM cursors WHERE name = 'p'") == 1);
    s.s.reply = r.loop;
    s.s.cursor = r.cursor;
    gw_log_settle(r.log, &s.s);
    while (!s.done)
        gw_loop_turn(r.loop, 1);
    CHECK(ask("SELECT position FROM cursors") == 2);
    CHECK(ask("SELECT dead_lettered * 10 + filtered FROM cursors") == 21);
    CHECK(ask("SELECT length(record) FROM dead_letters WHERE number = 2 AND reason = 'hook_error'"
              " AND event_id = 'id-1' AND attempts = 2 AND first_at = 5 AND last_at = 7"
              " AND error = 'script.lua:3: no'") == 17);
    rig_settle_as(&r, 2, 2, GW_DEAD); /* a second end of one record is none */
    CHECK(ask("SELECT count(*) FROM dead_letters") == 2);
    rig_close(&r);
}

/* The clock stands but for syncs, which take their time of it. */
static _Atomic int64_t still_ns = 1000000000, sync_ns;
static int64_t still_clock(void)
{
    return still_ns;
}
static int slow_sync(int fd)
{
    still_ns += sync_ns;
    return faulty_sync(fd);
}

/* A process that dies while its commit waits for the disk: all of it is there, or nothing. */
static void die_while_committing(void)
{
    struct gw_log_conf conf = rig_conf();
    const struct gw_dead_letter letter = {.reason = "rejected", .record = GW_STR("r")};
    struct gw_settled items[] = {{{0, 1}, GW_DEAD, &letter, 0},
                                 {{0, 2}, GW_DEAD, &letter, 0},
                                 {{0, 3}, GW_FILTERED, NULL, 0}};
    struct gw_settle s = {.items = items, .n = 3};
    struct rig r;

    alarm(30);
    rig_open(&r, &conf);
    rig_append_each(&r, 1, 3, 10);
    s.mail.fn = rig_settled;
    s.reply = r.loop;
    s.cursor = r.cursor;
    hold();
    gw_log_settle(r.log, &s);
    wait_until_held();
    _exit(0);
}

TEST(test_log_state_is_whole_after_a_kill_within_a_commit)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_cursor_stats s;
    struct rig r;
    int status;
    pid_t pid = fork();

    if (pid == 0)
        die_while_committing();
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    rig_open(&r, &conf);
    s = rig_stats(&r);
    CHECK(s.accepted == 3 && (s.lag == 3 || (s.dead_lettered == 2 && s.filtered == 1)));
    CHECK(ask("SELECT count(*) FROM dead_letters") == (int64_t)s.dead_lettered);
    rig_close(&r);
}

TEST(test_log_commits_settles_together)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_settled items[50];
    struct rig_settle s[50];
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 51, 10);
    gw_clock_mono_ns = still_clock;
    rig_settle(&r, 51, 51);
    gw_log_sync = faulty_sync;
    /* the next commit is some time away, and takes all that comes */
    for (size_t i = 0; i < 50; i++) {
        items[i] = (struct gw_settled){{0, 1 + i}, GW_PUBLISHED, NULL, 0};
        s[i] = (struct rig_settle){.s = {.mail.fn = rig_settled,
                                         .reply = r.loop,
                                         .cursor = r.cursor,
                                         .items = &items[i],
                                         .n = 1}};
        gw_log_settle(r.log, &s[i].s);
    }
    for (size_t i = 0; i < 50; i++)
        while (!s[i].done)
            gw_loop_turn(r.loop, 1);
    pthread_mutex_lock(&lock);
    CHECK(tried < 25); /* how many come within that time is the machine's business */
    pthread_mutex_unlock(&lock);
    CHECK(rig_stats(&r).published == 51 && rig_stats(&r).lag == 0);
    rig_close(&r);
}

TEST(test_log_commits_keep_a_distance_by_what_they_cost)
{
    struct gw_log_conf conf = rig_conf();
    int64_t (*real_clock)(void) = gw_clock_mono_ns, began;
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 4, 10);
    gw_clock_mono_ns = still_clock;
    gw_log_sync = slow_sync;
    rig_settle(&r, 1, 1);
    began = real_clock();
    rig_settle(&r, 2, 2); /* one that cost nothing: not before 25 ms, even alone */
    CHECK(real_clock() - began >= 23000000);
    sync_ns = 30000000;
    rig_settle(&r, 3, 3);
    sync_ns = 0;
    began = real_clock();
    rig_settle(&r, 4, 4); /* 100 ms after the begin of one that cost 30 */
    CHECK(real_clock() - began >= 60000000);
    rig_close(&r);
}

TEST(test_log_waits_for_a_state_that_somebody_else_has_locked)
{
    struct gw_log_conf conf = rig_conf();
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 5, 10);
    CHECK(ask("SELECT count(*) FROM cursors") == 1); /* a look from outside disturbs nothing */
    rig_settle(&r, 1, 5);
    CHECK(rig_failures == 0 && rig_stats(&r).published == 5);
    rig_close(&r);
}
