#include "hook/counters.h"

#include "base/buf.h"
#include "base/diag.h"
#include "base/metrics.h"
#include "base/sums.h"
#include "base/text.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* Twice what there may be at most: a series of each counter beyond the bound, and one of `other`.
 */
enum { SLOTS = 4096, METRIC = 128 };
static_assert(SLOTS >= 2 * (GW_COUNTER_SERIES + GW_COUNTER_NAMES + 1), "room in the table");

/* What is counted: its name and labels as one text, NUL behind each part. */
struct series {
    struct series *next; /* made after it */
    struct gw_sum *sum;
    struct gw_str labels; /* in key, behind the parts; NUL-terminated */
    size_t len;
    char key[];
};

struct gw_counters {
    pthread_mutex_t lock;
    struct gw_sums *sums; /* NULL: nobody is shown them */
    struct gw_str pipeline;
    struct series *first, **last;
    struct series **slots;
    const char *names[GW_COUNTER_NAMES]; /* in the keys of their first series */
    size_t n_series, n_names;
    int told_names, told_series;
};

static void *zeroed(size_t size)
{
    void *p = calloc(1, size);

    if (!p)
        abort();
    return p;
}

struct gw_counters *gw_counters_new(const char *pipeline, struct gw_metrics *metrics)
{
    struct gw_counters *c = zeroed(sizeof(*c));

    pthread_mutex_init(&c->lock, NULL);
    c->sums = metrics ? gw_metrics_sums(metrics) : NULL;
    c->pipeline = gw_str_of(strdup(pipeline));
    if (!c->pipeline.p)
        abort();
    c->last = &c->first;
    return c;
}

void gw_counters_free(struct gw_counters *c)
{
    if (!c)
        return;
    while (c->first) {
        struct series *next = c->first->next;

        gw_sums_remove(c->sums, c->first->sum);
        free(c->first);
        c->first = next;
    }
    free((char *)c->pipeline.p);
    free(c->slots);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static void metric_of(const char *name, char out[METRIC])
{
    snprintf(out, METRIC, "moongate_script_%s_total", name);
}

static void put_part(struct gw_buf *b, struct gw_str s)
{
    gw_buf_put_str(b, s);
    gw_buf_putc(b, '\0');
}

static const struct gw_str other = {"other", 5};

/* all_other: with `other` as the value of each label. */
static void put_key(struct gw_buf *b, struct gw_str name, const struct gw_label *labels, size_t n,
                    int all_other)
{
    put_part(b, name);
    for (size_t i = 0; i < n; i++) {
        put_part(b, labels[i].name);
        put_part(b, all_other ? other : labels[i].value);
    }
}

static struct series **slot_of(struct gw_counters *c, struct gw_str key)
{
    size_t i = gw_hash64(key) % SLOTS;

    while (c->slots[i] && !gw_str_eq((struct gw_str){c->slots[i]->key, c->slots[i]->len}, key))
        i = (i + 1) % SLOTS;
    return &c->slots[i];
}

static int is_known(const struct gw_counters *c, struct gw_str name)
{
    for (size_t i = 0; i < c->n_names; i++)
        if (gw_str_is(name, c->names[i]))
            return 1;
    return 0;
}

static void add(struct gw_counters *c, struct series **slot, struct gw_str key)
{
    const char *p = key.p + strnlen(key.p, key.len) + 1, *end = key.p + key.len;
    char metric[METRIC];
    struct gw_buf labels;
    struct series *s;

    gw_buf_init(&labels, SIZE_MAX / 2, NULL);
    metric_of(key.p, metric);
    gw_sums_put_label(&labels, "pipeline", c->pipeline);
    while (p < end) {
        const char *value = p + strlen(p) + 1;

        gw_sums_put_label(&labels, p, gw_str_of(value));
        p = value + strlen(value) + 1;
    }
    s = zeroed(sizeof(*s) + key.len + labels.len + 1);
    s->len = key.len;
    memcpy(s->key, key.p, key.len);
    memcpy(s->key + key.len, labels.p, labels.len);
    s->labels = (struct gw_str){s->key + key.len, labels.len};
    s->sum = gw_sums_add(c->sums, metric, s->labels);
    gw_buf_free(&labels);
    *slot = s;
    *c->last = s;
    c->last = &s->next;
}

static void tell(const struct gw_counters *c, const char *what, struct gw_str name, int max)
{
    GW_DIAG(GW_WARN, "hook", gw_msg(what), gw_kv_str("pipeline", c->pipeline),
            gw_kv_str("counter", name), gw_kv_int("max", max));
}

/* One that is not there yet. b has its key, and gets another's if there are too many. */
static struct series *make(struct gw_counters *c, struct gw_str name, const struct gw_label *labels,
                           size_t n, struct gw_buf *b)
{
    const int is_new = !is_known(c, name);
    struct series **slot;

    if (is_new && c->n_names == GW_COUNTER_NAMES) {
        if (!c->told_names++)
            tell(c, "too many counters, the next ones are counted as other", name,
                 GW_COUNTER_NAMES);
        gw_buf_clear(b);
        put_key(b, other, NULL, 0, 0);
    } else if (c->n_series == GW_COUNTER_SERIES) {
        if (!c->told_series++)
            tell(c, "too many series of counters, the next ones have the labels other", name,
                 GW_COUNTER_SERIES);
        gw_buf_clear(b);
        put_key(b, name, labels, n, 1);
    }
    slot = slot_of(c, gw_buf_str(b));
    if (!*slot) {
        add(c, slot, gw_buf_str(b));
        if (is_new && c->n_names < GW_COUNTER_NAMES)
            c->names[c->n_names++] = (*slot)->key;
        c->n_series += c->n_series < GW_COUNTER_SERIES;
    }
    return *slot;
}

struct gw_sum *gw_counters_get(struct gw_counters *c, struct gw_str name,
                               const struct gw_label *labels, size_t n)
{
    struct series *s;
    struct gw_buf b;

    gw_buf_init(&b, SIZE_MAX / 2, NULL);
    put_key(&b, name, labels, n, 0);
    pthread_mutex_lock(&c->lock);
    if (!c->slots)
        c->slots = zeroed(SLOTS * sizeof(struct series *));
    s = *slot_of(c, gw_buf_str(&b));
    if (!s)
        s = make(c, name, labels, n, &b);
    pthread_mutex_unlock(&c->lock);
    gw_buf_free(&b);
    return s->sum;
}

void gw_counters_each(struct gw_counters *c, gw_counter_fn *fn, void *ctx)
{
    char metric[METRIC];

    pthread_mutex_lock(&c->lock);
    for (const struct series *s = c->first; s; s = s->next) {
        metric_of(s->key, metric);
        fn(ctx, metric, s->labels, gw_sum_value(s->sum));
    }
    pthread_mutex_unlock(&c->lock);
}
