/* The way of a batch to SNS or SQS. */
#include "publish/aws_batch.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "publish/messages.h"
#include "publish/publish_http.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BODY_KEPT = 64 << 10 };

/* ---- what an answer means ---- */

static int holds(struct gw_str text, const char *word)
{
    const size_t len = strlen(word);

    for (size_t i = 0; i + len <= text.len; i++)
        if (!strncasecmp(text.p + i, word, len))
            return 1;
    return 0;
}

/* Impossible is only what faults the message itself: what names the topic or the queue, who may
 * send or how fast, may be well later. */
static enum gw_outcome outcome_of(struct gw_str code, struct gw_str message)
{
    static const char *const faults[] = {
        "InvalidParameter",       "InvalidParameterValue", "ParameterValueInvalid",
        "InvalidMessageContents", "InvalidAttributeValue", "InvalidMessageAttributeValue",
        "ValidationException",    "ValidationError",       "MessageTooLong"};

    if (gw_str_is(code, "BatchRequestTooLong") ||
        gw_str_is(code, "AWS.SimpleQueueService.BatchRequestTooLong"))
        return GW_TOO_LARGE;
    if (holds(message, "topic") || holds(message, "queue"))
        return GW_TRY_AGAIN;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        if (gw_str_is(code, faults[i]))
            return holds(message, "too long") || holds(message, "must be shorter") ? GW_TOO_LARGE
                                                                                   : GW_IMPOSSIBLE;
    return GW_TRY_AGAIN;
}

/* ---- sends ---- */

static void end_send(struct gw_aws_send *s, const struct gw_result *result)
{
    struct gw_aws_publisher *p = s->publisher;
    struct gw_message *left = s->messages;

    s->messages = NULL;
    s->n_pieces = 0;
    if (s->body.cap > BODY_KEPT)
        gw_buf_free(&s->body);
    s->next = p->free;
    p->free = s;
    gw_publish_results(&p->base, left, result);
}

/* A call has one topic: messages to others come with the next. */
static void split_by_topic(struct gw_aws_send *s)
{
    const struct gw_message *first = s->messages, *m = first->next;
    size_t *n = &s->pieces[s->n_pieces - 1], same = 1;

    for (; same < *n && gw_str_eq(m->topic, first->topic); m = m->next)
        same++;
    if (same == *n)
        return;
    *n -= same;
    assert(s->n_pieces < GW_AWS_PIECES);
    s->pieces[s->n_pieces++] = same;
}

static void send_piece(struct gw_aws_send *s)
{
    const struct gw_aws_publisher *p = s->publisher;

    split_by_topic(s);
    gw_buf_clear(&s->body);
    p->service->put(p, s->messages, s->pieces[s->n_pieces - 1], &s->body);
    s->call.fetch.body = gw_buf_str(&s->body);
    gw_aws_call_start(&s->call);
}

/* A batch that was refused whole is no fault of all its messages. 0: it is one. */
static int halve(struct gw_aws_send *s)
{
    size_t *n = &s->pieces[s->n_pieces - 1], half = *n / 2;

    if (!half)
        return 0;
    *n -= half;
    assert(s->n_pieces < GW_AWS_PIECES);
    s->pieces[s->n_pieces++] = half;
    return 1;
}

static struct gw_message *take_first(struct gw_aws_send *s)
{
    struct gw_message *m = s->messages;

    s->messages = m->next;
    m->next = NULL;
    return m;
}

/* What the entry says becomes a result; its text is put into why. */
static struct gw_result result_of(const struct gw_aws_publisher *p, const struct gw_aws_entry *e,
                                  char *why, size_t size)
{
    struct gw_err text;

    if (e->told && e->delivered)
        return (struct gw_result){.outcome = GW_DELIVERED};
    if (!e->told)
        (void)gw_err_set(&text, GW_ERR_RETRY, "%s: the answer does not say what became of it",
                         p->client.name);
    else
        (void)gw_err_set(&text, GW_ERR_RETRY, "%s: %.*s%s%.*s", p->client.name,
                         (int)(e->code.len < 80 ? e->code.len : 80), e->code.p,
                         e->message.len ? ": " : "",
                         (int)(e->message.len < 200 ? e->message.len : 200), e->message.p);
    (void)snprintf(why, size, "%s", text.msg);
    return (struct gw_result){.outcome = e->told ? outcome_of(e->code, e->message) : GW_TRY_AGAIN,
                              .why = why};
}

/* Entries are told before the next piece goes; who is told may send anew with another send. */
static void tell_entries(struct gw_aws_send *s, size_t n)
{
    struct gw_aws_publisher *p = s->publisher;
    struct gw_aws_entry entries[GW_AWS_ENTRIES] = {{0}};
    struct gw_message *told[GW_AWS_ENTRIES];
    struct gw_arena *mem = gw_arena_new();

    p->service->read(mem, gw_buf_str(&s->call.fetch.answer), entries, n);
    for (size_t i = 0; i < n; i++)
        told[i] = take_first(s);
    if (!s->n_pieces) { /* it is free before the first one is told */
        s->next = p->free;
        p->free = s;
    }
    for (size_t i = 0; i < n; i++) {
        char why[GW_AWS_WHY];
        const struct gw_result r = result_of(p, &entries[i], why, sizeof(why));

        gw_publish_results(&p->base, told[i], &r);
    }
    gw_arena_free(mem);
}

static int64_t retry_after_ms(const struct gw_aws_call *call)
{
    return call->error.status
               ? gw_http_retry_after_ms(gw_fetch_answer_header(&call->fetch, "retry-after"),
                                        gw_clock_wall_ns() / 1000000000)
               : 0;
}

static void on_done(struct gw_aws_call *call)
{
    struct gw_aws_send *s = (struct gw_aws_send *)call;
    struct gw_result r = {.outcome = GW_TRY_AGAIN, .why = call->why};
    const int good = call->error.status >= 200 && call->error.status < 300;

    if (!good && call->error.status)
        r.outcome = outcome_of(call->error.code, call->error.message);
    if (!good && r.outcome == GW_TRY_AGAIN) {
        r.retry_after_ms = retry_after_ms(call);
        end_send(s, &r); /* the rest too: what follows must not overtake */
        return;
    }
    if (good) {
        const size_t n = s->pieces[--s->n_pieces];
        const int last = !s->n_pieces;

        tell_entries(s, n);
        if (last)
            return;
    } else if (!halve(s)) {
        struct gw_message *m = take_first(s);

        s->n_pieces--;
        if (!s->messages) {
            s->messages = m;
            end_send(s, &r);
            return;
        }
        gw_publish_results(&s->publisher->base, m, &r);
    }
    send_piece(s);
}

void gw_aws_send(struct gw_publisher *base, struct gw_message *batch)
{
    struct gw_aws_publisher *p = (struct gw_aws_publisher *)base;
    struct gw_aws_send *s = p->free;

    assert(s);
    p->free = s->next;
    s->messages = batch;
    s->pieces[0] = gw_messages_count(batch);
    s->n_pieces = 1;
    send_piece(s);
}

/* ---- life ---- */

static void open_sends(struct gw_aws_publisher *p)
{
    for (int i = GW_AWS_CALLS; i--;) {
        struct gw_aws_send *s = &p->sends[i];

        gw_aws_call_init(&s->call, &p->client);
        s->call.content_type = p->service->content_type;
        s->call.target = p->service->target;
        s->call.done = on_done;
        gw_buf_init(&s->body, SIZE_MAX / 2, NULL);
        s->publisher = p;
        s->next = p->free;
        p->free = s;
    }
}

static void set_group(struct gw_aws_publisher *p, const char *text)
{
    p->group = !strcmp(text, "id")          ? GW_AWS_GROUP_ID
               : !strncmp(text, "attr:", 5) ? GW_AWS_GROUP_ATTR
                                            : GW_AWS_GROUP_KEY;
    if (p->group == GW_AWS_GROUP_ATTR)
        p->group_attr = gw_str_of(text + 5);
}

struct gw_publisher *gw_aws_open(const struct gw_publisher_ops *ops,
                                 const struct gw_aws_service *service, const void *conf,
                                 const struct gw_format *f, struct gw_loop *loop)
{
    const struct gw_aws_publish_conf *c = conf;
    struct gw_aws_publisher *p = calloc(1, sizeof(*p));
    char region[64];

    if (!p)
        abort();
    p->base = (struct gw_publisher){.ops = ops, .loop = loop};
    p->base.limits = gw_publish_limits(&c->common, GW_AWS_CALLS);
    if (p->base.limits.message_bytes > service->message_bytes)
        p->base.limits.message_bytes = service->message_bytes;
    p->base.one_a_key = gw_aws_is_fifo(gw_str_of(c->to)) || c->common.routes.n;
    p->conf = c;
    p->service = service;
    p->protobuf = f->protobuf;
    p->flyteadmin = gw_flyteadmin_of(f, p->base.limits.message_bytes);
    set_group(p, c->group);
    gw_aws_client_init(&p->client, loop, service->name, c->region,
                       gw_aws_region_of(c->to, region, sizeof(region)), c->endpoint);
    open_sends(p);
    return &p->base;
}

void gw_aws_close(struct gw_publisher *base)
{
    static const struct gw_result unknown = {.outcome = GW_TRY_AGAIN,
                                             .why = "stopped before there was an answer"};
    struct gw_aws_publisher *p = (struct gw_aws_publisher *)base;

    for (int i = 0; i < GW_AWS_CALLS; i++) {
        gw_aws_call_fini(&p->sends[i].call);
        gw_buf_free(&p->sends[i].body);
        gw_publish_results(base, p->sends[i].messages, &unknown);
    }
    gw_aws_client_fini(&p->client);
    free(p);
}

int gw_aws_same(const void *a, const void *b)
{
    const struct gw_aws_publish_conf *x = a, *y = b;

    return x->to && y->to && !strcmp(x->to, y->to);
}
