#include "pipeline/settler.h"

#include "net/loop.h"
#include "pipeline/window.h"

#include <assert.h>
#include <stdlib.h>

enum { FIRST = 16, KEEP = 1024 }; /* larger ones are given back after use */
/* Batches with the log at a time: a turn brings few records when it is woken for each, and a commit
 * takes as long as the disk does. The next one is filled until one of them is back. */
enum { MOST = 64 };

struct gw_settle_batch {
    struct gw_settle settle; /* first: mail comes back with it */
    struct gw_settler *owner;
    struct gw_settle_batch *next;
    struct gw_settled *items;
    size_t n, cap;
    struct gw_item *kept; /* a list by next */
};

static void *checked(void *p)
{
    if (!p)
        abort();
    return p;
}

/* kept has them in the order of the settle, backwards. */
static void tell_refused(const struct gw_settle_batch *b)
{
    struct gw_item *it = b->kept;

    for (size_t i = b->n; i-- > 0 && it;)
        if (b->items[i].dead) {
            it->refused = b->items[i].refused;
            it = it->next;
        }
}

static void on_settled(struct gw_mail *m)
{
    struct gw_settle_batch *b = GW_CONTAINER(m, struct gw_settle_batch, settle.mail);
    struct gw_settler *s = b->owner;
    struct gw_item *kept = b->kept;

    s->waiting -= b->n;
    s->batches--;
    tell_refused(b);
    if (b->cap > KEEP) {
        free(b->items);
        b->items = NULL;
        b->cap = 0;
    }
    b->next = s->spare;
    s->spare = b;
    s->settled(s->ctx, kept);
}

static struct gw_settle_batch *filling(struct gw_settler *s)
{
    struct gw_settle_batch *b = s->filling;

    if (!b) {
        b = s->spare;
        if (b)
            s->spare = b->next;
        else
            b = checked(calloc(1, sizeof(*b)));
        b->owner = s;
        b->n = 0;
        b->kept = NULL;
        s->filling = b;
    }
    if (b->n == b->cap) {
        b->cap = b->cap ? b->cap * 2 : FIRST;
        b->items = checked(realloc(b->items, b->cap * sizeof(*b->items)));
    }
    return b;
}

void gw_settler_add(struct gw_settler *s, struct gw_position at, enum gw_end end)
{
    struct gw_settle_batch *b = filling(s);

    b->items[b->n++] = (struct gw_settled){.at = at, .end = end};
    s->waiting++;
}

void gw_settler_add_dead(struct gw_settler *s, struct gw_item *it)
{
    struct gw_settle_batch *b = filling(s);

    b->items[b->n++] = (struct gw_settled){.at = it->rec.at, .end = GW_DEAD, .dead = it->dead};
    s->waiting++;
    it->next = b->kept;
    b->kept = it;
}

void gw_settler_send(struct gw_settler *s)
{
    struct gw_settle_batch *b = s->filling;

    if (!b || s->batches >= MOST)
        return;
    s->filling = NULL;
    b->settle = (struct gw_settle){.mail = {.fn = on_settled},
                                   .reply = s->loop,
                                   .cursor = s->cursor,
                                   .items = b->items,
                                   .n = b->n};
    s->batches++;
    gw_log_settle(s->log, &b->settle);
}

void gw_settler_fini(struct gw_settler *s)
{
    struct gw_settle_batch *b;

    assert(!s->filling && !s->batches);
    while ((b = s->spare)) {
        s->spare = b->next;
        free(b->items);
        free(b);
    }
}
