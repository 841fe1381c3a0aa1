/* The data directory: its format number, and the lock that one process holds for life. Looking at
 * the format comes first, so that a newer directory is left untouched. */
#include "log/inside.h"

#include "base/diag.h"
#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FORMAT = 1 };

int gw_read_small(int dir, const char *name, char *out, size_t size)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return -1;
    n = read(fd, out, size - 1);
    close(fd);
    if (n < 0)
        return -1;
    out[n] = '\0';
    return 0;
}

/* With errno. Who may not write is told which user that is. */
static int cannot(const struct gw_log *log, const char *what, const char *name, struct gw_err *err)
{
    if (errno != EACCES && errno != EPERM && errno != EROFS)
        return gw_err_errno(err, GW_ERR_FATAL, "%s %s%s", what, log->path, name);
    return gw_err_errno(err, GW_ERR_FATAL,
                        "the data directory (log.path) has to be writable by uid %ld: %s %s%s",
                        (long)geteuid(), what, log->path, name);
}

static int check_format(struct gw_log *log, int *absent, struct gw_err *err)
{
    char text[32], *end;
    unsigned long long n;

    *absent = 0;
    if (gw_read_small(log->dir_fd, "format", text, sizeof(text))) {
        *absent = errno == ENOENT;
        return *absent ? 0 : cannot(log, "read", "/format", err);
    }
    n = strtoull(text, &end, 10);
    if (end == text || (*end != '\n' && *end))
        return gw_err_set(err, GW_ERR_FATAL,
                          "format holds no number; if a moongate of this version wrote the "
                          "directory, go on with: cd %s && echo %d > format",
                          log->path, FORMAT);
    if (n > FORMAT)
        return gw_err_set(err, GW_ERR_FATAL,
                          "%s has format %llu, written by a newer moongate; this one knows up to "
                          "%d: nothing was changed",
                          log->path, n, FORMAT);
    if (n < FORMAT)
        return gw_err_set(err, GW_ERR_FATAL,
                          "format is %llu, which never was; if a moongate of this version wrote "
                          "the directory, go on with: cd %s && echo %d > format",
                          n, log->path, FORMAT);
    return 0;
}

static int write_all(int fd, const char *text, size_t n)
{
    return write(fd, text, n) == (ssize_t)n ? 0 : -1;
}

static int write_format(struct gw_log *log, struct gw_err *err)
{
    char text[16];
    int n = snprintf(text, sizeof(text), "%d\n", FORMAT);
    int fd = openat(log->dir_fd, "format.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    int bad = fd < 0 || write_all(fd, text, (size_t)n) || gw_log_sync(fd);

    if (fd >= 0)
        close(fd);
    if (bad || renameat(log->dir_fd, "format.new", log->dir_fd, "format"))
        return gw_err_errno(err, GW_ERR_FATAL, "write %s/format", log->path);
    return gw_sync_dir(log->dir_fd, log->path, err);
}

int gw_sync_dir(int fd, const char *what, struct gw_err *err)
{
    if (gw_log_sync(fd))
        return gw_err_errno(err, GW_ERR_FATAL, "sync %s", what);
    return 0;
}

static int check_file_system(const struct gw_log *log, struct gw_err *err)
{
    char name[64];

    if (!gw_network_fs(log->dir_fd, name, sizeof(name)))
        return 0;
    if (!log->conf.allow_network_fs)
        return gw_err_set(
            err, GW_ERR_FATAL,
            "%s is on a network file system (%s), where syncs and locks may not hold: "
            "use a local disk, or set log.allow_network_fs: true",
            log->path, name);
    GW_DIAG(GW_WARN, "log",
            gw_msg("log.path is on a network file system: what is acknowledged is as safe as its "
                   "syncs"),
            gw_kv_cstr("path", log->path), gw_kv_cstr("type", name));
    return 0;
}

static int open_dir(struct gw_log *log, struct gw_err *err)
{
    int made = !log->conf.tool && !mkdir(log->path, 0750);

    if (!log->conf.tool && !made && errno != EEXIST)
        return cannot(log, "make", "", err);
    log->dir_fd = open(log->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (log->dir_fd < 0)
        return cannot(log, "open", "", err);
    if (!check_file_system(log, err))
        return 0;
    if (made)
        (void)rmdir(log->path);
    return -1;
}

/* A directory may be read-only while files in it are not. */
static int check_writable(const struct gw_log *log, int fd, const char *name, struct gw_err *err)
{
    return faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) ? cannot(log, "write in", name, err) : 0;
}

/* A new directory's own entry has to survive, too. It is new until its format is written: who made
 * it may have been killed before this. */
static void sync_parent(const struct gw_log *log)
{
    struct gw_err ignored;
    int parent = openat(log->dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (parent < 0) /* unreadable to us: its owner's business */
        return;
    (void)gw_sync_dir(parent, log->path, &ignored);
    close(parent);
}

/* Who looks for the holder (gw_log_holder) has the lock for a moment, and a process that was killed
 * until the kernel has ended it. */
static int try_lock(int fd)
{
    const struct timespec moment = {.tv_nsec = 10000000};

    for (int tries = 0; tries < 20; tries++) {
        if (!flock(fd, LOCK_EX | LOCK_NB))
            return 0;
        if (errno != EWOULDBLOCK)
            return -1;
        nanosleep(&moment, NULL);
    }
    errno = EWOULDBLOCK;
    return -1;
}

static int take_lock(struct gw_log *log, struct gw_err *err)
{
    char text[64];
    int n;

    log->lock_fd = openat(log->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (log->lock_fd < 0)
        return cannot(log, "open", "/lock", err);
    if (try_lock(log->lock_fd)) {
        unsigned long pid = 0;

        if (errno != EWOULDBLOCK)
            return cannot(log, "lock", "/lock", err);
        if (!gw_read_small(log->dir_fd, "lock", text, sizeof(text)))
            pid = strtoul(text, NULL, 10);
        return gw_err_set(err, GW_ERR_FATAL, "another moongate (pid %lu) uses %s", pid, log->path);
    }
    n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(log->lock_fd, 0) || pwrite(log->lock_fd, text, (size_t)n, 0) != n)
        return gw_err_errno(err, GW_ERR_FATAL, "write %s/lock", log->path);
    return 0;
}

int gw_log_announce(struct gw_log *log, const char *admin_address, struct gw_err *err)
{
    char text[512];
    int n = snprintf(text, sizeof(text), "%ld\n%s\n", (long)getpid(), admin_address);

    gw_state_found(log);
    gw_warn_orphans(log);
    if (log->conf.type == GW_LOG_MEMORY)
        return 0;
    if (n >= (int)sizeof(text) || pwrite(log->lock_fd, text, (size_t)n, 0) != n ||
        ftruncate(log->lock_fd, n)) /* at no moment is there no pid */
        return gw_err_errno(err, GW_ERR_FATAL, "write %s/lock", log->path);
    return 0;
}

/* A command makes no data directory out of what is none. */
static int refuse_new(const struct gw_log *log, int absent, struct gw_err *err)
{
    if (!log->conf.tool || !absent)
        return 0;
    return gw_err_set(err, GW_ERR_FATAL, "%s is no data directory of moongate", log->path);
}

int gw_lock_open(struct gw_log *log, struct gw_err *err)
{
    int absent;

    if (open_dir(log, err) || check_format(log, &absent, err) ||
        check_writable(log, log->dir_fd, "", err) || refuse_new(log, absent, err) ||
        take_lock(log, err) || check_format(log, &absent, err))
        return -1;
    if (mkdirat(log->dir_fd, "segments", 0750) && errno != EEXIST)
        return cannot(log, "make", "/segments", err);
    log->segments_fd = openat(log->dir_fd, "segments", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (log->segments_fd < 0)
        return cannot(log, "open", "/segments", err);
    if (check_writable(log, log->segments_fd, "/segments", err))
        return -1;
    if (!absent)
        return 0;
    sync_parent(log);
    return write_format(log, err);
}

void gw_lock_close(struct gw_log *log)
{
    if (log->segments_fd >= 0)
        close(log->segments_fd);
    if (log->lock_fd >= 0)
        close(log->lock_fd);
    if (log->dir_fd >= 0)
        close(log->dir_fd);
}
