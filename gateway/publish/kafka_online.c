/* Would the topic take events? */
#include "publish/publish_kafka.h"

#include "base/err.h"
#include "net/kafka_client_ask.h"

static void judge(struct gw_kafka_ask *ask, const struct rd_kafka_metadata *m)
{
    const struct gw_publish_kafka_conf *c = ask->by.conf;
    const struct rd_kafka_metadata_topic *t = gw_kafka_ask_topic(m, c->topic);
    struct gw_template topic;
    struct gw_err unused;

    if (!gw_template_parse(&gw_kafka_topic, c->topic, &topic, &unused) && !topic.fixed)
        gw_kafka_ask_say(ask, GW_ONLINE_YES,
                         "Kafka: %d broker%s; each event says which topic of %s it goes to",
                         m->broker_cnt, m->broker_cnt == 1 ? "" : "s", c->topic);
    else if (!t)
        gw_kafka_ask_say(ask, GW_ONLINE_NO,
                         "Kafka: no topic %s, or we may not see it (a cluster that makes topics by "
                         "itself does so with the first event): kafka-topics.sh "
                         "--bootstrap-server %s --create --topic %s",
                         c->topic, c->brokers.items[0], c->topic);
    else if (t->err)
        gw_kafka_ask_say(ask, GW_ONLINE_NO, "Kafka: topic %s: %s", c->topic,
                         rd_kafka_err2str(t->err));
    else
        gw_kafka_ask_say(ask, GW_ONLINE_YES, "Kafka: topic %s, %d partition%s, %d broker%s",
                         c->topic, t->partition_cnt, t->partition_cnt == 1 ? "" : "s",
                         m->broker_cnt, m->broker_cnt == 1 ? "" : "s");
}

struct gw_asking *gw_kafka_ask(const void *conf, const struct gw_format *f, struct gw_loop *loop,
                               struct gw_online *o)
{
    const struct gw_publish_kafka_conf *c = conf;
    const struct gw_kafka_asker by = {RD_KAFKA_PRODUCER, &c->brokers, c, judge};
    struct gw_err err;
    rd_kafka_conf_t *rk = gw_kafka_conf(c, f->style, &err);

    return gw_kafka_ask_start(&by, rk, err.msg, loop, o);
}
