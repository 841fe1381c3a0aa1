#include "cmd/paths.h"

#include "base/arena.h"
#include "base/text.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { MAX_LINKS = 40, MAX_LEN = PATH_MAX };

struct gw_paths *gw_paths_new(void)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_paths *p = gw_arena_zalloc(mem, sizeof(*p));

    p->mem = mem;
    return p;
}

void gw_paths_free(struct gw_paths *p)
{
    if (p)
        gw_arena_free(p->mem);
}

/* Room for one more item of size bytes. */
static void *grown(struct gw_arena *mem, void *items, size_t n, size_t *cap, size_t size)
{
    void *more;

    if (n < *cap)
        return items;
    *cap = *cap ? 2 * *cap : 16;
    more = gw_arena_alloc(mem, *cap * size);
    if (n)
        memcpy(more, items, n * size);
    return more;
}

static const char *kept(struct gw_paths *p, const char *s)
{
    return gw_arena_strndup(p->mem, s, strlen(s));
}

static void add_spot(struct gw_paths *p, const char *folder, const char *name)
{
    p->spots = grown(p->mem, p->spots, p->n_spots, &p->cap_spots, sizeof(*p->spots));
    p->spots[p->n_spots++] = (struct gw_spot){kept(p, *folder ? folder : "/"), kept(p, name)};
}

static const char **add_text(struct gw_paths *p, const char **items, size_t *n, size_t *cap,
                             const char *text)
{
    items = grown(p->mem, items, *n, cap, sizeof(*items));
    items[(*n)++] = kept(p, text);
    return items;
}

/* Those on which another machine, or the host of a virtual one, may write: nfs, smb, smb2, cifs,
 * fuse, 9p, ceph, afs, lustre, gpfs, vboxsf, vmhgfs, prl_fs. */
static int is_remote(const char *folder)
{
    static const unsigned long types[] = {
        0x6969,     0x517B,     0xFE534D42, 0xFF534D42, 0x65735546, 0x01021997, 0x00C36400,
        0x5346414F, 0x0BD00BD0, 0x47504653, 0x786F4256, 0xBACBACBC, 0x7C7C6673};
    struct statfs fs;

    if (statfs(*folder ? folder : "/", &fs))
        return 0;
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        if (((unsigned long)fs.f_type & 0xFFFFFFFF) == types[i])
            return 1;
    return 0;
}

/* One walk along a path. done has no links and does not end with a slash; rest is what comes. */
struct walk {
    struct gw_paths *paths;
    char done[MAX_LEN], rest[MAX_LEN];
    int links;
};

/* The first name of rest into name; 0: there is none. */
static int take_name(struct walk *w, char name[NAME_MAX + 1])
{
    size_t skip = strspn(w->rest, "/"), len = strcspn(w->rest + skip, "/");

    if (!len || len > NAME_MAX)
        return 0;
    memcpy(name, w->rest + skip, len);
    name[len] = '\0';
    memmove(w->rest, w->rest + skip + len, strlen(w->rest + skip + len) + 1);
    return 1;
}

static int join(char out[MAX_LEN], const char *a, const char *b)
{
    int n = snprintf(out, MAX_LEN, "%s/%s", a, b);

    return n < 0 || n >= MAX_LEN ? -1 : 0;
}

/* The walk goes on where the link at path points. */
static int follow(struct walk *w, const char *path)
{
    char target[MAX_LEN], rest[MAX_LEN];
    ssize_t len = readlink(path, target, sizeof(target) - 1);

    if (len <= 0 || ++w->links > MAX_LINKS)
        return -1;
    target[len] = '\0';
    if (join(rest, target, w->rest))
        return -1;
    memcpy(w->rest, rest, sizeof(rest));
    if (target[0] == '/')
        w->done[0] = '\0';
    return 0;
}

static int has_more(const struct walk *w)
{
    return w->rest[strspn(w->rest, "/")] != '\0';
}

/* 1: there is more to walk. */
static int step(struct walk *w)
{
    char name[NAME_MAX + 1], path[MAX_LEN];
    struct stat st;

    if (!take_name(w, name))
        return 0;
    if (!strcmp(name, "."))
        return 1;
    if (!strcmp(name, "..")) {
        char *slash = strrchr(w->done, '/');

        if (slash)
            *slash = '\0';
        return 1;
    }
    if (join(path, w->done, name))
        return 0;
    if (!lstat(path, &st) && S_ISDIR(st.st_mode) && has_more(w)) {
        memcpy(w->done, path, sizeof(path));
        return 1;
    }
    add_spot(w->paths, w->done, name);
    w->paths->is_remote |= is_remote(w->done);
    if (lstat(path, &st))
        return 0;
    if (S_ISLNK(st.st_mode))
        return !follow(w, path);
    if (S_ISREG(st.st_mode) && !has_more(w))
        w->paths->files =
            add_text(w->paths, w->paths->files, &w->paths->n_files, &w->paths->cap_files, path);
    return 0;
}

void gw_paths_add(struct gw_paths *p, const char *path)
{
    struct walk w = {.paths = p};
    char here[MAX_LEN] = "";

    if (path[0] != '/' && !getcwd(here, sizeof(here)))
        return;
    if (join(w.rest, here, path))
        return;
    p->asked = add_text(p, p->asked, &p->n_asked, &p->cap_asked, path);
    while (step(&w))
        ;
}

/* ---- as a set ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int by_folder(const void *a, const void *b)
{
    const struct gw_spot *x = a, *y = b;
    int c = strcmp(x->folder, y->folder);

    return c ? c : strcmp(x->name, y->name);
}

static size_t sort_unique(void *items, size_t n, size_t size,
                          int (*by)(const void *a, const void *b))
{
    char *at = items;
    size_t k = 0;

    if (!n)
        return 0;
    qsort(items, n, size, by);
    for (size_t i = 1; i < n; i++)
        if (by(at + k * size, at + i * size) != 0)
            memmove(at + ++k * size, at + i * size, size);
    return k + 1;
}

void gw_paths_sort(struct gw_paths *p)
{
    p->n_asked = sort_unique(p->asked, p->n_asked, sizeof(*p->asked), by_text);
    p->n_files = sort_unique(p->files, p->n_files, sizeof(*p->files), by_text);
    p->n_spots = sort_unique(p->spots, p->n_spots, sizeof(*p->spots), by_folder);
}

static int same_texts(const char *const *a, const char *const *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(a[i], b[i]) != 0)
            return 0;
    return 1;
}

int gw_paths_same(const struct gw_paths *a, const struct gw_paths *b)
{
    if (a->n_asked != b->n_asked || a->n_spots != b->n_spots || a->n_files != b->n_files ||
        a->is_remote != b->is_remote)
        return 0;
    for (size_t i = 0; i < a->n_spots; i++)
        if (by_folder(&a->spots[i], &b->spots[i]) != 0)
            return 0;
    return same_texts(a->asked, b->asked, a->n_asked) && same_texts(a->files, b->files, a->n_files);
}

uint64_t gw_paths_print(const struct gw_paths *p)
{
    uint64_t hash = 0;

    for (size_t i = 0; i < p->n_asked; i++) {
        uint64_t parts[8] = {hash};
        struct stat st;

        if (!stat(p->asked[i], &st)) {
            const uint64_t identity[] = {1,
                                         st.st_dev,
                                         st.st_ino,
                                         (uint64_t)st.st_size,
                                         (uint64_t)st.st_mtim.tv_sec,
                                         (uint64_t)st.st_mtim.tv_nsec,
                                         (uint64_t)st.st_ctim.tv_sec ^ (uint64_t)st.st_ctim.tv_nsec
                                                                           << 32};

            memcpy(parts + 1, identity, sizeof(identity));
        }
        hash = gw_hash64((struct gw_str){(const char *)parts, sizeof(parts)});
    }
    return hash;
}
