#include "net/aws_online.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "net/aws_call.h"
#include "net/aws_plan.h"
#include "net/aws_profiles.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct asking {
    struct gw_asking base; /* first */
    struct gw_aws_wish wish;
    struct gw_loop *loop;
    struct gw_online *online;
    struct gw_arena *mem;
    struct gw_aws_client client, sts;
    struct gw_aws_call call, identity;
    const char *from;    /* where the keys are had */
    char region[64];     /* that the topic or queue names; empty: none */
    const char *verdict; /* of the attributes, until it is known who we are */
    int answer;
};

static int is_sns(const struct asking *a)
{
    return !strcmp(a->wish.service, "sns");
}

static const char *what_it_is(const struct asking *a)
{
    return is_sns(a) ? "topic" : "queue";
}

static int64_t distance(int64_t s)
{
    return s < 0 ? -s : s;
}

/* The last word: with what holds of every answer. */
static void say(struct asking *a, int answer, const char *text)
{
    const int64_t skew = gw_aws_skew(a->client.credentials);
    const char *wrong_region = "", *clock = "";

    if (answer != GW_ONLINE_YES && a->wish.region && a->region[0] &&
        strcmp(a->wish.region, a->region) != 0)
        wrong_region = gw_arena_printf(a->mem, "; `region` is %s, the %s's is %s: leave it out",
                                       a->wish.region, what_it_is(a), a->region)
                           .p;
    if (skew)
        clock = gw_arena_printf(a->mem, "; our clock is %lld s %s AWS's", (long long)distance(skew),
                                skew > 0 ? "behind" : "ahead of")
                    .p;
    a->online->said(a->online, answer,
                    gw_arena_printf(a->mem, "%s%s%s", text, wrong_region, clock).p);
}

/* ---- what to do ---- */

static const char *how_to_make(const struct asking *a)
{
    const char *name = strrchr(a->wish.to, is_sns(a) ? ':' : '/');
    const int fifo = gw_aws_is_fifo(gw_str_of(a->wish.to));

    name = name ? name + 1 : a->wish.to;
    if (is_sns(a))
        return gw_arena_printf(a->mem, "aws sns create-topic --name %s --region %s%s", name,
                               a->client.region, fifo ? " --attributes FifoTopic=true" : "")
            .p;
    return gw_arena_printf(a->mem, "aws sqs create-queue --queue-name %s --region %s%s", name,
                           a->client.region, fifo ? " --attributes FifoQueue=true" : "")
        .p;
}

static const char *of_keys(const struct asking *a, struct gw_str code)
{
    const char *todo;

    switch (gw_aws_trouble_of(code)) {
    case GW_AWS_KEY_UNKNOWN:
        todo = "the access key id is not known there, or its session token is missing: look at %s";
        break;
    case GW_AWS_KEY_WRONG:
        todo = "the secret key is not the access key id's: look at %s, and at our clock";
        break;
    case GW_AWS_KEY_OVER:
        todo = "the session has ended: log in again, so that %s has newer keys";
        break;
    case GW_AWS_CLOCK:
        todo = "set our clock right (keys are from %s)";
        break;
    default:
        return NULL;
    }
    return gw_arena_printf(a->mem, "%.*s%s%s", (int)(strstr(todo, "%s") - todo), todo, a->from,
                           strstr(todo, "%s") + 2)
        .p;
}

static const char *todo_of(const struct asking *a, const struct gw_aws_call *call)
{
    const char *todo = of_keys(a, call->error.code);

    if (todo)
        return todo;
    if (gw_aws_trouble_of(call->error.code) == GW_AWS_MISSING)
        return how_to_make(a);
    if (call->error.status)
        return "is the endpoint AWS's, and are region and account those it is in?";
    if (strstr(call->why, "SSL") || strstr(call->why, "certificate"))
        return "AWS_CA_BUNDLE names the file with the endpoint's authority";
    if (!strncmp(call->why, "AWS credentials", 15))
        return "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or give the machine "
               "a "
               "role";
    return gw_arena_printf(a->mem, "is %s right, and is there a way to it?", a->client.url).p;
}

/* ---- who we are ---- */

/* Not of an endpoint that is somebody else's, as ElasticMQ, unless that has an STS, too. */
static int knows_who(const struct asking *a)
{
    return gw_aws_is_own(a->client.url) || !gw_aws_is_own(a->sts.url);
}

static void on_identity(struct gw_aws_call *call)
{
    struct asking *a = GW_CONTAINER(call, struct asking, identity);
    const struct gw_str arn = call->error.status == 200
                                  ? gw_aws_xml_text(a->mem, gw_buf_str(&call->fetch.answer), "Arn")
                                  : (struct gw_str){0};
    const char *todo = of_keys(a, call->error.code);

    if (arn.p)
        say(a, a->answer,
            gw_arena_printf(a->mem, "%s; we are %.*s, keys from %s", a->verdict, (int)arn.len,
                            arn.p, a->from)
                .p);
    else if (todo && a->answer != GW_ONLINE_YES)
        say(a, GW_ONLINE_NO, gw_arena_printf(a->mem, "%s: %s", call->why, todo).p);
    else
        say(a, a->answer,
            gw_arena_printf(a->mem, "%s; who we are is not known: %s", a->verdict, call->why).p);
}

static void ask_who(struct asking *a, int answer, const char *verdict)
{
    a->answer = answer;
    a->verdict = verdict;
    if (!knows_who(a)) {
        say(a, answer, verdict);
        return;
    }
    a->identity.fetch.body = GW_STR("Action=GetCallerIdentity&Version=2011-06-15");
    gw_aws_call_start(&a->identity);
}

/* ---- the attributes ---- */

/* Older queues take 256 KiB: what is larger would be found out message by message. */
static const char *about_size(const struct asking *a, struct gw_str answer)
{
    static const char name[] = "\"MaximumMessageSize\"";
    const char *end = answer.p + answer.len,
               *at = answer.len ? memmem(answer.p, answer.len, name, sizeof(name) - 1) : NULL;
    size_t most = 0;

    if (!at)
        return "";
    for (at += sizeof(name) - 1; at < end && strchr(" :\"", *at) && *at; at++)
        ;
    for (; at < end && *at >= '0' && *at <= '9' && most < SIZE_MAX / 20; at++)
        most = most * 10 + (size_t)(*at - '0');
    if (!most || most >= a->wish.most)
        return "";
    return gw_arena_printf(a->mem,
                           ", which refuses messages of more than %zu bytes; `max_message_bytes` "
                           "is %zu",
                           most, a->wish.most)
        .p;
}

/* What is worth to be known of a queue beside that it is there. */
static const char *about_queue(const struct asking *a, struct gw_str answer)
{
    if (!a->wish.reads)
        return about_size(a, answer);
    if (memmem(answer.p, answer.len, "\"RedrivePolicy\"", 15))
        return "";
    return ", without a redrive policy: what cannot be decoded comes back until it is too old";
}

static void on_attributes(struct gw_aws_call *call)
{
    struct asking *a = GW_CONTAINER(call, struct asking, call);
    const struct gw_str answer = gw_buf_str(&call->fetch.answer);
    const char *kind = gw_aws_is_fifo(gw_str_of(a->wish.to)) ? "FIFO" : "standard";

    if (call->error.status >= 200 && call->error.status < 300)
        ask_who(a, GW_ONLINE_YES,
                gw_arena_printf(a->mem, "%s %s %s is there (%s)%s", a->client.name, what_it_is(a),
                                a->wish.to, kind, is_sns(a) ? "" : about_queue(a, answer))
                    .p);
    else if (gw_aws_trouble_of(call->error.code) == GW_AWS_DENIED)
        ask_who(a, GW_ONLINE_UNSURE,
                gw_arena_printf(a->mem,
                                "%s: the keys are right, but %s:Get%sAttributes on %s is not "
                                "allowed, so it is not known whether it is there; allow it, beside "
                                "%s",
                                a->client.name, a->wish.service, is_sns(a) ? "Topic" : "Queue",
                                a->wish.to, a->wish.actions)
                    .p);
    else
        say(a, GW_ONLINE_NO, gw_arena_printf(a->mem, "%s: %s", call->why, todo_of(a, call)).p);
}

static struct gw_str body_of(const struct asking *a)
{
    struct gw_buf b;

    gw_buf_init(&b, 1 << 16, a->mem);
    if (is_sns(a)) {
        gw_buf_puts(&b, "Action=GetTopicAttributes&Version=2010-03-31&TopicArn=");
        gw_aws_encode(&b, gw_str_of(a->wish.to));
    } else {
        gw_buf_puts(&b, "{\"QueueUrl\":");
        gw_json_put_string(&b, gw_str_of(a->wish.to));
        gw_buf_puts(&b, ",\"AttributeNames\":[\"All\"]}");
    }
    return gw_buf_str(&b);
}

/* ---- life ---- */

static void asking_close(struct gw_asking *base)
{
    struct asking *a = (struct asking *)base;

    gw_aws_call_fini(&a->call);
    gw_aws_call_fini(&a->identity);
    gw_aws_client_fini(&a->client);
    gw_aws_client_fini(&a->sts);
    gw_arena_free(a->mem);
    free(a);
}

static const char *where_keys_are(struct gw_arena *mem)
{
    struct gw_aws_profiles *profiles;
    struct gw_aws_plan plan;
    struct gw_err unused;

    profiles = gw_aws_profiles_read(mem, &unused);
    if (!profiles || gw_aws_plan_make(mem, profiles, &plan, &unused))
        return "nowhere";
    return plan.from;
}

struct gw_asking *gw_aws_online(const struct gw_aws_wish *w, struct gw_loop *loop,
                                struct gw_online *o)
{
    struct asking *a = calloc(1, sizeof(*a));
    const char *hint;

    if (!a)
        abort();
    *a = (struct asking){.base = {asking_close}, .wish = *w, .loop = loop, .online = o};
    a->mem = gw_arena_new();
    a->from = where_keys_are(a->mem);
    hint = gw_aws_region_of(w->to, a->region, sizeof(a->region));
    if (!hint)
        a->region[0] = '\0';
    gw_aws_client_init(&a->client, loop, w->service, w->region, hint, w->endpoint);
    gw_aws_client_init(&a->sts, loop, "sts", w->region, hint, NULL);
    gw_aws_call_init(&a->call, &a->client);
    gw_aws_call_init(&a->identity, &a->sts);
    a->call.content_type = is_sns(a) ? "application/x-www-form-urlencoded; charset=utf-8"
                                     : "application/x-amz-json-1.0";
    a->call.target = is_sns(a) ? NULL : "AmazonSQS.GetQueueAttributes";
    a->call.done = on_attributes;
    a->identity.content_type = "application/x-www-form-urlencoded; charset=utf-8";
    a->identity.done = on_identity;
    a->call.fetch.body = body_of(a);
    (void)snprintf(o->whom, sizeof(o->whom), "%.*s, with keys from %s", (int)a->client.host.len,
                   a->client.host.p ? a->client.host.p : "", a->from);
    gw_aws_call_start(&a->call);
    return &a->base;
}
