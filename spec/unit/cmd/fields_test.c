#include "cmd/fields.h"

#include "base/arena.h"
#include "base/buf.h"
#include "test.h"

#include <string.h>

static const char line[] = "{\"a\":\"x\\ny\",\"n\":12,\"o\":{\"n\":5,\"a\":[1,{}]},\"z\":null,"
                           "\"t\":true,\"e\":\"\"}";

TEST(test_fields_gives_members)
{
    struct gw_arena *mem = gw_arena_new();
    const struct gw_str s = GW_STR(line);

    CHECK(gw_str_is(gw_line_get(mem, s, "a"), "x\ny"));
    CHECK(gw_str_is(gw_line_get(mem, s, "o"), "{\"n\":5,\"a\":[1,{}]}"));
    CHECK(gw_line_number(mem, s, "n") == 12 && gw_line_number(mem, s, "a") == 0);
    CHECK(gw_line_flag(mem, s, "t") && !gw_line_flag(mem, s, "n"));
    CHECK(!gw_line_get(mem, s, "z").p && !gw_line_get(mem, s, "none").p);
    CHECK(gw_line_get(mem, s, "e").p && gw_line_get(mem, s, "e").len == 0);
    gw_arena_free(mem);
}

TEST(test_fields_copes_with_what_is_no_object)
{
    static const char *const bad[] = {"",        "[1]",      "{", "{\"a\"",
                                      "{\"a\":", "{\"a\":1", "x", "{\"b\":}"};
    struct gw_arena *mem = gw_arena_new();

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        CHECK(!gw_line_get(mem, gw_str_of(bad[i]), "b").p);
    gw_arena_free(mem);
}

TEST(test_fields_indents_json)
{
    struct gw_buf b;

    gw_buf_init(&b, 1000, NULL);
    gw_json_put_pretty(&b, GW_STR("{\"a\":[1,\"\\u001b\",{}],\"b\":{},\"c\":{\"d\":null}}"), 0);
    CHECK(gw_str_is(gw_buf_str(&b), "{\n  \"a\": [\n    1,\n    \"\\u001b\",\n    {}\n  ],\n"
                                    "  \"b\": {},\n  \"c\": {\n    \"d\": null\n  }\n}"));
    gw_buf_free(&b);
}
