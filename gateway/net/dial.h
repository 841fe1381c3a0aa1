#ifndef GW_NET_DIAL_H
#define GW_NET_DIAL_H

struct addrinfo;
struct gw_err;
struct gw_lookup;
struct gw_loop;

/* Connecting without blocking: a host is looked up (lookup.h), then each of its addresses is tried
 * in turn. Lives in its owner; zeroed before the first open. */
struct gw_dial {
    char *address; /* host:port, [v6]:port */
    int fd;        /* the owner's once connected; -1: none */
    struct gw_lookup *lookup;
    struct addrinfo *found, *left;
    void (*known)(struct gw_dial *d);
    int problem; /* of the lookup */
};

/* 0: fd is being connected: wait until it is writable, then finish. 1: the host is being looked up:
 * known runs on a later turn, unless fini comes before it; then gw_dial_begin. */
int gw_dial_open(struct gw_dial *d, struct gw_loop *loop, const char *address,
                 void (*known)(struct gw_dial *d), struct gw_err *err);
/* From known. 0: as open; -1. */
int gw_dial_begin(struct gw_dial *d, struct gw_err *err);
/* 0: connected; 1: another address is being tried, fd is a new one; -1. */
int gw_dial_finish(struct gw_dial *d, struct gw_err *err);
/* Frees all but a connected fd; the owner closes that. */
void gw_dial_fini(struct gw_dial *d);

#endif
