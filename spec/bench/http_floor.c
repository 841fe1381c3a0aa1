/* The floor under any HTTP server of ours: epoll, http-parser, one fixed 202 to every request.
 * Prints the address it listens on, serves until it is killed. Answers of one read leave in one
 * write. */
#include "loopback.h"

#include <errno.h>
#include <http_parser.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static const char answer[] = "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";

struct client {
    int fd, answers, keep_alive;
    http_parser parser;
};

static int on_complete(http_parser *p)
{
    struct client *c = p->data;

    c->answers++;
    c->keep_alive = http_should_keep_alive(p);
    return 0;
}

static const http_parser_settings settings = {.on_message_complete = on_complete};

static void accept_all(int epoll, int listener)
{
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        struct client *c = calloc(1, sizeof(*c));
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};

        if (!c)
            exit(1);
        c->fd = fd;
        c->parser.data = c;
        http_parser_init(&c->parser, HTTP_REQUEST);
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
    }
}

/* 0 when the client is gone. */
static int serve(struct client *c)
{
    static char in[64 << 10], out[64 << 10];
    ssize_t n = read(c->fd, in, sizeof(in));
    size_t len = 0;

    if (n < 0 && errno == EAGAIN)
        return 1;
    if (n <= 0 || http_parser_execute(&c->parser, &settings, in, (size_t)n) != (size_t)n)
        return 0;
    for (; c->answers > 0 && len + sizeof(answer) < sizeof(out); c->answers--) {
        memcpy(out + len, answer, sizeof(answer) - 1);
        len += sizeof(answer) - 1;
    }
    if (len == 0)
        return 1;
    return write(c->fd, out, len) == (ssize_t)len && c->keep_alive;
}

int main(void)
{
    struct epoll_event events[256], e = {.events = EPOLLIN, .data.ptr = NULL};
    int listener = listen_on_loopback(), epoll = epoll_create1(0);

    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e);
    for (;;) {
        int n = epoll_wait(epoll, events, 256, -1);

        for (int i = 0; i < n; i++) {
            struct client *c = events[i].data.ptr;

            if (!c) {
                accept_all(epoll, listener);
            } else if (!serve(c)) {
                close(c->fd);
                free(c);
            }
        }
    }
}
