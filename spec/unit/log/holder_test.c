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
