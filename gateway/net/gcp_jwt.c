#include "net/gcp_jwt.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdint.h>
#include <string.h>

enum { JWT_MAX = 1 << 16 };

/* Base64 for URLs, without padding. */
static void put_url64(struct gw_buf *out, struct gw_str bytes)
{
    const size_t from = out->len;

    gw_base64_put(out, bytes);
    while (out->len > from && out->p[out->len - 1] == '=')
        out->len--;
    for (size_t i = from; i < out->len; i++)
        out->p[i] = (char)(out->p[i] == '+' ? '-' : out->p[i] == '/' ? '_' : out->p[i]);
}

static void put_text(struct gw_buf *out, const char *name, const char *value)
{
    gw_json_put_key(out, out->len == 1, gw_str_of(name));
    gw_json_put_string(out, gw_str_of(value));
}

static void put_claims(struct gw_arena *mem, const struct gw_gcp_jwt *j, struct gw_buf *out)
{
    const long long now = gw_clock_wall_ns() / 1000000000;
    struct gw_buf head, claims;

    gw_buf_init(&head, JWT_MAX, mem);
    gw_buf_putc(&head, '{');
    put_text(&head, "alg", "RS256");
    put_text(&head, "typ", "JWT");
    if (j->key_id)
        put_text(&head, "kid", j->key_id);
    gw_buf_putc(&head, '}');
    gw_buf_init(&claims, JWT_MAX, mem);
    gw_buf_putc(&claims, '{');
    put_text(&claims, "iss", j->email);
    put_text(&claims, "sub", j->email);
    put_text(&claims, "aud", j->audience);
    if (j->scope)
        put_text(&claims, "scope", j->scope);
    gw_buf_printf(&claims, ",\"iat\":%lld,\"exp\":%lld}", now, now + GW_GCP_JWT_S);
    put_url64(out, gw_buf_str(&head));
    gw_buf_putc(out, '.');
    put_url64(out, gw_buf_str(&claims));
    out->failed |= head.failed | claims.failed;
}

/* Nobody is asked for a passphrase. */
static int no_passphrase(char *to, int size, int writing, void *user)
{
    (void)to;
    (void)size;
    (void)writing;
    (void)user;
    return -1;
}

static EVP_PKEY *read_key(const char *pem)
{
    BIO *in = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, no_passphrase, NULL) : NULL;

    BIO_free(in);
    if (key && !EVP_PKEY_is_a(key, "RSA")) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return key;
}

static int put_signature(struct gw_arena *mem, EVP_PKEY *key, struct gw_buf *out)
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    size_t len = (size_t)EVP_PKEY_size(key);
    unsigned char *signature = gw_arena_alloc(mem, len);
    const int ok = c && EVP_DigestSignInit(c, NULL, EVP_sha256(), NULL, key) == 1 &&
                   EVP_DigestSign(c, signature, &len, (const unsigned char *)out->p, out->len) == 1;

    EVP_MD_CTX_free(c);
    if (!ok)
        return -1;
    gw_buf_putc(out, '.');
    put_url64(out, (struct gw_str){(const char *)signature, len});
    return 0;
}

int gw_gcp_jwt_make(struct gw_arena *mem, const struct gw_gcp_jwt *j, struct gw_str *out,
                    struct gw_err *err)
{
    EVP_PKEY *key = read_key(j->key);
    struct gw_buf text;
    int rc;

    gw_buf_init(&text, JWT_MAX, mem);
    put_claims(mem, j, &text);
    rc = !key || text.failed ? -1 : put_signature(mem, key, &text);
    EVP_PKEY_free(key);
    ERR_clear_error();
    if (!key)
        return gw_err_set(err, GW_ERR_REJECT, "private_key is no RSA key in PEM");
    if (rc || text.failed)
        return gw_err_set(err, GW_ERR_REJECT, "private_key cannot sign");
    *out = gw_buf_str(&text);
    return 0;
}
