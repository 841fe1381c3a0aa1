#ifndef GW_NET_CERTS_H
#define GW_NET_CERTS_H

#include "net/document.h"
#include "net/pubkey.h"

/* Certificates at URLs that messages name, and the keys in them: each fetched once for all who wait
 * for it, kept for a day, and what is not to be had is not asked for again for some seconds. Who
 * may name a URL is the caller's to say. Of one thread. */
enum { GW_CERTS = 16 };

struct gw_certs;

struct gw_certs *gw_certs_new(struct gw_loop *loop);
void gw_certs_free(struct gw_certs *c); /* NULL is fine; nobody waits */
/* 1: *key is there, until the next call; 0: w waits, and may ask again once it is told; -1:
 * GW_ERR_REJECT, there is no certificate there that is valid now, GW_ERR_RETRY, it is not to be
 * had, GW_ERR_FULL. */
int gw_certs_get(struct gw_certs *c, struct gw_str url, struct gw_waiter *w,
                 const struct gw_pubkey **key, struct gw_err *err);

#endif
