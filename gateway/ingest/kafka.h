#ifndef GW_INGEST_KAFKA_H
#define GW_INGEST_KAFKA_H

#include "base/diag.h"
#include "ingest/files.h"
#include "ingest/source.h"
#include "ingest/unread.h"
#include "log/log.h"
#include "net/kafka_client.h"
#include "net/loop.h"

#include <librdkafka/rdkafka.h>

struct gw_unread;

/* Topics of Kafka as a source: a member of a consumer group. Inside the room. */

extern const struct gw_field gw_ingest_kafka_fields[];
/* librdkafka's configuration; the caller frees it or gives it to rd_kafka_new. */
rd_kafka_conf_t *gw_ingest_kafka_conf(const struct gw_ingest_kafka *c, struct gw_err *err);

/* The files of its TLS and those that `properties` name, which librdkafka reads by itself when a
 * consumer begins. */
struct gw_kafka_files {
    struct gw_print ca, cert, key, named;
};
struct gw_kafka_files gw_kafka_files_of(const struct gw_ingest_kafka *c);
int gw_kafka_files_same(const struct gw_kafka_files *a, const struct gw_kafka_files *b);

/* ---- a message (kafka_read.c) ---- */

/* On mem; borrows from m. */
void gw_kafka_unread(struct gw_arena *mem, const rd_kafka_message_t *m, struct gw_unread *out);

/* ---- the source ---- */

/* A message that is taken from the broker and not done with. */
struct gw_kafka_taken {
    struct gw_kafka_taken *next; /* of its partition, or idle */
    struct gw_kafka_part *part;
    int64_t offset;
    size_t bytes;
    int done; /* durable: as a record, or as a letter */
};

struct gw_kafka_held {
    struct gw_kafka_held *next;
    rd_kafka_event_t *event;
    const rd_kafka_message_t *m;
};

/* A message on its way among the dead letters. */
struct gw_kafka_letter {
    struct gw_letter_add add;
    struct gw_kafka_letter *next; /* refused ones */
    struct gw_dead_letter d;
    struct gw_arena *mem;
    struct gw_kafka_taken *taken;
    enum gw_reason reason;
    int blocks; /* its partition waits for it */
};

/* A partition of ours. Its messages, in their order: `first` to `last` were taken, then come those
 * that are held. */
struct gw_kafka_part {
    struct gw_kafka_part *next;
    struct gw_kafka_in *in;
    char *topic;
    int32_t partition;
    struct gw_kafka_taken *first, **last; /* up to the first that is not done, all are gone */
    struct gw_kafka_held *held, **last_held;
    size_t under_way;    /* taken and not done */
    int64_t next_offset; /* all before it are durable; -1: nothing yet */
    int64_t told;        /* what the broker was told last */
    unsigned blocked;    /* letters of it that found no room */
    int paused;          /* the broker sends no more of it */
    int leaving;         /* it is being taken away: nothing more is taken */
    int gone;            /* it is freed when nothing is under way */
};

struct gw_kafka_in {
    struct gw_source base;
    const struct gw_ingest_kafka *conf;
    struct gw_kafka_files files; /* as they were when conf was taken */
    char *topics, *brokers;      /* for log lines */
    rd_kafka_t *rk;              /* NULL: it could not be made, or is to be made again */
    rd_kafka_queue_t *queue;
    int wake_fd;
    struct gw_watch wake;
    struct gw_task turn;
    struct gw_timer tick, commit_timer, leave_timer, hold_timer;
    int commit_due;   /* commit_timer is set */
    int64_t again_ms; /* when another consumer may begin */

    struct gw_kafka_part *parts, *last_part; /* last_part: that of the message before */
    struct gw_kafka_part *gone;
    struct gw_kafka_taken *idle;
    struct gw_kafka_letter *refused, **last_refused;
    size_t bytes, budget; /* under way, and how many may be */
    size_t n_letters;     /* under way */

    rd_kafka_event_t *revoked; /* a rebalance that waits for what is under way */
    int committing;            /* the broker's answer is due */
    int late;                  /* neither is waited for any longer */
    enum { GW_IN_RUNNING, GW_IN_ENDING, GW_IN_CLOSING, GW_IN_STOPPED } state;
    int stopping, hurried, restart;
    int renewing; /* another consumer begins when this one has ended as at a stop */
    int64_t renew_until_ms;
    int waiting; /* for room in the log: it was told */
    void (*stopped)(void *ctx);
    void *stopped_ctx;

    int troubled; /* brokers are down, or a topic is not there: it was told */
    struct gw_diag_limit quiet_error, quiet_log, quiet_letter, quiet_full, quiet_commit;
    struct gw_counter *dead[GW_REASONS]; /* of the two that there are */
};
/* Its consumer says goodbye, for good or for another to come. */
static inline int gw_kafka_in_ends(const struct gw_kafka_in *k)
{
    return k->stopping || k->renewing;
}

/* kafka_online.c */
struct gw_asking *gw_kafka_in_ask(const void *conf, struct gw_loop *loop, struct gw_online *o);

/* kafka_group.c: the member of the group */
int gw_kafka_in_init(struct gw_kafka_in *k, struct gw_err *err);
void gw_kafka_in_fini(struct gw_kafka_in *k);
int gw_kafka_in_start(struct gw_kafka_in *k, struct gw_err *err);
void gw_kafka_in_end(struct gw_kafka_in *k); /* at once, without a word to the broker */
/* An event that is no message. It is ours from now on. */
void gw_kafka_in_event(struct gw_kafka_in *k, rd_kafka_event_t *e);
/* What waits for messages under way: a rebalance, a stop. */
void gw_kafka_in_go_on(struct gw_kafka_in *k);
/* A paused one is looked at again by hold_timer. */
enum { GW_KAFKA_HOLD_MS = 50 };
void gw_kafka_in_pause(struct gw_kafka_part *p, int paused);
void gw_kafka_in_well(struct gw_kafka_in *k); /* the trouble that was told is over */

/* kafka_part.c: partitions and what is under way in them */
struct gw_kafka_part *gw_kafka_part_find(struct gw_kafka_in *k, const char *topic,
                                         int32_t partition);
struct gw_kafka_part *gw_kafka_part_add(struct gw_kafka_in *k, const char *topic,
                                        int32_t partition);
void gw_kafka_part_remove(struct gw_kafka_part *p); /* freed when nothing is under way */
struct gw_kafka_taken *gw_kafka_take(struct gw_kafka_part *p, int64_t offset, size_t bytes);
void gw_kafka_untake(struct gw_kafka_taken *t); /* the last one, which could not be taken */
void gw_kafka_done(struct gw_kafka_taken *t, int durable);
void gw_kafka_hold(struct gw_kafka_part *p, rd_kafka_event_t *e, const rd_kafka_message_t *m);
void gw_kafka_unhold(struct gw_kafka_part *p); /* the first */
void gw_kafka_drop_held(struct gw_kafka_part *p);

/* kafka_letter.c */
void gw_kafka_letter_new(struct gw_kafka_taken *t, const struct gw_unread *u, enum gw_reason reason,
                         const struct gw_err *err);
void gw_kafka_letters_again(struct gw_kafka_in *k);
void gw_kafka_letters_forget(struct gw_kafka_in *k, const struct gw_kafka_part *p);

/* kafka.c: something has come to an end */
void gw_kafka_in_poke(struct gw_kafka_in *k);

#endif
