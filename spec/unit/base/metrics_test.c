#include "base/metrics.h"

#include "base/buf.h"
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
    CHECK(!out.failed);
    return out.p;
}

TEST(test_metrics_series_is_the_same_when_asked_again)
{
    struct gw_metrics *m = gw_metrics_new();
    struct gw_counter *c = gw_metrics_counter(m, GW_M_EVENTS_RECEIVED, "grpc", "task");

    CHECK(gw_metrics_counter(m, GW_M_EVENTS_RECEIVED, "grpc", "task") == c);
    CHECK(gw_metrics_counter(m, GW_M_EVENTS_RECEIVED, "grpc", "node") != c);
    gw_count(c, 3);
    CHECK(strstr(scrape(m), "# TYPE moongate_events_received_total counter\n"
                            "moongate_events_received_total{ingest=\"grpc\",kind=\"task\"} 3\n"));
    gw_metrics_free(m);
}

TEST(test_metrics_label_values_are_escaped)
{
    struct gw_metrics *m = gw_metrics_new();

    gw_count(gw_metrics_counter(m, GW_M_EVENTS_FILTERED, "p", "a\"b\\c\nd\xc3"), 1);
    CHECK(strstr(scrape(m), "{pipeline=\"p\",reason=\"a\\\"b\\\\c\\nd\xef\xbf\xbd\"} 1\n"));
    gw_metrics_free(m);
}

TEST(test_metrics_histogram_buckets_are_cumulative)
{
    struct gw_metrics *m = gw_metrics_new();
    struct gw_histogram *h = gw_metrics_histogram(m, GW_M_ACK_SECONDS, "grpc", NULL);
    const char *text;

    gw_histogram_add(h, 1000000); /* a bound counts what is as long as itself */
    gw_histogram_add(h, 1000001);
    gw_histogram_add(h, 3600000000000);
    text = scrape(m);
    CHECK(strstr(text, "moongate_ack_seconds_bucket{ingest=\"grpc\",le=\"0.0005\"} 0\n"));
    CHECK(strstr(text, "moongate_ack_seconds_bucket{ingest=\"grpc\",le=\"0.001\"} 1\n"));
    CHECK(strstr(text, "moongate_ack_seconds_bucket{ingest=\"grpc\",le=\"0.0025\"} 2\n"));
    CHECK(strstr(text, "moongate_ack_seconds_bucket{ingest=\"grpc\",le=\"+Inf\"} 3\n"));
    CHECK(strstr(text, "moongate_ack_seconds_count{ingest=\"grpc\"} 3\n"));
    CHECK(strstr(text, "moongate_ack_seconds_sum{ingest=\"grpc\"} 3600.002"));
    gw_metrics_free(m);
}

static void on_scrape(void *ctx)
{
    gw_gauge_set(ctx, 2500000000);
}

TEST(test_metrics_scrape_asks_first_and_prints_seconds)
{
    struct gw_metrics *m = gw_metrics_new();

    gw_metrics_on_scrape(m, on_scrape, gw_metrics_counter(m, GW_M_PROCESS_CPU_SECONDS, NULL, NULL));
    CHECK(strstr(scrape(m), "# TYPE process_cpu_seconds_total counter\n"
                            "process_cpu_seconds_total 2.5\n"));
    gw_metrics_free(m);
}

static void *count_many(void *m)
{
    for (int i = 0; i < 1000; i++)
        gw_count(gw_metrics_counter(m, GW_M_HOOK_ERRORS, "p", i % 2 ? "a" : "b"), 1);
    return NULL;
}

TEST(test_metrics_count_from_any_thread)
{
    struct gw_metrics *m = gw_metrics_new();
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        CHECK(!pthread_create(&threads[i], NULL, count_many, m));
    scrape(m);
    for (int i = 0; i < 4; i++)
        CHECK(!pthread_join(threads[i], NULL));
    CHECK(strstr(scrape(m), "{pipeline=\"p\",hook=\"a\"} 2000\n"));
    CHECK(strstr(scrape(m), "{pipeline=\"p\",hook=\"b\"} 2000\n"));
    gw_metrics_free(m);
}

TEST(test_metrics_gauge_of_what_is_gone_is_left_out)
{
    struct gw_metrics *m = gw_metrics_new();
    struct gw_counter *up = gw_metrics_counter(m, GW_M_PIPELINE_UP, "p", NULL);

    gw_gauge_set(up, gw_gauge_absent);
    CHECK(!strstr(scrape(m), "moongate_pipeline_up{"));
    gw_gauge_set(up, 1);
    CHECK(strstr(scrape(m), "moongate_pipeline_up{pipeline=\"p\"} 1\n"));
    gw_metrics_free(m);
}
