/* The partitions that are ours, and what is under way in each: the place where the offset that the
 * broker is told comes from (I9). A partition's messages end in any order; its offset goes over the
 * ones in front that have ended. Offsets have gaps, so it is the order of arrival that counts. */
#include "ingest/kafka.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void *zalloc(size_t size)
{
    void *p = calloc(1, size);

    if (!p)
        abort();
    return p;
}

/* ---- which there are ---- */

static int is(const struct gw_kafka_part *p, const char *topic, int32_t partition)
{
    return p->partition == partition && !strcmp(p->topic, topic);
}

struct gw_kafka_part *gw_kafka_part_find(struct gw_kafka_in *k, const char *topic,
                                         int32_t partition)
{
    struct gw_kafka_part *p = k->last_part;

    if (p && is(p, topic, partition))
        return p;
    for (p = k->parts; p && !is(p, topic, partition); p = p->next)
        ;
    return k->last_part = p;
}

struct gw_kafka_part *gw_kafka_part_add(struct gw_kafka_in *k, const char *topic, int32_t partition)
{
    struct gw_kafka_part *p = zalloc(sizeof(*p)), **at = &k->parts;

    *p = (struct gw_kafka_part){
        .in = k, .topic = strdup(topic), .partition = partition, .next_offset = -1, .told = -1};
    if (!p->topic)
        abort();
    p->last = &p->first;
    p->last_held = &p->held;
    while (*at)
        at = &(*at)->next;
    *at = p;
    return p;
}

static void unlink_part(struct gw_kafka_part **at, struct gw_kafka_part *p)
{
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
}

static void free_taken(struct gw_kafka_part *p)
{
    while (p->first) {
        struct gw_kafka_taken *t = p->first;

        p->first = t->next;
        t->next = p->in->idle;
        p->in->idle = t;
    }
    p->last = &p->first;
}

static void free_part(struct gw_kafka_part *p)
{
    unlink_part(&p->in->gone, p);
    free_taken(p);
    free(p->topic);
    free(p);
}

void gw_kafka_part_remove(struct gw_kafka_part *p)
{
    struct gw_kafka_in *k = p->in;

    k->last_part = NULL;
    gw_kafka_drop_held(p);
    gw_kafka_letters_forget(k, p);
    unlink_part(&k->parts, p);
    p->gone = 1;
    p->next = k->gone;
    k->gone = p;
    if (!p->under_way)
        free_part(p);
}

/* ---- what is under way ---- */

struct gw_kafka_taken *gw_kafka_take(struct gw_kafka_part *p, int64_t offset, size_t bytes)
{
    struct gw_kafka_in *k = p->in;
    struct gw_kafka_taken *t = k->idle;

    if (t)
        k->idle = t->next;
    else
        t = zalloc(sizeof(*t));
    *t = (struct gw_kafka_taken){.part = p, .offset = offset, .bytes = bytes};
    *p->last = t;
    p->last = &t->next;
    p->under_way++;
    k->bytes += bytes;
    return t;
}

void gw_kafka_untake(struct gw_kafka_taken *t)
{
    struct gw_kafka_part *p = t->part;
    struct gw_kafka_taken **at = &p->first;

    assert(!t->next);
    while (*at != t)
        at = &(*at)->next;
    *at = NULL;
    p->last = at;
    p->under_way--;
    p->in->bytes -= t->bytes;
    t->next = p->in->idle;
    p->in->idle = t;
}

void gw_kafka_done(struct gw_kafka_taken *t, int durable)
{
    struct gw_kafka_part *p = t->part;
    struct gw_kafka_in *k = p->in;

    t->done = durable;
    k->bytes -= t->bytes;
    p->under_way--;
    while (p->first && p->first->done) {
        t = p->first;
        p->next_offset = t->offset + 1;
        p->first = t->next;
        t->next = k->idle;
        k->idle = t;
    }
    if (!p->first)
        p->last = &p->first;
    if (p->gone && !p->under_way)
        free_part(p);
    gw_kafka_in_poke(k);
}

/* ---- what waits for room ---- */

void gw_kafka_hold(struct gw_kafka_part *p, rd_kafka_event_t *e, const rd_kafka_message_t *m)
{
    struct gw_kafka_held *h = zalloc(sizeof(*h));

    h->event = e;
    h->m = m;
    *p->last_held = h;
    p->last_held = &h->next;
    gw_kafka_in_pause(p, 1);
}

void gw_kafka_unhold(struct gw_kafka_part *p)
{
    struct gw_kafka_held *h = p->held;

    p->held = h->next;
    if (!p->held)
        p->last_held = &p->held;
    rd_kafka_event_destroy(h->event);
    free(h);
}

void gw_kafka_drop_held(struct gw_kafka_part *p)
{
    while (p->held)
        gw_kafka_unhold(p);
}
