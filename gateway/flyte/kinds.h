#ifndef GW_FLYTE_KINDS_H
#define GW_FLYTE_KINDS_H

#include "flyte/flyte.h"
#include "flyteidl/admin/event.pb-c.h"
#include "flyteidl2/workflow/run_definition.pb-c.h"

/* Inside the room: the event in a request of that kind; an empty one when the request has none. */
const Flyteidl__Event__WorkflowExecutionEvent *gw_flyte_workflow(const struct gw_flyte_request *r);
const Flyteidl__Event__NodeExecutionEvent *gw_flyte_node(const struct gw_flyte_request *r);
const Flyteidl__Event__TaskExecutionEvent *gw_flyte_task(const struct gw_flyte_request *r);
const Flyteidl2__Workflow__ActionEvent *gw_flyte_action(const struct gw_flyte_request *r);
/* NULL: not set. */
const Google__Protobuf__Timestamp *gw_flyte_occurred_at(const struct gw_flyte_request *r);

/* The name of a phase (an action's without ACTION_PHASE_), its number when it has none. */
struct gw_str gw_flyte_phase(struct gw_arena *mem, const ProtobufCEnumDescriptor *d, int32_t phase);

/* What an event is called by. Texts are never absent. */
struct gw_flyte_names {
    struct gw_str org, project, domain, execution;
    struct gw_str node;                    /* node, task; the action's name */
    struct gw_str retry_group;             /* node */
    struct gw_str task, version;           /* task */
    uint32_t attempt, phase_version;       /* task, action */
    const ProtobufCEnumDescriptor *phases; /* of phase */
    int32_t phase;
};
void gw_flyte_names(const struct gw_flyte_request *r, struct gw_flyte_names *out);

/* The documented id. */
struct gw_str gw_flyte_id(struct gw_arena *mem, const struct gw_flyte_request *r);

#endif
