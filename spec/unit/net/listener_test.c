/* Listener and connections over real sockets, the loop turned by the test itself. */
#include "net/listener.h"

#include "base/err.h"
#include "codec_test.h"
#include "net/conn.h"
#include "net/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static struct room room;
static struct gw_loop *loop;
static struct gw_listener *listener;
static struct gw_err err;

static struct gw_listener_conf conf = {.listen = "127.0.0.1:0",
                                       .header_timeout_ms = 60000,
                                       .body_timeout_ms = 60000,
                                       .idle_timeout_ms = 60000,
                                       .max_header_bytes = 1000,
                                       .max_connections = 100,
                                       .max_body_bytes = 100};

static void start(enum reply reply)
{
    room.reply = reply;
    gw_buf_init(&room.seen, 1 << 20, NULL);
    loop = gw_loop_new();
    listener = gw_listener_open(loop, &conf, &room_handler, &room, &err);
    CHECK(listener);
}

static void stop(void)
{
    gw_listener_close(listener);
    gw_loop_free(loop);
    CHECK(room.heads == room.gones);
}

static int connect_to(const char *address)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    a.sin_port = htons((uint16_t)strtoul(strrchr(address, ':') + 1, NULL, 10));
    CHECK(fd >= 0 && !connect(fd, (struct sockaddr *)&a, sizeof(a)));
    return fd;
}

static int dial(void)
{
    int fd = connect_to(gw_listener_address(listener));

    CHECK(!fcntl(fd, F_SETFL, O_NONBLOCK));
    return fd;
}

static void say(int fd, const char *text)
{
    CHECK(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

/* Turns the loop until the peer has `text` (then 0) or its end (then -1). */
static int hear(int fd, const char *text)
{
    char got[20000];
    size_t n = 0;

    for (;;) {
        ssize_t more = recv(fd, got + n, sizeof(got) - 1 - n, 0);

        if (more == 0 || (more < 0 && errno == ECONNRESET))
            return -1;
        if (more > 0)
            n += (size_t)more;
        got[n] = '\0';
        if (text && strstr(got, text))
            return 0;
        if (more < 0)
            gw_loop_turn(loop, 1);
    }
}

static int idles;

static void on_idle(void *ctx)
{
    (void)ctx;
    idles++;
}

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

TEST(test_listener_names_the_port_that_the_kernel_chose)
{
    int fd;

    start(AT_END);
    CHECK(!strncmp(gw_listener_address(listener), "127.0.0.1:", 10));
    CHECK(strcmp(gw_listener_address(listener), "127.0.0.1:0") != 0);
    fd = dial();
    say(fd, GET);
    CHECK(!hear(fd, "HTTP/1.1 200 OK"));
    close(fd);
    stop();
}

TEST(test_listener_takes_ipv6_addresses)
{
    loop = gw_loop_new();
    conf.listen = "[::1]:0";
    listener = gw_listener_open(loop, &conf, &room_handler, &room, &err);
    if (!listener && strstr(err.msg, "annot assign"))
        spec_skip("no IPv6 here");
    CHECK(listener && !strncmp(gw_listener_address(listener), "[::1]:", 6));
    CHECK(strtoul(gw_listener_address(listener) + 6, NULL, 10) > 0);
    gw_listener_close(listener);
    gw_loop_free(loop);
}

TEST(test_listener_says_why_it_cannot_listen)
{
    static const char *const bad[] = {
        "8089", "", ":", "host:", "[::1:80", "127.0.0.1:70000", "no.such.host.invalid:1"};
    char wanted[200];

    start(AT_END);
    conf.listen = gw_listener_address(listener);
    CHECK(!gw_listener_open(loop, &conf, &room_handler, &room, &err));
    snprintf(wanted, sizeof(wanted), "cannot listen on %s: Address already in use", conf.listen);
    CHECK(!strcmp(err.msg, wanted));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        conf.listen = bad[i];
        CHECK(!gw_listener_open(loop, &conf, &room_handler, &room, &err));
        CHECK(!strncmp(err.msg, "cannot listen on ", 17));
    }
    stop();
}

TEST(test_listener_shares_an_address_between_loops)
{
    struct gw_loop *other = gw_loop_new();
    struct gw_listener *second;

    conf.reuse_port = 1;
    start(AT_END);
    conf.listen = gw_listener_address(listener);
    second = gw_listener_open(other, &conf, &room_handler, &room, &err);
    CHECK(second && !strcmp(gw_listener_address(second), gw_listener_address(listener)));
    gw_listener_close(second);
    gw_loop_free(other);
    stop();
}

TEST(test_conn_knows_http2_by_its_preface_byte_by_byte)
{
    static const char bytes[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    int fd;
    char frame[9];

    start(AT_END);
    fd = dial();
    for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
        CHECK(send(fd, bytes + i, 1, MSG_NOSIGNAL) == 1);
        gw_loop_turn(loop, 1);
        gw_loop_turn(loop, 0);
    }
    while (recv(fd, frame, sizeof(frame), MSG_PEEK) != sizeof(frame))
        gw_loop_turn(loop, 1);
    CHECK(frame[3] == 4); /* SETTINGS */
    close(fd);
    fd = dial();
    say(fd, "P");
    gw_loop_turn(loop, 1);
    gw_loop_turn(loop, 0);
    say(fd, "UT / HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(!hear(fd, "HTTP/1.1 200 OK"));
    close(fd);
    stop();
}

TEST(test_conn_every_wait_has_a_deadline)
{
    static const char *const waits[] = {"", "PRI * HT", "GET / HTTP/1.1\r\nHos",
                                        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx",
                                        GET};

    conf.header_timeout_ms = conf.body_timeout_ms = conf.idle_timeout_ms = 20;
    start(AT_END);
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        int fd = dial();

        say(fd, waits[i]);
        CHECK(hear(fd, NULL) == -1); /* the test's alarm ends what would wait for ever */
        close(fd);
    }
    stop();
}

TEST(test_conn_a_stalled_body_has_a_deadline_beside_a_busy_stream)
{
    /* Two POSTs; the second one's body never comes, the first one is not answered. */
    static const char bytes[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
                                "\0\0\6\1\5\0\0\0\1\x83\x86\x84\x41\1a"
                                "\0\0\6\1\4\0\0\0\3\x83\x86\x84\x41\1a";
    int fd;

    conf.body_timeout_ms = 20;
    start(LATER);
    fd = dial();
    CHECK(send(fd, bytes, sizeof(bytes) - 1, MSG_NOSIGNAL) == sizeof(bytes) - 1);
    while (room.gones < 1)
        gw_loop_turn(loop, 1);
    CHECK(room.heads == 2 && room.n_open == 1);
    room_answer(&room, room.open[0], 200);
    while (room.gones < 2)
        gw_loop_turn(loop, 1);
    close(fd);
    stop();
}

TEST(test_conn_a_peer_that_takes_no_answer_has_a_deadline)
{
    int fd;

    conf.body_timeout_ms = 20;
    room.answer_bytes = 64 << 20;
    start(AT_END);
    fd = dial();
    say(fd, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    while (room.gones < 1)
        gw_loop_turn(loop, 1);
    gw_listener_drain(listener, on_idle, NULL);
    while (!idles) /* the answer is never read: only the deadline ends this */
        gw_loop_turn(loop, 1);
    close(fd);
    stop();
}

static int n_told;

static void on_line(const char *text, size_t len)
{
    static const char line[] = "a client is sent away";

    n_told += memmem(text, len, line, sizeof(line) - 1) != NULL;
}

/* No byte of its comes any more: what sends it away is found as answers leave. */
TEST(test_conn_a_client_is_sent_away_and_told_though_nothing_more_comes)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    static const char get[] = "\0\0\6\1\5\0\0\0\1\x83\x86\x84\x41\1a";
    char many[100][sizeof(get) - 1];
    int fd, n = 0;

    gw_diag_sink = on_line;
    start(LATER);
    fd = dial();
    CHECK(send(fd, preface, sizeof(preface) - 1, MSG_NOSIGNAL) == sizeof(preface) - 1);
    for (int round = 0; round < 11 && !n_told; round++) {
        for (int i = 0; i < 100; i++, n++) {
            memcpy(many[i], get, sizeof(many[i]));
            many[i][7] = (char)((2 * n + 1) >> 8);
            many[i][8] = (char)((2 * n + 1) & 0xff);
        }
        CHECK(send(fd, many, sizeof(many), MSG_NOSIGNAL) == sizeof(many));
        while (room.n_open < 100)
            gw_loop_turn(loop, 1);
        for (int i = 0; i < 100; i++)
            gw_http_reset(room.open[i], 8);
        while (room.n_open > 0 && !n_told)
            gw_loop_turn(loop, 1);
    }
    CHECK(n_told == 1 && hear(fd, NULL) == -1); /* the test's alarm ends what would wait for ever */
    close(fd);
    while (listener->conns)
        gw_loop_turn(loop, 1);
    CHECK(n_told == 1);
    stop();
}

/* Nor does it get another for every byte that it sends. */
TEST(test_conn_a_peer_that_only_sends_has_the_same_deadline)
{
    const struct gw_conn *c;
    size_t left;
    int64_t at;
    int fd;

    conf.body_timeout_ms = 50;
    room.answer_bytes = 2000000;
    start(AT_END);
    fd = dial();
    while (!listener->conns)
        gw_loop_turn(loop, 1);
    c = listener->conns;
    do { /* until its socket is full, and what waits is no reason not to read from it */
        if (!c->codec || !c->codec->out.len)
            say(fd, GET);
        gw_loop_turn(loop, 0);
        room.answer_bytes = 100000;
    } while (!c->codec || c->codec->out.len == 0 || !c->blocked);
    CHECK(c->codec->out.len < 1 << 20);
    at = c->deadline_ms;
    left = c->codec->out.len;
    while (listener->conns) {
        const ssize_t n = send(fd, "\r\n", 2, MSG_NOSIGNAL);

        CHECK(n == 2 || errno == ECONNRESET || errno == EPIPE || errno == EAGAIN);
        gw_loop_turn(loop, 1);
        if (listener->conns && c->codec->out.len < left) { /* the kernel found room after all */
            left = c->codec->out.len;
            at = c->deadline_ms;
        }
        CHECK(!listener->conns || c->deadline_ms == at);
    }
    close(fd);
    stop();
}

/* Requests that come together are answered as their answers are taken. */
TEST(test_conn_keeps_few_answers_for_pipelined_requests)
{
    enum { REQUESTS = 500, SIZE = 100000 };
    static char got[1 << 16];
    size_t n = 0, wanted = (size_t)REQUESTS * SIZE, most = 0;
    int fd;

    room.answer_bytes = SIZE;
    start(AT_END);
    fd = dial();
    for (int i = 0; i < REQUESTS; i++)
        say(fd, GET);
    CHECK(!shutdown(fd, SHUT_WR));
    while (n < wanted) {
        const ssize_t more = recv(fd, got, sizeof(got), 0);

        n += more > 0 ? (size_t)more : 0;
        gw_loop_turn(loop, 0);
        if (listener->conns && listener->conns->codec && listener->conns->codec->out.cap > most)
            most = listener->conns->codec->out.cap;
    }
    CHECK(room.heads == REQUESTS && room.gones == REQUESTS && most < 2 << 20);
    close(fd);
    stop();
}

TEST(test_conn_does_not_read_from_a_peer_that_does_not_read)
{
    int fd, idle = 0;

    room.answer_bytes = 10000;
    start(AT_END);
    fd = dial();
    while (idle < 1000) {
        if (send(fd, GET, strlen(GET), MSG_NOSIGNAL) == (ssize_t)strlen(GET))
            idle = 0;
        else
            idle++;
        gw_loop_turn(loop, 0);
    }
    /* All that both sockets and one connection's buffer hold; without a bound: every request. */
    CHECK(room.heads > 0 && (size_t)room.heads * room.answer_bytes < 64 << 20);
    close(fd);
    stop();
}

TEST(test_conn_answers_a_peer_that_has_shut_its_side)
{
    int fd;

    start(LATER);
    fd = dial();
    say(fd, GET GET);
    CHECK(!shutdown(fd, SHUT_WR));
    while (room.n_open < 1)
        gw_loop_turn(loop, 1);
    for (int i = 0; i < 10; i++)
        gw_loop_turn(loop, 0);
    room_answer(&room, room.open[0], 200);
    while (room.heads < 2)
        gw_loop_turn(loop, 1);
    room_answer(&room, room.open[0], 200);
    CHECK(!hear(fd, "hiHTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 2\r\n\r\nhi"));
    CHECK(hear(fd, NULL) == -1);
    close(fd);
    stop();
}

TEST(test_conn_a_broken_connection_gives_back_its_streams)
{
    struct linger now = {.l_onoff = 1};
    int fd;

    start(LATER);
    fd = dial();
    say(fd, GET);
    while (room.n_open < 1)
        gw_loop_turn(loop, 1);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
    while (room.gones < 1)
        gw_loop_turn(loop, 1);
    stop();
}

TEST(test_conn_a_refusal_arrives_though_the_peer_still_sends)
{
    char line[1000];
    int fd;

    memset(line, 'a', sizeof(line));
    start(AT_END);
    fd = dial();
    say(fd, "GET / HTTP/1.1\r\nHost: a\r\nA: ");
    for (int i = 0; i < 100; i++) {
        CHECK(send(fd, line, sizeof(line), MSG_NOSIGNAL) == sizeof(line));
        gw_loop_turn(loop, 0);
    }
    CHECK(!hear(fd, "HTTP/1.1 431 "));
    close(fd);
    stop();
}

TEST(test_listener_closes_what_is_one_too_many)
{
    int a, b;

    conf.max_connections = 1;
    start(AT_END);
    a = dial();
    say(a, GET);
    CHECK(!hear(a, "200 OK"));
    b = dial();
    CHECK(hear(b, NULL) == -1);
    say(a, GET);
    CHECK(!hear(a, "200 OK"));
    close(a);
    close(b);
    stop();
}

TEST(test_listener_rests_when_there_are_no_descriptors)
{
    struct rlimit limit;
    int fd, spare;

    start(AT_END);
    spare = dup(0);
    CHECK(spare >= 0);
    fd = dial();
    CHECK(!getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = (rlim_t)fd + 1; /* spare's number is not free */
    CHECK(!setrlimit(RLIMIT_NOFILE, &limit));
    gw_loop_turn(loop, 1);
    CHECK(room.heads == 0);
    close(spare);
    say(fd, GET);
    CHECK(!hear(fd, "200 OK"));
    close(fd);
    stop();
}

TEST(test_listener_drains_and_says_once_when_it_is_idle)
{
    int busy, quiet, fd;

    start(LATER);
    busy = dial();
    quiet = dial();
    say(busy, GET);
    while (room.n_open < 1)
        gw_loop_turn(loop, 1);
    gw_listener_drain(listener, on_idle, NULL);
    CHECK(idles == 0);
    CHECK(hear(quiet, NULL) == -1 && idles == 0);
    fd = dial(); /* who comes now is heard, and not waited for */
    say(fd, GET);
    while (room.n_open < 2)
        gw_loop_turn(loop, 1);
    room_answer(&room, room.open[1], 503);
    CHECK(!hear(fd, "503 "));
    CHECK(idles == 0);
    room_answer(&room, room.open[0], 200);
    CHECK(!hear(busy, "connection: close"));
    close(busy);
    while (!idles)
        gw_loop_turn(loop, 1);
    gw_loop_turn(loop, 0);
    CHECK(idles == 1);
    close(quiet);
    close(fd);
    stop();
}

/* Clients that keep connections look at them when they need one next: nobody waits for that. */
TEST(test_listener_drains_at_once_what_is_idle)
{
    int silent, answered, on = 1;

    start(AT_END);
    silent = dial();
    answered = dial();
    say(answered, GET);
    CHECK(!hear(answered, "200 OK"));
    CHECK(!setsockopt(answered, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on)));
    gw_listener_drain(listener, on_idle, NULL);
    for (int i = 0; i < 20; i++) /* none of them waits, so no time passes */
        gw_loop_turn(loop, 0);
    CHECK(idles == 1);
    CHECK(hear(silent, NULL) == -1 && hear(answered, NULL) == -1);
    close(silent);
    close(answered);
    stop();
}

TEST(test_listener_drains_at_once_without_connections)
{
    start(AT_END);
    gw_listener_drain(listener, on_idle, NULL);
    CHECK(idles == 0);
    gw_loop_turn(loop, 0);
    CHECK(idles == 1);
    stop();
}
