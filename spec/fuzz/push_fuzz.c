/* What anybody may send to a push's URL before a signature is looked at. The first byte says what
 * the rest is: S a body of SNS, P one of Pub/Sub, J a token, K a set of keys, T a token's header
 * and claims, a line each, which are put together here. */
#include "base/arena.h"
#include "base/err.h"
#include "base/header.h"
#include "base/text.h"
#include "flyte/incoming.h"
#include "ingest/push_read.h"
#include "net/jwks.h"
#include "net/jwt.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void sns_url(struct gw_arena *mem, struct gw_str text, int cert)
{
    static const char *listed[] = {"http://certs.example/a/"};
    const struct gw_strs prefixes = {listed, 1};
    const char *url = NULL;

    if (cert ? gw_sns_cert_url(mem, text, &prefixes, &url)
             : gw_sns_subscribe_url(mem, text, &prefixes, &url))
        return;
    assert(!strncmp(url, "https://sns.", 12) || !strncmp(url, "http://certs.example/", 21));
    if (cert && !strncmp(url, "http:", 5))
        assert(!strncmp(url, *listed, strlen(*listed)));
}

static void sns(struct gw_arena *mem, struct gw_str body)
{
    static const char *listed[] = {"arn:aws:sns:*:123456789012:flyte-*"};
    const struct gw_strs topics = {listed, 1};
    struct gw_sns_push m;
    struct gw_err err;

    if (gw_sns_push_read(mem, body, &m, &err)) {
        assert(err.kind == GW_ERR_REJECT);
        return;
    }
    assert(m.type_text.p && m.message.p && m.topic.p && m.signature.p);
    assert(gw_sns_push_signed(mem, &m, 1).len > m.message.len);
    gw_sns_push_signed(mem, &m, 0);
    if (gw_sns_topic_is(m.topic, &topics))
        assert(memmem(m.topic.p, m.topic.len, ":123456789012:flyte-", 20));
    sns_url(mem, m.cert_url, 1);
    sns_url(mem, m.subscribe_url.p ? m.subscribe_url : m.cert_url, 0);
}

static void pubsub(struct gw_arena *mem, struct gw_str body)
{
    static const struct gw_http_header headers[] = {{{"content-type", 12}, {"text/plain", 10}},
                                                    {{"authorization", 13}, {"Bearer x", 8}}};
    struct gw_incoming_record r;
    struct gw_incoming in;
    struct gw_err err;

    if (gw_pubsub_push_read(mem, body, headers, 2, &in, &err)) {
        assert(err.kind == GW_ERR_REJECT);
        return;
    }
    for (size_t i = 0; i < in.n_headers; i++)
        assert(gw_utf8_valid(in.headers[i].value) == in.headers[i].value.len &&
               !gw_str_is(in.headers[i].value, "Bearer x"));
    if (!gw_incoming_read(mem, GW_AS_AUTO, &in, &r, &err))
        assert(r.payload.p && r.key.p);
}

static void token(struct gw_arena *mem, struct gw_str text)
{
    const struct gw_push_pubsub_conf conf = {.audience = "a"};
    struct gw_jwt t;
    struct gw_err err;
    int status;

    if (gw_jwt_read(mem, text, &t, &err)) {
        assert(err.kind == GW_ERR_REJECT);
        return;
    }
    assert(t.kid.len && t.signature.len && text.len <= GW_JWT_MAX);
    assert(t.signed_text.p == text.p && t.signed_text.len < text.len &&
           text.p[t.signed_text.len] == '.');
    if (!gw_pubsub_push_claims(&t, &conf, 1000, &status))
        assert(t.exp_s >= 995 && t.iat_s <= 1060 && gw_str_is(t.aud, "a") && t.email_verified);
}

static void put_part(struct gw_buf *b, struct gw_str json)
{
    const size_t from = b->len;

    gw_base64_put(b, json);
    while (b->len > from && b->p[b->len - 1] == '=')
        b->len--;
    for (size_t i = from; i < b->len; i++)
        b->p[i] = (char)(b->p[i] == '+' ? '-' : b->p[i] == '/' ? '_' : b->p[i]);
}

static void put_together(struct gw_arena *mem, struct gw_str lines)
{
    const char *end = lines.len ? memchr(lines.p, '\n', lines.len) : NULL;
    const size_t n = end ? (size_t)(end - lines.p) : lines.len;
    struct gw_buf b;

    gw_buf_init(&b, 1 << 20, mem);
    put_part(&b, (struct gw_str){lines.p, n});
    gw_buf_putc(&b, '.');
    put_part(&b, end ? (struct gw_str){end + 1, lines.len - n - 1} : GW_STR("{}"));
    gw_buf_puts(&b, ".c2ln");
    token(mem, gw_buf_str(&b));
}

static void keys(struct gw_arena *mem, struct gw_str json)
{
    struct gw_jwk k[GW_JWKS_KEYS];
    struct gw_err err;
    const int n = gw_jwks_read(mem, json, k, &err);

    assert(n >= 0 || err.kind == GW_ERR_REJECT);
    for (int i = 0; i < n; i++) {
        assert(!gw_pubkey_verifies(k[i].key, GW_PUBKEY_SHA256, json, GW_STR("sig")));
        gw_pubkey_free(k[i].key);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct gw_str rest = {(const char *)data + 1, size ? size - 1 : 0};
    struct gw_arena *mem = gw_arena_new();

    switch (size ? data[0] : 0) {
    case 'S':
        sns(mem, rest);
        break;
    case 'P':
        pubsub(mem, rest);
        break;
    case 'J':
        token(mem, rest);
        break;
    case 'K':
        keys(mem, rest);
        break;
    case 'T':
        put_together(mem, rest);
        break;
    default:
        break;
    }
    gw_arena_free(mem);
    return 0;
}
