#ifndef GW_NET_SHARED_H
#define GW_NET_SHARED_H

#include "base/buf.h"
#include "net/renewal.h"

#include <pthread.h>

struct gw_arena;

/* Credentials that all of a process share: one set for its workers, pipelines and sources, asked
 * for by whichever of them needs it first while the others wait (renewal.h says when). A few
 * texts; which is which is the owner's (aws_keys.c, gcp_token.c). Any thread. */
enum { GW_SHARED_TEXTS = 5 };

struct gw_shared {
    size_t refs;
    pthread_mutex_t lock; /* of all that follows */
    struct gw_renewal renewal;
    struct gw_buf texts[GW_SHARED_TEXTS], why;
};

/* The one of this place; size: of what begins with it, zeroed. It goes with its last holder, and
 * nothing of its texts stays in memory that is given back. */
struct gw_shared *gw_shared_hold(struct gw_shared **place, size_t size);
void gw_shared_drop(struct gw_shared **place, struct gw_shared *s); /* s NULL is fine */

/* Copies the first n texts to mem, as they were last. Their number; 0: they are not to be used.
 * *due: whoever can should ask for new ones, and may go on with these. */
uint64_t gw_shared_get(struct gw_shared *s, struct gw_arena *mem, struct gw_str *texts, size_t n,
                       int *due);
/* As gw_renewal_begin. After GW_TURN_ASK one of the two below says how it ended. */
enum gw_turn gw_shared_begin(struct gw_shared *s, uint64_t number, int refused, int64_t *ms);
void gw_shared_take(struct gw_shared *s, const struct gw_str *texts, size_t n, int64_t life_ms,
                    int64_t margin_ms);
/* why NULL: it was given up, the next one may ask at once. */
void gw_shared_fail(struct gw_shared *s, const char *why);
/* Other texts of the owner's, whatever becomes of the credentials; empty until they are put. */
void gw_shared_texts(struct gw_shared *s, struct gw_arena *mem, size_t from, struct gw_str *texts,
                     size_t n);
void gw_shared_put(struct gw_shared *s, size_t from, const struct gw_str *texts, size_t n);
/* Why the last asking failed; on mem, empty if it did not. */
struct gw_str gw_shared_why(struct gw_shared *s, struct gw_arena *mem);

#endif
