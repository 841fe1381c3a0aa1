/* Reads until dry, feeds the codec, and writes once a turn what the codec has to say. A peer that
 * does not read its answers is not read from either. TLS sits in receive and transmit. */
#include "net/conn.h"

#include "base/err.h"
#include "net/tls.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READ_BYTES = 64 << 10,
    READS_A_TURN = 4,    /* then the other connections have their turn */
    RECORDS_A_TURN = 16, /* the same with TLS, which reads a record at most */
    HANDSHAKE = 0x16,    /* the first byte of a connection that speaks TLS */
    REFUSALS_MS = 10000,
    MAX_UNSENT = 1 << 20, /* beyond: not read from until it is sent */
    MAX_HELD = 256 << 10,
    KEPT_OUT = 64 << 10,
    LINGER_MS = 2000
};

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
enum { PREFACE = sizeof(preface) - 1 };

/* A client that is not trusted, or does not trust us, sees a connection that ends: here is why. */
static void tell_refusal(struct gw_conn *c, const char *why)
{
    struct gw_listener *l = c->listener;
    const uint64_t n = gw_diag_allow(&l->refusals, REFUSALS_MS);

    if (n)
        GW_DIAG(GW_WARN, "net.tls", gw_msg("a connection is refused"),
                gw_kv_cstr("address", l->address), gw_kv_cstr("error", why),
                gw_kv_int("others", (int64_t)n - 1));
}

/* Each counts, few are told. */
static void tell_flood(struct gw_conn *c)
{
    struct gw_listener *l = c->listener;
    const uint64_t n = gw_diag_allow(&l->floods, REFUSALS_MS);

    if (n)
        GW_DIAG(GW_WARN, "net.http2", gw_msg("a client is sent away"),
                gw_kv_cstr("address", l->address), gw_kv_cstr("error", c->codec->flood),
                gw_kv_int("others", (int64_t)n - 1));
}

/* Once all is sent. */
static void close_soon(struct gw_conn *c)
{
    c->closing = 1;
    if (c->codec->flood)
        tell_flood(c);
}

/* As recv and send have it. */
static ssize_t as_errno(struct gw_conn *c, ssize_t n, const struct gw_err *err)
{
    if (n >= 0)
        return n;
    errno = n == GW_TLS_AGAIN ? EAGAIN : EPROTO;
    if (n != GW_TLS_AGAIN && !gw_tls_shaken(c->tls))
        tell_refusal(c, err->msg);
    return -1;
}

static ssize_t receive(struct gw_conn *c, void *p, size_t len)
{
    struct gw_err err;

    if (!c->tls || c->lingering)
        return recv(c->watch.fd, p, len, 0);
    return as_errno(c, gw_tls_read(c->tls, p, len, &err), &err);
}

static ssize_t transmit(struct gw_conn *c, const void *p, size_t len)
{
    struct gw_err err;

    if (!c->tls)
        return send(c->watch.fd, p, len, MSG_NOSIGNAL);
    return as_errno(c, gw_tls_write(c->tls, p, len, &err), &err);
}

static size_t unsent(const struct gw_conn *c)
{
    return c->codec ? c->codec->out.len : 0;
}

static void want(struct gw_conn *c, int blocked)
{
    int reads = !c->closing && !c->eof && unsent(c) <= MAX_UNSENT &&
                (!c->codec || c->codec->held <= MAX_HELD);

    if (reads && c->tls && gw_tls_pending(c->tls))
        gw_loop_post(c->listener->loop, &c->more);
    gw_watch_want(&c->watch,
                  (reads || c->lingering ? GW_READABLE : 0) | (blocked ? GW_WRITABLE : 0));
}

static int64_t timeout_of(const struct gw_conn *c, enum gw_codec_wait wait)
{
    const struct gw_listener_conf *conf = &c->listener->conf;

    if (wait == GW_WAIT_HEAD)
        return conf->header_timeout_ms;
    if (wait == GW_WAIT_BODY)
        return conf->body_timeout_ms;
    return wait == GW_WAIT_REQUEST ? conf->idle_timeout_ms : 0;
}

/* A head has one deadline in all; the others start anew with every byte, for a peer that is to take
 * an answer with every byte that it takes. */
static void set_deadline(struct gw_conn *c, int blocked)
{
    enum gw_codec_wait wait = c->codec ? c->codec->ops->wait(c->codec) : GW_WAIT_HEAD;
    size_t heads = c->codec ? c->codec->heads : 0;
    int64_t timeout;

    if (blocked)
        wait = GW_WAIT_BODY;
    if (wait == GW_WAIT_HEAD && c->waits == GW_WAIT_HEAD && c->heads == heads && c->deadline_ms)
        return;
    if (blocked && c->blocked && !c->took && c->deadline_ms)
        return; /* whatever it sends meanwhile */
    timeout = timeout_of(c, wait);
    c->blocked = blocked;
    c->took = 0;
    c->waits = wait;
    c->heads = heads;
    c->deadline_ms = timeout ? gw_loop_now_ms(c->listener->loop) + timeout : 0;
    gw_listener_deadline(c->listener, c->deadline_ms);
    if (!c->expires && c->codec && c->codec->ops->expire)
        gw_listener_deadline(c->listener, gw_conn_expire(c));
}

int64_t gw_conn_expire(struct gw_conn *c)
{
    int64_t next;

    if (!c->codec || !c->codec->ops->expire || c->closing)
        return 0;
    c->codec->now_ms = gw_loop_now_ms(c->listener->loop);
    next = c->codec->ops->expire(c->codec, c->listener->conf.body_timeout_ms);
    c->expires = next != 0;
    return next;
}

void gw_conn_close(struct gw_conn *c)
{
    struct gw_listener *l = c->listener;
    int fd = c->watch.fd, leaving = c->leaving;

    if (c->on_stack) {
        c->closing = 1;
        return;
    }
    if (c->codec) {
        struct gw_codec *codec = c->codec;

        codec->conf.wake = NULL;
        codec->ops->close(codec);
    }
    gw_loop_cancel(l->loop, &c->flush);
    gw_loop_cancel(l->loop, &c->more);
    gw_watch_fini(&c->watch);
    gw_tls_free(c->tls);
    close(fd);
    if (c->next)
        c->next->prev = c->prev;
    *(c->prev ? &c->prev->next : &l->conns) = c->next;
    gw_buf_free(&c->first);
    free(c);
    gw_listener_gone(l, leaving);
}

/* All is said: shut our side and wait a little for the peer's end, for a close with unread bytes
 * would reset the connection and take the answer with it. */
static void linger(struct gw_conn *c)
{
    if (c->lingering)
        return;
    c->lingering = 1;
    if (c->rests || shutdown(c->watch.fd, SHUT_WR)) {
        gw_conn_close(c);
        return;
    }
    c->deadline_ms = gw_loop_now_ms(c->listener->loop) + LINGER_MS;
    gw_listener_deadline(c->listener, c->deadline_ms);
    want(c, 0);
}

/* 0; 1: the socket takes no more now; -1: broken. */
static int send_out(struct gw_conn *c)
{
    struct gw_buf *out = &c->codec->out;
    size_t sent = 0;
    int rc = 0;

    while (sent < out->len) {
        ssize_t n = transmit(c, out->p + sent, out->len - sent);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            rc = errno == EAGAIN || errno == EWOULDBLOCK ? 1 : -1;
            break;
        }
        sent += (size_t)n;
    }
    gw_buf_drop(out, sent);
    c->took |= sent > 0;
    if (out->len == 0 && out->cap > KEPT_OUT)
        gw_buf_free(out);
    return rc;
}

/* What TLS itself has to say, last of all that nothing more comes. 0; 1: the socket takes no more
 * now; -1: broken. */
static int send_rest(struct gw_conn *c)
{
    if (!c->tls)
        return 0;
    if (c->closing && !gw_tls_shaken(c->tls)) /* the alert that says why has been sent */
        return 0;
    if (transmit(c, NULL, 0) < 0 && errno != EAGAIN)
        return -1;
    if (c->closing && gw_tls_goodbye(c->tls) == -1)
        return -1;
    return gw_tls_wants(c->tls) == GW_WRITABLE;
}

/* Streams that are in the middle of their answers may go on. */
static void tell_drained(struct gw_conn *c)
{
    for (struct gw_stream *s = c->codec->streams; s; s = s->next)
        if (s->pub.handler->drained && s->responded && !s->finished && !s->reset)
            s->pub.handler->drained(&s->pub, c->codec->conf.ctx);
}

static void wake(void *ctx)
{
    struct gw_conn *c = ctx;

    gw_loop_post(c->listener->loop, &c->flush);
}

static void on_flush(struct gw_task *t)
{
    struct gw_conn *c = GW_CONTAINER(t, struct gw_conn, flush);
    int blocked = 0;

    if (c->codec) {
        c->codec->now_ms = gw_loop_now_ms(c->listener->loop);
        c->codec->ops->fill(c->codec);
        blocked = send_out(c);
    }
    if (c->codec && !c->closing && c->codec->ops->done(c->codec))
        close_soon(c);
    if (!blocked)
        blocked = send_rest(c);
    if (blocked < 0 || (c->codec && c->codec->out.failed)) {
        gw_conn_close(c);
        return;
    }
    if (c->closing && !blocked) {
        linger(c);
        return;
    }
    set_deadline(c, blocked);
    want(c, blocked);
    if (c->codec && !blocked)
        tell_drained(c);
    if (c->codec && !blocked && c->codec->ahead)
        wake(c);
}

static void choose_codec(struct gw_conn *c, const struct gw_codec_ops *ops)
{
    const struct gw_listener *l = c->listener;
    const struct gw_codec_conf conf = {.handler = l->handler,
                                       .ctx = l->ctx,
                                       .conn = c,
                                       .max_header_bytes = (size_t)l->conf.max_header_bytes,
                                       .max_body_bytes = (size_t)l->conf.max_body_bytes,
                                       .wake = wake,
                                       .wake_ctx = c};

    c->codec = ops->open(&conf);
    c->codec->now_ms = gw_loop_now_ms(l->loop);
    if (c->leaving)
        c->codec->ops->drain(c->codec);
}

/* 0: take bytes; 1: not enough came to know. */
static int recognise(struct gw_conn *c, struct gw_str *bytes)
{
    size_t n;

    if (c->tls && !strcmp(gw_tls_alpn(c->tls), "h2")) {
        choose_codec(c, &gw_http2);
        return 0;
    }
    gw_buf_put_str(&c->first, *bytes);
    *bytes = gw_buf_str(&c->first);
    n = bytes->len < PREFACE ? bytes->len : PREFACE;
    if (memcmp(bytes->p, preface, n) != 0)
        choose_codec(c, &gw_http1);
    else if (n == PREFACE)
        choose_codec(c, &gw_http2);
    return c->codec ? 0 : 1;
}

static void feed(struct gw_conn *c, struct gw_str bytes)
{
    c->on_stack = 1;
    if (c->codec)
        c->codec->now_ms = gw_loop_now_ms(c->listener->loop);
    if ((c->codec || !recognise(c, &bytes)) && c->codec->ops->feed(c->codec, bytes))
        close_soon(c);
    if (c->codec)
        gw_buf_free(&c->first);
    c->on_stack = 0;
}

/* In HTTP/1.1 whatever it speaks: clients of HTTP/2 know that text as well, and one that was let in
 * by SETTINGS first would come again at once, and for ever. */
static void refuse_plain(struct gw_conn *c)
{
    static const char text[] = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
                               "content-length: 48\r\nconnection: close\r\n\r\n"
                               "{\"code\":3,\"message\":\"this port speaks TLS only\"}";

    (void)send(c->watch.fd, text, sizeof(text) - 1, MSG_NOSIGNAL);
    tell_refusal(c, "it speaks no TLS");
    c->closing = 1;
}

/* The first byte tells. 0: there is one, and TLS has it or it is refused; -1: as recv; -2: the end.
 */
static int greet(struct gw_conn *c)
{
    char first;
    const ssize_t n = recv(c->watch.fd, &first, 1, MSG_PEEK);

    if (n < 1)
        return n ? -1 : -2;
    c->knocks = 0;
    if (first == HANDSHAKE)
        c->tls = gw_tls_slot_server(c->listener->conf.tls, c->watch.fd);
    else
        refuse_plain(c);
    return 0;
}

/* Nothing came, or no more will: 0; -1: c is closed, or will be. */
static int no_bytes(struct gw_conn *c, ssize_t n)
{
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return 0;
    if (n == 0 && c->codec && !c->lingering) {
        c->eof = 1;
        c->codec->ops->eof(c->codec);
        return 0;
    }
    if (n < 0 && c->tls && !gw_tls_shaken(c->tls) && errno == EPROTO) {
        c->closing = 1; /* the alert is to arrive */
        wake(c);
        return -1;
    }
    gw_conn_close(c);
    return -1;
}

static void read_all(struct gw_conn *c)
{
    static _Thread_local char bytes[READ_BYTES];
    const int reads = c->tls ? RECORDS_A_TURN : READS_A_TURN;

    for (int i = 0; i < reads; i++) {
        ssize_t n = receive(c, bytes, sizeof(bytes));

        if (n <= 0) {
            if (no_bytes(c, n))
                return;
            break;
        }
        if (!c->closing)
            feed(c, (struct gw_str){bytes, (size_t)n});
        if ((!c->tls && (size_t)n < sizeof(bytes)) || (c->closing && !c->lingering))
            break;
    }
    if (!c->lingering)
        wake(c);
}

static void on_ready(struct gw_watch *w, int what)
{
    struct gw_conn *c = GW_CONTAINER(w, struct gw_conn, watch);

    if (what & GW_WRITABLE)
        wake(c);
    if (!(what & GW_READABLE))
        return;
    if (c->knocks) {
        const int rc = greet(c);

        if (rc) {
            no_bytes(c, rc == -2 ? 0 : rc);
            return;
        }
    }
    if (c->closing && !c->lingering)
        wake(c);
    else
        read_all(c);
}

static void on_more(struct gw_task *t)
{
    struct gw_conn *c = GW_CONTAINER(t, struct gw_conn, more);

    if (!c->closing)
        read_all(c);
}

void gw_conn_open(struct gw_listener *l, int fd)
{
    struct gw_conn *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    c->listener = l;
    c->flush.fn = on_flush;
    c->more.fn = on_more;
    c->knocks = l->conf.tls != NULL;
    gw_buf_init(&c->first, READ_BYTES + PREFACE, NULL);
    gw_watch_init(&c->watch, l->loop, fd, on_ready);
    c->next = l->conns;
    if (l->conns)
        l->conns->prev = c;
    l->conns = c;
    l->n_conns++;
    set_deadline(c, 0);
    want(c, 0);
}

/* All that was said has arrived, and nothing has come that was not read. */
static int is_quiet(const struct gw_conn *c)
{
    int coming = 1, going = 1;

    return !unsent(c) && !(c->tls && gw_tls_pending(c->tls)) &&
           !ioctl(c->watch.fd, FIONREAD, &coming) && !coming &&
           !ioctl(c->watch.fd, SIOCOUTQ, &going) && !going;
}

void gw_conn_drain(struct gw_conn *c)
{
    const struct gw_codec_ops *ops = c->codec ? c->codec->ops : NULL;
    const int idle = ops ? ops->wait(c->codec) == GW_WAIT_REQUEST : !c->first.len;

    if (ops)
        ops->drain(c->codec);
    else
        c->closing = 1;
    /* HTTP/2 has a word of farewell that is to arrive. */
    c->rests = idle && (!ops || ops == &gw_http1) && is_quiet(c);
    wake(c);
}
