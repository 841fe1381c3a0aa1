#include "pipeline/window.h"

#include "base/arena.h"
#include "test.h"

#include <stdlib.h>

static struct gw_item *read_one(struct gw_window *w, uint64_t key)
{
    struct gw_item *it = gw_window_add(w);

    it->rec.key_hash = key;
    gw_window_measure(w, it);
    return it;
}

static void end(struct gw_window *w, struct gw_item *it)
{
    gw_window_end(w, it);
    gw_window_free(w, it);
}

TEST(test_window_counts_what_ended_behind_the_first_that_has_not)
{
    struct gw_window w;
    struct gw_item *first, *it;

    gw_window_init(&w, 100, 1 << 30);
    first = read_one(&w, 1);
    for (int i = 0; i < 98; i++)
        end(&w, read_one(&w, 2));
    CHECK(w.n_items == 1 && gw_window_has_room(&w));
    gw_window_pass(&w); /* one that was filtered unread counts too */
    CHECK(!gw_window_has_room(&w));
    end(&w, first);
    CHECK(gw_window_has_room(&w) && w.first == w.next);
    it = read_one(&w, 1);
    CHECK(it->number == 100);
    gw_window_fini(&w);
}

TEST(test_window_of_any_size_finds_its_first_again)
{
    for (uint64_t max = 1; max < 200; max += 13) {
        struct gw_window w;
        struct gw_item *held[200];
        unsigned seed = 1;

        gw_window_init(&w, max, 1 << 30);
        for (int round = 0; round < 50; round++) {
            size_t n = 0;

            while (gw_window_has_room(&w))
                held[n++] = read_one(&w, 1);
            CHECK(n >= 1 && n <= max && w.next - w.first == max);
            while (n) { /* in any order */
                size_t i = (seed = seed * 1664525 + 1013904223) / 65536 % n;

                end(&w, held[i]);
                held[i] = held[--n];
            }
            CHECK(w.first == w.next);
        }
        gw_window_fini(&w);
    }
}

TEST(test_window_bounds_bytes_but_lets_one_record_alone_through)
{
    struct gw_window w;
    struct gw_item *big;

    gw_window_init(&w, 100, 64 * 1024);
    big = read_one(&w, 1);
    gw_arena_alloc(big->mem, 100 * 1024);
    gw_window_measure(&w, big);
    CHECK(!gw_window_has_room(&w));
    end(&w, big);
    CHECK(w.bytes == 0 && gw_window_has_room(&w));
    for (int i = 0; gw_window_has_room(&w); i++) {
        read_one(&w, 1);
        CHECK(i < 64);
    }
    CHECK(w.bytes >= 64 * 1024 && w.bytes < 80 * 1024);
    gw_window_fini(&w);
}

/* A dead letter's bytes are there until its commit: a slow disk must not let them pile up. */
TEST(test_window_counts_what_has_ended_until_it_is_freed)
{
    struct gw_window w;
    struct gw_item *ended[64];
    int n = 0;

    gw_window_init(&w, 100, 64 * 1024);
    while (gw_window_has_room(&w)) {
        CHECK(n < 64);
        ended[n] = read_one(&w, 1);
        gw_window_end(&w, ended[n++]);
    }
    CHECK(n > 1 && w.next == w.first && w.bytes >= 64 * 1024);
    while (n > 0)
        gw_window_free(&w, ended[--n]);
    CHECK(w.bytes == 0 && gw_window_has_room(&w));
    gw_window_fini(&w);
}

TEST(test_window_lets_records_of_a_key_go_one_after_the_other)
{
    struct gw_window w;
    struct gw_item *a, *b, *c, *other;

    gw_window_init(&w, 100, 1 << 30);
    a = read_one(&w, 1);
    CHECK(!gw_window_waits(&w, a));
    gw_window_hold(&w, a);
    b = read_one(&w, 1);
    c = read_one(&w, 1);
    other = read_one(&w, 2);
    CHECK(gw_window_waits(&w, b) && gw_window_waits(&w, c) && !gw_window_waits(&w, other));
    CHECK(gw_window_let_go(&w, other) == NULL);
    CHECK(gw_window_let_go(&w, a) == b && b->held);
    CHECK(gw_window_let_go(&w, b) == c);
    CHECK(gw_window_let_go(&w, c) == NULL && w.keys.n == 0);
    CHECK(!gw_window_waits(&w, read_one(&w, 1)));
    gw_window_fini(&w);
}

TEST(test_window_keeps_few_spare_items)
{
    struct gw_window w;
    struct gw_item *all[1000];

    gw_window_init(&w, 1000, 1 << 30);
    for (int i = 0; i < 1000; i++)
        all[i] = read_one(&w, 1);
    for (int i = 0; i < 1000; i++)
        end(&w, all[i]);
    CHECK(w.n_spares <= 256);
    gw_window_fini(&w);
}
