/* Calls to Pub/Sub: which token they have, what a refusal leads to, where they go. */
#include "net/gcp_pubsub.h"

#include "base/arena.h"
#include "base/clock.h"
#include "pubsub_server.h"
#include "replies.h"
#include "test.h"

#include <time.h>

#define TOKEN_PATH                                                                                 \
    "/computeMetadata/v1/instance/service-accounts/default/token"                                  \
    "?scopes=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fpubsub"
#define TOKEN(token) "{\"access_token\":\"" token "\",\"expires_in\":3600}"

static const struct reply one[] = {{"GET", TOKEN_PATH, "200 OK", TOKEN("ya29.one")}, {0}};
static const struct reply two[] = {{"GET", TOKEN_PATH, "200 OK", TOKEN("two")}, {0}};
static const struct reply no[] = {{"GET", TOKEN_PATH, "403 Forbidden", "{}"}, {0}};

/* ---- the server: takes one token alone ---- */

static char wanted[40], got_token[80], got_params[200], got_project[40];
static _Atomic int n_got, silent, quoting;

static void note(struct gw_http_stream *s, const char *name, char *to, size_t size)
{
    const struct gw_str *v = gw_http_get(s, name);

    snprintf(to, size, "%.*s", v ? (int)v->len : 4, v ? v->p : "none");
}

static struct pubsub_said by_token(struct gw_http_stream *s, struct gw_str request)
{
    (void)request;
    n_got++;
    note(s, "authorization", got_token, sizeof(got_token));
    note(s, "x-goog-request-params", got_params, sizeof(got_params));
    note(s, "x-goog-user-project", got_project, sizeof(got_project));
    if (silent)
        return (struct pubsub_said){.code = -1};
    return strcmp(wanted, got_token) != 0
               ? (struct pubsub_said){.code = GW_RPC_UNAUTHENTICATED,
                                      .why = quoting ? got_token : "who?"}
               : (struct pubsub_said){0};
}

static struct gw_loop *loop;
static struct gw_gcp_pubsub client;
static struct gw_gcp_pubsub_call call;
static int n_done;

static void on_done(struct gw_gcp_pubsub_call *c)
{
    CHECK(c == &call);
    n_done++;
}

/* The server's thread looks at the clock, too: it is there before that. */
static _Atomic int64_t ahead_s;

static int64_t later_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (t.tv_sec + ahead_s) * 1000000000LL + t.tv_nsec;
}

static const char *server(void)
{
    if (gw_clock_mono_ns != later_ns)
        gw_clock_mono_ns = later_ns;
    return pubsub_server();
}

static void open_it(const struct reply *answers, const char *token, const char *emulator)
{
    static const char *const env[] = {"GCE_METADATA_HOST=^", "CLOUDSDK_CONFIG=none",
                                      "GOOGLE_CLOUD_QUOTA_PROJECT=q", NULL};

    replies_begin(answers);
    replies_environment(env, env);
    if (emulator)
        setenv("PUBSUB_EMULATOR_HOST", emulator, 1);
    snprintf(wanted, sizeof(wanted), "%s", token);
    pubsub_decide = by_token;
    n_got = 0;
    n_done = 0;
    silent = 0;
    quoting = 0;
    loop = gw_loop_new();
    gw_gcp_pubsub_init(&client, loop, emulator ? NULL : server());
    gw_gcp_pubsub_call_init(&call, &client, "/google.pubsub.v1.Publisher/Publish");
    call.param = "topic";
    call.name = GW_STR("projects/p/topics/a+b%~");
    call.done = on_done;
}

static void close_it(void)
{
    gw_gcp_pubsub_call_fini(&call);
    gw_gcp_pubsub_fini(&client);
    gw_loop_free(loop);
    pthread_mutex_lock(&pubsub_lock);
    pubsub_decide = NULL;
    pthread_mutex_unlock(&pubsub_lock);
}

static void run_it(void)
{
    const int before = n_done;

    gw_gcp_pubsub_start(&call, GW_STR(""), 0);
    CHECK(n_done == before);
    while (n_done == before)
        gw_loop_turn(loop, 1);
    CHECK(n_done == before + 1);
}

TEST(test_gcp_pubsub_a_call_has_the_token_and_says_whom_it_is_about)
{
    open_it(one, "Bearer ya29.one", NULL);
    run_it();
    CHECK(call.rpc.code == GW_RPC_OK && !*call.why && n_got == 1);
    CHECK(!strcmp(got_params, "topic=projects/p/topics/a%2Bb%25~"));
    CHECK(!strcmp(got_project, "q"));
    close_it();
}

TEST(test_gcp_pubsub_a_refused_token_is_replaced_and_the_call_made_once_more)
{
    open_it(one, "Bearer ya29.one", NULL);
    run_it();
    ahead_s = 6; /* credentials are looked up every 5 s at most */
    replies_begin(two);
    pthread_mutex_lock(&pubsub_lock);
    snprintf(wanted, sizeof(wanted), "Bearer two");
    pthread_mutex_unlock(&pubsub_lock);
    run_it();
    CHECK(call.rpc.code == GW_RPC_OK && n_got == 3 && replies_given() == 1);
    close_it();
}

TEST(test_gcp_pubsub_a_second_refusal_is_told)
{
    open_it(one, "Bearer none", NULL);
    run_it();
    CHECK(call.rpc.code == GW_RPC_UNAUTHENTICATED && n_got <= 2);
    CHECK(!strcmp(call.why, "UNAUTHENTICATED: who?"));
    quoting = 1; /* as a proxy may do */
    run_it();
    CHECK(!strcmp(call.why, "UNAUTHENTICATED"));
    n_got = quoting = 0; /* credentials were looked up a moment ago: nobody is asked in circles */
    run_it();
    CHECK(call.rpc.code == GW_RPC_UNAUTHENTICATED && n_got <= 2);
    close_it();
}

TEST(test_gcp_pubsub_without_credentials_nothing_is_sent)
{
    open_it(no, "Bearer ya29.one", NULL);
    run_it();
    CHECK(call.rpc.code == GW_RPC_UNAUTHENTICATED && !n_got);
    CHECK(!strncmp(call.why, "Google credentials: no Google credentials", 41));
    run_it(); /* those that failed a moment ago: told on a later turn, too */
    CHECK(call.rpc.code == GW_RPC_UNAUTHENTICATED && !n_got);
    close_it();
}

TEST(test_gcp_pubsub_an_emulator_gets_no_token)
{
    open_it(one, "none", server() + sizeof("http://") - 1);
    run_it();
    CHECK(call.rpc.code == GW_RPC_OK && n_got == 1 && !replies_given());
    close_it();
    open_it(one, "none", server());
    run_it();
    CHECK(call.rpc.code == GW_RPC_OK && n_got == 1 && !replies_given());
    close_it();
    open_it(one, "none", "host:port");
    run_it();
    CHECK(call.rpc.code == GW_RPC_UNAVAILABLE && !n_got);
    CHECK(!strcmp(call.why, "PUBSUB_EMULATOR_HOST: not a URL: a bad port"));
    close_it();
    open_it(one, "none", "");
    CHECK(client.tokens && !strcmp(client.conf.url, "https://pubsub.googleapis.com"));
    close_it();
}

TEST(test_gcp_pubsub_what_is_cancelled_is_not_told)
{
    open_it(one, "Bearer ya29.one", NULL);
    gw_gcp_pubsub_start(&call, GW_STR(""), 0); /* waits for the token */
    CHECK(call.queued);
    gw_gcp_pubsub_cancel(&call);
    run_it();
    CHECK(n_got == 1);
    silent = 1;
    gw_gcp_pubsub_start(&call, GW_STR(""), 0);
    CHECK(call.going);
    gw_gcp_pubsub_cancel(&call);
    silent = 0;
    run_it();
    CHECK(n_done == 2);
    close_it();
    open_it(one, "none", "host:port");
    gw_gcp_pubsub_start(&call, GW_STR(""), 0);
    CHECK(call.is_over);
    gw_gcp_pubsub_cancel(&call);
    run_it();
    CHECK(n_done == 1);
    close_it();
}

TEST(test_gcp_pubsub_names_are_held_to_googles_rules)
{
    CHECK(!gw_gcp_pubsub_endpoint_problem("https://europe-west1-pubsub.googleapis.com"));
    CHECK(!gw_gcp_pubsub_endpoint_problem("http://127.0.0.1:8085/"));
    CHECK(gw_gcp_pubsub_endpoint_problem("https://a/v1"));
    CHECK(gw_gcp_pubsub_endpoint_problem("127.0.0.1:8085"));
    CHECK(!gw_gcp_pubsub_project_problem(GW_STR("example.com:my-project-1")));
    CHECK(gw_gcp_pubsub_project_problem(GW_STR("projects/p")));
    CHECK(gw_gcp_pubsub_project_problem(GW_STR("")));
    CHECK(gw_gcp_pubsub_id_problem(GW_STR("")) && gw_gcp_pubsub_id_problem(GW_STR("goog1")));
}

/* ---- many calls ---- */

enum { MANY = 5 };
static struct gw_gcp_pubsub_call many[MANY];
static int ended[MANY], n_ended;

static void on_one_done(struct gw_gcp_pubsub_call *c)
{
    ended[n_ended++] = (int)(c - many);
}

/* All are started at once, and the one in the middle is left again. */
static void run_many(int code)
{
    n_ended = 0;
    for (int i = 0; i < MANY; i++) {
        gw_gcp_pubsub_call_init(&many[i], &client, "/google.pubsub.v1.Publisher/Publish");
        many[i].param = "topic";
        many[i].name = GW_STR("projects/p/topics/t");
        many[i].done = on_one_done;
        gw_gcp_pubsub_start(&many[i], GW_STR(""), 0);
    }
    gw_gcp_pubsub_cancel(&many[2]);
    while (n_ended < MANY - 1)
        gw_loop_turn(loop, 1);
    for (int i = 0, next = 0; i < MANY; i++) {
        if (i != 2)
            CHECK(many[i].rpc.code == code && ended[next++] == i);
        gw_gcp_pubsub_call_fini(&many[i]);
    }
}

TEST(test_gcp_pubsub_all_that_wait_for_a_token_go_in_their_order)
{
    open_it(one, "Bearer ya29.one", NULL);
    run_many(GW_RPC_OK);
    CHECK(n_got == MANY - 1 && replies_given() == 1);
    close_it();
}

TEST(test_gcp_pubsub_all_that_cannot_go_are_told_in_their_order)
{
    open_it(no, "none", NULL);
    run_many(GW_RPC_UNAUTHENTICATED); /* who waited for what was not given */
    run_many(GW_RPC_UNAUTHENTICATED); /* and at once */
    close_it();
    open_it(one, "none", "host:port");
    run_many(GW_RPC_UNAVAILABLE);
    close_it();
}
