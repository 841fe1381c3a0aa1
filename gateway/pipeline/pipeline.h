#ifndef GW_PIPELINE_PIPELINE_H
#define GW_PIPELINE_PIPELINE_H

#include "base/field.h"
#include "flyte/flyte.h"
#include "hook/hook.h"
#include "publish/publisher.h"

#include <stddef.h>
#include <stdint.h>

struct gw_err;
struct gw_log;
struct gw_loop;
struct gw_metrics;
struct gw_pipeline;
struct gw_record;
struct gw_sources;

/* A pipeline: its cursor and its workers (a thread and a loop each). Pipelines share only the log.
 *
 * A worker: reads a record, makes the event, runs the hooks, formats the messages, sends them in
 * batches, settles the record. window.h has the numbered invariants of what is in flight. */
enum gw_on_hook_error { GW_DEAD_LETTER, GW_PUBLISH_UNCHANGED, GW_DROP, GW_BLOCK };

struct gw_pipeline_conf {
    const char *name;
    int enabled;
    const char *renamed_from;
    int start; /* enum gw_start */
    struct gw_strs event_types;
    const struct gw_yaml *match, *rename, *set, *remove, *params;
    struct gw_strs hooks;
    struct gw_hook_limits hook_limits;
    int on_hook_error;
    struct gw_format format;
    int unordered; /* order_by: none */
    int64_t workers, max_in_flight, max_in_flight_bytes;
    struct {
        int64_t initial_ms, max_ms, give_up_after_ms;
    } retry;
    struct {
        int64_t max_bytes, keep_ms;
    } dead_letters;
    int64_t rate;              /* events a second, of all workers; 0: no limit */
    struct gw_union publisher; /* type and its conf */
    /* set by the configuration after reading */
    unsigned event_type_mask; /* 1 << enum gw_kind */
    const char *source;       /* the configuration's */
    const char *lua_path;
    const struct gw_flyte_client_conf *flyteadmin; /* the configuration's; NULL: none */
    struct gw_hook_shared *shared;      /* by the roster, as long as it runs; NULL: one is made */
    const struct gw_yaml *yaml;         /* where it stands, for problems */
    const struct gw_strs *script_roots; /* each of its scripts is below one of these, wherever links
                                           lead; NULL: no guard holds it */
    const char *down;                   /* why it cannot run: its file is broken; NULL: it can */
    int guessed;           /* down, and its name is what seems to stand in a file that is no YAML */
    const char *contested; /* why it may not take over from renamed_from; NULL: it may */
};
extern const struct gw_field gw_pipeline_fields[];
/* It is of the pipeline's event types. A CloudEvent that carries a request is of the type of that
 * request, which its payload tells: -1, rec has none (it was only peeked at). */
int gw_pipeline_takes(const struct gw_pipeline_conf *conf, const struct gw_record *rec);
/* What the table cannot say: event types, match keys, attribute names, publisher and mode, the
 * name. */
void gw_pipeline_check(struct gw_pipeline_conf *conf, struct gw_problems *p);

/* What the configuration means to the style and to the hooks; these without metrics. Both borrow
 * from c, the hooks' from style too. */
struct gw_style_conf gw_style_conf_of(const struct gw_pipeline_conf *c);
struct gw_hooks_conf gw_hooks_conf_of(const struct gw_pipeline_conf *c,
                                      const struct gw_style_conf *style);

int gw_wants_hooks(const struct gw_pipeline_conf *c); /* it has rules, scripts or a style's */

/* Finds or makes the cursor and starts the workers. A script that does not load leaves the pipeline
 * down (up 0, last_error), not failed: NULL only for what the whole gateway cannot go on with. conf
 * is borrowed for life. */
struct gw_pipeline *gw_pipeline_start(const struct gw_pipeline_conf *conf, struct gw_log *log,
                                      struct gw_metrics *metrics, struct gw_err *err);
/* What more may be said of a start. */
struct gw_pipeline_start {
    int paused;                 /* nothing is read before gw_pipeline_pause says so */
    struct gw_sources *sources; /* held: its scripts are loaded from there and from nowhere else,
                                   until gw_pipeline_reload. NULL: from the disk; scripts that do
                                   not load are read again when they have changed */
};
struct gw_pipeline *gw_pipeline_start_as(const struct gw_pipeline_conf *conf, struct gw_log *log,
                                         struct gw_metrics *metrics,
                                         const struct gw_pipeline_start *how, struct gw_err *err);
/* Asks the workers to stop: no new record; hooks end; what is in flight gets until deadline_ms (of
 * gw_mono_ms). Any thread. */
void gw_pipeline_stop(struct gw_pipeline *p, int64_t deadline_ms);
/* Waits for the workers of a stopped pipeline and frees it; state is settled in the log. Its cursor
 * stays asked for: gw_cursor_release when the pipeline is gone for good. */
void gw_pipeline_join(struct gw_pipeline *p);

/* Paused: nothing is read on, what is in flight ends; `up` is 0, last_error says so. Resuming also
 * runs a record at once that `block` or full dead letters stand at. Any thread. */
void gw_pipeline_pause(struct gw_pipeline *p, int paused);
/* The scripts of another snapshot for every worker or, if they do not load, for none: -1, err says
 * file:line, and what runs goes on. Each worker takes them between two records; a record that
 * waits ends in the version it began with. What stands is tried at once. Any thread. */
int gw_pipeline_reload(struct gw_pipeline *p, struct gw_sources *sources, struct gw_err *err);
/* A newer version of the scripts is not taken: last_error says why (NULL: all is well again), as
 * long as nothing worse does. Any thread. */
void gw_pipeline_refuse(struct gw_pipeline *p, const char *why);
/* The two configurations mean the same: a reload leaves the pipeline alone. */
int gw_pipeline_same(const struct gw_pipeline_conf *a, const struct gw_pipeline_conf *b);

/* Room for what a destination says and what to do about it. */
enum { GW_TOLD = 600 };

struct gw_pipeline_status {
    const char *name;
    int up, paused;
    int loaded;               /* its scripts run, in every worker */
    char last_error[GW_TOLD]; /* "" if none */
    struct gw_cursor *cursor; /* gw_cursor_stats has the counts */
};
void gw_pipeline_status(struct gw_pipeline *p, struct gw_pipeline_status *out); /* any thread */

#endif
