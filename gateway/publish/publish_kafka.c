/* The Kafka publisher: what an event becomes (key, topic, headers, body). Sending is
 * kafka_producer.c, the configuration kafka_conf.c. */
#include "publish/publish_kafka.h"

#include "base/arena.h"
#include "base/err.h"
#include "event/event.h"
#include "event/format.h"
#include "flyte/flyte.h"
#include "publish/common.h"

#include <stdlib.h>

/* On the wire: lengths and deltas of one message, and of one header (Kafka's record format 2). */
enum { MESSAGE_FRAME = 36, HEADER_FRAME = 10 };

static int parse_key(struct gw_kafka *k, struct gw_err *err)
{
    if (k->conf->key && gw_key_choice_parse(k->conf->key, &k->key))
        return gw_err_set(err, GW_ERR_FATAL, "key: \"%s\" is none", k->conf->key);
    return 0;
}

static struct gw_publisher *kafka_open(const void *conf, const struct gw_format *f,
                                       struct gw_loop *loop, struct gw_err *err)
{
    struct gw_kafka *k = calloc(1, sizeof(*k));

    if (!k)
        abort();
    k->base = (struct gw_publisher){.ops = &gw_publish_kafka, .loop = loop, .keeps_order = 1};
    k->conf = conf;
    k->base.limits = gw_publish_limits(&k->conf->common, 256);
    k->binary = gw_kafka_is_binary(f);
    k->protobuf = f->protobuf;
    k->flyteadmin = gw_flyteadmin_of(f, k->base.limits.message_bytes);
    if (gw_template_parse(&gw_kafka_topic, k->conf->topic, &k->topic, err) || parse_key(k, err)) {
        free(k);
        return NULL;
    }
    k->base.wants_flyte = !k->topic.fixed;
    if (gw_kafka_start(k, err)) {
        free(k);
        return NULL;
    }
    return &k->base;
}

static int set_body(const struct gw_kafka *k, const struct gw_event *ev, struct gw_arena *mem,
                    struct gw_message *m, struct gw_err *err)
{
    static const struct gw_header json = {GW_STR("content-type"),
                                          GW_STR("application/cloudevents+json")},
                                  protobuf = {GW_STR("content-type"),
                                              GW_STR("application/cloudevents+protobuf")};
    const size_t max = k->base.limits.message_bytes;

    if (k->binary) {
        m->headers = gw_event_kafka_headers(ev, mem, &m->n_headers);
        m->body = gw_event_payload(ev);
        return 0;
    }
    m->headers = k->protobuf ? &protobuf : &json;
    m->n_headers = 1;
    return k->protobuf ? gw_publish_protobuf(ev, mem, max, &m->body, err)
                       : gw_publish_json(ev, mem, max, 0, &m->body, err);
}

/* The message as FlyteAdmin would have sent it; a key that the user wrote wins. */
static int set_flyteadmin(const struct gw_kafka *k, const struct gw_event *ev, struct gw_arena *mem,
                          struct gw_message *m, struct gw_err *err)
{
    const struct gw_str record_key = m->key;

    if (gw_flyteadmin_kafka(&k->flyteadmin, ev, mem, m, err))
        return -1;
    if (k->conf->key && k->key.from == GW_KEY_RECORD)
        m->key = record_key;
    gw_key_choose(&k->key, ev, m);
    return 0;
}

static int kafka_format(struct gw_publisher *p, const struct gw_event *ev,
                        const struct gw_flyte *flyte, struct gw_arena *mem, struct gw_message *m,
                        struct gw_err *err)
{
    struct gw_kafka *k = (struct gw_kafka *)p;

    m->event_id = gw_event_text(ev, "id");
    if (k->flyteadmin.style != GW_STYLE_DOCUMENTED) {
        if (set_flyteadmin(k, ev, mem, m, err))
            return -1;
    } else {
        gw_key_choose(&k->key, ev, m);
        if (set_body(k, ev, mem, m, err))
            return -1;
    }
    gw_publish_route(ev, mem, m);
    if (!m->topic.p && !k->topic.fixed && gw_template_make(&k->topic, flyte, mem, &m->topic, err))
        return -1;
    m->bytes = MESSAGE_FRAME + m->key.len + m->body.len;
    for (size_t i = 0; i < m->n_headers; i++)
        m->bytes += HEADER_FRAME + m->headers[i].name.len + m->headers[i].value.len;
    return m->bytes > p->limits.message_bytes ? gw_publish_too_large(err, p->limits.message_bytes)
                                              : 0;
}

static void kafka_send(struct gw_publisher *p, struct gw_message *batch)
{
    gw_kafka_send((struct gw_kafka *)p, batch);
}

static void kafka_close(struct gw_publisher *p)
{
    gw_kafka_stop((struct gw_kafka *)p);
    free(p);
}

const struct gw_publisher_ops gw_publish_kafka = {
    .name = "kafka",
    .help = "Apache Kafka, idempotent, acknowledged by all in-sync replicas.",
    .fields = gw_kafka_fields,
    .conf_size = sizeof(struct gw_publish_kafka_conf),
    .routing = &gw_kafka_routing,
    .check = gw_kafka_check,
    .same = gw_kafka_same,
    .open = kafka_open,
    .format = kafka_format,
    .send = kafka_send,
    .ask = gw_kafka_ask,
    .close = kafka_close,
};
