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

enum { BODY_KEPT = 64 << 10, CONTENT_TOO_LARGE = 413 /* of what stands before the service */ };

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

/* Before the first message is told: who is told may send anew. */
static void let_go(struct gw_aws_send *s)
{
    struct gw_aws_publisher *p = s->publisher;

    if (s->body.cap > BODY_KEPT)
        gw_buf_free(&s->body);
    s->next = p->free;
    p->free = s;
}

static void end_send(struct gw_aws_send *s, struct gw_message *left, const struct gw_result *result)
{
    let_go(s);
    gw_publish_results(&s->publisher->base, left, result);
}

/* A call has one topic: messages to others come with the next. */
static void split_by_topic(struct gw_aws_send *s)
{
    const struct gw_message *first = s->pieces.messages, *m = first->next;
    const size_t n = gw_pieces_next(&s->pieces);
    size_t same = 1;

    for (; same < n && gw_str_eq(m->topic, first->topic); m = m->next)
        same++;
    gw_pieces_cut(&s->pieces, same);
}

static void send_piece(struct gw_aws_send *s)
{
    const struct gw_aws_publisher *p = s->publisher;

    split_by_topic(s);
    gw_buf_clear(&s->body);
    p->service->put(p, s->pieces.messages, gw_pieces_next(&s->pieces), &s->body);
    s->call.fetch.body = gw_buf_str(&s->body);
    gw_aws_call_start(&s->call);
}

/* What the entry says becomes a result; its text is put into why. */
static struct gw_result result_of(const struct gw_aws_publisher *p, const struct gw_aws_entry *e,
                                  char *why, size_t size)
{
    const char *todo = gw_aws_todo(e->code);
    struct gw_err text;

    if (e->told && e->delivered)
        return (struct gw_result){.outcome = GW_DELIVERED};
    if (!e->told)
        (void)gw_err_set(&text, GW_ERR_RETRY, "%s: the answer does not say what became of it",
                         p->client.name);
    else
        (void)gw_err_set(&text, GW_ERR_RETRY, "%s: %.*s%s%.*s%s%s", p->client.name,
                         (int)(e->code.len < 80 ? e->code.len : 80), e->code.p,
                         e->message.len ? ": " : "",
                         (int)(e->message.len < 200 ? e->message.len : 200), e->message.p,
                         todo ? ": " : "", todo ? todo : "");
    (void)snprintf(why, size, "%s", text.msg);
    return (struct gw_result){.outcome = e->told ? outcome_of(e->code, e->message) : GW_TRY_AGAIN,
                              .why = why};
}

/* Each entry of the piece by itself, before the next piece goes. */
static void tell_entries(struct gw_aws_send *s)
{
    const struct gw_aws_publisher *p = s->publisher;
    struct gw_aws_entry entries[GW_AWS_ENTRIES] = {{0}};
    struct gw_arena *mem = gw_arena_new();
    const size_t n = gw_pieces_next(&s->pieces);
    struct gw_message *m = gw_pieces_take(&s->pieces), *next;

    p->service->read(mem, gw_buf_str(&s->call.fetch.answer), entries, n);
    if (!s->pieces.n)
        let_go(s);
    for (size_t i = 0; i < n; i++, m = next) {
        char why[GW_AWS_WHY];
        const struct gw_result r = result_of(p, &entries[i], why, sizeof(why));

        next = m->next;
        m->next = NULL;
        gw_publish_results(&s->publisher->base, m, &r);
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
    char told[GW_AWS_TOLD];
    const int good = call->error.status >= 200 && call->error.status < 300;
    struct gw_result r = {.outcome = GW_TRY_AGAIN,
                          .why = good ? NULL : gw_aws_call_told(call, told, sizeof(told))};

    if (!good && call->error.status)
        r.outcome = call->error.status == CONTENT_TOO_LARGE
                        ? GW_TOO_LARGE
                        : outcome_of(call->error.code, call->error.message);
    if (!good && r.outcome == GW_TRY_AGAIN) {
        r.retry_after_ms = retry_after_ms(call);
        end_send(s, gw_pieces_take_all(&s->pieces), &r); /* nothing overtakes */
        return;
    }
    if (good) {
        const int last = s->pieces.n == 1;

        tell_entries(s);
        if (last)
            return;
    } else if (!gw_pieces_halve(&s->pieces)) { /* one message, at fault by itself */
        struct gw_message *m = gw_pieces_take(&s->pieces);

        if (!s->pieces.n) {
            end_send(s, m, &r);
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
    gw_pieces_begin(&s->pieces, batch);
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
    (void)gw_key_choice_parse(c->group, &p->group); /* gw_aws_publish_check has */
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
        gw_publish_results(base, gw_pieces_take_all(&p->sends[i].pieces), &unknown);
    }
    gw_aws_client_fini(&p->client);
    free(p);
}

int gw_aws_same(const void *a, const void *b)
{
    const struct gw_aws_publish_conf *x = a, *y = b;

    return x->to && y->to && !strcmp(x->to, y->to);
}
