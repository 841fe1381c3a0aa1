#include "hook/caches.h"

#include "base/arena.h"
#include "base/clock.h"
#include "test.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { MB = 1 << 20 };
static const int64_t second = 1000000000;

static struct gw_caches *caches_of(size_t bytes)
{
    struct gw_caches *c = gw_caches_new();

    gw_caches_bound(c, bytes);
    return c;
}

static int has(struct gw_cache *cache, const char *key, int64_t now_ns, const char *value)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_str got;
    int there = gw_cache_get(cache, gw_str_of(key), now_ns, mem, &got);

    if (there && value)
        CHECK(gw_str_is(got, value));
    gw_arena_free(mem);
    return there;
}

TEST(test_caches_hold_max_entries_the_least_used_goes)
{
    struct gw_caches *c = caches_of(MB);
    const struct gw_cache_conf conf = {.max = 2, .ttl_ns = INT64_MAX}, one = {1, INT64_MAX};
    struct gw_cache *cache = gw_caches_open(c, GW_STR("c"), &conf);

    CHECK(!gw_cache_set(cache, GW_STR("a"), GW_STR("1"), 0));
    CHECK(!gw_cache_set(cache, GW_STR("b"), GW_STR("2"), 0));
    CHECK(has(cache, "a", 0, "1"));
    CHECK(!gw_cache_set(cache, GW_STR("c"), GW_STR("3"), 0));
    CHECK(has(cache, "a", 0, "1") && !has(cache, "b", 0, NULL) && has(cache, "c", 0, "3"));
    CHECK(!gw_cache_set(cache, GW_STR("a"), GW_STR("new"), 0));
    CHECK(has(cache, "a", 0, "new") && has(cache, "c", 0, "3"));
    gw_cache_delete(cache, GW_STR("a"));
    CHECK(!has(cache, "a", 0, NULL));
    CHECK(!gw_cache_set(cache, GW_STR("a"), GW_STR("1"), 0));
    CHECK(gw_caches_open(c, GW_STR("c"), &one) == cache); /* less from now on */
    CHECK(has(cache, "a", 0, "1") && !has(cache, "c", 0, NULL));
    gw_caches_free(c);
}

TEST(test_caches_entries_grow_old_by_the_ttl_of_now)
{
    struct gw_caches *c = caches_of(MB);
    struct gw_cache_conf conf = {.max = 10, .ttl_ns = 5 * second};
    struct gw_cache *cache = gw_caches_open(c, GW_STR("c"), &conf);

    gw_cache_set(cache, GW_STR("a"), GW_STR("1"), 100 * second);
    CHECK(has(cache, "a", 105 * second - 1, "1"));
    CHECK(has(cache, "a", 0, "1")); /* a clock that was set back */
    conf.ttl_ns = 3 * second;
    gw_caches_open(c, GW_STR("c"), &conf);
    CHECK(!has(cache, "a", 103 * second, NULL));
    gw_caches_free(c);
}

/* All of them together, whichever it was that grew; an entry of its own size never fits. */
TEST(test_caches_are_bounded_in_bytes_together)
{
    enum { N = 4000, VALUE = 1000 };
    struct gw_caches *c = caches_of(MB);
    const struct gw_cache_conf conf = {.max = 1000000, .ttl_ns = INT64_MAX};
    struct gw_cache *a = gw_caches_open(c, GW_STR("a"), &conf);
    struct gw_cache *b = gw_caches_open(c, GW_STR("b"), &conf);
    static char value[2 * MB];
    size_t in_a = 0, in_b = 0;
    char key[16];

    memset(value, 'v', sizeof(value));
    for (int i = 0; i < N; i++) {
        snprintf(key, sizeof(key), "%d", i);
        CHECK(!gw_cache_set(i % 4 ? b : a, gw_str_of(key), (struct gw_str){value, VALUE}, 0));
    }
    for (int i = 0; i < N; i++) {
        snprintf(key, sizeof(key), "%d", i);
        in_a += (size_t)has(a, key, 0, NULL);
        in_b += (size_t)has(b, key, 0, NULL);
    }
    CHECK((in_a + in_b) * VALUE < MB && (in_a + in_b) * VALUE > MB / 2);
    CHECK(in_a > in_b / 4 && in_a < in_b / 2);
    CHECK(gw_cache_set(a, GW_STR("big"), (struct gw_str){value, 2 * MB}, 0) == -1);
    CHECK(!has(a, "big", 0, NULL));
    gw_caches_bound(c, 10000);
    for (int i = 0; i < N; i++) {
        snprintf(key, sizeof(key), "%d", i);
        in_a -= !has(a, key, 0, NULL) && i % 4 == 0 && in_a;
    }
    CHECK(in_a * VALUE < 10000);
    gw_caches_free(c);
}

/* 0 with a sanitizer's own malloc. */
static size_t allocated(void)
{
    const struct mallinfo2 m = mallinfo2();

    return m.uordblks + m.hblkhd;
}

/* What one cache had room for when it had all the bytes is not kept for it. */
TEST(test_caches_that_were_large_are_small_again)
{
    struct gw_caches *c = caches_of(MB);
    const struct gw_cache_conf conf = {.max = 1000000, .ttl_ns = INT64_MAX};
    const size_t before = allocated();
    char name[16];

    for (int i = 0; i < 90; i++) {
        struct gw_cache *cache;

        snprintf(name, sizeof(name), "c%d", i);
        cache = gw_caches_open(c, gw_str_of(name), &conf);
        for (int k = 0; k < 9000; k++)
            gw_cache_set(cache, (struct gw_str){(const char *)&k, sizeof(k)}, GW_STR(""), 0);
    }
    CHECK(allocated() - before < 2 * MB);
    gw_caches_free(c);
}

TEST(test_caches_make_room_for_a_new_name_when_one_is_not_in_use)
{
    struct gw_caches *c = caches_of(MB);
    struct gw_cache *all[GW_CACHES_MAX];
    char name[16];

    for (int i = 0; i < GW_CACHES_MAX; i++) {
        snprintf(name, sizeof(name), "c%d", i);
        all[i] = gw_caches_open(c, gw_str_of(name), NULL);
    }
    gw_cache_set(all[7], GW_STR("k"), GW_STR("v"), 0);
    CHECK(!gw_caches_open(c, GW_STR("more"), NULL));
    CHECK(gw_caches_open(c, GW_STR("c7"), NULL) == all[7]); /* in use twice */
    gw_cache_close(all[7]);
    CHECK(!gw_caches_open(c, GW_STR("more"), NULL));
    gw_cache_close(all[7]);
    all[7] = gw_caches_open(c, GW_STR("more"), NULL);
    CHECK(all[7] && !has(all[7], "k", 0, NULL));
    gw_caches_free(c);
}

TEST(test_caches_now_never_jumps)
{
    struct gw_caches *c = caches_of(MB);
    int64_t now = gw_caches_now(c), wall = gw_clock_wall_ns();

    CHECK(now - wall < 60 * second && wall - now < 60 * second);
    CHECK(gw_caches_now(c) >= now);
    gw_caches_free(c);
}

static void *use_all(void *arg)
{
    struct gw_caches *c = arg;
    const struct gw_cache_conf conf = {.max = 50, .ttl_ns = 10};
    struct gw_arena *mem = gw_arena_new();
    char key[16], name[16];

    for (int i = 0; i < 4000; i++) {
        struct gw_cache *cache;
        struct gw_str got;

        snprintf(name, sizeof(name), "c%d", i / 500);
        snprintf(key, sizeof(key), "%d", i % 97);
        cache = gw_caches_open(c, gw_str_of(name), &conf);
        if (gw_cache_get(cache, gw_str_of(key), i, mem, &got))
            CHECK(gw_str_is(got, key));
        gw_cache_set(cache, gw_str_of(key), gw_str_of(key), i);
        if (i % 13 == 0)
            gw_cache_delete(cache, gw_str_of(key));
        gw_cache_close(cache);
        gw_arena_reset(mem);
    }
    gw_arena_free(mem);
    return NULL;
}

TEST(test_caches_are_used_by_many_threads)
{
    struct gw_caches *c = caches_of(8000);
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        CHECK(!pthread_create(&threads[i], NULL, use_all, c));
    for (int i = 0; i < 100; i++)
        gw_caches_bound(c, 8000 + (size_t)(i % 7) * 1000);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    gw_caches_free(c);
}
