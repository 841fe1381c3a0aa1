#ifndef GW_NET_GCP_PUBSUB_H
#define GW_NET_GCP_PUBSUB_H

#include "base/header.h"
#include "net/gcp.h"
#include "net/loop.h"
#include "net/rpc.h"

/* Calls to Google Cloud Pub/Sub, on a worker's loop. Tokens are the process's (gcp.h); a call waits
 * while one is asked for.
 *
 * Invariants
 *  1. done is called once for each start that was not cancelled, never inside start.
 *  2. A call whose token was refused is made once more with another one, if there is one and no
 *     message of the answer had come.
 *  3. An emulator (PUBSUB_EMULATOR_HOST) is sent no token, wherever `endpoint` is.
 *  4. No secret is in `why`. */
struct gw_gcp_pubsub {
    struct gw_loop *loop;
    const char *problem; /* NULL, or why no call can be made */
    struct gw_rpc_conf conf;
    struct gw_rpc_channel *channel;
    struct gw_gcp gcp;
    int tokens; /* they are sent */
    struct gw_gcp_pubsub_call *waiting, **waiting_last;
    struct gw_gcp_pubsub_call *over, **over_last; /* ended without having gone, or not again */
    struct gw_task tell;                          /* those that are over */
    struct gw_arena *mem;
};

enum { GW_GCP_PUBSUB_WHY = GW_RPC_WHY + 40, GW_GCP_PUBSUB_METADATA = GW_GCP_HEADERS + 1 };

struct gw_gcp_pubsub_call {
    struct gw_rpc rpc; /* first; message, drained, timeout_ms, max_message are the caller's */
    void (*done)(struct gw_gcp_pubsub_call *c);
    /* Whom the call is about, for x-goog-request-params: "topic" or "subscription", and its whole
     * name; set before each start, borrowed until done. */
    const char *param;
    struct gw_str name;
    /* When it is done, beside rpc.code: "" or "CODE: what was said"; what RetryInfo asks for, 0:
     * nothing. */
    char why[GW_GCP_PUBSUB_WHY];
    int64_t retry_after_ms;
    int going; /* its rpc runs: gw_rpc_send, gw_rpc_end and gw_rpc_pause may be used */

    struct gw_gcp_pubsub *client;
    struct gw_gcp_pubsub_call *next;                        /* among those that wait, or are over */
    void (*message)(struct gw_rpc *r, struct gw_str bytes); /* the caller's */
    struct gw_arena *mem;
    struct gw_http_header metadata[GW_GCP_PUBSUB_METADATA];
    struct gw_str request;
    uint64_t token;
    int more, answered, renewed, queued, is_over;
};

/* endpoint: a URL as configured; NULL: the emulator's of the environment, else Google's. */
void gw_gcp_pubsub_init(struct gw_gcp_pubsub *c, struct gw_loop *loop, const char *endpoint);
void gw_gcp_pubsub_fini(struct gw_gcp_pubsub *c); /* its calls are finished already */

/* path: "/google.pubsub.v1.Publisher/Publish". */
void gw_gcp_pubsub_call_init(struct gw_gcp_pubsub_call *call, struct gw_gcp_pubsub *c,
                             const char *path);
void gw_gcp_pubsub_call_fini(struct gw_gcp_pubsub_call *call); /* cancels */
/* message is borrowed until done; more: the stream stays open for gw_rpc_send. */
void gw_gcp_pubsub_start(struct gw_gcp_pubsub_call *call, struct gw_str message, int more);
void gw_gcp_pubsub_cancel(struct gw_gcp_pubsub_call *call);

/* For `check --online`. Before the first call: the credentials are to say who they are; then who we
 * are, to be put behind a sentence: "; we are a@p.iam.gserviceaccount.com"; on mem. Empty: it is
 * not known, or an emulator does not ask. */
void gw_gcp_pubsub_ask_who(struct gw_gcp_pubsub *c);
const char *gw_gcp_pubsub_who(struct gw_gcp_pubsub *c, struct gw_arena *mem);

/* NULL, or what is wrong with `endpoint`, with a project's id, with the id of a topic or
 * subscription. */
const char *gw_gcp_pubsub_endpoint_problem(const char *url);
const char *gw_gcp_pubsub_project_problem(struct gw_str id);
const char *gw_gcp_pubsub_id_problem(struct gw_str id);

#endif
