/* A load of a fixed number of HTTP/1.1 POSTs over kept connections, one in progress on each: light
 * enough that the server is what is measured, and it ends with exactly the requests it was asked
 * for.
 *
 *     http_load HOST:PORT PATH CONTENT-TYPE BODYFILE REQUESTS CONNECTIONS ["NAME: VALUE"...]
 *
 * Prints "requests=N ok=N seconds=S"; ok counts answers of 2xx. Exit 1 when a connection breaks. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct client {
    int fd;
    size_t sent, got; /* of the request; of the answer in in */
    char in[4096];
};

static char *request;
static size_t request_len;
static long to_send, ended, ok;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void make_request(char **argv)
{
    static char body[16 << 20];
    FILE *f = fopen(argv[4], "r"), *out;
    size_t n;

    if (!f)
        die(argv[4]);
    n = fread(body, 1, sizeof(body), f);
    fclose(f);
    out = open_memstream(&request, &request_len);
    if (!out)
        die("open_memstream");
    fprintf(out, "POST %s HTTP/1.1\r\nhost: %s\r\ncontent-type: %s\r\ncontent-length: %zu\r\n",
            argv[2], argv[1], argv[3], n);
    for (char **more = argv + 7; *more; more++)
        fprintf(out, "%s\r\n", *more);
    fputs("\r\n", out);
    fwrite(body, 1, n, out);
    if (fclose(out))
        die("fclose");
}

static struct sockaddr_in address_of(char *text)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    char *colon = strchr(text, ':');

    if (!colon)
        exit(2);
    *colon = '\0';
    if (inet_pton(AF_INET, text, &a.sin_addr) != 1)
        exit(2);
    a.sin_port = htons((unsigned short)strtol(colon + 1, NULL, 10));
    *colon = ':';
    return a;
}

static void want(int epoll, struct client *c, int op, unsigned events)
{
    struct epoll_event e = {.events = events, .data.ptr = c};

    epoll_ctl(epoll, op, c->fd, &e);
}

/* Sends what is left of the request; a full socket waits for EPOLLOUT. */
static void go_on(int epoll, struct client *c)
{
    ssize_t n = send(c->fd, request + c->sent, request_len - c->sent, MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN)
        die("send");
    c->sent += n > 0 ? (size_t)n : 0;
    if (c->sent < request_len)
        want(epoll, c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

static void start(int epoll, struct client *c)
{
    if (to_send == 0)
        return;
    to_send--;
    c->sent = c->got = 0;
    go_on(epoll, c);
}

/* 1 when a whole answer is there. */
static int answered(struct client *c)
{
    char *end, *length;

    c->in[c->got] = '\0';
    end = strstr(c->in, "\r\n\r\n");
    if (!end)
        return 0;
    length = strcasestr(c->in, "content-length:");
    return c->got >= (size_t)(end - c->in) + 4 + (length ? strtoul(length + 15, NULL, 10) : 0);
}

static void on_answer(int epoll, struct client *c)
{
    ssize_t n = recv(c->fd, c->in + c->got, sizeof(c->in) - 1 - c->got, 0);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        die("the server closed a connection");
    c->got += (size_t)n;
    if (!answered(c))
        return;
    ended++;
    ok += c->in[9] == '2';
    start(epoll, c);
}

static void on_event(int epoll, struct epoll_event *e)
{
    struct client *c = e->data.ptr;

    if (e->events & EPOLLOUT) {
        want(epoll, c, EPOLL_CTL_MOD, EPOLLIN);
        go_on(epoll, c);
    }
    if (e->events & ~(unsigned)EPOLLOUT)
        on_answer(epoll, c);
}

static void open_clients(int epoll, long n, char *address)
{
    struct sockaddr_in a = address_of(address);
    struct client *c = calloc((size_t)n, sizeof(*c));
    int on = 1;

    if (!c)
        die("calloc");
    for (long i = 0; i < n; i++) {
        c[i].fd = socket(AF_INET, SOCK_STREAM, 0);
        if (c[i].fd < 0 || connect(c[i].fd, (struct sockaddr *)&a, sizeof(a)))
            die(address);
        setsockopt(c[i].fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (fcntl(c[i].fd, F_SETFL, O_NONBLOCK))
            die("fcntl");
        want(epoll, &c[i], EPOLL_CTL_ADD, EPOLLIN);
    }
    for (long i = 0; i < n; i++)
        start(epoll, &c[i]);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    struct epoll_event events[256];
    int epoll = epoll_create1(0);
    double begin;
    long total;

    if (argc < 7) {
        fprintf(stderr, "usage: http_load HOST:PORT PATH CONTENT-TYPE BODYFILE REQUESTS "
                        "CONNECTIONS [\"NAME: VALUE\"...]\n");
        return 2;
    }
    make_request(argv);
    total = to_send = strtol(argv[5], NULL, 10);
    begin = now();
    open_clients(epoll, strtol(argv[6], NULL, 10), argv[1]);
    while (ended < total) {
        int n = epoll_wait(epoll, events, 256, -1);

        for (int i = 0; i < n; i++)
            on_event(epoll, &events[i]);
    }
    printf("requests=%ld ok=%ld seconds=%.6f\n", ended, ok, now() - begin);
    return 0;
}
