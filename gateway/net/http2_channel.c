#include "net/http2_channel.h"

#include "net/http2_client.h"
#include "net/loop.h"
#include "net/tls.h"

#include <stdlib.h>
#include <string.h>

/* Connections to one server. A call's `on` is its connection until it has ended. */

struct conn {
    struct gw_http2_channel *channel;
    struct gw_http2_client *client;
    struct conn *next, **at;
};

struct gw_http2_channel {
    struct gw_loop *loop;
    const struct gw_http2_channel_conf *conf;
    char *authority; /* host:port */
    int tls;
    struct conn *current;                       /* takes new calls; NULL: none */
    struct conn *conns;                         /* all, those that only end too */
    struct gw_http_call *failed, **failed_last; /* done is called on the next turn */
    struct gw_task tell;
    int telling, freed;
};

static char *copy(const char *s, size_t len, const char *behind)
{
    const size_t more = strlen(behind) + 1;
    char *p = malloc(len + more);

    if (!p)
        abort();
    memcpy(p, s, len);
    memcpy(p + len, behind, more);
    return p;
}

/* The port of the scheme, if the URL has none. */
static void read_url(struct gw_http2_channel *c, const char *url)
{
    const char *rest = strstr(url, "://"), *port;
    size_t len;

    c->tls = !strncmp(url, "https:", 6);
    rest = rest ? rest + 3 : url;
    len = strcspn(rest, "/?#");
    port = memrchr(rest, ':', len);
    if (port && memchr(port, ']', len - (size_t)(port - rest)))
        port = NULL;
    c->authority = copy(rest, len, port ? "" : c->tls ? ":443" : ":80");
}

static void drop_conn(struct conn *conn)
{
    struct gw_http2_channel *c = conn->channel;

    if (c->current == conn)
        c->current = NULL;
    *conn->at = conn->next;
    if (conn->next)
        conn->next->at = conn->at;
    gw_http2_client_close(conn->client);
    free(conn);
}

/* Its calls have ended. */
static void on_closed(void *ctx, const struct gw_err *why)
{
    (void)why;
    drop_conn(ctx);
}

static void destroy(struct gw_http2_channel *c)
{
    gw_loop_cancel(c->loop, &c->tell);
    free(c->authority);
    free(c);
}

static void on_tell(struct gw_task *t)
{
    struct gw_http2_channel *c = GW_CONTAINER(t, struct gw_http2_channel, tell);
    struct gw_http_call *call;

    c->telling = 1;
    while ((call = c->failed)) {
        c->failed = call->next;
        if (!c->failed)
            c->failed_last = &c->failed;
        call->next = NULL;
        call->done(call);
    }
    c->telling = 0;
    if (c->freed)
        destroy(c);
}

struct gw_http2_channel *gw_http2_channel_new(struct gw_loop *loop,
                                              const struct gw_http2_channel_conf *conf)
{
    struct gw_http2_channel *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    c->loop = loop;
    c->conf = conf;
    c->tell.fn = on_tell;
    c->failed_last = &c->failed;
    read_url(c, conf->url);
    return c;
}

void gw_http2_channel_free(struct gw_http2_channel *c)
{
    struct conn *next;

    if (!c)
        return;
    for (struct conn *conn = c->conns; conn; conn = next) {
        next = conn->next;
        drop_conn(conn);
    }
    c->freed = 1;
    if (!c->telling)
        destroy(c);
}

struct gw_str gw_http2_channel_authority(const struct gw_http2_channel *c)
{
    return gw_str_of(c->authority);
}

struct gw_str gw_http2_channel_scheme(const struct gw_http2_channel *c)
{
    return c->tls ? GW_STR("https") : GW_STR("http");
}

/* For each connection anew: certificates that were changed are taken up. */
static struct gw_http2_client *open_client(struct conn *conn, struct gw_err *err)
{
    static const char *const alpn[] = {"h2", NULL};
    const struct gw_http2_channel *c = conn->channel;
    const struct gw_http2_channel_conf *conf = c->conf;
    const struct gw_tls_files files = {
        .ca = conf->ca, .cert = conf->cert, .key = conf->key, .no_verify = conf->no_verify};
    struct gw_tls_context *tls = NULL;

    if (c->tls && !(tls = gw_tls_client_context(&files, alpn, err)))
        return NULL;
    return gw_http2_client_open_tls(c->loop, c->authority, tls, on_closed, conn, err);
}

/* Those that take no new calls, and have none: the server may keep them open for long. */
static void drop_idle(struct gw_http2_channel *c)
{
    struct conn *next;

    for (struct conn *conn = c->conns; conn; conn = next) {
        next = conn->next;
        if (conn != c->current && gw_http2_client_idle(conn->client))
            drop_conn(conn);
    }
}

static struct conn *connection(struct gw_http2_channel *c, struct gw_err *err)
{
    struct conn *conn;

    if (c->current && !gw_http2_client_closing(c->current->client))
        return c->current;
    c->current = NULL;
    drop_idle(c);
    conn = calloc(1, sizeof(*conn));
    if (!conn)
        abort();
    conn->channel = c;
    conn->client = open_client(conn, err);
    if (!conn->client) {
        free(conn);
        return NULL;
    }
    conn->next = c->conns;
    if (conn->next)
        conn->next->at = &conn->next;
    conn->at = &c->conns;
    c->conns = c->current = conn;
    return conn;
}

void gw_http2_channel_start(struct gw_http2_channel *c, struct gw_http_call *call)
{
    struct gw_err err;
    struct conn *conn = connection(c, &err);

    if (!call->authority.p)
        call->authority = gw_http2_channel_authority(c);
    if (!call->scheme.p)
        call->scheme = gw_http2_channel_scheme(c);
    call->on = conn;
    if (conn) {
        gw_http2_client_start(conn->client, call);
        return;
    }
    gw_http_call_begin(call);
    gw_http_call_fail(call, err.kind, err.msg);
    call->next = NULL;
    *c->failed_last = call;
    c->failed_last = &call->next;
    gw_loop_post(c->loop, &c->tell);
}

int gw_http2_channel_again(struct gw_http2_channel *c, struct gw_http_call *call)
{
    if (!call->refused || call->again || call->n_head > 0)
        return -1;
    call->again = 1;
    if (call->on == c->current)
        c->current = NULL;
    gw_http2_channel_start(c, call);
    return 0;
}

void gw_http2_channel_cancel(struct gw_http2_channel *c, struct gw_http_call *call)
{
    struct conn *conn = call->on;
    struct gw_http_call **p = &c->failed;

    call->on = NULL;
    if (conn) {
        gw_http2_client_cancel(conn->client, call);
        return;
    }
    while (*p != call)
        p = &(*p)->next;
    *p = call->next;
    if (!*p)
        c->failed_last = p;
}

void gw_http2_channel_write(struct gw_http_call *call, struct gw_str body)
{
    if (call->on)
        gw_http2_client_write(((struct conn *)call->on)->client, call, body);
}

void gw_http2_channel_finish(struct gw_http_call *call)
{
    if (call->on)
        gw_http2_client_finish(((struct conn *)call->on)->client, call);
}

void gw_http2_channel_took(struct gw_http_call *call, size_t n)
{
    if (call->on)
        gw_http2_client_took(((struct conn *)call->on)->client, call, n);
}

size_t gw_http2_channel_unsent(const struct gw_http_call *call)
{
    return call->on ? gw_http2_client_unsent(((struct conn *)call->on)->client, call) : 0;
}
