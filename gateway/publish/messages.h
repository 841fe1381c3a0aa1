#ifndef GW_PUBLISH_MESSAGES_H
#define GW_PUBLISH_MESSAGES_H

#include "publish/publisher.h"

/* A list of messages by next and prev, for whoever has them. The first one's prev is the last, the
 * last one's next is NULL; an empty list is NULL. */
static inline void gw_messages_append(struct gw_message **list, struct gw_message *m)
{
    struct gw_message *first = *list;

    m->next = NULL;
    if (!first) {
        m->prev = m;
        *list = m;
        return;
    }
    m->prev = first->prev;
    first->prev->next = m;
    first->prev = m;
}

/* Behind `at`; NULL: as the first. */
static inline void gw_messages_insert(struct gw_message **list, struct gw_message *at,
                                      struct gw_message *m)
{
    struct gw_message *first = *list;

    if (!first || (at && !at->next)) {
        gw_messages_append(list, m);
    } else if (!at) {
        m->next = first;
        m->prev = first->prev;
        first->prev = m;
        *list = m;
    } else {
        m->next = at->next;
        m->prev = at;
        at->next->prev = m;
        at->next = m;
    }
}

static inline void gw_messages_remove(struct gw_message **list, struct gw_message *m)
{
    if (*list == m) {
        *list = m->next;
        if (m->next)
            m->next->prev = m->prev;
        return;
    }
    m->prev->next = m->next;
    if (m->next)
        m->next->prev = m->prev;
    else
        (*list)->prev = m->prev;
}

/* Moves all of `more` to the end. */
static inline void gw_messages_join(struct gw_message **list, struct gw_message **more)
{
    struct gw_message *first = *list, *second = *more, *last;

    *more = NULL;
    if (!first || !second) {
        *list = first ? first : second;
        return;
    }
    last = second->prev;
    second->prev = first->prev;
    first->prev->next = second;
    first->prev = last;
}

static inline size_t gw_messages_count(const struct gw_message *list)
{
    size_t n = 0;

    for (; list; list = list->next)
        n++;
    return n;
}

#endif
