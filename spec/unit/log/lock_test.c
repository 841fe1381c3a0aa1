/* The data directory: one process, one format. */
#include "log/log.h"

#include "log/inside.h"
#include "logs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
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

/* A lock file of a process that is gone is no obstacle, whatever it holds. */
TEST(test_log_lock_of_a_dead_process_is_no_obstacle)
{
    static const char *const left[] = {"1\n127.0.0.1:9090\n", "", "no number\n"};
    struct gw_log_conf conf = rig_conf();
    char expected[64], text[256];
    struct rig r;

    rig_open(&r, &conf);
    for (size_t i = 0; i < sizeof(left) / sizeof(*left); i++) {
        rig_close(&r);
        put_file("data/lock", left[i]);
        rig_open(&r, &conf);
        snprintf(expected, sizeof(expected), "%ld\n", (long)getpid());
        get_file("data/lock", text);
        CHECK(!strcmp(text, expected));
    }
    rig_close(&r);
}

/* ---- file systems ---- */

static unsigned pretended;

static int pretend(int fd, struct statfs *out)
{
    int rc = fstatfs(fd, out);

    if (pretended)
        out->f_type = (int)pretended; /* as the kernel's 32 bits */
    return rc;
}

static void refused_as(unsigned type, const char *name)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_err err;
    char part[64];

    pretended = type;
    snprintf(part, sizeof(part), "network file system (%s)", name);
    CHECK(!gw_log_open(&conf, NULL, rig_failed, NULL, &err) && err.kind == GW_ERR_FATAL);
    CHECK(strstr(err.msg, "data is on a ") && strstr(err.msg, part));
    CHECK(strstr(err.msg, "log.allow_network_fs: true"));
    CHECK(access("data", F_OK)); /* nothing was left */
}

TEST(test_log_refuses_a_network_file_system)
{
    struct gw_log_conf conf = rig_conf();
    struct rig r;

    gw_log_statfs = pretend;
    refused_as(0x6969, "nfs");
    refused_as(0xFF534D42, "cifs");
    refused_as(0xFE534D42, "smb2");
    refused_as(0x01021997, "9p");
    refused_as(0x00C36400, "ceph");
    refused_as(0x0BD00BD0, "lustre");
    conf.allow_network_fs = 1;
    rig_open(&r, &conf);
    rig_append_each(&r, 1, 3, 10);
    rig_close(&r);
    conf.allow_network_fs = 0; /* one that is there is left as it is */
    CHECK(!gw_log_open(&conf, NULL, rig_failed, NULL, &rig_failure));
    CHECK(!access("data/format", F_OK));
    pretended = 0xEF53; /* ext4 */
    rig_open(&r, &conf);
    rig_expect(&r, 1, 3);
    rig_close(&r);
}

/* sshfs, s3fs and many more are FUSE; what this machine's directory really is on is not. */
TEST(test_log_refuses_fuse_that_is_not_known_to_be_local)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_err err;

    gw_log_statfs = pretend;
    pretended = 0x65735546;
    CHECK(!gw_log_open(&conf, NULL, rig_failed, NULL, &err));
    CHECK(strstr(err.msg, "network file system ("));
}

/* ---- what may not be written ---- */

static void refused_with(const struct gw_log_conf *conf, const char *place, const char *why)
{
    struct gw_err err = {0};
    char uid[32];

    snprintf(uid, sizeof(uid), "uid %ld", (long)geteuid());
    CHECK(!gw_log_open(conf, NULL, rig_failed, NULL, &err) && err.kind == GW_ERR_FATAL);
    if (!strstr(err.msg, place) || !strstr(err.msg, why) || !strstr(err.msg, uid))
        fprintf(stderr, "%s\n", err.msg);
    CHECK(strstr(err.msg, place) && strstr(err.msg, why) && strstr(err.msg, uid));
}

TEST(test_log_says_what_it_may_not_write)
{
    struct gw_log_conf conf = rig_conf();
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 3, 10);
    rig_close(&r);
    if (geteuid() == 0) { /* whom nothing would hinder */
        CHECK(!chown(".", 65534, 65534) && !chown("data", 65534, 65534));
        CHECK(!chown("data/segments", 65534, 65534) && !chown("data/lock", 65534, 65534) &&
              !chown("data/format", 65534, 65534));
        CHECK(!setegid(65534) && !seteuid(65534));
    }
    CHECK(!chmod("data/segments", 0500));
    refused_with(&conf, "data/segments", "Permission denied");
    CHECK(!chmod("data", 0500));
    refused_with(&conf, "data", "Permission denied");
    CHECK(!chmod("data", 0750) && !chmod("data/lock", 0));
    refused_with(&conf, "data/lock", "Permission denied");
    CHECK(!chmod(".", 0500));
    conf.path = "other";
    refused_with(&conf, "make other", "Permission denied");
    CHECK(!chmod(".", 0700));
    if (getuid() == 0) /* a leak checker looks into us at the end */
        CHECK(!seteuid(0) && !setegid(0) && !prctl(PR_SET_DUMPABLE, 1));
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
