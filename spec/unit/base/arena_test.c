#include "base/arena.h"

#include "base/err.h"
#include "test.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

TEST(test_arena_gives_aligned_memory_that_does_not_overlap)
{
    struct gw_arena *a = gw_arena_new();
    static unsigned char *p[2000];

    for (size_t i = 0; i < 2000; i++) {
        size_t len = 1 + i * 7 % 1500;

        p[i] = gw_arena_alloc(a, len);
        CHECK((uintptr_t)p[i] % _Alignof(max_align_t) == 0);
        memset(p[i], (int)i, len);
    }
    for (size_t i = 0; i < 2000; i++) {
        size_t len = 1 + i * 7 % 1500;

        CHECK(p[i][0] == (unsigned char)i && p[i][len - 1] == (unsigned char)i);
    }
    gw_arena_free(a);
}

TEST(test_arena_size_is_what_it_took_and_goes_back_on_reset)
{
    struct gw_arena *a = gw_arena_new();
    size_t start = gw_arena_size(a);

    gw_arena_alloc(a, 100000);
    CHECK(gw_arena_size(a) >= start + 100000);
    for (int i = 0; i < 100; i++)
        gw_arena_alloc(a, 1000);
    CHECK(gw_arena_size(a) >= start + 190000);
    gw_arena_reset(a);
    CHECK(gw_arena_size(a) == start);
    gw_arena_free(a);
    gw_arena_free(NULL);
}

TEST(test_arena_text_is_copied_whole_with_a_nul_behind)
{
    struct gw_arena *a = gw_arena_new();
    char from[] = "abc";
    struct gw_str s = gw_arena_str(a, (struct gw_str){from, 3}), t;
    char longest[1000];

    from[0] = 'x';
    CHECK(gw_str_is(s, "abc") && s.p[3] == '\0');
    CHECK(!gw_arena_str(a, (struct gw_str){NULL, 0}).p);
    CHECK(gw_arena_str(a, GW_STR("")).p);
    memset(longest, 'y', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    t = gw_arena_printf(a, "%d%s", 7, longest);
    CHECK(t.len == 1000 && t.p[0] == '7' && t.p[999] == 'y' && t.p[1000] == '\0');
    CHECK(((char *)gw_arena_zalloc(a, 50))[49] == 0);
    gw_arena_free(a);
}

TEST(test_err_text_grows_outwards_and_is_cut_at_the_end)
{
    struct gw_err err;
    char longest[500];

    CHECK(gw_err_set(&err, GW_ERR_REJECT, "bad %s", "magic") == -1);
    CHECK(gw_err_wrap(&err, "segment %d", 7) == -1);
    CHECK(err.kind == GW_ERR_REJECT && !strcmp(err.msg, "segment 7: bad magic"));
    errno = ENOENT;
    CHECK(gw_err_errno(&err, GW_ERR_FATAL, "open %s", "x") == -1);
    CHECK(!strcmp(err.msg, "open x: No such file or directory"));
    memset(longest, 'y', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    gw_err_wrap(&err, "%s", longest);
    CHECK(strlen(err.msg) == sizeof(err.msg) - 1);
}
