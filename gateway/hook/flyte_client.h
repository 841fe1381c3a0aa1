#ifndef GW_HOOK_FLYTE_CLIENT_H
#define GW_HOOK_FLYTE_CLIENT_H

#include "base/field.h"
#include "base/str.h"

#include <stdint.h>

struct gw_arena;
struct gw_buf;
struct gw_problems;
struct gw_yaml;

/* FlyteAdmin as moongate.flyte asks it: what all workers of a configuration share, the answers that
 * are kept and the token. Any thread. flyte_ask.h has a worker's own part: its connections.
 *
 * Kept for an hour, with the time it was said: whoever asks says how old an answer may be. "There
 * is none" is kept for 10 s. 16 MiB in all, what was used longest ago goes first. */
struct gw_flyte_client;

struct gw_flyte_client_tls {
    const char *ca;
};
struct gw_flyte_client_conf {
    const char *address; /* host:port, dns:///host:port too; NULL: there is no FlyteAdmin */
    struct gw_flyte_client_tls *tls;       /* NULL: without */
    const char *client_id, *client_secret; /* NULL: no login */
};
extern const struct gw_field gw_flyte_client_fields[];
void gw_flyte_client_check(const struct gw_flyte_client_conf *c, struct gw_problems *p,
                           const struct gw_yaml *at);

/* The process has one for each configuration that means another; conf is copied. It goes with its
 * last holder. */
struct gw_flyte_client *gw_flyte_client_hold(const struct gw_flyte_client_conf *conf);
void gw_flyte_client_drop(struct gw_flyte_client *c); /* NULL is fine */
const struct gw_flyte_client_conf *gw_flyte_client_conf(const struct gw_flyte_client *c);
/* "http://host:port" */
const char *gw_flyte_client_url(const struct gw_flyte_client *c);

/* What is asked for; the answers are kept apart. */
enum gw_flyte_what {
    GW_ASK_EXECUTION,
    GW_ASK_WORKFLOW, /* as it was compiled */
    GW_ASK_STORED,   /* a workflow as it is stored: in a list */
    GW_ASK_TASK,
    GW_ASK_ATTEMPT, /* a node's last task execution: in a list */
    GW_ASKS
};

/* What is kept for a request's bytes and not older than max_age_ns: 1 an answer, -1 why there is
 * none, 0 nothing. On mem. */
int gw_flyte_client_get(struct gw_flyte_client *c, enum gw_flyte_what what, struct gw_str request,
                        int64_t max_age_ns, struct gw_arena *mem, struct gw_str *out);
void gw_flyte_client_keep(struct gw_flyte_client *c, enum gw_flyte_what what, struct gw_str request,
                          int is_there, struct gw_str answer);

/* The token: the header's name and value are put into the buffers; gives its number, 0: there is
 * none. *due: half its life is over. */
uint64_t gw_flyte_client_token(struct gw_flyte_client *c, struct gw_buf *name, struct gw_buf *value,
                               int *due);
/* A login because of token `number` (0: there was none). 1: the caller logs in, and says how it
 * ended; 0: somebody else does or has just done, ask again after ms; -1: a newer token is there. */
int gw_flyte_client_login(struct gw_flyte_client *c, uint64_t number, int64_t *ms);
/* p NULL: it failed. lives_s 0: not said. */
void gw_flyte_client_logged_in(struct gw_flyte_client *c, struct gw_str header, struct gw_str token,
                               int64_t lives_s);

#endif
