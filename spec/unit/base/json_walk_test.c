#include "base/json_walk.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "test.h"

#include <string.h>

static size_t past(const char *text)
{
    return (size_t)(gw_json_past(text, text + strlen(text)) - text);
}

TEST(test_json_walk_goes_past_a_value_and_no_further)
{
    CHECK(past("12,") == 2 && past("-1.5e3]") == 6 && past("true }") == 4 && past("null") == 4);
    CHECK(past("\"\",") == 2 && past("\"a\\\"b\\\\\",\"") == 8 && past("\"}]\" ") == 4);
    CHECK(past("{}}") == 2 && past("[[],{\"]\":\"}\"}],1") == 14 && past("{\"\\\\\":[{}]} ") == 11);
    CHECK(past("\"0123456789abcdef0123456789\\\"0123456789abcdef\"x") == 46);
    CHECK(past("[\"0123456789abcdef[[[[[[[[\", 0123456789, [ 0123456789 ] , {} ]]") == 62);
}

TEST(test_json_walk_stays_inside_of_text_that_is_no_json)
{
    static const char *const bad[] = {"",       "\"",       "\"\\", "{",    "[\"",
                                      "{\"a\"", "{\"a\":",  "[,,,", "{\"a", "{,:,",
                                      "[1 2",   "{\"a\" 1", "}",    "[}"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        size_t len = strlen(bad[i]);
        char *exact = malloc(len ? len : 1); /* the sanitizer sees one byte too many */
        const char *p = exact, *end = exact + len;
        struct gw_json_part part;
        int n = 0;

        CHECK(exact);
        memcpy(exact, bad[i], len);
        CHECK(gw_json_past(p, end) <= end);
        CHECK(gw_json_depth((struct gw_str){p, len}) <= len);
        while (gw_json_part(&p, end, i % 2, &part))
            CHECK(p <= end && ++n < 10);
        free(exact);
    }
}

TEST(test_json_walk_gives_members_and_elements)
{
    const char *text = "{ \"a\" : [1, {}] ,\"b\\\"\":\"}\" , \"\":null }";
    const char *p = text + 1, *end = text + strlen(text);
    struct gw_json_part part;

    CHECK(gw_json_part(&p, end, 1, &part) && gw_str_is(part.name, "a"));
    CHECK(gw_str_is((struct gw_str){part.value, (size_t)(part.end - part.value)}, "[1, {}]"));
    CHECK(gw_json_part(&p, end, 1, &part) && gw_str_is(part.name, "b\\\""));
    CHECK(gw_json_raw_is(part.name, GW_STR("b\"")) && !gw_json_raw_is(part.name, GW_STR("b")));
    CHECK(part.end - part.value == 3);
    CHECK(gw_json_part(&p, end, 1, &part) && part.name.len == 0 && part.value[0] == 'n');
    CHECK(!gw_json_part(&p, end, 1, &part) && *p == '}');
    p = text + 9;
    CHECK(gw_json_part(&p, end, 0, &part) && !part.name.p && *part.value == '1');
    CHECK(gw_json_part(&p, end, 0, &part) && *part.value == '{');
    CHECK(!gw_json_part(&p, end, 0, &part) && *p == ']');
}

TEST(test_json_walk_counts_depth)
{
    CHECK(gw_json_depth(GW_STR("1")) == 0 && gw_json_depth(GW_STR("\"[[\"")) == 0);
    CHECK(gw_json_depth(GW_STR("[]")) == 1 && gw_json_depth(GW_STR("[[],{\"a\":[]},[]]")) == 3);
}

TEST(test_json_compares_escaped_names_of_any_length)
{
    char raw[700], name[602];

    memset(raw, 'x', 600);
    memset(name, 'x', 600);
    memcpy(raw + 600, "\\u00e9", 6);
    memcpy(name + 600, "\xc3\xa9", 2);
    CHECK(gw_json_raw_is((struct gw_str){raw, 606}, (struct gw_str){name, 602}));
    CHECK(!gw_json_raw_is((struct gw_str){raw, 606}, (struct gw_str){name, 601}));
    name[0] = 'y';
    CHECK(!gw_json_raw_is((struct gw_str){raw, 606}, (struct gw_str){name, 602}));
}

static unsigned next(unsigned n)
{
    static uint64_t state = 1;

    state = state * 6364136223846793005U + 1442695040888963407U;
    return (unsigned)(state >> 33) % n;
}

static void put_random(struct gw_buf *b, int depth)
{
    static const char *const texts[] = {"\\\\", "\\\"", "[", "]", "{",
                                        "}",    ",",    ":", "x", "\\u00e9"};
    unsigned kind = next(depth < 6 ? 4 : 2), n = next(kind ? 12 : 4);

    if (!kind) {
        gw_buf_put(b, "-1205", 2 + n);
        return;
    }
    gw_buf_puts(b, kind == 1 ? "\"" : kind == 2 ? "[ " : "{");
    for (unsigned i = 0; i < n; i++) {
        if (kind == 1) {
            gw_buf_puts(b, texts[next(10)]);
            continue;
        }
        gw_buf_puts(b, i ? " ," : "");
        gw_buf_puts(b, kind == 3 ? "\"\\\\\":" : "");
        put_random(b, depth + 1);
    }
    gw_buf_puts(b, kind == 1 ? "\"" : kind == 2 ? "]" : " }");
}

/* Against the reader that checks everything; blocks begin and end anywhere. */
TEST(test_json_walk_ends_values_where_the_reader_does)
{
    struct gw_arena *mem = gw_arena_new();

    for (int i = 0; i < (SPEC_SLOW ? 2000 : 5000); i++) {
        struct gw_buf b;
        struct gw_json j;
        struct gw_str raw;
        unsigned lead = next(70);

        gw_arena_reset(mem);
        gw_buf_init(&b, 1 << 20, mem);
        while (lead--)
            gw_buf_putc(&b, ' ');
        put_random(&b, 0);
        gw_buf_puts(&b, next(2) ? "" : "}]\",");
        gw_json_init(&j, gw_buf_str(&b), 100);
        CHECK(gw_json_next(&j) > GW_JSON_END && !gw_json_value(&j, &raw));
        CHECK(gw_json_past(raw.p, b.p + b.len) == raw.p + raw.len);
    }
    gw_arena_free(mem);
}
