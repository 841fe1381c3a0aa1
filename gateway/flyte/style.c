#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "event/event.h"
#include "flyte/flyte.h"
#include "flyte/kinds.h"
#include "flyte/reflect.h"

/* What Flyte's documentation promises of each kind. */
static const struct {
    struct gw_str type, subject, schema;
} documented[] = {
#define SCHEMA "https://github.com/flyteorg/flyteidl/blob/master/jsonschema/"
    [GW_WORKFLOW] = {GW_STR("com.flyte.resource.workflow"),
                     GW_STR("admin_event_pb2.WorkflowExecutionEventRequest"),
                     GW_STR(SCHEMA "workflow_execution.json")},
    [GW_NODE] = {GW_STR("com.flyte.resource.node"),
                 GW_STR("admin_event_pb2.NodeExecutionEventRequest"),
                 GW_STR(SCHEMA "node_execution.json")},
    [GW_TASK] = {GW_STR("com.flyte.resource.task"),
                 GW_STR("admin_event_pb2.TaskExecutionEventRequest"),
                 GW_STR(SCHEMA "task_execution.json")},
    [GW_ACTION] = {GW_STR("com.flyte.resource.action"), GW_STR("workflow.ActionEvent"), {NULL, 0}},
};

static int put_time(const struct gw_flyte_request *r, struct gw_event *ev, struct gw_err *err)
{
    const Google__Protobuf__Timestamp *t = gw_flyte_occurred_at(r);
    char text[GW_TIME_TEXT];
    size_t len;

    if (!t)
        return 0;
    len = gw_time_format((struct gw_time){t->seconds, t->nanos}, text);
    if (!len)
        return gw_err_set(err, GW_ERR_REJECT, "%s: no RFC 3339 time (%lld s, %d ns since 1970)",
                          r->kind == GW_ACTION ? "updated_time" : "event.occurred_at",
                          (long long)t->seconds, (int)t->nanos);
    gw_event_lend(ev, GW_STR("time"), (struct gw_str){gw_arena_strndup(ev->mem, text, len), len});
    return 0;
}

static int put_json(const struct gw_flyte_request *r, struct gw_event *ev, struct gw_err *err)
{
    struct gw_buf out;

    /* JSON of a message is at most some dozens of times as long: \u0000 for a byte, names. */
    gw_buf_init(&out, SIZE_MAX / 2, ev->mem);
    if (gw_pb_json_put(&out, r->msg, err))
        return -1;
    ev->data_kind = GW_DATA_JSON;
    ev->data = gw_buf_str(&out);
    return 0;
}

int gw_style_data(const struct gw_style_conf *conf, const struct gw_flyte_request *r,
                  struct gw_event *ev, struct gw_err *err)
{
    if (r->form != GW_CARRY_STYLE)
        return gw_flyte_to_event(r, ev, err);
    if (conf->json)
        return put_json(r, ev, err);
    ev->data_kind = GW_DATA_BYTES;
    ev->data = r->changed ? gw_flyte_encode(ev->mem, r->msg) : r->bytes;
    return 0;
}

int gw_style_make(const struct gw_style_conf *conf, const struct gw_flyte_request *r,
                  struct gw_event *ev, struct gw_err *err)
{
    if (r->kind > GW_ACTION)
        return gw_err_set(err, GW_ERR_REJECT, "no documented style for %s", gw_kind_names[r->kind]);
    gw_event_lend(ev, GW_STR("id"), gw_flyte_id(ev->mem, r));
    gw_event_lend(ev, GW_STR("source"), conf->source);
    gw_event_lend(ev, GW_STR("type"), documented[r->kind].type);
    gw_event_lend(ev, GW_STR("subject"), documented[r->kind].subject);
    if (put_time(r, ev, err))
        return -1;
    gw_event_lend(ev, GW_STR("datacontenttype"),
                  conf->json ? GW_STR("application/json") : GW_STR("application/protobuf"));
    if (documented[r->kind].schema.p)
        gw_event_lend(ev, GW_STR("jsonschemaurl"), documented[r->kind].schema);
    return gw_style_data(conf, r, ev, err);
}
