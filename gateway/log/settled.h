#ifndef GW_LOG_SETTLED_H
#define GW_LOG_SETTLED_H

#include <stddef.h>
#include <stdint.h>

struct gw_buf;
struct gw_str;

/* A position, below and at which everything is settled, and the set of what is settled above it.
 * The set is a bitmap that grows with its span; the caller bounds that (max_in_flight). */
struct gw_settled_set {
    uint64_t position;
    uint64_t above; /* how many are settled above */
    uint64_t base;  /* sequence of words[0]'s bit 0: a multiple of 64, at most position + 1 */
    uint64_t *words;
    size_t n, cap;
};

void gw_settled_init(struct gw_settled_set *s, uint64_t position);
void gw_settled_fini(struct gw_settled_set *s);
void gw_settled_copy(struct gw_settled_set *to, const struct gw_settled_set *from);
/* 1: it is new; 0: it was settled before. Moves the position over what is now contiguous. */
int gw_settled_add(struct gw_settled_set *s, uint64_t sequence);
int gw_settled_has(const struct gw_settled_set *s, uint64_t sequence);
uint64_t gw_settled_last(const struct gw_settled_set *s); /* the highest settled sequence */
/* How many above `from` are in each of the n sets. */
uint64_t gw_settled_in_all(const struct gw_settled_set *const *sets, size_t n, uint64_t from);
/* The set above the position: bit i of byte j is position + 1 + 8j + i. */
void gw_settled_put(struct gw_buf *out, const struct gw_settled_set *s);
void gw_settled_read(struct gw_settled_set *s, uint64_t position, struct gw_str bits);

#endif
