/* A preloaded disk, and clock, that go bad on demand. The file named by BADISK holds words:
 *   full       what makes files larger has only the room that others have given back
 *   thin       no write has room, although all could be allocated
 *   eio-write  writes fail          eio-read  reads fail          eio-sync  syncs fail
 *   readonly   nothing may be made, or opened for writing
 *   fs=NUMBER  the type of the file system     clock=SECONDS  added to the time of day
 * It concerns paths that hold BADISK_ONLY. Any thread. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define REAL(type, name) ((type)(uintptr_t)dlsym(RTLD_NEXT, name))

/* ---- what is wrong now ---- */

/* The word's place in out, behind itself; NULL: it is not there. By bare system calls: what is
 * called here must not come back here. */
static const char *wrong(const char *word, char out[256])
{
    const char *path = getenv("BADISK"), *at;
    int saved = errno;
    long fd = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
    long n = fd < 0 ? 0 : syscall(SYS_read, fd, out, 255);

    if (fd >= 0)
        syscall(SYS_close, fd);
    errno = saved;
    out[n > 0 ? n : 0] = '\0';
    at = strstr(out, word);
    return at ? at + strlen(word) : NULL;
}

static int is(const char *word)
{
    char text[256];

    return wrong(word, text) != NULL;
}

static int concerns_path(const char *path)
{
    const char *only = getenv("BADISK_ONLY");

    return !only || strstr(path, only) != NULL;
}

static int path_of(int fd, char *out, size_t size)
{
    char link[64];
    long n;

    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = syscall(SYS_readlinkat, AT_FDCWD, link, out, size - 1);
    out[n > 0 ? n : 0] = '\0';
    return n > 0;
}

static int concerns(int fd)
{
    char path[4096];
    int saved = errno, does = path_of(fd, path, sizeof path) && concerns_path(path);

    errno = saved;
    return does;
}

static int concerns_at(int dir, const char *name)
{
    char path[4096];

    return concerns_path(name) || (*name != '/' && dir != AT_FDCWD &&
                                   path_of(dir, path, sizeof path) && concerns_path(path));
}

static int fails(int code)
{
    errno = code;
    return -1;
}

/* ---- writing and reading ---- */

static atomic_llong room; /* what was given back while the disk is full */

/* Takes what a file that ends at `end` needs. */
static int has_room(int fd, off_t end)
{
    struct stat st;
    long long need;

    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || end <= st.st_size)
        return 1;
    need = end - st.st_size;
    if (atomic_fetch_sub(&room, need) >= need)
        return 1;
    atomic_fetch_add(&room, need);
    return 0;
}

static void give_back(off_t bytes)
{
    if (bytes > 0 && is("full"))
        atomic_fetch_add(&room, bytes);
}

/* errno of a write of n bytes at offset; 0: none. */
static int write_error(int fd, size_t n, off_t at)
{
    if (is("eio-write"))
        return concerns(fd) ? EIO : 0;
    if (is("thin"))
        return concerns(fd) ? ENOSPC : 0;
    return is("full") && concerns(fd) && !has_room(fd, at + (off_t)n) ? ENOSPC : 0;
}

static ssize_t write_at(const char *name, int fd, const void *p, size_t n, off_t at)
{
    int bad = write_error(fd, n, at);

    return bad ? fails(bad)
               : REAL(ssize_t(*)(int, const void *, size_t, off_t), name)(fd, p, n, at);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    return write_at("pwrite", fd, p, n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off_t at)
{
    return write_at("pwrite64", fd, p, n, at);
}

ssize_t write(int fd, const void *p, size_t n)
{
    int bad = write_error(fd, n, lseek(fd, 0, SEEK_CUR));

    return bad ? fails(bad) : REAL(ssize_t(*)(int, const void *, size_t), "write")(fd, p, n);
}

static ssize_t write_pieces(const char *name, int fd, const struct iovec *iov, int n, off_t at)
{
    size_t size = 0;
    int bad;

    for (int i = 0; i < n; i++)
        size += iov[i].iov_len;
    bad = write_error(fd, size, at);
    return bad ? fails(bad)
               : REAL(ssize_t(*)(int, const struct iovec *, int, off_t), name)(fd, iov, n, at);
}

ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
    return write_pieces("pwritev", fd, iov, n, at);
}

ssize_t pwritev64(int fd, const struct iovec *iov, int n, off_t at)
{
    return write_pieces("pwritev64", fd, iov, n, at);
}

static int allocate(const char *name, int fd, off_t at, off_t n)
{
    if (is("full") && concerns(fd) && !has_room(fd, at + n))
        return ENOSPC;
    return REAL(int (*)(int, off_t, off_t), name)(fd, at, n);
}

int posix_fallocate(int fd, off_t at, off_t n)
{
    return allocate("posix_fallocate", fd, at, n);
}

int posix_fallocate64(int fd, off_t at, off_t n)
{
    return allocate("posix_fallocate64", fd, at, n);
}

static ssize_t read_at(const char *name, int fd, void *p, size_t n, off_t at)
{
    if (is("eio-read") && concerns(fd))
        return fails(EIO);
    return REAL(ssize_t(*)(int, void *, size_t, off_t), name)(fd, p, n, at);
}

ssize_t pread(int fd, void *p, size_t n, off_t at)
{
    return read_at("pread", fd, p, n, at);
}

ssize_t pread64(int fd, void *p, size_t n, off_t at)
{
    return read_at("pread64", fd, p, n, at);
}

/* What a fortified program calls. */
ssize_t __pread_chk(int fd, void *p, size_t n, off_t at, size_t size);
ssize_t __pread_chk(int fd, void *p, size_t n, off_t at, size_t size)
{
    return n > size ? fails(EFAULT) : read_at("pread", fd, p, n, at);
}

ssize_t __pread64_chk(int fd, void *p, size_t n, off_t at, size_t size);
ssize_t __pread64_chk(int fd, void *p, size_t n, off_t at, size_t size)
{
    return n > size ? fails(EFAULT) : read_at("pread64", fd, p, n, at);
}

int fdatasync(int fd)
{
    return is("eio-sync") && concerns(fd) ? fails(EIO) : REAL(int (*)(int), "fdatasync")(fd);
}

int fsync(int fd)
{
    return is("eio-sync") && concerns(fd) ? fails(EIO) : REAL(int (*)(int), "fsync")(fd);
}

/* ---- names ---- */

int ftruncate(int fd, off_t size)
{
    struct stat st;
    off_t freed = !fstat(fd, &st) && concerns(fd) ? st.st_size - size : 0;
    int rc = REAL(int (*)(int, off_t), "ftruncate")(fd, size);

    if (!rc)
        give_back(freed);
    return rc;
}

int unlinkat(int dir, const char *path, int flags)
{
    struct stat st;
    off_t freed = !fstatat(dir, path, &st, 0) && concerns_at(dir, path) ? st.st_size : 0;
    int rc = REAL(int (*)(int, const char *, int), "unlinkat")(dir, path, flags);

    if (!rc)
        give_back(freed);
    return rc;
}

static int open_error(int dir, const char *path, int flags)
{
    if ((flags & (O_ACCMODE | O_CREAT)) && is("readonly") && concerns_at(dir, path))
        return EROFS;
    return 0;
}

static int open_at(const char *name, int dir, const char *path, int flags, mode_t mode)
{
    int bad = open_error(dir, path, flags);

    return bad ? fails(bad)
               : REAL(int (*)(int, const char *, int, ...), name)(dir, path, flags, mode);
}

#define MODE_AFTER(last)                                                                           \
    va_list ap;                                                                                    \
    mode_t mode;                                                                                   \
    va_start(ap, last);                                                                            \
    mode = (last & (O_CREAT | O_TMPFILE)) ? va_arg(ap, mode_t) : 0;                                \
    va_end(ap)

int open(const char *path, int flags, ...)
{
    MODE_AFTER(flags);
    return open_at("openat", AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE_AFTER(flags);
    return open_at("openat64", AT_FDCWD, path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
    MODE_AFTER(flags);
    return open_at("openat", dir, path, flags, mode);
}

int openat64(int dir, const char *path, int flags, ...)
{
    MODE_AFTER(flags);
    return open_at("openat64", dir, path, flags, mode);
}

int mkdir(const char *path, mode_t mode)
{
    if (is("readonly") && concerns_path(path) && access(path, F_OK))
        return fails(EROFS);
    return REAL(int (*)(const char *, mode_t), "mkdir")(path, mode);
}

/* ---- the file system, and the clock ---- */

int fstatfs(int fd, struct statfs *out)
{
    char text[256];
    const char *type = wrong("fs=", text);
    int rc = REAL(int (*)(int, struct statfs *), "fstatfs")(fd, out);

    if (!rc && type && concerns(fd))
        out->f_type = (int)strtoul(type, NULL, 0);
    return rc;
}

int clock_gettime(clockid_t id, struct timespec *out)
{
    char text[256];
    const char *seconds = id == CLOCK_REALTIME ? wrong("clock=", text) : NULL;
    int rc = REAL(int (*)(clockid_t, struct timespec *), "clock_gettime")(id, out);

    if (!rc && seconds)
        out->tv_sec += strtol(seconds, NULL, 10);
    return rc;
}
