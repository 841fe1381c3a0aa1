/* What brokers bring that is not FlyteAdmin's: CloudEvents in every form, envelopes, requests that
 * name no kind, and what is none of these. */
#include "flyte/incoming.h"

#include "base/pbwire.h"
#include "base/varint.h"
#include "event/event.h"
#include "event/format.h"
#include "flyte/golden.h"

enum { HEADERS = 300 };

/* {"name", "value", …} as headers, ended by NULL; a value NULL with a name is Kafka's null. */
#define H(...) ((const char *const[]){__VA_ARGS__, NULL})
#define CE     "ce_specversion", "1.0", "ce_id", "1", "ce_source", "/s", "ce_type", "t"

static int take(struct gw_arena *mem, enum gw_as as, const char *const *pairs, struct gw_str body,
                struct gw_str subject, struct gw_incoming_record *rec, struct gw_err *err)
{
    struct gw_header *headers = gw_arena_alloc(mem, HEADERS * sizeof(*headers));
    struct gw_incoming in = {.body = body, .headers = headers, .subject = subject};

    *err = (struct gw_err){0};
    for (; pairs && *pairs; pairs += 2)
        headers[in.n_headers++] = (struct gw_header){gw_str_of(pairs[0]), gw_str_of(pairs[1])};
    return gw_incoming_read(mem, as, &in, rec, err);
}

static const struct gw_str none;

/* Reads it, and the event that it became. */
static struct gw_event *event(const char *const *pairs, struct gw_str body,
                              struct gw_incoming_record *rec)
{
    struct gw_arena *mem = test_arena();
    struct gw_event *ev = gw_arena_alloc(mem, sizeof(*ev));
    struct gw_err err;

    if (take(mem, GW_AS_AUTO, pairs, body, none, rec, &err)) {
        fprintf(stderr, "%s\n", err.msg);
        CHECK(0);
    }
    CHECK(rec->kind == GW_OTHER);
    gw_event_init(ev, mem);
    CHECK(!gw_event_protobuf_read(ev, rec->payload, &err));
    CHECK(gw_str_eq(rec->event_id, gw_event_text(ev, "id")));
    return ev;
}

static int attr_is(const struct gw_event *ev, const char *name, const char *value)
{
    struct gw_str text = gw_event_text(ev, name);

    return value ? gw_str_is(text, value) : !text.p;
}

static struct gw_str base64_of(struct gw_arena *mem, struct gw_str bytes)
{
    struct gw_buf b;

    gw_buf_init(&b, 1 << 24, mem);
    gw_base64_put(&b, bytes);
    return gw_buf_str(&b);
}

static struct gw_str protobuf_of(struct gw_arena *mem, const struct gw_event *ev)
{
    struct gw_buf b;

    gw_buf_init(&b, 1 << 24, mem);
    gw_event_protobuf_put(&b, ev);
    return gw_buf_str(&b);
}

TEST(test_incoming_reads_binary_mode_as_it_stands)
{
    struct gw_incoming_record rec;
    const struct gw_event *ev =
        event(H("ce_specversion", "1.0", "ce_id", "p:\"x y\" %41 \xc3\xa4", "ce_source", "\"/s\"",
                "ce_type", "t", "content-type", "application/json", "ce_time",
                "2026-01-02T03:04:05.25Z", "ce_team", "", "other", "header"),
              GW_STR("{\"a\": 1}"), &rec);

    CHECK(attr_is(ev, "id", "p:\"x y\" %41 \xc3\xa4") && attr_is(ev, "source", "\"/s\""));
    CHECK(attr_is(ev, "time", "2026-01-02T03:04:05.25Z") && attr_is(ev, "team", ""));
    CHECK(attr_is(ev, "other", NULL) && attr_is(ev, "datacontenttype", "application/json"));
    CHECK(ev->data_kind == GW_DATA_JSON && gw_str_is(ev->data, "{\"a\": 1}"));
    CHECK(gw_str_is(rec.key, "\"/s\"") && !rec.traceparent.p);

    /* a null value is an event without data; a null header is none */
    ev = event(H(CE, "ce_x", NULL), none, &rec);
    CHECK(ev->data_kind == GW_DATA_NONE && attr_is(ev, "x", NULL));
    /* Pub/Sub, queues */
    ev = event(H("ce-specversion", "1.0", "ce-id", "%20", "ce-source", "/s", "ce-type", "t",
                 "ce-subject", "a", "Content-Type", "text/plain"),
               GW_STR("text"), &rec);
    CHECK(attr_is(ev, "id", "%20") && ev->data_kind == GW_DATA_TEXT);
    CHECK(gw_str_is(rec.key, "/s:a"));
    ev = event(H("ce-specversion", "1.0", "ce-id", "1", "ce-source", "/s", "ce-type", "t",
                 "ce-datacontenttype", "application/json"),
               GW_STR("[]"), &rec);
    CHECK(attr_is(ev, "datacontenttype", "application/json") && ev->data_kind == GW_DATA_JSON);
    /* the SDK for JavaScript, Kafka */
    ev = event(H("content-type", "application/json", "ce_specversion", "1.0", "ce_id", "1",
                 "ce_source", "/s", "ce_type", "t", "ce_datacontenttype", "application/json"),
               GW_STR("[]"), &rec);
    CHECK(attr_is(ev, "datacontenttype", "application/json") && ev->data_kind == GW_DATA_JSON);
    ev = event(H("ce_specversion", "1.0", "ce_id", "1", "ce_source", "/s", "ce_type", "t",
                 "ce_datacontenttype", "text/plain", "content-type", ""),
               GW_STR("x"), &rec);
    CHECK(attr_is(ev, "datacontenttype", "text/plain") && ev->data_kind == GW_DATA_TEXT);
}

/* What is said aloud comes before what the data looks like. */
TEST(test_incoming_leaves_data_alone_in_binary_mode)
{
    static const char *const bodies[] = {
        "{\"specversion\":\"1.0\",\"id\":\"2\",\"source\":\"/\",\"type\":\"u\"}",
        "{\"Type\":\"Notification\",\"TopicArn\":\"a\",\"Message\":\"m\"}",
        "[]",
        "AAAA",
        "\n\001a",
        "\032\0031.0\"\001t"};

    for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
        struct gw_incoming_record rec;
        const struct gw_event *ev = event(H(CE), gw_str_of(bodies[i]), &rec);

        CHECK(ev->data_kind == GW_DATA_BYTES && gw_str_is(ev->data, bodies[i]));
        CHECK(attr_is(ev, "id", "1"));
    }
}

#define JSON_EVENT                                                                                 \
    "{\"specversion\":\"1.0\",\"id\":\"7\",\"source\":\"/s\",\"type\":\"t\",\"n\":-5,\"data\":[1 " \
    "]}"

TEST(test_incoming_reads_structured_events_by_type_and_by_shape)
{
    struct gw_arena *mem = test_arena();
    struct gw_str json = GW_STR(JSON_EVENT), bytes;
    struct gw_incoming_record rec;
    struct gw_event made;
    struct gw_err err;

    gw_event_init(&made, mem);
    CHECK(!gw_event_json_read(&made, json, &err));
    bytes = protobuf_of(mem, &made);
    const struct {
        const char *type;
        struct gw_str body;
    } cases[] = {
        {"application/cloudevents+json", json},
        {"Application/CloudEvents+JSON ; charset=utf-8", json},
        {"application/cloudevents+json", base64_of(mem, json)},
        {"application/cloudevents+protobuf", bytes},
        {"application/cloudevents+protobuf", base64_of(mem, bytes)},
        {NULL, json},
        {"application/json", json},
        {NULL, GW_STR(" \r\n" JSON_EVENT "\n")},
        {NULL, base64_of(mem, json)},
        {NULL, bytes},
        {NULL, base64_of(mem, bytes)},
        {NULL,
         gw_arena_printf(mem, "%.*s\n", (int)base64_of(mem, bytes).len, base64_of(mem, bytes).p)},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct gw_event *ev =
            event(cases[i].type ? H("content-type", cases[i].type) : NULL, cases[i].body, &rec);

        CHECK(gw_str_eq(rec.payload, bytes));
        CHECK(gw_str_is(ev->data, "[1 ]") && attr_is(ev, "n", "-5"));
    }
    /* headers of binary mode beside a structured event are not looked at */
    event(H("ce_id", "2", "content-type", "application/cloudevents+json"), json, &rec);
    CHECK(gw_str_is(rec.event_id, "7"));
}

static struct gw_str golden_request(struct gw_arena *mem, const char *name)
{
    struct gw_str text = golden_file(mem, gw_arena_printf(mem, "flyteadmin/%s.json", name).p);

    return gw_base64_decode(mem, golden_string(mem, text, "request_b64"));
}

static struct gw_str request_json(struct gw_arena *mem, enum gw_kind kind, struct gw_str bytes)
{
    struct gw_flyte_request r;
    struct gw_err err;
    struct gw_buf b;

    gw_buf_init(&b, 1 << 24, mem);
    CHECK(!gw_flyte_decode(mem, kind, bytes, &r, &err) && !gw_pb_json_put(&b, r.msg, &err));
    return gw_buf_str(&b);
}

TEST(test_incoming_takes_requests_of_a_kind_that_is_said)
{
    struct gw_arena *mem = test_arena();
    struct gw_str bytes = golden_request(mem, "task-queued");
    struct gw_str json = request_json(mem, GW_TASK, bytes);
    const struct gw_str bodies[] = {bytes, base64_of(mem, bytes), json, base64_of(mem, json)};
    struct gw_incoming_record rec;
    struct gw_err err;

    for (size_t i = 0; i < 4; i++) {
        CHECK(!take(mem, GW_AS_TASK, NULL, bodies[i], GW_STR("anything"), &rec, &err));
        CHECK(rec.kind == GW_TASK && !rec.event_id.p);
        CHECK(gw_str_is(rec.key, "flytesnacks:development:f7c2a9d81b5e4"));
        CHECK(golden_same(mem, request_json(mem, GW_TASK, rec.payload), json));
        CHECK(i > 1 || gw_str_eq(rec.payload, bytes));
    }
    /* a subject says it as well, but not against `as` */
    CHECK(!take(mem, GW_AS_AUTO, NULL, GW_STR("\022\0"),
                GW_STR("flyteidl.admin.NodeExecutionEventRequest"), &rec, &err) &&
          rec.kind == GW_NODE);
    CHECK(!take(mem, GW_AS_TASK, NULL, GW_STR("\022\0"),
                GW_STR("flyteidl.admin.NodeExecutionEventRequest"), &rec, &err) &&
          rec.kind == GW_TASK);
    CHECK(!take(mem, GW_AS_AUTO, H("key", "flyteidl.admin.NodeExecutionEventRequest"),
                GW_STR("\022\0"), none, &rec, &err) &&
          rec.kind == GW_NODE);
}

/* Every event of whole executions tells its kind by its fields. */
TEST(test_incoming_knows_the_kind_of_what_engines_send)
{
    for (int i = 0; i < GOLDEN_STREAMS; i++) {
        struct gw_arena *mem = test_arena();
        struct gw_str text = golden_file(mem, golden_streams[i]), line;

        while ((line = golden_line(&text)).p) {
            struct gw_incoming_record rec;
            struct gw_flyte_request r;
            struct gw_err err;
            enum gw_kind kind = golden_kind(mem, line);

            CHECK(!gw_flyte_decode_json(mem, kind, golden_member(line, "request"), &r, &err));
            CHECK(!take(mem, GW_AS_AUTO, NULL, r.bytes, none, &rec, &err) && rec.kind == kind);
            CHECK(!take(mem, GW_AS_AUTO, NULL, base64_of(mem, r.bytes), none, &rec, &err));
            CHECK(rec.kind == kind && gw_str_eq(rec.payload, r.bytes));
        }
    }
}

/* A first string of 123 bytes looks like the beginning of a JSON text. */
TEST(test_incoming_tells_protobuf_that_begins_like_json)
{
    struct gw_arena *mem = test_arena();
    struct gw_str task = golden_request(mem, "task-queued");
    struct gw_str id = gw_arena_printf(mem, "\"a\":%0119d", 7);
    struct gw_incoming_record rec;
    struct gw_event ev;
    struct gw_err err;
    struct gw_buf b;

    CHECK(id.len == '{');
    gw_buf_init(&b, 1 << 16, mem);
    gw_pbwire_put_bytes(&b, 1, id);
    gw_buf_put_str(&b, task);
    CHECK(!memcmp(b.p, "\n{\"a\":", 6));
    CHECK(!take(mem, GW_AS_AUTO, NULL, gw_buf_str(&b), none, &rec, &err) && rec.kind == GW_TASK);
    CHECK(!take(mem, GW_AS_TASK, NULL, gw_buf_str(&b), none, &rec, &err));

    gw_event_init(&ev, mem);
    gw_event_set(&ev, GW_STR("id"), id);
    gw_event_set(&ev, GW_STR("source"), GW_STR("/s"));
    gw_event_set(&ev, GW_STR("type"), GW_STR("t"));
    CHECK(!take(mem, GW_AS_AUTO, NULL, protobuf_of(mem, &ev), none, &rec, &err));
    CHECK(rec.kind == GW_OTHER && gw_str_eq(rec.event_id, id));
}

#define SNS(rest) "{\"Type\":\"Notification\",\"MessageId\":\"1\",\"TopicArn\":\"arn\"" rest "}"

TEST(test_incoming_opens_envelopes_of_sns)
{
    struct gw_incoming_record rec;
    const struct gw_event *ev;

    ev = event(
        NULL,
        GW_STR(SNS(",\"Subject\":null,\"Message\":\"{\\\"specversion\\\":\\\"1.0\\\","
                   "\\\"id\\\":\\\"7\\\",\\\"source\\\":\\\"/\\\",\\\"type\\\":\\\"t\\\"}\"")),
        &rec);
    CHECK(attr_is(ev, "id", "7"));
    /* its attributes are the headers */
    ev = event(H("traceparent", "outer", "content-type", "text/plain"),
               GW_STR(SNS(",\"Message\":\"text\",\"MessageAttributes\":{"
                          "\"ce-specversion\":{\"Type\":\"String\",\"Value\":\"1.0\"},"
                          "\"ce-id\":{\"Type\":\"String\",\"Value\":\"i\"},"
                          "\"ce-source\":{\"Value\":\"/s\",\"Type\":\"String\"},"
                          "\"ce-type\":{\"Type\":\"Binary\",\"Value\":\"dA==\"},"
                          "\"traceparent\":{\"Type\":\"String\",\"Value\":\"inner\"},"
                          "\"content-type\":{\"Type\":\"String\",\"Value\":\"text/plain\"}}")),
               &rec);
    CHECK(attr_is(ev, "type", "t") && gw_str_is(ev->data, "text"));
    CHECK(ev->data_kind == GW_DATA_TEXT && gw_str_is(rec.traceparent, "outer"));
    event(NULL,
          GW_STR(SNS(",\"Message\":\"{\\\"specversion\\\":\\\"1.0\\\",\\\"id\\\":\\\"7\\\","
                     "\\\"source\\\":\\\"/\\\",\\\"type\\\":\\\"t\\\"}\",\"MessageAttributes\":{"
                     "\"TraceParent\":{\"Type\":\"String\",\"Value\":\"inner\"}}")),
          &rec);
    CHECK(gw_str_is(rec.traceparent, "inner"));
}

TEST(test_incoming_keeps_the_callers_traceparent_apart_from_the_events)
{
    struct gw_incoming_record rec;
    const struct gw_event *ev =
        event(H(CE, "ce_traceparent", "of the event", "traceparent", "t"), none, &rec);

    CHECK(gw_str_is(rec.traceparent, "t") && attr_is(ev, "traceparent", "of the event"));
    event(H(CE, "traceparent", ""), none, &rec);
    CHECK(!rec.traceparent.p);
}

/* As the documentation has them: protobuf data, by type the kind. */
TEST(test_incoming_orders_events_by_the_request_they_carry)
{
    struct gw_arena *mem = test_arena();
    struct gw_str task = golden_request(mem, "task-queued");
    struct gw_incoming_record rec;

    event(H("ce_specversion", "1.0", "ce_id", "1", "ce_source", "/s", "ce_type",
            "com.flyte.resource.task", "content-type", "application/protobuf"),
          task, &rec);
    CHECK(gw_str_is(rec.key, "flytesnacks:development:f7c2a9d81b5e4"));
    event(H("ce_specversion", "1.0", "ce_id", "1", "ce_source", "/s", "ce_type",
            "com.flyte.resource.task", "content-type", "application/protobuf", "ce_partitionkey",
            "own"),
          task, &rec);
    CHECK(gw_str_is(rec.key, "own"));
    event(H("ce_specversion", "1.0", "ce_id", "1", "ce_source", "/s", "ce_subject", "x", "ce_type",
            "com.flyte.resource.task", "content-type", "application/protobuf"),
          GW_STR("not one"), &rec);
    CHECK(gw_str_is(rec.key, "/s:x"));
}

TEST(test_incoming_mends_what_flyteadmin_sends)
{
    struct gw_incoming_record rec;
    const struct gw_event *ev;

    ev = event(NULL,
               GW_STR("\n\006a\xef\xbf\xbf.R\032\0031.0\"\050com.flyte.resource.cloudevents."
                      "Something"),
               &rec);
    CHECK(attr_is(ev, "source", "https://github.com/flyteorg/flyte/flyteadmin"));
    CHECK(attr_is(ev, "id", "a%EF%BF%BF.R"));
    ev = event(H("ce_specversion", "1.0", "ce_id", "1", "ce_source", "e/a?\xc2\x85 %", "ce_type",
                 "com.flyte.resource.x"),
               none, &rec);
    CHECK(attr_is(ev, "source", "e/a?%C2%85 %"));
}

static int refuses(enum gw_as as, const char *const *pairs, struct gw_str body, const char *why)
{
    struct gw_arena *mem = test_arena();
    struct gw_incoming_record rec;
    struct gw_err err;

    if (take(mem, as, pairs, body, none, &rec, &err) && err.kind == GW_ERR_REJECT &&
        strstr(err.msg, why))
        return 1;
    fprintf(stderr, "got \"%s\" want \"%s\"\n", err.msg, why);
    return 0;
}

static int refuses_body(const char *body, const char *why)
{
    return refuses(GW_AS_AUTO, NULL, gw_str_of(body), why);
}

/* Only what FlyteAdmin does is mended. */
TEST(test_incoming_mends_nothing_else)
{
#define FLYTES "\"specversion\":\"1.0\",\"type\":\"com.flyte.resource.x\""

    CHECK(refuses_body("{" FLYTES ",\"id\":5,\"source\":\"/\"}", "id: not a string"));
    CHECK(refuses_body("{" FLYTES ",\"id\":\"i\",\"source\":5}", "source: not a string"));
    CHECK(refuses_body("{" FLYTES ",\"source\":\"/\"}", "id: missing"));
    CHECK(
        refuses_body("{" FLYTES ",\"id\":\"i\",\"subject\":\"\\u0001\"}", "subject: has a contr"));
    CHECK(refuses(GW_AS_AUTO, H(CE, "ce_source", "\t"), none, "source: given twice"));
    CHECK(refuses_body("{\"specversion\":\"1.0\",\"id\":\"i\",\"type\":\"t\"}", "source: missing"));
    CHECK(refuses(GW_AS_AUTO,
                  H("ce_specversion", "1.0", "ce_id", "\xff", "ce_type", "com.flyte.resource.x"),
                  none, "id: not UTF-8"));
}

TEST(test_incoming_says_why_headers_are_no_event)
{
    CHECK(refuses(GW_AS_AUTO, H("ce_id", "1"), none, "a CloudEvent in headers: specversion: miss"));
    CHECK(refuses(GW_AS_AUTO, H(CE, "ce_id", "2"), none, "headers: id: given twice"));
    CHECK(refuses(GW_AS_AUTO, H(CE, "ce-id", "2"), none, "headers: id: given twice"));
    CHECK(refuses(GW_AS_AUTO, H(CE, "ce_specversion", "1.0"), none, "specversion: given twice"));
    CHECK(refuses(GW_AS_AUTO, H(CE, "content-type", "a/b", "Content-Type", "a/b"), none,
                  "content-type: given twice"));
    CHECK(refuses(GW_AS_AUTO, H(CE, "ce_time", "yesterday"), none, "time: not an RFC 3339 time"));
    CHECK(refuses(GW_AS_AUTO, H(CE, "ce_x", "\xff"), none, "x: not UTF-8"));
    CHECK(refuses(GW_AS_AUTO, H(CE, "ce_x", "a\nb"), none, "x: has a control character"));
    CHECK(refuses(GW_AS_AUTO, H(CE, "ce_Team", "a"), none, "Team: not an attribute name"));
    CHECK(refuses(GW_AS_AUTO, H(CE, "ce_", "a"), none, ": not an attribute name"));
    CHECK(refuses(GW_AS_AUTO, H(CE, "ce_subject", ""), none, "subject: empty"));
    CHECK(refuses(GW_AS_AUTO, H(CE, "ce_datacontenttype", "a/b", "content-type", "a/c"), none,
                  "content-type: given twice"));
    CHECK(refuses(GW_AS_AUTO, H(CE, "ce-datacontenttype", "a/b", "ce_datacontenttype", "a/b"), none,
                  "content-type: given twice"));
    CHECK(
        refuses(GW_AS_AUTO, H(CE, "content-type", "application/json"), GW_STR("{"), "data: JSON"));
    CHECK(refuses(GW_AS_AUTO, H("ce_specversion", "0.3", "ce_id", "1"), none, "not \"1.0\""));
}

TEST(test_incoming_says_what_it_does_not_take)
{
    static const char *const batch = "application/cloudevents-batch+json";

    CHECK(refuses(GW_AS_AUTO, NULL, none, "a tombstone"));
    CHECK(refuses(GW_AS_TASK, NULL, none, "a tombstone"));
    CHECK(refuses(GW_AS_AUTO, NULL, GW_STR(""), "an empty message"));
    CHECK(refuses(GW_AS_AUTO, H("content-type", batch), GW_STR("[]"), "a batch"));
    CHECK(refuses(GW_AS_CLOUDEVENT, NULL, GW_STR("[]"), "a JSON array: a message of a broker is "));
    CHECK(refuses(GW_AS_AUTO, H("content-type", "application/cloudevents+avro"), GW_STR("x"),
                  "application/cloudevents+avro: neither"));
    CHECK(refuses(GW_AS_AUTO, H("content-type", "application/cloudevents+json"), none,
                  "without a body"));
    CHECK(refuses_body("{\"a\":1}", "no specversion"));
    CHECK(refuses_body("{\"a\":1", "JSON: "));
    CHECK(refuses_body("hello world", "neither a CloudEvent"));
    CHECK(refuses_body("aGVsbG8=", "(its base64 taken off)"));
    CHECK(refuses_body("YUdWc2JHOD0=", "(its base64 taken off)"));
    CHECK(refuses_body("{\"specversion\":\"1.0\",\"id\":\"1\"}", "a CloudEvent in JSON: source"));
    CHECK(refuses_body("\032\0031.0\"\001t\012\001i", "a CloudEvent in protobuf: source: missing"));
    CHECK(
        refuses_body("\032\0031.0\"\001t\012\011i", "a CloudEvent in protobuf: CloudEvent: malf"));
    /* only the schema's own fields make a request */
    CHECK(refuses(GW_AS_AUTO, NULL, GW_STR("\022\002\030\001"), "it could be a workflow request "));
    CHECK(refuses(GW_AS_AUTO, NULL, GW_STR("\022\0"), "set `as:`"));
    CHECK(refuses(GW_AS_CLOUDEVENT, NULL, GW_STR("\022\0"), "as: cloudevent: not one"));
    CHECK(refuses(GW_AS_AUTO, NULL, GW_STR("\022\002\370\007"), "neither a CloudEvent"));
    CHECK(refuses(GW_AS_AUTO, NULL, GW_STR("\022\003\370\007\001"), "newer Flyte needs `as:`"));
    CHECK(refuses(GW_AS_AUTO, NULL, GW_STR("\022\000\030\001"), "newer Flyte needs `as:`"));
    CHECK(refuses(GW_AS_AUTO, NULL, GW_STR("\022\003\022\001\377"), "neither a CloudEvent"));
    CHECK(refuses(GW_AS_AUTO, NULL, GW_STR("\022\002\020\001"), "neither a CloudEvent"));
    CHECK(refuses(GW_AS_TASK, NULL, GW_STR("\022\002\030"), "as a task request: "));
    CHECK(refuses(GW_AS_TASK, NULL, GW_STR("{\"event\":{\"phas\":1}}"), "task request in JSON: "));
    CHECK(refuses(GW_AS_TASK, H(CE), none, "as: task: a CloudEvent that carries no request"));
}

TEST(test_incoming_takes_from_an_event_only_the_kind_asked_for)
{
    struct gw_arena *mem = test_arena();
    const char *const headers[] = {"ce_specversion",
                                   "1.0",
                                   "ce_id",
                                   "1",
                                   "ce_source",
                                   "/s",
                                   "ce_type",
                                   "com.flyte.resource.task",
                                   "content-type",
                                   "application/protobuf",
                                   NULL};
    struct gw_str task = golden_request(mem, "task-queued");
    struct gw_incoming_record rec;
    struct gw_err err;

    CHECK(!take(mem, GW_AS_TASK, headers, task, none, &rec, &err));
    CHECK(rec.kind == GW_TASK && gw_str_eq(rec.payload, task));
    CHECK(refuses(GW_AS_NODE, headers, task, "as: node: a CloudEvent that carries a task request"));
}

TEST(test_incoming_says_what_is_wrong_with_an_envelope)
{
    CHECK(
        refuses_body("{\"Type\":\"SubscriptionConfirmation\",\"TopicArn\":\"a\",\"Message\":\"\"}",
                     "an SNS envelope of Type SubscriptionConfirmation: it holds no event"));
    CHECK(refuses_body(SNS(",\"Message\":\"a\",\"Message\":\"b\""), "Message: given twice"));
    CHECK(refuses_body(SNS(",\"Message\":7"), "Message: not a string"));
    CHECK(refuses_body(SNS(",\"Message\":\"\\ud800\""), "Message: not a string of UTF-8"));
    CHECK(refuses_body(SNS(",\"Message\":\"a\",\"Subject\":{}"), "Subject: not a string"));
    CHECK(
        refuses_body(SNS(",\"Message\":\"a\",\"MessageAttributes\":[]"), "MessageAttributes: not"));
    CHECK(
        refuses_body(SNS(",\"Message\":\"a\",\"MessageAttributes\":{\"k\":{\"Type\":\"String\"}}"),
                     "MessageAttributes.k: not a Type and a Value"));
    CHECK(refuses_body(SNS(",\"Message\":\"a\",\"MessageAttributes\":{\"k\":{\"Type\":\"Binary\","
                           "\"Value\":\"*\"}}"),
                       "MessageAttributes.k: not a Type and a Value"));
    CHECK(refuses_body(SNS(",\"Message\":\"\""), "an empty message"));
    CHECK(refuses_body(SNS(",\"Message\":\"x y\""), "(in an SNS envelope)"));
    CHECK(refuses_body(SNS(",\"Message\":\"{\\\"Type\\\":\\\"Notification\\\",\\\"TopicArn\\\":"
                           "\\\"a\\\",\\\"Message\\\":\\\"m\\\"}\""),
                       "an SNS envelope in another"));
}

/* A workflow's output that is lists in lists, so many. */
static struct gw_str nested(struct gw_arena *mem, int lists)
{
    static const char down[] = {2, 7, 1, 2}; /* event, output_data, literals, value */
    const size_t room = 16 * ((size_t)lists + 4);
    char *start = gw_arena_alloc(mem, room), *end = start + room, *p = end, len[GW_VARINT_MAX];

    for (int i = 2 * lists + 3; i >= 0; i--) {
        size_t n = (size_t)(gw_varint_put(len, (uint64_t)(end - p)) - len);

        p -= n;
        memcpy(p, len, n);
        *--p = (char)((i < 4 ? down[i] : i % 2 ? 1 : 2) << 3 | 2);
    }
    return (struct gw_str){p, (size_t)(end - p)};
}

TEST(test_incoming_bounds_what_it_takes)
{
    struct gw_arena *mem = test_arena();
    const char *pairs[2 * HEADERS + 1] = {CE};
    struct gw_buf b;
    int n = 8;

    for (; n < 2 * 290; n += 2) {
        pairs[n] = gw_arena_printf(mem, "ce_x%d", n).p;
        pairs[n + 1] = "";
    }
    CHECK(refuses(GW_AS_AUTO, pairs, none, "more than 256 attributes"));
    gw_buf_init(&b, 1 << 16, mem);
    gw_buf_puts(&b, "{\"specversion\":\"1.0\",\"data\":");
    for (int i = 0; i < 101; i++)
        gw_buf_putc(&b, '[');
    CHECK(refuses(GW_AS_AUTO, NULL, gw_buf_str(&b), "JSON: "));
    CHECK(refuses(GW_AS_AUTO, NULL, nested(mem, 200000), "neither a CloudEvent"));
    CHECK(refuses(GW_AS_AUTO, NULL, nested(mem, 60), "nests more than 100 deep"));
}

/* Each beginning of each message, in memory that ends where it does. */
TEST(test_incoming_reads_nothing_past_the_end)
{
    struct gw_arena *mem = test_arena();
    struct gw_str text = golden_file(mem, "flyteadmin/task-failed-retries.json");
    struct gw_str sent = golden_member(
        golden_member(golden_member(golden_member(text, "styles"), "flyteadmin"), "id_spacing"),
        "1");
    struct gw_str proto =
        gw_base64_decode(mem, golden_string(mem, golden_member(sent, "pubsub"), "data_b64"));
    const struct gw_str bodies[] = {
        proto, golden_string(mem, golden_member(sent, "sns"), "message"),
        golden_string(mem, golden_member(sent, "nats"), "data"),
        gw_base64_decode(mem, golden_string(mem, text, "request_b64")),
        GW_STR(SNS(",\"Message\":\"a\",\"MessageAttributes\":{\"k\":{\"Type\":\"String\"}}"))};
    struct gw_arena *scratch = gw_arena_new();

    for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++)
        for (size_t len = 1; len < bodies[i].len; len += 1 + len / 200) {
            char *copy = malloc(len);
            struct gw_incoming in = {.body = {copy, len}};
            struct gw_incoming_record rec;
            struct gw_err err = {0};

            memcpy(copy, bodies[i].p, len);
            for (int as = GW_AS_AUTO; as <= GW_AS_TASK; as++)
                if (gw_incoming_read(scratch, (enum gw_as)as, &in, &rec, &err))
                    CHECK(err.kind == GW_ERR_REJECT && err.msg[0]);
            gw_arena_reset(scratch);
            free(copy);
        }
    gw_arena_free(scratch);
}
