/* hook_limits.allow_hosts: what entries mean, and where a name may lead. */
#include "hook/allow.h"

#include "base/field.h"
#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static const char *texts[8];
static struct gw_allow list;

static void allow(const char *a, const char *b, const char *c)
{
    struct gw_strs strs = {texts, 0};

    gw_allow_fini(&list);
    for (const char *const *t = (const char *[]){a, b, c, NULL}; *t; t++)
        texts[strs.n++] = *t;
    gw_allow_init(&list, &strs);
}

static const char *to(enum gw_allowed how, const char *address, int port)
{
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, address, &four.sin_addr) == 1)
        return gw_allow_address(&list, how, (struct sockaddr *)&four, port);
    CHECK(inet_pton(AF_INET6, address, &six.sin6_addr) == 1);
    return gw_allow_address(&list, how, (struct sockaddr *)&six, port);
}

TEST(test_allow_hosts_by_name_and_port)
{
    allow("Api.Example.com", "other.example.com:8443", "*.wild.org");
    CHECK(gw_allow_host(&list, "api.example.com", 80) == GW_ALLOWED_ITSELF);
    CHECK(gw_allow_host(&list, "api.example.com", 9) == GW_ALLOWED_ITSELF);
    CHECK(gw_allow_host(&list, "other.example.com", 8443) == GW_ALLOWED_ITSELF);
    CHECK(gw_allow_host(&list, "other.example.com", 443) == GW_ALLOWED_NO);
    CHECK(gw_allow_host(&list, "a.wild.org", 443) == GW_ALLOWED_BELOW);
    CHECK(gw_allow_host(&list, "a.b.wild.org", 443) == GW_ALLOWED_BELOW);
    CHECK(gw_allow_host(&list, "wild.org", 443) == GW_ALLOWED_NO);
    CHECK(gw_allow_host(&list, "notwild.org", 443) == GW_ALLOWED_NO);
    CHECK(gw_allow_host(&list, ".wild.org", 443) == GW_ALLOWED_NO);
    CHECK(gw_allow_host(&list, "example.com", 443) == GW_ALLOWED_NO);
    CHECK(gw_allow_host(&list, "x.api.example.com", 443) == GW_ALLOWED_NO);
    gw_allow_fini(&list);
}

TEST(test_allow_hosts_by_address)
{
    allow("10.1.2.3:8080", "[::1]", "127.0.0.1");
    CHECK(gw_allow_host(&list, "10.1.2.3", 8080) == GW_ALLOWED_ITSELF);
    CHECK(gw_allow_host(&list, "10.1.2.3", 80) == GW_ALLOWED_NO);
    CHECK(gw_allow_host(&list, "[::1]", 1) == GW_ALLOWED_ITSELF);
    CHECK(gw_allow_host(&list, "[::ffff:127.0.0.1]", 1) == GW_ALLOWED_ITSELF);
    CHECK(gw_allow_host(&list, "[::2]", 1) == GW_ALLOWED_NO);
    CHECK(gw_allow_host(&list, "localhost", 1) == GW_ALLOWED_NO);
    gw_allow_fini(&list);
}

TEST(test_allow_of_nothing_is_nowhere)
{
    const struct gw_strs none = {0};

    gw_allow_init(&list, &none);
    CHECK(gw_allow_host(&list, "example.com", 80) == GW_ALLOWED_NO);
    gw_allow_fini(&list);
}

TEST(test_allow_a_name_leads_inside_only_if_it_is_listed_itself)
{
    allow("inside.example.com", "*.example.com", "10.0.0.7:80");
    CHECK(!to(GW_ALLOWED_BELOW, "8.8.8.8", 80) && !to(GW_ALLOWED_BELOW, "2606:4700::1", 80));
    CHECK(!strcmp(to(GW_ALLOWED_BELOW, "127.0.0.1", 80), "a loopback address"));
    CHECK(!strcmp(to(GW_ALLOWED_BELOW, "::ffff:192.168.0.1", 80), "a private address"));
    CHECK(!to(GW_ALLOWED_ITSELF, "127.0.0.1", 80) && !to(GW_ALLOWED_ITSELF, "fd00::1", 80));
    /* A listed address may be reached by any name, at its port. */
    CHECK(!to(GW_ALLOWED_BELOW, "10.0.0.7", 80) && to(GW_ALLOWED_BELOW, "10.0.0.7", 81));
    CHECK(!to(GW_ALLOWED_BELOW, "::ffff:10.0.0.7", 80) && to(GW_ALLOWED_BELOW, "10.0.0.8", 80));
    gw_allow_fini(&list);
}

TEST(test_allow_no_name_leads_to_special_addresses)
{
    allow("metadata.internal", "*.example.com", NULL);
    CHECK(!strcmp(to(GW_ALLOWED_ITSELF, "169.254.169.254", 80), "a link-local address"));
    CHECK(to(GW_ALLOWED_ITSELF, "0.0.0.0", 80) && to(GW_ALLOWED_ITSELF, "fe80::1", 80));
    CHECK(to(GW_ALLOWED_ITSELF, "224.0.0.1", 80) && to(GW_ALLOWED_ITSELF, "::", 80));
    allow("169.254.169.254", NULL, NULL); /* somebody means it */
    CHECK(!to(GW_ALLOWED_ITSELF, "169.254.169.254", 80));
    gw_allow_fini(&list);
}

TEST(test_allow_entries_that_are_wrong_say_why)
{
    static const char *const good[] = {
        "a",     "a.b-c.d_e",         "a:1",  "*.a",  "*.a.b:65535", "1.2.3.4", "1.2.3.4:5",
        "[::1]", "[2001:db8::1]:443", "A.B.", "xn--a"};
    static const char *const bad[][2] = {
        {"", "no host"},
        {"http://a", "no URL"},
        {"a/b", "no URL"},
        {"10.0.0.0/8", "no URL and no network"},
        {"a:0", "a port is"},
        {"a:65536", "a port is"},
        {"a:", "a port is"},
        {"a:b", "a port is"},
        {"*", "in front"},
        {"a.*", "in front"},
        {"*a.b", "in front"},
        {"*.*.a", "in front"},
        {"*.1.2.3.4", "below an address"},
        {"::1", "brackets"},
        {"::1:80", "brackets"},
        {"[::1", "brackets"},
        {"[x]", "brackets"},
        {"1.2.3", "no address"},
        {"1.2.3.256", "no address"},
        {".a", "empty"},
        {"a..b", "empty"},
        {"a b", "letters"},
        {"\xc3\xbc.de", "letters"},
        {"a@b", "letters"},
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (gw_allow_problem(good[i])) {
            fprintf(stderr, "%s: %s\n", good[i], gw_allow_problem(good[i]));
            CHECK(0);
        }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *why = gw_allow_problem(bad[i][0]);

        if (!why || !strstr(why, bad[i][1])) {
            fprintf(stderr, "%s: %s\n", bad[i][0], why ? why : "fine");
            CHECK(0);
        }
    }
}
