#ifndef SPEC_GCP_KEY_H
#define SPEC_GCP_KEY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/text.h"
#include "test.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>

/* A service account with a key of its own, and a look at what it signs, by OpenSSL. */
static EVP_PKEY *gcp_key;

static inline const char *gcp_key_pem(void)
{
    static char pem[4096];
    BIO *out = BIO_new(BIO_s_mem());
    int len;

    gcp_key = gcp_key ? gcp_key : EVP_RSA_gen(1024); /* a larger one takes long to find */
    CHECK(gcp_key && PEM_write_bio_PKCS8PrivateKey(out, gcp_key, NULL, NULL, 0, NULL, NULL));
    len = BIO_read(out, pem, sizeof(pem) - 1);
    CHECK(len > 0);
    pem[len] = '\0';
    BIO_free(out);
    return pem;
}

/* The file of me@p.iam; more: other members. */
static inline const char *gcp_key_file(const char *more)
{
    static char file[8192];
    struct gw_buf pem;

    gw_buf_init(&pem, 4096, NULL);
    gw_json_put_string(&pem, gw_str_of(gcp_key_pem()));
    gw_buf_putc(&pem, '\0');
    snprintf(
        file, sizeof(file),
        "{\"type\":\"service_account\",\"client_email\":\"me@p.iam\",\"private_key_id\":\"k1\","
        "\"private_key\":%s%s%s}",
        pem.p, *more ? "," : "", more);
    gw_buf_free(&pem);
    return file;
}

static inline void gcp_key_part(struct gw_str part, char *to, size_t size)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_str s = gw_base64_decode(mem, part);

    CHECK(s.p && s.len < size && !memchr(part.p, '=', part.len));
    memcpy(to, s.p, s.len);
    to[s.len] = '\0';
    gw_arena_free(mem);
}

/* It is signed with the key; its header is this one (NULL: not looked at); claims gets the rest. */
static inline void gcp_key_check(struct gw_str jwt, const char *header, char *claims, size_t size)
{
    const char *one = memchr(jwt.p, '.', jwt.len), *two;
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    struct gw_arena *mem = gw_arena_new();
    struct gw_str signature;
    char head[512];

    CHECK(one && (two = memchr(one + 1, '.', jwt.len - (size_t)(one + 1 - jwt.p))));
    signature =
        gw_base64_decode(mem, (struct gw_str){two + 1, jwt.len - (size_t)(two + 1 - jwt.p)});
    CHECK(EVP_DigestVerifyInit(c, NULL, EVP_sha256(), NULL, gcp_key) == 1);
    CHECK(EVP_DigestVerify(c, (const unsigned char *)signature.p, signature.len,
                           (const unsigned char *)jwt.p, (size_t)(two - jwt.p)) == 1);
    gcp_key_part((struct gw_str){jwt.p, (size_t)(one - jwt.p)}, head, sizeof(head));
    gcp_key_part((struct gw_str){one + 1, (size_t)(two - one - 1)}, claims, size);
    CHECK(!header || !strcmp(head, header));
    EVP_MD_CTX_free(c);
    gw_arena_free(mem);
}

#endif
