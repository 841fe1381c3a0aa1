/* What many connections share: files read once, versions, ciphers, the names of protocols. */
#include "net/tls_context.h"

#include "base/err.h"
#include "net/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What HTTP/2 does not forbid in TLS 1.2; those of 1.3 are all fine. */
static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

const char *gw_tls_reason(void)
{
    const unsigned long e = ERR_peek_error(); /* those after it say who heard of it */
    const int lib = ERR_GET_LIB(e), reason = ERR_GET_REASON(e);
    const char *s = ERR_reason_error_string(e);

    if ((lib == ERR_LIB_PEM && reason == PEM_R_NO_START_LINE) ||
        (lib == ERR_LIB_OSSL_DECODER && reason == ERR_R_UNSUPPORTED))
        return "nothing of that kind in it (PEM is wanted)";
    return s ? s : "not understood";
}

/* Which file is being read: what a message calls it, and the key that names it. */
enum file { CERT, KEY, CA, CLIENT_CA };
static const char *const words[] = {"certificate", "key", "ca", "client_ca"};
static const char *const keys[] = {"cert", "key", "ca", "client_ca"};

static int bad_file(struct gw_err *err, const char *path)
{
    if (access(path, R_OK))
        return gw_err_errno(err, GW_ERR_FATAL, "%s", path);
    return gw_err_set(err, GW_ERR_RETRY, "%s: %s", path, gw_tls_reason());
}

/* Without it the library would ask on the terminal. */
static int on_passphrase(char *buf, int size, int writing, void *asked)
{
    (void)buf;
    (void)size;
    (void)writing;
    *(int *)asked = 1;
    return 0;
}

static int is_other_key(unsigned long e)
{
    return ERR_GET_LIB(e) == ERR_LIB_X509 && (ERR_GET_REASON(e) == X509_R_KEY_VALUES_MISMATCH ||
                                              ERR_GET_REASON(e) == X509_R_KEY_TYPE_MISMATCH);
}

static int use_key(SSL_CTX *ctx, const struct gw_tls_files *f, int *asked, struct gw_err *err)
{
    int ok;

    SSL_CTX_set_default_passwd_cb(ctx, on_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, asked);
    ok = SSL_CTX_use_PrivateKey_file(ctx, f->key, SSL_FILETYPE_PEM) == 1;
    SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
    if (ok)
        return 0;
    if (*asked)
        return gw_err_set(err, GW_ERR_RETRY, "%s: it has a passphrase", f->key);
    if (is_other_key(ERR_peek_error()))
        return gw_err_set(err, GW_ERR_RETRY, "%s: not the key of %s", f->key, f->cert);
    return bad_file(err, f->key);
}

/* The key is looked at whether it is this certificate's. */
static int use_certificate(SSL_CTX *ctx, const struct gw_tls_files *f, enum file *at,
                           struct gw_err *err)
{
    int asked = 0;

    *at = CERT;
    if (SSL_CTX_use_certificate_chain_file(ctx, f->cert) != 1)
        return bad_file(err, f->cert);
    *at = KEY;
    return use_key(ctx, f, &asked, err);
}

/* The text of a file's error, for who has no key to show it at. */
static int name_file(struct gw_err *err, enum file at)
{
    const struct gw_err what = *err;

    return gw_err_set(err, GW_ERR_FATAL, "%s %s", words[at], what.msg);
}

static int set_alpn(struct gw_tls_context *c, const char *const *alpn, struct gw_err *err)
{
    for (; alpn && *alpn; alpn++) {
        const size_t len = strlen(*alpn);

        if (len == 0 || len > 255 || c->alpn_len + 1 + len > sizeof(c->alpn))
            return gw_err_set(err, GW_ERR_FATAL, "ALPN: too many names");
        c->alpn[c->alpn_len] = (unsigned char)len;
        memcpy(c->alpn + c->alpn_len + 1, *alpn, len);
        c->alpn_len += (unsigned)len + 1;
    }
    return 0;
}

/* The first of ours that the client has; none in common: no connection. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned in_len, void *arg)
{
    const struct gw_tls_context *c = arg;
    unsigned char *chosen;

    (void)ssl;
    if (SSL_select_next_proto(&chosen, out_len, c->alpn, c->alpn_len, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static struct gw_tls_context *context_new(const SSL_METHOD *method)
{
    struct gw_tls_context *c = calloc(1, sizeof(*c));

    ERR_clear_error();
    if (!c || !(c->ctx = SSL_CTX_new(method)))
        abort();
    atomic_init(&c->refs, 1);
    SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(c->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(c->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(c->ctx, 1);
    return c;
}

static int fill_client(struct gw_tls_context *c, const struct gw_tls_files *f, struct gw_err *err)
{
    enum file at = CA;

    c->verifies = !f->no_verify;
    SSL_CTX_set_verify(c->ctx, f->no_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    if (!f->cert != !f->key)
        return gw_err_set(err, GW_ERR_FATAL, "a certificate and its key go together");
    if (f->ca && SSL_CTX_load_verify_file(c->ctx, f->ca) != 1) {
        bad_file(err, f->ca);
        return name_file(err, at);
    }
    if (!f->ca)
        SSL_CTX_set_default_verify_paths(c->ctx);
    if (f->cert && use_certificate(c->ctx, f, &at, err))
        return name_file(err, at);
    if (c->alpn_len && SSL_CTX_set_alpn_protos(c->ctx, c->alpn, c->alpn_len))
        abort();
    return 0;
}

static int ask_for_clients(SSL_CTX *ctx, const char *ca, struct gw_err *err)
{
    STACK_OF(X509_NAME) * names;

    if (SSL_CTX_load_verify_file(ctx, ca) != 1 || !(names = SSL_load_client_CA_file(ca)))
        return bad_file(err, ca);
    SSL_CTX_set_client_CA_list(ctx, names);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return 0;
}

static int use_server_files(SSL_CTX *ctx, const struct gw_tls_files *f, enum file *at,
                            struct gw_err *err)
{
    if (!f->cert || !f->key) {
        *at = f->cert ? KEY : CERT;
        return gw_err_set(err, GW_ERR_FATAL, "a certificate and its key go together");
    }
    if (use_certificate(ctx, f, at, err))
        return -1;
    *at = CLIENT_CA;
    return f->ca ? ask_for_clients(ctx, f->ca, err) : 0;
}

static int fill_server(struct gw_tls_context *c, const struct gw_tls_files *f, struct gw_err *err)
{
    static const unsigned char id[] = "moongate"; /* sessions are resumed in their context only */
    enum file at;

    SSL_CTX_set_session_id_context(c->ctx, id, sizeof(id) - 1);
    SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_OFF); /* tickets: they have them */
    SSL_CTX_set_options(c->ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
    if (SSL_CTX_set_cipher_list(c->ctx, ciphers) != 1)
        abort();
    if (use_server_files(c->ctx, f, &at, err))
        return name_file(err, at);
    if (c->alpn_len)
        SSL_CTX_set_alpn_select_cb(c->ctx, on_alpn, c);
    return 0;
}

const char *gw_tls_server_problem(const struct gw_tls_files *f, struct gw_err *err)
{
    struct gw_tls_context *c = context_new(TLS_server_method());
    enum file at;
    const int rc = use_server_files(c->ctx, f, &at, err);

    gw_tls_context_drop(c);
    return rc ? keys[at] : NULL;
}

static int is_file(const char *path)
{
    struct stat st;

    return !stat(path, &st) && S_ISREG(st.st_mode);
}

/* What is no regular file may keep its reader waiting for ever. */
static int is_odd(const char *path, struct gw_err *err)
{
    struct stat st;

    if (!path || stat(path, &st) || S_ISREG(st.st_mode))
        return 0;
    gw_err_set(err, GW_ERR_FATAL, "%s: not a regular file", path);
    return 1;
}

/* What may be right for one of several libraries is. */
static int try_client_files(SSL_CTX *ctx, const struct gw_tls_files *f, enum file *at,
                            struct gw_err *err)
{
    int asked = 0;

    *at = CA;
    if (f->ca && (is_file(f->ca) ? SSL_CTX_load_verify_file(ctx, f->ca) != 1 : access(f->ca, R_OK)))
        return bad_file(err, f->ca);
    *at = CERT;
    if (is_odd(f->cert, err))
        return -1;
    if (f->cert && SSL_CTX_use_certificate_chain_file(ctx, f->cert) != 1)
        return bad_file(err, f->cert);
    *at = KEY;
    if (is_odd(f->key, err))
        return -1;
    return f->key && use_key(ctx, f, &asked, err) && !asked ? -1 : 0;
}

const char *gw_tls_client_problem(const struct gw_tls_files *f, struct gw_err *err)
{
    struct gw_tls_context *c = context_new(TLS_client_method());
    enum file at;
    const int rc = try_client_files(c->ctx, f, &at, err);

    gw_tls_context_drop(c);
    return rc ? keys[at] : NULL;
}

struct gw_tls_context *gw_tls_client_context(const struct gw_tls_files *f, const char *const *alpn,
                                             struct gw_err *err)
{
    struct gw_tls_context *c = context_new(TLS_client_method());

    if (!set_alpn(c, alpn, err) && !fill_client(c, f, err))
        return c;
    gw_tls_context_drop(c);
    return NULL;
}

struct gw_tls_context *gw_tls_server_context(const struct gw_tls_files *f, const char *const *alpn,
                                             struct gw_err *err)
{
    struct gw_tls_context *c = context_new(TLS_server_method());

    if (!set_alpn(c, alpn, err) && !fill_server(c, f, err))
        return c;
    gw_tls_context_drop(c);
    return NULL;
}

void gw_tls_context_drop(struct gw_tls_context *c)
{
    if (!c || atomic_fetch_sub(&c->refs, 1) > 1)
        return;
    SSL_CTX_free(c->ctx);
    free(c);
}
