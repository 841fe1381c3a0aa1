#include "net/jwks.h"

#include "base/clock.h"
#include "base/err.h"
#include "http_server.h"
#include "net/certs.h"
#include "net/loop.h"
#include "signer.h"

/* Keys and certificates at URLs: what is read, how long it is kept, who waits. */

enum { SECOND = 1000 };

static char answer[20000];
static int answers;
static int64_t ahead_ms;

static const char *give(const char *head, const char *body)
{
    (void)head;
    (void)body;
    answers++;
    return answer;
}

static void set_answer(int status, const char *headers, const char *body)
{
    pthread_mutex_lock(&http_server_lock);
    snprintf(answer, sizeof(answer), "HTTP/1.1 %d X\r\n%sContent-Length: %zu\r\n\r\n%s", status,
             headers, strlen(body), body);
    http_server_decide = give;
    pthread_mutex_unlock(&http_server_lock);
}

static int asked(void)
{
    int n;

    pthread_mutex_lock(&http_server_lock);
    n = answers;
    pthread_mutex_unlock(&http_server_lock);
    return n;
}

static int64_t (*real_mono)(void);

static int64_t moved(void)
{
    return real_mono() + ahead_ms * 1000000;
}

static struct gw_loop *open_loop(void)
{
    real_mono = gw_clock_mono_ns;
    gw_clock_mono_ns = moved;
    return gw_loop_new();
}

/* ---- somebody who waits ---- */

struct one {
    struct gw_waiter w;
    int calls, failed;
    struct gw_err err;
};

static void on_done(struct gw_waiter *w, const struct gw_err *err)
{
    struct one *o = GW_CONTAINER(w, struct one, w);

    o->calls++;
    o->failed = err != NULL;
    if (err)
        o->err = *err;
}

static void turn_until_told(struct gw_loop *l, const struct one *o)
{
    while (!o->calls)
        gw_loop_turn(l, 1);
}

/* As a request does it: 1, or -1 with the error's kind in o. */
static int get(struct gw_loop *l, struct gw_jwks *j, const char *kid, struct one *o)
{
    const struct gw_pubkey *key;
    int rc;

    *o = (struct one){.w.done = on_done};
    rc = gw_jwks_get(j, gw_str_of(kid), &o->w, &key, &o->err);
    if (rc)
        return rc;
    turn_until_told(l, o);
    return o->failed ? -1 : gw_jwks_get(j, gw_str_of(kid), &o->w, &key, &o->err);
}

/* ---- documents ---- */

TEST(test_jwks_reads_keys_for_rs256_and_refuses_what_is_weak_or_twice)
{
    struct signer s = signer_new(), weak = signer_weak();
    const char *good = signer_jwk(&s, "a"), *n = signer_number(&s, OSSL_PKEY_PARAM_RSA_N);
    const struct {
        struct gw_str text;
        int n;
    } cases[] = {
        {gw_arena_printf(s.mem, "{\"keys\":[%s]}", good), 1},
        {gw_arena_printf(s.mem, "{\"keys\":[%s,%s],\"x\":1}", good, signer_jwk(&s, "b")), 2},
        {gw_arena_printf(s.mem, "{\"keys\":[%s,%s]}", good, good), -1},
        {gw_arena_printf(s.mem, "{\"keys\":[%s]}", signer_jwk(&weak, "a")), -1},
        {gw_arena_printf(s.mem, "{\"keys\":[{\"kty\":\"EC\",\"kid\":\"x\"},%s]}", good), 1},
        {gw_arena_printf(s.mem, "{\"keys\":[{\"alg\":\"HS256\",%s,{\"use\":\"enc\",%s]}", good + 1,
                         good + 1),
         0},
        {gw_arena_printf(s.mem, "{\"keys\":[{\"kid\":\"b\",%s]}", good + 1), -1},
        {gw_arena_printf(
             s.mem, "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"a\",\"n\":\"%s\",\"e\":\"AQ\"}]}", n),
         -1},
        {gw_arena_printf(
             s.mem, "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"a\",\"n\":\"%s=\",\"e\":\"AQAB\"}]}", n),
         -1},
        {GW_STR("{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"a\"}]}"), -1},
        {GW_STR("{\"keys\":[1]}"), -1},
        {GW_STR("{\"keys\":{}}"), -1},
        {GW_STR("{\"keys\":[],\"keys\":[]}"), -1},
        {GW_STR("[]"), -1},
        {GW_STR("{}"), -1},
        {GW_STR("{\"keys\":[]}"), 0},
        {GW_STR("{\"keys\":[]"), -1},
    };
    const struct gw_str text = GW_STR("text"), signature = signer_sign(&s, EVP_sha256(), text);

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct gw_jwk keys[GW_JWKS_KEYS];
        struct gw_err err;
        const int got = gw_jwks_read(s.mem, cases[i].text, keys, &err);

        CHECK(got == cases[i].n);
        for (int k = 0; k < got; k++) {
            CHECK(gw_pubkey_verifies(keys[k].key, GW_PUBKEY_SHA256, text, signature));
            CHECK(!gw_pubkey_verifies(keys[k].key, GW_PUBKEY_SHA1, text, signature));
            CHECK(!gw_pubkey_verifies(keys[k].key, GW_PUBKEY_SHA256, GW_STR("texT"), signature));
            gw_pubkey_free(keys[k].key);
        }
    }
    signer_free(&s);
    signer_free(&weak);
}

static void serve_keys(struct signer *s, const char *headers, const char *kid)
{
    set_answer(200, headers, gw_arena_printf(s->mem, "{\"keys\":[%s]}", signer_jwk(s, kid)).p);
}

TEST(test_jwks_keeps_keys_as_long_as_they_may_be_and_takes_new_ones)
{
    struct signer s = signer_new();
    struct gw_loop *l = open_loop();
    struct gw_jwks *j = gw_jwks_new(l, http_server());
    struct one o;

    serve_keys(&s, "Cache-Control: public, max-age=100\r\n", "a");
    CHECK(get(l, j, "a", &o) == 1 && asked() == 1);
    ahead_ms = 99 * SECOND;
    CHECK(get(l, j, "a", &o) == 1 && asked() == 1);
    set_answer(500, "", "");
    ahead_ms = 101 * SECOND; /* used while newer ones are fetched */
    CHECK(get(l, j, "a", &o) == 1);
    while (asked() < 2)
        gw_loop_turn(l, 0);
    ahead_ms = 699 * SECOND;
    CHECK(get(l, j, "a", &o) == 1);
    ahead_ms = 701 * SECOND; /* but not for ever */
    CHECK(get(l, j, "a", &o) == -1 && o.err.kind == GW_ERR_RETRY && strstr(o.err.msg, "HTTP 500"));
    serve_keys(&s, "Cache-Control: max-age=1, public\r\n", "b");
    CHECK(get(l, j, "b", &o) == 1);
    CHECK(get(l, j, "a", &o) == -1 && o.err.kind == GW_ERR_REJECT);
    ahead_ms += 29 * SECOND; /* no sooner, whatever it says */
    answers = 0;
    CHECK(get(l, j, "b", &o) == 1 && asked() == 0);
    gw_jwks_free(j);
    gw_loop_free(l);
    signer_free(&s);
}

TEST(test_jwks_unknown_keys_are_asked_for_four_times_and_then_seldom)
{
    struct signer s = signer_new();
    struct gw_loop *l = open_loop();
    struct gw_jwks *j = gw_jwks_new(l, http_server());
    struct one o;

    serve_keys(&s, "", "a");
    for (int i = 0; i < 20; i++)
        CHECK(get(l, j, "x", &o) == -1 && o.err.kind == GW_ERR_REJECT);
    CHECK(asked() == 4);
    CHECK(get(l, j, "a", &o) == 1 && asked() == 4);
    ahead_ms = 16 * SECOND;
    for (int i = 0; i < 5; i++)
        CHECK(get(l, j, "x", &o) == -1);
    CHECK(asked() == 5);
    gw_jwks_free(j);
    gw_loop_free(l);
    signer_free(&s);
}

/* ---- certificates ---- */

TEST(test_certs_are_fetched_once_for_all_and_who_leaves_is_not_told)
{
    struct signer s = signer_new();
    struct gw_loop *l = open_loop();
    struct gw_certs *c = gw_certs_new(l);
    const struct gw_str url = gw_str_of(http_server());
    const struct gw_pubkey *key = NULL;
    struct one o[5] = {0};
    struct gw_err err;

    set_answer(200, "", signer_certificate(&s, -60, 3600));
    for (int i = 0; i < 5; i++) {
        o[i].w.done = on_done;
        CHECK(gw_certs_get(c, url, &o[i].w, &key, &err) == 0);
    }
    gw_waiter_leave(&o[0].w);
    gw_waiter_leave(&o[2].w);
    gw_waiter_leave(&o[4].w);
    gw_waiter_leave(&o[4].w);
    turn_until_told(l, &o[3]);
    CHECK(o[1].calls == 1 && o[3].calls == 1 && !o[0].calls && !o[2].calls && !o[4].calls);
    CHECK(!o[1].failed && asked() == 1);
    CHECK(gw_certs_get(c, url, &o[0].w, &key, &err) == 1 && key && asked() == 1);
    ahead_ms = 24L * 3600 * SECOND + 1;
    CHECK(gw_certs_get(c, url, &o[0].w, &key, &err) == 0);
    turn_until_told(l, &o[0]);
    CHECK(asked() == 2);
    gw_certs_free(c);
    gw_loop_free(l);
    signer_free(&s);
}

TEST(test_certs_have_bounds_and_what_failed_is_not_asked_for_at_once)
{
    struct signer s = signer_new();
    struct gw_loop *l = open_loop();
    struct gw_certs *c = gw_certs_new(l);
    const struct gw_pubkey *key = NULL;
    struct one o[GW_CERTS + 1] = {0};
    struct gw_err err;
    char url[GW_CERTS + 1][100];

    set_answer(404, "", "");
    for (int i = 0; i <= GW_CERTS; i++) {
        snprintf(url[i], sizeof(url[i]), "%s/%d", http_server(), i);
        o[i].w.done = on_done;
        CHECK(gw_certs_get(c, gw_str_of(url[i]), &o[i].w, &key, &err) == (i == GW_CERTS ? -1 : 0));
    }
    CHECK(err.kind == GW_ERR_FULL);
    for (int i = 0; i < GW_CERTS; i++)
        turn_until_told(l, &o[i]);
    CHECK(o[0].failed && o[0].err.kind == GW_ERR_RETRY && asked() == GW_CERTS);
    CHECK(gw_certs_get(c, gw_str_of(url[1]), &o[1].w, &key, &err) == -1 && asked() == GW_CERTS);
    set_answer(200, "", signer_certificate(&s, -60, 3600));
    ahead_ms = 5001;
    o[1].calls = 0;
    CHECK(gw_certs_get(c, gw_str_of(url[1]), &o[1].w, &key, &err) == 0);
    turn_until_told(l, &o[1]);
    CHECK(gw_certs_get(c, gw_str_of(url[1]), &o[1].w, &key, &err) == 1);
    set_answer(404, "", ""); /* others come and go: what is good stays */
    for (int i = 0; i <= GW_CERTS; i++) {
        snprintf(url[0], sizeof(url[0]), "%s/new%d", http_server(), i);
        o[0].calls = 0;
        CHECK(gw_certs_get(c, gw_str_of(url[0]), &o[0].w, &key, &err) == 0);
        turn_until_told(l, &o[0]);
    }
    CHECK(gw_certs_get(c, gw_str_of(url[1]), &o[1].w, &key, &err) == 1);
    for (int i = 0; i < GW_CERTS; i++) { /* nor does it make room for many at once */
        snprintf(url[0], sizeof(url[0]), "%s/busy%d", http_server(), i);
        o[i].calls = 0;
        CHECK(gw_certs_get(c, gw_str_of(url[0]), &o[i].w, &key, &err) ==
              (i == GW_CERTS - 1 ? -1 : 0));
    }
    CHECK(err.kind == GW_ERR_FULL);
    for (int i = 0; i < GW_CERTS - 1; i++)
        turn_until_told(l, &o[i]);
    CHECK(gw_certs_get(c, gw_str_of(url[1]), &o[1].w, &key, &err) == 1);
    gw_certs_free(c);
    gw_loop_free(l);
    signer_free(&s);
}
