#include "cmd/cmd.h"

#include "admin/access.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/pbwire.h"
#include "base/text.h"
#include "cmd/option.h"
#include "cmd/progress.h"
#include "cmd/send.h"
#include "net/http1_client.h"
#include "net/http2_client.h"
#include "net/loop.h"
#include "net/tls.h"

#include <stdio.h>
#include <stdlib.h>

/* `send`: so many requests under way at once: over gRPC on one connection, over HTTP/1.1 on one
 * each. The loop is the process's only one. Every request ends in exactly one count, ok or failed.
 */

enum {
    MAX_CONCURRENCY = 10000,
    FILE_CONCURRENCY = 1, /* the order of a file is kept */
    SAMPLE_CONCURRENCY = 64,
    MAX_ANSWER = 1024 * 1024,
    MAX_REPORTED = 10,
    PROGRESS_MS = 100
};

struct slot {
    struct gw_http_call call;
    struct gw_http1_client *http; /* --http: a connection each */
    struct send *send;
    struct gw_arena *mem;
    struct gw_send_item item;
    struct slot *next;
};

struct send {
    struct gw_loop *loop;
    const char *grpc, *url;
    const char *address, *prefix; /* of the URL */
    int tls;
    struct gw_tls_files files;
    struct gw_tls_context *context; /* of the connections over HTTP/1.1; NULL: plain */
    const char *token_file;
    struct gw_http_header token; /* what shows it; name.p NULL: none */
    enum gw_kind kind;           /* GW_KINDS: any */
    int64_t count, rate, concurrency;
    struct gw_send_items items;
    struct gw_arena *mem;
    struct gw_http2_client *client;
    struct slot *slots, *idle;
    uint64_t run;
    int64_t started, ended, ok, failed;
    int connected;
    int64_t ok_at_open;
    int64_t begin_ns;
    struct gw_timer rate_timer, progress_timer;
    struct gw_progress progress;
    struct gw_task pump;
    struct gw_err broken;
};

#define RECORD "/flyteidl2.workflow.EventsProxyService/Record"
static const char *const grpc_paths[] = {"/flyteidl.service.AdminService/CreateWorkflowEvent",
                                         "/flyteidl.service.AdminService/CreateNodeEvent",
                                         "/flyteidl.service.AdminService/CreateTaskEvent", RECORD};
static const char *const h2[] = {"h2", NULL}, *const http1[] = {"http/1.1", NULL};
static const char *const rest_paths[] = {"/api/v1/events/workflows", "/api/v1/events/nodes",
                                         "/api/v1/events/tasks", RECORD};

/* ---- the end of a request ---- */

static void report(struct send *s, const struct gw_send_item *item, const char *problem,
                   struct gw_str detail)
{
    char where[300] = "-";

    if (++s->failed > MAX_REPORTED)
        return;
    if (item && item->path)
        snprintf(where, sizeof(where), "%s:%zu", item->path, item->line);
    GW_DIAG(GW_ERROR, "send", gw_msg("not delivered"), gw_kv_cstr("request", where),
            gw_kv_cstr("error", problem), gw_kv_str("detail", detail));
    if (s->failed == MAX_REPORTED)
        GW_DIAG(GW_ERROR, "send", gw_msg("further failures are only counted"));
}

/* problem NULL: delivered. */
static void finish(struct send *s, const struct gw_send_item *item, const char *problem,
                   struct gw_str detail)
{
    s->ended++;
    if (problem)
        report(s, item, problem, detail);
    else
        s->ok++;
}

static void judge_grpc(struct slot *slot)
{
    const struct gw_http_call *call = &slot->call;
    const struct gw_str *status = gw_http_answer(call, "grpc-status");
    const struct gw_str *message = gw_http_answer(call, "grpc-message");
    const char *problem;

    if (status && gw_str_is(*status, "0")) {
        finish(slot->send, NULL, NULL, GW_STR(""));
        return;
    }
    problem = status ? gw_arena_printf(slot->mem, "grpc-status %.*s", (int)status->len, status->p).p
                     : gw_arena_printf(slot->mem, "HTTP status %d, not gRPC", call->status).p;
    finish(slot->send, &slot->item, problem, message ? *message : GW_STR(""));
}

static void on_done(struct gw_http_call *call)
{
    struct slot *slot = GW_CONTAINER(call, struct slot, call);
    struct send *s = slot->send;

    if (call->failed)
        finish(s, &slot->item, call->err.msg, GW_STR(""));
    else if (s->grpc)
        judge_grpc(slot);
    else if (call->status >= 200 && call->status <= 299)
        finish(s, NULL, NULL, GW_STR(""));
    else
        finish(s, &slot->item, gw_arena_printf(slot->mem, "HTTP status %d", call->status).p,
               gw_buf_str(&call->answer));
    gw_arena_reset(slot->mem);
    slot->next = s->idle;
    s->idle = slot;
    gw_loop_post(s->loop, &s->pump);
}

/* ---- the start of a request ---- */

static struct gw_str frame(struct gw_arena *mem, struct gw_str message)
{
    char *p = gw_arena_alloc(mem, message.len + 5);

    p[0] = 0;
    for (int i = 0; i < 4; i++)
        p[1 + i] = (char)(message.len >> (24 - 8 * i));
    if (message.len > 0)
        memcpy(p + 5, message.p, message.len);
    return (struct gw_str){p, message.len + 5};
}

static struct gw_send_item next_item(const struct send *s, struct gw_arena *mem)
{
    int64_t i = s->started;
    struct gw_send_item item = {.kind = s->kind};

    if (s->items.n > 0)
        return s->items.items[(size_t)i % s->items.n];
    if (item.kind == GW_KINDS)
        item.kind = (enum gw_kind)(i % 3);
    item.json = gw_send_sample(mem, item.kind, s->run, i);
    return item;
}

/* Flyte 2 takes requests of many events; here of one. */
static struct gw_str record_request(struct gw_arena *mem, const struct gw_send_item *item,
                                    struct gw_str bytes)
{
    struct gw_buf b;

    if (item->kind != GW_ACTION)
        return bytes;
    gw_buf_init(&b, bytes.len + 16, mem);
    gw_pbwire_put_bytes(&b, 1, bytes);
    return gw_buf_str(&b);
}

/* The token behind those that are always there. */
static void set_headers(const struct send *s, struct slot *slot, const struct gw_http_header *h,
                        size_t n)
{
    struct gw_http_header *all = gw_arena_alloc(slot->mem, (n + 1) * sizeof(*all));

    memcpy(all, h, n * sizeof(*h));
    if (s->token.name.p)
        all[n++] = s->token;
    slot->call.headers = all;
    slot->call.n_headers = n;
}

static int fill_grpc(struct send *s, struct slot *slot, struct gw_err *err)
{
    const struct gw_send_item *item = &slot->item;
    static const struct gw_http_header headers[] = {
        {{"content-type", 12}, {"application/grpc", 16}},
        {{"te", 2}, {"trailers", 8}},
        {{"user-agent", 10}, {"moongate/" GW_VERSION, sizeof("moongate/" GW_VERSION) - 1}}};
    struct gw_flyte_request r = {.bytes = item->bytes};

    if (item->json.p && gw_flyte_decode_json(slot->mem, item->kind, item->json, &r, err))
        return -1;
    slot->call.path = gw_str_of(grpc_paths[item->kind]);
    slot->call.authority = gw_str_of(s->grpc);
    set_headers(s, slot, headers, 3);
    slot->call.body = frame(slot->mem, record_request(slot->mem, item, r.bytes));
    return 0;
}

static void fill_rest(struct send *s, struct slot *slot)
{
    const struct gw_send_item *item = &slot->item;
    static const struct gw_http_header json[] = {{{"content-type", 12}, {"application/json", 16}}};
    static const struct gw_http_header bytes[] = {
        {{"content-type", 12}, {"application/octet-stream", 24}}};
    static const struct gw_http_header proto[] = {
        {{"content-type", 12}, {"application/proto", 17}}};
    int action = item->kind == GW_ACTION;

    slot->call.path = gw_arena_printf(slot->mem, "%s%s", s->prefix, rest_paths[item->kind]);
    slot->call.authority = gw_str_of(s->address);
    set_headers(s, slot, item->json.p ? json : action ? proto : bytes, 1);
    if (!item->json.p)
        slot->call.body = record_request(slot->mem, item, item->bytes);
    else if (action)
        slot->call.body =
            gw_arena_printf(slot->mem, "{\"events\":[%.*s]}", (int)item->json.len, item->json.p);
    else
        slot->call.body = item->json;
}

static void start_one(struct send *s)
{
    struct slot *slot = s->idle;
    struct gw_err err;

    slot->item = next_item(s, slot->mem);
    s->started++;
    slot->call = (struct gw_http_call){.method = GW_STR("POST"),
                                       .scheme = s->tls ? GW_STR("https") : GW_STR("http"),
                                       .max_answer = MAX_ANSWER,
                                       .mem = slot->mem,
                                       .done = on_done};
    if (s->grpc && fill_grpc(s, slot, &err)) {
        finish(s, &slot->item, err.msg, GW_STR(""));
        gw_arena_reset(slot->mem);
        return;
    }
    if (!s->grpc)
        fill_rest(s, slot);
    s->idle = slot->next;
    if (s->grpc)
        gw_http2_client_start(s->client, &slot->call);
    else
        gw_http1_client_start(slot->http, &slot->call);
}

/* ---- the connection ---- */

static void on_closed(void *ctx, const struct gw_err *why)
{
    struct send *s = ctx;

    gw_http2_client_close(s->client);
    s->client = NULL;
    s->broken = *why;
    gw_loop_post(s->loop, &s->pump);
}

/* A connection that brought nothing is not tried again: what is left counts as failed. */
static int connect_again(struct send *s)
{
    struct gw_tls_context *tls = NULL;

    if (s->client || !s->grpc)
        return 0;
    if (s->connected && s->ok == s->ok_at_open)
        return -1;
    s->connected = 1;
    s->ok_at_open = s->ok;
    if (s->tls && !(tls = gw_tls_client_context(&s->files, h2, &s->broken)))
        return -1;
    s->client = gw_http2_client_open_tls(s->loop, s->address, tls, on_closed, s, &s->broken);
    return s->client ? 0 : -1;
}

static void give_up(struct send *s)
{
    while (s->started < s->count) {
        s->started++;
        finish(s, NULL, s->broken.msg, GW_STR(""));
    }
}

/* How many may have been started by now. */
static int64_t due(const struct send *s)
{
    int64_t ms = (gw_clock_mono_ns() - s->begin_ns) / 1000000;

    return s->rate == 0 ? s->count : ms * s->rate / 1000 + 1;
}

static void on_pump(struct gw_task *t)
{
    struct send *s = GW_CONTAINER(t, struct send, pump);
    int64_t may = due(s);

    if (s->started < s->count && connect_again(s))
        give_up(s);
    while ((s->client || !s->grpc) && s->idle && s->started < s->count && s->started < may)
        start_one(s);
    if (s->ended == s->count)
        gw_loop_stop(s->loop);
    else if (s->rate > 0 && s->started < s->count && s->started >= may)
        gw_timer_set(&s->rate_timer, 1);
}

static void on_rate(struct gw_timer *t)
{
    on_pump(&GW_CONTAINER(t, struct send, rate_timer)->pump);
}

/* ---- progress ---- */

static void show_progress(struct send *s)
{
    gw_progress_show(&s->progress, (uint64_t)s->ended, (uint64_t)s->count, "%lld/%lld failed=%lld",
                     (long long)s->ended, (long long)s->count, (long long)s->failed);
}

static void on_progress(struct gw_timer *t)
{
    show_progress(GW_CONTAINER(t, struct send, progress_timer));
    gw_timer_set(t, PROGRESS_MS);
}

/* ---- the command ---- */

static int run_send(struct send *s)
{
    s->loop = gw_loop_new();
    s->begin_ns = gw_clock_mono_ns();
    s->run = (uint64_t)gw_clock_wall_ns() / 1000;
    s->slots = gw_arena_zalloc(s->mem, (size_t)s->concurrency * sizeof(*s->slots));
    for (int64_t i = 0; i < s->concurrency; i++) {
        s->slots[i] = (struct slot){.send = s, .mem = gw_arena_new(), .next = s->idle};
        if (!s->grpc)
            s->slots[i].http = gw_http1_client_new(s->loop, s->address);
        if (!s->grpc && s->context)
            gw_http1_client_tls(s->slots[i].http, s->context);
        s->idle = &s->slots[i];
    }
    s->pump.fn = on_pump;
    gw_timer_init(&s->rate_timer, s->loop, on_rate);
    gw_timer_init(&s->progress_timer, s->loop, on_progress);
    gw_progress_init(&s->progress);
    if (s->progress.on)
        gw_timer_set(&s->progress_timer, PROGRESS_MS);
    gw_loop_post(s->loop, &s->pump);
    gw_loop_run(s->loop);
    show_progress(s);
    gw_progress_end(&s->progress);
    printf("sent=%lld ok=%lld failed=%lld seconds=%.3f\n", (long long)s->started, (long long)s->ok,
           (long long)s->failed, (double)(gw_clock_mono_ns() - s->begin_ns) / 1e9);
    gw_http2_client_close(s->client);
    for (int64_t i = 0; i < s->concurrency; i++) {
        gw_http1_client_close(s->slots[i].http);
        gw_arena_free(s->slots[i].mem);
    }
    gw_timer_fini(&s->rate_timer);
    gw_timer_fini(&s->progress_timer);
    gw_loop_free(s->loop);
    return s->ok == s->count ? 0 : 1;
}

/* http://host[:port][/prefix], https:// */
static int split_url(struct send *s, struct gw_err *err)
{
    const int secure = !strncmp(s->url, "https://", 8);
    const char *rest = s->url + (secure ? 8 : 7), *slash;
    struct gw_str host;

    if (!secure && strncmp(s->url, "http://", 7) != 0)
        return gw_err_set(err, GW_ERR_REJECT,
                          "--http: \"%s\" does not start with http:// or https://", s->url);
    if (s->tls && !secure)
        return gw_err_set(err, GW_ERR_REJECT, "--http: \"%s\" is without TLS: https://", s->url);
    s->tls = secure;
    slash = strchr(rest, '/');
    host = slash ? (struct gw_str){rest, (size_t)(slash - rest)} : gw_str_of(rest);
    if (host.len == 0)
        return gw_err_set(err, GW_ERR_REJECT, "--http: \"%s\" names no host", s->url);
    s->address = gw_arena_printf(s->mem, "%.*s%s", (int)host.len, host.p,
                                 memchr(host.p, ':', host.len) ? ""
                                 : secure                      ? ":443"
                                                               : ":80")
                     .p;
    s->prefix = slash ? gw_arena_strndup(s->mem, slash, strlen(slash)) : "";
    if (slash && s->prefix[strlen(s->prefix) - 1] == '/')
        s->prefix = gw_arena_strndup(s->mem, s->prefix, strlen(s->prefix) - 1);
    return 0;
}

static int read_files(struct send *s, char **files, int n_files, struct gw_err *err)
{
    for (int i = 0; i < n_files; i++)
        if (gw_send_read(s->mem, files[i], s->kind, &s->items, err)) {
            err->kind = GW_ERR_FATAL;
            return -1;
        }
    if (n_files > 0 && s->items.n == 0)
        return gw_err_set(err, GW_ERR_FATAL, "the files hold no request");
    return 0;
}

static int find_target(struct send *s, struct gw_err *err)
{
    if (s->grpc && s->url)
        return gw_err_set(err, GW_ERR_REJECT, "--grpc and --http: one of them");
    if (!s->grpc && !s->url)
        s->grpc = "127.0.0.1:8089";
    s->address = s->grpc;
    s->tls = s->tls || s->files.ca || s->files.cert || s->files.key;
    if (!s->files.cert != !s->files.key)
        return gw_err_set(err, GW_ERR_REJECT, "--cert and --key go together");
    return s->url ? split_url(s, err) : 0;
}

static int read_token(struct send *s, struct gw_err *err)
{
    char token[GW_TOKEN_MAX], why[300];
    size_t n;

    if (!s->token_file)
        return 0;
    n = gw_token_read(s->token_file, token, why, sizeof(why));
    if (!n)
        return gw_err_set(err, GW_ERR_FATAL, "--token-file: %s", why);
    s->token = (struct gw_http_header){GW_STR("authorization"),
                                       gw_arena_printf(s->mem, "Bearer %.*s", (int)n, token)};
    explicit_bzero(token, sizeof(token));
    return 0;
}

/* Before the first request, so that a file that will not do is told once. */
static int prepare_tls(struct send *s, struct gw_err *err)
{
    if (!s->tls)
        return 0;
    s->context = gw_tls_client_context(&s->files, http1, err);
    return s->context ? 0 : -1;
}

static int find_kind(struct send *s, const char *name, struct gw_err *err)
{
    struct gw_nearest near = {.wanted = gw_str_of(name)};
    char hint[100];

    s->kind = GW_KINDS;
    if (!name || (!gw_kind_parse(gw_str_of(name), &s->kind) && s->kind <= GW_ACTION))
        return 0;
    for (int kind = GW_WORKFLOW; kind <= GW_ACTION; kind++)
        gw_nearest_offer(&near, gw_str_of(gw_kind_names[kind]));
    return gw_err_set(err, GW_ERR_REJECT,
                      "--kind: \"%s\" is none of workflow, node, task, action%s", name,
                      gw_nearest_hint(&near, hint, sizeof(hint)));
}

/* GW_ERR_REJECT: wrong usage; another kind: the files. */
static int prepare(struct send *s, const char *kind, char **files, int n_files, struct gw_err *err)
{
    if (find_kind(s, kind, err) || find_target(s, err) || read_token(s, err) ||
        prepare_tls(s, err) || read_files(s, files, n_files, err))
        return -1;
    if (s->count == 0 && s->items.n > 0)
        s->count = (int64_t)s->items.n;
    else if (s->count == 0)
        s->count = kind ? 1 : 3;
    if (s->concurrency == 0)
        s->concurrency = n_files > 0 ? FILE_CONCURRENCY : SAMPLE_CONCURRENCY;
    return 0;
}

static int fail(const struct gw_err *err)
{
    GW_DIAG(GW_ERROR, "send", gw_msg(err->msg));
    return 1;
}

int gw_cmd_send(int argc, char **argv)
{
    struct send s = {.mem = gw_arena_new()};
    const char *kind = NULL;
    const struct gw_option options[] = {
        {"grpc", 0, GW_OPT_STR, &s.grpc, "HOST:PORT", "over gRPC; the default, 127.0.0.1:8089", 0,
         0},
        {"http", 0, GW_OPT_STR, &s.url, "URL",
         "to FlyteAdmin's REST paths below URL, http:// or https:// (actions: over Connect), over "
         "HTTP/1.1",
         0, 0},
        {"tls", 0, GW_OPT_FLAG, &s.tls, NULL, "gRPC over TLS; so does each of the next three", 0,
         0},
        {"ca", 0, GW_OPT_STR, &s.files.ca, "FILE",
         "certificates to trust, PEM; without it the system's", 0, 0},
        {"cert", 0, GW_OPT_STR, &s.files.cert, "FILE", "certificate to show, PEM", 0, 0},
        {"key", 0, GW_OPT_STR, &s.files.key, "FILE", "its key, PEM", 0, 0},
        {"token-file", 0, GW_OPT_STR, &s.token_file, "FILE",
         "holds the token to show (authorization: Bearer)", 0, 0},
        {"kind", 0, GW_OPT_STR, &kind, "KIND",
         "workflow, node, task or action: of requests that do not say, of samples", 0, 0},
        {"count", 0, GW_OPT_INT, &s.count, "N",
         "so many in all, the files again and again; else each request once", 1, INT64_MAX / 2},
        {"rate", 0, GW_OPT_INT, &s.rate, "R", "at most so many a second", 1, 1000000},
        {"concurrency", 0, GW_OPT_INT, &s.concurrency, "N",
         "so many under way at once; 1 with files (their order is kept), else 64", 1,
         MAX_CONCURRENCY},
        {0}};
    const struct gw_usage usage = {
        .command = "send",
        .line = "moongate send [--grpc HOST:PORT | --http URL] [--tls] [--ca FILE]\n"
                "                     [--cert FILE --key FILE] [--token-file FILE] [--kind KIND] "
                "[--count N]\n"
                "                     [--rate R] [--concurrency N] [FILE...]",
        .about =
            "Sends event requests. A FILE (- is standard input) holds one request as JSON or "
            "protobuf\nbytes, or one {\"kind\":…,\"request\":…} a line. Without FILE: samples, "
            "whose ids all differ.",
        .options = options,
        .max_args = 1000000,
    };
    struct gw_err err;
    int n_files, rc = gw_options(&usage, argc, argv, &n_files);

    if (rc == GW_OPTIONS_OK && !prepare(&s, kind, argv + 1, n_files, &err))
        rc = run_send(&s);
    else if (rc == GW_OPTIONS_OK && err.kind == GW_ERR_REJECT)
        rc = gw_usage_error(&usage, "%s", err.msg);
    else if (rc == GW_OPTIONS_OK)
        rc = fail(&err);
    gw_tls_context_drop(s.context);
    gw_arena_free(s.mem);
    return rc;
}
