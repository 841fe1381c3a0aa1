/* Topics of Kafka as a source: messages on their way to the log (I9 to I11). The member of the
 * group is kafka_group.c, partitions and offsets are kafka_part.c, dead letters kafka_letter.c.
 *
 * librdkafka fetches ahead on threads of its own, within bounds; its events are taken from one
 * queue on the front's loop, woken by a descriptor. While `budget` bytes are on their way to the
 * disk the queue is left alone, so a backlog never takes what clients need of max_pending_bytes.
 * While the log has no room, a partition's next message is held and the partition paused. */
#include "ingest/kafka.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/metrics.h"
#include "log/message.h"
#include "net/tls.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    BATCH = 1000, /* messages of one turn */
    TICK_MS = 1000,
    CLOSE_TICK_MS = 20,
    AGAIN_MS = 10000, /* before another consumer begins */
    RENEW_MS = 5000,  /* for the goodbye of one that begins anew */
    QUIET_FULL_MS = 60000,
    MIN_BUDGET = 64 * 1024,
    MAX_BUDGET = 16 * 1024 * 1024
};

/* ---- one message ---- */

static void on_kept(void *owner, const struct gw_err *err)
{
    gw_kafka_done(owner, err == NULL);
}

static int submit(struct gw_kafka_taken *t, const struct gw_record *r, const struct gw_unread *u,
                  struct gw_err *err)
{
    struct gw_front *f = t->part->in->base.front;
    enum gw_reason reason = GW_R_TOO_LARGE;
    struct gw_sub *sub = NULL;

    if (gw_unread_fits(f->log, r, err))
        sub = gw_submit(f, GW_KAFKA, r, 1, &reason, err);
    if (!sub && reason != GW_R_TOO_LARGE)
        return -1;
    if (sub) {
        sub->answer = on_kept;
        sub->owner = t;
    } else {
        gw_kafka_letter_new(t, u, reason, err);
    }
    return 0;
}

/* -1: it has to wait; err says why. */
static int take(struct gw_kafka_part *p, const rd_kafka_message_t *m, struct gw_err *err)
{
    struct gw_kafka_in *k = p->in;
    struct gw_arena *mem = k->base.front->scratch;
    struct gw_kafka_taken *t = gw_kafka_take(p, m->offset, m->len + m->key_len);
    struct gw_record r;
    struct gw_unread u;

    gw_arena_reset(mem);
    gw_kafka_unread(mem, m, &u);
    if (gw_unread_record(mem, k->conf->as, &u, &r, err))
        gw_kafka_letter_new(t, &u, err->kind == GW_ERR_TOO_LARGE ? GW_R_TOO_LARGE : GW_R_INVALID,
                            err);
    else if (submit(t, &r, &u, err)) {
        gw_kafka_untake(t);
        return -1;
    }
    return 0;
}

static void say_full(struct gw_kafka_in *k, const struct gw_err *err)
{
    if (!gw_diag_allow(&k->quiet_full, QUIET_FULL_MS))
        return;
    k->waiting = 1;
    GW_DIAG(GW_WARN, k->base.ops->component,
            gw_msg("messages wait in Kafka until there is room again"),
            gw_kv_cstr("topics", k->topics), gw_kv_cstr("error", err->msg));
}

static void on_message(struct gw_kafka_in *k, rd_kafka_event_t *e)
{
    const rd_kafka_message_t *m = rd_kafka_event_message_next(e);
    struct gw_kafka_part *p =
        m && !m->err ? gw_kafka_part_find(k, rd_kafka_topic_name(m->rkt), m->partition) : NULL;
    struct gw_err err;

    if (k->troubled)
        gw_kafka_in_well(k);
    if (!p || p->leaving) { /* its next owner reads it */
        rd_kafka_event_destroy(e);
        return;
    }
    if (p->held || p->blocked) {
        gw_kafka_hold(p, e, m);
    } else if (take(p, m, &err)) {
        gw_kafka_hold(p, e, m);
        say_full(k, &err);
    } else {
        rd_kafka_event_destroy(e);
    }
}

/* ---- what is held ---- */

/* -1: there is no room yet. */
static int take_held(struct gw_kafka_part *p)
{
    struct gw_err err;

    while (p->held && p->in->bytes < p->in->budget) {
        if (take(p, p->held->m, &err))
            return -1;
        gw_kafka_unhold(p);
    }
    return 0;
}

static void on_hold_timer(struct gw_timer *timer)
{
    struct gw_kafka_in *k = GW_CONTAINER(timer, struct gw_kafka_in, hold_timer);
    int left = 0, full = 0;

    for (struct gw_kafka_part *p = k->parts; p && !full; p = p->next) {
        if (!p->paused || p->leaving)
            continue;
        if (!p->blocked)
            full = take_held(p);
        if (!p->blocked && !p->held)
            gw_kafka_in_pause(p, 0);
        left += p->paused;
    }
    if (left || full)
        gw_timer_set(&k->hold_timer, GW_KAFKA_HOLD_MS);
    if (left || full || !k->waiting)
        return;
    k->waiting = 0;
    GW_DIAG(GW_INFO, k->base.ops->component, gw_msg("there is room again"),
            gw_kv_cstr("topics", k->topics));
}

/* ---- turns ---- */

static void begin_again(struct gw_kafka_in *k)
{
    struct gw_err err;

    if (k->rk || gw_mono_ms() < k->again_ms || gw_kafka_in_ends(k))
        return;
    if (!gw_kafka_in_start(k, &err))
        return;
    k->again_ms = gw_mono_ms() + AGAIN_MS;
    GW_DIAG(GW_WARN, k->base.ops->component, gw_msg("the consumer cannot begin"),
            gw_kv_cstr("topics", k->topics), gw_kv_cstr("error", err.msg));
}

/* 1: there may be more. */
static int poll_queue(struct gw_kafka_in *k)
{
    for (int i = 0; i < BATCH; i++) {
        rd_kafka_event_t *e;

        if (!k->rk || k->bytes >= k->budget || !(e = rd_kafka_queue_poll(k->queue, 0)))
            return 0;
        if (rd_kafka_event_type(e) == RD_KAFKA_EVENT_FETCH)
            on_message(k, e);
        else
            gw_kafka_in_event(k, e);
    }
    return 1;
}

static void on_turn(struct gw_task *task)
{
    struct gw_kafka_in *k = GW_CONTAINER(task, struct gw_kafka_in, turn);

    if (poll_queue(k))
        gw_kafka_in_poke(k);
    if (k->restart && k->rk) {
        gw_kafka_in_end(k);
        k->again_ms = gw_mono_ms() + AGAIN_MS;
    }
    k->restart = 0;
    gw_kafka_in_go_on(k);
}

void gw_kafka_in_poke(struct gw_kafka_in *k)
{
    gw_loop_post(k->base.front->loop, &k->turn);
}

static void on_wake(struct gw_watch *w, int what)
{
    struct gw_kafka_in *k = GW_CONTAINER(w, struct gw_kafka_in, wake);
    uint64_t count;

    (void)what;
    if (read(k->wake_fd, &count, sizeof(count)) < 0)
        assert(errno == EAGAIN);
    gw_kafka_in_poke(k);
}

/* librdkafka takes a consumer that does not ask for dead, and does not tell when it is closed. */
static void on_tick(struct gw_timer *t)
{
    struct gw_kafka_in *k = GW_CONTAINER(t, struct gw_kafka_in, tick);

    begin_again(k);
    if (!k->stopping)
        gw_kafka_letters_again(k);
    gw_kafka_in_poke(k);
    if (k->state != GW_IN_STOPPED)
        gw_timer_set(&k->tick, gw_kafka_in_ends(k) ? CLOSE_TICK_MS : TICK_MS);
}

/* ---- life ---- */

static char *join(const struct gw_strs *list)
{
    struct gw_buf b;
    char *text;

    gw_buf_init(&b, 1 << 20, NULL);
    for (size_t i = 0; i < list->n; i++)
        gw_buf_printf(&b, "%s%s", i ? "," : "", list->items[i]);
    gw_buf_putc(&b, '\0');
    text = b.failed ? strdup("…") : strdup(b.p);
    gw_buf_free(&b);
    if (!text)
        abort();
    return text;
}

static void init(struct gw_kafka_in *k, const struct gw_ingest_kafka *conf, struct gw_front *f)
{
    const int64_t share = f->max_pending / 4;

    k->base = (struct gw_source){&gw_source_kafka, f};
    k->conf = conf;
    k->files = gw_kafka_files_of(conf);
    k->topics = join(&conf->topics);
    k->brokers = join(&conf->brokers);
    k->budget = (size_t)(share < MIN_BUDGET ? MIN_BUDGET : share > MAX_BUDGET ? MAX_BUDGET : share);
    k->last_refused = &k->refused;
    k->turn.fn = on_turn;
    k->dead[GW_R_INVALID] =
        gw_metrics_counter(f->metrics, GW_M_EVENTS_DEAD_LETTERED, GW_INGEST, "undecodable");
    k->dead[GW_R_TOO_LARGE] =
        gw_metrics_counter(f->metrics, GW_M_EVENTS_DEAD_LETTERED, GW_INGEST, "too_large");
    gw_timer_init(&k->tick, f->loop, on_tick);
    gw_timer_init(&k->hold_timer, f->loop, on_hold_timer);
}

static void free_source(struct gw_kafka_in *k)
{
    gw_timer_fini(&k->tick);
    gw_timer_fini(&k->hold_timer);
    gw_loop_cancel(k->base.front->loop, &k->turn);
    while (k->idle) {
        struct gw_kafka_taken *t = k->idle;

        k->idle = t->next;
        free(t);
    }
    free(k->topics);
    free(k->brokers);
    free(k);
}

static struct gw_source *kafka_open(const void *conf, struct gw_front *f, struct gw_err *err)
{
    struct gw_kafka_in *k = calloc(1, sizeof(*k));

    if (!k)
        abort();
    init(k, conf, f);
    if (gw_kafka_in_init(k, err)) {
        free_source(k);
        return NULL;
    }
    if (gw_kafka_in_start(k, err)) {
        gw_kafka_in_fini(k);
        free_source(k);
        return NULL;
    }
    gw_watch_init(&k->wake, f->loop, k->wake_fd, on_wake);
    gw_watch_want(&k->wake, GW_READABLE);
    gw_timer_set(&k->tick, TICK_MS);
    GW_DIAG(GW_INFO, k->base.ops->component, gw_msg("subscribed"),
            gw_kv_cstr("brokers", k->brokers), gw_kv_cstr("topics", k->topics),
            gw_kv_cstr("group", k->conf->group));
    return &k->base;
}

/* 0: librdkafka would not begin with these files, so what runs goes on. */
static int will_do(const struct gw_kafka_in *k)
{
    const struct gw_tls_conf *tls = k->conf->tls;
    struct gw_tls_files files;
    struct gw_err err;
    const char *key;

    if (!tls)
        return 1;
    files = (struct gw_tls_files){.ca = tls->ca, .cert = tls->cert, .key = tls->key};
    key = gw_tls_client_problem(&files, &err);
    if (key)
        GW_DIAG(GW_ERROR, k->base.ops->component, gw_msg("a file that has changed is not taken"),
                gw_kv_cstr("topics", k->topics), gw_kv_cstr("error", err.msg));
    return !key;
}

static void kafka_renew(struct gw_source *s, const void *conf)
{
    struct gw_kafka_in *k = (struct gw_kafka_in *)s;
    const struct gw_kafka_files now = gw_kafka_files_of(conf);
    const int same = gw_kafka_files_same(&now, &k->files) &&
                     gw_fields_same(gw_ingest_kafka_fields, k->conf, conf);

    k->conf = conf;
    k->files = now;
    if (same || k->stopping || !will_do(k))
        return;
    GW_DIAG(GW_INFO, k->base.ops->component,
            gw_msg("a password or a certificate has changed, the consumer begins anew"),
            gw_kv_cstr("topics", k->topics), gw_kv_cstr("group", k->conf->group));
    k->renewing = 1;
    k->renew_until_ms = gw_mono_ms() + RENEW_MS;
    gw_timer_set(&k->tick, 0);
}

static void kafka_stop(struct gw_source *s, void (*stopped)(void *ctx), void *ctx)
{
    struct gw_kafka_in *k = (struct gw_kafka_in *)s;

    k->stopping = 1;
    k->stopped = stopped;
    k->stopped_ctx = ctx;
    gw_timer_cancel(&k->hold_timer);
    gw_timer_set(&k->tick, 0);
}

static void kafka_hurry(struct gw_source *s)
{
    struct gw_kafka_in *k = (struct gw_kafka_in *)s;

    k->hurried = k->late = 1;
    gw_kafka_in_poke(k);
}

static void kafka_close(struct gw_source *s)
{
    struct gw_kafka_in *k = (struct gw_kafka_in *)s;

    gw_kafka_in_end(k);
    if (k->n_letters) /* for want of room; they are read again */
        gw_log_hurry(k->base.front->log);
    while (k->n_letters)
        gw_loop_turn(k->base.front->loop, 1);
    gw_kafka_in_fini(k);
    gw_watch_fini(&k->wake);
    free_source(k);
}

const struct gw_source_ops gw_source_kafka = {
    .way = GW_KAFKA,
    .component = "ingest.kafka",
    .open = kafka_open,
    .stop = kafka_stop,
    .hurry = kafka_hurry,
    .close = kafka_close,
    .renew = kafka_renew,
    .ask = gw_kafka_in_ask,
};
