/* The loop over libevent: readiness and timers are its events, tasks a list run after them, mail a
 * list under a lock with a descriptor that wakes the loop once. */
#include "net/loop.h"

#include "base/clock.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct gw_loop {
    struct event_base *base;
    struct gw_task *first, **last;
    struct event wake; /* mail has come, or stop was asked */
    int wake_fd, stopped;
    pthread_mutex_t lock; /* of what follows */
    struct gw_mail *mail, **mail_last;
    int stop_asked;
    int64_t now_ms;
    int has_own_mail;   /* the first of what is there was posted by the loop's own thread */
    _Atomic int wakers; /* threads that are about to wake it */
};

static _Thread_local struct gw_loop *turning; /* whose turn this thread is in */

static void *checked(void *p)
{
    if (!p)
        abort();
    return p;
}

static void take_mail(struct gw_loop *l)
{
    struct gw_mail *m;

    l->has_own_mail = 0;
    pthread_mutex_lock(&l->lock);
    m = l->mail;
    l->mail = NULL;
    l->mail_last = &l->mail;
    if (l->stop_asked)
        l->stopped = 1;
    pthread_mutex_unlock(&l->lock);
    while (m) {
        struct gw_mail *next = m->next;

        m->fn(m);
        m = next;
    }
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    uint64_t count;
    ssize_t n = read(fd, &count, sizeof(count));

    (void)n;
    (void)what;
    take_mail(arg);
}

struct gw_loop *gw_loop_new(void)
{
    struct gw_loop *l = checked(calloc(1, sizeof(*l)));
    struct event_config *conf = checked(event_config_new());

    event_config_set_flag(conf, EVENT_BASE_FLAG_NOLOCK);
    event_config_set_flag(conf, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
    l->base = checked(event_base_new_with_config(conf));
    event_config_free(conf);
    l->last = &l->first;
    l->mail_last = &l->mail;
    pthread_mutex_init(&l->lock, NULL);
    l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (l->wake_fd < 0)
        abort();
    event_assign(&l->wake, l->base, l->wake_fd, EV_READ | EV_PERSIST, on_wake, l);
    event_add(&l->wake, NULL);
    return l;
}

void gw_loop_free(struct gw_loop *l)
{
    if (!l)
        return;
    while (atomic_load(&l->wakers))
        sched_yield();
    event_del(&l->wake);
    event_base_free(l->base);
    close(l->wake_fd);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

/* Only what was posted before it began: what that posts waits for the next turn. */
static void run_tasks(struct gw_loop *l)
{
    struct gw_task end = {.posted = 0}, *t;

    if (!l->first)
        return;
    *l->last = &end;
    l->last = &end.next;
    while ((t = l->first) != &end) {
        l->first = t->next;
        t->posted = 0;
        t->fn(t);
    }
    l->first = end.next;
    if (!l->first)
        l->last = &l->first;
}

void gw_loop_turn(struct gw_loop *l, int wait)
{
    struct gw_loop *outer = turning;
    const int waits = wait && !l->first && !l->has_own_mail;

    turning = l;
    l->now_ms = 0;
    event_base_loop(l->base, EVLOOP_ONCE | (waits ? 0 : EVLOOP_NONBLOCK));
    l->now_ms = 0;
    if (l->has_own_mail)
        take_mail(l);
    run_tasks(l);
    turning = outer;
}

void gw_loop_run(struct gw_loop *l)
{
    while (!l->stopped)
        gw_loop_turn(l, 1);
}

static void wake(struct gw_loop *l)
{
    const uint64_t one = 1;
    ssize_t n = write(l->wake_fd, &one, sizeof(one));

    (void)n; /* a full counter wakes just as well */
}

void gw_loop_stop(struct gw_loop *l)
{
    pthread_mutex_lock(&l->lock);
    l->stop_asked = 1;
    pthread_mutex_unlock(&l->lock);
    wake(l);
}

void gw_loop_post_mail(struct gw_loop *l, struct gw_mail *m)
{
    int was_empty;

    m->next = NULL;
    pthread_mutex_lock(&l->lock);
    was_empty = !l->mail;
    *l->mail_last = m;
    l->mail_last = &m->next;
    if (was_empty && turning == l)
        l->has_own_mail = 1;
    else if (was_empty)
        atomic_fetch_add(&l->wakers, 1);
    pthread_mutex_unlock(&l->lock);
    if (!was_empty || turning == l)
        return;
    /* Without the lock, which is the first thing that the loop takes when it wakes. It may be freed
     * once the mail is out of it, but not before this is over. */
    wake(l);
    atomic_fetch_sub(&l->wakers, 1);
}

int64_t gw_loop_now_ms(struct gw_loop *l)
{
    if (!l->now_ms)
        l->now_ms = gw_mono_ms();
    return l->now_ms;
}

static void on_watch(evutil_socket_t fd, short what, void *arg)
{
    struct gw_watch *w = arg;

    (void)fd;
    w->fn(w, (what & EV_READ ? GW_READABLE : 0) | (what & EV_WRITE ? GW_WRITABLE : 0));
}

void gw_watch_init(struct gw_watch *w, struct gw_loop *l, int fd,
                   void (*fn)(struct gw_watch *w, int what))
{
    *w = (struct gw_watch){.loop = l, .fn = fn, .fd = fd};
    w->impl = checked(malloc(sizeof(struct event)));
    event_assign(w->impl, l->base, fd, EV_PERSIST, on_watch, w);
}

void gw_watch_want(struct gw_watch *w, int what)
{
    if (what == w->want)
        return;
    if (w->want)
        event_del(w->impl);
    w->want = what;
    if (!what)
        return;
    event_assign(w->impl, w->loop->base, w->fd,
                 (short)(EV_PERSIST | (what & GW_READABLE ? EV_READ : 0) |
                         (what & GW_WRITABLE ? EV_WRITE : 0)),
                 on_watch, w);
    event_add(w->impl, NULL);
}

void gw_watch_fini(struct gw_watch *w)
{
    if (!w->impl)
        return;
    event_del(w->impl);
    free(w->impl);
    *w = (struct gw_watch){.fd = -1};
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct gw_timer *t = arg;

    (void)fd;
    (void)what;
    t->fn(t);
}

void gw_timer_init(struct gw_timer *t, struct gw_loop *l, void (*fn)(struct gw_timer *t))
{
    *t = (struct gw_timer){.loop = l, .fn = fn};
    t->impl = checked(malloc(sizeof(struct event)));
    event_assign(t->impl, l->base, -1, 0, on_timer, t);
}

void gw_timer_set(struct gw_timer *t, int64_t ms)
{
    struct timeval tv;

    ms = ms < 0 ? 0 : ms;
    tv = (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    event_add(t->impl, &tv);
}

void gw_timer_set_unless(struct gw_timer *t, int64_t ms)
{
    if (!event_pending(t->impl, EV_TIMEOUT, NULL))
        gw_timer_set(t, ms);
}

void gw_timer_cancel(struct gw_timer *t)
{
    event_del(t->impl);
}

void gw_timer_fini(struct gw_timer *t)
{
    if (!t->impl)
        return;
    event_del(t->impl);
    free(t->impl);
    *t = (struct gw_timer){0};
}

void gw_loop_post(struct gw_loop *l, struct gw_task *t)
{
    if (t->posted)
        return;
    t->posted = 1;
    t->next = NULL;
    *l->last = t;
    l->last = &t->next;
}

void gw_loop_cancel(struct gw_loop *l, struct gw_task *t)
{
    struct gw_task **p = &l->first;

    if (!t->posted)
        return;
    while (*p != t)
        p = &(*p)->next;
    *p = t->next;
    if (l->last == &t->next)
        l->last = p;
    t->posted = 0;
}

struct signal {
    struct event ev;
    struct gw_signal *owner;
};

static void on_signal(evutil_socket_t signo, short what, void *arg)
{
    struct signal *s = arg;

    (void)what;
    s->owner->fn(s->owner, (int)signo);
}

void gw_signal_init(struct gw_signal *s, struct gw_loop *l, int signo,
                    void (*fn)(struct gw_signal *s, int signo))
{
    struct signal *impl = checked(calloc(1, sizeof(*impl)));

    s->fn = fn;
    s->impl = impl;
    impl->owner = s;
    event_assign(&impl->ev, l->base, signo, EV_SIGNAL | EV_PERSIST, on_signal, impl);
    event_add(&impl->ev, NULL);
}

void gw_signal_fini(struct gw_signal *s)
{
    struct signal *impl = s->impl;

    if (!impl)
        return;
    event_del(&impl->ev);
    free(impl);
    s->impl = NULL;
}
