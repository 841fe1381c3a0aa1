#ifndef SPEC_INGEST_WORLD_H
#define SPEC_INGEST_WORLD_H

/* A front without sockets: our own HTTP/2 client against the server's codec, in memory; a real log
 * whose syncs can be held. */
#include "base/arena.h"
#include "base/metrics.h"
#include "ingest/grpc.h"
#include "ingest/http.h"
#include "log/log.h"
#include "net/codec.h"
#include "net/http2_call.h"
#include "test.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

struct world {
    struct gw_metrics *metrics;
    struct gw_log *log;
    struct gw_cursor *cursor;
    struct gw_front front;
    _Atomic int64_t pending;
    struct gw_codec *server;
    struct gw_http2_calls *client;
    struct gw_arena *mem;
    int log_failed;
};

/* ---- syncs that wait, or fail ---- */

static pthread_mutex_t world_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t world_changed = PTHREAD_COND_INITIALIZER;
static int world_held, world_fails;

static int world_sync(int fd)
{
    int fails;

    (void)fd;
    pthread_mutex_lock(&world_lock);
    while (world_held)
        pthread_cond_wait(&world_changed, &world_lock);
    fails = world_fails;
    pthread_mutex_unlock(&world_lock);
    return fails ? -1 : 0;
}

static inline void world_hold(int held)
{
    pthread_mutex_lock(&world_lock);
    world_held = held;
    pthread_cond_broadcast(&world_changed);
    pthread_mutex_unlock(&world_lock);
}

static inline void world_fail_syncs(void)
{
    pthread_mutex_lock(&world_lock);
    world_fails = 1;
    pthread_mutex_unlock(&world_lock);
}

static inline void world_on_log_failed(void *ctx, const struct gw_err *why)
{
    (void)why;
    ((struct world *)ctx)->log_failed = 1;
}

/* ---- life ---- */

static inline void world_open_with(struct world *w, const struct gw_http_handler *handler,
                                   int64_t max_pending, int64_t max_bytes)
{
    const struct gw_log_conf conf = {.type = GW_LOG_EMBEDDED,
                                     .path = "data",
                                     .max_bytes = max_bytes,
                                     .segment_bytes = 1024L * 1024};
    struct gw_codec_conf codec = {
        .handler = handler, .ctx = &w->front, .max_header_bytes = 65536, .max_body_bytes = 100000};
    struct gw_err err;

    memset(w, 0, sizeof(*w));
    world_held = world_fails = 0;
    gw_log_sync = world_sync;
    w->metrics = gw_metrics_new();
    w->log = gw_log_open(&conf, w->metrics, world_on_log_failed, w, &err);
    CHECK(w->log);
    w->cursor = gw_log_cursor(w->log, "p", GW_START_NEW, NULL, &err);
    CHECK(w->cursor);
    gw_front_init(&w->front, w->log, w->metrics, &w->pending, max_pending);
    w->front.max_body[GW_GRPC] = w->front.max_body[GW_HTTP] = 100000;
    w->server = gw_http2.open(&codec);
    w->client = gw_http2_calls_new();
    w->mem = gw_arena_new();
}

static inline void world_open(struct world *w, const struct gw_http_handler *handler)
{
    world_open_with(w, handler, 1 << 20, 64L << 20);
}

static inline void world_close(struct world *w)
{
    struct gw_err err;

    world_hold(0);
    gw_err_set(&err, GW_ERR_RETRY, "closed");
    gw_http2_calls_fail(w->client, &err);
    while (gw_http2_calls_ended(w->client))
        ;
    gw_http2_calls_free(w->client);
    w->server->ops->close(w->server);
    while (w->front.under_way > 0)
        gw_loop_turn(w->front.loop, 1);
    gw_front_fini(&w->front);
    gw_log_close(w->log);
    gw_metrics_free(w->metrics);
    gw_arena_free(w->mem);
}

/* ---- calls ---- */

static inline void world_done(struct gw_http_call *call)
{
    (void)call;
}

/* Carries bytes both ways until nothing moves. */
static inline void world_carry(struct world *w)
{
    struct gw_err err;
    struct gw_buf out;
    int moved;

    do {
        gw_buf_init(&out, 1 << 24, NULL);
        CHECK(gw_http2_calls_take(w->client, &out, &err) == 0);
        moved = out.len > 0 || w->server->out.len > 0;
        if (out.len > 0)
            CHECK(w->server->ops->feed(w->server, gw_buf_str(&out)) == 0);
        gw_buf_free(&out);
        w->server->ops->fill(w->server);
        if (w->server->out.len > 0)
            CHECK(gw_http2_calls_feed(w->client, gw_buf_str(&w->server->out), &err) == 0);
        moved |= w->server->out.len > 0;
        gw_buf_clear(&w->server->out);
    } while (moved);
}

static inline int world_ended(struct world *w, const struct gw_http_call *call)
{
    struct gw_http_call *ended;

    while ((ended = gw_http2_calls_ended(w->client)))
        ended->max_answer = 0;
    return call->max_answer == 0;
}

/* Turns the loop until the call has its answer. */
static inline void world_wait(struct world *w, struct gw_http_call *call)
{
    for (world_carry(w); !world_ended(w, call); world_carry(w))
        gw_loop_turn(w->front.loop, 1);
    CHECK(!call->failed);
}

/* Some turns, in which an answer that is due would come. */
static inline void world_settle(struct world *w)
{
    for (int i = 0; i < 5; i++) {
        world_carry(w);
        gw_loop_turn(w->front.loop, 0);
    }
    world_carry(w);
}

static inline void world_start(struct world *w, struct gw_http_call *call, const char *path,
                               const char *type, struct gw_str body)
{
    struct gw_http_header *h = gw_arena_zalloc(w->mem, 4 * sizeof(*h));
    const struct gw_http_header *more = call->headers;

    h[0] = (struct gw_http_header){GW_STR("content-type"), gw_str_of(type)};
    for (size_t i = 0; i < call->n_headers; i++)
        h[1 + i] = more[i];
    *call = (struct gw_http_call){.method = call->method.p ? call->method : GW_STR("POST"),
                                  .scheme = GW_STR("http"),
                                  .authority = GW_STR("a"),
                                  .path = gw_str_of(path),
                                  .headers = h,
                                  .n_headers = 1 + call->n_headers,
                                  .body = body,
                                  .max_answer = 1 << 20,
                                  .mem = w->mem,
                                  .done = world_done};
    gw_http2_calls_start(w->client, call);
    world_carry(w);
}

static inline struct gw_str world_frame(struct world *w, struct gw_str message)
{
    char *p = gw_arena_alloc(w->mem, message.len + 5);

    p[0] = p[1] = p[2] = 0;
    p[3] = (char)(message.len >> 8);
    p[4] = (char)message.len;
    if (message.len > 0)
        memcpy(p + 5, message.p, message.len);
    return (struct gw_str){p, message.len + 5};
}

static inline int64_t world_accepted(struct world *w)
{
    struct gw_cursor_stats stats;

    gw_cursor_stats(w->cursor, &stats);
    return (int64_t)stats.accepted;
}

static inline int64_t world_rejected(struct world *w, enum gw_way way, enum gw_reason reason)
{
    return w->front.rejected[way][reason]->value;
}

static inline int world_status(const struct gw_http_call *call)
{
    const struct gw_str *s = gw_http_answer(call, "grpc-status");

    return s ? (int)strtol(s->p, NULL, 10) : -1;
}

static inline const char *world_message(const struct gw_http_call *call)
{
    const struct gw_str *s = gw_http_answer(call, "grpc-message");

    return s ? s->p : "";
}

#endif
