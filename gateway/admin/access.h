#ifndef GW_ADMIN_ACCESS_H
#define GW_ADMIN_ACCESS_H

#include "base/str.h"

/* Who may change something through the admin API.
 *
 * With a token: whoever shows it. Without one: who reaches the listener on loopback, but for a
 * browser that another page sent: such a request has that page's Origin, or (when the page's name
 * was made to point here) a Host that is a name. Beyond loopback without a token: nobody. */
struct gw_access {
    const char *token_file; /* NULL: no token; read anew for each request, so a new one counts */
    const char *address;    /* the bound one, "127.0.0.1:9090" */
};

struct gw_access_request {
    struct gw_str host, authorization; /* absent: none */
    const struct gw_str *origins;
    size_t n_origins;
};

struct gw_access_answer {
    int status; /* 200: go on */
    char message[200];
};

void gw_access_check(const struct gw_access *g, const struct gw_access_request *r,
                     struct gw_access_answer *out);
/* "127.0.0.1:9090", "[::1]:0", "localhost:0": reached from this machine only. */
int gw_access_is_loopback(const char *address);
/* A Host that no other page's name can be: an address or localhost, with or without a port. */
int gw_access_host_ok(struct gw_str host);

/* The trimmed content of a token file. 0: it has none, why says so. */
enum { GW_TOKEN_MAX = 1024 };
size_t gw_token_read(const char *path, char out[GW_TOKEN_MAX], char *why, size_t why_size);

#endif
