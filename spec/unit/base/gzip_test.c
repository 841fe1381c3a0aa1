#include "base/gzip.h"

#include "base/arena.h"
#include "base/err.h"
#include "test.h"

#include <string.h>
#include <zlib.h>

static struct gw_str gzip(struct gw_arena *mem, struct gw_str s)
{
    z_stream z = {0};
    struct gw_str out = {gw_arena_alloc(mem, s.len + 1000), 0};

    CHECK(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    z.next_in = (unsigned char *)(size_t)s.p;
    z.avail_in = (unsigned)s.len;
    z.next_out = (unsigned char *)(size_t)out.p;
    z.avail_out = (unsigned)s.len + 1000;
    CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);
    out.len = z.total_out;
    deflateEnd(&z);
    return out;
}

static struct gw_str letters(struct gw_arena *mem, size_t n)
{
    char *p = gw_arena_alloc(mem, n);

    for (size_t i = 0; i < n; i++)
        p[i] = (char)('a' + i % 23);
    return (struct gw_str){p, n};
}

TEST(test_gzip_gives_back_what_was_packed)
{
    static const size_t sizes[] = {0, 1, 100, 16383, 16384, 16385, 100000};
    struct gw_arena *mem = gw_arena_new();
    struct gw_str out;
    struct gw_err err;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        struct gw_str s = letters(mem, sizes[i]);

        CHECK(gw_gunzip(mem, gzip(mem, s), sizes[i], &out, &err) == 0);
        CHECK(gw_str_eq(out, s));
    }
    gw_arena_free(mem);
}

TEST(test_gzip_stops_one_byte_past_the_limit)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_str packed = gzip(mem, letters(mem, 50000000)), out;
    size_t before = gw_arena_size(mem);
    struct gw_err err;

    CHECK(gw_gunzip(mem, packed, 100000, &out, &err) == -1);
    CHECK(err.kind == GW_ERR_TOO_LARGE && !strncmp(err.msg, "message too large", 17));
    CHECK(gw_arena_size(mem) - before < 1000000);
    CHECK(gw_gunzip(mem, gzip(mem, letters(mem, 100001)), 100000, &out, &err) == -1);
    gw_arena_free(mem);
}

TEST(test_gzip_refuses_every_cut_and_flips_of_its_check)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_str packed = gzip(mem, letters(mem, 300)), out;
    struct gw_err err;
    char *p;

    for (size_t n = 0; n < packed.len; n++) {
        CHECK(gw_gunzip(mem, (struct gw_str){packed.p, n}, 1000, &out, &err) == -1);
        CHECK(err.kind == GW_ERR_REJECT);
    }
    p = gw_arena_strndup(mem, packed.p, packed.len);
    p[packed.len - 5] ^= 1;
    CHECK(gw_gunzip(mem, (struct gw_str){p, packed.len}, 1000, &out, &err) == -1);
    CHECK(gw_gunzip(mem, GW_STR("no gzip at all"), 1000, &out, &err) == -1);
    gw_arena_free(mem);
}

TEST(test_gzip_takes_several_members)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_str a = gzip(mem, GW_STR("one ")), b = gzip(mem, GW_STR("two")), out;
    char *p = gw_arena_alloc(mem, a.len + b.len);
    struct gw_err err;

    memcpy(p, a.p, a.len);
    memcpy(p + a.len, b.p, b.len);
    CHECK(gw_gunzip(mem, (struct gw_str){p, a.len + b.len}, 7, &out, &err) == 0);
    CHECK(gw_str_is(out, "one two"));
    gw_arena_free(mem);
}
