/* The front of the log: opening and closing, reservations, appends handed over, statistics. */
#include "log/inside.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/metrics.h"
#include "net/loop.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MIB = 1024 * 1024,
    FULL_SIZE = 4 * MIB, /* what a request may be by default */
    SMALLEST_SEGMENT = 64 * 1024,
    MEMORY_SEGMENT = MIB
};
static const int64_t ingest_letters_bytes = 1024L * MIB, ingest_letters_ms = 720L * 3600 * 1000;

int (*gw_log_sync)(int fd) = fdatasync;

/* ---- opening ---- */

static void on_scrape(void *ctx);

static void set_sizes(struct gw_log *log)
{
    uint64_t size = (uint64_t)log->conf.segment_bytes, share = (uint64_t)log->conf.max_bytes / 4;

    if (log->conf.type == GW_LOG_MEMORY && size > MEMORY_SEGMENT)
        size = MEMORY_SEGMENT;
    if (size > share)
        size = share;
    log->segment_bytes = size < SMALLEST_SEGMENT ? SMALLEST_SEGMENT : size;
}

static struct gw_log *new_log(const struct gw_log_conf *conf, struct gw_metrics *metrics)
{
    struct gw_log *log = calloc(1, sizeof(*log));
    pthread_condattr_t attr;

    if (!log || !(log->path = strdup(conf->path ? conf->path : "")))
        abort();
    log->conf = *conf;
    log->conf.path = log->path;
    log->dir_fd = log->segments_fd = log->lock_fd = log->active_fd = -1;
    log->metrics = metrics;
    log->next_spare = 1;
    log->ingest = gw_cursor_new(log, GW_INGEST, 0);
    gw_log_ingest_letters(log, ingest_letters_bytes, ingest_letters_ms);
    pthread_mutex_init(&log->lock, NULL);
    pthread_mutex_init(&log->telling, NULL);
    pthread_mutex_init(&log->asks, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&log->close_asked, &attr);
    pthread_condattr_destroy(&attr);
    gw_mailbox_init(&log->to_writer);
    gw_mailbox_init(&log->to_state);
    set_sizes(log);
    return log;
}

static int start_threads(struct gw_log *log, struct gw_err *err)
{
    log->writer_runs = !pthread_create(&log->writer, NULL, gw_writer_main, log);
    log->state_runs = !pthread_create(&log->state_writer, NULL, gw_state_writer_main, log);
    return log->writer_runs && log->state_runs
               ? 0
               : gw_err_set(err, GW_ERR_FATAL, "cannot start the log's threads");
}

/* A cursor may be ahead of what damage has left of the records. Their numbers are not given again:
 * it would pass over the new ones. */
static void reconcile(struct gw_log *log)
{
    uint64_t settled = log->head;

    for (size_t i = 0; i < log->n_cursors; i++) {
        uint64_t last = gw_settled_last(&log->cursors[i]->done);

        if (last > settled)
            settled = last;
    }
    if (settled == log->head)
        return;
    GW_DIAG(GW_ERROR, "log", gw_msg("records are missing that pipelines have settled"),
            gw_kv_int("from", (int64_t)log->head + 1), gw_kv_int("to", (int64_t)settled));
    gw_recover_past(log, settled);
}

static struct gw_state *open_state(struct gw_log *log, struct gw_err *err)
{
    struct gw_state *state;
    char *path;

    if (asprintf(&path, "%s/state.db", log->path) < 0)
        abort();
    state = gw_state_open(path, err);
    if (!state && err->kind == GW_ERR_FULL) {
        gw_segments_give_room(log);
        state = gw_state_open(path, err);
    }
    free(path);
    return state;
}

static int open_embedded(struct gw_log *log, struct gw_err *err)
{
    if (gw_lock_open(log, err) || gw_segments_scan(log, err) || gw_recover(log, err))
        return -1;
    if (gw_state_check(log, err) || !(log->state = open_state(log, err)))
        return -1;
    if (gw_state_load(log->state, log, err))
        return gw_state_damaged(log, err);
    /* What a process before us has made may have been killed before it synced the names. */
    if (gw_sync_dir(log->dir_fd, log->path, err) ||
        gw_sync_dir(log->segments_fd, "the segments", err))
        return -1;
    reconcile(log);
    gw_segments_trim(log);
    return start_threads(log, err);
}

static void say_open(const struct gw_log *log)
{
    if (log->conf.type == GW_LOG_MEMORY)
        GW_DIAG(GW_WARN, "log",
                gw_msg("log.type is memory: nothing survives the end of the "
                       "process"));
    else if (log->conf.durability)
        GW_DIAG(GW_WARN, "log",
                gw_msg("log.durability is os: a power cut may lose acknowledged events"));
}

struct gw_log *gw_log_open(const struct gw_log_conf *conf, struct gw_metrics *metrics,
                           void (*failed)(void *ctx, const struct gw_err *why), void *ctx,
                           struct gw_err *err)
{
    struct gw_log *log = new_log(conf, metrics);

    log->on_failed = failed;
    log->failed_ctx = ctx;
    if (conf->type == GW_LOG_EMBEDDED && open_embedded(log, err)) {
        gw_log_close(log);
        return NULL;
    }
    if (metrics) {
        log->commit_seconds = gw_metrics_histogram(metrics, GW_M_LOG_COMMIT_SECONDS, NULL, NULL);
        gw_metrics_on_scrape(metrics, on_scrape, log);
    }
    if (!conf->tool)
        say_open(log);
    return log;
}

void gw_log_hurry(struct gw_log *log)
{
    pthread_mutex_lock(&log->lock);
    log->hurried = 1;
    pthread_cond_broadcast(&log->close_asked);
    pthread_mutex_unlock(&log->lock);
}

void gw_log_close(struct gw_log *log)
{
    pthread_mutex_lock(&log->lock);
    log->closing = log->hurried = 1;
    pthread_cond_broadcast(&log->close_asked);
    pthread_mutex_unlock(&log->lock);
    gw_mailbox_close(&log->to_writer);
    gw_mailbox_close(&log->to_state);
    if (log->writer_runs)
        pthread_join(log->writer, NULL);
    if (log->state_runs)
        pthread_join(log->state_writer, NULL);
    gw_state_close(log->state);
    gw_segments_close(log);
    gw_lock_close(log);
    for (size_t i = 0; i < log->n_cursors; i++)
        gw_cursor_free(log->cursors[i]);
    gw_cursor_free(log->ingest);
    free(log->cursors);
    while (log->forgotten) {
        struct gw_cursor *c = log->forgotten;

        log->forgotten = c->next_forgotten;
        gw_cursor_free(c);
    }
    gw_mailbox_fini(&log->to_writer);
    gw_mailbox_fini(&log->to_state);
    pthread_cond_destroy(&log->close_asked);
    pthread_mutex_destroy(&log->telling);
    pthread_mutex_destroy(&log->asks);
    pthread_mutex_destroy(&log->lock);
    free(log->path);
    free(log);
}

void gw_log_break(struct gw_log *log, const struct gw_err *why)
{
    int first;

    pthread_mutex_lock(&log->lock);
    first = !log->broken;
    log->broken = 1;
    if (first)
        log->why = *why;
    pthread_mutex_unlock(&log->lock);
    if (first && log->on_failed)
        log->on_failed(log->failed_ctx, why);
}

/* ---- room ---- */

static int refuse(struct gw_log *log, size_t bytes, struct gw_err *err)
{
    if (!log->refused || bytes < log->refused)
        log->refused = bytes;
    return gw_err_set(err, GW_ERR_FULL,
                      log->disk_full ? "the log is full: the disk has no room"
                                     : "the log is full: max_bytes %lld",
                      (long long)log->conf.max_bytes);
}

int gw_log_reserve(struct gw_log *log, size_t bytes, struct gw_err *err)
{
    int rc = 0;

    pthread_mutex_lock(&log->lock);
    if (log->broken) {
        rc = gw_err_set(err, GW_ERR_RETRY, "the log keeps nothing more: %s", log->why.msg);
    } else if (gw_segments_make_room(log, bytes)) {
        rc = refuse(log, bytes, err);
    } else {
        log->reserved += bytes;
        if (bytes >= log->refused)
            log->refused = 0;
    }
    pthread_mutex_unlock(&log->lock);
    return rc;
}

void gw_log_release(struct gw_log *log, size_t bytes)
{
    pthread_mutex_lock(&log->lock);
    assert(bytes <= log->reserved);
    log->reserved -= bytes;
    pthread_mutex_unlock(&log->lock);
}

int gw_log_full(struct gw_log *log)
{
    uint64_t full_size = (uint64_t)log->conf.max_bytes / 16;
    int full;

    if (full_size > FULL_SIZE)
        full_size = FULL_SIZE;
    pthread_mutex_lock(&log->lock);
    full = log->broken || !gw_segments_have_room(log, full_size);
    if (!full && log->refused) {
        full = !gw_segments_have_room(log, log->refused);
        if (!full)
            log->refused = 0;
    }
    pthread_mutex_unlock(&log->lock);
    return full;
}

/* ---- appends ---- */

void gw_append_end(struct gw_append *a, const struct gw_err *failed)
{
    a->failed = failed != NULL;
    if (failed)
        a->err = *failed;
    gw_loop_post_mail(a->reply, &a->mail);
}

void gw_log_append(struct gw_log *log, struct gw_append *a)
{
    assert(a->n > 0);
    if (log->conf.type == GW_LOG_MEMORY)
        gw_memory_append(log, a);
    else
        gw_mailbox_post(&log->to_writer, &a->mail);
}

/* ---- statistics ---- */

static void snapshot(const struct gw_cursor *c, struct gw_cursor_stats *out, uint64_t *oldest)
{
    uint64_t head = c->log->head;

    *out = (struct gw_cursor_stats){.accepted = head - c->created,
                                    .published = c->count[GW_PUBLISHED],
                                    .filtered = c->count[GW_FILTERED],
                                    .dead_lettered = c->count[GW_DEAD],
                                    .lag = head - c->done.position - c->done.above,
                                    .orphan = !c->asked};
    memcpy(out->name, c->name, sizeof(out->name));
    *oldest = out->lag ? c->done.position + 1 : 0;
}

void gw_cursor_stats(struct gw_cursor *c, struct gw_cursor_stats *out)
{
    uint64_t oldest;

    pthread_mutex_lock(&c->log->lock);
    snapshot(c, out, &oldest);
    pthread_mutex_unlock(&c->log->lock);
    out->oldest_ns = oldest ? gw_oldest_ns(c, oldest) : 0;
}

static uint64_t bytes_in_use(const struct gw_log *log)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < log->n_segments; i++)
        bytes += log->segments[i].end - GW_SEGMENT_DATA;
    return bytes;
}

void gw_log_stats(struct gw_log *log, struct gw_log_stats *out, struct gw_cursor_stats *cursors,
                  size_t max)
{
    uint64_t unused;

    pthread_mutex_lock(&log->lock);
    *out = (struct gw_log_stats){.records = log->head + 1 - gw_first_kept(log),
                                 .bytes = bytes_in_use(log),
                                 .unsettled = gw_unsettled(log),
                                 .cursors = log->n_cursors};
    for (size_t i = 0; i < log->n_cursors; i++) {
        out->orphans += !log->cursors[i]->asked;
        if (i < max)
            snapshot(log->cursors[i], &cursors[i], &unused);
    }
    pthread_mutex_unlock(&log->lock);
}

void gw_lag_set(struct gw_log *log, const char *name, uint64_t events, int64_t age_ns)
{
    if (!log->metrics)
        return;
    gw_gauge_set(gw_metrics_counter(log->metrics, GW_M_PIPELINE_LAG_EVENTS, name, NULL),
                 (int64_t)events);
    gw_gauge_set(gw_metrics_counter(log->metrics, GW_M_PIPELINE_LAG_SECONDS, name, NULL),
                 age_ns > 0 ? age_ns : 0);
}

static void scrape_cursor(struct gw_log *log, struct gw_cursor *c)
{
    struct gw_cursor_stats stats;
    int gone;

    gw_cursor_stats(c, &stats);
    gw_lag_set(log, stats.name, stats.lag,
               stats.oldest_ns ? gw_clock_wall_ns() - stats.oldest_ns : 0);
    pthread_mutex_lock(&log->lock);
    gone = c->gone; /* since it was looked at */
    pthread_mutex_unlock(&log->lock);
    if (gone)
        gw_lag_set(log, stats.name, 0, 0);
}

static void on_scrape(void *ctx)
{
    struct gw_log *log = ctx;
    struct gw_log_stats stats;

    gw_log_stats(log, &stats, NULL, 0);
    gw_gauge_set(gw_metrics_counter(log->metrics, GW_M_LOG_BYTES, NULL, NULL),
                 (int64_t)stats.bytes);
    gw_gauge_set(gw_metrics_counter(log->metrics, GW_M_LOG_EVENTS, NULL, NULL),
                 (int64_t)stats.unsettled);
    gw_gauge_set(gw_metrics_counter(log->metrics, GW_M_LOG_ORPHAN_CURSORS, NULL, NULL),
                 (int64_t)stats.orphans);
    for (size_t i = 0; i < stats.cursors; i++) {
        struct gw_cursor *c;

        pthread_mutex_lock(&log->lock);
        c = i < log->n_cursors ? log->cursors[i] : NULL;
        pthread_mutex_unlock(&log->lock);
        if (c)
            scrape_cursor(log, c);
    }
}
