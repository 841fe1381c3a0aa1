#include "pipeline/outbox.h"

#include "base/clock.h"
#include "base/metrics.h"
#include "publish/messages.h"

#include <assert.h>
#include <stdlib.h>

enum { NO_SLOT = ~0U, DOWN_AFTER = 3, ASKED_MAX_MS = 24 * 3600 * 1000 };

static struct gw_out *out_of(struct gw_message *m)
{
    return (struct gw_out *)m;
}

/* One reading of the clock serves all results of a turn. */
static int64_t now_ns(struct gw_outbox *b)
{
    if (!b->now_ns)
        b->now_ns = gw_clock_mono_ns();
    return b->now_ns;
}

void gw_out_sort_in(struct gw_message **list, struct gw_out *o)
{
    struct gw_message *at = *list ? (*list)->prev : NULL;

    while (at && out_of(at)->number > o->number)
        at = at == *list ? NULL : at->prev;
    gw_messages_insert(list, at, &o->m);
}

/* ---- what state the destination is in ---- */

static void count_failure(struct gw_outbox *b, unsigned n, const char *why)
{
    b->failures += n;
    if (b->failures < DOWN_AFTER || b->closing)
        return;
    b->down = 1;
    b->state(b->ctx, why);
}

static void count_success(struct gw_outbox *b)
{
    b->failures = b->rounds = 0;
    b->trouble_ms = 0;
    if (!b->down)
        return;
    b->down = 0;
    b->state(b->ctx, NULL);
}

static int on_trouble(void *ctx, const char *why)
{
    struct gw_outbox *b = ctx;
    const int64_t give_up = b->conf->retry.give_up_after_ms;

    if (!b->trouble_ms)
        b->trouble_ms = gw_mono_ms();
    count_failure(b, DOWN_AFTER, why);
    if (b->draining)
        b->poke(b->ctx); /* nobody need wait for it */
    return give_up && gw_mono_ms() - b->trouble_ms >= give_up;
}

/* ---- delays ---- */

/* What the destination asked for wins. */
static int64_t delay_ms(struct gw_outbox *b, uint32_t tries, int64_t asked_ms)
{
    if (asked_ms > 0)
        return asked_ms < ASKED_MAX_MS ? asked_ms : ASKED_MAX_MS;
    return gw_delay_ms(b->conf, tries, &b->random);
}

/* One try more when its time is up, not later. */
static int64_t until_given_up(const struct gw_outbox *b, const struct gw_out *o, int64_t delay)
{
    const int64_t limit = b->conf->retry.give_up_after_ms;
    const int64_t left = o->first_fail_ms + limit - gw_mono_ms();

    if (!limit || delay <= left)
        return delay;
    return left > 0 ? left : 0;
}

static void ready_again(struct gw_outbox *b)
{
    b->n_ready += gw_messages_count(b->again);
    gw_messages_join(&b->again, &b->ready);
    b->ready = b->again;
    b->again = NULL;
    b->retry_after_ms = 0;
}

static void on_retry(struct gw_timer *t)
{
    struct gw_outbox *b = GW_CONTAINER(t, struct gw_outbox, retry);
    int64_t next;

    if (b->publisher->keeps_order) {
        ready_again(b);
    } else {
        next = gw_lanes_wake(b, gw_loop_now_ms(b->loop));
        if (next >= 0)
            gw_timer_set(&b->retry, next);
    }
    b->poke(b->ctx);
}

/* ---- results ---- */

static void ended(struct gw_outbox *b, struct gw_out *o, enum gw_out_end end, const char *why)
{
    b->count--;
    if (!b->publisher->keeps_order)
        gw_lane_done(b, o);
    b->ended(b->ctx, o, end, why);
}

static int gave_up(struct gw_outbox *b, struct gw_out *o)
{
    const int64_t now = gw_mono_ms(), limit = b->conf->retry.give_up_after_ms;

    if (!o->first_fail_ms)
        o->first_fail_ms = b->trouble_ms && b->trouble_ms < now ? b->trouble_ms : now;
    return limit && now - o->first_fail_ms >= limit;
}

static void try_again(struct gw_outbox *b, struct gw_out *o, const struct gw_result *r)
{
    const int first = b->publisher->keeps_order ? !b->again : !b->slots[o->slot].failed;

    b->slots[o->slot].failed = 1;
    if (first) {
        b->rounds++;
        count_failure(b, 1, r->why);
    }
    if (gave_up(b, o)) {
        ended(b, o, GW_OUT_GAVE_UP, r->why);
        return;
    }
    if (b->retried)
        b->retried(b->ctx, o, r->why);
    if (!b->publisher->keeps_order) {
        gw_lane_again(b, o, until_given_up(b, o, delay_ms(b, o->m.attempts, r->retry_after_ms)));
        gw_timer_set(&b->retry, gw_lanes_wake(b, gw_loop_now_ms(b->loop)));
        return;
    }
    gw_out_sort_in(&b->again, o);
    if (r->retry_after_ms > b->retry_after_ms)
        b->retry_after_ms = r->retry_after_ms;
}

static void finish(struct gw_outbox *b, struct gw_out *o, const struct gw_result *r)
{
    enum gw_out_end end = r->outcome == GW_DELIVERED    ? GW_OUT_DELIVERED
                          : r->outcome == GW_IMPOSSIBLE ? GW_OUT_REJECTED
                                                        : GW_OUT_TOO_LARGE;

    if (end != GW_OUT_TOO_LARGE) /* which may be known without the destination */
        count_success(b);
    if (end == GW_OUT_DELIVERED && b->seconds)
        gw_histogram_add(b->seconds, now_ns(b) - o->sent_ns);
    ended(b, o, end, r->why);
}

static void on_result(void *ctx, struct gw_message *m, const struct gw_result *r)
{
    struct gw_outbox *b = ctx;
    struct gw_out *o = out_of(m);
    struct gw_slot *slot = &b->slots[o->slot];

    assert(slot->left > 0);
    b->out--;
    if (r->outcome != GW_TRY_AGAIN)
        finish(b, o, r);
    else if (!b->closing) /* else it stays in the log */
        try_again(b, o, r);
    if (--slot->left == 0) {
        slot->next_free = b->free_slot;
        b->free_slot = (unsigned)(slot - b->slots);
    }
    if (b->out == 0 && b->again)
        gw_timer_set(&b->retry, until_given_up(b, out_of(b->again),
                                               delay_ms(b, b->rounds, b->retry_after_ms)));
    b->poke(b->ctx);
}

/* ---- sending ---- */

static void on_fill_over(struct gw_timer *t)
{
    struct gw_outbox *b = GW_CONTAINER(t, struct gw_outbox, fill);

    b->fill_over = 1;
    b->poke(b->ctx);
}

static void on_pace(struct gw_timer *t)
{
    struct gw_outbox *b = GW_CONTAINER(t, struct gw_outbox, pace);

    b->poke(b->ctx);
}

/* The rate lets no further record go now; one that has begun goes on. */
static int too_fast(struct gw_outbox *b)
{
    int64_t wait;

    if (!b->rate || !b->ready || out_of(b->ready)->part > 0)
        return 0;
    wait = gw_rate_wait_ms(b->rate, now_ns(b));
    if (wait)
        gw_timer_set(&b->pace, wait);
    return wait > 0;
}

/* Takes the next batch from ready: what fits, without what waits in a lane. */
static struct gw_message *take_batch(struct gw_outbox *b, struct gw_slot *slot)
{
    const struct gw_publisher_limits *max = &b->publisher->limits;
    struct gw_message *batch = NULL, **end = &batch, *m;
    size_t bytes = 0;

    slot->left = 0;
    slot->failed = 0;
    b->sends++;
    while ((m = b->ready) && slot->left < max->messages &&
           (slot->left == 0 || bytes + m->bytes <= max->bytes) && !too_fast(b)) {
        struct gw_out *o = out_of(m);

        gw_messages_remove(&b->ready, m);
        b->n_ready--;
        if (!b->publisher->keeps_order && !gw_lane_enter(b, o, b->sends))
            continue;
        if (m->attempts++ && b->retries)
            gw_count(b->retries, 1);
        o->slot = (unsigned)(slot - b->slots);
        o->sent_ns = now_ns(b);
        if (b->rate)
            gw_rate_spend(b->rate, o->sent_ns);
        bytes += m->bytes;
        slot->left++;
        *end = m;
        end = &m->next;
    }
    *end = NULL;
    return batch;
}

/* limits.wait_ms: a batch that is not full may wait for more. */
static int shall_fill(struct gw_outbox *b)
{
    const int64_t wait_ms = b->publisher->limits.wait_ms;

    if (!wait_ms || b->draining || b->n_ready >= b->publisher->limits.messages)
        return 0;
    if (b->fill_over)
        return 0;
    if (!b->ready_since_ms) {
        b->ready_since_ms = gw_mono_ms();
        gw_timer_set(&b->fill, wait_ms);
    }
    return 1;
}

void gw_outbox_flush(struct gw_outbox *b)
{
    b->now_ns = 0;
    while (b->ready && b->free_slot != NO_SLOT && !b->again && !shall_fill(b)) {
        struct gw_slot *slot = &b->slots[b->free_slot];
        struct gw_message *batch = take_batch(b, slot);

        if (!batch)
            break;
        b->free_slot = slot->next_free;
        b->out += slot->left;
        gw_publisher_send(b->publisher, batch);
    }
    if (!b->ready) {
        b->fill_over = 0;
        b->ready_since_ms = 0;
    }
    b->now_ns = 0;
}

/* ---- life ---- */

void gw_outbox_open(struct gw_outbox *b)
{
    const unsigned n = b->publisher->limits.batches;

    b->publisher->result = on_result;
    b->publisher->trouble = on_trouble;
    b->publisher->ctx = b;
    b->slots = calloc(n, sizeof(*b->slots));
    if (!b->slots)
        abort();
    for (unsigned i = 0; i < n; i++)
        b->slots[i].next_free = i + 1 < n ? i + 1 : NO_SLOT;
    b->free_slot = n ? 0 : NO_SLOT;
    b->random = (uint32_t)gw_clock_mono_ns() | 1;
    gw_timer_init(&b->retry, b->loop, on_retry);
    gw_timer_init(&b->fill, b->loop, on_fill_over);
    gw_timer_init(&b->pace, b->loop, on_pace);
}

void gw_outbox_drain(struct gw_outbox *b)
{
    b->draining = 1;
}

void gw_outbox_close(struct gw_outbox *b)
{
    if (!b->publisher)
        return;
    b->closing = 1;
    gw_publisher_close(b->publisher);
    assert(b->out == 0);
    gw_lanes_free(b);
    gw_timer_fini(&b->retry);
    gw_timer_fini(&b->fill);
    gw_timer_fini(&b->pace);
    free(b->slots);
    b->publisher = NULL;
    b->ready = b->again = NULL;
    b->count = 0;
}

void gw_outbox_put(struct gw_outbox *b, struct gw_out *o)
{
    o->number = b->numbers++;
    b->count++;
    gw_messages_append(&b->ready, &o->m);
    b->n_ready++;
}

int gw_outbox_under_way(const struct gw_outbox *b)
{
    return b->out > 0 && !b->trouble_ms;
}

int gw_outbox_full(const struct gw_outbox *b)
{
    return b->n_ready >= b->publisher->limits.messages;
}
