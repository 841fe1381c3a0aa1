#include "ingest/grpc_frame.h"

#include "base/err.h"
#include "test.h"

#include <string.h>

enum { MAX = 100 };

static struct gw_str bytes(const char *p, size_t len)
{
    return (struct gw_str){p, len};
}

TEST(test_grpc_frame_gives_the_message_and_its_size)
{
    struct gw_grpc_frame f;
    struct gw_err err;

    CHECK(gw_grpc_frame_read(bytes("\0\0\0\0\3abcrest", 12), MAX, &f, &err) == 1);
    CHECK(gw_str_is(f.message, "abc") && f.size == 8 && !f.compressed);
    CHECK(gw_grpc_frame_read(bytes("\1\0\0\0\0", 5), MAX, &f, &err) == 1);
    CHECK(f.message.len == 0 && f.size == 5 && f.compressed);
}

TEST(test_grpc_frame_asks_for_more_at_every_cut)
{
    static const char whole[] = "\0\0\0\0\5hello";
    struct gw_grpc_frame f;
    struct gw_err err;

    for (size_t n = 0; n < 10; n++) {
        CHECK(gw_grpc_frame_read(bytes(whole, n), MAX, &f, &err) == 0);
        CHECK(gw_grpc_frame_cut(bytes(whole, n), &err) == -1 && err.kind == GW_ERR_REJECT);
    }
    CHECK(gw_grpc_frame_read(bytes(whole, 10), MAX, &f, &err) == 1);
}

TEST(test_grpc_frame_says_where_a_message_is_cut)
{
    struct gw_err err;

    gw_grpc_frame_cut(bytes("\0\0\0\1\0ab", 7), &err);
    CHECK(strstr(err.msg, "2 of 256 bytes"));
    gw_grpc_frame_cut(bytes("\0\0\0", 3), &err);
    CHECK(strstr(err.msg, "byte 3"));
}

TEST(test_grpc_frame_refuses_a_length_before_any_of_it_came)
{
    struct gw_grpc_frame f;
    struct gw_err err;

    CHECK(gw_grpc_frame_read(bytes("\0\377\377\377\377", 5), MAX, &f, &err) == -1);
    CHECK(err.kind == GW_ERR_TOO_LARGE && !strncmp(err.msg, "message too large", 17));
    CHECK(strstr(err.msg, "4294967295"));
    CHECK(gw_grpc_frame_read(bytes("\0\0\0\0\144", 5), MAX, &f, &err) == 0);
    CHECK(gw_grpc_frame_read(bytes("\0\0\0\0\145", 5), MAX, &f, &err) == -1);
}

TEST(test_grpc_frame_refuses_another_flag_at_once)
{
    struct gw_grpc_frame f;
    struct gw_err err;

    CHECK(gw_grpc_frame_read(bytes("\2", 1), MAX, &f, &err) == -1 && err.kind == GW_ERR_REJECT);
    CHECK(gw_grpc_frame_read(bytes("\377\0\0\0\0", 5), MAX, &f, &err) == -1);
}
