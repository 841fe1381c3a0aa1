#include "base/sums.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/text.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct gw_sum {
    _Atomic double value;
    struct family *family;
    struct gw_sum *prev, *next; /* of its family */
    size_t len;
    char labels[];
};

struct family {
    struct family *next;
    struct gw_sum *first, *last;
    char name[];
};

struct gw_sums {
    pthread_mutex_t lock;
    struct family *first; /* by name; none is empty */
};

static void *zeroed(size_t size)
{
    void *p = calloc(1, size);

    if (!p)
        abort();
    return p;
}

struct gw_sums *gw_sums_new(void)
{
    struct gw_sums *s = zeroed(sizeof(*s));

    pthread_mutex_init(&s->lock, NULL);
    return s;
}

void gw_sums_free(struct gw_sums *s)
{
    assert(!s->first);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static struct family *family_of(struct gw_sums *s, const char *name)
{
    struct family **at = &s->first, *f;
    int order = 1;

    while (*at && (order = strcmp((*at)->name, name)) < 0)
        at = &(*at)->next;
    if (order == 0)
        return *at;
    f = zeroed(sizeof(*f) + strlen(name) + 1);
    memcpy(f->name, name, strlen(name) + 1);
    f->next = *at;
    *at = f;
    return f;
}

struct gw_sum *gw_sums_add(struct gw_sums *s, const char *name, struct gw_str labels)
{
    struct gw_sum *sum = zeroed(sizeof(*sum) + labels.len);
    struct family *f;

    sum->len = labels.len;
    memcpy(sum->labels, labels.p, labels.len);
    if (!s)
        return sum;
    pthread_mutex_lock(&s->lock);
    f = sum->family = family_of(s, name);
    sum->prev = f->last;
    *(f->last ? &f->last->next : &f->first) = sum;
    f->last = sum;
    pthread_mutex_unlock(&s->lock);
    return sum;
}

static void remove_family(struct gw_sums *s, struct family *f)
{
    struct family **at = &s->first;

    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    free(f);
}

void gw_sums_remove(struct gw_sums *s, struct gw_sum *sum)
{
    struct family *f = sum->family;

    if (f) {
        pthread_mutex_lock(&s->lock);
        *(sum->prev ? &sum->prev->next : &f->first) = sum->next;
        *(sum->next ? &sum->next->prev : &f->last) = sum->prev;
        if (!f->first)
            remove_family(s, f);
        pthread_mutex_unlock(&s->lock);
    }
    free(sum);
}

void gw_sum_count(struct gw_sum *sum, double n)
{
    double v = atomic_load_explicit(&sum->value, memory_order_relaxed);

    while (!atomic_compare_exchange_weak_explicit(&sum->value, &v, v + n, memory_order_relaxed,
                                                  memory_order_relaxed))
        continue;
}

double gw_sum_value(struct gw_sum *sum)
{
    return atomic_load_explicit(&sum->value, memory_order_relaxed);
}

void gw_sums_put_value(struct gw_buf *b, struct gw_str v)
{
    for (size_t n; v.len; v.p += n, v.len -= n) {
        n = gw_utf8_step(v.p, v.len);
        if (!n) {
            gw_utf8_put(b, 0xfffd);
            n = 1;
        } else if (*v.p == '\n') {
            gw_buf_puts(b, "\\n");
        } else {
            if (*v.p == '"' || *v.p == '\\')
                gw_buf_putc(b, '\\');
            gw_buf_put(b, v.p, n);
        }
    }
}

void gw_sums_put_label(struct gw_buf *b, const char *name, struct gw_str value)
{
    gw_buf_printf(b, "%s%s=\"", b->len ? "," : "", name);
    gw_sums_put_value(b, value);
    gw_buf_putc(b, '"');
}

static void write_family(const struct family *f, struct gw_buf *out)
{
    gw_buf_printf(out, "# HELP %s Counted by a script with moongate.counter.\n# TYPE %s counter\n",
                  f->name, f->name);
    for (struct gw_sum *sum = f->first; sum; sum = sum->next) {
        gw_buf_puts(out, f->name);
        if (sum->len) {
            gw_buf_putc(out, '{');
            gw_buf_put(out, sum->labels, sum->len);
            gw_buf_putc(out, '}');
        }
        gw_buf_putc(out, ' ');
        gw_json_put_double(out, gw_sum_value(sum));
        gw_buf_putc(out, '\n');
    }
}

void gw_sums_write(struct gw_sums *s, struct gw_buf *out)
{
    pthread_mutex_lock(&s->lock);
    for (const struct family *f = s->first; f; f = f->next)
        write_family(f, out);
    pthread_mutex_unlock(&s->lock);
}
