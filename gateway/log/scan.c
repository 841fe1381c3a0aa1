/* Records by the time they came. Which segments can hold some is decided once, at the open, from
 * the time of each segment's last record; which records are given, record by record: a clock that
 * jumps puts single records out of order. Reading is a reader's that has no cursor (reader.c). */
#include "log/reader.h"

#include "base/err.h"

#include <stdint.h>
#include <stdlib.h>

/* Of a segment that an older run has ended only the time of its file is known: cut to seconds, and
 * a request waits a little between the clock and the log. */
static const int64_t slack_ns = 10 * INT64_C(1000000000);

struct gw_scan {
    struct gw_reader r;
    int64_t from_ns, to_ns;
    uint64_t last_segment, last_end; /* where the last one ended at the open */
    uint64_t span;
    int ended;
};

static uint64_t end_of(const struct gw_scan *s, const struct gw_segment *g)
{
    return g->first == s->last_segment ? s->last_end : g->end;
}

static int is_earlier(const struct gw_segment *s, int64_t ns)
{
    return s->newest_ns < (s->oldest_ns ? ns : ns - slack_ns);
}

/* Under the lock. The first segment that may have a record of from_ns on: n_segments if none. */
static size_t first_segment(const struct gw_log *log, int64_t from_ns)
{
    size_t i = 0, sealed = log->n_segments - (log->active ? 1 : 0);

    while (i < sealed && is_earlier(&log->segments[i], from_ns))
        i++;
    return i;
}

static int is_later(const struct gw_log *log, size_t i, int64_t ns)
{
    const struct gw_segment *s = &log->segments[i];

    return s->oldest_ns ? s->oldest_ns >= ns : s[-1].newest_ns - slack_ns > ns;
}

/* The last that may have one before to_ns. */
static size_t last_segment(const struct gw_log *log, size_t first, int64_t to_ns)
{
    size_t i = log->n_segments - 1;

    while (to_ns && i > first && is_later(log, i, to_ns))
        i--;
    return i;
}

static void place(struct gw_scan *s, struct gw_log *log)
{
    size_t first = first_segment(log, s->from_ns), last;

    if (first == log->n_segments) {
        gw_reader_place(&s->r, log, log->head + 1, log->head);
        return;
    }
    last = last_segment(log, first, s->to_ns);
    gw_reader_place(&s->r, log, log->segments[first].first, gw_segments_last(log, last));
    s->last_segment = log->segments[last].first;
    s->last_end = log->segments[last].end;
    for (size_t i = first; i <= last; i++)
        s->span += log->segments[i].end - GW_SEGMENT_DATA;
}

struct gw_scan *gw_scan_open(struct gw_log *log, int64_t from_ns, int64_t to_ns, struct gw_err *err)
{
    struct gw_scan *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    (void)err;
    s->from_ns = from_ns;
    s->to_ns = to_ns;
    pthread_mutex_lock(&log->lock);
    place(s, log);
    pthread_mutex_unlock(&log->lock);
    return s;
}

void gw_scan_close(struct gw_scan *s)
{
    if (!s)
        return;
    gw_reader_leave(&s->r);
    free(s);
}

static int is_wanted(const struct gw_scan *s, const struct gw_record *head)
{
    if (head->received_at_ns == 0 && head->damaged) /* nobody knows when it came */
        return 1;
    return head->received_at_ns >= s->from_ns && (!s->to_ns || head->received_at_ns < s->to_ns);
}

int gw_scan_next(struct gw_scan *s, struct gw_arena *mem, struct gw_record *out, struct gw_err *err)
{
    for (;;) {
        struct gw_record head;
        int rc = gw_reader_peek(&s->r, &head, err);

        if (rc == 0)
            s->ended = 1;
        if (rc != 1)
            return rc;
        if (!is_wanted(s, &head)) {
            gw_reader_skip(&s->r);
            continue;
        }
        rc = gw_reader_next(&s->r, mem, out, err);
        /* What was looked at may have been trimmed: then another one has come. */
        if (rc != 1 || out->at.offset == head.at.offset || is_wanted(s, out))
            return rc;
    }
}

/* Under the lock. Bytes from the scan's place to its end. */
static uint64_t left(const struct gw_scan *s)
{
    const struct gw_log *log = s->r.log;
    uint64_t bytes = 0;

    for (size_t i = 0; i < log->n_segments && log->segments[i].first <= s->last_segment; i++) {
        const struct gw_segment *g = &log->segments[i];

        if (g->first > s->r.segment && gw_segments_last(log, i) >= s->r.start)
            bytes += end_of(s, g) - GW_SEGMENT_DATA;
        else if (g->first == s->r.segment && s->r.at < end_of(s, g))
            bytes += end_of(s, g) - s->r.at;
    }
    return bytes;
}

void gw_scan_progress(const struct gw_scan *s, struct gw_scan_progress *out)
{
    uint64_t rest = 0;

    if (!s->ended) {
        pthread_mutex_lock(&s->r.log->lock);
        rest = left(s);
        pthread_mutex_unlock(&s->r.log->lock);
    }
    *out = (struct gw_scan_progress){
        .seen = rest < s->span ? s->span - rest : 0, .span = s->span, .missed = s->r.missed};
}
