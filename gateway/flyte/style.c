#include "flyte/style.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "event/event.h"
#include "flyte/flyte.h"
#include "flyte/kinds.h"
#include "flyte/reflect.h"

const char *const gw_style_names[GW_STYLES + 1] = {"documented", "flyteadmin", "flyteadmin-v2",
                                                   "flyteadmin-external", NULL};

/* What Flyte's documentation promises of each kind. The last: the subject that FlyteAdmin really
 * gives to the requests it sends as they are. */
static const struct {
    struct gw_str type, subject, schema, external;
} documented[] = {
#define SCHEMA "https://github.com/flyteorg/flyteidl/blob/master/jsonschema/"
    [GW_WORKFLOW] = {GW_STR(GW_FLYTE_TYPE "workflow"),
                     GW_STR("admin_event_pb2.WorkflowExecutionEventRequest"),
                     GW_STR(SCHEMA "workflow_execution.json"),
                     GW_STR("flyteidl.admin.WorkflowExecutionEventRequest")},
    [GW_NODE] = {GW_STR(GW_FLYTE_TYPE "node"), GW_STR("admin_event_pb2.NodeExecutionEventRequest"),
                 GW_STR(SCHEMA "node_execution.json"),
                 GW_STR("flyteidl.admin.NodeExecutionEventRequest")},
    [GW_TASK] = {GW_STR(GW_FLYTE_TYPE "task"), GW_STR("admin_event_pb2.TaskExecutionEventRequest"),
                 GW_STR(SCHEMA "task_execution.json"),
                 GW_STR("flyteidl.admin.TaskExecutionEventRequest")},
    [GW_ACTION] = {GW_STR(GW_FLYTE_TYPE "action"),
                   GW_STR("workflow.ActionEvent"),
                   {NULL, 0},
                   {NULL, 0}},
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

static int put_bytes(const struct gw_flyte_request *r, struct gw_event *ev)
{
    ev->data_kind = GW_DATA_BYTES;
    ev->data = r->changed ? gw_flyte_encode(ev->mem, r->msg) : r->bytes;
    return 0;
}

static void put_names(const struct gw_style_conf *conf, const struct gw_flyte_request *r,
                      struct gw_str subject, struct gw_event *ev)
{
    gw_event_lend(ev, GW_STR("id"), gw_flyte_id(ev->mem, r));
    gw_event_lend(ev, GW_STR("source"), conf->source);
    gw_event_lend(ev, GW_STR("type"), documented[r->kind].type);
    gw_event_lend(ev, GW_STR("subject"), subject);
}

static void put_schema(const struct gw_flyte_request *r, struct gw_str type, struct gw_event *ev)
{
    gw_event_lend(ev, GW_STR("datacontenttype"), type);
    if (documented[r->kind].schema.p)
        gw_event_lend(ev, GW_STR("jsonschemaurl"), documented[r->kind].schema);
}

static int documented_data(const struct gw_style_conf *conf, const struct gw_flyte_request *r,
                           struct gw_event *ev, struct gw_err *err)
{
    return conf->json ? put_json(r, ev, err) : put_bytes(r, ev);
}

static int make_documented(const struct gw_style_conf *conf, const struct gw_flyte_request *r,
                           struct gw_event *ev, struct gw_err *err)
{
    put_names(conf, r, documented[r->kind].subject, ev);
    if (put_time(r, ev, err))
        return -1;
    put_schema(r, conf->json ? GW_STR("application/json") : GW_STR("application/protobuf"), ev);
    return documented_data(conf, r, ev, err);
}

static int external_data(const struct gw_style_conf *conf, const struct gw_flyte_request *r,
                         struct gw_event *ev, struct gw_err *err)
{
    (void)conf;
    (void)err;
    return put_bytes(r, ev);
}

/* FlyteAdmin sends the bytes and nothing else, so a time that has no text stops nothing. */
static int make_external(const struct gw_style_conf *conf, const struct gw_flyte_request *r,
                         struct gw_event *ev, struct gw_err *err)
{
    struct gw_err no_time;

    put_names(conf, r, documented[r->kind].external, ev);
    (void)put_time(r, ev, &no_time);
    put_schema(r, GW_STR("application/protobuf"), ev);
    return external_data(conf, r, ev, err);
}

static const struct {
    int (*make)(const struct gw_style_conf *, const struct gw_flyte_request *, struct gw_event *,
                struct gw_err *);
    int (*data)(const struct gw_style_conf *, const struct gw_flyte_request *, struct gw_event *,
                struct gw_err *);
    enum gw_kind last; /* the kinds up to it have the style */
} styles[GW_STYLES] = {
    [GW_STYLE_DOCUMENTED] = {make_documented, documented_data, GW_ACTION},
    [GW_STYLE_FLYTEADMIN] = {gw_style_flyteadmin, gw_style_flyteadmin_data, GW_TASK},
    [GW_STYLE_FLYTEADMIN_V2] = {gw_style_flyteadmin_v2, gw_style_flyteadmin_v2_data, GW_TASK},
    [GW_STYLE_FLYTEADMIN_EXTERNAL] = {make_external, external_data, GW_TASK},
};

int gw_style_data(const struct gw_style_conf *conf, const struct gw_flyte_request *r,
                  struct gw_event *ev, struct gw_err *err)
{
    if (r->form != GW_CARRY_STYLE)
        return gw_flyte_to_event(r, ev, err);
    return styles[conf->style].data(conf, r, ev, err);
}

int gw_style_make(const struct gw_style_conf *conf, const struct gw_flyte_request *r,
                  struct gw_event *ev, struct gw_err *err)
{
    if (r->kind > styles[conf->style].last)
        return gw_err_set(err, GW_ERR_REJECT, "%s: the style %s has no event for it",
                          gw_kind_names[r->kind], gw_style_names[conf->style]);
    return styles[conf->style].make(conf, r, ev, err);
}
