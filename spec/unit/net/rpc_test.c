/* Calls against our own server codec over real sockets, and against bytes of a test's own. */
#include "net/rpc.h"

#include "base/buf.h"
#include "base/err.h"
#include "net/codec.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/tls.h"
#include "tls_files.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct gw_loop *loop;
static struct gw_listener *listener;
static struct gw_rpc_channel *channel;
static struct gw_rpc_conf conf;
static char url[100];
static struct gw_err err;

/* ---- the server: an answer for each path ---- */

struct answer {
    const char *path, *type, *body;
    size_t len;
    int status;
    const char *code, *message, *details; /* trailers */
    int alone;                            /* they are the head */
};

#define TYPE     "application/grpc"
#define BYTES(s) s, sizeof(s) - 1
static const struct answer answers[] = {
    {"/two", TYPE "+proto", BYTES("\0\0\0\0\3one\0\0\0\0\0"), 200, "0", NULL, NULL, 0},
    {"/not-found", TYPE, BYTES(""), 200, "5", "no%20such%2", "CgNhYmM", 1},
    {"/exhausted", TYPE, BYTES("\0\0\0\0\3one"), 200, "8", "zu viel: %C3%BC", NULL, 0},
    {"/own-number", TYPE, BYTES(""), 200, "99", NULL, NULL, 1},
    {"/no-status", TYPE, BYTES("\0\0\0\0\3one"), 200, NULL, NULL, NULL, 0},
    {"/no-number", TYPE, BYTES(""), 200, "OK", NULL, NULL, 1},
    {"/half", TYPE, BYTES("\0\0\0\0\3on"), 200, "0", NULL, NULL, 0},
    {"/half-prefix", TYPE, BYTES("\0\0\0"), 200, "0", NULL, NULL, 0},
    {"/compressed", TYPE, BYTES("\1\0\0\0\3one"), 200, "0", NULL, NULL, 0},
    {"/large", TYPE, BYTES("\0\0\0\0\13eleven byte"), 200, "0", NULL, NULL, 0},
    {"/html", "text/html", BYTES("<html>"), 200, NULL, NULL, NULL, 0},
    {"/html-ok", "text/html", BYTES(""), 200, "0", NULL, NULL, 1},
    {"/400", "text/html", BYTES("<html>"), 400, NULL, NULL, NULL, 0},
    {"/401", "text/html", BYTES("<html>"), 401, NULL, NULL, NULL, 0},
    {"/403", "text/html", BYTES(""), 403, NULL, NULL, NULL, 0},
    {"/404", "text/html", BYTES(""), 404, NULL, NULL, NULL, 0},
    {"/429", "text/html", BYTES(""), 429, NULL, NULL, NULL, 0},
    {"/500", "text/html", BYTES(""), 500, NULL, NULL, NULL, 0},
    {"/502", "text/html", BYTES(""), 502, NULL, NULL, NULL, 0},
    {"/503", TYPE, BYTES(""), 503, NULL, NULL, NULL, 0},
    {"/504", "text/html", BYTES(""), 504, NULL, NULL, NULL, 0},
};

static struct gw_http_stream *held[8]; /* /hold, /flow: the test's */
static int n_held, n_gone, n_heads;
static char timeout_seen[32], metadata_seen[32];
static size_t echoed;

static void note(const struct gw_http_stream *s, const char *name, char *to, size_t size)
{
    const struct gw_str *v = gw_http_get(s, name);

    snprintf(to, size, "%.*s", v ? (int)v->len : 4, v ? v->p : "none");
}

static int on_head(struct gw_http_stream *s, void *ctx)
{
    static const struct gw_http_header h[] = {{{"content-type", 12}, {TYPE, sizeof(TYPE) - 1}}};

    (void)ctx;
    n_heads++;
    s->body_max = 100 << 20;
    note(s, "grpc-timeout", timeout_seen, sizeof(timeout_seen));
    note(s, "x-a", metadata_seen, sizeof(metadata_seen));
    if (gw_str_is(s->path, "/echo") || gw_str_is(s->path, "/flow"))
        gw_http_respond(s, 200, h, 1);
    if (gw_str_is(s->path, "/hold") || gw_str_is(s->path, "/flow"))
        held[n_held++] = s;
    return 0;
}

static void on_data(struct gw_http_stream *s, void *ctx)
{
    (void)ctx;
    if (!gw_str_is(s->path, "/echo"))
        return;
    echoed += s->body.len;
    gw_http_write(s, gw_buf_str(&s->body));
    gw_buf_clear(&s->body);
}

static void give(struct gw_http_stream *s, const struct answer *a)
{
    struct gw_http_header h[4] = {{GW_STR("content-type"), gw_str_of(a->type)}}, *t = h + 1;
    size_t n = 0;

    if (a->code)
        t[n++] = (struct gw_http_header){GW_STR("grpc-status"), gw_str_of(a->code)};
    if (a->message)
        t[n++] = (struct gw_http_header){GW_STR("grpc-message"), gw_str_of(a->message)};
    if (a->details)
        t[n++] = (struct gw_http_header){GW_STR("grpc-status-details-bin"), gw_str_of(a->details)};
    gw_http_respond(s, a->status, h, a->alone ? n + 1 : 1);
    if (a->len)
        gw_http_write(s, (struct gw_str){a->body, a->len});
    gw_http_finish(s, t, a->alone ? 0 : n);
}

static void on_end(struct gw_http_stream *s, void *ctx)
{
    static const struct gw_http_header ok[] = {{{"grpc-status", 11}, {"0", 1}}};

    (void)ctx;
    if (gw_str_is(s->path, "/echo"))
        gw_http_finish(s, ok, 1);
    else if (gw_str_is(s->path, "/reset"))
        gw_http_reset(s, 2);
    else if (gw_str_is(s->path, "/reset-cancel"))
        gw_http_reset(s, 8);
    else if (gw_str_is(s->path, "/refuse"))
        gw_http_reset(s, 7);
    for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++)
        if (gw_str_is(s->path, answers[i].path))
            give(s, &answers[i]);
}

static void on_gone(struct gw_http_stream *s, void *ctx)
{
    (void)ctx;
    n_gone++;
    for (int i = 0; i < n_held; i++)
        if (held[i] == s)
            held[i] = NULL;
}

static const struct gw_http_handler handler = {
    .head = on_head, .data = on_data, .end = on_end, .gone = on_gone};

static void serve(const char *listen)
{
    static struct gw_listener_conf c = {.header_timeout_ms = 60000,
                                        .body_timeout_ms = 60000,
                                        .idle_timeout_ms = 60000,
                                        .max_header_bytes = 10000,
                                        .max_connections = 100,
                                        .max_body_bytes = 100,
                                        .reuse_port = 1};

    c.listen = listen;
    listener = gw_listener_open(loop, &c, &handler, NULL, &err);
    CHECK(listener);
}

static void setup(void)
{
    loop = gw_loop_new();
    serve("127.0.0.1:0");
    snprintf(url, sizeof(url), "http://%s", gw_listener_address(listener));
    conf.url = url;
    channel = gw_rpc_channel_new(loop, &conf);
}

static void teardown(void)
{
    gw_rpc_channel_free(channel);
    gw_listener_close(listener);
    gw_loop_free(loop);
    CHECK(n_heads == n_gone);
}

/* ---- the client ---- */

struct test_call {
    struct gw_rpc rpc;
    char got[64]; /* messages, each in brackets */
    size_t bytes;
    int messages, drained, done;
    int pause_at, cancel_at; /* the message; 0: none */
    int pauses;              /* after each */
    char details[32];
    int again; /* done starts it once more */
};

static void on_message(struct gw_rpc *r, struct gw_str m)
{
    struct test_call *t = GW_CONTAINER(r, struct test_call, rpc);
    size_t n = strlen(t->got);

    CHECK(r->impl);
    if (m.len < 20)
        snprintf(t->got + n, sizeof(t->got) - n, "[%.*s]", (int)m.len, m.p);
    t->bytes += m.len;
    t->messages++;
    if (t->pauses || t->messages == t->pause_at)
        gw_rpc_pause(r, 1);
    if (t->messages == t->cancel_at)
        gw_rpc_cancel(r);
}

static void on_drained(struct gw_rpc *r)
{
    GW_CONTAINER(r, struct test_call, rpc)->drained++;
}

static void on_done(struct gw_rpc *r)
{
    struct test_call *t = GW_CONTAINER(r, struct test_call, rpc);

    t->done++;
    snprintf(t->details, sizeof(t->details), "%.*s", (int)r->details.len, r->details.p);
    if (t->again-- > 0)
        gw_rpc_start(channel, r, GW_STR("x"), 0);
}

static void init(struct test_call *t, const char *path)
{
    memset(t, 0, sizeof(*t));
    t->rpc.path = path;
    t->rpc.message = on_message;
    t->rpc.drained = on_drained;
    t->rpc.done = on_done;
}

static void wait_for(const int *what, int n)
{
    while (*what < n)
        gw_loop_turn(loop, 1);
}

/* Calls path and waits for its end. */
static void call(struct test_call *t, const char *path)
{
    init(t, path);
    gw_rpc_start(channel, &t->rpc, GW_STR("x"), 0);
    CHECK(t->done == 0);
    wait_for(&t->done, 1);
    CHECK(t->done == 1 && !t->rpc.impl);
}

static void turns(int n)
{
    while (n-- > 0)
        gw_loop_turn(loop, 0);
}

TEST(test_rpc_brings_messages_status_text_and_details)
{
    struct test_call t;

    setup();
    call(&t, "/two");
    CHECK(t.rpc.code == GW_RPC_OK && !strcmp(t.got, "[one][]") && !*t.rpc.why);
    call(&t, "/not-found");
    CHECK(t.rpc.code == GW_RPC_NOT_FOUND && !strcmp(t.rpc.why, "no such%2"));
    CHECK(!strcmp(t.details, "\n\3abc"));
    call(&t, "/exhausted");
    CHECK(t.rpc.code == GW_RPC_RESOURCE_EXHAUSTED && !strcmp(t.rpc.why, "zu viel: \xc3\xbc"));
    CHECK(t.messages == 1);
    call(&t, "/own-number");
    CHECK(t.rpc.code == 99 && !strcmp(gw_rpc_code_name(99), "UNKNOWN"));
    CHECK(!strcmp(gw_rpc_code_name(GW_RPC_UNAUTHENTICATED), "UNAUTHENTICATED"));
    teardown();
}

TEST(test_rpc_whatever_the_server_says_ends_in_a_code_and_a_reason)
{
    static const struct {
        const char *path;
        int code;
        const char *why;
    } cases[] = {{"/no-status", GW_RPC_INTERNAL, "no grpc-status"},
                 {"/no-number", GW_RPC_UNKNOWN, "not a number"},
                 {"/half", GW_RPC_INTERNAL, "in the middle of a message"},
                 {"/half-prefix", GW_RPC_INTERNAL, "in the middle of a message"},
                 {"/compressed", GW_RPC_INTERNAL, "compressed"},
                 {"/html", GW_RPC_UNKNOWN, "content-type text/html"},
                 {"/html-ok", GW_RPC_UNKNOWN, "content-type text/html"},
                 {"/400", GW_RPC_INTERNAL, "HTTP status 400"},
                 {"/401", GW_RPC_UNAUTHENTICATED, "HTTP status 401"},
                 {"/403", GW_RPC_PERMISSION_DENIED, "HTTP status 403"},
                 {"/404", GW_RPC_UNIMPLEMENTED, "HTTP status 404"},
                 {"/429", GW_RPC_UNAVAILABLE, "HTTP status 429"},
                 {"/500", GW_RPC_UNKNOWN, "HTTP status 500"},
                 {"/502", GW_RPC_UNAVAILABLE, "HTTP status 502"},
                 {"/503", GW_RPC_UNAVAILABLE, "HTTP status 503"},
                 {"/504", GW_RPC_UNAVAILABLE, "HTTP status 504"},
                 {"/reset", GW_RPC_INTERNAL, "INTERNAL_ERROR"},
                 {"/reset-cancel", GW_RPC_CANCELLED, "CANCEL"},
                 {"/refuse", GW_RPC_UNAVAILABLE, "REFUSED_STREAM"}};
    struct test_call t;

    setup();
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        call(&t, cases[i].path);
        if (t.rpc.code != cases[i].code || !strstr(t.rpc.why, cases[i].why))
            printf("%s: %d %s\n", cases[i].path, t.rpc.code, t.rpc.why);
        CHECK(t.rpc.code == cases[i].code && strstr(t.rpc.why, cases[i].why));
    }
    CHECK(n_heads == 20); /* the refused one was tried twice */
    teardown();
}

TEST(test_rpc_texts_of_an_answer_are_read_as_grpc_has_them)
{
    static const struct {
        const char *text, *says;
    } messages[] = {{"a%20b%", "a b%"},
                    {"100%25 %e2%80%9Cso%E2%80%9D", "100% “so”"},
                    {"a%0a\t%7fb", "a   b"},
                    {"good%ffbad", "good"},
                    {"%4", "%4"},
                    {"", ""},
                    {"0123456789abcdef", "0123456789abcde"}};
    static const char *const types[] = {"application/grpc", "application/grpc+proto",
                                        "application/grpc;a=b", "application/grpc ;a"};
    static const char *const others[] = {"application/grpc-web", "application/grp", "",
                                         "application/grpcs"};
    char out[16];

    for (size_t i = 0; i < sizeof(messages) / sizeof(*messages); i++) {
        gw_rpc_message(out, sizeof(out), gw_str_of(messages[i].text));
        CHECK(!strcmp(out, messages[i].says));
    }
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        CHECK(gw_rpc_is_type(gw_str_of(types[i])) && !gw_rpc_is_type(gw_str_of(others[i])));
    CHECK(gw_rpc_status(GW_STR("0")) == 0 && gw_rpc_status(GW_STR("16")) == 16);
    CHECK(gw_rpc_status(GW_STR("")) == -1 && gw_rpc_status(GW_STR("OK")) == -1);
    CHECK(gw_rpc_status(GW_STR("-1")) == -1 && gw_rpc_status(GW_STR("999999999")) == -1);
}

TEST(test_rpc_a_message_over_the_limit_ends_its_call_alone)
{
    struct test_call t, other;

    setup();
    init(&other, "/hold");
    gw_rpc_start(channel, &other.rpc, GW_STR("x"), 0);
    init(&t, "/large");
    t.rpc.max_message = 10;
    gw_rpc_start(channel, &t.rpc, GW_STR("x"), 0);
    wait_for(&t.done, 1);
    CHECK(t.rpc.code == GW_RPC_RESOURCE_EXHAUSTED && strstr(t.rpc.why, "11 bytes"));
    t.rpc.max_message = 11;
    gw_rpc_start(channel, &t.rpc, GW_STR("x"), 0);
    wait_for(&t.done, 2);
    CHECK(t.rpc.code == GW_RPC_OK && t.messages == 1 && !other.done);
    gw_rpc_cancel(&other.rpc);
    teardown();
}

TEST(test_rpc_streams_both_ways_until_both_have_ended)
{
    struct test_call t;

    setup();
    init(&t, "/echo");
    gw_rpc_start(channel, &t.rpc, (struct gw_str){0}, 1);
    gw_rpc_send(&t.rpc, GW_STR("a"));
    gw_rpc_send(&t.rpc, GW_STR("bc"));
    wait_for(&t.messages, 2);
    CHECK(!strcmp(t.got, "[a][bc]") && t.drained > 0 && gw_rpc_unsent(&t.rpc) == 0);
    gw_rpc_send(&t.rpc, GW_STR(""));
    gw_rpc_end(&t.rpc);
    CHECK(gw_rpc_unsent(&t.rpc) == 5);
    wait_for(&t.done, 1);
    CHECK(t.rpc.code == GW_RPC_OK && !strcmp(t.got, "[a][bc][]"));
    teardown();
}

/* Three megabytes each way are more than any window. */
TEST(test_rpc_large_messages_go_both_ways)
{
    enum { SIZE = 3 << 20 };
    char *big = malloc(SIZE);
    struct test_call t;

    setup();
    memset(big, 'x', SIZE);
    init(&t, "/echo");
    gw_rpc_start(channel, &t.rpc, (struct gw_str){big, SIZE}, 1);
    gw_rpc_send(&t.rpc, (struct gw_str){big, SIZE});
    gw_rpc_end(&t.rpc);
    wait_for(&t.done, 1);
    CHECK(t.rpc.code == GW_RPC_OK && t.messages == 2 && t.bytes == 2 * SIZE);
    free(big);
    teardown();
}

TEST(test_rpc_tells_the_server_its_deadline_and_keeps_it)
{
    static const struct gw_http_header metadata[] = {{{"x-a", 3}, {"1", 1}}};
    struct test_call t;

    setup();
    init(&t, "/hold");
    t.rpc.timeout_ms = 20;
    t.rpc.metadata = metadata;
    t.rpc.n_metadata = 1;
    gw_rpc_start(channel, &t.rpc, GW_STR("x"), 0);
    wait_for(&t.done, 1);
    CHECK(t.rpc.code == GW_RPC_DEADLINE_EXCEEDED && strstr(t.rpc.why, "deadline"));
    wait_for(&n_gone, 1); /* the server was told */
    CHECK(!strcmp(timeout_seen, "20m") && !strcmp(metadata_seen, "1"));
    t.rpc.timeout_ms = 200000000;
    gw_rpc_start(channel, &t.rpc, GW_STR("x"), 0);
    wait_for(&n_heads, 2);
    CHECK(!strcmp(timeout_seen, "200000S"));
    gw_rpc_cancel(&t.rpc);
    teardown();
}

TEST(test_rpc_cancel_tells_the_server_and_nobody_else)
{
    struct test_call a, b;

    setup();
    init(&a, "/hold");
    gw_rpc_start(channel, &a.rpc, GW_STR("x"), 0);
    init(&b, "/two");
    b.cancel_at = 1;
    gw_rpc_start(channel, &b.rpc, GW_STR("x"), 0); /* from inside its message */
    wait_for(&b.messages, 1);
    CHECK(n_held == 1 && held[0]);
    gw_rpc_cancel(&a.rpc);
    gw_rpc_cancel(&a.rpc);
    wait_for(&n_gone, 2);
    turns(3);
    CHECK(!a.done && !b.done && b.messages == 1);
    gw_rpc_start(channel, &a.rpc, GW_STR("x"), 0); /* at once */
    gw_rpc_cancel(&a.rpc);
    call(&b, "/two");
    CHECK(!a.done && b.rpc.code == GW_RPC_OK);
    teardown();
}

/* What a paused call may be sent is a window; a second call goes on beside it. */
TEST(test_rpc_a_paused_call_is_not_sent_to_and_keeps_nobody_waiting)
{
    enum { N = 200, SIZE = 100000 };
    static const struct gw_http_header ok[] = {{{"grpc-status", 11}, {"0", 1}}};
    static char message[5 + SIZE] = {0, 0, 1, (char)0x86, (char)0xa0};
    struct test_call t, other;

    setup();
    init(&t, "/flow");
    t.pause_at = 2;
    gw_rpc_start(channel, &t.rpc, GW_STR("x"), 0);
    wait_for(&n_held, 1);
    for (int i = 0; i < N; i++)
        gw_http_write(held[0], (struct gw_str){message, sizeof(message)});
    gw_http_finish(held[0], ok, 1);
    wait_for(&t.messages, 2);
    turns(100);
    CHECK(t.messages == 2 && gw_http_unsent(held[0]) > (N - 2) * SIZE - (3 << 20));
    call(&other, "/two");
    CHECK(other.rpc.code == GW_RPC_OK && t.messages == 2);
    t.pause_at = N - 1; /* the end waits for the last message */
    gw_rpc_pause(&t.rpc, 0);
    CHECK(t.messages == 2);
    wait_for(&t.messages, N - 1);
    turns(5);
    CHECK(!t.done);
    gw_rpc_pause(&t.rpc, 0);
    wait_for(&t.done, 1);
    CHECK(t.rpc.code == GW_RPC_OK && t.bytes == (size_t)N * SIZE);
    teardown();
}

/* Who takes one message at a time is sent a window ahead, not one for each. */
TEST(test_rpc_a_call_that_pauses_after_each_message_is_sent_what_it_took)
{
    enum { N = 40, SIZE = 100000, WINDOW = 1 << 20 };
    static const struct gw_http_header ok[] = {{{"grpc-status", 11}, {"0", 1}}};
    static char message[5 + SIZE] = {0, 0, 1, (char)0x86, (char)0xa0};
    struct test_call t;

    setup();
    init(&t, "/flow");
    t.pauses = 1;
    gw_rpc_start(channel, &t.rpc, GW_STR("x"), 0);
    wait_for(&n_held, 1);
    for (int i = 0; i < N; i++)
        gw_http_write(held[0], (struct gw_str){message, sizeof(message)});
    gw_http_finish(held[0], ok, 1);
    for (int i = 1; i <= N; i++) {
        size_t sent;

        wait_for(&t.messages, i);
        turns(20);
        sent = N * sizeof(message) - (held[0] ? gw_http_unsent(held[0]) : 0);
        CHECK(t.messages == i && sent <= (size_t)i * sizeof(message) + WINDOW);
        gw_rpc_pause(&t.rpc, 0);
    }
    wait_for(&t.done, 1);
    CHECK(t.rpc.code == GW_RPC_OK && t.bytes == (size_t)N * SIZE);
    teardown();
}

/* A server that does not read: what waits is known, and drained says when it has gone. */
TEST(test_rpc_says_what_the_socket_has_not_taken)
{
    enum { SIZE = 3 << 20 };
    char *big = calloc(1, SIZE);
    struct test_call t;

    setup();
    init(&t, "/echo");
    t.pause_at = 1;
    gw_rpc_start(channel, &t.rpc, GW_STR("x"), 1);
    wait_for(&t.messages, 1);
    t.drained = 0;
    gw_rpc_send(&t.rpc, (struct gw_str){big, SIZE});
    CHECK(gw_rpc_unsent(&t.rpc) == SIZE + 5 && !t.drained);
    wait_for(&t.drained, 1);
    CHECK(gw_rpc_unsent(&t.rpc) == 0);
    gw_rpc_cancel(&t.rpc);
    free(big);
    teardown();
}

TEST(test_rpc_connects_anew_after_a_break_and_ends_what_was_under_way)
{
    struct test_call t, u;
    char address[64];

    setup();
    snprintf(address, sizeof(address), "%s", gw_listener_address(listener));
    init(&t, "/hold");
    gw_rpc_start(channel, &t.rpc, GW_STR("x"), 0);
    wait_for(&n_held, 1);
    gw_listener_close(listener);
    wait_for(&t.done, 1);
    CHECK(t.rpc.code == GW_RPC_UNAVAILABLE && strstr(t.rpc.why, "closed the connection"));
    t.again = 3; /* from inside done, while nobody listens */
    gw_rpc_start(channel, &t.rpc, GW_STR("x"), 0);
    wait_for(&t.done, 5);
    CHECK(t.rpc.code == GW_RPC_UNAVAILABLE && strstr(t.rpc.why, "refused"));
    serve(address);
    call(&u, "/two");
    CHECK(u.rpc.code == GW_RPC_OK);
    teardown();
}

TEST(test_rpc_what_goes_away_ends_its_calls_and_gets_no_new_ones)
{
    struct test_call t, u;
    char address[64];
    struct gw_listener *old;

    setup();
    snprintf(address, sizeof(address), "%s", gw_listener_address(listener));
    init(&t, "/hold");
    gw_rpc_start(channel, &t.rpc, GW_STR("x"), 0);
    wait_for(&n_held, 1);
    old = listener;
    gw_listener_drain(old, NULL, NULL); /* GOAWAY, and it does not listen any more */
    turns(10);
    serve(address);
    call(&u, "/two");
    CHECK(u.rpc.code == GW_RPC_OK && !t.done && held[0]);
    give(held[0], &answers[0]);
    wait_for(&t.done, 1);
    CHECK(t.rpc.code == GW_RPC_OK);
    gw_listener_close(old);
    teardown();
}

TEST(test_rpc_a_name_that_is_none_and_a_url_without_port)
{
    struct test_call t;

    loop = gw_loop_new();
    conf.url = "http://moongate.invalid";
    channel = gw_rpc_channel_new(loop, &conf);
    call(&t, "/two");
    CHECK(t.rpc.code == GW_RPC_UNAVAILABLE && strstr(t.rpc.why, "moongate.invalid:80"));
    gw_rpc_start(channel, &t.rpc, GW_STR("x"), 0);
    gw_rpc_cancel(&t.rpc);
    turns(2);
    CHECK(t.done == 1);
    gw_rpc_channel_free(channel);
    gw_loop_free(loop);
}

static void on_done_frees(struct gw_rpc *r)
{
    on_done(r);
    gw_rpc_channel_free(channel);
    channel = NULL;
}

TEST(test_rpc_done_may_free_the_channel)
{
    struct test_call t;

    setup();
    init(&t, "/not-found");
    t.rpc.done = on_done_frees;
    gw_rpc_start(channel, &t.rpc, GW_STR("x"), 0);
    wait_for(&t.done, 1);
    CHECK(!channel && t.rpc.code == GW_RPC_NOT_FOUND);
    teardown();
}

/* ---- bytes ---- */

/* A socket that the channel is to connect to. */
static int listening(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    CHECK(!bind(fd, (struct sockaddr *)&a, size) && !listen(fd, 1));
    CHECK(!getsockname(fd, (struct sockaddr *)&a, &size));
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", ntohs(a.sin_port));
    conf.url = url;
    channel = gw_rpc_channel_new(loop, &conf);
    return fd;
}

/* One connection's server that reads nothing and says these bytes, early: before it was asked. */
static void against(struct test_call *t, const char *bytes, size_t len, int early)
{
    int fd = listening(), peer;

    init(t, "/x");
    gw_rpc_start(channel, &t->rpc, GW_STR("x"), 0);
    peer = accept(fd, NULL, NULL);
    close(fd); /* who comes again finds nobody */
    turns(early ? 0 : 3);
    CHECK(send(peer, bytes, len, MSG_NOSIGNAL) == (ssize_t)len);
    turns(5);
    shutdown(peer, SHUT_WR);
    wait_for(&t->done, 1);
    CHECK(t->done == 1);
    gw_rpc_channel_free(channel);
    close(peer);
}

#define SETTINGS "\0\0\0\4\0\0\0\0\0"
/* :status 200, content-type application/grpc, as literals without index */
#define HEAD "\0\0\40\1\4\0\0\0\1\x88\0\14content-type\20" TYPE
#define TRAILERS                                                                                   \
    "\0\0\17\1\5\0\0\0\1\0\13grpc-status\1"                                                        \
    "0"

/* A peer without windows that reads less than it is sent; b has more to say all the time. */
TEST(test_rpc_drained_comes_though_another_call_fills_the_connection)
{
    enum { SIZE = 512 << 10, ENOUGH = 16 << 20 };
    static const char wide[] = "\0\0\6\4\0\0\0\0\0\0\4\x7f\xff\xff\xff"
                               "\0\0\4\10\0\0\0\0\0\x7f\xff\0\0";
    static char bytes[SIZE];
    struct test_call a, b;
    size_t got = 0;
    int fd, peer;

    loop = gw_loop_new();
    fd = listening();
    init(&a, "/a");
    init(&b, "/b");
    gw_rpc_start(channel, &a.rpc, (struct gw_str){0}, 1);
    gw_rpc_start(channel, &b.rpc, (struct gw_str){0}, 1);
    peer = accept(fd, NULL, NULL);
    CHECK(send(peer, BYTES(wide), MSG_NOSIGNAL) == sizeof(wide) - 1);
    turns(5);
    for (a.drained = 0; got < SIZE || (!a.drained && got < ENOUGH);) {
        ssize_t n;

        while (gw_rpc_unsent(&b.rpc) < (4 << 20))
            gw_rpc_send(&b.rpc, (struct gw_str){bytes, SIZE});
        if (got == 0)
            gw_rpc_send(&a.rpc, (struct gw_str){bytes, SIZE});
        turns(2);
        n = recv(peer, bytes, 64 << 10, 0);
        CHECK(n > 0);
        got += (size_t)n;
    }
    CHECK(a.drained == 1);
    gw_rpc_cancel(&a.rpc);
    gw_rpc_cancel(&b.rpc);
    gw_rpc_channel_free(channel);
    gw_loop_free(loop);
    close(peer);
    close(fd);
}

TEST(test_rpc_bytes_that_are_no_answer_end_in_a_code_and_a_reason)
{
    static const struct {
        const char *bytes;
        size_t len;
        int code;
        const char *why;
    } cases[] = {
        {BYTES(SETTINGS HEAD "\0\0\10\0\0\0\0\0\1\0\0\0\0\3one" TRAILERS), GW_RPC_OK, ""},
        {BYTES(""), GW_RPC_UNAVAILABLE, "closed the connection"},
        {BYTES("HTTP/1.1 400 Bad Request\r\n\r\n"), GW_RPC_UNAVAILABLE, "HTTP/2"},
        {BYTES(SETTINGS), GW_RPC_UNAVAILABLE, "closed the connection"},
        {BYTES(SETTINGS HEAD), GW_RPC_UNAVAILABLE, "closed the connection"},
        {BYTES(SETTINGS HEAD "\0\0\10\0\0\0\0\0\1\0\0\0\0\3one"), GW_RPC_UNAVAILABLE, "closed"},
        {BYTES(SETTINGS HEAD "\0\0\10\0\1\0\0\0\1\0\0\0\0\3one"), GW_RPC_INTERNAL,
         "no grpc-status"},
        {BYTES(SETTINGS HEAD "\0\0\4\3\0\0\0\0\1\0\0\0\13"), GW_RPC_RESOURCE_EXHAUSTED, "CALM"},
        {BYTES(SETTINGS HEAD "\0\0\4\3\0\0\0\0\1\0\0\0\1"), GW_RPC_INTERNAL, "PROTOCOL_ERROR"},
        {BYTES(SETTINGS "\0\0\4\3\0\0\0\0\1\0\0\0\0"), GW_RPC_UNAVAILABLE, "without a whole"},
        {BYTES(SETTINGS "\0\0\10\0\0\0\0\0\1\0\0\0\0\3one"), GW_RPC_UNAVAILABLE, ""},
        {BYTES(SETTINGS "\0\0\1\1\5\0\0\0\1\xff"), GW_RPC_UNAVAILABLE, ""},
        {BYTES("\0\0\10\7\0\0\0\0\0\0\0\0\0\0\0\0\2"), GW_RPC_UNAVAILABLE, ""},
        {BYTES(SETTINGS "\0\0\1\x99\5\0\0\0\1\xff"), GW_RPC_UNAVAILABLE, "closed"},
    };
    struct test_call t;

    loop = gw_loop_new();
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        against(&t, cases[i].bytes, cases[i].len, 0);
        if (t.rpc.code != cases[i].code || !strstr(t.rpc.why, cases[i].why))
            printf("%zu: %d %s\n", i, t.rpc.code, t.rpc.why);
        CHECK(t.rpc.code == cases[i].code && strstr(t.rpc.why, cases[i].why));
        CHECK(t.rpc.code == GW_RPC_OK || *t.rpc.why);
        against(&t, cases[i].bytes, cases[i].len, 1);
        CHECK(t.rpc.code != GW_RPC_OK && *t.rpc.why);
    }
    gw_loop_free(loop);
}

/* A stream whose later messages are gone: nobody has them for a second time. */
TEST(test_rpc_a_stream_that_was_refused_is_not_sent_in_part)
{
    static const char away[] = SETTINGS "\0\0\10\7\0\0\0\0\0\0\0\0\0\0\0\0\0";
    struct test_call t;
    int fd, peer;

    loop = gw_loop_new();
    fd = listening();
    init(&t, "/x");
    gw_rpc_start(channel, &t.rpc, GW_STR("one"), 1);
    gw_rpc_send(&t.rpc, GW_STR("two"));
    gw_rpc_end(&t.rpc);
    peer = accept(fd, NULL, NULL);
    turns(3);
    CHECK(send(peer, BYTES(away), MSG_NOSIGNAL) == sizeof(away) - 1);
    wait_for(&t.done, 1);
    CHECK(t.rpc.code == GW_RPC_UNAVAILABLE);
    CHECK(!fcntl(fd, F_SETFL, O_NONBLOCK) && accept(fd, NULL, NULL) < 0);
    gw_rpc_channel_free(channel);
    gw_loop_free(loop);
    close(peer);
    close(fd);
}

/* ---- TLS: one connection, the codec behind it by hand ---- */

struct secure {
    struct gw_watch listens, peer;
    struct gw_tls_context *context;
    struct gw_tls *tls;
    struct gw_codec *codec;
    int fd;
};

static void on_peer(struct gw_watch *w, int what)
{
    struct secure *s = GW_CONTAINER(w, struct secure, peer);
    static char bytes[65536];
    ssize_t n;

    (void)what;
    while ((n = gw_tls_read(s->tls, bytes, sizeof(bytes), &err)) > 0)
        s->codec->ops->feed(s->codec, (struct gw_str){bytes, (size_t)n});
    if (n != GW_TLS_AGAIN) {
        gw_watch_want(w, 0);
        return;
    }
    s->codec->ops->fill(s->codec);
    while (gw_tls_shaken(s->tls) && s->codec->out.len > 0) {
        n = gw_tls_write(s->tls, s->codec->out.p, s->codec->out.len, &err);
        if (n < 0)
            break;
        gw_buf_drop(&s->codec->out, (size_t)n);
    }
    gw_watch_want(w, GW_READABLE | (s->codec->out.len > 0 ? GW_WRITABLE : 0));
}

static void on_secure_connect(struct gw_watch *w, int what)
{
    struct secure *s = GW_CONTAINER(w, struct secure, listens);
    const struct gw_codec_conf c = {
        .handler = &handler, .max_header_bytes = 10000, .max_body_bytes = 100};

    (void)what;
    s->fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK);
    gw_watch_want(w, 0);
    s->tls = gw_tls_server(s->context, s->fd);
    s->codec = gw_http2.open(&c);
    gw_watch_init(&s->peer, loop, s->fd, on_peer);
    gw_watch_want(&s->peer, GW_READABLE);
}

static void call_securely(struct test_call *t, const char *const *alpn, const char *ca,
                          struct gw_str message)
{
    const struct gw_tls_files files = {.cert = "server.pem", .key = "server.key"};
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(a);
    struct secure s = {.context = gw_tls_server_context(&files, alpn, &err)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    CHECK(s.context && !bind(fd, (struct sockaddr *)&a, size) && !listen(fd, 1));
    CHECK(!getsockname(fd, (struct sockaddr *)&a, &size));
    snprintf(url, sizeof(url), "https://localhost:%d", ntohs(a.sin_port));
    conf = (struct gw_rpc_conf){.url = url, .ca = ca};
    gw_watch_init(&s.listens, loop, fd, on_secure_connect);
    gw_watch_want(&s.listens, GW_READABLE);
    channel = gw_rpc_channel_new(loop, &conf);
    init(t, "/echo");
    gw_rpc_start(channel, &t->rpc, message, 0);
    wait_for(&t->done, 1);
    gw_rpc_channel_free(channel);
    gw_watch_fini(&s.peer);
    gw_watch_fini(&s.listens);
    gw_tls_free(s.tls);
    gw_tls_context_drop(s.context);
    s.codec->ops->close(s.codec);
    close(s.fd);
    close(fd);
}

TEST(test_rpc_over_tls_wants_the_certificate_and_http2)
{
    enum { SIZE = 3 << 20 };
    static const char *const h2[] = {"h2", NULL}, *const h1[] = {"http/1.1", NULL},
                             *const any[] = {NULL};
    char *big = calloc(1, SIZE);
    struct test_call t;

    tls_files();
    loop = gw_loop_new();
    call_securely(&t, h2, "ca.pem", (struct gw_str){big, SIZE});
    CHECK(t.rpc.code == GW_RPC_OK && t.bytes == SIZE);
    call_securely(&t, h2, "stranger.pem", GW_STR("x"));
    CHECK(t.rpc.code == GW_RPC_UNAVAILABLE && strstr(t.rpc.why, "certificate"));
    call_securely(&t, h1, "ca.pem", GW_STR("x"));
    CHECK(t.rpc.code == GW_RPC_UNAVAILABLE && strstr(t.rpc.why, "localhost"));
    call_securely(&t, any, "ca.pem", GW_STR("x"));
    CHECK(t.rpc.code == GW_RPC_UNAVAILABLE && strstr(t.rpc.why, "does not speak HTTP/2"));
    conf = (struct gw_rpc_conf){.url = "https://localhost:1", .ca = "none.pem"};
    channel = gw_rpc_channel_new(loop, &conf);
    call(&t, "/echo");
    CHECK(t.rpc.code == GW_RPC_UNAVAILABLE && strstr(t.rpc.why, "none.pem"));
    gw_rpc_channel_free(channel);
    gw_loop_free(loop);
    free(big);
    CHECK(n_heads == n_gone);
}
