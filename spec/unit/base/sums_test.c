#include "base/sums.h"

#include "base/buf.h"
#include "base/metrics.h"
#include "test.h"

#include <pthread.h>
#include <string.h>

static struct gw_buf out;

static const char *scrape(struct gw_metrics *m)
{
    gw_buf_free(&out);
    gw_buf_init(&out, 1 << 20, NULL);
    gw_metrics_write(m, &out);
    gw_buf_putc(&out, '\0');
    return out.p;
}

TEST(test_sums_are_written_by_family_behind_the_list)
{
    struct gw_metrics *m = gw_metrics_new();
    struct gw_sums *s = gw_metrics_sums(m);
    struct gw_sum *b = gw_sums_add(s, "b_total", GW_STR("x=\"1\""));
    struct gw_sum *a = gw_sums_add(s, "a_total", GW_STR(""));
    struct gw_sum *b2 = gw_sums_add(s, "b_total", GW_STR("x=\"2\""));

    gw_sum_count(b, 3);
    gw_sum_count(b2, 0.25);
    gw_sum_count(b2, 1e21);
    CHECK(strstr(scrape(m), "# HELP a_total Counted by a script with moongate.counter.\n"
                            "# TYPE a_total counter\n"
                            "a_total 0\n"
                            "# HELP b_total Counted by a script with moongate.counter.\n"
                            "# TYPE b_total counter\n"
                            "b_total{x=\"1\"} 3\n"
                            "b_total{x=\"2\"} 1e+21\n"));
    gw_sums_remove(s, b);
    CHECK(!strstr(scrape(m), "b_total{x=\"1\"}"));
    gw_sums_remove(s, b2);
    CHECK(!strstr(scrape(m), "b_total"));
    gw_sums_remove(s, a);
    CHECK(!strstr(scrape(m), "a_total"));
    gw_metrics_free(m);
}

TEST(test_sums_labels_stay_readable_whatever_they_are)
{
    struct gw_buf b;

    gw_buf_init(&b, 1000, NULL);
    gw_sums_put_label(&b, "a", GW_STR("q\"b\\n\nbad\xff"));
    gw_sums_put_label(&b, "b", GW_STR(""));
    gw_buf_putc(&b, '\0');
    CHECK(!strcmp(b.p, "a=\"q\\\"b\\\\n\\nbad\xef\xbf\xbd\",b=\"\""));
    gw_buf_free(&b);
}

static struct gw_sums *shared;
static struct gw_sum *counted;
static pthread_barrier_t together;

static void *count_and_make(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++) {
        struct gw_sum *own = gw_sums_add(shared, i % 2 ? "x_total" : "y_total", GW_STR(""));

        gw_sum_count(counted, 0.5);
        gw_sums_remove(shared, own);
    }
    pthread_barrier_wait(&together);
    for (int i = 0; i < 1000000; i++)
        gw_sum_count(counted, 1);
    return NULL;
}

TEST(test_sums_are_made_counted_and_written_by_many_threads)
{
    struct gw_metrics *m = gw_metrics_new();
    pthread_t threads[4];

    shared = gw_metrics_sums(m);
    counted = gw_sums_add(shared, "n_total", GW_STR(""));
    pthread_barrier_init(&together, NULL, 4);
    for (int i = 0; i < 4; i++)
        CHECK(!pthread_create(&threads[i], NULL, count_and_make, NULL));
    for (int i = 0; i < 100; i++)
        scrape(m);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK(gw_sum_value(counted) > 4001999.9 && gw_sum_value(counted) < 4002000.1);
    CHECK(strstr(scrape(m), "n_total 4002000\n") && !strstr(out.p, "x_total"));
    gw_sums_remove(shared, counted);
    gw_metrics_free(m);
}
