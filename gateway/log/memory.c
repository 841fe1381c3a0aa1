/* The log in memory: the same records in the same form, in segments that are given back as soon as
 * every cursor has passed them. An append is done by whoever calls, under the log's lock; there is
 * nothing to wait for, so nobody else has to be woken. */
#include "log/inside.h"
#include "log/reader.h"

#include "base/clock.h"
#include "base/err.h"

#include <string.h>

static char *put_entry(char *p, const struct gw_log_entry *e, const struct gw_header *h,
                       uint32_t seed)
{
    gw_header_put(p, h, seed);
    if (e->bytes.len)
        memcpy(p + GW_HEADER, e->bytes.p, e->bytes.len);
    return p + gw_record_room(e->bytes.len);
}

static int append(struct gw_log *log, struct gw_append *a)
{
    struct gw_segment *s;
    uint64_t room = 0, first = log->head + 1;
    char *p;

    for (size_t i = 0; i < a->n; i++)
        room += gw_record_room(a->entries[i].bytes.len);
    s = log->active ? &log->segments[log->n_segments - 1] : NULL;
    if (s && s->end > GW_SEGMENT_DATA && s->end + room > log->segment_bytes)
        (void)gw_segments_roll(log, first); /* else this one goes on: its room was reserved */
    s = log->active ? &log->segments[log->n_segments - 1] : NULL;
    if (!s || s->end + room > s->size)
        return gw_err_set(&a->err, GW_ERR_FULL, "the log is full");
    a->first = (struct gw_position){0, first};
    p = s->mem + s->end;
    for (size_t i = 0; i < a->n; i++) {
        const struct gw_log_entry *e = &a->entries[i];
        const struct gw_header h = {.sequence = ++log->head,
                                    .group_first = first,
                                    .key_hash = e->key_hash,
                                    .received_at_ns = e->received_at_ns,
                                    .len = (uint32_t)e->bytes.len,
                                    .kind = e->kind,
                                    .ends_append = i + 1 == a->n};

        p = put_entry(p, e, &h, log->seed);
    }
    s->end += room;
    s->last_ms = gw_mono_ms();
    gw_times_add(&s->oldest_ns, &s->newest_ns, a->entries[a->n - 1].received_at_ns);
    return 0;
}

void gw_memory_append(struct gw_log *log, struct gw_append *a)
{
    struct gw_err why;
    int rc;

    pthread_mutex_lock(&log->lock);
    rc = append(log, a);
    log->reserved -= a->reserved;
    if (rc)
        why = a->err;
    else
        gw_readers_wake(log);
    pthread_mutex_unlock(&log->lock);
    gw_readers_post(log);
    gw_append_end(a, rc ? &why : NULL);
}

/* A view's read: what the reader stands in may have been given back; then there is nothing. */
ssize_t gw_memory_read(void *ctx, void *p, size_t n, uint64_t at)
{
    struct gw_reader *r = ctx;
    struct gw_log *log = r->log;
    const struct gw_segment *s;
    ptrdiff_t i;

    pthread_mutex_lock(&log->lock);
    i = gw_segments_find(log, r->segment);
    s = i < 0 ? NULL : &log->segments[i];
    if (!s || s->first != r->segment || at >= s->end) {
        n = 0;
    } else {
        if (n > s->end - at)
            n = (size_t)(s->end - at);
        memcpy(p, s->mem + at, n);
    }
    pthread_mutex_unlock(&log->lock);
    return (ssize_t)n;
}
