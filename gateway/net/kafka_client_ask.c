#include "net/kafka_client_ask.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLICE_MS = 300 }; /* how long closing waits for the thread at most */

/* ---- on its thread ---- */

/* That all brokers are down says less than why the first is; who we are says more. */
static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct gw_kafka_ask *a = opaque;
    const int refused = code == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
                        code == RD_KAFKA_RESP_ERR__SSL || strstr(reason, "SSL ");

    (void)rk;
    a->all_down |= code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
    if (!a->why[0] || (refused && !a->refused))
        (void)snprintf(a->why, sizeof(a->why), "%s", reason);
    a->refused |= refused;
}

static void ask(struct gw_kafka_ask *a)
{
    while (!atomic_load(&a->stop) && !a->metadata && !a->all_down && !a->refused) {
        rd_kafka_resp_err_t rc = rd_kafka_metadata(a->rk, 1, NULL, &a->metadata, SLICE_MS);

        (void)rd_kafka_poll(a->rk, 0);
        if (!rc || rc == RD_KAFKA_RESP_ERR__TRANSPORT || rc == RD_KAFKA_RESP_ERR__TIMED_OUT)
            continue;
        if (!a->why[0])
            (void)snprintf(a->why, sizeof(a->why), "%s", rd_kafka_err2str(rc));
        return;
    }
}

static void *run(void *arg)
{
    struct gw_kafka_ask *a = arg;

    ask(a);
    gw_loop_post_mail(a->loop, &a->mail);
    return NULL;
}

/* ---- on the loop ---- */

void gw_kafka_ask_say(struct gw_kafka_ask *a, int answer, const char *fmt, ...)
{
    char text[700];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    a->online->said(a->online, answer, text);
}

const struct rd_kafka_metadata_topic *gw_kafka_ask_topic(const struct rd_kafka_metadata *m,
                                                         const char *name)
{
    for (int i = 0; i < m->topic_cnt; i++)
        if (!strcmp(m->topics[i].topic, name))
            return &m->topics[i];
    return NULL;
}

static void on_mail(struct gw_mail *m)
{
    struct gw_kafka_ask *a = GW_CONTAINER(m, struct gw_kafka_ask, mail);

    a->arrived = 1;
    if (a->closed)
        free(a);
    else if (a->metadata)
        a->by.judge(a, a->metadata);
    else
        gw_kafka_ask_say(a, GW_ONLINE_NO, "Kafka: %s: %s", a->why,
                         a->refused ? "are `sasl` and `tls` those of this cluster?"
                                    : "are `brokers` right, and do they listen there?");
}

/* ---- life ---- */

static void ask_close(struct gw_asking *base)
{
    struct gw_kafka_ask *a = (struct gw_kafka_ask *)base;

    atomic_store(&a->stop, 1);
    if (a->runs)
        pthread_join(a->thread, NULL);
    if (a->metadata)
        rd_kafka_metadata_destroy(a->metadata);
    if (a->rk)
        rd_kafka_destroy_flags(a->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    a->closed = 1;
    if (a->arrived)
        free(a);
}

static void begin(struct gw_kafka_ask *a, rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_opaque(conf, a);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_log_cb(conf, NULL); /* what matters comes as an error */
    (void)rd_kafka_conf_set(conf, "log.queue", "false", NULL, 0);
    a->rk = rd_kafka_new(a->by.type, conf, a->why, sizeof(a->why));
    if (!a->rk)
        rd_kafka_conf_destroy(conf);
    else
        a->runs = !pthread_create(&a->thread, NULL, run, a);
}

struct gw_asking *gw_kafka_ask_start(const struct gw_kafka_asker *by, rd_kafka_conf_t *conf,
                                     const char *why, struct gw_loop *loop, struct gw_online *o)
{
    struct gw_kafka_ask *a = calloc(1, sizeof(*a));

    if (!a)
        abort();
    a->base.close = ask_close;
    a->by = *by;
    a->loop = loop;
    a->online = o;
    a->mail.fn = on_mail;
    (void)snprintf(o->whom, sizeof(o->whom), "the brokers at %s", by->brokers->items[0]);
    if (conf)
        begin(a, conf);
    else
        (void)snprintf(a->why, sizeof(a->why), "%s", why);
    if (!a->runs)
        gw_loop_post_mail(loop, &a->mail);
    return &a->base;
}
