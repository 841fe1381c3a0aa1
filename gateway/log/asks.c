/* Cursors come and go: who asks waits, and the state writer answers. In memory who asks does it,
 * one at a time. A cursor that is forgotten stays in memory until the close: a scrape may be
 * looking at it. */
#include "log/inside.h"

#include "base/diag.h"
#include "base/err.h"
#include "net/loop.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct ask {
    struct gw_mail mail;
    const char *name, *renamed_from;
    enum gw_start start;
    int forget; /* else find it or make it */
    int again;  /* there is more to do */
    struct gw_cursor *cursor;
    int failed;
    struct gw_err err;
    pthread_mutex_t lock;
    pthread_cond_t answered;
    int done;
};

void gw_ask_is(struct gw_mail *m)
{
    (void)m;
}

/* ---- coming ---- */

/* Letters of that name may be left: somebody has changed state.db by hand. */
static int insert(struct gw_log *log, void *cursor, struct gw_err *err)
{
    if (gw_state_load_letters(log->state, cursor, err))
        return -1;
    return gw_state_insert(log->state, cursor, err);
}

static int rename_rows(struct gw_log *log, void *ctx, struct gw_err *err)
{
    const struct ask *a = ctx;

    return gw_state_rename(log->state, a->renamed_from, a->name, err);
}

static int rename_cursor(struct gw_log *log, struct gw_cursor *c, struct ask *a)
{
    if (log->state && gw_state_do(log, rename_rows, a, &a->err))
        return -1;
    gw_lag_set(log, c->name, 0, 0);
    pthread_mutex_lock(&log->lock);
    (void)snprintf(c->name, sizeof(c->name), "%s", a->name);
    pthread_mutex_unlock(&log->lock);
    GW_DIAG(GW_INFO, "log", gw_msg("a pipeline has taken over a cursor and its dead letters"),
            gw_kv_cstr("pipeline", a->name), gw_kv_cstr("renamed_from", a->renamed_from));
    return 0;
}

/* What is appended between the choice of the place and the commit belongs to it already. */
static struct gw_cursor *make(struct gw_log *log, struct ask *a)
{
    struct gw_cursor *c;

    pthread_mutex_lock(&log->lock);
    c = gw_cursor_add(log, a->name,
                      a->start == GW_START_RETAINED ? gw_first_kept(log) - 1 : log->head);
    pthread_mutex_unlock(&log->lock);
    if (!log->state || !gw_state_do(log, insert, c, &a->err))
        return c;
    pthread_mutex_lock(&log->lock);
    gw_cursor_remove(log, c);
    pthread_mutex_unlock(&log->lock);
    return NULL;
}

static int is_asked(struct gw_log *log, const struct gw_cursor *c)
{
    int is;

    pthread_mutex_lock(&log->lock);
    is = c->asked;
    pthread_mutex_unlock(&log->lock);
    return is;
}

/* Both names have a cursor: the new one has its own since an earlier start. */
static void say_both(const struct ask *a)
{
    GW_DIAG(GW_WARN, "log",
            gw_msg("renamed_from names a cursor that is there, but the pipeline has its own, which "
                   "is used"),
            gw_kv_cstr("pipeline", a->name), gw_kv_cstr("renamed_from", a->renamed_from));
}

static int find_or_make(struct gw_log *log, struct ask *a)
{
    struct gw_cursor *c = gw_cursor_find(log, gw_str_of(a->name)), *from = NULL;

    if (a->renamed_from)
        from = gw_cursor_find(log, gw_str_of(a->renamed_from));
    if (!c && from && is_asked(log, from))
        return gw_err_set(&a->err, GW_ERR_FATAL, "renamed_from: pipeline %s is there as well",
                          a->renamed_from);
    if (c && from && from != c && !is_asked(log, from))
        say_both(a);
    if (!c && from) {
        if (rename_cursor(log, from, a))
            return -1;
        c = from;
    }
    if (!c && !(c = make(log, a)))
        return -1;
    pthread_mutex_lock(&log->lock);
    c->asked = 1;
    pthread_mutex_unlock(&log->lock);
    a->cursor = c;
    return 0;
}

/* ---- going ---- */

struct forgetting {
    struct gw_cursor *cursor;
    int more;
};

static int drop_some(struct gw_log *log, void *ctx, struct gw_err *err)
{
    struct forgetting *f = ctx;

    return gw_state_expire(log->state, f->cursor, INT64_MAX, &f->more, err);
}

static int drop_cursor(struct gw_log *log, void *cursor, struct gw_err *err)
{
    return gw_state_forget(log->state, ((struct gw_cursor *)cursor)->name, err);
}

/* Its letters first, some at a time, with what else waits in between: a kill leaves a cursor that
 * can be forgotten. */
static int forget(struct gw_log *log, struct ask *a)
{
    struct gw_cursor *c = gw_cursor_find(log, gw_str_of(a->name));
    struct forgetting f = {.cursor = c};

    if (!c)
        return gw_err_set(&a->err, GW_ERR_REJECT, "no cursor is called %s", a->name);
    if (is_asked(log, c))
        return gw_err_set(&a->err, GW_ERR_REJECT, "pipeline %s uses its cursor", a->name);
    if (log->state && gw_state_do(log, drop_some, &f, &a->err))
        return -1;
    a->again = f.more;
    if (f.more)
        return 0;
    if (log->state && gw_state_do(log, drop_cursor, c, &a->err))
        return -1;
    pthread_mutex_lock(&log->lock);
    c->gone = 1;
    gw_cursor_remove(log, c);
    gw_segments_trim(log);
    pthread_mutex_unlock(&log->lock);
    gw_lag_set(log, a->name, 0, 0);
    return 0;
}

/* ---- asking ---- */

static void act(struct gw_log *log, struct ask *a)
{
    a->again = 0;
    a->failed = a->forget ? forget(log, a) : find_or_make(log, a);
}

void gw_ask_answer(struct gw_log *log, struct gw_mail *m)
{
    struct ask *a = GW_CONTAINER(m, struct ask, mail);

    act(log, a);
    if (a->again) {
        gw_mailbox_post(&log->to_state, m);
        return;
    }
    pthread_mutex_lock(&a->lock);
    a->done = 1;
    pthread_cond_signal(&a->answered);
    pthread_mutex_unlock(&a->lock);
}

static int ask(struct gw_log *log, struct ask *a, struct gw_err *err)
{
    if (log->state) {
        pthread_mutex_init(&a->lock, NULL);
        pthread_cond_init(&a->answered, NULL);
        gw_mailbox_post(&log->to_state, &a->mail);
        pthread_mutex_lock(&a->lock);
        while (!a->done)
            pthread_cond_wait(&a->answered, &a->lock);
        pthread_mutex_unlock(&a->lock);
        pthread_cond_destroy(&a->answered);
        pthread_mutex_destroy(&a->lock);
    } else {
        pthread_mutex_lock(&log->asks);
        act(log, a);
        pthread_mutex_unlock(&log->asks);
    }
    if (a->failed)
        *err = a->err;
    return a->failed;
}

struct gw_cursor *gw_log_cursor(struct gw_log *log, const char *pipeline, enum gw_start start,
                                const char *renamed_from, struct gw_err *err)
{
    struct ask a = {
        .mail.fn = gw_ask_is, .name = pipeline, .renamed_from = renamed_from, .start = start};

    assert(strlen(pipeline) < sizeof(((struct gw_cursor *)0)->name));
    if (log->state_lost)
        a.start = GW_START_RETAINED;
    return ask(log, &a, err) ? NULL : a.cursor;
}

int gw_log_forget(struct gw_log *log, const char *pipeline, struct gw_err *err)
{
    struct ask a = {.mail.fn = gw_ask_is, .name = pipeline, .forget = 1};

    return ask(log, &a, err);
}

void gw_cursor_release(struct gw_cursor *c)
{
    pthread_mutex_lock(&c->log->lock);
    c->asked = 0;
    gw_warn_orphan(c);
    pthread_mutex_unlock(&c->log->lock);
}

void gw_cursor_letters(struct gw_cursor *c, int64_t max_bytes, int64_t keep_ms)
{
    c->max_letter_bytes = max_bytes;
    c->keep_letters_ms = keep_ms;
}

void gw_log_ingest_letters(struct gw_log *log, int64_t max_bytes, int64_t keep_ms)
{
    gw_cursor_letters(log->ingest, max_bytes, keep_ms);
}
