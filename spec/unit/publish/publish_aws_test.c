/* SNS and SQS: what is sent, what each answer means, keys and clocks that are refused. */
#include "aws_mock.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/header.h"
#include "base/problems.h"
#include "base/text.h"
#include "base/yaml.h"
#include "event/event.h"
#include "net/loop.h"
#include "publish/messages.h"
#include "publish/publisher.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 12, ANSWERS = 8, BODY = 16384 };
static const char topic[] = "arn:aws:sns:eu-1:1:t", queue[] = "http://127.0.0.1/1/q";

/* Answers in turn, the last one again and again; what came. */
static const char *answers[ANSWERS];
static int n_answers;
static char bodies[ANSWERS][BODY], heads[ANSWERS][4096];
static int n_requests;

static const char *in_turn(const char *head, const char *body)
{
    const int i = n_requests < ANSWERS ? n_requests : ANSWERS - 1;

    snprintf(heads[i], sizeof(heads[i]), "%s", head);
    snprintf(bodies[i], sizeof(bodies[i]), "%s", body);
    n_requests++;
    return answers[i < n_answers ? i : n_answers - 1];
}

static const char *http(const char *status, const char *body)
{
    static char kept[ANSWERS][4096];
    static int n;
    char *p = kept[n++ % ANSWERS];

    snprintf(p, sizeof(kept[0]), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status,
             strlen(body), body);
    return p;
}

#define XML_ERROR(code, message)                                                                   \
    "<ErrorResponse><Error><Type>Sender</Type><Code>" code "</Code><Message>" message              \
    "</Message></Error></ErrorResponse>"
#define GOOD(id) "<member><Id>" id "</Id></member>"
#define BAD(id, code, message)                                                                     \
    "<member><Id>" id "</Id><Code>" code "</Code><Message>" message                                \
    "</Message><SenderFault>true</SenderFault></member>"
#define RESULT(good, bad)                                                                          \
    "<PublishBatchResponse "                                                                       \
    "xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishBatchResult>"                      \
    "<Failed>" bad "</Failed><Successful>" good "</Successful></PublishBatchResult>"               \
    "</PublishBatchResponse>"

struct sender {
    struct gw_publisher *p;
    struct gw_aws_publish_conf conf;
    struct gw_format format;
    struct gw_loop *loop;
    struct gw_arena *mem;
    struct gw_message m[MOST];
    enum gw_outcome outcome[MOST];
    char why[MOST][GW_AWS_WHY];
    int64_t retry_after_ms;
    int n_results;
    int again; /* a result makes the message go again at once, so often */
};

static void on_result(void *ctx, struct gw_message *m, const struct gw_result *r)
{
    struct sender *s = ctx;
    const ptrdiff_t i = m - s->m;

    CHECK(!s->outcome[i]);
    s->outcome[i] = r->outcome;
    snprintf(s->why[i], sizeof(s->why[i]), "%s", r->why ? r->why : "");
    s->retry_after_ms = r->retry_after_ms;
    s->n_results++;
    if (s->again && s->again--) {
        s->outcome[i] = 0;
        m->next = NULL;
        gw_publisher_send(s->p, m);
    }
}

static void open_it(struct sender *s, const char *type, const char *to)
{
    struct gw_err err;

    memset(s, 0, sizeof(*s));
    aws_mock_conf(&s->conf, to);
    s->loop = gw_loop_new();
    s->mem = gw_arena_new();
    http_server_decide = in_turn;
    n_requests = 0;
    s->p = gw_publisher_find(type)->open(&s->conf, &s->format, s->loop, &err);
    CHECK(s->p);
    s->p->result = on_result;
    s->p->ctx = s;
}

static void close_it(struct sender *s)
{
    gw_publisher_close(s->p);
    gw_loop_free(s->loop);
    gw_arena_free(s->mem);
    http_server_decide = NULL;
}

static struct gw_event *event_of(struct sender *s, const char *id)
{
    struct gw_event *ev = gw_arena_alloc(s->mem, sizeof(*ev));

    gw_event_init(ev, s->mem);
    gw_event_set(ev, GW_STR("id"), gw_str_of(id));
    gw_event_set(ev, GW_STR("source"), GW_STR("/s"));
    gw_event_set(ev, GW_STR("type"), GW_STR("t"));
    return ev;
}

static int format_it(struct sender *s, int i, const struct gw_event *ev, struct gw_err *err)
{
    s->m[i] = (struct gw_message){.key = GW_STR("p:d:x y")};
    return s->p->ops->format(s->p, ev, NULL, s->mem, &s->m[i], err);
}

/* n messages in one batch, until all have a result. */
static void send_them(struct sender *s, int n)
{
    struct gw_message *batch = NULL;
    struct gw_err err;

    for (int i = 0; i < n; i++) {
        const char id[] = {(char)('a' + i), 0};

        CHECK(!format_it(s, i, event_of(s, id), &err));
        gw_messages_append(&batch, &s->m[i]);
    }
    memset(s->outcome, 0, sizeof(s->outcome));
    s->n_results = 0;
    gw_publisher_send(s->p, batch);
    CHECK(!s->n_results);
    while (s->n_results < n)
        gw_loop_turn(s->loop, 1);
}

static int posted(int i, const char *text)
{
    if (i < n_requests && strstr(bodies[i], text))
        return 1;
    fprintf(stderr, "%s\n", bodies[i]);
    return 0;
}

/* ---- what is sent ---- */

TEST(test_publish_sns_sends_a_batch_with_subjects_and_attributes)
{
    struct gw_message *batch = NULL;
    struct gw_event *ev;
    struct sender s;
    struct gw_err err;

    answers[0] = http("200 OK", RESULT(GOOD("0"), ""));
    n_answers = 1;
    open_it(&s, "sns", topic);
    s.conf.attributes = (struct gw_strs){(const char *[]){"type", "team", "n"}, 3};
    ev = event_of(&s, "a&b");
    gw_event_set(ev, GW_STR("subject"), GW_STR(" \xc3\xa9t\xc3\xa9\tdone "));
    gw_event_set_int(ev, GW_STR("n"), -5);
    CHECK(!format_it(&s, 0, ev, &err));
    gw_messages_append(&batch, &s.m[0]);
    gw_publisher_send(s.p, batch);
    while (!s.n_results)
        gw_loop_turn(s.loop, 1);
    CHECK(s.outcome[0] == GW_DELIVERED);
    CHECK(posted(0, "Action=PublishBatch&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns%3Aeu-1%3A1%3At"
                    "&PublishBatchRequestEntries.member.1.Id=0"));
    CHECK(posted(0, ".member.1.Message=%7B%22specversion%22%3A%221.0%22%2C%22id%22%3A%22a%26b%22"));
    CHECK(posted(0, ".member.1.Subject=%3Ft%3F%20done&"));
    CHECK(posted(0, "MessageAttributes.entry.1.Name=type&PublishBatchRequestEntries.member.1."
                    "MessageAttributes.entry.1.Value.DataType=String&PublishBatchRequestEntries."
                    "member.1.MessageAttributes.entry.1.Value.StringValue=t&"));
    CHECK(posted(0, "MessageAttributes.entry.2.Name=n&"));
    CHECK(!strstr(bodies[0], "team") && !strstr(bodies[0], "MessageGroupId"));
    CHECK(strstr(heads[0], "Credential=AKIDTEST/") && strstr(heads[0], "/us-east-1/sns/"));
    close_it(&s);
}

TEST(test_publish_sns_fifo_has_a_group_and_keeps_repeats_out)
{
    struct sender s;

    answers[0] = http("200 OK", RESULT(GOOD("0"), ""));
    n_answers = 1;
    open_it(&s, "sns", "arn:aws:sns:eu-1:1:t.fifo");
    CHECK(s.p->one_a_key);
    send_them(&s, 1);
    /* the key has a space, which no group may have: its hash */
    CHECK(posted(0, ".MessageGroupId="
                    "e4ee25ccc653acb4d2cab57a4cf27f1eb8d56684abc0e86f71437f1332648405"));
    CHECK(posted(0, ".MessageDeduplicationId=a"));
    close_it(&s);
}

TEST(test_publish_aws_group_is_key_id_or_an_attribute)
{
    static const struct {
        const char *group;
        size_t problems;
    } cases[] = {{"key", 0},  {"id", 0},    {"attr:team", 0}, {"none", 1},
                 {"keys", 1}, {"attr:", 1}, {"attr:A b", 1}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gw_problems p = {.mem = gw_arena_new()};
        struct gw_yaml *y = gw_yaml_parse("f", GW_STR("{group: x}"), 1, 1, &p);
        const struct gw_aws_publish_conf c = {.group = cases[i].group};

        gw_aws_publish_check(&c, &p, y);
        CHECK(p.n == cases[i].problems);
        gw_arena_free(p.mem);
    }
}

TEST(test_publish_aws_fifo_ids_are_as_they_are_or_a_hash)
{
    struct gw_arena *mem = gw_arena_new();
    char long_id[130];

    memset(long_id, 'x', sizeof(long_id));
    CHECK(gw_str_is(gw_aws_fifo_id(mem, GW_STR("p:d:x!~")), "p:d:x!~"));
    CHECK(gw_aws_fifo_id(mem, (struct gw_str){long_id, 128}).p == long_id);
    CHECK(gw_aws_fifo_id(mem, (struct gw_str){long_id, 129}).len == 64);
    CHECK(gw_str_is(gw_aws_fifo_id(mem, GW_STR("")),
                    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    CHECK(gw_aws_fifo_id(mem, GW_STR("a b")).len == 64);
    CHECK(gw_aws_fifo_id(mem, GW_STR("\xc3\xa9")).len == 64);
    gw_arena_free(mem);
}

TEST(test_publish_sqs_sends_json_and_names_the_character_it_does_not_take)
{
    struct gw_event *ev;
    struct sender s;
    struct gw_err err;

    answers[0] = http("200 OK", "{\"Failed\":null,\"Successful\":[{\"Id\":\"0\"},{\"Id\":\"1\"}]}");
    n_answers = 1;
    open_it(&s, "sqs", queue);
    s.conf.attributes = (struct gw_strs){(const char *[]){"type"}, 1};
    send_them(&s, 2);
    CHECK(s.outcome[0] == GW_DELIVERED && s.outcome[1] == GW_DELIVERED);
    CHECK(posted(0, "{\"QueueUrl\":\"http://127.0.0.1/1/q\",\"Entries\":[{\"Id\":\"0\","
                    "\"MessageBody\":\"{\\\"specversion\\\":\\\"1.0\\\",\\\"id\\\":\\\"a\\\""));
    CHECK(posted(0, "\"MessageAttributes\":{\"type\":{\"DataType\":\"String\",\"StringValue\":\"t\""
                    "}}}"));
    CHECK(strstr(heads[0], "x-amz-target: AmazonSQS.SendMessageBatch"));
    ev = event_of(&s, "a");
    ev->data_kind = GW_DATA_JSON;
    ev->data = GW_STR("\"\xef\xbf\xbf\"");
    CHECK(format_it(&s, 0, ev, &err) && err.kind == GW_ERR_REJECT);
    CHECK(strstr(err.msg, "SQS takes no U+FFFF (byte "));
    close_it(&s);
}

TEST(test_publish_aws_a_hooks_attribute_is_one_that_aws_takes)
{
    static const struct {
        const char *name, *value, *why;
    } cases[] = {
        {"n", "a\tb\xc3\xa9", NULL},
        {"n", "", "a message attribute is not empty"},
        {"n", "a\x01", "a message attribute: SQS takes no U+0001 (byte 1 of the text)"},
        {"n", "\xef\xbf\xbe", "a message attribute: SQS takes no U+FFFE (byte 0 of the text)"},
        {"n", "a\xff", "a message attribute is UTF-8"},
        {"AWS.x", "v",
         "a message attribute's name has letters, digits, _ - . and does not begin "
         "with AWS. or Amazon."},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gw_err err = {.msg = ""};
        const int rc =
            gw_aws_attribute_check(gw_str_of(cases[i].name), gw_str_of(cases[i].value), &err);

        CHECK(rc == (cases[i].why ? -1 : 0) && (!rc || !strcmp(err.msg, cases[i].why)));
    }
}

TEST(test_publish_aws_a_hooks_attribute_comes_instead_of_the_events)
{
    static const struct gw_header own[] = {{GW_STR("type"), GW_STR("mine")},
                                           {GW_STR("more"), GW_STR("m")}};
    static const struct gw_route route = {.headers = own, .n_headers = 2};
    struct gw_event *ev;
    struct sender s;
    struct gw_err err;

    open_it(&s, "sqs", queue);
    s.conf.attributes = (struct gw_strs){(const char *[]){"source", "type"}, 2};
    ev = event_of(&s, "a");
    ev->route = &route;
    CHECK(!format_it(&s, 0, ev, &err) && s.m[0].n_headers == 3);
    CHECK(gw_str_is(s.m[0].headers[0].value, "/s") && gw_str_is(s.m[0].headers[1].value, "mine"));
    CHECK(gw_str_is(s.m[0].headers[2].name, "more"));
    close_it(&s);
}

TEST(test_publish_aws_too_large_is_known_before_it_is_sent)
{
    struct gw_event *ev;
    struct sender s;
    struct gw_err err;
    char *data;

    open_it(&s, "sns", topic);
    s.p->limits.message_bytes = 1000;
    s.conf.attributes = (struct gw_strs){(const char *[]){"big"}, 1};
    data = gw_arena_alloc(s.mem, 600);
    memset(data, 'x', 600);
    ev = event_of(&s, "a");
    gw_event_set(ev, GW_STR("big"), (struct gw_str){data, 400});
    CHECK(!format_it(&s, 0, ev, &err)); /* once in the event, once as an attribute */
    gw_event_set(ev, GW_STR("big"), (struct gw_str){data, 500});
    CHECK(format_it(&s, 0, ev, &err) && err.kind == GW_ERR_TOO_LARGE);
    close_it(&s);
}

/* ---- what answers mean ---- */

TEST(test_publish_sns_entries_that_failed_are_told_alone)
{
    struct sender s;

    answers[0] =
        http("200 OK", RESULT(GOOD("0") GOOD("3"),
                              BAD("1", "InvalidParameter", "Invalid parameter: Subject")
                                  BAD("2", "InternalError", "again &amp; again")
                                      BAD("4", "InvalidParameter", "Invalid parameter: TopicArn")
                                          BAD("5", "InvalidParameter", "Message too long")
                                              BAD("7", "KMSAccessDenied", "no")));
    n_answers = 1;
    open_it(&s, "sns", topic);
    send_them(&s, 8);
    CHECK(n_requests == 1);
    CHECK(s.outcome[0] == GW_DELIVERED && s.outcome[3] == GW_DELIVERED);
    CHECK(s.outcome[1] == GW_IMPOSSIBLE);
    CHECK(!strcmp(s.why[1], "SNS: InvalidParameter: Invalid parameter: Subject"));
    CHECK(s.outcome[2] == GW_TRY_AGAIN && !strcmp(s.why[2], "SNS: InternalError: again & again"));
    CHECK(s.outcome[4] == GW_TRY_AGAIN); /* it is the topic's fault */
    CHECK(s.outcome[5] == GW_TOO_LARGE);
    CHECK(s.outcome[6] == GW_TRY_AGAIN);
    CHECK(!strcmp(s.why[6], "SNS: the answer does not say what became of it"));
    CHECK(s.outcome[7] == GW_TRY_AGAIN &&
          !strcmp(s.why[7], "SNS: KMSAccessDenied: no: does the policy of the key that encrypts it "
                            "allow it?"));
    close_it(&s);
}

TEST(test_publish_sns_a_batch_refused_whole_is_halved_until_the_guilty_is_alone)
{
    struct sender s;

    answers[0] = http("400 Bad Request", XML_ERROR("InvalidParameter", "one of them"));
    answers[1] = http("400 Bad Request", XML_ERROR("InvalidParameter", "one of two"));
    answers[2] = http("400 Bad Request", XML_ERROR("InvalidParameter", "this one"));
    answers[3] = http("200 OK", RESULT(GOOD("0") GOOD("1"), ""));
    n_answers = 4;
    open_it(&s, "sns", topic);
    send_them(&s, 4);
    CHECK(s.outcome[0] == GW_IMPOSSIBLE);
    CHECK(!strcmp(s.why[0], "SNS: InvalidParameter: this one (HTTP 400)"));
    for (int i = 1; i < 4; i++)
        CHECK(s.outcome[i] == GW_DELIVERED);
    CHECK(n_requests == 5); /* 4, 2, 1, 1, 2 */
    close_it(&s);
}

/* What stands before the service has a bound of its own, and speaks no XML. */
TEST(test_publish_sns_a_batch_that_is_too_large_on_its_way_is_halved)
{
    struct sender s;

    answers[0] = answers[1] = http("413 Content Too Large", "<html>");
    answers[2] = http("200 OK", RESULT(GOOD("0"), ""));
    n_answers = 3;
    open_it(&s, "sns", topic);
    send_them(&s, 2);
    CHECK(s.outcome[0] == GW_TOO_LARGE && !strcmp(s.why[0], "SNS: HTTP 413"));
    CHECK(s.outcome[1] == GW_DELIVERED && n_requests == 3);
    close_it(&s);
}

TEST(test_publish_sns_everything_else_is_tried_again_all_of_it)
{
    static const struct {
        const char *status, *body, *why;
    } cases[] = {
        {"400 Bad Request", XML_ERROR("Throttling", "Rate exceeded"),
         "SNS: Throttling: Rate exceeded (HTTP 400)"},
        {"503 Service Unavailable", "", "SNS: HTTP 503"},
        {"404 Not Found", XML_ERROR("NotFound", "Topic does not exist"),
         "SNS: NotFound: Topic does not exist (HTTP 404): is it made, in this region and account?"},
        {"403 Forbidden", XML_ERROR("AuthorizationError", "not allowed"),
         "SNS: AuthorizationError: not allowed (HTTP 403): does a policy allow it?"},
        {"400 Bad Request", XML_ERROR("InvalidParameter", "Invalid parameter: TopicArn"),
         "SNS: InvalidParameter: Invalid parameter: TopicArn (HTTP 400)"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sender s;

        answers[0] = http(cases[i].status, cases[i].body);
        n_answers = 1;
        open_it(&s, "sns", topic);
        send_them(&s, 3);
        CHECK(n_requests == 1);
        for (int k = 0; k < 3; k++) {
            CHECK(s.outcome[k] == GW_TRY_AGAIN);
            if (strcmp(s.why[k], cases[i].why) != 0) {
                fprintf(stderr, "%s\n", s.why[k]);
                exit(1);
            }
        }
        close_it(&s);
    }
}

TEST(test_publish_sqs_errors_are_read_from_json_and_from_the_header)
{
    struct sender s;

    answers[0] =
        http("400 Bad Request\r\nx-amzn-query-error: "
             "AWS.SimpleQueueService.NonExistentQueue;Sender",
             "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\",\"message\":\"The queue is "
             "not\"}");
    n_answers = 1;
    open_it(&s, "sqs", queue);
    send_them(&s, 1);
    CHECK(s.outcome[0] == GW_TRY_AGAIN);
    if (strcmp(s.why[0], "SQS: AWS.SimpleQueueService.NonExistentQueue: The queue is not (HTTP "
                         "400): is it made, in this region and account?") != 0) {
        fprintf(stderr, "%s\n", s.why[0]);
        exit(1);
    }
    close_it(&s);
}

/* ---- keys and clocks ---- */

static int64_t (*real_mono)(void);
static int64_t later_ns;
static int64_t later_mono(void)
{
    return real_mono() + later_ns;
}

TEST(test_publish_aws_keys_that_are_refused_are_read_again_and_it_is_no_failure)
{
    struct sender s;

    real_mono = gw_clock_mono_ns;
    gw_clock_mono_ns = later_mono;
    answers[0] = answers[2] = http("200 OK", RESULT(GOOD("0"), ""));
    answers[1] = http("403 Forbidden", XML_ERROR("ExpiredToken", "it has ended"));
    answers[3] = answers[1];
    n_answers = 4;
    open_it(&s, "sns", topic);
    send_them(&s, 1);
    setenv("AWS_ACCESS_KEY_ID", "AKIDNEW", 1);
    later_ns = 6LL * 1000000000;
    send_them(&s, 1);
    CHECK(s.outcome[0] == GW_DELIVERED && n_requests == 3);
    CHECK(strstr(heads[1], "Credential=AKIDTEST/") && strstr(heads[2], "Credential=AKIDNEW/"));
    send_them(&s, 1); /* they were read a moment ago */
    CHECK(s.outcome[0] == GW_TRY_AGAIN && n_requests == 4);
    CHECK(!strcmp(s.why[0],
                  "SNS: ExpiredToken: it has ended (HTTP 403): the session has ended: are "
                  "there newer keys?"));
    close_it(&s);
    gw_clock_mono_ns = real_mono;
}

static int64_t off_ns;
static int64_t (*real_wall)(void);
static int64_t wrong_wall(void)
{
    return real_wall() + off_ns;
}

static int was_signed_before(int i, const char *then)
{
    const char *date = strstr(heads[i], "x-amz-date: ");

    CHECK(date);
    return strncmp(date + strlen("x-amz-date: "), then, strlen(then)) < 0;
}

TEST(test_publish_aws_corrects_the_clock_by_the_services)
{
    char refused[512], date[64], then[32];
    const time_t now = time(NULL);
    struct sender s;
    struct tm tm;

    real_wall = gw_clock_wall_ns;
    off_ns = -7200LL * 1000000000;
    gw_clock_wall_ns = wrong_wall;
    gmtime_r(&now, &tm);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    strftime(then, sizeof(then), "%Y%m%dT%H%M%SZ", &tm);
    snprintf(refused, sizeof(refused),
             "HTTP/1.1 403 Forbidden\r\nDate: %s\r\nContent-Length: %zu\r\n\r\n%s", date,
             strlen(XML_ERROR("SignatureDoesNotMatch", "Signature expired")),
             XML_ERROR("SignatureDoesNotMatch", "Signature expired"));
    answers[0] = refused;
    answers[1] = http("200 OK", RESULT(GOOD("0"), ""));
    n_answers = 2;
    open_it(&s, "sns", topic);
    send_them(&s, 1);
    CHECK(s.outcome[0] == GW_DELIVERED && n_requests == 2);
    send_them(&s, 1);
    CHECK(s.outcome[0] == GW_DELIVERED && n_requests == 3); /* by the right clock from then on */
    CHECK(was_signed_before(0, then) && !was_signed_before(1, then) && !was_signed_before(2, then));
    close_it(&s);
    gw_clock_wall_ns = real_wall;
}

TEST(test_publish_aws_without_keys_says_where_they_were_looked_for)
{
    struct sender s;

    open_it(&s, "sns", topic);
    unsetenv("AWS_ACCESS_KEY_ID");
    setenv("AWS_SHARED_CREDENTIALS_FILE", "none", 1);
    setenv("AWS_CONFIG_FILE", "none", 1);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    send_them(&s, 2);
    CHECK(s.outcome[0] == GW_TRY_AGAIN && s.outcome[1] == GW_TRY_AGAIN && !n_requests);
    CHECK(strstr(s.why[0], "AWS credentials: no AWS credentials: neither AWS_ACCESS_KEY_ID nor"));
    close_it(&s);
}

TEST(test_publish_aws_regions_and_topics_of_others_go_in_calls_of_their_own)
{
    struct gw_message *batch = NULL;
    struct sender s;
    struct gw_err err;

    answers[0] = http("200 OK", RESULT(GOOD("0") GOOD("1"), ""));
    n_answers = 1;
    open_it(&s, "sns", topic);
    for (int i = 0; i < 4; i++) {
        CHECK(!format_it(&s, i, event_of(&s, "a"), &err));
        if (i > 1)
            s.m[i].topic = GW_STR("arn:aws:sns:eu-1:1:other");
        gw_messages_append(&batch, &s.m[i]);
    }
    gw_publisher_send(s.p, batch);
    while (s.n_results < 4)
        gw_loop_turn(s.loop, 1);
    CHECK(n_requests == 2 && posted(0, "%3A1%3At&") && posted(1, "%3A1%3Aother&"));
    CHECK(s.outcome[0] == GW_DELIVERED && s.outcome[3] == GW_DELIVERED);
    close_it(&s);
}

/* ---- what others do meanwhile ---- */

static void send_one(struct sender *s, int i)
{
    struct gw_err err;

    s->outcome[i] = 0;
    CHECK(!format_it(s, i, event_of(s, "a"), &err));
    gw_publisher_send(s->p, &s->m[i]);
}

static void until(struct sender *s, int n)
{
    while (s->n_results < n)
        gw_loop_turn(s->loop, 1);
}

TEST(test_publish_aws_a_refused_call_waits_for_the_keys_that_another_worker_asks_for)
{
    const struct gw_aws_keys fresh = {GW_STR("AKIDNEW"), GW_STR("S"), {0}};
    struct gw_aws_credentials *c = gw_aws_credentials_hold();
    struct sender s;
    int64_t ms;

    answers[0] = answers[2] = http("200 OK", RESULT(GOOD("0"), ""));
    answers[1] = http("403 Forbidden", XML_ERROR("ExpiredToken", "it has ended"));
    n_answers = 3;
    open_it(&s, "sns", topic);
    send_them(&s, 1);
    real_mono = gw_clock_mono_ns;
    later_ns = 6LL * 1000000000;
    gw_clock_mono_ns = later_mono;
    s.n_results = 0;
    send_one(&s, 0); /* it goes with the old keys */
    CHECK(gw_aws_credentials_begin(c, 1, 1, &ms) == GW_TURN_ASK);
    while (!((struct gw_aws_publisher *)s.p)->client.waiting && !s.n_results)
        gw_loop_turn(s.loop, 1);
    CHECK(n_requests == 2 && !s.n_results);
    gw_aws_credentials_end(c, &fresh, 0, NULL);
    until(&s, 1);
    CHECK(s.outcome[0] == GW_DELIVERED && n_requests == 3);
    CHECK(strstr(heads[1], "Credential=AKIDTEST/") && strstr(heads[2], "Credential=AKIDNEW/"));
    close_it(&s);
    gw_aws_credentials_drop(c);
    gw_clock_mono_ns = real_mono;
}

TEST(test_publish_aws_a_call_signed_by_the_wrong_clock_goes_again_though_another_corrected_it)
{
    struct sender s;

    answers[0] = answers[2] = http("200 OK", RESULT(GOOD("0"), ""));
    answers[1] = http("403 Forbidden", XML_ERROR("RequestTimeTooSkewed", "no"));
    n_answers = 3;
    open_it(&s, "sns", topic);
    send_them(&s, 1);
    s.n_results = 0;
    send_one(&s, 0);
    gw_aws_skew_set(((struct gw_aws_publisher *)s.p)->client.credentials, 7200);
    until(&s, 1);
    CHECK(s.outcome[0] == GW_DELIVERED && n_requests == 3);
    close_it(&s);
}

/* What is sent again out of a result waits behind others for keys: it is not forgotten. */
TEST(test_publish_aws_nothing_waits_for_keys_for_ever)
{
    struct sender s;

    open_it(&s, "sns", topic);
    unsetenv("AWS_ACCESS_KEY_ID");
    setenv("AWS_SHARED_CREDENTIALS_FILE", "none", 1);
    setenv("AWS_CONFIG_FILE", "none", 1);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    s.again = 1;
    send_one(&s, 0);
    send_one(&s, 1);
    until(&s, 3);
    CHECK(s.outcome[0] == GW_TRY_AGAIN && s.outcome[1] == GW_TRY_AGAIN && !n_requests);
    close_it(&s);
}

static void write_config(const char *text)
{
    FILE *f = fopen("config", "w");

    CHECK(f && fputs(text, f) >= 0 && !fclose(f));
}

TEST(test_publish_aws_closes_while_keys_are_asked_for_and_others_ask_then)
{
    struct gw_aws_credentials *c = gw_aws_credentials_hold();
    struct sender s;
    int64_t ms;

    open_it(&s, "sns", topic);
    unsetenv("AWS_ACCESS_KEY_ID");
    setenv("HOME", ".", 1);
    setenv("AWS_CONFIG_FILE", "config", 1);
    write_config("[default]\ncredential_process = sleep 1000\n");
    send_one(&s, 0);
    CHECK(gw_aws_credentials_begin(c, 0, 0, &ms) == GW_TURN_WAIT);
    close_it(&s);
    CHECK(s.n_results == 1 && s.outcome[0] == GW_TRY_AGAIN);
    CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD); /* the command is gone, and reaped */
    CHECK(gw_aws_credentials_begin(c, 0, 0, &ms) == GW_TURN_ASK);
    gw_aws_credentials_drop(c);
}

#define KEYS(id)                                                                                   \
    "{\"AccessKeyId\":\"" id "\",\"SecretAccessKey\":\"S\",\"Expiration\":\"2099-01-01T00:00:"     \
    "00Z\"}"

static void write_keys(int fd, const char *text)
{
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && !close(fd));
}

/* The keys are renewed in time, which takes a while, and are good for nothing meanwhile. */
TEST(test_publish_aws_keys_that_are_refused_while_they_are_renewed_are_not_used_again)
{
    struct sender s;
    int fd;

    answers[0] = answers[2] = http("200 OK", RESULT(GOOD("0"), ""));
    answers[1] = http("403 Forbidden", XML_ERROR("ExpiredToken", "it has ended"));
    n_answers = 3;
    open_it(&s, "sns", topic);
    unsetenv("AWS_ACCESS_KEY_ID");
    setenv("HOME", ".", 1);
    setenv("AWS_CONFIG_FILE", "config", 1);
    write_config("[default]\ncredential_process = cat keys\n");
    write_keys(open("keys", O_CREAT | O_WRONLY, 0600), KEYS("AKIDOLD"));
    send_them(&s, 1);
    CHECK(s.outcome[0] == GW_DELIVERED && !unlink("keys") && !mkfifo("keys", 0600));
    real_mono = gw_clock_mono_ns;
    later_ns = 40LL * 365 * 86400 * 1000000000; /* more than half of their life */
    gw_clock_mono_ns = later_mono;
    s.n_results = 0;
    send_one(&s, 0);
    while (!((struct gw_aws_publisher *)s.p)->client.waiting && !s.n_results)
        gw_loop_turn(s.loop, 1);
    CHECK(n_requests == 2 && !s.n_results);
    while ((fd = open("keys", O_WRONLY | O_NONBLOCK)) < 0) /* until the command reads */
        CHECK(errno == ENXIO);
    write_keys(fd, KEYS("AKIDNEW"));
    until(&s, 1);
    CHECK(s.outcome[0] == GW_DELIVERED && n_requests == 3);
    CHECK(strstr(heads[1], "Credential=AKIDOLD/") && strstr(heads[2], "Credential=AKIDNEW/"));
    close_it(&s);
    gw_clock_mono_ns = real_mono;
}

TEST(test_publish_aws_an_endpoint_that_is_no_url_is_named)
{
    struct sender s;

    open_it(&s, "sns", topic);
    gw_publisher_close(s.p);
    s.conf.endpoint = NULL;
    setenv("AWS_ENDPOINT_URL", "localhost:4566", 1);
    s.p = gw_publisher_find("sns")->open(&s.conf, &s.format, s.loop, NULL);
    s.p->result = on_result;
    s.p->ctx = &s;
    send_one(&s, 0);
    until(&s, 1);
    CHECK(s.outcome[0] == GW_TRY_AGAIN && !n_requests);
    CHECK(strstr(s.why[0], "SNS: AWS_ENDPOINT_URL_SNS, AWS_ENDPOINT_URL or the profile's "));
    close_it(&s);
}

TEST(test_publish_aws_shows_nothing_of_the_request_that_a_refusal_quotes)
{
    struct sender s;

    answers[0] = http("403 Forbidden",
                      XML_ERROR("SignatureDoesNotMatch", "No match.\n\nThe Canonical String should "
                                                         "be\nx-amz-security-token:TOKEN"));
    n_answers = 1;
    open_it(&s, "sns", topic);
    send_them(&s, 1);
    CHECK(!strcmp(s.why[0], "SNS: SignatureDoesNotMatch: No match. (HTTP 403): is the secret key "
                            "the access key id's, and our clock right?"));
    close_it(&s);
}

TEST(test_publish_aws_retry_after_is_handed_on)
{
    struct sender s;

    answers[0] = http("503 Service Unavailable\r\nRetry-After: 7", "");
    n_answers = 1;
    open_it(&s, "sqs", queue);
    send_them(&s, 1);
    CHECK(s.outcome[0] == GW_TRY_AGAIN && s.retry_after_ms == 7000);
    close_it(&s);
}

TEST(test_publish_aws_a_replay_is_no_repeat_of_a_fifo_topic)
{
    char id[GW_AWS_WHY];
    struct gw_message m = {.event_id = GW_STR("a"), .replay = 7};
    struct sender s;
    struct gw_err err;

    answers[0] = http("200 OK", RESULT(GOOD("0"), ""));
    answers[1] = http("200 OK", "{\"Successful\":[{\"Id\":\"0\"}]}");
    n_answers = 2;
    open_it(&s, "sns", "arn:aws:sns:eu-1:1:t.fifo");
    CHECK(!format_it(&s, 0, event_of(&s, "a"), &err));
    s.m[0].replay = 7;
    gw_publisher_send(s.p, &s.m[0]);
    until(&s, 1);
    CHECK(posted(0, ".MessageDeduplicationId=a%3Ar7"));
    memset(id, 'x', sizeof(id));
    m.event_id = (struct gw_str){id, 127};
    CHECK(gw_aws_dedup_id((struct gw_aws_publisher *)s.p, s.mem, &m).len ==
          64); /* too long with what is added */
    close_it(&s);
}

TEST(test_publish_aws_fifo_tells_events_with_one_id_of_flyteadmin_apart)
{
    const struct gw_message a = {.event_id = GW_STR("i"), .body = GW_STR("1")},
                            b = {.event_id = GW_STR("i"), .body = GW_STR("2")};
    struct gw_aws_publisher *p;
    struct sender s;

    open_it(&s, "sns", "arn:aws:sns:eu-1:1:t.fifo");
    p = (struct gw_aws_publisher *)s.p;
    CHECK(gw_str_is(gw_aws_dedup_id(p, s.mem, &a), "i"));
    p->flyteadmin.style = GW_STYLE_FLYTEADMIN;
    CHECK(gw_str_eq(gw_aws_dedup_id(p, s.mem, &a), gw_aws_dedup_id(p, s.mem, &a)));
    CHECK(!gw_str_eq(gw_aws_dedup_id(p, s.mem, &a), gw_aws_dedup_id(p, s.mem, &b)));
    close_it(&s);
}

/* ---- two workers ---- */

static _Atomic int64_t jumped_ns;
static int64_t jumping_mono(void)
{
    return real_mono() + jumped_ns;
}

/* Every third request is refused, and time passes, so keys may be asked for again. */
static const char *often_refused(const char *head, const char *body)
{
    (void)head, (void)body;
    if (++n_requests % 3)
        return answers[0];
    jumped_ns += 6LL * 1000000000;
    return answers[1];
}

static void *work(void *arg)
{
    enum { TIMES = 40 };
    struct gw_aws_publish_conf conf = *(struct gw_aws_publish_conf *)arg;
    struct sender *s = calloc(1, sizeof(*s));
    struct gw_err err;

    CHECK(s);
    s->conf = conf;
    s->loop = gw_loop_new();
    s->mem = gw_arena_new();
    s->p = gw_publisher_find("sns")->open(&s->conf, &s->format, s->loop, &err);
    s->p->result = on_result;
    s->p->ctx = s;
    for (int i = 0; i < TIMES; i++) {
        s->n_results = 0;
        for (int k = 0; k < 4; k++)
            send_one(s, k);
        until(s, 4);
    }
    gw_publisher_close(s->p);
    gw_loop_free(s->loop);
    gw_arena_free(s->mem);
    free(s);
    return NULL;
}

TEST(test_publish_aws_two_workers_share_keys_that_are_refused_again_and_again)
{
    struct gw_aws_publish_conf conf;
    pthread_t t[2];

    real_mono = gw_clock_mono_ns;
    gw_clock_mono_ns = jumping_mono;
    answers[0] = http("200 OK", RESULT(GOOD("0"), ""));
    answers[1] = http("403 Forbidden", XML_ERROR("ExpiredToken", "it has ended"));
    aws_mock_conf(&conf, topic);
    http_server_decide = often_refused;
    for (int i = 0; i < 2; i++)
        CHECK(!pthread_create(&t[i], NULL, work, &conf));
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    CHECK(n_requests >= 2 * 40 * 4);
    http_server_decide = NULL;
    gw_clock_mono_ns = real_mono;
}
