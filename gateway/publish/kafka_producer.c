/* Kafka through librdkafka's idempotent producer. It keeps order and tries again by itself, without
 * a limit in time; its reports come on the worker's loop, woken by a descriptor. Bodies are lent to
 * it until their report (or until the producer is gone).
 *
 * Invariants: 1. a message is in exactly one of waiting (not produced yet), out (no report yet),
 * ended (its result is due); 2. a message that failed for another reason than itself ends the
 * producer: everything goes back to the pipeline and a new producer begins; 3. what the broker
 * found too large in company is sent alone before it is blamed, since Kafka refuses whole batches.
 */
#include "publish/publish_kafka.h"

#include "base/clock.h"
#include "base/err.h"
#include "event/format.h"
#include "publish/messages.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { TICK_MS = 1000, NO_ACK_MS = 10000, QUIET_MS = 10000, LAST_REPORT_MS = 50 };

/* ---- a producer's life ---- */

static void say(struct gw_kafka *k, enum gw_level level, const char *text)
{
    uint64_t n;

    if (level < gw_diag_level || !(n = gw_diag_allow(&k->quiet, QUIET_MS)))
        return;
    GW_DIAG(level, "publish.kafka", gw_msg(text), gw_kv_cstr("topic", k->conf->topic),
            gw_kv_int("suppressed", (int64_t)n - 1));
}

/* Asked for through the queue, so on the worker's thread. */
static void on_log(const rd_kafka_t *rk, int syslog_level, const char *fac, const char *text)
{
    enum { WARNING = 4, INFO = 6 };

    if (!strcmp(fac, "CONFWARN") && strstr(text, "enable.gapless.guarantee"))
        return; /* "experimental": what it ends, do_reset begins anew */
    say(rd_kafka_opaque(rk),
        syslog_level <= WARNING ? GW_WARN
        : syslog_level <= INFO  ? GW_INFO
                                : GW_DEBUG,
        text);
}

static void because(struct gw_kafka *k, const char *why)
{
    snprintf(k->why, sizeof(k->why), "%s", why);
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct gw_kafka *k = opaque;
    char text[200];

    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        (void)rd_kafka_fatal_error(rk, text, sizeof(text));
        because(k, text);
        k->reset = k->fatal = 1;
    } else if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        k->all_down = 1;
        if (!k->why[0])
            because(k, reason);
    } else {
        because(k, reason);
        return;
    }
    gw_loop_post(k->base.loop, &k->after);
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *r, void *opaque);

static void watch_queue(struct gw_kafka *k)
{
    static const uint64_t one = 1;
    rd_kafka_queue_t *q = rd_kafka_queue_get_main(k->rk);

    rd_kafka_queue_io_event_enable(q, k->wake_fd, &one, sizeof(one));
    rd_kafka_queue_destroy(q);
    (void)rd_kafka_set_log_queue(k->rk, NULL);
    /* It wakes only when something comes to an empty queue: look at what was there before. */
    if (write(k->wake_fd, &one, sizeof(one)) < 0)
        because(k, "eventfd");
}

static int start(struct gw_kafka *k, struct gw_err *err)
{
    rd_kafka_conf_t *conf = gw_kafka_conf(k->conf, k->flyteadmin.style, err);
    char why[200];

    if (!conf)
        return -1;
    rd_kafka_conf_set_opaque(conf, k);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_log_cb(conf, on_log);
    k->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    if (!k->rk) {
        rd_kafka_conf_destroy(conf);
        return gw_err_set(err, GW_ERR_RETRY, "%s", why);
    }
    k->all_down = k->reset = k->fatal = 0;
    k->why[0] = '\0';
    if (k->topic.fixed)
        k->rkt = rd_kafka_topic_new(k->rk, k->conf->topic, NULL);
    watch_queue(k);
    return 0;
}

/* A refusal ends the producer (no gap is let be), and its report may come after that news. */
static void hear_refusal(struct gw_kafka *k)
{
    const int64_t deadline = gw_mono_ms() + LAST_REPORT_MS;
    int64_t left;

    while (k->fatal && k->out && !k->ended && (left = deadline - gw_mono_ms()) > 0)
        (void)rd_kafka_poll(k->rk, (int)left);
    k->fatal = 0;
}

/* After this no memory of a message is looked at any more. Reports that have come are heard. */
static void end(struct gw_kafka *k)
{
    if (!k->rk)
        return;
    (void)rd_kafka_poll(k->rk, 0);
    hear_refusal(k);
    (void)rd_kafka_purge(k->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                    RD_KAFKA_PURGE_F_NON_BLOCKING);
    if (k->rkt)
        rd_kafka_topic_destroy(k->rkt);
    rd_kafka_destroy(k->rk);
    k->rk = NULL;
    k->rkt = NULL;
}

/* ---- producing ---- */

static rd_kafka_resp_err_t add_headers(rd_kafka_headers_t *h, const struct gw_message *m)
{
    for (size_t i = 0; i < m->n_headers; i++) {
        const struct gw_header *a = &m->headers[i];
        rd_kafka_resp_err_t rc = rd_kafka_header_add(h, a->name.p, (ssize_t)a->name.len, a->value.p,
                                                     (ssize_t)a->value.len);

        if (rc)
            return rc;
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t produce(struct gw_kafka *k, struct gw_message *m)
{
    rd_kafka_headers_t *h = rd_kafka_headers_new(m->n_headers);
    rd_kafka_vu_t v[6] = {
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)m->body.p, m->body.len}},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)m->key.p, m->key.len}},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = h},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = m},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = 0}, /* lent: not copied, not freed */
    };
    rd_kafka_resp_err_t rc = add_headers(h, m);
    rd_kafka_error_t *error;

    if (!m->topic.p)
        v[5] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = k->rkt};
    else
        v[5] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = m->topic.p};
    if (rc) {
        rd_kafka_headers_destroy(h);
        return rc;
    }
    error = rd_kafka_produceva(k->rk, v, sizeof(v) / sizeof(v[0]));
    if (!error)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    rc = rd_kafka_error_code(error);
    because(k, rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    rd_kafka_headers_destroy(h); /* still ours after an error */
    return rc;
}

static void settle_alone(struct gw_kafka *k)
{
    if (k->alone)
        k->alone--;
}

/* Of what waits: it will not be produced. */
static void refuse(struct gw_kafka *k, struct gw_message *m, int mark)
{
    gw_messages_remove(&k->waiting, m);
    gw_messages_append(&k->ended, m);
    m->mark = mark;
    if (mark == GW_TRY_AGAIN)
        k->reset = 1;
    else
        settle_alone(k);
    gw_loop_post(k->base.loop, &k->after);
}

/* Produces what waits, as far as it may. Gives no result: that is for `after`. */
static void pump(struct gw_kafka *k)
{
    struct gw_message *m;

    while (k->rk && !k->reset && (m = k->waiting) && !(k->alone && k->n_out)) {
        rd_kafka_resp_err_t rc = produce(k, m);

        if (rc == RD_KAFKA_RESP_ERR__QUEUE_FULL)
            break; /* the next report, or the tick */
        if (!rc) {
            gw_messages_remove(&k->waiting, m);
            gw_messages_append(&k->out, m);
            if (k->n_out++ == 0)
                k->progress_ms = gw_mono_ms();
            continue;
        }
        refuse(k, m, rc == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ? GW_TOO_LARGE : GW_TRY_AGAIN);
    }
    if (k->waiting || k->out)
        gw_timer_set_unless(&k->tick, TICK_MS);
}

/* ---- results ---- */

static const char *why(const struct gw_kafka *k, int mark)
{
    return mark == GW_TOO_LARGE    ? rd_kafka_err2str(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
           : mark == GW_IMPOSSIBLE ? rd_kafka_err2str(RD_KAFKA_RESP_ERR_INVALID_RECORD)
                                   : k->why;
}

static void give(struct gw_kafka *k, struct gw_message *list)
{
    while (list) {
        struct gw_message *m = list;
        const struct gw_result r = {.outcome = (enum gw_outcome)m->mark, .why = why(k, m->mark)};

        list = m->next;
        k->base.result(k->base.ctx, m, &r);
    }
}

static void take_back(struct gw_kafka *k, struct gw_message **list)
{
    for (struct gw_message *m = *list; m; m = m->next)
        m->mark = GW_TRY_AGAIN;
    gw_messages_join(&k->ended, list);
}

/* A new producer comes with the next send, or at once when nothing has to be sent again. */
static void do_reset(struct gw_kafka *k)
{
    struct gw_message *ended;
    size_t again = 0;

    k->reset = 1; /* nothing is produced while the last reports are heard */
    end(k);
    take_back(k, &k->out);
    k->n_out = 0;
    for (const struct gw_message *m = k->ended; m; m = m->next)
        again += m->mark == GW_TRY_AGAIN;
    if (k->suspect)
        k->alone += again;
    if (again)
        take_back(k, &k->waiting);
    k->suspect = k->reset = k->troubled = 0;
    ended = k->ended;
    k->ended = NULL;
    give(k, ended);
}

/* Sends what waits, with a producer made for it if need be. */
static void go_on(struct gw_kafka *k)
{
    struct gw_err err;

    if (k->waiting && !k->rk && !k->reset && start(k, &err)) {
        because(k, err.msg);
        refuse(k, k->waiting, GW_TRY_AGAIN);
    }
    pump(k);
}

/* The message's own fault, if it was the only one of its request. */
static int fault_of(rd_kafka_resp_err_t err)
{
    switch (err) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        return GW_TOO_LARGE;
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
        return GW_IMPOSSIBLE;
    default:
        return 0;
    }
}

static void delivered(struct gw_kafka *k, struct gw_message *m)
{
    const struct gw_result r = {.outcome = GW_DELIVERED};

    k->all_down = k->troubled = 0;
    k->why[0] = '\0';
    settle_alone(k);
    k->base.result(k->base.ctx, m, &r);
}

static void failed(struct gw_kafka *k, struct gw_message *m, rd_kafka_resp_err_t err)
{
    const int fault = fault_of(err);

    if (!k->reset)
        because(k, rd_kafka_err2str(err));
    m->mark = fault && k->alone ? fault : GW_TRY_AGAIN;
    if (m->mark != GW_TRY_AGAIN) {
        settle_alone(k);
    } else {
        k->suspect |= fault != 0;
        k->reset = 1;
    }
    gw_messages_append(&k->ended, m);
    gw_loop_post(k->base.loop, &k->after);
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *report, void *opaque)
{
    struct gw_kafka *k = opaque;
    struct gw_message *m = report->_private;

    (void)rk;
    gw_messages_remove(&k->out, m);
    k->n_out--;
    k->progress_ms = gw_mono_ms();
    if (report->err)
        failed(k, m, report->err);
    else
        delivered(k, m);
}

/* ---- trouble ---- */

static void tell_trouble(struct gw_kafka *k, int64_t quiet_ms)
{
    char text[240];

    if (k->all_down)
        snprintf(text, sizeof(text), "all brokers are down: %s", k->why);
    else
        snprintf(text, sizeof(text), "no acknowledgement for %lld s%s%s",
                 (long long)quiet_ms / 1000, k->why[0] ? ": " : "", k->why);
    k->troubled = 1;
    if (k->base.trouble && k->base.trouble(k->base.ctx, text)) {
        because(k, text);
        k->reset = 1;
    }
}

static void on_tick(struct gw_timer *t)
{
    struct gw_kafka *k = GW_CONTAINER(t, struct gw_kafka, tick);
    const int64_t quiet_ms = gw_mono_ms() - k->progress_ms;

    if (!k->out && !k->waiting)
        return;
    if (k->all_down || quiet_ms >= NO_ACK_MS)
        tell_trouble(k, quiet_ms);
    if (k->reset)
        do_reset(k);
    go_on(k);
}

static void on_after(struct gw_task *t)
{
    struct gw_kafka *k = GW_CONTAINER(t, struct gw_kafka, after);
    struct gw_message *ended;

    if (k->all_down && !k->troubled && (k->out || k->waiting))
        tell_trouble(k, 0);
    if (k->reset) {
        do_reset(k);
    } else {
        ended = k->ended;
        k->ended = NULL;
        give(k, ended);
    }
    go_on(k);
}

static void on_wake(struct gw_watch *w, int what)
{
    struct gw_kafka *k = GW_CONTAINER(w, struct gw_kafka, wake);
    uint64_t count;

    (void)what;
    if (read(k->wake_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
        because(k, "eventfd");
    if (k->rk)
        (void)rd_kafka_poll(k->rk, 0);
    pump(k);
}

/* ---- what the publisher does with it ---- */

int gw_kafka_start(struct gw_kafka *k, struct gw_err *err)
{
    k->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (k->wake_fd < 0)
        return gw_err_errno(err, GW_ERR_RETRY, "eventfd");
    if (start(k, err)) {
        close(k->wake_fd);
        return -1;
    }
    k->after.fn = on_after;
    gw_timer_init(&k->tick, k->base.loop, on_tick);
    gw_watch_init(&k->wake, k->base.loop, k->wake_fd, on_wake);
    gw_watch_want(&k->wake, GW_READABLE);
    return 0;
}

void gw_kafka_send(struct gw_kafka *k, struct gw_message *batch)
{
    while (batch) {
        struct gw_message *m = batch;

        batch = m->next;
        gw_messages_append(&k->waiting, m);
    }
    go_on(k);
}

void gw_kafka_stop(struct gw_kafka *k)
{
    because(k, "closed before the broker acknowledged it");
    take_back(k, &k->waiting);
    do_reset(k);
    gw_loop_cancel(k->base.loop, &k->after);
    gw_timer_fini(&k->tick);
    gw_watch_fini(&k->wake);
    close(k->wake_fd);
}
