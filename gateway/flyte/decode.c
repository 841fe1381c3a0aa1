#include "base/arena.h"
#include "base/err.h"
#include "flyte/flyte.h"
#include "flyte/reflect.h"
#include "flyteidl/admin/event.pb-c.h"
#include "flyteidl2/workflow/run_definition.pb-c.h"

#include <assert.h>

const char *const gw_kind_names[GW_KINDS] = {"workflow", "node", "task", "action", "other"};

int gw_kind_parse(struct gw_str name, enum gw_kind *out)
{
    for (int k = 0; k < GW_KINDS; k++) {
        if (gw_str_is(name, gw_kind_names[k])) {
            *out = (enum gw_kind)k;
            return 0;
        }
    }
    return -1;
}

const ProtobufCMessageDescriptor *gw_flyte_descriptor(enum gw_kind kind)
{
    switch (kind) {
    case GW_WORKFLOW:
        return &flyteidl__admin__workflow_execution_event_request__descriptor;
    case GW_NODE:
        return &flyteidl__admin__node_execution_event_request__descriptor;
    case GW_TASK:
        return &flyteidl__admin__task_execution_event_request__descriptor;
    case GW_ACTION:
        return &flyteidl2__workflow__action_event__descriptor;
    default:
        return NULL;
    }
}

int gw_flyte_decode(struct gw_arena *mem, enum gw_kind kind, struct gw_str bytes,
                    struct gw_flyte_request *out, struct gw_err *err)
{
    const ProtobufCMessageDescriptor *d = gw_flyte_descriptor(kind);

    if (!d)
        return gw_err_set(err, GW_ERR_REJECT, "no event request: %s", gw_kind_names[kind]);
    *out = (struct gw_flyte_request){.kind = kind, .bytes = bytes};
    out->msg = gw_pb_decode(mem, d, bytes, err);
    return out->msg ? 0 : -1;
}

int gw_flyte_decode_json(struct gw_arena *mem, enum gw_kind kind, struct gw_str json,
                         struct gw_flyte_request *out, struct gw_err *err)
{
    const ProtobufCMessageDescriptor *d = gw_flyte_descriptor(kind);

    if (!d)
        return gw_err_set(err, GW_ERR_REJECT, "no event request: %s", gw_kind_names[kind]);
    *out = (struct gw_flyte_request){.kind = kind};
    out->msg = gw_pb_json_read(mem, d, json, err);
    if (!out->msg)
        return -1;
    out->bytes = gw_flyte_encode(mem, out->msg);
    return 0;
}

struct gw_str gw_flyte_encode(struct gw_arena *mem, const ProtobufCMessage *msg)
{
    size_t size = protobuf_c_message_get_packed_size(msg);
    uint8_t *p = gw_arena_alloc(mem, size + 1);
    size_t len = protobuf_c_message_pack(msg, p);

    assert(len == size);
    return (struct gw_str){(const char *)p, len};
}
