#include "ingest/upstream.h"

#include "base/arena.h"
#include "ingest/door.h"
#include "net/http1_head.h"
#include "net/http2_channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* FlyteAdmin's connections, and what is common to events (upstream_event.c) and to what
 * passes through (upstream_pass.c). */

enum { MIN_WAITING = 64 };

struct upstream {
    struct gw_upstream pub;
    struct gw_http2_channel_conf conf;
    char url[GW_UPSTREAM_URL];
};

struct gw_upstream *gw_upstream_new(struct gw_front *f, const struct gw_ingest_grpc_conf *conf)
{
    struct upstream *u = calloc(1, sizeof(*u));

    if (!u)
        abort();
    gw_upstream_url(conf, u->url);
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

int gw_upstream_enter(struct gw_upstream *u, int anonymous, struct gw_err *err)
{
    size_t *waiting = anonymous ? &u->waiting_anonymous : &u->waiting;
    size_t most = (size_t)u->front->max_pending / GW_UPSTREAM_CALL;

    if (most < MIN_WAITING)
        most = MIN_WAITING;
    if (anonymous)
        most /= 4;
    if (*waiting >= most)
        return gw_err_set(err, GW_ERR_FULL,
                          "too many calls wait for upstream (%zu, by max_pending_bytes %lld)", most,
                          (long long)u->front->max_pending);
    ++*waiting;
    return 0;
}

void gw_upstream_leave(struct gw_upstream *u, int anonymous)
{
    --*(anonymous ? &u->waiting_anonymous : &u->waiting);
}

/* ---- headers ---- */

/* What lines of `connection` name, sorted: both may be as many as a head has room for. */
struct named {
    struct gw_str *names;
    size_t n;
};

static int by_name(const void *a, const void *b)
{
    const struct gw_str *x = a, *y = b;

    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    return strncasecmp(x->p, y->p, x->len);
}

/* The next of a list with commas, without the blanks around it. */
static struct gw_str take_item(struct gw_str *list)
{
    const char *comma = memchr(list->p, ',', list->len);
    const struct gw_str item = {list->p, comma ? (size_t)(comma - list->p) : list->len};
    const size_t next = item.len + (comma ? 1 : 0);

    *list = (struct gw_str){list->p + next, list->len - next};
    return gw_http1_trim(item);
}

static struct named find_named(struct gw_arena *mem, const struct gw_http_header *h, size_t n)
{
    struct named found = {0};
    size_t room = 0;

    for (size_t i = 0; i < n; i++)
        if (gw_str_is(h[i].name, "connection"))
            room += h[i].value.len / 2 + 1;
    if (room == 0)
        return found;
    found.names = gw_arena_alloc(mem, room * sizeof(*found.names));
    for (size_t i = 0; i < n; i++) {
        struct gw_str list =
            gw_str_is(h[i].name, "connection") ? h[i].value : (struct gw_str){NULL, 0};

        while (list.len > 0) {
            const struct gw_str item = take_item(&list);

            if (item.len > 0)
                found.names[found.n++] = item;
        }
    }
    qsort(found.names, found.n, sizeof(*found.names), by_name);
    return found;
}

static int passes(struct gw_str name, const struct named *named)
{
    static const char *const own[] = {"connection", "keep-alive", "proxy-connection",
                                      "te",         "host",       "transfer-encoding",
                                      "upgrade",    "expect",     "trailer"};

    for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
        if (gw_str_is(name, own[i]))
            return 0;
    return !named->n || !bsearch(&name, named->names, named->n, sizeof(name), by_name);
}

struct gw_http_header *gw_upstream_headers(struct gw_arena *mem, const struct gw_http_header *h,
                                           size_t *n, const struct gw_door *door)
{
    struct gw_http_header *out = gw_arena_alloc(mem, (*n + 2) * sizeof(*out));
    const struct named named = find_named(mem, h, *n);
    size_t left = 0;

    for (size_t i = 0; i < *n; i++)
        if (passes(h[i].name, &named) && !(door && gw_door_hides(door, h[i].name)))
            out[left++] = h[i];
    *n = left;
    return out;
}

/* ---- what is an answer ---- */

/* A refusal of somebody between us and FlyteAdmin who speaks HTTP: clients fetch a token then. */
static enum gw_rpc_code code_of_http(int status)
{
    return status == 401   ? GW_RPC_UNAUTHENTICATED
           : status == 403 ? GW_RPC_PERMISSION_DENIED
                           : GW_RPC_UNAVAILABLE;
}

int gw_upstream_status(const struct gw_http_call *call, enum gw_rpc_code *code,
                       char why[GW_UPSTREAM_WHY])
{
    const struct gw_str *type = gw_http_answer(call, "content-type");
    const struct gw_str *said = gw_http_answer(call, "grpc-status");
    const int status = said ? gw_rpc_status(*said) : -1;

    *code = GW_RPC_UNAVAILABLE;
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
