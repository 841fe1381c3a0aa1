/* Accepts, keeps the deadlines of its connections with one timer, and drains. */
#include "net/listener.h"

#include "base/err.h"
#include "net/address.h"
#include "net/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024, ACCEPTS_A_TURN = 64, MAX_HOST = 64, REST_MS = 100 };

/* "127.0.0.1:8089", "[::1]:0", "localhost:80". */
static int split(const char *listen, char host[MAX_HOST], const char **port)
{
    const char *colon = strrchr(listen, ':'), *from = listen, *to = colon;

    if (!colon || !colon[1])
        return -1;
    if (*listen == '[') {
        if (colon[-1] != ']')
            return -1;
        from++;
        to--;
    }
    if (to <= from || to - from >= MAX_HOST)
        return -1;
    memcpy(host, from, (size_t)(to - from));
    host[to - from] = '\0';
    *port = colon + 1;
    return 0;
}

/* getaddrinfo would cut 70000 down to 4464. */
int gw_listen_ok(const char *listen)
{
    char host[MAX_HOST];
    const char *port;

    return !split(listen, host, &port) && !strpbrk(host, "/ @?#") &&
           gw_port_read(gw_str_of(port)) >= 0;
}

static int bind_to(const struct addrinfo *a, const struct gw_listener_conf *conf)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, saved;

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (conf->reuse_port)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* accepted ones have it too */
    if (!bind(fd, a->ai_addr, a->ai_addrlen) && !listen(fd, BACKLOG))
        return fd;
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static int open_socket(const struct gw_listener_conf *conf, struct gw_err *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found;
    char host[MAX_HOST];
    const char *port;
    int rc, fd = -1;

    if (split(conf->listen, host, &port) || gw_port_read(gw_str_of(port)) < 0)
        return gw_err_set(err, GW_ERR_FATAL, "cannot listen on %s: not HOST:PORT", conf->listen);
    rc = getaddrinfo(host, port, &hints, &found);
    if (rc)
        return gw_err_set(err, GW_ERR_FATAL, "cannot listen on %s: %s", conf->listen,
                          gai_strerror(rc));
    for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next)
        fd = bind_to(a, conf);
    if (fd < 0)
        gw_err_errno(err, GW_ERR_FATAL, "cannot listen on %s", conf->listen);
    freeaddrinfo(found);
    return fd;
}

static void name_address(struct gw_listener *l, int fd)
{
    struct sockaddr_storage a;
    socklen_t len = sizeof(a);
    char host[INET6_ADDRSTRLEN + 1], port[8];

    if (getsockname(fd, (struct sockaddr *)&a, &len) ||
        getnameinfo((struct sockaddr *)&a, len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV))
        return;
    snprintf(l->address, sizeof(l->address), strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

static void on_again(struct gw_timer *t)
{
    struct gw_listener *l = GW_CONTAINER(t, struct gw_listener, again);

    if (l->watch.impl)
        gw_watch_want(&l->watch, GW_READABLE);
}

static void on_accept(struct gw_watch *w, int what)
{
    struct gw_listener *l = GW_CONTAINER(w, struct gw_listener, watch);

    (void)what;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            gw_watch_want(w, 0); /* the backlog keeps them; without a rest this loop would spin */
            gw_timer_set(&l->again, REST_MS);
        }
        if (fd < 0)
            return;
        if (l->n_conns >= l->conf.max_connections)
            close(fd);
        else
            gw_conn_open(l, fd);
    }
}

void gw_listener_deadline(struct gw_listener *l, int64_t at_ms)
{
    if (!at_ms || (l->sweep_at_ms && l->sweep_at_ms <= at_ms))
        return;
    l->sweep_at_ms = at_ms;
    gw_timer_set(&l->sweep, at_ms - gw_loop_now_ms(l->loop));
}

static int64_t nearer(int64_t a, int64_t b)
{
    return !a || (b && b < a) ? b : a;
}

static void on_sweep(struct gw_timer *t)
{
    struct gw_listener *l = GW_CONTAINER(t, struct gw_listener, sweep);
    int64_t now = gw_loop_now_ms(l->loop), nearest = 0;

    for (struct gw_conn *c = l->conns, *next; c; c = next) {
        next = c->next;
        if (c->deadline_ms && c->deadline_ms <= now) {
            gw_conn_close(c);
            continue;
        }
        nearest = nearer(nearest, c->deadline_ms);
        nearest = nearer(nearest, gw_conn_expire(c));
    }
    l->sweep_at_ms = 0;
    gw_listener_deadline(l, nearest);
}

static void on_idle(struct gw_task *t)
{
    struct gw_listener *l = GW_CONTAINER(t, struct gw_listener, idle_task);
    void (*idle)(void *ctx) = l->idle;

    l->idle = NULL;
    if (idle)
        idle(l->idle_ctx);
}

void gw_listener_gone(struct gw_listener *l, int leaving)
{
    if (leaving && --l->n_leaving == 0 && l->draining)
        gw_loop_post(l->loop, &l->idle_task);
    if (--l->n_conns > 0)
        return;
    gw_timer_cancel(&l->sweep);
    l->sweep_at_ms = 0;
}

struct gw_listener *gw_listener_open(struct gw_loop *loop, const struct gw_listener_conf *conf,
                                     const struct gw_http_handler *handler, void *ctx,
                                     struct gw_err *err)
{
    int fd = open_socket(conf, err);
    struct gw_listener *l;

    if (fd < 0)
        return NULL;
    l = calloc(1, sizeof(*l));
    if (!l)
        abort();
    *l = (struct gw_listener){
        .loop = loop, .conf = *conf, .handler = handler, .ctx = ctx, .idle_task = {.fn = on_idle}};
    name_address(l, fd);
    gw_timer_init(&l->sweep, loop, on_sweep);
    gw_timer_init(&l->again, loop, on_again);
    gw_watch_init(&l->watch, loop, fd, on_accept);
    gw_watch_want(&l->watch, GW_READABLE);
    return l;
}

const char *gw_listener_address(const struct gw_listener *l)
{
    return l->address;
}

static void stop_accepting(struct gw_listener *l)
{
    int fd = l->watch.fd;

    if (!l->watch.impl)
        return;
    gw_watch_fini(&l->watch);
    close(fd);
}

void gw_listener_drain(struct gw_listener *l, void (*idle)(void *ctx), void *ctx)
{
    l->draining = 1;
    l->idle = idle;
    l->idle_ctx = ctx;
    l->n_leaving = l->n_conns;
    if (l->n_leaving == 0)
        gw_loop_post(l->loop, &l->idle_task);
    for (struct gw_conn *c = l->conns; c; c = c->next)
        c->leaving = 1;
    for (struct gw_conn *c = l->conns, *next; c; c = next) {
        next = c->next;
        gw_conn_drain(c);
    }
}

void gw_listener_hang_up(struct gw_listener *l)
{
    for (struct gw_conn *c = l->conns, *next; c; c = next) {
        next = c->next;
        if (c->leaving)
            gw_conn_close(c);
    }
}

void gw_listener_close(struct gw_listener *l)
{
    if (!l)
        return;
    stop_accepting(l);
    l->draining = 0;
    l->n_leaving = 0;
    while (l->conns)
        gw_conn_close(l->conns);
    gw_loop_cancel(l->loop, &l->idle_task);
    gw_timer_fini(&l->sweep);
    gw_timer_fini(&l->again);
    free(l);
}
