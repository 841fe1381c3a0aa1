#ifndef GW_PIPELINE_DIFF_SIDE_H
#define GW_PIPELINE_DIFF_SIDE_H

#include "flyte/flyte.h"
#include "hook/hook.h"
#include "log/record.h"
#include "pipeline/pipeline.h"

/* Inside the room, of diff.c. */
enum gw_diff_end {
    GW_DIFF_SIDE_PUBLISHED,
    GW_DIFF_SIDE_FILTERED,
    GW_DIFF_SIDE_FAILED,
    GW_DIFF_SIDE_ABSENT /* somebody else has published nothing */
};

/* One configuration, and what the record at hand became under it. */
struct gw_diff_side {
    const struct gw_pipeline_conf *conf;
    struct gw_style_conf style;
    struct gw_hooks_conf hooks_conf;
    struct gw_hooks *hooks; /* NULL: neither rules nor scripts */
    struct gw_loop *loop;   /* turned while they wait */
    struct gw_arena *mem;
    struct gw_flyte_request request;
    struct gw_flyte flyte;
    struct gw_hook_call call;
    int done;
    enum gw_diff_end end;
    struct gw_event **events;
    size_t n;
    struct gw_str id;  /* of the event, if nothing was published */
    const char *why;   /* filtered or failed */
    const char *error; /* failed */
};

int gw_diff_side_open(struct gw_diff_side *s, const struct gw_pipeline_conf *conf,
                      struct gw_err *err);
void gw_diff_side_close(struct gw_diff_side *s);
/* now_ns: what moongate.now says. -1: the scripts did not load again after a stop. */
int gw_diff_run(struct gw_diff_side *s, const struct gw_record *rec, int64_t now_ns,
                struct gw_err *err);

#endif
