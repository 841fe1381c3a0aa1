#include "publish/publish_kafka.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "event/event.h"
#include "event/format.h"
#include "flyte/flyte.h"
#include "kafka_mock.h"
#include "net/loop.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

/* ---- topic and key ---- */

static const char *topic_of(const char *text, const struct gw_flyte *f)
{
    static char out[300];
    struct gw_template t;
    struct gw_arena *mem = gw_arena_new();
    struct gw_str name;
    struct gw_err err;

    if (gw_template_parse(&gw_kafka_topic, text, &t, &err) ||
        gw_template_make(&t, f, mem, &name, &err))
        snprintf(out, sizeof(out), "! %s", err.msg);
    else
        snprintf(out, sizeof(out), "%.*s", (int)name.len, name.p);
    gw_arena_free(mem);
    return out;
}

TEST(test_kafka_topic_takes_the_fields_of_flyte)
{
    struct gw_flyte f = {.kind = GW_TASK,
                         .project = GW_STR("p"),
                         .domain = GW_STR("d"),
                         .phase = GW_STR("FAILED"),
                         .attempt = 2,
                         .failed = 1};

    CHECK(!strcmp(topic_of("plain", NULL), "plain"));
    CHECK(!strcmp(topic_of("{project}.{domain}-{kind}_{attempt}", &f), "p.d-task_2"));
    CHECK(!strcmp(topic_of("{phase}.{failed}.{terminal}", &f), "FAILED.true.false"));
    CHECK(!strcmp(topic_of("a{project}{project}b", &f), "appb"));
}

TEST(test_kafka_topic_of_an_event_without_the_field_is_an_error)
{
    const struct gw_flyte f = {.kind = GW_WORKFLOW, .project = GW_STR("p q"), .attempt = -1};

    CHECK(!strcmp(topic_of("{kind}", NULL), "! topic: the event has no kind"));
    CHECK(!strcmp(topic_of("x{node}", &f), "! topic: the event has no node"));
    CHECK(!strcmp(topic_of("x{attempt}", &f), "! topic: the event has no attempt"));
    CHECK(strstr(topic_of("x{project}", &f), "legal topic")); /* a space */
}

TEST(test_kafka_topic_of_any_length_stays_within_249)
{
    static char big[400];
    struct gw_flyte f = {.kind = GW_NODE, .project = {big, 249}};

    memset(big, 'x', sizeof(big) - 1);
    CHECK(strlen(topic_of("{project}", &f)) == 249);
    CHECK(topic_of("y{project}", &f)[0] == '!');
    f.project.len = 399;
    CHECK(topic_of("{project}", &f)[0] == '!');
    CHECK(topic_of(big, NULL)[0] == '!');
}

TEST(test_kafka_topic_template_says_what_is_wrong)
{
    CHECK(!strcmp(topic_of("{projct}", NULL),
                  "! flyte has no field \"projct\" (did you mean \"project\"?)"));
    CHECK(!strcmp(topic_of("a{project", NULL), "! { without }"));
    CHECK(strstr(topic_of("a b", NULL), "\" \" cannot be in a topic"));
    CHECK(topic_of("", NULL)[0] == '!');
}

/* ---- check ---- */

static const char *check_in(const struct gw_format *f, const char *yaml)
{
    static char out[2000];
    struct gw_problems p = {.mem = gw_arena_new()};
    struct gw_yaml *y = gw_yaml_parse("f", gw_str_of(yaml), 1, 1, &p);
    struct gw_publish_kafka_conf c = {0};
    size_t n = 0;

    CHECK(y);
    gw_fields_read(gw_kafka_fields, y, &c, &p, "publisher");
    gw_kafka_check(&c, f, &p, y);
    out[0] = '\0';
    for (size_t i = 0; i < p.n && n < sizeof(out); i++)
        n += (size_t)snprintf(out + n, sizeof(out) - n, "%d:%d: %s%s\n", p.items[i].line,
                              p.items[i].column,
                              p.items[i].severity == GW_PROBLEM_NOTE ? "note: "
                              : p.items[i].severity                  ? "warning: "
                                                                     : "",
                              p.items[i].text);
    gw_arena_free(p.mem);
    return out;
}

static const char *check(const char *yaml)
{
    return check_in(&(const struct gw_format){0}, yaml);
}

#define BASE "brokers: 'a:1,b:2'\ntopic: t\n"

TEST(test_kafka_check_finds_nothing_wrong_with_what_is_right)
{
    CHECK(!*check(BASE));
    CHECK(!*check(BASE "key: attr:team\ncompression: zstd\ntls: {}\n"
                       "sasl: {username: u, password: p}\nproperties: {linger.ms: 3}\n"));
}

TEST(test_kafka_check_names_forbidden_and_unknown_settings_where_they_stand)
{
    static const char *const forbidden[] = {"acks",
                                            "enable.idempotence",
                                            "message.timeout.ms",
                                            "transactional.id",
                                            "bootstrap.servers",
                                            "metadata.broker.list"};
    char yaml[200];

    for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
        snprintf(yaml, sizeof(yaml), BASE "properties:\n  client.id: x\n  %s: 1\n", forbidden[i]);
        CHECK(!strncmp(check(yaml), "5:3: ", 5) && strstr(check(yaml), forbidden[i]));
    }
    CHECK(!strcmp(check(BASE "properties: {lingr.ms: 1}\n"),
                  "3:14: properties: librdkafka has no setting \"lingr.ms\" (did you mean "
                  "\"linger.ms\"?)\n"));
    CHECK(strstr(check(BASE "properties: {linger.ms: soon}\n"), "3:14: properties: linger.ms:"));
}

TEST(test_kafka_check_looks_at_topic_key_tls_and_sasl)
{
    CHECK(!strncmp(check("brokers: a\ntopic: 'x{projet}'\n"), "2:8: topic: flyte has no", 24));
    CHECK(!strncmp(check(BASE "key: ky\n"), "3:6: key: \"ky\" is none of", 25));
    CHECK(!strncmp(check(BASE "tls: {cert: c.pem}\n"), "3:6: tls: cert and key", 22));
    CHECK(!strncmp(check(BASE "sasl: {username: u}\n"), "3:7: sasl: PLAIN needs", 22));
    CHECK(strstr(check(BASE "sasl: {mechanism: PLAN, username: u, password: p}\n"),
                 "3:19: sasl.mechanism: \"PLAN\" is none of"));
}

TEST(test_kafka_check_warns_of_scram_where_librdkafka_cannot)
{
    const char *said = check(BASE "sasl: {mechanism: SCRAM-SHA-512, username: u, password: p}\n");

    CHECK(rd_kafka_version() < 0x02060100 ? !strncmp(said, "3:19: warning: sasl.mechanism", 29)
                                          : !*said);
}

TEST(test_kafka_check_notes_where_it_departs_from_flyteadmin)
{
    static const char *const all = BASE "key: key\nproperties:\n  partitioner: murmur2\n";
    static const char *const same = BASE "key: id\nproperties: {partitioner: fnv1a}\n";
    struct gw_format f = {.style = GW_STYLE_FLYTEADMIN, .mode = GW_MODE_STRUCTURED};

    CHECK(!strcmp(check_in(&f, all),
                  "1:1: note: format.mode: structured is sent, FlyteAdmin's messages are binary\n"
                  "3:6: note: key: FlyteAdmin's is id; with another one messages go to other "
                  "partitions\n"
                  "5:16: note: properties: FlyteAdmin's partitioner is fnv1a_random; another one "
                  "sends messages to other partitions\n"));
    f.mode = GW_MODE_BINARY;
    CHECK(!*check_in(&f, same) && !*check_in(&f, BASE));
    f.style = GW_STYLE_FLYTEADMIN_V2;
    CHECK(!strncmp(check_in(&f, all), "3:6: note: key", 14));
    f.style = GW_STYLE_FLYTEADMIN_EXTERNAL;
    CHECK(!*check_in(&f, all));
    CHECK(!*check(all));
}

/* ---- messages ---- */

static struct gw_message message(const struct gw_publish_kafka_conf *c, const struct gw_format *f,
                                 struct gw_arena *mem, const char *data)
{
    struct gw_loop *l = gw_loop_new();
    struct gw_event ev;
    struct gw_err err;
    struct gw_publisher *p = gw_publisher_find("kafka")->open(c, f, l, &err);
    struct gw_message m = {.key = GW_STR("record")};

    CHECK(p);
    gw_event_init(&ev, mem);
    gw_event_set(&ev, GW_STR("id"), GW_STR("1"));
    gw_event_set(&ev, GW_STR("source"), GW_STR("/s"));
    gw_event_set(&ev, GW_STR("type"), GW_STR("t"));
    gw_event_set(&ev, GW_STR("team"), GW_STR("ml"));
    if (data) {
        ev.data_kind = GW_DATA_BYTES;
        ev.data = gw_str_of(data);
    }
    CHECK(!p->ops->format(p, &ev, NULL, mem, &m, &err));
    gw_publisher_close(p);
    gw_loop_free(l);
    return m;
}

TEST(test_publish_kafka_keys_and_headers)
{
    static const struct {
        const char *conf, *key;
    } keys[] = {
        {"key", "record"}, {"id", "1"}, {"attr:team", "ml"}, {"none", NULL}, {"attr:nosuch", NULL}};
    const struct gw_format structured = {0}, binary = {.mode = GW_MODE_BINARY},
                           proto = {.protobuf = 1};
    struct gw_publish_kafka_conf c;
    struct gw_arena *mem = gw_arena_new();
    struct gw_message m;

    kafka_mock_conf(&c, "t");
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        c.key = keys[i].conf;
        m = message(&c, &structured, mem, "x");
        CHECK(keys[i].key ? gw_str_is(m.key, keys[i].key) : !m.key.p);
    }
    CHECK(m.n_headers == 1 && gw_str_is(m.headers[0].value, "application/cloudevents+json"));
    m = message(&c, &proto, mem, "x");
    CHECK(gw_str_is(m.headers[0].value, "application/cloudevents+protobuf"));
    m = message(&c, &binary, mem, "x");
    CHECK(gw_str_is(m.headers[0].name, "ce_id") && gw_str_is(m.body, "x") && m.n_headers == 5);
    m = message(&c, &binary, mem, NULL);
    CHECK(!m.body.p);
    gw_arena_free(mem);
}

TEST(test_publish_kafka_in_flyteadmins_styles_has_its_key_unless_one_is_written)
{
    static const struct {
        const char *conf, *key;
    } keys[] = {{NULL, "1"},         {"key", "record"}, {"id", "1"},
                {"attr:team", "ml"}, {"none", NULL},    {"attr:nosuch", NULL}};
    struct gw_publish_kafka_conf c;
    struct gw_arena *mem = gw_arena_new();
    struct gw_message m;

    kafka_mock_conf(&c, "t");
    for (int style = GW_STYLE_FLYTEADMIN; style < GW_STYLES; style++)
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
            const struct gw_format f = {.style = style};

            c.key = keys[i].conf;
            m = message(&c, &f, mem, "x");
            CHECK(keys[i].key ? gw_str_is(m.key, keys[i].key) : !m.key.p);
            CHECK(gw_str_is(m.headers[0].name, "ce_id") && gw_str_is(m.body, "x"));
        }
    c.key = NULL;
    m = message(&c, &(const struct gw_format){0}, mem, "x");
    CHECK(gw_str_is(m.key, "record"));
    m = message(&c,
                &(const struct gw_format){.style = GW_STYLE_FLYTEADMIN, .mode = GW_MODE_STRUCTURED},
                mem, "x");
    CHECK(m.n_headers == 1 && gw_str_is(m.key, "1"));
    gw_arena_free(mem);
}

static const char *partitioner_of(struct gw_publish_kafka_conf *c, int style)
{
    static char value[64];
    size_t size = sizeof(value);
    struct gw_err err;
    rd_kafka_conf_t *rk = gw_kafka_conf(c, style, &err);

    CHECK(rk && !rd_kafka_conf_get(rk, "partitioner", value, &size));
    rd_kafka_conf_destroy(rk);
    return value;
}

TEST(test_publish_kafka_in_flyteadmins_styles_has_its_partitioner_unless_one_is_written)
{
    struct gw_pair written = {"partitioner", "murmur2"};
    struct gw_publish_kafka_conf c;

    kafka_mock_conf(&c, "t");
    CHECK(!strcmp(partitioner_of(&c, GW_STYLE_FLYTEADMIN), "fnv1a_random"));
    CHECK(!strcmp(partitioner_of(&c, GW_STYLE_FLYTEADMIN_EXTERNAL), "fnv1a_random"));
    c.properties = (struct gw_pairs){&written, 1};
    CHECK(!strcmp(partitioner_of(&c, GW_STYLE_FLYTEADMIN), "murmur2"));
    CHECK(!strcmp(partitioner_of(&c, GW_STYLE_DOCUMENTED), "murmur2"));
}

/* ---- results ---- */

struct seen {
    char text[200];
    int n, trouble, take_back;
    char why[240];
};

static void on_result(void *ctx, struct gw_message *m, const struct gw_result *r)
{
    static const char signs[] = {
        [GW_DELIVERED] = '+', [GW_TRY_AGAIN] = '?', [GW_IMPOSSIBLE] = '!', [GW_TOO_LARGE] = '>'};
    struct seen *s = ctx;
    size_t n = strlen(s->text);

    snprintf(s->text + n, sizeof(s->text) - n, "%c%c ", signs[r->outcome], m->event_id.p[0]);
    s->n++;
}

static int on_trouble(void *ctx, const char *why)
{
    struct seen *s = ctx;

    s->trouble++;
    snprintf(s->why, sizeof(s->why), "%s", why);
    return s->take_back;
}

static void make(struct gw_message *m, const char *ids)
{
    static const struct gw_header h = {GW_STR("content-type"), GW_STR("text/plain")};

    for (size_t i = 0; ids[i]; i++)
        m[i] = (struct gw_message){.next = ids[i + 1] ? &m[i + 1] : NULL,
                                   .event_id = {ids + i, 1},
                                   .body = {ids + i, 1},
                                   .key = GW_STR("k"),
                                   .headers = &h,
                                   .n_headers = 1};
}

static struct gw_publisher *open_kafka(const struct gw_publish_kafka_conf *c, struct gw_loop *l,
                                       struct seen *s)
{
    const struct gw_format structured = {0};
    struct gw_err err;
    struct gw_publisher *p = gw_publisher_find("kafka")->open(c, &structured, l, &err);

    CHECK(p);
    p->result = on_result;
    p->trouble = on_trouble;
    p->ctx = s;
    return p;
}

static void until(struct gw_loop *l, const struct seen *s, int n)
{
    while (s->n < n)
        gw_loop_turn(l, 1);
}

TEST(test_publish_kafka_blames_only_the_message_that_is_refused_alone)
{
    struct gw_publish_kafka_conf c;
    struct gw_loop *l = gw_loop_new();
    struct seen s = {.n = 0};
    struct gw_pair linger = {"linger.ms", "50"}; /* one request for the batch */
    struct gw_publisher *p;
    struct gw_message m[3];

    kafka_mock_conf(&c, "t");
    c.properties = (struct gw_pairs){&linger, 1};
    p = open_kafka(&c, l, &s);
    make(m, "abc");
    /* The batch, then b alone. */
    rd_kafka_mock_push_request_errors(
        kafka_mock(), KAFKA_PRODUCE, 3, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
        RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    gw_publisher_send(p, m);
    until(l, &s, 3);
    CHECK(!strcmp(s.text, "?a ?b ?c "));
    make(m, "abc");
    gw_publisher_send(p, m);
    until(l, &s, 6);
    if (strcmp(s.text, "?a ?b ?c +a >b +c ") != 0)
        fprintf(stderr, "%s\n", s.text);
    CHECK(!strcmp(s.text, "?a ?b ?c +a >b +c "));
    gw_publisher_close(p);
    gw_loop_free(l);
}

TEST(test_publish_kafka_calls_a_message_over_librdkafkas_limit_too_large_at_once)
{
    enum { BIG = 5000 };
    struct gw_publish_kafka_conf c;
    struct gw_loop *l = gw_loop_new();
    struct seen s = {.n = 0};
    struct gw_pair limit = {"message.max.bytes", "1000"};
    struct gw_publisher *p;
    struct gw_message m[2];
    char *big = calloc(1, BIG);

    kafka_mock_conf(&c, "t");
    c.properties = (struct gw_pairs){&limit, 1};
    p = open_kafka(&c, l, &s);
    make(m, "ab");
    m[0].body = (struct gw_str){big, BIG};
    gw_publisher_send(p, m);
    CHECK(s.n == 0);
    until(l, &s, 2);
    CHECK(strstr(s.text, ">a ") && strstr(s.text, "+b "));
    gw_publisher_close(p);
    gw_loop_free(l);
    free(big);
}

TEST(test_publish_kafka_tells_of_trouble_and_goes_on_trying_by_itself)
{
    struct gw_publish_kafka_conf c;
    struct gw_loop *l = gw_loop_new();
    struct seen s = {.n = 0};
    struct gw_publisher *p;
    struct gw_message m[1];

    kafka_mock_conf(&c, "t");
    rd_kafka_mock_broker_set_down(kafka_mock(), 1);
    p = open_kafka(&c, l, &s);
    make(m, "a");
    gw_publisher_send(p, m);
    while (!s.trouble)
        gw_loop_turn(l, 1);
    CHECK(s.n == 0 && s.why[0]);
    rd_kafka_mock_broker_set_up(kafka_mock(), 1);
    until(l, &s, 1);
    CHECK(!strcmp(s.text, "+a "));
    gw_publisher_close(p);
    gw_loop_free(l);
}

TEST(test_publish_kafka_gives_everything_back_when_the_pipeline_gives_up)
{
    struct gw_publish_kafka_conf c;
    struct gw_loop *l = gw_loop_new();
    struct seen s = {.take_back = 1};
    struct gw_publisher *p;
    struct gw_message m[2];

    kafka_mock_conf(&c, "t");
    rd_kafka_mock_broker_set_down(kafka_mock(), 1);
    p = open_kafka(&c, l, &s);
    make(m, "ab");
    gw_publisher_send(p, m);
    until(l, &s, 2);
    CHECK(!strcmp(s.text, "?a ?b "));
    gw_publisher_close(p);
    gw_loop_free(l);
}
