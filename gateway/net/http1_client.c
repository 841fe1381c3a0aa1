#include "net/http1_client.h"

#include "net/dial.h"
#include "net/http1_answer.h"
#include "net/loop.h"
#include "net/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* http1_answer.c tells what came; on_ready reads, writes, and ends the call. */

enum {
    READ_SIZE = 64 * 1024,
    MAX_REQUEST = 128 * 1024 * 1024,
    KEPT_BYTES = 64 * 1024, /* of a request's buffer, between calls */
    CONNECT_MS = 10000
};

struct gw_http1_client {
    struct gw_loop *loop;
    char *address;
    struct gw_dial dial;
    struct gw_tls_context *context; /* NULL: plain */
    struct gw_tls *tls;             /* of this connection */
    struct gw_watch watch;
    struct gw_task later;
    struct gw_timer slow; /* connecting, and shaking hands; then: silence */
    int64_t patience_ms;  /* 0: any silence */
    int64_t heard_ms;     /* it took or said something, or is not to say anything */
    int paused;
    int open, connecting, kept; /* kept: this connection has served a call */
    struct gw_http1_answer answer;
    struct gw_http_call *call;
    int complete, began; /* the answer: is whole; its first byte came */
    int more;            /* something came behind the answer */
    struct gw_buf out;
    struct gw_err why; /* a start that failed at once */
};

static void on_ready(struct gw_watch *w, int what);
static void connect_now(struct gw_http1_client *c);

/* ---- the connection ---- */

static void drop_connection(struct gw_http1_client *c)
{
    gw_tls_free(c->tls);
    c->tls = NULL;
    gw_timer_cancel(&c->slow);
    if (c->open) {
        gw_watch_fini(&c->watch);
        if (c->dial.fd >= 0)
            close(c->dial.fd);
    }
    gw_dial_fini(&c->dial);
    c->open = c->connecting = c->kept = 0;
}

static void watch(struct gw_http1_client *c)
{
    gw_watch_init(&c->watch, c->loop, c->dial.fd, on_ready);
    gw_watch_want(&c->watch, GW_READABLE | GW_WRITABLE);
    c->open = 1;
}

static void end_call(struct gw_http1_client *c)
{
    struct gw_http_call *call = c->call;

    c->call = NULL;
    gw_timer_cancel(&c->slow);
    if (c->out.cap > KEPT_BYTES)
        gw_buf_free(&c->out);
    call->done(call);
}

static void reset(struct gw_http1_client *c)
{
    gw_http_call_begin(c->call);
    c->complete = c->began = c->paused = c->more = 0;
    gw_http1_answer_begin(&c->answer, c->call);
}

/* The connection broke. */
static void broke(struct gw_http1_client *c, const struct gw_err *why)
{
    int again = c->kept && !c->began;

    drop_connection(c);
    if (!c->call)
        return;
    if (again) {
        reset(c);
        connect_now(c);
        return;
    }
    gw_http_call_fail(c->call, why->kind, why->msg);
    end_call(c);
}

/* As gw_tls_write and gw_tls_read, also without TLS. */
static ssize_t transmit(struct gw_http1_client *c, const char *p, size_t len, struct gw_err *err)
{
    ssize_t n;

    if (c->tls)
        return gw_tls_write(c->tls, p, len, err);
    do
        n = send(c->dial.fd, p, len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return GW_TLS_AGAIN;
    return n < 0 ? gw_err_errno(err, GW_ERR_RETRY, "send") : n;
}

static ssize_t receive(struct gw_http1_client *c, char *p, size_t len, struct gw_err *err)
{
    ssize_t n;

    if (c->tls)
        return gw_tls_read(c->tls, p, len, err);
    do
        n = recv(c->dial.fd, p, len, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return GW_TLS_AGAIN;
    return n < 0 ? gw_err_errno(err, GW_ERR_RETRY, "receive") : n;
}

static int writes(const struct gw_http1_client *c)
{
    return c->call && c->call->sent < c->out.len;
}

static void want(struct gw_http1_client *c)
{
    int write = writes(c);

    if (c->tls) /* in the handshake it is the peer's turn */
        write = gw_tls_wants(c->tls) == GW_WRITABLE;
    gw_watch_want(&c->watch, (c->paused ? 0 : GW_READABLE) | (write ? GW_WRITABLE : 0));
}

static int write_out(struct gw_http1_client *c, struct gw_err *err)
{
    int blocked = 0;

    while (writes(c) && !blocked) {
        const ssize_t n = transmit(c, c->out.p + c->call->sent, c->out.len - c->call->sent, err);

        if (n == -1)
            return -1;
        blocked = n == GW_TLS_AGAIN;
        c->call->sent += blocked ? 0 : (size_t)n;
        c->heard_ms = blocked ? c->heard_ms : gw_loop_now_ms(c->loop);
    }
    want(c);
    return 0;
}

static int parse(struct gw_http1_client *c, struct gw_str bytes, struct gw_err *err)
{
    const int rc = gw_http1_answer_feed(&c->answer, &bytes, err);

    c->complete = rc == 1;
    c->more = bytes.len > 0;
    /* Until its head is whole, bytes buy no time. */
    if (rc >= 0 && gw_http1_answer_has_begun(&c->answer))
        c->heard_ms = gw_loop_now_ms(c->loop);
    return rc < 0 ? -1 : 0;
}

/* The server says no more: that may be the end of the answer. */
static int end_in(struct gw_http1_client *c, struct gw_err *err)
{
    if (gw_http1_answer_end(&c->answer, err))
        return -1;
    c->complete = 1;
    return 0;
}

/* 0: go on, or the answer is whole. */
static int read_in(struct gw_http1_client *c, struct gw_err *err)
{
    static _Thread_local char bytes[READ_SIZE];
    ssize_t n;

    while (!c->complete && !c->paused) {
        n = receive(c, bytes, sizeof(bytes), err);
        if (n < 0)
            return n == GW_TLS_AGAIN ? 0 : -1;
        if (!c->call)
            return gw_err_set(err, GW_ERR_RETRY, "the server ended a connection that was idle");
        c->began |= n > 0;
        if (n == 0 ? end_in(c, err) : parse(c, (struct gw_str){bytes, (size_t)n}, err))
            return -1;
    }
    return 0;
}

static void finish_answer(struct gw_http1_client *c)
{
    gw_http1_client_pause(c, 0);
    /* What nobody asked for would be taken for the answer to the next request. */
    if (c->answer.keep_alive && c->call->sent == c->out.len && !c->more)
        c->kept = 1;
    else
        drop_connection(c);
    c->complete = 0;
    end_call(c);
}

static void begin_tls(struct gw_http1_client *c)
{
    char host[256];
    const char *colon = strrchr(c->address, ':');
    const size_t len = colon ? (size_t)(colon - c->address) : 0;

    memcpy(host, c->address, len < sizeof(host) ? len : 0); /* it has been dialled: it is shorter */
    host[len < sizeof(host) ? len : 0] = '\0';
    c->tls = gw_tls_client(c->context, c->dial.fd, host);
}

static int finish_connect(struct gw_http1_client *c, struct gw_err *err)
{
    int rc;

    gw_watch_fini(&c->watch);
    c->open = 0;
    rc = gw_dial_finish(&c->dial, err);
    if (rc < 0)
        return -1;
    watch(c);
    c->connecting = rc;
    if (!rc && c->context)
        begin_tls(c);
    return 0;
}

static int is_connected(const struct gw_http1_client *c)
{
    return !c->connecting && (!c->tls || gw_tls_shaken(c->tls));
}

/* From the connection to the end of the call. */
static void watch_silence(struct gw_http1_client *c)
{
    c->heard_ms = gw_loop_now_ms(c->loop);
    if (c->patience_ms)
        gw_timer_set(&c->slow, c->patience_ms);
    else
        gw_timer_cancel(&c->slow);
}

/* The timer is not set anew for each byte: it looks at the last one. */
static void on_slow(struct gw_timer *t)
{
    struct gw_http1_client *c = GW_CONTAINER(t, struct gw_http1_client, slow);
    const int64_t silence = gw_loop_now_ms(c->loop) - c->heard_ms;
    const int connected = is_connected(c);
    struct gw_err err;

    if (connected && (c->paused || silence < c->patience_ms)) {
        gw_timer_set(&c->slow, c->paused ? c->patience_ms : c->patience_ms - silence);
        return;
    }
    if (connected) {
        c->call->silent = c->began = 1;
        gw_err_set(&err, GW_ERR_RETRY, "%s: nothing came for %g s", c->address,
                   (double)c->patience_ms / 1000);
    } else {
        gw_err_set(&err, GW_ERR_RETRY, "%s: no connection within %d s", c->address,
                   CONNECT_MS / 1000);
    }
    broke(c, &err);
}

/* A server may refuse a request that it has not read, and close: the answer counts. */
static int has_answered(struct gw_http1_client *c)
{
    struct gw_err err;

    return !c->tls && c->call && !read_in(c, &err) && c->complete;
}

static void on_ready(struct gw_watch *w, int what)
{
    struct gw_http1_client *c = GW_CONTAINER(w, struct gw_http1_client, watch);
    const int was_connected = is_connected(c);
    struct gw_err err;
    int rc = 0;

    if (c->connecting)
        rc = finish_connect(c, &err);
    if (!rc && !c->connecting && write_out(c, &err) && !has_answered(c))
        rc = -1;
    if (!rc && !c->connecting && ((what & GW_READABLE) || (c->tls && gw_tls_pending(c->tls))))
        rc = read_in(c, &err);
    if (!rc && c->tls && writes(c)) /* hands are shaken now */
        rc = write_out(c, &err);
    if (!rc && !was_connected && is_connected(c))
        watch_silence(c);
    if (rc)
        broke(c, &err);
    else if (c->complete)
        finish_answer(c);
}

/* ---- calls ---- */

static void build_request(struct gw_http1_client *c)
{
    const struct gw_http_call *call = c->call;

    gw_buf_clear(&c->out);
    gw_buf_put_str(&c->out, call->method);
    gw_buf_putc(&c->out, ' ');
    gw_buf_put_str(&c->out, call->path);
    gw_buf_puts(&c->out, " HTTP/1.1\r\nhost: ");
    gw_buf_put_str(&c->out, call->authority);
    for (size_t i = 0; i < call->n_headers; i++) {
        gw_buf_puts(&c->out, "\r\n");
        gw_buf_put_str(&c->out, call->headers[i].name);
        gw_buf_puts(&c->out, ": ");
        gw_buf_put_str(&c->out, call->headers[i].value);
    }
    if (call->body.len > 0 || !gw_str_is(call->method, "GET")) {
        gw_buf_puts(&c->out, "\r\ncontent-length: ");
        gw_buf_put_u64(&c->out, call->body.len);
    }
    gw_buf_puts(&c->out, "\r\n\r\n");
    gw_buf_put_str(&c->out, call->body);
}

static void on_later(struct gw_task *t)
{
    broke(GW_CONTAINER(t, struct gw_http1_client, later),
          &GW_CONTAINER(t, struct gw_http1_client, later)->why);
}

/* Its host's addresses, or that it has none. */
static void on_known(struct gw_dial *d)
{
    struct gw_http1_client *c = GW_CONTAINER(d, struct gw_http1_client, dial);

    if (gw_dial_begin(d, &c->why))
        broke(c, &c->why);
    else
        watch(c);
}

static void connect_now(struct gw_http1_client *c)
{
    const int rc = gw_dial_open(&c->dial, c->loop, c->address, on_known, &c->why);

    if (rc < 0) {
        gw_loop_post(c->loop, &c->later);
        return;
    }
    c->connecting = 1;
    gw_timer_set(&c->slow, CONNECT_MS);
    if (!rc)
        watch(c);
}

struct gw_http1_client *gw_http1_client_new(struct gw_loop *loop, const char *address)
{
    struct gw_http1_client *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    c->loop = loop;
    c->address = strdup(address);
    if (!c->address)
        abort();
    c->later.fn = on_later;
    gw_timer_init(&c->slow, loop, on_slow);
    gw_buf_init(&c->out, MAX_REQUEST, NULL);
    gw_http1_answer_init(&c->answer);
    return c;
}

void gw_http1_client_tls(struct gw_http1_client *c, struct gw_tls_context *context)
{
    c->context = context;
}

void gw_http1_client_patience(struct gw_http1_client *c, int64_t ms)
{
    c->patience_ms = ms;
}

/* Of a kept connection: an end, or something that nobody asked for and that would be taken for the
 * answer. */
static int has_news(struct gw_http1_client *c)
{
    char byte;

    return recv(c->dial.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN ||
           (c->tls && gw_tls_pending(c->tls));
}

void gw_http1_client_start(struct gw_http1_client *c, struct gw_http_call *call)
{
    c->call = call;
    reset(c);
    build_request(c);
    if (c->open && (c->out.failed || has_news(c)))
        drop_connection(c);
    if (c->out.failed) {
        gw_err_set(&c->why, GW_ERR_TOO_LARGE, "the request is too large");
        gw_loop_post(c->loop, &c->later);
    } else if (!c->open) {
        connect_now(c);
    } else {
        gw_watch_want(&c->watch, GW_READABLE | GW_WRITABLE);
        watch_silence(c);
    }
}

void gw_http1_client_renew(struct gw_http1_client *c)
{
    drop_connection(c);
}

void gw_http1_client_pause(struct gw_http1_client *c, int paused)
{
    if (c->paused && !paused)
        c->heard_ms = gw_loop_now_ms(c->loop); /* it could say nothing */
    c->paused = paused;
    if (!c->open || c->connecting)
        return;
    want(c);
    if (!paused && c->tls && gw_tls_pending(c->tls)) /* the socket does not tell of these */
        gw_watch_want(&c->watch, GW_READABLE | GW_WRITABLE);
}

void gw_http1_client_close(struct gw_http1_client *c)
{
    if (!c)
        return;
    drop_connection(c);
    gw_timer_fini(&c->slow);
    gw_loop_cancel(c->loop, &c->later);
    gw_buf_free(&c->out);
    gw_http1_answer_fini(&c->answer);
    free(c->address);
    free(c);
}
