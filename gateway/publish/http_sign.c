/* Signatures as standardwebhooks.com has them: HMAC-SHA256 over id, time and body. */
#include "publish/publish_http.h"

#include "base/arena.h"
#include "base/text.h"
#include "event/format.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHA256_SIZE = 32 };

struct gw_str gw_http_secret(struct gw_arena *mem, const char *secret)
{
    static const char prefix[] = "whsec_";
    const size_t n = sizeof(prefix) - 1;

    return gw_base64_decode(mem, gw_str_of(!strncmp(secret, prefix, n) ? secret + n : secret));
}

static void *checked(void *p)
{
    if (!p)
        abort();
    return p;
}

void gw_http_signer_open(struct gw_http_signer *s, struct gw_str key)
{
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                 OSSL_PARAM_construct_end()};
    EVP_MAC *mac = checked(EVP_MAC_fetch(NULL, "HMAC", NULL));

    s->mac = checked(EVP_MAC_CTX_new(mac));
    EVP_MAC_free(mac);
    if (!EVP_MAC_init(s->mac, (const unsigned char *)key.p, key.len, params))
        abort();
}

void gw_http_signer_close(struct gw_http_signer *s)
{
    EVP_MAC_CTX_free(s->mac);
    s->mac = NULL;
}

static void update(struct gw_http_signer *s, struct gw_str part)
{
    if (!EVP_MAC_update(s->mac, (const unsigned char *)part.p, part.len))
        abort();
}

void gw_http_sign(struct gw_http_signer *s, struct gw_str id, struct gw_str timestamp,
                  struct gw_str body, char out[GW_HTTP_SIGNATURE])
{
    unsigned char sum[SHA256_SIZE];
    size_t n;

    if (!EVP_MAC_init(s->mac, NULL, 0, NULL)) /* the same key again */
        abort();
    update(s, id);
    update(s, GW_STR("."));
    update(s, timestamp);
    update(s, GW_STR("."));
    update(s, body);
    if (!EVP_MAC_final(s->mac, sum, &n, sizeof(sum)))
        abort();
    snprintf(out, GW_HTTP_SIGNATURE, "v1,");
    EVP_EncodeBlock((unsigned char *)out + 3, sum, (int)n);
}

struct gw_str gw_http_webhook_id(const struct gw_message *m, size_t n, struct gw_arena *mem)
{
    enum { SHOWN = 16 };
    unsigned char sum[SHA256_SIZE];
    struct gw_buf text;
    EVP_MD_CTX *md;

    if (n == 1)
        return gw_event_http_encode(mem, m->event_id);
    md = checked(EVP_MD_CTX_new());
    if (!EVP_DigestInit_ex(md, EVP_sha256(), NULL))
        abort();
    for (; n--; m = m->next)
        if (!EVP_DigestUpdate(md, m->event_id.p, m->event_id.len) || !EVP_DigestUpdate(md, "", 1))
            abort();
    if (!EVP_DigestFinal_ex(md, sum, NULL))
        abort();
    EVP_MD_CTX_free(md);
    gw_buf_init(&text, SIZE_MAX, mem);
    gw_buf_puts(&text, "batch_");
    gw_hex_put(&text, (struct gw_str){(char *)sum, SHOWN});
    return gw_buf_str(&text);
}
