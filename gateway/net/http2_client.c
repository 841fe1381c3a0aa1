#include "net/http2_client.h"

#include "base/err.h"
#include "net/dial.h"
#include "net/loop.h"
#include "net/tls.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The socket under http2_call.c, with TLS or without: connects, reads until dry, writes once a
 * turn. Closing is in two steps, so that done and closed may close the client that calls them. */

enum {
    READ_SIZE = 64 * 1024,
    READS_A_TURN = 8, /* then what came is handed out */
    MAX_UNSENT = 128 * 1024 * 1024,
    CONNECT_MS = 10000,
    UNACKED_MS = 30000
};

struct gw_http2_client {
    struct gw_loop *loop;
    struct gw_http2_calls *calls;
    struct gw_watch watch;
    struct gw_task flush;
    struct gw_timer slow; /* connecting */
    struct gw_buf out;
    struct gw_dial dial;
    struct gw_tls *tls; /* NULL: none, or not connected yet */
    struct gw_tls_context *tls_context;
    int agreed; /* the handshake is done, and HTTP/2 is spoken */
    int connecting, watching, broken;
    int busy; /* a callback of ours is on the stack: close only marks */
    int closing;
    void (*closed)(void *ctx, const struct gw_err *why);
    void *ctx;
};

static void destroy(struct gw_http2_client *c)
{
    gw_loop_cancel(c->loop, &c->flush);
    gw_timer_fini(&c->slow);
    if (c->watching)
        gw_watch_fini(&c->watch);
    gw_tls_free(c->tls);
    gw_tls_context_drop(c->tls_context);
    if (c->dial.fd >= 0)
        close(c->dial.fd);
    gw_dial_fini(&c->dial);
    gw_http2_calls_free(c->calls);
    gw_buf_free(&c->out);
    free(c);
}

static void hand_out(struct gw_http2_client *c)
{
    struct gw_http_call *call;

    while ((call = gw_http2_calls_news(c->calls)))
        call->data(call);
    while (!c->broken && (call = gw_http2_calls_drained(c->calls)))
        call->drained(call);
    while ((call = gw_http2_calls_ended(c->calls)))
        call->done(call);
}

static void break_down(struct gw_http2_client *c, const struct gw_err *why)
{
    if (c->broken)
        return;
    c->broken = 1;
    if (c->watching)
        gw_watch_want(&c->watch, 0);
    gw_http2_calls_fail(c->calls, why);
    hand_out(c);
    if (!c->closing)
        c->closed(c->ctx, why);
}

/* As gw_tls_read and gw_tls_write. */
static ssize_t receive(struct gw_http2_client *c, void *p, size_t len, struct gw_err *err)
{
    ssize_t n;

    if (c->tls)
        return gw_tls_read(c->tls, p, len, err);
    do
        n = recv(c->dial.fd, p, len, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return GW_TLS_AGAIN;
    return n < 0 ? gw_err_errno(err, GW_ERR_RETRY, "receive") : n;
}

static ssize_t transmit(struct gw_http2_client *c, struct gw_err *err)
{
    ssize_t n;

    if (c->tls)
        return gw_tls_write(c->tls, c->out.p, c->out.len, err);
    do
        n = send(c->dial.fd, c->out.p, c->out.len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return GW_TLS_AGAIN;
    return n < 0 ? gw_err_errno(err, GW_ERR_RETRY, "send") : n;
}

/* 0: all that the socket takes is written. */
static int send_bytes(struct gw_http2_client *c, struct gw_err *err)
{
    while (c->out.len > 0) {
        ssize_t n = transmit(c, err);

        if (n < 0)
            return n == GW_TLS_AGAIN ? 0 : -1;
        gw_buf_drop(&c->out, (size_t)n);
    }
    return 0;
}

static void want(struct gw_http2_client *c)
{
    int blocked = c->tls ? gw_tls_wants(c->tls) : GW_WRITABLE;

    gw_watch_want(&c->watch, GW_READABLE | (c->out.len > 0 || !c->agreed ? blocked : 0));
}

/* The handshake, then what was agreed on: nothing is said to a server of something else. */
static int agree(struct gw_http2_client *c, struct gw_err *err)
{
    if (c->agreed)
        return 0;
    if (c->tls && gw_tls_write(c->tls, "", 0, err) == -1)
        return gw_err_wrap(err, "%s", c->dial.address);
    if (c->tls && !gw_tls_shaken(c->tls)) {
        want(c);
        return 0;
    }
    if (c->tls && strcmp(gw_tls_alpn(c->tls), "h2") != 0)
        return gw_err_set(err, GW_ERR_RETRY, "%s: the server does not speak HTTP/2 over TLS",
                          c->dial.address);
    c->agreed = 1;
    gw_timer_cancel(&c->slow);
    return 0;
}

static int write_out(struct gw_http2_client *c, struct gw_err *err)
{
    if (c->connecting)
        return 0;
    if (agree(c, err))
        return -1;
    if (!c->agreed)
        return 0;
    for (;;) {
        if (send_bytes(c, err))
            return -1;
        if (c->out.len > 0)
            break;
        gw_http2_calls_sent(c->calls); /* now, as others' bytes may be next without an end */
        if (gw_http2_calls_take(c->calls, &c->out, err))
            return -1;
        if (c->out.failed)
            return gw_err_set(err, GW_ERR_RETRY, "too much to send");
        if (c->out.len == 0)
            break;
    }
    want(c);
    return 0;
}

static int finish_connect(struct gw_http2_client *c, struct gw_err *err);

/* 0: dry, or enough for now; -1: over. */
static int read_in(struct gw_http2_client *c, struct gw_err *err)
{
    static _Thread_local char bytes[READ_SIZE];
    ssize_t n;

    for (int i = 0; i < READS_A_TURN || c->tls; i++) { /* TLS keeps what the socket forgets */
        n = receive(c, bytes, sizeof(bytes), err);
        if (n == GW_TLS_AGAIN)
            return 0;
        if (n < 0)
            return c->agreed ? -1 : gw_err_wrap(err, "%s", c->dial.address);
        if (n == 0)
            return gw_err_set(err, GW_ERR_RETRY, "the server closed the connection");
        if (agree(c, err) || gw_http2_calls_feed(c->calls, (struct gw_str){bytes, (size_t)n}, err))
            return -1;
        if (!c->tls && (size_t)n < sizeof(bytes))
            return 0;
    }
    return 0;
}

static void after_callback(struct gw_http2_client *c, int rc, const struct gw_err *err)
{
    hand_out(c);
    if (rc)
        break_down(c, err);
    c->busy = 0;
    if (c->closing)
        destroy(c);
}

static void on_ready(struct gw_watch *w, int what)
{
    struct gw_http2_client *c = GW_CONTAINER(w, struct gw_http2_client, watch);
    struct gw_err err;
    int rc = 0;

    if (c->broken)
        return;
    c->busy = 1;
    if (c->connecting)
        rc = finish_connect(c, &err);
    if (!rc && !c->connecting && (what & GW_READABLE))
        rc = read_in(c, &err);
    hand_out(c);
    if (!rc && !c->closing)
        rc = write_out(c, &err);
    after_callback(c, rc, &err);
}

static void on_flush(struct gw_task *t)
{
    struct gw_http2_client *c = GW_CONTAINER(t, struct gw_http2_client, flush);
    struct gw_err err;
    int rc;

    c->busy = 1;
    rc = c->broken ? 0 : write_out(c, &err);
    after_callback(c, rc, &err);
}

static void on_slow(struct gw_timer *t)
{
    struct gw_http2_client *c = GW_CONTAINER(t, struct gw_http2_client, slow);
    struct gw_err err;

    c->busy = 1;
    gw_err_set(&err, GW_ERR_RETRY, "%s: no connection within %d s", c->dial.address,
               CONNECT_MS / 1000);
    after_callback(c, -1, &err);
}

/* A peer that is gone without a word is noticed, by calls that wait too. */
static void notice_death(int fd)
{
    const int on = 1, unacked = UNACKED_MS, seconds = UNACKED_MS / 3000;

    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof(seconds));
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked, sizeof(unacked));
}

static void watch(struct gw_http2_client *c)
{
    gw_watch_init(&c->watch, c->loop, c->dial.fd, on_ready);
    c->watching = 1;
    gw_watch_want(&c->watch, GW_READABLE | GW_WRITABLE);
}

/* The name that the certificate has to have: address without its port. */
static void begin_tls(struct gw_http2_client *c)
{
    char host[256];
    size_t len = (size_t)(strrchr(c->dial.address, ':') - c->dial.address);

    snprintf(host, sizeof(host), "%.*s", (int)len, c->dial.address);
    c->tls = gw_tls_client(c->tls_context, c->dial.fd, host);
}

/* 0: connected, or another address is being tried. */
static int finish_connect(struct gw_http2_client *c, struct gw_err *err)
{
    int rc;

    gw_watch_fini(&c->watch); /* the descriptor may become another */
    c->watching = 0;
    rc = gw_dial_finish(&c->dial, err);
    if (rc < 0)
        return -1;
    watch(c);
    c->connecting = rc;
    if (rc)
        return 0;
    notice_death(c->dial.fd);
    if (c->tls_context)
        begin_tls(c);
    return 0;
}

/* Its host's addresses, or that it has none. */
static void on_known(struct gw_dial *d)
{
    struct gw_http2_client *c = GW_CONTAINER(d, struct gw_http2_client, dial);
    struct gw_err err;
    int rc;

    if (c->broken)
        return;
    c->busy = 1;
    rc = gw_dial_begin(d, &err);
    if (!rc)
        watch(c);
    after_callback(c, rc, &err);
}

static struct gw_http2_client *open_client(struct gw_loop *loop, const char *address,
                                           struct gw_tls_context *tls, struct gw_err *err)
{
    struct gw_http2_client *c = calloc(1, sizeof(*c));
    int rc;

    if (!c)
        abort();
    c->loop = loop;
    c->tls_context = tls;
    c->flush.fn = on_flush;
    rc = gw_dial_open(&c->dial, loop, address, on_known, err);
    if (rc < 0) {
        gw_dial_fini(&c->dial);
        gw_tls_context_drop(tls);
        free(c);
        return NULL;
    }
    gw_buf_init(&c->out, MAX_UNSENT, NULL);
    c->calls = gw_http2_calls_new();
    c->connecting = 1;
    gw_timer_init(&c->slow, loop, on_slow);
    gw_timer_set(&c->slow, CONNECT_MS);
    if (!rc)
        watch(c);
    return c;
}

struct gw_http2_client *
gw_http2_client_open_tls(struct gw_loop *loop, const char *address, struct gw_tls_context *tls,
                         void (*closed)(void *ctx, const struct gw_err *why), void *ctx,
                         struct gw_err *err)
{
    struct gw_http2_client *c = open_client(loop, address, tls, err);

    if (c) {
        c->closed = closed;
        c->ctx = ctx;
    }
    return c;
}

struct gw_http2_client *gw_http2_client_open(struct gw_loop *loop, const char *address,
                                             void (*closed)(void *ctx, const struct gw_err *why),
                                             void *ctx, struct gw_err *err)
{
    return gw_http2_client_open_tls(loop, address, NULL, closed, ctx, err);
}

void gw_http2_client_start(struct gw_http2_client *c, struct gw_http_call *call)
{
    gw_http2_calls_start(c->calls, call);
    gw_loop_post(c->loop, &c->flush);
}

void gw_http2_client_cancel(struct gw_http2_client *c, struct gw_http_call *call)
{
    gw_http2_calls_cancel(c->calls, call);
    gw_loop_post(c->loop, &c->flush);
}

void gw_http2_client_write(struct gw_http2_client *c, struct gw_http_call *call, struct gw_str body)
{
    gw_http2_calls_write(c->calls, call, body);
    gw_loop_post(c->loop, &c->flush);
}

void gw_http2_client_finish(struct gw_http2_client *c, struct gw_http_call *call)
{
    gw_http2_calls_finish(c->calls, call);
    gw_loop_post(c->loop, &c->flush);
}

void gw_http2_client_took(struct gw_http2_client *c, struct gw_http_call *call, size_t n)
{
    gw_http2_calls_took(c->calls, call, n);
    gw_loop_post(c->loop, &c->flush);
}

size_t gw_http2_client_unsent(const struct gw_http2_client *c, const struct gw_http_call *call)
{
    return gw_http2_call_unsent(call) + c->out.len;
}

int gw_http2_client_closing(const struct gw_http2_client *c)
{
    return c->broken || c->closing || gw_http2_calls_closing(c->calls);
}

int gw_http2_client_idle(const struct gw_http2_client *c)
{
    return gw_http2_calls_idle(c->calls);
}

void gw_http2_client_close(struct gw_http2_client *c)
{
    struct gw_err err;

    if (!c || c->closing)
        return;
    c->closing = 1;
    gw_err_set(&err, GW_ERR_RETRY, "the connection was closed");
    if (c->busy) {
        gw_http2_calls_fail(c->calls, &err); /* handed out by the callback on the stack */
        return;
    }
    break_down(c, &err);
    destroy(c);
}
