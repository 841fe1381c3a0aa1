#include "cmd/when.h"

#include "base/time.h"
#include "test.h"

static const int64_t now = 1800000000LL * 1000000000 + 123;

static int64_t when(const char *text)
{
    int64_t ns = -1;

    return gw_when_parse(gw_str_of(text), now, &ns) ? -1 : ns;
}

TEST(test_when_takes_moments)
{
    const int64_t s = 1000000000;

    CHECK(when("2026-11-24T10:00:00Z") == 1795514400 * s);
    CHECK(when("2026-11-24T12:00:00.5+02:00") == 1795514400 * s + s / 2);
    CHECK(when("2026-11-24T10:00:00") == 1795514400 * s);
    CHECK(when("2026-11-24T10:00") == 1795514400 * s);
    CHECK(when("2026-11-24") == 1795478400 * s);
    CHECK(when("1795514400") == 1795514400 * s);
    CHECK(when("1795514400.25") == 1795514400 * s + s / 4);
}

TEST(test_when_takes_so_long_ago)
{
    const int64_t s = 1000000000;

    CHECK(when("now") == now);
    CHECK(when("1h") == now - 3600 * s);
    CHECK(when("-1h") == now - 3600 * s);
    CHECK(when("-1h30m") == now - 5400 * s);
    CHECK(when("7d") == now - 7 * 86400 * s);
    CHECK(when("250ms") == now - s / 4);
}

TEST(test_when_refuses_what_is_no_time)
{
    static const char *const bad[] = {"",
                                      "x",
                                      "-",
                                      "--1h",
                                      "1",
                                      "1y",
                                      "2026-13-01",
                                      "2026-02-30",
                                      "yesterday",
                                      "d",
                                      "-d",
                                      "1h2",
                                      "30m1h",
                                      "1hd",
                                      "2026-11-24T",
                                      "99999999999999999999",
                                      "9999999d",
                                      "-5s5",
                                      "2026-11-24T25:00"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (bad[i][0] != '1' || bad[i][1]) /* a number alone is a second of 1970 */
            CHECK(when(bad[i]) == -1);
    CHECK(when("1") == 1000000000);
}
