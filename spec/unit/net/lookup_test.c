#include "net/lookup.h"

#include "net/loop.h"
#include "test.h"

#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>

/* A resolver that answers when it is let to. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int is_open, asking, most, answered;

static int slow_ask(const char *host, const char *port, const struct addrinfo *hints,
                    struct addrinfo **found)
{
    (void)hints;
    pthread_mutex_lock(&lock);
    most = ++asking > most ? asking : most;
    pthread_cond_broadcast(&changed);
    while (!is_open)
        pthread_cond_wait(&changed, &lock);
    asking--;
    pthread_mutex_unlock(&lock);
    if (!strcmp(host, "none.example"))
        return EAI_NONAME;
    return gw_lookup_digits("127.0.0.1", port, found);
}

static void wait_until_asking(int n)
{
    pthread_mutex_lock(&lock);
    while (asking < n)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static void open_up(void)
{
    pthread_mutex_lock(&lock);
    is_open = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void on_known(void *ctx, int problem, struct addrinfo *found)
{
    int *said = ctx;

    *said = problem ? problem : ntohs(((struct sockaddr_in *)(void *)found->ai_addr)->sin_port);
    answered++;
    if (found)
        freeaddrinfo(found);
}

static void on_timer(struct gw_timer *t)
{
    (void)t;
    open_up();
}

TEST(test_lookup_that_waits_does_not_keep_its_loop)
{
    struct gw_loop *loop = gw_loop_new();
    struct gw_timer timer;
    int one = 0, none = 0;

    gw_lookup_ask = slow_ask;
    gw_timer_init(&timer, loop, on_timer);
    (void)gw_lookup_start(loop, "admin.example", "81", on_known, &one);
    (void)gw_lookup_start(loop, "none.example", "81", on_known, &none);
    wait_until_asking(2);
    gw_loop_turn(loop, 0);
    CHECK(answered == 0);
    gw_timer_set(&timer, 1); /* the loop turns meanwhile: it is what lets them go on */
    while (answered < 2)
        gw_loop_turn(loop, 1);
    CHECK(one == 81 && none == EAI_NONAME);
    CHECK(strstr(gw_lookup_problem(none), "not known"));
    gw_timer_fini(&timer);
    gw_loop_free(loop);
}

TEST(test_lookup_takes_few_threads_and_answers_all)
{
    enum { N = 50 };
    struct gw_loop *loop = gw_loop_new();
    int said[N] = {0};

    gw_lookup_ask = slow_ask;
    for (int i = 0; i < N; i++)
        (void)gw_lookup_start(loop, "admin.example", "7", on_known, &said[i]);
    wait_until_asking(GW_LOOKUP_THREADS);
    open_up();
    while (answered < N)
        gw_loop_turn(loop, 1);
    for (int i = 0; i < N; i++)
        CHECK(said[i] == 7);
    CHECK(most == GW_LOOKUP_THREADS);
    gw_loop_free(loop);
}

TEST(test_lookup_cancelled_says_nothing_and_outlives_its_loop)
{
    struct gw_loop *loop = gw_loop_new(), *other = gw_loop_new();
    struct gw_lookup *l[8];
    int said = 0, last = 0;

    gw_lookup_ask = slow_ask;
    for (int i = 0; i < 8; i++)
        l[i] = gw_lookup_start(loop, "admin.example", "1", on_known, &said);
    wait_until_asking(GW_LOOKUP_THREADS);
    for (int i = 0; i < 8; i++) /* under way, at the end of the queue, in its middle */
        gw_lookup_cancel(l[(i * 3 + 7) % 8]);
    gw_loop_free(loop);
    (void)gw_lookup_start(other, "admin.example", "2", on_known, &last);
    open_up();
    while (answered < 1)
        gw_loop_turn(other, 1);
    CHECK(last == 2 && said == 0);
    gw_loop_free(other);
}

static struct gw_lookup *both[2];

static void on_first(void *ctx, int problem, struct addrinfo *found)
{
    const int me = ctx == &both[1];

    CHECK(!problem);
    freeaddrinfo(found);
    gw_lookup_cancel(both[!me]);
    answered++;
}

TEST(test_lookup_may_be_cancelled_when_its_answer_waits)
{
    struct gw_loop *loop = gw_loop_new();

    gw_lookup_ask = slow_ask;
    for (int i = 0; i < 2; i++)
        both[i] = gw_lookup_start(loop, "admin.example", "1", on_first, &both[i]);
    wait_until_asking(2);
    open_up();
    while (!answered)
        gw_loop_turn(loop, 1);
    gw_loop_turn(loop, 0);
    CHECK(answered == 1);
    gw_loop_free(loop);
}
