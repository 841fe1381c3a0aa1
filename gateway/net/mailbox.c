/* A list under a lock; the taker empties it in one go. */
#include "net/mailbox.h"

#include "base/clock.h"

#include <errno.h>
#include <stddef.h>

void gw_mailbox_init(struct gw_mailbox *b)
{
    pthread_condattr_t attr;

    *b = (struct gw_mailbox){.last = &b->first};
    pthread_mutex_init(&b->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&b->filled, &attr);
    pthread_condattr_destroy(&attr);
}

void gw_mailbox_fini(struct gw_mailbox *b)
{
    pthread_cond_destroy(&b->filled);
    pthread_mutex_destroy(&b->lock);
}

void gw_mailbox_post(struct gw_mailbox *b, struct gw_mail *m)
{
    int was_empty;

    m->next = NULL;
    pthread_mutex_lock(&b->lock);
    was_empty = !b->first;
    *b->last = m;
    b->last = &m->next;
    pthread_mutex_unlock(&b->lock);
    if (was_empty)
        pthread_cond_signal(&b->filled);
}

struct gw_mail *gw_mailbox_take(struct gw_mailbox *b, int ms)
{
    const struct timespec end = gw_clock_after(CLOCK_MONOTONIC, ms < 0 ? 0 : ms);
    struct gw_mail *all;
    int rc = 0;

    pthread_mutex_lock(&b->lock);
    while (!b->first && !b->closed && rc != ETIMEDOUT)
        rc = ms < 0 ? pthread_cond_wait(&b->filled, &b->lock)
                    : pthread_cond_timedwait(&b->filled, &b->lock, &end);
    all = b->first;
    b->first = NULL;
    b->last = &b->first;
    pthread_mutex_unlock(&b->lock);
    return all;
}

void gw_mailbox_close(struct gw_mailbox *b)
{
    pthread_mutex_lock(&b->lock);
    b->closed = 1;
    pthread_mutex_unlock(&b->lock);
    pthread_cond_broadcast(&b->filled);
}
