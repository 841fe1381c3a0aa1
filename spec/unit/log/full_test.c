/* A disk that is full although room was allocated on it: that is a full log, and no broken one. The
 * limit on file sizes stands for it: writes fail within what is allocated. */
#include "log/log.h"

#include "log/inside.h"
#include "logs.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static void limit_files(rlim_t bytes)
{
    const struct rlimit limit = {bytes, RLIM_INFINITY};

    signal(SIGXFSZ, SIG_IGN);
    CHECK(!setrlimit(RLIMIT_FSIZE, &limit));
}

static void wait_for_room(struct rig *r)
{
    while (gw_log_full(r->log)) /* asks the disk now and then */
        usleep(1000);
}

TEST(test_log_takes_a_write_without_room_for_a_full_log)
{
    struct gw_log_conf conf = rig_conf();
    struct rig_append a[8];
    struct gw_err err;
    struct rig r;
    size_t refused = 0;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 3, 10);
    for (uint64_t i = 0; i < 8; i++) /* room is reserved for all */
        CHECK(!rig_prepare(&r, &a[i], 100 + i, 2, 50000));
    limit_files(300 * 1024);
    for (size_t i = 0; i < 8; i++)
        gw_log_append(r.log, &a[i].a);
    for (size_t i = 0; i < 8; i++) {
        rig_wait(&r, &a[i]);
        CHECK(!a[i].a.failed || a[i].a.err.kind == GW_ERR_FULL);
        refused += (size_t)a[i].a.failed;
    }
    CHECK(refused > 4 && gw_log_full(r.log) && rig_failures == 0);
    CHECK(gw_log_reserve(r.log, 500000, &err) && err.kind == GW_ERR_FULL);
    CHECK(rig_stats(&r).accepted == 3 + 2 * (8 - refused));
    limit_files(RLIM_INFINITY);
    wait_for_room(&r);
    rig_append_each(&r, 4, 30, 50000);
    CHECK(rig_failures == 0 && rig_stats(&r).accepted == 30 + 2 * (8 - refused));
    rig_close(&r);
}

/* What was written of a refused append is not found by a later start, not even where the next one
 * is shorter and ends before it. */
TEST(test_log_keeps_nothing_of_a_write_without_room)
{
    struct gw_log_conf conf = rig_conf();
    struct rig_append a;
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 3, 10);
    limit_files(300 * 1024);
    CHECK(!rig_prepare(&r, &a, 100, 400, 1000)); /* 250 of them fit */
    gw_log_append(r.log, &a.a);
    rig_wait(&r, &a);
    CHECK(a.a.failed && a.a.err.kind == GW_ERR_FULL);
    limit_files(RLIM_INFINITY);
    wait_for_room(&r);
    CHECK(rig_append(&r, 4, 1, 1000) == 0);
    rig_reopen(&r);
    CHECK(rig_cuts == 0);
    rig_expect(&r, 1, 4);
    rig_append_each(&r, 5, 9, 50000);
    rig_reopen(&r);
    rig_expect(&r, 1, 9);
    rig_close(&r);
}

/* A file that may be allocated and not written. */
static int only_allocated(uint64_t size)
{
    int fd = memfd_create("thin", MFD_ALLOW_SEALING);

    CHECK(fd >= 0 && !ftruncate(fd, (off_t)size) && !fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    return fd;
}

/* What is allocated is believed again only after a write into it. */
TEST(test_log_stays_full_while_only_allocations_succeed)
{
    struct gw_log_conf conf = rig_conf();
    struct rig r;
    int real, thin;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 3, 50000);
    real = dup(r.log->active_fd);
    thin = only_allocated(r.log->segments[0].end);
    CHECK(real >= 0 && ftruncate(real, (off_t)r.log->segments[0].end) == 0);
    CHECK(dup2(thin, r.log->active_fd) == r.log->active_fd);
    pthread_mutex_lock(&r.log->lock);
    gw_segments_cut(r.log);
    CHECK(r.log->segments[0].size == r.log->segments[0].end);
    pthread_mutex_unlock(&r.log->lock);
    for (int i = 0; i < 5; i++)
        CHECK(gw_log_full(r.log));
    CHECK(dup2(real, r.log->active_fd) == r.log->active_fd);
    wait_for_room(&r);
    CHECK(!r.log->unproven && r.log->segments[0].size >= 1 << 20); /* its usual size again */
    rig_append_each(&r, 4, 40, 50000);
    rig_reopen(&r);
    rig_expect(&r, 1, 40);
    close(thin);
    close(real);
    rig_close(&r);
}

/* No usual segment fits, a small one does; it gets its usual size when there is room. */
TEST(test_log_begins_a_small_segment_on_a_disk_that_is_nearly_full)
{
    struct gw_log_conf conf = rig_conf();
    struct rig r;

    rig_open(&r, &conf);
    limit_files(100 * 1024);
    rig_append_each(&r, 1, 3, 10);
    CHECK(r.log->segments[0].size < 100 * 1024);
    CHECK(rig_append(&r, 4, 1, 500000) == -1);
    limit_files(RLIM_INFINITY);
    wait_for_room(&r);
    rig_append_each(&r, 4, 4, 500000);
    CHECK(r.log->n_segments == 1 && r.log->segments[0].size >= 1 << 20);
    rig_reopen(&r);
    rig_expect(&r, 1, 4);
    rig_close(&r);
}

/* Nothing that is retained is given up because the disk may not be asked yet. */
TEST(test_log_gives_nothing_up_before_the_disk_is_asked)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_log_stats stats;
    struct gw_err err;
    struct rig r;

    conf.retain_ms = 24 * 3600 * 1000;
    rig_open(&r, &conf);
    rig_append_each(&r, 1, 40, 100 * 1024);
    rig_settle(&r, 1, 40);
    pthread_mutex_lock(&r.log->lock);
    gw_segments_give_room(r.log);
    r.log->retry_ms = INT64_MAX;
    pthread_mutex_unlock(&r.log->lock);
    for (int i = 0; i < 3; i++)
        CHECK(gw_log_reserve(r.log, 1000, &err) && err.kind == GW_ERR_FULL);
    gw_log_stats(r.log, &stats, NULL, 0);
    CHECK(stats.records == 40 && gw_log_full(r.log));
    rig_close(&r);
}
