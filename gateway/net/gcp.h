#ifndef GW_NET_GCP_H
#define GW_NET_GCP_H

#include "base/header.h"

#include <stddef.h>
#include <stdint.h>

struct gw_arena;
struct gw_loop;

/* Google's credentials of the process, as its own libraries look for them (application default
 * credentials): one token for all workers, pipelines and sources; whoever needs it first asks, the
 * others wait. A gw_gcp is one worker's (or source's) part, on its loop.
 *
 * Invariants: 1. ready is called on a later turn than the get that said WAIT, once for it; 2. after
 * fini it is not called; 3. no secret is in why; 4. files (keys, tokens of a workload) are read
 * each time. */
enum { GW_GCP_WHY = 400 };

enum gw_gcp_state {
    GW_GCP_HAVE,  /* there is a token; the call can go */
    GW_GCP_WAIT,  /* it is being asked for: ready is called when that has ended, well or not */
    GW_GCP_FAILED /* it was asked for in vain a moment ago: why */
};

struct gw_gcp {
    struct gw_loop *loop;
    void (*ready)(struct gw_gcp *g); /* the owner's, set after init */
    char why[GW_GCP_WHY];
    struct gw_gcp_impl *impl;
};

void gw_gcp_init(struct gw_gcp *g, struct gw_loop *loop);
void gw_gcp_fini(struct gw_gcp *g); /* a zeroed one is fine */

enum { GW_GCP_HEADERS = 2 };
/* The metadata of a call: `authorization`, and `x-goog-user-project` where the credentials name a
 * project for quota. Copies on mem. *number: which token it is, for refused. A token that is due is
 * renewed meanwhile, and serves until its end. */
enum gw_gcp_state gw_gcp_get(struct gw_gcp *g, struct gw_arena *mem,
                             struct gw_http_header out[GW_GCP_HEADERS], size_t *n,
                             uint64_t *number);
/* The service did not take this token (UNAUTHENTICATED): the next get looks everything up anew, at
 * most every 5 s. */
void gw_gcp_refused(struct gw_gcp *g, uint64_t number);
/* Who we are: a service account's e-mail, a user, a principal; on mem, NULL: it is not known (yet).
 */
const char *gw_gcp_who(struct gw_gcp *g, struct gw_arena *mem);
/* Before the first get: an instance is asked for its e-mail, too. */
void gw_gcp_ask_name(struct gw_gcp *g);

#endif
