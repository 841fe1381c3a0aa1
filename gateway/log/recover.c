/* What a start finds in the last segment. Runs before the log's threads.
 *
 * Only the last segment can be torn: a segment gets its name when all before it are durable. Of the
 * last one only the last commit group can be: a group is written when the one before it is durable.
 * So damage before the last group is real, and left to readers to report (reader.c); at or after
 * the group's first record it is a torn write, and the log is cut back to the last whole append.
 * What is kept of the last group is written and synced again: after a failed sync the kernel may
 * hold pages that the disk never got. */
#include "log/recover.h"

#include "log/inside.h"

#include "base/diag.h"
#include "base/err.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum { WINDOW = 256 * 1024 };

/* The newest group of which a header is left. */
struct group {
    uint64_t first, at; /* at: of its first record, or of the damage that holds it */
    int headless;       /* its first record's header is lost */
    uint64_t last_seen; /* the highest sequence of any header; 0: none */
    int64_t oldest_ns, newest_ns;
};

static void see(struct group *g, const struct gw_header *h, uint64_t at, uint64_t expected)
{
    g->last_seen = h->sequence;
    gw_times_add(&g->oldest_ns, &g->newest_ns, h->received_at_ns);
    if (h->group_first <= g->first)
        return;
    g->first = h->group_first;
    g->at = at;
    g->headless = h->sequence != h->group_first;
    if (g->headless && h->group_first < expected) /* headers contradict: trust the order */
        g->first = expected;
}

static void find_last_group(struct gw_view *v, uint64_t first, uint64_t size, uint32_t seed,
                            struct group *g)
{
    uint64_t at = GW_SEGMENT_DATA, expected = first;

    *g = (struct group){.at = GW_SEGMENT_DATA};
    for (;;) {
        const char *p = gw_view_get(v, at, GW_HEADER, size);
        uint64_t found = at, most = expected + size / GW_HEADER;
        struct gw_header h;

        if (!p || gw_header_get(p, seed, &h) || h.sequence != expected)
            found = gw_header_find(v, &(struct gw_range){at, size, expected - 1, most}, seed, &h);
        if (!found)
            return;
        see(g, &h, at, expected);
        at = found + gw_record_room(h.len);
        expected = h.sequence + 1;
    }
}

static int record_is_whole(struct gw_view *v, uint64_t at, const struct gw_header *h, uint64_t size,
                           char **scratch)
{
    if (at + gw_record_room(h->len) > size)
        return 0;
    *scratch = realloc(*scratch, h->len + 1UL);
    if (!*scratch)
        abort();
    return !gw_view_copy(v, at + GW_HEADER, *scratch, h->len, size) &&
           gw_crc32c(0, *scratch, h->len) == h->crc;
}

static void find_last_append(struct gw_view *v, const struct group *g, uint64_t size, uint32_t seed,
                             struct gw_tail *out)
{
    uint64_t at = g->at, expected = g->first;
    char *scratch = NULL;
    struct gw_header h;

    out->last = g->first - 1;
    out->end = out->group_at = g->at;
    while (!g->headless) {
        const char *p = gw_view_get(v, at, GW_HEADER, size);

        if (!p || gw_header_get(p, seed, &h) || h.sequence != expected ||
            h.group_first != g->first || !record_is_whole(v, at, &h, size, &scratch))
            break;
        at += gw_record_room(h.len);
        expected++;
        if (h.ends_append) {
            out->last = h.sequence;
            out->end = at;
        }
    }
    free(scratch);
}

int gw_recover_tail(int fd, uint64_t first, uint64_t size, uint32_t seed, struct gw_tail *out)
{
    struct gw_view v;
    struct group g;

    *out = (struct gw_tail){.last = first - 1, .end = GW_SEGMENT_DATA, .group_at = GW_SEGMENT_DATA};
    gw_view_init(&v, WINDOW, &fd, gw_view_read_file);
    find_last_group(&v, first, size, seed, &g);
    if (g.last_seen) {
        find_last_append(&v, &g, size, seed, out);
        out->lost = g.last_seen - out->last;
        out->oldest_ns = g.oldest_ns;
        out->newest_ns = g.newest_ns;
    }
    gw_view_fini(&v);
    errno = v.io_error;
    return v.io_error ? -1 : 0;
}

/* ---- the log's salt ---- */

static int read_head(const struct gw_log *log, uint64_t first, int *found, uint64_t *salt)
{
    static const off_t places[] = {0, GW_SEGMENT_HEAD_COPY};
    int fd = gw_segment_open(log, first, O_RDONLY), rc = 0;

    for (size_t i = 0; fd >= 0 && i < 2 && !*found && !rc; i++) {
        char head[GW_SEGMENT_HEAD];
        uint64_t named;

        if (pread(fd, head, sizeof(head), places[i]) != sizeof(head))
            continue;
        rc = gw_segment_head_get(head, &named, salt);
        *found = rc >= 0;
        rc = rc > 0;
    }
    if (fd >= 0)
        close(fd);
    return rc;
}

/* Whether a file has bytes that somebody wrote. */
static int has_bytes(const struct gw_log *log, const struct gw_segment *s)
{
    int fd = gw_segment_open(log, s->first, O_RDONLY), any = 0;
    struct gw_view v;

    gw_view_init(&v, WINDOW, &fd, gw_view_read_file);
    for (uint64_t at = 0; fd >= 0 && at < s->size && !any; at += GW_SEGMENT_ALIGN) {
        size_t n = s->size - at < GW_SEGMENT_ALIGN ? (size_t)(s->size - at) : GW_SEGMENT_ALIGN;
        const char *p = gw_view_get(&v, at, n, s->size);

        for (size_t i = 0; p && i < n; i++)
            any |= p[i];
    }
    gw_view_fini(&v);
    if (fd >= 0)
        close(fd);
    return any;
}

/* All segments of a log have one salt, so one readable head is enough for all. */
static int find_salt(struct gw_log *log, struct gw_err *err)
{
    int found = 0;

    for (size_t i = log->n_segments; i-- > 0 && !found;)
        if (read_head(log, log->segments[i].first, &found, &log->salt))
            return gw_err_set(err, GW_ERR_FATAL, "%s/segments/%020llu: of a newer moongate",
                              log->path, (unsigned long long)log->segments[i].first);
    for (size_t i = 0; i < log->n_segments && !found; i++)
        if (has_bytes(log, &log->segments[i]))
            return gw_err_set(err, GW_ERR_FATAL,
                              "segments/%020llu: both of its heads are damaged, so its records "
                              "cannot be read; go on without them: cd %s && mv segments "
                              "segments.damaged",
                              (unsigned long long)log->segments[i].first, log->path);
    if (!found && getrandom(&log->salt, sizeof(log->salt), 0) != sizeof(log->salt))
        return gw_err_errno(err, GW_ERR_FATAL, "random bytes");
    log->seed = gw_header_seed(log->salt);
    return 0;
}

/* ---- the last segment ---- */

static int write_again(int fd, const struct gw_tail *t)
{
    char buf[16 * 1024];

    for (uint64_t at = t->group_at; at < t->end;) {
        size_t n = t->end - at < sizeof(buf) ? (size_t)(t->end - at) : sizeof(buf);
        ssize_t got = gw_view_read_file(&fd, buf, n, at);

        if (got <= 0 || pwrite(fd, buf, (size_t)got, (off_t)at) != got)
            return -1;
        at += (uint64_t)got;
    }
    return gw_log_sync(fd);
}

static void say_cut(const struct gw_log *log, const struct gw_segment *s, const struct gw_tail *t)
{
    char name[32];
    int n = snprintf(name, sizeof(name), "%020llu", (unsigned long long)s->first);

    GW_DIAG(GW_WARN, "log", gw_msg("the last write was cut off: kept up to the last whole append"),
            gw_kv_cstr("path", log->path), gw_kv_str("segment", (struct gw_str){name, (size_t)n}),
            gw_kv_int("kept", (int64_t)t->last), gw_kv_int("cut", (int64_t)t->lost));
}

static int mend(struct gw_log *log, struct gw_segment *s, const struct gw_tail *t)
{
    if (t->lost) {
        say_cut(log, s, t);
        if (ftruncate(log->active_fd, (off_t)t->end)) /* or later starts would find its headers */
            return -1;
        s->size = t->end;
    }
    if (!log->conf.tool && s->size < log->segment_bytes &&
        !posix_fallocate(log->active_fd, 0, (off_t)log->segment_bytes))
        s->size = log->segment_bytes;
    return write_again(log->active_fd, t);
}

int gw_recover(struct gw_log *log, struct gw_err *err)
{
    struct gw_segment *s;
    struct gw_tail tail;

    if (find_salt(log, err))
        return -1;
    if (log->n_segments == 0)
        return 0;
    s = &log->segments[log->n_segments - 1];
    log->active_fd = gw_segment_open(log, s->first, O_RDWR);
    if (log->active_fd < 0 || gw_recover_tail(log->active_fd, s->first, s->size, log->seed, &tail))
        return gw_err_errno(err, GW_ERR_FATAL, "read %s/segments/%020llu", log->path,
                            (unsigned long long)s->first);
    log->head = tail.last;
    log->active = 1;
    log->total -= s->size;
    if (mend(log, s, &tail))
        return gw_err_errno(err, GW_ERR_FATAL, "mend %s/segments/%020llu", log->path,
                            (unsigned long long)s->first);
    log->total += s->size;
    s->end = tail.end;
    s->oldest_ns = tail.oldest_ns;
    s->newest_ns = tail.newest_ns;
    s->unsaid = tail.last < s->first;
    return 0;
}

void gw_recover_past(struct gw_log *log, uint64_t sequence)
{
    if (log->active_fd >= 0)
        close(log->active_fd);
    log->active_fd = -1;
    log->active = 0;
    log->head = sequence;
}
