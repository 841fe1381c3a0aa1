#ifndef GW_NET_RENEWAL_H
#define GW_NET_RENEWAL_H

#include <stdint.h>

/* When credentials that all of a process share are asked for anew, and by whom: whoever needs them
 * first asks, the others wait or go on with the old ones. What they are, and the lock around every
 * call, is shared.h's.
 *
 * Renewed at the earlier of a margin before their end and half their life, or at half of one that
 * is shorter than the margin; asked for at most once a second, after a service refused them at most
 * every 5 s. */
struct gw_renewal {
    uint64_t number;            /* of what there is; 0: nothing */
    uint64_t given;             /* the last number */
    uint64_t refused;           /* of what nobody gets while others are asked for; 0: none */
    int64_t renew_ms, end_ms;   /* monotonic */
    int64_t begun_ms, ended_ms; /* of an asking; begun_ms 0: none is under way */
    int failed;                 /* the last asking */
};

/* What becomes of a wish for new ones. */
enum gw_turn {
    GW_TURN_NEWER,  /* they are there */
    GW_TURN_ASK,    /* the caller asks, and says how it ended */
    GW_TURN_WAIT,   /* somebody else asks: look again after *ms */
    GW_TURN_FAILED, /* somebody has just failed */
    GW_TURN_LATER   /* somebody has just had some: not before *ms */
};

/* The number of what can be used now; 0: nothing. *due: whoever can should ask for new ones. */
uint64_t gw_renewal_get(const struct gw_renewal *r, int *due);
/* Because of `number`; 0: there are none. refused: a service did not take them. */
enum gw_turn gw_renewal_begin(struct gw_renewal *r, uint64_t number, int refused, int64_t *ms);
/* How an asking ends. life_ms: from now; INT64_MAX: without an end. */
void gw_renewal_take(struct gw_renewal *r, int64_t life_ms, int64_t margin_ms);
void gw_renewal_fail(struct gw_renewal *r);
void gw_renewal_give_up(struct gw_renewal *r); /* the next one may ask at once */

#endif
