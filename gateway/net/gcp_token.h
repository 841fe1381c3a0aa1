#ifndef GW_NET_GCP_TOKEN_H
#define GW_NET_GCP_TOKEN_H

#include "base/str.h"
#include "net/renewal.h"

#include <stdint.h>

struct gw_arena;

/* Google's token of the process: one for all workers, pipelines and sources (renewal.h says who
 * asks, and when; gcp_ask.h how). Any thread. */
struct gw_gcp_tokens;

struct gw_gcp_token {
    struct gw_str bearer;
    struct gw_str quota_project; /* empty: none */
    struct gw_str who;           /* empty: it is not known */
};

/* There is one; it goes with its last holder. */
struct gw_gcp_tokens *gw_gcp_tokens_hold(void);
void gw_gcp_tokens_drop(struct gw_gcp_tokens *c); /* NULL is fine */

/* Copies on mem. Gives its number; 0: there is none that can be used, but what is known of the
 * last one stays. *due: whoever can should ask for a new one, and may go on with this one. */
uint64_t gw_gcp_tokens_get(struct gw_gcp_tokens *c, struct gw_arena *mem, struct gw_gcp_token *out,
                           int *due);
enum gw_turn gw_gcp_tokens_begin(struct gw_gcp_tokens *c, uint64_t number, int refused,
                                 int64_t *ms);
/* token NULL: it failed, and why says why; why NULL too: it was given up. */
void gw_gcp_tokens_end(struct gw_gcp_tokens *c, const struct gw_gcp_token *token, int64_t life_ms,
                       const char *why);
/* What an endpoint gave instead of a file's refresh token, which may be good for nothing since; on
 * mem, empty: nothing. Empty, too, once the file has another one, or after take with an empty
 * `newer`. It is not written into the file, as Google's libraries do not. */
struct gw_str gw_gcp_tokens_newer(struct gw_gcp_tokens *c, struct gw_arena *mem,
                                  struct gw_str files);
void gw_gcp_tokens_take_newer(struct gw_gcp_tokens *c, struct gw_str files, struct gw_str newer);
/* Why the last asking failed; on mem, empty if it did not. */
struct gw_str gw_gcp_tokens_why(struct gw_gcp_tokens *c, struct gw_arena *mem);

#endif
