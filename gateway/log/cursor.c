/* Cursors in memory: their counts and settled sets, and the time of the oldest record that one has
 * not settled. */
#include "log/inside.h"

#include "base/diag.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct gw_cursor *gw_cursor_find(const struct gw_log *log, struct gw_str name)
{
    for (size_t i = 0; i < log->n_cursors; i++)
        if (gw_str_is(name, log->cursors[i]->name))
            return log->cursors[i];
    return NULL;
}

struct gw_cursor *gw_letters_find(const struct gw_log *log, struct gw_str name)
{
    return gw_str_is(name, log->ingest->name) ? log->ingest : gw_cursor_find(log, name);
}

struct gw_cursor *gw_cursor_new(struct gw_log *log, const char *name, uint64_t position)
{
    struct gw_cursor *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    c->log = log;
    (void)snprintf(c->name, sizeof(c->name), "%s", name);
    c->created = position;
    c->letters.next = c->next_letters.next = 1;
    c->max_letter_bytes = INT64_MAX;
    gw_settled_init(&c->done, position);
    gw_settled_init(&c->next, position);
    return c;
}

struct gw_cursor *gw_cursor_add(struct gw_log *log, const char *name, uint64_t position)
{
    struct gw_cursor *c = gw_cursor_new(log, name, position);
    struct gw_cursor **all =
        realloc(log->cursors, (log->n_cursors + 1) * sizeof(struct gw_cursor *));

    if (!all)
        abort();
    log->cursors = all;
    log->cursors[log->n_cursors++] = c;
    return c;
}

void gw_cursor_remove(struct gw_log *log, struct gw_cursor *c)
{
    size_t i = 0;

    while (log->cursors[i] != c)
        i++;
    log->n_cursors--;
    memmove(log->cursors + i, log->cursors + i + 1,
            (log->n_cursors - i) * sizeof(struct gw_cursor *));
    gw_kept_free(c);
    c->next_forgotten = log->forgotten;
    log->forgotten = c;
}

void gw_cursor_free(struct gw_cursor *c)
{
    gw_kept_free(c);
    gw_settled_fini(&c->done);
    gw_settled_fini(&c->next);
    free(c);
}

void gw_cursor_settle(struct gw_cursor *c, const struct gw_settled *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert(items[i].at.offset <= c->log->head);
        if (items[i].refused)
            continue;
        if (gw_settled_add(&c->done, items[i].at.offset))
            c->count[items[i].end]++;
    }
}

uint64_t gw_unsettled(const struct gw_log *log)
{
    uint64_t min = gw_min_position(log), settled = 0;
    const struct gw_settled_set **sets;

    if (log->n_cursors == 0 || min == log->head)
        return 0;
    sets = calloc(log->n_cursors, sizeof(struct gw_settled_set *));
    if (!sets)
        abort();
    for (size_t i = 0; i < log->n_cursors; i++)
        sets[i] = &log->cursors[i]->done;
    settled = gw_settled_in_all(sets, log->n_cursors, min);
    free(sets);
    return log->head - min - settled;
}

void gw_warn_orphan(const struct gw_cursor *c)
{
    GW_DIAG(GW_WARN, "log",
            gw_msg("a cursor has no pipeline; it keeps the records it has not settled"),
            gw_kv_cstr("pipeline", c->name),
            gw_kv_int("lag", (int64_t)(c->log->head - c->done.position - c->done.above)));
}

void gw_warn_orphans(struct gw_log *log)
{
    pthread_mutex_lock(&log->lock);
    for (size_t i = 0; i < log->n_cursors; i++)
        if (!log->cursors[i]->asked)
            gw_warn_orphan(log->cursors[i]);
    pthread_mutex_unlock(&log->lock);
}

/* ---- the oldest record ---- */

void gw_mark_add(struct gw_cursor *c, const struct gw_mark *m)
{
    c->marks[c->next_mark++ % GW_MARKS] = *m;
}

/* Under the lock. The nearest place at or before sequence in its segment. */
static struct gw_mark nearest(const struct gw_cursor *c, uint64_t sequence)
{
    ptrdiff_t i = gw_segments_find(c->log, sequence);
    struct gw_mark best = {0};

    if (i < 0)
        return best;
    best = (struct gw_mark){c->log->segments[i].first, c->log->segments[i].first, GW_SEGMENT_DATA};
    for (size_t k = 0; k < GW_MARKS; k++)
        if (c->marks[k].segment == best.segment && c->marks[k].sequence <= sequence &&
            c->marks[k].sequence > best.sequence)
            best = c->marks[k];
    return best;
}

/* From the mark on; the time of the last header at or before sequence that can be read. */
static int64_t walk(struct gw_view *v, struct gw_mark m, uint64_t limit, uint32_t seed,
                    uint64_t sequence)
{
    int64_t ns = 0;

    for (;;) {
        const char *p = gw_view_get(v, m.at, GW_HEADER, limit);
        struct gw_header h;

        if (!p)
            return ns;
        if (gw_header_get(p, seed, &h) || h.sequence < m.sequence) {
            m.at = gw_header_find(v, &(struct gw_range){m.at, limit, m.sequence - 1, sequence},
                                  seed, &h);
            if (!m.at)
                return ns;
        }
        if (h.sequence > sequence)
            return ns;
        ns = h.received_at_ns;
        if (h.sequence == sequence)
            return ns;
        m.sequence = h.sequence + 1;
        m.at += gw_record_room(h.len);
    }
}

/* A segment in memory: nothing is given back under the lock. */
struct bytes {
    const char *p;
    uint64_t size;
};

static ssize_t read_bytes(void *ctx, void *p, size_t n, uint64_t at)
{
    const struct bytes *b = ctx;

    if (at >= b->size)
        return 0;
    if (n > b->size - at)
        n = (size_t)(b->size - at);
    memcpy(p, b->p + at, n);
    return (ssize_t)n;
}

static int64_t look_up(struct gw_log *log, struct gw_cursor *c, uint64_t sequence)
{
    enum { WINDOW = 64 * 1024 };
    struct gw_mark m;
    struct gw_view v;
    struct bytes bytes = {0};
    int64_t ns = 0;
    uint64_t limit = 0;
    int fd = -1;

    pthread_mutex_lock(&log->lock);
    m = nearest(c, sequence);
    if (m.segment) {
        const struct gw_segment *s = &log->segments[gw_segments_find(log, sequence)];

        limit = s->end;
        bytes = (struct bytes){s->mem, s->end};
        if (s->mem) {
            gw_view_init(&v, 4096, &bytes, read_bytes);
            ns = walk(&v, m, limit, log->seed, sequence);
            gw_view_fini(&v);
        } else {
            fd = gw_segment_open(log, m.segment, O_RDONLY);
        }
    }
    pthread_mutex_unlock(&log->lock);
    if (fd < 0)
        return ns;
    gw_view_init(&v, WINDOW, &fd, gw_view_read_file);
    ns = walk(&v, m, limit, log->seed, sequence);
    gw_view_fini(&v);
    close(fd);
    return ns;
}

int64_t gw_oldest_ns(struct gw_cursor *c, uint64_t sequence)
{
    struct gw_log *log = c->log;
    int64_t ns;
    int known;

    pthread_mutex_lock(&log->lock);
    known = c->oldest_of == sequence;
    ns = c->oldest_ns;
    pthread_mutex_unlock(&log->lock);
    if (known)
        return ns;
    ns = look_up(log, c, sequence);
    pthread_mutex_lock(&log->lock);
    c->oldest_of = sequence;
    c->oldest_ns = ns;
    pthread_mutex_unlock(&log->lock);
    return ns;
}
