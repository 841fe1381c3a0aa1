/* What our publisher of Pub/Sub costs, from event to result, against the tests' server:
 *   build/release/pubsub_bench ADDRESS PROJECT TOPIC N [key]
 * Sixteen sends of a hundred are under way. key: each event has one of a hundred ordering keys.
 * Prints events=, seconds= and cpu= (of this process). */
#include "base/arena.h"
#include "base/err.h"
#include "event/event.h"
#include "event/format.h"
#include "net/loop.h"
#include "publish/publish_pubsub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH = 100, SENDS = GW_TO_PUBSUB_SENDS, KEYS = 100 };
static const char event_json[] =
    "{\"specversion\":\"1.0\",\"id\":\"bench-1\",\"source\":\"/bench\",\"type\":\"com.example."
    "bench\",\"subject\":\"s\",\"time\":\"2026-04-07T06:30:01Z\",\"team\":\"ml\","
    "\"datacontenttype\":\"application/json\",\"data\":{\"n\":1,\"text\":\"some text of a usual "
    "length for an event\",\"list\":[1,2,3]}}";

static void die(const char *what)
{
    fprintf(stderr, "pubsub_bench: %s\n", what);
    exit(1);
}

static double seconds_of(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct sender {
    struct gw_publisher *p;
    struct gw_loop *loop;
    struct gw_event event;
    long left, ended, n;
    struct gw_task next;
};

static struct sent {
    struct gw_arena *mem;
    int left;
    struct gw_message m[BATCH];
} pool[SENDS];
static char keys[KEYS][8];

static void on_result(void *ctx, struct gw_message *m, const struct gw_result *r)
{
    struct sender *s = ctx;

    if (r->outcome != GW_DELIVERED)
        die(r->why);
    s->ended++;
    if (!--pool[m->mark].left)
        gw_loop_post(s->loop, &s->next);
}

static void send_one(struct sender *s, struct sent *b)
{
    struct gw_err err;

    gw_arena_reset(b->mem);
    memset(b->m, 0, sizeof(b->m));
    for (b->left = 0; b->left < BATCH && s->left; b->left++, s->left--) {
        struct gw_message *m = &b->m[b->left];

        m->key = gw_str_of(keys[b->left % KEYS]);
        if (s->p->ops->format(s->p, &s->event, NULL, b->mem, m, &err))
            die(err.msg);
        m->mark = (int)(b - pool);
        if (b->left)
            m[-1].next = m;
    }
    gw_publisher_send(s->p, b->m);
}

static void on_next(struct gw_task *t)
{
    struct sender *s = GW_CONTAINER(t, struct sender, next);

    for (int i = 0; i < SENDS && s->left; i++)
        if (!pool[i].left)
            send_one(s, &pool[i]);
    if (s->ended == s->n)
        gw_loop_stop(s->loop);
}

static void run(struct sender *s, const struct gw_publish_pubsub_conf *conf)
{
    const struct gw_format format = {0};
    double wall, cpu;
    struct gw_err err;

    s->p = gw_publish_pubsub.open(conf, &format, s->loop, &err);
    s->p->result = on_result;
    s->p->ctx = s;
    wall = seconds_of(CLOCK_MONOTONIC);
    cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    gw_loop_post(s->loop, &s->next);
    gw_loop_run(s->loop);
    printf("events=%ld seconds=%.3f cpu=%.3f\n", s->n, seconds_of(CLOCK_MONOTONIC) - wall,
           seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    gw_publisher_close(s->p);
}

int main(int argc, char **argv)
{
    struct gw_publish_pubsub_conf conf = {
        .common = {.max_message_bytes = 10000000, .batch = {BATCH, 1000000, 0}},
        .ordering = argc > 5 ? GW_ORDERING_KEY : GW_ORDERING_NONE};
    struct gw_arena *mem = gw_arena_new();
    struct sender s = {.loop = gw_loop_new(), .next = {.fn = on_next}};
    struct gw_err err;

    if (argc < 5)
        die("ADDRESS PROJECT TOPIC N [key]");
    setenv("PUBSUB_EMULATOR_HOST", argv[1], 1);
    conf.project = argv[2];
    conf.topic = argv[3];
    s.n = s.left = strtol(argv[4], NULL, 10);
    gw_event_init(&s.event, mem);
    if (gw_event_json_read(&s.event, gw_str_of(event_json), &err))
        die(err.msg);
    for (int i = 0; i < KEYS; i++)
        snprintf(keys[i], sizeof(keys[i]), "k%d", i);
    for (int i = 0; i < SENDS; i++)
        pool[i].mem = gw_arena_new();
    run(&s, &conf);
    for (int i = 0; i < SENDS; i++)
        gw_arena_free(pool[i].mem);
    gw_loop_free(s.loop);
    gw_arena_free(mem);
    return 0;
}
