#include "cmd/sub.h"

#include "base/diag.h"
#include "test.h"

#include <string.h>

static char logged[2000], got[200];

static void keep(const char *text, size_t len)
{
    snprintf(logged, sizeof(logged), "%.*s", (int)len, text);
}

static int run(int argc, char **argv)
{
    size_t at = 0;

    for (int i = 0; i < argc; i++)
        at += (size_t)snprintf(got + at, sizeof(got) - at, "%s ", argv[i]);
    return 7;
}

static const struct gw_sub subs[] = {{"list", run, "lists"}, {"show", run, "shows"}, {0}};

static int pick(const char **argv)
{
    int argc = 0;

    gw_diag_sink = keep;
    while (argv[argc])
        argc++;
    return gw_sub_run("dead", "About.", subs, argc, (char **)(size_t)argv);
}

TEST(test_sub_finds_the_action_wherever_it_stands)
{
    const char *first[] = {"dead", "list", "-c", "f", NULL};
    const char *behind[] = {"dead", "-c", "f", "list", "x", NULL};

    CHECK(pick(first) == 7 && !strcmp(got, "list -c f "));
    CHECK(pick(behind) == 7 && !strcmp(got, "list -c f x "));
}

TEST(test_sub_suggests_the_action_that_was_meant)
{
    const char *wrong[] = {"dead", "lst", NULL}, *none[] = {"dead", NULL};
    const char *value[] = {"dead", "lst", "list",
                           NULL}; /* a word that is none is not passed over */

    CHECK(pick(wrong) == 2 && strstr(logged, "did you mean \\\"list\\\"?"));
    CHECK(pick(none) == 2 && strstr(logged, "list show"));
    CHECK(pick(value) == 2);
}
