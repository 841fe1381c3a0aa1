#include "net/aws_keys.h"

#include "base/clock.h"
#include "net/shared.h"

enum {
    MARGIN_MS = 300000, /* before their end, as the SDKs do */
    TEXTS = 3           /* id, secret, token */
};

struct gw_aws_credentials {
    struct gw_shared base; /* first */
    _Atomic int64_t skew_s;
};

static struct gw_shared *one;

struct gw_aws_credentials *gw_aws_credentials_hold(void)
{
    return (struct gw_aws_credentials *)gw_shared_hold(&one, sizeof(struct gw_aws_credentials));
}

void gw_aws_credentials_drop(struct gw_aws_credentials *c)
{
    gw_shared_drop(&one, c ? &c->base : NULL);
}

uint64_t gw_aws_credentials_get(struct gw_aws_credentials *c, struct gw_arena *mem,
                                struct gw_aws_keys *out, int *due)
{
    struct gw_str texts[TEXTS];
    const uint64_t number = gw_shared_get(&c->base, mem, texts, TEXTS, due);

    *out = (struct gw_aws_keys){0};
    if (number)
        *out =
            (struct gw_aws_keys){texts[0], texts[1], texts[2].len ? texts[2] : (struct gw_str){0}};
    return number;
}

enum gw_turn gw_aws_credentials_begin(struct gw_aws_credentials *c, uint64_t number, int refused,
                                      int64_t *ms)
{
    return gw_shared_begin(&c->base, number, refused, ms);
}

void gw_aws_credentials_end(struct gw_aws_credentials *c, const struct gw_aws_keys *keys,
                            int64_t expires_s, const char *why)
{
    const int64_t now_ms = gw_clock_wall_ns() / 1000000 + gw_aws_skew(c) * 1000;

    if (keys)
        gw_shared_take(&c->base, (const struct gw_str[]){keys->id, keys->secret, keys->token},
                       TEXTS, expires_s ? expires_s * 1000 - now_ms : INT64_MAX, MARGIN_MS);
    else
        gw_shared_fail(&c->base, why);
}

struct gw_str gw_aws_credentials_why(struct gw_aws_credentials *c, struct gw_arena *mem)
{
    return gw_shared_why(&c->base, mem);
}

int64_t gw_aws_skew(struct gw_aws_credentials *c)
{
    return c->skew_s;
}

void gw_aws_skew_set(struct gw_aws_credentials *c, int64_t seconds)
{
    c->skew_s = seconds;
}
