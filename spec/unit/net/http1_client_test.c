#include "net/http1_client.h"

#include "base/arena.h"
#include "net/loop.h"
#include "test.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Against a socket of the test's own: it accepts when there is somebody, reads what came and writes
 * what it is told. */
static struct gw_loop *loop;
static struct gw_arena *mem;
static struct gw_http1_client *client;
static int listener, peer = -1, done_count;
static char address[64], request[10000];
static size_t request_len;

static void on_done(struct gw_http_call *call)
{
    (void)call;
    done_count++;
}

static struct gw_http_call new_call(struct gw_str body)
{
    static const struct gw_http_header h[] = {{{"content-type", 12}, {"text/plain", 10}}};

    return (struct gw_http_call){.method = GW_STR("POST"),
                                 .authority = GW_STR("a:1"),
                                 .path = GW_STR("/x"),
                                 .headers = h,
                                 .n_headers = 1,
                                 .body = body,
                                 .max_answer = 1000,
                                 .mem = mem,
                                 .done = on_done};
}

static void setup(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);

    listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(!bind(listener, (struct sockaddr *)&a, sizeof(a)) && !listen(listener, 10));
    CHECK(!getsockname(listener, (struct sockaddr *)&a, &len));
    snprintf(address, sizeof(address), "127.0.0.1:%d", ntohs(a.sin_port));
    loop = gw_loop_new();
    mem = gw_arena_new();
    client = gw_http1_client_new(loop, address);
}

static void teardown(void)
{
    gw_http1_client_close(client);
    gw_loop_free(loop);
    gw_arena_free(mem);
    close(listener);
    if (peer >= 0)
        close(peer);
}

/* The client connects with the kernel's help alone; then the request is read up to its last byte.
 */
static void serve(int accept_new, const char *last)
{
    if (accept_new) {
        gw_loop_turn(loop, 0);
        peer = accept(listener, NULL, NULL);
        CHECK(peer >= 0);
    }
    request_len = 0;
    do {
        ssize_t n;

        gw_loop_turn(loop, 0);
        n = recv(peer, request + request_len, sizeof(request) - 1 - request_len, MSG_DONTWAIT);
        request_len += n > 0 ? (size_t)n : 0;
        request[request_len] = '\0';
    } while (!strstr(request, last));
}

static void reply(const char *text)
{
    CHECK(write(peer, text, strlen(text)) == (ssize_t)strlen(text));
}

static void finish(int calls)
{
    while (done_count < calls)
        gw_loop_turn(loop, 1);
}

TEST(test_http1_client_sends_a_request_and_reads_its_answer)
{
    struct gw_http_call call;

    setup();
    call = new_call(GW_STR("hello"));
    gw_http1_client_start(client, &call);
    serve(1, "hello");
    CHECK(!strcmp(request, "POST /x HTTP/1.1\r\nhost: a:1\r\ncontent-type: text/plain\r\n"
                           "content-length: 5\r\n\r\nhello"));
    CHECK(done_count == 0);
    reply("HTTP/1.1 202 Accepted\r\nX-A: 1\r\nContent-Length: 2\r\n\r\nok");
    finish(1);
    CHECK(!call.failed && call.status == 202 && gw_str_is(gw_buf_str(&call.answer), "ok"));
    CHECK(gw_str_is(*gw_http_answer(&call, "x-a"), "1"));
    teardown();
}

static char seen[5000];
static size_t seen_len;

static void on_piece(struct gw_http_call *call)
{
    CHECK(call->status == 200 && seen_len + call->answer.len < sizeof(seen));
    memcpy(seen + seen_len, call->answer.p, call->answer.len);
    seen_len += call->answer.len;
    gw_buf_clear(&call->answer);
}

TEST(test_http1_client_gives_the_body_as_it_comes)
{
    struct gw_http_call call;
    char chunk[1000];

    setup();
    call = new_call(GW_STR("x"));
    call.data = on_piece;
    gw_http1_client_start(client, &call);
    serve(1, "x");
    reply("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    while (seen_len < 3)
        gw_loop_turn(loop, 1);
    CHECK(done_count == 0 && !memcmp(seen, "abc", 3));
    for (size_t i = 1; i <= 4; i++) { /* more in all than max_answer */
        snprintf(chunk, sizeof(chunk), "1f4\r\n%0500d\r\n", 7);
        reply(chunk);
        while (seen_len < 3 + 500 * i)
            gw_loop_turn(loop, 1);
    }
    reply("0\r\n\r\n");
    finish(1);
    CHECK(!call.failed && call.answer.len == 0 && seen_len == 2003 && seen[2002] == '7');
    teardown();
}

TEST(test_http1_client_keeps_the_connection_for_the_next_call)
{
    struct gw_http_call call;

    setup();
    for (int i = 1; i <= 3; i++) {
        call = new_call(GW_STR("one"));
        gw_http1_client_start(client, &call);
        serve(i == 1, "one");
        reply("HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\n"
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
        finish(i);
        CHECK(call.status == 200 && gw_str_is(gw_buf_str(&call.answer), "abc"));
        CHECK(!gw_http_answer(&call, "x-early"));
    }
    teardown();
}

TEST(test_http1_client_opens_anew_when_a_kept_connection_broke)
{
    struct gw_http_call call;

    setup();
    call = new_call(GW_STR("one"));
    gw_http1_client_start(client, &call);
    serve(1, "one");
    reply("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    finish(1);
    close(peer);
    call = new_call(GW_STR("two"));
    gw_http1_client_start(client, &call);
    gw_loop_turn(loop, 1);
    serve(1, "two");
    reply("HTTP/1.0 200 OK\r\n\r\nuntil the end");
    close(peer);
    peer = -1;
    finish(2);
    CHECK(!call.failed && gw_str_is(gw_buf_str(&call.answer), "until the end"));
    teardown();
}

TEST(test_http1_client_fails_on_what_is_no_answer)
{
    static const char *const bad[] = {"SSH-2.0-x\r\n",
                                      "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", ""};
    struct gw_http_call call;

    setup();
    for (int i = 0; i < 3; i++) {
        call = new_call(GW_STR("one"));
        gw_http1_client_start(client, &call);
        serve(1, "one");
        reply(bad[i]);
        close(peer);
        peer = -1;
        finish(i + 1);
        CHECK(call.failed && call.err.kind == GW_ERR_RETRY && call.err.msg[0]);
    }
    teardown();
}

TEST(test_http1_client_fails_when_the_answer_is_too_large)
{
    struct gw_http_call call;
    char text[2000];

    setup();
    call = new_call(GW_STR("one"));
    gw_http1_client_start(client, &call);
    serve(1, "one");
    snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n%01001d", 0);
    reply(text);
    finish(1);
    CHECK(call.failed && call.err.kind == GW_ERR_TOO_LARGE);
    teardown();
}

TEST(test_http1_client_fails_when_nobody_listens)
{
    struct gw_http_call call;

    setup();
    close(listener);
    listener = -1;
    call = new_call(GW_STR("one"));
    gw_http1_client_start(client, &call);
    CHECK(done_count == 0);
    finish(1);
    CHECK(call.failed && strstr(call.err.msg, address));
    teardown();
}

TEST(test_http1_client_pauses_and_knows_that_head_has_no_body)
{
    struct gw_http_call call;

    setup();
    call = new_call(GW_STR(""));
    call.data = on_piece;
    gw_http1_client_start(client, &call);
    serve(1, "\r\n\r\n");
    reply("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc");
    while (seen_len < 3)
        gw_loop_turn(loop, 1);
    gw_http1_client_pause(client, 1);
    reply("def");
    for (int i = 0; i < 5; i++)
        gw_loop_turn(loop, 0);
    CHECK(seen_len == 3 && done_count == 0);
    gw_http1_client_pause(client, 0);
    finish(1);
    CHECK(!call.failed && seen_len == 6);
    call = new_call(GW_STR(""));
    call.method = GW_STR("HEAD");
    gw_http1_client_start(client, &call);
    serve(0, "\r\n\r\n"); /* on the same connection */
    reply("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n");
    finish(2);
    CHECK(!call.failed && call.status == 200 && call.n_head == 1 && call.answer.len == 0);
    gw_http1_client_renew(client);
    call = new_call(GW_STR("x"));
    gw_http1_client_start(client, &call);
    close(peer);
    serve(1, "x"); /* on another */
    reply("HTTP/1.1 204 No Content\r\n\r\n");
    finish(3);
    CHECK(!call.failed && call.status == 204);
    teardown();
}

/* Of an answer nothing may come to the next call's, which may be another client's. */
TEST(test_http1_client_takes_nothing_of_one_answer_into_the_next)
{
    static const struct {
        const char *says;
        int again; /* on the same connection */
    } first[] = {
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Old: 1\r\n\r\n", 1},
        {"HTTP/1.1 200 OK\r\nX-Old: 1", 0},
        {"HTTP/1.1 200 OK\r\nX-Ol", 0},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nX-Old: 1\r\n", 0},
    };

    for (size_t i = 0; i < sizeof(first) / sizeof(*first); i++) {
        struct gw_http_call call;

        setup();
        done_count = 0;
        call = new_call(GW_STR("one"));
        gw_http1_client_start(client, &call);
        serve(1, "one");
        reply(first[i].says);
        if (!strstr(first[i].says, "\r\n\r\n")) {
            close(peer);
            peer = -1;
        }
        finish(1);
        call = new_call(GW_STR("two"));
        gw_http1_client_start(client, &call);
        if (!first[i].again && peer >= 0)
            close(peer);
        serve(!first[i].again, "two");
        reply("HTTP/1.1 404 Not Found\r\nX-New: 2\r\nContent-Length: 0\r\n\r\n");
        finish(2);
        CHECK(!call.failed && call.status == 404 && call.n_head == 2);
        CHECK(gw_str_is(call.answer_headers[0].name, "x-new"));
        CHECK(gw_str_is(call.answer_headers[0].value, "2"));
        teardown();
    }
}

TEST(test_http1_client_knows_statuses_without_a_body)
{
    static const char *const heads[] = {"304 Not Modified\r\nContent-Length: 50",
                                        "204 No Content\r\nTransfer-Encoding: chunked"};
    char text[200];

    setup();
    done_count = 0;
    for (int i = 0; i < 2; i++) {
        struct gw_http_call call = new_call(GW_STR("one"));

        gw_http1_client_start(client, &call);
        serve(i == 0, "one");
        snprintf(text, sizeof(text), "HTTP/1.1 %s\r\n\r\n", heads[i]);
        reply(text);
        for (int turn = 0; turn < 100 && done_count <= i; turn++)
            gw_loop_turn(loop, 1);
        CHECK(done_count == i + 1 && !call.failed && call.answer.len == 0);
    }
    teardown();
}

/* It is there when the next request is to go, and nothing has looked at the connection since. */
TEST(test_http1_client_does_not_use_a_connection_with_something_on_it)
{
    struct gw_http_call call;
    int first;

    setup();
    call = new_call(GW_STR("one"));
    gw_http1_client_start(client, &call);
    serve(1, "one");
    reply("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    finish(1);
    reply("HTTP/1.1 200 OK\r\nX-Old: 1\r\nContent-Length: 0\r\n\r\n");
    first = peer;
    call = new_call(GW_STR("two"));
    gw_http1_client_start(client, &call);
    serve(1, "two");
    close(first);
    reply("HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n");
    finish(2);
    CHECK(!call.failed && call.status == 404);
    teardown();
}

TEST(test_http1_client_has_so_much_patience_with_a_silent_server)
{
    static const char *const says[] = {"", "HTTP/1.1 200 O", "HTTP/1.1 102 x\r\n\r\n",
                                       "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"};
    struct gw_http_call call;

    setup();
    done_count = 0;
    gw_http1_client_patience(client, 5);
    for (int i = 0; i < 4; i++) {
        call = new_call(GW_STR("one"));
        gw_http1_client_start(client, &call);
        serve(1, "one");
        reply(says[i]);
        finish(i + 1);
        CHECK(call.failed && call.silent && strstr(call.err.msg, "nothing came for 0.005 s"));
        close(peer);
        peer = -1;
    }
    /* A kept connection, too, and nothing is sent again. */
    gw_http1_client_patience(client, 0);
    call = new_call(GW_STR("one"));
    gw_http1_client_start(client, &call);
    serve(1, "one");
    reply("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    finish(5);
    CHECK(!call.failed && !call.silent);
    gw_http1_client_patience(client, 5);
    call = new_call(GW_STR("two"));
    gw_http1_client_start(client, &call);
    finish(6);
    CHECK(call.failed && call.silent);
    CHECK(!poll(&(struct pollfd){.fd = listener, .events = POLLIN}, 1, 0));
    teardown();
}

/* Bytes of a body show that it is alive. How long it may be silent is so much that this machine can
 * say something in time. */
TEST(test_http1_client_counts_silence_from_the_last_byte)
{
    for (int64_t patience = 10;; patience *= 2) {
        struct gw_http_call call;
        int64_t began, said, now, gap = 0;

        setup();
        gw_loop_turn(loop, 0);
        began = said = gw_loop_now_ms(loop);
        done_count = 0;
        gw_http1_client_patience(client, patience);
        call = new_call(GW_STR("one"));
        gw_http1_client_start(client, &call);
        serve(1, "one");
        reply("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
        for (int i = 0; i < 99999 && said - began < 3 * patience && done_count == 0; i++) {
            const struct timespec little = {0, 1000000};

            reply("a");
            gw_loop_turn(loop, 1);
            now = gw_loop_now_ms(loop);
            gap = now - said > gap ? now - said : gap;
            said = now;
            nanosleep(&little, NULL);
        }
        if (gap > patience / 2) { /* it was we who were silent */
            teardown();
            continue;
        }
        CHECK(done_count == 0 && said - began >= 3 * patience);
        gw_http1_client_close(client); /* the call with it */
        client = NULL;
        teardown();
        return;
    }
}

/* Those of a head do not: it could go on for ever. */
TEST(test_http1_client_wants_a_head_in_time)
{
    struct gw_http_call call;

    setup();
    done_count = 0;
    gw_http1_client_patience(client, 5);
    call = new_call(GW_STR("one"));
    gw_http1_client_start(client, &call);
    serve(1, "one");
    reply("HTTP/1.1 200 OK\r\nA: ");
    while (done_count == 0) {
        if (send(peer, "a", 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            gw_loop_turn(loop, 0);
        gw_loop_turn(loop, 0);
    }
    CHECK(call.failed && call.silent);
    teardown();
}

/* A part of it would be another request. */
TEST(test_http1_client_sends_no_part_of_a_request_that_is_too_large)
{
    enum { MUCH = (128 << 20) + 1 };
    char *much = calloc(1, MUCH); /* never touched */
    struct gw_http_call call;

    CHECK(much);
    setup();
    done_count = 0;
    for (int i = 0; i < 2; i++) { /* without a connection, and on a kept one */
        call = new_call((struct gw_str){much, MUCH});
        gw_http1_client_start(client, &call);
        finish(2 * i + 1);
        CHECK(call.failed && call.err.kind == GW_ERR_TOO_LARGE);
        call = new_call(GW_STR("one"));
        gw_http1_client_start(client, &call);
        if (peer >= 0)
            close(peer);
        serve(1, "one");
        reply("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        finish(2 * i + 2);
        CHECK(!call.failed);
    }
    free(much);
    teardown();
}
