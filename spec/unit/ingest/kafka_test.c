/* A Kafka source: what is under way in a partition and the offset that comes of it, without a
 * broker; and the whole of it with librdkafka's own in this process. */
#include "ingest/kafka.h"

#include "base/clock.h"
#include "base/diag.h"
#include "base/err.h"
#include "world.h"

#include "../publish/kafka_mock.h"

/* ---- partitions ---- */

struct parts {
    struct world w;
    struct gw_kafka_in in;
    struct gw_kafka_part *p;
};

static void parts_nothing(struct gw_task *t)
{
    (void)t;
}

static void parts_open(struct parts *x)
{
    world_open(&x->w, &gw_grpc_handler);
    memset(&x->in, 0, sizeof(x->in));
    x->in.base = (struct gw_source){&gw_source_kafka, &x->w.front};
    x->in.last_refused = &x->in.refused;
    x->in.turn.fn = parts_nothing;
    x->p = gw_kafka_part_add(&x->in, "t", 3);
}

static void parts_close(struct parts *x)
{
    while (x->in.parts)
        gw_kafka_part_remove(x->in.parts);
    CHECK(!x->in.gone && x->in.bytes == 0);
    while (x->in.idle) {
        struct gw_kafka_taken *t = x->in.idle;

        x->in.idle = t->next;
        free(t);
    }
    gw_loop_cancel(x->w.front.loop, &x->in.turn);
    world_close(&x->w);
}

TEST(test_kafka_offset_never_passes_a_message_that_is_not_durable)
{
    static const int64_t offsets[] = {5, 6, 9, 10}; /* a transaction's marks leave gaps */
    struct gw_kafka_taken *t[4];
    struct parts x;

    parts_open(&x);
    for (int i = 0; i < 4; i++)
        t[i] = gw_kafka_take(x.p, offsets[i], 100);
    CHECK(x.p->next_offset == -1 && x.in.bytes == 400);
    gw_kafka_done(t[1], 1);
    gw_kafka_done(t[3], 1);
    CHECK(x.p->next_offset == -1);
    gw_kafka_done(t[0], 1);
    CHECK(x.p->next_offset == 7 && x.p->under_way == 1 && x.in.bytes == 100);
    gw_kafka_done(t[2], 1);
    CHECK(x.p->next_offset == 11 && x.p->under_way == 0);
    parts_close(&x);
}

TEST(test_kafka_offset_stays_before_what_could_not_be_kept)
{
    struct gw_kafka_taken *t[3];
    struct parts x;

    parts_open(&x);
    for (int i = 0; i < 3; i++)
        t[i] = gw_kafka_take(x.p, i, 10);
    gw_kafka_done(t[0], 1);
    gw_kafka_done(t[1], 0);
    gw_kafka_done(t[2], 1);
    CHECK(x.p->next_offset == 1 && x.p->under_way == 0);
    parts_close(&x);
}

TEST(test_kafka_message_that_has_to_wait_is_as_if_it_had_not_come)
{
    struct gw_kafka_taken *a, *b;
    struct parts x;

    parts_open(&x);
    a = gw_kafka_take(x.p, 1, 10);
    b = gw_kafka_take(x.p, 2, 10);
    gw_kafka_untake(b);
    CHECK(x.in.bytes == 10 && x.p->under_way == 1);
    gw_kafka_done(a, 1);
    CHECK(x.p->next_offset == 2);
    gw_kafka_done(gw_kafka_take(x.p, 2, 10), 1);
    CHECK(x.p->next_offset == 3);
    parts_close(&x);
}

TEST(test_kafka_partition_that_went_lives_until_its_messages_have_ended)
{
    struct gw_kafka_taken *t;
    struct parts x;

    parts_open(&x);
    t = gw_kafka_take(x.p, 1, 10);
    CHECK(gw_kafka_part_find(&x.in, "t", 3) == x.p && !gw_kafka_part_find(&x.in, "t", 2));
    gw_kafka_part_remove(x.p);
    CHECK(!gw_kafka_part_find(&x.in, "t", 3) && x.in.gone == x.p);
    gw_kafka_done(t, 1);
    CHECK(!x.in.gone);
    parts_close(&x);
}

/* ---- the whole ---- */

enum { COMMITS_MS = 700 }; /* more than what lies between two commits */

/* Syncs of files whose path has this in it wait; NULL: none. */
static const char *waits;

static int wait_for_some(int fd)
{
    char link[64], path[4096];
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path));
    CHECK(n > 0);
    pthread_mutex_lock(&world_lock);
    while (waits && memmem(path, (size_t)n, waits, strlen(waits)))
        pthread_cond_wait(&world_changed, &world_lock);
    pthread_mutex_unlock(&world_lock);
    return 0;
}

static void hold(const char *which)
{
    pthread_mutex_lock(&world_lock);
    waits = which;
    pthread_cond_broadcast(&world_changed);
    pthread_mutex_unlock(&world_lock);
}

static int stopped;

static void on_stopped(void *ctx)
{
    (void)ctx;
    stopped = 1;
}

static void quiet(const char *text, size_t len)
{
    (void)text;
    (void)len;
}

static const char json_event[] =
    "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\"}";

static void produce(rd_kafka_t *rk, const char *value, int n)
{
    while (n-- > 0)
        CHECK(!rd_kafka_producev(
            rk, RD_KAFKA_V_TOPIC("t"),
            RD_KAFKA_V_HEADER("content-type", "application/cloudevents+json", -1),
            RD_KAFKA_V_VALUE((void *)value, strlen(value)),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END));
    CHECK(!rd_kafka_flush(rk, 10000));
}

static rd_kafka_t *client(rd_kafka_type_t type)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[200];
    rd_kafka_t *rk;

    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(kafka_mock()),
                      why, sizeof(why));
    rd_kafka_conf_set(conf, "group.id", "g", why, sizeof(why));
    rk = rd_kafka_new(type, conf, why, sizeof(why));
    CHECK(rk);
    return rk;
}

static int64_t committed(rd_kafka_t *rk)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    int64_t offset;

    rd_kafka_topic_partition_list_add(list, "t", 0);
    CHECK(!rd_kafka_committed(rk, list, 10000));
    offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return offset;
}

static void until_committed(struct world *w, rd_kafka_t *rk, int64_t offset)
{
    while (committed(rk) != offset)
        gw_loop_turn(w->front.loop, 1);
}

/* The timers of commits and of letters have had their time. */
static void let_commit(struct world *w)
{
    const int64_t end = gw_mono_ms() + COMMITS_MS;

    while (gw_mono_ms() < end)
        gw_loop_turn(w->front.loop, 1);
}

static uint64_t letters(struct world *w)
{
    struct gw_err err;
    struct gw_letter l;
    struct gw_letters *all =
        gw_letters_open(w->log, &(struct gw_letter_query){.pipeline = GW_INGEST}, 0, &err);
    uint64_t n = 0;

    CHECK(all);
    while (gw_letters_next(all, w->mem, &l, &err) == 1)
        n++;
    gw_letters_close(all);
    return n;
}

static void changed(struct gw_mail *m)
{
    (void)m;
}

static void drop_letter(struct world *w, uint64_t number)
{
    static struct gw_letter_change c;

    c = (struct gw_letter_change){.mail.fn = changed,
                                  .reply = w->front.loop,
                                  .pipeline = GW_STR(GW_INGEST),
                                  .number = number};
    gw_letter_change(w->log, &c);
}

TEST(test_kafka_commits_what_is_durable_and_waits_for_room_among_the_letters)
{
    static const char *brokers[1], *topics[] = {"t"};
    struct gw_ingest_kafka conf = {.topics = {topics, 1}, .group = "g"};
    struct gw_kafka_in *k;
    rd_kafka_t *producer, *looker;
    struct gw_source *s;
    struct gw_err err;
    struct world w;

    gw_diag_sink = quiet;
    CHECK(!rd_kafka_mock_topic_create(kafka_mock(), "t", 1, 1));
    brokers[0] = rd_kafka_mock_cluster_bootstraps(kafka_mock());
    conf.brokers = (struct gw_strs){brokers, 1};
    producer = client(RD_KAFKA_PRODUCER);
    looker = client(RD_KAFKA_CONSUMER);
    produce(producer, "{bad", 1);
    produce(producer, json_event, 4);
    world_open(&w, &gw_grpc_handler);
    gw_log_sync = wait_for_some;
    hold("/"); /* nothing is durable */
    s = gw_source_kafka.open(&conf, &w.front, &err);
    CHECK(s);
    k = (struct gw_kafka_in *)s;
    while (!k->parts || k->parts->under_way < 5)
        gw_loop_turn(w.front.loop, 1);
    let_commit(&w);
    CHECK(committed(looker) < 0 && world_accepted(&w) == 0);
    hold("state.db"); /* the records are, the letter before them is not */
    while (world_accepted(&w) < 4)
        gw_loop_turn(w.front.loop, 1);
    let_commit(&w);
    CHECK(committed(looker) < 0);
    hold(NULL);
    until_committed(&w, looker, 5);
    CHECK(world_accepted(&w) == 4 && letters(&w) == 1);
    CHECK(world_rejected(&w, GW_KAFKA, GW_R_INVALID) == 1);
    CHECK(k->dead[GW_R_INVALID]->value == 1);

    gw_log_ingest_letters(w.log, 1, 0); /* no room for one more */
    produce(producer, "{bad", 1);
    produce(producer, json_event, 2);
    while (!k->refused)
        gw_loop_turn(w.front.loop, 1);
    produce(producer, json_event, 2); /* its partition waits */
    let_commit(&w);
    CHECK(committed(looker) == 5 && letters(&w) == 1 && world_accepted(&w) <= 6);
    drop_letter(&w, 1);
    until_committed(&w, looker, 10);
    CHECK(world_accepted(&w) == 8 && letters(&w) == 1);

    gw_source_kafka.stop(s, on_stopped, NULL);
    while (!stopped)
        gw_loop_turn(w.front.loop, 1);
    gw_source_kafka.close(s);
    rd_kafka_destroy(producer);
    rd_kafka_destroy(looker);
    world_close(&w);
}

/* One that has come to a fatal end says no goodbye: it is hurried, who comes after it is not, and
 * waits at a rebalance for what is under way. */
TEST(test_kafka_consumer_that_begins_anew_is_not_in_the_hurry_of_the_one_before)
{
    static const char *brokers[] = {"127.0.0.1:1"}, *topics[] = {"t"};
    const struct gw_ingest_kafka conf = {
        .brokers = {brokers, 1}, .topics = {topics, 1}, .group = "g"};
    struct gw_ingest_kafka next = conf;
    struct gw_kafka_in *k;
    struct gw_source *s;
    struct gw_err err;
    struct world w;

    gw_diag_sink = quiet;
    next.group = "h";
    stopped = 0;
    world_open(&w, &gw_grpc_handler);
    s = gw_source_kafka.open(&conf, &w.front, &err);
    CHECK(s);
    k = (struct gw_kafka_in *)s;
    CHECK(!rd_kafka_test_fatal_error(k->rk, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, "a test"));
    gw_source_kafka.renew(s, &next);
    gw_kafka_in_go_on(k); /* before it is told of the end */
    CHECK(!k->renewing && !k->rk && !k->hurried);
    while (!k->rk)
        gw_loop_turn(w.front.loop, 1);
    gw_source_kafka.stop(s, on_stopped, NULL);
    while (!stopped)
        gw_loop_turn(w.front.loop, 1);
    gw_source_kafka.close(s);
    world_close(&w);
}
