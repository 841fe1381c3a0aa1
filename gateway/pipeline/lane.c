/* Lanes: what holds back the messages of one key, for publishers that do not keep order. A lane is
 * there while a message of its key is out, to be tried again, or waits behind one that is. */
#include "pipeline/outbox.h"

#include "publish/messages.h"

#include <assert.h>
#include <stdlib.h>

struct gw_lane {
    uint64_t order;
    uint64_t send; /* the last send that has a message of it */
    size_t out;
    struct gw_message *again, *waiting; /* both in order, all of again before all of waiting */
    struct gw_lane *prev, *next;        /* in b->due, by due_ms */
    int is_due;
    int64_t due_ms;
};

static struct gw_lane *lane_of(struct gw_outbox *b, uint64_t order)
{
    struct gw_lane *l = gw_keymap_get(&b->lanes, order);

    if (l)
        return l;
    l = calloc(1, sizeof(*l));
    if (!l)
        abort();
    l->order = order;
    gw_keymap_add(&b->lanes, order, l);
    return l;
}

/* ---- lanes by the time they may go on ---- */

static void due_remove(struct gw_outbox *b, struct gw_lane *l)
{
    *(l->prev ? &l->prev->next : &b->due) = l->next;
    *(l->next ? &l->next->prev : &b->due_last) = l->prev;
    l->is_due = 0;
}

/* Delays are much the same, so the place is near the end. */
static void due_add(struct gw_outbox *b, struct gw_lane *l, int64_t due_ms)
{
    struct gw_lane *at = b->due_last;

    while (at && at->due_ms > due_ms)
        at = at->prev;
    l->prev = at;
    l->next = at ? at->next : b->due;
    *(l->prev ? &l->prev->next : &b->due) = l;
    *(l->next ? &l->next->prev : &b->due_last) = l;
    l->due_ms = due_ms;
    l->is_due = 1;
}

/* ---- a message's way through its lane ---- */

int gw_lane_enter(struct gw_outbox *b, struct gw_out *o, uint64_t send)
{
    struct gw_lane *l = lane_of(b, o->m.order);
    const int same_send = l->send == send && !b->publisher->one_a_key;

    if (l->again || l->waiting || (l->out && !same_send)) {
        gw_messages_append(&l->waiting, &o->m);
        return 0;
    }
    l->out++;
    l->send = send;
    return 1;
}

/* What the lane held goes on, before what is ready of other keys: order is within a key. */
static void open_lane(struct gw_outbox *b, struct gw_lane *l)
{
    size_t n;

    gw_messages_join(&l->again, &l->waiting);
    n = gw_messages_count(l->again);
    gw_messages_join(&l->again, &b->ready);
    b->ready = l->again;
    b->n_ready += n;
    gw_keymap_remove(&b->lanes, l->order);
    free(l);
    if (n)
        b->poke(b->ctx);
}

void gw_lane_done(struct gw_outbox *b, struct gw_out *o)
{
    struct gw_lane *l = gw_keymap_get(&b->lanes, o->m.order);

    assert(l && l->out);
    if (--l->out == 0 && !l->is_due)
        open_lane(b, l);
}

void gw_lane_again(struct gw_outbox *b, struct gw_out *o, int64_t delay_ms)
{
    struct gw_lane *l = gw_keymap_get(&b->lanes, o->m.order);
    const int64_t due = gw_loop_now_ms(b->loop) + delay_ms;

    assert(l && l->out);
    l->out--;
    gw_out_sort_in(&l->again, o);
    if (l->is_due && l->due_ms >= due)
        return;
    if (l->is_due)
        due_remove(b, l);
    due_add(b, l, due);
}

int64_t gw_lanes_wake(struct gw_outbox *b, int64_t now_ms)
{
    struct gw_lane *l;

    while ((l = b->due) && l->due_ms <= now_ms) {
        due_remove(b, l);
        if (l->out == 0) /* else the last result of its send opens it */
            open_lane(b, l);
    }
    return l ? l->due_ms - now_ms : -1;
}

void gw_lanes_free(struct gw_outbox *b)
{
    gw_keymap_free(&b->lanes);
    b->due = b->due_last = NULL;
}
