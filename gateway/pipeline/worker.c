/* A worker: a thread with a loop. Everything that happens on it asks for a turn (poke), and the
 * turn does what there is to do: hooks that are due, reading, sending, settling. So batches and
 * settles hold what came together in one turn, and an idle worker sleeps. */
#include "pipeline/worker.h"

#include "base/clock.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/metrics.h"
#include "pipeline/tap.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum {
    BACKLOG = 65536,      /* records told to the log and not committed: then reading waits */
    READ_AGAIN_MS = 1000, /* after a log that could not be read */
};

/* ---- state ---- */

int64_t gw_worker_wall_ns(struct gw_worker *w)
{
    if (!w->wall_ns)
        w->wall_ns = gw_clock_wall_ns();
    return w->wall_ns;
}

void gw_worker_poke(struct gw_worker *w)
{
    gw_loop_post(w->loop, &w->turn);
}

int64_t gw_worker_delay_ms(struct gw_worker *w, unsigned tries)
{
    return gw_delay_ms(w->conf, tries, &w->random);
}

void gw_worker_note(struct gw_worker *w, const char *why)
{
    struct gw_pipeline *p = w->pipeline;

    pthread_mutex_lock(&p->lock);
    if (why || !p->n_down)
        snprintf(p->last_error, sizeof(p->last_error), "%s", why ? why : "");
    pthread_mutex_unlock(&p->lock);
}

/* One line for each new trouble, and one when it is over. */
static void say(struct gw_worker *w, int is_down, const char *why)
{
    if (is_down && why && strncmp(w->said, why, sizeof(w->said) - 1) != 0) {
        snprintf(w->said, sizeof(w->said), "%s", why);
        GW_DIAG(GW_WARN, w->pipeline->component, gw_msg("down"),
                gw_kv_cstr("pipeline", w->conf->name), gw_kv_cstr("error", why));
    } else if (!is_down && w->said[0]) {
        w->said[0] = '\0';
        GW_DIAG(GW_INFO, w->pipeline->component, gw_msg("up again"),
                gw_kv_cstr("pipeline", w->conf->name));
    }
}

void gw_worker_state(struct gw_worker *w, const char *why)
{
    struct gw_pipeline *p = w->pipeline;
    const int is_down = !w->is_open || w->block || w->n_stuck || w->unreadable || w->outbox.down;

    if (why)
        gw_worker_note(w, why);
    say(w, is_down, why);
    if (is_down == w->is_down)
        return;
    w->is_down = is_down;
    pthread_mutex_lock(&p->lock);
    p->n_down += is_down ? 1 : (size_t)-1;
    if (!p->n_down)
        p->last_error[0] = '\0';
    gw_gauge_set(p->up, !p->n_down && !p->paused);
    pthread_mutex_unlock(&p->lock);
}

void gw_worker_stand(struct gw_worker *w)
{
    atomic_fetch_add(&w->pipeline->blocked, 1);
}

void gw_worker_go_on(struct gw_worker *w)
{
    struct gw_pipeline *p = w->pipeline;

    atomic_fetch_sub(&p->blocked, 1);
    gw_worker_state(w, NULL);
    for (size_t i = 0; i < p->n_workers; i++)
        gw_worker_nudge(&p->workers[i]);
}

/* ---- opening ---- */

static void count_opened(struct gw_worker *w)
{
    struct gw_pipeline *p = w->pipeline;

    if (w->tries++)
        return;
    pthread_mutex_lock(&p->lock);
    p->n_opened++;
    pthread_cond_signal(&p->opened);
    pthread_mutex_unlock(&p->lock);
}

static void try_open(struct gw_worker *w)
{
    struct gw_err err;

    if (gw_worker_open(w, &err)) {
        gw_worker_state(w, err.msg);
        count_opened(w);
        if (!w->pipeline->ends) /* a replay says so at once */
            gw_timer_set(&w->again, gw_worker_delay_ms(w, w->tries));
        return;
    }
    w->is_open = 1;
    gw_worker_state(w, NULL);
    count_opened(w);
    gw_worker_poke(w);
}

/* ---- reading ---- */

static int can_read(const struct gw_worker *w)
{
    const struct gw_pipeline *p = w->pipeline;

    return !w->stopping && !w->drained && !w->reach.beyond && !w->startable.first &&
           !atomic_load_explicit(&p->blocked, memory_order_relaxed) &&
           !atomic_load_explicit(&p->paused, memory_order_relaxed) &&
           w->settler.waiting < BACKLOG && gw_window_has_room(&w->window) &&
           !gw_outbox_full(&w->outbox);
}

static void cannot_read(struct gw_worker *w, const char *why)
{
    w->drained = w->unreadable = 1;
    gw_worker_state(w, why);
    gw_timer_set(&w->again, READ_AGAIN_MS);
}

static int is_mine(const struct gw_worker *w, const struct gw_record *head)
{
    const size_t n = w->pipeline->n_workers;

    if (n == 1)
        return 1;
    if (w->conf->unordered || head->damaged)
        return head->at.offset % n == w->index;
    return head->key_hash % n == w->index;
}

static void take(struct gw_worker *w)
{
    struct gw_item *it = gw_window_add(&w->window);
    const struct gw_ends *ends = w->pipeline->ends;
    struct gw_err err = {.msg = "a record that was there is gone"};

    /* peek said that it is there */
    if (ends) {
        ends->take(w, it);
    } else if (gw_reader_next(w->reader, it->mem, &it->rec, &err) != 1) {
        gw_window_drop(&w->window, it);
        cannot_read(w, err.msg);
        return;
    }
    gw_window_measure(&w->window, it);
    if (!it->rec.damaged && !gw_pipeline_takes(w->conf, &it->rec)) {
        gw_item_filtered(w, it, "event_types", w->count.event_types);
        return;
    }
    if (!it->rec.damaged) {
        gw_item_start(w, it);
        return;
    }
    gw_item_kill(w, it, "undecodable", GW_STR(""), "the record is damaged");
    gw_item_end(w, it);
}

/* What is not of the pipeline's event types, as its header tells. */
static void pass_over(struct gw_worker *w, const struct gw_record *head)
{
    if (w->pipeline->ends) {
        w->pipeline->ends->skip(w);
        return;
    }
    gw_reader_skip(w->reader);
    gw_window_pass(&w->window);
    gw_count(w->count.event_types, 1);
    gw_settler_add(&w->settler, head->at, GW_FILTERED);
    if (gw_is_watched(w->pipeline))
        gw_tap_tell(w->pipeline, &(struct gw_tap_line){.outcome = "filtered",
                                                       .reason = "event_types",
                                                       .at = head->at,
                                                       .kind = head->kind});
}

static void read_on(struct gw_worker *w)
{
    const struct gw_ends *ends = w->pipeline->ends;
    struct gw_record head;
    struct gw_err err;
    int got;

    while (can_read(w)) {
        got = ends ? ends->peek(w, &head) : gw_reader_peek(w->reader, &head, &err);
        if (got < 0)
            cannot_read(w, err.msg);
        if (got <= 0) {
            w->drained = 1;
            return;
        }
        if (w->unreadable) {
            w->unreadable = 0;
            gw_worker_state(w, NULL);
        }
        gw_reach_see(w, head.at.offset);
        if (!is_mine(w, &head)) {
            gw_reader_skip(w->reader);
        } else if (gw_reach_waits(w, head.at.offset)) {
            w->reach.beyond = 1;
            return;
        } else if (!head.damaged && !gw_pipeline_takes(w->conf, &head)) {
            pass_over(w, &head);
        } else {
            take(w);
        }
    }
}

/* ---- stopping ---- */

/* What the destination has, waiting hooks and records that are delivered in part get until the
 * deadline. What else waits (to be tried again, for the rate) has nothing under way: it stays in
 * the log, like what is left then. */
static void stop_when_done(struct gw_worker *w)
{
    const int64_t left = w->deadline_ms - gw_mono_ms();

    if (w->is_open && (gw_outbox_under_way(&w->outbox) || w->partial || w->calls) && left > 0) {
        gw_timer_set(&w->last, left);
        return;
    }
    gw_calls_let_go(w); /* before there is nowhere to publish */
    gw_outbox_close(&w->outbox);
    if (w->settler.filling)
        gw_settler_send(&w->settler);
    if (w->settler.batches)
        return;
    if (w->pipeline->ends)
        w->pipeline->ends->over(w);
    gw_loop_stop(w->loop);
}

/* ---- the turn ---- */

static void on_turn(struct gw_task *t)
{
    struct gw_worker *w = GW_CONTAINER(t, struct gw_worker, turn);
    int64_t next;

    if (atomic_load_explicit(&w->newer, memory_order_relaxed))
        gw_worker_take_scripts(w);
    if (w->is_open && w->outbox.publisher) {
        if (!w->stopping)
            gw_items_run(w);
        read_on(w);
        gw_outbox_flush(&w->outbox);
        gw_settler_send(&w->settler);
        gw_reach_tell(w);
        w->wall_ns = 0;
        next = gw_items_next_ms(w);
        if (next >= 0 && !w->stopping)
            gw_timer_set(&w->again, next);
        if (can_read(w))
            gw_worker_poke(w);
    }
    if (w->stopping)
        stop_when_done(w);
}

static void on_again(struct gw_timer *t)
{
    struct gw_worker *w = GW_CONTAINER(t, struct gw_worker, again);

    if (w->stopping)
        return;
    if (!w->is_open) {
        try_open(w);
        return;
    }
    if (w->unreadable)
        w->drained = 0;
    gw_worker_poke(w);
}

static void on_last(struct gw_timer *t)
{
    gw_worker_poke(GW_CONTAINER(t, struct gw_worker, last));
}

static void on_more(struct gw_mail *m)
{
    struct gw_worker *w = GW_CONTAINER(m, struct gw_worker, more_mail);

    w->drained = 0;
    gw_worker_poke(w);
}

static void on_offer(struct gw_timer *t)
{
    struct gw_worker *w = GW_CONTAINER(t, struct gw_worker, offer);

    if (!w->stopping)
        gw_refused_offer(w);
}

void gw_worker_retry(struct gw_worker *w)
{
    if (w->stopping)
        return;
    if (!w->is_open)
        gw_timer_set(&w->again, 0);
    gw_items_resume(w);
    w->offers = 0;
    gw_refused_offer(w);
}

static void on_nudge(struct gw_mail *m)
{
    struct gw_worker *w = GW_CONTAINER(m, struct gw_worker, nudge_mail);

    atomic_store(&w->nudged, 0);
    w->reach.beyond = 0;
    if (atomic_exchange(&w->resumed, 0))
        gw_worker_retry(w);
    gw_worker_poke(w);
}

static void on_stop(struct gw_mail *m)
{
    struct gw_worker *w = GW_CONTAINER(m, struct gw_worker, stop_mail);

    w->stopping = 1;
    gw_outbox_drain(&w->outbox);
    gw_worker_poke(w);
}

/* ---- any thread ---- */

void gw_worker_nudge(struct gw_worker *w)
{
    if (!atomic_exchange(&w->nudged, 1))
        gw_loop_post_mail(w->loop, &w->nudge_mail);
}

void gw_worker_resume(struct gw_worker *w)
{
    atomic_store(&w->resumed, 1);
    gw_worker_nudge(w);
}

void gw_worker_stop(struct gw_worker *w, int64_t deadline_ms)
{
    if (atomic_exchange(&w->stop_asked, 1))
        return;
    w->deadline_ms = deadline_ms; /* the mail hands it over */
    gw_loop_post_mail(w->loop, &w->stop_mail);
}

/* ---- the thread ---- */

static void *worker_main(void *arg)
{
    struct gw_worker *w = arg;
    sigset_t all;

    sigfillset(&all); /* signals are control's; a write to a closed pipe is an error, no signal */
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    try_open(w);
    gw_loop_run(w->loop);
    gw_worker_fini(w);
    return NULL;
}

void gw_worker_fini(struct gw_worker *w)
{
    gw_worker_close(w);
    gw_timer_fini(&w->again);
    gw_timer_fini(&w->last);
    gw_timer_fini(&w->offer);
}

void gw_worker_init(struct gw_worker *w, struct gw_pipeline *p, size_t index)
{
    const struct gw_pipeline_conf *c = p->conf;
    const int64_t n = (int64_t)p->n_workers;
    struct gw_metrics *m = p->metrics;

    w->pipeline = p;
    w->conf = c;
    w->index = index;
    w->stop_mail.fn = on_stop;
    w->nudge_mail.fn = on_nudge;
    w->more_mail.fn = on_more;
    w->turn.fn = on_turn;
    w->loop = gw_loop_new();
    gw_worker_configure_hooks(w);
    gw_timer_init(&w->again, w->loop, on_again);
    gw_timer_init(&w->last, w->loop, on_last);
    gw_timer_init(&w->offer, w->loop, on_offer);
    w->random = (uint32_t)gw_clock_mono_ns() | 1;
    gw_window_init(&w->window, (uint64_t)(c->max_in_flight > n ? c->max_in_flight / n : 1),
                   (size_t)(c->max_in_flight_bytes / n));
    w->is_down = 1; /* until it is open */
    w->count.published = gw_metrics_counter(m, GW_M_EVENTS_PUBLISHED, c->name, NULL);
    w->count.messages = gw_metrics_counter(m, GW_M_MESSAGES_PUBLISHED, c->name, NULL);
    w->count.event_types = gw_metrics_counter(m, GW_M_EVENTS_FILTERED, c->name, "event_types");
    w->count.match = gw_metrics_counter(m, GW_M_EVENTS_FILTERED, c->name, "match");
    w->count.hook = gw_metrics_counter(m, GW_M_EVENTS_FILTERED, c->name, "hook");
    w->count.hook_error = gw_metrics_counter(m, GW_M_EVENTS_FILTERED, c->name, "hook_error");
    w->count.end_to_end = gw_metrics_histogram(m, GW_M_END_TO_END_SECONDS, c->name, NULL);
}

int gw_worker_run(struct gw_worker *w, struct gw_err *err)
{
    int rc = pthread_create(&w->thread, NULL, worker_main, w);

    return rc ? gw_err_set(err, GW_ERR_FATAL, "cannot start a thread (error %d)", rc) : 0;
}
