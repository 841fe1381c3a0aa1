/* What both kinds of pushes share: their life, their answers, and the way of what they hold. */
#include "ingest/push.h"

#include "base/arena.h"
#include "base/clock.h"
#include "flyte/incoming.h"
#include "net/certs.h"
#include "net/jwks.h"

#include <stdlib.h>

enum { QUIET_MS = 60000 };
static const char component[] = "ingest.http";

/* ---- verdicts ---- */

static enum gw_reason reason_of(int status)
{
    return status == 413   ? GW_R_TOO_LARGE
           : status == 429 ? GW_R_PENDING
           : status == 503 ? GW_R_UNAVAILABLE
                           : GW_R_INVALID;
}

/* Nobody reads the answers of a cloud's pushes: a refusal is told here. */
static void tell(struct gw_push_call *c, int status, const char *why)
{
    const uint64_t n = gw_diag_allow(&c->push->quiet, QUIET_MS);

    if (n)
        GW_DIAG(GW_WARN, component, gw_msg("a push was refused"),
                gw_kv_cstr("from", c->from == GW_PUSH_SNS ? "sns" : "pubsub"),
                gw_kv_int("status", status), gw_kv_cstr("error", why),
                gw_kv_int("suppressed", (int64_t)n - 1));
}

int gw_push_refuse(struct gw_push_call *c, int status, const char *why)
{
    const struct gw_push_verdict v = {.status = status, .reason = reason_of(status), .why = why};

    tell(c, status, why);
    c->done(c, &v);
    return -1;
}

int gw_push_refuse_err(struct gw_push_call *c, int rejected, const struct gw_err *err)
{
    return gw_push_refuse(c,
                          err->kind == GW_ERR_REJECT      ? rejected
                          : err->kind == GW_ERR_TOO_LARGE ? 413
                          : err->kind == GW_ERR_FULL      ? 429
                                                          : 503,
                          err->msg);
}

void gw_push_nothing(struct gw_push_call *c)
{
    const struct gw_push_verdict v = {.status = 200};

    c->done(c, &v);
}

void gw_push_keep(struct gw_push_call *c, const struct gw_incoming *in)
{
    struct gw_incoming_record r = {0};
    struct gw_record record;
    struct gw_err err;

    if (gw_incoming_read(c->push->front->scratch, GW_AS_AUTO, in, &r, &err)) {
        gw_push_refuse_err(c, 400, &err);
        return;
    }
    record = (struct gw_record){.kind = (int)r.kind,
                                .received_at_ns = gw_clock_wall_ns(),
                                .ingest = GW_STR("http"),
                                .key = r.key,
                                .traceparent = r.traceparent,
                                .payload = r.payload};
    c->done(c, &(struct gw_push_verdict){.status = 200, .record = &record});
}

/* ---- life ---- */

struct gw_push *gw_push_new(const struct gw_push_conf *conf, struct gw_front *f)
{
    struct gw_push *p = calloc(1, sizeof(*p));

    if (!p)
        abort();
    p->conf = conf;
    p->front = f;
    if (conf->sns) {
        p->certs = gw_certs_new(f->loop);
        p->fetcher = gw_document_fetcher(f->loop);
    }
    if (conf->pubsub)
        p->jwks = gw_jwks_new(f->loop, conf->pubsub->jwks_url);
    return p;
}

void gw_push_free(struct gw_push *p)
{
    if (!p)
        return;
    gw_certs_free(p->certs);
    gw_jwks_free(p->jwks);
    gw_fetcher_free(p->fetcher);
    free(p);
}

int gw_push_takes(const struct gw_push *p, enum gw_push_from from)
{
    return p && (from == GW_PUSH_SNS ? p->conf->sns != NULL : p->conf->pubsub != NULL);
}

int gw_push_head(struct gw_push_call *c)
{
    return c->from == GW_PUSH_SNS ? gw_push_sns_head(c) : gw_push_pubsub_head(c);
}

void gw_push_end(struct gw_push_call *c, struct gw_str body)
{
    c->body = body;
    if (c->from == GW_PUSH_SNS)
        gw_push_sns_end(c);
    else
        gw_push_pubsub_end(c);
}

void gw_push_gone(struct gw_push_call *c)
{
    gw_waiter_leave(&c->waiter);
    if (!c->confirm.fetcher)
        return;
    gw_fetch_fini(&c->confirm);
    c->push->confirming--;
}
