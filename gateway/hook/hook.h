#ifndef GW_HOOK_HOOK_H
#define GW_HOOK_HOOK_H

#include "base/diag.h"
#include "base/field.h"
#include "base/str.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct gw_arena;
struct gw_err;
struct gw_event;
struct gw_flyte;
struct gw_flyte_client_conf;
struct gw_flyte_request;
struct gw_hook_shared;
struct gw_hook_vm; /* a Lua state with the scripts in it; a stop or a reload makes a new one */
struct gw_hooks;   /* the scripts of one worker of one pipeline, in order; one thread */
struct gw_loop;
struct gw_metrics;
struct gw_routing;
struct gw_sources;
struct gw_style_conf;
struct gw_yaml;

/* Runs a pipeline's rules and scripts on one event. One thread, one Lua state a worker.
 *
 * A call starts, may wait, is done: gw_hooks_start calls c->done exactly once, inside it or later,
 * from the loop. Other calls may start while one waits.
 *
 * Invariants
 *  H1 done is called exactly once for each start, and is the last use of the call. Only a call that
 *     waits when gw_hooks_close comes is let go without: what it waits for is given up, none of its
 *     script runs any more.
 *  H2 Nothing a script does outlives its budget of instructions, memory and time; a stop is sticky.
 *     Time runs while a hook waits. One whose time ends meanwhile is a hook_timeout and no stop.
 *  H3 After a stop or a reload no new call enters that Lua state; hooks that wait in it end there,
 *     then it is closed. After a stop the next start loads the scripts afresh.
 *  H4 A handle on event, request or flyte kept after done raises on use.
 *  H5 One script never sees another's globals or modules' locals.
 *
 * On paper: a hook that waits two seconds for HTTP: start returns, done comes on the worker's loop
 * when the answer has, the pipeline holds back the key meanwhile. moongate.retry: verdict
 * GW_HOOK_RETRY, the pipeline starts the call again with a fresh event. */
struct gw_hook_limits {
    int64_t instructions;       /* a call of one script; C loops pay for their length */
    int64_t memory;             /* bytes of the worker's Lua state */
    int64_t timeout_ms;         /* a call of one script, waiting included */
    struct gw_strs allow_hosts; /* of moongate.http: host, host:port, *.host */
    struct gw_strs files;       /* what moongate.lookup may read: files, folders, globs */
};

/* moongate.http answered in place of the network: for specs. What it sees lives until it returns,
 * what it gives until it is called again. */
struct gw_hook_header {
    struct gw_str name, value;
};
struct gw_hook_request {
    struct gw_str method, url, body; /* body.p NULL: none */
    const struct gw_hook_header *headers;
    size_t n_headers;
};
struct gw_hook_answer {
    int status; /* 0: none came, why says why: the script gets nil and that */
    struct gw_str body;
    const struct gw_hook_header *headers;
    size_t n_headers;
    char why[200];
};
struct gw_hook_outside {
    void *ctx;
    /* 1: answered; 0: refused, the script raises "no answer was given …". */
    int (*http)(void *ctx, const struct gw_hook_request *rq, struct gw_hook_answer *a);
};

/* Who listens to moongate.log and print instead of the gateway's own log; every level comes. */
struct gw_hook_lines {
    void *ctx;
    void (*put)(void *ctx, enum gw_level level, const struct gw_kv *kv);
};

struct gw_hooks_conf {
    const char *pipeline;
    const struct gw_strs *scripts;
    const struct gw_yaml *match, *rename, *set, *remove; /* rules; NULL: none */
    const struct gw_yaml *params;                        /* moongate.params; NULL: empty */
    struct gw_hook_limits limits;
    const struct gw_style_conf *style; /* to make `data` anew when request was changed */
    const char *lua_path;              /* folder that holds moongate/ (lua/ in the source tree) */
    struct gw_metrics *metrics;        /* may be NULL */
    struct gw_sources *sources;        /* what scripts are loaded from; NULL: the disk */
    struct gw_hook_shared *shared;     /* of the pipeline; NULL: opening makes one */
    const struct gw_flyte_client_conf *flyteadmin; /* NULL: there is none to ask */
    struct gw_loop *loop; /* where hooks wait; NULL: none can, and there is no network */
    const struct gw_hook_outside *outside; /* NULL: the network */
    const struct gw_hook_lines *lines;     /* NULL: the log */
    const struct gw_routing *routing;      /* of the publisher's type; NULL: nobody knows it */
    const struct gw_strs *routes;          /* the publisher's; NULL: none */
    const atomic_int *over; /* once it is not 0, whatever runs is stopped as if its time were up;
                               any thread sets it; NULL: nothing does */
    int exact;              /* each instruction is counted: slower */
};

enum gw_hook_verdict { GW_HOOK_PUBLISH = 1, GW_HOOK_FILTER, GW_HOOK_RETRY, GW_HOOK_FAILED };
enum gw_hook_stop { GW_STOP_NONE, GW_STOP_BUDGET, GW_STOP_MEMORY, GW_STOP_TIMEOUT };

/* One run of all hooks on one record. The caller's memory until done. */
struct gw_hook_call {
    /* in */
    struct gw_arena *mem;             /* the record's: everything the hooks make goes there */
    struct gw_event *event;           /* in the pipeline's style; changed in place */
    struct gw_flyte_request *request; /* NULL: not Flyte's */
    const struct gw_flyte *flyte;     /* NULL likewise */
    int64_t received_at_ns;
    int64_t now_ns; /* what moongate.now says; 0: the clock */
    uint64_t seed;  /* of the record's position: uuid is stable over a crash */
    int kind;       /* enum gw_kind, carried ones too: hooks with other event_types are skipped */
    void (*done)(struct gw_hook_call *c);
    /* out */
    enum gw_hook_verdict verdict;
    int stopped;              /* a stop: the Lua state was given up */
    int bystander;            /* GW_HOOK_RETRY: the stop of another hook took its Lua state */
    struct gw_event **events; /* GW_HOOK_PUBLISH: n_events ≥ 1, on mem */
    size_t n_events;
    struct gw_event
        *unchanged;     /* GW_HOOK_FAILED: as it was after the rules, before the first hook */
    const char *reason; /* filtered: match or hook; failed: hook_error hook_budget hook_memory
                           hook_timeout; unmade: invalid_event, too */
    int unmade;         /* GW_HOOK_FAILED: the style's script failed, so that there is no event to
                           publish: whatever on_hook_error says, it is a dead letter */
    char label[65];     /* filtered by a hook: the script's reason, "" if none */
    char text[1024]; /* failed: file:line: what, value, event id, traceback; retry: its message */
    int64_t instructions;    /* all scripts together used so many */
    struct gw_hook_run *run; /* the room's own, on mem; NULL with GW_HOOK_RETRY: after a stop the
                                scripts did not load again, text says why */
};

/* Loads everything. NULL: err says file:line. A conf without scripts and rules gives hooks that
 * publish the event as it is, without a Lua state. */
struct gw_hooks *gw_hooks_open(const struct gw_hooks_conf *conf, struct gw_err *err);
/* Loads the scripts of a snapshot (NULL: of the disk) for a worker with this conf, on any thread;
 * conf is borrowed for the state's life. NULL: err says file:line. */
struct gw_hook_vm *gw_hooks_load(const struct gw_hooks_conf *conf, struct gw_sources *sources,
                                 struct gw_err *err);
void gw_hooks_unload(struct gw_hook_vm *vm); /* one that no hooks have taken; NULL is fine */
/* As gw_hooks_open, of what was loaded with the same conf; takes *vm. */
struct gw_hooks *gw_hooks_of(const struct gw_hooks_conf *conf, struct gw_hook_vm **vm);
/* 0: hooks wait in too many older versions, so that another one would take too much memory. */
int gw_hooks_have_room(const struct gw_hooks *h);
/* No new call enters the version before; calls that wait end in the one they started in. Takes
 * *vm, whose snapshot is what is loaded after a stop from now on. */
void gw_hooks_swap(struct gw_hooks *h, struct gw_hook_vm **vm);
/* Both; -1: the version before stays. */
int gw_hooks_reload(struct gw_hooks *h, struct gw_sources *sources, struct gw_err *err);
/* Calls that wait are let go (H1). Not from inside a done. NULL is fine. */
void gw_hooks_close(struct gw_hooks *h);
void gw_hooks_start(struct gw_hooks *h, struct gw_hook_call *c);
/* Waiting calls past their deadline end as hook_timeout; returns ms until the next deadline, -1:
 * none. A timer on conf->loop does it by itself. */
int64_t gw_hooks_expire(struct gw_hooks *h);
int64_t gw_hooks_memory(const struct gw_hooks *h); /* bytes of its Lua states */
/* The most the state in use had since this was asked; 0: there is none. */
int64_t gw_hooks_peak(struct gw_hooks *h);
/* What its scripts share, its counters among it; NULL: there are none. */
struct gw_hook_shared *gw_hooks_shared(const struct gw_hooks *h);

/* For tests: the clock that budgets are measured with (monotonic ms). */
extern int64_t (*gw_hook_now_ms)(void);

#endif
