/* Amazon SQS: SendMessageBatch of the JSON protocol (docs.aws.amazon.com, SQS API Reference). */
#include "publish/aws_batch.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/problems.h"
#include "base/text.h"
#include "base/yaml.h"
#include "event/format.h"
#include "net/aws_online.h"
#include "net/aws_plan.h"

#include <string.h>

enum { SQS_BYTES = 1 << 20, JSON_DEPTH = 32 };

/* ---- the call ---- */

static void put_member(struct gw_buf *out, const char *name, struct gw_str value)
{
    gw_buf_puts(out, ",\"");
    gw_buf_puts(out, name);
    gw_buf_puts(out, "\":");
    gw_json_put_string(out, value);
}

static void put_attributes(const struct gw_message *m, struct gw_buf *out)
{
    if (!m->n_headers)
        return;
    gw_buf_puts(out, ",\"MessageAttributes\":{");
    for (size_t i = 0; i < m->n_headers; i++) {
        gw_json_put_key(out, !i, m->headers[i].name);
        gw_buf_puts(out, "{\"DataType\":\"String\"");
        put_member(out, "StringValue", m->headers[i].value);
        gw_buf_putc(out, '}');
    }
    gw_buf_putc(out, '}');
}

static void sqs_put(const struct gw_aws_publisher *p, const struct gw_message *m, size_t n,
                    struct gw_buf *out)
{
    const struct gw_str queue = gw_aws_topic(p, m);
    const int fifo = gw_aws_is_fifo(queue);

    gw_arena_reset(p->client.scratch);
    gw_buf_puts(out, "{\"QueueUrl\":");
    gw_json_put_string(out, queue);
    gw_buf_puts(out, ",\"Entries\":[");
    for (size_t i = 0; i < n; i++, m = m->next) {
        gw_buf_printf(out, "%s{\"Id\":\"%zu\"", i ? "," : "", i);
        put_member(out, "MessageBody", m->body);
        put_attributes(m, out);
        if (fifo) {
            put_member(out, "MessageGroupId", m->key);
            if (!p->conf->dedup)
                put_member(out, "MessageDeduplicationId", gw_aws_dedup_id(p, p->client.scratch, m));
        }
        gw_buf_putc(out, '}');
    }
    gw_buf_puts(out, "]}");
}

/* ---- its answer ---- */

static void take_entry(struct gw_arena *mem, struct gw_str object, int good,
                       struct gw_aws_entry *entries, size_t n)
{
    struct gw_str id = gw_aws_json_text(mem, object, "Id");
    const size_t i = id.len == 1 && id.p[0] >= '0' ? (size_t)(id.p[0] - '0') : n;

    if (i >= n)
        return;
    entries[i] = (struct gw_aws_entry){.told = 1, .delivered = good};
    if (good)
        return;
    entries[i].code = gw_aws_json_text(mem, object, "Code");
    entries[i].message = gw_aws_json_text(mem, object, "Message");
}

static int take_list(struct gw_arena *mem, struct gw_json *j, int good,
                     struct gw_aws_entry *entries, size_t n)
{
    struct gw_str object;

    if (gw_json_next(j) != GW_JSON_ARRAY)
        return j->token == GW_JSON_NULL ? 0 : -1;
    while (gw_json_next(j) == GW_JSON_OBJECT) {
        if (gw_json_value(j, &object))
            return -1;
        take_entry(mem, object, good, entries, n);
    }
    return j->token == GW_JSON_ARRAY_END ? 0 : -1;
}

static void sqs_read(struct gw_arena *mem, struct gw_str answer, struct gw_aws_entry *entries,
                     size_t n)
{
    struct gw_str skipped;
    struct gw_json j;

    gw_json_init(&j, answer, JSON_DEPTH);
    if (gw_json_next(&j) != GW_JSON_OBJECT)
        return;
    while (gw_json_next(&j) == GW_JSON_KEY) {
        const int good = gw_json_is(&j, "Successful");

        if (good || gw_json_is(&j, "Failed")) {
            if (take_list(mem, &j, good, entries, n))
                return;
        } else if (gw_json_value(&j, &skipped)) {
            return;
        }
    }
}

/* How many bytes from p on are eight at a time printable ASCII. */
static size_t plain_run(const char *p, size_t len)
{
    const uint64_t high = 0x8080808080808080U, spaces = 0x2020202020202020U;
    size_t i = 0;
    uint64_t eight;

    for (; i + sizeof(eight) <= len; i += sizeof(eight)) {
        memcpy(&eight, p + i, sizeof(eight));
        if ((eight | (eight - spaces)) & high) /* a byte above 0x7f, or below a space */
            break;
    }
    return i;
}

/* The characters of XML 1.0 alone. Of what JSON has no escape for, these are the others. */
static int sqs_text(struct gw_str body, struct gw_err *err)
{
    for (size_t i = plain_run(body.p, body.len), step; i < body.len; i += step) {
        const unsigned char c = (unsigned char)body.p[i];
        uint32_t code;

        step = 1;
        if (c < 0x80 && (c >= 0x20 || c == '\t' || c == '\n' || c == '\r'))
            continue;
        code = gw_utf8_step(body.p + i, body.len - i) ? gw_utf8_get(body.p + i, &step) : c;
        if (code < 0x20 || code == 0xfffe || code == 0xffff)
            return gw_err_set(err, GW_ERR_REJECT, "SQS takes no U+%04X (byte %zu of the text)",
                              (unsigned)code, i);
        step += plain_run(body.p + i + step, body.len - i - step);
    }
    return 0;
}

const struct gw_aws_service gw_aws_sqs = {
    .name = "sqs",
    .content_type = "application/x-amz-json-1.0",
    .target = "AmazonSQS.SendMessageBatch",
    .message_bytes = SQS_BYTES,
    .put = sqs_put,
    .read = sqs_read,
    .check = sqs_text,
};

/* ---- queues ---- */

static int url_check(struct gw_str url, struct gw_err *err)
{
    char text[GW_ROUTE_TOPIC_MAX + 1], hint[240];
    const char *why = "too long";

    if (url.len < sizeof(text)) {
        memcpy(text, url.p, url.len);
        text[url.len] = '\0';
        why = gw_aws_queue_problem(text, hint, sizeof(hint));
    }
    return why ? gw_err_set(err, GW_ERR_REJECT, "a queue's URL: %s", why) : 0;
}

static const struct gw_routing sqs_routing = {.publisher = "sqs",
                                              .topic_is = "queue URL",
                                              .topic = url_check,
                                              .header = gw_aws_attribute_check};

/* ---- the type ---- */

static const struct gw_field batch_fields[] = {GW_PUBLISH_BATCH("10", GW_AWS_ENTRIES, "1MiB")};
static const struct gw_field fields[] = {
    {"queue_url", GW_F_STR, offsetof(struct gw_aws_publish_conf, to), .required = 1,
     .help = "The queue. One whose name ends in .fifo keeps order and keeps repeats out."},
    GW_AWS_FIELDS,
    GW_PUBLISH_COMMON("1MiB", batch_fields),
    {0}};

static void sqs_check(const void *conf, const struct gw_format *f, struct gw_problems *p,
                      const struct gw_yaml *at)
{
    const struct gw_aws_publish_conf *c = conf;
    const struct gw_yaml *y = gw_yaml_place(at, "queue_url");
    struct gw_err err;

    if (c->to && url_check(gw_str_of(c->to), &err))
        gw_problems_add(p, 0, y->file, y->line, y->column, "queue_url: %s", err.msg);
    (void)f;
    gw_aws_publish_check(c, p, at);
}

const char *gw_sqs_queue_at(const void *publisher, const char **endpoint)
{
    const struct gw_aws_publish_conf *c = publisher;

    *endpoint = c->endpoint;
    return c->to;
}

static struct gw_publisher *sqs_open(const void *conf, const struct gw_format *f,
                                     struct gw_loop *loop, struct gw_err *err)
{
    (void)err;
    return gw_aws_open(&gw_publish_sqs, &gw_aws_sqs, conf, f, loop);
}

static struct gw_asking *sqs_ask(const void *conf, const struct gw_format *f, struct gw_loop *loop,
                                 struct gw_online *o)
{
    const struct gw_aws_publish_conf *c = conf;
    const struct gw_aws_wish wish = {.service = "sqs",
                                     .to = c->to,
                                     .region = c->region,
                                     .endpoint = c->endpoint,
                                     .actions = "sqs:SendMessage",
                                     .most = (size_t)c->common.max_message_bytes};

    (void)f;
    return gw_aws_online(&wish, loop, o);
}

const struct gw_publisher_ops gw_publish_sqs = {
    .name = "sqs",
    .help = "Amazon SQS: standard and FIFO queues.",
    .fields = fields,
    .conf_size = sizeof(struct gw_aws_publish_conf),
    .sourceless = 1,
    .lacks = GW_LACKS_BINARY,
    .routing = &sqs_routing,
    .check = sqs_check,
    .same = gw_aws_same,
    .open = sqs_open,
    .format = gw_aws_format,
    .send = gw_aws_send,
    .ask = sqs_ask,
    .close = gw_aws_close,
};
