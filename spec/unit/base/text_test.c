#include "base/text.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/time.h"
#include "test.h"

#include <string.h>

TEST(test_text_utf8_refuses_what_is_cut_overlong_or_a_surrogate)
{
    CHECK(gw_utf8_valid(GW_STR("abcdefghij\xc3\xa9\xf0\x9f\x98\x80")) == 16);
    CHECK(gw_utf8_valid(GW_STR("abcdefghij\xc3")) == 10);
    CHECK(gw_utf8_valid(GW_STR("\xc0\xaf")) == 0);
    CHECK(gw_utf8_valid(GW_STR("\xed\xa0\x80")) == 0);
    CHECK(gw_utf8_valid(GW_STR("\xf4\x90\x80\x80")) == 0);
    CHECK(gw_utf8_valid(GW_STR("a\0b")) == 3);
}

static void check_base64(struct gw_str bytes, const char *text)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_buf b;

    gw_buf_init(&b, 100, mem);
    gw_base64_put(&b, bytes);
    CHECK(gw_str_is(gw_buf_str(&b), text));
    CHECK(gw_str_eq(gw_base64_decode(mem, gw_buf_str(&b)), bytes));
    gw_arena_free(mem);
}

TEST(test_text_base64_goes_both_ways)
{
    struct gw_arena *mem = gw_arena_new();

    check_base64(GW_STR(""), "");
    check_base64(GW_STR("f"), "Zg==");
    check_base64(GW_STR("fo"), "Zm8=");
    check_base64(GW_STR("foo"), "Zm9v");
    check_base64(GW_STR("\xff\xfe\xfd\xfc"), "//79/A==");
    CHECK(gw_str_is(gw_base64_decode(mem, GW_STR("__79_A")), "\xff\xfe\xfd\xfc"));
    CHECK(!gw_base64_decode(mem, GW_STR("Zg=")).p && !gw_base64_decode(mem, GW_STR("Z")).p);
    CHECK(!gw_base64_decode(mem, GW_STR("Zg=a")).p && !gw_base64_decode(mem, GW_STR("Z g=")).p);
    gw_arena_free(mem);
}

/* Every length around the steps of the fast way, every byte, against a plain reading back. */
TEST(test_text_base64_of_every_length_reads_back)
{
    struct gw_arena *mem = gw_arena_new();
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char bytes[256];
    struct gw_buf b;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(i * 167 + 13);
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        gw_buf_init(&b, 400, mem);
        gw_base64_put(&b, (struct gw_str){(const char *)bytes, len});
        CHECK(b.len == (len + 2) / 3 * 4);
        for (size_t i = 0; i < len / 3 * 4; i++) {
            const unsigned char *p = bytes + i / 4 * 3;
            unsigned v = (unsigned)p[0] << 16 | (unsigned)p[1] << 8 | p[2];

            CHECK(b.p[i] == digits[v >> (18 - 6 * (i % 4)) & 63]);
        }
        CHECK(gw_str_eq(gw_base64_decode(mem, gw_buf_str(&b)),
                        (struct gw_str){(const char *)bytes, len}));
    }
    gw_arena_free(mem);
}

TEST(test_text_percent_byte_is_read_where_a_whole_one_begins)
{
    static const char text[] = "%41%fF%0%g1%1g%%20";
    static const int bytes[] = {0x41, -1, -1, 0xff, -1, -1, -1, -1,
                                -1,   -1, -1, -1,   -1, -1, -1, 0x20};

    for (size_t i = 0; i < sizeof(bytes) / sizeof(*bytes); i++)
        CHECK(gw_percent_byte((struct gw_str){text, sizeof(text) - 1}, i) == bytes[i]);
    for (size_t len = 0; len < 3; len++)
        CHECK(gw_percent_byte((struct gw_str){text, len}, 0) == -1);
}

TEST(test_text_crc32c_is_the_one_of_iscsi)
{
    char zeros[32] = {0};

    CHECK(gw_crc32c(0, zeros, 32) == 0x8a9136aa);
    CHECK(gw_crc32c(0, "123456789", 9) == 0xe3069283);
    CHECK(gw_crc32c(gw_crc32c(0, "1234", 4), "56789", 5) == 0xe3069283);
}

TEST(test_text_nearest_is_within_two_edits)
{
    struct gw_nearest n = {.wanted = GW_STR("projct")};
    char hint[64] = "left over";

    gw_nearest_offer(&n, GW_STR("domain"));
    CHECK(!strcmp(gw_nearest_hint(&n, hint, sizeof(hint)), "") && !hint[0]);
    gw_nearest_offer(&n, GW_STR("project"));
    CHECK(!strcmp(gw_nearest_hint(&n, hint, sizeof(hint)), " (did you mean \"project\"?)"));
    n = (struct gw_nearest){.wanted = GW_STR("FILE")};
    gw_nearest_offer(&n, GW_STR("fill"));
    CHECK(!n.best.p);
    gw_nearest_offer(&n, GW_STR("file"));
    CHECK(!strcmp(gw_nearest_hint(&n, hint, sizeof(hint)), " (did you mean \"file\"?)"));
    CHECK(gw_edit_distance(GW_STR("ab"), GW_STR("ba")) == 1);
    CHECK(gw_edit_distance(GW_STR("kitten"), GW_STR("sitting")) == 3);
}

TEST(test_text_glob_matches_the_whole_text)
{
    CHECK(gw_glob(GW_STR("ml-*"), GW_STR("ml-team")) && gw_glob(GW_STR("*"), GW_STR("")));
    CHECK(!gw_glob(GW_STR("ml-*"), GW_STR("xml-team")) && !gw_glob(GW_STR("a?c"), GW_STR("ac")));
    CHECK(gw_glob(GW_STR("a?c*x"), GW_STR("a\xc3\xa9"
                                          "cyyx")));
}

static void check_time(const char *in, const char *out)
{
    struct gw_time t;
    char text[GW_TIME_TEXT];

    if (!out) {
        CHECK(gw_time_parse(gw_str_of(in), &t) == -1);
        return;
    }
    CHECK(gw_time_parse(gw_str_of(in), &t) == 0);
    CHECK(gw_time_format(t, text) == strlen(out) && !strcmp(text, out));
}

TEST(test_text_time_is_rfc3339_in_utc)
{
    check_time("2026-04-07T06:30:01.223940031Z", "2026-04-07T06:30:01.223940031Z");
    check_time("2026-04-07T06:30:01.2+02:30", "2026-04-07T04:00:01.200Z");
    check_time("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z");
    check_time("9999-12-31t23:59:59.9999999999z", "9999-12-31T23:59:59.999999999Z");
    check_time("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z");
    check_time("2024-02-29T00:00:00-00:00", "2024-02-29T00:00:00Z");
    check_time("2023-02-29T00:00:00Z", NULL);
    check_time("0001-01-01T00:00:00+00:01", NULL);
    check_time("9999-12-31T23:59:60Z", NULL);
    check_time("2023-02-28 00:00:00Z", NULL);
    check_time("2023-02-28T00:00:00", NULL);
    check_time("2023-02-28T00:00:00.Z", NULL);
    check_time("2023-02-28T24:00:00Z", NULL);
}

static void check_ns(const char *in, int64_t ns)
{
    int64_t out = 0;

    CHECK(gw_time_parse_ns(gw_str_of(in), &out) == (ns < 0 ? -1 : 0));
    CHECK(ns < 0 || out == ns);
}

TEST(test_text_time_of_a_command_is_rfc3339_or_seconds)
{
    check_ns("0", 0);
    check_ns("1763892000", 1763892000000000000);
    check_ns("1763892000.25", 1763892000250000000);
    check_ns("1970-01-01T00:00:01.5Z", 1500000000);
    check_ns("9999-12-31T23:59:59Z", -1);
    check_ns("99999999999", -1);
    check_ns("123456789012", -1);
    check_ns("12x", -1);
    check_ns("12.", -1);
    check_ns("-1", -1);
    check_ns("", -1);
    check_ns("yesterday", -1);
}

TEST(test_text_buf_fails_once_past_its_maximum_and_stays_failed)
{
    struct gw_buf b;

    gw_buf_init(&b, 10, NULL);
    gw_buf_puts(&b, "12345678");
    gw_buf_puts(&b, "9ab");
    CHECK(b.failed && b.len == 8);
    gw_buf_puts(&b, "9");
    CHECK(b.len == 8);
    gw_buf_free(&b);
}

TEST(test_text_utf8_finds_a_bad_byte_at_any_place)
{
    char s[48];

    for (size_t len = 0; len <= sizeof(s); len++) {
        memset(s, 'a', sizeof(s));
        CHECK(gw_utf8_valid((struct gw_str){s, len}) == len);
        for (size_t at = 0; at < len; at++) {
            s[at] = (char)0x80;
            CHECK(gw_utf8_valid((struct gw_str){s, len}) == at);
            s[at] = 'a';
        }
    }
}

/* All that 64 bits of seconds have; golden/oracle has what Go's library makes of them. */
TEST(test_time_of_any_year_is_read_back)
{
    static const int64_t edges[] = {0,
                                    -1,
                                    INT64_MAX,
                                    INT64_MIN,
                                    1LL << 62,
                                    INT64_MIN / 2,
                                    253402300799,
                                    253402300800,
                                    951782400,
                                    -62135596800,
                                    -62135596801,
                                    -62167219201,
                                    1LL << 50,
                                    INT64_MIN / 8192,
                                    INT64_MIN + 1};
    uint64_t random = 88172645463325252;
    struct gw_time back;
    char text[GW_TIME_TEXT];

    for (size_t i = 0; i < 100000; i++) {
        struct gw_time t = {i < sizeof(edges) / sizeof(edges[0]) ? edges[i] : (int64_t)random,
                            i % 3 ? (int32_t)i * 9999 : 0};
        size_t len = gw_time_format_go(t, (int)(i % 2), text);

        CHECK(len && !gw_time_parse_go((struct gw_str){text, len}, &back));
        CHECK(back.sec == t.sec && back.nanos == t.nanos);
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
    }
    CHECK(gw_time_parse_go(GW_STR("999-01-01T00:00:00Z"), &back));
    CHECK(gw_time_parse_go(GW_STR("9999999999999-01-01T00:00:00Z"), &back));
    CHECK(gw_time_parse_go(GW_STR("1999-02-29T00:00:00Z"), &back));
    CHECK(gw_time_parse_go(GW_STR("1999-02-28T00:00:00+00:00"), &back));
    CHECK(gw_time_parse_go(GW_STR("1999-02-28T00:00:00.Z"), &back));
    CHECK(gw_time_parse_go(GW_STR("1999-02-28T00:00:00ZZ"), &back));
    CHECK(gw_time_parse_go(GW_STR("-"), &back) && gw_time_parse_go(GW_STR(""), &back));
}

TEST(test_time_of_any_year_is_told_as_go_tells_it)
{
    static const struct {
        int64_t sec;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.12Z"},
        {-1, "1969-12-31T23:59:59.12Z"},
        {253402300799, "9999-12-31T23:59:59.12Z"},
        {253402300800, "10000-01-01T00:00:00.12Z"},
        {-62135596801, "0000-12-31T23:59:59.12Z"},
        {-62167219200, "0000-01-01T00:00:00.12Z"},
        {-62167219201, "-0001-12-31T23:59:59.12Z"},
        {1000000000000000, "31690708-07-05T01:46:40.12Z"},
        {-1000000000000000, "-31686769-06-29T22:13:20.12Z"},
        {9000000000000000000, "285198648531-04-21T16:00:00.12Z"},
        {-9000000000000000000, "-285198644592-09-12T08:00:00.12Z"},
        {-9223372028715321600, "-292277022399-01-01T00:00:00.12Z"},
        {INT64_MAX, "292277026596-12-04T15:30:07.12Z"},
        {INT64_MIN, "292277026596-12-04T15:30:08.12Z"}, /* it counts round */
    };
    char text[GW_TIME_TEXT];
    struct gw_time t;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t len = gw_time_format_go((struct gw_time){cases[i].sec, 120000000}, 1, text);

        CHECK(gw_str_is((struct gw_str){text, len}, cases[i].text));
        CHECK(!gw_time_parse_go(gw_str_of(cases[i].text), &t));
        CHECK(t.sec == cases[i].sec && t.nanos == 120000000);
        len = gw_time_format_go(t, 0, text);
        CHECK(len && !strcmp(text + len - 5, ".120Z"));
        CHECK(!gw_time_parse_go(gw_str_of(text), &t) && t.sec == cases[i].sec);
    }
    CHECK(!gw_time_format_go((struct gw_time){0, 1000000000}, 1, text));
    CHECK(!gw_time_format_go((struct gw_time){0, -1}, 0, text));
}
