/* The data directory: one process, one format. */
#include "log/log.h"

#include "logs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void put_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    CHECK(f && fputs(text, f) >= 0 && !fclose(f));
}

static void get_file(const char *path, char out[256])
{
    FILE *f = fopen(path, "r");
    size_t n;

    CHECK(f);
    n = fread(out, 1, 255, f);
    out[n] = '\0';
    fclose(f);
}

TEST(test_log_lock_is_one_process_long)
{
    struct gw_log_conf conf = rig_conf();
    char expected[128], text[256];
    struct gw_err err;
    struct rig r;

    rig_open(&r, &conf);
    snprintf(expected, sizeof(expected), "another moongate (pid %ld) uses data", (long)getpid());
    CHECK(!gw_log_open(&conf, NULL, rig_failed, NULL, &err));
    CHECK(!strcmp(err.msg, expected) && err.kind == GW_ERR_FATAL);
    CHECK(!gw_log_announce(r.log, "127.0.0.1:9090", &err));
    snprintf(expected, sizeof(expected), "%ld\n127.0.0.1:9090\n", (long)getpid());
    get_file("data/lock", text);
    CHECK(!strcmp(text, expected));
    rig_append_each(&r, 1, 3, 10); /* the refused one has disturbed nothing */
    rig_reopen(&r);
    rig_expect(&r, 1, 3);
    rig_close(&r);
}

TEST(test_log_format_that_is_newer_is_left_untouched)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_err err;
    struct rig r;
    char text[256];

    rig_open(&r, &conf);
    rig_close(&r);
    get_file("data/format", text);
    CHECK(!strcmp(text, "1\n"));
    put_file("data/format", "2\n");
    put_file("data/lock", "before\n");
    CHECK(!gw_log_open(&conf, NULL, rig_failed, NULL, &err));
    CHECK(strstr(err.msg, "data has format 2") && err.kind == GW_ERR_FATAL);
    get_file("data/lock", text);
    CHECK(!strcmp(text, "before\n"));
    put_file("data/format", "one\n");
    CHECK(!gw_log_open(&conf, NULL, rig_failed, NULL, &err) && strstr(err.msg, "no number"));
}

TEST(test_log_open_says_which_path_it_cannot_use)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_err err;

    conf.path = "no/such/folder";
    CHECK(!gw_log_open(&conf, NULL, rig_failed, NULL, &err));
    CHECK(strstr(err.msg, "no/such/folder") && strstr(err.msg, "No such file"));
    put_file("file", "");
    conf.path = "file";
    CHECK(!gw_log_open(&conf, NULL, rig_failed, NULL, &err) && strstr(err.msg, "file"));
    CHECK(!mkdir("data", 0700));
    put_file("data/state.db", "this is no database, and long enough to be looked at");
    conf.path = "data";
    CHECK(!gw_log_open(&conf, NULL, rig_failed, NULL, &err) && strstr(err.msg, "state.db"));
}

TEST(test_log_segments_of_strangers_are_left_alone)
{
    struct gw_log_conf conf = rig_conf();
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 3, 10);
    put_file("data/segments/.hidden", "x");
    put_file("data/segments/notes.txt", "x");
    put_file("data/segments/77", "x");
    CHECK(!mkdir("data/segments/00000000000000000009", 0700));
    rig_reopen(&r);
    rig_expect(&r, 1, 3);
    rig_close(&r);
    CHECK(!access("data/segments/.hidden", F_OK) && !access("data/segments/77", F_OK));
}

/* ---- cursors ---- */

TEST(test_log_cursor_starts_now_or_with_what_is_kept)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_cursor_stats s;
    struct gw_cursor *c;
    struct gw_err err;
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 5, 10);
    c = gw_log_cursor(r.log, "now", GW_START_NEW, NULL, &err);
    gw_cursor_stats(c, &s);
    CHECK(s.accepted == 0 && s.lag == 0);
    c = gw_log_cursor(r.log, "kept", GW_START_RETAINED, NULL, &err);
    gw_cursor_stats(c, &s);
    CHECK(s.accepted == 5 && s.lag == 5 && s.oldest_ns == 1001);
    rig_reopen(&r); /* the start counts the first time only */
    c = gw_log_cursor(r.log, "now", GW_START_RETAINED, NULL, &err);
    gw_cursor_stats(c, &s);
    CHECK(s.accepted == 0);
    rig_close(&r);
}

TEST(test_log_cursor_keeps_place_and_letters_under_a_new_name)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_cursor_stats s;
    struct gw_cursor *c;
    struct gw_err err;
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 5, 10);
    rig_settle_as(&r, 1, 2, GW_DEAD);
    c = gw_log_cursor(r.log, "q", GW_START_NEW, "p", &err);
    CHECK(!c && strstr(err.msg, "p is there as well"));
    gw_reader_close(r.reader);
    gw_log_close(r.log);
    r.log = gw_log_open(&conf, NULL, rig_failed, NULL, &err);
    r.cursor = gw_log_cursor(r.log, "q", GW_START_NEW, "p", &err);
    CHECK(r.cursor);
    s = rig_stats(&r);
    CHECK(!strcmp(s.name, "q") && s.accepted == 5 && s.dead_lettered == 2 && s.lag == 3);
    c = gw_log_cursor(r.log, "q", GW_START_NEW, "p", &err); /* at the next start: nothing to do */
    CHECK(c == r.cursor);
    rig_settle_as(&r, 3, 3, GW_DEAD); /* the next number, not the first again */
    CHECK(rig_stats(&r).dead_lettered == 3);
    r.reader = NULL;
    rig_close(&r);
}

/* ---- names that have to survive ---- */

static int synced_parent, synced_segments;

static int look_at_sync(int fd)
{
    struct stat st, parent, segments;

    CHECK(!fstat(fd, &st) && !stat(".", &parent));
    synced_parent += st.st_ino == parent.st_ino;
    synced_segments += !stat("data/segments", &segments) && st.st_ino == segments.st_ino;
    return fdatasync(fd);
}

/* A process before us was killed after it made the directory, or a segment. */
TEST(test_log_syncs_names_that_a_killed_process_left)
{
    struct gw_log_conf conf = rig_conf();
    struct rig r;

    CHECK(!mkdir("data", 0750) && !mkdir("data/segments", 0750));
    gw_log_sync = look_at_sync;
    rig_open(&r, &conf);
    CHECK(synced_parent > 0);
    rig_append_each(&r, 1, 1, 10);
    synced_segments = 0;
    rig_reopen(&r);
    CHECK(synced_segments > 0);
    rig_close(&r);
}
