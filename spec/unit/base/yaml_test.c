#include "base/yaml.h"

#include "base/arena.h"
#include "base/problems.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

static struct gw_problems problems(void)
{
    return (struct gw_problems){.mem = gw_arena_new()};
}

static struct gw_yaml *parse(struct gw_problems *p, const char *text)
{
    return gw_yaml_parse("f.yaml", gw_str_of(text), 1, 1, p);
}

/* The text gives one problem, there, whose text holds `what`. */
static void check_problem(const char *text, int line, int column, const char *what)
{
    struct gw_problems p = problems();

    parse(&p, text);
    if (p.n != 1 || p.items[0].line != line || p.items[0].column != column ||
        !strstr(p.items[0].text, what))
        fprintf(stderr, "%s\n%d problems, the first at %d:%d: %s\n", text, (int)p.n,
                p.n ? p.items[0].line : 0, p.n ? p.items[0].column : 0, p.n ? p.items[0].text : "");
    CHECK(p.n == 1 && p.errors == 1);
    CHECK(p.items[0].line == line && p.items[0].column == column);
    CHECK(strstr(p.items[0].text, what));
    gw_arena_free(p.mem);
}

TEST(test_yaml_keeps_places_and_order)
{
    struct gw_problems p = problems();
    struct gw_yaml *y = parse(&p, "b: 1\na:\n  - x\n  - {k: 'v'}\n");
    const struct gw_yaml *a = gw_yaml_get(y, "a");

    CHECK(y->n == 2 && gw_str_is(y->keys[0].text, "b") && gw_str_is(y->keys[1].text, "a"));
    CHECK(y->keys[1].line == 2 && y->keys[1].column == 1);
    CHECK(a->type == GW_YAML_SEQ && a->n == 2 && a->line == 3 && a->column == 3);
    CHECK(a->values[1].values[0].quoted && a->values[1].values[0].column == 9);
    CHECK(!gw_yaml_get(y, "c"));
    CHECK(p.n == 0);
    gw_arena_free(p.mem);
}

TEST(test_yaml_empty_is_an_empty_map)
{
    static const char *const texts[] = {"", "# nothing\n", "---\n", "~\n"};

    for (size_t i = 0; i < 4; i++) {
        struct gw_problems p = problems();
        struct gw_yaml *y = parse(&p, texts[i]);

        CHECK(y && y->type == GW_YAML_MAP && y->n == 0 && p.n == 0);
        gw_arena_free(p.mem);
    }
}

TEST(test_yaml_scalars_follow_the_core_schema)
{
    struct gw_problems p = problems();
    struct gw_yaml *y = parse(&p, "[true, 'true', yes, 12, '12', -3, 0x1, 1.5, ~, null, '', "
                                  "99999999999999999999]");
    const struct gw_yaml *v = y->values;
    long long n;
    int b;

    CHECK(!gw_yaml_bool(&v[0], &b) && b == 1);
    CHECK(gw_yaml_bool(&v[1], &b) && gw_yaml_bool(&v[2], &b));
    CHECK(!gw_yaml_int(&v[3], &n) && n == 12);
    CHECK(gw_yaml_int(&v[4], &n));
    CHECK(!gw_yaml_int(&v[5], &n) && n == -3);
    CHECK(gw_yaml_int(&v[6], &n) && gw_yaml_int(&v[7], &n) && gw_yaml_int(&v[11], &n));
    CHECK(gw_yaml_is_null(&v[8]) && gw_yaml_is_null(&v[9]) && !gw_yaml_is_null(&v[10]));
    gw_arena_free(p.mem);
}

TEST(test_yaml_reports_what_is_wrong_and_where)
{
    check_problem("a: 1\na: 2\n", 2, 1, "duplicate key \"a\", first on line 1");
    check_problem("a: [1\n", 2, 1, "not YAML");
    check_problem("a: !!str x\n", 1, 4, "tags");
    check_problem("a: *b\n", 1, 4, "*b");
    check_problem("a: &x [*x]\n", 1, 8, "*x");
    check_problem("a: 1\n---\nb: 1\n", 2, 1, "more than one document");
    check_problem("[a]: b\n", 1, 1, "key");
    check_problem("a:\n  b: \xff\n", 2, 6, "not YAML");
    check_problem("a: \"x\\0y\"\n", 1, 4, "NUL");
}

TEST(test_yaml_bounds_depth_and_aliases)
{
    struct gw_problems p = problems();
    char deep[1001];

    memset(deep, '[', 1000);
    deep[1000] = '\0';
    CHECK(!parse(&p, deep));
    CHECK(strstr(p.items[0].text, "deep"));
    gw_arena_free(p.mem);
    check_problem("a: &a [x,x,x,x,x,x,x,x,x,x]\n"
                  "b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
                  "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
                  "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
                  "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n"
                  "f: [*e,*e,*e]\n",
                  6, 5, "too many");
}

/* An alias in an alias in an alias: a walk goes as deep as all of them. */
TEST(test_yaml_bounds_the_depth_of_aliases)
{
    static const char nest[] = "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[";
    static const char ends[] = "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]";
    char text[1000];

    snprintf(text, sizeof(text), "a: &a %s%s\nb: &b %s*a%s\nc: &c %s*b%s\n", nest, ends, nest, ends,
             nest, ends);
    check_problem(text, 3, 47, "nested too deep");
}

TEST(test_yaml_aliases_share_their_nodes)
{
    struct gw_problems p = problems();
    struct gw_yaml *y = parse(&p, "a: &a {k: v}\nb: *a\n");

    CHECK(y && gw_str_is(gw_yaml_get(gw_yaml_get(y, "b"), "k")->text, "v"));
    CHECK(gw_yaml_get(y, "a")->values == gw_yaml_get(y, "b")->values);
    gw_arena_free(p.mem);
}

TEST(test_yaml_expands_the_environment_in_values)
{
    struct gw_problems p = problems();
    struct gw_yaml *y;

    setenv("GW_T", "7", 1);
    setenv("GW_EMPTY", "", 1);
    unsetenv("GW_NO");
    y = parse(&p, "a: ${GW_T}\nb: 'x${GW_T}y'\nc: ${GW_NO:-d e}\nd: $${GW_T}\ne: ${GW_EMPTY:-z}\n"
                  "f: ${GW_NO:-}\n\"${GW_T}\": $5 {}\n");
    CHECK(y);
    CHECK(gw_str_is(gw_yaml_get(y, "a")->text, "7") && !gw_yaml_get(y, "a")->quoted);
    CHECK(gw_str_is(gw_yaml_get(y, "b")->text, "x7y") && gw_yaml_get(y, "b")->quoted);
    CHECK(gw_str_is(gw_yaml_get(y, "c")->text, "d e"));
    CHECK(gw_str_is(gw_yaml_get(y, "d")->text, "${GW_T}"));
    CHECK(gw_str_is(gw_yaml_get(y, "e")->text, "z"));
    CHECK(gw_yaml_is_null(gw_yaml_get(y, "f")));
    CHECK(gw_str_is(gw_yaml_get(y, "${GW_T}")->text, "$5 {}"));
    gw_arena_free(p.mem);
    check_problem("a: 'x ${GW_NO}'\n", 1, 7, "${GW_NO}");
    check_problem("a: ${GW T}\n", 1, 4, "${GW T}");
    check_problem("a: \"${GW\"\n", 1, 5, "}");
    check_problem("a: |\n  one\n  two ${GW_NO}\n", 3, 7, "GW_NO");
    check_problem("a: x${GW_NO:-${GW_T}}\n", 1, 5, "${GW_NO}: a default holds no other variable");
}

TEST(test_yaml_says_that_a_variable_in_brackets_needs_quotes)
{
    check_problem("a: 1\nb: [x, ${GW_NO:-b}]\n", 2, 8,
                  "inside [ ] and { } a variable has to be quoted: \"${NAME}\"");
    check_problem("b: {x: ${GW_T}}\n", 1, 8, "has to be quoted");
    check_problem("a: ${GW_NO:-1}\nb: [x, {]\n", 2, 9, "not YAML");
}

/* Whatever a variable holds, it is one value: never a list, a mapping, a key or a reference. */
TEST(test_yaml_takes_a_variable_as_one_value)
{
    static const char *const texts[] = {"[a, b]",  "{a: b}",  "- a\n- b", "a: b\nc: d", "*x",
                                        "&x y",    "!!int 5", "x # y",    "'x",         "\"",
                                        "${GW_T}", "|\n a",   "a,b"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct gw_problems p = problems();
        const struct gw_yaml *y, *seq;

        setenv("GW_I", texts[i], 1);
        y = parse(&p, "x: &x 1\na: ${GW_I}\nb: [\"${GW_I}\", '${GW_I}']\nc: |\n  ${GW_I}\nd: 2\n");
        CHECK(y && p.n == 0 && y->n == 5);
        CHECK(gw_str_is(gw_yaml_get(y, "a")->text, texts[i]));
        seq = gw_yaml_get(y, "b");
        CHECK(seq->n == 2 && gw_str_is(seq->values[0].text, texts[i]));
        CHECK(gw_str_is(seq->values[1].text, texts[i]));
        CHECK(gw_str_is(gw_yaml_get(y, "d")->text, "2"));
        gw_arena_free(p.mem);
    }
}

TEST(test_yaml_block_text_of_a_file_keeps_its_places)
{
    struct gw_problems p = problems();
    struct gw_yaml *y, *in;
    const struct gw_yaml *block;

    setenv("GW_T", "7", 1);
    y = parse(&p, "x:\n  inner.yaml: |\n\n     a: ${GW_T}\n     b: $${Q}\n");
    block = gw_yaml_get(gw_yaml_get(y, "x"), "inner.yaml");
    CHECK(block->block_column == 6);
    in = gw_yaml_parse("f.yaml", block->text, block->line + 1, block->block_column, &p);
    CHECK(in && gw_str_is(gw_yaml_get(in, "a")->text, "7"));
    CHECK(gw_str_is(gw_yaml_get(in, "b")->text, "${Q}"));
    CHECK(in->keys[0].line == 4 && in->keys[0].column == 6);
    gw_arena_free(p.mem);
}

TEST(test_yaml_file_that_cannot_be_read_is_a_problem)
{
    struct gw_problems p = problems();

    CHECK(!gw_yaml_read("none.yaml", &p));
    CHECK(!gw_yaml_read(".", &p));
    CHECK(p.n == 2 && !strcmp(p.items[0].file, "none.yaml"));
    CHECK(strstr(p.items[0].text, "No such file") && strstr(p.items[1].text, "directory"));
    gw_arena_free(p.mem);
}
