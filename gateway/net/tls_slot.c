/* A lock for the moment of a replacement: a connection holds its context afterwards. */
#include "net/tls.h"

#include <pthread.h>
#include <stdlib.h>

struct gw_tls_slot {
    pthread_mutex_t lock;
    struct gw_tls_context *now;
};

struct gw_tls_slot *gw_tls_slot_new(void)
{
    struct gw_tls_slot *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

void gw_tls_slot_free(struct gw_tls_slot *s)
{
    if (!s)
        return;
    gw_tls_context_drop(s->now);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void gw_tls_slot_set(struct gw_tls_slot *s, struct gw_tls_context *c)
{
    struct gw_tls_context *before;

    pthread_mutex_lock(&s->lock);
    before = s->now;
    s->now = c;
    pthread_mutex_unlock(&s->lock);
    gw_tls_context_drop(before);
}

struct gw_tls *gw_tls_slot_server(struct gw_tls_slot *s, int fd)
{
    struct gw_tls *t;

    pthread_mutex_lock(&s->lock);
    t = gw_tls_server(s->now, fd);
    pthread_mutex_unlock(&s->lock);
    return t;
}
