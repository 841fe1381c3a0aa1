#include "cmd/specs.h"

#include "base/arena.h"
#include "base/err.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_DEPTH = 20 };

static const char suffix[] = "_spec.lua";

static void add_file(struct gw_specs *s, const char *path)
{
    if (s->files.n == s->cap) {
        const char **more;

        s->cap = s->cap ? 2 * s->cap : 32;
        more = gw_arena_alloc(s->mem, s->cap * sizeof(*more));
        if (s->files.n)
            memcpy(more, s->files.items, s->files.n * sizeof(*more));
        s->files.items = more;
    }
    s->files.items[s->files.n++] = gw_arena_strndup(s->mem, path, strlen(path));
}

static int is_spec(const char *name)
{
    size_t n = strlen(name), len = sizeof(suffix) - 1;

    return n > len && !strcmp(name + n - len, suffix);
}

static int add_folder(struct gw_specs *s, const char *path, int depth, struct gw_err *err);

static int add_entry(struct gw_specs *s, const char *folder, const char *name, int depth,
                     struct gw_err *err)
{
    const char *path = !strcmp(folder, ".")
                           ? name
                           : gw_arena_printf(s->mem, "%s%s%s", folder,
                                             folder[strlen(folder) - 1] == '/' ? "" : "/", name)
                                 .p;
    struct stat st;

    if (name[0] == '.' || lstat(path, &st))
        return 0;
    if (S_ISDIR(st.st_mode))
        return depth > 0 ? add_folder(s, path, depth - 1, err) : 0;
    if (is_spec(name) && !stat(path, &st) && S_ISREG(st.st_mode))
        add_file(s, path);
    return 0;
}

static int add_folder(struct gw_specs *s, const char *path, int depth, struct gw_err *err)
{
    DIR *d = opendir(path);
    int rc = 0;

    if (!d)
        return gw_err_errno(err, GW_ERR_REJECT, "%s", path);
    while (!rc) {
        const struct dirent *e = readdir(d); /* NOLINT(concurrency-mt-unsafe) */

        if (!e)
            break;
        rc = add_entry(s, path, e->d_name, depth, err);
    }
    closedir(d);
    return rc;
}

int gw_specs_add(struct gw_specs *s, const char *path, int below, struct gw_err *err)
{
    struct stat st;

    if (stat(path, &st))
        return gw_err_errno(err, GW_ERR_REJECT, "%s", path);
    if (S_ISDIR(st.st_mode))
        return add_folder(s, path, below ? MAX_DEPTH : 0, err);
    add_file(s, path);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void gw_specs_sort(struct gw_specs *s)
{
    size_t n = 0;

    if (s->files.n)
        qsort(s->files.items, s->files.n, sizeof(*s->files.items), by_name);
    for (size_t i = 0; i < s->files.n; i++)
        if (!n || strcmp(s->files.items[n - 1], s->files.items[i]) != 0)
            s->files.items[n++] = s->files.items[i];
    s->files.n = n;
}
