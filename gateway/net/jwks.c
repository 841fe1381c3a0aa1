#include "net/jwks.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/json_members.h"
#include "base/text.h"
#include "net/loop.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    DEPTH = 32,
    SECOND = 1000,
    KEEP_MIN = 30 * SECOND,
    KEEP_MAX = 24 * 3600 * SECOND,
    KEEP = 3600 * SECOND, /* where nothing is said */
    PAST = 600 * SECOND,
    ASK = 15 * SECOND,
    ASK_FOUR = 4 * ASK
};

/* ---- a document ---- */

/* 1: a key that signs with RS256; 0: another one; -1: none at all. */
static int read_key(struct gw_arena *mem, struct gw_str json, struct gw_jwk *out,
                    struct gw_err *err)
{
    enum { KID, KTY, ALG, USE, N, E, MEMBERS };
    struct gw_json_member m[MEMBERS] = {{.name = "kid"}, {.name = "kty"}, {.name = "alg"},
                                        {.name = "use"}, {.name = "n"},   {.name = "e"}};
    struct gw_str text[MEMBERS], n, e;

    if (gw_json_members(json, m, MEMBERS, NULL, err))
        return -1;
    for (int i = 0; i < MEMBERS; i++)
        if (gw_json_member_text(mem, &m[i], &text[i], err))
            return -1;
    if (!gw_str_is(text[KTY], "RSA") || !text[KID].len ||
        (text[ALG].p && !gw_str_is(text[ALG], "RS256")) ||
        (text[USE].p && !gw_str_is(text[USE], "sig")))
        return 0;
    n = gw_base64_strict(mem, text[N], 1);
    e = gw_base64_strict(mem, text[E], 1);
    if (!text[N].p || !text[E].p || !n.p || !e.p)
        return gw_err_set(err, GW_ERR_REJECT, "n or e is not base64url");
    *out = (struct gw_jwk){text[KID], gw_pubkey_of_numbers(n, e, err)};
    return out->key ? 1 : -1;
}

static int is_known(const struct gw_jwk *all, int n, struct gw_str kid)
{
    for (int i = 0; i < n; i++)
        if (gw_str_eq(all[i].kid, kid))
            return 1;
    return 0;
}

/* At the array. */
static int read_keys(struct gw_arena *mem, struct gw_json *j, struct gw_jwk *out, int *n,
                     struct gw_err *err)
{
    struct gw_str one;
    struct gw_jwk key;
    int rc;

    while (gw_json_next(j) == GW_JSON_OBJECT) {
        if (gw_json_value(j, &one))
            return gw_json_error(j, err);
        rc = read_key(mem, one, &key, err);
        if (rc < 0)
            return gw_err_wrap(err, "a key");
        if (!rc)
            continue;
        if (*n == GW_JWKS_KEYS || is_known(out, *n, key.kid)) {
            gw_pubkey_free(key.key);
            return gw_err_set(err, GW_ERR_REJECT, "more than %d keys, or one kid twice",
                              GW_JWKS_KEYS);
        }
        out[(*n)++] = key;
    }
    return j->token == GW_JSON_ARRAY_END ? 0 : gw_err_set(err, GW_ERR_REJECT, "a key is no object");
}

int gw_jwks_read(struct gw_arena *mem, struct gw_str json, struct gw_jwk out[GW_JWKS_KEYS],
                 struct gw_err *err)
{
    struct gw_json_member keys = {.name = "keys"};
    struct gw_json j;
    int n = 0, rc;

    if (gw_json_members(json, &keys, 1, NULL, err))
        return -1;
    gw_json_init(&j, keys.raw.p ? keys.raw : GW_STR("null"), DEPTH);
    if (gw_json_next(&j) != GW_JSON_ARRAY)
        return gw_err_set(err, GW_ERR_REJECT, "keys: no array");
    rc = read_keys(mem, &j, out, &n, err);
    for (int i = 0; rc && i < n; i++)
        gw_pubkey_free(out[i].key);
    return rc ? -1 : n;
}

/* ---- those of a URL ---- */

struct gw_jwks {
    struct gw_fetcher *fetcher;
    struct gw_document doc;
    const char *url;
    struct gw_arena *mem; /* of the kids */
    struct gw_jwk keys[GW_JWKS_KEYS];
    int n;
    int64_t fresh_ms; /* until then they need not be fetched */
    int64_t asked_ms; /* how far what may be asked for is used up */
    struct gw_err why;
    int bad; /* the last time they were not to be had */
};

static int64_t life_of(const struct gw_document *d)
{
    const struct gw_str said = gw_fetch_answer_header(&d->fetch, "cache-control");
    int64_t s = 0;
    size_t i;

    if (!said.p)
        return KEEP;
    for (i = 0; i + 8 <= said.len; i++)
        if (!strncasecmp(said.p + i, "max-age=", 8))
            break;
    if (i + 8 > said.len)
        return KEEP_MIN;
    for (i += 8; i < said.len && said.p[i] >= '0' && said.p[i] <= '9' && s < KEEP_MAX; i++)
        s = s * 10 + (said.p[i] - '0');
    s *= SECOND;
    return s < KEEP_MIN ? KEEP_MIN : s > KEEP_MAX ? KEEP_MAX : s;
}

static void free_keys(struct gw_jwk *keys, int n)
{
    for (int i = 0; i < n; i++)
        gw_pubkey_free(keys[i].key);
}

static int on_taken(struct gw_document *d, struct gw_str text, struct gw_err *err)
{
    struct gw_jwks *j = GW_CONTAINER(d, struct gw_jwks, doc);
    struct gw_jwk keys[GW_JWKS_KEYS];
    struct gw_arena *mem = gw_arena_new();
    const int n = gw_jwks_read(mem, text, keys, err);

    if (n < 0) {
        gw_arena_free(mem);
        err->kind = GW_ERR_RETRY; /* what is wrong there may be mended */
        return -1;
    }
    free_keys(j->keys, j->n);
    gw_arena_free(j->mem);
    j->mem = mem;
    j->n = n;
    j->bad = 0;
    memcpy(j->keys, keys, (size_t)n * sizeof(*keys));
    j->fresh_ms = gw_mono_ms() + life_of(d);
    return 0;
}

static void on_failed(struct gw_document *d, const struct gw_err *err)
{
    struct gw_jwks *j = GW_CONTAINER(d, struct gw_jwks, doc);

    j->bad = 1;
    j->why = *err;
}

struct gw_jwks *gw_jwks_new(struct gw_loop *loop, const char *url)
{
    struct gw_jwks *j = calloc(1, sizeof(*j));

    if (!j)
        abort();
    j->url = url;
    j->mem = gw_arena_new();
    j->fresh_ms = j->asked_ms = INT64_MIN / 2;
    j->fetcher = gw_document_fetcher(loop);
    gw_document_init(&j->doc, j->fetcher);
    j->doc.take = on_taken;
    j->doc.failed = on_failed;
    return j;
}

void gw_jwks_free(struct gw_jwks *j)
{
    if (!j)
        return;
    gw_document_fini(&j->doc);
    gw_fetcher_free(j->fetcher);
    free_keys(j->keys, j->n);
    gw_arena_free(j->mem);
    free(j);
}

/* 1: they are being fetched. */
static int ask(struct gw_jwks *j, int64_t now_ms)
{
    if (j->doc.fetch.running)
        return 1;
    if (j->asked_ms < now_ms - ASK_FOUR)
        j->asked_ms = now_ms - ASK_FOUR;
    if (j->asked_ms + ASK > now_ms)
        return 0;
    j->asked_ms += ASK;
    gw_document_start(&j->doc, j->url);
    return 1;
}

static const struct gw_pubkey *find(const struct gw_jwks *j, struct gw_str kid)
{
    for (int i = 0; i < j->n; i++)
        if (gw_str_eq(j->keys[i].kid, kid))
            return j->keys[i].key;
    return NULL;
}

int gw_jwks_get(struct gw_jwks *j, struct gw_str kid, struct gw_waiter *w,
                const struct gw_pubkey **key, struct gw_err *err)
{
    const int64_t now_ms = gw_mono_ms();

    *key = now_ms < j->fresh_ms + PAST ? find(j, kid) : NULL;
    if (*key) {
        if (now_ms >= j->fresh_ms)
            ask(j, now_ms);
        return 1;
    }
    if (!w->told && ask(j, now_ms))
        return gw_document_wait(&j->doc, w, err);
    if (!j->bad && now_ms < j->fresh_ms + PAST)
        return gw_err_set(err, GW_ERR_REJECT, "no key of %.*s signed it", GW_DOCUMENT_WHY, j->url);
    if (j->bad)
        *err = j->why;
    else
        gw_err_set(err, GW_ERR_RETRY, "%.*s: too old", GW_DOCUMENT_WHY, j->url);
    return -1;
}
