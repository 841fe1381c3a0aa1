#include "publish/publish_file.h"

#include "base/err.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

int (*gw_publish_file_sync)(int fd) = fdatasync;
int (*gw_publish_file_cut)(int fd, off_t size) = ftruncate;

static int lock(int fd, int how)
{
    int rc;

    do
        rc = flock(fd, how);
    while (rc && errno == EINTR);
    return rc;
}

/* ---- making and finding the file ---- */

/* A name is on the disk only after its folder was synced. */
static int sync_folder(struct gw_file_sink *s, struct gw_err *err)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(s->conf->path, '/');
    size_t len = slash ? (size_t)(slash - s->conf->path) : 0;
    int fd, rc;

    if (!s->unsynced || !s->conf->fsync)
        return 0;
    if (len >= sizeof(dir))
        return gw_err_set(err, GW_ERR_RETRY, "%s: the path is too long", s->conf->path);
    memcpy(dir, len ? s->conf->path : slash ? "/" : ".", len ? len : 1);
    dir[len ? len : 1] = '\0';
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return gw_err_errno(err, GW_ERR_RETRY, "%s: cannot open the folder", dir);
    rc = gw_publish_file_sync(fd) ? gw_err_errno(err, GW_ERR_RETRY, "%s: sync", dir) : 0;
    close(fd);
    s->unsynced = rc != 0;
    return rc;
}

/* Size of the file up to the last newline; -1: it cannot be read. */
static int64_t whole_lines(int fd, int64_t size)
{
    char buf[4096];

    while (size > 0) {
        size_t n = size < (int64_t)sizeof(buf) ? (size_t)size : sizeof(buf);
        const char *nl;

        if (pread(fd, buf, n, size - (int64_t)n) != (ssize_t)n)
            return -1;
        nl = memrchr(buf, '\n', n);
        if (nl)
            return size - (int64_t)n + (nl - buf) + 1;
        size -= (int64_t)n;
    }
    return 0;
}

static int cut_unfinished(int fd, const char *path, struct gw_err *err)
{
    struct stat st;
    int64_t whole;

    if (fstat(fd, &st))
        return gw_err_errno(err, GW_ERR_RETRY, "%s", path);
    whole = whole_lines(fd, st.st_size);
    if (whole < 0 || (whole < st.st_size && gw_publish_file_cut(fd, whole)))
        return gw_err_errno(err, GW_ERR_RETRY, "%s: cannot cut the unfinished last line off", path);
    return 0;
}

static int open_path(struct gw_file_sink *s, struct gw_err *err)
{
    const char *path = s->conf->path;
    int fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT) {
        fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
        s->unsynced = 1;
    }
    if (fd < 0)
        return gw_err_errno(err, GW_ERR_RETRY, "cannot open %s", path);
    if (s->fd >= 0)
        close(s->fd);
    s->fd = fd;
    s->cut = -1;
    return 0;
}

int gw_file_sink_open(struct gw_file_sink *s, const struct gw_publish_file_conf *conf,
                      struct gw_err *err)
{
    int rc;

    *s = (struct gw_file_sink){.conf = conf, .fd = -1, .cut = -1};
    if (open_path(s, err))
        return -1;
    if (lock(s->fd, LOCK_EX))
        rc = gw_err_errno(err, GW_ERR_RETRY, "%s: lock", conf->path);
    else
        rc = cut_unfinished(s->fd, conf->path, err) || sync_folder(s, err) ? -1 : 0;
    if (rc)
        gw_file_sink_close(s);
    else
        (void)lock(s->fd, LOCK_UN);
    return rc;
}

void gw_file_sink_close(struct gw_file_sink *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

/* Somebody may have renamed the file (another worker that rotated it, logrotate): the name counts.
 */
static int is_still_there(struct gw_file_sink *s)
{
    struct stat now, mine;

    if (stat(s->conf->path, &now) || fstat(s->fd, &mine) || now.st_ino != mine.st_ino ||
        now.st_dev != mine.st_dev)
        return 0;
    s->size = mine.st_size;
    return 1;
}

/* What a failed batch left, if nobody has written behind it since. */
static int cut_back(struct gw_file_sink *s, struct gw_err *err)
{
    struct stat st;

    if (s->cut >= 0 && !fstat(s->fd, &st) && st.st_size == s->cut_end &&
        gw_publish_file_cut(s->fd, s->cut))
        return gw_err_errno(err, GW_ERR_RETRY, "%s: cannot cut a failed batch off", s->conf->path);
    s->cut = -1;
    return 0;
}

/* Others may have left an unfinished line that they could not cut off. */
static int mend(struct gw_file_sink *s, struct gw_err *err)
{
    struct stat st;
    char last;

    if (s->size == 0 || (pread(s->fd, &last, 1, s->size - 1) == 1 && last == '\n'))
        return 0;
    if (cut_unfinished(s->fd, s->conf->path, err))
        return -1;
    if (fstat(s->fd, &st))
        return gw_err_errno(err, GW_ERR_RETRY, "%s", s->conf->path);
    s->size = st.st_size;
    return 0;
}

/* The file of this name, locked, without what a failed batch left in it. */
static int take(struct gw_file_sink *s, struct gw_err *err)
{
    int rc;

    if (s->fd < 0 && open_path(s, err))
        return -1;
    for (;;) {
        if (lock(s->fd, LOCK_EX))
            return gw_err_errno(err, GW_ERR_RETRY, "%s: lock", s->conf->path);
        rc = cut_back(s, err);
        if (!rc && is_still_there(s) && !(rc = mend(s, err)))
            return 0;
        (void)lock(s->fd, LOCK_UN);
        if (rc || open_path(s, err))
            return -1;
    }
}

/* ---- rotation ---- */

static int shift(const char *path, int64_t i)
{
    char from[PATH_MAX], to[PATH_MAX];

    if (i == 0)
        snprintf(from, sizeof(from), "%s", path);
    else
        snprintf(from, sizeof(from), "%s.%lld", path, (long long)i);
    if ((size_t)snprintf(to, sizeof(to), "%s.%lld", path, (long long)i + 1) >= sizeof(to)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return rename(from, to) && errno != ENOENT ? -1 : 0;
}

/* path becomes path.1, path.1 path.2, … and path.keep is written over. The old file's lock goes
 * when its descriptor does, so the others find the new name. */
static int rotate(struct gw_file_sink *s, struct gw_err *err)
{
    const char *path = s->conf->path;

    for (int64_t i = s->conf->rotate->keep - 1; i >= 0; i--)
        if (shift(path, i))
            return gw_err_errno(err, GW_ERR_RETRY, "%s: cannot rotate", path);
    if (open_path(s, err))
        return -1;
    if (lock(s->fd, LOCK_EX))
        return gw_err_errno(err, GW_ERR_RETRY, "%s: lock", path);
    s->size = 0;
    return is_still_there(s) ? 0 : gw_err_set(err, GW_ERR_RETRY, "%s: rotated by others", path);
}

/* ---- writing ---- */

/* The messages that go into one writev: up to the rotation's size, at least one. */
static struct gw_message *part_end(const struct gw_file_sink *s, struct gw_message *m, int64_t *len)
{
    const int64_t max = s->conf->rotate ? s->conf->rotate->max_bytes : INT64_MAX;

    *len = (int64_t)m->body.len;
    for (m = m->next; m && s->size + *len + (int64_t)m->body.len <= max; m = m->next)
        *len += (int64_t)m->body.len;
    return m;
}

static int write_part(struct gw_file_sink *s, const struct gw_message *m,
                      const struct gw_message *end, int64_t len, struct gw_err *err)
{
    struct iovec v[GW_FILE_BATCH_MAX];
    int n = 0;
    ssize_t done;

    for (; m != end; m = m->next) {
        assert(n < GW_FILE_BATCH_MAX);
        v[n++] = (struct iovec){(void *)m->body.p, m->body.len};
    }
    do
        done = writev(s->fd, v, n);
    while (done < 0 && errno == EINTR);
    if (done != len) {
        if (done >= 0)
            errno = ENOSPC; /* what a short write to a file means */
        return -1;
    }
    if (s->conf->fsync && gw_publish_file_sync(s->fd))
        return -1;
    return sync_folder(s, err);
}

/* A batch that failed is cut off again, so that a line is there once and whole, or not at all. */
static int give_up(struct gw_file_sink *s, struct gw_err *err)
{
    struct stat st;

    gw_err_errno(err, GW_ERR_RETRY, "%s: write", s->conf->path);
    if (!gw_publish_file_cut(s->fd, s->size) || fstat(s->fd, &st))
        return -1;
    s->cut = s->size;
    s->cut_end = st.st_size;
    return -1;
}

static int write_parts(struct gw_file_sink *s, struct gw_message **m, struct gw_err *err)
{
    const struct gw_publish_file_rotate *r = s->conf->rotate;

    while (*m) {
        struct gw_message *end;
        int64_t len;

        if (r && s->size > 0 && s->size + (int64_t)(*m)->body.len > r->max_bytes && rotate(s, err))
            return -1;
        end = part_end(s, *m, &len);
        if (write_part(s, *m, end, len, err))
            return give_up(s, err);
        s->size += len;
        *m = end;
    }
    return 0;
}

int gw_file_sink_write(struct gw_file_sink *s, struct gw_message **m, struct gw_err *err)
{
    int rc;

    if (take(s, err))
        return -1;
    rc = write_parts(s, m, err);
    if (s->fd >= 0)
        (void)lock(s->fd, LOCK_UN);
    return rc;
}
