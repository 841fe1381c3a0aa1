#ifndef GW_NET_GCP_ASK_H
#define GW_NET_GCP_ASK_H

#include "base/buf.h"
#include "net/aws_sign.h"
#include "net/command.h"
#include "net/fetch.h"
#include "net/gcp_plan.h"
#include "net/gcp_token.h"
#include "net/loop.h"

/* How a token is had, on a worker's loop: the plan is made anew (files are read each time), its
 * source signs or is asked, then service accounts are impersonated one after the other. What the
 * server does not answer well (5xx, 429, 408, no answer) is asked again twice, after one second and
 * after two. The metadata server is never asked through a proxy.
 *
 * The facts: google.aip.dev/auth, RFC 6749, RFC 8693. */
enum { GW_GCP_ASK_WHY = 400, GW_GCP_ANSWER = 65536, GW_GCP_SECRETS = 8 };

struct gw_gcp_ask {
    struct gw_gcp_tokens *tokens;
    struct gw_loop *loop;
    /* Called once a start, never inside it: why NULL: there is a new token. The tokens were told
     * already. */
    void (*ended)(struct gw_gcp_ask *a, const char *why);
    int named;        /* the metadata server is asked for the e-mail, too */
    int64_t pause_ms; /* before what failed is asked again */
    int running;

    struct gw_fetch_conf far_conf, near_conf;
    struct gw_fetcher *far_fetcher, *near_fetcher;
    struct gw_fetch far, near;
    struct gw_command command;
    struct gw_task said;  /* how it ended, where nobody had to be asked */
    struct gw_arena *mem; /* of one asking */
    struct gw_gcp_plan plan;
    struct gw_gcp_step *step; /* the one that is being made, or is next */
    struct gw_gcp_token got;
    int64_t life_ms;
    struct gw_aws_keys keys; /* of a workload at AWS */
    struct gw_str region, role, session;
    char why[GW_GCP_ASK_WHY];

    /* The request that is under way. */
    struct gw_fetch *asked;
    const char *of; /* for errors */
    void (*take)(struct gw_gcp_ask *a, struct gw_str answer);
    struct gw_str body;
    struct gw_timer again;
    int tries;
    struct gw_str secrets[GW_GCP_SECRETS]; /* what was sent; no error shows it */
    size_t n_secrets;
};

void gw_gcp_ask_init(struct gw_gcp_ask *a, struct gw_gcp_tokens *tokens, struct gw_loop *loop);
/* Nobody is told any more; somebody else may ask then. */
void gw_gcp_ask_fini(struct gw_gcp_ask *a);
/* After gw_gcp_tokens_begin said GW_TURN_ASK. */
void gw_gcp_ask_start(struct gw_gcp_ask *a);

/* Between the files that ask. */
/* The request that is set up in f (a's far or near): take gets the body of an answer that is a
 * success; what is none ends the asking, told as `of`. */
void gw_gcp_ask_send(struct gw_gcp_ask *a, struct gw_fetch *f, const char *of,
                     void (*take)(struct gw_gcp_ask *a, struct gw_str answer));
void gw_gcp_ask_form(struct gw_gcp_ask *a, struct gw_buf *form, const char *of);
void gw_gcp_ask_fail(struct gw_gcp_ask *a, const char *of, const char *why);
void gw_gcp_ask_secret(struct gw_gcp_ask *a, const char *secret); /* NULL is fine */
/* An answer of a token endpoint (RFC 6749, 5.1): the source's token. */
void gw_gcp_ask_token(struct gw_gcp_ask *a, struct gw_str answer);
/* What the token is to be good for: Pub/Sub, or impersonating. */
const char *gw_gcp_scope(const struct gw_gcp_ask *a);
/* An error's text of others: what of it can be shown. */
void gw_gcp_ask_say(struct gw_gcp_ask *a, const char *code, const char *text, struct gw_buf *out);
void gw_gcp_ask_instance(struct gw_gcp_ask *a);
/* A workload: its own token, which is exchanged for one of Google. */
void gw_gcp_ask_workload(struct gw_gcp_ask *a);
void gw_gcp_ask_exchange(struct gw_gcp_ask *a, const char *subject);
void gw_gcp_ask_command(struct gw_gcp_ask *a);
void gw_gcp_ask_aws(struct gw_gcp_ask *a);

#endif
