#include "ingest/world.h"

#define TASK     "/flyteidl.service.AdminService/CreateTaskEvent"
#define WORKFLOW "/flyteidl.service.AdminService/CreateWorkflowEvent"
static const char grpc[] = "application/grpc";
static struct world w;

static void call_now(struct gw_http_call *call, const char *path, struct gw_str body)
{
    world_start(&w, call, path, grpc, body);
    world_wait(&w, call);
}

TEST(test_grpc_event_is_answered_with_an_empty_message)
{
    struct gw_http_call call = {0};

    world_open(&w, &gw_grpc_handler);
    call_now(&call, TASK, world_frame(&w, GW_STR("\x0a\x03req")));
    CHECK(call.status == 200 && world_status(&call) == 0);
    CHECK(call.answer.len == 5 && !memcmp(call.answer.p, "\0\0\0\0\0", 5));
    CHECK(gw_str_is(*gw_http_answer(&call, "content-type"), "application/grpc"));
    CHECK(world_accepted(&w) == 1);
    CHECK(w.front.received[GW_GRPC][GW_TASK]->value == 1);
    CHECK(w.pending == 0);
    world_close(&w);
}

TEST(test_grpc_event_is_not_answered_before_its_sync_returned)
{
    struct gw_http_call call = {0};

    world_open(&w, &gw_grpc_handler);
    world_hold(1);
    world_start(&w, &call, TASK, grpc, world_frame(&w, GW_STR("")));
    world_settle(&w);
    CHECK(!world_ended(&w, &call) && call.status == 0);
    CHECK(w.front.received[GW_GRPC][GW_TASK]->value == 0 && w.pending > 0);
    world_hold(0);
    world_wait(&w, &call);
    CHECK(world_status(&call) == 0 && w.pending == 0);
    world_close(&w);
}

TEST(test_grpc_event_of_a_client_that_left_is_kept)
{
    struct gw_http_call call = {0}, next = {0};

    world_open(&w, &gw_grpc_handler);
    world_hold(1);
    world_start(&w, &call, TASK, grpc, world_frame(&w, GW_STR("")));
    gw_loop_turn(w.front.loop, 0);
    gw_http2_calls_cancel(w.client, &call);
    world_carry(&w);
    world_hold(0);
    call_now(&next, TASK, world_frame(&w, GW_STR("")));
    CHECK(world_status(&next) == 0 && world_accepted(&w) == 2);
    world_close(&w);
}

TEST(test_grpc_events_of_one_turn_are_answered_each)
{
    struct gw_http_call call[20] = {0};

    world_open(&w, &gw_grpc_handler);
    for (int i = 0; i < 20; i++)
        world_start(&w, &call[i], i % 2 ? TASK : WORKFLOW, grpc, world_frame(&w, GW_STR("")));
    for (int i = 0; i < 20; i++) {
        if (call[i].max_answer)
            world_wait(&w, &call[i]);
        CHECK(world_status(&call[i]) == 0);
    }
    CHECK(world_accepted(&w) == 20 && w.front.received[GW_GRPC][GW_WORKFLOW]->value == 10);
    world_close(&w);
}

TEST(test_grpc_deadline_ends_the_wait_and_the_record_is_kept)
{
    static const struct gw_http_header timeout[] = {{{"grpc-timeout", 12}, {"5m", 2}}};
    struct gw_http_call call = {.headers = timeout, .n_headers = 1};

    world_open(&w, &gw_grpc_handler);
    world_hold(1);
    call_now(&call, TASK, world_frame(&w, GW_STR("")));
    CHECK(world_status(&call) == GW_RPC_DEADLINE_EXCEEDED);
    CHECK(world_rejected(&w, GW_GRPC, GW_R_DEADLINE) == 1);
    world_hold(0);
    while (w.front.under_way > 0)
        gw_loop_turn(w.front.loop, 1);
    CHECK(world_accepted(&w) == 1);
    world_close(&w);
}

TEST(test_grpc_answer_takes_the_deadline_with_it)
{
    static const struct gw_http_header timeout[] = {{{"grpc-timeout", 12}, {"15S", 3}}};
    struct gw_http_call good = {.headers = timeout, .n_headers = 1}, bad = good;

    world_open(&w, &gw_grpc_handler);
    call_now(&good, TASK, world_frame(&w, GW_STR("")));
    call_now(&bad, TASK, world_frame(&w, GW_STR("abc")));
    CHECK(world_status(&good) == 0 && world_status(&bad) == GW_RPC_INVALID_ARGUMENT);
    CHECK(!w.front.deadlines);
    world_close(&w);
}

TEST(test_grpc_timeout_that_is_none_is_refused)
{
    static const char *const bad[] = {"5", "S", "123456789S", "5x", "-1S", "5 S"};
    struct gw_http_header h = {GW_STR("grpc-timeout"), {0}};

    world_open(&w, &gw_grpc_handler);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct gw_http_call call = {.headers = &h, .n_headers = 1};

        h.value = gw_str_of(bad[i]);
        call_now(&call, TASK, world_frame(&w, GW_STR("")));
        CHECK(world_status(&call) == GW_RPC_INVALID_ARGUMENT);
    }
    h.value = GW_STR("0n");
    {
        struct gw_http_call call = {.headers = &h, .n_headers = 1};

        call_now(&call, TASK, world_frame(&w, GW_STR("")));
        CHECK(world_status(&call) == GW_RPC_DEADLINE_EXCEEDED);
    }
    CHECK(world_accepted(&w) == 0);
    world_close(&w);
}

TEST(test_grpc_refusals_say_why_and_leave_nothing)
{
    static const struct {
        struct gw_str body;
        int status;
        const char *says;
    } cases[] = {
        {{"\0\0\0\0\2\x0a\x7f", 7}, GW_RPC_INVALID_ARGUMENT, ""},
        {{"\0\0\0\0\2\x0a", 6}, GW_RPC_INVALID_ARGUMENT, "cut short"},
        {{"", 0}, GW_RPC_INVALID_ARGUMENT, "no message"},
        {{"\0\0\0\0\0\0\0\0\0\0", 10}, GW_RPC_INVALID_ARGUMENT, "two messages"},
        {{"\0\377\377\377\377", 5},
         GW_RPC_RESOURCE_EXHAUSTED,
         "too large (message larger than max): 4294967295 bytes declared"},
        {{"\1\0\0\0\0", 5}, GW_RPC_INTERNAL, "grpc-encoding"},
        {{"\3\0\0\0\0", 5}, GW_RPC_INVALID_ARGUMENT, "flag is 3"},
    };

    world_open(&w, &gw_grpc_handler);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct gw_http_call call = {0};

        call_now(&call, TASK, cases[i].body);
        CHECK(call.status == 200 && world_status(&call) == cases[i].status);
        CHECK(strstr(world_message(&call), cases[i].says) && world_message(&call)[0]);
        CHECK(call.answer.len == 0);
    }
    CHECK(world_accepted(&w) == 0 && w.pending == 0 && w.front.under_way == 0);
    CHECK(world_rejected(&w, GW_GRPC, GW_R_TOO_LARGE) == 1);
    CHECK(world_rejected(&w, GW_GRPC, GW_R_INVALID) == 6);
    world_close(&w);
}

TEST(test_grpc_message_is_percent_encoded)
{
    struct gw_http_call call = {0};

    world_open(&w, &gw_grpc_handler);
    call_now(&call, "/a%b\xc3\xa9", world_frame(&w, GW_STR("")));
    CHECK(world_status(&call) == GW_RPC_UNIMPLEMENTED);
    CHECK(strstr(world_message(&call), "/a%25b%C3%A9"));
    world_close(&w);
}

TEST(test_grpc_other_encodings_are_unimplemented_and_named)
{
    static const struct gw_http_header deflate[] = {{{"grpc-encoding", 13}, {"deflate", 7}}};
    struct gw_http_call call = {.headers = deflate, .n_headers = 1};

    world_open(&w, &gw_grpc_handler);
    call_now(&call, TASK, world_frame(&w, GW_STR("")));
    CHECK(world_status(&call) == GW_RPC_UNIMPLEMENTED);
    CHECK(gw_str_is(*gw_http_answer(&call, "grpc-accept-encoding"), "gzip,identity"));
    CHECK(world_rejected(&w, GW_GRPC, GW_R_UNSUPPORTED) == 1);
    world_close(&w);
}

TEST(test_grpc_content_types_that_are_none_are_415)
{
    static const char *const bad[] = {"application/json", "application/grpcx",
                                      "application/grpc+json", "application/grp"};
    static const char *const good[] = {"application/grpc", "application/grpc+proto",
                                       "application/grpc;x=y"};

    world_open(&w, &gw_grpc_handler);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct gw_http_call call = {0};

        world_start(&w, &call, TASK, bad[i], world_frame(&w, GW_STR("")));
        world_wait(&w, &call);
        CHECK(call.status == 415);
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        struct gw_http_call call = {0};

        world_start(&w, &call, TASK, good[i], world_frame(&w, GW_STR("")));
        world_wait(&w, &call);
        CHECK(world_status(&call) == 0);
    }
    world_close(&w);
}

TEST(test_grpc_too_much_pending_is_refused_until_it_is_written)
{
    struct gw_http_call first = {0}, second = {0}, third = {0};
    char id[300] = "\x0a\xff\x01";

    memset(id + 3, 'x', 255);
    world_open_with(&w, &gw_grpc_handler, 500, 64L << 20);
    world_hold(1);
    world_start(&w, &first, TASK, grpc, world_frame(&w, (struct gw_str){id, 258}));
    gw_loop_turn(w.front.loop, 0);
    call_now(&second, TASK, world_frame(&w, (struct gw_str){id, 258}));
    CHECK(world_status(&second) == GW_RPC_RESOURCE_EXHAUSTED);
    CHECK(strstr(world_message(&second), "max_pending_bytes"));
    CHECK(strncmp(world_message(&second), "message too large", 17) != 0);
    CHECK(world_rejected(&w, GW_GRPC, GW_R_PENDING) == 1);
    world_hold(0);
    world_wait(&w, &first);
    call_now(&third, TASK, world_frame(&w, (struct gw_str){id, 258}));
    CHECK(world_status(&first) == 0 && world_status(&third) == 0 && world_accepted(&w) == 2);
    world_close(&w);
}

TEST(test_grpc_message_that_is_coming_counts_as_pending)
{
    struct gw_http_call call = {0};
    char *body;

    world_open_with(&w, &gw_grpc_handler, 100000, 64L << 20);
    body = gw_arena_zalloc(w.mem, 70000);
    body[2] = 1; /* 65536 + 4460 bytes declared, two of them missing */
    body[3] = 17;
    body[4] = 108;
    call_now(&call, TASK, (struct gw_str){body, 69999});
    CHECK(world_status(&call) == GW_RPC_RESOURCE_EXHAUSTED && w.pending == 0);
    CHECK(world_rejected(&w, GW_GRPC, GW_R_PENDING) == 1);
    world_close(&w);
}

TEST(test_grpc_waiting_clients_get_unavailable_when_the_log_fails)
{
    struct gw_http_call call = {0};

    world_open(&w, &gw_grpc_handler);
    world_fail_syncs();
    call_now(&call, TASK, world_frame(&w, GW_STR("")));
    CHECK(world_status(&call) == GW_RPC_UNAVAILABLE && world_message(&call)[0]);
    CHECK(world_rejected(&w, GW_GRPC, GW_R_UNAVAILABLE) == 1);
    CHECK(w.front.received[GW_GRPC][GW_TASK]->value == 0);
    world_close(&w);
}

TEST(test_grpc_new_calls_are_unavailable_while_stopping)
{
    struct gw_http_call waits = {0}, call = {0};

    world_open(&w, &gw_grpc_handler);
    world_hold(1);
    world_start(&w, &waits, TASK, grpc, world_frame(&w, GW_STR("")));
    gw_loop_turn(w.front.loop, 0);
    w.front.stopping = 1;
    gw_grpc_stop(&w.front);
    call_now(&call, TASK, world_frame(&w, GW_STR("")));
    CHECK(world_status(&call) == GW_RPC_UNAVAILABLE);
    world_hold(0);
    world_wait(&w, &waits); /* what was in progress is answered */
    CHECK(world_status(&waits) == 0 && world_accepted(&w) == 1);
    world_close(&w);
}

/* ---- health ---- */

#define CHECK_HEALTH "/grpc.health.v1.Health/Check"
#define WATCH_HEALTH "/grpc.health.v1.Health/Watch"

TEST(test_health_check_tells_of_known_services)
{
    struct gw_http_call all = {0}, admin = {0}, other = {0};

    world_open(&w, &gw_grpc_handler);
    call_now(&all, CHECK_HEALTH, world_frame(&w, GW_STR("")));
    CHECK(world_status(&all) == 0 && all.answer.len == 7 && all.answer.p[6] == 1);
    call_now(&admin, CHECK_HEALTH,
             world_frame(&w, GW_STR("\x0a\x1d"
                                    "flyteidl.service.AdminService")));
    CHECK(world_status(&admin) == 0 && admin.answer.p[6] == 1);
    call_now(&other, CHECK_HEALTH, world_frame(&w, GW_STR("\x0a\x01x")));
    CHECK(world_status(&other) == GW_RPC_NOT_FOUND);
    world_close(&w);
}

TEST(test_health_watch_is_told_of_the_end)
{
    struct gw_http_call watch = {0}, unknown = {0}, check = {0};

    world_open(&w, &gw_grpc_handler);
    world_start(&w, &watch, WATCH_HEALTH, grpc, world_frame(&w, GW_STR("")));
    world_start(&w, &unknown, WATCH_HEALTH, grpc, world_frame(&w, GW_STR("\x0a\x01x")));
    world_settle(&w);
    CHECK(watch.answer.len == 7 && watch.answer.p[6] == 1);
    CHECK(unknown.answer.len == 7 && unknown.answer.p[6] == 3);
    w.front.stopping = 1;
    gw_grpc_stop(&w.front);
    world_carry(&w);
    CHECK(world_ended(&w, &watch) && world_status(&watch) == GW_RPC_UNAVAILABLE);
    CHECK(watch.answer.len == 14 && watch.answer.p[13] == 2);
    call_now(&check, CHECK_HEALTH, world_frame(&w, GW_STR("")));
    CHECK(check.answer.p[6] == 2 && !w.front.open_calls);
    world_close(&w);
}

/* ---- reflection ---- */

static int holds(const struct gw_http_call *call, const char *text)
{
    return memmem(call->answer.p, call->answer.len, text, strlen(text)) != NULL;
}

TEST(test_reflection_answers_each_message_in_either_version)
{
    static const char *const paths[] = {
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"};
    static const char body[] = "\0\0\0\0\3\x3a\1*"
                               "\0\0\0\0\x1f\x22\x1d"
                               "flyteidl.service.AdminService"
                               "\0\0\0\0\3\x1a\1x";

    world_open(&w, &gw_grpc_handler);
    for (int i = 0; i < 2; i++) {
        struct gw_http_call call = {0};

        call_now(&call, paths[i], (struct gw_str){body, sizeof(body) - 1});
        CHECK(world_status(&call) == 0);
        CHECK(holds(&call, "grpc.health.v1.Health") && holds(&call, "CreateTaskEvent"));
        CHECK(holds(&call, "google/protobuf/timestamp.proto") && holds(&call, "not found"));
    }
    world_close(&w);
}
