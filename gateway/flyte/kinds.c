#include "flyte/kinds.h"

#include "base/arena.h"

#include <string.h>

const Flyteidl__Event__WorkflowExecutionEvent *gw_flyte_workflow(const struct gw_flyte_request *r)
{
    static const Flyteidl__Event__WorkflowExecutionEvent none;
    const Flyteidl__Admin__WorkflowExecutionEventRequest *request = (const void *)r->msg;

    return request->event ? request->event : &none;
}

const Flyteidl__Event__NodeExecutionEvent *gw_flyte_node(const struct gw_flyte_request *r)
{
    static const Flyteidl__Event__NodeExecutionEvent none;
    const Flyteidl__Admin__NodeExecutionEventRequest *request = (const void *)r->msg;

    return request->event ? request->event : &none;
}

const Flyteidl__Event__TaskExecutionEvent *gw_flyte_task(const struct gw_flyte_request *r)
{
    static const Flyteidl__Event__TaskExecutionEvent none;
    const Flyteidl__Admin__TaskExecutionEventRequest *request = (const void *)r->msg;

    return request->event ? request->event : &none;
}

const Flyteidl2__Workflow__ActionEvent *gw_flyte_action(const struct gw_flyte_request *r)
{
    return (const void *)r->msg;
}

const Google__Protobuf__Timestamp *gw_flyte_occurred_at(const struct gw_flyte_request *r)
{
    switch (r->kind) {
    case GW_WORKFLOW:
        return gw_flyte_workflow(r)->occurred_at;
    case GW_NODE:
        return gw_flyte_node(r)->occurred_at;
    case GW_TASK:
        return gw_flyte_task(r)->occurred_at;
    case GW_ACTION:
        return gw_flyte_action(r)->updated_time;
    default:
        return NULL;
    }
}

static const char *phase_name(const ProtobufCEnumDescriptor *d, size_t i)
{
    static const struct gw_str prefix = GW_STR("ACTION_PHASE_");

    return d->values[i].name + (d == &flyteidl2__common__action_phase__descriptor ? prefix.len : 0);
}

const char *gw_flyte_phase_name(enum gw_kind kind, size_t i)
{
    static const ProtobufCEnumDescriptor *const all[GW_KINDS] = {
        [GW_WORKFLOW] = &flyteidl__core__workflow_execution__phase__descriptor,
        [GW_NODE] = &flyteidl__core__node_execution__phase__descriptor,
        [GW_TASK] = &flyteidl__core__task_execution__phase__descriptor,
        [GW_ACTION] = &flyteidl2__common__action_phase__descriptor};

    return all[kind] && i < all[kind]->n_values ? phase_name(all[kind], i) : NULL;
}

struct gw_str gw_flyte_phase(struct gw_arena *mem, const ProtobufCEnumDescriptor *d, int32_t phase)
{
    /* Phases are numbered from 0 without gaps, so the number is the index. */
    if (phase >= 0 && (unsigned)phase < d->n_values && d->values[phase].value == phase)
        return gw_str_of(phase_name(d, (size_t)phase));
    return gw_arena_printf(mem, "%d", (int)phase);
}

static struct gw_str text_of(ProtobufCBinaryData b)
{
    return (struct gw_str){b.len ? (const char *)b.data : "", b.len};
}

static void put_execution(struct gw_flyte_names *out,
                          const Flyteidl__Core__WorkflowExecutionIdentifier *id)
{
    if (!id)
        return;
    out->org = text_of(id->org);
    out->project = text_of(id->project);
    out->domain = text_of(id->domain);
    out->execution = text_of(id->name);
}

static void put_node(struct gw_flyte_names *out, const Flyteidl__Core__NodeExecutionIdentifier *id)
{
    if (!id)
        return;
    out->node = text_of(id->node_id);
    put_execution(out, id->execution_id);
}

static void put_task(struct gw_flyte_names *out, const Flyteidl__Event__TaskExecutionEvent *e)
{
    put_node(out, e->parent_node_execution_id);
    if (e->task_id) {
        out->task = text_of(e->task_id->name);
        out->version = text_of(e->task_id->version);
    }
    out->attempt = e->retry_attempt;
    out->phase_version = e->phase_version;
    out->phases = &flyteidl__core__task_execution__phase__descriptor;
    out->phase = (int32_t)e->phase;
}

static void put_action(struct gw_flyte_names *out, const Flyteidl2__Workflow__ActionEvent *e)
{
    if (e->id) {
        out->node = text_of(e->id->name);
        if (e->id->run) {
            out->org = text_of(e->id->run->org);
            out->project = text_of(e->id->run->project);
            out->domain = text_of(e->id->run->domain);
            out->execution = text_of(e->id->run->name);
        }
    }
    out->attempt = e->attempt;
    out->phase_version = e->version;
    out->phases = &flyteidl2__common__action_phase__descriptor;
    out->phase = (int32_t)e->phase;
}

void gw_flyte_names(const struct gw_flyte_request *r, struct gw_flyte_names *out)
{
    const struct gw_str empty = GW_STR("");

    *out = (struct gw_flyte_names){empty, empty, empty, empty, empty, empty,
                                   empty, empty, 0,     0,     NULL,  0};
    if (r->kind == GW_WORKFLOW) {
        put_execution(out, gw_flyte_workflow(r)->execution_id);
        out->phases = &flyteidl__core__workflow_execution__phase__descriptor;
        out->phase = (int32_t)gw_flyte_workflow(r)->phase;
    } else if (r->kind == GW_NODE) {
        put_node(out, gw_flyte_node(r)->id);
        out->retry_group = text_of(gw_flyte_node(r)->retry_group);
        out->phases = &flyteidl__core__node_execution__phase__descriptor;
        out->phase = (int32_t)gw_flyte_node(r)->phase;
    } else if (r->kind == GW_TASK) {
        put_task(out, gw_flyte_task(r));
    } else if (r->kind == GW_ACTION) {
        put_action(out, gw_flyte_action(r));
    }
}
