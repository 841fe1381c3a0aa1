/* Is the subscription there to be pulled from? */
#include "ingest/pubsub.h"

#include "base/arena.h"
#include "base/pbwire.h"

#include <stdio.h>
#include <stdlib.h>

enum { ASK_MS = 10000, RESOURCE_ERROR = 2 };

struct asking {
    struct gw_asking base; /* first */
    struct gw_online *online;
    const struct gw_ingest_pubsub *conf;
    struct gw_gcp_pubsub client;
    struct gw_gcp_pubsub_call call;
    struct gw_pubsub_subscription found;
    struct gw_arena *mem;
    struct gw_buf body;
    int answered;
};

static void on_message(struct gw_rpc *r, struct gw_str bytes)
{
    struct asking *a = GW_CONTAINER(r, struct asking, call.rpc);

    bytes = gw_arena_str(a->mem, bytes);
    a->answered = !gw_pubsub_subscription(bytes, &a->found);
}

static void say(struct asking *a, int answer, struct gw_str text)
{
    a->online->said(a->online, answer,
                    gw_arena_printf(a->mem, "%.*s%s", (int)text.len, text.p,
                                    gw_gcp_pubsub_who(&a->client, a->mem))
                        .p);
}

static void say_failure(struct asking *a)
{
    const struct gw_ingest_pubsub *c = a->conf;
    struct gw_str hint = gw_pubsub_hint(a->mem, c, a->call.rpc.code);
    int answer = GW_ONLINE_NO;

    if (a->call.rpc.code == GW_RPC_PERMISSION_DENIED) {
        answer = GW_ONLINE_UNSURE; /* to pull takes another permission than to look */
        hint = GW_STR("; to look takes roles/pubsub.viewer, to pull roles/pubsub.subscriber");
    }
    say(a, answer, gw_arena_printf(a->mem, "Pub/Sub: %s%.*s", a->call.why, (int)hint.len, hint.p));
}

static const char *trouble(const struct gw_pubsub_subscription *s)
{
    if (s->is_pushed)
        return "Pub/Sub delivers it elsewhere (push, BigQuery or Cloud Storage): it cannot be "
               "pulled";
    if (s->is_detached)
        return "it is detached from its topic: make another one";
    if (gw_str_is(s->topic, "_deleted-topic_"))
        return "its topic is deleted: make another one";
    return s->state == RESOURCE_ERROR ? "Pub/Sub says that it is in error" : NULL;
}

static void say_found(struct asking *a)
{
    const struct gw_pubsub_subscription *s = &a->found;
    const struct gw_str dead =
        s->dead_letter_topic.len
            ? gw_arena_printf(a->mem, "after %d attempts to %.*s",
                              s->attempts ? (int)s->attempts : 5, (int)s->dead_letter_topic.len,
                              s->dead_letter_topic.p)
            : GW_STR("no dead-letter policy, so what cannot be decoded comes again and again");

    if (trouble(s))
        say(a, GW_ONLINE_NO,
            gw_arena_printf(a->mem, "Pub/Sub subscription %.*s: %s", (int)a->call.name.len,
                            a->call.name.p, trouble(s)));
    else
        say(a, GW_ONLINE_YES,
            gw_arena_printf(a->mem, "Pub/Sub subscription %.*s is there, of %.*s%s; %.*s",
                            (int)a->call.name.len, a->call.name.p, (int)s->topic.len, s->topic.p,
                            s->is_ordered ? ", ordered" : "", (int)dead.len, dead.p));
}

static void on_done(struct gw_gcp_pubsub_call *call)
{
    struct asking *a = GW_CONTAINER(call, struct asking, call);

    if (call->rpc.code != GW_RPC_OK)
        say_failure(a);
    else if (!a->answered)
        say(a, GW_ONLINE_NO, GW_STR("Pub/Sub: the answer is no subscription"));
    else
        say_found(a);
}

static void asking_close(struct gw_asking *base)
{
    struct asking *a = (struct asking *)base;

    gw_gcp_pubsub_call_fini(&a->call);
    gw_gcp_pubsub_fini(&a->client);
    gw_arena_free(a->mem);
    free(a);
}

struct gw_asking *gw_pubsub_in_ask(const void *conf, struct gw_loop *loop, struct gw_online *o)
{
    struct asking *a = calloc(1, sizeof(*a));

    if (!a)
        abort();
    *a = (struct asking){.base = {asking_close}, .online = o, .conf = conf, .mem = gw_arena_new()};
    gw_gcp_pubsub_init(&a->client, loop, a->conf->endpoint);
    gw_gcp_pubsub_ask_who(&a->client);
    gw_gcp_pubsub_call_init(&a->call, &a->client, "/google.pubsub.v1.Subscriber/GetSubscription");
    a->call.param = "subscription";
    a->call.name = gw_arena_printf(a->mem, "projects/%s/subscriptions/%s", a->conf->project,
                                   a->conf->subscription);
    a->call.rpc.timeout_ms = ASK_MS;
    a->call.rpc.message = on_message;
    a->call.done = on_done;
    gw_buf_init(&a->body, 1 << 16, a->mem);
    gw_pbwire_put_bytes(&a->body, 1, a->call.name);
    (void)snprintf(o->whom, sizeof(o->whom), "Pub/Sub at %s", a->client.conf.url);
    gw_gcp_pubsub_start(&a->call, gw_buf_str(&a->body), 0);
    return &a->base;
}
