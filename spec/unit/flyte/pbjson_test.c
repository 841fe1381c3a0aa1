#include "flyte/pbjson.h"
#include "flyteidl/admin/event.pb-c.h"
#include "golden.h"
#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/struct.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"

#include <math.h>

static struct gw_str print(struct gw_arena *mem, const ProtobufCMessage *m)
{
    struct gw_buf out;
    struct gw_err err;

    gw_buf_init(&out, 1 << 24, mem);
    if (gw_pb_json_put(&out, m, &err)) {
        fprintf(stderr, "%s\n", err.msg);
        exit(1);
    }
    return gw_buf_str(&out);
}

static struct gw_flyte_request read_json(struct gw_arena *mem, enum gw_kind kind, struct gw_str s)
{
    struct gw_flyte_request r;
    struct gw_err err;

    if (gw_flyte_decode_json(mem, kind, s, &r, &err)) {
        fprintf(stderr, "%s\n%.*s\n", err.msg, (int)s.len, s.p);
        exit(1);
    }
    return r;
}

TEST(test_pbjson_says_of_the_streams_what_they_say)
{
    struct gw_arena *mem = test_arena();
    int n = 0;

    for (int i = 0; i < GOLDEN_STREAMS; i++) {
        struct gw_str text = golden_file(mem, golden_streams[i]);

        for (struct gw_str line; (line = golden_line(&text)).p; n++) {
            struct gw_str json = golden_member(line, "request");
            struct gw_flyte_request r = read_json(mem, golden_kind(mem, line), json), again;
            struct gw_err err;

            CHECK(golden_same(mem, print(mem, r.msg), json));
            CHECK(!gw_flyte_decode(mem, r.kind, r.bytes, &again, &err));
            CHECK(golden_same(mem, print(mem, again.msg), json));
        }
    }
    CHECK(n == 29 + 31 + 66);
}

TEST(test_pbjson_is_what_googles_library_prints)
{
    struct gw_arena *mem = test_arena();
    struct gw_str text = golden_file(mem, "protojson/random.jsonl");
    int n = 0;

    for (struct gw_str line; (line = golden_line(&text)).p; n++) {
        struct gw_str want = golden_string(mem, line, "json");
        struct gw_str bytes = gw_base64_decode(mem, golden_string(mem, line, "bytes"));
        struct gw_flyte_request r, again;
        struct gw_err err;

        CHECK(!gw_flyte_decode(mem, golden_kind(mem, line), bytes, &r, &err));
        CHECK(golden_same(mem, print(mem, r.msg), want));
        again = read_json(mem, r.kind, want);
        CHECK(golden_same(mem, print(mem, again.msg), want));
    }
    CHECK(n == 90);
}

static void check_flyteadmin(struct gw_arena *mem, const char *name, enum gw_kind kind)
{
    struct gw_str file = golden_file(mem, name), style;
    struct gw_str bytes = gw_base64_decode(mem, golden_string(mem, file, "request_b64"));
    struct gw_flyte_request r;
    struct gw_err err;

    CHECK(!gw_flyte_decode(mem, kind, bytes, &r, &err));
    style = golden_member(golden_member(file, "styles"), "flyteadmin");
    CHECK(golden_same(mem, print(mem, r.msg), golden_string(mem, style, "data")));
}

TEST(test_pbjson_means_what_gos_library_prints)
{
    struct gw_arena *mem = test_arena();

    check_flyteadmin(mem, "flyteadmin/task-custom-info-numbers.json", GW_TASK);
    check_flyteadmin(mem, "flyteadmin/task-running-logs.json", GW_TASK);
    check_flyteadmin(mem, "flyteadmin/task-failed-retries.json", GW_TASK);
    check_flyteadmin(mem, "flyteadmin/node-names-html.json", GW_NODE);
    check_flyteadmin(mem, "flyteadmin/workflow-failed-user.json", GW_WORKFLOW);
    check_flyteadmin(mem, "flyteadmin/workflow-bare.json", GW_WORKFLOW);
}

/* The error of a task request; "" if there is none. */
static const char *error_of(struct gw_arena *mem, enum gw_kind kind, const char *json)
{
    struct gw_flyte_request r;
    struct gw_err err = {0};

    if (!gw_flyte_decode_json(mem, kind, gw_str_of(json), &r, &err))
        return "";
    CHECK(err.kind == GW_ERR_REJECT);
    return gw_arena_printf(mem, "%s", err.msg).p;
}

static int refuses(const char *json, const char *what)
{
    struct gw_arena *mem = test_arena();
    const char *got = error_of(mem, GW_TASK, json);

    if (!strstr(got, what) || !*got) {
        fprintf(stderr, "%s\n got  %s\n want %s\n", json, got, what);
        return 0;
    }
    gw_arena_free(mem);
    return 1;
}

TEST(test_pbjson_refuses_what_the_schema_does_not_have)
{
    CHECK(refuses("{\"evnt\":{}}", "no such field in TaskExecutionEventRequest "
                                   "(did you mean \"event\"?)"));
    CHECK(refuses("{\"event\":{\"phse\":1}}", "event: no such field in TaskExecutionEvent"));
    CHECK(refuses("{\"event\":{\"phase\":\"RUNING\"}}",
                  "event.phase: no Phase (did you mean \"RUNNING\"?): RUNING"));
    CHECK(refuses("{\"event\":{\"phase\":1.5}}", "event.phase: not an integer"));
    CHECK(refuses("{\"event\":{\"taskId\":[]}}", "event.taskId: not an object"));
    CHECK(refuses("{\"event\":{\"logs\":{}}}", "event.logs: not an array"));
    CHECK(refuses("{\"event\":{\"logs\":[null]}}", "event.logs: null"));
    CHECK(refuses("{\"event\":{\"logs\":[{\"uri\":7}]}}", "event.logs.uri: not a string: 7"));
    CHECK(refuses("{\"event\":{\"producerId\":true}}", "event.producerId: not a string"));
    CHECK(refuses("{\"event\":{\"retryAttempt\":-1}}", "event.retryAttempt: not a natural number"));
    CHECK(
        refuses("{\"event\":{\"retryAttempt\":4294967296}}", "event.retryAttempt: not a natural"));
    CHECK(refuses("{\"event\":{\"eventVersion\":\" 1\"}}", "event.eventVersion: not an integer"));
    CHECK(refuses("{\"event\":{\"occurredAt\":\"yesterday\"}}",
                  "event.occurredAt: not an RFC 3339 time: yesterday"));
    CHECK(refuses("{\"event\":{\"occurredAt\":{\"seconds\":1}}}", "event.occurredAt: not an RFC"));
    CHECK(refuses("[]", "TaskExecutionEventRequest: not an object"));
    CHECK(refuses("null", "TaskExecutionEventRequest: not an object"));
    CHECK(refuses("", "JSON: "));
    CHECK(refuses("{\"event\":{}} x", "JSON: line 1, column 14"));
    CHECK(refuses("{\"event\":{\"logs\":[{\"uri\":\"a\xff\"}]}}", "JSON: line 1"));
    CHECK(refuses("{\"event\":{\"logs\":[{\"uri\":", "JSON: line 1"));
    CHECK(refuses("{\"event\":{\"producerId\":\"\\ud800\\u0041\"}}",
                  "event.producerId: not UTF-8 (half a surrogate pair at line 1, column 25)"));
    CHECK(refuses("{\"event\":{\"customInfo\":{\"\\udc00\":1}}}", "event.customInfo: not UTF-8"));
}

TEST(test_pbjson_refuses_what_comes_twice)
{
    CHECK(refuses("{\"event\":{},\"event\":{}}", "event: given twice"));
    CHECK(refuses("{\"event\":{\"producerId\":\"a\",\"producer_id\":\"a\"}}",
                  "event.producerId: given twice"));
    CHECK(refuses("{\"event\":{\"outputUri\":\"\",\"error\":{}}}",
                  "event.error: another member of its oneof"));
    CHECK(refuses("{\"event\":{\"customInfo\":{\"a\":1,\"b\":2,\"a\":3}}}",
                  "event.customInfo: a key given twice"));
    CHECK(refuses("{\"event\":{\"inputData\":{\"literals\":{\"x\":{},\"x\":{}}}}}",
                  "event.inputData.literals: a key given twice"));
}

static struct gw_str both_ways(struct gw_arena *mem, const char *json)
{
    return print(mem, read_json(mem, GW_TASK, gw_str_of(json)).msg);
}

TEST(test_pbjson_takes_every_spelling)
{
    struct gw_arena *mem = test_arena();

#define SAME(in, out) CHECK(golden_same(mem, both_ways(mem, in), GW_STR(out)))
    SAME("{\"event\":{\"producer_id\":\"p\",\"retry_attempt\":\"3\",\"phase\":4}}",
         "{\"event\":{\"producerId\":\"p\",\"retryAttempt\":3,\"phase\":\"ABORTED\"}}");
    SAME("{\"event\":{\"phase\":77,\"eventVersion\":1.0,\"phaseVersion\":2e1}}",
         "{\"event\":{\"phase\":77,\"eventVersion\":1,\"phaseVersion\":20}}");
    SAME("{\"event\":null}", "{}");
    SAME("{\"event\":{\"producerId\":null,\"logs\":null,\"outputUri\":null,\"error\":null}}",
         "{\"event\":{}}");
    SAME("{\"event\":{\"outputUri\":\"\"}}", "{\"event\":{\"outputUri\":\"\"}}");
    SAME("{\"event\":{\"occurredAt\":\"2026-01-02T03:04:05+01:00\"}}",
         "{\"event\":{\"occurredAt\":\"2026-01-02T02:04:05Z\"}}");
    SAME("{\"event\":{\"logs\":[{\"ttl\":\"-1.5s\"},{\"ttl\":\"3s\"},{\"ttl\":\"0.000000001s\"}]}}",
         "{\"event\":{\"logs\":[{\"ttl\":\"-1.500s\"},{\"ttl\":\"3s\"},{\"ttl\":\"0.000000001s\"}]}"
         "}");
    SAME("{\"event\":{\"customInfo\":{\"a\":null,\"b\":[1,\"x\",{},[],true],\"c\":{\"d\":-0.5}}}}",
         "{\"event\":{\"customInfo\":{\"a\":null,\"b\":[1,\"x\",{},[],true],\"c\":{\"d\":-0.5}}}}");
#define SCALAR(x) "{\"event\":{\"outputData\":{\"literals\":{\"k\":{\"scalar\":" x "}}}}}"
    SAME(SCALAR("{\"primitive\":{\"integer\":-9223372036854775808}}"),
         SCALAR("{\"primitive\":{\"integer\":\"-9223372036854775808\"}}"));
    SAME(SCALAR("{\"primitive\":{\"integer\":\"0\"}}"),
         SCALAR("{\"primitive\":{\"integer\":\"0\"}}"));
    SAME(SCALAR("{\"primitive\":{\"float_value\":\"NaN\"}}"),
         SCALAR("{\"primitive\":{\"floatValue\":\"NaN\"}}"));
    SAME(SCALAR("{\"primitive\":{\"floatValue\":\"-Infinity\"}}"),
         SCALAR("{\"primitive\":{\"floatValue\":\"-Infinity\"}}"));
    SAME(SCALAR("{\"binary\":{\"value\":\"_-8\"}}"), SCALAR("{\"binary\":{\"value\":\"/+8=\"}}"));
}

TEST(test_pbjson_writes_the_text_of_the_mapping)
{
    struct gw_arena *mem = test_arena();
    struct gw_str s = both_ways(mem, SCALAR("{\"primitive\":{\"floatValue\":0.1}}"));

    CHECK(gw_str_is(s, SCALAR("{\"primitive\":{\"floatValue\":0.1}}")));
    s = both_ways(mem, "{\"event\":{\"phase\":\"RUNNING\",\"customInfo\":{\"b\":1,\"a\":2}}}");
    CHECK(gw_str_is(s, "{\"event\":{\"phase\":\"RUNNING\",\"customInfo\":{\"a\":2,\"b\":1}}}"));
}

TEST(test_pbjson_refuses_a_value_that_is_no_finite_number)
{
    struct gw_arena *mem = test_arena();
    struct gw_flyte_request r;
    struct gw_err err = {0};
    struct gw_buf out;
    /* event.custom_info{fields{"k": infinity}} */
    static const char bytes[] = "\x12\x12\x5a\x10\x0a\x0e\x0a\x01k\x12\x09\x11\0\0\0\0\0\0\xf0\x7f";

    CHECK(!gw_flyte_decode(mem, GW_TASK, (struct gw_str){bytes, sizeof(bytes) - 1}, &r, &err));
    gw_buf_init(&out, 1 << 16, mem);
    CHECK(gw_pb_json_put(&out, r.msg, &err) == -1 && err.kind == GW_ERR_REJECT);
    CHECK(!strcmp(err.msg, "custom_info: a Value that is not a finite number"));
    gw_buf_clear(&out);
    CHECK(!gw_pb_jsonpb_put(&out, r.msg, &err));
    CHECK(gw_str_is(gw_buf_str(&out), "{\"event\":{\"customInfo\":{\"k\":\"Infinity\"}}}"));
}

static int times_out_of_range(struct gw_arena *mem, const char *field, const char *bytes, size_t n)
{
    struct gw_flyte_request r;
    struct gw_buf out;
    struct gw_err err;

    gw_buf_init(&out, 1 << 16, mem);
    if (gw_flyte_decode(mem, GW_TASK, (struct gw_str){bytes, n}, &r, &err)) {
        fprintf(stderr, "%s\n", err.msg);
        exit(1);
    }
    if (!gw_pb_json_put(&out, r.msg, &err))
        return 0;
    CHECK(err.kind == GW_ERR_REJECT && strstr(err.msg, field));
    return 1;
}

TEST(test_pbjson_refuses_times_out_of_range)
{
    struct gw_arena *mem = test_arena();

    /* event.occurred_at{nanos: -1}; event.logs{ttl{seconds: 1, nanos: -1}} */
    CHECK(times_out_of_range(mem, "occurred_at",
                             "\x12\x0d\x3a\x0b\x10\xff\xff\xff\xff\xff\xff\xff"
                             "\xff\xff\x01",
                             15));
    CHECK(times_out_of_range(mem, "ttl",
                             "\x12\x11\x32\x0f\x22\x0d\x08\x01\x10\xff\xff\xff\xff"
                             "\xff\xff\xff\xff\xff\x01",
                             19));
}

TEST(test_pbjson_gives_a_maps_key_once)
{
    struct gw_arena *mem = test_arena();
    struct gw_flyte_request r;
    struct gw_err err;
    /* event.custom_info{fields{"k": 1}, fields{"j"}, fields{"k": null}}: the last "k" counts. */
    static const char bytes[] = "\x12\x20\x5a\x1e"
                                "\x0a\x0e\x0a\x01k\x12\x09\x11\0\0\0\0\0\0\xf0\x3f"
                                "\x0a\x03\x0a\x01j"
                                "\x0a\x07\x0a\x01k\x12\x02\x08";

    if (gw_flyte_decode(mem, GW_TASK, (struct gw_str){bytes, sizeof(bytes)}, &r, &err)) {
        fprintf(stderr, "%s\n", err.msg);
        exit(1);
    }
    CHECK(gw_str_is(print(mem, r.msg), "{\"event\":{\"customInfo\":{\"j\":null,\"k\":null}}}"));
}

TEST(test_pbjson_reads_back_what_nests_a_hundred_deep)
{
    struct gw_arena *mem = test_arena();

    for (int deep = 99; deep <= 101; deep++) {
        struct gw_flyte_request r, again;
        struct gw_buf json;
        struct gw_err err;

        gw_buf_init(&json, 1 << 20, mem);
        gw_buf_puts(&json, "{\"event\":{\"customInfo\":");
        for (int i = 2; i < deep; i++)
            gw_buf_puts(&json, "{\"a\":");
        gw_buf_puts(&json, "1");
        for (int i = 0; i < deep; i++)
            gw_buf_puts(&json, "}");
        if (deep == 101) {
            CHECK(gw_flyte_decode_json(mem, GW_TASK, gw_buf_str(&json), &r, &err));
            CHECK(strstr(err.msg, "JSON: line 1"));
            continue;
        }
        CHECK(!gw_flyte_decode_json(mem, GW_TASK, gw_buf_str(&json), &r, &err));
        CHECK(!gw_flyte_decode(mem, GW_TASK, r.bytes, &again, &err));
        CHECK(gw_str_eq(print(mem, again.msg), gw_buf_str(&json)));
    }
}

TEST(test_duration_text_is_protobufs)
{
    static const struct {
        int64_t sec;
        int32_t nanos;
        const char *text;
    } cases[] = {{0, 0, "0s"},
                 {0, -1, "-0.000000001s"},
                 {-3, -500000000, "-3.500s"},
                 {1, 1000, "1.000001s"},
                 {315576000000, 0, "315576000000s"}};
    char text[GW_DURATION_TEXT];
    int64_t sec;
    int32_t nanos;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK(gw_duration_format(cases[i].sec, cases[i].nanos, text) == strlen(cases[i].text));
        CHECK(!strcmp(text, cases[i].text));
        CHECK(!gw_duration_parse(gw_str_of(text), &sec, &nanos));
        CHECK(sec == cases[i].sec && nanos == cases[i].nanos);
    }
    CHECK(!gw_duration_format(315576000001, 0, text));
    CHECK(!gw_duration_format(1, -1, text));
    CHECK(!gw_duration_format(0, 1000000000, text));
    CHECK(!gw_duration_format(INT64_MIN, INT32_MIN, text));
    for (size_t i = 0; i < 9; i++) {
        static const char *const bad[] = {
            "", "s", "1", "-s", "1.s", ".5s", "+1s", "1 s", "315576000000.1s"};

        CHECK(gw_duration_parse(gw_str_of(bad[i]), &sec, &nanos));
    }
}

TEST(test_numbers_keep_their_ranges)
{
    struct gw_arena *mem = test_arena();
    int64_t i;
    uint64_t u;
    double d;

    CHECK(!gw_number_i64(mem, GW_STR("9223372036854775807"), &i) && i == INT64_MAX);
    CHECK(gw_number_i64(mem, GW_STR("9223372036854775808"), &i));
    CHECK(!gw_number_i64(mem, GW_STR("-9223372036854775808"), &i) && i == INT64_MIN);
    CHECK(gw_number_i64(mem, GW_STR("-9223372036854775809"), &i));
    CHECK(!gw_number_u64(mem, GW_STR("18446744073709551615"), &u) && u == UINT64_MAX);
    CHECK(gw_number_u64(mem, GW_STR("18446744073709551616"), &u));
    CHECK(gw_number_u64(mem, GW_STR("1e30"), &u));
    CHECK(!gw_number_u64(mem, GW_STR("-0"), &u) && u == 0);
    CHECK(gw_number_i64(mem, GW_STR("1.5"), &i));
    CHECK(gw_number_i64(mem, GW_STR("01"), &i));
    CHECK(gw_number_i64(mem, GW_STR("0x10"), &i));
    CHECK(gw_number_i64(mem, GW_STR(""), &i));
    CHECK(gw_number_double(mem, GW_STR("1e999"), &d));
    CHECK(gw_number_double(mem, GW_STR("inf"), &d));
    CHECK(!gw_number_double(mem, GW_STR("-0"), &d) && signbit(d));
}
