#include "cmd/watch.h"

#include "base/clock.h"
#include "base/diag.h"
#include "cmd/paths.h"
#include "net/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

const struct gw_watcher_times gw_watcher_times = {200, 2000, 10000, 3000};
int (*gw_watcher_inotify)(int flags) = inotify_init1;
int (*gw_watcher_add)(int fd, const char *path, uint32_t mask) = inotify_add_watch;

/* A folder says what comes, goes and is closed in it; of writing it would tell for every file, the
 * gateway's own too, so that is asked of the files themselves. */
enum {
    OF_FOLDER = IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_CLOSE_WRITE | IN_ATTRIB |
                IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR,
    OF_FILE = IN_MODIFY | IN_CLOSE_WRITE,
};
enum { SAVES = 3 }; /* one after another: so many times as long as one writer is waited for */

struct mark {
    int wd;
    int64_t writing_ms; /* since when a file is written to and open; 0: it is not */
};

struct gw_watcher {
    struct gw_loop *loop;
    const struct gw_watcher_times *times;
    void (*changed)(void *ctx);
    void *ctx;
    int fd; /* -1: there is no inotify */
    struct gw_watch readable;
    struct gw_timer quiet;
    int64_t first_ms; /* of what has not been told; 0: all has */
    struct gw_paths *paths;
    struct mark *folders, *files; /* as paths' spots (one mark each) and files */
    /* looking: a thread of its own, for a file system may hang */
    int is_looking;
    pthread_t looker;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t more;
    struct gw_paths *looked_at; /* the looker's own */
    int stop;
    struct gw_mail seen;
    int told; /* seen is under way */
};

/* ---- when to tell ---- */

static void set_writing(const struct gw_watcher *w, struct mark *m, int writing)
{
    if (!writing)
        m->writing_ms = 0;
    else if (!m->writing_ms)
        m->writing_ms = gw_loop_now_ms(w->loop);
}

static int count_writing(const struct gw_watcher *w, const struct mark *marks, size_t n)
{
    const int64_t after = gw_loop_now_ms(w->loop) - w->times->writing_ms;
    int k = 0;

    for (size_t i = 0; i < n; i++)
        k += marks[i].writing_ms && marks[i].writing_ms > after;
    return k;
}

/* Who has been at it for too long does not count: each writer by itself, for many saves one after
 * another are none that lasts. */
static int is_writing(const struct gw_watcher *w)
{
    return w->paths && (count_writing(w, w->files, w->paths->n_files) ||
                        count_writing(w, w->folders, w->paths->n_spots));
}

static void something_happened(struct gw_watcher *w)
{
    const int64_t now = gw_loop_now_ms(w->loop), quiet = w->times->quiet_ms;
    int64_t most;

    if (!w->first_ms)
        w->first_ms = now;
    most = w->first_ms + w->times->most_ms - now;
    gw_timer_set(&w->quiet, most > quiet ? quiet : most > 0 ? most : 0);
}

static void on_quiet(struct gw_timer *t)
{
    struct gw_watcher *w = GW_CONTAINER(t, struct gw_watcher, quiet);

    if (is_writing(w) && gw_loop_now_ms(w->loop) - w->first_ms < SAVES * w->times->writing_ms) {
        gw_timer_set(t, w->times->quiet_ms);
        return;
    }
    w->first_ms = 0;
    w->changed(w->ctx);
}

/* ---- inotify ---- */

/* Made anew by who goes on writing to it: not a link, nor a second name of a file. */
static int is_begun(const struct gw_spot *s)
{
    char path[4096 + 256];
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s/%s", s->folder, s->name);
    return !lstat(path, &st) && S_ISREG(st.st_mode) && st.st_nlink == 1;
}

/* 1: it is one of ours. */
static int spot_event(struct gw_watcher *w, size_t i, const struct inotify_event *e)
{
    const struct gw_spot *s = &w->paths->spots[i];

    if (w->folders[i].wd != e->wd)
        return 0;
    if (e->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT))
        return 1;
    if (!e->len || strcmp(e->name, s->name) != 0)
        return 0;
    if (e->mask & IN_CREATE)
        set_writing(w, &w->folders[i], is_begun(s));
    else if (!(e->mask & IN_ATTRIB))
        set_writing(w, &w->folders[i], 0);
    return 1;
}

static int file_event(struct gw_watcher *w, size_t i, const struct inotify_event *e)
{
    if (w->files[i].wd != e->wd || !(e->mask & OF_FILE))
        return 0;
    set_writing(w, &w->files[i], !(e->mask & IN_CLOSE_WRITE));
    return 1;
}

static void on_event(struct gw_watcher *w, const struct inotify_event *e)
{
    int ours = (e->mask & IN_Q_OVERFLOW) != 0;

    for (size_t i = 0; w->paths && i < w->paths->n_spots; i++)
        ours |= spot_event(w, i, e);
    for (size_t i = 0; w->paths && i < w->paths->n_files; i++)
        ours |= file_event(w, i, e);
    if (ours)
        something_happened(w);
}

static void on_readable(struct gw_watch *watch, int what)
{
    struct gw_watcher *w = GW_CONTAINER(watch, struct gw_watcher, readable);
    char buf[16 << 10] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t n;

    (void)what;
    while ((n = read(w->fd, buf, sizeof(buf))) > 0)
        for (const char *at = buf; at < buf + n;) {
            const struct inotify_event *e = (const void *)at;

            on_event(w, e);
            at += sizeof(*e) + e->len;
        }
}

int gw_watcher_stirs(struct gw_watcher *w)
{
    if (w->fd >= 0)
        on_readable(&w->readable, GW_READABLE);
    return w->first_ms != 0;
}

/* ---- what is watched ---- */

static int was_watched(const struct mark *marks, size_t n, int wd)
{
    for (size_t i = 0; i < n; i++)
        if (marks[i].wd == wd)
            return 1;
    return 0;
}

/* -1: looking is needed. What is gone meanwhile is noticed by its folder, or comes again. */
static int add(struct gw_watcher *w, struct mark *m, const char *path, uint32_t mask)
{
    m->wd = w->fd < 0 ? -1 : gw_watcher_add(w->fd, path, mask);
    return m->wd >= 0 || (w->fd >= 0 && (errno == ENOENT || errno == ENOTDIR)) ? 0 : -1;
}

/* The spots of one folder share a mark's number. */
static int add_all(struct gw_watcher *w)
{
    const struct gw_paths *p = w->paths;
    int rc = 0;

    for (size_t i = 0; i < p->n_spots; i++)
        if (i && !strcmp(p->spots[i].folder, p->spots[i - 1].folder))
            w->folders[i].wd = w->folders[i - 1].wd;
        else
            rc |= add(w, &w->folders[i], p->spots[i].folder, OF_FOLDER);
    for (size_t i = 0; i < p->n_files; i++)
        rc |= add(w, &w->files[i], p->files[i], OF_FILE);
    return rc;
}

static void drop_old(struct gw_watcher *w, const struct mark *old, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (old[i].wd >= 0 && (!i || old[i].wd != old[i - 1].wd) &&
            !was_watched(w->folders, w->paths->n_spots, old[i].wd) &&
            !was_watched(w->files, w->paths->n_files, old[i].wd))
            (void)inotify_rm_watch(w->fd, old[i].wd); /* it may be gone by itself */
}

static struct mark *marks_new(size_t n)
{
    struct mark *m = calloc(n + 1, sizeof(*m));

    if (!m)
        abort();
    return m;
}

/* ---- looking ---- */

static void on_seen(struct gw_mail *m)
{
    struct gw_watcher *w = GW_CONTAINER(m, struct gw_watcher, seen);

    pthread_mutex_lock(&w->lock);
    w->told = 0;
    pthread_mutex_unlock(&w->lock);
    something_happened(w);
}

/* Under the lock. 0: it is time to look; -1: to end. */
static int wait_a_while(struct gw_watcher *w)
{
    const struct timespec until = gw_clock_after(CLOCK_MONOTONIC, w->times->look_ms);
    int rc = 0;

    while (!w->stop && !rc)
        rc = pthread_cond_timedwait(&w->more, &w->lock, &until);
    return w->stop ? -1 : 0;
}

static uint64_t look(struct gw_watcher *w)
{
    struct gw_paths *p = w->looked_at;
    uint64_t print;

    w->looked_at = NULL;
    pthread_mutex_unlock(&w->lock);
    print = p ? gw_paths_print(p) : 0;
    pthread_mutex_lock(&w->lock);
    if (w->looked_at) /* there are others by now */
        gw_paths_free(p);
    else
        w->looked_at = p;
    return print;
}

int gw_watcher_is_settled(struct gw_watcher_looks *l, uint64_t print)
{
    const int is_still = print == l->before;

    l->before = print;
    if (!is_still || print == l->told)
        return 0;
    l->told = print;
    return 1;
}

static void *looker_main(void *arg)
{
    struct gw_watcher *w = arg;
    struct gw_watcher_looks looks;

    pthread_mutex_lock(&w->lock);
    looks.before = looks.told = look(w);
    while (!wait_a_while(w))
        if (gw_watcher_is_settled(&looks, look(w)) && !w->told) {
            w->told = 1;
            gw_loop_post_mail(w->loop, &w->seen);
        }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static struct gw_paths *copy_of(const struct gw_paths *p)
{
    struct gw_paths *copy = gw_paths_new();

    for (size_t i = 0; i < p->n_asked; i++)
        gw_paths_add(copy, p->asked[i]);
    gw_paths_sort(copy);
    return copy;
}

static void look_from_now_on(struct gw_watcher *w)
{
    struct gw_paths *copy = copy_of(w->paths), *old;

    pthread_mutex_lock(&w->lock);
    old = w->looked_at;
    w->looked_at = copy;
    pthread_mutex_unlock(&w->lock);
    gw_paths_free(old);
    if (w->is_looking)
        return;
    GW_DIAG(GW_INFO, "watch", gw_msg("files are looked at from time to time"),
            gw_kv_int("every_ms", w->times->look_ms));
    w->is_looking = !pthread_create(&w->looker, NULL, looker_main, w);
}

/* Both lists are sorted, and asked in their order: *at only grows. */
static const struct mark *before_spot(const struct gw_paths *old, const struct mark *marks,
                                      const struct gw_spot *s, size_t *at)
{
    int c = 1;

    for (; *at < old->n_spots; ++*at) {
        c = strcmp(old->spots[*at].folder, s->folder);
        c = c ? c : strcmp(old->spots[*at].name, s->name);
        if (c >= 0)
            break;
    }
    return c ? NULL : &marks[*at];
}

static const struct mark *before_file(const struct gw_paths *old, const struct mark *marks,
                                      const char *path, size_t *at)
{
    int c = 1;

    while (*at < old->n_files && (c = strcmp(old->files[*at], path)) < 0)
        ++*at;
    return c ? NULL : &marks[*at];
}

/* What is still being written stays so, whatever else is watched from now on. 1: it is new. */
static int take_over(struct mark *m, const struct mark *before)
{
    if (!before || before->wd != m->wd)
        return 1;
    m->writing_ms = before->writing_ms;
    return 0;
}

/* 1: something is watched that was not, or no more. */
static int compare(struct gw_watcher *w, const struct gw_paths *old, const struct mark *folders,
                   const struct mark *files)
{
    const struct gw_paths *p = w->paths;
    int is_new = p->n_spots != old->n_spots || p->n_files != old->n_files;

    for (size_t i = 0, at = 0; i < p->n_spots; i++)
        is_new |= take_over(&w->folders[i], before_spot(old, folders, &p->spots[i], &at));
    for (size_t i = 0, at = 0; i < p->n_files; i++)
        is_new |= take_over(&w->files[i], before_file(old, files, p->files[i], &at));
    return is_new;
}

void gw_watcher_set(struct gw_watcher *w, struct gw_paths **paths)
{
    struct gw_paths *old = w->paths;
    struct mark *folders = w->folders, *files = w->files;
    int looks;

    w->paths = *paths;
    *paths = NULL;
    w->folders = marks_new(w->paths->n_spots);
    w->files = marks_new(w->paths->n_files);
    looks = add_all(w) || w->paths->is_remote;
    if (!old || compare(w, old, folders, files))
        something_happened(w);
    if (old && w->fd >= 0) {
        drop_old(w, folders, old->n_spots);
        drop_old(w, files, old->n_files);
    }
    if (looks)
        look_from_now_on(w);
    gw_paths_free(old);
    free(folders);
    free(files);
}

/* ---- life ---- */

struct gw_watcher *gw_watcher_new(struct gw_loop *loop, const struct gw_watcher_times *times,
                                  void (*changed)(void *ctx), void *ctx)
{
    struct gw_watcher *w = calloc(1, sizeof(*w));
    pthread_condattr_t monotonic;

    if (!w)
        abort();
    *w = (struct gw_watcher){
        .loop = loop, .times = times, .changed = changed, .ctx = ctx, .seen.fn = on_seen};
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w->more, &monotonic);
    pthread_condattr_destroy(&monotonic);
    gw_timer_init(&w->quiet, loop, on_quiet);
    w->fd = gw_watcher_inotify(IN_NONBLOCK | IN_CLOEXEC);
    if (w->fd >= 0) {
        gw_watch_init(&w->readable, loop, w->fd, on_readable);
        gw_watch_want(&w->readable, GW_READABLE);
    }
    return w;
}

void gw_watcher_free(struct gw_watcher *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stop = 1;
    pthread_cond_signal(&w->more);
    pthread_mutex_unlock(&w->lock);
    if (w->is_looking)
        pthread_join(w->looker, NULL);
    while (w->told) /* the looker's last mail is under way */
        gw_loop_turn(w->loop, 1);
    if (w->fd >= 0) {
        gw_watch_fini(&w->readable);
        close(w->fd);
    }
    gw_timer_fini(&w->quiet);
    gw_paths_free(w->paths);
    gw_paths_free(w->looked_at);
    free(w->folders);
    free(w->files);
    pthread_cond_destroy(&w->more);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
