#ifndef SPEC_PUBSUB_SERVER_H
#define SPEC_PUBSUB_SERVER_H

#include "base/arena.h"
#include "base/err.h"
#include "base/pbwire.h"
#include "net/http.h"
#include "net/listener.h"
#include "net/loop.h"
#include "test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A gRPC server in this process, on a thread of its own. `decide` says what a call is told, on that
 * thread, with the lock held; without one every Publish is taken. */
struct pubsub_said {
    int code;                  /* -1: nothing, the call stays open */
    int mute;                  /* no message before the code */
    const char *why, *details; /* details: base64 of a google.rpc.Status */
    struct gw_str body;        /* of the answer, if code is 0; p NULL: an id for each message */
};
static struct pubsub_said (*pubsub_decide)(struct gw_http_stream *s, struct gw_str request);
static pthread_mutex_t pubsub_lock = PTHREAD_MUTEX_INITIALIZER;
static int pubsub_failing;
static char pubsub_url[100];

static inline size_t pubsub_count(struct gw_str request, uint32_t number)
{
    struct gw_pbwire w = {request.p, request.p + request.len};
    struct gw_pbwire_field f;
    size_t n = 0;

    while (gw_pbwire_next(&w, &f) == 1)
        n += f.number == number;
    return n;
}

static void pubsub_answer(struct gw_http_stream *s, const struct pubsub_said *said, size_t n)
{
    static const struct gw_http_header type = {{"content-type", 12}, {"application/grpc", 16}};
    char code[16];
    struct gw_http_header trailers[] = {
        {GW_STR("grpc-status"), {code, (size_t)snprintf(code, sizeof(code), "%d", said->code)}},
        {GW_STR("grpc-message"), gw_str_of(said->why ? said->why : "")},
        {GW_STR("grpc-status-details-bin"), gw_str_of(said->details)}};
    struct gw_buf body;
    char head[5] = {0};

    gw_buf_init(&body, 1 << 20, s->mem);
    if (said->body.p)
        gw_buf_put_str(&body, said->body);
    for (; n && !said->body.p; n--)
        gw_pbwire_put_bytes(&body, 1, GW_STR("17"));
    gw_http_respond(s, 200, &type, 1);
    if (!said->code && !said->mute) {
        head[3] = (char)(body.len >> 8);
        head[4] = (char)body.len;
        gw_http_write(s, (struct gw_str){head, 5});
        gw_http_write(s, gw_buf_str(&body));
    }
    gw_http_finish(s, trailers, said->details ? 3 : 2);
}

static int pubsub_head(struct gw_http_stream *s, void *ctx)
{
    (void)ctx;
    s->body_max = 32 << 20;
    return 0;
}

static void pubsub_end(struct gw_http_stream *s, void *ctx)
{
    const struct gw_str request = {s->body.p + 5, s->body.len - 5};
    struct pubsub_said said = {0};

    (void)ctx;
    CHECK(s->body.len >= 5);
    pthread_mutex_lock(&pubsub_lock);
    if (pubsub_failing)
        said = (struct pubsub_said){.code = 14, .why = "busy"};
    else if (pubsub_decide)
        said = pubsub_decide(s, request);
    pthread_mutex_unlock(&pubsub_lock);
    if (said.code >= 0)
        pubsub_answer(s, &said, pubsub_count(request, 2));
}

static void pubsub_gone(struct gw_http_stream *s, void *ctx)
{
    (void)s;
    (void)ctx;
}

static void *pubsub_run(void *loop)
{
    gw_loop_run(loop);
    return NULL;
}

static inline const char *pubsub_server(void)
{
    static const struct gw_http_handler handler = {
        .head = pubsub_head, .end = pubsub_end, .gone = pubsub_gone};
    static struct gw_listener_conf conf = {.listen = "127.0.0.1:0",
                                           .header_timeout_ms = 60000,
                                           .body_timeout_ms = 60000,
                                           .idle_timeout_ms = 60000,
                                           .max_header_bytes = 65536,
                                           .max_connections = 100,
                                           .max_body_bytes = 32 << 20};
    static struct gw_loop *loop;
    struct gw_listener *l;
    struct gw_err err;
    pthread_t t;

    if (loop)
        return pubsub_url;
    loop = gw_loop_new();
    l = gw_listener_open(loop, &conf, &handler, NULL, &err);
    CHECK(l);
    snprintf(pubsub_url, sizeof(pubsub_url), "http://%s", gw_listener_address(l));
    CHECK(!pthread_create(&t, NULL, pubsub_run, loop));
    pthread_detach(t);
    return pubsub_url;
}

static inline void pubsub_fail(void)
{
    pthread_mutex_lock(&pubsub_lock);
    pubsub_failing = 1;
    pthread_mutex_unlock(&pubsub_lock);
}

static inline void pubsub_mend(void)
{
    pthread_mutex_lock(&pubsub_lock);
    pubsub_failing = 0;
    pthread_mutex_unlock(&pubsub_lock);
}

#endif
