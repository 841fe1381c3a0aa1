/* Records as JSON, for people and commands. */
#include "admin/lines_record.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "base/time.h"
#include "event/event.h"
#include "event/format.h"
#include "flyte/flyte.h"
#include "flyte/reflect.h"
#include "log/record.h"

void gw_put_json_time(struct gw_buf *out, int64_t ns)
{
    char text[GW_TIME_TEXT];
    const size_t len = ns ? gw_time_format(gw_time_of_ns(ns), text) : 0;

    if (len)
        gw_json_put_string(out, (struct gw_str){text, len});
    else
        gw_buf_puts(out, "null");
}

void gw_put_json_member(struct gw_buf *out, const char *name, struct gw_str value)
{
    gw_json_put_key(out, 0, gw_str_of(name));
    if (value.p)
        gw_json_put_string(out, value);
    else
        gw_buf_puts(out, "null");
}

static int make_event(struct gw_event *ev, const struct gw_record *r,
                      struct gw_flyte_request *request, struct gw_err *err)
{
    static const struct gw_style_conf style = {.style = GW_STYLE_DOCUMENTED, .source = {"-", 1}};

    gw_event_init(ev, ev->mem);
    if (r->kind == GW_OTHER)
        return gw_event_protobuf_read(ev, r->payload, err);
    if (gw_flyte_decode(ev->mem, (enum gw_kind)r->kind, r->payload, request, err))
        return -1;
    return gw_style_make(&style, request, ev, err);
}

struct gw_str gw_record_event_id(struct gw_arena *mem, const struct gw_record *r, const char **why)
{
    struct gw_event ev = {.mem = mem};
    struct gw_flyte_request request = {.kind = GW_OTHER};
    struct gw_err err;

    *why = NULL;
    if (!make_event(&ev, r, &request, &err))
        return gw_event_text(&ev, "id");
    *why = gw_arena_strndup(mem, err.msg, strlen(err.msg));
    return (struct gw_str){0};
}

static void put_payload(struct gw_buf *out, struct gw_arena *mem, const struct gw_record *r)
{
    struct gw_event ev = {.mem = mem};
    struct gw_flyte_request request = {.kind = GW_OTHER};
    const size_t start = out->len;
    struct gw_err err;

    gw_event_init(&ev, mem);
    if (r->kind == GW_OTHER && !gw_event_protobuf_read(&ev, r->payload, &err)) {
        gw_buf_puts(out, ",\"event\":");
        gw_event_json_put(out, &ev);
        return;
    }
    if (r->kind != GW_OTHER &&
        !gw_flyte_decode(mem, (enum gw_kind)r->kind, r->payload, &request, &err)) {
        gw_buf_puts(out, ",\"request\":");
        if (!gw_pb_json_put(out, request.msg, &err))
            return;
        if (!out->failed)
            out->len = start;
    }
    gw_buf_puts(out, ",\"payload\":\"");
    gw_base64_put(out, r->payload);
    gw_buf_putc(out, '"');
    gw_put_json_member(out, "error", gw_str_of(err.msg));
}

void gw_put_json_record(struct gw_buf *out, struct gw_arena *mem, struct gw_str encoded)
{
    struct gw_record r = {0};
    struct gw_err err;

    if (gw_record_read(encoded, &r, &err)) {
        gw_buf_puts(out, "{\"payload\":\"");
        gw_base64_put(out, encoded);
        gw_buf_putc(out, '"');
        gw_put_json_member(out, "error", gw_str_of(err.msg));
        gw_buf_putc(out, '}');
        return;
    }
    gw_buf_puts(out, "{\"received_at\":");
    gw_put_json_time(out, r.received_at_ns);
    gw_put_json_member(out, "ingest", r.ingest);
    gw_put_json_member(out, "client", r.client);
    gw_put_json_member(out, "kind", gw_str_of(gw_kind_names[r.kind]));
    gw_put_json_member(out, "key", r.key);
    gw_put_json_member(out, "traceparent", r.traceparent);
    put_payload(out, mem, &r);
    gw_buf_putc(out, '}');
}
