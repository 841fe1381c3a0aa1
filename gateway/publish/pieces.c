#include "publish/pieces.h"

#include "publish/messages.h"

#include <assert.h>

void gw_pieces_begin(struct gw_pieces *p, struct gw_message *batch)
{
    p->messages = batch;
    p->sizes[0] = gw_messages_count(batch);
    p->n = 1;
}

size_t gw_pieces_next(const struct gw_pieces *p)
{
    return p->sizes[p->n - 1];
}

void gw_pieces_cut(struct gw_pieces *p, size_t n)
{
    if (n == gw_pieces_next(p))
        return;
    assert(p->n < GW_PIECES);
    p->sizes[p->n - 1] -= n;
    p->sizes[p->n++] = n;
}

int gw_pieces_halve(struct gw_pieces *p)
{
    const size_t half = gw_pieces_next(p) / 2;

    if (!half)
        return 0;
    gw_pieces_cut(p, half);
    return 1;
}

struct gw_message *gw_pieces_take(struct gw_pieces *p)
{
    struct gw_message *first = p->messages, **end = &first;

    for (size_t n = p->sizes[--p->n]; n; n--)
        end = &(*end)->next;
    p->messages = *end;
    *end = NULL;
    return first;
}

struct gw_message *gw_pieces_take_all(struct gw_pieces *p)
{
    struct gw_message *all = p->messages;

    p->messages = NULL;
    p->n = 0;
    return all;
}
