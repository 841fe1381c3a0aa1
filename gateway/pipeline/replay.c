/* A replay: a pipeline of one worker with other ends. Its records come from a source, what becomes
 * of them goes to the dead letters and to a tally; its counters are in a registry of its own, which
 * nobody shows (R3). A dry one is a thread that counts.
 *
 * Threads: the worker's own the source and the letters' changes; the tally is locked. */
#include "pipeline/replay.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/metrics.h"
#include "hook/shared.h"
#include "pipeline/source.h"
#include "pipeline/worker.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROGRESS = 100 }; /* records from one look at how far it is to the next */

struct gw_replay {
    struct gw_replay_conf conf;
    struct gw_pipeline_conf pipeline_conf; /* the pipeline's, changed to a replay's */
    const char *scripts[1];
    struct gw_arena *mem; /* of the texts in conf */
    struct gw_log *log;
    struct gw_metrics *own;
    struct gw_counter *replayed;
    struct gw_loop *reply;
    struct gw_mail *ended;
    struct gw_pipeline *pipeline; /* NULL: dry */
    struct gw_replay *next;       /* of those that run */

    struct gw_source source;
    struct gw_arena *ahead; /* the record that was seen and not taken */
    struct gw_record rec;
    uint64_t number;
    int have, at_end;
    unsigned reads;

    pthread_t thread; /* dry */
    _Atomic int stop_asked;

    pthread_mutex_t lock; /* of what follows */
    struct gw_replay_counts counts;
};

/* One at a time of a pipeline: two would mix up the order of keys, and send letters twice. */
static pthread_mutex_t running_lock = PTHREAD_MUTEX_INITIALIZER;
static struct gw_replay *running;

static int enter(struct gw_replay *r, struct gw_err *err)
{
    const char *name = r->pipeline_conf.name;
    struct gw_replay *other;

    pthread_mutex_lock(&running_lock);
    for (other = running; other; other = other->next)
        if (other->log == r->log && !strcmp(other->pipeline_conf.name, name))
            break;
    if (!other) {
        r->next = running;
        running = r;
    }
    pthread_mutex_unlock(&running_lock);
    if (other)
        return gw_err_set(err, GW_ERR_REJECT, "a replay of pipeline %s is under way already", name);
    return 0;
}

static void leave(struct gw_replay *r)
{
    struct gw_replay **at = &running;

    pthread_mutex_lock(&running_lock);
    while (*at && *at != r)
        at = &(*at)->next;
    if (*at)
        *at = r->next;
    pthread_mutex_unlock(&running_lock);
}

/* ---- the tally ---- */

static void note_end(struct gw_replay *r, const char *why, int broken)
{
    pthread_mutex_lock(&r->lock);
    if (why)
        snprintf(r->counts.error, sizeof(r->counts.error), "%s", why);
    r->counts.broken |= broken;
    pthread_mutex_unlock(&r->lock);
}

static void note_progress(struct gw_replay *r)
{
    struct gw_scan_progress p;

    gw_source_progress(&r->source, &p);
    pthread_mutex_lock(&r->lock);
    r->counts.seen = p.seen;
    r->counts.span = p.span;
    r->counts.total = gw_source_total(&r->source);
    pthread_mutex_unlock(&r->lock);
}

static void tally(struct gw_replay *r, const struct gw_item *it)
{
    struct gw_replay_counts *c = &r->counts;

    pthread_mutex_lock(&r->lock);
    c->done++;
    if (it->end == GW_PUBLISHED) {
        c->published++;
        gw_count(r->replayed, 1);
    } else if (it->end == GW_FILTERED) {
        c->filtered++;
    } else {
        c->failed++;
        snprintf(c->error, sizeof(c->error), "%.*s%s%s: %.*s", (int)it->dead->event_id.len,
                 it->dead->event_id.p, it->dead->event_id.len ? ": " : "", it->dead->reason,
                 (int)it->dead->error.len, it->dead->error.p);
    }
    pthread_mutex_unlock(&r->lock);
}

/* The last thing that its thread does with it. */
static void finish(struct gw_replay *r)
{
    struct gw_scan_progress p;
    struct gw_replay_counts c;

    gw_source_progress(&r->source, &p);
    gw_source_close(&r->source);
    pthread_mutex_lock(&r->lock);
    r->counts.seen = p.seen;
    r->counts.span = p.span;
    if (!r->counts.broken)
        r->counts.total = r->counts.done;
    r->counts.ended = 1;
    c = r->counts;
    pthread_mutex_unlock(&r->lock);
    GW_DIAG(GW_INFO, "replay", gw_msg(c.broken ? "ended early" : "ended"),
            gw_kv_cstr("pipeline", r->pipeline_conf.name), gw_kv_int("done", (int64_t)c.done),
            gw_kv_int("published", (int64_t)c.published),
            gw_kv_int("filtered", (int64_t)c.filtered), gw_kv_int("failed", (int64_t)c.failed),
            gw_kv_int("trimmed_meanwhile", (int64_t)p.missed));
    leave(r);
    gw_loop_post_mail(r->reply, r->ended);
}

/* ---- the ends: reading ---- */

static struct gw_replay *replay_of(const struct gw_worker *w)
{
    return w->pipeline->replay;
}

static void read_ahead(struct gw_replay *r)
{
    struct gw_err err;
    int got;

    gw_arena_reset(r->ahead);
    got = gw_source_next(&r->source, r->ahead, &r->rec, &r->number, &err);
    r->have = got == 1;
    r->at_end = got != 1;
    if (got < 0)
        note_end(r, err.msg, 1);
    if (r->reads++ % PROGRESS == 0)
        note_progress(r);
}

/* Everything has ended and is written: the worker may go. */
static void stop_when_idle(struct gw_worker *w)
{
    if (replay_of(w)->at_end && !w->window.n_items && !w->settler.batches)
        gw_worker_stop(w, gw_mono_ms());
}

static int on_peek(struct gw_worker *w, struct gw_record *out)
{
    struct gw_replay *r = replay_of(w);

    if (!r->have && !r->at_end && !atomic_load(&r->stop_asked))
        read_ahead(r);
    if (!r->have) {
        stop_when_idle(w);
        return 0;
    }
    *out = r->rec;
    return 1;
}

static void on_take(struct gw_worker *w, struct gw_item *it)
{
    struct gw_replay *r = replay_of(w);
    struct gw_arena *mem = it->mem;

    assert(r->have);
    it->mem = r->ahead;
    r->ahead = mem;
    it->rec = r->rec;
    it->letter = r->number;
    r->have = 0;
}

/* ---- the ends: what became of it ---- */

struct change {
    struct gw_letter_change c;
    struct gw_worker *worker;
    struct gw_item *item;
};

static void on_changed(struct gw_mail *m)
{
    struct change *ch = GW_CONTAINER(m, struct change, c.mail);
    struct gw_worker *w = ch->worker;

    if (ch->c.failed)
        note_end(replay_of(w), "what became of a dead letter could not be written", 1);
    w->settler.batches--;
    w->settler.waiting--;
    gw_window_free(&w->window, ch->item);
    stop_when_idle(w);
    gw_worker_poke(w);
}

/* R1, R2. The item's memory holds the change and what it says until it is committed. */
static void change_letter(struct gw_worker *w, struct gw_item *it)
{
    struct gw_replay *r = replay_of(w);
    struct change *ch = gw_arena_zalloc(it->mem, sizeof(*ch));

    ch->worker = w;
    ch->item = it;
    ch->c = (struct gw_letter_change){.mail = {.fn = on_changed},
                                      .reply = w->loop,
                                      .pipeline = gw_str_of(r->pipeline_conf.name),
                                      .number = it->letter,
                                      .again = it->end == GW_DEAD ? it->dead : NULL};
    w->settler.batches++;
    w->settler.waiting++;
    gw_letter_change(r->log, &ch->c);
}

static void on_ended(struct gw_worker *w, struct gw_item *it)
{
    struct gw_replay *r = replay_of(w);

    if (it->rec.damaged)
        it->dead->error = GW_STR("its record is lost: there is nothing to replay");
    tally(r, it);
    if (r->conf.letters) {
        change_letter(w, it);
        return;
    }
    gw_window_free(&w->window, it);
    stop_when_idle(w);
}

/* Not of the pipeline's event types: of the log it is no part of the replay, a letter is filtered
 * like any other. */
static void on_skip(struct gw_worker *w)
{
    struct gw_item *it;

    if (!replay_of(w)->conf.letters) {
        replay_of(w)->have = 0;
        return;
    }
    it = gw_window_add(&w->window);
    on_take(w, it);
    gw_item_filtered(w, it, "event_types", w->count.event_types);
}

static void on_over(struct gw_worker *w)
{
    struct gw_replay *r = replay_of(w);

    if (!r->at_end || w->window.n_items)
        note_end(r, r->counts.failed ? NULL : "it was stopped before its end", 1);
    if (w->is_open && !r->counts.ended)
        finish(r);
}

static const struct gw_ends ends = {
    .peek = on_peek, .take = on_take, .skip = on_skip, .ended = on_ended, .over = on_over};

/* ---- a dry one ---- */

static void *dry_main(void *arg)
{
    struct gw_replay *r = arg;
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    while (!atomic_load(&r->stop_asked)) {
        read_ahead(r);
        if (!r->have)
            break;
        if (!r->conf.letters && !r->rec.damaged && !gw_pipeline_takes(&r->pipeline_conf, &r->rec))
            continue;
        pthread_mutex_lock(&r->lock);
        r->counts.done++;
        pthread_mutex_unlock(&r->lock);
    }
    if (!r->at_end)
        note_end(r, "it was stopped before its end", 1);
    finish(r);
    return NULL;
}

static int start_dry(struct gw_replay *r, struct gw_err *err)
{
    const int rc = pthread_create(&r->thread, NULL, dry_main, r);

    return rc ? gw_err_set(err, GW_ERR_FATAL, "cannot start a thread (error %d)", rc) : 0;
}

/* ---- life ---- */

static const char *kept(struct gw_replay *r, const char *s)
{
    return s ? gw_arena_strndup(r->mem, s, strlen(s)) : NULL;
}

static void configure(struct gw_replay *r, const struct gw_replay_conf *conf)
{
    struct gw_pipeline_conf *c = &r->pipeline_conf;

    r->conf = *conf;
    r->conf.script = kept(r, conf->script);
    r->conf.query.reason = kept(r, conf->query.reason);
    *c = *conf->pipeline;
    r->conf.query.pipeline = c->name;
    c->shared = c->shared ? gw_hook_shared_aside(c->shared) : NULL;
    c->workers = 1;
    if (c->on_hook_error == GW_BLOCK) /* nothing waits behind a replay */
        c->on_hook_error = GW_DEAD_LETTER;
    if (r->conf.script) {
        r->scripts[0] = r->conf.script;
        c->hooks = (struct gw_strs){r->scripts, 1};
    }
}

static void discard(struct gw_replay *r)
{
    leave(r);
    gw_source_close(&r->source);
    gw_hook_shared_drop(r->pipeline_conf.shared);
    gw_metrics_free(r->own);
    gw_arena_free(r->ahead);
    gw_arena_free(r->mem);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static int start_worker(struct gw_replay *r, struct gw_err *err)
{
    struct gw_pipeline *p = gw_pipeline_new(&r->pipeline_conf, r->log, r->own);
    int down;

    p->ends = &ends;
    p->replay = r;
    p->replay_number = (uint64_t)(gw_clock_wall_ns() / 1000000);
    p->component = "replay";
    if (gw_pipeline_run(p, err))
        return -1;
    pthread_mutex_lock(&p->lock);
    down = p->n_down != 0 && !p->workers[0].is_open;
    if (down)
        gw_err_set(err, GW_ERR_REJECT, "%s", p->last_error);
    pthread_mutex_unlock(&p->lock);
    if (!down) {
        r->pipeline = p;
        return 0;
    }
    gw_pipeline_stop(p, 0);
    gw_pipeline_join(p);
    return -1;
}

struct gw_replay *gw_replay_start(const struct gw_replay_conf *conf, struct gw_log *log,
                                  struct gw_metrics *metrics, struct gw_loop *loop,
                                  struct gw_mail *ended, struct gw_err *err)
{
    struct gw_replay *r = calloc(1, sizeof(*r));

    if (!r)
        abort();
    r->mem = gw_arena_new();
    r->ahead = gw_arena_new();
    r->own = gw_metrics_new();
    r->log = log;
    r->reply = loop;
    r->ended = ended;
    pthread_mutex_init(&r->lock, NULL);
    configure(r, conf);
    gw_source_init(&r->source, &r->conf, log, !conf->dry, &r->stop_asked);
    r->replayed = gw_metrics_counter(metrics, GW_M_REPLAYED, r->pipeline_conf.name, NULL);
    if ((!conf->dry && enter(r, err)) || (conf->dry ? start_dry(r, err) : start_worker(r, err))) {
        discard(r);
        return NULL;
    }
    return r;
}

void gw_replay_counts(struct gw_replay *r, struct gw_replay_counts *out)
{
    struct gw_pipeline_status s = {0};

    if (r->pipeline)
        gw_pipeline_status(r->pipeline, &s);
    pthread_mutex_lock(&r->lock);
    *out = r->counts;
    pthread_mutex_unlock(&r->lock);
    if (s.last_error[0] && !s.up && !out->ended)
        snprintf(out->error, sizeof(out->error), "%s", s.last_error);
}

void gw_replay_stop(struct gw_replay *r, int64_t deadline_ms)
{
    atomic_store(&r->stop_asked, 1);
    if (r->pipeline)
        gw_pipeline_stop(r->pipeline, deadline_ms);
}

void gw_replay_join(struct gw_replay *r)
{
    if (!r)
        return;
    if (r->pipeline)
        gw_pipeline_join(r->pipeline);
    else
        pthread_join(r->thread, NULL);
    discard(r);
}
