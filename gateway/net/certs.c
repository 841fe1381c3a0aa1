#include "net/certs.h"

#include "base/clock.h"
#include "base/err.h"
#include "net/loop.h"

#include <stdlib.h>
#include <string.h>

enum { KEEP_MS = 24 * 3600 * 1000, IN_USE_MS = 3600 * 1000, FAILED_MS = 5000, NS = 1000000000 };

struct cert {
    struct gw_document doc;
    char *url; /* NULL: the place is free */
    struct gw_pubkey *key;
    int64_t from_s, until_s;
    int64_t used_ms, until_ms; /* when it was asked for last; how long what is known holds */
    struct gw_err why;         /* without a key */
};

struct gw_certs {
    struct gw_fetcher *fetcher;
    struct cert all[GW_CERTS];
};

static void set_key(struct cert *c, struct gw_pubkey *key, int64_t ms)
{
    gw_pubkey_free(c->key);
    c->key = key;
    c->until_ms = gw_mono_ms() + ms;
}

static int on_taken(struct gw_document *d, struct gw_str text, struct gw_err *err)
{
    struct cert *c = GW_CONTAINER(d, struct cert, doc);
    struct gw_pubkey *key = gw_pubkey_of_certificate(text, &c->from_s, &c->until_s, err);

    if (!key) { /* what stands there now may not be AWS's word */
        err->kind = GW_ERR_RETRY;
        return -1;
    }
    set_key(c, key, KEEP_MS);
    return 0;
}

static void on_failed(struct gw_document *d, const struct gw_err *err)
{
    struct cert *c = GW_CONTAINER(d, struct cert, doc);

    set_key(c, NULL, FAILED_MS);
    c->why = *err;
}

struct gw_certs *gw_certs_new(struct gw_loop *loop)
{
    struct gw_certs *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    c->fetcher = gw_document_fetcher(loop);
    for (size_t i = 0; i < GW_CERTS; i++) {
        gw_document_init(&c->all[i].doc, c->fetcher);
        c->all[i].doc.take = on_taken;
        c->all[i].doc.failed = on_failed;
    }
    return c;
}

void gw_certs_free(struct gw_certs *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < GW_CERTS; i++) {
        gw_document_fini(&c->all[i].doc);
        gw_pubkey_free(c->all[i].key);
        free(c->all[i].url);
    }
    gw_fetcher_free(c->fetcher);
    free(c);
}

static struct cert *find(struct gw_certs *c, struct gw_str url)
{
    for (size_t i = 0; i < GW_CERTS; i++)
        if (c->all[i].url && gw_str_is(url, c->all[i].url))
            return &c->all[i];
    return NULL;
}

/* Whose place another takes: one without a key before one with, then the one that nobody asked for
 * longest. What is being fetched stays. */
static int goes_before(const struct cert *a, const struct cert *b)
{
    if (!a->key != !b->key)
        return !a->key;
    return a->used_ms < b->used_ms;
}

/* Who sends URLs of no use does not drive out what genuine messages need. */
static int is_in_use(const struct cert *c)
{
    const int64_t now = gw_mono_ms();

    return c->key && now < c->until_ms && now - c->used_ms < IN_USE_MS;
}

static struct cert *make_room(struct gw_certs *c, struct gw_str url)
{
    struct cert *victim = NULL;

    for (size_t i = 0; i < GW_CERTS; i++)
        if (!c->all[i].doc.fetch.running && !is_in_use(&c->all[i]) &&
            (!victim || goes_before(&c->all[i], victim)))
            victim = &c->all[i];
    if (!victim)
        return NULL;
    free(victim->url);
    victim->url = strndup(url.p, url.len);
    if (!victim->url)
        abort();
    set_key(victim, NULL, -1);
    return victim;
}

static int is_valid(const struct cert *c, struct gw_err *err)
{
    const int64_t now_s = gw_clock_wall_ns() / NS;

    if (now_s >= c->from_s && now_s <= c->until_s)
        return 1;
    /* Not yet: it may be our clock, and is to be tried again. */
    return gw_err_set(err, now_s < c->from_s ? GW_ERR_RETRY : GW_ERR_REJECT,
                      "the certificate at %.*s is %s", GW_DOCUMENT_WHY, c->url,
                      now_s < c->from_s ? "not valid yet" : "not valid any more");
}

int gw_certs_get(struct gw_certs *c, struct gw_str url, struct gw_waiter *w,
                 const struct gw_pubkey **key, struct gw_err *err)
{
    struct cert *cert = find(c, url);

    if (!cert && !(cert = make_room(c, url)))
        return gw_err_set(err, GW_ERR_FULL, "%d certificates are being fetched", GW_CERTS);
    cert->used_ms = gw_mono_ms();
    if (!cert->doc.fetch.running && cert->used_ms < cert->until_ms) {
        *key = cert->key;
        if (cert->key)
            return is_valid(cert, err);
        *err = cert->why;
        return -1;
    }
    gw_document_start(&cert->doc, cert->url);
    return gw_document_wait(&cert->doc, w, err);
}
