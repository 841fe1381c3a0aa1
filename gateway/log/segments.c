/* The list of segments and their files: read at the start, given up once every cursor has passed
 * them, and kept aside as spares to be written again. Any thread, under the log's lock. */
#include "log/segments.h"

#include "base/clock.h"
#include "base/diag.h"
#include "base/err.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const int64_t second_ns = 1000000000;

void gw_segment_name(char out[GW_SEGMENT_NAME], uint64_t first)
{
    (void)snprintf(out, GW_SEGMENT_NAME, "%020llu", (unsigned long long)first);
}

void gw_spare_name(char out[GW_SEGMENT_NAME], uint64_t id)
{
    (void)snprintf(out, GW_SEGMENT_NAME, "%llu.free", (unsigned long long)id);
}

int gw_segment_open(const struct gw_log *log, uint64_t first, int flags)
{
    char name[GW_SEGMENT_NAME];

    gw_segment_name(name, first);
    return openat(log->segments_fd, name, flags | O_CLOEXEC);
}

void gw_segments_add(struct gw_log *log, const struct gw_segment *s)
{
    if (log->n_segments == log->room_segments) {
        log->room_segments = log->room_segments ? 2 * log->room_segments : 16;
        log->segments = realloc(log->segments, log->room_segments * sizeof(*log->segments));
        if (!log->segments)
            abort();
    }
    log->segments[log->n_segments++] = *s;
    log->total += s->size;
}

ptrdiff_t gw_segments_find(const struct gw_log *log, uint64_t sequence)
{
    size_t low = 0, high = log->n_segments;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (log->segments[mid].first <= sequence)
            low = mid + 1;
        else
            high = mid;
    }
    return (ptrdiff_t)low - 1;
}

uint64_t gw_segments_last(const struct gw_log *log, size_t i)
{
    return i + 1 < log->n_segments ? log->segments[i + 1].first - 1 : log->head;
}

uint64_t gw_first_kept(const struct gw_log *log)
{
    return log->n_segments ? log->segments[0].first : log->head + 1;
}

uint64_t gw_min_position(const struct gw_log *log)
{
    uint64_t min = log->head;

    for (size_t i = 0; i < log->n_cursors; i++)
        if (log->cursors[i]->done.position < min)
            min = log->cursors[i]->done.position;
    return min;
}

/* ---- giving up ---- */

void gw_spare_drop(struct gw_log *log)
{
    struct gw_spare *s = &log->spares[--log->n_spares];
    char name[GW_SEGMENT_NAME];

    gw_spare_name(name, s->id);
    (void)unlinkat(log->segments_fd, name, 0);
    log->total -= s->size;
}

/* Keeps a trimmed segment for the next roll, or gives its bytes back. */
static void retire(struct gw_log *log, struct gw_segment *s)
{
    char from[GW_SEGMENT_NAME], to[GW_SEGMENT_NAME];
    int usual = s->size >= log->segment_bytes && s->size < 2 * log->segment_bytes;

    log->total -= s->size;
    if (s->mem) {
        free(s->mem);
        return;
    }
    gw_segment_name(from, s->first);
    gw_spare_name(to, log->next_spare);
    if (!usual || log->n_spares == GW_MAX_SPARES ||
        renameat(log->segments_fd, from, log->segments_fd, to)) {
        (void)unlinkat(log->segments_fd, from, 0);
        return;
    }
    log->spares[log->n_spares++] = (struct gw_spare){log->next_spare++, s->size};
    log->total += s->size;
}

/* How many segments from the first on every cursor has passed. */
size_t gw_segments_settled(const struct gw_log *log)
{
    uint64_t min = gw_min_position(log);
    size_t n = 0, sealed = log->n_segments - (log->active ? 1 : 0);

    while (n < sealed && gw_segments_last(log, n) <= min)
        n++;
    return n;
}

void gw_segments_give_up(struct gw_log *log, size_t n)
{
    for (size_t i = 0; i < n; i++)
        retire(log, &log->segments[i]);
    log->n_segments -= n;
    if (n > 0 && log->n_segments > 0)
        memmove(log->segments, log->segments + n, log->n_segments * sizeof(*log->segments));
}

void gw_segments_trim(struct gw_log *log)
{
    size_t n = gw_segments_settled(log), old = n;

    if (log->conf.tool)
        return;
    if (log->conf.retain_ms) {
        int64_t until = gw_mono_ms() - log->conf.retain_ms;

        for (old = 0; old < n && log->segments[old].last_ms <= until; old++)
            ;
    }
    gw_segments_give_up(log, old);
}

/* The clock was put back: a later run is to know from the file's time how new its records are. */
static void keep_newest(const struct gw_log *log, const struct gw_segment *s)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
                                      {.tv_sec = s->newest_ns / second_ns}};

    if (log->active_fd >= 0 && s->newest_ns > gw_clock_wall_ns())
        (void)futimens(log->active_fd, times);
}

void gw_segments_seal(struct gw_log *log)
{
    if (!log->active)
        return;
    log->active = 0;
    keep_newest(log, &log->segments[log->n_segments - 1]);
    if (log->active_fd >= 0)
        close(log->active_fd);
    log->active_fd = -1;
}

/* ---- the directory ---- */

static int by_first(const void *a, const void *b)
{
    const struct gw_segment *x = a, *y = b;

    return x->first < y->first ? -1 : x->first > y->first;
}

/* A file's age counts as long as its time is not in the future: then the clock has been put back
 * since, and it is as if it were written now. */
static int64_t when_written(const struct stat *st)
{
    int64_t age_ms = gw_clock_wall_ns() / 1000000 - st->st_mtim.tv_sec * 1000;

    return gw_mono_ms() - (age_ms > 0 ? age_ms : 0);
}

/* "00000000000000000042" or "7.free"; anything else is somebody else's. */
static void look_at(struct gw_log *log, const char *name)
{
    char *end;
    uint64_t n = strtoull(name, &end, 10);
    struct stat st;

    if (name[0] < '0' || name[0] > '9' || fstatat(log->segments_fd, name, &st, 0) ||
        !S_ISREG(st.st_mode))
        return;
    if (!strcmp(end, ".free")) {
        if (n >= log->next_spare)
            log->next_spare = n + 1;
        if (log->n_spares < GW_MAX_SPARES && (uint64_t)st.st_size >= log->segment_bytes) {
            log->spares[log->n_spares++] = (struct gw_spare){n, (uint64_t)st.st_size};
            log->total += (uint64_t)st.st_size;
        } else {
            (void)unlinkat(log->segments_fd, name, 0);
        }
    } else if (!*end && strlen(name) == 20 && n > 0) {
        gw_segments_add(log, &(struct gw_segment){.first = n,
                                                  .size = (uint64_t)st.st_size,
                                                  .end = (uint64_t)st.st_size,
                                                  .newest_ns = st.st_mtim.tv_sec * 1000000000,
                                                  .last_ms = when_written(&st)});
    }
}

int gw_segments_scan(struct gw_log *log, struct gw_err *err)
{
    struct dirent **entries;
    int n = scandirat(log->segments_fd, ".", &entries, NULL, NULL);

    if (n < 0)
        return gw_err_errno(err, GW_ERR_FATAL, "read %s/segments", log->path);
    for (int i = 0; i < n; i++) {
        look_at(log, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    if (log->n_segments)
        qsort(log->segments, log->n_segments, sizeof(*log->segments), by_first);
    return 0;
}

void gw_segments_close(struct gw_log *log)
{
    if (log->active_fd >= 0)
        close(log->active_fd);
    for (size_t i = 0; i < log->n_segments; i++)
        free(log->segments[i].mem);
    free(log->segments);
}
