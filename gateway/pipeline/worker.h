#ifndef GW_PIPELINE_WORKER_H
#define GW_PIPELINE_WORKER_H

#include "base/diag.h"
#include "flyte/flyte.h"
#include "hook/hook.h"
#include "net/loop.h"
#include "pipeline/delay.h"
#include "pipeline/outbox.h"
#include "pipeline/pipeline.h"
#include "pipeline/rate.h"
#include "pipeline/settler.h"
#include "pipeline/window.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Inside the room: a pipeline and its workers. What workers share is under the pipeline's lock or
 * atomic; the rest of a worker is its thread's alone. */
enum { GW_FILTER_LABELS = 100 };

struct gw_filter_label {
    char text[65];
    struct gw_counter *counter;
};

struct gw_item_list { /* by due_prev and due_next */
    struct gw_item *first, *last;
};

struct gw_worker;

/* Where records come from and what becomes of them when that is not the log's reader and the
 * cursor: a replay. On the worker's thread. */
struct gw_ends {
    /* As the reader's; 0: no more. */
    int (*peek)(struct gw_worker *w, struct gw_record *out);
    void (*take)(struct gw_worker *w, struct gw_item *it); /* what was seen, onto its memory */
    void (*skip)(struct gw_worker *w);
    /* Its record has ended and it is out of the window; takes the item. */
    void (*ended)(struct gw_worker *w, struct gw_item *it);
    void (*over)(struct gw_worker *w); /* the worker has stopped */
};

struct gw_pipeline {
    const struct gw_pipeline_conf *conf;
    struct gw_log *log;
    struct gw_metrics *metrics;
    struct gw_cursor *cursor;
    const struct gw_ends *ends; /* NULL: the cursor */
    void *replay;               /* of the ends */
    uint64_t replay_number;     /* of the ends: no other replay's; 0: it is none */
    const char *component;      /* in lines for people */
    struct gw_style_conf style;
    struct gw_hook_shared *shared; /* held */
    struct gw_counter *up;
    struct gw_worker *workers;
    size_t n_workers;
    struct gw_taps *taps;
    _Atomic int watchers;        /* of the taps */
    _Atomic int blocked;         /* workers that stand at a record: nobody reads on */
    _Atomic int paused;          /* nor while this is set */
    _Atomic uint64_t first_seen; /* reach.c: position of the first record any worker saw */
    struct gw_rate rate;

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t opened;
    size_t n_opened, n_down; /* workers that have tried to open, and those that are down */
    size_t n_loaded;         /* workers that have hooks */
    char last_error[GW_TOLD];
    char refused[240];          /* why a newer version of the scripts is not taken */
    struct gw_sources *sources; /* held: what scripts are loaded from */
    int is_given;               /* by who started it, who says when there are others */
    struct gw_filter_label labels[GW_FILTER_LABELS + 1];
    size_t n_labels;
};

static inline int gw_is_watched(const struct gw_pipeline *p)
{
    return atomic_load_explicit(&p->watchers, memory_order_relaxed) != 0;
}

/* A running call of the hooks. */
struct gw_call {
    struct gw_hook_call c; /* first */
    struct gw_worker *worker;
    struct gw_item *item;
    struct gw_call *prev, *next; /* of those that wait; next of the spare ones, too */
    int inside, done;            /* inside gw_hooks_start; done was called there */
};

struct gw_worker {
    struct gw_pipeline *pipeline;
    const struct gw_pipeline_conf *conf;
    size_t index;
    pthread_t thread;
    struct gw_loop *loop;
    struct gw_mail stop_mail, nudge_mail, more_mail;
    _Atomic int stop_asked, nudged, resumed;
    struct {
        _Atomic uint64_t low; /* positions before it have ended; 0: it has not read yet */
        _Atomic int waits;    /* until the lowest of all has moved */
        uint64_t next, told;  /* the worker's: the next position, and what low is */
        int beyond;           /* the worker's: it waits */
    } reach;
    int64_t deadline_ms;

    struct gw_hooks_conf hooks_conf;
    struct gw_hooks *hooks;           /* NULL: neither rules nor scripts, or not open */
    struct gw_hook_vm *_Atomic newer; /* scripts to go on with; NULL: none */
    struct gw_reader *reader;
    struct gw_window window;
    struct gw_outbox outbox;
    struct gw_settler settler;

    struct gw_task turn;
    struct gw_timer again; /* opening, reading, items that are due later */
    struct gw_timer last;  /* the deadline of a stop */
    struct gw_timer offer; /* of refused letters */
    int is_open, drained, unreadable, stopping;
    int is_down;             /* the pipeline's n_down has it */
    unsigned tries;          /* to open, in a row */
    unsigned stops;          /* of hooks, in a row */
    struct gw_item *block;   /* the pipeline stands at this record */
    struct gw_item *refused; /* and while there are these: by next */
    size_t n_stuck;          /* refused ones, those that are offered again included */
    unsigned offers;         /* in a row */
    uint32_t random;
    struct gw_item_list startable; /* hooks may start */
    struct gw_item_list due;       /* hooks start at due_ms, in that order */
    struct gw_call *calls;         /* hooks that wait */
    size_t partial;                /* records that are delivered in part */
    struct gw_call *spare_calls;
    int64_t wall_ns;            /* read once a turn */
    char said[GW_TOLD];         /* the last trouble that was logged */
    struct gw_diag_limit quiet; /* of dead letters and failed hooks */
    struct {
        struct gw_counter *published, *messages, *event_types, *match, *hook, *hook_error;
        struct gw_histogram *end_to_end;
    } count;
};

/* pipeline.c: without a cursor; started by hand */
struct gw_pipeline *gw_pipeline_new(const struct gw_pipeline_conf *conf, struct gw_log *log,
                                    struct gw_metrics *metrics);
int gw_pipeline_run(struct gw_pipeline *p, struct gw_err *err); /* -1: it is freed */
/* What to load scripts from now; held for the caller. */
struct gw_sources *gw_pipeline_sources(struct gw_pipeline *p);

/* worker.c: the thread, reading, stopping */
void gw_worker_init(struct gw_worker *w, struct gw_pipeline *p, size_t index);
void gw_worker_fini(struct gw_worker *w);                      /* of one that was not run */
int gw_worker_run(struct gw_worker *w, struct gw_err *err);    /* starts its thread */
void gw_worker_stop(struct gw_worker *w, int64_t deadline_ms); /* any thread */
void gw_worker_nudge(struct gw_worker *w);                     /* any thread */
void gw_worker_resume(struct gw_worker *w); /* any thread: what it stands at is tried at once */
void gw_worker_retry(struct gw_worker *w);  /* what stands is tried at once */
void gw_worker_poke(struct gw_worker *w);   /* there is something to do at the end of this turn */
int64_t gw_worker_wall_ns(struct gw_worker *w);
/* What has gone wrong, NULL if nothing has: the worker's state is looked at anew. */
void gw_worker_state(struct gw_worker *w, const char *why);
/* last_error alone; NULL: what was noted is over. */
void gw_worker_note(struct gw_worker *w, const char *why);
int64_t gw_worker_delay_ms(struct gw_worker *w, unsigned tries);
/* The pipeline stands here: no worker reads on until this one goes on. */
void gw_worker_stand(struct gw_worker *w);
void gw_worker_go_on(struct gw_worker *w);

/* opening.c: hooks, publisher, reader */
void gw_worker_configure_hooks(struct gw_worker *w);
int gw_worker_open(struct gw_worker *w, struct gw_err *err);
void gw_worker_take_scripts(struct gw_worker *w); /* the newer ones, if there are any */
void gw_worker_close(struct gw_worker *w);        /* the outbox is closed already */

/* making.c: a record becomes messages */
/* The event before any hook, into ev (initialised). NULL: it is made; else the dead letter's
 * reason, and err. request is set for a record of Flyte's. */
const char *gw_event_make(const struct gw_style_conf *style, const struct gw_strs *extensions,
                          const struct gw_record *rec, struct gw_flyte_request *request,
                          struct gw_event *ev, struct gw_err *err);
/* What the hooks made of an event may be sent: it is a CloudEvent, or what FlyteAdmin sends there
 * all the same. */
int gw_event_may_go(const struct gw_publisher_ops *to, int style, const struct gw_event *ev,
                    struct gw_err *err);
/* What event_types of hooks go by: the record's kind, or that of the request it carries. */
enum gw_kind gw_event_kind(const struct gw_record *rec, const struct gw_event *ev);
/* The facts of a Flyte event, also of one that came in as a CloudEvent that carries a request (then
 * request gets it). 0: it is not Flyte's. */
int gw_event_facts(const struct gw_record *rec, const struct gw_event *ev,
                   struct gw_flyte_request *request, struct gw_flyte *flyte);
void gw_item_start(struct gw_worker *w, struct gw_item *it);
void gw_items_run(struct gw_worker *w);              /* what is startable or due */
int64_t gw_items_next_ms(const struct gw_worker *w); /* until the next is due; -1: none */
void gw_items_resume(struct gw_worker *w);           /* what the pipeline stands at is due */
/* Closes the hooks; those that wait never return, their records stay in the log. */
void gw_calls_let_go(struct gw_worker *w);

/* refused.c: dead letters without room */
void gw_refused_add(struct gw_worker *w, struct gw_item *it);
void gw_refused_kept(struct gw_worker *w, const struct gw_item *it); /* it or another is kept */
void gw_refused_offer(struct gw_worker *w);
void gw_refused_free(struct gw_worker *w);

/* reach.c: how far a worker reads */
void gw_reach_see(struct gw_worker *w, uint64_t at); /* it comes next */
/* 1: it is too far for now; the worker is nudged when that has changed. */
int gw_reach_waits(struct gw_worker *w, uint64_t at);
void gw_reach_tell(struct gw_worker *w); /* once a turn: what has ended */

/* ending.c: a record has ended */
/* why: the reason by its own name, count: as it is counted. */
void gw_item_filtered(struct gw_worker *w, struct gw_item *it, const char *why,
                      struct gw_counter *count);
/* Notes why; the item ends when its messages have. */
void gw_item_kill(struct gw_worker *w, struct gw_item *it, const char *reason,
                  struct gw_str event_id, const char *why);
void gw_item_end(struct gw_worker *w, struct gw_item *it);
void gw_out_ended(void *worker, struct gw_out *o, enum gw_out_end end, const char *why);
/* Of a label of events_filtered_total: at most GW_FILTER_LABELS of scripts, then `other`. */
struct gw_counter *gw_filter_counter(struct gw_pipeline *p, const char *label);

#endif
