#include "base/buf.h"
#include "ingest/actions.h"
#include "ingest/world.h"

#define EVENTS     "/v1/events"
#define STRUCTURED "application/cloudevents+json"
#define BATCH      "application/cloudevents-batch+json"
#define EVENT      "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\"}"
static struct world w;

static int post(struct gw_http_call *call, const char *path, const char *type, struct gw_str body)
{
    world_start(&w, call, path, type, body);
    world_wait(&w, call);
    return call->status;
}

static int holds(const struct gw_http_call *call, const char *text)
{
    return memmem(call->answer.p, call->answer.len, text, strlen(text)) != NULL;
}

TEST(test_http_rest_takes_json_and_bytes)
{
    struct gw_http_call call = {0};

    world_open(&w, &gw_rest_handler);
    CHECK(post(&call, "/api/v1/events/tasks", "application/json",
               GW_STR("{\"requestId\":\"a\"}")) == 200);
    CHECK(gw_str_is(gw_buf_str(&call.answer), "{}"));
    CHECK(gw_str_is(*gw_http_answer(&call, "content-type"), "application/json"));
    call = (struct gw_http_call){0};
    CHECK(post(&call, "/api/v1/events/nodes", "application/octet-stream", GW_STR("\x0a\1a")) ==
          200);
    call = (struct gw_http_call){0};
    CHECK(post(&call, "/api/v1/events/workflows?x=y", "application/x-protobuf", GW_STR("")) == 200);
    CHECK(world_accepted(&w) == 3 && w.front.received[GW_HTTP][GW_TASK]->value == 1);
    world_close(&w);
}

TEST(test_http_cloudevents_are_taken_in_each_mode)
{
    static const struct gw_http_header ce[] = {{{"ce-specversion", 14}, {"1.0", 3}},
                                               {{"ce-id", 5}, {"1", 1}},
                                               {{"ce-source", 9}, {"/s", 2}}};
    struct gw_http_call call = {0};
    struct gw_http_header with_type[4];

    world_open(&w, &gw_rest_handler);
    CHECK(post(&call, EVENTS, STRUCTURED "; charset=UTF-8", GW_STR(EVENT)) == 202);
    CHECK(call.answer.len == 0);
    call = (struct gw_http_call){0};
    CHECK(post(&call, EVENTS, BATCH, GW_STR("[" EVENT "," EVENT "]")) == 202);
    call = (struct gw_http_call){0};
    CHECK(post(&call, EVENTS, BATCH, GW_STR("[]")) == 202);
    CHECK(world_accepted(&w) == 3);
    memcpy(with_type, ce, sizeof(ce));
    call = (struct gw_http_call){.headers = with_type, .n_headers = 3};
    CHECK(post(&call, EVENTS, "text/plain", GW_STR("x")) == 400);
    CHECK(holds(&call, "type"));
    world_close(&w);
}

TEST(test_http_protobuf_events_are_taken_alone_and_in_batches)
{
    static const char one[] = "\x0a\1i\x12\2/s\x1a\0031.0\x22\1t";
    struct gw_http_call call = {0};
    char batch[100] = "\x0a\x0f";
    size_t n = sizeof(one) - 1;

    CHECK(n == 15);
    memcpy(batch + 2, one, n);
    memcpy(batch + 2 + n, batch, 2 + n);
    world_open(&w, &gw_rest_handler);
    CHECK(post(&call, EVENTS, "application/cloudevents+protobuf", (struct gw_str){one, n}) == 202);
    call = (struct gw_http_call){0};
    CHECK(post(&call, EVENTS, "application/cloudevents-batch+protobuf",
               (struct gw_str){batch, 2 * (n + 2)}) == 202);
    CHECK(world_accepted(&w) == 3);
    batch[2 + n + 2] = 0x12; /* the second one has no id, and a source twice */
    call = (struct gw_http_call){0};
    CHECK(post(&call, EVENTS, "application/cloudevents-batch+protobuf",
               (struct gw_str){batch, 2 * (n + 2)}) == 400);
    CHECK(holds(&call, "events[1].") && world_accepted(&w) == 3);
    world_close(&w);
}

TEST(test_http_batch_with_a_bad_event_leaves_nothing)
{
    struct gw_http_call call = {0};

    world_open(&w, &gw_rest_handler);
    CHECK(post(&call, EVENTS, BATCH,
               GW_STR("[" EVENT ",{\"specversion\":\"1.0\",\"id\":\"\",\"source\":\"/s\",\"type\":"
                      "\"t\"}]")) == 400);
    CHECK(holds(&call, "\"code\":3") && holds(&call, "events[1].id: "));
    CHECK(world_accepted(&w) == 0 && w.pending == 0);
    world_close(&w);
}

/* Room is kept for batches of the common size, not of the largest one ever. */
TEST(test_http_a_large_batch_leaves_no_room_behind)
{
    enum { EVENTS_IN_IT = 1100 };
    struct gw_http_call call = {0};
    struct gw_buf batch;

    world_open(&w, &gw_rest_handler);
    gw_buf_init(&batch, 100000, w.mem);
    for (int i = 0; i < EVENTS_IN_IT; i++)
        gw_buf_puts(&batch, i ? "," EVENT : "[" EVENT);
    gw_buf_putc(&batch, ']');
    CHECK(post(&call, EVENTS, BATCH, gw_buf_str(&batch)) == 202);
    CHECK(world_accepted(&w) == EVENTS_IN_IT && w.front.records_room <= 1024);
    world_close(&w);
}

TEST(test_http_batch_is_answered_after_its_sync)
{
    struct gw_http_call call = {0};

    world_open(&w, &gw_rest_handler);
    world_hold(1);
    world_start(&w, &call, EVENTS, BATCH, GW_STR("[" EVENT "," EVENT "," EVENT "]"));
    world_settle(&w);
    CHECK(!world_ended(&w, &call) && call.status == 0);
    world_hold(0);
    world_wait(&w, &call);
    CHECK(call.status == 202 && world_accepted(&w) == 3);
    CHECK(w.front.received[GW_HTTP][GW_OTHER]->value == 3);
    world_close(&w);
}

TEST(test_http_refusals_have_their_status_and_a_body)
{
    static const struct {
        const char *path, *type;
        struct gw_str body;
        int status;
        const char *says;
    } cases[] = {
        {"/nowhere", "application/json", {"{}", 2}, 404, "\"code\":5"},
        {"/api/v1/events/task", "application/json", {"{}", 2}, 404, "no such path"},
        {"/api/v1/events/tasks", "text/yaml", {"a: b", 4}, 415, "content-type"},
        {"/api/v1/events/tasks", "application/json; charset=latin1", {"{}", 2}, 415, "charset"},
        {"/api/v1/events/tasks", "application/json", {"{\"evnt\":1}", 10}, 400, "evnt"},
        {"/api/v1/events/tasks", "application/octet-stream", {"\x0a\x7f", 2}, 400, "\"code\":3"},
        {EVENTS, "application/cloudevents+avro", {"{}", 2}, 415, "+json"},
        {EVENTS, STRUCTURED, {"{}", 2}, 400, "specversion"},
        {EVENTS, "application/json", {"{}", 2}, 400, "specversion"},
    };

    world_open(&w, &gw_rest_handler);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct gw_http_call call = {0};

        CHECK(post(&call, cases[i].path, cases[i].type, cases[i].body) == cases[i].status);
        CHECK(holds(&call, cases[i].says) && holds(&call, "\"message\":\""));
        CHECK(gw_str_is(*gw_http_answer(&call, "content-type"), "application/json"));
    }
    CHECK(world_accepted(&w) == 0);
    world_close(&w);
}

TEST(test_http_other_methods_are_405_with_allow)
{
    struct gw_http_call call = {.method = GW_STR("GET")};

    world_open(&w, &gw_rest_handler);
    CHECK(post(&call, EVENTS, "text/plain", GW_STR("")) == 405);
    CHECK(gw_str_is(*gw_http_answer(&call, "allow"), "POST"));
    world_close(&w);
}

TEST(test_http_body_over_the_limit_is_413)
{
    struct gw_http_call call = {0};
    char *body;

    world_open(&w, &gw_rest_handler);
    body = gw_arena_zalloc(w.mem, 100001);
    CHECK(post(&call, EVENTS, STRUCTURED, (struct gw_str){body, 100001}) == 413);
    CHECK(holds(&call, "message too large") && holds(&call, "\"code\":8"));
    CHECK(world_rejected(&w, GW_HTTP, GW_R_TOO_LARGE) == 1);
    world_close(&w);
}

TEST(test_http_encodings_other_than_gzip_are_415)
{
    static const struct gw_http_header br[] = {{{"content-encoding", 16}, {"br", 2}}};
    static const struct gw_http_header gzip[] = {{{"content-encoding", 16}, {"gzip", 4}}};
    struct gw_http_call call = {.headers = br, .n_headers = 1};

    world_open(&w, &gw_rest_handler);
    CHECK(post(&call, EVENTS, STRUCTURED, GW_STR(EVENT)) == 415);
    call = (struct gw_http_call){.headers = gzip, .n_headers = 1};
    CHECK(post(&call, EVENTS, STRUCTURED, GW_STR(EVENT)) == 400);
    CHECK(holds(&call, "gzip"));
    world_close(&w);
}

TEST(test_http_too_much_pending_is_429_with_retry_after)
{
    struct gw_http_call calls[20] = {0};
    int i = 0;

    world_open_with(&w, &gw_rest_handler, 1024, 64L << 20);
    world_hold(1);
    for (; i < 20; i++) {
        world_start(&w, &calls[i], EVENTS, STRUCTURED, GW_STR(EVENT));
        world_settle(&w);
        if (calls[i].status)
            break;
    }
    CHECK(i > 0 && calls[i].status == 429 && gw_http_answer(&calls[i], "retry-after"));
    CHECK(world_rejected(&w, GW_HTTP, GW_R_PENDING) == 1);
    world_hold(0);
    world_wait(&w, &calls[0]);
    CHECK(calls[0].status == 202);
    world_close(&w);
}

TEST(test_http_event_of_a_client_that_left_is_kept)
{
    struct gw_http_call call = {0}, next = {0};

    world_open(&w, &gw_rest_handler);
    world_hold(1);
    world_start(&w, &call, EVENTS, STRUCTURED, GW_STR(EVENT));
    gw_loop_turn(w.front.loop, 0);
    gw_http2_calls_cancel(w.client, &call);
    world_carry(&w);
    world_hold(0);
    CHECK(post(&next, EVENTS, STRUCTURED, GW_STR(EVENT)) == 202 && world_accepted(&w) == 2);
    world_close(&w);
}

TEST(test_http_body_that_is_coming_counts_as_pending)
{
    struct gw_http_call call = {0};
    struct gw_err err;
    size_t held = 0;
    char *body;

    world_open_with(&w, &gw_rest_handler, 200000, 64L << 20);
    CHECK(gw_body_hold(&w.front, &held, 65536, &err) == 0 && w.pending == 0);
    CHECK(gw_body_hold(&w.front, &held, 65537, &err) == 0 && w.pending == 131072);
    CHECK(gw_body_hold(&w.front, &held, 100000, &err) == 0 && w.pending == 131072);
    body = gw_arena_zalloc(w.mem, 90000);
    CHECK(post(&call, EVENTS, STRUCTURED, (struct gw_str){body, 90000}) == 429);
    CHECK(w.pending == 131072 && world_rejected(&w, GW_HTTP, GW_R_PENDING) == 1);
    gw_body_release(&w.front, &held);
    gw_body_release(&w.front, &held);
    CHECK(w.pending == 0);
    call = (struct gw_http_call){0};
    CHECK(post(&call, EVENTS, STRUCTURED, (struct gw_str){body, 90000}) == 400 && w.pending == 0);
    world_close(&w);
}

/* Over Connect, too. */
TEST(test_http_a_record_request_that_is_coming_counts_as_pending)
{
    struct gw_http_call call = {0};
    struct gw_err err;
    size_t held = 0;
    char *body;

    world_open_with(&w, &gw_rest_handler, 200000, 64L << 20);
    CHECK(gw_body_hold(&w.front, &held, 70000, &err) == 0 && w.pending == 131072);
    body = gw_arena_zalloc(w.mem, 90000);
    CHECK(post(&call, GW_RECORD_PATH, "application/proto", (struct gw_str){body, 90000}) == 429);
    CHECK(holds(&call, "resource_exhausted") && gw_http_answer(&call, "retry-after"));
    CHECK(w.pending == 131072 && world_rejected(&w, GW_HTTP, GW_R_PENDING) == 1);
    gw_body_release(&w.front, &held);
    call = (struct gw_http_call){0};
    CHECK(post(&call, GW_RECORD_PATH, "application/proto", (struct gw_str){body, 90000}) == 400);
    CHECK(w.pending == 0);
    world_close(&w);
}

TEST(test_http_new_requests_are_503_while_stopping)
{
    struct gw_http_call call = {0};

    world_open(&w, &gw_rest_handler);
    w.front.stopping = 1;
    CHECK(post(&call, EVENTS, STRUCTURED, GW_STR(EVENT)) == 503);
    CHECK(holds(&call, "\"code\":14"));
    world_close(&w);
}

TEST(test_http_and_grpc_keep_the_same_record)
{
    struct gw_reader *reader;
    struct gw_record a, b;
    struct gw_http_call call = {0};
    struct gw_codec_conf conf;
    struct gw_mail wake = {0};
    struct gw_err err;

    world_open(&w, &gw_rest_handler);
    CHECK(post(&call, "/api/v1/events/workflows", "application/json",
               GW_STR("{\"event\":{\"execution_id\":{\"project\":\"p\",\"name\":\"n\"}}}")) == 200);
    conf = w.server->conf;
    w.server->ops->close(w.server);
    conf.handler = &gw_grpc_handler;
    w.server = gw_http2.open(&conf);
    gw_http2_calls_free(w.client);
    w.client = gw_http2_calls_new();
    call = (struct gw_http_call){0};
    CHECK(post(&call, "/flyteidl.service.AdminService/CreateWorkflowEvent", "application/grpc",
               world_frame(&w, GW_STR("\x12\x08\x0a\x06\x0a\1p\x22\1n"))) == 200);
    CHECK(world_status(&call) == 0);
    reader = gw_reader_open(w.cursor, w.front.loop, &wake, NULL, NULL);
    CHECK(gw_reader_next(reader, w.mem, &a, &err) == 1);
    CHECK(gw_reader_next(reader, w.mem, &b, &err) == 1);
    CHECK(gw_str_eq(a.payload, b.payload) && gw_str_eq(a.key, b.key) && a.kind == b.kind);
    CHECK(gw_str_is(a.ingest, "http") && gw_str_is(b.ingest, "grpc"));
    gw_reader_close(reader);
    world_close(&w);
}
