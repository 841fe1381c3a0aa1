#ifndef GW_NET_ADDRESS_H
#define GW_NET_ADDRESS_H

#include "base/str.h"

struct sockaddr;

/* What kind of place an address is. IPv6 forms that carry an IPv4 address (mapped, compatible,
 * 6to4, NAT64) are judged by that one. */
enum gw_place {
    GW_PLACE_PUBLIC,
    GW_PLACE_OWN,    /* loopback and private: a machine's or an organisation's own servers */
    GW_PLACE_SPECIAL /* link-local (clouds' metadata), unspecified, multicast, reserved */
};
/* noun: "a loopback address" …; may be NULL. */
enum gw_place gw_address_place(const struct sockaddr *sa, const char **noun);

/* 0 to 65535, in one to five plain digits; -1: it is none. */
int gw_port_read(struct gw_str text);

/* Sixteen bytes of an address, IPv4 as ::ffff:a.b.c.d; text without brackets. -1: it is none. */
enum { GW_ADDRESS = 16 };
int gw_address_read(struct gw_str text, unsigned char out[GW_ADDRESS]);
int gw_address_of(const struct sockaddr *sa, unsigned char out[GW_ADDRESS]);
enum { GW_ADDRESS_TEXT = 48 };
void gw_address_show(const struct sockaddr *sa, char out[GW_ADDRESS_TEXT]);

#endif
