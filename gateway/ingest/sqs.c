/* A queue of SQS as a source: long polling, records, and deleting what is durable (I9 to I11).
 *
 * While `budget` bytes are on their way to the disk no more are appended, so a backlog never takes
 * what clients need of max_pending_bytes. A message is ours for a minute at a time. While the log
 * has no room it is held and the minute is renewed; when the process dies it comes back by itself.
 * Of a FIFO queue the next call waits until the messages of the one before are deleted; they are
 * appended in its order. */
#include "ingest/sqs.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/metrics.h"
#include "flyte/incoming.h"
#include "ingest/unread.h"
#include "log/message.h"
#include "net/aws_online.h"
#include "net/aws_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    AGAIN_MS = 1000,
    FULL_MS = 500,
    QUIET_MS = 60000,
    EXTEND_MS = 20000,
    ANSWER_BYTES = 32 << 20, /* ten of 1 MiB, each byte of which may be escaped in three */
    MIN_BUDGET = 64 << 10,
    MAX_BUDGET = 16 << 20
};
static const char component[] = "ingest.sqs";

static void poll(struct gw_sqs_in *in);
static void remove_kept(struct gw_sqs_in *in);

/* Nothing is asked for until then. */
static void wait_a_while(struct gw_sqs_in *in)
{
    in->pausing = 1;
    gw_timer_set(&in->again, AGAIN_MS);
}

/* ---- queues ---- */

static void put_last(struct gw_sqs_queue *q, struct gw_sqs_message *m)
{
    m->next = NULL;
    *q->last = m;
    q->last = &m->next;
}

static struct gw_sqs_message *take_first(struct gw_sqs_queue *q)
{
    struct gw_sqs_message *m = q->first;

    if (m && !(q->first = m->next))
        q->last = &q->first;
    return m;
}

static void forget(struct gw_sqs_message *m)
{
    m->in->under_way--;
    free(m);
}

static void forget_all(struct gw_sqs_queue *q)
{
    struct gw_sqs_message *m;

    while ((m = take_first(q)))
        forget(m);
}

/* ---- the end ---- */

/* When nothing is on its way to the disk, and what is there was deleted, or time is up. */
static void end_if_done(struct gw_sqs_in *in)
{
    if (in->stopping && !in->appending && (in->hurried || (!in->kept.first && !in->leaving.first)))
        gw_loop_post(in->base.front->loop, &in->ended);
}

static void on_ended(struct gw_task *t)
{
    struct gw_sqs_in *in = GW_CONTAINER(t, struct gw_sqs_in, ended);
    void (*stopped)(void *ctx) = in->stopped;

    in->stopped = NULL;
    if (stopped)
        stopped(in->stopped_ctx);
}

/* ---- to the log ---- */

static void on_kept(void *owner, const struct gw_err *err)
{
    struct gw_sqs_message *m = owner;
    struct gw_sqs_in *in = m->in;

    m->sub = NULL;
    in->appending--;
    in->bytes -= m->text.len;
    if (err)
        forget(m); /* it comes back */
    else
        put_last(&in->kept, m);
    gw_loop_post(in->base.front->loop, &in->turn);
}

/* -1: it cannot become a record. */
static int read_record(const struct gw_sqs_message *m, struct gw_record *out, struct gw_err *err)
{
    struct gw_arena *mem = m->in->base.front->scratch;
    struct gw_unread u;

    gw_arena_reset(mem);
    if (gw_sqs_read(mem, m->text, &u, err))
        return -1;
    u.ingest = GW_STR("sqs");
    u.received_at_ns = gw_clock_wall_ns();
    return gw_unread_record(mem, m->in->conf->as, &u, out, err);
}

static void say_bad(struct gw_sqs_in *in, enum gw_reason reason, const struct gw_err *err)
{
    uint64_t n = gw_diag_allow(&in->quiet_bad, QUIET_MS);

    gw_front_reject(in->base.front, GW_SQS, reason);
    if (n)
        GW_DIAG(GW_WARN, component, gw_msg("a message stays in the queue"),
                gw_kv_cstr("queue", in->conf->queue_url), gw_kv_cstr("error", err->msg),
                gw_kv_int("suppressed", (int64_t)n - 1));
}

/* 1: it is on its way; 0: it stays in the queue; -1: there is no room. */
static int append(struct gw_sqs_message *m, struct gw_err *err)
{
    struct gw_sqs_in *in = m->in;
    struct gw_front *f = in->base.front;
    enum gw_reason reason = GW_R_TOO_LARGE;
    struct gw_record record;

    if (read_record(m, &record, err)) {
        say_bad(in, err->kind == GW_ERR_TOO_LARGE ? GW_R_TOO_LARGE : GW_R_INVALID, err);
        return 0;
    }
    if (gw_unread_fits(f->log, &record, err))
        m->sub = gw_submit(f, GW_SQS, &record, 1, &reason, err);
    if (m->sub) {
        m->sub->owner = m;
        m->sub->answer = on_kept;
        in->appending++;
        in->bytes += m->text.len;
        return 1;
    }
    if (reason != GW_R_TOO_LARGE)
        return -1;
    say_bad(in, reason, err);
    return 0;
}

static void say_full(struct gw_sqs_in *in, const struct gw_err *err)
{
    if (gw_diag_allow(&in->quiet_full, QUIET_MS))
        GW_DIAG(GW_WARN, component, gw_msg("waiting for room"),
                gw_kv_cstr("queue", in->conf->queue_url), gw_kv_cstr("error", err->msg));
}

/* Those that are held come first, so that order is kept. */
static void append_held(struct gw_sqs_in *in)
{
    while (in->held.first && in->bytes < in->budget) {
        struct gw_err err;
        const int rc = append(in->held.first, &err);

        if (rc < 0) {
            say_full(in, &err);
            gw_timer_set(&in->again, FULL_MS);
            return;
        }
        if (rc)
            (void)take_first(&in->held);
        else
            forget(take_first(&in->held));
    }
}

static void take(struct gw_sqs_in *in, struct gw_str text)
{
    struct gw_sqs_message *m = malloc(sizeof(*m) + text.len);

    if (!m)
        abort();
    *m = (struct gw_sqs_message){.in = in, .text = {(char *)(m + 1), text.len}};
    memcpy(m + 1, text.p, text.len);
    in->under_way++;
    put_last(&in->held, m);
}

/* ---- deleting ---- */

static void say_stuck(struct gw_sqs_in *in, const char *why)
{
    if (gw_diag_allow(&in->quiet_stuck, QUIET_MS))
        GW_DIAG(GW_WARN, component, gw_msg("cannot delete"),
                gw_kv_cstr("queue", in->conf->queue_url), gw_kv_cstr("error", why));
}

/* An entry that failed alone is tried again a few times: one that stays comes back as a repeat. */
static void let_go(struct gw_sqs_in *in, struct gw_str answer)
{
    struct gw_str code = {0};
    struct gw_sqs_message *m;
    unsigned failed;

    gw_arena_reset(in->base.front->scratch);
    failed = gw_sqs_failed(in->base.front->scratch, answer, &code);
    if (failed) {
        say_stuck(in,
                  gw_arena_printf(in->base.front->scratch, "SQS: %.*s", (int)code.len, code.p).p);
        wait_a_while(in);
    }
    for (; (m = take_first(&in->leaving)); failed >>= 1)
        if ((failed & 1) && ++m->deletes < GW_SQS_DELETES)
            put_last(&in->kept, m);
        else
            forget(m);
}

static void on_removed(struct gw_aws_call *call)
{
    struct gw_sqs_in *in = GW_CONTAINER(call, struct gw_sqs_in, remove);
    char told[GW_AWS_TOLD];
    struct gw_sqs_message *m;

    in->stuck = call->error.status < 200 || call->error.status >= 300;
    if (!in->stuck) {
        let_go(in, gw_buf_str(&call->fetch.answer));
    } else {
        say_stuck(in, gw_aws_call_told(call, told, sizeof(told)));
        while ((m = take_first(&in->leaving)))
            put_last(&in->kept, m);
        wait_a_while(in);
    }
    if (in->hurried)
        forget_all(&in->kept);
    if (!in->pausing)
        remove_kept(in);
    poll(in);
    end_if_done(in);
}

static void remove_kept(struct gw_sqs_in *in)
{
    size_t n = 0;

    if (!in->kept.first || in->leaving.first || in->pausing || in->hurried)
        return;
    for (; in->kept.first && n < GW_SQS_MESSAGES; n++)
        put_last(&in->leaving, take_first(&in->kept));
    gw_arena_reset(in->base.front->scratch);
    (void)gw_sqs_put_entries(in->base.front->scratch, in->conf->queue_url, in->leaving.first, n, "",
                             &in->removal);
    in->remove.fetch.body = gw_buf_str(&in->removal);
    gw_aws_call_start(&in->remove);
}

/* ---- the minute of those that are held, or cannot be deleted ---- */

/* The first whose turn it is: they leave the queues in front while calls are under way. */
static struct gw_sqs_message *not_yet(const struct gw_sqs_in *in, const struct gw_sqs_queue *q)
{
    struct gw_sqs_message *m = q->first;

    while (m && m->round == in->round)
        m = m->next;
    return m;
}

static void extend_next(struct gw_sqs_in *in)
{
    struct gw_sqs_message *m = not_yet(in, &in->held);
    char more[40];
    size_t n;

    if (!m)
        m = not_yet(in, &in->kept);
    if (!m)
        return;
    (void)snprintf(more, sizeof(more), ",\"VisibilityTimeout\":%d", GW_SQS_VISIBILITY_S);
    gw_arena_reset(in->base.front->scratch);
    n = gw_sqs_put_entries(in->base.front->scratch, in->conf->queue_url, m, GW_SQS_MESSAGES, more,
                           &in->extension);
    for (; n; n--, m = m->next)
        m->round = in->round;
    in->extend.fetch.body = gw_buf_str(&in->extension);
    gw_aws_call_start(&in->extend);
}

/* What is not ours any more comes back, and is a repeat. */
static void on_extended(struct gw_aws_call *call)
{
    struct gw_sqs_in *in = GW_CONTAINER(call, struct gw_sqs_in, extend);
    char told[GW_AWS_TOLD];

    if ((call->error.status < 200 || call->error.status >= 300) &&
        gw_diag_allow(&in->quiet_extend, QUIET_MS))
        GW_DIAG(GW_WARN, component, gw_msg("messages that wait may come twice"),
                gw_kv_cstr("queue", in->conf->queue_url),
                gw_kv_cstr("error", gw_aws_call_told(call, told, sizeof(told))));
    extend_next(in);
}

static void on_extend_time(struct gw_timer *t)
{
    struct gw_sqs_in *in = GW_CONTAINER(t, struct gw_sqs_in, extend_timer);

    if (in->stopping)
        return;
    gw_timer_set(t, EXTEND_MS);
    if (in->extend.queued || in->extend.fetch.running)
        return;
    in->round++;
    extend_next(in);
}

/* ---- receiving ---- */

static void say_down(struct gw_sqs_in *in, const char *why)
{
    if (gw_diag_allow(&in->quiet, QUIET_MS))
        GW_DIAG(GW_WARN, component, gw_msg("cannot receive"),
                gw_kv_cstr("queue", in->conf->queue_url), gw_kv_cstr("error", why));
    in->told = 0;
}

static void say_up(struct gw_sqs_in *in)
{
    if (!in->told)
        GW_DIAG(GW_INFO, component, gw_msg("consuming"), gw_kv_cstr("queue", in->conf->queue_url));
    in->told = 1;
    in->quiet = (struct gw_diag_limit){0};
}

static void on_received(struct gw_aws_call *call)
{
    struct gw_sqs_in *in = ((struct gw_sqs_receive *)call)->in;
    const struct gw_str answer = gw_buf_str(&call->fetch.answer);
    char told[GW_AWS_TOLD];
    struct gw_str text;
    struct gw_json j;
    size_t n = 0;
    int rc = -1;

    if (call->error.status >= 200 && call->error.status < 300)
        rc = gw_sqs_begin(&j, answer);
    while (rc == 1 && (rc = gw_sqs_next(&j, &text)) == 1 && ++n)
        take(in, text);
    in->backlog = n == GW_SQS_MESSAGES;
    if (rc < 0) {
        say_down(in, call->why[0] ? gw_aws_call_told(call, told, sizeof(told))
                                  : "SQS: the answer is no list of messages");
        wait_a_while(in);
    } else {
        say_up(in);
    }
    append_held(in);
    poll(in);
}

static void poll(struct gw_sqs_in *in)
{
    const int most = in->fifo || !in->backlog ? 1 : GW_SQS_RECEIVES;

    if (in->stopping || in->pausing || in->stuck || in->held.first ||
        in->under_way >= GW_SQS_UNDER_WAY)
        return;
    if (in->fifo && in->under_way) /* its groups are closed until then */
        return;
    for (int i = 0; i < most; i++) {
        struct gw_aws_call *call = &in->receives[i].call;

        if (call->queued || call->fetch.running)
            continue;
        call->fetch.body = gw_buf_str(&in->ask);
        gw_aws_call_start(call);
    }
}

static void go_on(struct gw_sqs_in *in)
{
    if (!in->stopping)
        append_held(in);
    remove_kept(in);
    poll(in);
    end_if_done(in);
}

static void on_turn(struct gw_task *t)
{
    go_on(GW_CONTAINER(t, struct gw_sqs_in, turn));
}

static void on_again(struct gw_timer *t)
{
    struct gw_sqs_in *in = GW_CONTAINER(t, struct gw_sqs_in, again);

    in->pausing = 0;
    go_on(in);
}

/* ---- life ---- */

static void put_ask(struct gw_sqs_in *in)
{
    gw_buf_puts(&in->ask, "{\"QueueUrl\":");
    gw_json_put_string(&in->ask, gw_str_of(in->conf->queue_url));
    gw_buf_printf(&in->ask,
                  ",\"MaxNumberOfMessages\":%d,\"WaitTimeSeconds\":%d,\"VisibilityTimeout\":%d,"
                  "\"MessageAttributeNames\":[\"All\"]}",
                  GW_SQS_MESSAGES, GW_SQS_WAIT_S, GW_SQS_VISIBILITY_S);
}

static void open_call(struct gw_aws_call *call, struct gw_sqs_in *in, const char *target,
                      void (*done)(struct gw_aws_call *c))
{
    gw_aws_call_init(call, &in->client);
    call->content_type = "application/x-amz-json-1.0";
    call->target = target;
    call->done = done;
}

static void on_start(struct gw_timer *t)
{
    struct gw_sqs_in *in = GW_CONTAINER(t, struct gw_sqs_in, again);

    in->again.fn = on_again;
    on_again(t);
}

static struct gw_source *sqs_open(const void *conf, struct gw_front *f, struct gw_err *err)
{
    struct gw_sqs_in *in = calloc(1, sizeof(*in));
    const int64_t share = f->max_pending / 4;
    char region[64];

    (void)err;
    if (!in)
        abort();
    in->base = (struct gw_source){&gw_source_sqs, f};
    in->conf = conf;
    in->budget = (size_t)(share < MIN_BUDGET   ? MIN_BUDGET
                          : share > MAX_BUDGET ? MAX_BUDGET
                                               : share);
    in->fifo = gw_aws_is_fifo(gw_str_of(in->conf->queue_url));
    in->held.last = &in->held.first;
    in->kept.last = &in->kept.first;
    in->leaving.last = &in->leaving.first;
    gw_buf_init(&in->ask, 1 << 16, NULL);
    gw_buf_init(&in->removal, 1 << 20, NULL);
    gw_buf_init(&in->extension, 1 << 20, NULL);
    gw_aws_client_init(&in->client, f->loop, "sqs", in->conf->region,
                       gw_aws_region_of(in->conf->queue_url, region, sizeof(region)),
                       in->conf->endpoint);
    in->client.conf.answer_bytes = ANSWER_BYTES;
    for (int i = 0; i < GW_SQS_RECEIVES; i++) {
        in->receives[i].in = in;
        open_call(&in->receives[i].call, in, "AmazonSQS.ReceiveMessage", on_received);
        gw_buf_free(&in->receives[i].call.fetch.answer);
        gw_buf_init(&in->receives[i].call.fetch.answer, ANSWER_BYTES, NULL);
    }
    open_call(&in->remove, in, "AmazonSQS.DeleteMessageBatch", on_removed);
    open_call(&in->extend, in, "AmazonSQS.ChangeMessageVisibilityBatch", on_extended);
    put_ask(in);
    in->turn.fn = on_turn;
    in->ended.fn = on_ended;
    gw_timer_init(&in->extend_timer, f->loop, on_extend_time);
    gw_timer_set(&in->extend_timer, EXTEND_MS);
    gw_timer_init(&in->again, f->loop, on_start);
    gw_timer_set(&in->again, 0);
    return &in->base;
}

static void stop_receiving(struct gw_sqs_in *in)
{
    for (int i = 0; i < GW_SQS_RECEIVES; i++)
        gw_aws_call_cancel(&in->receives[i].call);
    gw_aws_call_cancel(&in->extend);
    forget_all(&in->held); /* they come back */
}

static void sqs_stop(struct gw_source *s, void (*stopped)(void *ctx), void *ctx)
{
    struct gw_sqs_in *in = (struct gw_sqs_in *)s;

    in->stopping = 1;
    in->stopped = stopped;
    in->stopped_ctx = ctx;
    stop_receiving(in);
    end_if_done(in);
}

static void sqs_hurry(struct gw_source *s)
{
    struct gw_sqs_in *in = (struct gw_sqs_in *)s;

    in->hurried = 1;
    gw_aws_call_cancel(&in->remove);
    forget_all(&in->leaving);
    forget_all(&in->kept);
    end_if_done(in);
}

static void sqs_close(struct gw_source *s)
{
    struct gw_sqs_in *in = (struct gw_sqs_in *)s;

    gw_loop_cancel(in->base.front->loop, &in->turn);
    gw_loop_cancel(in->base.front->loop, &in->ended);
    for (int i = 0; i < GW_SQS_RECEIVES; i++)
        gw_aws_call_fini(&in->receives[i].call);
    gw_aws_call_fini(&in->remove);
    gw_aws_call_fini(&in->extend);
    gw_aws_client_fini(&in->client);
    forget_all(&in->held);
    forget_all(&in->kept);
    forget_all(&in->leaving);
    gw_timer_fini(&in->again);
    gw_timer_fini(&in->extend_timer);
    gw_buf_free(&in->ask);
    gw_buf_free(&in->removal);
    gw_buf_free(&in->extension);
    free(in);
}

static struct gw_asking *sqs_ask(const void *conf, struct gw_loop *loop, struct gw_online *o)
{
    const struct gw_ingest_sqs *c = conf;
    const struct gw_aws_wish wish = {
        .service = "sqs",
        .to = c->queue_url,
        .region = c->region,
        .endpoint = c->endpoint,
        .actions = "sqs:ReceiveMessage, sqs:DeleteMessage and sqs:ChangeMessageVisibility",
        .reads = 1};

    return gw_aws_online(&wish, loop, o);
}

const struct gw_source_ops gw_source_sqs = {
    .way = GW_SQS,
    .component = component,
    .open = sqs_open,
    .stop = sqs_stop,
    .hurry = sqs_hurry,
    .close = sqs_close,
    .ask = sqs_ask,
};
