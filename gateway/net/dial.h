#ifndef GW_NET_DIAL_H
#define GW_NET_DIAL_H

struct addrinfo;
struct gw_err;

/* Connecting without blocking: each address of a host in turn. Looking the host up does block, as
 * long as the resolver takes. Lives in its owner; zeroed before the first open. */
struct gw_dial {
    char *address; /* host:port, [v6]:port */
    int fd;        /* the owner's once connected; -1: none */
    struct addrinfo *found, *left;
};

/* 0: fd is being connected: wait until it is writable, then ask. */
int gw_dial_open(struct gw_dial *d, const char *address, struct gw_err *err);
/* 0: connected; 1: another address is being tried, fd is a new one; -1. */
int gw_dial_finish(struct gw_dial *d, struct gw_err *err);
/* Frees all but a connected fd; the owner closes that. */
void gw_dial_fini(struct gw_dial *d);

#endif
