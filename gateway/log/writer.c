/* The log writer: a thread that takes every append that waits, writes them as one group, syncs
 * once, and tells the ingest loops and the readers (L1 to L3). While one group syncs the next one
 * gathers in the mailbox. A group never spans segments. After a failure it only answers (L7). */
#include "log/inside.h"

#include "base/clock.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/metrics.h"
#include "base/text.h"
#include "net/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    GROUP_APPENDS = 1000,
    GROUP_BYTES = 1024 * 1024,
    BUFFER = 256 * 1024,
    DIRECT = 8 * 1024, /* from here on a record is written from where it lies */
    PIECES = 64,
    MINUTE_MS = 60000
};

struct writer {
    struct gw_log *log;
    struct gw_mail *first; /* appends that wait, in order */
    /* where to write */
    int fd;
    uint64_t at, size, end; /* of the segment: its room, and what is durable of it */
    uint64_t next;          /* sequence */
    /* gathered for the next pwritev */
    char *buf;
    size_t len, piece; /* bytes in buf; where its last piece begins */
    struct iovec iov[PIECES];
    int n_iov;
};

struct group {
    struct gw_mail *end; /* the first append that is not in it */
    uint64_t first, reserved;
    int64_t oldest_ns, newest_ns;
    struct gw_err err;
    int failed;
};

/* ---- writing ---- */

static void end_piece(struct writer *w)
{
    if (w->len > w->piece)
        w->iov[w->n_iov++] = (struct iovec){w->buf + w->piece, w->len - w->piece};
    w->piece = w->len;
}

static void take_written(struct writer *w, struct iovec **iov, size_t n)
{
    w->at += n;
    while (w->n_iov > 0 && n >= (*iov)->iov_len) {
        n -= (*iov)->iov_len;
        (*iov)++;
        w->n_iov--;
    }
    if (n > 0) {
        (*iov)->iov_base = (char *)(*iov)->iov_base + n;
        (*iov)->iov_len -= n;
    }
}

/* A disk without room is no broken one. */
static int cannot_write(const struct writer *w, struct gw_err *err)
{
    int full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;

    return gw_err_errno(err, full ? GW_ERR_FULL : GW_ERR_RETRY, "write a segment of %s",
                        w->log->path);
}

static int flush(struct writer *w, struct gw_err *err)
{
    struct iovec *iov = w->iov;

    end_piece(w);
    while (w->n_iov > 0) {
        ssize_t n = pwritev(w->fd, iov, w->n_iov, (off_t)w->at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return cannot_write(w, err);
        take_written(w, &iov, (size_t)n);
    }
    w->len = w->piece = 0;
    return 0;
}

static int put(struct writer *w, const char *p, size_t n, struct gw_err *err)
{
    if (w->n_iov + 2 >= PIECES || (n < DIRECT && w->len + n > BUFFER)) {
        if (flush(w, err))
            return -1;
    }
    if (n >= DIRECT) {
        end_piece(w);
        w->iov[w->n_iov++] = (struct iovec){(void *)p, n};
        return 0;
    }
    memcpy(w->buf + w->len, p, n);
    w->len += n;
    return 0;
}

static int put_entry(struct writer *w, const struct gw_log_entry *e, uint64_t group_first, int last,
                     struct gw_err *err)
{
    static const char zeros[GW_SEGMENT_ALIGN];
    char header[GW_HEADER];
    const struct gw_header h = {.sequence = w->next++,
                                .group_first = group_first,
                                .key_hash = e->key_hash,
                                .received_at_ns = e->received_at_ns,
                                .len = (uint32_t)e->bytes.len,
                                .crc = gw_crc32c(0, e->bytes.p, e->bytes.len),
                                .kind = e->kind,
                                .ends_append = last};

    gw_header_put(header, &h, w->log->seed);
    if (put(w, header, sizeof(header), err) || put(w, e->bytes.p, e->bytes.len, err))
        return -1;
    return put(w, zeros, gw_record_room(e->bytes.len) - GW_HEADER - e->bytes.len, err);
}

/* ---- a group ---- */

static struct gw_append *append_of(struct gw_mail *m)
{
    return GW_CONTAINER(m, struct gw_append, mail);
}

static uint64_t room_of(const struct gw_append *a)
{
    uint64_t room = 0;

    for (size_t i = 0; i < a->n; i++)
        room += gw_record_room(a->entries[i].bytes.len);
    return room;
}

/* The heads of a new segment, and its name: durable before any record of it is. */
static int say_segment(struct writer *w, uint64_t first, struct gw_err *err)
{
    char head[GW_SEGMENT_HEAD];

    gw_segment_head_put(head, first, w->log->salt);
    if (pwrite(w->fd, head, sizeof(head), 0) != sizeof(head) ||
        pwrite(w->fd, head, sizeof(head), GW_SEGMENT_HEAD_COPY) != sizeof(head))
        return cannot_write(w, err);
    if (w->log->conf.durability == 0 && gw_log_sync(w->fd))
        return gw_err_errno(err, GW_ERR_RETRY, "sync a segment of %s", w->log->path);
    return w->log->conf.durability ? 0 : gw_sync_dir(w->log->segments_fd, "the segments", err);
}

/* Where the group goes: a new segment when the first append would pass this one's usual size. */
static int choose_segment(struct writer *w, uint64_t room, struct gw_err *err)
{
    struct gw_log *log = w->log;
    struct gw_segment s = {0};
    int unsaid;

    pthread_mutex_lock(&log->lock);
    if (log->active) {
        s = log->segments[log->n_segments - 1];
        if (s.end > GW_SEGMENT_DATA && s.end + room > log->segment_bytes &&
            !gw_segments_roll(log, log->head + 1))
            s = log->segments[log->n_segments - 1];
    }
    w->fd = log->active_fd;
    w->at = w->end = s.end;
    w->size = s.size;
    w->next = log->head + 1;
    unsaid = s.unsaid;
    pthread_mutex_unlock(&log->lock);
    if (!unsaid)
        return 0;
    if (say_segment(w, s.first, err))
        return -1;
    pthread_mutex_lock(&log->lock);
    log->segments[log->n_segments - 1].unsaid = 0;
    pthread_mutex_unlock(&log->lock);
    return 0;
}

/* Puts appends into the group until it is large, or the segment is. */
static int gather(struct writer *w, struct group *g)
{
    uint64_t usual = w->log->segment_bytes, begin = w->end;
    size_t n = 0;

    for (g->end = w->first; g->end && n < GROUP_APPENDS; n++) {
        struct gw_append *a = append_of(g->end);
        uint64_t room = room_of(a);

        if (w->end + room > w->size ||
            (n > 0 && (w->end + room > usual || w->end + room - begin > GROUP_BYTES)))
            break;
        a->first = (struct gw_position){0, w->next};
        for (size_t i = 0; i < a->n; i++)
            if (put_entry(w, &a->entries[i], g->first, i + 1 == a->n, &g->err))
                return -1;
        gw_times_add(&g->oldest_ns, &g->newest_ns, a->entries[a->n - 1].received_at_ns);
        w->end += room;
        g->reserved += a->reserved;
        g->end = g->end->next;
    }
    if (n == 0) { /* its reservation was too small */
        g->end = w->first->next;
        g->reserved = append_of(w->first)->reserved;
        g->failed = 1;
        return gw_err_set(&g->err, GW_ERR_FULL, "the log is full");
    }
    return flush(w, &g->err);
}

static int write_group(struct writer *w, struct group *g)
{
    if (choose_segment(w, room_of(append_of(w->first)), &g->err))
        return -1;
    g->first = w->next;
    if (gather(w, g))
        return -1;
    if (w->log->conf.durability == 0 && gw_log_sync(w->fd))
        return gw_err_errno(&g->err, GW_ERR_RETRY, "sync a segment of %s", w->log->path);
    return 0;
}

/* The group is durable: readers may see it. */
static void publish(struct writer *w, const struct group *g)
{
    struct gw_log *log = w->log;
    struct gw_segment *s;

    pthread_mutex_lock(&log->lock);
    s = &log->segments[log->n_segments - 1];
    s->end = w->end;
    s->last_ms = gw_mono_ms();
    gw_times_add(&s->oldest_ns, &s->newest_ns, g->oldest_ns);
    gw_times_add(&s->oldest_ns, &s->newest_ns, g->newest_ns);
    log->head = w->next - 1;
    log->reserved -= g->reserved;
    gw_readers_wake(log);
    pthread_mutex_unlock(&log->lock);
    gw_readers_post(log);
}

static void answer(struct writer *w, const struct group *g, const struct gw_err *failed)
{
    while (w->first != g->end) {
        struct gw_append *a = append_of(w->first);

        w->first = w->first->next;
        gw_append_end(a, failed);
    }
}

static void give_back(struct writer *w, uint64_t reserved)
{
    pthread_mutex_lock(&w->log->lock);
    w->log->reserved -= reserved;
    pthread_mutex_unlock(&w->log->lock);
}

/* Everything that waits has failed, and whatever comes will. */
static void fail_all(struct writer *w, const struct gw_err *why)
{
    struct group all = {0};

    for (struct gw_mail *m = w->first; m; m = m->next)
        all.reserved += append_of(m)->reserved;
    give_back(w, all.reserved);
    answer(w, &all, why);
}

/* What was reserved is not there: all that waits is refused, and room is asked for anew. What is
 * in the group's place is not durable, and is written over. */
static void disk_is_full(struct writer *w)
{
    static struct gw_diag_limit limit;

    pthread_mutex_lock(&w->log->lock);
    gw_segments_cut(w->log);
    pthread_mutex_unlock(&w->log->lock);
    w->n_iov = 0;
    w->len = w->piece = 0;
    if (gw_diag_allow(&limit, MINUTE_MS))
        GW_DIAG(GW_WARN, "log", gw_msg("the log is full: the disk has no room"),
                gw_kv_cstr("path", w->log->path));
}

static void do_group(struct writer *w)
{
    struct group g = {0};
    int64_t began = gw_clock_mono_ns();

    if (!write_group(w, &g)) {
        publish(w, &g);
        if (w->log->commit_seconds)
            gw_histogram_add(w->log->commit_seconds, gw_clock_mono_ns() - began);
        answer(w, &g, NULL);
    } else if (g.failed) {
        give_back(w, g.reserved);
        answer(w, &g, &g.err);
    } else if (g.err.kind == GW_ERR_FULL) {
        disk_is_full(w);
        fail_all(w, &g.err);
    } else {
        g.err.kind = GW_ERR_RETRY;
        fail_all(w, &g.err);
        gw_log_break(w->log, &g.err);
    }
}

static int broken(struct gw_log *log, struct gw_err *why)
{
    int is;

    pthread_mutex_lock(&log->lock);
    is = log->broken;
    *why = log->why;
    pthread_mutex_unlock(&log->lock);
    why->kind = GW_ERR_RETRY;
    return is;
}

void *gw_writer_main(void *arg)
{
    struct writer w = {.log = arg};

    w.buf = malloc(BUFFER);
    if (!w.buf)
        abort();
    while ((w.first = gw_mailbox_take(&w.log->to_writer, -1)))
        while (w.first) {
            struct gw_err why;

            if (broken(w.log, &why))
                fail_all(&w, &why);
            else
                do_group(&w);
        }
    free(w.buf);
    return NULL;
}
