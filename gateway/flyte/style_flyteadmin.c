/* The CloudEvents that FlyteAdmin v1.16 sends with cloudEventVersion v1 and v2, as its code makes
 * them and not as its documentation says. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "event/event.h"
#include "flyte/flyte.h"
#include "flyte/go_text.h"
#include "flyte/kinds.h"
#include "flyte/reflect.h"
#include "flyte/style.h"

const struct gw_str gw_flyteadmin_source = GW_STR("https://github.com/flyteorg/flyte/flyteadmin");
/* Of all three kinds. */
static const struct gw_str schema = GW_STR("https://github.com/flyteorg/flyteidl/blob/v0.24.14/"
                                           "jsonschema/workflow_execution.json");

static const struct {
    struct gw_str v1, v2;
} types[] = {
    [GW_WORKFLOW] = {GW_STR(GW_FLYTE_TYPE "flyteidl.admin.WorkflowExecutionEventRequest"),
                     GW_STR(GW_FLYTE_TYPE "cloudevents.WorkflowExecution")},
    [GW_NODE] = {GW_STR(GW_FLYTE_TYPE "flyteidl.admin.NodeExecutionEventRequest"),
                 GW_STR(GW_FLYTE_TYPE "cloudevents.NodeExecution")},
    [GW_TASK] = {GW_STR(GW_FLYTE_TYPE "flyteidl.admin.TaskExecutionEventRequest"),
                 GW_STR(GW_FLYTE_TYPE "cloudevents.TaskExecution")},
};

/* What its id names (of a task the template alone); NULL: not set. */
static const ProtobufCMessage *named(const struct gw_flyte_request *r)
{
    const void *id;

    if (r->kind == GW_WORKFLOW)
        id = gw_flyte_workflow(r)->execution_id;
    else if (r->kind == GW_NODE)
        id = gw_flyte_node(r)->id;
    else
        id = gw_flyte_task(r)->task_id;
    return id;
}

static struct gw_str id_of(const struct gw_style_conf *conf, const struct gw_flyte_request *r,
                           struct gw_arena *mem)
{
    struct gw_flyte_names names;
    struct gw_buf out;

    gw_buf_init(&out, SIZE_MAX / 2, mem);
    gw_go_text_put(&out, named(r), conf->id_spacing);
    gw_flyte_names(r, &names);
    gw_buf_putc(&out, '.');
    gw_buf_put_str(&out, gw_flyte_phase(mem, names.phases, names.phase));
    return gw_buf_str(&out);
}

/* Not set is 1970, and only Go's zero time is none. One that its JSON refuses has no text: then
 * there is no event either. */
static void put_time(const struct gw_flyte_request *r, struct gw_event *ev)
{
    static const int64_t zero = -62135596800; /* 0001-01-01T00:00:00Z */
    const Google__Protobuf__Timestamp *at = gw_flyte_occurred_at(r);
    const struct gw_time t = at ? (struct gw_time){at->seconds, at->nanos} : (struct gw_time){0, 0};
    char text[GW_TIME_TEXT];
    size_t len = t.sec == zero && !t.nanos ? 0 : gw_time_format_go(t, 1, text);

    if (len)
        gw_event_lend_verbatim(ev, GW_STR("time"),
                               (struct gw_str){gw_arena_strndup(ev->mem, text, len), len});
}

int gw_style_flyteadmin_data(const struct gw_style_conf *conf, const struct gw_flyte_request *r,
                             struct gw_event *ev, struct gw_err *err)
{
    struct gw_buf out;

    (void)conf;
    gw_buf_init(&out, SIZE_MAX / 2, ev->mem);
    (void)gw_buf_room(&out, 2 * r->bytes.len + 256); /* mostly enough, so nothing is moved */
    if (gw_pb_jsonpb_put(&out, r->msg, err))
        return -1;
    /* Its SDK takes the JSON for bytes. */
    ev->data_kind = GW_DATA_BYTES;
    ev->data = gw_buf_str(&out);
    return 0;
}

int gw_style_flyteadmin(const struct gw_style_conf *conf, const struct gw_flyte_request *r,
                        struct gw_event *ev, struct gw_err *err)
{
    gw_event_lend_verbatim(ev, GW_STR("id"), id_of(conf, r, ev->mem));
    gw_event_lend(ev, GW_STR("source"), gw_flyteadmin_source);
    gw_event_lend(ev, GW_STR("type"), types[r->kind].v1);
    gw_event_lend(ev, GW_STR("datacontenttype"), GW_STR("application/json"));
    put_time(r, ev);
    gw_event_lend(ev, GW_STR("jsonschemaurl"), schema);
    return gw_style_flyteadmin_data(conf, r, ev, err);
}

int gw_style_flyteadmin_v2(const struct gw_style_conf *conf, const struct gw_flyte_request *r,
                           struct gw_event *ev, struct gw_err *err)
{
    gw_event_lend_verbatim(ev, GW_STR("id"), id_of(conf, r, ev->mem));
    gw_event_lend(ev, GW_STR("type"), types[r->kind].v2);
    gw_event_lend(ev, GW_STR("datacontenttype"), GW_STR("application/json"));
    put_time(r, ev);
    gw_event_lend(ev, GW_STR("jsonschemaurl"), GW_STR(""));
    (void)err;
    return 0;
}

int gw_style_flyteadmin_v2_data(const struct gw_style_conf *conf, const struct gw_flyte_request *r,
                                struct gw_event *ev, struct gw_err *err)
{
    const ProtobufCFieldDescriptor *f = gw_pb_field(r->msg->descriptor, GW_STR("event"));
    const ProtobufCMessage *event = *(ProtobufCMessage *const *)gw_pb_member(r->msg, f);
    const struct gw_str data = ev->data;
    struct gw_buf out;
    struct gw_str raw;

    (void)conf;
    /* What it was must not be sent: the change may hide something. */
    if (!event || ev->data_kind == GW_DATA_NONE || gw_flyte_raw_event(data, &raw))
        return gw_err_set(err, GW_ERR_REJECT, "%s, so it cannot follow the changed request",
                          event ? "the data has no rawEvent" : "the request has no event");
    gw_buf_init(&out, SIZE_MAX / 2, ev->mem);
    gw_buf_put_str(&out, (struct gw_str){data.p, (size_t)(raw.p - data.p)});
    if (gw_pb_jsonpb_put(&out, event, err))
        return -1;
    gw_buf_put_str(&out,
                   (struct gw_str){raw.p + raw.len, data.len - raw.len - (size_t)(raw.p - data.p)});
    ev->data_kind = GW_DATA_BYTES;
    ev->data = gw_buf_str(&out);
    return 0;
}
