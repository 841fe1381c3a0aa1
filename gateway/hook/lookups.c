#include "hook/lookups.h"

#include "base/diag.h"
#include "base/err.h"
#include "base/field.h"
#include "base/stat.h"
#include "hook/table.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct gw_lookup {
    struct gw_lookup *next;
    struct gw_lookups *all;
    char *path, *column;
    /* under the lock of all */
    unsigned users;
    struct gw_strs files; /* a copy: the configuration may go */
    struct gw_table *now; /* NULL: not read yet */
    struct stat was;      /* of the file of now, or of what came after it and could not be read */
    int waits;            /* what came after it could not be read yet, and that is told */
    /* held while it is read, before that lock */
    pthread_mutex_t reading;
};

struct gw_lookups {
    pthread_mutex_t lock;
    char *pipeline;
    struct gw_lookup *first;
    size_t n;
};

static char *copy(const char *s)
{
    char *c = strdup(s);

    if (!c)
        abort();
    return c;
}

struct gw_lookups *gw_lookups_new(const char *pipeline)
{
    struct gw_lookups *all = calloc(1, sizeof(*all));

    if (!all)
        abort();
    pthread_mutex_init(&all->lock, NULL);
    all->pipeline = copy(pipeline);
    return all;
}

static void files_free(struct gw_strs *files)
{
    for (size_t i = 0; i < files->n; i++)
        free((char *)files->items[i]);
    free(files->items);
}

static void files_copy(struct gw_strs *to, const struct gw_strs *from)
{
    files_free(to);
    *to = (struct gw_strs){calloc(from->n + 1, sizeof(char *)), from->n};
    if (!to->items)
        abort();
    for (size_t i = 0; i < from->n; i++)
        to->items[i] = copy(from->items[i]);
}

static void lookup_free(struct gw_lookup *l)
{
    gw_table_drop(l->now);
    files_free(&l->files);
    pthread_mutex_destroy(&l->reading);
    free(l->path);
    free(l->column);
    free(l);
}

void gw_lookups_free(struct gw_lookups *all)
{
    if (!all)
        return;
    while (all->first) {
        struct gw_lookup *next = all->first->next;

        lookup_free(all->first);
        all->first = next;
    }
    pthread_mutex_destroy(&all->lock);
    free(all->pipeline);
    free(all);
}

/* ---- the list; under the lock ---- */

static struct gw_lookup *find(const struct gw_lookups *all, const struct gw_lookup_conf *conf)
{
    for (struct gw_lookup *l = all->first; l; l = l->next)
        if (!strcmp(l->path, conf->path) && !l->column == !conf->column &&
            (!l->column || !strcmp(l->column, conf->column)))
            return l;
    return NULL;
}

static void remove_unused(struct gw_lookups *all)
{
    struct gw_lookup **at = &all->first;

    while (*at) {
        struct gw_lookup *l = *at;

        if (l->users) {
            at = &l->next;
            continue;
        }
        *at = l->next;
        all->n--;
        lookup_free(l);
    }
}

static struct gw_lookup *add(struct gw_lookups *all, const struct gw_lookup_conf *conf)
{
    struct gw_lookup *l;

    if (all->n == GW_LOOKUPS_MAX)
        return NULL;
    l = calloc(1, sizeof(*l));
    if (!l)
        abort();
    pthread_mutex_init(&l->reading, NULL);
    l->all = all;
    l->path = copy(conf->path);
    l->column = conf->column ? copy(conf->column) : NULL;
    l->next = all->first;
    all->first = l;
    all->n++;
    return l;
}

/* What the others leave. */
static size_t room(const struct gw_lookup *l)
{
    size_t used = 0;

    for (const struct gw_lookup *o = l->all->first; o; o = o->next)
        used += o != l && o->now ? gw_table_size(o->now) : 0;
    return used < GW_LOOKUPS_BYTES ? GW_LOOKUPS_BYTES - used : 0;
}

/* ---- reading; l->reading is held ---- */

/* NULL: err says why. Nobody changes files meanwhile: that needs l->reading. */
static struct gw_table *read_table(struct gw_lookup *l, size_t max_file, struct stat *st,
                                   struct gw_err *err)
{
    struct gw_table *t = NULL;
    struct gw_str text;
    size_t max;

    if (!gw_table_can_read(l->path)) {
        gw_err_set(err, GW_ERR_REJECT,
                   "%.150s: no file of a kind that can be read: .csv .json "
                   ".yaml .yml",
                   l->path);
        return NULL;
    }
    if (gw_lookup_file_read(l->path, &l->files, max_file, &text, st, err))
        return NULL;
    pthread_mutex_lock(&l->all->lock);
    max = room(l);
    pthread_mutex_unlock(&l->all->lock);
    t = gw_table_read(l->path, text, l->column, max, err);
    if (!t) {
        char what[sizeof(err->msg)];

        memcpy(what, err->msg, sizeof(what));
        gw_err_set(err, err->kind, "%.150s:%s", l->path, what);
    }
    free((char *)text.p);
    return t;
}

/* NULL: the table stays. */
static void put_table(struct gw_lookup *l, struct gw_table *t, const struct stat *st)
{
    struct gw_table *before = NULL;

    pthread_mutex_lock(&l->all->lock);
    if (t) {
        before = l->now;
        l->now = t;
    }
    l->was = *st;
    l->waits = 0;
    pthread_mutex_unlock(&l->all->lock);
    gw_table_drop(before);
}

static void tell(const struct gw_lookup *l, const struct gw_table *t, const struct gw_err *err)
{
    if (t)
        GW_DIAG(GW_INFO, "hook", gw_msg("a lookup has changed"),
                gw_kv_cstr("pipeline", l->all->pipeline), gw_kv_cstr("file", l->path),
                gw_kv_int("rows", (int64_t)t->n));
    else
        GW_DIAG(GW_ERROR, "hook",
                gw_msg("a lookup has changed and cannot be read, the old one stays"),
                gw_kv_cstr("pipeline", l->all->pipeline), gw_kv_cstr("file", l->path),
                gw_kv_cstr("error", err->msg));
}

/* Whether it is tried again. 1: that is new. */
static int set_waits(struct gw_lookup *l, int waits)
{
    const int is_new = waits && !l->waits;

    pthread_mutex_lock(&l->all->lock);
    l->waits = waits;
    pthread_mutex_unlock(&l->all->lock);
    return is_new;
}

/* 1: it was read anew, or failed to be. */
static int renew(struct gw_lookup *l)
{
    struct gw_table *t;
    struct gw_err err;
    struct stat st;

    if (gw_lookup_file_stat(l->path, &l->files, &st, &err))
        t = NULL;
    else if (gw_stat_same(&st, &l->was))
        return set_waits(l, 0);
    else
        t = read_table(l, GW_LOOKUP_FILE_MAX, &st, &err);
    if (!t && err.kind == GW_ERR_RETRY) {
        if (!set_waits(l, 1))
            return 0;
        tell(l, NULL, &err);
        return 1;
    }
    if (!t && gw_stat_same(&st, &l->was))
        return 0; /* told already */
    put_table(l, t, &st);
    tell(l, t, &err);
    return 1;
}

static int read_first(struct gw_lookup *l, size_t max_file, struct gw_err *err)
{
    struct stat st;
    struct gw_table *t = read_table(l, max_file, &st, err);

    if (!t)
        return -1;
    put_table(l, t, &st);
    return 0;
}

/* ---- what others see ---- */

static struct gw_lookup *enter(struct gw_lookups *all, const struct gw_lookup_conf *conf)
{
    struct gw_lookup *l;

    pthread_mutex_lock(&all->lock);
    l = find(all, conf);
    if (!l && all->n == GW_LOOKUPS_MAX)
        remove_unused(all);
    if (!l)
        l = add(all, conf);
    if (l)
        l->users++;
    pthread_mutex_unlock(&all->lock);
    return l;
}

/* Under l->reading. */
static int prepare(struct gw_lookup *l, const struct gw_lookup_conf *conf, struct gw_err *err)
{
    /* This configuration may allow less than the one before. */
    if (gw_lookup_file_allowed(l->path, conf->files, err))
        return -1;
    files_copy(&l->files, conf->files);
    if (!l->now)
        return read_first(l, conf->max_file, err);
    if (conf->renew)
        renew(l);
    return 0;
}

struct gw_lookup *gw_lookups_open(struct gw_lookups *all, const struct gw_lookup_conf *conf,
                                  struct gw_err *err)
{
    struct gw_lookup *l = enter(all, conf);
    int failed;

    if (!l) {
        gw_err_set(err, GW_ERR_REJECT, "%.150s would be one of more than %d lookups", conf->path,
                   GW_LOOKUPS_MAX);
        return NULL;
    }
    pthread_mutex_lock(&l->reading);
    failed = prepare(l, conf, err);
    pthread_mutex_unlock(&l->reading);
    if (!failed)
        return l;
    gw_lookup_close(l);
    return NULL;
}

void gw_lookup_close(struct gw_lookup *l)
{
    pthread_mutex_lock(&l->all->lock);
    l->users--;
    pthread_mutex_unlock(&l->all->lock);
}

struct gw_table *gw_lookup_table(struct gw_lookup *l)
{
    struct gw_table *t;

    pthread_mutex_lock(&l->all->lock);
    t = gw_table_hold(l->now);
    pthread_mutex_unlock(&l->all->lock);
    return t;
}

const char *gw_lookup_path(const struct gw_lookup *l)
{
    return l->path;
}

void gw_lookups_each(struct gw_lookups *all, void (*fn)(void *ctx, const char *path), void *ctx)
{
    pthread_mutex_lock(&all->lock);
    for (const struct gw_lookup *l = all->first; l; l = l->next)
        if (l->users)
            fn(ctx, l->path);
    pthread_mutex_unlock(&all->lock);
}

size_t gw_lookups_refresh(struct gw_lookups *all)
{
    struct gw_lookup *held[GW_LOOKUPS_MAX];
    size_t n = 0, renewed = 0;

    pthread_mutex_lock(&all->lock);
    remove_unused(all);
    for (struct gw_lookup *l = all->first; l; l = l->next) {
        l->users++;
        held[n++] = l;
    }
    pthread_mutex_unlock(&all->lock);
    for (size_t i = 0; i < n; i++) {
        pthread_mutex_lock(&held[i]->reading);
        if (held[i]->now)
            renewed += (size_t)renew(held[i]);
        pthread_mutex_unlock(&held[i]->reading);
        gw_lookup_close(held[i]);
    }
    return renewed;
}

int gw_lookups_wait(struct gw_lookups *all)
{
    int waits = 0;

    pthread_mutex_lock(&all->lock);
    for (const struct gw_lookup *l = all->first; l; l = l->next)
        waits |= l->users && l->waits;
    pthread_mutex_unlock(&all->lock);
    return waits;
}
