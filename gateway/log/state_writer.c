/* The state writer: a thread that takes the settles of all workers and commits them together, at
 * most once in 100 ms and at once when the last commit is longer ago (L5). Cursors are made here as
 * well, so that one thread writes state.db. For a log in memory there is no thread and no file:
 * who settles does it. */
#include "log/inside.h"

#include "base/clock.h"
#include "base/diag.h"
#include "base/err.h"
#include "net/loop.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { EVERY_MS = 100, RETRY_MS = 1000, MINUTE_MS = 60000, HOUR_MS = 3600000 };

/* A cursor is asked for by gw_log_cursor, which waits. */
struct ask {
    struct gw_mail mail;
    const char *name, *renamed_from;
    enum gw_start start;
    struct gw_cursor *cursor;
    struct gw_err err;
    pthread_mutex_t lock;
    pthread_cond_t answered;
    int done;
};

static void is_ask(struct gw_mail *m)
{
    (void)m; /* its address tells an ask from a settle */
}

/* ---- settles ---- */

static int settle_one(struct gw_log *log, struct gw_cursor *c, const struct gw_settled *item,
                      struct gw_err *err)
{
    static const struct gw_dead_letter unsaid = {.reason = "rejected"};
    int rc;

    if (!gw_settled_add(&c->next, item->at.offset))
        return 0;
    c->next_count[item->end]++;
    c->dirty = 1;
    if (item->end != GW_DEAD)
        return 0;
    rc = gw_state_letter(log->state, c, item->at.offset, item->dead ? item->dead : &unsaid, err);
    c->next_letter++; /* also when it failed: take_back counts on it */
    return rc;
}

static int write_settles(struct gw_log *log, struct gw_mail *list, struct gw_err *err)
{
    if (gw_state_begin(log->state, err))
        return -1;
    for (struct gw_mail *m = list; m; m = m->next) {
        struct gw_settle *s = GW_CONTAINER(m, struct gw_settle, mail);

        if (m->fn == is_ask)
            continue;
        for (size_t i = 0; i < s->n; i++)
            if (settle_one(log, s->cursor, &s->items[i], err))
                return -1;
    }
    for (size_t i = 0; i < log->n_cursors; i++)
        if (log->cursors[i]->dirty && gw_state_save(log->state, log->cursors[i], err))
            return -1;
    return gw_state_commit(log->state, err);
}

/* As if the settles had not been looked at. */
static void take_back(struct gw_log *log)
{
    gw_state_rollback(log->state);
    for (size_t i = 0; i < log->n_cursors; i++) {
        struct gw_cursor *c = log->cursors[i];

        if (!c->dirty)
            continue;
        c->next_letter -= c->next_count[GW_DEAD] - c->count[GW_DEAD];
        gw_settled_copy(&c->next, &c->done);
        memcpy(c->next_count, c->count, sizeof(c->next_count));
        c->dirty = 0;
    }
}

static void publish(struct gw_log *log, struct gw_mail *list)
{
    pthread_mutex_lock(&log->lock);
    for (struct gw_mail *m = list; m; m = m->next) {
        struct gw_settle *s = GW_CONTAINER(m, struct gw_settle, mail);

        if (m->fn != is_ask)
            gw_cursor_settle(s->cursor, s->items, s->n);
    }
    for (size_t i = 0; i < log->n_cursors; i++)
        log->cursors[i]->dirty = 0;
    gw_readers_let_go(log);
    gw_segments_trim(log);
    pthread_mutex_unlock(&log->lock);
}

/* ---- cursors ---- */

static int insert(struct gw_log *log, struct gw_cursor *c, struct gw_err *err)
{
    if (!log->state)
        return 0;
    if (gw_state_begin(log->state, err) || gw_state_insert(log->state, c, err) ||
        gw_state_commit(log->state, err)) {
        gw_state_rollback(log->state);
        return -1;
    }
    return 0;
}

static int rename_cursor(struct gw_log *log, struct gw_cursor *c, const char *to,
                         struct gw_err *err)
{
    if (log->state &&
        (gw_state_begin(log->state, err) || gw_state_rename(log->state, c->name, to, err) ||
         gw_state_commit(log->state, err))) {
        gw_state_rollback(log->state);
        return -1;
    }
    pthread_mutex_lock(&log->lock);
    (void)snprintf(c->name, sizeof(c->name), "%s", to);
    pthread_mutex_unlock(&log->lock);
    return 0;
}

/* What is appended between the choice of the place and the commit belongs to it already. */
static struct gw_cursor *make(struct gw_log *log, const char *name, enum gw_start start,
                              struct gw_err *err)
{
    struct gw_cursor *c;

    pthread_mutex_lock(&log->lock);
    c = gw_cursor_add(log, name, start == GW_START_RETAINED ? gw_first_kept(log) - 1 : log->head);
    pthread_mutex_unlock(&log->lock);
    if (!insert(log, c, err))
        return c;
    pthread_mutex_lock(&log->lock);
    log->n_cursors--;
    pthread_mutex_unlock(&log->lock);
    gw_cursor_free(c);
    return NULL;
}

static struct gw_cursor *find_or_make(struct gw_log *log, const char *name, enum gw_start start,
                                      const char *renamed_from, struct gw_err *err)
{
    struct gw_cursor *c = gw_cursor_find(log, name), *from = NULL;

    if (!c && renamed_from)
        from = gw_cursor_find(log, renamed_from);
    if (from && from->asked) {
        (void)gw_err_set(err, GW_ERR_FATAL, "renamed_from: pipeline %s is there as well",
                         renamed_from);
        return NULL;
    }
    if (from && rename_cursor(log, from, name, err))
        return NULL;
    if (from)
        c = from;
    if (!c && !(c = make(log, name, start, err)))
        return NULL;
    pthread_mutex_lock(&log->lock);
    c->asked = 1;
    pthread_mutex_unlock(&log->lock);
    return c;
}

struct gw_cursor *gw_log_cursor(struct gw_log *log, const char *pipeline, enum gw_start start,
                                const char *renamed_from, struct gw_err *err)
{
    struct ask a = {
        .mail.fn = is_ask, .name = pipeline, .renamed_from = renamed_from, .start = start};

    assert(strlen(pipeline) < sizeof(((struct gw_cursor *)0)->name));
    if (log->state_lost)
        a.start = start = GW_START_RETAINED;
    if (!log->state)
        return find_or_make(log, pipeline, start, renamed_from, err);
    pthread_mutex_init(&a.lock, NULL);
    pthread_cond_init(&a.answered, NULL);
    gw_mailbox_post(&log->to_state, &a.mail);
    pthread_mutex_lock(&a.lock);
    while (!a.done)
        pthread_cond_wait(&a.answered, &a.lock);
    pthread_mutex_unlock(&a.lock);
    pthread_cond_destroy(&a.answered);
    pthread_mutex_destroy(&a.lock);
    *err = a.err;
    return a.cursor;
}

static void answer_ask(struct gw_log *log, struct ask *a)
{
    a->cursor = find_or_make(log, a->name, a->start, a->renamed_from, &a->err);
    pthread_mutex_lock(&a->lock);
    a->done = 1;
    pthread_cond_signal(&a->answered);
    pthread_mutex_unlock(&a->lock);
}

/* ---- the thread ---- */

static void answer(struct gw_log *log, struct gw_mail *list, int failed)
{
    while (list) {
        struct gw_mail *m = list;

        list = m->next;
        if (m->fn == is_ask) {
            answer_ask(log, GW_CONTAINER(m, struct ask, mail));
        } else {
            struct gw_settle *s = GW_CONTAINER(m, struct gw_settle, mail);

            s->failed = failed;
            gw_loop_post_mail(s->reply, m);
        }
    }
}

static int has_settles(const struct gw_mail *list)
{
    for (; list; list = list->next)
        if (list->fn != is_ask)
            return 1;
    return 0;
}

/* No longer than until the log is closed, or hurried. */
static void pause_ms(struct gw_log *log, int64_t ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&log->lock);
    while (!log->hurried && pthread_cond_timedwait(&log->close_asked, &log->lock, &until) == 0)
        ;
    pthread_mutex_unlock(&log->lock);
}

static int locked_flag(struct gw_log *log, const int *flag)
{
    int is;

    pthread_mutex_lock(&log->lock);
    is = *flag;
    pthread_mutex_unlock(&log->lock);
    return is;
}

/* Tries again while the disk is full, as the records' writer would refuse; any other failure ends
 * the log. */
static int commit(struct gw_log *log, struct gw_mail *list)
{
    static struct gw_diag_limit limit;
    struct gw_err err;

    if (!has_settles(list))
        return 0;
    if (locked_flag(log, &log->state_broken))
        return -1;
    while (write_settles(log, list, &err)) {
        take_back(log);
        if (err.kind != GW_ERR_RETRY || locked_flag(log, &log->hurried)) {
            pthread_mutex_lock(&log->lock);
            log->state_broken = 1;
            pthread_mutex_unlock(&log->lock);
            gw_log_break(log, &err);
            return -1;
        }
        if (gw_diag_allow(&limit, MINUTE_MS))
            GW_DIAG(GW_WARN, "log", gw_msg("what pipelines have done cannot be kept yet"),
                    gw_kv_cstr("error", err.msg));
        pause_ms(log, RETRY_MS);
    }
    publish(log, list);
    return 0;
}

static struct gw_mail *take_all(struct gw_log *log, int64_t last_ms)
{
    struct gw_log_stats stats;
    struct gw_mail *list, *m;
    int64_t due;

    gw_log_stats(log, &stats, NULL, 0);
    list = gw_mailbox_take(&log->to_state, stats.orphans ? HOUR_MS : -1);
    due = last_ms + EVERY_MS - gw_mono_ms();
    if (!list || due <= 0 || !has_settles(list))
        return list;
    pause_ms(log, due < EVERY_MS ? due : EVERY_MS);
    for (m = list; m->next; m = m->next)
        ;
    m->next = gw_mailbox_take(&log->to_state, 0);
    return list;
}

void *gw_state_writer_main(void *arg)
{
    struct gw_log *log = arg;
    int64_t last_ms = gw_mono_ms() - EVERY_MS;

    for (;;) {
        struct gw_mail *list = take_all(log, last_ms);

        if (!list && locked_flag(log, &log->closing))
            return NULL;
        if (!list) {
            gw_warn_orphans(log);
            continue;
        }
        if (has_settles(list))
            last_ms = gw_mono_ms();
        answer(log, list, commit(log, list) != 0);
    }
}

void gw_log_settle(struct gw_log *log, struct gw_settle *s)
{
    if (log->state) {
        gw_mailbox_post(&log->to_state, &s->mail);
        return;
    }
    pthread_mutex_lock(&log->lock);
    gw_cursor_settle(s->cursor, s->items, s->n);
    gw_readers_let_go(log);
    gw_segments_trim(log);
    pthread_mutex_unlock(&log->lock);
    s->failed = 0;
    gw_loop_post_mail(s->reply, &s->mail);
}
