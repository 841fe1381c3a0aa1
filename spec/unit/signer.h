#ifndef SPEC_SIGNER_H
#define SPEC_SIGNER_H

/* Somebody with an RSA key: a certificate of it, its JWK, and what it signs. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/text.h"
#include "test.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

struct signer {
    EVP_PKEY *key;
    struct gw_arena *mem;
};

/* Nobody's: to make one of 2048 bits may take a second. */
static const char signer_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCvpyX6ze/Dhzui\n"
    "ImwwP9G4La3gBJh51P3EREadBARLO80vTy/BC61CEzggLA/iXbMsIgX2iT3PDBRc\n"
    "+Qej2pd2pvmqEAcjCPdvdCazXfB4Ng7F6id1GSBW33Mp8khkM4s/R2B+bpT+erbP\n"
    "qb+fE8zlyaxHJ0ci16smMsHDml3wLchRJqWz5q+J8jglL/1EF/kBiYUxJ7uaf94+\n"
    "XmmR8owAdYb+ZWM7C1dJpZTobpnJhxf5FVH6kS+/Ac9DKmiJEMH1qmf5nxOqX3w8\n"
    "hiUin7we72i6xMg4XQ+QumMhhnju0YFRGrPKnebxRp0SbBtalegYPM7GnDncz3d1\n"
    "MvtBNYVXAgMBAAECggEAAdqHtUZBeeGOQlj1DB7msN56iUF2XA+Tv5bg3LAgKd/i\n"
    "e6KGsUjVD6KlFi6g2q8Wc8H5wiJGO4GEuks+ecvJJJo0F3rxa4mhFghpwb022AeD\n"
    "nGV3ySD2WgEkDy52KRu9Vz7PlXkuEiMFYg4IIaU52Le9UHrpO0R/X99rpnH7yWV0\n"
    "NahYOk+GJf7S/6Zji7cMu+yi3GOA7s0qe755EIoIEQOxh0Mm8u/lg4LQZX5e6eEW\n"
    "VCt4EPMssZH+UiUiAgWKGVG+eW2lJEsWJGZH0l0FpXpSFOu/DaBtKPlFqbI0bUe/\n"
    "f3ABazukTpiUBcH946kGYaxN73B2E+LvHTT+jmoT4QKBgQDbmOPC1dBaNIV1m2I5\n"
    "rGfHfw8yAFG4Fg//FjZmlVt4uf3oE1Ng2heY16NeFfjFZq2lEkdczToXZQkuLotk\n"
    "SvXZQmxu1FmCtAv2FpaviDNr/XimHay4xTZ8pa1jGFpH1asae3abNXgJ5DNW96PE\n"
    "B+41Erog1s2vcuYYt6GXFGZzKQKBgQDMxWG5wn3OoG25eqHKg1TSF89RepWPxILw\n"
    "vE8Y0khgxNp5QLHWqtGFzwTD9bYWCIfv/kXy8v0OmYgkXFZoyzpm09+726P3l6E+\n"
    "YUzODeVGxAx3Ye7CsH47VtQOe9JroB5EMXm6sl4mQQN/k5ilxteCDPSvN1J+vHO7\n"
    "97diBl/EfwKBgQC7UquPi1blbAIgtcDPk9sfWaq7q3wKPX+9yNP1JBlYXchTDRFG\n"
    "ACS688/fNXz130XnFzWa21JfnId9RqUPk8YuY7QdwrTsguvlK5W0/MloqFsf0RaC\n"
    "s3BsWeQTMTXqK0F/IKynb7ALOAf3et3PHji8O1JdKv9gV/IiSZrlRriyKQKBgBOV\n"
    "nS8jBt1IQrZGoEq6HNarKEzmqH9DkDJuEDKTihCXQz3tjhS16awejJohWfTpg/bU\n"
    "HuSJkOJglMDFhA4pwcAr624QJ7J6chWBQNNESPVnsrmISEmej7QlLcrk1M8uVTa4\n"
    "dKgCfzaxaSA+gY75YYsyqgRICj/MzlTf8E4Txf0JAoGADgwnfYbftfD+bZgyyAq+\n"
    "NTSRPMRoi8gOljdA/UW7SO18QLcryw+dn7F95U/vvwWv8hlzhu+RlmpTiglz4D4J\n"
    "jlZMkIAfz8+MXrdESGkjX2/S/aS8eq14BusuWCnzkbDZlReewQK8a9F5dwNO4c+n\n"
    "6s+ei99NtbTW6OJRHGC0ZLM=\n"
    "-----END PRIVATE KEY-----\n";

static inline struct signer signer_new(void)
{
    BIO *bio = BIO_new_mem_buf(signer_pem, -1);
    struct signer s = {PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL), gw_arena_new()};

    CHECK(s.key);
    BIO_free(bio);
    return s;
}

static inline struct signer signer_weak(void)
{
    struct signer s = {EVP_RSA_gen(1024), gw_arena_new()};

    CHECK(s.key);
    return s;
}

static inline void signer_free(struct signer *s)
{
    EVP_PKEY_free(s->key);
    gw_arena_free(s->mem);
}

static inline struct gw_str signer_sign(struct signer *s, const EVP_MD *md, struct gw_str text)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char *out = gw_arena_alloc(s->mem, 1024);
    size_t n = 1024;

    CHECK(EVP_DigestSignInit(ctx, NULL, md, NULL, s->key) == 1);
    CHECK(EVP_DigestSign(ctx, out, &n, (const unsigned char *)text.p, text.len) == 1);
    EVP_MD_CTX_free(ctx);
    return (struct gw_str){(const char *)out, n};
}

/* base64, or base64url without padding. */
static inline const char *signer_base64(struct signer *s, struct gw_str bytes, int url)
{
    struct gw_buf b;

    gw_buf_init(&b, SIZE_MAX / 2, s->mem);
    gw_base64_put(&b, bytes);
    while (url && b.p[b.len - 1] == '=')
        b.len--;
    for (size_t i = 0; url && i < b.len; i++)
        b.p[i] = (char)(b.p[i] == '+' ? '-' : b.p[i] == '/' ? '_' : b.p[i]);
    gw_buf_putc(&b, 0);
    return b.p;
}

static inline const char *signer_number(struct signer *s, const char *name)
{
    unsigned char bytes[1024];
    BIGNUM *n = NULL;
    const char *text;

    CHECK(EVP_PKEY_get_bn_param(s->key, name, &n) == 1);
    text = signer_base64(s, (struct gw_str){(char *)bytes, (size_t)BN_bn2bin(n, bytes)}, 1);
    BN_free(n);
    return text;
}

static inline const char *signer_jwk(struct signer *s, const char *kid)
{
    return gw_arena_printf(s->mem, "{\"kid\":\"%s\",\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"}",
                           kid, signer_number(s, OSSL_PKEY_PARAM_RSA_N),
                           signer_number(s, OSSL_PKEY_PARAM_RSA_E))
        .p;
}

/* Valid from and until so many seconds from now. */
static inline const char *signer_certificate(struct signer *s, long from_s, long until_s)
{
    BIO *bio = BIO_new(BIO_s_mem());
    X509 *x = X509_new();
    char *text;
    long n;

    CHECK(X509_set_pubkey(x, s->key) && X509_gmtime_adj(X509_getm_notBefore(x), from_s) &&
          X509_gmtime_adj(X509_getm_notAfter(x), until_s) && X509_sign(x, s->key, EVP_sha256()) &&
          PEM_write_bio_X509(bio, x));
    n = BIO_get_mem_data(bio, &text);
    text = gw_arena_strndup(s->mem, text, (size_t)n);
    X509_free(x);
    BIO_free(bio);
    return text;
}

#endif
