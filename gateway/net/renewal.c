#include "net/renewal.h"

#include "base/clock.h"

enum {
    AGAIN_MS = 1000,   /* between two askings */
    REFUSED_MS = 5000, /* the same, because a service refused them */
    ASK_MS = 120000,   /* one that has not ended by then is over */
    LOOK_MS = 20       /* while somebody else asks */
};

uint64_t gw_renewal_get(const struct gw_renewal *r, int *due)
{
    const int64_t now = gw_mono_ms();

    *due = now >= r->renew_ms;
    return now < r->end_ms && r->number != r->refused ? r->number : 0;
}

enum gw_turn gw_renewal_begin(struct gw_renewal *r, uint64_t number, int refused, int64_t *ms)
{
    const int64_t now = gw_mono_ms();
    const int64_t pause = refused ? REFUSED_MS : AGAIN_MS;
    const int asked = r->begun_ms && now - r->begun_ms < ASK_MS;

    if (r->number && r->number != number && r->number != r->refused && now < r->renew_ms)
        return GW_TURN_NEWER;
    *ms = !asked && r->ended_ms ? r->ended_ms + pause - now : LOOK_MS;
    if (!asked && r->ended_ms && *ms > 0)
        return r->failed ? GW_TURN_FAILED : GW_TURN_LATER;
    if (refused)
        r->refused = number;
    if (asked)
        return GW_TURN_WAIT;
    r->begun_ms = now;
    return GW_TURN_ASK;
}

void gw_renewal_take(struct gw_renewal *r, int64_t life_ms, int64_t margin_ms)
{
    const int64_t now = gw_mono_ms(), left = life_ms - margin_ms, half = life_ms / 2;
    const int endless = life_ms == INT64_MAX;

    r->begun_ms = 0;
    r->ended_ms = now;
    r->refused = 0;
    r->failed = 0;
    r->number = ++r->given;
    r->end_ms = endless ? INT64_MAX : now + life_ms;
    r->renew_ms = endless ? INT64_MAX : now + (left > 0 && left < half ? left : half);
}

void gw_renewal_fail(struct gw_renewal *r)
{
    r->begun_ms = 0;
    r->ended_ms = gw_mono_ms();
    r->refused = 0;
    r->failed = 1;
}

void gw_renewal_give_up(struct gw_renewal *r)
{
    r->begun_ms = 0;
    r->refused = 0;
}
