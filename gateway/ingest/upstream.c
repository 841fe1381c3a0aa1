#include "ingest/upstream.h"

#include "base/arena.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "ingest/door.h"
#include "ingest/grpc.h"
#include "net/http2_channel.h"
#include "net/rpc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* FlyteAdmin's address and connections, and what is common to events (upstream_event.c) and to what
 * passes through (upstream_pass.c). */

struct upstream {
    struct gw_upstream pub;
    struct gw_http2_channel_conf conf;
    char url[300];
};

static const char *without_scheme(const char *upstream)
{
    return strncmp(upstream, "dns:///", 7) ? upstream : upstream + 7;
}

static int is_port(const char *p, size_t len)
{
    long port = 0;

    for (size_t i = 0; i < len; i++) {
        if (p[i] < '0' || p[i] > '9' || port > 65535)
            return 0;
        port = port * 10 + (p[i] - '0');
    }
    return port >= 1 && port <= 65535;
}

int gw_upstream_is_address(struct gw_str at, int needs_port)
{
    const char *end = at.p + at.len, *colon = memrchr(at.p, ':', at.len);
    size_t host;

    if (colon && memchr(colon, ']', (size_t)(end - colon)))
        colon = NULL;
    host = colon ? (size_t)(colon - at.p) : at.len;
    if (host == 0 || host > 250 || (!colon && needs_port))
        return 0;
    if (colon && !is_port(colon + 1, (size_t)(end - colon) - 1))
        return 0;
    for (size_t i = 0; i < host; i++)
        if (strchr(" /?#@", at.p[i]) || (at.p[0] != '[' && at.p[i] == ':'))
            return 0;
    return at.p[0] != '[' || (host > 2 && at.p[host - 1] == ']');
}

void gw_upstream_check(const struct gw_ingest_grpc_conf *conf, struct gw_problems *p,
                       const struct gw_yaml *grpc)
{
    const struct gw_yaml *at = gw_yaml_place(grpc, conf->upstream ? "upstream" : "upstream_tls");

    if (conf->upstream && !gw_upstream_is_address(gw_str_of(without_scheme(conf->upstream)), 1))
        gw_problems_add(p, 0, at->file, at->line, at->column,
                        "ingest.grpc.upstream: expected HOST:PORT as flyteadmin:81, not \"%.80s\"",
                        conf->upstream);
    else if (conf->upstream && !strcmp(without_scheme(conf->upstream), conf->listener.listen))
        gw_problems_add(p, 0, at->file, at->line, at->column,
                        "ingest.grpc.upstream: it is what ingest.grpc listens on");
    else if (!conf->upstream && conf->upstream_tls)
        gw_problems_add(p, 0, at->file, at->line, at->column,
                        "ingest.grpc.upstream_tls: there is no upstream");
    gw_upstream_tls_check(conf->upstream_tls, p, grpc, "ingest.grpc");
}

struct gw_upstream *gw_upstream_new(struct gw_front *f, const struct gw_ingest_grpc_conf *conf)
{
    struct upstream *u = calloc(1, sizeof(*u));

    if (!u)
        abort();
    snprintf(u->url, sizeof(u->url), "%s://%s", conf->upstream_tls ? "https" : "http",
             without_scheme(conf->upstream));
    u->conf.url = u->url;
    u->conf.ca = conf->upstream_tls ? conf->upstream_tls->ca : NULL;
    u->pub.front = f;
    u->pub.channel = gw_http2_channel_new(f->loop, &u->conf);
    return &u->pub;
}

void gw_upstream_free(struct gw_upstream *u)
{
    if (!u)
        return;
    gw_forward_free_idle(u);
    gw_http2_channel_free(u->channel);
    free(GW_CONTAINER(u, struct upstream, pub));
}

/* ---- headers ---- */

/* In a list with commas. */
static int is_listed(struct gw_str list, struct gw_str name)
{
    while (list.len > 0) {
        const char *comma = memchr(list.p, ',', list.len);
        size_t len = comma ? (size_t)(comma - list.p) : list.len, next = comma ? len + 1 : len;
        struct gw_str item = {list.p, len};

        while (item.len > 0 && *item.p == ' ')
            item = (struct gw_str){item.p + 1, item.len - 1};
        while (item.len > 0 && item.p[item.len - 1] == ' ')
            item.len--;
        if (item.len == name.len && !strncasecmp(item.p, name.p, name.len))
            return 1;
        list = (struct gw_str){list.p + next, list.len - next};
    }
    return 0;
}

/* The peer may name some as its connection's, in more than one line. */
static int passes(struct gw_str name, const struct gw_http_header *h, size_t n)
{
    static const char *const own[] = {"connection", "keep-alive", "proxy-connection",
                                      "te",         "host",       "transfer-encoding",
                                      "upgrade",    "expect",     "trailer"};

    for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
        if (gw_str_is(name, own[i]))
            return 0;
    for (size_t i = 0; i < n; i++)
        if (gw_str_is(h[i].name, "connection") && is_listed(h[i].value, name))
            return 0;
    return 1;
}

struct gw_http_header *gw_upstream_headers(struct gw_arena *mem, const struct gw_http_header *h,
                                           size_t *n, const struct gw_door *door)
{
    struct gw_http_header *out = gw_arena_alloc(mem, (*n + 2) * sizeof(*out));
    size_t left = 0;

    for (size_t i = 0; i < *n; i++)
        if (passes(h[i].name, h, *n) && !(door && gw_door_hides(door, h[i].name)))
            out[left++] = h[i];
    *n = left;
    return out;
}

/* ---- what is an answer ---- */

static int parse_status(const struct gw_str *s)
{
    int n = 0;

    if (!s || s->len == 0 || s->len > 8)
        return -1;
    for (size_t i = 0; i < s->len; i++) {
        if (s->p[i] < '0' || s->p[i] > '9')
            return -1;
        n = n * 10 + (s->p[i] - '0');
    }
    return n;
}

/* A refusal of somebody between us and FlyteAdmin who speaks HTTP: clients fetch a token then. */
static int code_of_http(int status)
{
    return status == 401   ? GW_GRPC_UNAUTHENTICATED
           : status == 403 ? GW_GRPC_PERMISSION_DENIED
                           : GW_GRPC_UNAVAILABLE;
}

int gw_upstream_status(const struct gw_http_call *call, int *code, char why[GW_UPSTREAM_WHY])
{
    const struct gw_str *type = gw_http_answer(call, "content-type");
    int status = parse_status(gw_http_answer(call, "grpc-status"));

    *code = GW_GRPC_UNAVAILABLE;
    if (call->failed) {
        snprintf(why, GW_UPSTREAM_WHY, "upstream: %s", call->err.msg);
    } else if (call->status != 200) {
        *code = code_of_http(call->status);
        snprintf(why, GW_UPSTREAM_WHY, "upstream answered HTTP status %d", call->status);
    } else if (!type || !gw_rpc_is_type(*type)) {
        snprintf(why, GW_UPSTREAM_WHY, "upstream's answer is not gRPC");
    } else if (status < 0) {
        snprintf(why, GW_UPSTREAM_WHY, "upstream's answer has no grpc-status");
    } else {
        return status;
    }
    return -1;
}
