/* The NATS publisher: what an event becomes, and its way until the server, or a stream of
 * JetStream, has it. Publishing itself is nats_client.c.
 *
 * Invariants: 1. a message is in one job until its result, and a result ends it there; 2. what
 * comes later of a message that has ended is nobody's; 3. with JetStream a send has one message of
 * a key, so that none is kept before the one in front of it. */
#include "publish/publish_nats.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "event/event.h"
#include "event/format.h"
#include "flyte/flyte.h"
#include "net/sha256.h"
#include "publish/nats_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCHES = 16,
    FRAME = 64,    /* the line of PUB or HPUB without the subject */
    ACK_MS = 5000, /* JetStream has answered all that is asked of a job within this */
    TICK_MS = 100,
    ID_MAX = 256
};

/* A stream looks at ids and not at subjects: that it has one already says nothing yet. */
enum stage {
    FIRST, /* published with its id */
    ASKED, /* which is taken: by this message, or by one of another subject? */
    AGAIN  /* by another: published with an id that has the subject, too */
};

struct item {
    struct gw_message *message; /* NULL: it has its result */
    enum stage stage;
};

struct sent {
    struct sent *next;
    uint64_t id;
    int64_t until_ms; /* 0: it is not published yet */
    size_t n, left;
    struct item items[];
};

struct nats {
    struct gw_publisher base;
    const struct gw_publish_nats_conf *conf;
    struct gw_template subject;
    struct gw_flyteadmin flyteadmin;
    int binary, own_ids;

    struct gw_nats_client *client;
    struct gw_watch wake;
    struct gw_timer tick;
    struct gw_arena *scratch;
    uint64_t jobs; /* ids so far */
    struct sent *sent, **last;
    struct gw_online *online;
};

/* ---- what an event becomes ---- */

static const struct gw_header content_types[] = {
    {GW_STR("content-type"), GW_STR("application/cloudevents+json")},
    {GW_STR("content-type"), GW_STR("application/cloudevents+protobuf")}};

/* The binding's own name for the type of the data. */
static void set_binary(const struct gw_event *ev, struct gw_arena *mem, struct gw_message *m)
{
    struct gw_header *headers = gw_event_http_headers(ev, mem, &m->n_headers);

    for (size_t i = 0; i < m->n_headers; i++)
        if (gw_str_is(headers[i].name, "content-type"))
            headers[i] = (struct gw_header){GW_STR("ce-datacontenttype"),
                                            gw_event_http_encode(mem, headers[i].value)};
    m->headers = headers;
    m->body = gw_event_payload(ev);
}

static int set_body(const struct nats *n, const struct gw_event *ev, struct gw_arena *mem,
                    struct gw_message *m, struct gw_err *err)
{
    const size_t max = n->base.limits.message_bytes;
    const int protobuf = n->flyteadmin.protobuf;

    if (n->binary) {
        set_binary(ev, mem, m);
        return 0;
    }
    if (n->flyteadmin.style != GW_STYLE_DOCUMENTED && !protobuf)
        return gw_flyteadmin_nats(&n->flyteadmin, ev, mem, m, err);
    m->headers = &content_types[protobuf];
    m->n_headers = 1;
    if (n->flyteadmin.style != GW_STYLE_DOCUMENTED)
        return gw_flyteadmin_document(&n->flyteadmin, ev, mem, m, err);
    return protobuf ? gw_publish_protobuf(ev, mem, max, &m->body, err)
                    : gw_publish_json(ev, mem, max, 0, &m->body, err);
}

/* As the server counts them: with a line for the version and an empty one. */
static size_t wire_bytes(const struct gw_message *m)
{
    size_t n = m->n_headers ? 12 : 0;

    for (size_t i = 0; i < m->n_headers; i++)
        n += m->headers[i].name.len + m->headers[i].value.len + 4;
    return n + m->body.len;
}

static struct gw_str subject_of(const struct nats *n, const struct gw_message *m)
{
    return m->topic.p ? m->topic : gw_str_of(n->conf->subject);
}

static int nats_format(struct gw_publisher *p, const struct gw_event *ev,
                       const struct gw_flyte *flyte, struct gw_arena *mem, struct gw_message *m,
                       struct gw_err *err)
{
    struct nats *n = (struct nats *)p;

    m->event_id = gw_event_text(ev, "id");
    if (set_body(n, ev, mem, m, err))
        return -1;
    gw_publish_route(ev, mem, m);
    if (!m->topic.p && !n->subject.fixed &&
        gw_template_make(&n->subject, flyte, mem, &m->topic, err))
        return -1;
    m->bytes = FRAME + subject_of(n, m).len + wire_bytes(m);
    if (n->conf->jetstream)
        m->bytes += ID_MAX;
    return m->bytes > p->limits.message_bytes ? gw_publish_too_large(err, p->limits.message_bytes)
                                              : 0;
}

/* ---- messages of nats.c ---- */

static int is_plain(struct gw_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
            return 0;
    return s.len > 0;
}

/* The event's id, so that a stream keeps repeats out. FlyteAdmin's are the same for all executions
 * of a task: there the body is part of it. A replay is no repeat. */
static struct gw_str message_id(const struct nats *n, const struct gw_message *m, enum stage stage)
{
    struct gw_buf id;

    gw_buf_init(&id, SIZE_MAX / 2, n->scratch);
    gw_buf_put_str(&id, m->event_id);
    if (!n->own_ids) {
        gw_buf_putc(&id, ':');
        gw_sha256_hex_put(&id, m->body);
    }
    if (m->replay)
        gw_buf_printf(&id, ":r%llu", (unsigned long long)m->replay);
    if (stage == AGAIN) {
        gw_buf_putc(&id, '@');
        gw_buf_put_str(&id, subject_of(n, m));
    }
    if (id.len <= ID_MAX && is_plain(gw_buf_str(&id)))
        return gw_buf_str(&id);
    return gw_sha256_hex(n->scratch, gw_buf_str(&id));
}

static char *text_of(const struct nats *n, struct gw_str s)
{
    return gw_arena_strndup(n->scratch, s.p ? s.p : "", s.len);
}

static void add_header(const struct nats *n, natsMsg *msg, struct gw_str name, struct gw_str value)
{
    if (natsMsgHeader_Add(msg, text_of(n, name), text_of(n, value)) != NATS_OK)
        abort();
}

static void make_item(const struct nats *n, const struct gw_message *m, enum stage stage,
                      const char *reply, struct gw_nats_item *item)
{
    natsMsg *msg = NULL;

    gw_arena_reset(n->scratch);
    if (natsMsg_Create(&msg, text_of(n, subject_of(n, m)), reply, m->body.p ? m->body.p : "",
                       (int)m->body.len) != NATS_OK)
        abort();
    *item = (struct gw_nats_item){msg, wire_bytes(m), m->order};
    for (size_t i = 0; i < m->n_headers; i++)
        add_header(n, msg, m->headers[i].name, m->headers[i].value);
    if (n->conf->jetstream) {
        const struct gw_str id = message_id(n, m, stage);

        add_header(n, msg, GW_STR("Nats-Msg-Id"), id);
        item->bytes += sizeof("Nats-Msg-Id") + id.len + 3 + (m->n_headers ? 0 : 12);
    }
}

/* ---- results ---- */

static void give(struct nats *n, struct gw_message *m, enum gw_outcome outcome, const char *why)
{
    const struct gw_result r = {.outcome = outcome, .why = outcome == GW_DELIVERED ? NULL : why};

    n->base.result(n->base.ctx, m, &r);
}

static struct sent **find(struct nats *n, uint64_t id)
{
    struct sent **at = &n->sent;

    while (*at && (*at)->id != id)
        at = &(*at)->next;
    return at;
}

static struct sent *take_out(struct nats *n, struct sent **at)
{
    struct sent *s = *at;

    *at = s->next;
    if (!*at)
        n->last = at;
    if (n->client)
        atomic_fetch_sub(&n->client->unanswered, 1);
    return s;
}

/* All that is left of a job; it is gone before anybody hears of it. */
static void end_job(struct nats *n, struct sent **at, enum gw_outcome outcome, const char *why)
{
    struct sent *s = take_out(n, at);

    for (size_t i = 0; i < s->n; i++)
        if (s->items[i].message)
            give(n, s->items[i].message, outcome, why);
    free(s);
}

/* NULL: it has its result. */
static struct item *item_of(struct nats *n, const struct gw_nats_news *news)
{
    struct sent *s = *find(n, news->job);
    const size_t i = (size_t)news->item;

    return s && news->item >= 0 && i < s->n && s->items[i].message ? &s->items[i] : NULL;
}

static void end_item(struct nats *n, const struct gw_nats_news *news, enum gw_outcome outcome,
                     const char *why)
{
    struct sent **at = find(n, news->job), *s = *at;
    struct item *item = item_of(n, news);
    struct gw_message *m;

    if (!item)
        return;
    m = item->message;
    item->message = NULL;
    if (--s->left == 0)
        free(take_out(n, at));
    give(n, m, outcome, why);
}

/* ---- an id that is taken ---- */

static void put_reply(const struct nats *n, uint64_t job, size_t i, char out[96])
{
    snprintf(out, 96, "%s.%llu-%zu", n->client->inbox, (unsigned long long)job, i);
}

static struct gw_nats_job *more_of(const struct gw_nats_news *news)
{
    struct gw_nats_job *job = calloc(1, sizeof(*job) + sizeof(job->items[0]));

    if (!job)
        abort();
    job->id = news->job;
    job->first = (size_t)news->item;
    job->n = 1;
    return job;
}

static void publish_again(struct nats *n, const struct gw_nats_news *news, struct item *item)
{
    struct gw_nats_job *job = more_of(news);
    char reply[96];

    item->stage = AGAIN;
    put_reply(n, job->id, job->first, reply);
    make_item(n, item->message, AGAIN, reply, &job->items[0]);
    gw_nats_client_give(n->client, job);
}

static int is_name(struct gw_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (strchr(".*>", s.p[i]))
            return 0;
    return is_plain(s) && s.len <= 255;
}

/* The answer comes the way of an acknowledgement, and within its time. */
static void ask(struct nats *n, const struct gw_nats_news *news, struct item *item,
                const struct gw_nats_kept *kept)
{
    struct gw_nats_job *job = more_of(news);
    char subject[300], question[64], reply[96];
    natsMsg *msg = NULL;

    item->stage = ASKED;
    put_reply(n, job->id, job->first, reply);
    snprintf(subject, sizeof(subject), "$JS.API.STREAM.MSG.GET.%.*s", (int)kept->stream.len,
             kept->stream.p);
    snprintf(question, sizeof(question), "{\"seq\":%.*s}", (int)kept->seq.len, kept->seq.p);
    if (natsMsg_Create(&msg, subject, reply, question, (int)strlen(question)) != NATS_OK)
        abort();
    job->items[0] = (struct gw_nats_item){msg, strlen(question), item->message->order};
    gw_nats_client_give(n->client, job);
}

static void hear_found(struct nats *n, const struct gw_nats_news *news, struct item *item)
{
    struct gw_str subject;
    const char *why = NULL;

    gw_arena_reset(n->scratch);
    if (gw_nats_found((struct gw_str){news->text, news->len}, n->scratch, &subject, &why))
        end_item(n, news, GW_TRY_AGAIN, why);
    else if (subject.p && gw_str_eq(subject, subject_of(n, item->message)))
        end_item(n, news, GW_DELIVERED, NULL);
    else
        publish_again(n, news, item);
}

/* ---- news ---- */

static void hear_ack(struct nats *n, const struct gw_nats_news *news)
{
    struct item *item = item_of(n, news);
    struct gw_nats_kept kept;
    const char *why = NULL;
    enum gw_outcome outcome;

    if (!item)
        return;
    if (item->stage == ASKED) {
        hear_found(n, news, item);
        return;
    }
    gw_arena_reset(n->scratch);
    outcome = gw_nats_ack((struct gw_str){news->text, news->len}, n->scratch, &kept, &why);
    if (!kept.stream.p || item->stage == AGAIN)
        end_item(n, news, outcome, why);
    else if (is_name(kept.stream) && kept.seq.len && kept.seq.len <= 20)
        ask(n, news, item, &kept);
    else
        publish_again(n, news, item);
}

static void hear_nobody(struct nats *n, const struct gw_nats_news *news)
{
    struct item *item = item_of(n, news);
    struct gw_str subject;
    char why[GW_TEMPLATE_MAX];

    if (!item)
        return;
    if (item->stage == ASKED) {
        publish_again(n, news, item);
        return;
    }
    subject = subject_of(n, item->message);
    if (subject.len > 100)
        subject.len = 100;
    snprintf(
        why, sizeof(why),
        "no stream has subject %.*s, or JetStream is off: nats stream add NAME --subjects %.*s",
        (int)subject.len, subject.p, (int)subject.len, subject.p);
    end_item(n, news, GW_TRY_AGAIN, why);
}

/* Who may not ask publishes again: a repeat more is better than a loss. */
static void hear_told(struct nats *n, const struct gw_nats_news *news)
{
    struct sent **at = find(n, news->job);
    struct item *item = item_of(n, news);

    if (item && item->stage == ASKED)
        publish_again(n, news, item);
    else if (news->item >= 0)
        end_item(n, news, news->outcome, news->text);
    else if (*at)
        end_job(n, at, news->outcome, news->text);
}

static void hear_lost(struct nats *n, const struct gw_nats_news *news)
{
    while (n->sent && n->sent->id <= news->job)
        end_job(n, &n->sent, GW_TRY_AGAIN, news->text);
}

static void hear_sent(struct nats *n, const struct gw_nats_news *news)
{
    struct sent *s = *find(n, news->job);

    if (!s || s->until_ms) /* what was asked of a message buys it no time */
        return;
    s->until_ms = gw_mono_ms() + ACK_MS;
    gw_timer_set_unless(&n->tick, TICK_MS);
}

static void hear_online(struct nats *n, const struct gw_nats_news *news)
{
    struct gw_online *o = n->online;

    n->online = NULL;
    if (o)
        o->said(o, (int)news->item, news->text);
}

static void hear(struct nats *n, struct gw_nats_news *news)
{
    if (news->kind != GW_NATS_ACK)
        (void)gw_nats_clean(news->text);

    switch (news->kind) {
    case GW_NATS_SENT:
        hear_sent(n, news);
        break;
    case GW_NATS_TOLD:
        hear_told(n, news);
        break;
    case GW_NATS_ACK:
        hear_ack(n, news);
        break;
    case GW_NATS_NOBODY:
        hear_nobody(n, news);
        break;
    case GW_NATS_LOST:
        hear_lost(n, news);
        break;
    case GW_NATS_ONLINE:
        hear_online(n, news);
        break;
    }
}

static void hear_all(struct nats *n)
{
    struct gw_nats_news *list = gw_nats_client_hear(n->client), *next;

    for (; list; list = next) {
        next = list->next;
        hear(n, list);
        free(list);
    }
}

static void on_wake(struct gw_watch *w, int what)
{
    (void)what;
    hear_all(GW_CONTAINER(w, struct nats, wake));
}

/* JetStream does not say no when it cannot say yes: its leader may be gone. */
static void on_tick(struct gw_timer *t)
{
    struct nats *n = GW_CONTAINER(t, struct nats, tick);
    const int64_t now = gw_mono_ms();
    struct sent **at = &n->sent;

    while (*at)
        if ((*at)->until_ms && (*at)->until_ms <= now) {
            end_job(n, at, GW_TRY_AGAIN,
                    "JetStream has not acknowledged it for 5 s: is there a stream with its subject "
                    "(nats stream ls), and has it a leader?");
            at = &n->sent; /* whoever heard of it may have changed the list */
        } else {
            at = &(*at)->next;
        }
    if (n->sent && n->sent->until_ms)
        gw_timer_set_unless(&n->tick, TICK_MS);
}

/* ---- sending ---- */

static void nats_send(struct gw_publisher *p, struct gw_message *batch)
{
    struct nats *n = (struct nats *)p;
    size_t count = 0, i = 0;
    struct gw_nats_job *job;
    struct sent *s;
    char reply[96];

    for (const struct gw_message *m = batch; m; m = m->next)
        count++;
    job = calloc(1, sizeof(*job) + count * sizeof(job->items[0]));
    s = calloc(1, sizeof(*s) + count * sizeof(s->items[0]));
    if (!job || !s)
        abort();
    job->id = s->id = ++n->jobs;
    job->n = s->n = s->left = count;
    for (struct gw_message *m = batch; m; m = m->next, i++) {
        put_reply(n, job->id, i, reply);
        make_item(n, m, FIRST, n->conf->jetstream ? reply : NULL, &job->items[i]);
        s->items[i].message = m;
    }
    *n->last = s;
    n->last = &s->next;
    atomic_fetch_add(&n->client->unanswered, 1);
    gw_nats_client_give(n->client, job);
}

static void nats_online(struct gw_publisher *p, struct gw_online *o)
{
    struct nats *n = (struct nats *)p;
    struct gw_nats_job *job = calloc(1, sizeof(*job));

    if (!job)
        abort();
    n->online = job->online = o;
    job->id = ++n->jobs;
    gw_nats_client_give(n->client, job);
}

/* ---- life ---- */

static struct gw_publisher *nats_open(const void *conf, const struct gw_format *f,
                                      struct gw_loop *loop, struct gw_err *err)
{
    struct nats *n = calloc(1, sizeof(*n));

    if (!n)
        abort();
    n->conf = conf;
    n->base = (struct gw_publisher){.ops = &gw_publish_nats,
                                    .loop = loop,
                                    .limits = gw_publish_limits(&n->conf->common, BATCHES),
                                    .one_a_key = n->conf->jetstream};
    n->flyteadmin = gw_flyteadmin_of(f, n->base.limits.message_bytes);
    n->binary = f->mode == GW_MODE_BINARY;
    n->own_ids = f->style != GW_STYLE_FLYTEADMIN && f->style != GW_STYLE_FLYTEADMIN_V2;
    n->last = &n->sent;
    if (gw_template_parse(&gw_nats_subject, n->conf->subject, &n->subject, err) ||
        !(n->client = gw_nats_client_new(n->conf, err))) {
        free(n);
        return NULL;
    }
    n->base.wants_flyte = !n->subject.fixed;
    n->scratch = gw_arena_new();
    gw_timer_init(&n->tick, loop, on_tick);
    gw_watch_init(&n->wake, loop, n->client->wake_fd, on_wake);
    gw_watch_want(&n->wake, GW_READABLE);
    return &n->base;
}

static void nats_close(struct gw_publisher *p)
{
    struct nats *n = (struct nats *)p;

    hear_all(n);
    gw_watch_fini(&n->wake);
    gw_timer_fini(&n->tick);
    gw_nats_client_close(n->client);
    n->client = NULL;
    while (n->sent)
        end_job(n, &n->sent, GW_TRY_AGAIN, "closed before the server said that it has it");
    gw_arena_free(n->scratch);
    free(n);
}

const struct gw_publisher_ops gw_publish_nats = {
    .name = "nats",
    .help = "NATS, with or without JetStream.",
    .fields = gw_nats_fields,
    .conf_size = sizeof(struct gw_publish_nats_conf),
    .routing = &gw_nats_routing,
    .check = gw_nats_check,
    .same = gw_nats_same,
    .open = nats_open,
    .format = nats_format,
    .send = nats_send,
    .online = nats_online,
    .close = nats_close,
};
