#include "net/http2_client.h"

#include "base/err.h"
#include "net/dial.h"
#include "net/loop.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The socket under http2_call.c: connects, reads until dry, writes once a turn. Closing is in two
 * steps, so that done and closed may close the client that calls them. */

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
    while (c->out.len == 0 && !c->broken && (call = gw_http2_calls_drained(c->calls)))
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

/* 0: all that the socket takes is written. */
static int send_bytes(struct gw_http2_client *c, struct gw_err *err)
{
    while (c->out.len > 0) {
        ssize_t n = send(c->dial.fd, c->out.p, c->out.len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n < 0)
            return gw_err_errno(err, GW_ERR_RETRY, "send");
        gw_buf_drop(&c->out, (size_t)n);
    }
    return 0;
}

static int write_out(struct gw_http2_client *c, struct gw_err *err)
{
    if (c->connecting)
        return 0;
    for (;;) {
        if (send_bytes(c, err))
            return -1;
        if (c->out.len > 0)
            break;
        if (gw_http2_calls_take(c->calls, &c->out, err))
            return -1;
        if (c->out.failed)
            return gw_err_set(err, GW_ERR_RETRY, "too much to send");
        if (c->out.len == 0)
            break;
    }
    gw_watch_want(&c->watch, c->out.len > 0 ? GW_READABLE | GW_WRITABLE : GW_READABLE);
    return 0;
}

static int finish_connect(struct gw_http2_client *c, struct gw_err *err);

/* 0: dry, or enough for now; -1: over. */
static int read_in(struct gw_http2_client *c, struct gw_err *err)
{
    static _Thread_local char bytes[READ_SIZE];
    ssize_t n;

    for (int i = 0; i < READS_A_TURN; i++) {
        n = recv(c->dial.fd, bytes, sizeof(bytes), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : gw_err_errno(err, GW_ERR_RETRY, "receive");
        if (n == 0)
            return gw_err_set(err, GW_ERR_RETRY, "the server closed the connection");
        if (gw_http2_calls_feed(c->calls, (struct gw_str){bytes, (size_t)n}, err))
            return -1;
        if ((size_t)n < sizeof(bytes))
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
    if (!rc) {
        gw_timer_cancel(&c->slow);
        notice_death(c->dial.fd);
    }
    return 0;
}

struct gw_http2_client *gw_http2_client_open(struct gw_loop *loop, const char *address,
                                             void (*closed)(void *ctx, const struct gw_err *why),
                                             void *ctx, struct gw_err *err)
{
    struct gw_http2_client *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    c->loop = loop;
    c->closed = closed;
    c->ctx = ctx;
    c->flush.fn = on_flush;
    if (gw_dial_open(&c->dial, address, err)) {
        gw_dial_fini(&c->dial);
        free(c);
        return NULL;
    }
    gw_buf_init(&c->out, MAX_UNSENT, NULL);
    c->calls = gw_http2_calls_new();
    c->connecting = 1;
    gw_timer_init(&c->slow, loop, on_slow);
    gw_timer_set(&c->slow, CONNECT_MS);
    watch(c);
    return c;
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
