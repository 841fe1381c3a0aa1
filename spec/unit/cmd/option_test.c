#include "cmd/option.h"

#include "base/diag.h"
#include "test.h"

#include <string.h>

static char logged[2000];

static void keep(const char *text, size_t len)
{
    snprintf(logged, sizeof(logged), "%.*s", (int)len, text);
}

static const char *file;
static int strict;
static int64_t count;
static const struct gw_option options[] = {
    {"config", 'c', GW_OPT_STR, &file, "FILE", "a file", 0, 0},
    {"strict", 0, GW_OPT_FLAG, &strict, NULL, "a flag", 0, 0},
    {"count", 'n', GW_OPT_INT, &count, "N", "a number", 1, 100},
    {0}};
static const struct gw_usage usage = {"check", "moongate check", "Checks.", options, 2};

static int parse(const char **argv, int *n)
{
    int argc = 0;

    gw_diag_sink = keep;
    logged[0] = '\0';
    file = NULL;
    strict = 0;
    count = 0;
    while (argv[argc])
        argc++;
    return gw_options(&usage, argc, (char **)(size_t)argv, n);
}

TEST(test_option_and_arguments_stand_in_any_order)
{
    const char *argv[] = {"check", "a", "--strict", "-c", "f", "b", "--count=7", NULL};
    int n;

    CHECK(parse(argv, &n) == GW_OPTIONS_OK);
    CHECK(n == 2 && !strcmp(argv[1], "a") && !strcmp(argv[2], "b"));
    CHECK(strict && count == 7 && !strcmp(file, "f"));
}

TEST(test_option_takes_a_value_in_each_way)
{
    const char *each[][4] = {{"check", "-cf", NULL, NULL},
                             {"check", "-c", "f", NULL},
                             {"check", "--config", "f", NULL},
                             {"check", "--config=f", NULL, NULL}};
    int n;

    for (size_t i = 0; i < 4; i++) {
        CHECK(parse(each[i], &n) == GW_OPTIONS_OK && n == 0);
        CHECK(!strcmp(file, "f"));
    }
}

TEST(test_option_double_dash_ends_them)
{
    const char *argv[] = {"check", "--", "--strict", "-c", NULL};
    int n;

    CHECK(parse(argv, &n) == GW_OPTIONS_OK && n == 2 && !strict);
    CHECK(!strcmp(argv[1], "--strict"));
}

TEST(test_option_errors_are_exit_2_with_a_hint)
{
    static const struct {
        const char *argv[4];
        const char *says;
    } cases[] = {{{"check", "--strct", NULL}, "did you mean \\\"--strict\\\"?"},
                 {{"check", "-x", NULL}, "-x"},
                 {{"check", "--config", NULL}, "needs a value"},
                 {{"check", "--strict=1", NULL}, "no value"},
                 {{"check", "--count", "0", NULL}, "1 to 100"},
                 {{"check", "--count", "7x", NULL}, "7x"},
                 {{"check", "a", "b", "c"}, "\\\"c\\\""}};
    int n;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *argv[5] = {0};

        memcpy(argv, cases[i].argv, sizeof(cases[i].argv));
        CHECK(parse(argv, &n) == 2);
        CHECK(strstr(logged, cases[i].says) && strstr(logged, "moongate check --help"));
    }
}

TEST(test_option_help_ends_well)
{
    const char *argv[] = {"check", "--count", "5", "-h", NULL};
    int n;

    CHECK(parse(argv, &n) == 0);
}
