#include "net/lookup.h"

#include "net/loop.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* A lookup has two holders, its owner and the thread, and a descriptor that tells the owner's loop:
 * so a loop may be gone before the thread comes back. */

struct gw_lookup {
    struct gw_lookup *next; /* waits for a thread */
    gw_lookup_fn *done;
    void *ctx;
    struct gw_watch watch;
    int fd, holders, problem;
    struct addrinfo *found;
    char *host, *port;
};

static struct { /* of the process */
    pthread_mutex_t lock;
    struct gw_lookup *first, **last;
    int threads;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER, .last = &all.first};

int (*gw_lookup_ask)(const char *host, const char *port, const struct addrinfo *hints,
                     struct addrinfo **found) = getaddrinfo;

static const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};

/* Under the lock. */
static void let_go(struct gw_lookup *l)
{
    if (--l->holders > 0)
        return;
    if (l->found)
        freeaddrinfo(l->found);
    close(l->fd);
    free(l->host);
    free(l->port);
    free(l);
}

/* Under the lock: the thread's part is over. */
static void tell(struct gw_lookup *l, int problem, struct addrinfo *found)
{
    const uint64_t one = 1;
    ssize_t n;

    l->problem = problem;
    l->found = found;
    n = write(l->fd, &one, sizeof(one));
    (void)n; /* its counter was 0 */
    let_go(l);
}

static struct gw_lookup *take_first(void)
{
    struct gw_lookup *l = all.first;

    if (l) {
        all.first = l->next;
        if (!all.first)
            all.last = &all.first;
        l->holders++;
    }
    return l;
}

static void *ask(void *unused)
{
    struct gw_lookup *l;

    (void)unused;
    pthread_mutex_lock(&all.lock);
    while ((l = take_first())) {
        struct addrinfo *found = NULL;
        int problem;

        pthread_mutex_unlock(&all.lock);
        problem = gw_lookup_ask(l->host, l->port, &hints, &found);
        pthread_mutex_lock(&all.lock);
        tell(l, problem, problem ? NULL : found);
    }
    all.threads--;
    pthread_mutex_unlock(&all.lock);
    return NULL;
}

/* Signals are the control thread's. */
static int start_thread(void)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t every, before;
    int rc;

    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    rc = pthread_create(&thread, &attr, ask, NULL);
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc ? -1 : 0;
}

/* Under the lock. Without any thread there is nobody to ask. */
static void queue(struct gw_lookup *l)
{
    *all.last = l;
    all.last = &l->next;
    if (all.threads < GW_LOOKUP_THREADS && !start_thread())
        all.threads++;
    else if (!all.threads)
        tell(take_first(), EAI_MEMORY, NULL);
}

static void on_told(struct gw_watch *w, int what)
{
    struct gw_lookup *l = GW_CONTAINER(w, struct gw_lookup, watch);
    gw_lookup_fn *done = l->done;
    void *ctx = l->ctx;
    struct addrinfo *found;
    int problem;

    (void)what;
    gw_watch_fini(w);
    pthread_mutex_lock(&all.lock);
    found = l->found;
    problem = l->problem;
    l->found = NULL;
    let_go(l);
    pthread_mutex_unlock(&all.lock);
    done(ctx, problem, found);
}

static char *copy(const char *s)
{
    char *p = strdup(s);

    if (!p)
        abort();
    return p;
}

struct gw_lookup *gw_lookup_start(struct gw_loop *loop, const char *host, const char *port,
                                  gw_lookup_fn *done, void *ctx)
{
    const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct gw_lookup *l;

    if (fd < 0)
        return NULL;
    l = calloc(1, sizeof(*l));
    if (!l)
        abort();
    *l = (struct gw_lookup){
        .done = done, .ctx = ctx, .fd = fd, .holders = 1, .host = copy(host), .port = copy(port)};
    gw_watch_init(&l->watch, loop, l->fd, on_told);
    gw_watch_want(&l->watch, GW_READABLE);
    pthread_mutex_lock(&all.lock);
    queue(l);
    pthread_mutex_unlock(&all.lock);
    return l;
}

void gw_lookup_cancel(struct gw_lookup *l)
{
    struct gw_lookup **p = &all.first;

    if (!l)
        return;
    gw_watch_fini(&l->watch);
    pthread_mutex_lock(&all.lock);
    while (*p && *p != l)
        p = &(*p)->next;
    if (*p) {
        *p = l->next;
        if (!*p)
            all.last = p;
    }
    let_go(l);
    pthread_mutex_unlock(&all.lock);
}

int gw_lookup_digits(const char *host, const char *port, struct addrinfo **found)
{
    const struct addrinfo digits = {.ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};

    return getaddrinfo(host, port, &digits, found);
}

const char *gw_lookup_problem(int problem)
{
    return gai_strerror(problem);
}
