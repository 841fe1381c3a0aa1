#include "base/diag.h"

#include "base/clock.h"
#include "base/json.h"
#include "test.h"

#include <string.h>

static char line[200000];
static int64_t now_ns = 1795428000123000000; /* 2026-11-23T10:00:00.123Z */

static void keep(const char *text, size_t len)
{
    CHECK(len < sizeof(line));
    memcpy(line, text, len);
    line[len] = '\0';
}

static int64_t now(void)
{
    return now_ns;
}

static void start(enum gw_level level, int json)
{
    gw_diag_sink = keep;
    gw_clock_wall_ns = now;
    gw_clock_mono_ns = now;
    gw_diag_setup(level, json);
    line[0] = '\0';
}

TEST(test_diag_line_is_logfmt)
{
    start(GW_INFO, 0);
    GW_DIAG(GW_INFO, "ingest.grpc", gw_msg("listening"), gw_kv_cstr("address", "127.0.0.1:8089"),
            gw_kv_int("n", -3), gw_kv_cstr("why", "a \"b\"\n"), gw_kv_cstr("none", NULL));
    CHECK(!strcmp(line, "time=2026-11-23T10:00:00.123Z level=info component=ingest.grpc "
                        "msg=\"listening\" address=127.0.0.1:8089 n=-3 why=\"a \\\"b\\\"\\n\"\n"));
}

TEST(test_diag_line_keeps_milliseconds_on_a_whole_second)
{
    start(GW_INFO, 0);
    now_ns -= 123000000;
    GW_DIAG(GW_WARN, "x", gw_msg("m"));
    CHECK(!strcmp(line, "time=2026-11-23T10:00:00.000Z level=warn component=x msg=\"m\"\n"));
}

TEST(test_diag_level_below_is_left_out)
{
    enum gw_level level;

    CHECK(!gw_diag_level_parse("warn", &level) && level == GW_WARN);
    CHECK(gw_diag_level_parse("warning", &level) == -1);
    start(GW_WARN, 0);
    GW_DIAG(GW_INFO, "x", gw_msg("m"));
    CHECK(!line[0]);
    GW_DIAG(GW_ERROR, "x", gw_msg("m"));
    CHECK(line[0]);
}

/* However long and whatever bytes. */
TEST(test_diag_json_line_is_one_object)
{
    static char text[100000];
    struct gw_json j;

    memset(text, '\x01', sizeof(text) - 1);
    start(GW_INFO, 1);
    GW_DIAG(GW_INFO, "x", gw_msg("a\nb"), gw_kv_cstr("long", text), gw_kv_cstr("bad", "\xff"),
            gw_kv_int("n", 7));
    CHECK(line[strlen(line) - 1] == '\n' && !strchr(line, '\x01'));
    CHECK(strstr(line, "\"msg\":\"a\\nb\"") && strstr(line, "\"n\":7}"));
    gw_json_init(&j, gw_str_of(line), 1);
    while (gw_json_next(&j) > GW_JSON_END)
        ;
    CHECK(j.token == GW_JSON_END);
}

TEST(test_diag_limit_counts_what_it_leaves_out)
{
    struct gw_diag_limit l = {0};

    start(GW_INFO, 0);
    CHECK(gw_diag_allow(&l, 1000) == 1);
    CHECK(gw_diag_allow(&l, 1000) == 0 && gw_diag_allow(&l, 1000) == 0);
    now_ns += 1000000000;
    CHECK(gw_diag_allow(&l, 1000) == 3);
    CHECK(gw_diag_allow(&l, 1000) == 0);
}
