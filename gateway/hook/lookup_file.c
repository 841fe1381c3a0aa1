/* Which files a script may look things up in, and reading them. */
#include "base/err.h"
#include "base/field.h"
#include "hook/lookups.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Splits off the last part: "a/b" into "a" and "b", "b" into "." and "b". */
static int folder_of(const char *path, size_t len, char real[PATH_MAX])
{
    char folder[PATH_MAX];

    while (len && path[len - 1] != '/')
        len--;
    while (len > 1 && path[len - 1] == '/')
        len--;
    if (len >= sizeof(folder))
        return -1;
    snprintf(folder, sizeof(folder), "%.*s", len ? (int)len : 1, len ? path : ".");
    return realpath(folder, real) ? 0 : -1;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* Its folder without links, and its own name as it stands. */
static int named(const char *path, char out[PATH_MAX])
{
    char folder[PATH_MAX];
    const char *name = last_part(path);

    if (!*name || !strcmp(name, ".") || !strcmp(name, "..") ||
        folder_of(path, strlen(path), folder))
        return -1;
    return snprintf(out, PATH_MAX, "%s/%s", strcmp(folder, "/") != 0 ? folder : "", name) < PATH_MAX
               ? 0
               : -1;
}

/* Where it is, wherever links lead; what is not there is where it would be. */
static int resolve(const char *path, char out[PATH_MAX])
{
    if (realpath(path, out))
        return 0;
    return errno == ENOENT ? named(path, out) : -1;
}

/* The rest of path below the folder, NULL if it is not below it. */
static const char *below(const char *folder, const char *path)
{
    const size_t n = strcmp(folder, "/") != 0 ? strlen(folder) : 0;

    return !strncmp(folder, path, n) && path[n] == '/' ? path + n + 1 : NULL;
}

/* A glob names files as they stand in its folder. Links in it may lead about below that folder (as
 * those of a mounted ConfigMap do), not out of it. */
static int glob_allows(const char *glob, const char *path, const char *real)
{
    const char *wild = strpbrk(glob, "*?["), *rest = wild, *name;
    char folder[PATH_MAX], as_named[PATH_MAX];

    while (rest > glob && rest[-1] != '/')
        rest--;
    if (folder_of(glob, (size_t)(rest - glob), folder) || named(path, as_named))
        return 0;
    name = below(folder, as_named);
    return name && below(folder, real) && !fnmatch(rest, name, FNM_PATHNAME | FNM_PERIOD);
}

static int allows(const char *item, const char *path, const char *real)
{
    char own[PATH_MAX];
    struct stat st;

    if (strpbrk(item, "*?["))
        return glob_allows(item, path, real);
    if (resolve(item, own))
        return 0;
    return !strcmp(own, real) || (below(own, real) && !stat(own, &st) && S_ISDIR(st.st_mode));
}

static int find(const char *path, const struct gw_strs *files, char real[PATH_MAX],
                struct gw_err *err)
{
    if (!resolve(path, real))
        for (size_t i = 0; files && i < files->n; i++)
            if (allows(files->items[i], path, real))
                return 0;
    return gw_err_set(err, GW_ERR_REJECT, "%.150s: hook_limits.files does not name it", path);
}

int gw_lookup_file_allowed(const char *path, const struct gw_strs *files, struct gw_err *err)
{
    char real[PATH_MAX];

    return find(path, files, real, err);
}

/* What is said of the file itself stays true until it is another; anything else may pass. */
static int failed(const char *path, struct gw_err *err)
{
    const int of_file = errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == EPERM ||
                        errno == ELOOP || errno == ENAMETOOLONG;

    return gw_err_errno(err, of_file ? GW_ERR_REJECT : GW_ERR_RETRY, "%.150s", path);
}

static int not_regular(const char *path, struct gw_err *err)
{
    return gw_err_set(err, GW_ERR_REJECT, "%.150s: not a regular file", path);
}

static int stat_real(const char *path, const char *real, struct stat *st, struct gw_err *err)
{
    if (stat(real, st)) {
        failed(path, err);
        memset(st, 0, sizeof(*st));
        return -1;
    }
    return S_ISREG(st->st_mode) ? 0 : not_regular(path, err);
}

int gw_lookup_file_stat(const char *path, const struct gw_strs *files, struct stat *st,
                        struct gw_err *err)
{
    char real[PATH_MAX];

    memset(st, 0, sizeof(*st));
    return find(path, files, real, err) || stat_real(path, real, st, err) ? -1 : 0;
}

/* The size the file had, and no more. */
static int read_all(int fd, const char *path, size_t len, struct gw_str *text, struct gw_err *err)
{
    char *p = malloc(len + 1);
    size_t n = 0;
    ssize_t got = 1;

    if (!p)
        abort();
    while (n < len && got) {
        got = read(fd, p + n, len - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            failed(path, err);
            free(p);
            return -1;
        }
        n += (size_t)got;
    }
    p[n] = '\0';
    *text = (struct gw_str){p, n};
    return 0;
}

static int read_open(int fd, const char *path, size_t max, struct gw_str *text, struct stat *st,
                     struct gw_err *err)
{
    if (fstat(fd, st))
        return failed(path, err);
    if (!S_ISREG(st->st_mode))
        return not_regular(path, err);
    if ((uint64_t)st->st_size > max)
        return gw_err_set(err, GW_ERR_TOO_LARGE, "%.150s: larger than %zu MiB", path, max >> 20);
    return read_all(fd, path, (size_t)st->st_size, text, err);
}

int gw_lookup_file_read(const char *path, const struct gw_strs *files, size_t max,
                        struct gw_str *text, struct stat *st, struct gw_err *err)
{
    char real[PATH_MAX];
    int fd, rc;

    memset(st, 0, sizeof(*st));
    if (find(path, files, real, err) || stat_real(path, real, st, err))
        return -1;
    fd = open(real, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY);
    if (fd < 0)
        return failed(path, err);
    rc = read_open(fd, path, max, text, st, err);
    close(fd);
    return rc;
}
