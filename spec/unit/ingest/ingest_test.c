#include "ingest/ingest.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/metrics.h"
#include "log/log.h"
#include "net/http2_client.h"
#include "net/loop.h"
#include "test.h"

#include <string.h>

/* The whole room with its threads, over sockets. */
enum { CLIENTS = 4, CALLS = 100 };

static struct gw_metrics *metrics;
static struct gw_log *log_;
static struct gw_cursor *cursor;
static struct gw_ingest *ingest;
static struct gw_ingest_grpc_conf grpc;
static struct gw_ingest_http_conf http;
static struct gw_ingest_conf conf;
static struct gw_loop *loop;
static struct gw_arena *mem;
static struct gw_err err;
static int ok, failed, closed;

static void quiet(const char *text, size_t len)
{
    (void)text;
    (void)len;
}

static void on_log_failed(void *ctx, const struct gw_err *why)
{
    (void)ctx;
    (void)why;
}

static void open_all(int threads)
{
    const struct gw_log_conf log_conf = {.type = GW_LOG_MEMORY, .max_bytes = 64 << 20};
    const struct gw_listener_conf l = {.listen = "127.0.0.1:0",
                                       .header_timeout_ms = 10000,
                                       .body_timeout_ms = 10000,
                                       .idle_timeout_ms = 10000,
                                       .max_header_bytes = 65536,
                                       .max_connections = 100,
                                       .max_body_bytes = 10000};

    gw_diag_sink = quiet;
    grpc.listener = http.listener = l;
    conf = (struct gw_ingest_conf){
        .threads = threads, .max_pending_bytes = 1 << 20, .grpc = &grpc, .http = &http};
    metrics = gw_metrics_new();
    log_ = gw_log_open(&log_conf, metrics, on_log_failed, NULL, &err);
    CHECK(log_);
    cursor = gw_log_cursor(log_, "p", GW_START_NEW, NULL, &err);
    ingest = gw_ingest_start(&conf, log_, metrics, &err);
    CHECK(ingest);
    loop = gw_loop_new();
    mem = gw_arena_new();
}

static void stop_ingest(void)
{
    gw_ingest_stop(ingest, gw_mono_ms() + 10000);
    gw_ingest_join(ingest);
}

static void close_all(void)
{
    gw_loop_free(loop);
    gw_log_close(log_);
    gw_metrics_free(metrics);
    gw_arena_free(mem);
}

static void on_done(struct gw_http_call *call)
{
    const struct gw_str *status = gw_http_answer(call, "grpc-status");

    if (!call->failed && status && gw_str_is(*status, "0"))
        ok++;
    else
        failed++;
}

static void on_closed(void *ctx, const struct gw_err *why)
{
    (void)ctx;
    (void)why;
    closed++;
}

static void start_call(struct gw_http2_client *client)
{
    static const struct gw_http_header h[] = {{{"content-type", 12}, {"application/grpc", 16}}};
    struct gw_http_call *call = gw_arena_alloc(mem, sizeof(*call));

    *call = (struct gw_http_call){.method = GW_STR("POST"),
                                  .scheme = GW_STR("http"),
                                  .authority = GW_STR("a"),
                                  .path = GW_STR("/flyteidl.service.AdminService/CreateTaskEvent"),
                                  .headers = h,
                                  .n_headers = 1,
                                  .body = (struct gw_str){"\0\0\0\0\0", 5},
                                  .max_answer = 1000,
                                  .mem = mem,
                                  .done = on_done};
    gw_http2_client_start(client, call);
}

static uint64_t accepted(void)
{
    struct gw_cursor_stats stats;

    gw_cursor_stats(cursor, &stats);
    return stats.accepted;
}

TEST(test_ingest_threads_share_one_address_and_lose_nothing)
{
    struct gw_http2_client *client[CLIENTS];

    open_all(2);
    for (int i = 0; i < CLIENTS; i++) {
        client[i] =
            gw_http2_client_open(loop, gw_ingest_grpc_address(ingest), on_closed, NULL, &err);
        CHECK(client[i]);
        for (int k = 0; k < CALLS; k++)
            start_call(client[i]);
    }
    while (ok + failed < CLIENTS * CALLS)
        gw_loop_turn(loop, 1);
    CHECK(ok == CLIENTS * CALLS && accepted() == CLIENTS * CALLS);
    for (int i = 0; i < CLIENTS; i++)
        gw_http2_client_close(client[i]);
    stop_ingest();
    close_all();
}

TEST(test_ingest_stop_ends_idle_connections_and_answers_what_is_under_way)
{
    struct gw_http2_client *client;

    open_all(1);
    client = gw_http2_client_open(loop, gw_ingest_grpc_address(ingest), on_closed, NULL, &err);
    start_call(client);
    while (ok + failed < 1)
        gw_loop_turn(loop, 1);
    start_call(client);
    gw_loop_turn(loop, 0);
    stop_ingest();
    while (ok + failed < 2 || !closed)
        gw_loop_turn(loop, 1);
    CHECK((uint64_t)ok == accepted());
    gw_http2_client_close(client);
    close_all();
}

TEST(test_ingest_start_tells_an_address_that_is_taken)
{
    struct gw_ingest_conf second;
    struct gw_ingest_grpc_conf taken;

    open_all(1);
    taken = grpc;
    taken.listener.listen = gw_ingest_grpc_address(ingest);
    second = (struct gw_ingest_conf){.threads = 1, .max_pending_bytes = 1 << 20, .grpc = &taken};
    CHECK(!gw_ingest_start(&second, log_, metrics, &err));
    CHECK(strstr(err.msg, "ingest.grpc") && strstr(err.msg, taken.listener.listen));
    second.grpc = NULL;
    second.http = &http;
    http.listener.listen = "127.0.0.1:0";
    {
        struct gw_ingest *other = gw_ingest_start(&second, log_, metrics, &err);

        CHECK(other && !gw_ingest_grpc_address(other) && gw_ingest_http_address(other));
        gw_ingest_stop(other, 0);
        gw_ingest_join(other);
    }
    stop_ingest();
    close_all();
}
