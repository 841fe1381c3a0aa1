#ifndef GW_ADMIN_LINES_H
#define GW_ADMIN_LINES_H

#include "log/log.h"
#include "net/mailbox.h"
#include "pipeline/replay.h"

struct gw_buf;
struct gw_err;
struct gw_loop;
struct gw_pipeline;

/* What the routes of the admin API stream and the commands print, pulled a line at a time: JSON
 * objects, one a line. The same code serves a running gateway (a route pulls as its client reads)
 * and a stopped one (the command opens the directory and pulls). One thread, that of loop. */
struct gw_lines {
    /* 1: a line was added, with its line feed; 0: the end; 2: not yet, wake runs on loop when there
     * is more; -1: it cannot go on, err says why. */
    int (*next)(struct gw_lines *l, struct gw_buf *out, struct gw_err *err);
    /* At any time; frees it; wake does not run after it. What is under way (a replay, the commits
     * of a drop) ends by itself on later turns of loop: see gw_lines_busy. */
    void (*close)(struct gw_lines *l);
    int endless; /* there is no last line to wait for: it may be ended anywhere */
    /* The caller's, NULL is fine: called once when nothing of it is under way any more, in close or
     * later: what it borrows (a pipeline's configuration) may go. */
    void (*freed)(void *ctx);
    void *freed_ctx;
};
/* Lines of this process that still need the log, though they may be closed: turn their loop until
 * it is 0, before the log and the pipelines' configurations go. */
int gw_lines_busy(void);

/* {id, pipeline, reason, event_id, attempts, first_at, last_at, error}; whole: and `record`, with
 * what came in as JSON; a letter of ingest has none, but `message`. */
struct gw_lines *gw_lines_letters(struct gw_log *log, const struct gw_letter_query *q, int whole,
                                  struct gw_err *err);
/* {"dropped":n} at the end. Closing it early stops it. */
struct gw_lines *gw_lines_drop(struct gw_log *log, const struct gw_letter_query *q,
                               struct gw_loop *loop, struct gw_mail *wake, struct gw_err *err);
/* {seq, received_at, kind, key, id}, of a CloudEvent that carries a request also `carries`, the
 * kind of that; raw: and `record`, its bytes in base64. What cannot be read has `error`, and null
 * for what is not known. From from_ns on and before to_ns (0: now). */
struct gw_lines *gw_lines_records(struct gw_log *log, int64_t from_ns, int64_t to_ns, int raw,
                                  struct gw_err *err);
/* {total, done, published, filtered, failed, seen, span, error, ended, broken} at once, each 200
 * ms, and at the end (ended true; broken: before its time, error says why). Closing it early stops
 * the replay. */
struct gw_lines *gw_lines_replay(const struct gw_replay_conf *conf, struct gw_log *log,
                                 struct gw_metrics *metrics, struct gw_loop *loop,
                                 struct gw_mail *wake, struct gw_err *err);
/* The same lines of letters of ingest that are read again; published: appended as records.
 * conf->query: of GW_INGEST. conf->ingest lives until it is freed. */
struct gw_ingest_conf;
struct gw_reread_conf {
    const struct gw_ingest_conf *ingest;
    struct gw_letter_query query;
    int dry; /* counts them */
};
struct gw_lines *gw_lines_reread(const struct gw_reread_conf *conf, struct gw_log *log,
                                 struct gw_metrics *metrics, struct gw_loop *loop,
                                 struct gw_mail *wake, struct gw_err *err);
/* Ends when the pipeline stops. */
struct gw_lines *gw_lines_tap(struct gw_pipeline *p, struct gw_loop *loop, struct gw_mail *wake);
/* {records, bytes, unsettled, oldest, pipelines: [{name, lag, orphan}]}: at once. oldest: when the
 * oldest record that is kept came; null: none is. */
void gw_lines_stats(struct gw_log *log, struct gw_buf *out);

#endif
