#include "ingest/grpc.h"

#include "base/pbwire.h"

/* grpc.health.v1: HealthCheckRequest{1 service}, HealthCheckResponse{1 status}. A watcher is an
 * open call; it is told on a change that a request brings about, and while it was told "not
 * serving", once a second. */

enum { SERVING = 1, NOT_SERVING = 2, SERVICE_UNKNOWN = 3, RETRY_MS = 1000 };

static int serving(const struct gw_front *f)
{
    return !f->stopping && !gw_log_full(f->log) ? SERVING : NOT_SERVING;
}

static int known(struct gw_str service)
{
    if (service.len == 0)
        return 1;
    for (size_t i = 0; gw_grpc_services[i]; i++)
        if (gw_str_is(service, gw_grpc_services[i]))
            return 1;
    return 0;
}

static int read_service(struct gw_str message, struct gw_str *service, struct gw_err *err)
{
    struct gw_pbwire w = {.at = message.p, .end = message.p + message.len};
    struct gw_pbwire_field field;
    int rc;

    *service = GW_STR("");
    while ((rc = gw_pbwire_next(&w, &field)) == 1)
        if (field.number == 1 && field.type == GW_PBWIRE_BYTES)
            *service = field.bytes;
    return rc < 0 ? gw_err_set(err, GW_ERR_REJECT, "not a HealthCheckRequest") : 0;
}

static void reply_status(struct gw_grpc_call *c, int status)
{
    const char message[2] = {1 << 3, (char)status};

    c->status = status;
    gw_grpc_reply(c, (struct gw_str){message, sizeof(message)});
}

void gw_health_check(struct gw_grpc_call *c, struct gw_str message)
{
    struct gw_str service;
    struct gw_err err;

    if (read_service(message, &service, &err)) {
        gw_grpc_fail(c, &err);
    } else if (!known(service)) {
        gw_grpc_finish(c, GW_RPC_NOT_FOUND, "unknown service");
    } else {
        reply_status(c, serving(c->front));
        gw_grpc_finish(c, GW_RPC_OK, "");
    }
}

void gw_health_watch(struct gw_grpc_call *c, struct gw_str message)
{
    struct gw_str service;
    struct gw_err err;

    if (read_service(message, &service, &err)) {
        gw_grpc_fail(c, &err);
        return;
    }
    gw_grpc_keep_open(c);
    c->watches = 1;
    reply_status(c, known(service) ? serving(c->front) : SERVICE_UNKNOWN);
    gw_health_changed(c->front);
}

void gw_health_changed(struct gw_front *f)
{
    int status, again = 0;

    if (!f->open_calls)
        return;
    status = serving(f);
    for (struct gw_grpc_call *c = f->open_calls; c; c = c->next_open) {
        if (!c->watches || c->status == SERVICE_UNKNOWN)
            continue;
        if (c->status != status)
            reply_status(c, status);
        again |= status != SERVING;
    }
    if (again && !f->stopping)
        gw_timer_set(&f->health_timer, RETRY_MS);
}
