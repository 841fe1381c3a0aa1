#ifndef GW_INGEST_PUSH_READ_H
#define GW_INGEST_PUSH_READ_H

#include "base/field.h"

struct gw_arena;
struct gw_err;
struct gw_http_header;
struct gw_incoming;
struct gw_jwt;
struct gw_problems;
struct gw_yaml;

/* Inside the room: what a push says, and whom it may come from; no request around it (push.h). */

/* ---- configuration: push_conf.c ---- */

struct gw_push_sns_conf {
    struct gw_strs topic_arns, cert_url_prefixes;
};
struct gw_push_pubsub_conf {
    const char *audience, *jwks_url;
    struct gw_strs service_accounts;
};
struct gw_push_conf {
    struct gw_push_sns_conf *sns; /* NULL: not taken */
    struct gw_push_pubsub_conf *pubsub;
};
extern const struct gw_field gw_push_fields[];
void gw_push_check(const struct gw_push_conf *conf, struct gw_problems *p,
                   const struct gw_yaml *at);

/* ---- what SNS sends, without anything around it: push_sns_read.c ---- */

enum gw_sns_type { GW_SNS_NOTIFICATION, GW_SNS_SUBSCRIBE, GW_SNS_UNSUBSCRIBE };

struct gw_sns_push {
    enum gw_sns_type type;
    struct gw_str type_text, message_id, topic, subject, message, timestamp, version, signature,
        cert_url, subscribe_url, token; /* p NULL: absent */
    struct gw_str raw_type, raw_topic, raw_message, raw_subject, raw_attributes; /* JSON */
    int64_t sent_s;
};
/* On mem, borrows from body. -1: GW_ERR_REJECT. */
int gw_sns_push_read(struct gw_arena *mem, struct gw_str body, struct gw_sns_push *out,
                     struct gw_err *err);
/* The text that is signed; with_token 0: of an UnsubscribeConfirmation as of a notification. */
struct gw_str gw_sns_push_signed(struct gw_arena *mem, const struct gw_sns_push *m, int with_token);
/* Which of the listed topics it may be. */
int gw_sns_topic_is(struct gw_str topic, const struct gw_strs *listed);
/* NULL, or why no certificate is fetched from there, or no subscription confirmed there; *url is
 * the URL to ask for, on mem. */
const char *gw_sns_cert_url(struct gw_arena *mem, struct gw_str text,
                            const struct gw_strs *prefixes, const char **url);
const char *gw_sns_subscribe_url(struct gw_arena *mem, struct gw_str text,
                                 const struct gw_strs *prefixes, const char **url);

/* ---- what Pub/Sub sends: push_pubsub_read.c ---- */

/* Why the claims are not those of a push to us now; *status 401 or 403. NULL: they are. */
const char *gw_pubsub_push_claims(const struct gw_jwt *t, const struct gw_push_pubsub_conf *conf,
                                  int64_t now_s, int *status);
/* The message in a body: wrapped, or the body with its headers. -1: GW_ERR_REJECT. */
int gw_pubsub_push_read(struct gw_arena *mem, struct gw_str body,
                        const struct gw_http_header *headers, size_t n, struct gw_incoming *out,
                        struct gw_err *err);

#endif
