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
    /* 1: a line was added, with its line feed; 0: the end; 2: not yet, wake is posted to loop when
     * there is more; -1: it cannot go on, err says why. */
    int (*next)(struct gw_lines *l, struct gw_buf *out, struct gw_err *err);
    void (*close)(struct gw_lines *l); /* at any time; frees it */
};

/* {id, pipeline, reason, event_id, attempts, first_at, last_at, error}; whole: and `record`, with
 * what came in as JSON. */
struct gw_lines *gw_lines_letters(struct gw_log *log, const struct gw_letter_query *q, int whole,
                                  struct gw_err *err);
/* {"dropped":n} at the end. */
struct gw_lines *gw_lines_drop(struct gw_log *log, const struct gw_letter_query *q,
                               struct gw_loop *loop, struct gw_mail *wake, struct gw_err *err);
/* {seq, received_at, kind, key, id}; raw: and `record`, its bytes in base64. pipeline NULL: all. */
struct gw_lines *gw_lines_records(struct gw_log *log, int64_t from_ns, int64_t to_ns, int raw,
                                  struct gw_err *err);
/* {total, done, published, filtered, failed, error, ended} each 200 ms, and at the end. Closing it
 * early stops the replay. */
struct gw_lines *gw_lines_replay(const struct gw_replay_conf *conf, struct gw_log *log,
                                 struct gw_metrics *metrics, struct gw_loop *loop,
                                 struct gw_mail *wake, struct gw_err *err);
struct gw_lines *gw_lines_tap(struct gw_pipeline *p, struct gw_loop *loop, struct gw_mail *wake);
/* {records, bytes, unsettled, oldest, newest, pipelines: [{name, lag, oldest, orphan}]}: at once.
 */
void gw_lines_stats(struct gw_log *log, struct gw_buf *out);

#endif
