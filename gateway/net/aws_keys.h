#ifndef GW_NET_AWS_KEYS_H
#define GW_NET_AWS_KEYS_H

#include "net/aws_sign.h"
#include "net/renewal.h"

#include <stdint.h>

struct gw_arena;

/* The AWS credentials of the process: one set for all workers, pipelines and sources, asked for by
 * whichever of them needs it first (aws_ask.h) while the others wait. Any thread. */
struct gw_aws_credentials;

/* There is one; it goes with its last holder. */
struct gw_aws_credentials *gw_aws_credentials_hold(void);
void gw_aws_credentials_drop(struct gw_aws_credentials *c); /* NULL is fine */

/* Copies on mem. Gives their number; 0: there are none, or they have ended. *due: whoever can
 * should ask for new ones, and may go on with these. When is renewal.h's. */
uint64_t gw_aws_credentials_get(struct gw_aws_credentials *c, struct gw_arena *mem,
                                struct gw_aws_keys *out, int *due);
/* Because of the keys `number`; 0: there are none. refused: a service did not take them, so nobody
 * gets them while new ones are being asked for. */
enum gw_turn gw_aws_credentials_begin(struct gw_aws_credentials *c, uint64_t number, int refused,
                                      int64_t *ms);
/* keys NULL: it failed, and why says why; why NULL too: it was given up, the next one may ask at
 * once. expires_s: seconds since 1970, 0: they do not end. */
void gw_aws_credentials_end(struct gw_aws_credentials *c, const struct gw_aws_keys *keys,
                            int64_t expires_s, const char *why);
/* Why the last asking failed; on mem, empty if it did not. */
struct gw_str gw_aws_credentials_why(struct gw_aws_credentials *c, struct gw_arena *mem);

/* Seconds to add to our clock to have the services' (from an answer's Date). */
int64_t gw_aws_skew(struct gw_aws_credentials *c);
void gw_aws_skew_set(struct gw_aws_credentials *c, int64_t seconds);

#endif
