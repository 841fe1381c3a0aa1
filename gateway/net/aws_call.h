#ifndef GW_NET_AWS_CALL_H
#define GW_NET_AWS_CALL_H

#include "net/aws_answer.h"
#include "net/aws_ask.h"

/* Signed requests to one service of AWS, on a worker's loop. Keys are the process's (aws_keys.h);
 * a call waits while they are asked for.
 *
 * Invariants
 *  1. done is called once for each start that was not cancelled, never inside start.
 *  2. A call whose keys were refused is made once more with newer ones, one whose time was refused
 *     once more by the service's clock; neither counts as a failure.
 *  3. No secret is in `why`. */
struct gw_aws_client {
    struct gw_loop *loop;
    const char *service; /* "sns", "sqs", "sts" */
    const char *name;    /* "SNS", for errors */
    const char *region;
    const char *url;     /* where requests go: the endpoint, with a path */
    const char *problem; /* NULL, or why no call can be made: no region, no URL */
    struct gw_str host, path;
    struct gw_fetch_conf conf;
    struct gw_fetcher *fetcher;
    struct gw_aws_credentials *credentials;
    struct gw_aws_ask ask;
    struct gw_aws_call *waiting, **waiting_last;
    struct gw_timer look;
    struct gw_task give_back; /* those that wait cannot go */
    struct gw_arena *mem;     /* the client's own texts */
    struct gw_arena *scratch; /* of one signature or answer */
};

struct gw_aws_call {
    struct gw_fetch fetch; /* first; its body is the caller's, to be set before each start */
    struct gw_aws_client *client;
    struct gw_aws_call *next;          /* among those that wait */
    const char *content_type, *target; /* target: x-amz-target; NULL: none */
    void (*done)(struct gw_aws_call *c);
    /* When it is done. status 0: it never got there. code and message live until done returns. */
    struct gw_aws_error error;
    char why[GW_AWS_WHY];

    uint64_t keys;  /* the number of those it was signed with */
    int64_t skew_s; /* what it was signed with */
    int renewed, skewed, queued;
};

enum { GW_AWS_CALLS = 16, GW_AWS_CALL_MS = 30000 };

/* region and endpoint as configured, NULL: not; hint: the region of an ARN or a URL. */
void gw_aws_client_init(struct gw_aws_client *c, struct gw_loop *loop, const char *service,
                        const char *region, const char *hint, const char *endpoint);
void gw_aws_client_fini(struct gw_aws_client *c); /* its calls are finished already */
void gw_aws_call_init(struct gw_aws_call *c, struct gw_aws_client *client);
void gw_aws_call_fini(struct gw_aws_call *c); /* cancels */
void gw_aws_call_cancel(struct gw_aws_call *c);
void gw_aws_call_start(struct gw_aws_call *c);
/* Why, and what to look at, for people; in out. Until done returns. */
enum { GW_AWS_TOLD = GW_AWS_WHY + 80 };
const char *gw_aws_call_told(const struct gw_aws_call *c, char *out, size_t size);

#endif
