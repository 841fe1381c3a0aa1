/* How a record ends: published, filtered, or a dead letter with its reason. Counted and told to the
 * log here, once (W2). */
#include "pipeline/worker.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "pipeline/tap.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct gw_counter *gw_filter_counter(struct gw_pipeline *p, const char *label)
{
    struct gw_filter_label *l;
    size_t i;

    pthread_mutex_lock(&p->lock);
    for (i = 0; i < p->n_labels; i++)
        if (!strncmp(p->labels[i].text, label, sizeof(p->labels[i].text) - 1))
            break;
    if (i == GW_FILTER_LABELS) { /* the last one is `other` */
        l = &p->labels[GW_FILTER_LABELS];
        if (!l->counter)
            l->counter =
                gw_metrics_counter(p->metrics, GW_M_EVENTS_FILTERED, p->conf->name, "other");
    } else {
        l = &p->labels[i];
        if (i == p->n_labels) {
            p->n_labels++;
            snprintf(l->text, sizeof(l->text), "%s", label);
            l->counter =
                gw_metrics_counter(p->metrics, GW_M_EVENTS_FILTERED, p->conf->name, l->text);
        }
    }
    pthread_mutex_unlock(&p->lock);
    return l->counter;
}

void gw_item_filtered(struct gw_worker *w, struct gw_item *it, const char *why,
                      struct gw_counter *count)
{
    it->end = GW_FILTERED;
    it->why = why;
    gw_count(count, 1);
    gw_item_end(w, it);
}

void gw_item_kill(struct gw_worker *w, struct gw_item *it, const char *reason,
                  struct gw_str event_id, const char *why)
{
    const int64_t now = gw_worker_wall_ns(w);
    struct gw_dead_letter *d;

    if (it->dead) /* the first reason counts */
        return;
    d = gw_arena_zalloc(it->mem, sizeof(*d));
    d->reason = reason;
    d->event_id = gw_arena_str(it->mem, event_id.p ? event_id : GW_STR(""));
    d->error = gw_arena_str(it->mem, gw_str_of(why ? why : ""));
    d->record = it->rec.encoded.p ? it->rec.encoded : GW_STR("");
    d->attempts = it->calls > 1 ? it->calls : 1;
    d->first_at_ns = now;
    if (it->first_fail_ms)
        d->first_at_ns -= (gw_mono_ms() - it->first_fail_ms) * 1000000;
    d->last_at_ns = now;
    it->dead = d;
    it->end = GW_DEAD;
}

static void count_dead(struct gw_worker *w, const struct gw_dead_letter *d)
{
    enum { QUIET_MS = 100 };
    uint64_t n;

    gw_count(gw_metrics_counter(w->pipeline->metrics, GW_M_EVENTS_DEAD_LETTERED, w->conf->name,
                                d->reason),
             1);
    if (!(n = gw_diag_allow(&w->quiet, QUIET_MS)))
        return;
    GW_DIAG(GW_WARN, "pipeline", gw_msg("dead letter"), gw_kv_cstr("pipeline", w->conf->name),
            gw_kv_cstr("reason", d->reason), gw_kv_str("event", d->event_id),
            gw_kv_str("error", d->error), gw_kv_int("suppressed", (int64_t)n - 1));
}

static void count_end(struct gw_worker *w, const struct gw_item *it)
{
    if (it->end == GW_DEAD)
        count_dead(w, it->dead);
    if (it->end != GW_PUBLISHED)
        return;
    gw_count(w->count.published, 1);
    gw_histogram_add(w->count.end_to_end, gw_worker_wall_ns(w) - it->rec.received_at_ns);
}

void gw_item_end(struct gw_worker *w, struct gw_item *it)
{
    assert(it->open == 0);
    if (!w->pipeline->ends)
        count_end(w, it);
    if (gw_is_watched(w->pipeline))
        gw_tap_ended(w->pipeline, it, it->why);
    gw_window_end(&w->window, it);
    if (w->pipeline->ends) {
        w->pipeline->ends->ended(w, it);
    } else if (it->end == GW_DEAD) {
        gw_settler_add_dead(&w->settler, it);
    } else {
        gw_settler_add(&w->settler, it->rec.at, it->end);
        gw_window_free(&w->window, it);
    }
    gw_worker_poke(w);
}

/* A stop in the middle of a record would send what is delivered again. */
static void note_partial(struct gw_worker *w, struct gw_item *it, enum gw_out_end end)
{
    if (it->open == 1 && it->partial) {
        it->partial = 0;
        w->partial--;
    } else if (it->open > 1 && end == GW_OUT_DELIVERED && !it->partial) {
        it->partial = 1;
        w->partial++;
    }
}

void gw_out_ended(void *worker, struct gw_out *o, enum gw_out_end end, const char *why)
{
    static const char *const reasons[] = {[GW_OUT_REJECTED] = "rejected",
                                          [GW_OUT_TOO_LARGE] = "too_large",
                                          [GW_OUT_GAVE_UP] = "gave_up"};
    struct gw_worker *w = worker;
    struct gw_item *it = o->item;

    if (end == GW_OUT_DELIVERED) {
        gw_count(w->count.messages, 1);
    } else if (!it->dead) {
        it->first_fail_ms = o->first_fail_ms;
        gw_item_kill(w, it, reasons[end], o->m.event_id, why);
        it->dead->attempts = o->m.attempts;
    }
    note_partial(w, it, end);
    if (--it->open == 0)
        gw_item_end(w, it);
}
