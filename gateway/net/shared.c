#include "net/shared.h"

#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 1 << 16 };

static pthread_mutex_t places = PTHREAD_MUTEX_INITIALIZER;

static struct gw_shared *make(size_t size)
{
    struct gw_shared *s = calloc(1, size);

    if (!s)
        abort();
    pthread_mutex_init(&s->lock, NULL);
    for (size_t i = 0; i < GW_SHARED_TEXTS; i++)
        gw_buf_init(&s->texts[i], TEXT_MAX, NULL);
    gw_buf_init(&s->why, TEXT_MAX, NULL);
    return s;
}

struct gw_shared *gw_shared_hold(struct gw_shared **place, size_t size)
{
    struct gw_shared *s;

    pthread_mutex_lock(&places);
    if (!*place)
        *place = make(size);
    s = *place;
    s->refs++;
    pthread_mutex_unlock(&places);
    return s;
}

static void wipe(struct gw_buf *b)
{
    if (b->p)
        explicit_bzero(b->p, b->cap);
    gw_buf_free(b);
}

void gw_shared_drop(struct gw_shared **place, struct gw_shared *s)
{
    int last;

    if (!s)
        return;
    pthread_mutex_lock(&places);
    last = !--s->refs;
    if (last)
        *place = NULL;
    pthread_mutex_unlock(&places);
    if (!last)
        return;
    for (size_t i = 0; i < GW_SHARED_TEXTS; i++)
        wipe(&s->texts[i]);
    gw_buf_free(&s->why);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static void copy(const struct gw_shared *s, struct gw_arena *mem, size_t from, struct gw_str *texts,
                 size_t n)
{
    for (size_t i = 0; i < n; i++)
        texts[i] = gw_arena_str(mem, gw_buf_str(&s->texts[from + i]));
}

uint64_t gw_shared_get(struct gw_shared *s, struct gw_arena *mem, struct gw_str *texts, size_t n,
                       int *due)
{
    uint64_t number;

    pthread_mutex_lock(&s->lock);
    number = gw_renewal_get(&s->renewal, due);
    copy(s, mem, 0, texts, n);
    pthread_mutex_unlock(&s->lock);
    return number;
}

void gw_shared_texts(struct gw_shared *s, struct gw_arena *mem, size_t from, struct gw_str *texts,
                     size_t n)
{
    pthread_mutex_lock(&s->lock);
    copy(s, mem, from, texts, n);
    pthread_mutex_unlock(&s->lock);
}

enum gw_turn gw_shared_begin(struct gw_shared *s, uint64_t number, int refused, int64_t *ms)
{
    enum gw_turn rc;

    pthread_mutex_lock(&s->lock);
    rc = gw_renewal_begin(&s->renewal, number, refused, ms);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

static void set(struct gw_buf *b, struct gw_str text)
{
    gw_buf_clear(b);
    gw_buf_put_str(b, text);
}

void gw_shared_put(struct gw_shared *s, size_t from, const struct gw_str *texts, size_t n)
{
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < n; i++)
        set(&s->texts[from + i], texts[i]);
    pthread_mutex_unlock(&s->lock);
}

void gw_shared_take(struct gw_shared *s, const struct gw_str *texts, size_t n, int64_t life_ms,
                    int64_t margin_ms)
{
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < n; i++)
        set(&s->texts[i], texts[i]);
    gw_buf_clear(&s->why);
    gw_renewal_take(&s->renewal, life_ms, margin_ms);
    pthread_mutex_unlock(&s->lock);
}

void gw_shared_fail(struct gw_shared *s, const char *why)
{
    pthread_mutex_lock(&s->lock);
    if (why) {
        set(&s->why, gw_str_of(why));
        gw_renewal_fail(&s->renewal);
    } else {
        gw_renewal_give_up(&s->renewal);
    }
    pthread_mutex_unlock(&s->lock);
}

struct gw_str gw_shared_why(struct gw_shared *s, struct gw_arena *mem)
{
    struct gw_str why;

    pthread_mutex_lock(&s->lock);
    why = gw_arena_str(mem, gw_buf_str(&s->why));
    pthread_mutex_unlock(&s->lock);
    return why;
}
