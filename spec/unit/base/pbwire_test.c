#include "base/pbwire.h"

#include "base/buf.h"
#include "test.h"

TEST(test_pbwire_reads_what_it_writes)
{
    struct gw_pbwire_field f;
    struct gw_pbwire w;
    struct gw_buf b;

    gw_buf_init(&b, 1000, NULL);
    gw_pbwire_put_varint(&b, 1, 300);
    gw_pbwire_put_bytes(&b, 500, GW_STR("abc"));
    gw_pbwire_put_varint(&b, 2, UINT64_MAX);
    w = (struct gw_pbwire){b.p, b.p + b.len};
    CHECK(gw_pbwire_next(&w, &f) == 1 && f.number == 1 && f.varint == 300);
    CHECK(gw_pbwire_next(&w, &f) == 1 && f.number == 500 && gw_str_is(f.bytes, "abc"));
    CHECK(gw_pbwire_next(&w, &f) == 1 && f.number == 2 && f.varint == UINT64_MAX);
    CHECK(gw_pbwire_next(&w, &f) == 0);
    gw_buf_free(&b);
}

TEST(test_pbwire_refuses_what_is_cut_or_no_field)
{
    static const struct gw_str bad[] = {
        {"\x08", 1}, /* no value */
        {"\x0a\x05"
         "abc",
         5},             /* longer than it is */
        {"\x00\x01", 2}, /* field 0 */
        {"\x0b", 1},     /* a group */
        {"\x0e", 1},     /* wire type 6 */
        {"\x09"
         "1234567",
         8}, /* half of 64 bits */
        {"\x0d"
         "123",
         4},                                                      /* half of 32 bits */
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12}, /* a number without end */
        {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},     /* a length of 2^64-1 */
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct gw_pbwire w = {bad[i].p, bad[i].p + bad[i].len};
        struct gw_pbwire_field f;

        CHECK(gw_pbwire_next(&w, &f) == -1);
    }
}
