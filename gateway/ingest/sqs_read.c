/* What SQS's JSON says, and what is said to it (docs.aws.amazon.com, SQS API Reference). */
#include "ingest/sqs.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/problems.h"
#include "base/text.h"
#include "base/yaml.h"
#include "event/format.h"
#include "flyte/incoming.h"
#include "log/message.h"
#include "net/aws_plan.h"

#include <string.h>

enum { JSON_DEPTH = 32, ATTRIBUTES_MAX = 32 };

const struct gw_field gw_ingest_sqs_fields[] = {
    {"queue_url", GW_F_STR, offsetof(struct gw_ingest_sqs, queue_url), .required = 1,
     .help = "The queue. What cannot be decoded stays in it, for its redrive policy."},
    {"region", GW_F_STR, offsetof(struct gw_ingest_sqs, region),
     .help = "Default: the one in the URL, else AWS_REGION, else the profile's."},
    {"endpoint", GW_F_STR, offsetof(struct gw_ingest_sqs, endpoint),
     .help = "URL of the service. Default: AWS_ENDPOINT_URL_SQS, AWS_ENDPOINT_URL, the profile's "
             "endpoint_url, else the region's own."},
    {"as", GW_F_CHOICE, offsetof(struct gw_ingest_sqs, as), .def = "auto",
     .help = "What the messages are: auto (FlyteAdmin's and CloudEvents, recognised, also in SNS's "
             "envelope), cloudevent, or requests: workflow, node, task.",
     .choices = gw_as_names},
    {0}};

void gw_ingest_sqs_check(const struct gw_ingest_sqs *c, struct gw_problems *p,
                         const struct gw_yaml *at)
{
    const struct gw_yaml *y = gw_yaml_place(at, "queue_url");
    char hint[240];
    const char *why = c->queue_url ? gw_aws_queue_problem(c->queue_url, hint, sizeof(hint)) : NULL;

    if (why)
        gw_problems_add(p, 0, y->file, y->line, y->column, "queue_url: %s", why);
    y = gw_yaml_place(at, "endpoint");
    if (c->endpoint && gw_fetch_url_problem(c->endpoint))
        gw_problems_add(p, 0, y->file, y->line, y->column, "endpoint: %s",
                        gw_fetch_url_problem(c->endpoint));
}

int gw_ingest_sqs_reads(const struct gw_ingest_conf *conf, const char *queue_url,
                        const char *endpoint)
{
    const struct gw_ingest_sqs *all = conf->sqs.items;

    for (size_t i = 0; queue_url && i < conf->sqs.n; i++)
        if (gw_cstr_same(all[i].queue_url, queue_url) && gw_cstr_same(all[i].endpoint, endpoint))
            return 1;
    return 0;
}

/* ---- an answer ---- */

/* Up to the first element of the list with this name: 1; 0: there is none, -1: it is no list. */
static int find_list(struct gw_json *j, struct gw_str answer, const char *name)
{
    struct gw_str skipped;

    gw_json_init(j, answer, JSON_DEPTH);
    if (gw_json_next(j) != GW_JSON_OBJECT)
        return -1;
    while (gw_json_next(j) == GW_JSON_KEY) {
        if (gw_json_is(j, name)) {
            gw_json_next(j);
            return j->token == GW_JSON_ARRAY ? 1 : j->token == GW_JSON_NULL ? 0 : -1;
        }
        if (gw_json_value(j, &skipped))
            return -1;
    }
    return j->token == GW_JSON_OBJECT_END ? 0 : -1;
}

static int next_object(struct gw_json *j, struct gw_str *object)
{
    if (gw_json_next(j) == GW_JSON_OBJECT)
        return gw_json_value(j, object) ? -1 : 1;
    return j->token == GW_JSON_ARRAY_END ? 0 : -1;
}

int gw_sqs_begin(struct gw_json *j, struct gw_str answer)
{
    return find_list(j, answer, "Messages");
}

int gw_sqs_next(struct gw_json *j, struct gw_str *message)
{
    return next_object(j, message);
}

/* Not by a fault of ours, as a receipt that is over: that does not get better. */
static int failed_for_now(struct gw_str object)
{
    struct gw_json j;
    struct gw_str skipped;

    gw_json_init(&j, object, JSON_DEPTH);
    if (gw_json_next(&j) != GW_JSON_OBJECT)
        return 0;
    while (gw_json_next(&j) == GW_JSON_KEY) {
        if (gw_json_is(&j, "SenderFault"))
            return gw_json_next(&j) == GW_JSON_FALSE;
        if (gw_json_value(&j, &skipped))
            return 0;
    }
    return 1;
}

unsigned gw_sqs_failed(struct gw_arena *mem, struct gw_str answer, struct gw_str *code)
{
    struct gw_str object;
    unsigned failed = 0;
    struct gw_json j;

    if (find_list(&j, answer, "Failed") != 1)
        return 0;
    while (next_object(&j, &object) == 1) {
        const struct gw_str id = gw_aws_json_text(mem, object, "Id");

        if (id.len != 1 || id.p[0] < '0' || id.p[0] > '9' || !failed_for_now(object))
            continue;
        failed |= 1U << (id.p[0] - '0');
        *code = gw_aws_json_text(mem, object, "Code");
    }
    return failed;
}

/* One attribute's object as a header; what is binary comes in base64. */
static void add_attribute(struct gw_arena *mem, struct gw_str name, struct gw_str object,
                          struct gw_unread *out, struct gw_header *headers)
{
    struct gw_str value = gw_aws_json_text(mem, object, "StringValue");

    if (!value.p) {
        value = gw_aws_json_text(mem, object, "BinaryValue");
        if (value.p)
            value = gw_base64_decode(mem, value);
    }
    if (value.p && out->n_headers < ATTRIBUTES_MAX)
        headers[out->n_headers++] = (struct gw_header){name, value};
}

static int read_attributes(struct gw_arena *mem, struct gw_json *j, struct gw_unread *out)
{
    struct gw_header *headers = gw_arena_alloc(mem, ATTRIBUTES_MAX * sizeof(*headers));
    struct gw_str name, object;

    out->headers = headers;
    if (gw_json_next(j) != GW_JSON_OBJECT)
        return j->token == GW_JSON_NULL ? 0 : -1;
    while (gw_json_next(j) == GW_JSON_KEY) {
        name = gw_json_string(j, mem);
        if (gw_json_value(j, &object))
            return -1;
        add_attribute(mem, name, object, out, headers);
    }
    return j->token == GW_JSON_OBJECT_END ? 0 : -1;
}

int gw_sqs_read(struct gw_arena *mem, struct gw_str message, struct gw_unread *out,
                struct gw_err *err)
{
    struct gw_str skipped;
    struct gw_json j;

    *out = (struct gw_unread){.body = gw_aws_json_text(mem, message, "Body")};
    if (!out->body.p)
        return gw_err_set(err, GW_ERR_REJECT, "it has no Body");
    gw_json_init(&j, message, JSON_DEPTH);
    if (gw_json_next(&j) != GW_JSON_OBJECT)
        return gw_err_set(err, GW_ERR_REJECT, "it is no JSON object");
    while (gw_json_next(&j) == GW_JSON_KEY) {
        if (!gw_json_is(&j, "MessageAttributes")) {
            if (gw_json_value(&j, &skipped))
                break;
        } else if (read_attributes(mem, &j, out)) {
            return gw_err_set(err, GW_ERR_REJECT,
                              "its MessageAttributes are no object of attributes");
        }
    }
    return j.token == GW_JSON_OBJECT_END ? 0
                                         : gw_err_set(err, GW_ERR_REJECT, "it is no JSON object");
}

/* ---- a call ---- */

size_t gw_sqs_put_entries(struct gw_arena *mem, const char *queue_url,
                          const struct gw_sqs_message *m, size_t n, const char *more,
                          struct gw_buf *out)
{
    size_t i = 0;

    gw_buf_clear(out);
    gw_buf_puts(out, "{\"QueueUrl\":");
    gw_json_put_string(out, gw_str_of(queue_url));
    gw_buf_puts(out, ",\"Entries\":[");
    for (; m && i < n; m = m->next, i++) {
        gw_buf_printf(out, "%s{\"Id\":\"%zu\",\"ReceiptHandle\":", i ? "," : "", i);
        gw_json_put_string(out, gw_aws_json_text(mem, m->text, "ReceiptHandle"));
        gw_buf_printf(out, "%s}", more);
    }
    gw_buf_puts(out, "]}");
    return i;
}
