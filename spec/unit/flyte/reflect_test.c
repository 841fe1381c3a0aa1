#include "flyte/reflect.h"
#include "flyte/schema.h"
#include "flyteidl/core/literals.pb-c.h"
#include "golden.h"

#include <protobuf-c/protobuf-c.h>

#define D (&flyteidl__event__task_execution_event__descriptor)
#include "flyteidl/event/event.pb-c.h"

static const ProtobufCFieldDescriptor *field(const char *name)
{
    return gw_pb_field(D, gw_str_of(name));
}

TEST(test_reflect_knows_what_the_schema_says)
{
    CHECK(gw_pb_kind(D, field("producer_id")) == GW_PB_STRING);
    CHECK(gw_pb_kind(D, field("logs")) == GW_PB_PLAIN);
    CHECK(gw_pb_kind(&flyteidl__core__literal_map__descriptor,
                     &flyteidl__core__literal_map__descriptor.fields[0]) == GW_PB_MAP);
    CHECK(!strcmp(gw_pb_json_name(D, field("parent_node_execution_id")), "parentNodeExecutionId"));
    CHECK(gw_pb_field_json(D, GW_STR("retryAttempt")) == field("retry_attempt"));
    CHECK(gw_pb_field_json(D, GW_STR("retry_attempt")) == field("retry_attempt"));
    CHECK(!gw_pb_field(D, GW_STR("retryAttempt")) && !gw_pb_field(D, GW_STR("")));
    CHECK(!strcmp(gw_pb_oneof(D, field("output_uri")), "output_result"));
    CHECK(!strcmp(gw_pb_oneof(D, field("input_data")), "input_value"));
    CHECK(!gw_pb_oneof(D, field("phase")));
    CHECK(gw_pb_is_timestamp(field("occurred_at")->descriptor));
    CHECK(!gw_pb_is_timestamp(D));
}

TEST(test_reflect_has_is_presence)
{
    struct gw_arena *mem = test_arena();
    ProtobufCMessage *m = gw_pb_new(mem, D);

    for (unsigned i = 0; i < D->n_fields; i++)
        CHECK(!gw_pb_has(m, &D->fields[i]));
    *(uint32_t *)gw_pb_member(m, field("retry_attempt")) = 1;
    CHECK(gw_pb_has(m, field("retry_attempt")));
    gw_pb_choose(m, field("output_uri"));
    CHECK(gw_pb_has(m, field("output_uri")) && !gw_pb_has(m, field("error")));
    gw_pb_clear(m, field("error"));
    CHECK(gw_pb_has(m, field("output_uri")));
    gw_pb_choose(m, field("error"));
    CHECK(gw_pb_has(m, field("error")) && !gw_pb_has(m, field("output_uri")));
    CHECK(!*(void **)gw_pb_member(m, field("error")));
    gw_pb_clear(m, field("error"));
    CHECK(!gw_pb_has(m, field("error")));
    for (int i = 0; i < 9; i++)
        *(void **)gw_pb_add(mem, m, field("logs")) = m;
    CHECK(gw_pb_count(m, field("logs")) == 9 && gw_pb_has(m, field("logs")));
    for (int i = 0; i < 9; i++)
        CHECK((*(void ***)gw_pb_member(m, field("logs")))[i] == m);
    gw_pb_clear(m, field("logs"));
    CHECK(!gw_pb_has(m, field("logs")) && gw_pb_count(m, field("logs")) == 0);
}

TEST(test_schema_gives_the_file_of_a_symbol)
{
    struct gw_str file = gw_schema_file(GW_STR("flyteidl/service/admin.proto"));

    CHECK(file.p && file.len > 100);
    CHECK(gw_schema_symbol(GW_STR("flyteidl.service.AdminService")).p == file.p);
    CHECK(gw_schema_symbol(GW_STR("flyteidl.service.AdminService.CreateTaskEvent")).p == file.p);
    CHECK(gw_schema_symbol(GW_STR("flyteidl.core.TaskExecution.Phase")).p ==
          gw_schema_file(GW_STR("flyteidl/core/execution.proto")).p);
    CHECK(gw_schema_symbol(GW_STR("grpc.health.v1.Health.Watch")).p);
    CHECK(gw_schema_symbol(GW_STR("grpc.reflection.v1alpha.ServerReflection")).p);
    CHECK(gw_schema_symbol(GW_STR("io.cloudevents.v1.CloudEvent")).p);
    CHECK(!gw_schema_symbol(GW_STR("flyteidl.service.AdminServic")).p);
    CHECK(!gw_schema_symbol(GW_STR("flyteidl.service.AdminServicex")).p);
    CHECK(!gw_schema_symbol(GW_STR("")).p && !gw_schema_file(GW_STR("zzz")).p);
    CHECK(!gw_schema_file((struct gw_str){0}).p);
    for (size_t i = 0; i < gw_schema_n_symbols; i++)
        CHECK(gw_schema_symbol(gw_str_of(gw_schema_symbols[i].name)).p ==
              (const char *)gw_schema_files[gw_schema_symbols[i].file].bytes);
}
