/* Google's tokens from each source, from a server in this process that answers as theirs do. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/text.h"
#include "gcp_key.h"
#include "net/gcp_ask.h"
#include "replies.h"
#include "test.h"

#include <string.h>
#include <sys/stat.h>

struct asking {
    struct gw_gcp_ask ask; /* first */
    struct gw_gcp_tokens *tokens;
    struct gw_loop *loop;
    struct gw_arena *mem;
    char why[GW_GCP_ASK_WHY];
    int ended;
};

static int64_t wall(void)
{
    return 1700000000LL * 1000000000;
}

static void on_ended(struct gw_gcp_ask *a, const char *why)
{
    struct asking *t = (struct asking *)a;

    snprintf(t->why, sizeof(t->why), "%s", why ? why : "");
    t->ended++;
}

static void prepare(struct asking *t, const struct reply *answers, const char *const *env)
{
    static const char *const none[] = {NULL};

    gw_clock_wall_ns = wall;
    replies_begin(answers);
    replies_environment((const char *const[]){"CLOUDSDK_CONFIG=gcloud", NULL}, env ? env : none);
    *t = (struct asking){.tokens = gw_gcp_tokens_hold(), .loop = gw_loop_new()};
    t->mem = gw_arena_new();
    gw_gcp_ask_init(&t->ask, t->tokens, t->loop);
    t->ask.pause_ms = 1;
    t->ask.ended = on_ended;
}

static void run(struct asking *t)
{
    int64_t ms;

    CHECK(gw_gcp_tokens_begin(t->tokens, 0, 0, &ms) == GW_TURN_ASK);
    gw_gcp_ask_start(&t->ask);
    CHECK(!t->ended);
    while (!t->ended)
        gw_loop_turn(t->loop, 1);
}

static void ask_them(struct asking *t, const struct reply *answers, const char *const *env)
{
    prepare(t, answers, env);
    run(t);
}

/* With this file of credentials, `~` in it being the server's address. */
static void ask_with(struct asking *t, const struct reply *answers, const char *file)
{
    const char *url = http_server();
    FILE *f = fopen("key.json", "w");

    CHECK(f != NULL);
    for (; *file; file++)
        if (*file == '~')
            fprintf(f, "%.*s", (int)(strlen(url) - strlen("/hook")), url);
        else
            fputc(*file, f);
    CHECK(!fclose(f));
    ask_them(t, answers,
             (const char *const[]){"GOOGLE_APPLICATION_CREDENTIALS=key.json", "GCE_METADATA_HOST=^",
                                   NULL});
}

static void done(struct asking *t)
{
    gw_gcp_ask_fini(&t->ask);
    gw_gcp_tokens_drop(t->tokens);
    gw_loop_free(t->loop);
    gw_arena_free(t->mem);
    http_server_decide = NULL;
}

static struct gw_gcp_token token_of(struct asking *t)
{
    struct gw_gcp_token token;
    int due;

    if (t->why[0])
        fprintf(stderr, "%s\n", t->why);
    CHECK(!t->why[0] && gw_gcp_tokens_get(t->tokens, t->mem, &token, &due));
    return token;
}

static int has(struct asking *t, const char *bearer)
{
    return gw_str_is(token_of(t).bearer, bearer);
}

static int failed(struct asking *t, const char *why)
{
    struct gw_gcp_token token;
    int due;

    if (strcmp(t->why, why) != 0)
        fprintf(stderr, "%s\n", t->why);
    return !strcmp(t->why, why) && gw_str_is(gw_gcp_tokens_why(t->tokens, t->mem), why) &&
           !gw_gcp_tokens_get(t->tokens, t->mem, &token, &due);
}

#define TOKEN(token)                                                                               \
    "{\"access_token\":\"" token "\",\"expires_in\":3599,\"token_type\":\"Bearer\"}"
#define METADATA "/computeMetadata/v1/"
#define METADATA_TOKEN                                                                             \
    METADATA "instance/service-accounts/default/token"                                             \
             "?scopes=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fpubsub"

/* ---- service accounts ---- */

TEST(test_gcp_ask_a_service_accounts_key_signs_the_token_itself)
{
    static const struct reply none[] = {{0}};
    struct asking t;
    struct gw_gcp_token token;
    char claims[512];

    ask_with(&t, none, gcp_key_file("\"project_id\":\"p\",\"quota_project_id\":\"q\""));
    token = token_of(&t);
    gcp_key_check(token.bearer, "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"k1\"}", claims,
                  sizeof(claims));
    CHECK(!strcmp(claims, "{\"iss\":\"me@p.iam\",\"sub\":\"me@p.iam\",\"aud\":"
                          "\"https://pubsub.googleapis.com/\",\"iat\":1700000000,\"exp\":"
                          "1700003600}"));
    CHECK(!n_seen && gw_str_is(token.who, "me@p.iam") && gw_str_is(token.project, "p") &&
          gw_str_is(token.quota_project, "q"));
    done(&t);
}

TEST(test_gcp_ask_the_universe_is_part_of_what_is_signed)
{
    static const struct reply none[] = {{0}};
    struct asking t;
    char claims[512];

    ask_with(&t, none,
             gcp_key_file("\"universe_domain\":\"apis.example\",\"token_uri\":"
                          "\"https://oauth2.apis.example/token\""));
    gcp_key_check(token_of(&t).bearer, NULL, claims, sizeof(claims));
    CHECK(strstr(claims, "\"aud\":\"https://pubsub.apis.example/\"") && !n_seen);
    done(&t);
}

TEST(test_gcp_ask_another_token_endpoint_is_given_a_signed_assertion)
{
    static const struct reply endpoint[] = {{"POST", "/token", "200 OK", TOKEN("T")}, {0}};
    struct asking t;
    char claims[512], *assertion;

    ask_with(&t, endpoint, gcp_key_file("\"token_uri\":\"~/token\""));
    CHECK(has(&t, "T") && n_seen == 1);
    CHECK(asked(0, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion="));
    assertion = strstr(seen[0], "assertion=") + strlen("assertion=");
    gcp_key_check(gw_str_of(assertion), NULL, claims, sizeof(claims));
    CHECK(strstr(claims, "/token\",\"scope\":\"https://www.googleapis.com/auth/pubsub\""));
    done(&t);
}

/* ---- users ---- */

TEST(test_gcp_ask_a_user_of_gcloud_is_in_its_own_file)
{
    static const struct reply endpoint[] = {{"POST", "/token", "200 OK", TOKEN("U")}, {0}};
    struct asking t;
    char text[512];

    snprintf(text, sizeof(text),
             "{\"type\":\"authorized_user\",\"client_id\":\"c\",\"client_secret\":\"s\","
             "\"refresh_token\":\"1//r\",\"account\":\"\",\"token_uri\":\"%.*s/token\"}",
             (int)(strlen(http_server()) - strlen("/hook")), http_server());
    CHECK(!mkdir("gcloud", 0700));
    write_file("gcloud/application_default_credentials.json", text);
    ask_them(&t, endpoint, NULL);
    CHECK(has(&t, "U") && n_seen == 1);
    CHECK(asked(0, "grant_type=refresh_token&refresh_token=1%2F%2Fr&client_id=c&client_secret=s"));
    done(&t);
}

/* ---- the metadata server ---- */

TEST(test_gcp_ask_an_instance_has_its_token_from_the_metadata_server)
{
    static const struct reply metadata[] = {
        {"GET", METADATA_TOKEN, "200 OK", TOKEN("M")},
        {"GET", METADATA "instance/service-accounts/default/email", "200 OK", "me@p.iam"},
        {"GET", METADATA "project/project-id", "200 OK", "p"},
        {0}};
    const char *const env[] = {"GCE_METADATA_HOST=^", "http_proxy=http://127.0.0.1:1",
                               "no_proxy=", NULL};
    struct asking t;

    ask_them(&t, metadata, env);
    CHECK(has(&t, "M") && n_seen == 1 && asked(0, "metadata-flavor: Google"));
    CHECK(!token_of(&t).who.len);
    done(&t);
    prepare(&t, metadata, env);
    t.ask.named = 1;
    run(&t);
    CHECK(has(&t, "M") && n_seen == 3);
    CHECK(gw_str_is(token_of(&t).who, "me@p.iam") && gw_str_is(token_of(&t).project, "p"));
    done(&t);
}

TEST(test_gcp_ask_what_passes_is_asked_again)
{
    static const struct reply metadata[] = {{"GET", METADATA_TOKEN, "200 OK", TOKEN("M")}, {0}};
    const char *const env[] = {"GCE_METADATA_HOST=^", NULL};
    struct asking t;

    n_sick = 2;
    ask_them(&t, metadata, env);
    CHECK(has(&t, "M") && n_seen == 3);
    done(&t);
    n_sick = 3;
    ask_them(&t, metadata, env);
    CHECK(failed(&t, "no Google credentials in GOOGLE_APPLICATION_CREDENTIALS or gcloud's file; "
                     "the metadata server: HTTP 503") &&
          n_seen == 3);
    done(&t);
}
