#include "ingest/tokens.h"

#include "base/err.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

static struct gw_err err;
static size_t line;

static struct gw_tokens *of(const char *text)
{
    struct gw_tokens *t = gw_tokens_parse(gw_str_of(text), &line, &err);

    CHECK(t && line == 0);
    return t;
}

static int is(const struct gw_tokens *t, const char *token, const char *name)
{
    const struct gw_str found = gw_tokens_find(t, gw_str_of(token));

    return name ? found.p && gw_str_is(found, name) : !found.p;
}

TEST(test_tokens_have_names)
{
    struct gw_tokens *t = of("\xef\xbb\xbf# comment: not a token\n\n \t \r\nalice:one\n"
                             "  b\xc3\xb6rk the 2nd \t:  with:colons==  \r\nalice:two");

    CHECK(gw_tokens_count(t) == 3);
    CHECK(is(t, "one", "alice") && is(t, "two", "alice"));
    CHECK(is(t, "with:colons==", "b\xc3\xb6rk the 2nd"));
    CHECK(is(t, "", NULL) && is(t, "on", NULL) && is(t, "onee", NULL) && is(t, "One", NULL));
    CHECK(is(t, "alice:one", NULL) && is(t, "alice", NULL) && is(t, " not a token", NULL));
    gw_tokens_free(t);
}

TEST(test_tokens_of_an_empty_file_are_none)
{
    static const char *const empty[] = {"", "\n", "#", "# a:b\n\r\n", "\xef\xbb\xbf"};

    for (size_t i = 0; i < sizeof(empty) / sizeof(*empty); i++) {
        struct gw_tokens *t = of(empty[i]);

        CHECK(gw_tokens_count(t) == 0 && is(t, "", NULL) && is(t, "#", NULL));
        gw_tokens_free(t);
    }
}

static void refused(struct gw_str text, size_t where, const char *why)
{
    CHECK(!gw_tokens_parse(text, &line, &err));
    CHECK(line == where && strstr(err.msg, why));
    CHECK(!strstr(err.msg, "sesame"));
}

TEST(test_tokens_hostile_lines_are_refused_and_not_repeated)
{
    static const char hidden[] = "a:ses\0ame\n", in_name[] = "a\0b:sesame\n";
    static char wide[9000];

    refused(GW_STR("sesame"), 1, "no colon");
    refused(GW_STR("a:b\n\n#\nsesame\n"), 4, "no colon");
    refused(GW_STR(":sesame"), 1, "the name");
    refused(GW_STR("  :sesame"), 1, "the name");
    refused(GW_STR("a:"), 1, "the token");
    refused(GW_STR("a: \t \r\n"), 1, "the token");
    refused(GW_STR("a:open sesame"), 1, "the token");
    refused(GW_STR("a:open\tsesame"), 1, "the token");
    refused(GW_STR("a:sesame\x7f"), 1, "the token");
    refused(GW_STR("a:sesam\xc3\xa9"), 1, "the token");
    refused(GW_STR("a\xff:sesame"), 1, "the name");
    refused(GW_STR("a\x1b[2J:sesame"), 1, "the name");
    refused(GW_STR("a\rb:sesame"), 1, "the name");
    refused((struct gw_str){hidden, sizeof(hidden) - 1}, 1, "the token");
    refused((struct gw_str){in_name, sizeof(in_name) - 1}, 1, "the name");
    refused(GW_STR("a:sesame\nb:other\nc:sesame"), 3, "the same token as in line 1");
    refused(GW_STR("a:sesame\na:sesame"), 2, "the same token as in line 1");
    memset(wide, 'x', sizeof(wide));
    refused((struct gw_str){wide, sizeof(wide)}, 1, "no colon");
    wide[100] = ':';
    refused((struct gw_str){wide, sizeof(wide)}, 1, "the token");
    refused((struct gw_str){wide + 100 - 100, 100 + 1 + 4097}, 1, "the token");
    gw_tokens_free(gw_tokens_parse((struct gw_str){wide, 100 + 1 + 4096}, &line, &err));
    CHECK(line == 0);
    wide[100] = 'x';
    wide[101] = ':';
    refused((struct gw_str){wide, 200}, 1, "the name");
}

TEST(test_tokens_are_bounded)
{
    static char text[GW_TOKENS_MAX * 20 + 20];
    size_t n = 0;
    struct gw_tokens *t;

    for (int i = 0; i < GW_TOKENS_MAX; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "n%d:t%d\n", i, i);
    t = gw_tokens_parse((struct gw_str){text, n}, &line, &err);
    CHECK(t && gw_tokens_count(t) == GW_TOKENS_MAX);
    CHECK(is(t, "t0", "n0") && is(t, "t999", "n999") && is(t, "t1000", NULL));
    gw_tokens_free(t);
    n += (size_t)snprintf(text + n, sizeof(text) - n, "a:b\n");
    refused((struct gw_str){text, n}, GW_TOKENS_MAX + 1, "more than 1000 tokens");
}
