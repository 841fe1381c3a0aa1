#ifndef GW_PUBLISH_NATS_CLIENT_H
#define GW_PUBLISH_NATS_CLIENT_H

#include "net/mailbox.h"
#include "publish/publish_nats.h"

#include <nats/nats.h>
#include <stdatomic.h>

/* A connection to NATS, and the thread that has it: nats.c's calls wait, so no loop makes them. A
 * publisher gives it jobs, in order; what becomes of them comes back as news, with a descriptor
 * that wakes the loop. Nothing of a worker is ever touched from here, so a client may outlive its
 * publisher for as long as a call of nats.c takes (CONNECT_MS, WRITE_MS in nats_client.c).
 *
 * Invariants: 1. nothing is kept for later: a job that finds no connection makes one, or has
 * failed; 2. jobs are published in order, and when the connection is lost, all of them that were
 * given are lost with it, published or not; 3. a message is on the wire at most once, twice with
 * the second id of a message whose first one is taken (publish_nats.c). */
struct gw_nats_item {
    natsMsg *msg;
    size_t bytes; /* headers and data, as the server counts them */
    uint64_t order;
};

struct gw_nats_job {
    struct gw_mail mail;
    uint64_t id;              /* from 1, counting up; more of an earlier one has its id */
    struct gw_online *online; /* this is asked for, nothing is published */
    size_t first;             /* the news' item of items[0] */
    size_t n;
    struct gw_nats_item items[];
};

enum gw_nats_kind {
    GW_NATS_SENT,   /* JetStream may answer now */
    GW_NATS_TOLD,   /* item (-1: all that are left) has this outcome, text says why */
    GW_NATS_ACK,    /* what JetStream said of item */
    GW_NATS_NOBODY, /* no stream listens to the subject of item */
    GW_NATS_LOST,   /* all jobs up to this one are to be tried again */
    GW_NATS_ONLINE  /* item is the answer, text says what is there */
};

struct gw_nats_news {
    struct gw_nats_news *next;
    enum gw_nats_kind kind;
    enum gw_outcome outcome;
    uint64_t job;
    long item;
    size_t len;
    char text[]; /* with a NUL behind it */
};

struct gw_nats_client {
    struct gw_mailbox box;
    atomic_int refs; /* the publisher's, the thread's, one for each subscription */
    atomic_int closing;
    atomic_size_t unanswered; /* jobs without all results; the publisher counts */
    int wake_fd;

    pthread_mutex_t lock; /* of what follows up to thread */
    pthread_cond_t changed;
    struct gw_nats_news *news, **last;
    natsConnection *flushing; /* the publisher may close it: that ends the flush */
    int ended, left;          /* left: the process has to wait for its end */
    pthread_t thread;

    /* the thread's own, and what never changes */
    struct gw_arena *mem;
    struct gw_publish_nats_conf conf; /* a copy, on mem */
    char inbox[48];
    natsConnection *nc; /* NULL: none */
    natsSubscription *acks;
    uint64_t last_job;
    int64_t refused_ms; /* when the last attempt to connect failed */
    char why[300];      /* of the last failure */
    struct gw_nats_forbidden {
        char *subject;
        int64_t until_ms;
    } forbidden[64];
    unsigned n_forbidden;
};

struct gw_nats_client *gw_nats_client_new(const struct gw_publish_nats_conf *conf,
                                          struct gw_err *err);
void gw_nats_client_give(struct gw_nats_client *c, struct gw_nats_job *job);
void gw_nats_job_free(struct gw_nats_job *job);
/* All news so far, in order; free each. */
struct gw_nats_news *gw_nats_client_hear(struct gw_nats_client *c);
/* No news after this. Does not wait for calls that take long. */
void gw_nats_client_close(struct gw_nats_client *c);

/* Inside the client: nats_connect.c, nats_online.c. */
/* -1: there is none, c->why says why. */
int gw_nats_connect(struct gw_nats_client *c);
int gw_nats_is_secure(const struct gw_publish_nats_conf *c); /* TLS */
void gw_nats_disconnect(struct gw_nats_client *c);
/* What is wrong with the connection, or with who we are, for c->why. */
void gw_nats_explain(struct gw_nats_client *c, natsStatus s, const char *said);
int gw_nats_flush(struct gw_nats_client *c, natsStatus *s);
void gw_nats_say(struct gw_nats_client *c, const struct gw_nats_news *what, struct gw_str text);
enum gw_online_answer gw_nats_ask(struct gw_nats_client *c, char *text, size_t size);
void gw_nats_release(struct gw_nats_client *c);

#endif
