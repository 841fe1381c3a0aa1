#include "net/loop.h"

#include "test.h"

#include <pthread.h>
#include <unistd.h>

static char seen[100];
static int n_seen;

static void see(char c)
{
    seen[n_seen++] = c;
}

struct posts {
    struct gw_task task;
    struct gw_loop *loop;
    struct gw_task *more;
    char c;
};

static void on_task(struct gw_task *t)
{
    struct posts *p = GW_CONTAINER(t, struct posts, task);

    see(p->c);
    if (p->more)
        gw_loop_post(p->loop, p->more);
}

TEST(test_loop_runs_what_tasks_post_in_the_next_turn)
{
    struct gw_loop *l = gw_loop_new();
    struct posts b = {.task = {.fn = on_task}, .loop = l, .c = 'b'};
    struct posts a = {.task = {.fn = on_task}, .loop = l, .more = &b.task, .c = 'a'};
    struct posts c = {.task = {.fn = on_task}, .loop = l, .c = 'c'};

    gw_loop_post(l, &a.task);
    gw_loop_post(l, &c.task);
    gw_loop_post(l, &c.task);
    gw_loop_turn(l, 0);
    CHECK(n_seen == 2 && seen[0] == 'a' && seen[1] == 'c');
    gw_loop_turn(l, 0);
    CHECK(n_seen == 3 && seen[2] == 'b');
    gw_loop_free(l);
}

TEST(test_loop_does_not_run_a_cancelled_task)
{
    struct gw_loop *l = gw_loop_new();
    struct posts a = {.task = {.fn = on_task}, .c = 'a'}, b = {.task = {.fn = on_task}, .c = 'b'};

    gw_loop_post(l, &a.task);
    gw_loop_post(l, &b.task);
    gw_loop_cancel(l, &b.task);
    gw_loop_cancel(l, &b.task);
    gw_loop_post(l, &b.task);
    gw_loop_cancel(l, &a.task);
    gw_loop_turn(l, 0);
    CHECK(n_seen == 1 && seen[0] == 'b');
    gw_loop_free(l);
}

static void on_ready(struct gw_watch *w, int what)
{
    char c;

    CHECK(what == GW_READABLE && read(w->fd, &c, 1) == 1);
    see(c);
}

TEST(test_loop_watches_only_while_something_is_wanted)
{
    struct gw_loop *l = gw_loop_new();
    struct gw_watch w;
    int fds[2];

    CHECK(pipe(fds) == 0 && write(fds[1], "xy", 2) == 2);
    gw_watch_init(&w, l, fds[0], on_ready);
    gw_loop_turn(l, 0);
    CHECK(n_seen == 0);
    gw_watch_want(&w, GW_READABLE);
    gw_loop_turn(l, 0);
    CHECK(n_seen == 1);
    gw_watch_want(&w, 0);
    gw_loop_turn(l, 0);
    CHECK(n_seen == 1);
    gw_watch_fini(&w);
    gw_loop_free(l);
}

static void on_timer(struct gw_timer *t)
{
    see('t');
    gw_loop_stop(t->loop);
}

TEST(test_loop_timer_fires_once_and_stop_ends_the_run)
{
    struct gw_loop *l = gw_loop_new();
    struct gw_timer t;

    gw_timer_init(&t, l, on_timer);
    gw_timer_set(&t, 60000);
    gw_timer_set(&t, 1);
    gw_loop_run(l);
    CHECK(n_seen == 1);
    gw_timer_cancel(&t);
    gw_timer_fini(&t);
    gw_loop_free(l);
}

enum { THREADS = 4, MAILS = 1000 };
struct numbered {
    struct gw_mail mail;
    int thread, n;
    struct gw_loop *loop;
};
static struct numbered mails[THREADS][MAILS];
static int last_seen[THREADS], received;

static void on_mail(struct gw_mail *m)
{
    struct numbered *x = GW_CONTAINER(m, struct numbered, mail);

    CHECK(x->n == last_seen[x->thread] + 1);
    last_seen[x->thread] = x->n;
    if (++received == THREADS * MAILS)
        gw_loop_stop(x->loop);
}

static void *sender(void *arg)
{
    struct numbered *mine = arg;

    for (int i = 0; i < MAILS; i++)
        gw_loop_post_mail(mine[i].loop, &mine[i].mail);
    return NULL;
}

TEST(test_mailbox_keeps_the_order_of_each_sender)
{
    struct gw_loop *l = gw_loop_new();
    pthread_t threads[THREADS];

    for (int t = 0; t < THREADS; t++) {
        for (int i = 0; i < MAILS; i++)
            mails[t][i] = (struct numbered){{.fn = on_mail}, t, i + 1, l};
        CHECK(pthread_create(&threads[t], NULL, sender, mails[t]) == 0);
    }
    gw_loop_run(l);
    for (int t = 0; t < THREADS; t++)
        pthread_join(threads[t], NULL);
    CHECK(received == THREADS * MAILS);
    gw_loop_free(l);
}

struct to_itself {
    struct gw_task task;
    struct gw_mail mail;
    struct gw_loop *loop;
    struct gw_timer late;
};

static void on_own_mail(struct gw_mail *m)
{
    (void)m;
    see('m');
}

static void post_to_itself(struct gw_task *t)
{
    struct to_itself *x = GW_CONTAINER(t, struct to_itself, task);

    see('t');
    gw_loop_post_mail(x->loop, &x->mail);
}

static void too_late(struct gw_timer *t)
{
    (void)t;
    see('!');
}

/* The next turn has it, and does not wait for anything else; what others post behind it comes,
 * too. */
TEST(test_loop_gets_the_mail_that_it_posts_to_itself)
{
    struct gw_loop *l = gw_loop_new();
    struct to_itself x = {.task = {.fn = post_to_itself}, .mail = {.fn = on_own_mail}, .loop = l};
    struct gw_mail behind = {.fn = on_own_mail};

    n_seen = 0;
    gw_timer_init(&x.late, l, too_late);
    gw_timer_set(&x.late, 600000);
    gw_loop_post(l, &x.task);
    gw_loop_turn(l, 1);
    CHECK(n_seen == 1 && seen[0] == 't');
    gw_loop_post_mail(l, &behind); /* as from outside of a turn */
    gw_loop_turn(l, 1);
    CHECK(n_seen == 3 && seen[1] == 'm' && seen[2] == 'm');
    gw_loop_post_mail(l, &x.mail);
    gw_loop_turn(l, 1);
    CHECK(n_seen == 4 && seen[3] == 'm');
    gw_timer_fini(&x.late);
    gw_loop_free(l);
}

static void *posts_one(void *arg)
{
    static struct gw_mail m;

    gw_mailbox_post(arg, &m);
    gw_mailbox_close(arg);
    return NULL;
}

TEST(test_mailbox_take_waits_for_mail_and_ends_when_closed)
{
    struct gw_mailbox b;
    pthread_t t;

    gw_mailbox_init(&b);
    CHECK(gw_mailbox_take(&b, 0) == NULL);
    CHECK(pthread_create(&t, NULL, posts_one, &b) == 0);
    CHECK(gw_mailbox_take(&b, -1) != NULL);
    CHECK(gw_mailbox_take(&b, -1) == NULL);
    pthread_join(t, NULL);
    gw_mailbox_fini(&b);
}
