/* What is ours of a subscription: messages whose deadline we renew until they are durable and
 * acknowledged, or given back (I9, I11).
 *
 * Acknowledge, and ModifyAckDeadline to renew and to give back: unary calls, as Google's own
 * clients make them, one of a kind at a time, so that the next one carries all that has come
 * meanwhile. An acknowledgement is tried again until Pub/Sub has answered; one that is refused for
 * good is forgotten: the message comes back, and is a repeat. */
#include "ingest/pubsub.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum {
    LEASE_MS = GW_PUBSUB_DEADLINE_S * 1000,
    RENEW_MS = LEASE_MS / 3, /* of its time has gone: it is renewed */
    LEASE_TICK_MS = LEASE_MS / 6,
    RENEW_AGAIN_MS = 2000,
    ASK_MS = 15000, /* of one call */
    MIN_AGAIN_MS = 100,
    MAX_AGAIN_MS = 5000,
    QUIET_MS = 60000
};

/* ---- messages ---- */

void gw_pubsub_put(struct gw_pubsub_queue *q, struct gw_pubsub_message *m)
{
    m->next = NULL;
    *q->last = m;
    q->last = &m->next;
}

void gw_pubsub_push(struct gw_pubsub_queue *q, struct gw_pubsub_message *m)
{
    if (!(m->next = q->first))
        q->last = &m->next;
    q->first = m;
}

struct gw_pubsub_message *gw_pubsub_pop(struct gw_pubsub_queue *q)
{
    struct gw_pubsub_message *m = q->first;

    if (m && !(q->first = m->next))
        q->last = &q->first;
    return m;
}

static void put_all(struct gw_pubsub_queue *to, struct gw_pubsub_queue *from)
{
    struct gw_pubsub_message *m;

    while ((m = gw_pubsub_pop(from)))
        gw_pubsub_put(to, m);
}

struct gw_pubsub_message *gw_pubsub_take(struct gw_pubsub_in *in, struct gw_str ack_id)
{
    struct gw_pubsub_message *m = malloc(sizeof(*m) + ack_id.len);

    if (!m)
        abort();
    *m = (struct gw_pubsub_message){.in = in,
                                    .ack_id = {(char *)(m + 1), ack_id.len},
                                    .until_ms = gw_mono_ms() + LEASE_MS,
                                    .prev = in->last};
    memcpy(m + 1, ack_id.p, ack_id.len);
    *(in->last ? &in->last->more : &in->first) = m;
    in->last = m;
    in->n++;
    return m;
}

void gw_pubsub_drop_copy(struct gw_pubsub_message *m)
{
    m->in->held_bytes -= m->received.len;
    free((char *)m->received.p);
    m->received = (struct gw_str){0};
}

void gw_pubsub_forget(struct gw_pubsub_message *m)
{
    struct gw_pubsub_in *in = m->in;

    *(m->prev ? &m->prev->more : &in->first) = m->more;
    *(m->more ? &m->more->prev : &in->last) = m->prev;
    in->n--;
    gw_pubsub_drop_copy(m);
    free(m);
}

static void forget_all(struct gw_pubsub_queue *q)
{
    struct gw_pubsub_message *m;

    while ((m = gw_pubsub_pop(q)))
        gw_pubsub_forget(m);
}

/* ---- calls ---- */

static void start(struct gw_pubsub_ask *a)
{
    a->running = 1;
    gw_gcp_pubsub_start(&a->call, gw_buf_str(&a->body), 0);
}

/* Moves what one request carries from one queue to the other. */
static void carry(struct gw_pubsub_ask *a, struct gw_pubsub_queue *from, struct gw_pubsub_queue *to)
{
    const int is_ack = a == &a->in->ack;

    gw_pubsub_put_ask(&a->body, a->in->name, is_ack ? -1 : 0);
    for (int n = 0; from->first && n < GW_PUBSUB_ASK_IDS; n++) {
        if (!gw_pubsub_put_id(&a->body, is_ack, from->first->ack_id))
            break;
        gw_pubsub_put(to, gw_pubsub_pop(from));
    }
    start(a);
}

static int for_good(int code)
{
    return code == GW_RPC_INVALID_ARGUMENT || code == GW_RPC_FAILED_PRECONDITION ||
           code == GW_RPC_OUT_OF_RANGE || code == GW_RPC_UNIMPLEMENTED;
}

/* ---- acknowledging ---- */

static void acknowledge(struct gw_pubsub_in *in)
{
    if (in->kept.first && !in->ack.running && !in->hurried && !in->ack_waits)
        carry(&in->ack, &in->kept, &in->leaving);
}

void gw_pubsub_kept(struct gw_pubsub_message *m)
{
    gw_pubsub_put(&m->in->kept, m);
    gw_loop_post(m->in->base.front->loop, &m->in->turn);
}

static void say_stuck(struct gw_pubsub_in *in)
{
    if (gw_diag_allow(&in->quiet_stuck, QUIET_MS))
        GW_DIAG(GW_WARN, in->base.ops->component, gw_msg("cannot acknowledge"),
                gw_kv_cstr("subscription", in->name), gw_kv_cstr("error", in->ack.call.why));
}

/* Those that were in it come first the next time. */
static void acknowledge_later(struct gw_pubsub_in *in)
{
    const int64_t ms = 2 * in->ack_backoff_ms;

    put_all(&in->leaving, &in->kept);
    put_all(&in->kept, &in->leaving);
    in->ack_backoff_ms = ms < MIN_AGAIN_MS ? MIN_AGAIN_MS : ms > MAX_AGAIN_MS ? MAX_AGAIN_MS : ms;
    in->ack_waits = 1;
    gw_timer_set(&in->ack_again, in->ack_backoff_ms);
}

static void on_acknowledged(struct gw_gcp_pubsub_call *call)
{
    struct gw_pubsub_in *in = ((struct gw_pubsub_ask *)call)->in;
    const int code = call->rpc.code;

    in->ack.running = 0;
    if (code != GW_RPC_OK)
        say_stuck(in);
    if (code == GW_RPC_OK || for_good(code)) {
        forget_all(&in->leaving);
        in->ack_backoff_ms = 0;
    } else {
        acknowledge_later(in);
    }
    acknowledge(in);
    gw_pubsub_flow(in);
    gw_pubsub_end_if_done(in);
}

static void on_ack_again(struct gw_timer *t)
{
    struct gw_pubsub_in *in = GW_CONTAINER(t, struct gw_pubsub_in, ack_again);

    in->ack_waits = 0;
    acknowledge(in);
}

/* ---- giving back ---- */

static void give_back_next(struct gw_pubsub_in *in)
{
    struct gw_pubsub_queue given = {NULL, &given.first};

    if (!in->back.first || in->nack.running || in->hurried)
        return;
    carry(&in->nack, &in->back, &given);
    forget_all(&given); /* if it fails they come back with their deadline */
}

void gw_pubsub_give_back(struct gw_pubsub_message *m)
{
    m->until_ms = INT64_MAX; /* not to be renewed behind it */
    gw_pubsub_put(&m->in->back, m);
    gw_loop_post(m->in->base.front->loop, &m->in->turn);
}

static void on_given_back(struct gw_gcp_pubsub_call *call)
{
    struct gw_pubsub_in *in = ((struct gw_pubsub_ask *)call)->in;

    in->nack.running = 0;
    give_back_next(in);
    gw_pubsub_flow(in);
    gw_pubsub_end_if_done(in);
}

static void on_turn_end(struct gw_task *t)
{
    struct gw_pubsub_in *in = GW_CONTAINER(t, struct gw_pubsub_in, turn);

    acknowledge(in);
    give_back_next(in);
}

/* ---- renewing ---- */

static void renew_next(struct gw_pubsub_in *in)
{
    const int64_t now = gw_mono_ms();
    int n = 0;

    gw_pubsub_put_ask(&in->renew.body, in->name, GW_PUBSUB_DEADLINE_S);
    for (struct gw_pubsub_message *m = in->first; m && n < GW_PUBSUB_ASK_IDS; m = m->more) {
        if (m->until_ms > now + LEASE_MS - RENEW_MS)
            continue;
        if (!gw_pubsub_put_id(&in->renew.body, 0, m->ack_id))
            break;
        m->renewing = 1;
        n++;
    }
    in->renewed_ms = now;
    if (n)
        start(&in->renew);
    else
        gw_timer_set(&in->lease, LEASE_TICK_MS);
}

static void on_renewed(struct gw_gcp_pubsub_call *call)
{
    struct gw_pubsub_in *in = ((struct gw_pubsub_ask *)call)->in;
    const int ok = call->rpc.code == GW_RPC_OK;

    in->renew.running = 0;
    for (struct gw_pubsub_message *m = in->first; m; m = m->more) {
        if (m->renewing && m->until_ms != INT64_MAX && (ok || for_good(call->rpc.code)))
            m->until_ms = in->renewed_ms + LEASE_MS;
        m->renewing = 0;
    }
    if (in->stopping)
        return;
    if (ok)
        renew_next(in);
    else
        gw_timer_set(&in->lease, RENEW_AGAIN_MS);
}

static void on_lease_time(struct gw_timer *t)
{
    struct gw_pubsub_in *in = GW_CONTAINER(t, struct gw_pubsub_in, lease);

    if (!in->stopping && !in->renew.running)
        renew_next(in);
}

/* ---- life ---- */

static void open_ask(struct gw_pubsub_in *in, struct gw_pubsub_ask *a, const char *path,
                     void (*done)(struct gw_gcp_pubsub_call *c))
{
    a->in = in;
    gw_buf_init(&a->body, GW_PUBSUB_ASK_BYTES + 4096, NULL);
    gw_gcp_pubsub_call_init(&a->call, &in->client, path);
    a->call.rpc.timeout_ms = ASK_MS;
    a->call.done = done;
    a->call.param = "subscription";
    a->call.name = gw_str_of(in->name);
}

void gw_pubsub_lease_init(struct gw_pubsub_in *in)
{
    static const char modify[] = "/google.pubsub.v1.Subscriber/ModifyAckDeadline";

    in->held.last = &in->held.first;
    in->kept.last = &in->kept.first;
    in->leaving.last = &in->leaving.first;
    in->back.last = &in->back.first;
    in->stays.last = &in->stays.first;
    open_ask(in, &in->ack, "/google.pubsub.v1.Subscriber/Acknowledge", on_acknowledged);
    open_ask(in, &in->renew, modify, on_renewed);
    open_ask(in, &in->nack, modify, on_given_back);
    in->turn.fn = on_turn_end;
    gw_timer_init(&in->ack_again, in->base.front->loop, on_ack_again);
    gw_timer_init(&in->lease, in->base.front->loop, on_lease_time);
    gw_timer_set(&in->lease, LEASE_TICK_MS);
}

static void stop_ask(struct gw_pubsub_ask *a)
{
    gw_gcp_pubsub_cancel(&a->call);
    a->running = 0;
}

void gw_pubsub_lease_fini(struct gw_pubsub_in *in)
{
    struct gw_pubsub_ask *const asks[] = {&in->ack, &in->renew, &in->nack};

    for (size_t i = 0; i < 3; i++) {
        stop_ask(asks[i]);
        gw_gcp_pubsub_call_fini(&asks[i]->call);
        gw_buf_free(&asks[i]->body);
    }
    for (struct gw_pubsub_message *m = in->first, *more; m; m = more) {
        more = m->more;
        free((char *)m->received.p);
        free(m);
    }
    gw_loop_cancel(in->base.front->loop, &in->turn);
    gw_timer_fini(&in->ack_again);
    gw_timer_fini(&in->lease);
}

void gw_pubsub_lease_stop(struct gw_pubsub_in *in)
{
    struct gw_pubsub_message *m;

    stop_ask(&in->renew);
    while ((m = gw_pubsub_pop(&in->held)) || (m = gw_pubsub_pop(&in->stays)))
        gw_pubsub_give_back(m);
}

void gw_pubsub_lease_hurry(struct gw_pubsub_in *in)
{
    stop_ask(&in->ack);
    stop_ask(&in->nack);
    forget_all(&in->kept);
    forget_all(&in->leaving);
    forget_all(&in->back);
}

int gw_pubsub_lease_idle(const struct gw_pubsub_in *in)
{
    return !in->kept.first && !in->leaving.first && !in->back.first && !in->nack.running;
}
