#ifndef SPEC_FUZZ_HOOK_SAMPLE_H
#define SPEC_FUZZ_HOOK_SAMPLE_H

/* A task's event with some of everything, and a call of hooks with it. */
#include "base/err.h"
#include "event/event.h"
#include "flyte/flyte.h"
#include "hook/hook.h"

#include <stdlib.h>

struct hook_sample {
    struct gw_flyte_request request;
    struct gw_flyte facts;
    struct gw_event ev;
    struct gw_hook_call call;
};

static inline void hook_sample_make(struct hook_sample *s, struct gw_arena *mem,
                                    const struct gw_style_conf *style,
                                    void (*done)(struct gw_hook_call *c))
{
    static const char json[] =
        "{\"event\":{\"taskId\":{\"name\":\"t\"},\"phase\":\"FAILED\",\"error\":{\"message\":\"m\"}"
        ","
        "\"customInfo\":{\"a\":[1,\"x\",null]},\"reasons\":[{\"reason\":\"r\"}],"
        "\"occurredAt\":\"2026-01-02T03:04:05Z\"}}";
    struct gw_err err;

    gw_event_init(&s->ev, mem);
    if (gw_flyte_decode_json(mem, GW_TASK, gw_str_of(json), &s->request, &err) ||
        gw_style_make(style, &s->request, &s->ev, &err))
        abort();
    gw_flyte_facts(mem, &s->request, &s->facts);
    s->call = (struct gw_hook_call){.mem = mem,
                                    .event = &s->ev,
                                    .request = &s->request,
                                    .flyte = &s->facts,
                                    .received_at_ns = 1700000000500000000,
                                    .seed = 7,
                                    .kind = GW_TASK,
                                    .done = done};
}

#endif
