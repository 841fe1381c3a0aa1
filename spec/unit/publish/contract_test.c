/* What publisher.h promises (P1 to P5), for every type. A type says how it is opened, how its
 * destination is broken and mended, and what the destination has. */
#include "publish/publisher.h"

#include "aws_mock.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "event/event.h"
#include "http_mock.h"
#include "kafka_mock.h"
#include "nats_mock.h"
#include "net/loop.h"
#include "publish/publish_file.h"
#include "publish/publish_kafka.h"
#include "publish/publish_pubsub.h"
#include "pubsub_server.h"
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct gw_format structured = {0};

/* ---- the types ---- */

struct type {
    const char *name;
    void (*fill)(void *conf);
    void (*fail)(void); /* the destination refuses everything; NULL: it cannot */
    void (*mend)(void);
    int keeps_order;
};

static int failing;

static int fake_sync(int fd)
{
    (void)fd;
    errno = EIO;
    return failing ? -1 : 0;
}

static void fill_file(void *conf)
{
    struct gw_publish_file_conf *c = conf;

    *c = (struct gw_publish_file_conf){
        .common = {.max_message_bytes = 1 << 20, .batch = {1000, 1 << 20, 0}},
        .path = "out.jsonl",
        .fsync = 1};
    gw_publish_file_sync = fake_sync;
}

static void fail_file(void)
{
    failing = 1;
}

static void mend_file(void)
{
    failing = 0;
}

static void fill_null(void *conf)
{
    *(struct gw_publish_common *)conf =
        (struct gw_publish_common){.max_message_bytes = 1 << 20, .batch = {1000, 1 << 20, 0}};
}

static void fill_kafka(void *conf)
{
    kafka_mock_conf(conf, "t");
}

static void fail_kafka(void)
{
    kafka_mock_refuse(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
}

static void fill_nats(void *conf)
{
    nats_mock_conf(conf);
}

static void fill_jetstream(void *conf)
{
    nats_mock_conf(conf);
    ((struct gw_publish_nats_conf *)conf)->jetstream = 1;
}

static void fill_http(void *conf)
{
    struct gw_publish_http_conf *c = conf;

    http_mock_conf(c);
    c->common.batch.events = 1000;
}

static void fill_sns(void *conf)
{
    aws_mock_conf(conf, "arn:aws:sns:us-east-1:1:t");
}

static void fill_sqs(void *conf)
{
    aws_mock_conf(conf, "https://sqs.us-east-1.amazonaws.com/1/q");
}

static void fill_pubsub(void *conf)
{
    setenv("PUBSUB_EMULATOR_HOST", "unused", 1); /* no tokens */
    *(struct gw_publish_pubsub_conf *)conf = (struct gw_publish_pubsub_conf){
        .common = {.max_message_bytes = 1 << 20, .batch = {100, 1 << 20, 0}},
        .project = "p1",
        .topic = "orders",
        .endpoint = pubsub_server()};
}

static const struct type types[] = {
    {"file", fill_file, fail_file, mend_file, 1},
    {"http", fill_http, http_server_fail, http_server_mend, 0},
    {"null", fill_null, NULL, NULL, 1},
    {"kafka", fill_kafka, fail_kafka, kafka_mock_accept, 1},
    {"nats", fill_nats, nats_mock_fail, nats_mock_mend, 0},
    {"nats", fill_jetstream, nats_mock_fail, nats_mock_mend, 0},
    {"pubsub", fill_pubsub, pubsub_fail, pubsub_mend, 0},
    {"sns", fill_sns, http_server_fail, http_server_mend, 0},
    {"sqs", fill_sqs, http_server_fail, http_server_mend, 0},
};

/* ---- a pipeline, as far as publishers see one ---- */

enum { N = 6 };
struct sender {
    struct gw_publisher *p;
    struct gw_loop *loop;
    struct gw_arena *mem;
    struct gw_message *m[N];
    int results[N];
    enum gw_outcome last[N];
    int inside_send, n_results;
    int64_t until;
};

static union {
    struct gw_aws_publish_conf aws;
    struct gw_publish_file_conf file;
    struct gw_publish_http_conf http;
    struct gw_publish_kafka_conf kafka;
    struct gw_publish_nats_conf nats;
    struct gw_publish_pubsub_conf pubsub;
} conf;

static void on_result(void *ctx, struct gw_message *m, const struct gw_result *r)
{
    struct sender *s = ctx;

    CHECK(!s->inside_send);
    CHECK(r->outcome == GW_DELIVERED || r->why);
    for (int i = 0; i < N; i++)
        if (s->m[i] == m) {
            s->results[i]++;
            s->last[i] = r->outcome;
            s->n_results++;
            return;
        }
    CHECK(!"a message that was not sent");
}

static void begin(struct sender *s, const struct type *t)
{
    const struct gw_publisher_ops *ops = gw_publisher_find(t->name);
    struct gw_err err;

    CHECK(ops);
    *s = (struct sender){.loop = gw_loop_new(), .mem = gw_arena_new()};
    t->fill(&conf);
    s->p = ops->open(&conf, &structured, s->loop, &err);
    CHECK(s->p);
    CHECK(s->p->keeps_order == t->keeps_order);
    s->p->result = on_result;
    s->p->ctx = s;
}

static void make(struct sender *s, int i)
{
    struct gw_event *ev = gw_arena_alloc(s->mem, sizeof(*ev));
    struct gw_err err;
    char id[2] = {(char)('a' + i), 0};

    gw_event_init(ev, s->mem);
    gw_event_set(ev, GW_STR("id"), gw_str_of(id));
    gw_event_set(ev, GW_STR("source"), GW_STR("/s"));
    gw_event_set(ev, GW_STR("type"), GW_STR("t"));
    free(s->m[i]);
    s->m[i] = calloc(1, sizeof(*s->m[i]));
    s->m[i]->key = GW_STR("k");
    CHECK(!s->p->ops->format(s->p, ev, NULL, s->mem, s->m[i], &err));
    CHECK(s->m[i]->bytes >= s->m[i]->body.len);
    CHECK(gw_str_is(s->m[i]->event_id, id));
}

static void hand_over(struct sender *s, int from, int n)
{
    for (int i = from; i < from + n; i++) {
        s->results[i] = 0;
        s->m[i]->next = i + 1 < from + n ? s->m[i + 1] : NULL;
    }
    s->inside_send = 1;
    gw_publisher_send(s->p, s->m[from]);
    s->inside_send = 0;
}

static void until(struct sender *s, int n_results)
{
    while (s->n_results < n_results)
        gw_loop_turn(s->loop, 1);
}

static void finish(struct sender *s)
{
    gw_publisher_close(s->p);
    for (int i = 0; i < N; i++)
        free(s->m[i]);
    gw_arena_free(s->mem);
    gw_loop_free(s->loop);
}

/* ---- the promises ---- */

static void one_result_each(const struct type *t)
{
    struct sender s;

    begin(&s, t);
    for (int i = 0; i < N; i++)
        make(&s, i);
    hand_over(&s, 0, N);
    CHECK(s.n_results == 0);
    until(&s, N);
    for (int i = 0; i < N; i++)
        CHECK(s.results[i] == 1 && s.last[i] == GW_DELIVERED);
    finish(&s);
    CHECK(s.n_results == N);
}

static void close_gives_results(const struct type *t)
{
    struct sender s;

    begin(&s, t);
    for (int i = 0; i < N; i++)
        make(&s, i);
    hand_over(&s, 0, N);
    gw_publisher_close(s.p);
    CHECK(s.n_results == N);
    for (int i = 0; i < N; i++)
        CHECK(s.results[i] == 1 && (s.last[i] == GW_DELIVERED || s.last[i] == GW_TRY_AGAIN));
    for (int i = 0; i < N; i++)
        free(s.m[i]);
    gw_arena_free(s.mem);
    gw_loop_free(s.loop);
}

static void all_are_tried_again(const struct type *t)
{
    struct sender s;
    const unsigned batches = 3;

    begin(&s, t);
    for (int i = 0; i < N; i++)
        make(&s, i);
    t->fail();
    for (unsigned b = 0; b < batches && b < s.p->limits.batches; b++)
        hand_over(&s, (int)(b * N / batches), N / (int)batches);
    until(&s, s.p->limits.batches < batches ? N / (int)batches : N);
    for (int i = 0; i < s.n_results; i++)
        CHECK(s.results[i] == 1 && s.last[i] == GW_TRY_AGAIN);
    s.n_results = 0;
    t->fail(); /* P3: however often, and also when they go one by one */
    hand_over(&s, 0, N);
    until(&s, N);
    for (int i = 0; i < N; i++)
        CHECK(s.results[i] == 1 && s.last[i] == GW_TRY_AGAIN);
    t->mend();
    s.n_results = 0;
    hand_over(&s, 0, N);
    until(&s, N);
    for (int i = 0; i < N; i++)
        CHECK(s.results[i] == 1 && s.last[i] == GW_DELIVERED);
    finish(&s);
}

TEST(test_publish_contract_one_result_for_each_message_and_never_inside_send)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        one_result_each(&types[i]);
}

TEST(test_publish_contract_close_gives_a_result_to_what_is_outstanding)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        close_gives_results(&types[i]);
}

TEST(test_publish_contract_a_failing_destination_means_try_again_for_all)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (types[i].fail)
            all_are_tried_again(&types[i]);
}

TEST(test_publish_contract_every_type_of_the_configuration_is_held_to_it)
{
    for (size_t n = 0; gw_publisher_variant(n); n++) {
        const char *name = gw_publisher_variant(n)->name;
        size_t i = 0;

        CHECK(gw_publisher_find(name));
        while (i < sizeof(types) / sizeof(types[0]) && strcmp(types[i].name, name) != 0)
            i++;
        CHECK(i < sizeof(types) / sizeof(types[0]));
    }
}
