/* Answers that are lines, over a real socket; the lines are made here. */
#include "admin/lines_out.h"

#include "admin/inside.h"
#include "base/buf.h"
#include "base/err.h"
#include "net/http.h"
#include "net/listener.h"
#include "net/loop.h"
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINE = 10000 };

/* Gives so many lines, then what `then` says. */
static struct {
    struct gw_lines pub;
    size_t left, asked, closed;
    int then, refuse;
} fake;

static struct gw_admin admin;
static struct gw_lines_out *out;

static int next_fake(struct gw_lines *l, struct gw_buf *b, struct gw_err *err)
{
    CHECK(l == &fake.pub && !fake.closed);
    CHECK(!out || !out->waiting); /* A4 */
    fake.asked++;
    if (!fake.left) {
        if (fake.then < 0) {
            gw_buf_puts(b, "half a li");
            gw_err_set(err, GW_ERR_RETRY, "no more");
        }
        return fake.then;
    }
    fake.left--;
    for (size_t i = 1; i < LINE; i++)
        gw_buf_putc(b, 'x');
    gw_buf_putc(b, '\n');
    return 1;
}

static void close_fake(struct gw_lines *l)
{
    CHECK(l == &fake.pub);
    fake.closed++;
}

static int on_head(struct gw_http_stream *s, void *ctx)
{
    struct gw_request q = {.a = ctx, .s = s, .is_head = gw_str_is(s->method, "HEAD")};
    struct gw_lines_out *o = gw_lines_out_new(&q);
    struct gw_err err;

    if (!o)
        return -1;
    out = o;
    gw_err_set(&err, GW_ERR_REJECT, "refused");
    fake.pub = (struct gw_lines){.next = next_fake, .close = close_fake};
    if (fake.refuse)
        fake.closed = 1;
    gw_lines_out_run(o, fake.refuse ? NULL : &fake.pub, &err);
    return -1;
}

static void on_drained(struct gw_http_stream *s, void *ctx)
{
    (void)ctx;
    if (s->user)
        gw_lines_out_drained(s->user);
}

static void on_gone(struct gw_http_stream *s, void *ctx)
{
    (void)ctx;
    if (!s->user)
        return;
    gw_lines_out_free(s->user);
    out = NULL;
}

static const struct gw_http_handler handler = {
    .head = on_head, .drained = on_drained, .gone = on_gone};

static void start(void)
{
    const struct gw_listener_conf conf = {.listen = "127.0.0.1:0",
                                          .header_timeout_ms = 60000,
                                          .body_timeout_ms = 60000,
                                          .idle_timeout_ms = 60000,
                                          .max_header_bytes = 10000,
                                          .max_connections = 100,
                                          .max_body_bytes = 100};
    struct gw_err err;

    admin = (struct gw_admin){0};
    admin.loop = gw_loop_new();
    admin.listener = gw_listener_open(admin.loop, &conf, &handler, &admin, &err);
    CHECK(admin.listener);
}

static void stop(void)
{
    gw_listener_close(admin.listener);
    gw_loop_free(admin.loop);
    CHECK(!admin.lines && !admin.n_lines && !out);
}

static int ask(const char *method)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const char *address = gw_listener_address(admin.listener);
    int fd = socket(AF_INET, SOCK_STREAM, 0), small = 4096;
    char text[100];
    int n = snprintf(text, sizeof(text), "%s / HTTP/1.1\r\nHost: a\r\n\r\n", method);

    a.sin_port = htons((uint16_t)strtoul(strrchr(address, ':') + 1, NULL, 10));
    CHECK(fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)));
    CHECK(!connect(fd, (struct sockaddr *)&a, sizeof(a)));
    CHECK(!fcntl(fd, F_SETFL, O_NONBLOCK) && send(fd, text, (size_t)n, 0) == n);
    return fd;
}

static char tail[70000]; /* the last that was heard */

/* Turns the loop until the answer holds text; gives the bytes read in all. */
static size_t hear(int fd, const char *text)
{
    size_t n = 0, all = 0;

    for (;;) {
        ssize_t more = recv(fd, tail + n, 32000, 0);

        CHECK(more != 0 && (more > 0 || errno == EAGAIN));
        if (more > 0) {
            n += (size_t)more;
            all += (size_t)more;
        }
        tail[n] = '\0';
        if (strstr(tail, text))
            return all;
        if (n > 32000) {
            memmove(tail, tail + n - 1000, 1000);
            n = 1000;
        }
        gw_loop_turn(admin.loop, 0);
    }
}

TEST(test_lines_out_keeps_no_more_than_a_piece_for_a_client_that_does_not_read)
{
    size_t asked = SIZE_MAX;
    int fd;

    start();
    fake.left = 2000;
    fd = ask("GET");
    while (!out || fake.asked != asked || gw_http_unsent(out->s) == 0) {
        asked = fake.asked;
        for (int i = 0; i < 100; i++)
            gw_loop_turn(admin.loop, 0);
    }
    CHECK(fake.left > 1000 && gw_http_unsent(out->s) < 256 << 10); /* A5 */
    CHECK(hear(fd, "\r\n0\r\n\r\n") > 2000UL * LINE);
    CHECK(fake.left == 0 && fake.closed == 1);
    close(fd);
    stop();
}

TEST(test_lines_out_a_wake_brings_nothing_to_a_client_that_does_not_read)
{
    size_t idle = 0;
    int fd;

    start();
    fake.then = 2;
    fd = ask("GET");
    while (idle < 100) { /* a line for each wake, until it waits for its client */
        gw_loop_turn(admin.loop, 0);
        idle = out && out->waiting ? 0 : idle + 1;
        if (out && out->waiting) {
            fake.left = 1;
            out->wake.fn(&out->wake);
        }
        CHECK(fake.asked < 2000);
    }
    CHECK(gw_http_unsent(out->s) < 256 << 10); /* A5 */
    close(fd);
    stop();
}

TEST(test_lines_out_waits_for_its_wake)
{
    int fd;

    start();
    fake.left = 1;
    fake.then = 2;
    fd = ask("GET");
    hear(fd, "x\n\r\n");
    for (int i = 0; i < 100; i++)
        gw_loop_turn(admin.loop, 0);
    CHECK(fake.asked == 2);
    fake.left = 1;
    out->wake.fn(&out->wake);
    hear(fd, "x\n\r\n");
    CHECK(fake.asked == 4);
    gw_lines_out_end_all(&admin);
    hear(fd, "\"message\":\"shutting down\"}\n\r\n0\r\n\r\n");
    CHECK(fake.closed == 1);
    close(fd);
    stop();
}

TEST(test_lines_out_without_an_end_are_whole_wherever_they_end)
{
    int fd;

    start();
    fake.left = 1;
    fake.then = 2;
    fd = ask("GET");
    hear(fd, "x\n\r\n");
    fake.pub.endless = 1;
    gw_lines_out_end_all(&admin);
    CHECK(hear(fd, "0\r\n\r\n") == sizeof("0\r\n\r\n") - 1);
    close(fd);
    stop();
}

TEST(test_lines_out_that_are_ended_in_the_middle_say_so)
{
    int fd;

    start();
    fake.left = 2000;
    fd = ask("GET");
    for (int i = 0; i < 100; i++) /* until the socket takes no more */
        gw_loop_turn(admin.loop, 0);
    CHECK(fake.left > 0 && !out->waiting);
    gw_lines_out_end_all(&admin);
    CHECK(fake.closed == 1);
    hear(fd, "\"message\":\"shutting down\"}\n\r\n0\r\n\r\n");
    close(fd);
    stop();
}

TEST(test_lines_out_head_comes_before_the_first_line)
{
    int fd;

    start();
    fake.then = 2;
    fd = ask("GET");
    hear(fd, "content-type: application/x-ndjson");
    close(fd);
    while (out) /* the first line finds nobody */
        if (out->waiting) {
            fake.left = 100;
            out->wake.fn(&out->wake);
        } else {
            gw_loop_turn(admin.loop, 0);
        }
    CHECK(fake.closed == 1);
    stop();
}

TEST(test_lines_out_an_error_is_the_answer_or_its_last_line)
{
    int fd;

    start();
    fake.then = -1;
    fd = ask("GET");
    hear(fd, "{\"code\":14,\"message\":\"no more\"}");
    CHECK(strstr(tail, "HTTP/1.1 503"));
    close(fd);
    fake.closed = 0;
    fake.left = 1;
    fd = ask("GET");
    hear(fd, "xx\n{\"code\":14,\"message\":\"no more\"}\n");
    CHECK(fake.closed == 1);
    close(fd);
    fake.refuse = 1;
    fd = ask("GET");
    hear(fd, "HTTP/1.1 400");
    close(fd);
    fd = ask("HEAD");
    hear(fd, "HTTP/1.1 200");
    close(fd);
    stop();
}

TEST(test_lines_out_are_not_more_than_the_admin_can_hold)
{
    int fds[65];

    start();
    fake.then = 2;
    for (size_t i = 0; i < 65; i++) {
        fake.closed = 0;
        out = NULL;
        fds[i] = ask("GET");
        hear(fds[i], i < 64 ? "HTTP/1.1 200" : "HTTP/1.1 429");
    }
    CHECK(admin.n_lines == 64);
}
