#include "config/beneath.h"

#include "base/arena.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char *gw_folder_of(struct gw_arena *mem, const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return ".";
    return gw_arena_strndup(mem, path, slash > path ? (size_t)(slash - path) : 1);
}

/* The folders before the first special character. */
static int plain_part(const char *path, char out[PATH_MAX])
{
    size_t len = strcspn(path, "*?[");

    if (path[len])
        while (len && path[len - 1] != '/')
            len--;
    if (len >= PATH_MAX)
        return -1;
    memcpy(out, len ? path : ".", len ? len : 1);
    out[len ? len : 1] = '\0';
    return 0;
}

/* Takes the last part off; -1: there is none, or it leads elsewhere. "a/" has the part "a". */
static int shorten(char *path)
{
    size_t len = strlen(path);
    char *slash;

    while (len > 1 && path[len - 1] == '/')
        path[--len] = '\0';
    slash = strrchr(path, '/');
    if (!strcmp(slash ? slash + 1 : path, "..") || !strcmp(path, ".") || !strcmp(path, "/"))
        return -1;
    if (!slash)
        memcpy(path, ".", 2);
    else
        slash[slash == path] = '\0';
    return 0;
}

/* Of the nearest part that is there: what is below it has no links yet. */
static int canonical(const char *path, char out[PATH_MAX])
{
    char part[PATH_MAX];
    struct stat st;

    if (plain_part(path, part))
        return -1;
    while (!realpath(part, out))
        if (errno != ENOENT || !lstat(part, &st) /* a link to nothing */ || shorten(part))
            return -1;
    return 0;
}

int gw_is_beneath(const char *path, const char *place)
{
    char a[PATH_MAX], b[PATH_MAX];
    size_t len;

    if (canonical(path, a) || !realpath(place, b))
        return 0;
    len = strlen(b);
    if (len && b[len - 1] == '/')
        len--; /* the root */
    return !strncmp(a, b, len) && (a[len] == '\0' || a[len] == '/');
}
