/* Connections of a listener that speaks TLS, with our own client. Other people's: see
 * spec/integration/test_ingest_tls.py. */
#include "net/listener.h"

#include "base/diag.h"
#include "base/err.h"
#include "codec_test.h"
#include "net/loop.h"
#include "net/tls.h"
#include "tls_files.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static struct room room;
static struct gw_loop *loop;
static struct gw_listener *listener;
static struct gw_tls_slot *slot;
static struct gw_err err;
static char said[2000];

static struct gw_listener_conf conf = {.listen = "127.0.0.1:0",
                                       .header_timeout_ms = 60000,
                                       .body_timeout_ms = 60000,
                                       .idle_timeout_ms = 60000,
                                       .max_header_bytes = 1000,
                                       .max_connections = 100,
                                       .max_body_bytes = 1 << 20};
static const char *const both[] = {"h2", "http/1.1", NULL};
#define GET     "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"

static void keep(const char *text, size_t len)
{
    snprintf(said, sizeof(said), "%.*s", (int)len, text);
}

static void serve(const char *cert, const char *ca)
{
    char pem[100], key[100];
    const struct gw_tls_files f = {.cert = pem, .key = key, .ca = ca};
    struct gw_tls_context *c;

    snprintf(pem, sizeof(pem), "%s.pem", cert);
    snprintf(key, sizeof(key), "%s.key", cert);
    c = gw_tls_server_context(&f, both, &err);
    CHECK(c);
    gw_tls_slot_set(slot, c);
}

static void start(enum reply reply, const char *ca)
{
    gw_diag_sink = keep;
    tls_files();
    slot = gw_tls_slot_new();
    serve("server", ca);
    conf.tls = slot;
    room.reply = reply;
    gw_buf_init(&room.seen, 4 << 20, NULL);
    loop = gw_loop_new();
    listener = gw_listener_open(loop, &conf, &room_handler, &room, &err);
    CHECK(listener);
}

static void stop(void)
{
    gw_listener_close(listener);
    gw_tls_slot_free(slot);
    gw_loop_free(loop);
    CHECK(room.heads == room.gones);
}

static int dial(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM, 0);

    a.sin_port =
        htons((uint16_t)strtoul(strrchr(gw_listener_address(listener), ':') + 1, NULL, 10));
    CHECK(fd >= 0 && !connect(fd, (struct sockaddr *)&a, sizeof(a)));
    CHECK(!fcntl(fd, F_SETFL, O_NONBLOCK));
    return fd;
}

static struct gw_tls *greet(int fd, const char *ca, const char *const *alpn)
{
    const struct gw_tls_files f = {.ca = ca};
    struct gw_tls_context *c = gw_tls_client_context(&f, alpn, &err);
    struct gw_tls *t;

    CHECK(c);
    t = gw_tls_client(c, fd, "localhost");
    gw_tls_context_drop(c);
    return t;
}

/* Turns the loop until all is said. */
static void say(struct gw_tls *t, const char *bytes, size_t n)
{
    size_t sent = 0;

    while (sent < n) {
        ssize_t rc = gw_tls_write(t, bytes + sent, n - sent, &err);

        CHECK(rc != -1);
        if (rc > 0)
            sent += (size_t)rc;
        if (rc > 0)
            continue;
        gw_loop_turn(loop, 1);
        if (!gw_tls_shaken(t))
            CHECK(gw_tls_read(t, (char[1]){0}, 1, &err) == GW_TLS_AGAIN);
    }
}

/* Until the peer has `text` (0), says goodbye (-1) or breaks (-2). got, NUL at its end, stays. */
static char got[1 << 20];
static int hear(struct gw_tls *t, const char *text)
{
    size_t n = 0;

    for (;;) {
        const ssize_t more = gw_tls_read(t, got + n, sizeof(got) - 1 - n, &err);

        if (more == 0 || more == -1)
            return more ? -2 : -1;
        if (more > 0)
            n += (size_t)more;
        got[n] = '\0';
        if (text && memmem(got, n, text, strlen(text)))
            return 0;
        if (more < 0)
            gw_loop_turn(loop, 1);
    }
}

static void hang_up(struct gw_tls *t, int fd)
{
    gw_tls_free(t);
    close(fd);
}

/* The end of a socket without TLS; what came before in got. */
static void hear_end(int fd)
{
    size_t n = 0;

    for (;;) {
        const ssize_t more = recv(fd, got + n, sizeof(got) - 1 - n, 0);

        if (more == 0)
            break;
        CHECK(more > 0 || errno == EAGAIN);
        n += more > 0 ? (size_t)more : 0;
        if (more < 0)
            gw_loop_turn(loop, 1);
    }
    got[n] = '\0';
}

TEST(test_conn_tls_speaks_http1_and_says_goodbye)
{
    static const char post[] = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab";
    struct gw_tls *t;
    int fd;

    start(AT_END, NULL);
    fd = dial();
    t = greet(fd, "ca.pem", NULL);
    say(t, post, sizeof(post) - 1);
    CHECK(!hear(t, "\r\n\r\nhi") && has(&room.seen, "POST /a[ab]; "));
    say(t, "GET / HTTP/1.0\r\n\r\n", 18);
    CHECK(hear(t, NULL) == -1 && strstr(got, "hi")); /* the end is told, not just there */
    hang_up(t, fd);
    stop();
}

TEST(test_conn_tls_speaks_http2_by_alpn_and_by_its_preface)
{
    start(AT_END, NULL);
    for (int i = 0; i < 2; i++) {
        const int fd = dial();
        struct gw_tls *t = greet(fd, "ca.pem", i ? both : NULL);

        say(t, PREFACE, sizeof(PREFACE) - 1);
        CHECK(hear(t, "\4") == 0 && got[3] == 4); /* SETTINGS */
        CHECK(!strcmp(gw_tls_alpn(t), i ? "h2" : ""));
        hang_up(t, fd);
    }
    stop();
}

/* Many records at once: what TLS has taken off the socket is read, and written in turns. */
TEST(test_conn_tls_reads_what_the_socket_does_not_tell_of)
{
    enum { BODY = 700000 };
    static char post[BODY + 200];
    struct gw_tls *t;
    int fd, n;

    room.answer_bytes = 900000;
    start(AT_END, NULL);
    fd = dial();
    t = greet(fd, "ca.pem", NULL);
    n = snprintf(post, sizeof(post), "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n",
                 BODY);
    memset(post + n, 'b', BODY - 1);
    post[n + BODY - 1] = 'c';
    say(t, post, (size_t)n + BODY);
    CHECK(!hear(t, "\r\n\r\n") && has(&room.seen, "bbbc]; "));
    hang_up(t, fd);
    stop();
}

/* More records than one turn takes came with one read of the socket. */
TEST(test_conn_tls_reads_records_of_a_byte)
{
    struct gw_tls *t;
    int fd;

    start(AT_END, NULL);
    fd = dial();
    t = greet(fd, "ca.pem", NULL);
    say(t, GET, sizeof(GET) - 1);
    CHECK(!hear(t, "hi"));
    for (size_t i = 0; i < sizeof(GET) - 1; i++)
        CHECK(gw_tls_write(t, &GET[i], 1, &err) == 1);
    CHECK(!hear(t, "hi"));
    hang_up(t, fd);
    stop();
}

/* Pipelined requests that wait for one answer fill what may be held; nothing is forgotten. */
TEST(test_conn_tls_goes_on_after_it_did_not_read)
{
    enum { N = 500 };
    static char many[N * 1000];
    size_t n = 0;
    struct gw_tls *t;
    int fd;

    start(LATER, NULL);
    fd = dial();
    t = greet(fd, "ca.pem", NULL);
    for (int i = 0; i < N; i++)
        n += (size_t)snprintf(many + n, sizeof(many) - n,
                              "GET /%d HTTP/1.1\r\nHost: a\r\nx: %0800d\r\n\r\n", i, 0);
    say(t, many, n);
    while (room.gones < N) {
        if (room.n_open)
            room_answer(&room, room.open[0], 200);
        gw_loop_turn(loop, !room.n_open);
    }
    CHECK(has(&room.seen, "GET /499[]; "));
    hang_up(t, fd);
    stop();
}

TEST(test_conn_tls_handshake_is_under_the_deadline_of_the_head)
{
    static const char *const begun[] = {"", "\x16", "\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03"};

    conf.header_timeout_ms = 20;
    start(AT_END, NULL);
    for (int i = 0; i < 3; i++) {
        const int fd = dial();

        CHECK(send(fd, begun[i], i == 2 ? 11 : strlen(begun[i]), 0) >= 0);
        hear_end(fd); /* the test's alarm ends what would wait for ever */
        close(fd);
    }
    stop();
}

TEST(test_conn_tls_tells_who_speaks_none)
{
    static const struct {
        const char *say;
        size_t len;
        const char *hear;
    } tried[] = {{GET, sizeof(GET) - 1, "HTTP/1.1 400 Bad Request\r\n"},
                 {"POST / HTTP/1.1\r\n", 17, "\"message\":\"this port speaks TLS only\"}"},
                 {PREFACE, sizeof(PREFACE) - 1, "this port speaks TLS only"},
                 {"x", 1, "this port speaks TLS only"}};
    int fd;

    start(AT_END, NULL);
    for (int i = 0; i < 4; i++) {
        fd = dial();
        CHECK(send(fd, tried[i].say, tried[i].len, 0) > 0);
        hear_end(fd);
        CHECK(strstr(got, tried[i].hear) && !strncmp(got, "HTTP/1.1 400 ", 13));
        CHECK(strtoul(strstr(got, "content-length: ") + 16, NULL, 10) ==
              strlen(strstr(got, "\r\n\r\n") + 4));
        close(fd);
    }
    CHECK(strstr(said, "level=warn component=net.tls msg=\"a connection is refused\""));
    CHECK(strstr(said, "it speaks no TLS"));
    CHECK(room.heads == 0);
    stop();
}

TEST(test_conn_without_tls_ends_a_client_that_speaks_it)
{
    struct gw_tls *t;
    int fd;

    start(AT_END, NULL);
    gw_listener_close(listener);
    conf.tls = NULL;
    listener = gw_listener_open(loop, &conf, &room_handler, &room, &err);
    fd = dial();
    t = greet(fd, "ca.pem", both);
    CHECK(hear(t, NULL) == -2 && strstr(err.msg, "wrong version number"));
    hang_up(t, fd);
    stop();
}

/* The alert arrives, though the client has said more already. */
TEST(test_conn_tls_refuses_a_client_without_certificate)
{
    static char more[60000];
    struct gw_tls *t;
    int fd;

    start(AT_END, "ca.pem");
    fd = dial();
    t = greet(fd, "ca.pem", NULL);
    say(t, "", 0);
    while (!gw_tls_shaken(t)) {
        CHECK(gw_tls_read(t, (char[1]){0}, 1, &err) == GW_TLS_AGAIN);
        if (!gw_tls_shaken(t))
            gw_loop_turn(loop, 1);
    }
    CHECK(gw_tls_write(t, more, sizeof(more), &err) == sizeof(more)); /* nobody reads it */
    CHECK(hear(t, NULL) == -2 && strstr(err.msg, "alert certificate required"));
    CHECK(strstr(said, "peer did not return a certificate"));
    hang_up(t, fd);
    CHECK(room.heads == 0);
    stop();
}

TEST(test_conn_tls_takes_a_new_certificate_and_drops_nobody)
{
    struct gw_tls *old, *new;
    int a, b;

    start(AT_END, NULL);
    a = dial();
    old = greet(a, "ca.pem", NULL);
    say(old, GET, sizeof(GET) - 1);
    CHECK(!hear(old, "hi"));
    serve("stranger", NULL);
    b = dial();
    new = greet(b, "stranger.pem", NULL);
    say(new, GET, sizeof(GET) - 1);
    CHECK(!hear(new, "hi"));
    say(old, GET, sizeof(GET) - 1);
    CHECK(!hear(old, "hi"));
    hang_up(old, a);
    hang_up(new, b);
    stop();
}

static int idles;

static void on_idle(void *ctx)
{
    (void)ctx;
    idles++;
}

TEST(test_conn_tls_drains)
{
    struct gw_tls *t;
    int fd, young;

    start(LATER, NULL);
    fd = dial();
    t = greet(fd, "ca.pem", NULL);
    say(t, GET, sizeof(GET) - 1);
    while (!room.n_open)
        gw_loop_turn(loop, 1);
    young = dial();
    CHECK(send(young, "\x16\x03", 2, 0) == 2); /* in its handshake */
    gw_loop_turn(loop, 1);
    gw_listener_drain(listener, on_idle, NULL);
    room_answer(&room, room.open[0], 200);
    CHECK(hear(t, NULL) == -1 && strstr(got, "hi") && strstr(got, "connection: close"));
    hang_up(t, fd);
    close(young);
    while (!idles)
        gw_loop_turn(loop, 1);
    stop();
}
