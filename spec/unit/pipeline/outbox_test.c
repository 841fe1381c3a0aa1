#include "pipeline/outbox.h"

#include "base/clock.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

/* A publisher whose results the test gives. */
enum { MAX = 400, KEYS = 7, BATCHES = 3 };

struct world {
    struct gw_publisher p;
    struct gw_pipeline_conf conf;
    struct gw_outbox box;
    struct gw_loop *loop;
    struct gw_out out[MAX];
    enum { NEW, READY, SENT, FAILED, ENDED } state[MAX];
    unsigned send_of[MAX];
    uint64_t sum[MAX];
    char body[MAX][8];
    enum gw_out_end end[MAX];
    size_t left_in_send[MAX * 20]; /* messages without a result, by send */
    unsigned sends, open_sends;
    int n, n_ended, n_sent;
    int seen_down;
    unsigned seed;
};

static unsigned rnd(struct world *w, unsigned below)
{
    w->seed = w->seed * 1664525 + 1013904223;
    return (w->seed >> 8) % below;
}

static uint64_t sum_of(const struct gw_out *o)
{
    uint64_t h = 14695981039346656037ULL;

    for (size_t i = 0; i < o->m.body.len; i++)
        h = (h ^ (unsigned char)o->m.body.p[i]) * 1099511628211ULL;
    return h;
}

static int index_of(struct world *w, const struct gw_message *m)
{
    return (int)((const struct gw_out *)m - w->out);
}

/* W4, W7: what may be handed over now. */
static void check_order(struct world *w, int i, unsigned send)
{
    for (int k = 0; k < i; k++) {
        if (w->p.keeps_order)
            CHECK(w->state[k] == ENDED || w->state[k] == SENT);
        else if (w->out[k].m.order == w->out[i].m.order)
            CHECK(w->state[k] == ENDED || (w->state[k] == SENT && w->send_of[k] == send));
        if (w->p.one_a_key && w->out[k].m.order == w->out[i].m.order)
            CHECK(w->state[k] == ENDED);
    }
}

static void fake_send(struct gw_publisher *p, struct gw_message *batch)
{
    struct world *w = p->ctx ? ((struct gw_outbox *)p->ctx)->ctx : NULL;
    size_t n = 0, bytes = 0;
    const unsigned send = ++w->sends;

    CHECK(++w->open_sends <= p->limits.batches);
    for (struct gw_message *m = batch; m; m = m->next, n++) {
        int i = index_of(w, m);

        check_order(w, i, send);
        CHECK(w->state[i] == READY || w->state[i] == FAILED);
        CHECK(sum_of(&w->out[i]) == w->sum[i]); /* W6 */
        w->state[i] = SENT;
        w->send_of[i] = send;
        w->n_sent++;
        bytes += m->bytes;
    }
    CHECK(n >= 1 && n <= p->limits.messages);
    CHECK(n == 1 || bytes <= p->limits.bytes);
    w->left_in_send[send] = n;
}

static void give(struct world *w, int i, enum gw_outcome outcome)
{
    const struct gw_result r = {.outcome = outcome,
                                .why = outcome == GW_DELIVERED ? NULL : "because"};

    CHECK(w->state[i] == SENT);
    w->n_sent--;
    if (--w->left_in_send[w->send_of[i]] == 0)
        w->open_sends--;
    w->state[i] = outcome == GW_TRY_AGAIN ? FAILED : ENDED;
    w->p.result(w->p.ctx, &w->out[i].m, &r);
}

static void fake_close(struct gw_publisher *p)
{
    struct world *w = ((struct gw_outbox *)p->ctx)->ctx;

    for (int i = 0; i < w->n; i++)
        if (w->state[i] == SENT)
            give(w, i, GW_TRY_AGAIN);
}

static const struct gw_publisher_ops fake = {
    .name = "fake", .send = fake_send, .close = fake_close};

static void on_ended(void *ctx, struct gw_out *o, enum gw_out_end end, const char *why)
{
    struct world *w = ctx;
    int i = index_of(w, &o->m);

    CHECK(w->end[i] == 0);
    CHECK((end == GW_OUT_DELIVERED) == !why);
    w->end[i] = end;
    w->state[i] = ENDED;
    w->n_ended++;
}

static void on_poke(void *ctx)
{
    (void)ctx;
}

static void on_state(void *ctx, const char *why)
{
    ((struct world *)ctx)->seen_down = why != NULL;
}

static struct world *world(unsigned seed, int keeps_order)
{
    struct world *w = calloc(1, sizeof(*w));

    CHECK(w);
    w->seed = seed;
    w->loop = gw_loop_new();
    w->conf.retry.initial_ms = 1;
    w->conf.retry.max_ms = 2;
    w->p = (struct gw_publisher){.ops = &fake, .loop = w->loop, .keeps_order = keeps_order};
    w->p.limits = (struct gw_publisher_limits){.messages = 5, .bytes = 40, .batches = BATCHES};
    w->box = (struct gw_outbox){.publisher = &w->p,
                                .loop = w->loop,
                                .conf = &w->conf,
                                .ctx = w,
                                .ended = on_ended,
                                .poke = on_poke,
                                .state = on_state};
    gw_outbox_open(&w->box);
    return w;
}

static void put(struct world *w, unsigned key)
{
    int i = w->n++;

    CHECK(i < MAX);
    snprintf(w->body[i], sizeof(w->body[i]), "m%d", i);
    w->out[i].m.body = gw_str_of(w->body[i]);
    w->out[i].m.bytes = 4 + rnd(w, 12);
    w->out[i].m.order = key;
    w->sum[i] = sum_of(&w->out[i]);
    w->state[i] = READY;
    gw_outbox_put(&w->box, &w->out[i]);
}

static int oldest_sent(const struct world *w)
{
    for (int i = 0; i < w->n; i++)
        if (w->state[i] == SENT)
            return i;
    return -1;
}

static int some_sent(struct world *w)
{
    int nth = (int)rnd(w, (unsigned)w->n_sent);

    for (int i = 0; i < w->n; i++)
        if (w->state[i] == SENT && nth-- == 0)
            return i;
    return -1;
}

/* P4: a publisher that keeps order gives everything back together. */
static void give_some(struct world *w, unsigned failures_of_ten)
{
    const int fails = rnd(w, 10) < failures_of_ten;
    int i = w->p.keeps_order ? oldest_sent(w) : some_sent(w);

    if (!fails) {
        give(w, i, rnd(w, 20) ? GW_DELIVERED : rnd(w, 2) ? GW_IMPOSSIBLE : GW_TOO_LARGE);
    } else if (!w->p.keeps_order) {
        give(w, i, GW_TRY_AGAIN);
    } else {
        while (w->n_sent)
            give(w, some_sent(w), GW_TRY_AGAIN);
    }
}

static void finish(struct world *w)
{
    gw_outbox_close(&w->box);
    gw_loop_free(w->loop);
    free(w);
}

static void random_life(unsigned seed, int keeps_order, int one_a_key)
{
    struct world *w = world(seed, keeps_order);
    const int total = 60;

    w->p.one_a_key = one_a_key;
    while (w->n_ended < total) {
        if (w->n < total && rnd(w, 2))
            put(w, rnd(w, KEYS));
        if (rnd(w, 2))
            gw_outbox_flush(&w->box);
        if (w->n_sent && rnd(w, 2))
            give_some(w, 2);
        gw_loop_turn(w->loop, 0);
    }
    CHECK(w->box.count == 0 && w->box.lanes.n == 0 && !w->box.again && !w->box.ready);
    finish(w);
}

TEST(test_outbox_keeps_the_order_of_a_key_under_random_results)
{
    for (unsigned seed = 1; seed <= (SPEC_SLOW ? 15 : 60); seed++) {
        random_life(seed, 0, 0);
        random_life(seed, 0, 1);
    }
}

TEST(test_outbox_keeps_the_whole_order_for_publishers_that_do)
{
    for (unsigned seed = 1; seed <= (SPEC_SLOW ? 15 : 60); seed++)
        random_life(seed, 1, 0);
}

TEST(test_outbox_holds_back_only_the_key_that_failed)
{
    struct world *w = world(1, 0);

    w->conf.retry.initial_ms = w->conf.retry.max_ms = 3600000;
    put(w, 1);
    gw_outbox_flush(&w->box);
    give(w, 0, GW_TRY_AGAIN);
    put(w, 1);
    put(w, 2);
    gw_outbox_flush(&w->box);
    CHECK(w->state[1] == READY && w->state[2] == SENT);
    give(w, 2, GW_DELIVERED);
    CHECK(w->n_ended == 1);
    finish(w);
}

TEST(test_outbox_at_close_forgets_what_has_no_result)
{
    struct world *w = world(1, 1);

    for (unsigned i = 0; i < 8; i++)
        put(w, i);
    gw_outbox_flush(&w->box);
    give(w, 0, GW_DELIVERED);
    gw_outbox_close(&w->box);
    CHECK(w->n_ended == 1);
    gw_loop_free(w->loop);
    free(w);
}

static int64_t fake_ns;

static int64_t fake_mono(void)
{
    return fake_ns;
}

TEST(test_outbox_gives_up_after_the_time_from_the_first_failure)
{
    struct world *w;

    gw_clock_mono_ns = fake_mono;
    fake_ns = 1000000000;
    w = world(1, 1);
    w->conf.retry.give_up_after_ms = 10000;
    put(w, 1);
    gw_outbox_flush(&w->box);
    give(w, 0, GW_TRY_AGAIN);
    CHECK(w->n_ended == 0);
    while (w->box.again)
        gw_loop_turn(w->loop, 1);
    gw_outbox_flush(&w->box);
    fake_ns += 9999000000;
    give(w, 0, GW_TRY_AGAIN);
    CHECK(w->n_ended == 0);
    while (w->box.again)
        gw_loop_turn(w->loop, 1);
    gw_outbox_flush(&w->box);
    fake_ns += 1000000;
    give(w, 0, GW_TRY_AGAIN);
    CHECK(w->n_ended == 1 && w->end[0] == GW_OUT_GAVE_UP);
    CHECK(w->out[0].m.attempts == 3);
    finish(w);
}

TEST(test_outbox_is_down_after_three_failed_sends_and_up_after_one_that_is_not)
{
    struct world *w = world(1, 1);

    put(w, 1);
    for (int i = 0; i < 3; i++) {
        CHECK(!w->seen_down);
        gw_outbox_flush(&w->box);
        give(w, 0, GW_TRY_AGAIN);
        while (w->box.again)
            gw_loop_turn(w->loop, 1);
    }
    CHECK(w->seen_down);
    gw_outbox_flush(&w->box);
    give(w, 0, GW_DELIVERED);
    CHECK(!w->seen_down);
    finish(w);
}

TEST(test_outbox_counts_trouble_as_three_failures_and_takes_back_when_it_gives_up)
{
    struct world *w;

    gw_clock_mono_ns = fake_mono;
    fake_ns = 1000000000;
    w = world(1, 1);
    w->conf.retry.give_up_after_ms = 5000;
    put(w, 1);
    gw_outbox_flush(&w->box);
    CHECK(!w->p.trouble(w->p.ctx, "no broker"));
    CHECK(w->seen_down);
    fake_ns += 5000000000;
    CHECK(w->p.trouble(w->p.ctx, "no broker"));
    give(w, 0, GW_TRY_AGAIN);
    CHECK(w->end[0] == GW_OUT_GAVE_UP);
    finish(w);
}

TEST(test_outbox_waits_to_fill_a_batch_and_no_longer)
{
    struct world *w = world(1, 1);

    w->p.limits.wait_ms = 5;
    w->p.limits.bytes = 1000;
    put(w, 1);
    gw_outbox_flush(&w->box);
    CHECK(w->state[0] == READY);
    for (int i = 0; i < 4; i++)
        put(w, 1);
    gw_outbox_flush(&w->box); /* full */
    CHECK(w->state[0] == SENT && w->state[4] == SENT);
    put(w, 1);
    gw_outbox_flush(&w->box);
    CHECK(w->state[5] == READY);
    while (!w->box.fill_over)
        gw_loop_turn(w->loop, 1);
    gw_outbox_flush(&w->box);
    CHECK(w->state[5] == SENT);
    finish(w);
}

/* ---- delays ---- */

static void give_asked(struct world *w, int i, int64_t retry_after_ms)
{
    const struct gw_result r = {
        .outcome = GW_TRY_AGAIN, .why = "busy", .retry_after_ms = retry_after_ms};

    w->n_sent--;
    if (--w->left_in_send[w->send_of[i]] == 0)
        w->open_sends--;
    w->state[i] = FAILED;
    w->p.result(w->p.ctx, &w->out[i].m, &r);
}

/* Of the lane that is due first. */
static int64_t due_in(struct world *w)
{
    return gw_lanes_wake(&w->box, gw_loop_now_ms(w->loop));
}

TEST(test_outbox_waits_as_long_as_the_destination_asked_for)
{
    struct world *w = world(1, 0);

    w->conf.retry.max_ms = 100;
    put(w, 1);
    gw_outbox_flush(&w->box);
    give_asked(w, 0, 7200000); /* beyond max */
    CHECK(due_in(w) == 7200000);
    CHECK(gw_lanes_wake(&w->box, gw_loop_now_ms(w->loop) + 7200000) < 0);
    gw_outbox_flush(&w->box);
    give_asked(w, 0, INT64_MAX); /* but no longer than a day */
    CHECK(due_in(w) == 86400000);
    finish(w);
}

TEST(test_outbox_tries_once_more_when_it_is_to_give_up)
{
    struct world *w = world(1, 0);

    w->conf.retry.initial_ms = 1000;
    w->conf.retry.max_ms = 1000;
    w->conf.retry.give_up_after_ms = 300;
    put(w, 1);
    gw_outbox_flush(&w->box);
    give(w, 0, GW_TRY_AGAIN);
    CHECK(due_in(w) <= 300 && due_in(w) > 0);
    finish(w);
}

TEST(test_outbox_delays_grow_to_max)
{
    struct world *w = world(1, 0);
    int64_t before = 0;

    w->conf.retry.initial_ms = 1000;
    w->conf.retry.max_ms = 60000;
    put(w, 1);
    gw_outbox_flush(&w->box);
    for (int i = 0; i < 12; i++) {
        const int64_t now = gw_loop_now_ms(w->loop);
        int64_t delay;

        give(w, 0, GW_TRY_AGAIN);
        delay = due_in(w);
        CHECK(delay >= 1000 && delay <= 60000 && (i > 5 || delay > before));
        before = delay;
        CHECK(gw_lanes_wake(&w->box, now + 60001) < 0); /* it is later now */
        gw_outbox_flush(&w->box);
        CHECK(w->state[0] == SENT);
    }
    CHECK(before >= 40000);
    finish(w);
}

TEST(test_outbox_an_answer_that_refuses_is_an_answer)
{
    struct world *w = world(1, 0);

    for (unsigned i = 0; i < 3; i++) {
        put(w, i);
        gw_outbox_flush(&w->box);
        give(w, (int)i, GW_TRY_AGAIN);
    }
    CHECK(w->seen_down);
    put(w, 9);
    gw_outbox_flush(&w->box);
    give(w, 3, GW_IMPOSSIBLE);
    CHECK(!w->seen_down && w->end[3] == GW_OUT_REJECTED);
    finish(w);
}

/* ---- the rate ---- */

TEST(test_outbox_sends_no_faster_than_the_rate_and_records_whole)
{
    struct gw_rate rate;
    struct world *w;

    gw_clock_mono_ns = fake_mono;
    fake_ns = 100000000000;
    gw_rate_init(&rate, 10);
    w = world(1, 1);
    w->box.rate = &rate;
    w->p.limits = (struct gw_publisher_limits){.messages = 100, .bytes = 10000, .batches = 9};
    for (unsigned i = 0; i < 6; i++) {
        put(w, i);
        w->out[i].part = i < 3 ? i : 0; /* the first three are of one record */
    }
    gw_outbox_flush(&w->box);
    CHECK(w->n_sent == 3);
    fake_ns += 249000000; /* the two that were too early are made up for */
    gw_outbox_flush(&w->box);
    CHECK(w->n_sent == 3);
    fake_ns += 1000000;
    gw_outbox_flush(&w->box);
    CHECK(w->n_sent == 4);
    fake_ns += 99000000;
    gw_outbox_flush(&w->box);
    CHECK(w->n_sent == 4);
    fake_ns += 1000000;
    gw_outbox_flush(&w->box);
    CHECK(w->n_sent == 5);
    finish(w);
}
