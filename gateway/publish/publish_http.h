#ifndef GW_PUBLISH_PUBLISH_HTTP_H
#define GW_PUBLISH_PUBLISH_HTTP_H

#include "net/fetch.h"
#include "net/loop.h"
#include "publish/common.h"
#include "publish/flyteadmin.h"
#include "publish/pieces.h"

/* Inside the room: the HTTP publisher. A send is one request, or a few one after the other when the
 * destination refuses a batch; http_request.c says what is in it, http_answer.c what its answer
 * means. */
struct gw_http_oauth_conf {
    const char *token_url, *client_id, *client_secret, *scope;
};

struct gw_http_sign_conf {
    int scheme; /* there is one */
    const char *secret;
};

struct gw_publish_http_conf {
    struct gw_publish_common common;
    const char *url;
    int method; /* of gw_http_methods */
    struct gw_pairs headers;
    int64_t timeout_ms;
    const char *bearer_token; /* NULL: none, as of the three below */
    struct gw_http_oauth_conf *oauth;
    struct gw_http_sign_conf *sign;
    struct gw_tls_conf *tls;
    int handshake;
    /* Of all workers of the pipeline: when the next request may go, by an allowed rate. Made by the
     * check; NULL: each worker has its own. */
    _Atomic int64_t *next_us;
};

extern const struct gw_field gw_http_fields[];
extern const char *const gw_http_methods[];
void gw_http_check(const void *conf, const struct gw_format *f, struct gw_problems *p,
                   const struct gw_yaml *at);
int gw_http_same(const void *a, const void *b);
/* Why no hook may set this header, NULL if it may. */
const char *gw_http_header_problem(struct gw_str name, struct gw_str value);
extern const struct gw_routing gw_http_routing; /* http_route.c */

enum {
    GW_HTTP_REQUESTS = 16, /* at once; of one key there is only one */
    GW_HTTP_ANSWER = 512,  /* bytes of an answer that are looked at */
    GW_HTTP_WHY = 320,
};

#define GW_HTTP_ORIGIN "WebHook-Request-Origin"

struct gw_http;
struct gw_http_request {
    struct gw_fetch fetch; /* first */
    struct gw_http *http;
    struct gw_http_request *next; /* among the free or the waiting ones */
    struct gw_pieces pieces;
    struct gw_buf body; /* of a batch */
    uint64_t token;     /* the one it was sent with */
    int renewed;        /* it had a 401 already */
};

/* Client credentials (http_oauth.c). */
struct gw_http_oauth {
    struct gw_fetch fetch;
    struct gw_buf form;
    uint64_t number;          /* of tokens taken; 0: none yet */
    int64_t renew_ms, end_ms; /* monotonic; end_ms 0: there is no token */
    int64_t asked_ms;         /* when it was asked for last; 0: never */
    int in_body, tried_both;  /* where client_id and client_secret stand */
};

/* Delivery target abuse protection of the CloudEvents webhook specification (http_handshake.c). */
struct gw_http_handshake {
    struct gw_fetch fetch;
    char origin[256];
    int agreed;
    uint64_t token; /* the one it was asked with */
    int64_t asked_ms;
    int64_t every_us;         /* of an allowed rate; 0: as fast as one likes */
    _Atomic int64_t *next_us; /* the pipeline's, or own_us */
    _Atomic int64_t own_us;
};

/* standard-webhooks (http_sign.c). */
struct gw_http_signer {
    void *mac; /* keyed; NULL: nothing is signed */
};

struct gw_http {
    struct gw_publisher base;
    const struct gw_publish_http_conf *conf;
    int binary, protobuf, in_batches;
    struct gw_flyteadmin flyteadmin;
    struct gw_fetch_conf fetch_conf;
    struct gw_fetcher *fetcher;
    struct gw_http_request requests[GW_HTTP_REQUESTS], *free;
    struct gw_http_request *waiting, **waiting_last; /* to be sent when the way is clear */
    struct gw_timer clear;                           /* it may be clear then */
    struct gw_buf authorization;                     /* value of the header; empty: none */
    struct gw_http_oauth oauth;
    struct gw_http_handshake handshake;
    struct gw_http_signer signer;
    struct gw_arena *scratch; /* what is forgotten with the next call */
    /* `check --online` asks instead of sending (http_online.c). */
    struct gw_online *online; /* NULL: it does not, or was told */
    struct gw_fetch options;
};

/* Sends what waits, if nothing is in the way. Never gives a result itself. */
void gw_http_go(struct gw_http *h);
/* What waits is to be tried again. Not inside send. */
void gw_http_give_back(struct gw_http *h, const char *why);

/* The next piece of r as fetch's body and headers. */
void gw_http_request_make(struct gw_http_request *r);
/* What all requests to the destination have: the configured headers but for those that m has,
 * authorization, the origin. m NULL: no message. */
void gw_http_put_headers(struct gw_http *h, struct gw_fetch *f, const struct gw_message *m);

void gw_http_oauth_open(struct gw_http *h);
void gw_http_oauth_close(struct gw_http *h);
/* 0: h->authorization is good; ms to wait; -1: it is being fetched, go or give_back follows. */
int64_t gw_http_oauth_wait(struct gw_http *h);
/* The destination answered 401 to token `number`. */
void gw_http_oauth_refused(struct gw_http *h, uint64_t number);

void gw_http_handshake_open(struct gw_http *h);
void gw_http_handshake_close(struct gw_http *h);
/* As gw_http_oauth_wait; 0 counts a request towards the allowed rate. */
int64_t gw_http_handshake_wait(struct gw_http *h);
/* What the destination allows: NULL, or why it does not. *every_us gets 0 for any rate. */
const char *gw_http_allowed(struct gw_str origin, struct gw_str allowed, struct gw_str rate,
                            int64_t *every_us);

/* whsec_ and base64, or base64 alone; p NULL: neither. */
struct gw_str gw_http_secret(struct gw_arena *mem, const char *secret);
void gw_http_signer_open(struct gw_http_signer *s, struct gw_str key);
void gw_http_signer_close(struct gw_http_signer *s);
/* webhook-signature of a body. */
enum { GW_HTTP_SIGNATURE = 64 };
void gw_http_sign(struct gw_http_signer *s, struct gw_str id, struct gw_str timestamp,
                  struct gw_str body, char out[GW_HTTP_SIGNATURE]);
/* webhook-id: the event's, or one made of all in a batch, the same whenever the batch is. On mem.
 */
struct gw_str gw_http_webhook_id(const struct gw_message *m, size_t n, struct gw_arena *mem);

void gw_http_online(struct gw_publisher *p, struct gw_online *o);
void gw_http_online_go(struct gw_http *h); /* the way is clear */
void gw_http_online_failed(struct gw_http *h, const char *why);

/* What a status means for the messages of its request. */
enum gw_outcome gw_http_outcome(int status);
/* Milliseconds from now on; 0: not said. At most a day. */
int64_t gw_http_retry_after_ms(struct gw_str value, int64_t now_s);
/* The answer, or why there is none, for people: one line of clean UTF-8. `of` stands before it. h:
 * whose secrets it may not show; NULL: nobody's. */
void gw_http_why(const struct gw_http *h, const struct gw_fetch *f, const char *of,
                 char out[GW_HTTP_WHY]);

#endif
