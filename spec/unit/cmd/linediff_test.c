#include "cmd/linediff.h"

#include "base/arena.h"
#include "test.h"

#include <string.h>

static char out[4000];

static void add(void *ctx, char mark, struct gw_str text)
{
    size_t len = strlen(out);

    (void)ctx;
    snprintf(out + len, sizeof(out) - len, "%c%.*s|", mark, (int)text.len, text.p);
}

static const char *diff(const char *before, const char *after)
{
    struct gw_arena *mem = gw_arena_new();

    out[0] = '\0';
    gw_linediff(mem, gw_str_of(before), gw_str_of(after), add, NULL);
    gw_arena_free(mem);
    return out;
}

TEST(test_linediff_marks_what_came_and_went)
{
    CHECK(!strcmp(diff("", ""), ""));
    CHECK(!strcmp(diff("a\nb", "a\nb"), "@… 2 lines|"));
    CHECK(!strcmp(diff("", "a"), "+a|"));
    CHECK(!strcmp(diff("a\n", ""), "-a|"));
    CHECK(!strcmp(diff("a\nb\nc", "a\nx\nc"), " a|-b|+x| c|"));
    CHECK(!strcmp(diff("a\nb", "b\nc"), "-a| b|+c|"));
    CHECK(!strcmp(diff("a\n\nb", "a\nb"), " a|-| b|"));
}

TEST(test_linediff_leaves_out_what_is_far)
{
    CHECK(!strcmp(diff("1\n2\n3\n4\n5\n6\n7\n8\n9", "1\n2\n3\n4\n5\n6\n7\n8\nx"),
                  "@… 5 lines| 6| 7| 8|-9|+x|"));
    CHECK(!strcmp(diff("1\n2\n3\n4\n5\n6\n7\n8\n9", "x\n2\n3\n4\n5\n6\n7\n8\n9"),
                  "-1|+x| 2| 3| 4|@… 5 lines|"));
    CHECK(!strcmp(diff("0\na\nb\nc\nd\ne\nf\ng\n1", "x\na\nb\nc\nd\ne\nf\ng\ny"),
                  "-0|+x| a| b| c| d| e| f| g|-1|+y|"));
}

TEST(test_linediff_of_very_many_lines_tells_them_whole)
{
    static char a[10000], b[10000];

    for (int i = 0; i < 2500; i++) {
        memcpy(a + 3 * i, "a\n ", sizeof("a\n "));
        memcpy(b + 3 * i, "b\n ", sizeof("b\n "));
    }
    diff(a, b);
    CHECK(!strncmp(out, "-a|", 3));
}
