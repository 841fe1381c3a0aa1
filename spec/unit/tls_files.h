#ifndef SPEC_TLS_FILES_H
#define SPEC_TLS_FILES_H

#include "test.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

/* Certificates of an authority of this test, written as PEM files NAME.pem and NAME.key into the
 * directory it runs in. EC keys: some hundred microseconds each. */
struct tls_authority {
    X509 *cert;
    EVP_PKEY *key;
};

static inline void tls_extend(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX v;
    X509_EXTENSION *e;

    X509V3_set_ctx(&v, issuer, x, NULL, NULL, 0);
    e = X509V3_EXT_conf_nid(NULL, &v, nid, value);
    CHECK(e && X509_add_ext(x, e, -1));
    X509_EXTENSION_free(e);
}

static inline void tls_write(const char *name, X509 *x, EVP_PKEY *key)
{
    char path[200];
    FILE *f;

    snprintf(path, sizeof(path), "%s.pem", name);
    CHECK((f = fopen(path, "w")) && PEM_write_X509(f, x) && !fclose(f));
    snprintf(path, sizeof(path), "%s.key", name);
    CHECK((f = fopen(path, "w")) && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) &&
          !fclose(f));
}

/* by NULL: an authority, signed by itself. names: "DNS:localhost,IP:127.0.0.1", or NULL. days:
 * until it ends. */
static inline struct tls_authority tls_certificate(const char *name, const struct tls_authority *by,
                                                   const char *names, int days)
{
    static long serial = 1;
    struct tls_authority a = {X509_new(), EVP_EC_gen("P-256")};
    X509 *issuer = by ? by->cert : a.cert;
    X509_NAME *subject = X509_get_subject_name(a.cert);

    CHECK(a.cert && a.key && X509_set_version(a.cert, 2) && X509_set_pubkey(a.cert, a.key));
    ASN1_INTEGER_set(X509_get_serialNumber(a.cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(a.cert), -86400L * 400);
    X509_gmtime_adj(X509_getm_notAfter(a.cert), 86400L * days);
    CHECK(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1,
                                     -1, 0));
    CHECK(X509_set_issuer_name(a.cert, X509_get_subject_name(issuer)));
    tls_extend(a.cert, issuer, NID_basic_constraints, by ? "CA:FALSE" : "critical,CA:TRUE");
    if (names)
        tls_extend(a.cert, issuer, NID_subject_alt_name, names);
    CHECK(X509_sign(a.cert, by ? by->key : a.key, EVP_sha256()));
    tls_write(name, a.cert, a.key);
    return a;
}

static inline void tls_authority_free(struct tls_authority a)
{
    X509_free(a.cert);
    EVP_PKEY_free(a.key);
}

/* ca.pem; server.{pem,key} for localhost and 127.0.0.1, client.{pem,key}, both of ca;
 * stranger.{pem,key}, an authority of its own. */
static inline void tls_files(void)
{
    const struct tls_authority ca = tls_certificate("ca", NULL, NULL, 30);

    tls_authority_free(tls_certificate("server", &ca, "DNS:localhost,IP:127.0.0.1,IP:::1", 30));
    tls_authority_free(tls_certificate("client", &ca, NULL, 30));
    tls_authority_free(tls_certificate("stranger", NULL, "DNS:localhost", 30));
    tls_authority_free(tls_certificate("past", &ca, "DNS:localhost", -1));
    tls_authority_free(ca);
}

#endif
