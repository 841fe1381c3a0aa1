/* Are the topics there to be read? */
#include "ingest/kafka.h"
#include "net/kafka_client_ask.h"

#include <stdio.h>
#include <stdlib.h>

struct asking {
    struct gw_kafka_ask ask; /* first */
    const struct gw_ingest_kafka *conf;
};

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
    const struct gw_ingest_kafka *c = ((struct asking *)ask)->conf;
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
    struct asking *a = calloc(1, sizeof(*a));
    struct gw_err err;

    if (!a)
        abort();
    a->conf = conf;
    a->ask.judge = judge;
    (void)snprintf(o->whom, sizeof(o->whom), "the brokers at %s", a->conf->brokers.items[0]);
    gw_kafka_ask_start(&a->ask, RD_KAFKA_CONSUMER, gw_ingest_kafka_conf(conf, &err), err.msg, loop,
                       o);
    return &a->ask.base;
}
