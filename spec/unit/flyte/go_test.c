#include "flyte/go_text.h"
#include "flyteidl/admin/event.pb-c.h"
#include "golden.h"

static struct gw_str jsonpb(struct gw_arena *mem, const ProtobufCMessage *m)
{
    struct gw_buf out;
    struct gw_err err;

    gw_buf_init(&out, 1 << 26, mem);
    if (gw_pb_jsonpb_put(&out, m, &err)) {
        fprintf(stderr, "%s\n", err.msg);
        exit(1);
    }
    return gw_buf_str(&out);
}

static struct gw_str text_of(struct gw_arena *mem, const ProtobufCMessage *m, int spacing)
{
    struct gw_buf out;

    gw_buf_init(&out, 1 << 26, mem);
    gw_go_text_put(&out, m, spacing);
    CHECK(!out.failed);
    return gw_buf_str(&out);
}

static int same(struct gw_str got, struct gw_str want)
{
    if (gw_str_eq(got, want))
        return 1;
    fprintf(stderr, "got  %.*s\nwant %.*s\n", (int)got.len, got.p, (int)want.len, want.p);
    return 0;
}

static struct gw_flyte_request decoded(struct gw_arena *mem, enum gw_kind kind, struct gw_str bytes)
{
    struct gw_flyte_request r;
    struct gw_err err;

    if (gw_flyte_decode(mem, kind, bytes, &r, &err)) {
        fprintf(stderr, "%s\n", err.msg);
        exit(1);
    }
    return r;
}

/* What FlyteAdmin makes the id of. */
static const ProtobufCMessage *named(const struct gw_flyte_request *r)
{
    if (r->kind == GW_WORKFLOW)
        return &((const Flyteidl__Admin__WorkflowExecutionEventRequest *)r->msg)
                    ->event->execution_id->base;
    if (r->kind == GW_NODE)
        return &((const Flyteidl__Admin__NodeExecutionEventRequest *)r->msg)->event->id->base;
    return &((const Flyteidl__Admin__TaskExecutionEventRequest *)r->msg)->event->task_id->base;
}

static int id_begins_with(struct gw_arena *mem, struct gw_str style, const char *spacing,
                          struct gw_str text)
{
    struct gw_str id = golden_string(
        mem,
        golden_member(golden_member(golden_member(style, "id_spacing"), spacing), "attributes"),
        "id");

    return same((struct gw_str){id.p, text.len < id.len ? text.len : id.len}, text) &&
           id.p[text.len] == '.';
}

TEST(test_go_writers_give_the_bytes_of_every_vector)
{
    struct gw_arena *mem = test_arena();

    for (int i = 0; i < GOLDEN_VECTORS; i++) {
        struct gw_str file = golden_vector(mem, i);
        struct gw_str style = golden_member(golden_member(file, "styles"), "flyteadmin");
        struct gw_flyte_request r =
            decoded(mem, golden_kind(mem, file),
                    gw_base64_decode(mem, golden_string(mem, file, "request_b64")));

        CHECK(same(jsonpb(mem, r.msg), golden_string(mem, style, "data")));
        CHECK(id_begins_with(mem, style, "1", text_of(mem, named(&r), 1)));
        CHECK(id_begins_with(mem, style, "2", text_of(mem, named(&r), 2)));
    }
}
