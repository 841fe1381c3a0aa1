/* Dead letters of ingest, read again: a letter goes only when its record is durable, what fails
 * stays, and closing early loses nothing. */
#include "admin/lines.h"

#include "../ingest/world.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/err.h"
#include "event/format.h"
#include "log/message.h"

#include <stdlib.h>

static const char good[] =
    "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\"}";
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t let_go = PTHREAD_COND_INITIALIZER;
static int held;

/* Of records alone: the state is written meanwhile. */
static int segments_wait(int fd)
{
    char link[64], path[4096];
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path));
    CHECK(n > 0);
    pthread_mutex_lock(&lock);
    while (held && memmem(path, (size_t)n, "/segments/", 10))
        pthread_cond_wait(&let_go, &lock);
    pthread_mutex_unlock(&lock);
    return 0;
}

static void hold(int on)
{
    pthread_mutex_lock(&lock);
    held = on;
    pthread_cond_broadcast(&let_go);
    pthread_mutex_unlock(&lock);
}

static void quiet(const char *text, size_t len)
{
    (void)text;
    (void)len;
}

struct added {
    struct gw_letter_add a;
    int done;
};

static void on_added(struct gw_mail *m)
{
    GW_CONTAINER(m, struct added, a.mail)->done = 1;
}

static void put_letter(struct world *w, const char *body)
{
    const struct gw_header type = {GW_STR("content-type"), GW_STR("application/cloudevents+json")};
    const struct gw_unread u = {.ingest = GW_STR("kafka"),
                                .source = GW_STR("t"),
                                .offset = 7,
                                .headers = &type,
                                .n_headers = 1,
                                .body = gw_str_of(body)};
    const struct gw_dead_letter d = {.reason = "undecodable",
                                     .error = GW_STR("no"),
                                     .record = gw_unread_put(w->mem, &u),
                                     .attempts = 1,
                                     .last_at_ns = gw_clock_wall_ns()};
    struct added a = {.a = {.mail.fn = on_added, .reply = w->front.loop, .d = &d}};

    gw_letter_add(w->log, &a.a);
    while (!a.done)
        gw_loop_turn(w->front.loop, 1);
    CHECK(!a.a.refused && !a.a.failed);
}

static int letters(struct world *w)
{
    struct gw_err err;
    struct gw_letter l;
    struct gw_letters *all = gw_letters_open(w->log, &(struct gw_letter_query){0}, 0, &err);
    int n = 0;

    while (gw_letters_next(all, w->mem, &l, &err) == 1)
        n++;
    gw_letters_close(all);
    return n;
}

static int woken;

static void on_wake(struct gw_mail *m)
{
    (void)m;
    woken = 1;
}

static struct gw_mail wake = {.fn = on_wake};
static const struct gw_ingest_conf no_sources;

static struct gw_lines *start(struct world *w, struct gw_err *err)
{
    const struct gw_reread_conf conf = {&no_sources, {.pipeline = GW_INGEST}, 0};

    return gw_lines_reread(&conf, w->log, w->metrics, w->front.loop, &wake, err);
}

/* The last line. */
static const char *pull(struct world *w, struct gw_lines *l)
{
    struct gw_buf out;
    struct gw_err err;
    int rc;

    gw_buf_init(&out, 1 << 20, w->mem);
    while ((rc = l->next(l, &out, &err)) != 0) {
        CHECK(rc > 0);
        for (woken = 0; rc == 2 && !woken;)
            gw_loop_turn(w->front.loop, 1);
        if (out.len && !memmem(out.p, out.len, "\"ended\":true", 12))
            gw_buf_clear(&out);
    }
    gw_buf_putc(&out, '\0');
    return out.p;
}

TEST(test_reread_lets_a_letter_go_when_its_record_is_durable)
{
    struct gw_lines *lines;
    struct gw_err err;
    struct gw_buf out;
    struct world w;
    const char *last;

    gw_diag_sink = quiet;
    world_open(&w, &gw_grpc_handler);
    gw_log_sync = segments_wait;
    put_letter(&w, good);
    put_letter(&w, "{bad");
    put_letter(&w, good);
    hold(1);
    lines = start(&w, &err);
    CHECK(lines && !start(&w, &err) && strstr(err.msg, "under way"));
    gw_buf_init(&out, 1 << 20, w.mem);
    CHECK(lines->next(lines, &out, &err) == 1); /* it has begun */
    put_letter(&w, "{bad"); /* the state is written; this one is not of the replay */
    put_letter(&w, "{bad");
    CHECK(letters(&w) == 5 && world_accepted(&w) == 0);
    hold(0);
    last = pull(&w, lines);
    CHECK(strstr(last, "\"done\":3,\"published\":2,") && strstr(last, "\"failed\":1,"));
    CHECK(strstr(last, "ingest/2: t[0]@7: "));
    CHECK(letters(&w) == 3 && world_accepted(&w) == 2);
    lines->close(lines);
    CHECK(!gw_lines_busy());
    world_close(&w);
}

TEST(test_reread_closed_early_ends_what_it_has_begun)
{
    struct gw_lines *lines;
    struct gw_err err;
    struct gw_buf out;
    struct world w;

    gw_diag_sink = quiet;
    world_open(&w, &gw_grpc_handler);
    gw_log_sync = segments_wait;
    for (int i = 0; i < 100; i++) /* more than are under way at once */
        put_letter(&w, good);
    hold(1);
    lines = start(&w, &err);
    CHECK(lines);
    gw_buf_init(&out, 1 << 20, w.mem);
    CHECK(lines->next(lines, &out, &err) == 1);
    lines->close(lines);
    CHECK(gw_lines_busy());
    hold(0);
    while (gw_lines_busy())
        gw_loop_turn(w.front.loop, 1);
    CHECK(letters(&w) == 100 - world_accepted(&w) && world_accepted(&w) < 100);
    world_close(&w);
}

TEST(test_reread_without_room_leaves_the_rest)
{
    struct gw_lines *lines;
    struct gw_err err;
    struct world w;
    const char *last;
    char *body = calloc(1, 50001);

    CHECK(body);
    gw_diag_sink = quiet;
    world_open_with(&w, &gw_grpc_handler, 1 << 20, 1 << 20);
    memset(body, ' ', 50000);
    memcpy(body, good, sizeof(good) - 1);
    memcpy(body + sizeof(good) - 2, ",\"data\":\"", 9);
    memcpy(body + 49998, "\"}", 2);
    for (int i = 0; i < 30; i++)
        put_letter(&w, body);
    lines = start(&w, &err);
    CHECK(lines);
    last = pull(&w, lines);
    CHECK(strstr(last, "the log is full") && strstr(last, "\"broken\":true"));
    CHECK(world_accepted(&w) > 0 && letters(&w) == 30 - world_accepted(&w));
    lines->close(lines);
    free(body);
    world_close(&w);
}
