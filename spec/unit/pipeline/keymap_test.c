#include "pipeline/keymap.h"

#include "test.h"

#include <stdlib.h>

enum { KEYS = 300 };

/* Against an array, with keys that often have one home. */
TEST(test_keymap_is_what_an_array_would_be)
{
    struct gw_keymap m = {0};
    char *there[KEYS] = {0};
    unsigned seed = 7;
    size_t n = 0;

    for (int step = 0; step < 60000; step++) {
        unsigned k = (seed = seed * 1664525 + 1013904223) / 65536 % KEYS;
        const uint64_t key = (uint64_t)(k % 3) << 60 | k;

        CHECK(gw_keymap_get(&m, key) == there[k]);
        if (there[k]) {
            gw_keymap_remove(&m, key);
            free(there[k]);
            there[k] = NULL;
            n--;
        } else if (step % 4) {
            there[k] = malloc(1);
            gw_keymap_add(&m, key, there[k]);
            n++;
        }
        CHECK(m.n == n);
    }
    gw_keymap_free(&m);
    CHECK(!gw_keymap_get(&m, 1));
}
