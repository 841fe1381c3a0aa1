#include "net/gcp_token.h"

#include "net/shared.h"

enum {
    MARGIN_MS = 225000, /* before its end, as Google's libraries do */
    TEXTS = 3,          /* bearer, quota project, who */
    NEWER = TEXTS       /* refresh tokens: a file's, and what is used instead */
};

struct gw_gcp_tokens {
    struct gw_shared base;
};

static struct gw_shared *one;

struct gw_gcp_tokens *gw_gcp_tokens_hold(void)
{
    return (struct gw_gcp_tokens *)gw_shared_hold(&one, sizeof(struct gw_gcp_tokens));
}

void gw_gcp_tokens_drop(struct gw_gcp_tokens *c)
{
    gw_shared_drop(&one, c ? &c->base : NULL);
}

uint64_t gw_gcp_tokens_get(struct gw_gcp_tokens *c, struct gw_arena *mem, struct gw_gcp_token *out,
                           int *due)
{
    struct gw_str texts[TEXTS];
    const uint64_t number = gw_shared_get(&c->base, mem, texts, TEXTS, due);

    *out = (struct gw_gcp_token){number ? texts[0] : GW_STR(""), texts[1], texts[2]};
    return number;
}

enum gw_turn gw_gcp_tokens_begin(struct gw_gcp_tokens *c, uint64_t number, int refused, int64_t *ms)
{
    return gw_shared_begin(&c->base, number, refused, ms);
}

void gw_gcp_tokens_end(struct gw_gcp_tokens *c, const struct gw_gcp_token *token, int64_t life_ms,
                       const char *why)
{
    if (token)
        gw_shared_take(&c->base,
                       (const struct gw_str[]){token->bearer, token->quota_project, token->who},
                       TEXTS, life_ms, MARGIN_MS);
    else
        gw_shared_fail(&c->base, why);
}

struct gw_str gw_gcp_tokens_newer(struct gw_gcp_tokens *c, struct gw_arena *mem,
                                  struct gw_str files)
{
    struct gw_str both[2];

    gw_shared_texts(&c->base, mem, NEWER, both, 2);
    return gw_str_eq(both[0], files) ? both[1] : GW_STR("");
}

void gw_gcp_tokens_take_newer(struct gw_gcp_tokens *c, struct gw_str files, struct gw_str newer)
{
    gw_shared_put(&c->base, NEWER, (const struct gw_str[]){files, newer}, 2);
}

struct gw_str gw_gcp_tokens_why(struct gw_gcp_tokens *c, struct gw_arena *mem)
{
    return gw_shared_why(&c->base, mem);
}
