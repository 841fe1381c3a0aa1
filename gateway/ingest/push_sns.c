/* Amazon SNS over HTTP: who it is from (a listed topic, a fresh time, the signature), confirming a
 * subscription, and a notification's way to the log.
 *
 * SNS takes a 4xx for final and hands the message to the subscription's dead-letter queue; 429 and
 * 5xx it tries again, for an hour at most. So a message's Timestamp may be that old, and repeats
 * within that time are taken again, as SNS itself sends some twice. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/text.h"
#include "flyte/incoming.h"
#include "flyte/sns.h"
#include "ingest/push.h"
#include "net/certs.h"

#include <strings.h>

enum { MAX_AGE_S = 3600, CLOCKS_S = 300, CONFIRMING = 8, ANSWER = 4096, NS = 1000000000 };
static const char component[] = "ingest.http";

static void verify(struct gw_push_call *c);

/* ---- the headers ---- */

int gw_push_sns_head(struct gw_push_call *c)
{
    const struct gw_str *raw = gw_http_get(c->stream, "x-amz-sns-rawdelivery");
    const struct gw_str *topic = gw_http_get(c->stream, "x-amz-sns-topic-arn");

    if (raw && raw->len == 4 && !strncasecmp(raw->p, "true", 4))
        return gw_push_refuse(c, 400,
                              "raw message delivery has no signature: set the subscription's "
                              "RawMessageDelivery to false");
    if (topic && !gw_sns_topic_is(*topic, &c->push->conf->sns->topic_arns))
        return gw_push_refuse(c, 403, "the topic is not among push.sns.topic_arns");
    return 0;
}

/* ---- confirming ---- */

static void on_confirmed(struct gw_fetch *f)
{
    struct gw_push_call *c = GW_CONTAINER(f, struct gw_push_call, confirm);
    const int ok = f->status >= 200 && f->status < 300;
    struct gw_err err;

    if (ok)
        GW_DIAG(GW_INFO, component, gw_msg("subscription confirmed"),
                gw_kv_str("topic", c->sns->topic));
    else if (f->status)
        gw_err_set(&err, GW_ERR_RETRY, "cannot confirm the subscription: HTTP %d", f->status);
    else
        gw_err_set(&err, GW_ERR_RETRY, "cannot confirm the subscription: %.200s", f->why);
    if (ok)
        gw_push_nothing(c);
    else
        gw_push_refuse_err(c, 403, &err);
}

static void confirm(struct gw_push_call *c)
{
    const char *url = NULL, *why;
    struct gw_err err;

    why = gw_sns_subscribe_url(c->stream->mem, c->sns->subscribe_url,
                               &c->push->conf->sns->cert_url_prefixes, &url);
    if (why) {
        gw_err_set(&err, GW_ERR_REJECT, "SubscribeURL: %s", why);
        gw_push_refuse_err(c, 403, &err);
        return;
    }
    if (c->push->confirming >= CONFIRMING) {
        gw_err_set(&err, GW_ERR_FULL, "too many subscriptions are being confirmed");
        gw_push_refuse_err(c, 403, &err);
        return;
    }
    c->push->confirming++;
    gw_fetch_init(&c->confirm, c->push->fetcher, ANSWER);
    c->confirm.url = url;
    c->confirm.method = "GET";
    c->confirm.done = on_confirmed;
    gw_fetch_start(&c->confirm);
}

/* ---- an authentic message ---- */

static void keep(struct gw_push_call *c)
{
    const struct gw_sns_push *m = c->sns;
    const struct gw_sns sns = {.type = m->raw_type,
                               .topic_arn = m->raw_topic,
                               .message = m->raw_message,
                               .subject = m->raw_subject,
                               .attributes = m->raw_attributes};
    struct gw_incoming in;
    struct gw_err err;

    /* Its members by themselves: what else stands beside them nobody has signed. */
    if (gw_sns_open(c->push->front->scratch, &sns, &in, &err))
        gw_push_refuse_err(c, 400, &err);
    else
        gw_push_keep(c, &in);
}

static void act(struct gw_push_call *c)
{
    switch (c->sns->type) {
    case GW_SNS_NOTIFICATION:
        keep(c);
        break;
    case GW_SNS_SUBSCRIBE:
        confirm(c);
        break;
    case GW_SNS_UNSUBSCRIBE:
        GW_DIAG(GW_WARN, component, gw_msg("a subscription has ended"),
                gw_kv_str("topic", c->sns->topic));
        gw_push_nothing(c);
        break;
    }
}

/* ---- the signature ---- */

static int is_signed(const struct gw_push_call *c, const struct gw_pubkey *key)
{
    const enum gw_pubkey_hash hash =
        gw_str_is(c->sns->version, "1") ? GW_PUBKEY_SHA1 : GW_PUBKEY_SHA256;
    struct gw_arena *mem = c->push->front->scratch;
    const struct gw_str signature = gw_base64_strict(mem, c->sns->signature, 0);

    if (!signature.p)
        return 0;
    if (gw_pubkey_verifies(key, hash, gw_sns_push_signed(mem, c->sns, 1), signature))
        return 1;
    /* AWS's documentation signs it with its token, AWS's validators read it without. */
    return c->sns->type == GW_SNS_UNSUBSCRIBE &&
           gw_pubkey_verifies(key, hash, gw_sns_push_signed(mem, c->sns, 0), signature);
}

static void on_told(struct gw_waiter *w, const struct gw_err *err)
{
    struct gw_push_call *c = GW_CONTAINER(w, struct gw_push_call, waiter);

    if (err)
        gw_push_refuse_err(c, 403, err);
    else
        verify(c);
}

static void verify(struct gw_push_call *c)
{
    const struct gw_pubkey *key = NULL;
    const char *url = NULL, *why;
    struct gw_err err;
    int rc = -1;

    why = gw_sns_cert_url(c->stream->mem, c->sns->cert_url, &c->push->conf->sns->cert_url_prefixes,
                          &url);
    c->waiter.done = on_told;
    if (why)
        gw_err_set(&err, GW_ERR_REJECT, "SigningCertURL: %s", why);
    else
        rc = gw_certs_get(c->push->certs, gw_str_of(url), &c->waiter, &key, &err);
    if (!rc)
        return;
    gw_arena_reset(c->push->front->scratch);
    if (rc < 0)
        gw_push_refuse_err(c, 403, &err);
    else if (!is_signed(c, key))
        gw_push_refuse(c, 403, "the signature is not that of the certificate at SigningCertURL");
    else
        act(c);
}

/* ---- the body ---- */

/* What is ahead of our clock may be genuine and our clock off: SNS is to try again. */
static const char *time_problem(int64_t sent_s, int *status)
{
    const int64_t age_s = gw_clock_wall_ns() / NS - sent_s;

    if (age_s < -CLOCKS_S) {
        *status = 503;
        return "Timestamp: ahead of this machine's clock";
    }
    return age_s > MAX_AGE_S + CLOCKS_S ? "Timestamp: longer ago than SNS tries again" : NULL;
}

void gw_push_sns_end(struct gw_push_call *c)
{
    struct gw_sns_push *m = gw_arena_alloc(c->stream->mem, sizeof(*m));
    const char *why = NULL;
    int status = 403;
    struct gw_err err;

    c->sns = m;
    if (gw_sns_push_read(c->stream->mem, c->body, m, &err)) {
        gw_push_refuse_err(c, 400, &err);
        return;
    }
    if (!gw_sns_topic_is(m->topic, &c->push->conf->sns->topic_arns))
        why = "the topic is not among push.sns.topic_arns";
    else if (!gw_str_is(m->version, "1") && !gw_str_is(m->version, "2"))
        why = "SignatureVersion: neither 1 nor 2";
    else
        why = time_problem(m->sent_s, &status);
    if (why)
        gw_push_refuse(c, status, why);
    else
        verify(c);
}
