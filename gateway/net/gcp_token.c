#include "net/gcp_token.h"

#include "base/arena.h"
#include "base/buf.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    MARGIN_MS = 225000, /* before its end, as Google's libraries do */
    TEXT_MAX = 1 << 16
};

struct gw_gcp_tokens {
    size_t refs;
    pthread_mutex_t lock; /* of all that follows */
    struct gw_buf bearer, quota_project, who, why;
    struct gw_buf files, newer; /* refresh tokens: a file's, and what is used instead */
    struct gw_renewal renewal;
};

static pthread_mutex_t one_lock = PTHREAD_MUTEX_INITIALIZER;
static struct gw_gcp_tokens *one;

static struct gw_gcp_tokens *make(void)
{
    struct gw_gcp_tokens *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    pthread_mutex_init(&c->lock, NULL);
    gw_buf_init(&c->bearer, TEXT_MAX, NULL);
    gw_buf_init(&c->quota_project, TEXT_MAX, NULL);
    gw_buf_init(&c->who, TEXT_MAX, NULL);
    gw_buf_init(&c->why, TEXT_MAX, NULL);
    gw_buf_init(&c->files, TEXT_MAX, NULL);
    gw_buf_init(&c->newer, TEXT_MAX, NULL);
    return c;
}

struct gw_gcp_tokens *gw_gcp_tokens_hold(void)
{
    struct gw_gcp_tokens *c;

    pthread_mutex_lock(&one_lock);
    if (!one)
        one = make();
    c = one;
    c->refs++;
    pthread_mutex_unlock(&one_lock);
    return c;
}

/* What was secret does not stay in memory that is given back. */
static void free_secret(struct gw_buf *b)
{
    if (b->p)
        explicit_bzero(b->p, b->cap);
    gw_buf_free(b);
}

void gw_gcp_tokens_drop(struct gw_gcp_tokens *c)
{
    int last;

    if (!c)
        return;
    pthread_mutex_lock(&one_lock);
    last = !--c->refs;
    if (last)
        one = NULL;
    pthread_mutex_unlock(&one_lock);
    if (!last)
        return;
    free_secret(&c->bearer);
    free_secret(&c->files);
    free_secret(&c->newer);
    gw_buf_free(&c->quota_project);
    gw_buf_free(&c->who);
    gw_buf_free(&c->why);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static struct gw_str copy(struct gw_arena *mem, const struct gw_buf *b)
{
    return gw_arena_str(mem, gw_buf_str(b));
}

uint64_t gw_gcp_tokens_get(struct gw_gcp_tokens *c, struct gw_arena *mem, struct gw_gcp_token *out,
                           int *due)
{
    uint64_t number;

    pthread_mutex_lock(&c->lock);
    number = gw_renewal_get(&c->renewal, due);
    *out = (struct gw_gcp_token){GW_STR(""), copy(mem, &c->quota_project), copy(mem, &c->who)};
    if (number)
        out->bearer = copy(mem, &c->bearer);
    pthread_mutex_unlock(&c->lock);
    return number;
}

enum gw_turn gw_gcp_tokens_begin(struct gw_gcp_tokens *c, uint64_t number, int refused, int64_t *ms)
{
    enum gw_turn rc;

    pthread_mutex_lock(&c->lock);
    rc = gw_renewal_begin(&c->renewal, number, refused, ms);
    pthread_mutex_unlock(&c->lock);
    return rc;
}

static void set(struct gw_buf *b, struct gw_str text)
{
    gw_buf_clear(b);
    gw_buf_put_str(b, text);
}

void gw_gcp_tokens_end(struct gw_gcp_tokens *c, const struct gw_gcp_token *token, int64_t life_ms,
                       const char *why)
{
    pthread_mutex_lock(&c->lock);
    if (token) {
        set(&c->bearer, token->bearer);
        set(&c->quota_project, token->quota_project);
        set(&c->who, token->who);
        gw_buf_clear(&c->why);
        gw_renewal_take(&c->renewal, life_ms, MARGIN_MS);
    } else if (why) {
        set(&c->why, gw_str_of(why));
        gw_renewal_fail(&c->renewal);
    } else {
        gw_renewal_give_up(&c->renewal);
    }
    pthread_mutex_unlock(&c->lock);
}

struct gw_str gw_gcp_tokens_newer(struct gw_gcp_tokens *c, struct gw_arena *mem,
                                  struct gw_str files)
{
    struct gw_str newer = GW_STR("");

    pthread_mutex_lock(&c->lock);
    if (gw_str_eq(gw_buf_str(&c->files), files))
        newer = copy(mem, &c->newer);
    pthread_mutex_unlock(&c->lock);
    return newer;
}

void gw_gcp_tokens_take_newer(struct gw_gcp_tokens *c, struct gw_str files, struct gw_str newer)
{
    pthread_mutex_lock(&c->lock);
    set(&c->files, files);
    set(&c->newer, newer);
    pthread_mutex_unlock(&c->lock);
}

struct gw_str gw_gcp_tokens_why(struct gw_gcp_tokens *c, struct gw_arena *mem)
{
    struct gw_str why;

    pthread_mutex_lock(&c->lock);
    why = copy(mem, &c->why);
    pthread_mutex_unlock(&c->lock);
    return why;
}
