/* The load of the fault tests: many keys at once, each with one request unanswered, so that the
 * order of a key is the order of its acknowledgements.
 *
 *     load GRPC-ADDRESS HTTP-ADDRESS STATUS-FILE SEED FLOWS BATCHES
 *
 * A flow is one Flyte execution over gRPC: node events fault:dev:e<lane>:n<step>:<try>:RUNNING. A
 * batch lane posts CloudEvents b<lane>:<step>:<try>:<i>:<size>. What is not acknowledged is sent
 * again as the next try, so an id that arrives twice was repeated by the gateway; of a step that
 * took several tries a line "lane step try" on standard output names the acknowledged one. What was
 * done is counted in STATUS-FILE (struct status, mapped). It ends when status.stop is set and
 * nothing is unanswered, and with exit 1 on an answer that is neither yes nor "later". */
#include "base/arena.h"
#include "base/buf.h"
#include "base/varint.h"
#include "net/http2_client.h"
#include "net/loop.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { GRPC_CONNECTIONS = 3, CONNECTIONS = GRPC_CONNECTIONS + 1, MAX_LANES = 1000 };
enum { REOPEN_MS = 2, AGAIN_MS = 5, WATCH_MS = 5, MAX_BODY = 1024 * 1024 };

/* Read by the tests with the same layout (load.py). */
struct status {
    uint64_t stop;       /* set from outside */
    uint64_t acked;      /* events */
    uint64_t unanswered; /* requests on a connection */
    uint64_t broken;     /* requests whose connection broke before their answer */
    uint64_t unsure;     /* their events: perhaps kept, nobody knows */
    uint64_t later;      /* answers that say: try again */
    uint64_t connected;  /* connections that are open */
    uint32_t step[MAX_LANES];
};

struct conn {
    struct load *load;
    const char *address;
    struct gw_http2_client *client;
    struct gw_timer reopen;
};

struct lane {
    struct load *load;
    struct conn *conn;
    struct gw_http_call call;
    struct gw_arena *mem;
    struct gw_timer again;
    uint32_t number, step, try, size; /* size: events of the request */
    int batch, busy;
};

struct load {
    struct gw_loop *loop;
    volatile struct status *status;
    struct conn conns[CONNECTIONS];
    struct lane *lanes;
    uint32_t n_lanes;
    uint64_t seed;
    struct gw_timer watch;
    char filler[MAX_BODY];
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* splitmix64: what a lane sends at a step depends on the seed alone. */
static uint64_t hash(uint64_t seed, uint64_t a, uint64_t b)
{
    uint64_t z = seed + (a << 32) + b + 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Mostly small; now and then a good part of a segment of 1 MiB. */
static size_t payload_size(uint64_t h)
{
    return h % 512 == 0 ? 20000 + (h >> 16) % 200000 : 50 + (h >> 16) % 700;
}

/* ---- the requests ---- */

static void field(struct gw_buf *b, int number, const char *p, size_t len)
{
    char head[2 * GW_VARINT_MAX], *end = gw_varint_put(head, (uint64_t)number << 3 | 2);

    end = gw_varint_put(end, len);
    gw_buf_put(b, head, (size_t)(end - head));
    gw_buf_put(b, p, len);
}

static struct gw_buf small(struct gw_arena *mem)
{
    struct gw_buf b;

    gw_buf_init(&b, MAX_BODY, mem);
    return b;
}

/* A NodeExecutionEventRequest behind its gRPC frame's head. */
static struct gw_str flow_body(struct lane *l)
{
    struct gw_buf run = small(l->mem), id = small(l->mem), event = small(l->mem),
                  request = small(l->mem), out = small(l->mem);
    uint64_t h = hash(l->load->seed, l->number, l->step);
    char text[32];
    int n = snprintf(text, sizeof(text), "e%u", l->number);

    field(&run, 1, "fault", 5);
    field(&run, 2, "dev", 3);
    field(&run, 4, text, (size_t)n);
    n = snprintf(text, sizeof(text), "n%u", l->step);
    field(&id, 1, text, (size_t)n);
    field(&id, 2, run.p, run.len);
    field(&event, 1, id.p, id.len);
    field(&event, 2, l->load->filler, payload_size(h));
    gw_buf_put(&event, "\x18\x02", 2); /* phase: RUNNING */
    field(&event, 4, "\x08\x80\x80\x80\xb0\x06", 6);
    n = snprintf(text, sizeof(text), "%u", l->try);
    field(&event, 11, text, (size_t)n); /* the retry group is a part of the id */
    field(&request, 2, event.p, event.len);
    for (int i = 0; i < 5; i++)
        gw_buf_putc(&out, i ? (char)(request.len >> (32 - 8 * i)) : 0);
    gw_buf_put_str(&out, gw_buf_str(&request));
    l->size = 1;
    return gw_buf_str(&out);
}

static struct gw_str batch_body(struct lane *l)
{
    struct gw_buf b = small(l->mem);
    uint64_t h = hash(l->load->seed, l->number, l->step);

    l->size = 2 + h % 11;
    for (uint32_t i = 0; i < l->size; i++)
        gw_buf_printf(
            &b,
            "%c{\"specversion\":\"1.0\",\"type\":\"t\",\"source\":\"/b\",\"id\":\"b%u:%u:%"
            "u:%u:%u\",\"partitionkey\":\"b%u\",\"data\":\"%.*s\"}",
            i ? ',' : '[', l->number, l->step, l->try, i, l->size, l->number,
            (int)(50 + (h >> i) % 400), l->load->filler);
    gw_buf_putc(&b, ']');
    return gw_buf_str(&b);
}

/* ---- their ends ---- */

static void start(struct lane *l);

static void on_again(struct gw_timer *t)
{
    start(GW_CONTAINER(t, struct lane, again));
}

static void later(struct lane *l)
{
    l->try++;
    gw_timer_set(&l->again, AGAIN_MS + (int64_t)(hash(l->load->seed, l->number, 1) % 8));
}

static void acknowledged(struct lane *l)
{
    if (l->try > 0) {
        printf("%u %u %u\n", l->number, l->step, l->try);
        fflush(stdout);
    }
    l->try = 0;
    l->step++;
    l->load->status->acked += l->size;
    l->load->status->step[l->number] = l->step;
    start(l);
}

static void broken(struct lane *l)
{
    volatile struct status *s = l->load->status;

    if (strstr(l->call.err.msg, "connect:")) /* it was never sent */
        return;
    s->broken++;
    s->unsure += l->size;
}

static void answered(struct lane *l)
{
    const struct gw_http_call *c = &l->call;
    const struct gw_str *status = gw_http_answer(c, "grpc-status");
    const struct gw_str *message = gw_http_answer(c, "grpc-message");
    int yes = l->batch ? c->status == 202 : status && gw_str_is(*status, "0");
    int no = l->batch ? c->status != 503 && c->status != 429
                      : !status || (!gw_str_is(*status, "14") && !gw_str_is(*status, "8"));

    if (yes) {
        acknowledged(l);
        return;
    }
    if (no) {
        fprintf(stderr, "lane %u step %u: HTTP %d, grpc-status %.*s %.*s %.*s\n", l->number,
                l->step, c->status, status ? (int)status->len : 0, status ? status->p : "",
                message ? (int)message->len : 0, message ? message->p : "", (int)c->answer.len,
                gw_buf_str(&c->answer).p);
        exit(1);
    }
    l->load->status->later++;
    l->load->status->unsure += l->size;
    later(l);
}

static void on_done(struct gw_http_call *call)
{
    struct lane *l = GW_CONTAINER(call, struct lane, call);

    l->busy = 0;
    l->load->status->unanswered--;
    if (!call->failed) {
        answered(l);
        return;
    }
    broken(l);
    later(l);
}

static const struct gw_http_header grpc_headers[] = {
    {{"content-type", 12}, {"application/grpc", 16}}, {{"te", 2}, {"trailers", 8}}};
static const struct gw_http_header batch_headers[] = {
    {{"content-type", 12}, {"application/cloudevents-batch+json", 34}}};

static void start(struct lane *l)
{
    gw_timer_cancel(&l->again);
    if (l->busy || !l->conn->client || l->load->status->stop)
        return;
    gw_arena_reset(l->mem);
    l->call = (struct gw_http_call){.method = GW_STR("POST"),
                                    .scheme = GW_STR("http"),
                                    .authority = gw_str_of(l->conn->address),
                                    .max_answer = MAX_BODY,
                                    .mem = l->mem,
                                    .done = on_done};
    l->call.path =
        gw_str_of(l->batch ? "/v1/events" : "/flyteidl.service.AdminService/CreateNodeEvent");
    l->call.headers = l->batch ? batch_headers : grpc_headers;
    l->call.n_headers = l->batch ? 1 : 2;
    l->call.body = l->batch ? batch_body(l) : flow_body(l);
    l->busy = 1;
    l->load->status->unanswered++;
    gw_http2_client_start(l->conn->client, &l->call);
}

/* ---- the connections ---- */

static void on_closed(void *ctx, const struct gw_err *why)
{
    struct conn *c = ctx;
    struct gw_http2_client *old = c->client;

    (void)why;
    c->client = NULL;
    c->load->status->connected--;
    gw_http2_client_close(old);
    gw_timer_set(&c->reopen, REOPEN_MS);
}

/* Whether anybody listens: calls are not begun in vain. */
static int listens(const char *address)
{
    const char *colon = strrchr(address, ':');
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;

    a.sin_port = htons((unsigned short)strtol(colon ? colon + 1 : "0", NULL, 10));
    rc = connect(fd, (struct sockaddr *)&a, sizeof(a));
    close(fd);
    return rc == 0;
}

static void on_reopen(struct gw_timer *t)
{
    struct conn *c = GW_CONTAINER(t, struct conn, reopen);
    struct gw_err err;

    if (listens(c->address))
        c->client = gw_http2_client_open(c->load->loop, c->address, on_closed, c, &err);
    if (!c->client) {
        gw_timer_set(t, REOPEN_MS);
        return;
    }
    c->load->status->connected++;
    for (uint32_t i = 0; i < c->load->n_lanes; i++)
        if (c->load->lanes[i].conn == c)
            start(&c->load->lanes[i]);
}

static void on_watch(struct gw_timer *t)
{
    struct load *load = GW_CONTAINER(t, struct load, watch);

    if (load->status->stop && load->status->unanswered == 0)
        gw_loop_stop(load->loop);
    gw_timer_set(t, WATCH_MS);
}

/* ---- the whole ---- */

static volatile struct status *map_status(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    void *p;

    if (fd < 0 || ftruncate(fd, sizeof(struct status)))
        die(path);
    p = mmap(NULL, sizeof(struct status), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        die("mmap");
    close(fd);
    return p;
}

static void open_lanes(struct load *load, uint32_t flows)
{
    load->lanes = calloc(load->n_lanes, sizeof(*load->lanes));
    if (!load->lanes)
        die("calloc");
    for (uint32_t i = 0; i < load->n_lanes; i++) {
        struct lane *l = &load->lanes[i];

        l->load = load;
        l->number = i;
        l->batch = i >= flows;
        l->conn = &load->conns[l->batch ? GRPC_CONNECTIONS : i % GRPC_CONNECTIONS];
        l->mem = gw_arena_new();
        gw_timer_init(&l->again, load->loop, on_again);
    }
}

int main(int argc, char **argv)
{
    static struct load load;
    uint32_t flows, batches;

    if (argc != 7)
        return 2;
    flows = (uint32_t)strtoul(argv[5], NULL, 10);
    batches = (uint32_t)strtoul(argv[6], NULL, 10);
    load.n_lanes = flows + batches;
    if (load.n_lanes > MAX_LANES)
        return 2;
    load.seed = strtoull(argv[4], NULL, 10) << 20;
    for (size_t i = 0; i < sizeof(load.filler); i++)
        load.filler[i] = (char)('a' + hash(load.seed, 0, i) % 26);
    load.loop = gw_loop_new();
    load.status = map_status(argv[3]);
    for (int i = 0; i < CONNECTIONS; i++) {
        load.conns[i] =
            (struct conn){.load = &load, .address = i < GRPC_CONNECTIONS ? argv[1] : argv[2]};
        gw_timer_init(&load.conns[i].reopen, load.loop, on_reopen);
        gw_timer_set(&load.conns[i].reopen, 0);
    }
    open_lanes(&load, flows);
    gw_timer_init(&load.watch, load.loop, on_watch);
    gw_timer_set(&load.watch, WATCH_MS);
    gw_loop_run(load.loop);
    return 0;
}
