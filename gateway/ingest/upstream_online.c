/* Is FlyteAdmin there? It is asked for its version, with no token: that it wants one is an answer.
 */
#include "base/arena.h"
#include "base/online.h"
#include "base/pbwire.h"
#include "ingest/upstream.h"
#include "net/http1_client.h"
#include "net/rpc.h"
#include "net/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ASK_MS = 10000, MAX_VERSION = 64, MAX_ANSWER = 64 << 10 };

#define WANTS_TOKEN "FlyteAdmin answers, and wants a token, which its clients bring"
#define HINT        "is the address right, and does it want TLS (upstream_tls)?"
#define HTTP_HINT   "is the address right, and is it https:// where that wants TLS?"

/* ---- over gRPC ---- */

struct asking {
    struct gw_asking base; /* first */
    struct gw_online *online;
    struct gw_arena *mem;
    struct gw_rpc_conf conf;
    struct gw_rpc_channel *channel;
    struct gw_rpc rpc;
    char url[GW_UPSTREAM_URL], version[MAX_VERSION + 1];
};

/* The field's bytes; absent: none. */
static struct gw_str field(struct gw_str message, uint32_t number)
{
    struct gw_pbwire w = {message.p, message.p + message.len};
    struct gw_pbwire_field f;

    while (gw_pbwire_next(&w, &f) == 1)
        if (f.number == number && f.type == GW_PBWIRE_BYTES)
            return f.bytes;
    return (struct gw_str){0};
}

/* GetVersionResponse: 1 is a Version, whose 2 is the text. */
static void on_message(struct gw_rpc *r, struct gw_str bytes)
{
    struct asking *a = GW_CONTAINER(r, struct asking, rpc);
    const struct gw_str text = field(field(bytes, 1), 2);
    size_t n = 0;

    for (size_t i = 0; i < text.len && n < MAX_VERSION; i++)
        if (text.p[i] > ' ' && text.p[i] <= '~')
            a->version[n++] = text.p[i];
}

static void on_rpc_done(struct gw_rpc *r)
{
    struct asking *a = GW_CONTAINER(r, struct asking, rpc);
    struct gw_online *o = a->online;

    if (r->code == GW_RPC_OK)
        o->said(
            o, GW_ONLINE_YES,
            gw_arena_printf(a->mem, "FlyteAdmin %s%sanswers", a->version, *a->version ? " " : "")
                .p);
    else if (r->code == GW_RPC_UNAUTHENTICATED || r->code == GW_RPC_PERMISSION_DENIED)
        o->said(o, GW_ONLINE_YES, WANTS_TOKEN);
    else if (r->code == GW_RPC_UNIMPLEMENTED)
        o->said(o, GW_ONLINE_UNSURE,
                "a gRPC server answers that knows no GetVersion of "
                "flyteidl.service.AdminService: is it FlyteAdmin?");
    else
        o->said(o, GW_ONLINE_NO,
                gw_arena_printf(a->mem, "%s: %s; " HINT, gw_rpc_code_name(r->code), r->why).p);
}

static void asking_close(struct gw_asking *base)
{
    struct asking *a = (struct asking *)base;

    gw_rpc_cancel(&a->rpc);
    gw_rpc_channel_free(a->channel);
    gw_arena_free(a->mem);
    free(a);
}

struct gw_asking *gw_upstream_ask(const void *conf, struct gw_loop *loop, struct gw_online *o)
{
    const struct gw_ingest_grpc_conf *c = conf;
    struct asking *a = calloc(1, sizeof(*a));

    if (!a)
        abort();
    *a = (struct asking){.base = {asking_close}, .online = o, .mem = gw_arena_new()};
    gw_upstream_url(c, a->url);
    a->conf =
        (struct gw_rpc_conf){.url = a->url, .ca = c->upstream_tls ? c->upstream_tls->ca : NULL};
    a->rpc = (struct gw_rpc){.path = "/flyteidl.service.AdminService/GetVersion",
                             .timeout_ms = ASK_MS,
                             .message = on_message,
                             .done = on_rpc_done};
    a->channel = gw_rpc_channel_new(loop, &a->conf);
    (void)snprintf(o->whom, sizeof(o->whom), "FlyteAdmin at %s", c->upstream);
    gw_rpc_start(a->channel, &a->rpc, GW_STR(""), 0);
    return &a->base;
}

/* ---- over HTTP ---- */

struct http_asking {
    struct gw_asking base; /* first */
    struct gw_online *online;
    struct gw_loop *loop;
    struct gw_arena *mem;
    struct gw_upstream_place place;
    struct gw_upstream_trust tls;
    struct gw_http1_client *client;
    struct gw_http_call call;
    struct gw_task broken; /* it did not come to a call */
    struct gw_err err;
};

static int tells_version(struct gw_str body)
{
    return memmem(body.p, body.len, "\"control_plane_version\"", 23) ||
           memmem(body.p, body.len, "\"controlPlaneVersion\"", 21);
}

static void on_http_done(struct gw_http_call *call)
{
    struct http_asking *a = GW_CONTAINER(call, struct http_asking, call);
    struct gw_online *o = a->online;

    if (call->failed)
        o->said(o, GW_ONLINE_NO, gw_arena_printf(a->mem, "%s; " HTTP_HINT, call->err.msg).p);
    else if (call->status == 401 || call->status == 403)
        o->said(o, GW_ONLINE_YES, WANTS_TOKEN);
    else if (call->status == 200 && call->answer.len > 0 &&
             tells_version(gw_buf_str(&call->answer)))
        o->said(o, GW_ONLINE_YES, "FlyteAdmin's HTTP answers");
    else
        o->said(
            o, call->status >= 500 ? GW_ONLINE_NO : GW_ONLINE_UNSURE,
            gw_arena_printf(a->mem,
                            "HTTP status %d, and no version in it, for %s/api/v1/version: is it "
                            "FlyteAdmin's HTTP port?",
                            call->status, a->place.prefix)
                .p);
}

static void on_broken(struct gw_task *t)
{
    struct http_asking *a = GW_CONTAINER(t, struct http_asking, broken);

    a->online->said(a->online, GW_ONLINE_NO, a->err.msg);
}

static void http_close(struct gw_asking *base)
{
    struct http_asking *a = (struct http_asking *)base;

    gw_loop_cancel(a->loop, &a->broken);
    gw_http1_client_close(a->client);
    gw_tls_context_drop(a->tls.context);
    gw_upstream_place_fini(&a->place);
    gw_arena_free(a->mem);
    free(a);
}

struct gw_asking *gw_http_upstream_ask(const void *conf, struct gw_loop *loop, struct gw_online *o)
{
    const struct gw_ingest_http_conf *c = conf;
    struct http_asking *a = calloc(1, sizeof(*a));

    if (!a)
        abort();
    *a = (struct http_asking){
        .base = {http_close}, .online = o, .loop = loop, .mem = gw_arena_new()};
    a->broken.fn = on_broken;
    a->tls.ca = c->upstream_tls ? c->upstream_tls->ca : NULL;
    gw_upstream_place(&a->place, c->upstream);
    (void)snprintf(o->whom, sizeof(o->whom), "FlyteAdmin at %s", c->upstream);
    a->client = gw_http1_client_new(loop, a->place.address);
    if (a->place.secure && gw_upstream_tls_ready(&a->tls, gw_loop_now_ms(loop), &a->err) < 0) {
        gw_loop_post(loop, &a->broken);
        return &a->base;
    }
    gw_http1_client_tls(a->client, a->tls.context);
    a->call =
        (struct gw_http_call){.method = GW_STR("GET"),
                              .authority = gw_str_of(a->place.address),
                              .path = gw_arena_printf(a->mem, "%s/api/v1/version", a->place.prefix),
                              .max_answer = MAX_ANSWER,
                              .mem = a->mem,
                              .done = on_http_done};
    gw_http1_client_start(a->client, &a->call);
    return &a->base;
}
