/* The registry: a lock for making series and for scraping, none for counting. */
#include "base/metrics.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/sums.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum type { COUNTER, GAUGE, SECONDS, HISTOGRAM };

struct family {
    const char *name;
    enum type type;
    const char *help, *labels[2];
};

#define FAMILY(id, name, type, help, l1, l2) {name, type, help, {l1, l2}},
static const struct family families[GW_M_COUNT] = {GW_METRICS(FAMILY)};

/* 1, 2.5, 5, 10 ms and so on both ways: from 1 µs to 10 s. */
static const int64_t bounds_ns[GW_HISTOGRAM_BOUNDS] = {
    1000,      2500,      5000,       10000,      25000,      50000,      100000,   250000,
    500000,    1000000,   2500000,    5000000,    10000000,   25000000,   50000000, 100000000,
    250000000, 500000000, 1000000000, 2500000000, 5000000000, 10000000000};

struct series {
    struct series *next;
    char *values[2];
    struct gw_counter counter;
    struct gw_histogram *histogram;
};

struct scraper {
    struct scraper *next;
    void (*fn)(void *ctx);
    void *ctx;
};

struct gw_metrics {
    pthread_mutex_t lock;
    struct series *first[GW_M_COUNT], **last[GW_M_COUNT];
    struct scraper *scrapers;
    struct gw_sums *sums;
};

static void *zeroed(size_t size)
{
    void *p = calloc(1, size);

    if (!p)
        abort();
    return p;
}

static char *copy(const char *s)
{
    char *c = s ? strdup(s) : NULL;

    if (s && !c)
        abort();
    return c;
}

struct gw_metrics *gw_metrics_new(void)
{
    struct gw_metrics *m = zeroed(sizeof(*m));

    pthread_mutex_init(&m->lock, NULL);
    m->sums = gw_sums_new();
    for (size_t i = 0; i < GW_M_COUNT; i++)
        m->last[i] = &m->first[i];
    return m;
}

static void series_free(struct series *s)
{
    while (s) {
        struct series *next = s->next;

        free(s->values[0]);
        free(s->values[1]);
        free(s->histogram);
        free(s);
        s = next;
    }
}

void gw_metrics_free(struct gw_metrics *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < GW_M_COUNT; i++)
        series_free(m->first[i]);
    while (m->scrapers) {
        struct scraper *next = m->scrapers->next;

        free(m->scrapers);
        m->scrapers = next;
    }
    gw_sums_free(m->sums);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

struct gw_sums *gw_metrics_sums(struct gw_metrics *m)
{
    return m->sums;
}

int gw_metrics_has(struct gw_str name)
{
    for (size_t i = 0; i < GW_M_COUNT; i++)
        if (gw_str_is(name, families[i].name))
            return 1;
    return 0;
}

static struct series *find(struct gw_metrics *m, enum gw_metric family, const char *v1,
                           const char *v2)
{
    struct series *s;

    assert(!v1 == !families[family].labels[0] && !v2 == !families[family].labels[1]);
    pthread_mutex_lock(&m->lock);
    for (s = m->first[family]; s; s = s->next)
        if (gw_cstr_same(s->values[0], v1) && gw_cstr_same(s->values[1], v2))
            break;
    if (!s) {
        s = zeroed(sizeof(*s));
        s->values[0] = copy(v1);
        s->values[1] = copy(v2);
        if (families[family].type == HISTOGRAM)
            s->histogram = zeroed(sizeof(*s->histogram));
        *m->last[family] = s;
        m->last[family] = &s->next;
    }
    pthread_mutex_unlock(&m->lock);
    return s;
}

struct gw_counter *gw_metrics_counter(struct gw_metrics *m, enum gw_metric family, const char *v1,
                                      const char *v2)
{
    assert(families[family].type != HISTOGRAM);
    return &find(m, family, v1, v2)->counter;
}

struct gw_histogram *gw_metrics_histogram(struct gw_metrics *m, enum gw_metric family,
                                          const char *v1, const char *v2)
{
    assert(families[family].type == HISTOGRAM);
    return find(m, family, v1, v2)->histogram;
}

void gw_histogram_add(struct gw_histogram *h, int64_t ns)
{
    size_t i = 0;

    while (i < GW_HISTOGRAM_BOUNDS && ns > bounds_ns[i])
        i++;
    atomic_fetch_add_explicit(&h->bucket[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum_ns, (uint64_t)(ns > 0 ? ns : 0), memory_order_relaxed);
}

void gw_metrics_on_scrape(struct gw_metrics *m, void (*fn)(void *ctx), void *ctx)
{
    struct scraper *s = zeroed(sizeof(*s));

    *s = (struct scraper){.fn = fn, .ctx = ctx};
    pthread_mutex_lock(&m->lock);
    s->next = m->scrapers;
    m->scrapers = s;
    pthread_mutex_unlock(&m->lock);
}

/* {pipeline="lineage",le="0.1"}; nothing without labels. */
static void put_labels(struct gw_buf *b, const struct family *f, const struct series *s,
                       const char *le)
{
    int n = 0;

    for (size_t i = 0; i < 2 && f->labels[i]; i++) {
        gw_buf_printf(b, "%c%s=\"", n++ ? ',' : '{', f->labels[i]);
        gw_sums_put_value(b, gw_str_of(s->values[i]));
        gw_buf_putc(b, '"');
    }
    if (le)
        gw_buf_printf(b, "%cle=\"%s\"", n++ ? ',' : '{', le);
    if (n)
        gw_buf_putc(b, '}');
}

static void put_histogram(struct gw_buf *b, const struct family *f, const struct series *s)
{
    uint64_t total = 0;

    for (size_t i = 0; i <= GW_HISTOGRAM_BOUNDS; i++) {
        char le[32] = "+Inf";

        if (i < GW_HISTOGRAM_BOUNDS)
            snprintf(le, sizeof(le), "%g", (double)bounds_ns[i] / 1e9);
        total += atomic_load_explicit(&s->histogram->bucket[i], memory_order_relaxed);
        gw_buf_printf(b, "%s_bucket", f->name);
        put_labels(b, f, s, le);
        gw_buf_printf(b, " %llu\n", (unsigned long long)total);
    }
    gw_buf_printf(b, "%s_sum", f->name);
    put_labels(b, f, s, NULL);
    gw_buf_putc(b, ' ');
    gw_json_put_double(
        b, (double)atomic_load_explicit(&s->histogram->sum_ns, memory_order_relaxed) / 1e9);
    gw_buf_printf(b, "\n%s_count", f->name);
    put_labels(b, f, s, NULL);
    gw_buf_printf(b, " %llu\n", (unsigned long long)total);
}

static void put_series(struct gw_buf *b, const struct family *f, const struct series *s)
{
    int64_t v = atomic_load_explicit(&s->counter.value, memory_order_relaxed);

    if (f->type == HISTOGRAM) {
        put_histogram(b, f, s);
        return;
    }
    if (v == gw_gauge_absent)
        return;
    gw_buf_puts(b, f->name);
    put_labels(b, f, s, NULL);
    gw_buf_putc(b, ' ');
    if (f->type == SECONDS)
        gw_json_put_double(b, (double)v / 1e9);
    else
        gw_buf_put_i64(b, v);
    gw_buf_putc(b, '\n');
}

/* A counter in seconds has its type told by its name. */
static const char *type_name(const struct family *f)
{
    size_t n = strlen(f->name);

    if (f->type == HISTOGRAM)
        return "histogram";
    return n > 6 && !strcmp(f->name + n - 6, "_total") ? "counter" : "gauge";
}

void gw_metrics_write(struct gw_metrics *m, struct gw_buf *out)
{
    struct scraper *scrapers;

    pthread_mutex_lock(&m->lock);
    scrapers = m->scrapers;
    pthread_mutex_unlock(&m->lock);
    for (struct scraper *s = scrapers; s; s = s->next)
        s->fn(s->ctx);
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < GW_M_COUNT; i++) {
        const struct family *f = &families[i];

        if (!m->first[i])
            continue;
        gw_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name, type_name(f));
        for (const struct series *s = m->first[i]; s; s = s->next)
            put_series(out, f, s);
    }
    pthread_mutex_unlock(&m->lock);
    gw_sums_write(m->sums, out);
}
