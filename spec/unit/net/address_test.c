#include "net/address.h"

#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static enum gw_place place_of(const char *text, const char **noun)
{
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, text, &four.sin_addr) == 1)
        return gw_address_place((struct sockaddr *)&four, noun);
    CHECK(inet_pton(AF_INET6, text, &six.sin6_addr) == 1);
    return gw_address_place((struct sockaddr *)&six, noun);
}

static void all_are(enum gw_place place, const char *const *texts)
{
    for (; *texts; texts++)
        if (place_of(*texts, NULL) != place) {
            fprintf(stderr, "%s is %d\n", *texts, (int)place_of(*texts, NULL));
            CHECK(0);
        }
}

TEST(test_address_tells_what_is_inside)
{
    static const char *const own[] = {"127.0.0.1",
                                      "127.255.255.254",
                                      "10.0.0.1",
                                      "10.255.255.255",
                                      "172.16.0.1",
                                      "172.31.255.255",
                                      "192.168.0.1",
                                      "100.64.0.1",
                                      "100.127.255.254",
                                      "198.18.0.1",
                                      "::1",
                                      "fc00::1",
                                      "fdff::1",
                                      "fec0::1",
                                      "64:ff9b:1::1",
                                      "::ffff:127.0.0.1",
                                      "::ffff:10.1.2.3",
                                      "::127.0.0.1",
                                      "64:ff9b::a00:1",
                                      "2002:7f00:1::",
                                      "2002:c0a8:1::1",
                                      "::ffff:0:10.0.0.1",
                                      NULL};

    all_are(GW_PLACE_OWN, own);
}

TEST(test_address_tells_what_nobody_has)
{
    static const char *const special[] = {"0.0.0.0",
                                          "0.1.2.3",
                                          "169.254.169.254",
                                          "192.0.0.1",
                                          "192.0.2.1",
                                          "192.88.99.1",
                                          "198.51.100.7",
                                          "203.0.113.7",
                                          "224.0.0.1",
                                          "239.255.255.255",
                                          "240.0.0.1",
                                          "255.255.255.255",
                                          "::",
                                          "fe80::1",
                                          "febf::1",
                                          "ff02::1",
                                          "2001::1",
                                          "2001:db8::1",
                                          "3fff::1",
                                          "100::1",
                                          "4000::1",
                                          "::ffff:169.254.169.254",
                                          "64:ff9b::a9fe:a9fe",
                                          "2002:a9fe:a9fe::1",
                                          "::ffff:0.0.0.0",
                                          "::169.254.0.1",
                                          NULL};
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    all_are(GW_PLACE_SPECIAL, special);
    CHECK(gw_address_place((struct sockaddr *)&un, NULL) == GW_PLACE_SPECIAL);
}

TEST(test_address_leaves_the_rest_alone)
{
    static const char *const public[] = {"1.1.1.1",
                                         "8.8.8.8",
                                         "9.255.255.255",
                                         "11.0.0.0",
                                         "100.63.255.255",
                                         "100.128.0.1",
                                         "126.255.255.1",
                                         "128.0.0.1",
                                         "169.253.1.1",
                                         "172.15.255.255",
                                         "172.32.0.1",
                                         "192.167.1.1",
                                         "192.169.0.1",
                                         "198.17.0.1",
                                         "198.20.0.1",
                                         "223.255.255.1",
                                         "2606:4700::1",
                                         "2a00:1450::1",
                                         "2001:4860::1",
                                         "::ffff:8.8.8.8",
                                         "64:ff9b::808:808",
                                         "2002:808:808::1",
                                         NULL};

    all_are(GW_PLACE_PUBLIC, public);
}

TEST(test_address_has_a_noun_and_a_text)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    char text[GW_ADDRESS_TEXT];
    const char *noun;

    place_of("::ffff:10.1.1.1", &noun);
    CHECK(!strcmp(noun, "a private address"));
    place_of("169.254.169.254", &noun);
    CHECK(!strcmp(noun, "a link-local address"));
    inet_pton(AF_INET6, "2001:db8::1", &six.sin6_addr);
    gw_address_show((struct sockaddr *)&six, text);
    CHECK(!strcmp(text, "2001:db8::1"));
}

TEST(test_address_reads_both_kinds_the_same)
{
    unsigned char a[GW_ADDRESS], b[GW_ADDRESS];

    CHECK(!gw_address_read(GW_STR("10.1.2.3"), a));
    CHECK(!gw_address_read(GW_STR("::ffff:10.1.2.3"), b) && !memcmp(a, b, sizeof(a)));
    CHECK(gw_address_read(GW_STR("10.1.2"), a) && gw_address_read(GW_STR("010.1.2.3.4"), a));
    CHECK(gw_address_read(GW_STR("localhost"), a) && gw_address_read(GW_STR("fe80::1%lo"), a));
}

TEST(test_port_is_a_number_and_nothing_else)
{
    static const char *const none[] = {"",   "65536", "70000", "99999", "000080", "+80",
                                       "-1", " 80",   "80 ",   "0x50",  "8a",     "4294967376"};

    CHECK(gw_port_read(GW_STR("0")) == 0 && gw_port_read(GW_STR("81")) == 81);
    CHECK(gw_port_read(GW_STR("65535")) == 65535 && gw_port_read(GW_STR("00081")) == 81);
    CHECK(gw_port_read((struct gw_str){"8081", 2}) == 80);
    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
        CHECK(gw_port_read(gw_str_of(none[i])) == -1);
}
