#ifndef GW_NET_AWS_ASK_H
#define GW_NET_AWS_ASK_H

#include "base/buf.h"
#include "net/aws_endpoint.h"
#include "net/aws_keys.h"
#include "net/aws_plan.h"
#include "net/command.h"
#include "net/fetch.h"
#include "net/loop.h"

/* How credentials are had, on a worker's loop: the plan is made anew, its source is read or asked,
 * then its roles are assumed one after the other. Files are read each time, so rotated ones count.
 * What is asked for nearby (container, instance) never goes through a proxy.
 *
 * The facts: docs.aws.amazon.com, "Standardized credential providers", and STS's API. */
enum { GW_AWS_WHY = 400, GW_AWS_ANSWER = 1 << 20 };

struct gw_aws_ask {
    struct gw_aws_credentials *credentials;
    struct gw_loop *loop;
    struct gw_fetcher *far_fetcher, *near_fetcher;
    struct gw_fetch_conf far_conf, near_conf;
    /* Called once a start, never inside it: why NULL: there are new keys. The credentials were
     * told already. */
    void (*ended)(struct gw_aws_ask *a, const char *why);
    /* For STS where nobody says a region: its global keys are none for every region. NULL: none. */
    const char *callers_region;
    int running;

    struct gw_fetch far, near;
    struct gw_task said;       /* how it ended, where nobody had to be asked */
    struct gw_command process; /* credential_process */
    struct gw_arena *mem;      /* of one asking */
    const struct gw_aws_profiles *profiles;
    struct gw_aws_plan plan;
    struct gw_aws_role *role; /* the one that is being assumed, or is next */
    const char *region;
    struct gw_aws_keys keys;
    int64_t expires_s;
    struct gw_str instance_token, instance_role;
    int skewed;         /* STS was asked again by its own clock */
    int64_t skew_s;     /* what the last request was signed with */
    struct gw_str form; /* it */
    char why[GW_AWS_WHY];
};

void gw_aws_ask_init(struct gw_aws_ask *a, struct gw_aws_credentials *c, struct gw_loop *loop);
/* Nobody is told any more; somebody else may ask then. */
void gw_aws_ask_fini(struct gw_aws_ask *a);
/* After gw_aws_credentials_begin said 1. */
void gw_aws_ask_start(struct gw_aws_ask *a);

/* Between aws_ask.c, aws_near.c and aws_process.c. */
/* The source's keys: AccessKeyId, SecretAccessKey, the token under the name given, Expiration. */
void gw_aws_ask_json(struct gw_aws_ask *a, struct gw_str json, const char *token, const char *of);
void gw_aws_ask_fail(struct gw_aws_ask *a, const char *of, const char *why);
/* An answer that is no success. */
void gw_aws_ask_refused(struct gw_aws_ask *a, const struct gw_fetch *f, const char *of);
void gw_aws_ask_container(struct gw_aws_ask *a);
void gw_aws_ask_instance(struct gw_aws_ask *a);
void gw_aws_ask_process(struct gw_aws_ask *a);
/* A file with a token in one line, on mem; p NULL: it failed, and a says why. */
struct gw_str gw_aws_read_token(struct gw_aws_ask *a, const char *path, const char *of);
/* After an answer to a request that was signed with skew_s: 1, if the services' clock turns out to
 * be another than was thought (what has been found meanwhile counts, too), and ours is corrected.
 */
int gw_aws_clock_was_off(struct gw_aws_credentials *c, const struct gw_fetch *f, int64_t skew_s);
/* An error that says so. */
int gw_aws_is_of_the_clock(struct gw_str code);
int gw_aws_is_one_of(struct gw_str code, const char *const *list);

#endif
