/* A preloaded disk that can be held or broken: fsync and fdatasync of files whose path holds
 * SLOWSYNC_ONLY wait while the file SLOWSYNC_HOLD exists, and fail with EIO while SLOWSYNC_FAIL
 * exists. A sync that waits says so first by making SLOWSYNC_HOLD.waiting. Any thread. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int exists(const char *path)
{
    return path && access(path, F_OK) == 0;
}

static int concerns(int fd)
{
    const char *only = getenv("SLOWSYNC_ONLY");
    char link[64], path[4096];
    ssize_t n;

    if (!only)
        return 1;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof path - 1);
    if (n < 0)
        return 0;
    path[n] = 0;
    return strstr(path, only) != NULL;
}

static void say_waiting(const char *hold)
{
    char path[4096];
    int fd;

    (void)snprintf(path, sizeof path, "%s.waiting", hold);
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    if (fd >= 0)
        close(fd);
}

static int sync_with(const char *name, int fd)
{
    const char *hold = getenv("SLOWSYNC_HOLD"), *fail = getenv("SLOWSYNC_FAIL");
    int (*real)(int);

    if (concerns(fd)) {
        if (exists(hold))
            say_waiting(hold);
        while (exists(hold))
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        if (exists(fail)) {
            errno = EIO;
            return -1;
        }
    }
    *(void **)&real = dlsym(RTLD_NEXT, name);
    return real(fd);
}

int fdatasync(int fd)
{
    return sync_with("fdatasync", fd);
}

int fsync(int fd)
{
    return sync_with("fsync", fd);
}
