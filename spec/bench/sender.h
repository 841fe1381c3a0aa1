/* For the benches of publishers: one event is made into messages and sent, so many batches at once,
 * until all have their result. Included once. */
#ifndef SPEC_BENCH_SENDER_H
#define SPEC_BENCH_SENDER_H

#include "base/arena.h"
#include "base/err.h"
#include "event/event.h"
#include "event/format.h"
#include "net/loop.h"
#include "publish/publisher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SENDS = 16, BATCH_MAX = 100, KEYS = 100 };
static const char event_json[] =
    "{\"specversion\":\"1.0\",\"id\":\"bench-1\",\"source\":\"/bench\",\"type\":\"com.example."
    "bench\",\"subject\":\"s\",\"time\":\"2026-04-07T06:30:01Z\",\"team\":\"ml\","
    "\"datacontenttype\":\"application/json\",\"data\":{\"n\":1,\"text\":\"some text of a usual "
    "length for an event\",\"list\":[1,2,3]}}";

static void die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

struct stopwatch {
    double wall, cpu;
};

static struct stopwatch now(void)
{
    struct timespec wall, cpu;

    clock_gettime(CLOCK_MONOTONIC, &wall);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    return (struct stopwatch){(double)wall.tv_sec + (double)wall.tv_nsec / 1e9,
                              (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9};
}

static void print(long n, struct stopwatch from)
{
    const struct stopwatch to = now();

    printf("events=%ld seconds=%.3f cpu=%.3f\n", n, to.wall - from.wall, to.cpu - from.cpu);
}

struct sender {
    struct gw_publisher *p;
    struct gw_loop *loop;
    struct gw_event event;
    int batch, keys; /* of a send; how many keys take turns */
    long left, ended, n;
    struct gw_task next;
};

static struct sent {
    struct gw_arena *mem;
    int left;
    struct gw_message m[BATCH_MAX];
} sends[SENDS];
static char key_texts[KEYS][8];

static void on_result(void *ctx, struct gw_message *m, const struct gw_result *r)
{
    struct sender *s = ctx;

    if (r->outcome != GW_DELIVERED)
        die("ours", r->why);
    s->ended++;
    if (!--sends[m->mark].left)
        gw_loop_post(s->loop, &s->next);
}

static void send_one(struct sender *s, struct sent *b)
{
    struct gw_err err;

    gw_arena_reset(b->mem);
    memset(b->m, 0, sizeof(b->m));
    for (b->left = 0; b->left < s->batch && s->left; b->left++, s->left--) {
        struct gw_message *m = &b->m[b->left];

        m->key = gw_str_of(key_texts[b->left % s->keys]);
        if (s->p->ops->format(s->p, &s->event, NULL, b->mem, m, &err))
            die("ours", err.msg);
        m->mark = (int)(b - sends);
        if (b->left)
            m[-1].next = m;
    }
    gw_publisher_send(s->p, b->m);
}

static void on_next(struct gw_task *t)
{
    struct sender *s = GW_CONTAINER(t, struct sender, next);

    for (int i = 0; i < SENDS && s->left; i++)
        if (!sends[i].left)
            send_one(s, &sends[i]);
    if (s->ended == s->n)
        gw_loop_stop(s->loop);
}

/* n events through a publisher of the type and its conf. */
static void send_all(const struct gw_publisher_ops *type, const void *conf, int batch, int n_keys,
                     long n)
{
    const struct gw_format format = {0};
    struct gw_arena *mem = gw_arena_new();
    struct sender s = {.batch = batch, .keys = n_keys, .left = n, .n = n, .next = {.fn = on_next}};
    struct stopwatch from;
    struct gw_err err;

    gw_event_init(&s.event, mem);
    if (gw_event_json_read(&s.event, gw_str_of(event_json), &err))
        die("ours", err.msg);
    for (int i = 0; i < KEYS; i++)
        snprintf(key_texts[i], sizeof(key_texts[i]), "k%d", i);
    for (int i = 0; i < SENDS; i++)
        sends[i].mem = gw_arena_new();
    s.loop = gw_loop_new();
    s.p = type->open(conf, &format, s.loop, &err);
    if (!s.p)
        die("ours", err.msg);
    s.p->result = on_result;
    s.p->ctx = &s;
    from = now();
    gw_loop_post(s.loop, &s.next);
    gw_loop_run(s.loop);
    print(n, from);
    gw_publisher_close(s.p);
    for (int i = 0; i < SENDS; i++)
        gw_arena_free(sends[i].mem);
    gw_loop_free(s.loop);
    gw_arena_free(mem);
}

#endif
