/* Credentials from each source, from a server in this process that answers as AWS's do. */
#include "base/arena.h"
#include "base/clock.h"
#include "event/format.h"
#include "net/aws_ask.h"
#include "replies.h"
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

struct asking {
    struct gw_aws_ask ask; /* first */
    struct gw_aws_credentials *credentials;
    struct gw_loop *loop;
    struct gw_arena *mem;
    char why[GW_AWS_WHY];
    int ended;
};

static void on_ended(struct gw_aws_ask *a, const char *why)
{
    struct asking *t = (struct asking *)a;

    snprintf(t->why, sizeof(t->why), "%s", why ? why : "");
    t->ended++;
}

static void set_environment(const char *const *env)
{
    static const char *const files[] = {"AWS_SHARED_CREDENTIALS_FILE=credentials",
                                        "AWS_CONFIG_FILE=config", NULL};

    replies_environment(files, env);
}

static void ask_them(struct asking *t, const struct reply *answers, const char *const *env)
{
    int64_t ms;

    replies_begin(answers);
    set_environment(env);
    *t = (struct asking){.credentials = gw_aws_credentials_hold(), .loop = gw_loop_new()};
    t->mem = gw_arena_new();
    gw_aws_ask_init(&t->ask, t->credentials, t->loop);
    t->ask.ended = on_ended;
    t->ask.callers_region = "af-south-1";
    CHECK(gw_aws_credentials_begin(t->credentials, 0, 0, &ms) == GW_TURN_ASK);
    gw_aws_ask_start(&t->ask);
    CHECK(!t->ended);
    while (!t->ended)
        gw_loop_turn(t->loop, 1);
}

static void done(struct asking *t)
{
    gw_aws_ask_fini(&t->ask);
    gw_aws_credentials_drop(t->credentials);
    gw_loop_free(t->loop);
    gw_arena_free(t->mem);
    http_server_decide = NULL;
}

/* "id secret token", as the credentials have them now. */
static int has(struct asking *t, const char *want)
{
    struct gw_aws_keys k;
    struct gw_str got;
    int due;

    if (t->why[0])
        fprintf(stderr, "%s\n", t->why);
    if (!gw_aws_credentials_get(t->credentials, t->mem, &k, &due))
        return 0;
    got = gw_arena_printf(t->mem, "%.*s %.*s %.*s", (int)k.id.len, k.id.p, (int)k.secret.len,
                          k.secret.p, (int)k.token.len, k.token.p ? k.token.p : "");
    return !t->why[0] && gw_str_is(got, want);
}

static int failed(struct asking *t, const char *why)
{
    struct gw_aws_keys k;
    int due;

    if (strcmp(t->why, why) != 0)
        fprintf(stderr, "%s\n", t->why);
    return !strcmp(t->why, why) && gw_str_is(gw_aws_credentials_why(t->credentials, t->mem), why) &&
           !gw_aws_credentials_get(t->credentials, t->mem, &k, &due);
}

#define KEYS(token)                                                                                \
    "{\"Code\":\"Success\",\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\",\"" token               \
    "\":\"T\",\"Expiration\":\"2099-01-01T00:00:00Z\"}"
#define STS(id)                                                                                    \
    "<R xmlns=\"x\"><Result><Credentials><AccessKeyId>" id                                         \
    "</AccessKeyId><SecretAccessKey>S&amp;&#x21;</SecretAccessKey><SessionToken>T</SessionToken>"  \
    "<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></Result></R>"

TEST(test_aws_ask_gives_the_environments_keys_without_asking_anybody)
{
    static const struct reply none[] = {{0}};
    struct asking t;

    ask_them(&t, none,
             (const char *const[]){"AWS_ACCESS_KEY_ID=A", "AWS_SECRET_ACCESS_KEY=S", NULL});
    CHECK(has(&t, "A S ") && !n_seen);
    done(&t);
}

TEST(test_aws_ask_web_identity_is_the_token_of_the_file_for_the_role)
{
    static const struct reply sts[] = {{"POST", "/", "200 OK", STS("W")}, {0}};
    struct asking t;

    write_file("token", "ey.J/+=\n");
    ask_them(&t, sts,
             (const char *const[]){"AWS_WEB_IDENTITY_TOKEN_FILE=token", "AWS_ROLE_ARN=arn:r/x",
                                   "AWS_ROLE_SESSION_NAME=me", "AWS_ENDPOINT_URL_STS=@", NULL});
    CHECK(has(&t, "W S&! T") && n_seen == 1);
    CHECK(asked(0, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Ar%2Fx&"
                   "RoleSessionName=me&WebIdentityToken=ey.J%2F%2B%3D"));
    CHECK(!asked(0, "authorization"));
    done(&t);
}

TEST(test_aws_ask_assumes_roles_one_after_the_other_each_with_the_keys_before)
{
    static const struct reply sts[] = {{"POST", "/", "200 OK", STS("R")}, {0}};
    struct asking t;

    write_file("credentials", "[base]\naws_access_key_id=BASE\naws_secret_access_key=B\n");
    write_file("config", "[profile p]\nrole_arn=arn:p\nsource_profile=q\nexternal_id=x y\n"
                         "region=eu-1\n[profile q]\nrole_arn=arn:q\nsource_profile=base\n"
                         "duration_seconds=900\n");
    ask_them(&t, sts, (const char *const[]){"AWS_PROFILE=p", "AWS_ENDPOINT_URL=@", NULL});
    CHECK(has(&t, "R S&! T") && n_seen == 2);
    CHECK(asked(0, "RoleArn=arn%3Aq") && asked(0, "DurationSeconds=900"));
    CHECK(asked(0, "Credential=BASE/") && asked(0, "/eu-1/sts/aws4_request"));
    CHECK(!asked(0, "security-token"));
    CHECK(asked(1, "RoleArn=arn%3Ap") && asked(1, "ExternalId=x%20y"));
    CHECK(asked(1, "Credential=R/") && asked(1, "x-amz-security-token: T"));
    done(&t);
}

TEST(test_aws_ask_container_sends_the_token_it_is_given)
{
    static const struct reply agent[] = {{"GET", "/v1/keys", "200 OK", KEYS("Token")}, {0}};
    struct asking t;

    ask_them(&t, agent,
             (const char *const[]){"AWS_CONTAINER_CREDENTIALS_FULL_URI=@/v1/keys",
                                   "AWS_CONTAINER_AUTHORIZATION_TOKEN=Basic x", NULL});
    CHECK(has(&t, "A S T") && asked(0, "authorization: Basic x"));
    done(&t);
    write_file("token", "from the file\n");
    ask_them(&t, agent,
             (const char *const[]){"AWS_CONTAINER_CREDENTIALS_FULL_URI=@/v1/keys",
                                   "AWS_CONTAINER_AUTHORIZATION_TOKEN=Basic x",
                                   "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=token", NULL});
    CHECK(has(&t, "A S T") && asked(0, "authorization: from the file"));
    done(&t);
}

TEST(test_aws_ask_container_is_where_the_relative_one_says_if_there_are_both)
{
    struct asking t = {.credentials = gw_aws_credentials_hold(), .loop = gw_loop_new()};
    int64_t ms;

    set_environment((const char *const[]){"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v2/x",
                                          "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:1/f",
                                          NULL});
    t.mem = gw_arena_new();
    gw_aws_ask_init(&t.ask, t.credentials, t.loop);
    t.ask.ended = on_ended;
    CHECK(gw_aws_credentials_begin(t.credentials, 0, 0, &ms) == GW_TURN_ASK);
    gw_aws_ask_start(&t.ask); /* nobody is asked before the loop runs */
    CHECK(!strcmp(t.ask.near.url, "http://169.254.170.2/v2/x"));
    done(&t);
}

TEST(test_aws_ask_container_is_not_asked_far_away_without_tls)
{
    static const struct reply none[] = {{0}};
    struct asking t;

    ask_them(&t, none,
             (const char *const[]){"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://192.0.2.1/x", NULL});
    CHECK(strstr(t.why, "without TLS is for this machine") && !n_seen);
    done(&t);
}

TEST(test_aws_ask_instance_is_version_2_alone)
{
    static const struct reply metadata[] = {
        {"PUT", "/latest/api/token", "200 OK", "tok"},
        {"GET", "/latest/meta-data/iam/security-credentials/", "200 OK", "my-role\nother"},
        {"GET", "/latest/meta-data/iam/security-credentials/my-role", "200 OK", KEYS("Token")},
        {0}};
    static const struct reply version_1[] = {
        {"GET", "/latest/meta-data/iam/security-credentials/", "200 OK", "my-role"},
        {"GET", "/latest/meta-data/iam/security-credentials/my-role", "200 OK", KEYS("Token")},
        {0}};
    const char *const env[] = {"AWS_EC2_METADATA_SERVICE_ENDPOINT=@/", NULL};
    struct asking t;

    ask_them(&t, metadata, env);
    CHECK(has(&t, "A S T") && n_seen == 3);
    CHECK(asked(0, "x-aws-ec2-metadata-token-ttl-seconds: 21600"));
    CHECK(asked(1, "x-aws-ec2-metadata-token: tok"));
    CHECK(asked(2, "x-aws-ec2-metadata-token: tok"));
    done(&t);
    ask_them(&t, version_1, env);
    CHECK(failed(&t, "no AWS credentials in the environment, the shared files or a container; the "
                     "instance's metadata (version 2): HTTP 404") &&
          n_seen == 1);
    done(&t);
}

TEST(test_aws_ask_process_is_what_it_prints)
{
    static const struct reply none[] = {{0}};
    struct asking t;

    write_file("keys.json", KEYS("SessionToken"));
    write_file("config", "[default]\ncredential_process = cat keys.json; exit $((1-1))\n");
    ask_them(&t, none, (const char *const[]){"PATH=/usr/bin:/bin", NULL});
    CHECK(has(&t, "A S T"));
    done(&t);
}

TEST(test_aws_ask_says_why_it_failed_and_no_secret)
{
    static const struct reply no[] = {
        {"POST", "/", "403 Forbidden",
         "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
         "<Message>not you</Message></Error></ErrorResponse>"},
        {"GET", "/half", "200 OK", "{\"AccessKeyId\":\"A\"}"},
        {"GET", "/time", "200 OK",
         "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\",\"Expiration\":\"soon\"}"},
        {"GET", "/told", "400 Bad Request", "{\"code\":\"NoRole\",\"message\":\"none\\u0007\"}"},
        {0}};
    static const struct {
        const char *config, *why, *env[3];
    } cases[] = {
        {"",
         "STS: AccessDenied: not you (HTTP 403)",
         {"AWS_WEB_IDENTITY_TOKEN_FILE=token", "AWS_ROLE_ARN=r"}},
        {"",
         "web identity: missing: No such file or directory",
         {"AWS_WEB_IDENTITY_TOKEN_FILE=missing", "AWS_ROLE_ARN=r"}},
        {"",
         "web identity: two lines: not a token in one line",
         {"AWS_WEB_IDENTITY_TOKEN_FILE=two lines", "AWS_ROLE_ARN=r"}},
        {"",
         "the container's credentials: its answer has no AccessKeyId or no SecretAccessKey",
         {"AWS_CONTAINER_CREDENTIALS_FULL_URI=@/half"}},
        {"",
         "the container's credentials: its answer's Expiration is no time",
         {"AWS_CONTAINER_CREDENTIALS_FULL_URI=@/time"}},
        {"",
         "the container's credentials: NoRole: none  (HTTP 400)",
         {"AWS_CONTAINER_CREDENTIALS_FULL_URI=@/told"}},
        {"",
         "AWS_CONTAINER_AUTHORIZATION_TOKEN: not a token in one line",
         {"AWS_CONTAINER_CREDENTIALS_FULL_URI=@/half",
          "AWS_CONTAINER_AUTHORIZATION_TOKEN=a\r\nx: b"}},
        {"[default]\ncredential_process = exit 7\n",
         "credential_process: it ended with exit code 7",
         {"PATH=/bin"}},
        {"[default]\ncredential_process = kill -9 $$\n",
         "credential_process: it ended with signal 9",
         {"PATH=/bin"}},
        {"[default]\ncredential_process = yes | head -c 100000\n",
         "credential_process: it printed more than 64 KiB",
         {"PATH=/usr/bin:/bin"}},
        {"[default]\nnonsense\n",
         "config:2: neither a [section], nor key = value, nor a comment",
         {NULL}},
    };

    write_file("token", "t");
    write_file("two lines", "t\nu\n");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *env[5] = {"AWS_ENDPOINT_URL=@", "AWS_EC2_METADATA_DISABLED=true",
                              cases[i].env[0], cases[i].env[1], NULL};
        struct asking t;

        write_file("config", cases[i].config);
        ask_them(&t, no, env);
        CHECK(failed(&t, cases[i].why));
        done(&t);
    }
}

static int64_t mono_ns = 1000000000000, wall_ns = 1000000000000000000;
static int64_t mono(void)
{
    return mono_ns;
}
static int64_t wall(void)
{
    return wall_ns;
}
static void pass(int64_t s)
{
    mono_ns += s * 1000000000;
    wall_ns += s * 1000000000;
}

TEST(test_aws_keys_are_asked_for_by_one_and_renewed_before_their_end)
{
    const struct gw_aws_keys keys = {GW_STR("A"), GW_STR("S"), {0}};
    struct gw_aws_credentials *c = gw_aws_credentials_hold();
    struct gw_arena *mem = gw_arena_new();
    struct gw_aws_keys got;
    uint64_t number;
    int64_t ms;
    int due;

    gw_clock_mono_ns = mono;
    gw_clock_wall_ns = wall;
    CHECK(gw_aws_credentials_hold() == c);
    gw_aws_credentials_drop(c);
    CHECK(!gw_aws_credentials_get(c, mem, &got, &due));
    CHECK(gw_aws_credentials_begin(c, 0, 0, &ms) == GW_TURN_ASK);
    CHECK(gw_aws_credentials_begin(c, 0, 0, &ms) == GW_TURN_WAIT && ms > 0);
    gw_aws_credentials_end(c, NULL, 0, "no");
    CHECK(gw_str_is(gw_aws_credentials_why(c, mem), "no"));
    CHECK(gw_aws_credentials_begin(c, 0, 0, &ms) == GW_TURN_FAILED &&
          ms == 1000); /* once a second */
    pass(1);
    CHECK(gw_aws_credentials_begin(c, 0, 0, &ms) == GW_TURN_ASK);
    gw_aws_credentials_end(c, &keys, wall_ns / 1000000000 + 3600, NULL);
    number = gw_aws_credentials_get(c, mem, &got, &due);
    CHECK(number && !due && gw_str_is(got.id, "A"));
    CHECK(gw_aws_credentials_begin(c, 0, 0, &ms) == GW_TURN_NEWER);
    pass(1799);
    CHECK(gw_aws_credentials_get(c, mem, &got, &due) == number && !due);
    pass(1); /* half its life, which is before the last five minutes */
    CHECK(gw_aws_credentials_get(c, mem, &got, &due) == number && due);
    CHECK(gw_aws_credentials_begin(c, number, 0, &ms) == GW_TURN_ASK);
    gw_aws_credentials_end(c, NULL, 0, "away");
    CHECK(gw_aws_credentials_get(c, mem, &got, &due) == number && due); /* they are still good */
    pass(1800);
    CHECK(!gw_aws_credentials_get(c, mem, &got, &due));
    CHECK(gw_aws_credentials_begin(c, number, 1, &ms) == GW_TURN_ASK);
    gw_aws_credentials_end(c, &keys, wall_ns / 1000000000 + 400, NULL);
    pass(99);
    CHECK(gw_aws_credentials_get(c, mem, &got, &due) && !due);
    pass(1); /* five minutes before the end, which is before half its life */
    CHECK((number = gw_aws_credentials_get(c, mem, &got, &due)) && due);
    pass(1);
    CHECK(gw_aws_credentials_begin(c, number, 0, &ms) == GW_TURN_ASK);
    gw_aws_credentials_end(c, &keys, wall_ns / 1000000000 + 200, NULL);
    pass(99); /* a life shorter than five minutes: half of it */
    CHECK((number = gw_aws_credentials_get(c, mem, &got, &due)) && !due);
    pass(1);
    CHECK(gw_aws_credentials_get(c, mem, &got, &due) == number && due);
    gw_arena_free(mem);
    gw_aws_credentials_drop(c);
}

TEST(test_aws_keys_that_were_refused_are_read_again_after_a_while)
{
    const struct gw_aws_keys keys = {GW_STR("A"), GW_STR("S"), {0}};
    struct gw_aws_credentials *c = gw_aws_credentials_hold();
    struct gw_arena *mem = gw_arena_new();
    struct gw_aws_keys got;
    uint64_t number;
    int64_t ms;
    int due;

    gw_clock_mono_ns = mono;
    CHECK(gw_aws_credentials_begin(c, 0, 0, &ms) == GW_TURN_ASK);
    gw_aws_credentials_end(c, &keys, 0, NULL);
    number = gw_aws_credentials_get(c, mem, &got, &due);
    pass(4);
    CHECK(gw_aws_credentials_begin(c, number, 1, &ms) == GW_TURN_LATER && ms == 1000);
    pass(1);
    CHECK(gw_aws_credentials_begin(c, number, 1, &ms) == GW_TURN_ASK);
    gw_arena_free(mem);
    gw_aws_credentials_drop(c);
}

TEST(test_aws_keys_that_were_refused_are_nobodys_while_others_are_asked_for)
{
    const struct gw_aws_keys keys = {GW_STR("A"), GW_STR("S"), {0}};
    struct gw_aws_credentials *c = gw_aws_credentials_hold();
    struct gw_arena *mem = gw_arena_new();
    struct gw_aws_keys got;
    uint64_t number;
    int64_t ms;
    int due;

    gw_clock_mono_ns = mono;
    CHECK(gw_aws_credentials_begin(c, 0, 0, &ms) == GW_TURN_ASK);
    gw_aws_credentials_end(c, &keys, 0, NULL);
    number = gw_aws_credentials_get(c, mem, &got, &due);
    pass(5);
    CHECK(gw_aws_credentials_begin(c, number, 1, &ms) == GW_TURN_ASK);
    CHECK(gw_aws_credentials_begin(c, number, 1, &ms) == GW_TURN_WAIT);
    CHECK(!gw_aws_credentials_get(c, mem, &got, &due));
    CHECK(gw_aws_credentials_begin(c, 0, 0, &ms) == GW_TURN_WAIT);
    gw_aws_credentials_end(c, NULL, 0, "no");
    CHECK(gw_aws_credentials_get(c, mem, &got, &due) == number); /* better than none */
    CHECK(gw_aws_credentials_begin(c, number, 1, &ms) == GW_TURN_FAILED);
    pass(5);
    CHECK(gw_aws_credentials_begin(c, number, 1, &ms) == GW_TURN_ASK);
    gw_aws_credentials_end(c, NULL, 0, NULL); /* given up: nobody waits for it */
    pass(5);
    CHECK(gw_aws_credentials_begin(c, number, 1, &ms) == GW_TURN_ASK);
    gw_aws_credentials_end(c, &keys, 0, NULL);
    CHECK(gw_aws_credentials_get(c, mem, &got, &due) == number + 1);
    gw_arena_free(mem);
    gw_aws_credentials_drop(c);
}

/* 2001-09-09T01:46:40Z is what wall_ns begins with. */
TEST(test_aws_ask_keys_that_have_ended_are_a_failure_that_is_told)
{
    static const struct reply old[] = {
        {"GET", "/old", "200 OK",
         "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\",\"Expiration\":\"2001-09-09T01:46:"
         "39Z\"}"},
        {0}};
    struct asking t;

    gw_clock_wall_ns = wall;
    wall_ns = 1000000000000000000;
    ask_them(&t, old, (const char *const[]){"AWS_CONTAINER_CREDENTIALS_FULL_URI=@/old", NULL});
    CHECK(failed(&t, "the container gives keys that have ended already, or our clock is wrong"));
    done(&t);
}

/* Our clock is two hours fast: STS says so, and its keys are good by its clock. */
TEST(test_aws_ask_believes_the_clock_of_sts)
{
    static const struct reply sts[] = {
        {"POST", "/", "200 OK\r\nDate: Sat, 08 Sep 2001 23:46:40 GMT",
         "<R><AccessKeyId>W</AccessKeyId><SecretAccessKey>S</SecretAccessKey><SessionToken>T"
         "</SessionToken><Expiration>2001-09-09T00:46:40Z</Expiration></R>"},
        {0}};
    static const struct reply refusal[] = {
        {"POST", "/", "403 Forbidden\r\nDate: Sat, 08 Sep 2001 23:46:40 GMT",
         "<E><Code>SignatureDoesNotMatch</Code><Message>Signature expired</Message></E>"},
        {0}};
    struct asking t;

    gw_clock_wall_ns = wall;
    wall_ns = 1000000000000000000;
    write_file("token", "t");
    ask_them(&t, sts,
             (const char *const[]){"AWS_WEB_IDENTITY_TOKEN_FILE=token", "AWS_ROLE_ARN=r",
                                   "AWS_ENDPOINT_URL=@", NULL});
    CHECK(has(&t, "W S T") && gw_aws_skew(t.credentials) == -7200);
    done(&t);
    write_file("credentials", "[base]\naws_access_key_id=BASE\naws_secret_access_key=B\n");
    write_file("config", "[profile p]\nrole_arn=arn:p\nsource_profile=base\n");
    ask_them(&t, refusal, (const char *const[]){"AWS_PROFILE=p", "AWS_ENDPOINT_URL=@", NULL});
    CHECK(n_seen == 2 && asked(0, "x-amz-date: 20010909T014640Z"));
    CHECK(asked(1, "x-amz-date: 20010908T234640Z"));
    CHECK(failed(&t, "STS: SignatureDoesNotMatch: Signature expired (HTTP 403)"));
    done(&t);
}

TEST(test_aws_ask_signs_the_path_and_the_port_of_an_endpoint)
{
    static const struct reply sts[] = {{"POST", "/sts/v1/", "200 OK", STS("R")}, {0}};
    const struct gw_aws_keys keys = {GW_STR("BASE"), GW_STR("B"), {0}};
    struct gw_header headers[] = {
        {GW_STR("content-type"), GW_STR("application/x-www-form-urlencoded; charset=utf-8")},
        {GW_STR("host"), GW_STR("")}};
    struct gw_aws_request r = {.method = GW_STR("POST"), .headers = headers, .n_headers = 2};
    struct gw_aws_signature s;
    struct asking t;

    gw_clock_wall_ns = wall;
    wall_ns = 1000000000000000000;
    write_file("credentials", "[base]\naws_access_key_id=BASE\naws_secret_access_key=B\n");
    write_file("config", "[profile p]\nrole_arn=arn:p\nsource_profile=base\n");
    ask_them(&t, sts,
             (const char *const[]){"AWS_PROFILE=p", "AWS_ENDPOINT_URL_STS=@/sts/v1/", NULL});
    CHECK(has(&t, "R S&! T"));
    gw_aws_split_url(getenv("AWS_ENDPOINT_URL_STS"), &headers[1].value, &r.path);
    CHECK(gw_str_is(r.path, "/sts/v1/"));
    CHECK(strstr(seen[0],
                 gw_arena_printf(t.mem, "%.*s\r\n", (int)headers[1].value.len, headers[1].value.p)
                     .p)); /* as it was sent */
    r.body = gw_str_of(strchr(strstr(seen[0], "\nAction") + 1, 'A'));
    /* nobody says a region: it is the topic's, for global keys are not good in every one */
    gw_aws_sign(
        t.mem, &r,
        &(const struct gw_aws_scope){GW_STR("af-south-1"), GW_STR("sts"), wall_ns / 1000000000},
        &keys, &s);
    CHECK(asked(0, gw_arena_printf(t.mem, "%.*s", (int)s.authorization.len, s.authorization.p).p));
    done(&t);
    gw_aws_split_url("https://h:443/a/b?c", &headers[1].value, &r.path);
    CHECK(gw_str_is(headers[1].value, "h") && gw_str_is(r.path, "/a/b"));
    gw_aws_split_url("https://h:80", &headers[1].value, &r.path);
    CHECK(gw_str_is(headers[1].value, "h:80") && !r.path.len);
}

TEST(test_aws_ask_process_has_signals_as_a_shell_has_them)
{
    static const struct reply none[] = {{0}};
    struct asking t;
    sigset_t all;

    write_file("config", "[default]\ncredential_process = printf '{\"AccessKeyId\":\"%s-%s\","
                         "\"SecretAccessKey\":\"S\"}' $(grep SigBlk /proc/self/status | cut -f2) "
                         "$(sh -c 'kill -PIPE $$'; echo $?)\n");
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    signal(SIGPIPE, SIG_IGN);
    ask_them(&t, none, (const char *const[]){"PATH=/usr/bin:/bin", NULL});
    CHECK(has(&t, "0000000000000000-141 S "));
    done(&t);
}
