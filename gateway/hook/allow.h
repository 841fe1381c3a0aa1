#ifndef GW_HOOK_ALLOW_H
#define GW_HOOK_ALLOW_H

#include "base/str.h"

#include <stddef.h>

struct gw_strs;
struct sockaddr;

/* hook_limits.allow_hosts. An entry is a name, an address ([IPv6] in brackets) or *.name (what is
 * below that name, not itself), each with :port or for any port.
 *
 * Where a name leads is looked at when a connection is made: a public address will do; a loopback
 * or private one if an entry names the host itself, or the address; any other (link-local,
 * unspecified, multicast, reserved) only if an entry is that address. So *.name never leads inside,
 * and no name leads to a cloud's metadata. */
struct gw_allow_entry {
    struct gw_str name; /* in lower case; below it if is_below; p NULL: the address */
    int is_below, port; /* 0: any */
    unsigned char address[16];
};
struct gw_allow {
    struct gw_allow_entry *entries;
    size_t n;
};

/* NULL, or what is wrong with an entry's text. */
const char *gw_allow_problem(const char *text);
void gw_allow_init(struct gw_allow *a, const struct gw_strs *texts); /* wrong ones are left out */
void gw_allow_fini(struct gw_allow *a);

enum gw_allowed { GW_ALLOWED_NO, GW_ALLOWED_BELOW, GW_ALLOWED_ITSELF };
/* host as gw_fetch_url has it. */
enum gw_allowed gw_allow_host(const struct gw_allow *a, const char *host, int port);
/* NULL, or what the address is ("a loopback address"). how: what gw_allow_host said. */
const char *gw_allow_address(const struct gw_allow *a, enum gw_allowed how,
                             const struct sockaddr *to, int port);

#endif
