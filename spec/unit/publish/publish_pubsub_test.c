/* Pub/Sub: what is sent, what each answer means, what goes together and in which order. */
#include "publish/publish_pubsub.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/online.h"
#include "event/event.h"
#include "event/route.h"
#include "flyte/flyte.h"
#include "net/loop.h"
#include "publish/messages.h"
#include "pubsub_server.h"
#include "test.h"

enum { MOST = 16, CALLS = 64, KEPT = 2048 };

/* What came, as text: "topic|key|data{a=b}data…", and the answers in turn, the last one again. */
static char calls[CALLS][KEPT], params[CALLS][200];
static int n_calls;
static struct pubsub_said answers[CALLS];
static int n_answers;
static const char *guilty; /* the message with this data is refused, and whoever is with it */

static void show(struct gw_buf *out, struct gw_str message)
{
    struct gw_pbwire w = {message.p, message.p + message.len}, inner;
    struct gw_pbwire_field f, g;
    struct gw_str key = {0}, data = {0};
    struct gw_buf attributes;

    gw_buf_init(&attributes, KEPT, NULL);
    while (gw_pbwire_next(&w, &f) == 1) {
        if (f.number == 1)
            data = f.bytes;
        if (f.number == 5)
            key = f.bytes;
        if (f.number != 2)
            continue;
        inner = (struct gw_pbwire){f.bytes.p, f.bytes.p + f.bytes.len};
        while (gw_pbwire_next(&inner, &g) == 1) {
            gw_buf_puts(&attributes, g.number == 1 ? "," : "=");
            gw_buf_put_str(&attributes, g.bytes);
        }
    }
    gw_buf_printf(out, "|%.*s|%.*s{%.*s}", (int)key.len, key.p ? key.p : "", (int)data.len,
                  data.p ? data.p : "", (int)attributes.len, attributes.p ? attributes.p : "");
    gw_buf_free(&attributes);
}

static struct pubsub_said in_turn(struct gw_http_stream *s, struct gw_str request)
{
    struct gw_pbwire w = {request.p, request.p + request.len};
    const struct gw_str *p = gw_http_get(s, "x-goog-request-params");
    const int i = n_calls < CALLS ? n_calls : CALLS - 1;
    struct gw_pbwire_field f;
    struct gw_buf out;

    gw_buf_init(&out, 1 << 20, NULL);
    while (gw_pbwire_next(&w, &f) == 1)
        if (f.number == 1)
            gw_buf_put_str(&out, f.bytes);
        else
            show(&out, f.bytes);
    snprintf(calls[i], KEPT, "%.*s", (int)out.len, out.p);
    snprintf(params[i], sizeof(params[0]), "%.*s", p ? (int)p->len : 0, p ? p->p : "");
    n_calls++;
    gw_buf_free(&out);
    if (guilty)
        return strstr(calls[i], guilty)
                   ? (struct pubsub_said){.code = GW_RPC_INVALID_ARGUMENT, .why = "bad data"}
                   : (struct pubsub_said){0};
    return answers[i < n_answers ? i : n_answers - 1];
}

struct sender {
    struct gw_publisher *p;
    struct gw_publish_pubsub_conf conf;
    struct gw_format format;
    struct gw_loop *loop;
    struct gw_arena *mem;
    struct gw_message m[MOST];
    enum gw_outcome outcome[MOST];
    char why[MOST][GW_TO_PUBSUB_WHY];
    int64_t retry_after_ms;
    int n_results;
    int order[MOST]; /* of the results */
};

static void on_result(void *ctx, struct gw_message *m, const struct gw_result *r)
{
    struct sender *s = ctx;
    const ptrdiff_t i = m - s->m;

    CHECK(!s->outcome[i]);
    s->outcome[i] = r->outcome;
    snprintf(s->why[i], sizeof(s->why[i]), "%s", r->why ? r->why : "");
    s->retry_after_ms = r->retry_after_ms;
    s->order[s->n_results++] = (int)i;
}

static void conf_of(struct gw_publish_pubsub_conf *c)
{
    setenv("PUBSUB_EMULATOR_HOST", "unused", 1); /* no tokens */
    *c = (struct gw_publish_pubsub_conf){
        .common = {.max_message_bytes = 10000000, .batch = {100, 1000000, 0}},
        .project = "p1",
        .topic = "orders",
        .endpoint = pubsub_server(),
        .ordering = GW_ORDERING_NONE};
}

/* The configuration may be changed in between. */
static void begin(struct sender *s)
{
    memset(s, 0, sizeof(*s));
    conf_of(&s->conf);
    s->loop = gw_loop_new();
    s->mem = gw_arena_new();
    s->format.mode = GW_MODE_BINARY; /* data as it is, so that the calls can be read */
    pubsub_decide = in_turn;
    answers[0] = (struct pubsub_said){0};
    n_answers = 1;
    n_calls = 0;
}

static void open_it(struct sender *s)
{
    struct gw_err err;

    s->p = gw_publisher_find("pubsub")->open(&s->conf, &s->format, s->loop, &err);
    CHECK(s->p);
    s->p->result = on_result;
    s->p->ctx = s;
}

static void close_it(struct sender *s)
{
    gw_publisher_close(s->p);
    gw_loop_free(s->loop);
    gw_arena_free(s->mem);
    pthread_mutex_lock(&pubsub_lock);
    pubsub_decide = NULL;
    guilty = NULL;
    pthread_mutex_unlock(&pubsub_lock);
}

static struct gw_event *event_of(struct sender *s, const char *data)
{
    struct gw_event *ev = gw_arena_zalloc(s->mem, sizeof(*ev));

    gw_event_init(ev, s->mem);
    gw_event_set(ev, GW_STR("id"), GW_STR("i"));
    gw_event_set(ev, GW_STR("source"), GW_STR("/s"));
    gw_event_set(ev, GW_STR("type"), GW_STR("t"));
    ev->data = gw_str_of(data);
    ev->data_kind = GW_DATA_BYTES;
    return ev;
}

static int format_it(struct sender *s, int i, const struct gw_event *ev, const char *key,
                     struct gw_err *err)
{
    s->m[i] = (struct gw_message){.key = gw_str_of(key)};
    return s->p->ops->format(s->p, ev, NULL, s->mem, &s->m[i], err);
}

static void until(struct sender *s, int n)
{
    while (s->n_results < n)
        gw_loop_turn(s->loop, 1);
}

/* A letter is a message, its data: "abc" three of one key; "aAbB" of two keys, by the case. */
static void send_them(struct sender *s, const char *letters)
{
    struct gw_message *batch = NULL;
    struct gw_err err;

    memset(s->outcome, 0, sizeof(s->outcome));
    s->n_results = 0;
    for (int i = 0; letters[i]; i++) {
        char *data = gw_arena_strndup(s->mem, &letters[i], 1);

        CHECK(!format_it(s, i, event_of(s, data), *data < 'a' ? "UPPER" : "lower", &err));
        gw_messages_append(&batch, &s->m[i]);
    }
    gw_publisher_send(s->p, batch);
    CHECK(!s->n_results);
    until(s, (int)strlen(letters));
}

/* The data of a call's messages, in order. */
static int has(int i, const char *letters)
{
    char got[KEPT];
    size_t n = 0;

    for (const char *at = calls[i]; (at = strchr(at, '{')); at++)
        got[n++] = at[-1];
    got[n] = 0;
    if (i < n_calls && !strcmp(got, letters))
        return 1;
    fprintf(stderr, "%d of %d: %s\n", i, n_calls, calls[i]);
    return 0;
}

/* ---- what is sent ---- */

TEST(test_publish_pubsub_binary_has_ce_attributes_as_they_are_and_the_data)
{
    struct sender s;
    struct gw_event *ev;
    struct gw_err err;

    begin(&s);
    s.conf.attributes = (struct gw_strs){(const char *[]){"team", "none", "specversion"}, 3};
    open_it(&s);
    ev = event_of(&s, "x");
    gw_event_set(ev, GW_STR("datacontenttype"), GW_STR("a/b"));
    gw_event_set(ev, GW_STR("team"), GW_STR("m\xc3\xbc \"%"));
    CHECK(!format_it(&s, 0, ev, "k", &err));
    gw_publisher_send(s.p, &s.m[0]);
    until(&s, 1);
    CHECK(s.outcome[0] == GW_DELIVERED);
    CHECK(!strcmp(calls[0], "projects/p1/topics/orders||x{,ce-id=i,ce-source=/s,ce-specversion=1.0,"
                            "ce-type=t,content-type=a/b,ce-team=m\xc3\xbc \"%,team=m\xc3\xbc \"%,"
                            "specversion=1.0}"));
    CHECK(!strcmp(params[0], "topic=projects/p1/topics/orders"));
    close_it(&s);
}

TEST(test_publish_pubsub_structured_says_so_in_content_type)
{
    struct sender s;
    struct gw_err err;

    begin(&s);
    s.format.mode = GW_MODE_BY_STYLE;
    open_it(&s);
    CHECK(!format_it(&s, 0, event_of(&s, "x"), "k", &err));
    CHECK(!memcmp(s.m[0].body.p, "{\"specversion\":\"1.0\",\"id\":\"i\"", 29));
    CHECK(s.m[0].n_headers == 1 && gw_str_is(s.m[0].headers[0].name, "content-type") &&
          gw_str_is(s.m[0].headers[0].value, "application/cloudevents+json"));
    ((struct gw_to_pubsub *)s.p)->protobuf = 1;
    CHECK(!format_it(&s, 0, event_of(&s, "x"), "k", &err));
    CHECK(gw_str_is(s.m[0].headers[0].value, "application/cloudevents+protobuf"));
    CHECK(s.m[0].body.p[0] == '\n');
    close_it(&s);
}

TEST(test_publish_pubsub_size_is_what_goes_on_the_wire)
{
    struct sender s;
    struct gw_buf out;
    struct gw_err err;
    size_t bytes;

    begin(&s);
    s.conf.ordering = GW_ORDERING_KEY;
    open_it(&s);
    for (size_t len = 0; len < 70000; len = len * 3 + 1) {
        char *data = gw_arena_zalloc(s.mem, len + 1);

        memset(data, 'x', len);
        CHECK(!format_it(&s, 0, event_of(&s, data), "k", &err));
        bytes = s.m[0].bytes;
        gw_buf_init(&out, 1 << 20, NULL);
        gw_to_pubsub_put(&out, GW_STR("t"), &s.m[0], 1);
        CHECK(out.len == bytes + 3);
        gw_buf_free(&out);
    }
    close_it(&s);
}

TEST(test_publish_pubsub_a_key_too_long_is_its_hash)
{
    static char key[1026];
    struct sender s;
    struct gw_err err;

    begin(&s);
    s.conf.ordering = GW_ORDERING_KEY;
    open_it(&s);
    memset(key, 'k', 1025);
    CHECK(!format_it(&s, 0, event_of(&s, "x"), key, &err) && s.m[0].key.len == 64);
    key[1024] = 0;
    CHECK(!format_it(&s, 0, event_of(&s, "x"), key, &err) && s.m[0].key.len == 1024);
    CHECK(!format_it(&s, 0, event_of(&s, "x"), "\xff", &err));
    CHECK(
        gw_str_is(s.m[0].key, "a8100ae6aa1940d0b663bb31cd466142ebbdbd5187131b92d93818987832eb89"));
    CHECK(!format_it(&s, 0, event_of(&s, "x"), "", &err) && !s.m[0].key.p);
    close_it(&s);
}

static void too_large(struct sender *s, const struct gw_event *ev, const char *why)
{
    struct gw_err err;

    CHECK(format_it(s, 0, ev, "k", &err));
    if (err.kind == GW_ERR_TOO_LARGE && strstr(err.msg, why))
        return;
    fprintf(stderr, "%s\n", err.msg);
    CHECK(!"that error");
}

TEST(test_publish_pubsub_what_is_over_a_limit_is_too_large)
{
    static char text[1026];
    struct sender s;
    struct gw_event *ev;
    struct gw_err err;

    begin(&s);
    open_it(&s);
    ev = event_of(&s, "x");
    memset(text, 'x', 1025);
    gw_event_set(ev, GW_STR("id"), gw_str_of(text));
    too_large(&s, ev, "attribute ce-id: 1025 bytes, Pub/Sub takes 1024");
    text[1024] = 0;
    gw_event_set(ev, GW_STR("id"), gw_str_of(text));
    CHECK(!format_it(&s, 0, ev, "k", &err));
    for (int i = 0; i < 96; i++) { /* and ce-id, -source, -specversion, -type */
        char name[8];

        snprintf(name, sizeof(name), "e%d", i);
        gw_event_set(ev, gw_str_of(name), GW_STR("v"));
    }
    CHECK(!format_it(&s, 0, ev, "k", &err) && s.m[0].n_headers == 100);
    gw_event_set(ev, GW_STR("onemore"), GW_STR("v"));
    too_large(&s, ev, "101 attributes: Pub/Sub takes 100");
    ev = event_of(&s, "x");
    memset(text, 'n', 300);
    text[300] = 0;
    gw_event_set(ev, (struct gw_str){text, 254}, GW_STR("v"));
    too_large(&s, ev, "its name has 257 bytes, Pub/Sub takes 256");
    CHECK(!format_it(&s, 0, event_of(&s, "x"), "k", &err));
    s.p->limits.message_bytes = s.m[0].bytes - 1; /* max_message_bytes */
    too_large(&s, event_of(&s, "x"), "message too large: more than ");
    close_it(&s);
}

/* With the topic's name in front a request has 10,000,000 bytes, no more. */
TEST(test_publish_pubsub_a_request_has_ten_million_bytes)
{
    enum { TOPIC = 2 + 25, FRAME = 5 + 5, ATTRIBUTES = 64 };
    struct sender s;
    struct gw_event *ev;
    struct gw_err err;
    struct gw_buf out;
    char *data;

    begin(&s);
    open_it(&s);
    CHECK(s.p->limits.bytes == 1000000);
    data = gw_arena_zalloc(s.mem, 10000001);
    memset(data, 'x', 10000000);
    ev = event_of(&s, "");
    CHECK(!format_it(&s, 0, ev, "k", &err));
    gw_buf_init(&out, 11000000, NULL);
    ev->data = (struct gw_str){data, 10000000 - TOPIC - FRAME - (s.m[0].bytes - 2) + 1};
    too_large(&s, ev, "message too large: more than 9999973 bytes");
    ev->data.len--;
    CHECK(!format_it(&s, 0, ev, "k", &err));
    gw_to_pubsub_put(&out, GW_STR("projects/p1/topics/orders"), &s.m[0], 1);
    CHECK(out.len == 10000000);
    gw_buf_free(&out);
    close_it(&s);
}

/* ---- what goes together ---- */

TEST(test_publish_pubsub_a_request_has_one_key_and_keeps_its_order)
{
    struct sender s;
    int upper;

    begin(&s);
    s.conf.ordering = GW_ORDERING_KEY;
    open_it(&s);
    send_them(&s, "aAbBcC");
    CHECK(n_calls == 2);
    upper = strstr(calls[0], "|UPPER|") ? 0 : 1;
    CHECK(has(upper, "ABC") && !strstr(calls[upper], "|lower|"));
    CHECK(has(!upper, "abc") && !strstr(calls[!upper], "|UPPER|"));
    close_it(&s);
}

TEST(test_publish_pubsub_without_ordering_a_send_is_one_request)
{
    struct sender s;

    begin(&s);
    open_it(&s);
    send_them(&s, "aAbBcC");
    CHECK(n_calls == 1 && has(0, "aAbBcC") && !strstr(calls[0], "lower"));
    close_it(&s);
}

static void count_result(void *ctx, struct gw_message *m, const struct gw_result *r)
{
    (void)m;
    CHECK(r->outcome == GW_TRY_AGAIN && r->why);
    ++*(int *)ctx;
}

TEST(test_publish_pubsub_requests_wait_while_all_are_out)
{
    enum { KEYS = 200 };
    static struct gw_message many[KEYS];
    static char keys[KEYS][8];
    struct sender s;
    struct gw_message *batch = NULL;
    struct gw_err err;
    int results = 0;

    begin(&s);
    s.conf.ordering = GW_ORDERING_KEY;
    open_it(&s);
    s.p->result = count_result;
    s.p->ctx = &results;
    for (int i = 0; i < KEYS; i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%d", i);
        CHECK(!format_it(&s, 0, event_of(&s, "x"), keys[i], &err));
        many[i] = s.m[0];
        gw_messages_append(&batch, &many[i]);
    }
    gw_publisher_send(s.p, batch);
    CHECK(!((struct gw_to_pubsub *)s.p)->free && ((struct gw_to_pubsub *)s.p)->pending);
    close_it(&s); /* all of them, sent or not, have a result */
    CHECK(results == KEYS);
}

static void count_delivered(void *ctx, struct gw_message *m, const struct gw_result *r)
{
    struct sender *s = ctx;

    CHECK(r->outcome == GW_DELIVERED && !m->mark++);
    s->n_results++;
}

/* More sends than requests, one after the other, too: none is lost to those that ended. */
TEST(test_publish_pubsub_requests_that_have_ended_take_what_waits)
{
    enum { KEYS = 200 };
    static struct gw_message many[KEYS];
    static char keys[KEYS][8];
    struct sender s;
    struct gw_err err;

    begin(&s);
    s.conf.ordering = GW_ORDERING_KEY;
    open_it(&s);
    s.p->result = count_delivered;
    for (int round = 0; round < 2; round++) {
        struct gw_message *batch = NULL;

        s.n_results = 0;
        for (int i = 0; i < KEYS; i++) {
            snprintf(keys[i], sizeof(keys[i]), "k%d", i);
            CHECK(!format_it(&s, 0, event_of(&s, "x"), keys[i], &err));
            many[i] = s.m[0];
            gw_messages_append(&batch, &many[i]);
        }
        gw_publisher_send(s.p, batch);
        until(&s, KEYS);
    }
    CHECK(n_calls == 2 * KEYS && !((struct gw_to_pubsub *)s.p)->pending);
    close_it(&s);
}

/* ---- what answers mean ---- */

TEST(test_publish_pubsub_each_code_is_what_the_contract_says)
{
    static const struct {
        int code;
        const char *why;
        enum gw_outcome outcome;
    } rows[] = {
        {GW_RPC_CANCELLED, "x", GW_TRY_AGAIN},
        {GW_RPC_UNKNOWN, "x", GW_TRY_AGAIN},
        {GW_RPC_INVALID_ARGUMENT, "bad data", GW_IMPOSSIBLE},
        {GW_RPC_INVALID_ARGUMENT, "Invalid resource name (name=projects/p1/Topics/x)",
         GW_TRY_AGAIN},
        {GW_RPC_DEADLINE_EXCEEDED, "x", GW_TRY_AGAIN},
        {GW_RPC_NOT_FOUND, "x", GW_TRY_AGAIN},
        {GW_RPC_ALREADY_EXISTS, "x", GW_TRY_AGAIN},
        {GW_RPC_PERMISSION_DENIED, "x", GW_TRY_AGAIN},
        {GW_RPC_RESOURCE_EXHAUSTED, "quota", GW_TRY_AGAIN},
        {GW_RPC_RESOURCE_EXHAUSTED, "grpc: received message larger than max (9 vs. 4)",
         GW_TOO_LARGE},
        {GW_RPC_FAILED_PRECONDITION, "x", GW_TRY_AGAIN},
        {GW_RPC_ABORTED, "x", GW_TRY_AGAIN},
        {GW_RPC_OUT_OF_RANGE, "x", GW_TRY_AGAIN},
        {GW_RPC_UNIMPLEMENTED, "x", GW_TRY_AGAIN},
        {GW_RPC_INTERNAL, "x", GW_TRY_AGAIN},
        {GW_RPC_UNAVAILABLE, "x", GW_TRY_AGAIN},
        {GW_RPC_DATA_LOSS, "x", GW_TRY_AGAIN},
        {GW_RPC_UNAUTHENTICATED, "x", GW_TRY_AGAIN},
        {77, "x", GW_TRY_AGAIN},
    };
    struct sender s;

    begin(&s);
    open_it(&s);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        answers[0] = (struct pubsub_said){.code = rows[i].code, .why = rows[i].why};
        send_them(&s, "a");
        if (s.outcome[0] != rows[i].outcome)
            fprintf(stderr, "%d: %s\n", rows[i].code, s.why[0]);
        CHECK(s.outcome[0] == rows[i].outcome);
        CHECK(!strncmp(s.why[0], "Pub/Sub: ", 9) && strstr(s.why[0], rows[i].why));
    }
    close_it(&s);
}

TEST(test_publish_pubsub_says_the_command_that_mends_it)
{
    struct sender s;

    begin(&s);
    open_it(&s);
    answers[0] = (struct pubsub_said){.code = GW_RPC_NOT_FOUND, .why = "Resource not found"};
    send_them(&s, "a");
    CHECK(!strcmp(s.why[0], "Pub/Sub: NOT_FOUND: Resource not found; to make it: "
                            "gcloud pubsub topics create orders --project p1"));
    answers[0] = (struct pubsub_said){.code = GW_RPC_PERMISSION_DENIED, .why = "no"};
    send_them(&s, "a");
    CHECK(strstr(s.why[0], "gcloud pubsub topics add-iam-policy-binding orders --project p1 "
                           "--member serviceAccount:NAME --role roles/pubsub.publisher"));
    close_it(&s);
}

TEST(test_publish_pubsub_retry_info_is_asked_of_the_pipeline)
{
    struct sender s;

    begin(&s);
    open_it(&s);
    /* google.rpc.Status{code 8, details: a DebugInfo, RetryInfo{7 s, 500 ms}} */
    answers[0] = (struct pubsub_said){
        .code = GW_RPC_RESOURCE_EXHAUSTED,
        .details = "CAgaKgoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLkRlYnVnSW5mbxo2Cih0eXBlLmdv"
                   "b2dsZWFwaXMuY29tL2dvb2dsZS5ycGMuUmV0cnlJbmZvEgoKCAgHEIDKte4B"};
    send_them(&s, "ab");
    CHECK(s.outcome[0] == GW_TRY_AGAIN && s.outcome[1] == GW_TRY_AGAIN);
    CHECK(s.retry_after_ms == 7500);
    close_it(&s);
}

/* A day at most; what is no duration asks for nothing; what is less than a millisecond is one. */
TEST(test_publish_pubsub_retry_info_has_its_bounds)
{
    static const struct {
        const char *details;
        int64_t ms;
    } cases[] = {
        {"CAgaNAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIICgYIgJTr3AM", 86400000},
        {"CAgaOQoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxINCgsI////////////AQ", 0},
        {"CAgaNAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIICgYQgJTr3AM", 0},
        {"CAgaMAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIECgIQAQ", 1},
    };
    struct sender s;

    begin(&s);
    open_it(&s);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        answers[0] = (struct pubsub_said){.code = GW_RPC_UNAVAILABLE, .details = cases[i].details};
        send_them(&s, "a");
        CHECK(s.outcome[0] == GW_TRY_AGAIN && s.retry_after_ms == cases[i].ms);
    }
    close_it(&s);
}

TEST(test_publish_pubsub_a_refused_batch_is_halved_until_the_guilty_is_alone)
{
    struct sender s;

    begin(&s);
    open_it(&s);
    guilty = "|f{";
    send_them(&s, "abcdefgh");
    for (int i = 0; i < 8; i++)
        CHECK(s.outcome[i] == ('a' + i == 'f' ? GW_IMPOSSIBLE : GW_DELIVERED));
    CHECK(!strcmp(s.why[5], "Pub/Sub: INVALID_ARGUMENT: bad data"));
    CHECK(has(0, "abcdefgh") && has(1, "abcd") && has(2, "efgh") && has(3, "ef") && has(4, "e") &&
          has(5, "f") && has(6, "gh") && n_calls == 7);
    close_it(&s);
}

TEST(test_publish_pubsub_nothing_of_a_key_overtakes_what_is_to_be_tried_again)
{
    struct sender s;

    begin(&s);
    s.conf.ordering = GW_ORDERING_KEY;
    open_it(&s);
    /* abcd refused, ab taken, cd unavailable */
    answers[0] = (struct pubsub_said){.code = GW_RPC_INVALID_ARGUMENT};
    answers[1] = (struct pubsub_said){.code = GW_RPC_OK};
    answers[2] = (struct pubsub_said){.code = GW_RPC_UNAVAILABLE};
    n_answers = 3;
    send_them(&s, "abcd");
    CHECK(n_calls == 3 && has(2, "cd"));
    CHECK(s.outcome[0] == GW_DELIVERED && s.outcome[1] == GW_DELIVERED);
    CHECK(s.outcome[2] == GW_TRY_AGAIN && s.outcome[3] == GW_TRY_AGAIN);
    CHECK(s.order[0] == 0 && s.order[1] == 1 && s.order[2] == 2);
    /* abcd refused, ab unavailable: cd waits, too */
    answers[1] = answers[2];
    n_answers = 2;
    n_calls = 0;
    send_them(&s, "abcd");
    CHECK(n_calls == 2 && has(1, "ab") && s.outcome[3] == GW_TRY_AGAIN);
    close_it(&s);
}

TEST(test_publish_pubsub_an_answer_without_an_id_for_each_is_none)
{
    struct sender s;

    begin(&s);
    open_it(&s);
    answers[0] = (struct pubsub_said){.body = GW_STR("\n\0021")};
    send_them(&s, "ab");
    CHECK(s.outcome[0] == GW_TRY_AGAIN && s.outcome[1] == GW_TRY_AGAIN);
    answers[0] = (struct pubsub_said){.body = GW_STR("")};
    send_them(&s, "a");
    CHECK(s.outcome[0] == GW_TRY_AGAIN);
    answers[0] = (struct pubsub_said){0}; /* the ids of a call are not the next one's */
    send_them(&s, "a");
    CHECK(s.outcome[0] == GW_DELIVERED);
    answers[0] = (struct pubsub_said){.mute = 1};
    send_them(&s, "a");
    CHECK(s.outcome[0] == GW_TRY_AGAIN);
    close_it(&s);
}

/* ---- hooks' topics ---- */

static int is_others(int i)
{
    return strstr(calls[i], "/others|") != NULL;
}

TEST(test_publish_pubsub_topics_of_hooks_go_to_their_own_requests)
{
    struct gw_route route = {.topic = GW_STR("others"), .key = GW_STR("mine")};
    struct gw_message *batch = NULL;
    struct sender s;
    struct gw_err err;

    begin(&s);
    s.conf.ordering = GW_ORDERING_KEY;
    open_it(&s);
    for (int i = 0; i < 3; i++) {
        struct gw_event *ev = event_of(&s, i == 1 ? "b" : "a");

        ev->route = i == 1 ? &route : NULL;
        CHECK(!format_it(&s, i, ev, "k", &err));
        gw_messages_append(&batch, &s.m[i]);
    }
    gw_publisher_send(s.p, batch);
    until(&s, 3);
    CHECK(n_calls == 2);
    CHECK(has(!is_others(0), "b") && has(is_others(0), "aa"));
    CHECK(strstr(calls[!is_others(0)], "projects/p1/topics/others|mine|b{"));
    close_it(&s);
}

TEST(test_publish_pubsub_routing_knows_topics_and_attributes)
{
    const struct gw_routing *r = gw_publisher_find("pubsub")->routing;
    static char text[1026];
    struct gw_err err;

    CHECK(!r->topic(GW_STR("orders-1.a_b~c+d%20"), &err));
    CHECK(r->topic(GW_STR("a b"), &err) && r->topic(GW_STR("1abc"), &err));
    CHECK(r->topic(GW_STR("googabc"), &err) && r->topic(GW_STR("projects/p/topics/t"), &err));
    memset(text, 'x', 1025);
    CHECK(!r->topic((struct gw_str){text, 255}, &err) &&
          r->topic((struct gw_str){text, 256}, &err));
    CHECK(!r->pattern(GW_STR("orders-*"), &err) && r->pattern(GW_STR("a/b"), &err));
    CHECK(!r->header(GW_STR("n"), (struct gw_str){text, 1024}, &err));
    CHECK(r->header(GW_STR("n"), (struct gw_str){text, 1025}, &err));
    CHECK(r->header(GW_STR("n"), GW_STR("\xff"), &err) &&
          r->header(GW_STR("googx"), GW_STR(""), &err));
}

/* ---- check --online ---- */

static int answer;
static char said[GW_TO_PUBSUB_WHY];

static void on_said(struct gw_online *o, int what, const char *text)
{
    (void)o;
    answer = what;
    snprintf(said, sizeof(said), "%s", text);
}

static void ask(struct sender *s, int code, int want, const char *text)
{
    struct gw_online o = {.said = on_said};

    begin(s);
    open_it(s);
    answers[0] = (struct pubsub_said){.code = code, .why = "who?"};
    said[0] = 0;
    s->p->ops->online(s->p, &o);
    CHECK(!said[0]);
    while (!said[0])
        gw_loop_turn(s->loop, 1);
    CHECK(answer == want && strstr(said, text));
    CHECK(!strcmp(calls[0], "projects/p1/topics/orders"));
    close_it(s);
}

TEST(test_publish_pubsub_online_asks_for_the_topic)
{
    struct sender s;

    ask(&s, GW_RPC_OK, GW_ONLINE_YES, "topic projects/p1/topics/orders");
    ask(&s, GW_RPC_NOT_FOUND, GW_ONLINE_NO, "gcloud pubsub topics create orders --project p1");
    ask(&s, GW_RPC_PERMISSION_DENIED, GW_ONLINE_UNSURE, "roles/pubsub.viewer");
}
