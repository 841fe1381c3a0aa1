/* What is kept of FlyteAdmin's answers, and the token for it. */
#include "hook/flyte_client.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "hook/caches.h"
#include "net/tls_conf.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEPT_BYTES = 16 << 20,
    KEPT = 10000,
    SHORT_S = 10,
    LONG_S = 3600,
    AGAIN_MS = 1000,  /* between two logins */
    LOGIN_MS = 30000, /* one that has not ended by then is over */
    LOOK_MS = 20,     /* while another worker logs in */
    TOKEN_MAX = 65536,
};
#define NEVER_MS INT64_MAX

struct gw_flyte_client {
    struct gw_flyte_client *next; /* in the process's list; refs too is under its lock */
    size_t refs;
    struct gw_arena *mem;
    struct gw_flyte_client_conf conf;
    const char *url;
    struct gw_caches *caches;
    struct gw_cache *there[GW_ASKS], *none[GW_ASKS];
    pthread_mutex_t lock; /* of what follows */
    struct gw_buf header, token;
    uint64_t number;
    int64_t renew_ms;           /* monotonic: from then on the next one logs in */
    int64_t begun_ms, ended_ms; /* a login; begun_ms 0: none is under way */
};

const struct gw_field gw_flyte_client_fields[] = {
    {"address", GW_F_STR, offsetof(struct gw_flyte_client_conf, address),
     .help = "Its gRPC address, HOST:PORT. Absent: moongate.flyte answers that there is none."},
    {"tls", GW_F_TABLE, offsetof(struct gw_flyte_client_conf, tls), .pointer = 1,
     .help = "Present: with TLS.", .size = sizeof(struct gw_flyte_client_tls),
     .fields =
         (const struct gw_field[]){{"ca", GW_F_STR, offsetof(struct gw_flyte_client_tls, ca),
                                    .path = 1, .input = 1,
                                    .help = "Certificates to trust, PEM; absent: the system's."},
                                   {0}}},
    {"client_id", GW_F_STR, offsetof(struct gw_flyte_client_conf, client_id),
     .help = "Who logs in, by client credentials; absent: nobody does."},
    {"client_secret", GW_F_STR, offsetof(struct gw_flyte_client_conf, client_secret), .secret = 1,
     .help = "Its secret."},
    {0}};

static const char *bare(const char *address)
{
    return !strncmp(address, "dns:///", 7) ? address + 7 : address;
}

/* host:port, [v6]:port */
static int is_address(const char *s)
{
    const char *colon = strrchr(s, ':');
    char *end;
    long port;

    if (!colon || colon == s || strpbrk(s, " /@?#\\") || (s[0] == '[') != (colon[-1] == ']') ||
        (s[0] != '[' && strchr(s, ':') != colon))
        return 0;
    port = strtol(colon + 1, &end, 10);
    return colon[1] >= '0' && colon[1] <= '9' && !*end && port > 0 && port < 65536;
}

void gw_flyte_client_check(const struct gw_flyte_client_conf *c, struct gw_problems *p,
                           const struct gw_yaml *at)
{
    const struct gw_yaml *y = gw_yaml_place(at, "address");

    if (!c || !at || at->type != GW_YAML_MAP)
        return;
    if (c->address && !is_address(bare(c->address)))
        gw_problems_add(p, 0, y->file, y->line, y->column,
                        "flyteadmin.address: expected HOST:PORT as flyteadmin:81, not \"%.80s\"",
                        c->address);
    if (!c->address && (c->client_id || c->tls))
        gw_problems_add(p, 0, y->file, y->line, y->column, "flyteadmin: address is missing");
    if (!c->client_id != !c->client_secret)
        gw_problems_add(p, 0, y->file, at->line, at->column,
                        "flyteadmin: client_id and client_secret (or client_secret_file) go "
                        "together");
    y = gw_yaml_place(gw_yaml_place(at, "tls"), "ca");
    gw_tls_ca_check(c->tls ? c->tls->ca : NULL, "flyteadmin.tls.ca", p, y);
}

/* ---- life ---- */

static struct gw_cache *open_cache(struct gw_caches *all, enum gw_flyte_what what, int is_there)
{
    static const char *const names[GW_ASKS][2] = {
        [GW_ASK_EXECUTION] = {"no execution", "execution"},
        [GW_ASK_WORKFLOW] = {"no workflow", "workflow"},
        [GW_ASK_STORED] = {"not stored", "stored"},
        [GW_ASK_TASK] = {"no task", "task"},
        [GW_ASK_ATTEMPT] = {"no attempt", "attempt"},
    };
    const int64_t s = is_there ? LONG_S : SHORT_S;

    return gw_caches_open(all, gw_str_of(names[what][is_there]),
                          &(struct gw_cache_conf){.max = KEPT, .ttl_ns = s * 1000000000});
}

static const char *copy(struct gw_arena *mem, const char *text)
{
    return text ? gw_arena_strndup(mem, text, strlen(text)) : NULL;
}

static struct gw_flyte_client *client_new(const struct gw_flyte_client_conf *conf)
{
    struct gw_flyte_client *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    c->mem = gw_arena_new();
    c->conf = (struct gw_flyte_client_conf){.address = copy(c->mem, conf->address),
                                            .client_id = copy(c->mem, conf->client_id),
                                            .client_secret = copy(c->mem, conf->client_secret)};
    if (conf->tls) {
        c->conf.tls = gw_arena_zalloc(c->mem, sizeof(*c->conf.tls));
        c->conf.tls->ca = copy(c->mem, conf->tls->ca);
    }
    c->url = gw_arena_printf(c->mem, "http%s://%s", conf->tls ? "s" : "", bare(conf->address)).p;
    c->caches = gw_caches_new();
    gw_caches_bound(c->caches, KEPT_BYTES);
    for (int i = 0; i < GW_ASKS; i++) {
        c->there[i] = open_cache(c->caches, (enum gw_flyte_what)i, 1);
        c->none[i] = open_cache(c->caches, (enum gw_flyte_what)i, 0);
    }
    pthread_mutex_init(&c->lock, NULL);
    gw_buf_init(&c->header, TOKEN_MAX, NULL);
    gw_buf_init(&c->token, TOKEN_MAX, NULL);
    return c;
}

static void client_free(struct gw_flyte_client *c)
{
    for (int i = 0; i < GW_ASKS; i++) {
        gw_cache_close(c->there[i]);
        gw_cache_close(c->none[i]);
    }
    gw_caches_free(c->caches);
    pthread_mutex_destroy(&c->lock);
    gw_buf_free(&c->header);
    gw_buf_free(&c->token);
    gw_arena_free(c->mem);
    free(c);
}

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct gw_flyte_client *all;

struct gw_flyte_client *gw_flyte_client_hold(const struct gw_flyte_client_conf *conf)
{
    struct gw_flyte_client *c;

    pthread_mutex_lock(&all_lock);
    for (c = all; c && !gw_fields_same(gw_flyte_client_fields, &c->conf, conf);)
        c = c->next;
    if (!c) {
        c = client_new(conf);
        c->next = all;
        all = c;
    }
    c->refs++;
    pthread_mutex_unlock(&all_lock);
    return c;
}

void gw_flyte_client_drop(struct gw_flyte_client *c)
{
    struct gw_flyte_client **at = &all;
    size_t refs;

    if (!c)
        return;
    pthread_mutex_lock(&all_lock);
    refs = --c->refs;
    while (!refs && *at != c)
        at = &(*at)->next;
    if (!refs)
        *at = c->next;
    pthread_mutex_unlock(&all_lock);
    if (!refs)
        client_free(c);
}

const struct gw_flyte_client_conf *gw_flyte_client_conf(const struct gw_flyte_client *c)
{
    return &c->conf;
}

const char *gw_flyte_client_url(const struct gw_flyte_client *c)
{
    return c->url;
}

/* ---- answers: behind the time they were kept ---- */

static int get(struct gw_cache *from, struct gw_str request, int64_t now, int64_t max_age_ns,
               struct gw_arena *mem, struct gw_str *out)
{
    struct gw_str value;
    int64_t at;

    if (!gw_cache_get(from, request, now, mem, &value))
        return 0;
    memcpy(&at, value.p, sizeof(at));
    *out = (struct gw_str){value.p + sizeof(at), value.len - sizeof(at)};
    return now - at < max_age_ns;
}

int gw_flyte_client_get(struct gw_flyte_client *c, enum gw_flyte_what what, struct gw_str request,
                        int64_t max_age_ns, struct gw_arena *mem, struct gw_str *out)
{
    const int64_t now = gw_caches_now(c->caches);

    if (get(c->there[what], request, now, max_age_ns, mem, out))
        return 1;
    return get(c->none[what], request, now, max_age_ns, mem, out) ? -1 : 0;
}

void gw_flyte_client_keep(struct gw_flyte_client *c, enum gw_flyte_what what, struct gw_str request,
                          int is_there, struct gw_str answer)
{
    const int64_t now = gw_caches_now(c->caches);
    struct gw_buf value;

    gw_buf_init(&value, SIZE_MAX / 2, NULL);
    gw_buf_put_str(&value, (struct gw_str){(const char *)&now, sizeof(now)});
    gw_buf_put_str(&value, answer);
    (void)gw_cache_set(is_there ? c->there[what] : c->none[what], request, gw_buf_str(&value), now);
    gw_buf_free(&value);
}

/* ---- the token ---- */

uint64_t gw_flyte_client_token(struct gw_flyte_client *c, struct gw_buf *name, struct gw_buf *value,
                               int *due)
{
    uint64_t number;

    gw_buf_clear(name);
    gw_buf_clear(value);
    pthread_mutex_lock(&c->lock);
    number = c->token.len ? c->number : 0;
    *due = number && gw_mono_ms() >= c->renew_ms;
    gw_buf_put_str(name, gw_buf_str(&c->header));
    gw_buf_put_str(value, gw_buf_str(&c->token));
    pthread_mutex_unlock(&c->lock);
    return number;
}

/* Under the lock. */
static int may_login(struct gw_flyte_client *c, uint64_t number, int64_t *ms)
{
    const int64_t now = gw_mono_ms();

    if (c->token.len && c->number != number && now < c->renew_ms)
        return -1;
    *ms = LOOK_MS;
    if (c->begun_ms && now - c->begun_ms < LOGIN_MS)
        return 0;
    *ms = c->ended_ms ? c->ended_ms + AGAIN_MS - now : 0;
    if (*ms > 0)
        return 0;
    c->begun_ms = now;
    return 1;
}

int gw_flyte_client_login(struct gw_flyte_client *c, uint64_t number, int64_t *ms)
{
    int rc;

    pthread_mutex_lock(&c->lock);
    rc = may_login(c, number, ms);
    pthread_mutex_unlock(&c->lock);
    return rc;
}

/* It is renewed at half its life, by whoever asks then. */
void gw_flyte_client_logged_in(struct gw_flyte_client *c, struct gw_str header, struct gw_str token,
                               int64_t lives_s)
{
    const int64_t now = gw_mono_ms();

    pthread_mutex_lock(&c->lock);
    c->begun_ms = 0;
    c->ended_ms = now;
    if (token.p) {
        gw_buf_clear(&c->header);
        gw_buf_clear(&c->token);
        gw_buf_put_str(&c->header, header);
        gw_buf_puts(&c->token, "Bearer ");
        gw_buf_put_str(&c->token, token);
        c->number++;
        c->renew_ms = lives_s ? now + lives_s * 500 : NEVER_MS;
    }
    pthread_mutex_unlock(&c->lock);
}
