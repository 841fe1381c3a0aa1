/* A member of a consumer group: rebalances, offsets, and how it leaves.
 *
 * A partition that is taken away is given up only after what is under way in it is durable and the
 * broker was told: the next owner begins behind it, so nothing is read twice without need. That is
 * bounded in time (LEAVE_MS); what is not told by then is read again. All of it in steps, from
 * gw_kafka_in_go_on, so that the loop is never held up. */
#include "ingest/kafka.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { COMMIT_MS = 500, LEAVE_MS = 5000, QUIET_MS = 10000 };

#define SAY(k, level, ...)                                                                         \
    GW_DIAG(level, (k)->base.ops->component, __VA_ARGS__, gw_kv_cstr("group", (k)->conf->group))

/* ---- what librdkafka says ---- */

static void say_log(struct gw_kafka_in *k, rd_kafka_event_t *e)
{
    enum { WARNING = 4, INFO = 6 };
    const char *facility, *text;
    enum gw_level level;
    int syslog_level;
    uint64_t n;

    if (rd_kafka_event_log(e, &facility, &text, &syslog_level))
        return;
    level = syslog_level <= WARNING ? GW_WARN : syslog_level <= INFO ? GW_INFO : GW_DEBUG;
    if (level < gw_diag_level || !(n = gw_diag_allow(&k->quiet_log, QUIET_MS)))
        return;
    SAY(k, level, gw_msg(text), gw_kv_int("suppressed", (int64_t)n - 1));
}

static const char *what_is(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        return "all brokers are down; it goes on trying";
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        return "a topic is not there; it is asked for again";
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        return "the brokers do not let us read; it goes on trying";
    default:
        return "trouble with the brokers; it goes on trying";
    }
}

static void on_error(struct gw_kafka_in *k, rd_kafka_event_t *e)
{
    const rd_kafka_resp_err_t code = rd_kafka_event_error(e);
    uint64_t n;

    if (code == RD_KAFKA_RESP_ERR__PARTITION_EOF)
        return;
    if (code == RD_KAFKA_RESP_ERR__FATAL || rd_kafka_event_error_is_fatal(e)) {
        k->restart = 1;
        SAY(k, GW_ERROR, gw_msg("the consumer has ended; another begins"),
            gw_kv_cstr("error", rd_kafka_event_error_string(e)));
        return;
    }
    n = gw_diag_allow(&k->quiet_error, QUIET_MS);
    if (n)
        SAY(k, GW_WARN, gw_msg(what_is(code)), gw_kv_cstr("error", rd_kafka_event_error_string(e)),
            gw_kv_int("suppressed", (int64_t)n - 1));
    k->troubled = 1;
}

void gw_kafka_in_well(struct gw_kafka_in *k)
{
    if (!k->troubled)
        return;
    k->troubled = 0;
    k->quiet_error = (struct gw_diag_limit){0};
    SAY(k, GW_INFO, gw_msg("consuming again"));
}

/* ---- offsets ---- */

static int has_news(const struct gw_kafka_part *p)
{
    return p->next_offset >= 0 && p->next_offset != p->told;
}

/* I9. What is durable, of the partitions that are leaving, or of all. */
static rd_kafka_topic_partition_list_t *news(struct gw_kafka_in *k, int leaving)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);

    for (struct gw_kafka_part *p = k->parts; p; p = p->next)
        if (has_news(p) && (!leaving || p->leaving)) {
            rd_kafka_topic_partition_list_add(list, p->topic, p->partition)->offset =
                p->next_offset;
            p->told = p->next_offset;
        }
    return list;
}

static void commit(struct gw_kafka_in *k, int leaving)
{
    rd_kafka_topic_partition_list_t *list = news(k, leaving);

    if (list->cnt && !rd_kafka_commit_queue(k->rk, list, k->queue, NULL, NULL))
        k->committing = 1;
    for (struct gw_kafka_part *p = k->parts; p && list->cnt && !k->committing; p = p->next)
        p->told = p->leaving ? p->told : -1;
    rd_kafka_topic_partition_list_destroy(list);
}

static void on_commit_timer(struct gw_timer *t)
{
    struct gw_kafka_in *k = GW_CONTAINER(t, struct gw_kafka_in, commit_timer);

    k->commit_due = 0;
    if (k->rk && k->state == GW_IN_RUNNING && !k->committing && !k->revoked)
        commit(k, 0);
    gw_kafka_in_poke(k);
}

static void plan_commit(struct gw_kafka_in *k)
{
    if (k->commit_due || k->committing || k->state != GW_IN_RUNNING)
        return;
    for (const struct gw_kafka_part *p = k->parts; p; p = p->next)
        if (has_news(p)) {
            k->commit_due = 1;
            gw_timer_set(&k->commit_timer, COMMIT_MS);
            return;
        }
}

/* What was not taken is told again with the next, but for partitions that leave: their next owner
 * begins where the broker thinks. */
static void on_committed(struct gw_kafka_in *k, rd_kafka_event_t *e)
{
    const rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(e);
    rd_kafka_resp_err_t first = rd_kafka_event_error(e);

    k->committing = 0;
    for (int i = 0; list && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *at = &list->elems[i];
        const rd_kafka_resp_err_t err = at->err ? at->err : rd_kafka_event_error(e);
        struct gw_kafka_part *p = gw_kafka_part_find(k, at->topic, at->partition);

        if (!err)
            continue;
        first = first ? first : err;
        if (p && !p->leaving)
            p->told = -1;
    }
    if (!first)
        gw_kafka_in_well(k);
    else if (gw_diag_allow(&k->quiet_commit, QUIET_MS))
        SAY(k, GW_WARN, gw_msg("offsets cannot be committed now: a restart would read some again"),
            gw_kv_cstr("error", rd_kafka_err2str(first)));
}

/* ---- rebalances ---- */

static int is_cooperative(struct gw_kafka_in *k)
{
    const char *protocol = rd_kafka_rebalance_protocol(k->rk);

    return protocol && !strcmp(protocol, "COOPERATIVE");
}

static void say_partitions(struct gw_kafka_in *k, const char *what,
                           const rd_kafka_topic_partition_list_t *list)
{
    char text[600];
    struct gw_buf b;
    int i = 0;

    gw_buf_init(&b, sizeof(text), NULL);
    for (; i < list->cnt && b.len < sizeof(text) - 300; i++)
        gw_buf_printf(&b, "%s%s[%d]", i ? " " : "", list->elems[i].topic,
                      (int)list->elems[i].partition);
    if (i < list->cnt)
        gw_buf_printf(&b, " and %d more", list->cnt - i);
    SAY(k, GW_INFO, gw_msg(what), gw_kv_cstr("topics", k->topics),
        gw_kv_str("partitions", gw_buf_str(&b)));
    gw_buf_free(&b);
}

static void free_error(struct gw_kafka_in *k, rd_kafka_error_t *error)
{
    if (!error)
        return;
    if (gw_diag_allow(&k->quiet_error, QUIET_MS))
        SAY(k, GW_WARN, gw_msg("trouble with a rebalance"),
            gw_kv_cstr("error", rd_kafka_error_string(error)));
    rd_kafka_error_destroy(error);
}

static void assign(struct gw_kafka_in *k, const rd_kafka_topic_partition_list_t *list)
{
    if (list && is_cooperative(k))
        free_error(k, rd_kafka_incremental_assign(k->rk, list));
    else
        (void)rd_kafka_assign(k->rk, list);
}

static void on_assigned(struct gw_kafka_in *k, rd_kafka_event_t *e)
{
    const rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(e);

    for (int i = 0; i < list->cnt; i++)
        if (!gw_kafka_part_find(k, list->elems[i].topic, list->elems[i].partition))
            gw_kafka_part_add(k, list->elems[i].topic, list->elems[i].partition)->leaving =
                gw_kafka_in_ends(k);
    assign(k, list);
    /* A pause outlives the partition's time with us: librdkafka keeps it for the next one. */
    (void)rd_kafka_resume_partitions(k->rk, (rd_kafka_topic_partition_list_t *)list);
    k->troubled = 0;
    if (list->cnt)
        say_partitions(k, "consuming", list);
    else if (!k->parts)
        say_partitions(k, "other members of the group have all partitions", list);
    rd_kafka_event_destroy(e);
}

static void leave(struct gw_kafka_part *p)
{
    p->leaving = 1;
    gw_kafka_drop_held(p);
    gw_kafka_letters_forget(p->in, p);
}

static void on_leave_timer(struct gw_timer *t)
{
    struct gw_kafka_in *k = GW_CONTAINER(t, struct gw_kafka_in, leave_timer);

    k->late = 1;
    gw_kafka_in_poke(k);
}

/* What is lost belongs to another already. */
static void on_revoked(struct gw_kafka_in *k, rd_kafka_event_t *e)
{
    const rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(e);

    k->revoked = e;
    k->late = k->hurried || rd_kafka_assignment_lost(k->rk);
    for (int i = 0; i < list->cnt; i++) {
        struct gw_kafka_part *p =
            gw_kafka_part_find(k, list->elems[i].topic, list->elems[i].partition);

        if (p)
            leave(p);
    }
    if (!k->late)
        gw_timer_set(&k->leave_timer, LEAVE_MS);
}

static void on_rebalance(struct gw_kafka_in *k, rd_kafka_event_t *e)
{
    const rd_kafka_resp_err_t what = rd_kafka_event_error(e);

    if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        on_assigned(k, e);
    } else if (what == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
        on_revoked(k, e);
    } else {
        assign(k, NULL);
        rd_kafka_event_destroy(e);
    }
}

void gw_kafka_in_event(struct gw_kafka_in *k, rd_kafka_event_t *e)
{
    switch (rd_kafka_event_type(e)) {
    case RD_KAFKA_EVENT_REBALANCE:
        on_rebalance(k, e);
        return;
    case RD_KAFKA_EVENT_OFFSET_COMMIT:
        on_committed(k, e);
        break;
    case RD_KAFKA_EVENT_ERROR:
        on_error(k, e);
        break;
    case RD_KAFKA_EVENT_LOG:
        say_log(k, e);
        break;
    default:
        break;
    }
    rd_kafka_event_destroy(e);
}

/* 1: what leaves is durable, and the broker was told; or there is no more time for it. */
static int has_left(struct gw_kafka_in *k)
{
    if (k->late)
        return 1;
    for (const struct gw_kafka_part *p = k->parts; p; p = p->next)
        if (p->leaving && p->under_way)
            return 0;
    if (!k->committing)
        commit(k, 1);
    return !k->committing;
}

static void give_up_partitions(struct gw_kafka_in *k)
{
    const rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(k->revoked);

    gw_timer_cancel(&k->leave_timer);
    for (int i = 0; i < list->cnt; i++) {
        struct gw_kafka_part *p =
            gw_kafka_part_find(k, list->elems[i].topic, list->elems[i].partition);

        if (p)
            gw_kafka_part_remove(p);
    }
    if (list->cnt)
        say_partitions(k, "partitions were taken away", list);
    if (is_cooperative(k))
        free_error(k, rd_kafka_incremental_unassign(k->rk, list));
    else
        (void)rd_kafka_assign(k->rk, NULL);
    rd_kafka_event_destroy(k->revoked);
    k->revoked = NULL;
    k->late = 0;
}

void gw_kafka_in_pause(struct gw_kafka_part *p, int paused)
{
    rd_kafka_topic_partition_list_t *one;

    if (p->paused == paused)
        return;
    p->paused = paused;
    if (paused)
        gw_timer_set(&p->in->hold_timer, GW_KAFKA_HOLD_MS);
    one = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(one, p->topic, p->partition);
    (void)(paused ? rd_kafka_pause_partitions(p->in->rk, one)
                  : rd_kafka_resume_partitions(p->in->rk, one));
    rd_kafka_topic_partition_list_destroy(one);
}

/* ---- the end ---- */

static void watch_queue(struct gw_kafka_in *k)
{
    static const uint64_t one = 1;

    rd_kafka_queue_io_event_enable(k->queue, k->wake_fd, &one, sizeof(one));
    /* It wakes only when something comes to an empty queue: look at what was there before. */
    gw_loop_post(k->base.front->loop, &k->turn);
}

static void begin_close(struct gw_kafka_in *k)
{
    rd_kafka_error_t *error;

    k->state = GW_IN_CLOSING;
    rd_kafka_queue_destroy(k->queue); /* as librdkafka demands */
    k->queue = rd_kafka_queue_new(k->rk);
    watch_queue(k);
    error = rd_kafka_consumer_close_queue(k->rk, k->queue);
    k->hurried |= error != NULL;
    free_error(k, error);
}

static void begin_end(struct gw_kafka_in *k)
{
    k->state = GW_IN_ENDING;
    for (struct gw_kafka_part *p = k->parts; p; p = p->next)
        leave(p);
}

/* 1: the consumer has said goodbye, or nobody listens to it any longer. */
static int has_ended(const struct gw_kafka_in *k)
{
    if (!k->rk || k->hurried)
        return 1;
    if (k->state == GW_IN_CLOSING && rd_kafka_consumer_closed(k->rk))
        return 1;
    return !k->stopping && gw_mono_ms() >= k->renew_until_ms;
}

static void is_ended(struct gw_kafka_in *k)
{
    gw_kafka_in_end(k);
    if (k->stopping) {
        k->state = GW_IN_STOPPED;
        k->stopped(k->stopped_ctx);
        return;
    }
    k->state = GW_IN_RUNNING;
    k->renewing = k->hurried = 0; /* a goodbye that failed is over with its consumer */
    k->again_ms = 0;
    gw_timer_set(&k->tick, 0);
}

void gw_kafka_in_go_on(struct gw_kafka_in *k)
{
    if (k->state == GW_IN_STOPPED)
        return;
    if (gw_kafka_in_ends(k) && k->state == GW_IN_RUNNING)
        begin_end(k);
    if (k->revoked && has_left(k))
        give_up_partitions(k);
    if (k->state == GW_IN_ENDING && k->rk && !k->revoked && !k->hurried && has_left(k))
        begin_close(k);
    if (gw_kafka_in_ends(k) && has_ended(k))
        is_ended(k);
    else
        plan_commit(k);
}

void gw_kafka_in_end(struct gw_kafka_in *k)
{
    gw_timer_cancel(&k->leave_timer);
    gw_timer_cancel(&k->commit_timer);
    k->commit_due = k->committing = k->late = 0;
    while (k->parts)
        gw_kafka_part_remove(k->parts);
    if (k->revoked)
        rd_kafka_event_destroy(k->revoked);
    k->revoked = NULL;
    if (k->queue)
        rd_kafka_queue_destroy(k->queue);
    k->queue = NULL;
    if (k->rk)
        rd_kafka_destroy_flags(k->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    k->rk = NULL;
}

/* ---- the begin ---- */

static int subscribe(struct gw_kafka_in *k, struct gw_err *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
    rd_kafka_resp_err_t rc;

    for (size_t i = 0; i < k->conf->topics.n; i++)
        rd_kafka_topic_partition_list_add(list, k->conf->topics.items[i], RD_KAFKA_PARTITION_UA);
    rc = rd_kafka_subscribe(k->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return rc ? gw_err_set(err, GW_ERR_RETRY, "subscribe to %s: %s", k->topics,
                           rd_kafka_err2str(rc))
              : 0;
}

int gw_kafka_in_start(struct gw_kafka_in *k, struct gw_err *err)
{
    rd_kafka_conf_t *conf = gw_ingest_kafka_conf(k->conf, err);
    char why[300];

    if (!conf)
        return -1;
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_OFFSET_COMMIT |
                                       RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG);
    k->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
    if (!k->rk) {
        rd_kafka_conf_destroy(conf);
        return gw_err_set(err, GW_ERR_FATAL, "%s", why);
    }
    (void)rd_kafka_poll_set_consumer(k->rk);
    (void)rd_kafka_set_log_queue(k->rk, NULL);
    k->queue = rd_kafka_queue_get_consumer(k->rk);
    if (subscribe(k, err)) {
        gw_kafka_in_end(k);
        return -1;
    }
    watch_queue(k);
    return 0;
}

int gw_kafka_in_init(struct gw_kafka_in *k, struct gw_err *err)
{
    k->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (k->wake_fd < 0)
        return gw_err_errno(err, GW_ERR_FATAL, "eventfd");
    gw_timer_init(&k->commit_timer, k->base.front->loop, on_commit_timer);
    gw_timer_init(&k->leave_timer, k->base.front->loop, on_leave_timer);
    return 0;
}

void gw_kafka_in_fini(struct gw_kafka_in *k)
{
    gw_kafka_in_end(k);
    gw_timer_fini(&k->commit_timer);
    gw_timer_fini(&k->leave_timer);
    close(k->wake_fd);
}
