/* Readers: record after record from the segments, in batches, and what is damaged skipped and told
 * (L3). A reader pins nothing: when everything in a segment is settled (by other workers of its
 * pipeline) the segment may be written anew under it. So what looks damaged is looked at again
 * under the lock: if the cursor has passed it, the reader moves on and nothing was lost. */
#include "log/reader.h"

#include "base/arena.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/text.h"
#include "flyte/flyte.h"
#include "net/loop.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In memory a smaller one: it is copied under the lock. */
enum { WINDOW = 256 * 1024, MEMORY_WINDOW = 64 * 1024 };

/* ---- waiting ---- */

/* Under the lock. */
static int within(struct gw_reader *r)
{
    r->bound = r->cursor->done.position + r->ahead;
    return r->sequence <= r->bound;
}

static void wake(struct gw_log *log, int new_records)
{
    struct gw_reader **p = &log->waiting, *r;

    while ((r = *p)) {
        if (r->held ? !within(r) : !new_records) {
            p = &r->next_waiting;
            continue;
        }
        *p = r->next_waiting;
        r->waiting = r->held = 0;
        if (atomic_exchange(&r->waker->posted, 1))
            continue;
        r->next_woken = log->woken;
        log->woken = r;
    }
}

void gw_readers_wake(struct gw_log *log)
{
    wake(log, 1);
}

void gw_readers_let_go(struct gw_log *log)
{
    wake(log, 0);
}

void gw_readers_post(struct gw_log *log)
{
    struct gw_reader *r;

    if (!atomic_load_explicit(&log->woken, memory_order_relaxed))
        return;
    pthread_mutex_lock(&log->telling);
    pthread_mutex_lock(&log->lock);
    r = log->woken;
    log->woken = NULL;
    pthread_mutex_unlock(&log->lock);
    while (r) {
        struct gw_reader *next = r->next_woken;

        gw_loop_post_mail(r->loop, &r->waker->mail);
        r = next;
    }
    pthread_mutex_unlock(&log->telling);
}

/* What was woken before this looks again after it, so that nothing is passed over: who set posted
 * had the lock, and the look takes it. */
static void on_wake(struct gw_mail *m)
{
    struct gw_waker *w = GW_CONTAINER(m, struct gw_waker, mail);
    struct gw_reader *r = w->reader;

    if (!r) {
        free(w);
        return;
    }
    atomic_store(&w->posted, 0);
    r->wake->fn(r->wake);
}

static void wait_for_more(struct gw_reader *r)
{
    if (r->waiting)
        return;
    r->waiting = 1;
    r->next_waiting = r->log->waiting;
    r->log->waiting = r;
}

static void wait_no_more(struct gw_reader *r)
{
    struct gw_reader **p = &r->log->waiting;

    if (!r->waiting)
        return;
    while (*p != r)
        p = &(*p)->next_waiting;
    *p = r->next_waiting;
    r->waiting = r->held = 0;
}

/* Under both locks. It is not told any more, unless its mail is out. */
static void wake_no_more(struct gw_reader *r)
{
    struct gw_reader *before = NULL, *at = r->log->woken;

    for (; at && at != r; at = at->next_woken)
        before = at;
    if (!at)
        return;
    if (before)
        before->next_woken = r->next_woken;
    else
        r->log->woken = r->next_woken;
    atomic_store(&r->waker->posted, 0);
}

/* L9: waits until the cursor has come nearer. */
static int too_far(struct gw_reader *r)
{
    int far;

    if (r->sequence <= r->bound)
        return 0;
    pthread_mutex_lock(&r->log->lock);
    far = !within(r);
    if (far) {
        wait_no_more(r);
        wait_for_more(r);
        r->held = 1;
    }
    pthread_mutex_unlock(&r->log->lock);
    return far;
}

/* ---- opening ---- */

/* At the very end there is nothing to pass over. */
static void enter_at_end(struct gw_reader *r)
{
    const struct gw_log *log = r->log;
    const struct gw_segment *s;

    if (!log->active || r->start != log->head + 1)
        return;
    s = &log->segments[log->n_segments - 1];
    r->segment = s->first;
    r->at = r->marked_at = s->end;
    if (!s->mem && (r->fd = gw_segment_open(log, s->first, O_RDONLY)) < 0)
        r->segment = 0; /* it is entered like any other */
}

static void open_view(struct gw_reader *r)
{
    r->fd = -1;
    if (r->log->conf.type == GW_LOG_MEMORY)
        gw_view_init(&r->view, MEMORY_WINDOW, r, gw_memory_read);
    else
        gw_view_init(&r->view, WINDOW, &r->fd, gw_view_read_file);
}

struct gw_reader *gw_reader_open(struct gw_cursor *c, struct gw_loop *loop, struct gw_mail *wake,
                                 void (*revoked)(void *ctx, uint32_t stream), void *ctx)
{
    struct gw_reader *r = calloc(1, sizeof(*r));
    struct gw_waker *w = calloc(1, sizeof(*w));

    if (!r || !w)
        abort();
    *w = (struct gw_waker){.mail.fn = on_wake, .reader = r};
    r->waker = w;
    (void)revoked; /* the only stream of these logs is never taken away */
    (void)ctx;
    r->log = c->log;
    r->cursor = c;
    r->loop = loop;
    r->wake = wake;
    r->ahead = GW_READ_AHEAD;
    open_view(r);
    pthread_mutex_lock(&r->log->lock);
    gw_settled_copy(&r->skip, &c->done);
    r->start = r->sequence = r->skip.position + 1;
    enter_at_end(r);
    pthread_mutex_unlock(&r->log->lock);
    return r;
}

void gw_reader_ahead(struct gw_reader *r, uint64_t records)
{
    r->ahead = records;
    r->bound = 0;
}

void gw_reader_close(struct gw_reader *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->log->telling); /* nobody is about to tell it */
    pthread_mutex_lock(&r->log->lock);
    wait_no_more(r);
    wake_no_more(r);
    r->waker->reader = NULL;
    if (!atomic_load(&r->waker->posted))
        free(r->waker);
    pthread_mutex_unlock(&r->log->lock);
    pthread_mutex_unlock(&r->log->telling);
    gw_reader_leave(r);
    free(r);
}

void gw_reader_place(struct gw_reader *r, struct gw_log *log, uint64_t start, uint64_t until)
{
    *r = (struct gw_reader){
        .log = log, .start = start, .sequence = start, .until = until, .bound = UINT64_MAX};
    gw_settled_init(&r->skip, start - 1);
    open_view(r);
}

void gw_reader_leave(struct gw_reader *r)
{
    if (r->fd >= 0)
        close(r->fd);
    gw_view_fini(&r->view);
    gw_settled_fini(&r->skip);
}

/* ---- damage ---- */

static int passed_by(struct gw_reader *r, uint64_t sequence)
{
    int is;

    pthread_mutex_lock(&r->log->lock);
    is = r->cursor ? r->cursor->done.position >= sequence : gw_first_kept(r->log) > sequence;
    pthread_mutex_unlock(&r->log->lock);
    return is;
}

/* The segment is no longer what it was when it was entered. */
static int gone(struct gw_reader *r)
{
    ptrdiff_t i;
    int is;

    pthread_mutex_lock(&r->log->lock);
    i = gw_segments_find(r->log, r->segment);
    is = i < 0 || r->log->segments[i].first != r->segment;
    pthread_mutex_unlock(&r->log->lock);
    return is;
}

/* A scan is told by the records themselves. */
static void say_damage(const struct gw_reader *r, uint64_t last, const char *what)
{
    if (!r->cursor)
        return;
    GW_DIAG(GW_ERROR, "log", gw_msg(what), gw_kv_cstr("pipeline", r->cursor->name),
            gw_kv_int("segment", (int64_t)r->segment), gw_kv_int("offset", (int64_t)r->at),
            gw_kv_int("from", (int64_t)r->sequence), gw_kv_int("to", (int64_t)last));
}

/* ---- which segment ---- */

/* Under the lock. The segment's first record comes next; what is before start is passed over. -1: a
 * file that is there cannot be opened now (no descriptors, say): nothing of it is lost. */
static int enter(struct gw_reader *r, const struct gw_segment *s)
{
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
    gw_view_forget(&r->view);
    r->segment = 0;
    if (!s->mem && (r->fd = gw_segment_open(r->log, s->first, O_RDONLY)) < 0 && errno != ENOENT)
        return -1;
    r->segment = s->first;
    r->sequence = s->first;
    r->at = r->marked_at = GW_SEGMENT_DATA;
    return 0;
}

static void follow_cursor(struct gw_reader *r)
{
    if (r->cursor->done.position >= r->start)
        r->start = r->cursor->done.position + 1;
    r->until = r->log->head;
}

static void follow_trim(struct gw_reader *r)
{
    uint64_t next = r->start > r->sequence ? r->start : r->sequence, first = gw_first_kept(r->log);

    if (first > r->until)
        first = r->until + 1;
    if (next >= first)
        return;
    r->missed += first - next;
    r->start = first;
}

/* Under the lock. What may be read, from r->sequence on. 1: there is something; 0: nothing yet; -1
 * with errno. */
static int look(struct gw_reader *r)
{
    struct gw_log *log = r->log;
    ptrdiff_t i;

    if (r->cursor)
        follow_cursor(r);
    else
        follow_trim(r);
    if (r->sequence > r->until || r->start > r->until)
        return 0;
    i = gw_segments_find(log, r->start > r->sequence ? r->start : r->sequence);
    if (i < 0) { /* older than all that is kept */
        r->last = r->hole = gw_first_kept(log) - 1;
        say_damage(r, r->last, "records are missing: their segments are gone");
        return 1;
    }
    if (log->segments[i].first != r->segment && enter(r, &log->segments[i]))
        return -1;
    r->last = gw_segments_last(log, (size_t)i);
    if (r->last > r->until)
        r->last = r->until;
    r->limit = log->segments[i].end;
    if (r->fd < 0 && !log->segments[i].mem) {
        r->hole = r->last;
        say_damage(r, r->last, "records are missing: their segment is gone");
    }
    return r->sequence <= r->last;
}

static int refresh(struct gw_reader *r, struct gw_err *err)
{
    int rc, saved;

    pthread_mutex_lock(&r->log->lock);
    rc = look(r);
    saved = errno;
    if (!rc && r->cursor)
        wait_for_more(r);
    pthread_mutex_unlock(&r->log->lock);
    if (rc >= 0)
        return rc;
    errno = saved;
    return gw_err_errno(err, GW_ERR_RETRY, "open a segment of %s", r->log->path);
}

static int unreadable(struct gw_reader *r, struct gw_err *err)
{
    errno = r->view.io_error;
    r->view.io_error = 0;
    return gw_err_errno(err, GW_ERR_RETRY, "read segment %llu of the log",
                        (unsigned long long)r->segment);
}

/* No header of r->sequence is at r->at: finds the next one that is of this log. */
static int find_hole(struct gw_reader *r, struct gw_err *err)
{
    struct gw_header h;
    const struct gw_range in = {r->at, r->limit, r->sequence, r->last};
    uint64_t found = 0;

    if (!r->view.io_error)
        found = gw_header_find(&r->view, &in, r->log->seed, &h);
    if (r->view.io_error)
        return unreadable(r, err);
    if (gone(r)) {
        r->last = 0; /* look again */
        return 0;
    }
    r->hole = found ? h.sequence - 1 : in.last;
    if (!passed_by(r, r->hole))
        say_damage(r, r->hole, "records are damaged and skipped");
    r->at = found ? found : in.limit;
    return 0;
}

/* ---- the next record ---- */

static void set_damaged(struct gw_reader *r)
{
    r->header = (struct gw_header){.sequence = r->sequence, .kind = GW_OTHER};
    r->damaged = 1;
    r->have = 1;
}

static void consume(struct gw_reader *r)
{
    if (r->sequence > r->hole)
        r->at += gw_record_room(r->header.len);
    r->sequence++;
    r->have = 0;
}

static void mark(struct gw_reader *r)
{
    if (!r->cursor || r->at < r->marked_at + GW_MARK_EVERY)
        return;
    r->marked_at = r->at;
    pthread_mutex_lock(&r->log->lock);
    gw_mark_add(r->cursor, &(struct gw_mark){r->sequence, r->segment, r->at});
    pthread_mutex_unlock(&r->log->lock);
}

/* Finds out what r->sequence is. -1: it cannot be read. */
static int see(struct gw_reader *r, struct gw_err *err)
{
    const char *p;

    if (r->sequence <= r->hole) {
        set_damaged(r);
        return 0;
    }
    mark(r);
    p = gw_view_get(&r->view, r->at, GW_HEADER, r->limit);
    if (!p || gw_header_get(p, r->log->seed, &r->header) || r->header.sequence < r->sequence ||
        r->header.sequence > r->last || r->at + GW_HEADER + r->header.len > r->limit)
        return find_hole(r, err);
    if (r->header.sequence > r->sequence) /* cut back once, after damage */
        return find_hole(r, err);
    r->damaged = 0;
    r->have = 1;
    return 0;
}

static int locate(struct gw_reader *r, struct gw_err *err)
{
    for (;;) {
        int rc = 1;

        if (r->have && r->sequence >= r->start && !gw_settled_has(&r->skip, r->sequence))
            return !too_far(r);
        if (r->have)
            consume(r);
        else if (r->sequence > r->last)
            rc = refresh(r, err);
        else if (see(r, err))
            rc = -1;
        if (rc <= 0)
            return rc;
    }
}

int gw_reader_peek(struct gw_reader *r, struct gw_record *out, struct gw_err *err)
{
    int rc = locate(r, err);

    if (rc != 1)
        return rc;
    *out = (struct gw_record){.at = {0, r->sequence},
                              .key_hash = r->header.key_hash,
                              .kind = r->header.kind,
                              .received_at_ns = r->header.received_at_ns,
                              .encoded = {NULL, r->header.len},
                              .damaged = r->damaged};
    return 1;
}

void gw_reader_skip(struct gw_reader *r)
{
    assert(r->have);
    consume(r);
}

/* -1: the bytes are not what was written. */
static int payload(struct gw_reader *r, struct gw_arena *mem, struct gw_record *out)
{
    char *p = gw_arena_alloc(mem, r->header.len + 1UL);
    struct gw_str bytes = {p, r->header.len};
    struct gw_err why;

    if (gw_view_copy(&r->view, r->at + GW_HEADER, p, bytes.len, r->limit))
        return -1;
    if (r->log->conf.type == GW_LOG_EMBEDDED && gw_crc32c(0, bytes.p, bytes.len) != r->header.crc)
        return -1;
    if (gw_record_read(bytes, out, &why)) {
        say_damage(r, r->sequence, why.msg);
        return -1;
    }
    return 0;
}

int gw_reader_next(struct gw_reader *r, struct gw_arena *mem, struct gw_record *out,
                   struct gw_err *err)
{
    for (;;) {
        struct gw_record head;
        int rc = gw_reader_peek(r, &head, err);

        if (rc != 1)
            return rc;
        if (head.damaged || payload(r, mem, out)) {
            if (passed_by(r, r->sequence)) {
                r->have = 0;
                r->last = 0;
                continue;
            }
            if (r->view.io_error)
                return find_hole(r, err);
            if (!head.damaged)
                say_damage(r, r->sequence, "a record is damaged and skipped");
            *out = head;
            out->encoded = (struct gw_str){0};
            out->damaged = 1;
        }
        out->at = head.at;
        consume(r);
        return 1;
    }
}
