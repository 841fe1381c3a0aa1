#ifndef GW_LOG_READER_H
#define GW_LOG_READER_H

#include "log/inside.h"

/* What is posted to a worker's loop. The worker may read on before it has run, and wait again, and
 * even close the reader: so it is not the worker's own mail, and outlives the reader if it must. */
struct gw_waker {
    struct gw_mail mail;
    struct gw_reader *reader; /* NULL: closed. The worker's thread */
    _Atomic int posted;       /* set under the log's lock */
};

/* A worker's place. Its own thread, but for the waiting list. */
struct gw_reader {
    struct gw_reader *next_waiting; /* under the log's lock */
    struct gw_reader *next_woken;   /* the same; once taken from log->woken, under telling */
    int waiting;
    int held; /* waiting: for its cursor, not for records */
    struct gw_waker *waker;
    struct gw_mail *wake;
    struct gw_loop *loop;

    struct gw_log *log;
    struct gw_cursor *cursor; /* NULL: a scan, which has a place of its own */
    uint64_t until;           /* nothing behind it is given: the log's end, or a scan's */
    uint64_t missed;          /* a scan's records that were trimmed before it came to them */
    uint64_t start;           /* nothing before it is given */
    uint64_t ahead;           /* nor anything further than this past the cursor's position */
    uint64_t bound;           /* which allowed up to this sequence when it was last looked at */
    uint64_t sequence;        /* what comes next at `at`: it may be before start */
    uint64_t at;              /* where its header is to be */
    uint64_t hole;            /* up to and with this sequence the records are lost; 0: none */
    uint64_t last;            /* of the segment, as far as it may be read */
    uint64_t limit;           /* of the segment's bytes, likewise */
    uint64_t segment;         /* its first sequence; 0: none is open */
    int fd;
    struct gw_view view;
    struct gw_settled_set skip; /* settled above the position when it was opened */
    int have;                   /* header and damaged tell the record at `sequence` */
    int damaged;
    struct gw_header header;
    uint64_t marked_at; /* offset of the last mark in this segment */
};

/* A scan's place: nothing is posted, and only its own thread knows it. Its records are from and
 * with start up to and with until. */
void gw_reader_place(struct gw_reader *r, struct gw_log *log, uint64_t start, uint64_t until);
void gw_reader_leave(struct gw_reader *r);

#endif
