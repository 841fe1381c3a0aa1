/* Cursors whose pipelines are gone, and renamed ones. */
#include "base/metrics.h"
#include "letters.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* ---- what a forgotten cursor kept ---- */

static void trims(int type)
{
    struct gw_log_conf conf = of_type(type);
    struct gw_log_stats s;
    struct gw_err err;
    struct rig r;

    rig_open(&r, &conf);
    gw_cursor_release(gw_log_cursor(r.log, "gone", GW_START_RETAINED, NULL, &err));
    for (uint64_t i = 0; i < 40; i++)
        CHECK(rig_append(&r, 1 + i * 10, 10, 10000) == 0);
    rig_settle(&r, 1, 400);
    gw_log_stats(r.log, &s, NULL, 0);
    CHECK(s.records == 400 && s.unsettled == 400 && s.orphans == 1 && s.cursors == 2);
    CHECK(!gw_log_forget(r.log, "gone", &err));
    gw_log_stats(r.log, &s, NULL, 0);
    CHECK(s.records < 200 && s.unsettled == 0 && s.orphans == 0 && s.cursors == 1);
    rig_close(&r);
}

TEST(test_forget_embedded_gives_back_what_the_orphan_kept)
{
    trims(GW_LOG_EMBEDDED);
}

TEST(test_forget_memory_gives_back_what_the_orphan_kept)
{
    trims(GW_LOG_MEMORY);
}

TEST(test_forget_lasts_also_of_many_letters)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_log_stats s;
    struct gw_err err;
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 1, 20);
    CHECK(rig_append(&r, 2, 249, 20) == 0);
    CHECK(!rig_settle_as(&r, 1, 250, GW_DEAD)); /* more than go in one commit */
    gw_reader_close(r.reader);
    r.reader = NULL;
    gw_cursor_release(r.cursor);
    CHECK(!gw_log_forget(r.log, "p", &err));
    CHECK_LETTERS(&r, "");
    gw_log_close(r.log);
    r.log = gw_log_open(&conf, NULL, rig_failed, NULL, &err);
    gw_log_stats(r.log, &s, NULL, 0);
    CHECK(s.cursors == 0);
    CHECK_LETTERS(&r, "");
    rig_close(&r);
}

/* ---- renamed ---- */

static void renames(int type)
{
    struct gw_log_conf conf = of_type(type);
    struct gw_cursor *a, *b;
    struct gw_cursor_stats s;
    struct gw_err err;
    struct rig r;

    rig_open(&r, &conf);
    a = gw_log_cursor(r.log, "a", GW_START_RETAINED, NULL, &err);
    rig_append_each(&r, 1, 5, 20);
    CHECK(!letters_settle(&r, a, 1, NULL) && !letters_settle(&r, a, 2, NULL));
    CHECK(!gw_log_cursor(r.log, "b", GW_START_NEW, "a", &err) && strstr(err.msg, "a is there"));
    gw_cursor_release(a);
    b = gw_log_cursor(r.log, "b", GW_START_NEW, "a", &err);
    CHECK(b);
    gw_cursor_stats(b, &s);
    CHECK(s.dead_lettered == 2 && s.lag == 3 && !strcmp(s.name, "b"));
    CHECK_LETTERS(&r, "b/1 b/2");
    CHECK(letters_change(&r, "b", 1, NULL) && !letters_change(&r, "a", 2, NULL));
    gw_cursor_release(b); /* renamed_from is still there at the next start */
    CHECK(gw_log_cursor(r.log, "b", GW_START_NEW, "a", &err) == b);
    a = gw_log_cursor(r.log, "a", GW_START_RETAINED, NULL, &err); /* a new one of the old name */
    CHECK(a != b && !letters_settle(&r, a, 1, NULL) && !letters_settle(&r, b, 3, NULL));
    CHECK_LETTERS(&r, "a/1 b/2 b/3");
    gw_cursor_release(b);
    CHECK(gw_log_cursor(r.log, "b", GW_START_NEW, "a", &err) == b); /* each keeps its own */
    CHECK(gw_log_cursor(r.log, "b", GW_START_NEW, "b", &err) == b);
    rig_close(&r);
}

TEST(test_rename_embedded_takes_cursor_and_letters_over_once)
{
    renames(GW_LOG_EMBEDDED);
}

TEST(test_rename_memory_takes_cursor_and_letters_over_once)
{
    renames(GW_LOG_MEMORY);
}

TEST(test_rename_lasts_and_gives_no_id_twice)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_cursor *b;
    struct gw_err err;
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 5, 20);
    CHECK(!letters_put(&r, 1, 400, 1) && letters_change(&r, "p", 1, NULL));
    CHECK(!letters_put(&r, 2, 400, 1));
    rig_close(&r);
    r.log = gw_log_open(&conf, NULL, rig_failed, NULL, &err);
    r.loop = gw_loop_new();
    r.mem = gw_arena_new();
    r.reader = NULL;
    b = gw_log_cursor(r.log, "b", GW_START_NEW, "p", &err);
    gw_cursor_letters(b, 500, 0);
    r.cursor = b;
    CHECK(letters_put(&r, 3, 101, 1) && !letters_put(&r, 3, 100, 1)); /* its letters take room */
    CHECK_LETTERS(&r, "b/2 b/3");
    rig_close(&r);
}

/* ---- warnings ---- */

static atomic_int warned, both;

static void count_warnings(const char *text, size_t len)
{
    warned += memmem(text, len, "has no pipeline", 15) != NULL;
    both += memmem(text, len, "has its own", 11) != NULL;
}

static atomic_llong still_ms; /* moves when the test says so */

static int64_t still_clock(void)
{
    return still_ms * 1000000;
}

static int has(const struct gw_buf *text, const char *what)
{
    return memmem(text->p, text->len, what, strlen(what)) != NULL;
}

TEST(test_orphans_are_warned_of_at_the_start_at_the_release_and_hourly)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_metrics *metrics = gw_metrics_new();
    struct gw_buf text;
    struct gw_cursor *c;
    struct gw_err err;
    struct rig r;

    rig_open(&r, &conf);
    c = gw_log_cursor(r.log, "gone", GW_START_RETAINED, NULL, &err);
    rig_append_each(&r, 1, 5, 20);
    gw_diag_sink = count_warnings;
    CHECK(!gw_log_announce(r.log, "", &err) && warned == 0);
    gw_cursor_release(c);
    CHECK(warned == 1);
    rig_close(&r);
    gw_clock_mono_ns = still_clock;
    r.log = gw_log_open(&conf, metrics, rig_failed, NULL, &err);
    r.cursor = gw_log_cursor(r.log, "p", GW_START_NEW, NULL, &err);
    CHECK(warned == 1);
    CHECK(!gw_log_announce(r.log, "", &err) && warned == 2);
    gw_buf_init(&text, 1 << 20, NULL);
    gw_metrics_write(metrics, &text);
    CHECK(has(&text, "moongate_log_orphan_cursors 1"));
    CHECK(has(&text, "lag_events{pipeline=\"gone\"} 5"));
    still_ms += 3600 * 1000; /* the state writer looks when it has something to do */
    CHECK(gw_log_cursor(r.log, "p", GW_START_NEW, NULL, &err) == r.cursor);
    while (warned < 3)
        CHECK(gw_log_cursor(r.log, "p", GW_START_NEW, NULL, &err) == r.cursor);
    CHECK(!gw_log_forget(r.log, "gone", &err));
    gw_buf_clear(&text);
    gw_metrics_write(metrics, &text);
    CHECK(has(&text, "moongate_log_orphan_cursors 0"));
    CHECK(has(&text, "lag_events{pipeline=\"gone\"} 0"));
    gw_buf_free(&text);
    gw_log_close(r.log);
    gw_metrics_free(metrics);
}

TEST(test_rename_says_which_cursor_is_used_when_there_are_two)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_err err;
    struct rig r;

    rig_open(&r, &conf);
    gw_cursor_release(gw_log_cursor(r.log, "old", GW_START_RETAINED, NULL, &err));
    gw_diag_sink = count_warnings;
    CHECK(gw_log_cursor(r.log, "p", GW_START_NEW, "old", &err) == r.cursor && both == 1);
    rig_close(&r);
}
