#ifndef SPEC_FUZZ_EVENT_FORMS_H
#define SPEC_FUZZ_EVENT_FORMS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "event/event.h"
#include "event/format.h"

#include <assert.h>
#include <stdint.h>

static inline struct gw_str forms_json(struct gw_arena *mem, const struct gw_event *ev)
{
    struct gw_buf out;

    gw_buf_init(&out, 1 << 26, mem);
    gw_event_json_put(&out, ev);
    return gw_buf_str(&out);
}

static inline struct gw_str forms_protobuf(struct gw_arena *mem, const struct gw_event *ev)
{
    struct gw_buf out;

    gw_buf_init(&out, 1 << 26, mem);
    gw_event_protobuf_put(&out, ev);
    return gw_buf_str(&out);
}

/* An event that was read is legal, and comes out of either form as it went in. */
static inline void forms_check(struct gw_arena *mem, const struct gw_event *ev)
{
    struct gw_str json = forms_json(mem, ev), bytes = forms_protobuf(mem, ev);
    struct gw_event again;
    struct gw_err err;
    size_t n;
    int failed = gw_event_check(ev, &err);

    assert(!failed);
    gw_event_check_sent(ev, &err); /* whatever it says of it */
    gw_event_init(&again, mem);
    failed = gw_event_protobuf_read(&again, bytes, &err);
    assert(!failed);
    assert(gw_str_eq(forms_protobuf(mem, &again), bytes));
    assert(gw_str_eq(forms_json(mem, &again), json));
    gw_event_init(&again, mem);
    failed = gw_event_protobuf_read_kept(&again, bytes, &err);
    assert(!failed);
    assert(gw_str_eq(forms_protobuf(mem, &again), bytes));
    assert(gw_str_eq(forms_json(mem, &again), json));
    gw_event_init(&again, mem);
    failed = gw_event_json_read(&again, json, &err);
    assert(!failed);
    assert(gw_str_eq(forms_json(mem, &again), json));
    gw_event_kafka_headers(ev, mem, &n);
    assert(n >= 4);
}

#endif
