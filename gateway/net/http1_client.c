#include "net/http1_client.h"

#include "net/dial.h"
#include "net/loop.h"
#include "net/tls.h"

#include <errno.h>
#include <http_parser.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The parser tells what came; on_ready reads, writes, and ends the call. */

enum {
    READ_SIZE = 64 * 1024,
    MAX_REQUEST = 128 * 1024 * 1024,
    KEPT_BYTES = 64 * 1024, /* of a request's buffer, between calls */
    MAX_NAME = 64 * 1024,
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
    struct gw_timer slow; /* connecting */
    int paused;
    int open, connecting, kept; /* kept: this connection has served a call */
    http_parser parser;
    struct gw_http_call *call;
    int complete, began; /* the answer: is whole; its first byte came */
    int more;            /* something came behind the answer */
    struct gw_buf out, name, value;
    int in_value;
    struct gw_err why; /* a start that failed at once */
};

static void on_ready(struct gw_watch *w, int what);
static void connect_now(struct gw_http1_client *c);

/* ---- the parser's callbacks ---- */

static void keep_header(struct gw_http1_client *c)
{
    for (size_t i = 0; i < c->name.len; i++)
        if (c->name.p[i] >= 'A' && c->name.p[i] <= 'Z')
            c->name.p[i] |= 'a' - 'A';
    if (c->name.len > 0)
        gw_http_call_header(c->call, gw_buf_str(&c->name), gw_buf_str(&c->value));
    gw_buf_clear(&c->name);
    gw_buf_clear(&c->value);
    c->in_value = 0;
}

static int on_begin(http_parser *p)
{
    struct gw_http1_client *c = p->data;

    c->began = 1;
    return 0;
}

static int on_name(http_parser *p, const char *at, size_t len)
{
    struct gw_http1_client *c = p->data;

    if (c->in_value)
        keep_header(c);
    gw_buf_put(&c->name, at, len);
    return 0;
}

static int on_value(http_parser *p, const char *at, size_t len)
{
    struct gw_http1_client *c = p->data;

    c->in_value = 1;
    gw_buf_put(&c->value, at, len);
    return 0;
}

static int on_head(http_parser *p)
{
    struct gw_http1_client *c = p->data;

    keep_header(c);
    c->call->status = (int)p->status_code;
    c->call->n_head = c->call->n_answer_headers;
    /* 1: no body follows, whatever the head says, which the parser knows of 1xx alone. */
    return gw_str_is(c->call->method, "HEAD") || p->status_code == 204 || p->status_code == 304;
}

static int on_body(http_parser *p, const char *at, size_t len)
{
    struct gw_http1_client *c = p->data;

    gw_buf_put(&c->call->answer, at, len);
    if (c->call->answer.failed)
        return -1;
    if (c->call->data)
        c->call->data(c->call);
    return 0;
}

static int on_complete(http_parser *p)
{
    struct gw_http1_client *c = p->data;

    if (p->status_code >= 200) {
        c->complete = 1;
        http_parser_pause(p, 1);
    } else {
        c->call->n_answer_headers = 0; /* 1xx: the answer is still to come */
    }
    return 0;
}

static const http_parser_settings settings = {.on_message_begin = on_begin,
                                              .on_header_field = on_name,
                                              .on_header_value = on_value,
                                              .on_headers_complete = on_head,
                                              .on_body = on_body,
                                              .on_message_complete = on_complete};

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
    if (c->out.cap > KEPT_BYTES)
        gw_buf_free(&c->out);
    call->done(call);
}

static void reset(struct gw_http1_client *c)
{
    gw_http_call_begin(c->call);
    c->complete = c->began = c->paused = c->more = 0;
    gw_buf_clear(&c->name); /* a trailer, or half a header of another call's answer */
    gw_buf_clear(&c->value);
    c->in_value = 0;
    http_parser_init(&c->parser, HTTP_RESPONSE);
    c->parser.data = c;
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

static void want(struct gw_http1_client *c)
{
    int writes = c->call && c->call->sent < c->out.len;

    if (c->tls) /* in the handshake it is the peer's turn */
        writes = gw_tls_wants(c->tls) == GW_WRITABLE;
    gw_watch_want(&c->watch, (c->paused ? 0 : GW_READABLE) | (writes ? GW_WRITABLE : 0));
}

static int write_out(struct gw_http1_client *c, struct gw_err *err)
{
    int blocked = 0;

    while (c->call && c->call->sent < c->out.len && !blocked) {
        const ssize_t n = transmit(c, c->out.p + c->call->sent, c->out.len - c->call->sent, err);

        if (n == -1)
            return -1;
        blocked = n == GW_TLS_AGAIN;
        c->call->sent += blocked ? 0 : (size_t)n;
    }
    want(c);
    return 0;
}

static int parse(struct gw_http1_client *c, const char *bytes, size_t n, struct gw_err *err)
{
    const size_t parsed = http_parser_execute(&c->parser, &settings, bytes, n);

    if (c->complete) {
        c->more = parsed < n;
        return 0;
    }
    if (c->call->answer.failed)
        return gw_err_set(err, GW_ERR_TOO_LARGE, "the answer is too large");
    if (HTTP_PARSER_ERRNO(&c->parser) != HPE_OK)
        return gw_err_set(err, GW_ERR_RETRY, "the answer is not HTTP/1.1: %s",
                          http_errno_description(HTTP_PARSER_ERRNO(&c->parser)));
    return n > 0 ? 0 : gw_err_set(err, GW_ERR_RETRY, "the server closed the connection");
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
        if (parse(c, bytes, (size_t)n, err))
            return -1;
    }
    return 0;
}

static void finish_answer(struct gw_http1_client *c)
{
    http_parser_pause(&c->parser, 0);
    gw_http1_client_pause(c, 0);
    /* What nobody asked for would be taken for the answer to the next request. */
    if (http_should_keep_alive(&c->parser) && c->call->sent == c->out.len && !c->more)
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
    if (!rc)
        gw_timer_cancel(&c->slow);
    if (!rc && c->context)
        begin_tls(c);
    return 0;
}

static void on_slow(struct gw_timer *t)
{
    struct gw_http1_client *c = GW_CONTAINER(t, struct gw_http1_client, slow);
    struct gw_err err;

    gw_err_set(&err, GW_ERR_RETRY, "%s: no connection within %d s", c->address, CONNECT_MS / 1000);
    broke(c, &err);
}

static void on_ready(struct gw_watch *w, int what)
{
    struct gw_http1_client *c = GW_CONTAINER(w, struct gw_http1_client, watch);
    struct gw_err err;
    int rc = 0;

    if (c->connecting)
        rc = finish_connect(c, &err);
    if (!rc && !c->connecting)
        rc = write_out(c, &err);
    if (!rc && !c->connecting && ((what & GW_READABLE) || (c->tls && gw_tls_pending(c->tls))))
        rc = read_in(c, &err);
    if (!rc && c->tls && c->call && c->call->sent < c->out.len) /* hands are shaken now */
        rc = write_out(c, &err);
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
    gw_buf_init(&c->name, MAX_NAME, NULL);
    gw_buf_init(&c->value, MAX_NAME, NULL);
    return c;
}

void gw_http1_client_tls(struct gw_http1_client *c, struct gw_tls_context *context)
{
    c->context = context;
}

void gw_http1_client_start(struct gw_http1_client *c, struct gw_http_call *call)
{
    c->call = call;
    reset(c);
    build_request(c);
    if (c->open)
        gw_watch_want(&c->watch, GW_READABLE | GW_WRITABLE);
    else
        connect_now(c);
}

void gw_http1_client_renew(struct gw_http1_client *c)
{
    drop_connection(c);
}

void gw_http1_client_pause(struct gw_http1_client *c, int paused)
{
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
    gw_buf_free(&c->name);
    gw_buf_free(&c->value);
    free(c->address);
    free(c);
}
