#include "admin/access.h"
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int ask(const struct gw_access *g, const char *host, const char *authorization,
               const char *origin)
{
    const struct gw_str origins[] = {gw_str_of(origin)};
    const struct gw_access_request r = {.host = gw_str_of(host),
                                        .authorization = gw_str_of(authorization),
                                        .origins = origins,
                                        .n_origins = origin != NULL};
    struct gw_access_answer a = {0};

    gw_access_check(g, &r, &a);
    CHECK(a.status == 200 || a.message[0]);
    return a.status;
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");

    CHECK(f && fputs(text, f) >= 0 && !fclose(f));
}

TEST(test_access_host_is_an_address_or_localhost)
{
    static const char *const good[] = {"127.0.0.1",  "127.0.0.1:9090", "localhost",  "LocalHost:1",
                                       "[::1]:9090", "[::1]",          "10.1.2.3:80"};
    static const char *const bad[] = {"",
                                      "evil.example",
                                      "evil.example:9090",
                                      "localhost.evil.example",
                                      "127.0.0.1.evil.example",
                                      "localhost:",
                                      "localhost:90a",
                                      "localhost:9090:1",
                                      "127.0.0.1:123456",
                                      "[::1",
                                      "[::1]x",
                                      "[localhost]",
                                      "::1",
                                      "[127.0.0.1]:80",
                                      "0x7f.1",
                                      "2130706433",
                                      "127.1",
                                      ":9090",
                                      "[]:80",
                                      "[::1]:"};

    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        CHECK(gw_access_host_ok(gw_str_of(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        CHECK(!gw_access_host_ok(gw_str_of(bad[i])));
    CHECK(!gw_access_host_ok((struct gw_str){0}));
    CHECK(!gw_access_host_ok((struct gw_str){"127.0.0.1\0x", 11}));
}

TEST(test_access_loopback_is_this_machine_alone)
{
    CHECK(gw_access_is_loopback("127.0.0.1:9090") && gw_access_is_loopback("127.9.9.9:0"));
    CHECK(gw_access_is_loopback("[::1]:9090") && gw_access_is_loopback("localhost:9090"));
    CHECK(gw_access_is_loopback("[::ffff:127.0.0.1]:1"));
    CHECK(!gw_access_is_loopback("0.0.0.0:9090") && !gw_access_is_loopback("[::]:9090"));
    CHECK(!gw_access_is_loopback("10.0.0.1:9090") && !gw_access_is_loopback("admin:9090"));
    CHECK(!gw_access_is_loopback("128.0.0.1:9090") && !gw_access_is_loopback(""));
}

TEST(test_access_on_loopback_no_other_page_gets_through)
{
    const struct gw_access g = {.address = "127.0.0.1:9090"};

    CHECK(ask(&g, "127.0.0.1:9090", NULL, NULL) == 200);
    CHECK(ask(&g, "localhost:9090", NULL, NULL) == 200);
    CHECK(ask(&g, "localhost:7000", NULL, "http://localhost:7000") == 200); /* a forwarded port */
    CHECK(ask(&g, "localhost:9090", NULL, "http://127.0.0.1:9090") == 200);
    CHECK(ask(&g, "LOCALHOST:9090", NULL, "HTTP://localhost:9090") == 200);
    CHECK(ask(&g, "localhost:9090", NULL, "http://localhost:9091") == 403);
    CHECK(ask(&g, "localhost:9090", NULL, "http://localhost") == 403);
    CHECK(ask(&g, "localhost:9090", NULL, "https://localhost:9090") == 403);
    CHECK(ask(&g, "localhost:9090", NULL, "http://evil.example") == 403);
    CHECK(ask(&g, "localhost:9090", NULL, "null") == 403);
    CHECK(ask(&g, "localhost:9090", NULL, "") == 403);
    CHECK(ask(&g, "localhost:9090", NULL, "http://") == 403);
    CHECK(ask(&g, "evil.example:9090", NULL, "http://evil.example:9090") == 403);
    CHECK(ask(&g, "evil.example:9090", NULL, NULL) == 403);
    CHECK(ask(&g, NULL, NULL, NULL) == 403);
    CHECK(ask(&g, "localhost:9090", "Bearer x", "http://evil.example") == 403);
}

TEST(test_access_every_origin_must_be_ones_own)
{
    const struct gw_access g = {.address = "127.0.0.1:9090"};
    const struct gw_str origins[] = {GW_STR("http://127.0.0.1:9090"),
                                     GW_STR("http://evil.example")};
    const struct gw_access_request r = {
        .host = GW_STR("127.0.0.1:9090"), .origins = origins, .n_origins = 2};
    struct gw_access_answer a;

    gw_access_check(&g, &r, &a);
    CHECK(a.status == 403 && strstr(a.message, "evil.example"));
}

TEST(test_access_beyond_loopback_needs_a_token_and_says_so)
{
    const struct gw_access g = {.address = "0.0.0.0:9090"};
    const struct gw_access_request r = {.host = GW_STR("127.0.0.1:9090")};
    struct gw_access_answer a;

    gw_access_check(&g, &r, &a);
    CHECK(a.status == 403 && strstr(a.message, "admin.token_file"));
}

TEST(test_access_the_token_opens_and_nothing_else)
{
    const struct gw_access g = {.token_file = "token", .address = "127.0.0.1:9090"};
    const char *host = "127.0.0.1:9090";

    write_file("token", "  s3cret\r\n");
    CHECK(ask(&g, host, NULL, NULL) == 401);
    CHECK(ask(&g, host, "Bearer wrong", NULL) == 401);
    CHECK(ask(&g, host, "Bearer s3cre", NULL) == 401);
    CHECK(ask(&g, host, "Bearer s3cret2", NULL) == 401);
    CHECK(ask(&g, host, "Bearer ", NULL) == 401);
    CHECK(ask(&g, host, "", NULL) == 401);
    CHECK(ask(&g, host, "Basic s3cret", NULL) == 401);
    CHECK(ask(&g, host, "s3cret", NULL) == 401);
    CHECK(ask(&g, host, "Bearer s3cret", NULL) == 200);
    CHECK(ask(&g, "admin.example", "bearer s3cret", "http://elsewhere") == 200);
    write_file("token", "another");
    CHECK(ask(&g, host, "Bearer s3cret", NULL) == 401);
    CHECK(ask(&g, host, "Bearer another", NULL) == 200);
}

TEST(test_access_a_token_file_without_a_token_opens_nothing)
{
    const struct gw_access g = {.token_file = "token", .address = "127.0.0.1:9090"};
    char big[GW_TOKEN_MAX + 1], token[GW_TOKEN_MAX], why[200];

    CHECK(ask(&g, "127.0.0.1", "Bearer ", NULL) == 403);
    write_file("token", " \n\n");
    CHECK(ask(&g, "127.0.0.1", "Bearer ", NULL) == 403);
    memset(big, 'a', GW_TOKEN_MAX);
    big[GW_TOKEN_MAX] = '\0';
    write_file("token", big);
    CHECK(!gw_token_read("token", token, why, sizeof(why)) && strstr(why, "longer"));
    big[GW_TOKEN_MAX - 1] = '\0';
    write_file("token", big);
    CHECK(gw_token_read("token", token, why, sizeof(why)) == GW_TOKEN_MAX - 1);
    CHECK(!mkdir("folder", 0700) && !gw_token_read("folder", token, why, sizeof(why)));
    CHECK(!mkfifo("pipe", 0600) && !gw_token_read("pipe", token, why, sizeof(why)));
}
