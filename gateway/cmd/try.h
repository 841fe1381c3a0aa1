#ifndef GW_CMD_TRY_H
#define GW_CMD_TRY_H

#include "base/diag.h"
#include "event/event.h"
#include "flyte/flyte.h"
#include "hook/hook.h"

struct gw_arena;
struct gw_err;

/* Between try*.c. What is tried: a request or a CloudEvent, as text. */
struct gw_try_item {
    enum gw_kind kind;
    struct gw_str json, bytes; /* one is absent */
};

struct gw_try_items {
    struct gw_try_item *items;
    size_t n;
};

/* One of them, made into what hooks get; on mem. */
struct gw_try_event {
    struct gw_arena *mem;
    struct gw_event event;
    struct gw_flyte_request request;
    struct gw_flyte facts;
    int is_flyte;
};

/* try_event.c: what path holds ("-": standard input; NULL: samples, of one kind or of each). kind:
 * GW_KINDS when not given. */
int gw_try_read(struct gw_arena *mem, const char *path, enum gw_kind kind, struct gw_try_items *out,
                struct gw_err *err);
int gw_try_make(struct gw_try_event *e, const struct gw_try_item *item,
                const struct gw_style_conf *style, struct gw_err *err);

/* A line of moongate.log, as it is printed. */
struct gw_try_line {
    struct gw_try_line *next;
    struct gw_str text;
};

/* How a run ended. */
struct gw_try_result {
    const struct gw_event *before;
    enum gw_kind kind; /* of the request; GW_OTHER: none */
    const struct gw_hook_call *call;
    const struct gw_try_line *lines;
    unsigned lost_lines;
    struct gw_hook_shared *shared; /* NULL: it counted nothing */
    const struct gw_hook_limits *limits;
    size_t n_scripts;
    int64_t memory, took_ns;
};

/* try_print.c: on standard output. */
void gw_try_print(const struct gw_try_result *r, struct gw_arena *mem, int colours);
/* One that the pipeline's event_types leave out. */
void gw_try_print_passed_over(enum gw_kind kind, const struct gw_event *ev);
struct gw_str gw_try_line_text(struct gw_arena *mem, enum gw_level level, const struct gw_kv *kv);

#endif
