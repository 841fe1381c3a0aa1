#include "base/json.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "test.h"

#include <dirent.h>
#include <string.h>

static int accepts(struct gw_str text, unsigned depth)
{
    struct gw_json j;

    gw_json_init(&j, text, depth);
    while (gw_json_next(&j) > GW_JSON_END)
        ;
    return j.token == GW_JSON_END;
}

static struct gw_str read_file(struct gw_arena *mem, const char *path)
{
    static char bytes[1 << 20];
    FILE *f = fopen(path, "r");
    size_t n;

    CHECK(f);
    n = fread(bytes, 1, sizeof(bytes), f);
    fclose(f);
    return gw_arena_str(mem, (struct gw_str){bytes, n});
}

TEST(test_json_reads_the_public_vectors_as_they_say)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_str folder = gw_arena_printf(mem, "%s/../shared/vectors/json", spec_root());
    DIR *d = opendir(folder.p);
    int n = 0;

    if (!d)
        spec_skip("no vectors in ../shared");
    for (struct dirent *e; (e = readdir(d));) {
        struct gw_str text;

        if (e->d_name[0] == '.')
            continue;
        text = read_file(mem, gw_arena_printf(mem, "%s/%s", folder.p, e->d_name).p);
        if (e->d_name[0] != 'i' && accepts(text, GW_JSON_MAX_DEPTH) != (e->d_name[0] == 'y')) {
            fprintf(stderr, "%s\n", e->d_name);
            exit(1);
        }
        n++;
    }
    closedir(d);
    gw_arena_free(mem);
    CHECK(n > 300);
}

/* The grammar rule by rule, for where the public vectors are not. */
TEST(test_json_takes_what_rfc_8259_takes)
{
    static const char *const texts[] = {"0",
                                        "-0",
                                        "-0.0",
                                        "10",
                                        "1.5",
                                        "0.05",
                                        "1e5",
                                        "1E+05",
                                        "1e-0",
                                        "-1.0e-10",
                                        "1e400",
                                        "123456789012345678901234567890",
                                        "true",
                                        "false",
                                        "null",
                                        "\"\"",
                                        "[]",
                                        "{}",
                                        "[[],{}]",
                                        " \t\r\n1 \t\r\n",
                                        "[1 , 2]",
                                        "{\"\":0}",
                                        "{\"a\":1,\"a\":2}",
                                        "{ \"a\" : { } }",
                                        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
                                        "\"\\u0000\"",
                                        "\"\\uD83D\\uDE00\"",
                                        "\"\\ud800\"",
                                        "\"\x7f\"",
                                        "\"\xc2\x80\"",
                                        "\"\xe2\x80\xa8\"",
                                        "\"\xef\xbf\xbf\"",
                                        "\"\xf4\x8f\xbf\xbf\"",
                                        "[\"/\",\"//\",\"/* */\"]"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (!accepts(gw_str_of(texts[i]), 10)) {
            fprintf(stderr, "refused: %s\n", texts[i]);
            exit(1);
        }
}

TEST(test_json_refuses_what_rfc_8259_does_not_have)
{
    static const char *const texts[] = {"",
                                        " ",
                                        "\xef\xbb\xbf[]",
                                        "\xfe\xff",
                                        "1 2",
                                        "[]]",
                                        "{}}",
                                        "[",
                                        "{",
                                        "[1",
                                        "{\"a\"",
                                        "{\"a\":",
                                        "{\"a\":1",
                                        "[1,]",
                                        "[,1]",
                                        "[,]",
                                        "[1,,2]",
                                        "[1 2]",
                                        "{\"a\":1,}",
                                        "{,}",
                                        "{\"a\"}",
                                        "{\"a\" 1}",
                                        "{\"a\":1 \"b\":2}",
                                        "{\"a\":1:2}",
                                        "{\"a\",1}",
                                        "{a:1}",
                                        "{'a':1}",
                                        "{1:1}",
                                        "{null:1}",
                                        "{[]:1}",
                                        "[1}",
                                        "{\"a\":1]",
                                        "'a'",
                                        "a",
                                        "\"",
                                        "\"a",
                                        "\"\\\"",
                                        "\"\\x41\"",
                                        "\"\\a\"",
                                        "\"\\'\"",
                                        "\"\\0\"",
                                        "\"\\u\"",
                                        "\"\\u00\"",
                                        "\"\\u00zz\"",
                                        "\"\\U0041\"",
                                        "\"\\u{41}\"",
                                        "\"\n\"",
                                        "\"\t\"",
                                        "\"\x1f\"",
                                        "\"\x80\"",
                                        "\"\xff\"",
                                        "\"\xc3\"",
                                        "\"\xc0\x80\"",
                                        "\"\xe0\x80\xaf\"",
                                        "\"\xed\xa0\x80\"",
                                        "\"\xf4\x90\x80\x80\"",
                                        "\"\xf8\x88\x80\x80\x80\"",
                                        "\xc3\xa9",
                                        "+1",
                                        "-",
                                        "--1",
                                        "-a",
                                        "01",
                                        "-01",
                                        "00",
                                        ".5",
                                        "1.",
                                        "1.e5",
                                        "-.5",
                                        "1e",
                                        "1e+",
                                        "1e1.5",
                                        "1e5e5",
                                        "0x10",
                                        "1_000",
                                        "1,5",
                                        "Infinity",
                                        "-Infinity",
                                        "NaN",
                                        "nan",
                                        "inf",
                                        "True",
                                        "TRUE",
                                        "tru",
                                        "truee",
                                        "nul",
                                        "nulll",
                                        "fals",
                                        "undefined",
                                        "None",
                                        "// a\n1",
                                        "/* a */1",
                                        "1/**/",
                                        "#1",
                                        "[1]//",
                                        "\v1",
                                        "\f1",
                                        "1\xc2\xa0",
                                        "1\xe2\x80\x83",
                                        "[\x01]",
                                        "{\"a\":\x0b 1}",
                                        "[\"a\":1]",
                                        "(1)",
                                        "<1>",
                                        "&a",
                                        "*",
                                        "@",
                                        "\\u0031"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (accepts(gw_str_of(texts[i]), 10)) {
            fprintf(stderr, "taken: %s\n", texts[i]);
            exit(1);
        }
    CHECK(!accepts((struct gw_str){"1\0", 2}, 10) && !accepts((struct gw_str){"[\0]", 3}, 10));
    CHECK(!accepts((struct gw_str){"\"\0\"", 3}, 10));
}

TEST(test_json_gives_tokens_in_order_with_their_text)
{
    static const enum gw_json_token tokens[] = {
        GW_JSON_OBJECT, GW_JSON_KEY,  GW_JSON_ARRAY,     GW_JSON_NUMBER,     GW_JSON_STRING,
        GW_JSON_TRUE,   GW_JSON_NULL, GW_JSON_ARRAY_END, GW_JSON_OBJECT_END, GW_JSON_END};
    struct gw_json j;

    gw_json_init(&j, GW_STR("{ \"a\" : [ -1.5e3 , \"x\" , true , null ] }"), 10);
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        CHECK(gw_json_next(&j) == tokens[i]);
        if (i == 1)
            CHECK(gw_json_is(&j, "a"));
        if (i == 3)
            CHECK(gw_str_is(j.raw, "-1.5e3"));
    }
}

TEST(test_json_value_gives_the_exact_text_and_goes_on_behind_it)
{
    struct gw_str raw;
    struct gw_json j;

    gw_json_init(&j, GW_STR("{\"d\":{ \"x\":[1, {}] } ,\"e\":\"\\u00e9\",\"n\":12}"), 10);
    CHECK(gw_json_next(&j) == GW_JSON_OBJECT && gw_json_next(&j) == GW_JSON_KEY);
    CHECK(gw_json_value(&j, &raw) == 0 && gw_str_is(raw, "{ \"x\":[1, {}] }"));
    CHECK(gw_json_next(&j) == GW_JSON_KEY && gw_json_is(&j, "e"));
    CHECK(gw_json_value(&j, &raw) == 0 && gw_str_is(raw, "\"\\u00e9\""));
    CHECK(gw_json_next(&j) == GW_JSON_KEY && gw_json_value(&j, &raw) == 0 && gw_str_is(raw, "12"));
    CHECK(gw_json_next(&j) == GW_JSON_OBJECT_END && gw_json_next(&j) == GW_JSON_END);
}

TEST(test_json_unescapes_surrogates_and_replaces_lone_ones)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_json j;

    gw_json_init(&j, GW_STR("\"a\\n\\u00e9\\ud83d\\ude00\\ud800x\\udc00\\u0000\""), 10);
    CHECK(gw_json_next(&j) == GW_JSON_STRING);
    CHECK(gw_str_eq(gw_json_string(&j, mem),
                    GW_STR("a\n\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbdx\xef\xbf\xbd\0")));
    gw_arena_free(mem);
}

TEST(test_json_error_says_line_and_column)
{
    struct gw_json j;
    struct gw_err err;

    gw_json_init(&j, GW_STR("{\n  \"a\": tru\n}"), 10);
    while (gw_json_next(&j) > GW_JSON_END)
        ;
    gw_json_error(&j, &err);
    CHECK(!strcmp(err.msg, "JSON: line 2, column 8: not a JSON value"));
}

TEST(test_json_refuses_every_control_in_a_string)
{
    char text[] = "\"x?\"";

    for (int c = 0; c < 0x80; c++) {
        text[2] = (char)c;
        CHECK(accepts((struct gw_str){text, 4}, 1) == (c >= 0x20 && c != '"' && c != '\\'));
    }
}

TEST(test_json_depth_is_bounded)
{
    CHECK(accepts(GW_STR("[[[]]]"), 3) && !accepts(GW_STR("[[[[]]]]"), 3));
}

static void check_double(double d, const char *text)
{
    struct gw_buf b;

    gw_buf_init(&b, 100, NULL);
    gw_json_put_double(&b, d);
    if (!gw_str_is(gw_buf_str(&b), text)) {
        fprintf(stderr, "%.*s instead of %s\n", (int)b.len, b.p, text);
        exit(1);
    }
    gw_buf_free(&b);
}

TEST(test_json_doubles_are_the_shortest_that_read_back)
{
    check_double(0.1, "0.1");
    check_double(1.0 / 3, "0.3333333333333333");
    check_double(5e-324, "5e-324");
    check_double(-0.0, "-0");
    check_double(2.5e-310, "2.5e-310");
    check_double(1e300 * 1e300, "\"Infinity\"");
    check_double(123456789012345680.0, "1.2345678901234568e+17");
}

TEST(test_json_strings_are_escaped_and_bad_bytes_replaced)
{
    struct gw_buf b;

    gw_buf_init(&b, 100, NULL);
    gw_json_put_string(&b, GW_STR("a\"\\\n\x01\xc3\xa9\xff\x7f"));
    CHECK(gw_str_is(gw_buf_str(&b), "\"a\\\"\\\\\\n\\u0001\xc3\xa9\xef\xbf\xbd\x7f\""));
    gw_buf_clear(&b);
    gw_json_put_string(&b, GW_STR("twelve bytes\x1fof text, then\xc3 and the rest of it"));
    CHECK(gw_str_is(gw_buf_str(&b),
                    "\"twelve bytes\\u001fof text, then\xef\xbf\xbd and the rest of it\""));
    gw_buf_free(&b);
}

/* What a byte is in a string: 0: itself, else how it is written. */
static const char *escape_of(int c, char out[8])
{
    static const char *const named[] = {
        ['"'] = "\\\"", ['\\'] = "\\\\", ['\n'] = "\\n", ['\r'] = "\\r",
        ['\t'] = "\\t", ['\b'] = "\\b",  ['\f'] = "\\f"};

    if (c >= 0x80)
        return "\xef\xbf\xbd"; /* one alone is no UTF-8 */
    if (c <= '\\' && named[c])
        return named[c];
    if (c >= 0x20)
        return NULL;
    snprintf(out, 8, "\\u%04x", (unsigned)c);
    return out;
}

/* Strings are gone through many bytes at a time: each byte counts, wherever it stands, and no byte
 * behind the text is looked at. */
TEST(test_json_strings_are_looked_at_to_the_last_byte)
{
    for (size_t len = 1; len <= 36; len += len < 20 ? 1 : 4)
        for (size_t at = 0; at < len; at++)
            for (int c = 0; c < 256; c += c >= 0x80 ? 31 : 1) {
                char *text = malloc(len), *read = malloc(len + 2), want[64] = "\"", small[8];
                const char *escape = escape_of(c, small);
                struct gw_buf b;

                memset(text, at % 2 ? '#' : '~', len);
                text[at] = (char)c;
                memcpy(want + 1, text, at);
                snprintf(want + 1 + at, sizeof(want) - 1 - at, "%s%.*s\"",
                         escape ? escape : (const char[]){(char)c, '\0'}, (int)(len - at - 1),
                         text + at + 1);
                gw_buf_init(&b, 100, NULL);
                gw_json_put_string(&b, (struct gw_str){text, len});
                CHECK(gw_str_is(gw_buf_str(&b), want));
                read[0] = read[len + 1] = '"';
                memcpy(read + 1, text, len);
                CHECK(accepts((struct gw_str){read, len + 2}, 9) == !escape);
                gw_buf_free(&b);
                free(text);
                free(read);
            }
}
