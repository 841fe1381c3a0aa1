#include "flyte/flyte.h"
#include "flyteidl/admin/event.pb-c.h"
#include "golden.h"

static const char *error_of(enum gw_kind kind, const char *bytes, size_t n)
{
    static struct gw_err err;
    struct gw_arena *mem = gw_arena_new();
    struct gw_flyte_request r;

    err.msg[0] = 0;
    if (gw_flyte_decode(mem, kind, (struct gw_str){bytes, n}, &r, &err))
        CHECK(err.kind == GW_ERR_REJECT);
    gw_arena_free(mem);
    return err.msg;
}

static int says(const char *got, const char *want)
{
    if (strcmp(got, want) != 0)
        fprintf(stderr, "got  %s\nwant %s\n", got, want);
    return !strcmp(got, want);
}

#define ERROR_OF(kind, bytes) error_of(kind, bytes, sizeof(bytes) - 1)

TEST(test_decode_says_where_a_request_is_wrong)
{
    CHECK(says(ERROR_OF(GW_WORKFLOW, ""), ""));
    CHECK(says(ERROR_OF(GW_WORKFLOW, "\x12\x07\x0a\x05\x22\x03"
                                     "ab\xff"),
               "event.execution_id.name: not UTF-8 at byte 2"));
    CHECK(says(ERROR_OF(GW_WORKFLOW, "\x12\x07\x0a\x05\x22\x09"
                                     "abc"),
               "event.execution_id.name: cut short: needs 9 bytes, has 3 at byte 6"));
    CHECK(says(ERROR_OF(GW_WORKFLOW, "\x12\x01"),
               "event: cut short: needs 1 bytes, has 0 at byte 2"));
    CHECK(says(ERROR_OF(GW_WORKFLOW, "\x12\x03\x0a\x02\x2a\x00"), /* into what follows */
               "event.execution_id: cut short: needs 2 bytes, has 1 at byte 4"));
    CHECK(says(ERROR_OF(GW_WORKFLOW, "\x12\x20\x0a"),
               "event: cut short: needs 32 bytes, has 1 at byte 2"));
    CHECK(says(ERROR_OF(GW_WORKFLOW, "\x12"), "event: cut short in a varint at byte 1"));
    CHECK(says(ERROR_OF(GW_WORKFLOW, "\xff\xff"),
               "WorkflowExecutionEventRequest: cut short in a varint at byte 0"));
    CHECK(says(ERROR_OF(GW_WORKFLOW, "\x02\x00"),
               "WorkflowExecutionEventRequest: no field number at byte 1"));
    CHECK(says(ERROR_OF(GW_WORKFLOW, "\x7b\x08\x01\x83\x01\x84\x01"), /* groups */
               "WorkflowExecutionEventRequest: cut short in a varint at byte 7"));
    CHECK(says(ERROR_OF(GW_WORKFLOW, "\x7b\x84\x01"),
               "WorkflowExecutionEventRequest: the end of another group at byte 3"));
    CHECK(says(ERROR_OF(GW_WORKFLOW, "\x7c"),
               "WorkflowExecutionEventRequest: no such wire type at byte 1"));
    CHECK(says(ERROR_OF(GW_WORKFLOW, "\x12\x0c\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
               "event.phase: a varint of more than 64 bits at byte 3"));
    CHECK(says(ERROR_OF(GW_OTHER, ""), "no event request: other"));
}

/* As Go's library has it, which FlyteAdmin decodes with. */
TEST(test_decode_keeps_fields_of_another_wire_type_and_groups)
{
    static const char bytes[] = "\x10\x01\x7b\x08\x01\x83\x01\x84\x01\x7c"; /* event, 15 */
    struct gw_arena *mem = test_arena();
    struct gw_flyte_request r;
    struct gw_err err;
    struct gw_str again;
    char groups[300];

    CHECK(!gw_flyte_decode(mem, GW_WORKFLOW, GW_STR(bytes), &r, &err));
    CHECK(r.msg->n_unknown_fields == 2);
    again = gw_flyte_encode(mem, r.msg);
    CHECK(gw_str_eq(again, GW_STR(bytes)));
    memset(groups, 0x7b, 100);
    memset(groups + 100, 0x7c, 100);
    CHECK(says(error_of(GW_WORKFLOW, groups, 200), ""));
    memset(groups, 0x7b, 101);
    memset(groups + 101, 0x7c, 101);
    CHECK(says(error_of(GW_WORKFLOW, groups, 202),
               "WorkflowExecutionEventRequest: nests more than 100 deep at byte 101"));
}

/* A Literal's collection{literals{collection{literals{…}}}}. */
static size_t nested(char *out, int deep)
{
    char *p = out + 4096;
    size_t len = 0;

    /* from the inside out, so that lengths are known */
    for (int i = 0; i < deep; i++) {
        char head[8];
        size_t n = 0;

        head[n++] = (char)((i % 2 ? 2 : 1) << 3 | 2);
        if (len > 127)
            head[n++] = (char)((len & 0x7f) | 0x80);
        head[n++] = (char)(len > 127 ? len >> 7 : len);
        p -= n;
        memcpy(p, head, n);
        len += n;
    }
    memmove(out, p, len);
    return len;
}

TEST(test_decode_nests_a_hundred_deep)
{
    char literal[8192], request[8192];
    int refused = 0;

    /* deep messages within a Literal, which is 4 below the request (event, output_data, entry) */
    for (int deep = 90; deep <= 104; deep += 2) {
        size_t n = nested(literal, deep), at = sizeof(request);
        static const char tags[] = {0x12, 0x0a, 0x3a,
                                    0x12}; /* value, literals, output_data, event */
        const char *msg;

        memcpy(request + (at -= n), literal, n);
        for (size_t i = 0; i < 4; i++) {
            n = sizeof(request) - at;
            if (n > 127)
                request[--at] = (char)(n >> 7);
            request[--at] = (char)(n > 127 ? (n & 0x7f) | 0x80 : n);
            request[--at] = tags[i];
        }
        msg = error_of(GW_WORKFLOW, request + at, sizeof(request) - at);
        if (deep + 4 <= 100)
            CHECK(says(msg, ""));
        else if (strstr(msg, "nests more than 100 deep"))
            refused++;
    }
    CHECK(refused == 4);
}

TEST(test_decode_bounds_the_memory_a_message_takes)
{
    enum { N = 1 << 20 };
    struct gw_arena *mem = gw_arena_new();
    struct gw_flyte_request r;
    struct gw_buf b;
    struct gw_err err;

    /* event.logs, a million of them, empty */
    gw_buf_init(&b, 16 << 20, NULL);
    gw_buf_put(&b, "\x12\x80\x80\x80\x01", 5);
    for (int i = 0; i < N; i++)
        gw_buf_put(&b, "\x32\x00", 2);
    CHECK(gw_flyte_decode(mem, GW_TASK, gw_buf_str(&b), &r, &err));
    CHECK(err.kind == GW_ERR_TOO_LARGE && strstr(err.msg, "message too large") == err.msg);
    CHECK(gw_arena_size(mem) < (size_t)2 * GW_PB_MAX_MEMORY);
    gw_arena_free(mem);
    mem = gw_arena_new();
    gw_buf_clear(&b);
    gw_buf_puts(&b, "{\"event\":{\"logs\":[{}");
    for (int i = 0; i < N; i++)
        gw_buf_puts(&b, ",{}");
    gw_buf_puts(&b, "]}}");
    CHECK(gw_flyte_decode_json(mem, GW_TASK, gw_buf_str(&b), &r, &err));
    CHECK(err.kind == GW_ERR_TOO_LARGE);
    gw_arena_free(mem);
    gw_buf_free(&b);
}

TEST(test_decode_survives_what_is_cut_anywhere)
{
    struct gw_arena *mem = test_arena();
    struct gw_str text = golden_file(mem, "protojson/random.jsonl"), line;
    int cut_short = 0;

    for (int i = 0; i < 20 && (line = golden_line(&text)).p; i++) {
        struct gw_str bytes = gw_base64_decode(mem, golden_string(mem, line, "bytes"));
        enum gw_kind kind = golden_kind(mem, line);

        for (size_t n = 0; n < bytes.len; n++) {
            char *exact = malloc(n + 1); /* so that a sanitizer sees a byte too far */

            memcpy(exact, bytes.p, n);
            cut_short += *error_of(kind, exact, n) != 0;
            free(exact);
        }
    }
    CHECK(cut_short > 1000);
}

TEST(test_decode_gives_what_protobuf_c_gives)
{
    struct gw_arena *mem = test_arena();
    struct gw_str text = golden_file(mem, "protojson/random.jsonl");

    for (struct gw_str line; (line = golden_line(&text)).p;) {
        struct gw_str bytes = gw_base64_decode(mem, golden_string(mem, line, "bytes")), again;
        struct gw_flyte_request r;
        ProtobufCMessage *theirs;
        struct gw_err err;
        uint8_t *packed;
        size_t n;

        CHECK(!gw_flyte_decode(mem, golden_kind(mem, line), bytes, &r, &err));
        again = gw_flyte_encode(mem, r.msg);
        theirs = protobuf_c_message_unpack(gw_flyte_descriptor(r.kind), NULL, bytes.len,
                                           (const uint8_t *)bytes.p);
        CHECK(theirs);
        packed = gw_arena_alloc(mem, bytes.len * 2 + 1);
        n = protobuf_c_message_pack(theirs, packed);
        CHECK(gw_str_eq(again, (struct gw_str){(const char *)packed, n}));
        protobuf_c_message_free_unpacked(theirs, NULL);
    }
}

static struct gw_str encoded_again(struct gw_arena *mem, const char *bytes, size_t n)
{
    struct gw_flyte_request r;
    struct gw_err err;

    CHECK(!gw_flyte_decode(mem, GW_WORKFLOW, (struct gw_str){bytes, n}, &r, &err));
    return gw_flyte_encode(mem, r.msg);
}

#define AGAIN(bytes, want) gw_str_eq(encoded_again(mem, bytes, sizeof(bytes) - 1), GW_STR(want))

TEST(test_decode_keeps_fields_it_does_not_know)
{
    struct gw_arena *mem = test_arena();

    /* 100: varint, 101: fixed64, 102: bytes, 103: fixed32 */
#define UNKNOWN                                                                                    \
    "\xa0\x06\x81\x01\xa9\x06"                                                                     \
    "12345678"                                                                                     \
    "\xb2\x06\x02"                                                                                 \
    "ab"                                                                                           \
    "\xbd\x06"                                                                                     \
    "abcd"
    CHECK(AGAIN(UNKNOWN, UNKNOWN));
    CHECK(AGAIN("\x12\x19" UNKNOWN, "\x12\x19" UNKNOWN));
}

TEST(test_decode_merges_as_protobuf_says)
{
    struct gw_arena *mem = test_arena();

    /* request_id twice: the last; event twice: merged; output_uri then error: error alone */
    CHECK(AGAIN("\x0a\x01"
                "a"
                "\x0a\x01"
                "b",
                "\x0a\x01"
                "b"));
    CHECK(AGAIN("\x12\x02\x18\x01\x12\x03\x12\x01p", "\x12\x05\x12\x01p\x18\x01"));
    CHECK(AGAIN("\x12\x05\x2a\x01u\x32\x00", "\x12\x02\x32\x00"));
    CHECK(AGAIN("\x12\x05\x32\x00\x2a\x01u", "\x12\x03\x2a\x01u"));
}

static struct gw_str attr(struct gw_arena *mem, const char *json, enum gw_kind kind)
{
    struct gw_flyte_request r;
    struct gw_err err;

    CHECK(!gw_flyte_decode_json(mem, kind, gw_str_of(json), &r, &err));
    return gw_flyte_key(mem, &r);
}

TEST(test_key_is_the_execution_with_its_parts_encoded)
{
    struct gw_arena *mem = test_arena();

    CHECK(gw_str_is(attr(mem, "{}", GW_WORKFLOW), "::"));
    CHECK(gw_str_is(attr(mem, "{}", GW_NODE), "::"));
    CHECK(gw_str_is(attr(mem, "{\"event\":{}}", GW_TASK), "::"));
    CHECK(gw_str_is(attr(mem,
                         "{\"event\":{\"executionId\":{\"project\":\"a:b\",\"domain\":\"50%\","
                         "\"name\":\"x\\ty\\u0085z\\u007f\"}}}",
                         GW_WORKFLOW),
                    "a%3Ab:50%25:x%09y%C2%85z%7F"));
    CHECK(gw_str_is(attr(mem,
                         "{\"event\":{\"executionId\":{\"project\":\"n\\u00e4\\u00a0\","
                         "\"domain\":\"\\u65e5\\ud83d\\ude00\",\"name\":\"\\ufffe\\ufdd0\"}}}",
                         GW_WORKFLOW),
                    "n\xc3\xa4\xc2\xa0:\xe6\x97\xa5\xf0\x9f\x98\x80:%EF%BF%BE%EF%B7%90"));
}

TEST(test_facts_tell_failed_and_terminal_by_kind)
{
    static const struct {
        enum gw_kind kind;
        const char *phase;
        int failed, terminal;
    } cases[] = {{GW_WORKFLOW, "FAILED", 1, 1},      {GW_WORKFLOW, "TIMED_OUT", 1, 1},
                 {GW_WORKFLOW, "ABORTED", 0, 1},     {GW_WORKFLOW, "SUCCEEDED", 0, 1},
                 {GW_WORKFLOW, "FAILING", 0, 0},     {GW_WORKFLOW, "SUCCEEDING", 0, 0},
                 {GW_WORKFLOW, "ABORTING", 0, 0},    {GW_NODE, "SKIPPED", 0, 1},
                 {GW_NODE, "RECOVERED", 0, 1},       {GW_NODE, "TIMED_OUT", 1, 1},
                 {GW_NODE, "FAILING", 0, 0},         {GW_NODE, "FAILED", 1, 1},
                 {GW_NODE, "DYNAMIC_RUNNING", 0, 0}, {GW_TASK, "RETRYABLE_FAILED", 1, 0},
                 {GW_TASK, "FAILED", 1, 1},          {GW_TASK, "ABORTED", 0, 1},
                 {GW_TASK, "UNDEFINED", 0, 0},       {GW_TASK, "SUCCEEDED", 0, 1}};
    struct gw_arena *mem = test_arena();

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gw_str json = gw_arena_printf(mem, "{\"event\":{\"phase\":\"%s\"}}", cases[i].phase);
        struct gw_flyte_request r;
        struct gw_flyte f;
        struct gw_err err;

        CHECK(!gw_flyte_decode_json(mem, cases[i].kind, json, &r, &err));
        gw_flyte_facts(mem, &r, &f);
        CHECK(gw_str_is(f.phase, cases[i].phase));
        CHECK(f.failed == cases[i].failed && f.terminal == cases[i].terminal);
    }
}

TEST(test_facts_name_what_a_kind_has)
{
    struct gw_arena *mem = test_arena();
    struct gw_flyte_request r;
    struct gw_flyte f;
    struct gw_err err;

    CHECK(!gw_flyte_decode_json(
        mem, GW_TASK,
        GW_STR(
            "{\"event\":{\"taskId\":{\"name\":\"t\"},\"parentNodeExecutionId\":{\"nodeId\":\"n\","
            "\"executionId\":{\"org\":\"o\",\"project\":\"p\",\"domain\":\"d\",\"name\":\"x\"}},"
            "\"retryAttempt\":2,\"phase\":99,\"error\":{\"code\":\"C\",\"message\":\"M\"}}}"),
        &r, &err));
    gw_flyte_facts(mem, &r, &f);
    CHECK(gw_str_is(f.org, "o") && gw_str_is(f.project, "p") && gw_str_is(f.domain, "d"));
    CHECK(gw_str_is(f.execution, "x") && gw_str_is(f.node, "n") && gw_str_is(f.task, "t"));
    CHECK(f.attempt == 2 && gw_str_is(f.phase, "99") && !f.failed && !f.terminal);
    CHECK(gw_str_is(f.error_code, "C") && gw_str_is(f.error_message, "M"));
    CHECK(!gw_flyte_decode_json(mem, GW_WORKFLOW, GW_STR("{\"event\":{\"phase\":-1}}"), &r, &err));
    gw_flyte_facts(mem, &r, &f);
    CHECK(!f.node.p && !f.task.p && !f.error_code.p && f.attempt == -1 && f.project.p);
    CHECK(gw_str_is(f.phase, "-1"));
}
