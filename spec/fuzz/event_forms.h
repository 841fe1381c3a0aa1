#ifndef SPEC_FUZZ_EVENT_FORMS_H
#define SPEC_FUZZ_EVENT_FORMS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/header.h"
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

/* What its absence means in JSON, and what an Any says of itself, is said aloud in headers. */
static inline int forms_said(const struct gw_event *ev, struct gw_str name)
{
    return ev->data_kind == GW_DATA_PROTO
               ? gw_str_is(name, "datacontenttype") || gw_str_is(name, "dataschema")
               : ev->data_kind == GW_DATA_JSON && gw_str_is(name, "datacontenttype");
}

/* Every attribute's text, and the payload. */
static inline void forms_same(const struct gw_event *ev, const struct gw_event *again)
{
    struct gw_str payload = gw_event_payload(ev);

    for (const struct gw_attr *a = ev->attrs; a; a = a->next)
        assert(gw_str_eq(gw_event_get(again, a->name)->text, a->text));
    for (const struct gw_attr *a = again->attrs; a; a = a->next)
        assert(gw_event_get(ev, a->name) || forms_said(ev, a->name));
    assert(gw_str_eq(again->data_kind == GW_DATA_NONE ? GW_STR("") : gw_event_payload(again),
                     payload.p ? payload : GW_STR("")));
}

/* Of the binary modes only bytes that are called JSON and are none are not taken back. */
static inline void forms_in_headers(struct gw_arena *mem, const struct gw_event *ev)
{
    const int may_fail = ev->data_kind == GW_DATA_BYTES && !gw_event_data_is_json(ev);
    size_t n;
    struct gw_header *h = gw_event_kafka_headers(ev, mem, &n);
    struct gw_http_header *http = gw_arena_alloc(mem, n * sizeof(*http));
    struct gw_event again;
    struct gw_err err;

    gw_event_init(&again, mem);
    if (!gw_event_headers_read(&again, h, n, gw_event_payload(ev), NULL, &err))
        forms_same(ev, &again);
    else
        assert(may_fail);
    h = gw_event_http_headers(ev, mem, &n);
    for (size_t i = 0; i < n; i++)
        http[i] = (struct gw_http_header){h[i].name, h[i].value};
    gw_event_init(&again, mem);
    if (!gw_event_http_read(&again, http, n, gw_event_payload(ev), &err))
        forms_same(ev, &again);
    else
        assert(may_fail);
}

/* An event that was read is legal, and comes out of any form as it went in. */
static inline void forms_check(struct gw_arena *mem, const struct gw_event *ev)
{
    struct gw_str json = forms_json(mem, ev), bytes = forms_protobuf(mem, ev);
    struct gw_event again;
    struct gw_err err;
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
    forms_in_headers(mem, ev);
}

#endif
