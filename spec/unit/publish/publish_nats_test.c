/* What NATS is sent, and what becomes of a message whatever the server does (nats_mock.h). */
#include "publish/publish_nats.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "event/event.h"
#include "event/route.h"
#include "nats_mock.h"
#include "net/loop.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

/* ---- a pipeline, as far as publishers see one ---- */

enum { N = 4 };
static struct gw_publish_nats_conf conf;
static struct gw_format format;
static struct gw_publisher *p;
static struct gw_loop *loop;
static struct gw_arena *mem;
static struct gw_message messages[N];
static struct {
    enum gw_outcome outcome;
    char why[300];
    int n;
} results[N];
static int n_results;

static void on_result(void *ctx, struct gw_message *m, const struct gw_result *r)
{
    const size_t i = (size_t)(m - messages);

    (void)ctx;
    results[i].outcome = r->outcome;
    snprintf(results[i].why, sizeof(results[i].why), "%s", r->why ? r->why : "");
    results[i].n++;
    n_results++;
}

static void begin(enum nats_mock_way way, const char *text)
{
    nats_mock_conf(&conf);
    nats_mock_set(way, text);
    format = (struct gw_format){0};
}

static void start(void)
{
    struct gw_err err;

    loop = gw_loop_new();
    mem = gw_arena_new();
    p = gw_publish_nats.open(&conf, &format, loop, &err);
    CHECK(p);
    p->result = on_result;
}

static void finish(void)
{
    gw_publisher_close(p);
    gw_arena_free(mem);
    gw_loop_free(loop);
}

static int make(int i, const char *id, size_t data)
{
    struct gw_event *ev = gw_arena_alloc(mem, sizeof(*ev));
    struct gw_err err;

    gw_event_init(ev, mem);
    gw_event_set(ev, GW_STR("id"), gw_str_of(id));
    gw_event_set(ev, GW_STR("source"), GW_STR("/s"));
    gw_event_set(ev, GW_STR("type"), GW_STR("t"));
    gw_event_set(ev, GW_STR("time"), GW_STR("2026-04-07T05:50:01Z"));
    ev->data_kind = GW_DATA_BYTES;
    ev->data = (struct gw_str){gw_arena_zalloc(mem, data + 1), data};
    messages[i] = (struct gw_message){.key = GW_STR("k"), .order = (uint64_t)i};
    return p->ops->format(p, ev, NULL, mem, &messages[i], &err);
}

static void deliver(int n)
{
    memset(results, 0, sizeof(results));
    n_results = 0;
    for (int i = 0; i < n; i++)
        messages[i].next = i + 1 < n ? &messages[i + 1] : NULL;
    gw_publisher_send(p, messages);
    CHECK(n_results == 0);
    while (n_results < n)
        gw_loop_turn(loop, 1);
    for (int i = 0; i < n; i++)
        CHECK(results[i].n == 1);
}

static unsigned count(const unsigned *what)
{
    unsigned n;

    pthread_mutex_lock(&nats_mock.lock);
    n = *what;
    pthread_mutex_unlock(&nats_mock.lock);
    return n;
}

static int last_has(const char *text)
{
    int found;

    pthread_mutex_lock(&nats_mock.lock);
    found = strstr(nats_mock.last, text) != NULL;
    pthread_mutex_unlock(&nats_mock.lock);
    return found;
}

/* ---- core ---- */

TEST(test_nats_is_delivered_after_one_flush_for_a_batch)
{
    begin(NATS_MOCK_ACK, NULL);
    start();
    for (int i = 0; i < N; i++)
        CHECK(!make(i, "a", 10));
    deliver(N);
    for (int i = 0; i < N; i++)
        CHECK(results[i].outcome == GW_DELIVERED);
    CHECK(count(&nats_mock.messages) == N);
    CHECK(count(&nats_mock.pings) == 2); /* one of the connection, one of the batch */
    finish();
}

TEST(test_nats_is_not_delivered_before_the_server_has_answered)
{
    begin(NATS_MOCK_SILENT, NULL);
    start();
    CHECK(!make(0, "a", 10));
    memset(results, 0, sizeof(results));
    n_results = 0;
    gw_publisher_send(p, messages);
    while (!count(&nats_mock.messages) || count(&nats_mock.pings) < 2)
        gw_loop_turn(loop, 0);
    gw_loop_turn(loop, 0);
    CHECK(n_results == 0);
    finish(); /* which waits for no silent server */
    CHECK(n_results == 1 && results[0].outcome == GW_TRY_AGAIN);
}

TEST(test_nats_a_connection_that_breaks_means_try_again_for_all_and_the_next_send_makes_another)
{
    begin(NATS_MOCK_HANG_UP, NULL);
    start();
    for (int i = 0; i < N; i++)
        CHECK(!make(i, "a", 10));
    deliver(N);
    for (int i = 0; i < N; i++)
        CHECK(results[i].outcome == GW_TRY_AGAIN && results[i].why[0]);
    nats_mock_set(NATS_MOCK_ACK, NULL);
    deliver(N);
    CHECK(results[N - 1].outcome == GW_DELIVERED && count(&nats_mock.connections) == 1);
    finish();
}

TEST(test_nats_knows_what_is_too_large_before_it_is_sent)
{
    begin(NATS_MOCK_ACK, NULL);
    conf.common.max_message_bytes = 8000;
    start();
    CHECK(!make(0, "a", 10));
    CHECK(!make(1, "b", 4000)); /* base64: over the server's max_payload of 4096 */
    CHECK(!make(2, "c", 10));
    CHECK(make(3, "d", 8000) == -1);
    deliver(3);
    CHECK(results[0].outcome == GW_DELIVERED && results[2].outcome == GW_DELIVERED);
    CHECK(results[1].outcome == GW_TOO_LARGE && strstr(results[1].why, "the server takes 4096"));
    CHECK(count(&nats_mock.messages) == 2);
    finish();
}

TEST(test_nats_a_subject_that_is_refused_is_named_and_not_tried_for_a_while)
{
    begin(NATS_MOCK_FORBIDDEN, "t.b");
    start();
    for (int i = 0; i < 3; i++)
        CHECK(!make(i, "a", 10));
    messages[1].topic = GW_STR("t.b");
    messages[1].order = messages[2].order; /* so the third may not overtake it */
    deliver(3);
    for (int i = 0; i < 3; i++) /* which of them is refused is not known yet */
        CHECK(results[i].outcome == GW_TRY_AGAIN && strstr(results[i].why, "t.b"));
    nats_mock_set(NATS_MOCK_FORBIDDEN, "t.b");
    deliver(3);
    CHECK(results[0].outcome == GW_DELIVERED);
    CHECK(results[1].outcome == GW_TRY_AGAIN && strstr(results[1].why, "t.b"));
    CHECK(results[2].outcome == GW_TRY_AGAIN);
    CHECK(count(&nats_mock.messages) == 1);
    finish();
}

/* ---- JetStream ---- */

static void jetstream(enum nats_mock_way way, const char *answer)
{
    begin(way, answer);
    conf.jetstream = 1;
    start();
    CHECK(p->one_a_key);
    for (int i = 0; i < 2; i++)
        CHECK(!make(i, i ? "b" : "a", 10));
    deliver(2);
}

TEST(test_nats_jetstream_what_each_answer_means)
{
    static const struct {
        const char *answer;
        enum gw_outcome outcome;
        const char *why;
    } all[] = {
        {"{\"stream\":\"S\",\"seq\":7,\"duplicate\":true}", GW_DELIVERED, ""},
        {"{\"error\":{\"code\":400,\"err_code\":10054,\"description\":\"message size exceeds "
         "maximum allowed\"},\"stream\":\"S\",\"seq\":0}",
         GW_TOO_LARGE, "JetStream: message size exceeds maximum allowed (10054), stream S"},
        {"{\"error\":{\"code\":503,\"err_code\":10077,\"description\":\"maximum bytes exceeded\"}}",
         GW_TRY_AGAIN, "JetStream: maximum bytes exceeded (10077)"},
        {"{\"error\":{\"code\":400,\"err_code\":10071}}", GW_TRY_AGAIN, "(10071)"},
        {"{\"error\":{\"description\":\"two\\nlines\"}}", GW_TRY_AGAIN, "JetStream: two lines (0)"},
        {"hello", GW_TRY_AGAIN, "no stream of JetStream answered"},
        {"{\"seq\":1}", GW_TRY_AGAIN, "no stream of JetStream answered"},
        {"{\"stream\":\"S\",\"seq\":1", GW_TRY_AGAIN, "no stream of JetStream answered"},
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        jetstream(NATS_MOCK_ANSWER, all[i].answer);
        CHECK(results[0].outcome == all[i].outcome && results[1].outcome == all[i].outcome);
        CHECK(strstr(results[0].why, all[i].why));
        finish();
    }
}

TEST(test_nats_jetstream_without_a_stream_says_how_to_make_one)
{
    jetstream(NATS_MOCK_NOBODY, NULL);
    CHECK(results[0].outcome == GW_TRY_AGAIN && results[1].outcome == GW_TRY_AGAIN);
    CHECK(strstr(results[0].why, "nats stream add NAME --subjects t"));
    finish();
}

TEST(test_nats_jetstream_a_connection_that_breaks_with_the_message_is_noticed)
{
    jetstream(NATS_MOCK_HANG_UP, NULL);
    CHECK(results[0].outcome == GW_TRY_AGAIN && results[1].outcome == GW_TRY_AGAIN);
    finish();
}

TEST(test_nats_jetstream_a_connection_that_breaks_before_the_answer_is_noticed)
{
    begin(NATS_MOCK_NO_ACK, NULL);
    conf.jetstream = 1;
    start();
    CHECK(!make(0, "a", 10));
    memset(results, 0, sizeof(results));
    n_results = 0;
    gw_publisher_send(p, messages);
    gw_loop_turn(loop, 1); /* the news that it is with the server */
    CHECK(n_results == 0 && count(&nats_mock.pings) == 3);
    nats_mock_cut();
    while (!n_results)
        gw_loop_turn(loop, 1);
    CHECK(results[0].outcome == GW_TRY_AGAIN);
    CHECK(!strstr(results[0].why, "for 5 s")); /* before that time is over */
    finish();
}

static int64_t (*real_clock)(void);
static _Atomic int64_t ahead_ns;

static int64_t clock_ahead(void)
{
    return real_clock() + ahead_ns;
}

/* A message that nobody acknowledges, by this clock. */
static void send_unheard(int64_t (*clock)(void))
{
    real_clock = gw_clock_mono_ns;
    gw_clock_mono_ns = clock;
    begin(NATS_MOCK_FORGET, "t.b");
    conf.jetstream = 1;
    start();
    CHECK(!make(0, "a", 10) && !make(1, "b", 10));
    messages[0].topic = GW_STR("t.b");
    memset(results, 0, sizeof(results));
    gw_publisher_send(p, &messages[0]);
}

TEST(test_nats_jetstream_an_acknowledgement_that_never_comes_is_missed_while_others_come)
{
    send_unheard(clock_ahead);
    for (int i = 1; !results[0].n; i++) { /* no pause between them lets a tick in */
        gw_publisher_send(p, &messages[1]);
        while (results[1].n < i)
            gw_loop_turn(loop, 1);
        if (i == 3) /* the first one is on the wire for sure */
            ahead_ns = 6000000000;
    }
    CHECK(results[0].n == 1 && results[0].outcome == GW_TRY_AGAIN);
    CHECK(strstr(results[0].why, "for 5 s") && results[1].outcome == GW_DELIVERED);
    finish();
    gw_clock_mono_ns = real_clock;
    ahead_ns = 0;
}

/* Another message, twice: what was given to the client before is on the wire by then, and told. */
static void pass_by(void)
{
    for (int i = 0; i < 2; i++) {
        results[1].n = 0;
        gw_publisher_send(p, &messages[1]);
        while (!results[1].n)
            gw_loop_turn(loop, 1);
    }
}

static _Atomic int64_t stands_ns = 1000000000000;

static int64_t clock_stands(void)
{
    return stands_ns;
}

TEST(test_nats_jetstream_what_is_asked_of_a_message_buys_it_no_time)
{
    send_unheard(clock_stands);
    pass_by();
    stands_ns += 4000000000;
    nats_mock_say_late("{\"stream\":\"S\",\"seq\":7,\"duplicate\":true}");
    while (!last_has("{\"seq\":7}"))
        gw_loop_turn(loop, 1);
    pass_by();
    CHECK(!results[0].n);
    stands_ns += 2000000000; /* six seconds in all, two since it was asked: nobody answers */
    while (!results[0].n)    /* the test's alarm ends what would wait for ever */
        gw_loop_turn(loop, 1);
    CHECK(results[0].n == 1 && results[0].outcome == GW_TRY_AGAIN);
    finish();
    gw_clock_mono_ns = real_clock;
}

static int log_is(const char *text)
{
    int same;

    pthread_mutex_lock(&nats_mock.lock);
    same = !strcmp(nats_mock.log, text);
    pthread_mutex_unlock(&nats_mock.lock);
    return same;
}

static void id_of_last(char out[200])
{
    const char *at;

    pthread_mutex_lock(&nats_mock.lock);
    at = strstr(nats_mock.last, "Nats-Msg-Id: ");
    CHECK(at);
    snprintf(out, 200, "%.*s", (int)strcspn(at + 13, "\r"), at + 13);
    pthread_mutex_unlock(&nats_mock.lock);
}

static void send_one(const char *id, uint64_t replay)
{
    CHECK(!make(0, id, 3));
    messages[0].replay = replay;
    deliver(1);
    CHECK(results[0].outcome == GW_DELIVERED);
}

TEST(test_nats_jetstream_has_an_id_that_keeps_repeats_out)
{
    char first[200], second[200];

    begin(NATS_MOCK_ACK, NULL);
    conf.jetstream = 1;
    start();
    send_one("p:d:n:RUNNING", 0);
    CHECK(last_has("Nats-Msg-Id: p:d:n:RUNNING\r\n"));
    send_one("p:d:n:RUNNING", 3);
    CHECK(last_has("Nats-Msg-Id: p:d:n:RUNNING:r3\r\n"));
    send_one("two words", 0); /* no header can be sure to have those */
    CHECK(!last_has("two words\r\n") && last_has("Nats-Msg-Id: "));
    finish();
    format.style = GW_STYLE_FLYTEADMIN; /* its ids are no ids */
    start();
    send_one("x", 0);
    id_of_last(first);
    CHECK(!strncmp(first, "x:", 2) && strlen(first) == 2 + 64);
    send_one("x", 0);
    id_of_last(second);
    CHECK(!strcmp(first, second));
    CHECK(!make(0, "x", 4)); /* another event with the same id */
    deliver(1);
    id_of_last(second);
    CHECK(strcmp(first, second) != 0);
    finish();
}

TEST(test_nats_jetstream_an_id_that_is_taken_is_a_repeat_of_the_same_subject_alone)
{
#define OF_T       "{\"type\":\"r\",\"message\":{\"subject\":\"t\",\"seq\":7,\"data\":\"cut of"
#define OF_U       "{\"message\":{\"seq\":7,\"subject\":\"u\"}}"
#define SAYS(code) "{\"error\":{\"code\":404,\"err_code\":" code ",\"description\":\"d\"}}"
#define GET        "$JS.API.STREAM.MSG.GET.S "
    static const struct {
        const char *answer, *log;
        enum gw_outcome outcome;
    } all[] = {
        {OF_T, "t " GET, GW_DELIVERED},
        {OF_U, "t " GET "t ", GW_DELIVERED},
        {SAYS("10037"), "t " GET "t ", GW_DELIVERED}, /* gone */
        {SAYS("10059"), "t " GET "t ", GW_DELIVERED}, /* the stream is not of this account */
        {NULL, "t " GET "t ", GW_DELIVERED},          /* nobody tells */
        {"hello", "t " GET "t ", GW_DELIVERED},
        {SAYS("10008"), "t " GET, GW_TRY_AGAIN},
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        begin(NATS_MOCK_TAKEN, all[i].answer);
        conf.jetstream = 1;
        start();
        CHECK(!make(0, "a", 10));
        deliver(1);
        CHECK(results[0].outcome == all[i].outcome);
        CHECK(log_is(all[i].log));
        CHECK(last_has("{\"seq\":7}") == !last_has("Nats-Msg-Id: a@t\r\n"));
        finish();
    }
}

/* ---- who we are ---- */

TEST(test_nats_says_which_server_cannot_be_reached_and_not_with_what_password)
{
    static const char *server[] = {"nats://u:secret@127.0.0.1:1"};

    begin(NATS_MOCK_ACK, NULL);
    conf.servers.items = server;
    start();
    CHECK(!make(0, "a", 10));
    deliver(1);
    CHECK(results[0].outcome == GW_TRY_AGAIN);
    CHECK(!strcmp(results[0].why, "no server can be reached: 127.0.0.1:1"));
    finish();
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");

    CHECK(f && fputs(text, f) >= 0 && !fclose(f));
}

TEST(test_nats_key_of_a_seed)
{
#define SEED "AAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H"
    static const char *const bad[] = {"SU" SEED "776A",     /* its sum is wrong */
                                      "SA" SEED "YMHI",     /* of an account */
                                      "XSU" SEED "776Y",    /* not a line of its own */
                                      "SU" SEED "776Y7777", /* too long */
                                      "SUA",
                                      ""};
    char key[GW_NATS_PUBLIC_KEY];
    struct gw_err err;

    write_file("seed", "-----BEGIN USER NKEY SEED-----\nSU" SEED "776Y\n------END------\n");
    CHECK(!gw_nats_public_key("seed", key, &err));
    CHECK(!strcmp(key, "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK"));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        write_file("seed", bad[i]);
        CHECK(gw_nats_public_key("seed", key, &err));
        CHECK(strstr(err.msg, "holds no seed") && !strstr(err.msg, "AICAM"));
    }
    CHECK(gw_nats_public_key("nowhere", key, &err) && strstr(err.msg, "nowhere"));
}

/* ---- subjects ---- */

TEST(test_nats_subject_is_words_with_points)
{
    static const char *const good[] = {"a", "a.b.c", "flyte-events.x_1", "é.b", "a.{x}"};
    static const char *const bad[] = {"",
                                      ".a",
                                      "a.",
                                      "a..b",
                                      "a b",
                                      "a.*",
                                      "a.>",
                                      "a\tb",
                                      ">",
                                      "$S",
                                      "$JS.API.STREAM.DELETE.x",
                                      "_INBOX.a",
                                      "a\177",
                                      "\xff"};
    struct gw_err err;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        CHECK(!gw_nats_subject_check(gw_str_of(good[i]), &err));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(gw_nats_subject_check(gw_str_of(bad[i]), &err) && err.msg[0]);
}

TEST(test_nats_routes_are_patterns_of_words)
{
    static const struct {
        const char *pattern, *subject;
        int allows;
    } all[] = {
        {"a.*", "a.b", 1},   {"a.*", "a.b.c", 0},   {"a.>", "a.b.c", 1}, {"a.>", "a", 0},
        {">", "a.b", 1},     {"a.x-*", "a.x-1", 1}, {"a.x-*", "a.y", 0}, {"a.b", "a.b", 1},
        {"a.b", "a.b.c", 0}, {"*.b", "a.b", 1},     {"a.?", "a.bc", 0},
    };
    struct gw_err err;

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        CHECK(!gw_nats_routing.pattern(gw_str_of(all[i].pattern), &err));
        CHECK(gw_nats_routing.allows(gw_str_of(all[i].pattern), gw_str_of(all[i].subject)) ==
              all[i].allows);
    }
    CHECK(gw_nats_routing.pattern(GW_STR("a.>.b"), &err));
    CHECK(gw_nats_routing.pattern(GW_STR("a>"), &err));
    CHECK(gw_nats_routing.pattern(GW_STR("$JS.>"), &err));
    CHECK(!gw_nats_routing.header(GW_STR("x-team"), GW_STR("ml"), &err));
    CHECK(gw_nats_routing.header(GW_STR("Nats-Rollup"), GW_STR("all"), &err));
    CHECK(gw_nats_routing.header(GW_STR("a b"), GW_STR("x"), &err));
    CHECK(gw_nats_routing.header(GW_STR("a"), GW_STR("x\r\ny: z"), &err));
}

/* ---- the configuration ---- */

static const char *check_in(const struct gw_format *f, const char *yaml)
{
    static char out[1000];
    struct gw_problems list = {.mem = gw_arena_new()};
    struct gw_yaml *y = gw_yaml_parse("f", gw_str_of(yaml), 1, 1, &list);
    struct gw_publish_nats_conf c = {0};

    CHECK(y);
    gw_fields_read(gw_nats_fields, y, &c, &list, "publisher");
    gw_nats_check(&c, f, &list, y);
    snprintf(out, sizeof(out), "%zu", list.n);
    if (list.n)
        snprintf(out, sizeof(out), "%d:%d: %s", list.items[0].line, list.items[0].column,
                 list.items[0].text);
    gw_arena_free(list.mem);
    return out;
}

#define BASE "subject: s\nservers: 'a:1'\n"

TEST(test_nats_check_says_what_is_wrong_and_where)
{
    static const struct {
        const char *yaml, *says;
    } all[] = {
        {BASE, "0"},
        {"subject: s\nservers: 'nats://a, tls://[::1]:4222, b:1'\n", "0"},
        {"subject: s.{project}\nservers: [a]\n", "0"},
        {"subject: s\nservers: [a, 'b:x']\n", "2:14: servers: \"b:x\" is no HOST:PORT"},
        {"subject: s\nservers: ['a:1', 'b:65535']\n", "0"},
        {"subject: s\nservers: ['b:65536']\n", "2:11: servers: \"b:65536\" is no HOST:PORT"},
        {"subject: s\nservers: ['[::1]:0']\n", "2:11: servers: \"[::1]:0\" is no HOST:PORT"},
        {"subject: s\nservers: 'ws://a'\n", "2:10: servers: \"ws\": nats:// and tls:// are known"},
        {"subject: s\nservers: 'nats://u:secret@b:x'\n", "2:10: servers: \"b:x\" is no HOST:PORT"},
        {"subject: s\nservers: 'nats://u:secret@b:1'\n",
         "2:10: servers: who logs in stands better"},
        {"servers: a\nsubject: s..t\n", "2:10: subject: subject \"s..t\" has an empty word"},
        {"servers: a\nsubject: s.*\n", "2:10: subject: \"*\" cannot be in a subject: words with"},
        {"servers: a\nsubject: s.{projct}\n", "2:10: subject: flyte has no field \"projct\" (did"},
        {"servers: a\nsubject: $JS.{project}\n", "2:10: subject: subject \"$JS.x\": what begins"},
        {BASE "password: p\n", "3:11: password: there is no username"},
        {BASE "username: u\ntoken: t\n", "4:8: token: there is a username too, and a server"},
        {BASE "nkey_file: nowhere\n", "3:12: nkey_file: nowhere: No such file"},
        {BASE "creds_file: empty\n", "3:13: creds_file: empty holds no seed of a user (SU…)"},
        {BASE "token: t\nnkey_file: good\n", "1:1: one way to log in, please"},
        {BASE "tls: {cert: good}\n", "3:6: tls: cert and key go together"},
    };

    write_file("good", "SU" SEED "776Y");
    write_file("empty", "");
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        const char *said = check_in(&(const struct gw_format){0}, all[i].yaml);

        if (strncmp(said, all[i].says, strlen(all[i].says)) != 0)
            fprintf(stderr, "%s\n  %s\n", all[i].yaml, said);
        CHECK(!strncmp(said, all[i].says, strlen(all[i].says)) && !strstr(said, "secret"));
    }
}

TEST(test_nats_check_notes_where_it_departs_from_flyteadmin)
{
    const struct gw_format binary = {.style = GW_STYLE_FLYTEADMIN, .mode = GW_MODE_BINARY},
                           plain = {.style = GW_STYLE_FLYTEADMIN};

    CHECK(strstr(check_in(&binary, BASE), "format.mode: binary is sent"));
    CHECK(strstr(check_in(&plain, BASE "jetstream: true\n"), "3:12: jetstream: messages carry"));
    CHECK(!strcmp(check_in(&plain, BASE), "0"));
}

TEST(test_nats_same_is_one_subject_of_one_server)
{
    const char *one[] = {"a:1", "b:1"}, *two[] = {"b:1"}, *other[] = {"c:1"};
    struct gw_publish_nats_conf x = {.servers = {.items = one, .n = 2}, .subject = "s"},
                                y = {.servers = {.items = two, .n = 1}, .subject = "s"};

    CHECK(gw_nats_same(&x, &y));
    y.servers.items = other;
    CHECK(!gw_nats_same(&x, &y));
    y.servers.items = two;
    y.subject = "t";
    CHECK(!gw_nats_same(&x, &y));
}
