#include "config/config.h"
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");

    CHECK(f && fputs(text, f) >= 0 && !fclose(f));
}

static uint64_t print_of(const char *a, const char *b)
{
    const char *hooks[] = {a, b};
    const struct gw_pipeline_conf conf = {.hooks = {hooks, b ? 2 : 1}, .lua_path = "lib"};

    return gw_config_fingerprint(&conf);
}

/* A new content of path is another fingerprint; the old one is the old one. */
static void check_counts(const char *path, int counts)
{
    uint64_t before = print_of("s/a.lua", NULL), after;
    char text[4096];
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

    CHECK(f && !fclose(f));
    text[n] = '\0';
    write_file(path, "return nil");
    after = print_of("s/a.lua", NULL);
    CHECK((after != before) == counts);
    write_file(path, text);
    CHECK(print_of("s/a.lua", NULL) == before);
}

TEST(test_fingerprint_is_of_a_script_and_all_that_it_requires)
{
    CHECK(!mkdir("s", 0700) && !mkdir("s/d", 0700) && !mkdir("lib", 0700));
    write_file("s/a.lua", "local b = require 'b'\nlocal c = require(\"d.c\")\nrequire('lib1')\n"
                          "local m = require \"moongate\" require(name) require 'b");
    write_file("s/b.lua", "return require('e')"); /* beside the script, not beside b */
    write_file("s/e.lua", "return require 'b'");  /* a circle ends */
    write_file("s/d/c.lua", "return 1");
    write_file("s/other.lua", "return 2");
    write_file("lib/lib1.lua", "return 3");
    write_file("lib/b.lua", "return 4"); /* hidden by the script's own */
    write_file("lib/moongate.lua", "return 5");
    check_counts("s/a.lua", 1);
    check_counts("s/b.lua", 1);
    check_counts("s/e.lua", 1);
    check_counts("s/d/c.lua", 1);
    check_counts("lib/lib1.lua", 1);
    check_counts("s/other.lua", 0);
    check_counts("lib/b.lua", 0);
    check_counts("lib/moongate.lua", 0);
}

TEST(test_fingerprint_knows_the_order_and_a_file_that_comes)
{
    uint64_t none, one;

    none = print_of("a.lua", "b.lua");
    CHECK(none == print_of("a.lua", "b.lua") && none != print_of("b.lua", "a.lua"));
    write_file("a.lua", "return 1");
    one = print_of("a.lua", "b.lua");
    CHECK(one != none);
    write_file("b.lua", "return 1");
    CHECK(one != print_of("a.lua", "b.lua") && print_of("a.lua", NULL) != one);
}
