#include "pipeline/rate.h"

#include "test.h"

#include <pthread.h>

enum { MS = 1000000 };

/* What goes out in so many ms when everything that may go does. */
static int in(struct gw_rate *r, int64_t *now, int64_t ms)
{
    const int64_t until = *now + ms * MS;
    int n = 0;

    while (*now < until) {
        int64_t wait;

        while ((wait = gw_rate_wait_ms(r, *now)) == 0) {
            gw_rate_spend(r, *now);
            n++;
        }
        *now += wait * MS;
    }
    return n;
}

TEST(test_rate_of_nothing_is_no_limit)
{
    struct gw_rate r;

    gw_rate_init(&r, 0);
    for (int i = 0; i < 1000; i++) {
        CHECK(gw_rate_wait_ms(&r, 1) == 0);
        gw_rate_spend(&r, 1);
    }
}

TEST(test_rate_lets_that_many_go_a_second)
{
    static const int64_t rates[] = {1, 3, 20, 100, 1000, 33333, 1000000};

    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        int64_t now = 5000000000, n;
        struct gw_rate r;

        gw_rate_init(&r, rates[i]);
        n = in(&r, &now, 10000);
        CHECK(n >= rates[i] * 10 * 99 / 100);
        CHECK(n <= rates[i] * 10 * 101 / 100 + rates[i] / 20 + 1);
    }
}

TEST(test_rate_saves_up_a_twentieth_of_a_second_at_most)
{
    int64_t now = 5000000000;
    struct gw_rate r;
    int n;

    gw_rate_init(&r, 1000);
    (void)in(&r, &now, 1000);
    now += 3600000000000; /* an hour without events */
    n = in(&r, &now, 1);
    CHECK(n >= 40 && n <= 60);
    gw_rate_init(&r, 2);
    now += 3600000000000;
    CHECK(in(&r, &now, 100) == 1);
}

TEST(test_rate_that_was_overspent_is_paid_back)
{
    int64_t now = 5000000000;
    struct gw_rate r;

    gw_rate_init(&r, 10);
    for (int i = 0; i < 10; i++) /* a record that became ten messages */
        gw_rate_spend(&r, now);
    CHECK(gw_rate_wait_ms(&r, now) >= 900 && gw_rate_wait_ms(&r, now) <= 1000);
}

static struct gw_rate shared;
static _Atomic int64_t spent;

static void *spend(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10000; i++) {
        gw_rate_spend(&shared, 5000000000);
        spent++;
    }
    return NULL;
}

TEST(test_rate_is_one_for_all_threads)
{
    pthread_t t[3];

    gw_rate_init(&shared, 1000);
    for (int i = 0; i < 3; i++)
        CHECK(!pthread_create(&t[i], NULL, spend, NULL));
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    CHECK(spent == 30000 && gw_rate_wait_ms(&shared, 5000000000) > 29900);
}
