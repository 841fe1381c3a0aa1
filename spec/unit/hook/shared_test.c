#include "hook/shared.h"

#include "base/buf.h"
#include "base/metrics.h"
#include "base/sums.h"
#include "hook/counters.h"
#include "hook/world.h"
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

static void world_shares(struct world *w, struct gw_hook_shared *s, struct gw_metrics *m)
{
    world_init(w);
    w->conf.shared = s;
    w->conf.metrics = m;
    world_script(w, "s.lua",
                 "local c = require('moongate').counter('seen', {by = 'script'})\n"
                 "return function() c:add(2) end\n");
    world_open(w);
}

TEST(test_shared_counters_go_on_over_a_reload_and_in_the_next_hooks)
{
    struct gw_metrics *m = gw_metrics_new();
    struct gw_hook_shared *s = gw_hook_shared_new("orders", m);
    struct world w, v;

    world_shares(&w, s, m);
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH);
    CHECK(!gw_hooks_reload(w.hooks, NULL, &w.err));
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH);
    world_close(&w);
    world_shares(&v, s, m);
    CHECK(world_call(&v)->verdict == GW_HOOK_PUBLISH);
    world_close(&v);
    CHECK(strstr(scrape(m), "moongate_script_seen_total{pipeline=\"orders\",by=\"script\"} 6\n"));
    gw_hook_shared_drop(s);
    CHECK(!strstr(scrape(m), "moongate_script_seen_total"));
    gw_metrics_free(m);
}

TEST(test_shared_pipelines_count_apart_under_one_name)
{
    struct gw_metrics *m = gw_metrics_new();
    struct gw_hook_shared *a = gw_hook_shared_new("a", m), *b = gw_hook_shared_new("b", m);
    const struct gw_label label = {GW_STR("l"), GW_STR("v")};

    gw_sum_count(gw_counters_get(gw_hook_shared_counters(a), GW_STR("n"), NULL, 0), 1);
    gw_sum_count(gw_counters_get(gw_hook_shared_counters(b), GW_STR("n"), &label, 1), 2);
    CHECK(strstr(scrape(m), "# TYPE moongate_script_n_total counter\n"
                            "moongate_script_n_total{pipeline=\"a\"} 1\n"
                            "moongate_script_n_total{pipeline=\"b\",l=\"v\"} 2\n"));
    gw_hook_shared_drop(a);
    CHECK(!strstr(scrape(m), "pipeline=\"a\"") && strstr(out.p, "pipeline=\"b\""));
    gw_hook_shared_drop(b);
    gw_metrics_free(m);
}

TEST(test_shared_aside_counts_where_nobody_looks)
{
    struct gw_metrics *m = gw_metrics_new();
    struct gw_hook_shared *s = gw_hook_shared_new("orders", m), *aside = gw_hook_shared_aside(s);
    struct world w;

    gw_hook_shared_drop(s); /* the one beside it lives on */
    world_shares(&w, aside, m);
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH);
    CHECK(!strstr(scrape(m), "moongate_script_seen_total"));
    world_close(&w);
    gw_hook_shared_drop(aside);
    gw_metrics_free(m);
}

/* Another version of a script may have other labels. */
TEST(test_shared_counter_changes_its_labels_with_the_script)
{
    struct gw_metrics *m = gw_metrics_new();
    struct gw_hook_shared *s = gw_hook_shared_new("orders", m);
    struct world w;

    world_shares(&w, s, m);
    world_call(&w);
    world_write("s.lua", "local c = require('moongate').counter('seen', {to = 'me'})\n"
                         "return function() c:add(2) end\n");
    CHECK(!gw_hooks_reload(w.hooks, NULL, &w.err));
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH);
    CHECK(strstr(scrape(m), "moongate_script_seen_total{pipeline=\"orders\",by=\"script\"} 2\n"
                            "moongate_script_seen_total{pipeline=\"orders\",to=\"me\"} 2\n"));
    world_close(&w);
    gw_hook_shared_drop(s);
    gw_metrics_free(m);
}

static void *count_many(void *arg)
{
    struct gw_label label = {.name = GW_STR("i")};
    char value[16];

    for (int i = 0; i < 3000; i++) {
        snprintf(value, sizeof(value), "%d", i % 1500);
        label.value = gw_str_of(value);
        gw_sum_count(gw_counters_get(arg, GW_STR("n"), &label, 1), 1);
    }
    return NULL;
}

static void add_up(void *ctx, const char *metric, struct gw_str labels, double value)
{
    CHECK(!strcmp(metric, "moongate_script_n_total") && !labels.p[labels.len]);
    *(double *)ctx += value;
}

TEST(test_shared_counters_of_many_threads_lose_nothing)
{
    struct gw_metrics *m = gw_metrics_new();
    struct gw_hook_shared *s = gw_hook_shared_new("orders", m);
    pthread_t threads[4];
    double sum = 0;

    for (int i = 0; i < 4; i++)
        CHECK(!pthread_create(&threads[i], NULL, count_many, gw_hook_shared_counters(s)));
    for (int i = 0; i < 20; i++)
        scrape(m);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    gw_counters_each(gw_hook_shared_counters(s), add_up, &sum);
    CHECK(sum > 11999.9 && sum < 12000.1);
    gw_hook_shared_drop(s);
    gw_metrics_free(m);
}
