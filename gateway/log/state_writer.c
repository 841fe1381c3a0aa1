/* The state writer: a thread that takes the settles of all workers, and what is done with dead
 * letters, and commits them together, at once when the last commit is long enough ago (L5): 20
 * times as long as that one took, between 25 and 100 ms. So a crash repeats little where the disk
 * is fast, and a slow one is left to the records. Asks of cursors are answered here as well
 * (asks.c), so that one thread writes state.db. For a log in memory there is no thread and no file:
 * who settles does it. */
#include "log/inside.h"

#include "base/clock.h"
#include "base/diag.h"
#include "base/err.h"
#include "net/loop.h"

#include <string.h>

enum { MIN_MS = 25, MAX_MS = 100, TIMES = 20 }; /* between commits */
enum { RETRY_MS = 1000, MINUTE_MS = 60000, HOUR_MS = 3600000 };

/* Their addresses tell a letter's change, and one that is added, from a settle. */
static void is_change(struct gw_mail *m)
{
    (void)m;
}

static void is_added(struct gw_mail *m)
{
    (void)m;
}

/* ---- settles ---- */

static int settle_one(struct gw_log *log, struct gw_cursor *c, struct gw_settled *item,
                      struct gw_err *err)
{
    const struct gw_dead_letter *d = item->dead ? item->dead : &gw_letter_unsaid;

    item->refused = 0;
    if (item->end == GW_DEAD && !gw_settled_has(&c->next, item->at.offset) &&
        !gw_letter_fits(c, &c->next_letters, d)) {
        item->refused = 1;
        return 0;
    }
    if (!gw_settled_add(&c->next, item->at.offset))
        return 0;
    c->next_count[item->end]++;
    c->dirty = 1;
    return item->end == GW_DEAD ? gw_state_letter(log->state, c, item->at.offset, d, err) : 0;
}

/* ---- letters ---- */

static int add_letter(struct gw_log *log, struct gw_letter_add *a, struct gw_err *err)
{
    struct gw_cursor *c = log->ingest;

    a->refused = !gw_letter_fits(c, &c->next_letters, a->d);
    if (a->refused)
        return 0;
    return gw_state_letter(log->state, c, 0, a->d, err) || gw_state_save_next(log->state, c, err)
               ? -1
               : 0;
}

static int write_one(struct gw_log *log, struct gw_mail *m, struct gw_err *err)
{
    if (m->fn == gw_ask_is)
        return 0;
    if (m->fn == is_change) {
        struct gw_letter_change *change = GW_CONTAINER(m, struct gw_letter_change, mail);

        return gw_state_change(log->state, gw_letters_find(log, change->pipeline), change, err);
    }
    if (m->fn == is_added)
        return add_letter(log, GW_CONTAINER(m, struct gw_letter_add, mail), err);
    struct gw_settle *s = GW_CONTAINER(m, struct gw_settle, mail);

    for (size_t i = 0; i < s->n; i++)
        if (settle_one(log, s->cursor, &s->items[i], err))
            return -1;
    return 0;
}

static int write_list(struct gw_log *log, void *list, struct gw_err *err)
{
    for (struct gw_mail *m = list; m; m = m->next)
        if (write_one(log, m, err))
            return -1;
    for (size_t i = 0; i < log->n_cursors; i++)
        if (log->cursors[i]->dirty && gw_state_save(log->state, log->cursors[i], err))
            return -1;
    return 0;
}

/* As if nothing had been looked at. */
static void take_back(struct gw_log *log)
{
    gw_state_rollback(log->state);
    log->ingest->next_letters = log->ingest->letters;
    for (size_t i = 0; i < log->n_cursors; i++) {
        struct gw_cursor *c = log->cursors[i];

        c->next_letters = c->letters;
        if (!c->dirty)
            continue;
        gw_settled_copy(&c->next, &c->done);
        memcpy(c->next_count, c->count, sizeof(c->next_count));
        c->dirty = 0;
    }
}

/* 1: there may be more of it on the disk now. */
static int give_room(struct gw_log *log)
{
    uint64_t before;
    int gave;

    pthread_mutex_lock(&log->lock);
    before = log->total;
    gw_segments_give_room(log);
    gave = log->total < before;
    pthread_mutex_unlock(&log->lock);
    return gave;
}

static int do_once(struct gw_log *log, int (*fn)(struct gw_log *log, void *ctx, struct gw_err *err),
                   void *ctx, struct gw_err *err)
{
    struct gw_cursor *c;

    if (gw_state_begin(log->state, err) || fn(log, ctx, err) || gw_state_commit(log->state, err)) {
        take_back(log);
        return -1;
    }
    for (size_t i = 0; (c = gw_letters_owner(log, i)); i++)
        c->letters = c->next_letters;
    return 0;
}

int gw_state_do(struct gw_log *log, int (*fn)(struct gw_log *log, void *ctx, struct gw_err *err),
                void *ctx, struct gw_err *err)
{
    int rc = do_once(log, fn, ctx, err);

    return rc && err->kind == GW_ERR_FULL && give_room(log) ? do_once(log, fn, ctx, err) : rc;
}

static void publish(struct gw_log *log, struct gw_mail *list)
{
    pthread_mutex_lock(&log->lock);
    for (struct gw_mail *m = list; m; m = m->next) {
        struct gw_settle *s = GW_CONTAINER(m, struct gw_settle, mail);

        if (m->fn != gw_ask_is && m->fn != is_change && m->fn != is_added)
            gw_cursor_settle(s->cursor, s->items, s->n);
    }
    for (size_t i = 0; i < log->n_cursors; i++)
        log->cursors[i]->dirty = 0;
    gw_readers_let_go(log);
    gw_segments_trim(log);
    pthread_mutex_unlock(&log->lock);
    gw_readers_post(log);
}

/* ---- the thread ---- */

static void answer_change(struct gw_letter_change *change, int failed)
{
    change->mail.fn = change->then;
    if (failed)
        change->failed = 1;
    gw_loop_post_mail(change->reply, &change->mail);
}

static void answer_added(struct gw_letter_add *a, int failed)
{
    a->mail.fn = a->then;
    a->failed = failed;
    gw_loop_post_mail(a->reply, &a->mail);
}

static void answer(struct gw_log *log, struct gw_mail *list, int failed)
{
    while (list) {
        struct gw_mail *m = list;

        list = m->next;
        if (m->fn == gw_ask_is) {
            gw_ask_answer(log, m);
        } else if (m->fn == is_change) {
            answer_change(GW_CONTAINER(m, struct gw_letter_change, mail), failed);
        } else if (m->fn == is_added) {
            answer_added(GW_CONTAINER(m, struct gw_letter_add, mail), failed);
        } else {
            struct gw_settle *s = GW_CONTAINER(m, struct gw_settle, mail);

            s->failed = failed;
            gw_loop_post_mail(s->reply, m);
        }
    }
}

static int has_work(const struct gw_mail *list)
{
    for (; list; list = list->next)
        if (list->fn != gw_ask_is)
            return 1;
    return 0;
}

/* No longer than until the log is closed, or hurried. */
static void pause_ms(struct gw_log *log, int64_t ms)
{
    const struct timespec until = gw_clock_after(CLOCK_MONOTONIC, ms);

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

    if (!has_work(list))
        return 0;
    if (locked_flag(log, &log->state_broken))
        return -1;
    while (gw_state_do(log, write_list, list, &err)) {
        if (err.kind == GW_ERR_REJECT) /* a change that cannot be: it is left out now */
            continue;
        if (err.kind == GW_ERR_FATAL || locked_flag(log, &log->hurried)) {
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

/* When the next commit may be, after one that took from start_ms until now. */
static int64_t next_commit_ms(int64_t start_ms)
{
    int64_t distance = (gw_mono_ms() - start_ms) * TIMES;

    distance = distance < MIN_MS ? MIN_MS : distance;
    return start_ms + (distance < MAX_MS ? distance : MAX_MS);
}

static struct gw_mail *take_all(struct gw_log *log, int64_t next_ms, int ms)
{
    struct gw_mail *list = gw_mailbox_take(&log->to_state, ms), *m;
    int64_t due = next_ms - gw_mono_ms();

    if (!list || due <= 0 || !has_work(list))
        return list;
    pause_ms(log, due < MAX_MS ? due : MAX_MS);
    for (m = list; m->next; m = m->next)
        ;
    m->next = gw_mailbox_take(&log->to_state, 0);
    return list;
}

/* ---- what is due now and then ---- */

struct duties {
    int64_t expire_ms, warn_ms; /* when */
    int more;                   /* letters to expire at once */
};

struct expiry {
    struct gw_cursor *cursor;
    int64_t before_ns;
    int more;
};

static int expire_some(struct gw_log *log, void *ctx, struct gw_err *err)
{
    struct expiry *x = ctx;

    return gw_state_expire(log->state, x->cursor, x->before_ns, &x->more, err);
}

/* A letter that cannot go today may tomorrow. */
static int expire(struct gw_log *log)
{
    static struct gw_diag_limit limit;
    struct gw_cursor *c;
    struct gw_err err;
    int more = 0;

    for (size_t i = 0; (c = gw_letters_owner(log, i)); i++) {
        int64_t keep_ms = c->keep_letters_ms;
        struct expiry x = {.cursor = c};
        int failed;

        if (keep_ms <= 0)
            continue;
        x.before_ns = gw_clock_wall_ns() - keep_ms * 1000000;
        failed = gw_state_do(log, expire_some, &x, &err);
        more |= x.more;
        if (failed && gw_diag_allow(&limit, HOUR_MS))
            GW_DIAG(GW_WARN, "log", gw_msg("dead letters that are old enough cannot be removed"),
                    gw_kv_cstr("pipeline", c->name), gw_kv_cstr("error", err.msg));
    }
    return more;
}

static void do_duties(struct gw_log *log, struct duties *d)
{
    int64_t now = gw_mono_ms();

    if ((d->more || now >= d->expire_ms) && !locked_flag(log, &log->state_broken)) {
        d->more = expire(log);
        d->expire_ms = now + MINUTE_MS;
    }
    if (now >= d->warn_ms && !log->conf.tool) {
        gw_warn_orphans(log);
        d->warn_ms = now + HOUR_MS;
    }
}

void *gw_state_writer_main(void *arg)
{
    struct gw_log *log = arg;
    int64_t start_ms = gw_mono_ms(), next_ms = start_ms;
    struct duties d = {.expire_ms = start_ms + MINUTE_MS, .warn_ms = start_ms + HOUR_MS};

    for (;;) {
        struct gw_mail *list = take_all(log, next_ms, d.more ? 0 : MINUTE_MS);
        const int work = has_work(list);
        int failed;

        if (!list && locked_flag(log, &log->closing))
            return NULL;
        start_ms = gw_mono_ms();
        failed = commit(log, list) != 0;
        if (work)
            next_ms = next_commit_ms(start_ms);
        answer(log, list, failed);
        do_duties(log, &d);
    }
}

/* ---- from any thread ---- */

static void settle_in_memory(struct gw_log *log, struct gw_settle *s)
{
    struct gw_cursor *c = s->cursor;

    for (size_t i = 0; i < s->n; i++) {
        struct gw_settled *item = &s->items[i];
        const struct gw_dead_letter *d = item->dead ? item->dead : &gw_letter_unsaid;

        item->refused = 0;
        if (item->end != GW_DEAD || gw_settled_has(&c->done, item->at.offset))
            continue;
        gw_kept_expire(c, gw_clock_wall_ns());
        item->refused = !gw_letter_fits(c, &c->letters, d);
        if (!item->refused)
            gw_kept_add(c, item->at.offset, d);
    }
    gw_cursor_settle(c, s->items, s->n);
    gw_readers_let_go(log);
    gw_segments_trim(log);
}

void gw_log_settle(struct gw_log *log, struct gw_settle *s)
{
    if (log->state) {
        gw_mailbox_post(&log->to_state, &s->mail);
        return;
    }
    pthread_mutex_lock(&log->lock);
    settle_in_memory(log, s);
    pthread_mutex_unlock(&log->lock);
    gw_readers_post(log);
    s->failed = 0;
    gw_loop_post_mail(s->reply, &s->mail);
}

void gw_letter_change(struct gw_log *log, struct gw_letter_change *change)
{
    change->found = change->failed = 0;
    if (log->state) {
        change->then = change->mail.fn;
        change->mail.fn = is_change;
        gw_mailbox_post(&log->to_state, &change->mail);
        return;
    }
    pthread_mutex_lock(&log->lock);
    gw_kept_change(log, change);
    pthread_mutex_unlock(&log->lock);
    gw_loop_post_mail(change->reply, &change->mail);
}

void gw_letter_add(struct gw_log *log, struct gw_letter_add *a)
{
    struct gw_cursor *c = log->ingest;

    a->refused = a->failed = 0;
    if (log->state) {
        a->then = a->mail.fn;
        a->mail.fn = is_added;
        gw_mailbox_post(&log->to_state, &a->mail);
        return;
    }
    pthread_mutex_lock(&log->lock);
    gw_kept_expire(c, gw_clock_wall_ns());
    a->refused = !gw_letter_fits(c, &c->letters, a->d);
    if (!a->refused)
        gw_kept_add(c, 0, a->d);
    pthread_mutex_unlock(&log->lock);
    gw_loop_post_mail(a->reply, &a->mail);
}
