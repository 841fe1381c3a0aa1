#include "base/weak.h"

#include "base/arena.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

/* What FlyteAdmin's own reader (viper 1.21, mapstructure 2.4, its YAML) made of each value, in a
 * field of text, of a boolean and of a whole number. NULL: refused. */
static const struct {
    const char *yaml, *text, *truth, *number;
} answers[] = {
    {"yes", "yes", NULL, NULL},
    {"on", "on", NULL, NULL},
    {"'True'", "True", "1", NULL},
    {"tRUE", "tRUE", NULL, NULL},
    {"T", "T", "1", NULL},
    {"'FALSE'", "FALSE", "0", NULL},
    {"' true'", " true", NULL, NULL},
    {"''", "", "0", "0"},
    {"null", "", "0", "0"},
    {"true", "1", "1", "1"},
    {"false", "0", "0", "0"},
    {"5", "5", "1", "5"},
    {"2", "2", "1", "2"},
    {"+5", "5", "1", "5"},
    {"-0", "0", "0", "0"},
    {"0.5", "0.5", "1", "0"},
    {".5", "0.5", "1", "0"},
    {"5.9", "5.9", "1", "5"},
    {"1.50", "1.5", "1", "1"},
    {"1.0", "1", "1", "1"},
    {"1e3", "1000", "1", "1000"},
    {"1e23", "100000000000000000000000", "1", NULL},
    {"-1.5e2", "-150", "1", "-150"},
    {"1e21", "1000000000000000000000", "1", NULL},
    {"1234567890123.5", "1234567890123.5", "1", "1234567890123"},
    {"100000000000000000000", "100000000000000000000", "1", NULL},
    {"12345678901234567890", "12345678901234567890", "1", NULL},
    {"0x10", "16", "1", "16"},
    {"0x1F", "31", "1", "31"},
    {"0b11", "3", "1", "3"},
    {"0o17", "15", "1", "15"},
    {"010", "8", "1", "8"},
    {"089", "89", "1", "89"},
    {"1_000", "1000", "1", "1000"},
    {"'5'", "5", NULL, "5"},
    {"'1'", "1", "1", "1"},
    {"'010'", "010", NULL, "8"},
    {"'0x10'", "0x10", NULL, "16"},
    {"'1_000'", "1_000", NULL, "1000"},
    {"'5.0'", "5.0", NULL, NULL},
    {"' 5'", " 5", NULL, NULL},
    {"10s", "10s", NULL, NULL},
    {"2026-01-01", NULL, NULL, NULL},
    {"2026-01-01T00:00:00Z", NULL, NULL, NULL},
    {"2026-01-01x", "2026-01-01x", NULL, NULL},
    {"2.1.0", "2.1.0", NULL, NULL},
    {"127.0.0.1:9092", "127.0.0.1:9092", NULL, NULL},
    {"[a]", NULL, NULL, NULL},
    {"{a: 1}", NULL, NULL, NULL},
};

static struct gw_yaml *parse(const char *text, struct gw_problems *p)
{
    struct gw_yaml *y = gw_yaml_parse("", gw_str_of(text), 1, 1, p);

    CHECK(y && p->n == 0);
    return &y->values[0];
}

static void check_number(const char *wanted, int refused, long long got, const char *yaml)
{
    char text[32];

    snprintf(text, sizeof(text), "%lld", got);
    if (!wanted ? !refused : refused || strcmp(wanted, text) != 0)
        fprintf(stderr, "%s: %s\n", yaml, refused ? "refused" : text);
    CHECK(wanted ? !refused && !strcmp(wanted, text) : refused);
}

TEST(test_weak_values_are_what_flyteadmin_reads)
{
    for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
        struct gw_problems p = {.mem = gw_arena_new()};
        const struct gw_yaml *y = parse(gw_arena_printf(p.mem, "v: %s\n", answers[i].yaml).p, &p);
        struct gw_str text = {0};
        long long number = 0;
        int truth = 0, refused = gw_weak_text(y, p.mem, &text) != 0;

        if (answers[i].text ? refused || !gw_str_is(text, answers[i].text) : !refused)
            fprintf(stderr, "%s: %s\n", answers[i].yaml, refused ? "refused" : text.p);
        CHECK(answers[i].text ? !refused && gw_str_is(text, answers[i].text) : refused);
        refused = gw_weak_bool(y, &truth) != 0;
        check_number(answers[i].truth, refused, truth, answers[i].yaml);
        refused = gw_weak_int(y, &number) != 0;
        check_number(answers[i].number, refused, number, answers[i].yaml);
        gw_arena_free(p.mem);
    }
}
