/* A Pub/Sub source against a server of gRPC on the same loop, which does what the test says: what
 * it is asked, when, and how often. */
#include "ingest/pubsub.h"

#include "base/clock.h"
#include "base/pbwire.h"
#include "event/format.h"
#include "log/message.h"
#include "net/listener.h"
#include "world.h"

#include <event2/event.h>

/* ---- the server ---- */

enum { ASKS_MAX = 64 };

struct ask {
    int is_ack, deadline; /* deadline: -1 if it said none, which is 0 */
    char ids[400];        /* "a,b,c", cut off */
    size_t n, bytes;
};

struct rig {
    struct world w;
    struct gw_listener *listener;
    struct gw_http_stream *stream; /* the StreamingPull that is open */
    int streams, half_closed;
    struct ask asks[ASKS_MAX];
    size_t n_asks;
    int code_ack, code_modify; /* what they are answered */
    int holds;                 /* for now they are not */
    struct gw_http_stream *held;
    int is_stopped;
    struct gw_ingest_pubsub conf;
    struct gw_pubsub_in *in;
};

static const struct gw_http_header grpc_type = {{"content-type", 12}, {"application/grpc", 16}};

static int server_head(struct gw_http_stream *s, void *ctx)
{
    struct rig *r = ctx;

    s->body_max = 1 << 20;
    if (!strstr(s->path.p, "StreamingPull"))
        return 0;
    r->stream = s;
    r->streams++;
    gw_http_respond(s, 200, &grpc_type, 1);
    return 0;
}

static void note(struct rig *r, struct gw_str request, int is_ack)
{
    struct gw_pbwire w = {request.p, request.p + request.len};
    struct ask *a = &r->asks[r->n_asks++];
    struct gw_pbwire_field f;

    CHECK(r->n_asks < ASKS_MAX);
    *a = (struct ask){.is_ack = is_ack, .bytes = request.len, .deadline = -1};
    while (gw_pbwire_next(&w, &f) == 1) {
        if (f.number == (is_ack ? 2u : 4u)) {
            const size_t len = strlen(a->ids);

            snprintf(a->ids + len, sizeof(a->ids) - len, "%s%.*s", a->n++ ? "," : "",
                     (int)f.bytes.len, f.bytes.p);
        } else if (f.number == 3) {
            a->deadline = (int)f.varint;
        }
    }
}

static void answer_unary(struct gw_http_stream *s, int code)
{
    char text[16];
    struct gw_http_header trailers[] = {
        {GW_STR("grpc-status"), {text, (size_t)snprintf(text, sizeof(text), "%d", code)}},
        {GW_STR("grpc-message"), GW_STR("as the test wants it")}};

    gw_http_respond(s, 200, &grpc_type, 1);
    if (!code)
        gw_http_write(s, (struct gw_str){"\0\0\0\0", 5});
    gw_http_finish(s, trailers, 2);
}

static void server_end(struct gw_http_stream *s, void *ctx)
{
    const int is_ack = strstr(s->path.p, "/Acknowledge") != NULL;
    struct rig *r = ctx;

    if (s == r->stream) {
        r->half_closed = 1;
        return;
    }
    CHECK(s->body.len >= 5);
    note(r, (struct gw_str){s->body.p + 5, s->body.len - 5}, is_ack);
    if (r->holds)
        r->held = s;
    else
        answer_unary(s, is_ack ? r->code_ack : r->code_modify);
}

static void server_gone(struct gw_http_stream *s, void *ctx)
{
    struct rig *r = ctx;

    if (s == r->stream)
        r->stream = NULL;
}

/* ---- life ---- */

static void until(struct rig *r, int condition(const struct rig *r))
{
    while (!condition(r))
        gw_loop_turn(r->w.front.loop, 1);
}

static int has_stream(const struct rig *r)
{
    return r->stream != NULL && r->in->open;
}

static void rig_open(struct rig *r, int64_t max_pending)
{
    static const struct gw_http_handler handler = {
        .head = server_head, .end = server_end, .gone = server_gone};
    static const struct gw_listener_conf listen = {.listen = "127.0.0.1:0",
                                                   .header_timeout_ms = 60000,
                                                   .body_timeout_ms = 60000,
                                                   .idle_timeout_ms = 60000,
                                                   .max_header_bytes = 65536,
                                                   .max_connections = 10,
                                                   .max_body_bytes = 1 << 20};
    struct gw_err err;

    memset(r, 0, sizeof(*r));
    world_open_with(&r->w, &gw_grpc_handler, max_pending, 64L << 20);
    r->listener = gw_listener_open(r->w.front.loop, &listen, &handler, r, &err);
    CHECK(r->listener);
    CHECK(!setenv("PUBSUB_EMULATOR_HOST", gw_listener_address(r->listener), 1));
    r->conf = (struct gw_ingest_pubsub){.project = "p", .subscription = "subs"};
    r->in = (struct gw_pubsub_in *)gw_source_pubsub.open(&r->conf, &r->w.front, &err);
    CHECK(r->in);
    until(r, has_stream);
}

static void on_stopped(void *ctx)
{
    ((struct rig *)ctx)->is_stopped = 1;
}

static int is_stopped(const struct rig *r)
{
    return r->is_stopped;
}

static void rig_stop(struct rig *r)
{
    gw_source_pubsub.stop(&r->in->base, on_stopped, r);
}

static void finish_stream(struct rig *r, int code)
{
    char text[16];
    const struct gw_http_header trailer = {
        GW_STR("grpc-status"), {text, (size_t)snprintf(text, sizeof(text), "%d", code)}};

    gw_http_finish(r->stream, &trailer, 1);
}

static void rig_close(struct rig *r)
{
    world_hold(0);
    if (!r->is_stopped && !r->in->stopping)
        rig_stop(r);
    if (r->stream)
        finish_stream(r, 0);
    until(r, is_stopped);
    CHECK(!r->in->appending && !r->in->bytes && !r->in->held.first && !r->in->kept.first);
    gw_source_pubsub.close(&r->in->base);
    gw_listener_close(r->listener);
    world_close(&r->w);
}

/* ---- messages ---- */

struct sent {
    const char *ack_id, *data, *key; /* key: of order; NULL: none */
    int attempt;
};

static struct gw_str event(struct rig *r, const char *id, size_t size)
{
    char *filler = gw_arena_alloc(r->w.mem, size + 1);

    memset(filler, 'x', size);
    filler[size] = '\0';
    return gw_arena_printf(r->w.mem,
                           "{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":\"/s\",\"type\":"
                           "\"t\",\"data\":\"%s\"}",
                           id, filler);
}

static void put_received(struct rig *r, struct gw_buf *out, const struct sent *m)
{
    struct gw_buf message, received;

    gw_buf_init(&message, 1 << 24, r->w.mem);
    gw_buf_init(&received, 1 << 24, r->w.mem);
    gw_pbwire_put_bytes(&message, 1, gw_str_of(m->data));
    if (m->key)
        gw_pbwire_put_bytes(&message, 5, gw_str_of(m->key));
    gw_pbwire_put_bytes(&received, 1, gw_str_of(m->ack_id));
    gw_pbwire_put_bytes(&received, 2, gw_buf_str(&message));
    if (m->attempt)
        gw_pbwire_put_varint(&received, 3, (uint64_t)m->attempt);
    gw_pbwire_put_bytes(out, 1, gw_buf_str(&received));
}

/* One answer of the stream. */
static void push(struct rig *r, const struct sent *messages, size_t n)
{
    struct gw_buf out;
    char head[5] = {0};

    gw_buf_init(&out, 1 << 26, r->w.mem);
    for (size_t i = 0; i < n; i++)
        put_received(r, &out, &messages[i]);
    for (int i = 0; i < 4; i++)
        head[1 + i] = (char)(out.len >> (24 - 8 * i));
    gw_http_write(r->stream, (struct gw_str){head, 5});
    gw_http_write(r->stream, gw_buf_str(&out));
}

/* n events a0, a1, … of so many bytes. */
static void push_events(struct rig *r, size_t n, size_t size)
{
    struct sent *m = gw_arena_alloc(r->w.mem, n * sizeof(*m));

    for (size_t i = 0; i < n; i++) {
        const char *id = gw_arena_printf(r->w.mem, "a%zu", i).p;

        m[i] = (struct sent){id, event(r, id, size).p, NULL, 0};
    }
    push(r, m, n);
}

static size_t awaited;

static int has_taken(const struct rig *r)
{
    return r->in->n >= awaited;
}

static void until_taken(struct rig *r, size_t n)
{
    awaited = n;
    until(r, has_taken);
}

static int has_asked(const struct rig *r)
{
    return r->n_asks >= awaited;
}

static void until_asked(struct rig *r, size_t n)
{
    awaited = n;
    until(r, has_asked);
}

static int is_empty(const struct rig *r)
{
    return r->in->n == 0 && !r->in->ack.running;
}

static int is_ask(const struct rig *r, size_t i, int is_ack, int deadline, const char *ids)
{
    return r->n_asks > i && r->asks[i].is_ack == is_ack && r->asks[i].deadline == deadline &&
           !strcmp(r->asks[i].ids, ids);
}

/* ---- the clock ---- */

static _Atomic int64_t moved_ms;

static int64_t moved_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec + moved_ms * 1000000;
}

/* ---- I9 to I11 ---- */

TEST(test_pubsub_acknowledges_what_is_durable_as_one_and_nothing_before)
{
    struct rig r;

    rig_open(&r, 1 << 20);
    world_hold(1);
    push_events(&r, 3, 10);
    until_taken(&r, 3);
    for (int i = 0; i < 5; i++)
        gw_loop_turn(r.w.front.loop, 0);
    CHECK(r.n_asks == 0 && r.in->appending == 3);
    world_hold(0);
    until(&r, is_empty);
    CHECK(r.n_asks == 1 && is_ask(&r, 0, 1, -1, "a0,a1,a2"));
    CHECK(world_accepted(&r.w) == 3);
    rig_close(&r);
}

TEST(test_pubsub_what_finds_no_room_waits_and_all_behind_it_in_their_order)
{
    struct rig r;

    rig_open(&r, 1 << 20); /* so 256 KiB may be on their way */
    world_hold(1);
    push_events(&r, 10, 50000);
    until_taken(&r, 10);
    CHECK(r.in->appending == 6 && r.in->held.first && r.in->paused);
    world_hold(0);
    until(&r, is_empty);
    CHECK(world_accepted(&r.w) == 10 && !r.in->paused);
    CHECK(is_ask(&r, 0, 1, -1, "a0,a1,a2,a3,a4,a5"));
    CHECK(is_ask(&r, r.n_asks - 1, 1, -1, "a6,a7,a8,a9"));
    rig_close(&r);
}

/* All that the server counts as ours is renewed meanwhile. */
TEST(test_pubsub_what_clients_have_pending_makes_it_wait_too)
{
    struct sent two[2] = {{"big", NULL, NULL, 0}, {"small", NULL, NULL, 0}};
    struct rig r;

    gw_clock_mono_ns = moved_clock;
    rig_open(&r, 1 << 20);
    two[0].data = event(&r, "big", 50000).p;
    two[1].data = event(&r, "small", 10).p; /* there is room for it, and not before its turn */
    r.w.pending = (1 << 20) - 30000;
    push(&r, two, 2);
    until_taken(&r, 2);
    CHECK(!r.in->appending && r.in->held.first && !r.in->paused && !r.n_asks);
    push_events(&r, 2, 10); /* on another answer */
    until_taken(&r, 4);
    moved_ms = 25000;
    r.in->lease.fn(&r.in->lease);
    until_asked(&r, 1);
    CHECK(is_ask(&r, 0, 0, 60, "big,small,a0,a1"));
    r.in->hold.fn(&r.in->hold); /* in vain */
    CHECK(!r.in->appending && !r.in->paused && r.in->held_bytes > 50000);
    push_events(&r, 5, 50000); /* more than is held at once: the server has to wait */
    until_taken(&r, 9);
    CHECK(r.in->paused && r.in->held_bytes >= r.in->budget);
    push_events(&r, 1, 10);
    for (int i = 0; i < 20; i++)
        gw_loop_turn(r.w.front.loop, 0);
    CHECK(r.in->n == 9);
    r.w.pending = 0;
    until(&r, is_empty);
    while (world_accepted(&r.w) < 10)
        gw_loop_turn(r.w.front.loop, 1);
    until(&r, is_empty);
    CHECK(!r.in->held_bytes && !r.in->paused);
    rig_close(&r);
}

/* It will come in time. Nothing is turned for that: on a slow machine it may be due already. */
static int is_set(const struct gw_timer *t)
{
    return event_pending(t->impl, EV_TIMEOUT, NULL) != 0;
}

static void lease_time(struct rig *r)
{
    gw_timer_cancel(&r->in->lease);
    r->in->lease.fn(&r->in->lease);
}

TEST(test_pubsub_deadlines_are_renewed_until_that_succeeds)
{
    struct rig r;

    gw_clock_mono_ns = moved_clock;
    rig_open(&r, 1 << 20);
    CHECK(is_set(&r.in->lease));
    world_hold(1);
    push_events(&r, 2, 10);
    until_taken(&r, 2);
    moved_ms = 15000;
    lease_time(&r); /* it is not time yet */
    CHECK(is_set(&r.in->lease));
    push(&r, &(struct sent){"late", event(&r, "late", 1).p, NULL, 0}, 1);
    until_taken(&r, 3);
    CHECK(r.n_asks == 0);
    moved_ms = 25000;
    r.code_modify = GW_RPC_UNAVAILABLE;
    lease_time(&r);
    until_asked(&r, 1);
    CHECK(is_ask(&r, 0, 0, 60, "a0,a1"));
    while (r.in->renew.running)
        gw_loop_turn(r.w.front.loop, 1);
    CHECK(is_set(&r.in->lease));
    r.code_modify = 0;
    lease_time(&r);
    until_asked(&r, 2);
    CHECK(is_ask(&r, 1, 0, 60, "a0,a1"));
    while (r.in->renew.running)
        gw_loop_turn(r.w.front.loop, 1);
    CHECK(is_set(&r.in->lease));
    lease_time(&r);
    CHECK(r.n_asks == 2 && is_set(&r.in->lease));
    rig_close(&r);
}

static size_t stream_bytes;

static int has_said_more(const struct rig *r)
{
    return r->stream->body.len > stream_bytes;
}

/* So that the server, and what is between, sees that we live. */
TEST(test_pubsub_a_stream_says_something_every_half_minute)
{
    struct rig r;

    rig_open(&r, 1 << 20);
    CHECK(is_set(&r.in->beat));
    stream_bytes = r.stream->body.len;
    gw_timer_cancel(&r.in->beat);
    r.in->beat.fn(&r.in->beat);
    until(&r, has_said_more);
    CHECK(r.stream->body.len == stream_bytes + 5); /* an empty message */
    CHECK(is_set(&r.in->beat) && r.in->alive);
    rig_close(&r);
}

TEST(test_pubsub_undecodable_ones_are_given_back_or_left_or_kept_for_their_key)
{
    static const struct sent bad[] = {{"counted", "nonsense", NULL, 1},
                                      {"alone", "nonsense", NULL, 0},
                                      {"keyed", "nonsense", "k", 0}};
    struct rig r;

    gw_clock_mono_ns = moved_clock;
    rig_open(&r, 1 << 20);
    push(&r, bad, 3);
    push(&r, &(struct sent){"good", event(&r, "good", 1).p, "k", 0}, 1);
    until_asked(&r, 2);
    CHECK(is_ask(&r, r.asks[0].is_ack, 0, -1, "counted"));
    CHECK(is_ask(&r, !r.asks[0].is_ack, 1, -1, "good"));
    CHECK(world_rejected(&r.w, GW_PUBSUB, GW_R_INVALID) == 3);
    while (r.in->n > 1)
        gw_loop_turn(r.w.front.loop, 1);
    moved_ms = 30000;
    r.in->lease.fn(&r.in->lease);
    until_asked(&r, 3);
    CHECK(is_ask(&r, 2, 0, 60, "keyed"));
    for (int i = 1; i <= GW_PUBSUB_KEPT_BACK; i++) /* so many, and no more */
        push(&r, &bad[2], 1);
    while (world_rejected(&r.w, GW_PUBSUB, GW_R_INVALID) < 3 + GW_PUBSUB_KEPT_BACK)
        gw_loop_turn(r.w.front.loop, 1);
    CHECK(r.in->n == GW_PUBSUB_KEPT_BACK);
    rig_stop(&r);
    until_asked(&r, 4);
    CHECK(!r.asks[3].is_ack && r.asks[3].deadline == -1 && r.asks[3].n == GW_PUBSUB_KEPT_BACK);
    rig_close(&r);
}

TEST(test_pubsub_an_acknowledgement_that_fails_is_made_again_and_holds_up_the_stream)
{
    struct rig r;

    rig_open(&r, 1 << 20);
    r.code_ack = GW_RPC_UNAVAILABLE;
    push_events(&r, 1, 10);
    until_asked(&r, 1);
    while (r.in->ack.running)
        gw_loop_turn(r.w.front.loop, 1);
    CHECK(r.in->paused && r.in->n == 1);
    r.code_ack = 0;
    until(&r, is_empty);
    CHECK(r.n_asks == 2 && is_ask(&r, 1, 1, -1, "a0") && !r.in->paused);
    r.code_ack = GW_RPC_FAILED_PRECONDITION; /* exactly once: it is not ours any more */
    push_events(&r, 1, 10);
    until_asked(&r, 3);
    until(&r, is_empty);
    CHECK(!r.in->paused);
    rig_close(&r);
}

/* It is durable when this returns. */
static void push_one(struct rig *r, const char *id)
{
    const int64_t before = world_accepted(&r->w);

    push(r, &(struct sent){id, event(r, id, 1).p, NULL, 0}, 1);
    while (world_accepted(&r->w) == before || r->in->appending)
        gw_loop_turn(r->w.front.loop, 1);
}

/* So that the next one carries all that has come meanwhile; what failed goes first. */
TEST(test_pubsub_one_acknowledgement_is_under_way_at_a_time)
{
    struct rig r;

    rig_open(&r, 1 << 20);
    r.holds = 1;
    push_one(&r, "a0");
    until_asked(&r, 1);
    push_one(&r, "a1");
    push_one(&r, "a2");
    for (int i = 0; i < 5; i++)
        gw_loop_turn(r.w.front.loop, 0);
    CHECK(r.n_asks == 1 && is_ask(&r, 0, 1, -1, "a0"));
    answer_unary(r.held, 0);
    until_asked(&r, 2);
    CHECK(is_ask(&r, 1, 1, -1, "a1,a2"));
    push_one(&r, "a3");
    r.holds = 0;
    answer_unary(r.held, GW_RPC_UNAVAILABLE);
    until_asked(&r, 3);
    CHECK(is_ask(&r, 2, 1, -1, "a1,a2,a3"));
    until(&r, is_empty);
    rig_close(&r);
}

TEST(test_pubsub_one_giving_back_is_under_way_at_a_time)
{
    struct rig r;

    rig_open(&r, 1 << 20);
    r.holds = 1;
    push(&r, &(struct sent){"b0", "nonsense", NULL, 1}, 1);
    until_asked(&r, 1);
    push(&r, &(struct sent){"b1", "nonsense", NULL, 1}, 1);
    push(&r, &(struct sent){"b2", "nonsense", NULL, 1}, 1);
    while (world_rejected(&r.w, GW_PUBSUB, GW_R_INVALID) < 3)
        gw_loop_turn(r.w.front.loop, 1);
    for (int i = 0; i < 5; i++)
        gw_loop_turn(r.w.front.loop, 0);
    CHECK(r.n_asks == 1 && is_ask(&r, 0, 0, -1, "b0"));
    answer_unary(r.held, GW_RPC_UNAVAILABLE); /* it comes back by itself */
    until_asked(&r, 2);
    CHECK(is_ask(&r, 1, 0, -1, "b1,b2"));
    r.holds = 0;
    answer_unary(r.held, 0);
    rig_close(&r);
}

/* One that no request could carry would be acknowledged for ever. */
TEST(test_pubsub_an_id_that_is_none_is_no_message)
{
    struct rig r;
    char id[70000];

    rig_open(&r, 1 << 20);
    memset(id, 'i', sizeof(id) - 1);
    id[sizeof(id) - 1] = '\0';
    push(&r, &(struct sent){id, event(&r, "long", 1).p, NULL, 0}, 1);
    push(&r, &(struct sent){"good", event(&r, "good", 1).p, NULL, 0}, 1);
    until_asked(&r, 1);
    CHECK(is_ask(&r, 0, 1, -1, "good") && world_rejected(&r.w, GW_PUBSUB, GW_R_INVALID) == 1);
    until(&r, is_empty);
    rig_close(&r);
}

TEST(test_pubsub_requests_stay_below_their_limits)
{
    struct rig r;
    struct gw_buf b;
    char id[300];

    rig_open(&r, 64 << 20);
    world_hold(1);
    push_events(&r, 2600, 1);
    until_taken(&r, 2600);
    world_hold(0);
    until(&r, is_empty);
    for (size_t i = 0; i < r.n_asks; i++)
        CHECK(r.asks[i].is_ack && r.asks[i].n <= GW_PUBSUB_ASK_IDS);
    CHECK(r.n_asks >= 2 && world_accepted(&r.w) == 2600);
    rig_close(&r);
    memset(id, 'i', sizeof(id));
    gw_buf_init(&b, 1 << 20, NULL);
    gw_pubsub_put_ask(&b, "projects/p/subscriptions/s", 60);
    while (gw_pubsub_put_id(&b, 1, (struct gw_str){id, sizeof(id)}))
        ;
    CHECK(!b.failed && b.len > GW_PUBSUB_ASK_BYTES - 400 && b.len <= GW_PUBSUB_ASK_BYTES);
    gw_buf_free(&b);
}

/* ---- the end ---- */

TEST(test_pubsub_stop_gives_back_what_waits_and_what_still_comes)
{
    struct rig r;

    rig_open(&r, 1 << 20);
    world_hold(1);
    push_events(&r, 8, 50000);
    until_taken(&r, 8);
    CHECK(r.in->appending == 6);
    rig_stop(&r);
    gw_timer_cancel(&r.in->drain); /* a slow machine may need longer than a second */
    until_asked(&r, 1);
    CHECK(is_ask(&r, 0, 0, -1, "a6,a7"));
    while (!r.half_closed)
        gw_loop_turn(r.w.front.loop, 1);
    push(&r, &(struct sent){"more", event(&r, "more", 1).p, NULL, 0}, 1);
    until_asked(&r, 2);
    CHECK(is_ask(&r, 1, 0, -1, "more") && !r.is_stopped);
    finish_stream(&r, 0);
    world_hold(0);
    until(&r, is_stopped);
    CHECK(is_ask(&r, 2, 1, -1, "a0,a1,a2,a3,a4,a5") && r.n_asks == 3);
    CHECK(world_accepted(&r.w) == 6);
    rig_close(&r);
}

static int is_half_closed(const struct rig *r)
{
    return r->half_closed;
}

TEST(test_pubsub_stop_waits_a_second_for_a_server_that_does_not_end_the_stream)
{
    struct rig r;

    rig_open(&r, 1 << 20);
    rig_stop(&r);
    CHECK(is_set(&r.in->drain));
    gw_timer_cancel(&r.in->drain); /* it comes when the test says so */
    until(&r, is_half_closed);
    CHECK(!r.is_stopped);
    r.in->drain.fn(&r.in->drain);
    until(&r, is_stopped);
    rig_close(&r);
}

TEST(test_pubsub_stop_in_a_hurry_waits_for_nobody_but_the_disk)
{
    struct rig r;

    rig_open(&r, 1 << 20);
    r.code_ack = r.code_modify = GW_RPC_UNAVAILABLE;
    world_hold(1);
    push_events(&r, 8, 50000);
    until_taken(&r, 8);
    rig_stop(&r);
    until_asked(&r, 1);
    gw_source_pubsub.hurry(&r.in->base);
    for (int i = 0; i < 5; i++)
        gw_loop_turn(r.w.front.loop, 0);
    CHECK(!r.is_stopped && r.in->appending == 6);
    world_hold(0);
    until(&r, is_stopped);
    CHECK(!r.in->n && r.n_asks == 1);
    rig_close(&r);
}

static int has_lost_all(const struct rig *r)
{
    return r->in->n == 0;
}

TEST(test_pubsub_what_could_not_be_kept_is_not_acknowledged)
{
    struct rig r;

    rig_open(&r, 1 << 20);
    world_fail_syncs();
    push_events(&r, 2, 10);
    until_taken(&r, 2);
    until(&r, has_lost_all);
    for (int i = 0; i < 5; i++)
        gw_loop_turn(r.w.front.loop, 0);
    CHECK(!r.n_asks && world_rejected(&r.w, GW_PUBSUB, GW_R_UNAVAILABLE) == 2);
    rig_close(&r);
}

/* ---- streams that end ---- */

static int n_down, n_up;

static void count_lines(const char *text, size_t len)
{
    n_down += memmem(text, len, "cannot pull", 11) != NULL;
    n_up += memmem(text, len, "consuming", 9) != NULL;
}

TEST(test_pubsub_a_stream_that_fails_again_and_again_is_told_of_once_a_minute)
{
    struct rig r;

    gw_diag_sink = count_lines;
    rig_open(&r, 1 << 20);
    for (int i = 0; i < 2; i++) {
        push_events(&r, 1, 10);
        until_asked(&r, (size_t)i + 1);
        until(&r, is_empty);
        finish_stream(&r, GW_RPC_INTERNAL);
        while (r.in->open)
            gw_loop_turn(r.w.front.loop, 1);
        until(&r, has_stream);
    }
    push_events(&r, 1, 10);
    until_asked(&r, 3);
    until(&r, is_empty);
    CHECK(r.streams == 3 && n_down == 1 && n_up == 2);
    rig_close(&r);
}

/* ---- what Pub/Sub says ---- */

TEST(test_pubsub_messages_are_read_with_their_attributes)
{
    static const char entry[] = "\x0a\x03key\x12\x05value";
    struct gw_arena *mem = gw_arena_new();
    struct gw_pubsub_received received;
    struct gw_unread u;
    struct gw_str left, one;
    struct gw_buf m, r, all;

    gw_buf_init(&m, 1 << 16, mem);
    gw_buf_init(&r, 1 << 16, mem);
    gw_buf_init(&all, 1 << 16, mem);
    gw_pbwire_put_bytes(&m, 1, GW_STR("data"));
    gw_pbwire_put_bytes(&m, 2, (struct gw_str){entry, sizeof(entry) - 1});
    gw_pbwire_put_bytes(&m, 2, GW_STR("\x0a\x01k")); /* an empty value */
    gw_pbwire_put_bytes(&m, 5, GW_STR("order"));
    gw_pbwire_put_bytes(&r, 1, GW_STR("ack"));
    gw_pbwire_put_bytes(&r, 2, gw_buf_str(&m));
    gw_pbwire_put_varint(&r, 3, 4);
    gw_pbwire_put_bytes(&all, 4, GW_STR("\x08\x01")); /* SubscriptionProperties */
    gw_pbwire_put_bytes(&all, 1, gw_buf_str(&r));
    left = gw_buf_str(&all);
    CHECK(gw_pubsub_next(&left, &one) == 1 && gw_str_eq(one, gw_buf_str(&r)));
    CHECK(gw_pubsub_next(&left, &one) == 0);
    CHECK(!gw_pubsub_received(gw_buf_str(&r), &received));
    CHECK(gw_str_is(received.ack_id, "ack") && gw_str_is(received.ordering_key, "order"));
    CHECK(received.attempt == 4);
    CHECK(!gw_pubsub_read(mem, received.message, &u) && u.n_headers == 2);
    CHECK(gw_str_is(u.body, "data") && gw_str_is(u.headers[0].name, "key"));
    CHECK(gw_str_is(u.headers[0].value, "value") && gw_str_is(u.headers[1].value, ""));
    CHECK(!gw_pubsub_read(mem, GW_STR(""), &u) && !u.body.p && !u.n_headers);
    CHECK(gw_pubsub_read(mem, GW_STR("\x12\x01\x0a"), &u) == -1); /* an entry that is cut off */
    CHECK(gw_pubsub_received(GW_STR("\x12"), &received) == -1);
    CHECK(gw_pubsub_received(GW_STR(""), &received) == -1); /* nothing to acknowledge */
    gw_arena_free(mem);
}

TEST(test_pubsub_attributes_beyond_what_pubsub_takes_are_left_out)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_unread u;
    struct gw_buf m;

    gw_buf_init(&m, 1 << 16, mem);
    for (int i = 0; i < 500; i++)
        gw_pbwire_put_bytes(&m, 2, GW_STR("\x0a\x01k"));
    CHECK(!gw_pubsub_read(mem, gw_buf_str(&m), &u) && u.n_headers == 128);
    gw_arena_free(mem);
}

static int describe(struct gw_buf *b, struct gw_pubsub_subscription *s)
{
    return gw_pubsub_subscription(gw_buf_str(b), s);
}

TEST(test_pubsub_subscriptions_that_cannot_be_pulled_are_told_apart)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_pubsub_subscription s;
    struct gw_buf b;

    gw_buf_init(&b, 1 << 16, mem);
    CHECK(describe(&b, &s) == -1);
    gw_pbwire_put_bytes(&b, 2, GW_STR("projects/p/topics/t"));
    gw_pbwire_put_bytes(&b, 4, GW_STR("")); /* an empty PushConfig is none */
    gw_pbwire_put_varint(&b, 10, 1);
    gw_pbwire_put_bytes(&b, 13, GW_STR("\x0a\x01T\x10\x07"));
    gw_pbwire_put_varint(&b, 19, 1);
    CHECK(!describe(&b, &s) && gw_str_is(s.topic, "projects/p/topics/t"));
    CHECK(!s.is_pushed && s.is_ordered && s.attempts == 7 && s.state == 1);
    CHECK(gw_str_is(s.dead_letter_topic, "T") && !s.is_detached);
    gw_pbwire_put_bytes(&b, 4, GW_STR("\x0a\x04http"));
    gw_pbwire_put_varint(&b, 15, 1);
    CHECK(!describe(&b, &s) && s.is_pushed && s.is_detached);
    gw_arena_free(mem);
}
