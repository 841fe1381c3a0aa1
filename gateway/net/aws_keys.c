#include "net/aws_keys.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    MARGIN_MS = 300000, /* before their end, as the SDKs do */
    KEY_MAX = 16384
};

struct gw_aws_credentials {
    size_t refs;
    pthread_mutex_t lock; /* of all that follows */
    struct gw_buf id, secret, token, why;
    int has_token;
    struct gw_renewal renewal;
    int64_t skew_s;
};

static pthread_mutex_t one_lock = PTHREAD_MUTEX_INITIALIZER;
static struct gw_aws_credentials *one;

struct gw_aws_credentials *gw_aws_credentials_hold(void)
{
    struct gw_aws_credentials *c;

    pthread_mutex_lock(&one_lock);
    if (!one) {
        one = calloc(1, sizeof(*one));
        if (!one)
            abort();
        pthread_mutex_init(&one->lock, NULL);
        gw_buf_init(&one->id, KEY_MAX, NULL);
        gw_buf_init(&one->secret, KEY_MAX, NULL);
        gw_buf_init(&one->token, KEY_MAX, NULL);
        gw_buf_init(&one->why, KEY_MAX, NULL);
    }
    c = one;
    c->refs++;
    pthread_mutex_unlock(&one_lock);
    return c;
}

/* What was secret does not stay in memory that is given back. */
static void wipe(struct gw_buf *b)
{
    if (b->p)
        explicit_bzero(b->p, b->cap);
    gw_buf_free(b);
}

void gw_aws_credentials_drop(struct gw_aws_credentials *c)
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
    wipe(&c->id);
    wipe(&c->secret);
    wipe(&c->token);
    gw_buf_free(&c->why);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static struct gw_str copy(struct gw_arena *mem, const struct gw_buf *b)
{
    return gw_arena_str(mem, gw_buf_str(b));
}

uint64_t gw_aws_credentials_get(struct gw_aws_credentials *c, struct gw_arena *mem,
                                struct gw_aws_keys *out, int *due)
{
    uint64_t number;

    pthread_mutex_lock(&c->lock);
    number = gw_renewal_get(&c->renewal, due);
    *out = (struct gw_aws_keys){0};
    if (number) {
        out->id = copy(mem, &c->id);
        out->secret = copy(mem, &c->secret);
        if (c->has_token)
            out->token = copy(mem, &c->token);
    }
    pthread_mutex_unlock(&c->lock);
    return number;
}

enum gw_turn gw_aws_credentials_begin(struct gw_aws_credentials *c, uint64_t number, int refused,
                                      int64_t *ms)
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

static void take(struct gw_aws_credentials *c, const struct gw_aws_keys *keys, int64_t expires_s)
{
    const int64_t wall = gw_clock_wall_ns() / 1000000 + c->skew_s * 1000;

    set(&c->id, keys->id);
    set(&c->secret, keys->secret);
    set(&c->token, keys->token);
    c->has_token = keys->token.p != NULL;
    gw_renewal_take(&c->renewal, expires_s ? expires_s * 1000 - wall : INT64_MAX, MARGIN_MS);
    gw_buf_clear(&c->why);
}

void gw_aws_credentials_end(struct gw_aws_credentials *c, const struct gw_aws_keys *keys,
                            int64_t expires_s, const char *why)
{
    pthread_mutex_lock(&c->lock);
    if (keys) {
        take(c, keys, expires_s);
    } else if (why) {
        set(&c->why, gw_str_of(why));
        gw_renewal_fail(&c->renewal);
    } else {
        gw_renewal_give_up(&c->renewal);
    }
    pthread_mutex_unlock(&c->lock);
}

struct gw_str gw_aws_credentials_why(struct gw_aws_credentials *c, struct gw_arena *mem)
{
    struct gw_str why;

    pthread_mutex_lock(&c->lock);
    why = copy(mem, &c->why);
    pthread_mutex_unlock(&c->lock);
    return why;
}

int64_t gw_aws_skew(struct gw_aws_credentials *c)
{
    int64_t skew;

    pthread_mutex_lock(&c->lock);
    skew = c->skew_s;
    pthread_mutex_unlock(&c->lock);
    return skew;
}

void gw_aws_skew_set(struct gw_aws_credentials *c, int64_t seconds)
{
    pthread_mutex_lock(&c->lock);
    c->skew_s = seconds;
    pthread_mutex_unlock(&c->lock);
}
