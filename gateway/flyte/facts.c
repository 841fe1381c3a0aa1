#include "flyte/flyte.h"
#include "flyte/kinds.h"

#define BIT(phase)      (1U << (phase))
#define WORKFLOW(phase) BIT(FLYTEIDL__CORE__WORKFLOW_EXECUTION__PHASE__##phase)
#define NODE(phase)     BIT(FLYTEIDL__CORE__NODE_EXECUTION__PHASE__##phase)
#define TASK(phase)     BIT(FLYTEIDL__CORE__TASK_EXECUTION__PHASE__##phase)
#define ACTION(phase)   BIT(FLYTEIDL2__COMMON__ACTION_PHASE__ACTION_PHASE_##phase)

/* Sets of phases, by kind. A task's RETRYABLE_FAILED is not the end: another attempt follows. */
static const unsigned failed[GW_KINDS] = {
    [GW_WORKFLOW] = WORKFLOW(FAILED) | WORKFLOW(TIMED_OUT),
    [GW_NODE] = NODE(FAILED) | NODE(TIMED_OUT),
    [GW_TASK] = TASK(FAILED) | TASK(RETRYABLE_FAILED),
    [GW_ACTION] = ACTION(FAILED) | ACTION(TIMED_OUT),
};
static const unsigned terminal[GW_KINDS] = {
    [GW_WORKFLOW] =
        WORKFLOW(SUCCEEDED) | WORKFLOW(FAILED) | WORKFLOW(ABORTED) | WORKFLOW(TIMED_OUT),
    [GW_NODE] = NODE(SUCCEEDED) | NODE(FAILED) | NODE(ABORTED) | NODE(SKIPPED) | NODE(TIMED_OUT) |
                NODE(RECOVERED),
    [GW_TASK] = TASK(SUCCEEDED) | TASK(FAILED) | TASK(ABORTED),
    [GW_ACTION] = ACTION(SUCCEEDED) | ACTION(FAILED) | ACTION(ABORTED) | ACTION(TIMED_OUT) |
                  ACTION(RECOVERED),
};

static int in(unsigned set, int32_t phase)
{
    return phase >= 0 && phase < 32 && (set & BIT(phase));
}

static const Flyteidl__Core__ExecutionError *error_of(const struct gw_flyte_request *r)
{
    if (r->kind == GW_WORKFLOW) {
        const Flyteidl__Event__WorkflowExecutionEvent *e = gw_flyte_workflow(r);

        return e->output_result_case ==
                       FLYTEIDL__EVENT__WORKFLOW_EXECUTION_EVENT__OUTPUT_RESULT_ERROR
                   ? e->error
                   : NULL;
    }
    if (r->kind == GW_NODE) {
        const Flyteidl__Event__NodeExecutionEvent *e = gw_flyte_node(r);

        return e->output_result_case == FLYTEIDL__EVENT__NODE_EXECUTION_EVENT__OUTPUT_RESULT_ERROR
                   ? e->error
                   : NULL;
    }
    if (r->kind == GW_TASK) {
        const Flyteidl__Event__TaskExecutionEvent *e = gw_flyte_task(r);

        return e->output_result_case == FLYTEIDL__EVENT__TASK_EXECUTION_EVENT__OUTPUT_RESULT_ERROR
                   ? e->error
                   : NULL;
    }
    return NULL;
}

static struct gw_str text_of(ProtobufCBinaryData b)
{
    return (struct gw_str){b.len ? (const char *)b.data : "", b.len};
}

static void put_error(const struct gw_flyte_request *r, struct gw_flyte *out)
{
    const Flyteidl__Core__ExecutionError *error = error_of(r);
    const Flyteidl2__Workflow__ActionEvent *action =
        r->kind == GW_ACTION ? gw_flyte_action(r) : NULL;

    if (action && action->_error_info_case) {
        out->error_code = text_of(action->error_info->code);
        out->error_message = text_of(action->error_info->message);
    } else if (error) {
        out->error_code = text_of(error->code);
        out->error_message = text_of(error->message);
    }
}

void gw_flyte_facts(struct gw_arena *mem, const struct gw_flyte_request *r, struct gw_flyte *out)
{
    struct gw_flyte_names n;

    *out = (struct gw_flyte){.kind = r->kind, .attempt = -1};
    gw_flyte_names(r, &n);
    if (!n.phases)
        return;
    out->org = n.org;
    out->project = n.project;
    out->domain = n.domain;
    out->execution = n.execution;
    if (r->kind != GW_WORKFLOW)
        out->node = n.node;
    if (r->kind == GW_TASK)
        out->task = n.task;
    if (r->kind == GW_TASK || r->kind == GW_ACTION)
        out->attempt = n.attempt;
    out->phase = gw_flyte_phase(mem, n.phases, n.phase);
    out->failed = in(failed[r->kind], n.phase);
    out->terminal = in(terminal[r->kind], n.phase);
    put_error(r, out);
}
