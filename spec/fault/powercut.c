/* A preloaded disk whose power can be cut. What the process does to files and directories under
 * POWERCUT_ROOT happens, and is written down in the order in which it happened: contents, sizes,
 * names, and which syncs began and returned. After a SIGKILL powercut.py makes of this what a disk
 * may hold after a power cut. Any thread; one lock makes an operation and its note one.
 *
 *     POWERCUT_JOURNAL    the notes; absent: operations are only counted
 *     POWERCUT_COUNT      a file that shows the number of operations so far (8 bytes, mapped)
 *     POWERCUT_AT         the process is killed at this operation, before or after it by its parity
 *     POWERCUT_NAMES      only those are counted that make, change or remove a name
 *     POWERCUT_UNTIL      it is not killed any more when this file is there
 *     POWERCUT_SYNC_US    how long a sync takes */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FD = 4096 };
enum note { CREATE = 1, SIZE, WRITE, RENAME, UNLINK, MKDIR, SYNC_BEGIN, SYNC_END };

struct head {
    uint32_t note, len; /* len: bytes behind it */
    uint64_t a, b;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static char root[PATH_MAX];
static size_t root_len;
static int journal = -1;
static const char *until;
static uint64_t strike_at, own_count, *count = &own_count, syncs;
static long sync_us;
static int names_only;
static uint64_t inode_of[MAX_FD]; /* 0: not ours */

/* Declares real: the C library's function of that name. */
#define REAL(name)                                                                                 \
    static __typeof__(&name) real;                                                                 \
    if (!real)                                                                                     \
    *(void **)&real = dlsym(RTLD_NEXT, #name)

static int real_open(int dir, const char *path, int flags, mode_t mode)
{
    REAL(openat);
    return real(dir, path, flags, mode);
}

static ssize_t real_write(int fd, const void *p, size_t n)
{
    REAL(write);
    return real(fd, p, n);
}

static void begin_once(void)
{
    const char *path = getenv("POWERCUT_ROOT");

    if (!path || !realpath(path, root))
        return;
    root_len = strlen(root);
    until = getenv("POWERCUT_UNTIL");
    names_only = getenv("POWERCUT_NAMES") != NULL;
    path = getenv("POWERCUT_AT");
    strike_at = path ? strtoull(path, NULL, 10) : 0;
    path = getenv("POWERCUT_SYNC_US");
    sync_us = path ? strtol(path, NULL, 10) : 0;
    path = getenv("POWERCUT_JOURNAL");
    if (path)
        journal = real_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    path = getenv("POWERCUT_COUNT");
    if (path) {
        int fd = real_open(AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        void *p = ftruncate(fd, 8) ? MAP_FAILED
                                   : mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        count = p == MAP_FAILED ? &own_count : p; /* fd stays open: close would come back here */
    }
}

static void begin(void)
{
    pthread_once(&once, begin_once);
    pthread_mutex_lock(&lock);
}

static void end(void)
{
    int kept = errno;

    pthread_mutex_unlock(&lock);
    errno = kept;
}

static int is_below(const char *path)
{
    return root_len && !strncmp(path, root, root_len) && (path[root_len] == '/' || !path[root_len]);
}

enum { CONTENT, NAME };
/* after 0: about to do an operation of ours; 1: it is done and noted. */
static void strike(int what, int after)
{
    if (names_only && what != NAME)
        return;
    if (!after)
        ++*count;
    if (strike_at && *count >= strike_at && (int)(strike_at & 1) == after &&
        !(until && access(until, F_OK) == 0))
        raise(SIGKILL);
}

static void put(const void *p, size_t n)
{
    if (journal >= 0 && real_write(journal, p, n) != (ssize_t)n)
        abort();
}

static void tell(enum note note, uint64_t a, uint64_t b, const void *p, size_t len)
{
    struct head h = {(uint32_t)note, (uint32_t)len, a, b};

    put(&h, sizeof(h));
    put(p, len);
}

/* The absolute path of a name, its folder looked up; "" when it is none of ours. */
static void path_of(int dir, const char *name, char out[PATH_MAX])
{
    char whole[2 * PATH_MAX], link[64], *slash;
    ssize_t n = 0;

    out[0] = '\0';
    if (name[0] != '/' && dir != AT_FDCWD) {
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
        n = readlink(link, whole, PATH_MAX);
        if (n < 0)
            return;
        whole[n++] = '/';
    }
    (void)snprintf(whole + n, sizeof(whole) - (size_t)n, "%s%s", strchr(name, '/') || n ? "" : "./",
                   name);
    slash = strrchr(whole, '/');
    *slash = '\0';
    if (!realpath(slash == whole ? "/" : whole, out) || !is_below(out) ||
        strlen(out) + strlen(slash + 1) + 2 > PATH_MAX)
        out[0] = '\0';
    else
        (void)snprintf(out + strlen(out), PATH_MAX - strlen(out), "/%s", slash + 1);
}

static uint64_t inode(int fd)
{
    struct stat st;

    return fstat(fd, &st) ? 0 : st.st_ino;
}

static uint64_t tracked(int fd)
{
    return fd >= 0 && fd < MAX_FD ? inode_of[fd] : 0;
}

/* ---- names ---- */

static int is_ours(int fd, char path[PATH_MAX])
{
    char link[64];
    ssize_t n;

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, PATH_MAX - 1);
    path[n > 0 ? n : 0] = '\0';
    return is_below(path);
}

static int open_noted(int dir, const char *name, int flags, mode_t mode)
{
    char path[PATH_MAX];
    int was, fd, writes = (flags & (O_CREAT | O_TRUNC)) != 0;

    begin();
    was = !writes || faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    path_of(dir, name, path);
    writes = writes && path[0] && (!was || (flags & O_TRUNC));
    if (writes)
        strike(NAME, 0);
    fd = real_open(dir, name, flags, mode);
    if (fd >= 0 && fd < MAX_FD)
        inode_of[fd] = is_ours(fd, path) ? inode(fd) : 0;
    if (writes && tracked(fd)) {
        if (!was)
            tell(CREATE, inode_of[fd], 0, path, strlen(path));
        else
            tell(SIZE, inode_of[fd], 0, NULL, 0);
        strike(NAME, 1);
    }
    end();
    return fd;
}

static mode_t mode_of(int flags, va_list args)
{
    return flags & O_CREAT ? va_arg(args, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = mode_of(flags, args);
    va_end(args);
    return open_noted(AT_FDCWD, path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = mode_of(flags, args);
    va_end(args);
    return open_noted(dir, path, flags, mode);
}

int open64(const char *, int, ...) __attribute__((alias("open")));
int openat64(int, const char *, int, ...) __attribute__((alias("openat")));
int __openat_2(int dir, const char *path, int flags);
int __openat_2(int dir, const char *path, int flags)
{
    return open_noted(dir, path, flags, 0);
}
int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags)
{
    return open_noted(AT_FDCWD, path, flags, 0);
}

int close(int fd)
{
    int rc;

    REAL(close);
    begin();
    if (fd >= 0 && fd < MAX_FD)
        inode_of[fd] = 0;
    rc = real(fd);
    end();
    return rc;
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    char paths[2 * PATH_MAX], new[PATH_MAX];
    int rc;

    REAL(renameat);
    begin();
    path_of(from_dir, from, paths);
    path_of(to_dir, to, new);
    if (paths[0])
        strike(NAME, 0);
    rc = real(from_dir, from, to_dir, to);
    if (paths[0] && rc == 0) {
        size_t n = strlen(paths) + 1;

        memcpy(paths + n, new, strlen(new));
        tell(RENAME, 0, 0, paths, n + strlen(new));
        strike(NAME, 1);
    }
    end();
    return rc;
}

int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int unlinkat(int dir, const char *name, int flags)
{
    char path[PATH_MAX];
    int rc;

    REAL(unlinkat);
    begin();
    path_of(dir, name, path);
    if (path[0])
        strike(NAME, 0);
    rc = real(dir, name, flags);
    if (path[0] && rc == 0) {
        tell(UNLINK, 0, 0, path, strlen(path));
        strike(NAME, 1);
    }
    end();
    return rc;
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

int mkdirat(int dir, const char *name, mode_t mode)
{
    char path[PATH_MAX];
    struct stat st;
    int rc;

    REAL(mkdirat);
    begin();
    path_of(dir, name, path);
    if (path[0])
        strike(NAME, 0);
    rc = real(dir, name, mode);
    if (path[0] && rc == 0) {
        tell(MKDIR, stat(path, &st) ? 0 : st.st_ino, 0, path, strlen(path));
        strike(NAME, 1);
    }
    end();
    return rc;
}

int mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}

/* ---- contents ---- */

/* Notes n bytes of some pieces as written at an offset. */
static void tell_written(int fd, const struct iovec *v, int n_v, ssize_t n, off_t at)
{
    struct head h = {WRITE, (uint32_t)n, inode_of[fd], (uint64_t)at};

    put(&h, sizeof(h));
    for (int i = 0; i < n_v && n > 0; i++) {
        size_t part = v[i].iov_len < (size_t)n ? v[i].iov_len : (size_t)n;

        put(v[i].iov_base, part);
        n -= (ssize_t)part;
    }
    strike(CONTENT, 1);
}

ssize_t pwritev(int fd, const struct iovec *v, int n_v, off_t at)
{
    ssize_t n;

    REAL(pwritev);
    if (!tracked(fd))
        return real(fd, v, n_v, at);
    begin();
    strike(CONTENT, 0);
    n = real(fd, v, n_v, at);
    if (n > 0)
        tell_written(fd, v, n_v, n, at);
    end();
    return n;
}

/* Behind the end with O_APPEND, else at the descriptor's place: where it ended tells. */
ssize_t writev(int fd, const struct iovec *v, int n_v)
{
    ssize_t n;

    REAL(writev);
    if (!tracked(fd))
        return real(fd, v, n_v);
    begin();
    strike(CONTENT, 0);
    n = real(fd, v, n_v);
    if (n > 0)
        tell_written(fd, v, n_v, n, lseek(fd, 0, SEEK_CUR) - n);
    end();
    return n;
}

ssize_t write(int fd, const void *p, size_t n)
{
    if (!tracked(fd))
        return real_write(fd, p, n);
    return writev(fd, &(struct iovec){(void *)p, n}, 1);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    REAL(pwrite);
    if (!tracked(fd))
        return real(fd, p, n, at);
    return pwritev(fd, &(struct iovec){(void *)p, n}, 1, at);
}

ssize_t pwrite64(int, const void *, size_t, off_t) __attribute__((alias("pwrite")));
ssize_t pwritev64(int, const struct iovec *, int, off_t) __attribute__((alias("pwritev")));

int ftruncate(int fd, off_t size)
{
    int rc;

    REAL(ftruncate);
    if (!tracked(fd))
        return real(fd, size);
    begin();
    strike(CONTENT, 0);
    rc = real(fd, size);
    if (rc == 0) {
        tell(SIZE, inode_of[fd], (uint64_t)size, NULL, 0);
        strike(CONTENT, 1);
    }
    end();
    return rc;
}

int posix_fallocate(int fd, off_t at, off_t len)
{
    struct stat st;
    int rc;

    REAL(posix_fallocate);
    if (!tracked(fd))
        return real(fd, at, len);
    begin();
    strike(CONTENT, 0);
    rc = real(fd, at, len);
    if (rc == 0 && !fstat(fd, &st)) {
        tell(SIZE, inode_of[fd], (uint64_t)st.st_size, NULL, 0);
        strike(CONTENT, 1);
    }
    end();
    return rc;
}

int ftruncate64(int, off_t) __attribute__((alias("ftruncate")));
int posix_fallocate64(int, off_t, off_t) __attribute__((alias("posix_fallocate")));

/* ---- syncs ---- */

/* What was noted before it began is on the disk when its end is noted. The real disk is spared. */
static int sync_noted(int fd)
{
    uint64_t token;

    begin();
    strike(CONTENT, 0);
    token = ++syncs;
    tell(SYNC_BEGIN, token, inode_of[fd], NULL, 0);
    end();
    if (sync_us)
        nanosleep(&(struct timespec){.tv_nsec = sync_us * 1000}, NULL);
    begin();
    tell(SYNC_END, token, 0, NULL, 0);
    strike(CONTENT, 1);
    end();
    return 0;
}

int fdatasync(int fd)
{
    REAL(fdatasync);
    pthread_once(&once, begin_once);
    return tracked(fd) ? sync_noted(fd) : real(fd);
}

int fsync(int fd)
{
    REAL(fsync);
    pthread_once(&once, begin_once);
    return tracked(fd) ? sync_noted(fd) : real(fd);
}
