#ifndef GW_INGEST_SQS_H
#define GW_INGEST_SQS_H

#include "base/buf.h"
#include "base/diag.h"
#include "base/json.h"
#include "ingest/source.h"
#include "net/aws_call.h"

struct gw_err;
struct gw_unread;

/* Inside the room: a queue of SQS as a source. sqs.c has the way of a message, sqs_read.c what
 * SQS's JSON says. What cannot be decoded stays in the queue, for its own redrive policy. Of a FIFO
 * queue it does not hold its group back: with this configuration it never becomes an event, and a
 * queue without such a policy would give nothing more of that execution for days. If `as` is set
 * right meanwhile, it comes behind those that overtook it. */
enum {
    GW_SQS_RECEIVES = 4,     /* at once, of a standard queue with a backlog */
    GW_SQS_MESSAGES = 10,    /* of one call */
    GW_SQS_UNDER_WAY = 200,  /* messages that are not deleted yet; beyond it none are asked for */
    GW_SQS_WAIT_S = 20,      /* how long a call waits for messages */
    GW_SQS_DELETES = 5,      /* of one message that fails alone; then it may come again */
    GW_SQS_VISIBILITY_S = 60 /* how long they are ours; renewed while they wait for room */
};

struct gw_ingest_sqs {
    const char *queue_url, *region, *endpoint;
    int as; /* enum gw_as */
};
extern const struct gw_field gw_ingest_sqs_fields[];
void gw_ingest_sqs_check(const struct gw_ingest_sqs *c, struct gw_problems *p,
                         const struct gw_yaml *at);

struct gw_sqs_in;
struct gw_sqs_message {
    struct gw_sqs_message *next;
    struct gw_sqs_in *in;
    struct gw_sub *sub; /* it waits for the log */
    struct gw_str text; /* its JSON, behind the struct */
    unsigned round;     /* in which its time was renewed last */
    int deletes;        /* how often that failed for it alone */
};

struct gw_sqs_queue { /* in order */
    struct gw_sqs_message *first, **last;
};

struct gw_sqs_receive {
    struct gw_aws_call call; /* first */
    struct gw_sqs_in *in;
};

struct gw_sqs_in {
    struct gw_source base;
    const struct gw_ingest_sqs *conf;
    int fifo, backlog; /* backlog: the last call brought as many as it could */
    struct gw_aws_client client;
    struct gw_sqs_receive receives[GW_SQS_RECEIVES];
    struct gw_aws_call remove, extend;
    struct gw_buf ask, removal, extension; /* bodies of calls */
    struct gw_sqs_queue held;              /* the log had no room for them */
    struct gw_sqs_queue kept;              /* durable, to be deleted */
    struct gw_sqs_queue leaving;           /* being deleted */
    size_t under_way, appending;
    unsigned round;       /* of renewing */
    size_t bytes, budget; /* of messages on their way to the disk; its share of max_pending_bytes */
    struct gw_timer again, extend_timer;
    struct gw_task turn; /* messages are durable: what comes of all that are, at the turn's end */
    struct gw_task ended;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
    int stopping, hurried, told, pausing;
    int stuck; /* deleting failed: nothing more is asked for until it does not */
    struct gw_diag_limit quiet, quiet_bad, quiet_full, quiet_stuck, quiet_extend;
};

/* The messages of an answer, one after the other: 1 and its JSON text, 0 no more, -1 no such
 * answer. Begin says the same of whether there are any. */
int gw_sqs_begin(struct gw_json *j, struct gw_str answer);
int gw_sqs_next(struct gw_json *j, struct gw_str *message);
/* Of the entries of a batch those that failed and may do better another time, as bits; *code: what
 * was said of the last one, on mem. */
unsigned gw_sqs_failed(struct gw_arena *mem, struct gw_str answer, struct gw_str *code);
/* What it says: body, attributes as headers; on mem. GW_ERR_REJECT: it is no message. */
int gw_sqs_read(struct gw_arena *mem, struct gw_str message, struct gw_unread *out,
                struct gw_err *err);
/* {"QueueUrl":…,"Entries":[{"Id":"0","ReceiptHandle":…<more>},…]} of at most n messages; gives how
 * many they were. more: text of other members, with a comma before. */
size_t gw_sqs_put_entries(struct gw_arena *mem, const char *queue_url,
                          const struct gw_sqs_message *m, size_t n, const char *more,
                          struct gw_buf *out);

#endif
