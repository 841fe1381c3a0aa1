/* Lanes: what holds back the messages of one key, for publishers that do not keep order. A lane is
 * there while a message of its key is out, to be tried again, or waits behind one that is. */
#include "pipeline/outbox.h"

#include <assert.h>
#include <stdlib.h>
#include <uthash.h>
#include <utlist.h>

struct gw_lane {
    UT_hash_handle hh;
    uint64_t order;
    uint64_t send; /* the last send that has a message of it */
    size_t out;
    struct gw_message *again, *waiting; /* both in order, all of again before all of waiting */
    struct gw_lane *prev, *next;        /* in b->due, by due_ms */
    int is_due;
    int64_t due_ms;
};

static struct gw_lane *find(const struct gw_outbox *b, uint64_t order)
{
    struct gw_lane *l;

    HASH_FIND(hh, b->lanes, &order, sizeof(order), l);
    return l;
}

static struct gw_lane *lane_of(struct gw_outbox *b, uint64_t order)
{
    struct gw_lane *l = find(b, order);

    if (l)
        return l;
    l = calloc(1, sizeof(*l));
    if (!l)
        abort();
    l->order = order;
    HASH_ADD(hh, b->lanes, order, sizeof(l->order), l);
    return l;
}

int gw_lane_enter(struct gw_outbox *b, struct gw_out *o, uint64_t send)
{
    struct gw_lane *l = lane_of(b, o->m.order);
    const int same_send = l->send == send && !b->publisher->one_a_key;

    if (l->again || l->waiting || (l->out && !same_send)) {
        DL_APPEND(l->waiting, &o->m);
        return 0;
    }
    l->out++;
    l->send = send;
    return 1;
}

/* What the lane held goes on, before what is ready of other keys: order is within a key. */
static void open_lane(struct gw_outbox *b, struct gw_lane *l)
{
    struct gw_message *m;
    size_t n;

    DL_CONCAT(l->again, l->waiting);
    DL_COUNT(l->again, m, n);
    DL_CONCAT(l->again, b->ready);
    b->ready = l->again;
    b->n_ready += n;
    HASH_DEL(b->lanes, l);
    free(l);
    if (n)
        b->poke(b->ctx);
}

void gw_lane_done(struct gw_outbox *b, struct gw_out *o)
{
    struct gw_lane *l = find(b, o->m.order);

    assert(l && l->out);
    if (--l->out == 0 && !l->is_due)
        open_lane(b, l);
}

void gw_lane_again(struct gw_outbox *b, struct gw_out *o, int64_t delay_ms)
{
    struct gw_lane *l = find(b, o->m.order), *at;
    const int64_t due = gw_loop_now_ms(b->loop) + delay_ms;

    assert(l && l->out);
    l->out--;
    gw_out_sort_in(&l->again, o);
    if (l->is_due && l->due_ms >= due)
        return;
    if (l->is_due)
        DL_DELETE(b->due, l);
    l->is_due = 1;
    l->due_ms = due;
    for (at = b->due ? b->due->prev : NULL; at && at->due_ms > due;)
        at = at == b->due ? NULL : at->prev;
    if (at)
        DL_APPEND_ELEM(b->due, at, l);
    else
        DL_PREPEND(b->due, l);
}

int64_t gw_lanes_wake(struct gw_outbox *b, int64_t now_ms)
{
    struct gw_lane *l;

    while ((l = b->due) && l->due_ms <= now_ms) {
        DL_DELETE(b->due, l);
        l->is_due = 0;
        if (l->out == 0) /* else the last result of its send opens it */
            open_lane(b, l);
    }
    return l ? l->due_ms - now_ms : -1;
}

void gw_lanes_free(struct gw_outbox *b)
{
    struct gw_lane *l, *next;

    HASH_ITER(hh, b->lanes, l, next)
    {
        HASH_DEL(b->lanes, l);
        free(l);
    }
    b->due = NULL;
}
