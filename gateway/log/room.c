/* Room on the disk, and the segments made of it. Any thread, under the log's lock.
 *
 * The room of L4: the active segment always has space allocated on the disk for every reservation.
 * A reservation that would not fit makes it larger, or is refused; so a write never meets a full
 * disk, and an append never needs a segment that cannot be had. Rolling is done when there is room
 * for it, at the writer's choice. A file system may allocate what it does not have: then a write
 * meets a full disk all the same, and what was reserved is refused. */
#include "log/segments.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLOCK = 4096, RETRY_MS = 100 };

/* What bytes of records take at most: gw_record_size counts at least 77 a record, a header and its
 * padding are at most 55. */
static uint64_t charge(uint64_t bytes)
{
    return bytes + bytes / 4 * 3 + 64;
}

size_t gw_log_largest(const struct gw_log *log)
{
    const uint64_t rest = GW_SEGMENT_DATA + BLOCK + 64, max = (uint64_t)log->conf.max_bytes;

    return max > rest ? (size_t)((max - rest) / 7 * 4) : 0;
}

static uint64_t to_blocks(uint64_t n)
{
    return (n + BLOCK - 1) & ~(uint64_t)(BLOCK - 1);
}

static uint64_t left(const struct gw_log *log)
{
    const struct gw_segment *s;

    if (!log->active)
        return 0;
    s = &log->segments[log->n_segments - 1];
    return s->size - s->end;
}

/* Bytes that may still be allocated when all that can be given up is. */
static uint64_t may_allocate(const struct gw_log *log)
{
    uint64_t total = log->total, max = (uint64_t)log->conf.max_bytes;

    for (size_t i = 0; i < log->n_spares; i++)
        total -= log->spares[i].size;
    return total < max ? max - total : 0;
}

static int disk_gave(struct gw_log *log, int failed)
{
    log->disk_full = failed;
    if (failed)
        log->retry_ms = gw_mono_ms() + RETRY_MS;
    return failed ? -1 : 0;
}

/* What some file systems allocate is not room yet. */
static int prove(const struct gw_log *log, int fd, uint64_t from, uint64_t size)
{
    static const char zeros[BLOCK];
    const size_t n = size - from < BLOCK ? (size_t)(size - from) : BLOCK;

    return log->unproven && pwrite(fd, zeros, n, (off_t)from) != (ssize_t)n;
}

/* A disk that was full is asked now and then. */
static int may_ask(const struct gw_log *log)
{
    return !log->disk_full || gw_mono_ms() >= log->retry_ms;
}

/* Only what is new: where the file system cannot, the C library writes into what it allocates. */
static int allocate(struct gw_log *log, int fd, uint64_t from, uint64_t size)
{
    int failed;

    do
        failed = posix_fallocate(fd, (off_t)from, (off_t)(size - from));
    while (failed == EINTR);
    failed = failed || prove(log, fd, from, size);
    log->unproven &= failed;
    return disk_gave(log, failed);
}

static void shorten(struct gw_log *log, uint64_t size)
{
    struct gw_segment *s = &log->segments[log->n_segments - 1];

    if (size < s->size && !ftruncate(log->active_fd, (off_t)size)) {
        log->total -= s->size - size;
        s->size = size;
    }
}

void gw_segments_cut(struct gw_log *log)
{
    /* Also so that nothing of what was refused is found by a later start. */
    shorten(log, log->segments[log->n_segments - 1].end);
    log->unproven = 1;
    (void)disk_gave(log, 1);
}

void gw_segments_give_room(struct gw_log *log)
{
    while (log->n_spares)
        gw_spare_drop(log);
    if (log->active && log->active_fd >= 0)
        shorten(log, log->segments[log->n_segments - 1].end +
                         (log->reserved ? charge(log->reserved) : 0));
    (void)disk_gave(log, 1);
}

static int extend_to(struct gw_log *log, uint64_t size)
{
    struct gw_segment *s = &log->segments[log->n_segments - 1];

    while (log->n_spares && log->total + (size - s->size) > (uint64_t)log->conf.max_bytes)
        gw_spare_drop(log);
    if (log->total + (size - s->size) > (uint64_t)log->conf.max_bytes)
        return -1;
    if (s->mem) {
        s->mem = realloc(s->mem, size);
        if (!s->mem)
            abort();
    } else if (allocate(log, log->active_fd, s->size, size)) {
        return -1;
    }
    log->total += size - s->size;
    s->size = size;
    return 0;
}

/* The active segment gets more bytes: all of its usual ones, if it has lost them. */
static int extend(struct gw_log *log, uint64_t more)
{
    const uint64_t need = to_blocks(log->segments[log->n_segments - 1].size + more);

    if (need < log->segment_bytes && !extend_to(log, log->segment_bytes))
        return 0;
    return extend_to(log, need);
}

/* A new spare of that size, open. It gets a segment's name when nothing can fail any more: a file
 * of that name says that all records before its first are in the segments before it. */
static int create_file(struct gw_log *log, const char *spare, uint64_t size)
{
    int fd = openat(log->segments_fd, spare, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);

    if (fd < 0) /* without descriptors the active segment may still grow */
        return errno == ENOSPC || errno == EDQUOT ? disk_gave(log, 1) : -1;
    if (!allocate(log, fd, 0, size))
        return fd;
    close(fd);
    (void)unlinkat(log->segments_fd, spare, 0);
    return -1;
}

/* The descriptor of a file of that name for *s, or -1. */
static int make_file(struct gw_log *log, const char *name, struct gw_segment *s)
{
    char spare[GW_SEGMENT_NAME];
    int fd;

    gw_spare_name(spare, log->next_spare);
    fd = create_file(log, spare, s->size);
    if (fd < 0 || !renameat(log->segments_fd, spare, log->segments_fd, name))
        return fd;
    close(fd);
    (void)unlinkat(log->segments_fd, spare, 0);
    return disk_gave(log, 1);
}

/* A spare large enough becomes the segment of that name. */
static int reuse_spare(struct gw_log *log, const char *name, struct gw_segment *s)
{
    const struct gw_spare *spare;
    char old[GW_SEGMENT_NAME];
    int fd;

    if (!log->n_spares || log->spares[log->n_spares - 1].size < s->size)
        return -1;
    spare = &log->spares[log->n_spares - 1];
    gw_spare_name(old, spare->id);
    fd = openat(log->segments_fd, old, O_RDWR | O_CLOEXEC);
    if (fd >= 0 && renameat(log->segments_fd, old, log->segments_fd, name)) {
        close(fd);
        fd = -1;
    }
    if (fd < 0)
        return -1;
    s->size = spare->size;
    log->total -= spare->size; /* counted again as a segment */
    log->n_spares--;
    return fd;
}

/* A spare, or a new file; on a disk that is full a small one, which may grow. */
static int find_file(struct gw_log *log, const char *name, uint64_t need, struct gw_segment *s)
{
    int fd = reuse_spare(log, name, s);

    while (fd < 0 && log->n_spares && log->total + s->size > (uint64_t)log->conf.max_bytes)
        gw_spare_drop(log);
    if (fd < 0 && log->total + s->size <= (uint64_t)log->conf.max_bytes)
        fd = make_file(log, name, s);
    if (fd < 0 && log->disk_full && log->total + need <= (uint64_t)log->conf.max_bytes) {
        s->size = need;
        fd = make_file(log, name, s);
    }
    return fd;
}

static int roll(struct gw_log *log, uint64_t sequence)
{
    uint64_t need = to_blocks(GW_SEGMENT_DATA + charge(log->reserved));
    struct gw_segment s = {.first = sequence,
                           .size = need > log->segment_bytes ? need : log->segment_bytes,
                           .end = GW_SEGMENT_DATA,
                           .unsaid = 1};
    char name[GW_SEGMENT_NAME];
    int fd = -1;

    gw_segment_name(name, sequence);
    if (log->conf.type == GW_LOG_EMBEDDED && (fd = find_file(log, name, need, &s)) < 0)
        return -1;
    if (log->conf.type == GW_LOG_MEMORY && log->total + s.size > (uint64_t)log->conf.max_bytes)
        return -1;
    if (log->conf.type == GW_LOG_MEMORY && !(s.mem = malloc(s.size)))
        abort();
    gw_segments_seal(log);
    gw_segments_add(log, &s);
    log->active = 1;
    log->active_fd = fd;
    return 0;
}

int gw_segments_roll(struct gw_log *log, uint64_t sequence)
{
    return may_ask(log) ? roll(log, sequence) : -1;
}

/* Retained segments are given up one by one, the oldest first. */
static int extend_or_trim(struct gw_log *log, uint64_t need)
{
    while (extend(log, need - left(log))) {
        if (gw_segments_settled(log) == 0)
            return -1;
        gw_segments_give_up(log, 1);
    }
    return 0;
}

int gw_segments_make_room(struct gw_log *log, uint64_t bytes)
{
    uint64_t need = charge(log->reserved + bytes);
    int rc;

    if (left(log) >= need)
        return 0;
    if (!may_ask(log))
        return -1;
    if (log->active && !extend_or_trim(log, need))
        return 0;
    if (log->reserved)
        return -1;
    /* Nothing is under way. A last segment that everybody has passed is given up, too. */
    if (log->active && gw_min_position(log) < log->head)
        return -1;
    gw_segments_seal(log);
    log->reserved = bytes;
    while ((rc = roll(log, log->head + 1)) && gw_segments_settled(log) > 0)
        gw_segments_give_up(log, 1);
    log->reserved = 0;
    return rc;
}

int gw_segments_have_room(struct gw_log *log, uint64_t bytes)
{
    uint64_t need = charge(log->reserved + bytes), can = left(log) + may_allocate(log);
    uint64_t min = gw_min_position(log);

    if (left(log) >= need)
        return 1;
    if (log->disk_full)
        return !gw_segments_make_room(log, bytes);
    for (size_t i = 0; i < log->n_segments && gw_segments_last(log, i) <= min; i++)
        if (!log->active || i + 1 < log->n_segments || !log->reserved)
            can += log->segments[i].size;
    return can >= need + BLOCK + (log->n_segments ? 0 : GW_SEGMENT_DATA);
}
