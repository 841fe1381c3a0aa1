/* A connection: OpenSSL reads the socket, and writes into a buffer that goes out by one send a
 * turn, without SIGPIPE.
 *
 * Invariants
 *  1. A write is told as done when its bytes have left the buffer: who has written all has nothing
 *     left here but what the handshake had to say.
 *  2. The buffer holds at most one write and MAX_SAID bytes of the library's own. */
#include "net/tls.h"

#include "base/buf.h"
#include "base/err.h"
#include "net/loop.h"
#include "net/tls_context.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    AT_ONCE = 64 << 10,  /* of a write */
    MAX_SAID = 64 << 10, /* alerts, handshake, tickets, key updates */
    MAX_OUT = 2 * AT_ONCE + MAX_SAID,
    KEPT_OUT = 16 << 10
};

struct gw_tls {
    SSL *ssl;
    struct gw_tls_context *context;
    int fd;
    struct gw_buf out;
    size_t taken;     /* bytes of the write that is in out, not yet told as done */
    int ended, error; /* of the socket: nothing more comes; errno */
    int dry;          /* the last read had nothing */
    int over;         /* the library is not to be asked again */
    int begun;        /* a client's first word is said */
    int shaken;       /* the library forgets it when a connection breaks */
    char alpn[64];
};

static BIO_METHOD *method;

static int on_bio_read(BIO *b, char *p, int n)
{
    struct gw_tls *t = BIO_get_data(b);
    ssize_t got;

    BIO_clear_retry_flags(b);
    do
        got = recv(t->fd, p, (size_t)n, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        BIO_set_retry_read(b);
    else if (got < 0)
        t->error = errno;
    t->ended |= got == 0;
    return (int)got;
}

static int on_bio_write(BIO *b, const char *p, int n)
{
    struct gw_tls *t = BIO_get_data(b);

    BIO_clear_retry_flags(b);
    if (t->out.len + (size_t)n > MAX_OUT) { /* a peer that has us talk and does not listen */
        BIO_set_retry_write(b);
        return -1;
    }
    gw_buf_put(&t->out, p, (size_t)n);
    return n;
}

static long on_bio_ctrl(BIO *b, int what, long n, void *p)
{
    const struct gw_tls *t = BIO_get_data(b);

    (void)n;
    (void)p;
    if (what == BIO_CTRL_EOF)
        return t->ended;
    return what == BIO_CTRL_FLUSH;
}

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "moongate socket");
    if (!method)
        abort();
    BIO_meth_set_read(method, on_bio_read);
    BIO_meth_set_write(method, on_bio_write);
    BIO_meth_set_ctrl(method, on_bio_ctrl);
}

static struct gw_tls *open_on(struct gw_tls_context *c, int fd)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct gw_tls *t = calloc(1, sizeof(*t));
    BIO *bio;

    pthread_once(&once, make_method);
    if (!t || !(t->ssl = SSL_new(c->ctx)) || !(bio = BIO_new(method)))
        abort();
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    atomic_fetch_add(&c->refs, 1);
    t->context = c;
    t->fd = fd;
    gw_buf_init(&t->out, MAX_OUT, NULL);
    return t;
}

struct gw_tls *gw_tls_server(struct gw_tls_context *c, int fd)
{
    struct gw_tls *t = open_on(c, fd);

    SSL_set_accept_state(t->ssl);
    return t;
}

/* A name is told to the server and looked for in its certificate, an address only the latter. */
struct gw_tls *gw_tls_client(struct gw_tls_context *c, int fd, const char *host)
{
    struct gw_tls *t = open_on(c, fd);
    const size_t len = strlen(host);
    char name[256], in[sizeof(struct in6_addr)];

    if (*host == '[' && len > 2 && len < sizeof(name)) {
        memcpy(name, host + 1, len - 2);
        name[len - 2] = '\0';
        host = name;
    }
    SSL_set_connect_state(t->ssl);
    if (inet_pton(AF_INET, host, in) == 1 || inet_pton(AF_INET6, host, in) == 1) {
        if (c->verifies && !X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(t->ssl), host))
            abort();
        return t;
    }
    SSL_set_hostflags(t->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    /* What cannot be a name cannot be in a certificate either. */
    if (!SSL_set_tlsext_host_name(t->ssl, host) || (c->verifies && !SSL_set1_host(t->ssl, host)))
        t->over = 1;
    return t;
}

/* 0; GW_TLS_AGAIN; -1: the socket takes nothing any more. */
static int flush(struct gw_tls *t)
{
    size_t sent = 0;

    while (sent < t->out.len && !t->error) {
        const ssize_t n = send(t->fd, t->out.p + sent, t->out.len - sent, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n < 0)
            t->error = errno;
        else
            sent += (size_t)n;
    }
    gw_buf_drop(&t->out, sent);
    if (t->error)
        return -1;
    if (t->out.len)
        return GW_TLS_AGAIN;
    if (t->out.cap > KEPT_OUT)
        gw_buf_free(&t->out);
    return 0;
}

static int over(struct gw_tls *t, struct gw_err *err)
{
    const long verdict = SSL_get_verify_result(t->ssl);

    t->over = 1;
    if (verdict != X509_V_OK && ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_SSL &&
        ERR_GET_REASON(ERR_peek_error()) == SSL_R_CERTIFICATE_VERIFY_FAILED)
        return gw_err_set(err, GW_ERR_RETRY, "TLS: the certificate is not trusted: %s",
                          X509_verify_cert_error_string(verdict));
    if (t->error) {
        errno = t->error;
        return gw_err_errno(err, GW_ERR_RETRY, "TLS");
    }
    if (t->ended)
        return gw_err_set(err, GW_ERR_RETRY, "TLS: the connection ended %s",
                          gw_tls_shaken(t) ? "without goodbye" : "in the handshake");
    return gw_err_set(err, GW_ERR_RETRY, "TLS: %s", gw_tls_reason());
}

/* Of a call of the library that did not return bytes. */
static int failed(struct gw_tls *t, int rc, struct gw_err *err)
{
    switch (SSL_get_error(t->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return t->error ? over(t, err) : GW_TLS_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        return over(t, err);
    }
}

static int is_over(struct gw_tls *t, struct gw_err *err)
{
    ERR_clear_error();
    return t->over ? gw_err_set(err, GW_ERR_RETRY, "TLS: the connection is over") : 0;
}

ssize_t gw_tls_read(struct gw_tls *t, void *p, size_t n, struct gw_err *err)
{
    ssize_t rc;

    if (is_over(t, err))
        return -1;
    rc = SSL_read(t->ssl, p, n > AT_ONCE ? AT_ONCE : (int)n);
    t->dry = rc <= 0;
    t->shaken |= SSL_is_init_finished(t->ssl);
    flush(t); /* the handshake, or the alert that says why not */
    return rc > 0 ? rc : failed(t, (int)rc, err);
}

/* A client's first word; the rest of the handshake is gw_tls_read's, so that nothing is received
 * that the caller does not hear of. */
static ssize_t begin(struct gw_tls *t, struct gw_err *err)
{
    if (!t->begun && !SSL_is_server(t->ssl)) {
        const int rc = SSL_do_handshake(t->ssl);

        t->begun = 1;
        if (rc <= 0 && failed(t, rc, err) != GW_TLS_AGAIN)
            return -1;
    }
    return flush(t) == -1 ? over(t, err) : GW_TLS_AGAIN;
}

/* Bytes of the write that is on its way, once they have left. */
static ssize_t left(struct gw_tls *t, struct gw_err *err)
{
    const int rc = flush(t);
    const size_t done = t->taken;

    if (rc)
        return rc == GW_TLS_AGAIN ? rc : over(t, err);
    t->taken = 0;
    return (ssize_t)done;
}

/* Into the buffer, a record each; 0, GW_TLS_AGAIN (nothing was taken), -1. */
static int take(struct gw_tls *t, const char *p, size_t n, struct gw_err *err)
{
    while (t->taken < n) {
        const int rc = SSL_write(t->ssl, p + t->taken, (int)(n - t->taken));
        int why;

        if (rc > 0) {
            t->taken += (size_t)rc;
            continue;
        }
        why = failed(t, rc, err);
        if (why == GW_TLS_AGAIN)
            return t->taken ? 0 : why;
        return why ? why : gw_err_set(err, GW_ERR_RETRY, "TLS: the peer has ended");
    }
    return 0;
}

ssize_t gw_tls_write(struct gw_tls *t, const void *p, size_t n, struct gw_err *err)
{
    ssize_t rc;

    if (is_over(t, err))
        return -1;
    if (!gw_tls_shaken(t))
        return begin(t, err);
    rc = left(t, err);
    if (rc)
        return rc;
    rc = take(t, p, n > AT_ONCE ? AT_ONCE : n, err);
    return rc ? rc : left(t, err);
}

int gw_tls_goodbye(struct gw_tls *t)
{
    struct gw_err err;

    if (is_over(t, &err))
        return -1;
    if (!t->shaken)
        return flush(t);
    if (!(SSL_get_shutdown(t->ssl) & SSL_SENT_SHUTDOWN) && SSL_shutdown(t->ssl) < 0)
        ERR_clear_error();
    return flush(t);
}

void gw_tls_free(struct gw_tls *t)
{
    if (!t)
        return;
    gw_tls_goodbye(t);
    SSL_free(t->ssl);
    gw_tls_context_drop(t->context);
    gw_buf_free(&t->out);
    free(t);
}

int gw_tls_wants(const struct gw_tls *t)
{
    return t->out.len ? GW_WRITABLE : GW_READABLE;
}

int gw_tls_pending(const struct gw_tls *t)
{
    return !t->dry && SSL_has_pending(t->ssl);
}

int gw_tls_shaken(const struct gw_tls *t)
{
    return t->shaken;
}

const char *gw_tls_alpn(struct gw_tls *t)
{
    const unsigned char *name;
    unsigned len;

    SSL_get0_alpn_selected(t->ssl, &name, &len);
    if (len >= sizeof(t->alpn))
        len = 0;
    memcpy(t->alpn, len ? name : (const unsigned char *)"", len);
    t->alpn[len] = '\0';
    return t->alpn;
}
