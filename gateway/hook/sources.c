/* Files as they were when they were first asked for. What a path was is kept with its identity on
 * the disk, so that looking whether it has changed costs a stat. */
#include "hook/sources.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/stat.h"
#include "flyte/pbset.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAX_FILE = 16 << 20,
    MAX_ALL = 64 << 20,
    MAX_FILES = 2000, /* those that are not there count too */
    MAX_PATH_LEN = 4096,
    PIECE = 8 << 10,
};

struct file {
    char *path, *text; /* text NULL: there is none */
    size_t len;
    int problem; /* errno of a file that is there and cannot be read; 0: none */
    int carried; /* nobody has asked for it yet */
    struct stat st;
    struct gw_pbset *set; /* made of it when it was first asked for */
};

struct gw_sources {
    atomic_uint holds;
    pthread_mutex_t lock; /* of what follows; an entry's path and text never change */
    struct file *files;
    size_t n, cap, bytes;
    int waits; /* a file could not be read, which may pass */
    void (*on_new)(void *ctx);
    void *ctx;
};

struct gw_sources *gw_sources_new(void)
{
    struct gw_sources *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    atomic_init(&s->holds, 1);
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

struct gw_sources *gw_sources_hold(struct gw_sources *s)
{
    if (s)
        atomic_fetch_add(&s->holds, 1);
    return s;
}

static void file_fini(struct file *f)
{
    free(f->path);
    free(f->text);
    gw_pbset_free(f->set);
}

void gw_sources_drop(struct gw_sources *s)
{
    if (!s || atomic_fetch_sub(&s->holds, 1) > 1)
        return;
    for (size_t i = 0; i < s->n; i++)
        file_fini(&s->files[i]);
    free(s->files);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* ---- the disk ---- */

/* Anything that is no file (a folder, a pipe that nobody writes to) is not there. */
static int open_file(struct file *f)
{
    int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        f->problem = errno == ENOENT || errno == ENOTDIR ? 0 : errno;
        if (f->problem && !stat(f->path, &f->st) && !S_ISREG(f->st.st_mode))
            f->problem = 0;
        return -1;
    }
    if (!fstat(fd, &f->st) && S_ISREG(f->st.st_mode))
        return fd;
    memset(&f->st, 0, sizeof(f->st));
    close(fd);
    return -1;
}

static void read_all(int fd, struct gw_buf *b)
{
    ssize_t n = 1;

    while (n > 0 && !b->failed) {
        char *room = gw_buf_room(b, PIECE);

        n = room ? read(fd, room, PIECE) : -1;
        if (n > 0)
            gw_buf_added(b, (size_t)n);
        else if (n < 0 && errno == EINTR)
            n = 1;
    }
    if (n < 0)
        b->failed = 1;
}

/* f->path is set. */
static void read_file(struct file *f)
{
    struct gw_buf b;
    int fd = open_file(f);

    if (fd < 0)
        return;
    gw_buf_init(&b, MAX_FILE + PIECE, NULL);
    errno = 0;
    read_all(fd, &b);
    if (b.failed || b.len > MAX_FILE) {
        f->problem = b.failed && errno ? errno : EFBIG;
        gw_buf_free(&b);
    } else {
        f->text = realloc(b.p, b.len ? b.len : 1);
        f->len = b.len;
        if (!f->text)
            abort();
    }
    close(fd);
}

static int same_text(const struct file *a, const struct file *b)
{
    if (!a->text || !b->text)
        return !a->text && !b->text && a->problem == b->problem;
    return a->len == b->len && !memcmp(a->text, b->text, a->len);
}

/* Not the file's fault: what it says now shows when it can be read again. */
static int may_pass(int problem)
{
    return problem == EMFILE || problem == ENFILE || problem == ENOMEM || problem == EIO;
}

/* A file that was only touched gets its new identity. */
static int file_changed(struct gw_sources *s, struct file *f)
{
    struct file now = {.path = f->path};
    struct stat st;
    int changed;

    if (!stat(f->path, &st) && S_ISREG(st.st_mode) && gw_stat_same(&st, &f->st))
        return 0;
    read_file(&now);
    if (may_pass(now.problem)) {
        free(now.text);
        s->waits = 1;
        return 0;
    }
    changed = !same_text(f, &now);
    if (!changed)
        f->st = now.st;
    free(now.text);
    return changed;
}

/* ---- what is kept ---- */

static struct file *find(struct gw_sources *s, const char *path)
{
    for (size_t i = 0; i < s->n; i++)
        if (!strcmp(s->files[i].path, path))
            return &s->files[i];
    return NULL;
}

static struct file *keep(struct gw_sources *s, const struct file *f)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 8;
        s->files = realloc(s->files, s->cap * sizeof(*s->files));
        if (!s->files)
            abort();
    }
    s->files[s->n] = *f;
    s->bytes += f->len;
    return &s->files[s->n++];
}

static int answer(const struct file *f, struct gw_str *text, struct gw_err *err)
{
    *text = (struct gw_str){f->text, f->len};
    if (!f->problem)
        return f->text != NULL;
    if (f->problem == EFBIG)
        return gw_err_set(err, GW_ERR_TOO_LARGE, "is larger than %d MiB", MAX_FILE >> 20);
    errno = f->problem;
    return gw_err_errno(err, GW_ERR_REJECT, "cannot be read");
}

static int too_many(struct gw_err *err)
{
    return gw_err_set(err, GW_ERR_TOO_LARGE,
                      "a pipeline's scripts load at most %d files and %d MiB", MAX_FILES,
                      MAX_ALL >> 20);
}

/* The lock is held. That there is no file is not kept when there is no room: a script may ask for
 * any number of names. */
static int read_and_keep(struct gw_sources *s, const char *path, struct gw_str *text,
                         struct gw_err *err)
{
    struct file f = {.path = strdup(path)};
    int is_there;

    if (!f.path)
        abort();
    read_file(&f);
    s->waits |= may_pass(f.problem);
    if (s->n < MAX_FILES && f.len <= MAX_ALL - s->bytes)
        return answer(keep(s, &f), text, err);
    is_there = f.text || f.problem;
    file_fini(&f);
    *text = (struct gw_str){0};
    return is_there ? too_many(err) : 0;
}

int gw_sources_file(struct gw_sources *s, const char *path, struct gw_str *text, struct gw_err *err)
{
    struct file *f;
    int rc;

    *text = (struct gw_str){0};
    if (strlen(path) >= MAX_PATH_LEN)
        return 0;
    pthread_mutex_lock(&s->lock);
    f = find(s, path);
    rc = f ? answer(f, text, err) : read_and_keep(s, path, text, err);
    if (f)
        f->carried = 0;
    else if (s->on_new)
        s->on_new(s->ctx);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

static void carry(struct gw_sources *to, const char *path)
{
    struct gw_str text;
    struct gw_err err;
    struct file *f;

    (void)gw_sources_file(to, path, &text, &err); /* who asks for it is told */
    pthread_mutex_lock(&to->lock);
    f = find(to, path);
    if (f)
        f->carried = 1;
    pthread_mutex_unlock(&to->lock);
}

void gw_sources_carry(struct gw_sources *to, struct gw_sources *from)
{
    size_t n;

    pthread_mutex_lock(&from->lock);
    n = from->n;
    for (size_t i = 0; i < n; i++) {
        const char *path = from->files[i].path;

        if (!from->files[i].text || from->files[i].carried)
            continue;
        pthread_mutex_unlock(&from->lock);
        carry(to, path);
        pthread_mutex_lock(&from->lock);
    }
    pthread_mutex_unlock(&from->lock);
}

void gw_sources_more(struct gw_sources *s)
{
    pthread_mutex_lock(&s->lock);
    if (s->on_new)
        s->on_new(s->ctx);
    pthread_mutex_unlock(&s->lock);
}

void gw_sources_on_new(struct gw_sources *s, void (*fn)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&s->lock);
    s->on_new = fn;
    s->ctx = ctx;
    pthread_mutex_unlock(&s->lock);
}

const struct gw_pbset *gw_sources_pbset(struct gw_sources *s, const char *path, struct gw_err *err)
{
    const struct gw_pbset *set = NULL;
    struct file *f;

    pthread_mutex_lock(&s->lock);
    f = find(s, path);
    if (!f || !f->text)
        gw_err_set(err, GW_ERR_REJECT, "there is no such file");
    else if (f->set || (f->set = gw_pbset_parse((struct gw_str){f->text, f->len}, err)))
        set = f->set;
    pthread_mutex_unlock(&s->lock);
    return set;
}

int gw_sources_changed(struct gw_sources *s)
{
    int changed = 0;

    pthread_mutex_lock(&s->lock);
    s->waits = 0;
    for (size_t i = 0; i < s->n && !changed; i++)
        changed = file_changed(s, &s->files[i]);
    pthread_mutex_unlock(&s->lock);
    return changed;
}

int gw_sources_waits(struct gw_sources *s)
{
    int waits;

    pthread_mutex_lock(&s->lock);
    waits = s->waits;
    pthread_mutex_unlock(&s->lock);
    return waits;
}

void gw_sources_each(struct gw_sources *s, void (*fn)(void *ctx, const char *path), void *ctx)
{
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->n; i++)
        fn(ctx, s->files[i].path);
    pthread_mutex_unlock(&s->lock);
}
