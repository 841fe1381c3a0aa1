/* Google Cloud Pub/Sub: the way of a send. */
#include "publish/publish_pubsub.h"

#include "base/arena.h"
#include "base/online.h"
#include "publish/messages.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BODY_KEPT = 64 << 10, CALL_MS = 60000, ASK_MS = 10000 };

static void start_requests(struct gw_to_pubsub *p);

/* ---- what an answer means ---- */

static int holds(const char *text, const char *word)
{
    return strcasestr(text, word) != NULL;
}

/* Impossible is only what faults the message itself, and only of a message that was alone. */
static enum gw_outcome outcome_of(int code, const char *why)
{
    if (code == GW_RPC_INVALID_ARGUMENT)
        return GW_IMPOSSIBLE;
    /* The server's own limit of gRPC messages, which an emulator has below Pub/Sub's. */
    if (code == GW_RPC_RESOURCE_EXHAUSTED &&
        (holds(why, "larger than max") || holds(why, "exceeds maximum size")))
        return GW_TOO_LARGE;
    return GW_TRY_AGAIN;
}

/* What is wrong, and the command that mends it. */
static void say_why(const struct gw_to_pubsub *p, int code, const char *said, const char *topic,
                    char *why, size_t size)
{
    const char *project = p->conf->project;

    if (code == GW_RPC_NOT_FOUND)
        (void)snprintf(why, size,
                       "Pub/Sub: %.200s; to make it: gcloud pubsub topics create %s --project %s",
                       said, topic, project);
    else if (code == GW_RPC_PERMISSION_DENIED)
        (void)snprintf(
            why, size,
            "Pub/Sub: %.200s; to allow it: gcloud pubsub topics add-iam-policy-binding %s "
            "--project %s --member serviceAccount:NAME --role roles/pubsub.publisher",
            said, topic, project);
    else
        (void)snprintf(why, size, "Pub/Sub: %s", said);
}

/* ---- requests ---- */

static void let_go(struct gw_to_pubsub_request *r)
{
    if (r->body.cap > BODY_KEPT)
        gw_buf_free(&r->body);
    r->next = r->publisher->free;
    r->publisher->free = r;
}

static const char *topic_of(const struct gw_to_pubsub_request *r)
{
    return strrchr(r->name, '/') + 1;
}

static void send_piece(struct gw_to_pubsub_request *r)
{
    const struct gw_message *m = r->pieces.messages;
    const struct gw_publish_pubsub_conf *c = r->publisher->conf;

    (void)snprintf(r->name, sizeof(r->name), "projects/%s/topics/%.*s", c->project,
                   m->topic.p ? (int)m->topic.len : (int)strlen(c->topic),
                   m->topic.p ? m->topic.p : c->topic);
    r->call.name = gw_str_of(r->name);
    r->n_ids = 0;
    gw_buf_clear(&r->body);
    gw_to_pubsub_put(&r->body, r->call.name, m, gw_pieces_next(&r->pieces));
    gw_gcp_pubsub_start(&r->call, gw_buf_str(&r->body), 0);
}

/* Before the first message is told: who is told may send anew. */
static void end_request(struct gw_to_pubsub_request *r, struct gw_message *left,
                        const struct gw_result *result)
{
    struct gw_to_pubsub *p = r->publisher;

    let_go(r);
    gw_publish_results(&p->base, left, result);
    start_requests(p);
}

/* The next piece has its result; the others go on. */
static void end_piece(struct gw_to_pubsub_request *r, const struct gw_result *result)
{
    struct gw_message *piece = gw_pieces_take(&r->pieces);

    if (!r->pieces.n) {
        end_request(r, piece, result);
        return;
    }
    gw_publish_results(&r->publisher->base, piece, result);
    send_piece(r);
}

static void on_answer(struct gw_rpc *rpc, struct gw_str bytes)
{
    struct gw_to_pubsub_request *r = (struct gw_to_pubsub_request *)rpc;

    r->n_ids = gw_to_pubsub_ids(bytes);
}

static void on_refused(struct gw_to_pubsub_request *r)
{
    const int code = r->call.rpc.code;
    char why[GW_TO_PUBSUB_WHY];
    struct gw_result result = {.outcome = outcome_of(code, r->call.why),
                               .why = why,
                               .retry_after_ms = r->call.retry_after_ms};

    if (result.outcome != GW_TRY_AGAIN && gw_pieces_halve(&r->pieces)) {
        send_piece(r); /* who is at fault will be alone */
        return;
    }
    say_why(r->publisher, code, r->call.why, topic_of(r), why, sizeof(why));
    if (result.outcome == GW_IMPOSSIBLE && holds(r->call.why, "topic"))
        result.outcome = GW_TRY_AGAIN; /* not the message: it may be well later */
    if (result.outcome == GW_TRY_AGAIN)
        end_request(r, gw_pieces_take_all(&r->pieces), &result); /* nothing overtakes */
    else
        end_piece(r, &result);
}

static void on_done(struct gw_gcp_pubsub_call *call)
{
    static const struct gw_result good = {.outcome = GW_DELIVERED},
                                  unclear = {.outcome = GW_TRY_AGAIN,
                                             .why =
                                                 "Pub/Sub: the answer has no id for each message"};
    struct gw_to_pubsub_request *r = (struct gw_to_pubsub_request *)call;

    if (call->rpc.code != GW_RPC_OK)
        on_refused(r);
    else if (r->n_ids != gw_pieces_next(&r->pieces))
        end_request(r, gw_pieces_take_all(&r->pieces), &unclear);
    else
        end_piece(r, &good);
}

/* ---- sends ---- */

/* The first messages that one request can hold. */
static struct gw_message *take_request(struct gw_to_pubsub *p)
{
    struct gw_message *first = p->pending, *last = first;
    size_t n = 1, bytes = first->bytes;

    while (last->next && n < p->base.limits.messages &&
           bytes + last->next->bytes <= p->base.limits.bytes &&
           gw_to_pubsub_together(first, last->next)) {
        last = last->next;
        bytes += last->bytes;
        n++;
    }
    p->pending = last->next;
    if (p->pending)
        p->pending->prev = first->prev;
    last->next = NULL;
    return first;
}

static void start_requests(struct gw_to_pubsub *p)
{
    while (p->pending && p->free) {
        struct gw_to_pubsub_request *r = p->free;

        p->free = r->next;
        gw_pieces_begin(&r->pieces, take_request(p));
        send_piece(r);
    }
}

static void pubsub_send(struct gw_publisher *base, struct gw_message *batch)
{
    struct gw_to_pubsub *p = (struct gw_to_pubsub *)base;

    for (struct gw_message *m = gw_to_pubsub_group(batch), *next; m; m = next) {
        next = m->next;
        gw_messages_append(&p->pending, m);
    }
    start_requests(p);
}

/* ---- check --online ---- */

/* Who may publish need not be allowed to look. */
static void on_looked(struct gw_gcp_pubsub_call *call)
{
    struct gw_to_pubsub *p = GW_CONTAINER(call, struct gw_to_pubsub, look);
    const int code = call->rpc.code;
    struct gw_arena *mem = gw_arena_new();
    const char *who = gw_gcp_pubsub_who(&p->client, mem);
    char text[GW_TO_PUBSUB_WHY + 330];
    size_t len;

    if (code == GW_RPC_OK)
        (void)snprintf(text, sizeof(text), "topic %.*s", (int)call->name.len, call->name.p);
    else if (code == GW_RPC_PERMISSION_DENIED)
        (void)snprintf(text, sizeof(text),
                       "Pub/Sub: %s; to look at the topic takes roles/pubsub.viewer, to publish "
                       "roles/pubsub.publisher",
                       call->why);
    else
        say_why(p, code, call->why, p->conf->topic, text, GW_TO_PUBSUB_WHY);
    len = strlen(text);
    (void)snprintf(text + len, sizeof(text) - len, "%s", who);
    gw_arena_free(mem);
    p->asker->said(p->asker,
                   code == GW_RPC_OK                  ? GW_ONLINE_YES
                   : code == GW_RPC_PERMISSION_DENIED ? GW_ONLINE_UNSURE
                                                      : GW_ONLINE_NO,
                   text);
}

/* GetTopicRequest{topic 1} is as PublishRequest without messages. */
static void pubsub_online(struct gw_publisher *base, struct gw_online *o)
{
    struct gw_to_pubsub *p = (struct gw_to_pubsub *)base;
    struct gw_to_pubsub_request *r = p->free;

    (void)snprintf(r->name, sizeof(r->name), "projects/%s/topics/%s", p->conf->project,
                   p->conf->topic);
    p->asker = o;
    (void)snprintf(o->whom, sizeof(o->whom), "%s", p->client.conf.url);
    p->look.name = gw_str_of(r->name);
    gw_gcp_pubsub_ask_who(&p->client);
    gw_to_pubsub_put(&r->body, p->look.name, NULL, 0);
    gw_gcp_pubsub_start(&p->look, gw_buf_str(&r->body), 0);
}

/* ---- life ---- */

static void open_calls(struct gw_to_pubsub *p)
{
    for (int i = GW_TO_PUBSUB_CALLS; i--;) {
        struct gw_to_pubsub_request *r = &p->requests[i];

        gw_gcp_pubsub_call_init(&r->call, &p->client, "/google.pubsub.v1.Publisher/Publish");
        r->call.param = "topic";
        r->call.rpc.timeout_ms = CALL_MS;
        r->call.rpc.message = on_answer;
        r->call.done = on_done;
        gw_buf_init(&r->body, SIZE_MAX / 2, NULL);
        r->publisher = p;
        r->next = p->free;
        p->free = r;
    }
    gw_gcp_pubsub_call_init(&p->look, &p->client, "/google.pubsub.v1.Publisher/GetTopic");
    p->look.param = "topic";
    p->look.rpc.timeout_ms = ASK_MS;
    p->look.done = on_looked;
}

static struct gw_publisher *pubsub_open(const void *conf, const struct gw_format *f,
                                        struct gw_loop *loop, struct gw_err *err)
{
    const struct gw_publish_pubsub_conf *c = conf;
    struct gw_to_pubsub *p = calloc(1, sizeof(*p));
    const size_t most = GW_TO_PUBSUB_BYTES - GW_TO_PUBSUB_NAME;

    (void)err;
    if (!p)
        abort();
    p->base = (struct gw_publisher){.ops = &gw_publish_pubsub, .loop = loop};
    p->base.limits = gw_publish_limits(&c->common, GW_TO_PUBSUB_SENDS);
    if (p->base.limits.bytes > most)
        p->base.limits.bytes = most;
    p->conf = c;
    p->binary = f->mode == GW_MODE_BINARY;
    p->protobuf = f->protobuf;
    p->flyteadmin = gw_flyteadmin_of(f, p->base.limits.message_bytes);
    gw_gcp_pubsub_init(&p->client, loop, c->endpoint);
    open_calls(p);
    return &p->base;
}

static void pubsub_close(struct gw_publisher *base)
{
    static const struct gw_result unknown = {.outcome = GW_TRY_AGAIN,
                                             .why = "stopped before there was an answer"};
    struct gw_to_pubsub *p = (struct gw_to_pubsub *)base;
    struct gw_message *pending = p->pending;

    p->pending = NULL;
    gw_gcp_pubsub_call_fini(&p->look);
    for (int i = 0; i < GW_TO_PUBSUB_CALLS; i++) {
        gw_gcp_pubsub_call_fini(&p->requests[i].call);
        gw_buf_free(&p->requests[i].body);
        gw_publish_results(base, gw_pieces_take_all(&p->requests[i].pieces), &unknown);
    }
    gw_publish_results(base, pending, &unknown);
    gw_gcp_pubsub_fini(&p->client);
    free(p);
}

const struct gw_publisher_ops gw_publish_pubsub = {
    .name = "pubsub",
    .help = "Google Cloud Pub/Sub.",
    .fields = gw_to_pubsub_fields,
    .conf_size = sizeof(struct gw_publish_pubsub_conf),
    .sourceless = 1,
    .routing = &gw_to_pubsub_routing,
    .check = gw_to_pubsub_check,
    .same = gw_to_pubsub_same,
    .open = pubsub_open,
    .format = gw_to_pubsub_format,
    .send = pubsub_send,
    .online = pubsub_online,
    .close = pubsub_close,
};
