#include "event/event.h"
#include "event/format.h"
#include "flyte/flyte.h"
#include "golden.h"

static struct gw_event *make(struct gw_arena *mem, const struct gw_flyte_request *r, int json)
{
    struct gw_style_conf conf = {.source = GW_STR("https://flyte.example/"), .json = json};
    struct gw_event *ev = gw_arena_alloc(mem, sizeof(*ev));
    struct gw_err err;

    gw_event_init(ev, mem);
    if (gw_style_make(&conf, r, ev, &err) || gw_event_check(ev, &err)) {
        fprintf(stderr, "%s\n", err.msg);
        exit(1);
    }
    return ev;
}

static struct gw_event *of_json(struct gw_arena *mem, enum gw_kind kind, const char *json)
{
    struct gw_flyte_request r;
    struct gw_err err;

    CHECK(!gw_flyte_decode_json(mem, kind, gw_str_of(json), &r, &err));
    return make(mem, &r, 0);
}

static int has(const struct gw_event *ev, const char *name, const char *value)
{
    struct gw_str got = gw_event_text(ev, name);

    if (value ? gw_str_is(got, value) && got.p : !got.p)
        return 1;
    fprintf(stderr, "%s: %.*s\n", name, (int)got.len, got.p);
    return 0;
}

#define EXECUTION "\"executionId\":{\"project\":\"p\",\"domain\":\"d:1\",\"name\":\"x\"}"

TEST(test_style_documented_is_the_table)
{
    struct gw_arena *mem = test_arena();
    struct gw_event *ev = of_json(mem, GW_WORKFLOW,
                                  "{\"event\":{" EXECUTION ",\"phase\":\"FAILED\","
                                  "\"occurredAt\":\"2026-01-02T03:04:05.5Z\"}}");

    CHECK(has(ev, "id", "p:d%3A1:x:FAILED") && has(ev, "source", "https://flyte.example/"));
    CHECK(has(ev, "type", "com.flyte.resource.workflow"));
    CHECK(has(ev, "subject", "admin_event_pb2.WorkflowExecutionEventRequest"));
    CHECK(has(ev, "time", "2026-01-02T03:04:05.500Z"));
    CHECK(has(ev, "datacontenttype", "application/protobuf"));
    CHECK(has(ev, "jsonschemaurl",
              "https://github.com/flyteorg/flyteidl/blob/master/jsonschema/"
              "workflow_execution.json"));
    CHECK(ev->data_kind == GW_DATA_BYTES && ev->data.len > 0);

    ev = of_json(mem, GW_NODE,
                 "{\"event\":{\"id\":{\"nodeId\":\"n0\"," EXECUTION "},\"retryGroup\":\"1\"}}");
    CHECK(has(ev, "id", "p:d%3A1:x:n0:1:UNDEFINED") && has(ev, "time", NULL));
    CHECK(has(ev, "type", "com.flyte.resource.node"));
    CHECK(has(ev, "subject", "admin_event_pb2.NodeExecutionEventRequest"));

    ev = of_json(mem, GW_TASK,
                 "{\"event\":{\"taskId\":{\"name\":\"t\",\"version\":\"v\"},\"retryAttempt\":3,"
                 "\"parentNodeExecutionId\":{\"nodeId\":\"n\"," EXECUTION "},\"phase\":42,"
                 "\"phaseVersion\":4294967295}}");
    CHECK(has(ev, "id", "p:d%3A1:x:n:t:v:3:42:4294967295"));
    CHECK(has(ev, "type", "com.flyte.resource.task"));
    CHECK(has(ev, "subject", "admin_event_pb2.TaskExecutionEventRequest"));
    CHECK(has(ev, "jsonschemaurl",
              "https://github.com/flyteorg/flyteidl/blob/master/jsonschema/"
              "task_execution.json"));
}

TEST(test_style_tells_an_empty_request)
{
    struct gw_arena *mem = test_arena();

    CHECK(has(of_json(mem, GW_WORKFLOW, "{}"), "id", ":::UNDEFINED"));
    CHECK(has(of_json(mem, GW_NODE, "{}"), "id", ":::::UNDEFINED"));
    CHECK(has(of_json(mem, GW_TASK, "{}"), "id", "::::::0:UNDEFINED:0"));
}

TEST(test_style_refuses_a_time_nobody_can_write)
{
    struct gw_style_conf conf = {.source = GW_STR("s")};
    struct gw_arena *mem = test_arena();
    struct gw_flyte_request r;
    struct gw_event ev;
    struct gw_err err;

    /* event.occurred_at.nanos: 1,000,000,000 */
    CHECK(!gw_flyte_decode(mem, GW_WORKFLOW, GW_STR("\x12\x08\x22\x06\x10\x80\x94\xeb\xdc\x03"), &r,
                           &err));
    gw_event_init(&ev, mem);
    CHECK(gw_style_make(&conf, &r, &ev, &err) == -1 && err.kind == GW_ERR_REJECT);
    CHECK(strstr(err.msg, "event.occurred_at: "));
}

TEST(test_style_json_data_is_protojson)
{
    struct gw_arena *mem = test_arena();
    struct gw_flyte_request r;
    struct gw_event *ev;
    struct gw_err err;

    CHECK(!gw_flyte_decode_json(mem, GW_WORKFLOW, GW_STR("{\"event\":{\"phase\":2}}"), &r, &err));
    ev = make(mem, &r, 1);
    CHECK(ev->data_kind == GW_DATA_JSON);
    CHECK(gw_str_is(ev->data, "{\"event\":{\"phase\":\"RUNNING\"}}"));
    CHECK(has(ev, "datacontenttype", "application/json"));
}

TEST(test_style_data_follows_a_changed_request)
{
    struct gw_style_conf conf = {.source = GW_STR("s")};
    struct gw_arena *mem = test_arena();
    struct gw_flyte_request r;
    struct gw_event *ev;
    struct gw_err err;

    CHECK(!gw_flyte_decode(mem, GW_WORKFLOW,
                           GW_STR("\x0a\x01"
                                  "a"),
                           &r, &err));
    ev = make(mem, &r, 0);
    CHECK(gw_str_eq(ev->data, r.bytes));
    gw_pb_clear(r.msg, gw_pb_field(r.msg->descriptor, GW_STR("request_id")));
    r.changed = 1;
    CHECK(!gw_style_data(&conf, &r, ev, &err) && ev->data.len == 0);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

TEST(test_style_ids_are_unique_in_each_stream)
{
    struct gw_arena *mem = test_arena();

    for (int i = 0; i < GOLDEN_STREAMS; i++) {
        struct gw_str text = golden_file(mem, golden_streams[i]), first_key = {0};
        char *ids[100];
        size_t n = 0;

        for (struct gw_str line; (line = golden_line(&text)).p; n++) {
            struct gw_flyte_request r;
            struct gw_err err;
            struct gw_str id;

            CHECK(!gw_flyte_decode_json(mem, golden_kind(mem, line), golden_member(line, "request"),
                                        &r, &err));
            id = gw_event_text(make(mem, &r, 0), "id");
            if (!first_key.p)
                first_key = gw_flyte_key(mem, &r);
            CHECK(gw_str_eq(gw_flyte_key(mem, &r), first_key) || i == 2);
            ids[n] = gw_arena_strndup(mem, id.p, id.len);
        }
        CHECK(n >= 29);
        qsort(ids, n, sizeof(*ids), compare);
        for (size_t k = 1; k < n; k++)
            CHECK(strcmp(ids[k - 1], ids[k]) != 0);
    }
}

TEST(test_event_key_is_partitionkey_or_source_and_subject)
{
    struct gw_arena *mem = test_arena();
    struct gw_event ev;

    gw_event_init(&ev, mem);
    gw_event_set(&ev, GW_STR("source"), GW_STR("/a:b"));
    CHECK(gw_str_is(gw_event_key(mem, &ev), "/a:b"));
    gw_event_set(&ev, GW_STR("subject"), GW_STR("s"));
    CHECK(gw_str_is(gw_event_key(mem, &ev), "/a%3Ab:s"));
    gw_event_set(&ev, GW_STR("partitionkey"), GW_STR("k"));
    CHECK(gw_str_is(gw_event_key(mem, &ev), "k"));
}
