#ifndef GW_NET_LOOP_H
#define GW_NET_LOOP_H

#include "net/mailbox.h"

#include <stddef.h>
#include <stdint.h>

/* A thread's loop: readiness, timers, work for the next turn, and a mailbox that other threads post
 * to. All but gw_loop_post_mail and gw_loop_stop belong to the loop's own thread. The only file
 * that knows libevent is loop.c.
 *
 * Invariants: 1. a callback is never called from inside the call that armed it; 2. after cancel,
 * unwatch or close a callback is not called any more, not even in the same turn; 3. an idle loop
 * does not wake up. */
struct gw_loop;

struct gw_loop *gw_loop_new(void);
void gw_loop_free(struct gw_loop *l); /* NULL is fine; nothing may still be watched */
/* Runs until gw_loop_stop. */
void gw_loop_run(struct gw_loop *l);
/* One turn; waits for something to do when wait is set. For tests and for draining at close. */
void gw_loop_turn(struct gw_loop *l, int wait);
void gw_loop_stop(struct gw_loop *l); /* any thread */
/* Monotonic milliseconds, read once a turn. */
int64_t gw_loop_now_ms(struct gw_loop *l);

/* Readiness of a descriptor, level-triggered. Lives in its owner. */
enum { GW_READABLE = 1, GW_WRITABLE = 2 };
struct gw_watch {
    struct gw_loop *loop;
    void (*fn)(struct gw_watch *w, int what);
    int fd, want;
    void *impl;
};
void gw_watch_init(struct gw_watch *w, struct gw_loop *l, int fd,
                   void (*fn)(struct gw_watch *w, int what));
void gw_watch_want(struct gw_watch *w, int what); /* 0: nothing for now; repeats are cheap */
void gw_watch_fini(struct gw_watch *w);           /* the descriptor stays open */

/* One shot. Lives in its owner. */
struct gw_timer {
    struct gw_loop *loop;
    void (*fn)(struct gw_timer *t);
    void *impl;
};
void gw_timer_init(struct gw_timer *t, struct gw_loop *l, void (*fn)(struct gw_timer *t));
void gw_timer_set(struct gw_timer *t, int64_t ms); /* from now; replaces an earlier setting */
/* The same, but one that is set stays: what asks for it more often does not put it off. */
void gw_timer_set_unless(struct gw_timer *t, int64_t ms);
void gw_timer_cancel(struct gw_timer *t);
void gw_timer_fini(struct gw_timer *t);

/* Work for the end of this turn, after all readiness; what that posts waits for the next turn. */
struct gw_task {
    struct gw_task *next;
    void (*fn)(struct gw_task *t);
    int posted;
};
void gw_loop_post(struct gw_loop *l, struct gw_task *t); /* posting twice is posting once */
void gw_loop_cancel(struct gw_loop *l, struct gw_task *t);

/* A signal, on this loop's thread (control only). */
struct gw_signal {
    void (*fn)(struct gw_signal *s, int signo);
    void *impl;
};
void gw_signal_init(struct gw_signal *s, struct gw_loop *l, int signo,
                    void (*fn)(struct gw_signal *s, int signo));
void gw_signal_fini(struct gw_signal *s);

/* Any thread: m->fn runs on the loop's thread. */
void gw_loop_post_mail(struct gw_loop *l, struct gw_mail *m);

#define GW_CONTAINER(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#endif
