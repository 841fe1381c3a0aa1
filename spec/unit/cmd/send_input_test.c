#include "base/arena.h"
#include "base/err.h"
#include "cmd/send.h"
#include "test.h"

#include <string.h>

static struct gw_arena *mem;
static struct gw_send_items items;
static struct gw_err err;

static int parse(struct gw_str text, enum gw_kind kind)
{
    if (!mem)
        mem = gw_arena_new();
    items = (struct gw_send_items){0};
    return gw_send_parse(mem, "f", text, kind, &items, &err);
}

TEST(test_send_input_reads_lines_with_their_kinds)
{
    CHECK(parse(GW_STR("{\"kind\":\"task\",\"request\":{\"a\":\"}\"}}\n\n"
                       "  {\"request\":{}, \"kind\":\"node\"}\n"),
                GW_KINDS) == 0);
    CHECK(items.n == 2);
    CHECK(items.items[0].kind == GW_TASK && gw_str_is(items.items[0].json, "{\"a\":\"}\"}"));
    CHECK(items.items[1].kind == GW_NODE && gw_str_is(items.items[1].json, "{}"));
    CHECK(items.items[0].line == 1 && items.items[1].line == 3);
    gw_arena_free(mem);
}

TEST(test_send_input_reads_a_bare_request_of_a_kind)
{
    CHECK(parse(GW_STR("{\n \"event\": {}\n}\n"), GW_WORKFLOW) == 0);
    CHECK(items.n == 1 && items.items[0].kind == GW_WORKFLOW && items.items[0].json.p);
    CHECK(parse(GW_STR("{\"event\":{}}"), GW_KINDS) == -1 && strstr(err.msg, "f:1"));
    CHECK(strstr(err.msg, "--kind"));
    gw_arena_free(mem);
}

TEST(test_send_input_reads_protobuf_bytes_of_a_kind)
{
    /* request_id (1) of 123 bytes: it starts like JSON after a line feed */
    char bytes[125] = "\n{";

    memset(bytes + 2, 'x', 123);
    CHECK(parse((struct gw_str){bytes, 125}, GW_TASK) == 0);
    CHECK(items.n == 1 && items.items[0].bytes.len == 125 && !items.items[0].json.p);
    CHECK(parse((struct gw_str){bytes, 125}, GW_KINDS) == -1);
    CHECK(parse(GW_STR("\x0a\x7f"), GW_TASK) == -1);
    gw_arena_free(mem);
}

TEST(test_send_input_says_file_and_line_of_a_bad_one)
{
    CHECK(parse(GW_STR("{\"kind\":\"task\",\"request\":{}}\n{\"kind\":\"tusk\",\"request\":{}}"),
                GW_KINDS) == -1);
    CHECK(strstr(err.msg, "f:2") && strstr(err.msg, "tusk"));
    CHECK(parse(GW_STR("{\"kind\":\"task\",\"request\":{}}\n{\"kind\":}"), GW_KINDS) == -1);
    CHECK(strstr(err.msg, "f:2"));
    CHECK(parse(GW_STR("{\"kind\":\"other\",\"request\":{}}"), GW_KINDS) == -1);
    gw_arena_free(mem);
}

TEST(test_send_input_samples_decode_and_all_differ)
{
    struct gw_flyte_request a, b;

    mem = gw_arena_new();
    for (int kind = GW_WORKFLOW; kind <= GW_TASK; kind++) {
        for (int i = 0; i < 2; i++)
            CHECK(gw_flyte_decode_json(mem, (enum gw_kind)kind,
                                       gw_send_sample(mem, (enum gw_kind)kind, 7, i), i ? &b : &a,
                                       &err) == 0);
        CHECK(!gw_str_eq(gw_flyte_key(mem, &a), gw_flyte_key(mem, &b)));
    }
    gw_arena_free(mem);
}
