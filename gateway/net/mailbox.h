#ifndef GW_NET_MAILBOX_H
#define GW_NET_MAILBOX_H

#include <pthread.h>

/* How threads meet: a piece of mail lives in its sender's object, is posted to another thread and
 * usually comes back answered by mail. Order per sender is kept. While a piece is under way it
 * belongs to the receiver. */
struct gw_mail {
    struct gw_mail *next;
    void (*fn)(struct gw_mail *m); /* on the receiver's thread; may free the mail's owner */
};

/* For threads without a loop (the log's and the state's writers); loops have their own. */
struct gw_mailbox {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct gw_mail *first, **last;
    int closed;
};

void gw_mailbox_init(struct gw_mailbox *b);
void gw_mailbox_fini(struct gw_mailbox *b);
void gw_mailbox_post(struct gw_mailbox *b, struct gw_mail *m); /* any thread */
/* Everything that waits, in order. Blocks while empty until ms have passed (-1: for ever); NULL
 * when the time is up, or when closed and empty. */
struct gw_mail *gw_mailbox_take(struct gw_mailbox *b, int ms);
void gw_mailbox_close(struct gw_mailbox *b); /* any thread: wakes the taker for good */

#endif
