/* Amazon SNS: PublishBatch of the query protocol (docs.aws.amazon.com, SNS API Reference). */
#include "publish/aws_batch.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "event/format.h"
#include "net/aws_online.h"

#include <stdio.h>
#include <string.h>

enum { SNS_BYTES = 1 << 20 };
#define SNS_BYTES_DEFAULT "262144"

/* ---- the call ---- */

static void put_value(struct gw_buf *out, struct gw_str value)
{
    gw_buf_putc(out, '=');
    gw_aws_encode(out, value);
}

static void put_member(struct gw_buf *out, const char *at, const char *name, struct gw_str value)
{
    gw_buf_puts(out, at);
    gw_buf_puts(out, name);
    put_value(out, value);
}

static void put_entry(const struct gw_aws_publisher *p, const struct gw_message *m, unsigned i,
                      int fifo, struct gw_buf *out)
{
    char at[64], name[64];

    (void)snprintf(at, sizeof(at), "&PublishBatchRequestEntries.member.%u.", i + 1);
    gw_buf_puts(out, at);
    gw_buf_puts(out, "Id=");
    gw_buf_put_u64(out, i);
    put_member(out, at, "Message", m->body);
    if (m->subject.len)
        put_member(out, at, "Subject", m->subject);
    for (size_t k = 0; k < m->n_headers; k++) {
        const int len = snprintf(name, sizeof(name), "MessageAttributes.entry.%zu.", k + 1);

        (void)snprintf(name + len, sizeof(name) - (size_t)len, "Name");
        put_member(out, at, name, m->headers[k].name);
        (void)snprintf(name + len, sizeof(name) - (size_t)len, "Value.DataType");
        put_member(out, at, name, GW_STR("String"));
        (void)snprintf(name + len, sizeof(name) - (size_t)len, "Value.StringValue");
        put_member(out, at, name, m->headers[k].value);
    }
    if (!fifo)
        return;
    put_member(out, at, "MessageGroupId", m->key);
    if (!p->conf->dedup)
        put_member(out, at, "MessageDeduplicationId", gw_aws_dedup_id(p, p->client.scratch, m));
}

static void sns_put(const struct gw_aws_publisher *p, const struct gw_message *m, size_t n,
                    struct gw_buf *out)
{
    const struct gw_str topic = gw_aws_topic(p, m);
    const int fifo = gw_aws_is_fifo(topic);

    gw_arena_reset(p->client.scratch);
    gw_buf_puts(out, "Action=PublishBatch&Version=2010-03-31&TopicArn");
    put_value(out, topic);
    for (size_t i = 0; i < n; i++, m = m->next)
        put_entry(p, m, (unsigned)i, fifo, out);
}

/* ---- its answer ---- */

static struct gw_aws_entry *entry_of(struct gw_arena *mem, struct gw_str member,
                                     struct gw_aws_entry *entries, size_t n)
{
    struct gw_str id = gw_aws_xml_text(mem, member, "Id");
    const size_t i = id.len == 1 && id.p[0] >= '0' ? (size_t)(id.p[0] - '0') : n;

    return i < n ? &entries[i] : NULL;
}

static void sns_read(struct gw_arena *mem, struct gw_str answer, struct gw_aws_entry *entries,
                     size_t n)
{
    static const char *const lists[] = {"Failed", "Successful"};

    for (int good = 0; good < 2; good++) {
        struct gw_str left = answer, list, member;

        if (!gw_aws_xml_next(&left, lists[good], &list))
            continue;
        while (gw_aws_xml_next(&list, "member", &member)) {
            struct gw_aws_entry *e = entry_of(mem, member, entries, n);

            if (!e)
                continue;
            e->told = 1;
            e->delivered = good;
            if (good)
                continue;
            e->code = gw_aws_xml_text(mem, member, "Code");
            e->message = gw_aws_xml_text(mem, member, "Message");
        }
    }
}

const struct gw_aws_service gw_aws_sns = {
    .name = "sns",
    .content_type = "application/x-www-form-urlencoded; charset=utf-8",
    .message_bytes = SNS_BYTES,
    .put = sns_put,
    .read = sns_read,
};

/* ---- topics ---- */

/* arn:partition:sns:region:account:name */
static int arn_check(struct gw_str arn, const char *wild, struct gw_err *err)
{
    size_t colons = 0;

    for (size_t i = 0; i < arn.len; i++) {
        const char c = arn.p[i];

        colons += c == ':';
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              (c && strchr(":-_.", c)) || (c && strchr(wild, c))))
            colons = 99;
    }
    if (arn.len > 4 && !memcmp(arn.p, "arn:", 4) && colons == 5 && arn.p[arn.len - 1] != ':' &&
        memmem(arn.p, arn.len, ":sns:", 5))
        return 0;
    return gw_err_set(err, GW_ERR_REJECT,
                      "a topic is arn:aws:sns:REGION:ACCOUNT:NAME, not \"%.*s\"",
                      arn.len > 80 ? 80 : (int)arn.len, arn.p);
}

static int sns_topic(struct gw_str topic, struct gw_err *err)
{
    return arn_check(topic, "", err);
}

static int sns_pattern(struct gw_str pattern, struct gw_err *err)
{
    return arn_check(pattern, "*?", err);
}

static const struct gw_routing sns_routing = {.publisher = "sns",
                                              .topic_is = "topic",
                                              .topic = sns_topic,
                                              .pattern = sns_pattern,
                                              .header = gw_aws_attribute_check};

/* ---- the type ---- */

static const struct gw_field batch_fields[] = {
    GW_PUBLISH_BATCH("10", GW_AWS_ENTRIES, SNS_BYTES_DEFAULT)};
static const struct gw_field fields[] = {
    {"topic_arn", GW_F_STR, offsetof(struct gw_aws_publish_conf, to), .required = 1,
     .help = "The topic. One whose name ends in .fifo keeps order and keeps repeats out."},
    GW_AWS_FIELDS,
    GW_PUBLISH_COMMON(SNS_BYTES_DEFAULT, batch_fields),
    {0}};

static void sns_check(const void *conf, const struct gw_format *f, struct gw_problems *p,
                      const struct gw_yaml *at)
{
    const struct gw_aws_publish_conf *c = conf;
    const struct gw_yaml *y = gw_yaml_place(at, "topic_arn");
    struct gw_err err;

    if (c->to && sns_topic(gw_str_of(c->to), &err))
        gw_problems_add(p, 0, y->file, y->line, y->column, "topic_arn: %s", err.msg);
    (void)f;
    gw_aws_publish_check(c, p, at);
}

static struct gw_publisher *sns_open(const void *conf, const struct gw_format *f,
                                     struct gw_loop *loop, struct gw_err *err)
{
    (void)err;
    return gw_aws_open(&gw_publish_sns, &gw_aws_sns, conf, f, loop);
}

static struct gw_asking *sns_ask(const void *conf, const struct gw_format *f, struct gw_loop *loop,
                                 struct gw_online *o)
{
    const struct gw_aws_publish_conf *c = conf;
    const struct gw_aws_wish wish = {.service = "sns",
                                     .to = c->to,
                                     .region = c->region,
                                     .endpoint = c->endpoint,
                                     .actions = "sns:Publish"};

    (void)f;
    return gw_aws_online(&wish, loop, o);
}

const struct gw_publisher_ops gw_publish_sns = {
    .name = "sns",
    .help = "Amazon SNS: standard and FIFO topics.",
    .fields = fields,
    .conf_size = sizeof(struct gw_aws_publish_conf),
    .sourceless = 1,
    .lacks = GW_LACKS_BINARY,
    .routing = &sns_routing,
    .check = sns_check,
    .same = gw_aws_same,
    .open = sns_open,
    .format = gw_aws_format,
    .send = gw_aws_send,
    .ask = sns_ask,
    .close = gw_aws_close,
};
