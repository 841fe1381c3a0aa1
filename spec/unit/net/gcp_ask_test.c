/* Google's tokens from each source, from a server in this process that answers
 * as theirs do. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"
#include "gcp_key.h"
#include "net/gcp_ask.h"
#include "replies.h"
#include "test.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
    t->ask.near_conf.timeout_ms = 60000; /* however busy the machine is */
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

static const char *also[3]; /* more of the environment */

/* `~` in it being the server's address. */
static void write_key(const char *file)
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
}

/* With this file of credentials. */
static void ask_with(struct asking *t, const struct reply *answers, const char *file)
{
    write_key(file);
    ask_them(t, answers,
             (const char *const[]){"GOOGLE_APPLICATION_CREDENTIALS=key.json", "GCE_METADATA_HOST=^",
                                   also[0], also[1], also[2], NULL});
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
    CHECK(!n_seen && gw_str_is(token.who, "me@p.iam") && gw_str_is(token.quota_project, "q"));
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
    CHECK(asked(0, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-"
                   "bearer&assertion="));
    assertion = strstr(seen[0], "assertion=") + strlen("assertion=");
    gcp_key_check(gw_str_of(assertion), NULL, claims, sizeof(claims));
    CHECK(strstr(claims, "/token\",\"scope\":\"https://www.googleapis.com/auth/pubsub\""));
    done(&t);
}

TEST(test_gcp_ask_only_googles_own_service_takes_what_a_key_signs)
{
    static const struct {
        const char *more;
        int itself;
    } cases[] = {{"\"token_uri\":\"https://oauth2.googleapis.com/token\"", 1},
                 {"\"token_uri\":\"https://accounts.google.com:443/o/oauth2/token\"", 1},
                 {"\"token_uri\":\"https://oauth2.googleapis.com.example/token\"", 0},
                 {"\"token_uri\":\"https://notgoogleapis.com/token\"", 0}};
    struct gw_arena *mem = gw_arena_new();
    struct gw_gcp_plan plan;
    struct gw_err err;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK(!gw_gcp_plan_read(mem, "f", gw_str_of(gcp_key_file(cases[i].more)), &plan, &err));
        CHECK(gw_gcp_signs_itself(&plan) == cases[i].itself);
        plan.steps = &(struct gw_gcp_step){0}; /* to impersonate takes another token */
        CHECK(!gw_gcp_signs_itself(&plan));
    }
    gw_arena_free(mem);
}

/* ---- users ---- */

TEST(test_gcp_ask_a_user_of_gcloud_is_in_its_own_file)
{
    static const struct reply endpoint[] = {{"POST", "/token", "200 OK", TOKEN("U")}, {0}};
    struct asking t;
    char text[512];

    snprintf(text, sizeof(text),
             "{\"type\":\"authorized_user\",\"client_id\":\"c\",\"client_"
             "secret\":\"s\","
             "\"refresh_token\":\"1//r\",\"account\":\"\",\"token_uri\":\"%.*s/"
             "token\"}",
             (int)(strlen(http_server()) - strlen("/hook")), http_server());
    CHECK(!mkdir("gcloud", 0700));
    write_file("gcloud/application_default_credentials.json", text);
    ask_them(&t, endpoint, NULL);
    CHECK(has(&t, "U") && n_seen == 1);
    CHECK(asked(0, "grant_type=refresh_token&refresh_token=1%2F%2Fr&client_id=c&"
                   "client_secret=s"));
    done(&t);
}

static void again(struct asking *t, const struct reply *answers)
{
    replies_begin(answers);
    t->ended = 0;
    gw_gcp_ask_start(&t->ask);
    while (!t->ended)
        gw_loop_turn(t->loop, 1);
}

/* As Google's libraries: an endpoint may give another refresh token, and take no other since. */
TEST(test_gcp_ask_a_refresh_token_that_an_endpoint_gives_is_used_instead_of_the_files)
{
    static const struct reply
        rotates[] = {{"POST", "/token", "200 OK",
                      "{\"access_token\":\"U\",\"refresh_token\":\"1//newer\"}"},
                     {0}},
        keeps[] = {{"POST", "/token", "200 OK", "{\"access_token\":\"V\",\"refresh_token\":null}"},
                   {0}},
        refuses[] = {{"POST", "/token", "400 Bad Request",
                      "{\"error\":\"invalid_grant\",\"error_description\":\"1//newer\"}"},
                     {0}},
        rests[] = {{"POST", "/token", "503 Service Unavailable", ""},
                   {"POST", "/token", "503 Service Unavailable", ""},
                   {"POST", "/token", "503 Service Unavailable", ""},
                   {"POST", "/token", "503 Service Unavailable", ""},
                   {0}};
    struct asking t;

    ask_with(&t, rotates,
             "{\"type\":\"authorized_user\",\"client_id\":\"c\",\"client_secret\":\"s\","
             "\"refresh_token\":\"1//files\",\"token_uri\":\"~/token\"}");
    CHECK(has(&t, "U") && asked(0, "refresh_token=1%2F%2Ffiles&"));
    again(&t, keeps);
    CHECK(has(&t, "V") && asked(0, "refresh_token=1%2F%2Fnewer&"));
    again(&t, rests); /* which says nothing of the token */
    CHECK(*t.why);
    again(&t, refuses); /* so the file's, once more */
    CHECK(!strcmp(t.why, "key.json: token_uri: invalid_grant: (HTTP 400)"));
    CHECK(asked(0, "refresh_token=1%2F%2Fnewer&"));
    again(&t, rotates);
    CHECK(has(&t, "U") && asked(0, "refresh_token=1%2F%2Ffiles&"));
    write_key("{\"type\":\"authorized_user\",\"client_id\":\"c\",\"client_secret\":\"s\","
              "\"refresh_token\":\"1//other\",\"token_uri\":\"~/token\"}");
    again(&t, keeps);
    CHECK(has(&t, "V") && asked(0, "refresh_token=1%2F%2Fother&"));
    done(&t);
}

/* ---- the metadata server ---- */

TEST(test_gcp_ask_an_instance_has_its_token_from_the_metadata_server)
{
    static const struct reply metadata[] = {
        {"GET", METADATA_TOKEN, "200 OK", TOKEN("M")},
        {"GET", METADATA "instance/service-accounts/default/email", "200 OK", "me@p.iam"},
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
    CHECK(has(&t, "M") && n_seen == 2 && gw_str_is(token_of(&t).who, "me@p.iam"));
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
    CHECK(failed(&t, "no Google credentials in GOOGLE_APPLICATION_CREDENTIALS or "
                     "gcloud's file; "
                     "the metadata server: HTTP 503") &&
          n_seen == 3);
    done(&t);
}

/* ---- impersonation ---- */

#define IMPERSONATED(token)                                                                        \
    "{\"accessToken\":\"" token "\",\"expireTime\":\"2099-01-01T00:00:00Z\"}"
#define USER                                                                                       \
    "{\"type\":\"authorized_user\",\"client_id\":\"c\",\"client_secret\":\"s\","                   \
    "\"refresh_token\":\"r\",\"token_uri\":\"~/"                                                   \
    "token\",\"quota_project_id\":\"inner\"}"

TEST(test_gcp_ask_impersonates_with_the_token_of_the_source)
{
    static const struct reply google[] = {
        {"POST", "/token", "200 OK", TOKEN("source")},
        {"POST", "/v1/projects/-/serviceAccounts/a@p.iam:generateAccessToken", "200 OK",
         IMPERSONATED("target")},
        {0}};
    struct asking t;

    ask_with(&t, google,
             "{\"type\":\"impersonated_service_account\",\"delegates\":[\"d1\","
             "\"d2\"],"
             "\"quota_project_id\":\"q\",\"service_account_impersonation_url\":"
             "\"~/v1/projects/-/serviceAccounts/a@p.iam:generateAccessToken\","
             "\"source_credentials\":" USER "}");
    CHECK(has(&t, "target") && n_seen == 2);
    CHECK(asked(1, "authorization: Bearer source") &&
          asked(1, "\n{\"lifetime\":\"3600s\",\"scope\":[\"https://"
                   "www.googleapis.com/auth/pubsub\"],"
                   "\"delegates\":[\"d1\",\"d2\"]}"));
    CHECK(gw_str_is(token_of(&t).who, "a@p.iam") && gw_str_is(token_of(&t).quota_project, "q"));
    done(&t);
}

/* One who is impersonated impersonates the next. */
TEST(test_gcp_ask_impersonates_one_after_the_other)
{
    static const struct reply google[] = {
        {"POST", "/token", "200 OK", TOKEN("source")},
        {"POST", "/x/a@p:generateAccessToken", "200 OK", IMPERSONATED("first")},
        {"POST", "/x/b@p:generateAccessToken", "200 OK", IMPERSONATED("second")},
        {0}};
    struct asking t;

    ask_with(&t, google,
             "{\"type\":\"impersonated_service_account\",\"service_account_impersonation_url\":"
             "\"~/x/b@p:generateAccessToken\",\"source_credentials\":{\"type\":"
             "\"impersonated_service_account\",\"service_account_impersonation_url\":"
             "\"~/x/a@p:generateAccessToken\",\"source_credentials\":" USER "}}");
    CHECK(has(&t, "second") && n_seen == 3 && gw_str_is(token_of(&t).who, "b@p"));
    CHECK(asked(1, "Bearer source") && asked(1, "auth/cloud-platform"));
    CHECK(asked(2, "Bearer first") && asked(2, "auth/pubsub"));
    done(&t);
}

TEST(test_gcp_ask_a_key_that_impersonates_is_exchanged_first)
{
    static const struct reply google[] = {
        {"POST", "/token", "200 OK", TOKEN("source")},
        {"POST", "/x/a@p:generateAccessToken", "200 OK", IMPERSONATED("target")},
        {0}};
    struct asking t;
    char file[16384], claims[512];

    snprintf(file, sizeof(file),
             "{\"type\":\"impersonated_service_account\",\"service_account_"
             "impersonation_url\":"
             "\"~/x/a@p:generateAccessToken\",\"source_credentials\":%s}",
             gcp_key_file("\"token_uri\":\"~/token\""));
    ask_with(&t, google, file);
    CHECK(has(&t, "target") && n_seen == 2);
    gcp_key_check(gw_str_of(strstr(seen[0], "assertion=") + strlen("assertion=")), NULL, claims,
                  sizeof(claims));
    CHECK(strstr(claims, "\"scope\":\"https://www.googleapis.com/auth/cloud-platform\""));
    done(&t);
}

/* ---- workloads ---- */

#define WORKLOAD(more, source)                                                                     \
    "{\"type\":\"external_account\",\"audience\":\"//iam/"                                         \
    "pool\",\"subject_token_type\":"                                                               \
    "\"urn:ietf:params:oauth:token-type:jwt\",\"token_url\":\"~/sts\"," more                       \
    "\"credential_source\":{" source "}}"
static const struct reply sts[] = {
    {"POST", "/sts", "200 OK", TOKEN("F")},
    {"POST", "/x/a@p:generateAccessToken", "200 OK", IMPERSONATED("target")},
    {"GET", "/id", "200 OK", "{\"value\":\"ey.url\",\"n\":1}"},
    {0}};

TEST(test_gcp_ask_a_workloads_file_is_exchanged)
{
    struct asking t;

    write_file("token", "ey.J/+=\n");
    ask_with(&t, sts, WORKLOAD("", "\"file\":\"token\""));
    CHECK(has(&t, "F") && n_seen == 1 && gw_str_is(token_of(&t).who, "//iam/pool"));
    CHECK(asked(0, "audience=%2F%2Fiam%2Fpool&"
                   "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&"
                   "requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%"
                   "3Aaccess_token&"
                   "subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt&"
                   "subject_token=ey.J%2F%2B%3D&"
                   "scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fpubsub"));
    CHECK(!strcasestr(seen[0], "authorization") && !strstr(seen[0], "options"));
    done(&t);
}

TEST(test_gcp_ask_a_workloads_url_gets_its_headers_and_what_it_says_is_exchanged_and_impersonates)
{
    struct asking t;

    ask_with(&t, sts,
             WORKLOAD("\"client_id\":\"c:1\",\"client_secret\":\"s\","
                      "\"service_account_impersonation_url\":\"~/x/"
                      "a@p:generateAccessToken\","
                      "\"service_account_impersonation\":{\"token_lifetime_seconds\":2800}"
                      ",",
                      "\"url\":\"~/id\",\"headers\":{\"Metadata\":\"True\"},\"format\":"
                      "{\"type\":\"json\",\"subject_token_field_name\":\"value\"}"));
    CHECK(has(&t, "target") && n_seen == 3 && asked(0, "Metadata: True"));
    CHECK(asked(1, "subject_token=ey.url&") && asked(1, "auth%2Fcloud-platform"));
    CHECK(asked(1, "Authorization: Basic YyUzQTE6cw=="));
    CHECK(asked(2, "\"lifetime\":\"2800s\"") && asked(2, "Bearer F"));
    CHECK(gw_str_is(token_of(&t).who, "a@p"));
    done(&t);
}

TEST(test_gcp_ask_a_workforces_project_is_told_where_no_client_is)
{
    struct asking t;

    write_file("token", "t");
    ask_with(&t, sts,
             "{\"type\":\"external_account\",\"audience\":\"//iam/workforcePools/x\","
             "\"subject_token_type\":\"t\",\"token_url\":\"~/sts\","
             "\"workforce_pool_user_project\":\"p\",\"credential_source\":{\"file\":"
             "\"token\"}}");
    CHECK(has(&t, "F") && asked(0, "options=%7B%22userProject%22%3A%22p%22%7D"));
    done(&t);
    ask_with(&t, sts,
             "{\"type\":\"external_account\",\"audience\":\"//iam/workforcePools/"
             "x\",\"client_id\":"
             "\"c\",\"subject_token_type\":\"t\",\"token_url\":\"~/sts\","
             "\"workforce_pool_user_project\":\"p\",\"credential_source\":{"
             "\"file\":\"token\"}}");
    CHECK(has(&t, "F") && !asked(0, "options="));
    done(&t);
}

#define COMMAND(more) WORKLOAD("", "\"executable\":{\"command\":\"sh say.sh a  b\"" more "}")
#define SAYS(more)                                                                                 \
    "{\"version\":1,\"success\":true,\"token_type\":\"urn:ietf:params:oauth:"                      \
    "token-type:jwt\","                                                                            \
    "\"id_token\":\"ey.c\"" more "}"

static void said(char *line, int size)
{
    FILE *f = fopen("said", "r");

    CHECK(f && fgets(line, size, f));
    fclose(f);
}

TEST(test_gcp_ask_a_workloads_command_is_run_only_where_that_is_allowed)
{
    struct asking t;
    char line[200];

    also[1] = "PATH=/usr/bin:/bin";
    write_file("say.sh", "echo $1$2 $GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE "
                         "$GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE "
                         "$GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE "
                         "$GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE > said; echo '" SAYS("") "'");
    ask_with(&t, sts, COMMAND(""));
    CHECK(failed(&t, "key.json: credential_source: executable: commands are run "
                     "only where "
                     "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES is 1") &&
          access("said", F_OK));
    done(&t);
    also[0] = "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1";
    ask_with(&t, sts, COMMAND(",\"output_file\":\"kept\""));
    CHECK(has(&t, "F") && asked(0, "subject_token=ey.c&"));
    said(line, sizeof(line));
    CHECK(!strcmp(line, "ab //iam/pool urn:ietf:params:oauth:token-type:jwt 0 kept\n"));
    done(&t);
    CHECK(!unlink("said"));
    write_file("kept", SAYS(",\"expiration_time\":1700000001"));
    ask_with(&t, sts, COMMAND(",\"output_file\":\"kept\""));
    CHECK(has(&t, "F") && access("said", F_OK)); /* what it kept is still good */
    done(&t);
    write_file("kept", SAYS("")); /* how long it is good is not said */
    ask_with(&t, sts, COMMAND(",\"output_file\":\"kept\""));
    CHECK(has(&t, "F") && !unlink("said"));
    done(&t);
    write_file("kept", SAYS(",\"expiration_time\":1700000000"));
    ask_with(&t, sts, COMMAND(",\"output_file\":\"kept\""));
    CHECK(has(&t, "F") && !access("said", F_OK));
    done(&t);
}

/* The signature is what google-auth 2.63 makes of the same
 * (google.auth.aws.RequestSigner). */
#define AWS                                                                                        \
    "{\"type\":\"external_account\",\"audience\":\"//iam/"                                         \
    "pool\",\"subject_token_type\":"                                                               \
    "\"urn:ietf:params:aws:token-type:aws4_request\",\"token_url\":\"~/"                           \
    "sts\",\"credential_source\":"                                                                 \
    "{\"environment_id\":\"aws1\",\"region_url\":\"~/zone\",\"url\":\"~/"                          \
    "roles\",\"imdsv2_session_"                                                                    \
    "token_url\":\"~/session\",\"regional_cred_verification_url\":\"https://"                      \
    "sts.{region}.amazonaws."                                                                      \
    "com?Action=GetCallerIdentity&Version=2011-06-15\"}}"
static const char aws_signed[] =
    "{\"url\":\"https://"
    "sts.us-east-2.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15\","
    "\"method\":\"POST\",\"headers\":[{\"key\":\"Authorization\",\"value\":"
    "\"AWS4-HMAC-SHA256 "
    "Credential=AKID/20231114/us-east-2/sts/aws4_request, "
    "SignedHeaders=host;x-amz-date;"
    "x-amz-security-token;x-goog-cloud-target-resource, Signature="
    "3665589e14ae1f25ec96c3694dd62784606536cb4675430bf1cea7bf718ce62f\"},{"
    "\"key\":\"host\","
    "\"value\":\"sts.us-east-2.amazonaws.com\"},{\"key\":\"x-amz-date\","
    "\"value\":"
    "\"20231114T221320Z\"},{\"key\":\"x-goog-cloud-target-resource\",\"value\":"
    "\"//iam/pool\"},"
    "{\"key\":\"x-amz-security-token\",\"value\":\"TOK\"}]}";

/* What stands behind subject_token= in the i-th request, decoded twice. */
static const char *subject(struct asking *t, int i)
{
    const char *at = strstr(seen[i], "subject_token=");
    const size_t len = at ? strcspn(at + 14, "&") : 0;
    char *s = gw_arena_strndup(t->mem, at ? at + 14 : "", len);

    for (int times = 0; times < 2; times++) {
        char *to = s;

        for (const char *from = s; *from; from++) {
            const int coded = *from == '%';

            *to++ = (char)(coded ? gw_hex_digit(from[1]) * 16 + gw_hex_digit(from[2]) : *from);
            from += coded ? 2 : 0;
        }
        *to = '\0';
    }
    return s;
}

TEST(test_gcp_ask_a_workload_at_aws_signs_who_it_is)
{
    static const struct reply instance[] = {
        {"PUT", "/session", "200 OK", "s3ss"},
        {"GET", "/zone", "200 OK", "us-east-2b"},
        {"GET", "/roles", "200 OK", "role"},
        {"GET", "/roles/role", "200 OK",
         "{\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"SECRET\",\"Token\":"
         "\"TOK\"}"},
        {"POST", "/sts", "200 OK", TOKEN("F")},
        {0}};
    struct asking t;

    ask_with(&t, instance, AWS);
    CHECK(has(&t, "F") && n_seen == 5 && asked(0, "x-aws-ec2-metadata-token-ttl-seconds: 300"));
    CHECK(asked(1, "x-aws-ec2-metadata-token: s3ss") && asked(3, "x-aws-ec2-metadata-token: s3ss"));
    CHECK(!strcmp(subject(&t, 4), aws_signed));
    done(&t);
    also[0] = "AWS_ACCESS_KEY_ID=AKID";
    also[1] = "AWS_SECRET_ACCESS_KEY=SECRET";
    also[2] = "AWS_REGION=us-east-2";
    ask_with(&t, instance, AWS);
    CHECK(has(&t, "F") && n_seen == 1 && !strstr(subject(&t, 0), "security-token"));
    done(&t);
}

/* ---- what is wrong ---- */

TEST(test_gcp_ask_says_what_is_wrong_with_a_file_and_nothing_of_it)
{
    static const struct reply none[] = {{0}};
    static const struct {
        const char *file, *why;
    } cases[] = {
        {"", "JSON: line 1, column 1: a value is missing"},
        {"[]", "JSON: no object"},
        {"{\"type\":\"service_account\",\"private_key\":\"S3CRET", "JSON: line 1"},
        {"{}", "type is missing"},
        {"{\"type\":7}", "type is no text"},
        {"{\"type\":\"S3CRET\"}", "its type is none of Google's credentials"},
        {"{\"type\":\"gdch_service_account\"}",
         "type gdch_service_account (Google Distributed Cloud) is not supported"},
        {"{\"type\":\"service_account\",\"private_key\":\"S3CRET\"}", "client_email is missing"},
        {"{\"type\":\"service_account\",\"client_email\":\"m\"}", "private_key is missing"},
        {"{\"type\":\"service_account\",\"client_email\":\"m\",\"private_key\":"
         "\"S3CRET\"}",
         "private_key is no RSA key in PEM"},
        {"{\"type\":\"service_account\",\"client_email\":\"m\",\"private_key\":["
         "\"S3CRET\"]}",
         "private_key is no text"},
        {"{\"type\":\"service_account\",\"client_email\":\"m\",\"private_key\":"
         "\"a\\u0000b\"}",
         "private_key is no text"},
        {"{\"type\":\"service_account\",\"client_email\":\"m\",\"private_key\":"
         "\"S3CRET\","
         "\"token_uri\":\"S3CRET\"}",
         "token_uri: not a URL: http:// or https:// is missing"},
        {"{\"type\":\"service_account\",\"quota_project_id\":\"S3CRET\\r\\nx: "
         "y\"}",
         "quota_project_id is no project"},
        {"{\"type\":\"service_account\",\"universe_domain\":\"S3CRET/\"}",
         "universe_domain is no domain"},
        {"{\"type\":\"authorized_user\",\"client_id\":\"S3CRET\",\"client_"
         "secret\":\"S3CRET\"}",
         "refresh_token is missing"},
        {"{\"type\":\"impersonated_service_account\"}", "source_credentials is missing"},
        {"{\"type\":\"impersonated_service_account\",\"source_credentials\":{"
         "\"type\":\"x\"}}",
         "source_credentials: its type is none of Google's credentials"},
        {"{\"type\":\"impersonated_service_account\",\"source_credentials\":" USER "}",
         "service_account_impersonation_url is missing"},
        {"{\"type\":\"external_account\"}", "audience is missing"},
        {WORKLOAD("", ""), "credential_source: none of file, url, executable and "
                           "environment_id is there"},
        {WORKLOAD("", "\"certificate\":{}"), "credential_source: certificate is not supported"},
        {WORKLOAD("", "\"environment_id\":\"aws2\""),
         "credential_source: environment_id is not aws1"},
        {WORKLOAD("", "\"environment_id\":\"aws1\""),
         "credential_source: neither region_url nor AWS_REGION is there"},
        {WORKLOAD("", "\"executable\":{}"), "credential_source: executable: command is missing"},
        {WORKLOAD("", "\"executable\":{\"command\":\"c\",\"timeout_millis\":4999}"),
         "credential_source: executable: timeout_millis is not 5000 to 120000"},
        {WORKLOAD("\"workforce_pool_user_project\":\"p\",", "\"file\":\"f\""),
         "workforce_pool_user_project is for a workforce pool's audience"},
        {WORKLOAD("", "\"file\":\"f\",\"format\":{\"type\":\"S3CRET\"}"),
         "credential_source: format: type is neither text nor json"},
        {WORKLOAD("", "\"file\":\"f\",\"format\":{\"type\":\"json\"}"),
         "credential_source: format: subject_token_field_name is missing"},
        {WORKLOAD("", "\"url\":\"~/\",\"headers\":{\"a b\":\"S3CRET\"}"),
         "credential_source: headers: what no header can be"},
        {WORKLOAD("", "\"url\":\"~/\",\"headers\":{\"a\":\"S3CRET\\r\\nx: y\"}"),
         "credential_source: headers: what no header can be"},
        {WORKLOAD("", "\"file\":\"missing\""),
         "credential_source: missing: No such file or directory"},
        {WORKLOAD("", "\"file\":\"empty\""), "credential_source: empty: there is no token in it"},
        {WORKLOAD("", "\"file\":\"json\",\"format\":{\"type\":\"json\",\"subject_"
                      "token_field_name\":"
                      "\"t\"}"),
         "credential_source: json: it has no text of the name that "
         "subject_token_field_name says"},
    };

    write_file("empty", " \n");
    write_file("json", "{\"S3CRET\":1}");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct asking t;
        char want[512];

        ask_with(&t, none, cases[i].file);
        snprintf(want, sizeof(want), "key.json: %s", cases[i].why);
        if (strncmp(t.why, want, strlen(want)) != 0)
            fprintf(stderr, "%s\n", t.why);
        CHECK(!strncmp(t.why, want, strlen(want)) && !strstr(t.why, "S3CRET") && !n_seen);
        done(&t);
    }
}

TEST(test_gcp_ask_says_what_a_service_answers_and_nothing_of_the_request)
{
    static const struct {
        const char *status, *body, *why;
    } cases[] = {
        {"400 Bad Request",
         "{\"error\":\"invalid_grant\",\"error_description\":\"Bad\\u0007 "
         "Request\"}",
         "invalid_grant: Bad  Request (HTTP 400)"},
        {"401 Unauthorized", "{\"error\":\"invalid_client\"}", "invalid_client (HTTP 401)"},
        {"403 Forbidden", "{\"error\":{\"code\":403,\"message\":\"No.\",\"status\":\"DENIED\"}}",
         "DENIED: No. (HTTP 403)"},
        {"400 Bad Request",
         "{\"error\":\"invalid_grant\",\"error_description\":\"refresh_token="
         "S3CRET1\"}",
         "invalid_grant: (HTTP 400)"},
        {"400 Bad Request", "{\"error\":\"you sent S3CRET2\"}", "HTTP 400"},
        {"404 Not Found", "<html>S3CRET1</html>", "HTTP 404"},
        {"302 Found", "", "HTTP 302"},
        {"200 OK", "", "JSON: line 1, column 1: a value is missing"},
        {"200 OK", "[]", "JSON: no object"},
        {"200 OK", "{}", "no access_token that a header can hold"},
        {"200 OK", "{\"access_token\":\"a\\r\\nb\"}", "no access_token that a header can hold"},
        {"200 OK", "{\"access_token\":1}", "access_token is no text"},
        {"200 OK", "{\"access_token\":\"t\",\"token_type\":\"mac\"}", "token_type is not Bearer"},
        {"200 OK", "{\"access_token\":\"t\",\"expires_in\":[]}", "expires_in is no number"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct reply endpoint[] = {{"POST", "/token", cases[i].status, cases[i].body}, {0}};
        struct asking t;
        char want[512];

        ask_with(&t, endpoint,
                 "{\"type\":\"authorized_user\",\"client_id\":\"c\",\"client_"
                 "secret\":\"S3CRET2\","
                 "\"refresh_token\":\"S3CRET1\",\"token_uri\":\"~/token\"}");
        snprintf(want, sizeof(want), "key.json: token_uri: %s", cases[i].why);
        CHECK(failed(&t, want) && n_seen == 1);
        done(&t);
    }
}

TEST(test_gcp_ask_what_impersonation_answers_is_looked_at)
{
    static const struct {
        const char *body, *why;
    } cases[] = {
        {"{}", "no accessToken that a header can hold"},
        {"{\"accessToken\":\"a b\"}", "no accessToken that a header can hold"},
        {"{\"accessToken\":\"t\"}", "its expireTime is no time"},
        {"{\"accessToken\":\"t\",\"expireTime\":\"soon\"}", "its expireTime is no time"},
        {"{\"accessToken\":\"t\",\"expireTime\":\"2023-11-14T22:13:20Z\"}", NULL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct reply google[] = {{"POST", "/token", "200 OK", TOKEN("source")},
                                       {"POST", "/i:x", "200 OK", cases[i].body},
                                       {0}};
        struct asking t;
        char want[512];

        ask_with(&t, google,
                 "{\"type\":\"impersonated_service_account\",\"service_account_"
                 "impersonation_url\":"
                 "\"~/i:x\",\"source_credentials\":" USER "}");
        snprintf(want, sizeof(want), "key.json: service_account_impersonation_url: %s",
                 cases[i].why ? cases[i].why : "");
        CHECK(failed(&t, cases[i].why ? want
                                      : "key.json gives a token that has ended already, or our "
                                        "clock is wrong"));
        done(&t);
    }
}

static void write_huge(const char *path)
{
    FILE *f = fopen(path, "w");

    CHECK(f);
    for (int i = 0; i <= GW_GCP_FILE_MAX; i++)
        fputc(' ', f);
    CHECK(!fclose(f));
}

TEST(test_gcp_ask_a_file_that_is_named_and_missing_is_not_passed_over)
{
    static const struct reply metadata[] = {{"GET", METADATA_TOKEN, "200 OK", TOKEN("M")}, {0}};
    struct asking t;

    ask_them(&t, metadata,
             (const char *const[]){"GOOGLE_APPLICATION_CREDENTIALS=away.json",
                                   "GCE_METADATA_HOST=^", NULL});
    CHECK(failed(&t, "GOOGLE_APPLICATION_CREDENTIALS: away.json: No such file or "
                     "directory") &&
          !n_seen);
    done(&t);
    CHECK(!mkdir("folder", 0700));
    ask_them(&t, metadata,
             (const char *const[]){"GOOGLE_APPLICATION_CREDENTIALS=folder", "GCE_METADATA_HOST=^",
                                   NULL});
    CHECK(failed(&t, "GOOGLE_APPLICATION_CREDENTIALS: folder: Is a directory") && !n_seen);
    done(&t);
    write_huge("huge");
    ask_them(
        &t, metadata,
        (const char *const[]){"GOOGLE_APPLICATION_CREDENTIALS=huge", "GCE_METADATA_HOST=^", NULL});
    CHECK(failed(&t, "GOOGLE_APPLICATION_CREDENTIALS: huge: larger than 256 KiB") && !n_seen);
    done(&t);
    ask_them(&t, metadata, (const char *const[]){"GCE_METADATA_HOST=not a host", NULL});
    CHECK(failed(&t, "GCE_METADATA_HOST: not a URL"));
    done(&t);
}
