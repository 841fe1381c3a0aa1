#ifndef GW_INGEST_PUSH_H
#define GW_INGEST_PUSH_H

#include "base/diag.h"
#include "ingest/front.h"
#include "ingest/push_read.h"
#include "net/document.h"
#include "net/fetch.h"
#include "net/http.h"
#include "net/jwt.h"

/* Inside the room: what SNS and Pub/Sub send to a URL of ours, by itself. Nobody but its signature
 * says who sent it: SNS signs messages (push_sns.c), Pub/Sub brings a token of Google's
 * (push_pubsub.c); push.c is what both share. A push that waits for a certificate or keys holds its
 * stream and nothing else. All of it belongs to a front's thread. */
struct gw_certs;
struct gw_incoming;
struct gw_jwks;
struct gw_record;

/* ---- a push: push.c ---- */

enum gw_push_from { GW_PUSH_SNS = 1, GW_PUSH_PUBSUB };

/* What is to be done with one. */
struct gw_push_verdict {
    int status; /* 200: taken */
    enum gw_reason reason;
    const char *why;                /* of a refusal */
    const struct gw_record *record; /* to be kept before it is answered; NULL: nothing is */
};

struct gw_push;

/* In its request's memory. done is called once, maybe inside head or end, maybe between the two
 * (then end is not called any more); not after gone. */
struct gw_push_call {
    struct gw_push *push;
    struct gw_http_stream *stream;
    enum gw_push_from from;
    void (*done)(struct gw_push_call *c, const struct gw_push_verdict *v);
    /* the files' own */
    struct gw_waiter waiter;
    struct gw_str body;
    struct gw_sns_push *sns;
    struct gw_jwt token;
    int authentic;
    struct gw_fetch confirm;
};

struct gw_push *gw_push_new(const struct gw_push_conf *conf,
                            struct gw_front *f); /* conf is borrowed */
void gw_push_free(struct gw_push *p);            /* NULL is fine; no call is left */
/* 0: there is no such path here. p may be NULL. */
int gw_push_takes(const struct gw_push *p, enum gw_push_from from);
/* What its headers say already. -1: refused, done was called. */
int gw_push_head(struct gw_push_call *c);
/* The body, whole; it stays until done. */
void gw_push_end(struct gw_push_call *c, struct gw_str body);
void gw_push_gone(struct gw_push_call *c); /* at any time */

/* ---- what they share ---- */

struct gw_push {
    const struct gw_push_conf *conf;
    struct gw_front *front;
    struct gw_certs *certs;
    struct gw_jwks *jwks;
    struct gw_fetcher *fetcher; /* for confirmations */
    size_t confirming;
    struct gw_diag_limit quiet;
};

/* Returns -1. */
int gw_push_refuse(struct gw_push_call *c, int status, const char *why);
/* By its kind; 403 for what is rejected. Returns -1. */
int gw_push_refuse_err(struct gw_push_call *c, int rejected, const struct gw_err *err);
void gw_push_nothing(struct gw_push_call *c); /* 200 */
/* What an authentic one holds goes to the log; a rejection is 400. */
void gw_push_keep(struct gw_push_call *c, const struct gw_incoming *in);

int gw_push_sns_head(struct gw_push_call *c);
void gw_push_sns_end(struct gw_push_call *c);
int gw_push_pubsub_head(struct gw_push_call *c);
void gw_push_pubsub_end(struct gw_push_call *c);

#endif
