#include "ingest/push.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "base/time.h"
#include "flyte/incoming.h"
#include "http_server.h"
#include "ingest/world.h"
#include "net/jwt.h"
#include "signer.h"

/* What a push says, without and with a front around it. */

#define ARN "arn:aws:sns:us-east-2:123456789012:flyte"

static struct gw_arena *mem;

/* ---- SNS ---- */

#define REST                                                                                       \
    "\"MessageId\":\"1\",\"TopicArn\":\"" ARN "\",\"Message\":\"a\\nb\","                          \
    "\"Timestamp\":\"2026-11-01T00:00:00.000Z\",\"SignatureVersion\":\"1\",\"Signature\":\"x\","   \
    "\"SigningCertURL\":\"c\",\"UnsubscribeURL\":\"u\""
#define CONFIRM ",\"SubscribeURL\":\"s\",\"Token\":\"t\""

TEST(test_push_sns_signs_exactly_this)
{
    static const struct {
        const char *body, *with_token, *without;
    } cases[] = {
        {"{\"Type\":\"Notification\"," REST "}",
         "Message\na\nb\nMessageId\n1\nTimestamp\n2026-11-01T00:00:00.000Z\nTopicArn\n" ARN
         "\nType\nNotification\n",
         NULL},
        {"{\"Subject\":\"\",\"Type\":\"Notification\"," REST "}",
         "Message\na\nb\nMessageId\n1\nSubject\n\nTimestamp\n2026-11-01T00:00:00.000Z\n"
         "TopicArn\n" ARN "\nType\nNotification\n",
         NULL},
        {"{\"Subject\":null,\"Type\":\"Notification\"," REST CONFIRM "}",
         "Message\na\nb\nMessageId\n1\nTimestamp\n2026-11-01T00:00:00.000Z\nTopicArn\n" ARN
         "\nType\nNotification\n",
         NULL},
        {"{\"Type\":\"SubscriptionConfirmation\"," REST CONFIRM "}",
         "Message\na\nb\nMessageId\n1\nSubscribeURL\ns\nTimestamp\n2026-11-01T00:00:00.000Z\n"
         "Token\nt\nTopicArn\n" ARN "\nType\nSubscriptionConfirmation\n",
         NULL},
        {"{\"Type\":\"UnsubscribeConfirmation\"," REST CONFIRM "}",
         "Message\na\nb\nMessageId\n1\nSubscribeURL\ns\nTimestamp\n2026-11-01T00:00:00.000Z\n"
         "Token\nt\nTopicArn\n" ARN "\nType\nUnsubscribeConfirmation\n",
         "Message\na\nb\nMessageId\n1\nTimestamp\n2026-11-01T00:00:00.000Z\nTopicArn\n" ARN
         "\nType\nUnsubscribeConfirmation\n"}};

    mem = gw_arena_new();
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct gw_sns_push m;
        struct gw_err err;

        CHECK(!gw_sns_push_read(mem, gw_str_of(cases[i].body), &m, &err));
        CHECK(gw_str_is(gw_sns_push_signed(mem, &m, 1), cases[i].with_token));
        CHECK(!cases[i].without || gw_str_is(gw_sns_push_signed(mem, &m, 0), cases[i].without));
        CHECK(m.sent_s == 1793491200);
    }
    gw_arena_free(mem);
}

TEST(test_push_sns_asks_nobody_but_aws_and_who_is_listed)
{
    static const char *listed[] = {"http://127.0.0.1:8080", "https://certs.example/a/"};
    static const struct {
        const char *url;
        int cert, subscribe;
    } cases[] = {
        {"https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem", 1, 1},
        {"https://sns.us-gov-west-1.amazonaws.com:443/x.pem", 1, 1},
        {"https://sns.cn-north-1.amazonaws.com.cn/x.pem", 1, 1},
        {"https://SNS.eu-central-1.AmazonAWS.com/x.pem", 1, 1},
        {"https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&Token=1", 0, 1},
        {"https://sns.us-east-1.amazonaws.com/x.pem?a", 0, 1},
        {"https://sns.us-east-1.amazonaws.com/x.pem.txt", 0, 1},
        {"http://sns.us-east-1.amazonaws.com/x.pem", 0, 0},
        {"https://sns.us-east-1.amazonaws.com:8443/x.pem", 0, 0},
        {"https://sns.s3-us-west-2.amazonaws.com/x.pem", 0, 0},
        {"https://sns.s3.amazonaws.com/x.pem", 0, 0},
        {"https://sns.us-east-1.x.amazonaws.com/x.pem", 0, 0},
        {"https://xsns.us-east-1.amazonaws.com/x.pem", 0, 0},
        {"https://sns.us-east-1.amazonaws.com.example/x.pem", 0, 0},
        {"https://sns.us-east-1.amazonaws.com.cn.example/x.pem", 0, 0},
        {"https://sns.us-east-1.amazonaws.com@example.com/x.pem", 0, 0},
        {"https://example.com/sns.us-east-1.amazonaws.com/x.pem", 0, 0},
        {"https://sns.us-east-1.amazonaws.com%2f.example/x.pem", 0, 0},
        {"http://127.0.0.1:8080/c", 1, 1},
        {"http://127.0.0.1:80801/c", 0, 0},
        {"http://127.0.0.1:8081/c", 0, 1},
        {"https://127.0.0.1:8080/c", 0, 0},
        {"https://certs.example/a/x", 1, 1},
        {"https://certs.example/a/../b", 0, 1},
        {"https://certs.example/ab", 0, 1},
        {"file:///x.pem", 0, 0},
        {"", 0, 0},
    };
    const struct gw_strs prefixes = {listed, 2};

    mem = gw_arena_new();
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct gw_str text = gw_str_of(cases[i].url);
        const char *url;

        CHECK((gw_sns_cert_url(mem, text, &prefixes, &url) == NULL) == cases[i].cert);
        CHECK((gw_sns_subscribe_url(mem, text, &prefixes, &url) == NULL) == cases[i].subscribe);
    }
    gw_arena_free(mem);
}

/* ---- a token ---- */

static const char *part(struct signer *s, const char *json)
{
    return signer_base64(s, gw_str_of(json), 1);
}

TEST(test_jwt_reads_what_is_one_and_nothing_else)
{
    static const char header[] = "{\"alg\":\"RS256\",\"kid\":\"k\",\"typ\":\"JWT\"}",
                      claims[] = "{\"iss\":\"i\",\"aud\":\"a\",\"email\":\"e\",\"email_verified\":"
                                 "true,\"exp\":20.7,\"iat\":10}";
    static const struct {
        const char *header, *claims, *end;
    } bad[] = {
        {"{\"alg\":\"none\",\"kid\":\"k\"}", claims, ".c2ln"},
        {"{\"alg\":\"HS256\",\"kid\":\"k\"}", claims, ".c2ln"},
        {"{\"alg\":\"rs256\",\"kid\":\"k\"}", claims, ".c2ln"},
        {"{\"kid\":\"k\"}", claims, ".c2ln"},
        {"{\"alg\":\"RS256\"}", claims, ".c2ln"},
        {"{\"alg\":\"RS256\",\"kid\":1}", claims, ".c2ln"},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"alg\":\"none\"}", claims, ".c2ln"},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"\\u0061lg\":\"none\"}", claims, ".c2ln"},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"crit\":[]}", claims, ".c2ln"},
        {"[]", claims, ".c2ln"},
        {header, "{\"exp\":1,\"iat\":1,\"aud\":[\"a\"]}", ".c2ln"},
        {header, "{\"exp\":1,\"iat\":1,\"exp\":99999999999}", ".c2ln"},
        {header, "{\"exp\":1,\"iat\":null}", ".c2ln"},
        {header, "{\"iat\":1}", ".c2ln"},
        {header, "{\"exp\":-1,\"iat\":1}", ".c2ln"},
        {header, "{\"exp\":1e9,\"iat\":1}", ".c2ln"},
        {header, "{\"exp\":\"1\",\"iat\":1}", ".c2ln"},
        {header, "{\"exp\":9999999999999,\"iat\":1}", ".c2ln"},
        {header, "{\"exp\":1,\"iat\":1,\"nbf\":null}", ".c2ln"},
        {header, "{\"exp\":1,\"iat\":1} ", ""},
        {header, claims, "."},
        {header, claims, ".c2ln.c2ln"},
        {header, claims, ".c2ln="},
        {header, claims, ".c2l+"},
        {header, claims, ".c2"},
        {header, claims, ".c2m "},
    };
    struct signer s = signer_new();
    struct gw_jwt t;
    struct gw_err err;

    CHECK(!gw_jwt_read(
        s.mem, gw_arena_printf(s.mem, "%s.%s.c2ln", part(&s, header), part(&s, claims)), &t, &err));
    CHECK(gw_str_is(t.kid, "k") && gw_str_is(t.iss, "i") && gw_str_is(t.aud, "a") &&
          gw_str_is(t.email, "e") && t.email_verified && t.exp_s == 20 && t.iat_s == 10 &&
          gw_str_is(t.signature, "sig"));
    CHECK(t.signed_text.len == strlen(part(&s, header)) + 1 + strlen(part(&s, claims)));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        CHECK(gw_jwt_read(s.mem,
                          gw_arena_printf(s.mem, "%s.%s%s", part(&s, bad[i].header),
                                          part(&s, bad[i].claims), bad[i].end),
                          &t, &err) == -1 &&
              err.kind == GW_ERR_REJECT);
    signer_free(&s);
}

TEST(test_base64_strict_takes_one_text_for_the_same_bytes)
{
    static const struct {
        const char *text;
        int url, ok;
    } cases[] = {{"", 0, 1},     {"", 1, 1},      {"YQ==", 0, 1}, {"YQ", 0, 0},   {"YQ", 1, 1},
                 {"YQ==", 1, 0}, {"YR==", 0, 0},  {"YR", 1, 0},   {"YWI=", 0, 1}, {"YWJ=", 0, 0},
                 {"YWI", 1, 1},  {"YWJ", 1, 0},   {"+/+/", 0, 1}, {"-_-_", 0, 0}, {"-_-_", 1, 1},
                 {"+/+/", 1, 0}, {"YQ=", 0, 0},   {"====", 0, 0}, {"Y===", 0, 0}, {"Y", 1, 0},
                 {"YQ=a", 0, 0}, {"YQ==\n", 0, 0}};

    mem = gw_arena_new();
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        CHECK((gw_base64_strict(mem, gw_str_of(cases[i].text), cases[i].url).p != NULL) ==
              cases[i].ok);
    CHECK(!gw_base64_strict(mem, (struct gw_str){"YQ\0", 3}, 1).p);
    gw_arena_free(mem);
}

/* ---- Pub/Sub ---- */

TEST(test_push_pubsub_unwraps_what_is_wrapped_and_nothing_else)
{
    static const struct {
        const char *body, *message;
    } cases[] = {
        {"{\"message\":{\"data\":\"YQ==\"},\"subscription\":\"s\"}", "a"},
        {"{\"subscription\":\"s\",\"deliveryAttempt\":1,\"message\":{\"data\":\"YQ==\"}}", "a"},
        {"{\"message\":{\"data\":\"YQ==\"},\"subscription\":\"s\",\"x\":1}", "a"},
        {"{\"message\":{\"data\":\"YQ==\"}}", "a"},
        {"{\"specversion\":\"1.0\",\"message\":{\"data\":\"YQ==\"}}", NULL},
        {"{\"message\":\"YQ==\",\"subscription\":\"s\"}", NULL},
        {"a", NULL}};

    mem = gw_arena_new();
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct gw_incoming in;
        struct gw_err err;

        CHECK(!gw_pubsub_push_read(mem, gw_str_of(cases[i].body), NULL, 0, &in, &err));
        CHECK(gw_str_is(in.body, cases[i].message ? cases[i].message : cases[i].body));
    }
    gw_arena_free(mem);
}

TEST(test_push_pubsub_attributes_have_a_bound_and_are_text)
{
    static const struct gw_http_header latin = {GW_STR("ce-id"), GW_STR("\xe9")},
                                       not_ours = {GW_STR("x-goog-pubsub-x"), GW_STR("\xe9")};
    struct gw_incoming in;
    struct gw_err err;
    struct gw_buf body;

    mem = gw_arena_new();
    for (int n = 256; n <= 257; n++) {
        gw_buf_init(&body, 10000, mem);
        gw_buf_puts(&body, "{\"message\":{\"attributes\":{\"a\":\"1\"");
        for (int i = 1; i < n; i++)
            gw_buf_printf(&body, ",\"a%d\":\"%d\"", i, i);
        gw_buf_puts(&body, "}}}");
        CHECK(gw_pubsub_push_read(mem, gw_buf_str(&body), NULL, 0, &in, &err) ==
              (n > 256 ? -1 : 0));
    }
    CHECK(err.kind == GW_ERR_REJECT && in.n_headers == 256);
    CHECK(gw_str_is(in.headers[255].name, "a255") && gw_str_is(in.headers[255].value, "255"));
    CHECK(gw_pubsub_push_read(mem, GW_STR("x"), &latin, 1, &in, &err) && err.kind == GW_ERR_REJECT);
    CHECK(!gw_pubsub_push_read(mem, GW_STR("x"), &not_ours, 1, &in, &err) && !in.n_headers);
    gw_arena_free(mem);
}

/* Data of somebody's, whose event's attributes are headers. */
TEST(test_push_pubsub_data_of_a_binary_event_may_look_like_what_is_wrapped)
{
    static const struct gw_http_header binary = {GW_STR("ce-specversion"), GW_STR("1.0")};
    struct gw_str body = GW_STR("{\"message\":{\"data\":\"YQ==\"},\"subscription\":7}");
    struct gw_incoming in;
    struct gw_err err;

    mem = gw_arena_new();
    CHECK(!gw_pubsub_push_read(mem, body, &binary, 1, &in, &err));
    CHECK(gw_str_eq(in.body, body) && in.n_headers == 1);
    CHECK(!gw_pubsub_push_read(mem, body, NULL, 0, &in, &err) && gw_str_is(in.body, "a"));
    body = GW_STR("{\"message\":{\"data\":\"YQ==\"},\"subscription\":\"s\"}");
    CHECK(!gw_pubsub_push_read(mem, body, &binary, 1, &in, &err) && gw_str_is(in.body, "a"));
    gw_arena_free(mem);
}

/* ---- with a front ---- */

static struct world w;
static char page[8000];

static const char *give(const char *head, const char *body)
{
    (void)head;
    (void)body;
    return page[0] ? page : NULL;
}

static struct gw_str notification(struct signer *s, const char *url)
{
    char now[GW_TIME_TEXT];
    struct gw_sns_push m = {.message = GW_STR("{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":"
                                              "\"/s\",\"type\":\"t\"}"),
                            .message_id = GW_STR("1"),
                            .topic = GW_STR(ARN),
                            .type_text = GW_STR("Notification")};
    struct gw_str text;
    struct gw_buf b;

    gw_time_format(gw_time_of_ns(gw_clock_wall_ns()), now);
    m.timestamp = gw_str_of(now);
    text = signer_sign(s, EVP_sha256(), gw_sns_push_signed(s->mem, &m, 1));
    gw_buf_init(&b, 10000, s->mem);
    gw_buf_printf(&b,
                  "{\"Type\":\"Notification\",\"MessageId\":\"1\",\"TopicArn\":\"" ARN
                  "\",\"Timestamp\":\"%s\",\"SignatureVersion\":\"2\",\"Signature\":\"%s\","
                  "\"SigningCertURL\":\"%s\",\"Message\":",
                  now, signer_base64(s, text, 0), url);
    gw_json_put_string(&b, m.message);
    gw_buf_putc(&b, '}');
    return gw_buf_str(&b);
}

TEST(test_push_is_answered_after_its_sync_and_who_left_is_forgotten)
{
    static const char *topics[] = {ARN};
    struct gw_http_call call = {0}, leaves = {0};
    struct signer s = signer_new();
    const char *prefix = http_server();
    struct gw_push_sns_conf sns = {{topics, 1}, {&prefix, 1}};
    const struct gw_push_conf conf = {.sns = &sns};
    struct gw_str body;

    world_open(&w, &gw_rest_handler);
    w.front.push = gw_push_new(&conf, &w.front);
    http_server_decide = give;
    body = notification(&s, gw_arena_printf(s.mem, "%s/a", prefix).p);
    world_start(&w, &leaves, "/v1/push/sns", "text/plain", body); /* its certificate never comes */
    world_settle(&w);
    CHECK(!world_ended(&w, &leaves));
    gw_http2_calls_cancel(w.client, &leaves);
    world_carry(&w);

    pthread_mutex_lock(&http_server_lock);
    snprintf(page, sizeof(page), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(signer_certificate(&s, -60, 60)), signer_certificate(&s, -60, 60));
    pthread_mutex_unlock(&http_server_lock);
    world_hold(1);
    body = notification(&s, gw_arena_printf(s.mem, "%s/b", prefix).p);
    world_start(&w, &call, "/v1/push/sns", "text/plain", body);
    while (!w.front.under_way) {
        world_carry(&w);
        gw_loop_turn(w.front.loop, 1);
    }
    world_settle(&w);
    CHECK(!world_ended(&w, &call) && call.status == 0);
    world_hold(0);
    world_wait(&w, &call);
    CHECK(call.status == 200 && world_accepted(&w) == 1 && w.pending == 0);
    world_close(&w);
    signer_free(&s);
}
