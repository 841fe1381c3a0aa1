/* Are the topics there to be read? */
#include "ingest/kafka.h"
#include "net/kafka_client_ask.h"

/* Of the topics that are there, those that are read. */
static int count(const struct rd_kafka_metadata *m, const struct gw_ingest_kafka *c)
{
    int n = 0;

    for (int i = 0; i < m->topic_cnt; i++)
        n += !m->topics[i].err && gw_ingest_kafka_has(c, gw_str_of(m->topics[i].topic));
    return n;
}

static void judge(struct gw_kafka_ask *ask, const struct rd_kafka_metadata *m)
{
    const struct gw_ingest_kafka *c = ask->by.conf;
    const int topics = count(m, c);

    for (size_t i = 0; i < c->topics.n; i++) {
        const char *name = c->topics.items[i];
        const struct gw_ingest_kafka one = {.topics = {&name, 1}};

        if (count(m, &one))
            continue;
        gw_kafka_ask_say(ask, *name == '^' ? GW_ONLINE_UNSURE : GW_ONLINE_NO,
                         "Kafka: no topic %s, or we may not see it: make it, or allow us to "
                         "Describe and Read it, and to Read group %s",
                         name, c->group);
        return;
    }
    gw_kafka_ask_say(ask, GW_ONLINE_YES, "Kafka: %d topic%s to read, %d broker%s", topics,
                     topics == 1 ? "" : "s", m->broker_cnt, m->broker_cnt == 1 ? "" : "s");
}

struct gw_asking *gw_kafka_in_ask(const void *conf, struct gw_loop *loop, struct gw_online *o)
{
    const struct gw_ingest_kafka *c = conf;
    const struct gw_kafka_asker by = {RD_KAFKA_CONSUMER, &c->brokers, c, judge};
    struct gw_err err;
    rd_kafka_conf_t *rk = gw_ingest_kafka_conf(c, &err);

    return gw_kafka_ask_start(&by, rk, err.msg, loop, o);
}
