/* A subscription of Pub/Sub as a source: a stream of messages, and their way to the log (I9 to
 * I11). What is ours until it is acknowledged is pubsub_lease.c.
 *
 * Messages go to the log as they are read; only one that finds no room is copied, and then all that
 * come behind it, so that the order of a key is kept. They still come meanwhile, as many as the
 * server hands out at once: those that are on their way to us are ours by its clock, and only what
 * has arrived can be renewed. While `budget` bytes are on their way to the disk or held, the stream
 * is paused: HTTP/2's window is not given back. The server closes
 * every stream from time to time, with UNAVAILABLE: then the next one is opened at once. */
#include "ingest/pubsub.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/text.h"
#include "ingest/unread.h"
#include "log/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    MESSAGE_BYTES = 24 << 20, /* of one answer; a message of Pub/Sub has 10 MB at most */
    MIN_AGAIN_MS = 100,
    MAX_AGAIN_MS = 10000,
    ALIVE_MS = 1000, /* a stream that lasts this long was not refused */
    BEAT_MS = 30000, /* as Google's own clients: the server and what is between see that we live */
    HOLD_MS = 50,
    DRAIN_MS = 1000, /* at a stop, for messages that are on their way to us */
    QUIET_MS = 60000,
    MIN_BUDGET = 64 * 1024,
    MAX_BUDGET = 16 * 1024 * 1024
};
static const char component[] = "ingest.pubsub";

/* ---- the end ---- */

/* When nothing is on its way to the disk, what is there was acknowledged and what is not was given
 * back, or time is up. */
void gw_pubsub_end_if_done(struct gw_pubsub_in *in)
{
    if (in->stopping && !in->appending && !in->streaming && gw_pubsub_lease_idle(in))
        gw_loop_post(in->base.front->loop, &in->ended);
}

static void on_ended(struct gw_task *t)
{
    struct gw_pubsub_in *in = GW_CONTAINER(t, struct gw_pubsub_in, ended);
    void (*stopped)(void *ctx) = in->stopped;

    in->stopped = NULL;
    if (stopped)
        stopped(in->stopped_ctx);
}

/* ---- to the log ---- */

void gw_pubsub_flow(struct gw_pubsub_in *in)
{
    const int pause =
        !in->stopping && (in->ack_backoff_ms || in->bytes + in->held_bytes >= in->budget ||
                          in->n >= 2UL * GW_PUBSUB_OUTSTANDING);

    if (in->stream.going && pause != in->paused) {
        in->paused = pause;
        gw_rpc_pause(&in->stream.rpc, pause);
    }
}

static void on_kept(void *owner, const struct gw_err *err)
{
    struct gw_pubsub_message *m = owner;
    struct gw_pubsub_in *in = m->in;

    in->appending--;
    in->bytes -= m->bytes;
    if (err || in->hurried)
        gw_pubsub_forget(m); /* it comes back */
    else
        gw_pubsub_kept(m);
    if (in->held.first && !in->stopping)
        gw_timer_set(&in->hold, 0);
    gw_pubsub_flow(in);
    gw_pubsub_end_if_done(in);
}

/* With a dead-letter policy somebody counts how often a message was given back, and it goes when
 * that was often enough. Without one it would be here again at once, so its deadline runs out; but
 * with an ordering key Pub/Sub would send all that follows it once more, too, each time: it stays
 * ours. */
static void leave(struct gw_pubsub_message *m, const struct gw_pubsub_received *r)
{
    struct gw_pubsub_in *in = m->in;

    if (r->attempt) {
        gw_pubsub_give_back(m);
    } else if (r->ordering_key.len && in->n_kept_back < GW_PUBSUB_KEPT_BACK) {
        in->n_kept_back++;
        gw_pubsub_put(&in->stays, m);
    } else {
        gw_pubsub_forget(m);
    }
}

static void say_bad(struct gw_pubsub_in *in, enum gw_reason reason, const struct gw_err *err)
{
    const uint64_t n = gw_diag_allow(&in->quiet_bad, QUIET_MS);

    gw_front_reject(in->base.front, GW_PUBSUB, reason);
    if (n)
        GW_DIAG(GW_WARN, component, gw_msg("a message stays in the subscription"),
                gw_kv_cstr("subscription", in->name), gw_kv_cstr("error", err->msg),
                gw_kv_int("suppressed", (int64_t)n - 1));
}

/* 1: it is on its way; 0: it cannot be a record; -1: there is no room. */
static int append(struct gw_pubsub_message *m, const struct gw_pubsub_received *received,
                  enum gw_reason *reason, struct gw_err *err)
{
    struct gw_front *f = m->in->base.front;
    struct gw_sub *sub = NULL;
    struct gw_record r;
    struct gw_unread u;

    gw_arena_reset(f->scratch);
    *reason = GW_R_INVALID;
    if (gw_pubsub_read(f->scratch, received->message, &u)) {
        (void)gw_err_set(err, GW_ERR_REJECT, "it is no PubsubMessage");
        return 0;
    }
    if (gw_unread_record(f->scratch, m->in->conf->as, &u, &r, err)) {
        *reason = gw_reason_of(err);
        return 0;
    }
    *reason = GW_R_TOO_LARGE;
    if (gw_unread_fits(f->log, &r, err))
        sub = gw_submit(f, GW_PUBSUB, &r, 1, reason, err);
    if (!sub)
        return *reason == GW_R_TOO_LARGE ? 0 : -1;
    sub->owner = m;
    sub->answer = on_kept;
    return 1;
}

/* -1: there is no room. */
static int to_log(struct gw_pubsub_message *m, const struct gw_pubsub_received *received,
                  struct gw_err *err)
{
    struct gw_pubsub_in *in = m->in;
    enum gw_reason reason;
    const size_t bytes = received->message.len;
    const int rc = append(m, received, &reason, err);

    if (rc < 0)
        return -1;
    gw_pubsub_drop_copy(m);
    if (rc) {
        in->appending++;
        in->bytes += m->bytes = bytes;
    } else {
        say_bad(in, reason, err);
        leave(m, received);
    }
    return 0;
}

static void say_full(struct gw_pubsub_in *in, const struct gw_err *err)
{
    if (gw_diag_allow(&in->quiet_full, QUIET_MS))
        GW_DIAG(GW_WARN, component, gw_msg("waiting for room"),
                gw_kv_cstr("subscription", in->name), gw_kv_cstr("error", err->msg));
}

static void hold(struct gw_pubsub_message *m, struct gw_str bytes)
{
    char *copy = malloc(bytes.len);

    if (!copy)
        abort();
    memcpy(copy, bytes.p, bytes.len);
    m->received = (struct gw_str){copy, bytes.len};
    m->in->held_bytes += bytes.len;
    gw_pubsub_put(&m->in->held, m);
    gw_timer_set(&m->in->hold, HOLD_MS);
}

static void take(struct gw_pubsub_in *in, struct gw_str bytes)
{
    struct gw_pubsub_received received;
    struct gw_pubsub_message *m;
    struct gw_err err;

    if (gw_pubsub_received(bytes, &received)) {
        (void)gw_err_set(&err, GW_ERR_REJECT, "it is no ReceivedMessage");
        say_bad(in, GW_R_INVALID, &err);
        return;
    }
    m = gw_pubsub_take(in, received.ack_id);
    if (in->stopping) {
        gw_pubsub_give_back(m);
    } else if (in->held.first || in->bytes >= in->budget) {
        hold(m, bytes);
    } else if (to_log(m, &received, &err)) {
        say_full(in, &err);
        hold(m, bytes);
    }
}

/* Those that are held come first. */
static void on_hold_time(struct gw_timer *t)
{
    struct gw_pubsub_in *in = GW_CONTAINER(t, struct gw_pubsub_in, hold);
    struct gw_pubsub_message *m;
    struct gw_err err;

    while (in->held.first && in->bytes < in->budget) {
        struct gw_pubsub_received received;

        m = gw_pubsub_pop(&in->held);
        (void)gw_pubsub_received(m->received, &received);
        if (to_log(m, &received, &err)) {
            say_full(in, &err);
            gw_pubsub_push(&in->held, m);
            gw_timer_set(t, HOLD_MS);
            break;
        }
    }
    gw_pubsub_flow(in);
}

/* ---- the stream ---- */

static void say_down(struct gw_pubsub_in *in, int code, const char *why)
{
    struct gw_arena *mem = in->base.front->scratch;
    struct gw_str hint;

    if (!gw_diag_allow(&in->quiet, QUIET_MS))
        return;
    gw_arena_reset(mem);
    hint = gw_pubsub_hint(mem, in->conf, code);
    GW_DIAG(GW_WARN, component, gw_msg("cannot pull"), gw_kv_cstr("subscription", in->name),
            gw_kv_str("error", gw_arena_printf(mem, "%s%.*s", why, (int)hint.len, hint.p)));
    in->told = 0;
}

static void say_up(struct gw_pubsub_in *in)
{
    if (!in->told)
        GW_DIAG(GW_INFO, component, gw_msg("consuming"), gw_kv_cstr("subscription", in->name));
    in->told = in->alive = 1;
    in->backoff_ms = 0;
}

static void on_message(struct gw_rpc *r, struct gw_str bytes)
{
    struct gw_pubsub_in *in = GW_CONTAINER(r, struct gw_pubsub_in, stream.rpc);
    struct gw_str received;

    say_up(in);
    while (gw_pubsub_next(&bytes, &received) == 1)
        take(in, received);
    gw_pubsub_flow(in);
}

/* The stream's first request is with the server. */
static void on_sent(struct gw_rpc *r)
{
    struct gw_pubsub_in *in = GW_CONTAINER(r, struct gw_pubsub_in, stream.rpc);

    if (in->paused) /* what was asked of a stream whose token was refused */
        gw_rpc_pause(r, 1);
    if (!in->open)
        gw_timer_set(&in->beat, ALIVE_MS);
    in->open = 1;
}

static void on_beat(struct gw_timer *t)
{
    struct gw_pubsub_in *in = GW_CONTAINER(t, struct gw_pubsub_in, beat);

    gw_timer_set(t, BEAT_MS);
    if (!in->stream.going) /* a new token is asked for */
        return;
    say_up(in);
    gw_rpc_send(&in->stream.rpc, GW_STR(""));
}

static void on_stream_end(struct gw_gcp_pubsub_call *call)
{
    struct gw_pubsub_in *in = GW_CONTAINER(call, struct gw_pubsub_in, stream);
    const int code = call->rpc.code;
    const int is_usual = in->alive && (code == GW_RPC_OK || code == GW_RPC_UNAVAILABLE);

    in->streaming = in->paused = in->open = in->alive = 0;
    gw_timer_cancel(&in->beat);
    gw_timer_cancel(&in->drain);
    if (in->stopping) {
        gw_pubsub_end_if_done(in);
        return;
    }
    if (!is_usual)
        say_down(in, code, call->why);
    in->backoff_ms = in->backoff_ms ? 2 * in->backoff_ms : MIN_AGAIN_MS;
    if (in->backoff_ms > MAX_AGAIN_MS)
        in->backoff_ms = MAX_AGAIN_MS;
    gw_timer_set(&in->again, in->backoff_ms);
}

static void on_again(struct gw_timer *t)
{
    struct gw_pubsub_in *in = GW_CONTAINER(t, struct gw_pubsub_in, again);

    in->streaming = 1;
    gw_gcp_pubsub_start(&in->stream, gw_buf_str(&in->hello), 1);
    gw_pubsub_flow(in);
}

static void cut_stream(struct gw_pubsub_in *in)
{
    gw_gcp_pubsub_cancel(&in->stream);
    in->streaming = 0;
    gw_timer_cancel(&in->beat);
    gw_timer_cancel(&in->drain);
    gw_pubsub_end_if_done(in);
}

static void on_drain_time(struct gw_timer *t)
{
    cut_stream(GW_CONTAINER(t, struct gw_pubsub_in, drain));
}

/* ---- life ---- */

static char *name_of(const struct gw_ingest_pubsub *c)
{
    const size_t size = strlen(c->project) + strlen(c->subscription) + 32;
    char *name = malloc(size);

    if (!name)
        abort();
    (void)snprintf(name, size, "projects/%s/subscriptions/%s", c->project, c->subscription);
    return name;
}

/* The same for all streams of this source: Pub/Sub hands an ordering key's messages on to it. */
static void put_hello(struct gw_pubsub_in *in)
{
    unsigned char id[16] = {0};
    struct gw_buf text;

    gw_buf_init(&text, 64, NULL);
    if (getrandom(id, sizeof(id), 0) != sizeof(id))
        abort();
    gw_hex_put(&text, (struct gw_str){(char *)id, sizeof(id)});
    gw_pubsub_put_hello(&in->hello, in->name, gw_buf_str(&text), (int64_t)in->budget);
    gw_buf_free(&text);
}

static void init_timers(struct gw_pubsub_in *in, struct gw_loop *loop)
{
    gw_timer_init(&in->again, loop, on_again);
    gw_timer_init(&in->beat, loop, on_beat);
    gw_timer_init(&in->hold, loop, on_hold_time);
    gw_timer_init(&in->drain, loop, on_drain_time);
}

static struct gw_source *pubsub_open(const void *conf, struct gw_front *f, struct gw_err *err)
{
    struct gw_pubsub_in *in = calloc(1, sizeof(*in));
    const int64_t share = f->max_pending / 4;

    (void)err;
    if (!in)
        abort();
    in->base = (struct gw_source){&gw_source_pubsub, f};
    in->conf = conf;
    in->budget = (size_t)(share < MIN_BUDGET   ? MIN_BUDGET
                          : share > MAX_BUDGET ? MAX_BUDGET
                                               : share);
    in->ended.fn = on_ended;
    in->name = name_of(in->conf);
    gw_buf_init(&in->hello, 1 << 16, NULL);
    put_hello(in);
    gw_gcp_pubsub_init(&in->client, f->loop, in->conf->endpoint);
    gw_gcp_pubsub_call_init(&in->stream, &in->client, "/google.pubsub.v1.Subscriber/StreamingPull");
    in->stream.rpc.max_message = MESSAGE_BYTES;
    in->stream.rpc.message = on_message;
    in->stream.rpc.drained = on_sent;
    in->stream.done = on_stream_end;
    in->stream.param = "subscription";
    in->stream.name = gw_str_of(in->name);
    init_timers(in, f->loop);
    gw_pubsub_lease_init(in);
    gw_timer_set(&in->again, 0);
    return &in->base;
}

static void pubsub_stop(struct gw_source *s, void (*stopped)(void *ctx), void *ctx)
{
    struct gw_pubsub_in *in = (struct gw_pubsub_in *)s;

    in->stopping = 1;
    in->stopped = stopped;
    in->stopped_ctx = ctx;
    gw_timer_cancel(&in->again);
    gw_timer_cancel(&in->hold);
    gw_timer_cancel(&in->beat);
    gw_pubsub_lease_stop(in);
    if (in->open && in->stream.going) { /* what is on its way to us comes, and is given back */
        gw_rpc_end(&in->stream.rpc);
        gw_pubsub_flow(in);
        gw_timer_set(&in->drain, DRAIN_MS);
    } else {
        cut_stream(in);
    }
}

static void pubsub_hurry(struct gw_source *s)
{
    struct gw_pubsub_in *in = (struct gw_pubsub_in *)s;

    in->hurried = 1;
    gw_pubsub_lease_hurry(in);
    cut_stream(in);
}

static void pubsub_close(struct gw_source *s)
{
    struct gw_pubsub_in *in = (struct gw_pubsub_in *)s;

    gw_loop_cancel(in->base.front->loop, &in->ended);
    gw_gcp_pubsub_call_fini(&in->stream);
    gw_pubsub_lease_fini(in);
    gw_gcp_pubsub_fini(&in->client);
    gw_timer_fini(&in->again);
    gw_timer_fini(&in->beat);
    gw_timer_fini(&in->hold);
    gw_timer_fini(&in->drain);
    gw_buf_free(&in->hello);
    free(in->name);
    free(in);
}

const struct gw_source_ops gw_source_pubsub = {
    .way = GW_PUBSUB,
    .component = component,
    .open = pubsub_open,
    .stop = pubsub_stop,
    .hurry = pubsub_hurry,
    .close = pubsub_close,
    .ask = gw_pubsub_in_ask,
};
