/* Dead letters of ingest, replayed: each message is read again, with today's code and what its
 * source says today that it is, and what can be read is appended as a record. Its letter goes only
 * when the record is durable, so a kill in between repeats it and loses nothing; what cannot be
 * read is noted as failed again. In the order of the letters. Closed early it takes no more of
 * them, and frees itself when what is under way has come back. */
#include "admin/lines.h"

#include "admin/lines_busy.h"
#include "admin/lines_replay.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/metrics.h"
#include "base/text.h"
#include "ingest/unread.h"
#include "log/message.h"
#include "net/loop.h"

#include <stdio.h>
#include <stdlib.h>

enum { AT_ONCE = 64, MAX_RECORD = 1 << 30, EVERY_MS = 200 };

struct reread;
struct slot {
    struct reread *reread;
    struct slot *next; /* idle ones */
    struct gw_arena *mem;
    struct gw_append append;
    struct gw_log_entry entry;
    struct gw_letter_change change;
    struct gw_dead_letter again;
};

struct reread {
    struct gw_lines pub;
    const struct gw_ingest_conf *conf;
    struct gw_log *log;
    struct gw_counter *replayed;
    struct gw_letters *letters; /* NULL: no more */
    struct gw_loop *loop;
    struct gw_mail *wake;
    struct gw_timer timer;
    struct slot slots[AT_ONCE], *idle;
    size_t open;
    struct gw_replay_counts counts;
    int dry, due, told, waiting, closed;
};

static const struct gw_log *under_way; /* of the one thread that has lines */

static void free_reread(struct reread *r)
{
    GW_DIAG(GW_INFO, "replay", gw_msg(r->counts.broken ? "ended early" : "ended"),
            gw_kv_cstr("pipeline", GW_INGEST), gw_kv_int("done", (int64_t)r->counts.done),
            gw_kv_int("published", (int64_t)r->counts.published),
            gw_kv_int("failed", (int64_t)r->counts.failed));
    gw_letters_close(r->letters);
    for (size_t i = 0; i < AT_ONCE; i++)
        gw_arena_free(r->slots[i].mem);
    gw_timer_fini(&r->timer);
    under_way = NULL;
    gw_lines_count_busy(-1);
    gw_lines_free(&r->pub);
}

static void wake(struct reread *r)
{
    if (!r->waiting || r->closed)
        return;
    r->waiting = 0;
    r->wake->fn(r->wake);
}

static void on_timer(struct gw_timer *t)
{
    struct reread *r = GW_CONTAINER(t, struct reread, timer);

    r->due = 1;
    wake(r);
}

static void take_no_more(struct reread *r)
{
    gw_letters_close(r->letters);
    r->letters = NULL;
}

/* The rest stays as it was. */
static void give_up(struct reread *r, const char *why)
{
    take_no_more(r);
    r->counts.broken = 1;
    (void)snprintf(r->counts.error, sizeof(r->counts.error), "%s", why);
}

/* ---- one letter ---- */

static void give_back(struct slot *s)
{
    struct reread *r = s->reread;

    gw_arena_reset(s->mem);
    s->next = r->idle;
    r->idle = s;
    r->open--;
    if (r->closed && !r->open)
        free_reread(r);
    else
        wake(r);
}

static void on_changed(struct gw_mail *m)
{
    struct slot *s = GW_CONTAINER(m, struct slot, change.mail);
    struct reread *r = s->reread;

    if (s->change.failed)
        give_up(r, "what became of a dead letter could not be written");
    r->counts.done++;
    if (s->change.again) {
        r->counts.failed++;
    } else {
        r->counts.published++;
        gw_count(r->replayed, 1);
    }
    give_back(s);
}

static void change(struct slot *s, const struct gw_dead_letter *again)
{
    s->change.mail.fn = on_changed;
    s->change.reply = s->reread->loop;
    s->change.again = again;
    gw_letter_change(s->reread->log, &s->change);
}

static void on_appended(struct gw_mail *m)
{
    struct slot *s = GW_CONTAINER(m, struct slot, append.mail);

    if (!s->append.failed) {
        change(s, NULL);
        return;
    }
    give_up(s->reread, s->append.err.msg);
    give_back(s);
}

/* -1: there is no room for it now. */
static int append(struct slot *s, struct gw_record *record, struct gw_err *err)
{
    const size_t size = gw_record_size(record);
    struct gw_buf b;

    if (gw_log_reserve(s->reread->log, size, err))
        return -1;
    gw_buf_init(&b, MAX_RECORD, s->mem);
    gw_record_put(&b, record);
    s->entry = (struct gw_log_entry){gw_buf_str(&b), gw_hash64(record->key), record->kind,
                                     record->received_at_ns};
    s->append = (struct gw_append){.mail.fn = on_appended,
                                   .reply = s->reread->loop,
                                   .entries = &s->entry,
                                   .n = 1,
                                   .reserved = size};
    gw_log_append(s->reread->log, &s->append);
    return 0;
}

static void fail_again(struct slot *s)
{
    struct gw_replay_counts *c = &s->reread->counts;

    (void)snprintf(c->error, sizeof(c->error), "%s/%llu: %.*s", GW_INGEST,
                   (unsigned long long)s->change.number, (int)s->again.error.len, s->again.error.p);
    change(s, &s->again);
}

static struct gw_dead_letter lost(void)
{
    return (struct gw_dead_letter){
        .reason = "undecodable",
        .error = GW_STR("its message is lost: there is nothing to read again"),
        .attempts = 1,
        .last_at_ns = gw_clock_wall_ns()};
}

/* The slot comes back by itself. */
static void read_again(struct slot *s, const struct gw_letter *letter)
{
    struct reread *r = s->reread;
    struct gw_unread u;
    struct gw_record record;
    struct gw_err err;

    s->change = (struct gw_letter_change){.pipeline = GW_STR(GW_INGEST), .number = letter->number};
    if (gw_unread_read(s->mem, letter->d.record, &u, &err)) {
        s->again = lost();
        fail_again(s);
        return;
    }
    if (gw_unread_record(s->mem, gw_unread_as(r->conf, &u), &u, &record, &err) ||
        !gw_unread_fits(r->log, &record, &err)) {
        gw_unread_letter(s->mem, &u, gw_unread_reason(&err), &err, &s->again);
        fail_again(s);
        return;
    }
    record.received_at_ns = gw_clock_wall_ns();
    if (append(s, &record, &err)) {
        give_up(r, err.msg);
        give_back(s);
    }
}

/* ---- all of them ---- */

static int take_one(struct reread *r, struct gw_err *err)
{
    struct slot *s = r->idle;
    struct gw_letter letter;
    int rc = gw_letters_next(r->letters, s->mem, &letter, err);

    if (rc < 0)
        return -1;
    if (rc == 0) {
        take_no_more(r);
    } else if (r->dry) {
        r->counts.done++;
        gw_arena_reset(s->mem);
    } else {
        r->idle = s->next;
        r->open++;
        read_again(s, &letter);
    }
    return 0;
}

static int next_reread(struct gw_lines *pub, struct gw_buf *out, struct gw_err *err)
{
    struct reread *r = (struct reread *)pub;

    if (r->told)
        return 0;
    while (r->letters && r->idle)
        if (take_one(r, err))
            give_up(r, err->msg);
    r->counts.ended = !r->letters && !r->open;
    if (!r->counts.ended && !r->due) {
        r->waiting = 1;
        return 2;
    }
    r->due = 0;
    r->told = r->counts.ended;
    if (r->counts.ended && !r->counts.broken)
        r->counts.total = r->counts.done;
    gw_put_replay_counts(out, &r->counts);
    if (!r->counts.ended)
        gw_timer_set(&r->timer, EVERY_MS);
    return 1;
}

static void close_reread(struct gw_lines *pub)
{
    struct reread *r = (struct reread *)pub;

    r->closed = 1;
    r->counts.broken |= !r->told;
    take_no_more(r);
    gw_timer_cancel(&r->timer);
    if (!r->open)
        free_reread(r);
}

struct gw_lines *gw_lines_reread(const struct gw_reread_conf *conf, struct gw_log *log,
                                 struct gw_metrics *metrics, struct gw_loop *loop,
                                 struct gw_mail *wake_mail, struct gw_err *err)
{
    struct gw_letters *letters;
    struct reread *r;

    if (under_way == log) {
        gw_err_set(err, GW_ERR_REJECT, "a replay of pipeline %s is under way already", GW_INGEST);
        return NULL;
    }
    letters = gw_letters_open(log, &conf->query, 1, err);
    if (!letters)
        return NULL;
    r = calloc(1, sizeof(*r));
    if (!r)
        abort();
    *r = (struct reread){.pub = {.next = next_reread, .close = close_reread},
                         .conf = conf->ingest,
                         .log = log,
                         .letters = letters,
                         .loop = loop,
                         .wake = wake_mail,
                         .dry = conf->dry,
                         .due = 1};
    r->replayed = gw_metrics_counter(metrics, GW_M_REPLAYED, GW_INGEST, NULL);
    gw_timer_init(&r->timer, loop, on_timer);
    for (size_t i = 0; i < AT_ONCE; i++) {
        r->slots[i] = (struct slot){.reread = r, .next = r->idle, .mem = gw_arena_new()};
        r->idle = &r->slots[i];
    }
    under_way = log;
    gw_lines_count_busy(1);
    return &r->pub;
}
