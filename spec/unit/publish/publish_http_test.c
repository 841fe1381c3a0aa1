#include "net/oauth.h"
#include "publish/publish_http.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "http_mock.h"
#include "test_arena.h"

#include <stdarg.h>

/* ---- signatures ---- */

TEST(test_publish_http_signs_as_standard_webhooks_says)
{
    struct gw_str key = gw_http_secret(test_arena(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    struct gw_http_signer s;
    char out[GW_HTTP_SIGNATURE];

    CHECK(key.len == 24);
    gw_http_signer_open(&s, key);
    for (int i = 0; i < 2; i++) { /* with the same key again */
        gw_http_sign(&s, GW_STR("msg_p5jXN8AQM9LWM0D4loKWxJek"), GW_STR("1614265330"),
                     GW_STR("{\"test\": 2432232314}"), out);
        CHECK(!strcmp(out, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }
    gw_http_sign(&s, GW_STR("msg_p5jXN8AQM9LWM0D4loKWxJek"), GW_STR("1614265331"),
                 GW_STR("{\"test\": 2432232314}"), out);
    CHECK(strcmp(out, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=") != 0);
    gw_http_signer_close(&s);
}

TEST(test_publish_http_secrets_may_lack_the_prefix_but_not_be_other_than_base64)
{
    CHECK(gw_http_secret(test_arena(), "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").len == 24);
    CHECK(!gw_http_secret(test_arena(), "whsec_not base64").p);
    CHECK(!gw_http_secret(test_arena(), "whsec_").len);
}

TEST(test_publish_http_webhook_id_of_a_batch_is_the_same_whenever_the_batch_is)
{
    struct gw_message m[3] = {{.next = &m[1], .event_id = GW_STR("a")},
                              {.next = &m[2], .event_id = GW_STR("b c\xc3\xa4")},
                              {.event_id = GW_STR("c")}};
    struct gw_str one = gw_http_webhook_id(m, 3, test_arena());

    CHECK(gw_str_is(gw_http_webhook_id(m, 1, test_arena()), "a"));
    CHECK(gw_str_is(gw_http_webhook_id(m + 1, 1, test_arena()), "b%20c%C3%A4"));
    CHECK(one.len == 38 && !memcmp(one.p, "batch_", 6));
    CHECK(gw_str_eq(one, gw_http_webhook_id(m, 3, test_arena())));
    CHECK(!gw_str_eq(one, gw_http_webhook_id(m, 2, test_arena())));
    m[0].event_id = GW_STR("ab");
    m[1].event_id = GW_STR(" c\xc3\xa4");
    CHECK(!gw_str_eq(one, gw_http_webhook_id(m, 3, test_arena())));
}

/* ---- answers ---- */

TEST(test_publish_http_impossible_is_said_only_of_messages)
{
    for (int status = 100; status < 600; status++) {
        const enum gw_outcome o = gw_http_outcome(status);

        if (status >= 200 && status < 300)
            CHECK(o == GW_DELIVERED);
        else if (status == 413)
            CHECK(o == GW_TOO_LARGE);
        else if (status == 400 || status == 415 || status == 422)
            CHECK(o == GW_IMPOSSIBLE);
        else
            CHECK(o == GW_TRY_AGAIN);
    }
}

TEST(test_publish_http_retry_after_is_seconds_or_a_date)
{
    const int64_t now = 784111777; /* Sun, 06 Nov 1994 08:49:37 GMT */
    static const struct {
        const char *text;
        int64_t ms;
    } all[] = {{"0", 0},
               {"1", 1000},
               {"120", 120000},
               {"86401", 86400000},
               {"99999999999999999999999999", 86400000},
               {"Sun, 06 Nov 1994 08:49:38 GMT", 1000},
               {"Sunday, 06-Nov-94 08:50:37 GMT", 60000},
               {"Sun Nov  6 08:49:39 1994", 2000},
               {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
               {"Sat, 05 Nov 1994 08:49:37 GMT", 0},
               {"Sun, 06 Nov 2033 08:49:37 GMT", 86400000},
               {"-1", 0},
               {"soon", 0},
               {"1.5", 0},
               {"", 0}};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (gw_http_retry_after_ms(gw_str_of(all[i].text), now) != all[i].ms) {
            fprintf(stderr, "%s\n", all[i].text);
            CHECK(!"another time");
        }
    CHECK(gw_http_retry_after_ms((struct gw_str){0}, now) == 0);
}

TEST(test_publish_http_why_is_one_line_of_clean_text)
{
    char text[2000], out[GW_HTTP_WHY];
    struct gw_fetch f = {.status = 400};

    f.answer = (struct gw_buf){.p = text, .max = sizeof(text)};
    f.answer.len =
        (size_t)snprintf(text, sizeof(text), "\r\n no\tsuch \x1b[1mthing\xff \n\n\xc3\xa4\n");
    gw_http_why(NULL, &f, "", out);
    CHECK(!strcmp(out, "HTTP 400: no such [1mthing? \xc3\xa4"));
    for (int i = 0; i < 1000; i++)
        memcpy(text + 2 * (size_t)i, "\xc3\xa4", 2);
    f.answer.len = sizeof(text);
    gw_http_why(NULL, &f, "x: ", out);
    CHECK(strlen(out) < GW_HTTP_WHY && strlen(out) > GW_HTTP_WHY - 4);
    CHECK(!memcmp(out, "x: HTTP 400: \xc3\xa4", 15) &&
          !memcmp(out + strlen(out) - 2, "\xc3\xa4", 2));
}

/* ---- tokens ---- */

static int64_t life_of(const char *json, const char *token)
{
    struct gw_oauth_token t;
    struct gw_err err;

    if (gw_oauth_token_read(gw_str_of(json), test_arena(), &t, &err))
        return -1;
    CHECK(gw_str_is(t.access_token, token));
    return t.lives_s;
}

TEST(test_publish_http_reads_tokens)
{
    CHECK(life_of("{\"access_token\":\"a.b-c\",\"token_type\":\"bearer\",\"expires_in\":3600}",
                  "a.b-c") == 3600);
    CHECK(life_of("{\"scope\":[{\"x\":1}],\"expires_in\":\"60\",\"access_token\":\"\\u0061\"}",
                  "a") == 60);
    CHECK(life_of("{\"access_token\":\"t\",\"expires_in\":1.5}", "t") == 1);
    CHECK(life_of("{\"access_token\":\"t\",\"expires_in\":null}", "t") == 0);
    CHECK(life_of("{\"access_token\":\"t\",\"expires_in\":-5}", "t") == 0);
    CHECK(life_of("{\"access_token\":\"t\",\"expires_in\":1e400}", "t") == 1);
    CHECK(life_of("{\"access_token\":\"t\",\"expires_in\":99999999999999999999}", "t") >=
          1000000000);
}

TEST(test_publish_http_refuses_what_is_no_token)
{
    static const char *const all[] = {"",
                                      "[]",
                                      "\"t\"",
                                      "{}",
                                      "{\"access_token\":\"\"}",
                                      "{\"access_token\":1}",
                                      "{\"access_token\":null}",
                                      "{\"access_token\":\"a b\"}",
                                      "{\"access_token\":\"a\\r\\nX: y\"}",
                                      "{\"access_token\":\"a\\u0000\"}",
                                      "{\"access_token\":\"\xc3\xa4\"}",
                                      "{\"access_token\":\"t\",\"token_type\":\"mac\"}",
                                      "{\"access_token\":\"t\",\"expires_in\":[]}",
                                      "{\"access_token\":\"t\"",
                                      "{\"access_token\":\"t\"}}",
                                      "{\"access_token\":\"t\",}",
                                      "{\"access_token\":\"\xff\"}",
                                      "<html>"};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (life_of(all[i], "t") != -1) {
            fprintf(stderr, "%s\n", all[i]);
            CHECK(!"taken");
        }
}

/* ---- consent ---- */

TEST(test_publish_http_consent_is_said_by_headers)
{
    const struct gw_str us = GW_STR("gw.example"), none = {0};
    int64_t every;

    CHECK(!gw_http_allowed(us, GW_STR("*"), none, &every) && every == 0);
    CHECK(!gw_http_allowed(us, GW_STR("GW.example"), GW_STR("*"), &every) && every == 0);
    CHECK(!gw_http_allowed(us, GW_STR("gw.example"), GW_STR("120"), &every) && every == 500000);
    CHECK(!gw_http_allowed(us, GW_STR("*"), GW_STR("999999999999999999999"), &every) && every == 0);
    CHECK(gw_http_allowed(us, none, none, &every));
    CHECK(gw_http_allowed(us, GW_STR(""), none, &every));
    CHECK(gw_http_allowed(us, GW_STR("gw.example.org"), none, &every));
    CHECK(gw_http_allowed(us, GW_STR("*"), GW_STR("0"), &every));
    CHECK(gw_http_allowed(us, GW_STR("*"), GW_STR("-1"), &every));
    CHECK(gw_http_allowed(us, GW_STR("*"), GW_STR("many"), &every));
    CHECK(gw_http_allowed(us, GW_STR("*"), GW_STR(""), &every));
}

/* ---- a publisher and its server ---- */

enum { N = 8 };
struct sender {
    struct gw_publish_http_conf conf;
    struct gw_publisher *p;
    struct gw_loop *loop;
    struct gw_message m[N];
    char said[400]; /* "0+ 1- …" in the order of results */
    char why[GW_HTTP_WHY];
    int64_t retry_after_ms;
    int results;
};

static void on_result(void *ctx, struct gw_message *m, const struct gw_result *r)
{
    struct sender *s = ctx;
    const size_t n = strlen(s->said);

    snprintf(s->said + n, sizeof(s->said) - n, "%.*s%c ", (int)m->event_id.len, m->event_id.p,
             "?+~-^"[r->outcome]);
    if (r->why)
        snprintf(s->why, sizeof(s->why), "%s", r->why);
    s->retry_after_ms = r->retry_after_ms;
    s->results++;
}

static void begin(struct sender *s)
{
    static const struct gw_format structured = {0};
    struct gw_err err;

    s->loop = gw_loop_new();
    s->p = gw_publish_http.open(&s->conf, &structured, s->loop, &err);
    CHECK(s->p);
    s->p->result = on_result;
    s->p->ctx = s;
    for (int i = 0; i < N; i++) {
        static const char *const ids = "0\0001\0002\0003\0004\0005\0006\0007";

        s->m[i] =
            (struct gw_message){.event_id = gw_str_of(ids + 2 * i), .body = gw_str_of(ids + 2 * i)};
    }
}

static void hand_over(struct sender *s, int from, int n)
{
    for (int i = from; i < from + n; i++)
        s->m[i].next = i + 1 < from + n ? &s->m[i + 1] : NULL;
    gw_publisher_send(s->p, &s->m[from]);
}

static void until(struct sender *s, int results)
{
    while (s->results < results)
        gw_loop_turn(s->loop, 1);
}

static void finish(struct sender *s)
{
    gw_publisher_close(s->p);
    gw_loop_free(s->loop);
}

static char seen[1000];

/* Refuses any batch with a 3 or a 5 in it. */
static const char *refuse_some(const char *head, const char *body)
{
    (void)head;
    strncat(seen, body, sizeof(seen) - strlen(seen) - 1);
    return strpbrk(body, "35") ? "HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nbad"
                               : HTTP_SERVER_OK;
}

TEST(test_publish_http_a_refused_batch_is_halved_until_the_guilty_are_alone)
{
    struct sender s = {0};

    http_server_decide = refuse_some;
    http_mock_conf(&s.conf);
    s.conf.common.batch.events = 100;
    begin(&s);
    hand_over(&s, 0, N);
    until(&s, N);
    CHECK(!strcmp(s.said, "0+ 1+ 2+ 3- 4+ 5- 6+ 7+ "));
    CHECK(!strcmp(s.why, "HTTP 400: bad"));
    CHECK(!strcmp(seen, "[0,1,2,3,4,5,6,7][0,1,2,3][0,1][2,3][2][3][4,5,6,7][4,5][4][5][6,7]"));
    finish(&s);
}

static const char *fail_behind(const char *head, const char *body)
{
    (void)head;
    if (strchr(body, ','))
        return "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n";
    return strchr(body, '2') ? "HTTP/1.1 503 No\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
                             : HTTP_SERVER_OK;
}

TEST(test_publish_http_nothing_of_a_batch_overtakes_what_is_to_be_tried_again)
{
    struct sender s = {0};

    http_server_decide = fail_behind;
    http_mock_conf(&s.conf);
    s.conf.common.batch.events = 100;
    begin(&s);
    hand_over(&s, 0, N);
    until(&s, N);
    CHECK(!strcmp(s.said, "0+ 1+ 2~ 3~ 4~ 5~ 6~ 7~ "));
    CHECK(s.retry_after_ms == 7000);
    finish(&s);
}

static int heads;
static const char *fall_silent(const char *head, const char *body)
{
    (void)head;
    (void)body;
    heads++;
    return NULL;
}

static int heads_seen(void)
{
    int n;

    pthread_mutex_lock(&http_server_lock);
    n = heads;
    pthread_mutex_unlock(&http_server_lock);
    return n;
}

TEST(test_publish_http_close_does_not_wait_for_a_silent_destination)
{
    struct sender s = {0};

    http_server_decide = fall_silent;
    http_mock_conf(&s.conf);
    begin(&s);
    for (int i = 0; i < N; i++)
        hand_over(&s, i, 1);
    while (heads_seen() < N)
        gw_loop_turn(s.loop, 0);
    CHECK(s.results == 0);
    finish(&s);
    CHECK(s.results == N && strchr(s.said, '~') && !strpbrk(s.said, "+-^"));
}

TEST(test_publish_http_a_timeout_is_tried_again)
{
    struct sender s = {0};

    http_server_decide = fall_silent;
    http_mock_conf(&s.conf);
    s.conf.timeout_ms = 200;
    begin(&s);
    hand_over(&s, 0, 1);
    until(&s, 1);
    CHECK(!strcmp(s.said, "0~ ") && (strstr(s.why, "timed out") || strstr(s.why, "Timeout")));
    finish(&s);
}

TEST(test_publish_http_a_destination_that_is_not_there_is_tried_again)
{
    struct sender s = {0};

    http_mock_conf(&s.conf);
    close(http_server_fd);
    s.conf.url = "http://127.0.0.1:1/";
    begin(&s);
    hand_over(&s, 0, 1);
    until(&s, 1);
    CHECK(!strcmp(s.said, "0~ ") && strstr(s.why, "Connection refused"));
    finish(&s);
}

/* ---- tokens and a server that wants them ---- */

static int tokens;
static const char *want_token(const char *head, const char *body)
{
    static char answer[300];
    char json[100], now[30];

    if (!strncmp(head, "POST /token ", 12)) {
        CHECK(strstr(body, "grant_type=client_credentials"));
        snprintf(json, sizeof(json), "{\"access_token\":\"t%d\",\"expires_in\":3600}", ++tokens);
        snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                 strlen(json), json);
        return answer;
    }
    snprintf(now, sizeof(now), "Bearer t%d\r\n", tokens < 2 ? 2 : tokens);
    return strstr(head, now) ? HTTP_SERVER_OK
                             : "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
}

static int64_t mono_ms = 1000;

static int64_t mono_by_hand(void)
{
    return mono_ms * 1000000;
}

TEST(test_publish_http_a_refused_token_is_fetched_anew_and_is_no_failure)
{
    char url[80];
    struct gw_http_oauth_conf oauth = {.token_url = url, .client_id = "i", .client_secret = "s"};
    struct sender s = {0};

    gw_clock_mono_ns = mono_by_hand;
    http_server_decide = want_token;
    http_mock_conf(&s.conf);
    snprintf(url, sizeof(url), "%.*s/token", (int)(strlen(s.conf.url) - 5), s.conf.url);
    s.conf.oauth = &oauth;
    begin(&s);
    for (int i = 0; i < N; i++)
        hand_over(&s, i, 1);
    while (s.results < N) { /* t1 is refused; not before a second has passed, t2 is asked for */
        gw_loop_turn(s.loop, 1);
        mono_ms += 400;
    }
    CHECK(!strpbrk(s.said, "~-^"));
    CHECK(tokens == 2);
    mono_ms += 3539 * 1000; /* a minute before its end, give or take what has passed */
    s.results = 0;
    while (tokens < 3) {
        hand_over(&s, 0, 1);
        until(&s, 1);
        s.results = 0;
    }
    finish(&s);
}
