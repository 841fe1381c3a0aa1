/* CloudEvents that carry a request: FlyteAdmin's own, of both its versions, and those of the
 * documented style. What comes in keeps its form, also when a hook changes the request. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/pbwire.h"
#include "event/event.h"
#include "flyte/flyte.h"
#include "flyte/reflect.h"

#include <string.h>

/* Of a message, JSON nests deeper: its lists and maps count, too. */
enum { JSON_DEPTH = 4 * GW_PB_MAX_DEPTH };

/* By what stands behind the prefix in `type`. */
static const struct carrier {
    const char *name;
    enum gw_kind kind;
    int wrapped; /* version 2: the event is rawEvent of a message of its own */
} carriers[] = {
    {"flyteidl.admin.WorkflowExecutionEventRequest", GW_WORKFLOW, 0},
    {"flyteidl.admin.NodeExecutionEventRequest", GW_NODE, 0},
    {"flyteidl.admin.TaskExecutionEventRequest", GW_TASK, 0},
    {"cloudevents.WorkflowExecution", GW_WORKFLOW, 1},
    {"cloudevents.NodeExecution", GW_NODE, 1},
    {"cloudevents.TaskExecution", GW_TASK, 1},
    {"workflow", GW_WORKFLOW, 0},
    {"node", GW_NODE, 0},
    {"task", GW_TASK, 0},
    {"action", GW_ACTION, 0},
};

struct gw_str gw_flyte_type_name(struct gw_str type)
{
    const size_t len = sizeof(GW_FLYTE_TYPE) - 1;

    if (type.len < len || memcmp(type.p, GW_FLYTE_TYPE, len) != 0)
        return (struct gw_str){0};
    return (struct gw_str){type.p + len, type.len - len};
}

static const struct carrier *carrier_of(struct gw_str type)
{
    type = gw_flyte_type_name(type);
    if (!type.p)
        return NULL;
    for (size_t i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++)
        if (gw_str_is(type, carriers[i].name))
            return &carriers[i];
    return NULL;
}

enum gw_kind gw_flyte_carried(struct gw_str type)
{
    const struct carrier *c = carrier_of(type);

    return c ? c->kind : GW_OTHER;
}

enum gw_kind gw_flyte_carried_in(struct gw_str event)
{
    enum { TYPE = 4 }; /* of io.cloudevents.v1.CloudEvent */
    struct gw_pbwire w = {event.p, event.p + event.len};
    struct gw_pbwire_field field;

    while (gw_pbwire_next(&w, &field) == 1)
        if (field.number == TYPE && field.type == GW_PBWIRE_BYTES)
            return gw_flyte_carried(field.bytes);
    return GW_OTHER;
}

int gw_flyte_raw_event(struct gw_str data, struct gw_str *raw)
{
    struct gw_str other;
    struct gw_json j;

    gw_json_init(&j, data, JSON_DEPTH);
    *raw = (struct gw_str){0};
    if (gw_json_next(&j) != GW_JSON_OBJECT)
        return -1;
    while (gw_json_next(&j) == GW_JSON_KEY) {
        int is_raw = gw_json_is(&j, "rawEvent") || gw_json_is(&j, "raw_event");

        if ((is_raw && raw->p) || gw_json_value(&j, is_raw ? raw : &other))
            return -1;
    }
    return j.token == GW_JSON_OBJECT_END && gw_json_next(&j) == GW_JSON_END && raw->p ? 0 : -1;
}

/* The request in JSON, as if it had come alone. */
static struct gw_str unwrapped(struct gw_arena *mem, struct gw_flyte_request *r, struct gw_str data,
                               struct gw_str raw)
{
    r->form = GW_CARRY_WRAPPED;
    r->before = (struct gw_str){data.p, (size_t)(raw.p - data.p)};
    r->after = (struct gw_str){raw.p + raw.len, data.len - r->before.len - raw.len};
    return gw_arena_printf(mem, "{\"event\":%.*s}", (int)raw.len, raw.p);
}

static int read_json(const struct gw_event *ev, const struct carrier *c, struct gw_flyte_request *r)
{
    struct gw_str json = ev->data, raw;
    struct gw_err err;

    r->form = GW_CARRY_JSON;
    if (c->wrapped) {
        if (gw_flyte_raw_event(ev->data, &raw))
            return 0;
        json = unwrapped(ev->mem, r, ev->data, raw);
    }
    r->msg = gw_pb_json_read_known(ev->mem, gw_flyte_descriptor(c->kind), json, &err);
    return r->msg != NULL;
}

int gw_flyte_from_event(const struct gw_event *ev, struct gw_flyte_request *out)
{
    const struct carrier *c = carrier_of(gw_event_text(ev, "type"));
    struct gw_err err;

    if (!c || ev->data_kind == GW_DATA_NONE || ev->data_kind == GW_DATA_PROTO)
        return 0;
    *out = (struct gw_flyte_request){.kind = c->kind, .bytes = ev->data};
    if (ev->data_kind == GW_DATA_JSON || gw_event_is_json(ev))
        return read_json(ev, c, out);
    out->form = GW_CARRY_PROTOBUF;
    return !c->wrapped && !gw_flyte_decode(ev->mem, c->kind, ev->data, out, &err) &&
           (out->form = GW_CARRY_PROTOBUF);
}

/* Of version 2 the event alone; a request without one has none there either. */
static int put_json(const struct gw_flyte_request *r, struct gw_buf *out, struct gw_err *err)
{
    const ProtobufCFieldDescriptor *f;
    const ProtobufCMessage *event;

    if (r->form == GW_CARRY_JSON)
        return gw_pb_json_put(out, r->msg, err);
    f = gw_pb_field(r->msg->descriptor, GW_STR("event"));
    event = *(ProtobufCMessage *const *)gw_pb_member(r->msg, f);
    if (event)
        return gw_pb_json_put(out, event, err);
    gw_buf_puts(out, "null");
    return 0;
}

int gw_flyte_to_event(const struct gw_flyte_request *r, struct gw_event *ev, struct gw_err *err)
{
    struct gw_buf out;

    if (r->form == GW_CARRY_PROTOBUF) {
        ev->data = r->changed ? gw_flyte_encode(ev->mem, r->msg) : r->bytes;
        return 0;
    }
    gw_buf_init(&out, SIZE_MAX / 2, ev->mem);
    gw_buf_put_str(&out, r->before);
    if (put_json(r, &out, err))
        return -1;
    gw_buf_put_str(&out, r->after);
    ev->data = gw_buf_str(&out);
    return 0;
}
