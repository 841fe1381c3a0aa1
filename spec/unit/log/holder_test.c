/* Who holds a data directory, and an open that only looks in. */
#include "logs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

TEST(test_holder_tells_pid_and_address_of_who_has_the_lock)
{
    struct gw_log_conf conf = rig_conf();
    char admin[64];
    struct gw_err err;
    struct rig r;
    int pid;

    CHECK(gw_log_holder("data", &pid, admin, sizeof(admin), &err) == 0);
    CHECK(access("data", F_OK) < 0); /* nothing is made */
    CHECK(!mkdir("data", 0700));
    CHECK(gw_log_holder("data", &pid, admin, sizeof(admin), &err) == 0);
    CHECK(access("data/lock", F_OK) < 0);
    rig_open(&r, &conf);
    CHECK(gw_log_holder("data", &pid, admin, sizeof(admin), &err) == 1);
    CHECK(pid == getpid() && !strcmp(admin, ""));
    CHECK(!gw_log_announce(r.log, "127.0.0.1:4711", &err));
    CHECK(gw_log_holder("data", &pid, admin, sizeof(admin), &err) == 1);
    CHECK(pid == getpid() && !strcmp(admin, "127.0.0.1:4711"));
    rig_close(&r);
    CHECK(gw_log_holder("data", &pid, admin, sizeof(admin), &err) == 0 && pid == 0);
    CHECK(gw_log_holder("data/lock", &pid, admin, sizeof(admin), &err) == -1);
    CHECK(strstr(err.msg, "data/lock"));
}

/* ---- commands that open the directory themselves ---- */

static int lines;

static void count_lines(const char *text, size_t len)
{
    (void)text;
    (void)len;
    lines++;
}

TEST(test_tool_makes_nothing_where_there_is_no_log)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_err err;

    conf.tool = 1;
    CHECK(!gw_log_open(&conf, NULL, rig_failed, NULL, &err) && strstr(err.msg, "data"));
    CHECK(access("data", F_OK) < 0);
    CHECK(!mkdir("data", 0700));
    CHECK(!gw_log_open(&conf, NULL, rig_failed, NULL, &err) && strstr(err.msg, "no data dir"));
    CHECK(!rmdir("data")); /* it is empty */
}

TEST(test_tool_looks_in_and_leaves_all_as_it_was)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_log_stats was, is;
    struct gw_err err;
    struct stat before, after;
    struct rig r;

    conf.retain_ms = INT64_C(1000000000000);
    rig_open(&r, &conf);
    for (uint64_t i = 0; i < 30; i++)
        CHECK(rig_append(&r, 1 + i * 10, 10, 10000) == 0);
    rig_settle(&r, 1, 300);
    gw_log_stats(r.log, &was, NULL, 0);
    CHECK(was.records == 300);
    rig_close(&r);
    CHECK(!stat("data/segments/00000000000000000201", &before));
    conf = rig_conf(); /* as if somebody had given it no configuration */
    conf.tool = conf.durability = 1;
    conf.segment_bytes = 8 << 20;
    gw_diag_sink = count_lines;
    r.log = gw_log_open(&conf, NULL, rig_failed, NULL, &err);
    CHECK(r.log);
    gw_log_stats(r.log, &is, NULL, 0);
    CHECK(is.records == 300 && is.orphans == 1);
    CHECK(gw_log_forget(r.log, "p", &err) == 0);
    gw_log_stats(r.log, &is, NULL, 0);
    CHECK(is.records == 300 && is.cursors == 0 && lines == 0);
    gw_log_close(r.log);
    CHECK(!stat("data/segments/00000000000000000201", &after));
    CHECK(before.st_size == after.st_size);
}
