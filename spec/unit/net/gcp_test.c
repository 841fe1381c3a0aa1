/* The process's token, as its users see it. */
#include "base/arena.h"
#include "base/clock.h"
#include "net/gcp.h"
#include "net/gcp_token.h"
#include "net/loop.h"
#include "replies.h"
#include "test.h"

#include <string.h>

#define TOKEN_PATH                                                                                 \
    "/computeMetadata/v1/instance/service-accounts/default/token"                                  \
    "?scopes=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fpubsub"
#define TOKEN(token, s) "{\"access_token\":\"" token "\",\"expires_in\":" s "}"

static const struct reply one[] = {{"GET", TOKEN_PATH, "200 OK", TOKEN("one", "3600")}, {0}};
static const struct reply two[] = {{"GET", TOKEN_PATH, "200 OK", TOKEN("two", "400")}, {0}};
static const struct reply no[] = {{"GET", TOKEN_PATH, "403 Forbidden",
                                   "{\"error\":\"none\",\"error_description\":\"no account\"}"},
                                  {0}};
static const char why_not[] = "no Google credentials in GOOGLE_APPLICATION_CREDENTIALS or gcloud's "
                              "file; the metadata server: none: no account (HTTP 403)";

struct user {
    struct gw_gcp gcp; /* first */
    int ready;
    uint64_t number;
};

static struct gw_loop *loop;
static struct gw_arena *mem;
static int64_t mono_ns;

static int64_t mono(void)
{
    return mono_ns;
}

static void pass(int64_t s)
{
    mono_ns += s * 1000000000;
}

static void on_ready(struct gw_gcp *g)
{
    ((struct user *)g)->ready++;
}

static void begin(struct user *u, int n, const struct reply *answers)
{
    static const char *const env[] = {"GCE_METADATA_HOST=^", "CLOUDSDK_CONFIG=none",
                                      "GOOGLE_CLOUD_QUOTA_PROJECT=q", NULL};

    mono_ns = 1000000000000;
    gw_clock_mono_ns = mono;
    replies_begin(answers);
    replies_environment(env, env);
    loop = gw_loop_new();
    mem = gw_arena_new();
    for (int i = 0; i < n; i++) {
        u[i] = (struct user){0};
        gw_gcp_init(&u[i].gcp, loop);
        u[i].gcp.ready = on_ready;
    }
}

static void end(struct user *u, int n)
{
    for (int i = 0; i < n; i++)
        gw_gcp_fini(&u[i].gcp);
    gw_loop_free(loop);
    gw_arena_free(mem);
}

/* 1: there is a token, and it is this one. */
static int have(struct user *u, const char *token)
{
    struct gw_http_header out[GW_GCP_HEADERS];
    size_t n;
    const enum gw_gcp_state state = gw_gcp_get(&u->gcp, mem, out, &n, &u->number);

    if (state != GW_GCP_HAVE)
        return 0;
    CHECK(n == 2 && gw_str_is(out[0].name, "authorization"));
    CHECK(gw_str_is(out[1].name, "x-goog-user-project") && gw_str_is(out[1].value, "q"));
    return !strncmp(out[0].value.p, "Bearer ", 7) && !strcmp(out[0].value.p + 7, token);
}

static enum gw_gcp_state state_of(struct user *u)
{
    struct gw_http_header out[GW_GCP_HEADERS];
    size_t n;

    return gw_gcp_get(&u->gcp, mem, out, &n, &u->number);
}

static void until_ready(struct user *u)
{
    while (!u->ready)
        gw_loop_turn(loop, 1);
    CHECK(u->ready == 1);
    u->ready = 0;
}

/* Whoever can should ask for a new one now. */
static int is_due(void)
{
    struct gw_gcp_tokens *tokens = gw_gcp_tokens_hold();
    struct gw_gcp_token token;
    int due;

    CHECK(gw_gcp_tokens_get(tokens, mem, &token, &due));
    gw_gcp_tokens_drop(tokens);
    return due;
}

/* What is under way has ended: whoever asks now would ask anew, or have it. */
static void until_had(struct user *u, const char *token)
{
    while (!have(u, token))
        gw_loop_turn(loop, 1);
}

TEST(test_gcp_one_asks_and_the_others_wait)
{
    struct user u[3];

    begin(u, 3, one);
    for (int i = 0; i < 3; i++)
        CHECK(state_of(&u[i]) == GW_GCP_WAIT && !u[i].ready);
    for (int i = 0; i < 3; i++) {
        until_ready(&u[i]);
        CHECK(have(&u[i], "one") && u[i].number == u[0].number);
    }
    CHECK(replies_given() == 1);
    end(u, 3);
}

TEST(test_gcp_a_token_is_renewed_before_its_end_and_serves_meanwhile)
{
    struct user u[1];

    begin(u, 1, one);
    CHECK(state_of(u) == GW_GCP_WAIT);
    until_ready(u);
    replies_begin(two);
    pass(1799);
    CHECK(have(u, "one") && !is_due());
    pass(1); /* half its life */
    CHECK(have(u, "one") && is_due());
    until_had(u, "two");
    replies_begin(one);
    pass(174);
    CHECK(have(u, "two") && !is_due());
    pass(1); /* 225 s before its end, which is before half its life */
    CHECK(have(u, "two") && is_due());
    until_had(u, "one");
    CHECK(!u->ready); /* nobody had to wait */
    end(u, 1);
}

TEST(test_gcp_a_renewal_that_fails_is_none_while_the_old_token_lives)
{
    struct gw_gcp_tokens *tokens;
    struct user u[1];

    begin(u, 1, one);
    tokens = gw_gcp_tokens_hold();
    CHECK(state_of(u) == GW_GCP_WAIT);
    until_ready(u);
    replies_begin(no);
    pass(1800);
    CHECK(have(u, "one"));
    while (!gw_gcp_tokens_why(tokens, mem).len)
        gw_loop_turn(loop, 1);
    for (int i = 0; i < 3; i++) {
        CHECK(have(u, "one"));
        gw_loop_turn(loop, 0);
    }
    CHECK(replies_given() == 1);
    replies_begin(two);
    pass(1); /* it is asked for again after a second */
    CHECK(have(u, "one"));
    until_had(u, "two");
    CHECK(replies_given() == 1 && !u->ready);
    gw_gcp_tokens_drop(tokens);
    end(u, 1);
}

TEST(test_gcp_whoever_needs_one_in_vain_is_told_why)
{
    struct user u[2];

    begin(u, 2, no);
    CHECK(state_of(&u[0]) == GW_GCP_WAIT && state_of(&u[1]) == GW_GCP_WAIT);
    for (int i = 0; i < 2; i++) {
        until_ready(&u[i]);
        CHECK(state_of(&u[i]) == GW_GCP_FAILED && !strcmp(u[i].gcp.why, why_not));
    }
    CHECK(replies_given() == 1 && state_of(&u[0]) == GW_GCP_FAILED);
    replies_begin(one);
    pass(1);
    CHECK(state_of(&u[1]) == GW_GCP_WAIT);
    until_ready(&u[1]);
    CHECK(have(&u[1], "one") && have(&u[0], "one"));
    end(u, 2);
}

TEST(test_gcp_a_token_that_was_refused_is_nobodys_and_every_source_is_read_again)
{
    struct user u[2];

    begin(u, 2, one);
    CHECK(state_of(&u[0]) == GW_GCP_WAIT);
    until_ready(&u[0]);
    CHECK(have(&u[0], "one"));
    replies_begin(two);
    pass(4);
    gw_gcp_refused(&u[0].gcp, u[0].number); /* it has just been had */
    CHECK(have(&u[0], "one"));
    pass(1);
    gw_gcp_refused(&u[0].gcp, u[0].number);
    CHECK(state_of(&u[0]) == GW_GCP_WAIT && state_of(&u[1]) == GW_GCP_WAIT);
    until_ready(&u[0]);
    until_ready(&u[1]);
    CHECK(have(&u[0], "two") && have(&u[1], "two") && replies_given() == 1);
    gw_gcp_refused(&u[1].gcp, u[0].number - 1); /* of the one before: nothing is to be done */
    CHECK(have(&u[1], "two"));
    end(u, 2);
}

TEST(test_gcp_who_goes_while_asking_leaves_it_to_the_others)
{
    struct user u[2];

    begin(u, 2, one);
    CHECK(state_of(&u[0]) == GW_GCP_WAIT && state_of(&u[1]) == GW_GCP_WAIT);
    gw_gcp_fini(&u[0].gcp);
    until_ready(&u[1]); /* it is its turn */
    CHECK(have(&u[1], "one") && !u[0].ready);
    end(u, 2);
}

TEST(test_gcp_says_who_we_are_when_it_was_asked_to)
{
    static const struct reply named[] = {
        {"GET", TOKEN_PATH, "200 OK", TOKEN("one", "3600")},
        {"GET", "/computeMetadata/v1/instance/service-accounts/default/email", "200 OK", "me@p"},
        {0}};
    struct user u[1];

    begin(u, 1, named);
    CHECK(!gw_gcp_who(&u->gcp, mem));
    gw_gcp_ask_name(&u->gcp);
    CHECK(state_of(u) == GW_GCP_WAIT);
    until_ready(u);
    CHECK(!strcmp(gw_gcp_who(&u->gcp, mem), "me@p"));
    end(u, 1);
}
