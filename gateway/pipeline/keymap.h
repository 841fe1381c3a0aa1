#ifndef GW_PIPELINE_KEYMAP_H
#define GW_PIPELINE_KEYMAP_H

#include <stddef.h>
#include <stdint.h>

/* Hashes of keys to what is kept of each. Small and often empty: one array, nothing allocated until
 * the first key. Zeroed is empty. */
struct gw_keymap_slot {
    uint64_t key;
    void *value; /* NULL: a free slot */
};
struct gw_keymap {
    struct gw_keymap_slot *slots;
    size_t n, cap; /* cap: a power of two, at least twice n */
};

void *gw_keymap_get(const struct gw_keymap *m, uint64_t key); /* NULL if absent */
/* The key is not there yet. */
void gw_keymap_add(struct gw_keymap *m, uint64_t key, void *value);
void gw_keymap_remove(struct gw_keymap *m, uint64_t key);
/* Frees every value too. */
void gw_keymap_free(struct gw_keymap *m);

#endif
