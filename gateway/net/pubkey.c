#include "net/pubkey.h"

#include "base/err.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MIN_BITS = 2048, MAX_BITS = 8192, MAX_NUMBER = MAX_BITS / 8 + 1 };

struct gw_pubkey {
    EVP_PKEY *key;
};

void gw_pubkey_free(struct gw_pubkey *k)
{
    if (k)
        EVP_PKEY_free(k->key);
    free(k);
}

/* Takes the key. */
static struct gw_pubkey *keep(EVP_PKEY *key, struct gw_err *err)
{
    struct gw_pubkey *k;
    const int bits = key && EVP_PKEY_is_a(key, "RSA") ? EVP_PKEY_get_bits(key) : 0;

    ERR_clear_error();
    if (bits < MIN_BITS || bits > MAX_BITS) {
        EVP_PKEY_free(key);
        gw_err_set(err, GW_ERR_REJECT, "no RSA key of %d to %d bits", MIN_BITS, MAX_BITS);
        return NULL;
    }
    k = malloc(sizeof(*k));
    if (!k)
        abort();
    k->key = key;
    return k;
}

/* ---- certificates ---- */

static int seconds_of(const ASN1_TIME *t, int64_t *out)
{
    struct tm tm;

    if (!ASN1_TIME_to_tm(t, &tm))
        return -1;
    *out = (int64_t)timegm(&tm);
    return 0;
}

struct gw_pubkey *gw_pubkey_of_certificate(struct gw_str pem, int64_t *from_s, int64_t *until_s,
                                           struct gw_err *err)
{
    static const struct gw_str begin = {"-----BEGIN CERTIFICATE-----", 27};
    struct gw_pubkey *k = NULL;
    BIO *bio;
    X509 *cert;

    /* A page that only holds a certificate somewhere is not one. */
    if (pem.len < begin.len || memcmp(pem.p, begin.p, begin.len) != 0) {
        gw_err_set(err, GW_ERR_REJECT, "no certificate in PEM");
        return NULL;
    }
    bio = BIO_new_mem_buf(pem.p, (int)pem.len);
    cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    if (!cert || seconds_of(X509_get0_notBefore(cert), from_s) ||
        seconds_of(X509_get0_notAfter(cert), until_s))
        gw_err_set(err, GW_ERR_REJECT, "no certificate in PEM that can be read");
    else
        k = keep(X509_get_pubkey(cert), err);
    ERR_clear_error();
    X509_free(cert);
    BIO_free(bio);
    return k;
}

/* ---- numbers ---- */

static EVP_PKEY *from_numbers(const BIGNUM *n, const BIGNUM *e)
{
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    OSSL_PARAM *params = NULL;
    EVP_PKEY *key = NULL;

    if (build && ctx && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) &&
        (params = OSSL_PARAM_BLD_to_param(build)) && EVP_PKEY_fromdata_init(ctx) == 1 &&
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

/* An exponent of 1 or an even one would let anybody sign. */
static int is_exponent(const BIGNUM *e)
{
    return BN_num_bits(e) >= 2 && BN_num_bits(e) <= 64 && BN_is_odd(e);
}

struct gw_pubkey *gw_pubkey_of_numbers(struct gw_str n, struct gw_str e, struct gw_err *err)
{
    BIGNUM *bn, *be;
    EVP_PKEY *key = NULL;

    if (!n.len || !e.len || n.len > MAX_NUMBER || e.len > MAX_NUMBER) {
        gw_err_set(err, GW_ERR_REJECT, "no RSA key of %d to %d bits", MIN_BITS, MAX_BITS);
        return NULL;
    }
    bn = BN_bin2bn((const unsigned char *)n.p, (int)n.len, NULL);
    be = BN_bin2bn((const unsigned char *)e.p, (int)e.len, NULL);
    if (bn && be && BN_is_odd(bn) && is_exponent(be))
        key = from_numbers(bn, be);
    BN_free(bn);
    BN_free(be);
    return keep(key, err);
}

/* ---- signatures ---- */

int gw_pubkey_verifies(const struct gw_pubkey *k, enum gw_pubkey_hash hash, struct gw_str text,
                       struct gw_str signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int ok;

    if (!ctx)
        abort();
    ok = EVP_DigestVerifyInit(ctx, NULL, hash == GW_PUBKEY_SHA1 ? EVP_sha1() : EVP_sha256(), NULL,
                              k->key) == 1 &&
         EVP_DigestVerify(ctx, (const unsigned char *)signature.p, signature.len,
                          (const unsigned char *)text.p, text.len) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return ok;
}
