#include "net/gcp.h"

#include "base/arena.h"
#include "base/header.h"
#include "net/gcp_ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gw_gcp_impl {
    struct gw_gcp *owner;
    struct gw_gcp_tokens *tokens;
    struct gw_gcp_ask ask;
    struct gw_timer look;
    int waits; /* ready is to be called */
};

static void is_ready(struct gw_gcp_impl *im)
{
    if (!im->waits)
        return;
    im->waits = 0;
    im->owner->ready(im->owner);
}

static void on_ended(struct gw_gcp_ask *a, const char *why)
{
    (void)why;
    is_ready(GW_CONTAINER(a, struct gw_gcp_impl, ask));
}

/* There is none: whose turn it is to ask. */
static enum gw_gcp_state wait_for_one(struct gw_gcp_impl *im)
{
    int64_t ms = 0;

    im->waits = 1;
    if (im->ask.running)
        return GW_GCP_WAIT;
    switch (gw_gcp_tokens_begin(im->tokens, 0, 0, &ms)) {
    case GW_TURN_ASK:
        gw_gcp_ask_start(&im->ask);
        return GW_GCP_WAIT;
    case GW_TURN_NEWER:
    case GW_TURN_WAIT:
    case GW_TURN_LATER:
        gw_timer_set(&im->look, ms);
        return GW_GCP_WAIT;
    case GW_TURN_FAILED:
        break;
    }
    im->waits = 0;
    return GW_GCP_FAILED;
}

static int there_is_one(struct gw_gcp_impl *im)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_gcp_token unused;
    int due;
    const uint64_t number = gw_gcp_tokens_get(im->tokens, mem, &unused, &due);

    gw_arena_free(mem);
    return number != 0;
}

/* Somebody else has asked: there is one, or they failed, or it is our turn. */
static void on_look(struct gw_timer *t)
{
    struct gw_gcp_impl *im = GW_CONTAINER(t, struct gw_gcp_impl, look);

    if (!im->waits)
        return;
    if (there_is_one(im) || wait_for_one(im) == GW_GCP_FAILED) {
        im->waits = 1;
        is_ready(im);
    }
}

static void say_why(struct gw_gcp *g)
{
    struct gw_arena *mem = gw_arena_new();
    const struct gw_str why = gw_gcp_tokens_why(g->impl->tokens, mem);

    (void)snprintf(g->why, sizeof(g->why), "%.*s", (int)why.len, why.p);
    gw_arena_free(mem);
}

/* The old one goes on being used. */
static void renew_in_time(struct gw_gcp_impl *im, uint64_t number)
{
    int64_t ms;

    if (!im->ask.running && gw_gcp_tokens_begin(im->tokens, number, 0, &ms) == GW_TURN_ASK)
        gw_gcp_ask_start(&im->ask);
}

enum gw_gcp_state gw_gcp_get(struct gw_gcp *g, struct gw_arena *mem,
                             struct gw_http_header out[GW_GCP_HEADERS], size_t *n, uint64_t *number)
{
    struct gw_gcp_token token;
    enum gw_gcp_state state;
    int due;

    *n = 0;
    *number = gw_gcp_tokens_get(g->impl->tokens, mem, &token, &due);
    if (!*number) {
        state = wait_for_one(g->impl);
        if (state == GW_GCP_FAILED)
            say_why(g);
        return state;
    }
    if (due)
        renew_in_time(g->impl, *number);
    out[(*n)++] = (struct gw_http_header){
        GW_STR("authorization"),
        gw_arena_printf(mem, "Bearer %.*s", (int)token.bearer.len, token.bearer.p)};
    if (token.quota_project.len)
        out[(*n)++] = (struct gw_http_header){GW_STR("x-goog-user-project"), token.quota_project};
    return GW_GCP_HAVE;
}

void gw_gcp_refused(struct gw_gcp *g, uint64_t number)
{
    int64_t ms;

    if (!g->impl->ask.running &&
        gw_gcp_tokens_begin(g->impl->tokens, number, 1, &ms) == GW_TURN_ASK)
        gw_gcp_ask_start(&g->impl->ask);
}

const char *gw_gcp_who(struct gw_gcp *g, struct gw_arena *mem)
{
    struct gw_gcp_token token;
    int due;

    (void)gw_gcp_tokens_get(g->impl->tokens, mem, &token, &due);
    return token.who.len ? token.who.p : NULL;
}

void gw_gcp_ask_name(struct gw_gcp *g)
{
    g->impl->ask.named = 1;
}

void gw_gcp_init(struct gw_gcp *g, struct gw_loop *loop)
{
    struct gw_gcp_impl *im = calloc(1, sizeof(*im));

    if (!im)
        abort();
    *g = (struct gw_gcp){.loop = loop, .impl = im};
    im->owner = g;
    im->tokens = gw_gcp_tokens_hold();
    gw_gcp_ask_init(&im->ask, im->tokens, loop);
    im->ask.ended = on_ended;
    gw_timer_init(&im->look, loop, on_look);
}

void gw_gcp_fini(struct gw_gcp *g)
{
    struct gw_gcp_impl *im = g->impl;

    if (!im)
        return;
    gw_timer_fini(&im->look);
    gw_gcp_ask_fini(&im->ask);
    gw_gcp_tokens_drop(im->tokens);
    free(im);
    g->impl = NULL;
}
