#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* The first `bits` of an address; the first row that fits counts. */
struct net {
    unsigned char prefix[GW_ADDRESS];
    unsigned bits;
    enum gw_place place;
    const char *noun;
};

#define PRIVATE     "a private address"
#define LOOPBACK    "a loopback address"
#define LINK_LOCAL  "a link-local address"
#define MULTICAST   "a multicast address"
#define RESERVED    "a reserved address"
#define UNSPECIFIED "the unspecified address"

static const struct net nets4[] = {
    {{0}, 8, GW_PLACE_SPECIAL, UNSPECIFIED},
    {{10}, 8, GW_PLACE_OWN, PRIVATE},
    {{100, 64}, 10, GW_PLACE_OWN, PRIVATE}, /* shared by a carrier's customers */
    {{127}, 8, GW_PLACE_OWN, LOOPBACK},
    {{169, 254}, 16, GW_PLACE_SPECIAL, LINK_LOCAL},
    {{172, 16}, 12, GW_PLACE_OWN, PRIVATE},
    {{192, 0, 0}, 24, GW_PLACE_SPECIAL, RESERVED},
    {{192, 0, 2}, 24, GW_PLACE_SPECIAL, RESERVED},
    {{192, 88, 99}, 24, GW_PLACE_SPECIAL, RESERVED},
    {{192, 168}, 16, GW_PLACE_OWN, PRIVATE},
    {{198, 18}, 15, GW_PLACE_OWN, PRIVATE}, /* benchmarks */
    {{198, 51, 100}, 24, GW_PLACE_SPECIAL, RESERVED},
    {{203, 0, 113}, 24, GW_PLACE_SPECIAL, RESERVED},
    {{224}, 4, GW_PLACE_SPECIAL, MULTICAST},
    {{240}, 4, GW_PLACE_SPECIAL, RESERVED},
    {{0}, 0, GW_PLACE_PUBLIC, "a public address"},
};

static const struct net nets6[] = {
    {{0}, 128, GW_PLACE_SPECIAL, UNSPECIFIED},
    {{[15] = 1}, 128, GW_PLACE_OWN, LOOPBACK},
    {{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48, GW_PLACE_OWN, PRIVATE},
    {{0x20, 0x01, 0x0d, 0xb8}, 32, GW_PLACE_SPECIAL, RESERVED},
    {{0x20, 0x01}, 23, GW_PLACE_SPECIAL, RESERVED}, /* Teredo among them */
    {{0x3f, 0xff}, 20, GW_PLACE_SPECIAL, RESERVED},
    {{0xfc}, 7, GW_PLACE_OWN, PRIVATE},
    {{0xfe, 0xc0}, 10, GW_PLACE_OWN, PRIVATE},
    {{0xfe, 0x80}, 10, GW_PLACE_SPECIAL, LINK_LOCAL},
    {{0xff}, 8, GW_PLACE_SPECIAL, MULTICAST},
    {{0x20}, 3, GW_PLACE_PUBLIC, "a public address"},
    {{0}, 0, GW_PLACE_SPECIAL, RESERVED}, /* nobody was given these */
};

/* Where an IPv6 address carries one of IPv4. */
static const struct {
    unsigned char prefix[GW_ADDRESS];
    unsigned bits, at;
} carriers[] = {
    {{[10] = 0xff, 0xff}, 96, 12},      /* mapped */
    {{0x00, 0x64, 0xff, 0x9b}, 96, 12}, /* NAT64 */
    {{0x20, 0x02}, 16, 2},              /* 6to4 */
    {{[8] = 0xff, 0xff, 0, 0}, 96, 12}, /* translated */
    {{0}, 96, 12},                      /* compatible; :: and ::1 come first */
};

static int is_in(const unsigned char *p, const unsigned char *prefix, unsigned bits)
{
    const unsigned whole = bits / 8, rest = bits % 8;

    if (memcmp(p, prefix, whole) != 0)
        return 0;
    return !rest || (p[whole] ^ prefix[whole]) >> (8 - rest) == 0;
}

static const struct net *find(const struct net *nets, const unsigned char *p)
{
    while (!is_in(p, nets->prefix, nets->bits))
        nets++;
    return nets;
}

static const struct net *find6(const unsigned char *p)
{
    if (is_in(p, nets6[0].prefix, 128) || is_in(p, nets6[1].prefix, 128))
        return find(nets6, p);
    for (size_t i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++)
        if (is_in(p, carriers[i].prefix, carriers[i].bits))
            return find(nets4, p + carriers[i].at);
    return find(nets6, p);
}

enum gw_place gw_address_place(const struct sockaddr *sa, const char **noun)
{
    static const struct net other = {{0}, 0, GW_PLACE_SPECIAL, "no address of the internet"};
    const struct net *net = &other;

    if (sa->sa_family == AF_INET)
        net = find(nets4, (const unsigned char *)&((const struct sockaddr_in *)sa)->sin_addr);
    else if (sa->sa_family == AF_INET6)
        net = find6(((const struct sockaddr_in6 *)sa)->sin6_addr.s6_addr);
    if (noun)
        *noun = net->noun;
    return net->place;
}

int gw_port_read(struct gw_str text)
{
    int port = 0;

    if (text.len < 1 || text.len > 5)
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return -1;
        port = 10 * port + text.p[i] - '0';
    }
    return port <= 65535 ? port : -1;
}

static void map4(const void *four, unsigned char out[GW_ADDRESS])
{
    memset(out, 0, 10);
    out[10] = out[11] = 0xff;
    memcpy(out + 12, four, 4);
}

int gw_address_read(struct gw_str text, unsigned char out[GW_ADDRESS])
{
    unsigned char four[4];
    char s[GW_ADDRESS_TEXT];

    if (text.len >= sizeof(s))
        return -1;
    memcpy(s, text.p, text.len);
    s[text.len] = '\0';
    if (inet_pton(AF_INET, s, four) == 1) {
        map4(four, out);
        return 0;
    }
    return inet_pton(AF_INET6, s, out) == 1 ? 0 : -1;
}

int gw_address_of(const struct sockaddr *sa, unsigned char out[GW_ADDRESS])
{
    if (sa->sa_family == AF_INET)
        map4(&((const struct sockaddr_in *)sa)->sin_addr, out);
    else if (sa->sa_family == AF_INET6)
        memcpy(out, ((const struct sockaddr_in6 *)sa)->sin6_addr.s6_addr, GW_ADDRESS);
    else
        return -1;
    return 0;
}

void gw_address_show(const struct sockaddr *sa, char out[GW_ADDRESS_TEXT])
{
    const void *p = &((const struct sockaddr_in *)sa)->sin_addr;

    if (sa->sa_family == AF_INET6)
        p = &((const struct sockaddr_in6 *)sa)->sin6_addr;
    if ((sa->sa_family != AF_INET && sa->sa_family != AF_INET6) ||
        !inet_ntop(sa->sa_family, p, out, GW_ADDRESS_TEXT))
        snprintf(out, GW_ADDRESS_TEXT, "the address");
}
