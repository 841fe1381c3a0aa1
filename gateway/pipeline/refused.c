/* Dead letters for which the log has no room: the pipeline stands, and they are offered again until
 * there is. Nothing of them is lost: their records are not settled. */
#include "pipeline/worker.h"

#include <stdio.h>

enum { OFFER_MS = 5000 }; /* at the latest: room comes by a command of somebody who waits */

static void say_full(struct gw_worker *w)
{
    char why[240];

    snprintf(why, sizeof(why),
             "the dead letters are full: %lld bytes (dead_letters.max_bytes); raise it, or make "
             "room with moongate dead drop or moongate dead replay",
             (long long)w->conf->dead_letters.max_bytes);
    gw_worker_state(w, why);
}

void gw_refused_add(struct gw_worker *w, struct gw_item *it)
{
    const int64_t initial = w->conf->retry.initial_ms;
    const int64_t most = initial < OFFER_MS ? OFFER_MS : initial;
    int64_t delay;

    if (!it->stuck) {
        it->stuck = 1;
        if (w->n_stuck++ == 0)
            gw_worker_stand(w);
    }
    it->next = w->refused;
    w->refused = it;
    say_full(w);
    delay = gw_delay_ms(w->conf, w->offers, &w->random);
    gw_timer_set(&w->offer, delay < most ? delay : most);
}

void gw_refused_kept(struct gw_worker *w, const struct gw_item *it)
{
    if (!it->stuck || --w->n_stuck)
        return;
    w->offers = 0;
    gw_worker_go_on(w);
}

void gw_refused_offer(struct gw_worker *w)
{
    struct gw_item *it;

    if (!w->refused)
        return;
    w->offers++;
    while ((it = w->refused)) {
        w->refused = it->next;
        gw_settler_add_dead(&w->settler, it);
    }
    gw_worker_poke(w);
}

void gw_refused_free(struct gw_worker *w)
{
    struct gw_item *it;

    while ((it = w->refused)) {
        w->refused = it->next;
        gw_window_free(&w->window, it);
    }
}
