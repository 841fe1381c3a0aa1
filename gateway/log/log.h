#ifndef GW_LOG_LOG_H
#define GW_LOG_LOG_H

#include "base/err.h"
#include "base/field.h"
#include "base/str.h"
#include "log/record.h"
#include "net/mailbox.h"

#include <stddef.h>
#include <stdint.h>

/* The durable log between ingest and pipelines. Owner: the process (one handle). Threads: reserve,
 * release, append, settle and stats from any thread; a reader belongs to its worker. Two writers of
 * its own: one for records, one for the state (cursors, counts, dead letters).
 *
 * Invariants
 *  L1 An append's mail says "kept" only after its records are durable (fdatasync returned).
 *  L2 An append is there whole or not at all, after any crash.
 *  L3 Records are read in the order of their positions; a reader sees only durable ones.
 *  L4 Room is reserved before a request is taken: an append within its reservation cannot fail for
 *     want of room.
 *  L5 A cursor's position moves only over settled records, and a dead letter, the counts and the
 *     cursor that passes them are one transaction.
 *  L6 No record is trimmed before every cursor has passed it.
 *  L7 A failed sync is never tried again: every waiting append fails, and `failed` is called.
 *  L8 accepted = published + filtered + dead_lettered + lag, in every snapshot.
 *  L9 What a cursor has settled above its position is bounded, however long a record is stuck.
 *  L10 A dead letter is whole or gone after any crash, and its number is never another's; a
 * cursor's letters take no more than max_bytes, but for one alone. L11 A scan gives each kept
 * record of its time once, in order; what was trimmed meanwhile it counts.
 *
 * On paper: Kafka log: stream is a partition, `revoked` tells a reader to forget one, settles of a
 * revoked stream are dropped. FlyteAdmin in front: reserve, forward, then append or release. */
struct gw_log;
struct gw_loop;
struct gw_metrics;
struct gw_arena;

enum gw_log_type { GW_LOG_EMBEDDED, GW_LOG_MEMORY };
struct gw_log_conf {
    int type; /* enum gw_log_type */
    const char *path;
    int durability; /* 0 fsync, 1 os */
    int64_t max_bytes, retain_ms, segment_bytes;
    int allow_network_fs;
    int tool; /* a command that looks in: nothing is made, trimmed, or warned of; it appends not */
};
extern const struct gw_field gw_log_fields[];
/* What the table cannot say: a path that can be no folder. at: the section, or NULL. */
void gw_log_check(const struct gw_log_conf *c, const struct gw_yaml *at, struct gw_problems *p);

/* failed(ctx, why) is called once, on a writer's thread, when the log can keep nothing more (L7):
 * the process is to end with exit 1. The lock is taken here: "another moongate (pid N) uses PATH".
 */
struct gw_log *gw_log_open(const struct gw_log_conf *conf, struct gw_metrics *metrics,
                           void (*failed)(void *ctx, const struct gw_err *why), void *ctx,
                           struct gw_err *err);
/* At stop, when time is up: a state that cannot be written for want of room, or because somebody
 * has locked it, is waited for no longer; its settles fail, and `failed` is called. Any thread. */
void gw_log_hurry(struct gw_log *log);
/* Ends the writers after what they hold; no reader, append or settle may be under way. */
void gw_log_close(struct gw_log *log);
/* Written into the `lock` file behind the pid, for commands that look for the running gateway. */
int gw_log_announce(struct gw_log *log, const char *admin_address, struct gw_err *err);

/* 1. Room. bytes: of the encoded records (gw_record_size). GW_ERR_FULL when there is none. */
int gw_log_reserve(struct gw_log *log, size_t bytes, struct gw_err *err);
void gw_log_release(struct gw_log *log, size_t bytes);
/* What a reservation may be at most: a larger one would find no room in an empty log either. */
size_t gw_log_largest(const struct gw_log *log);
/* No room for a full-size request, or a refusal since then that would still be refused. */
int gw_log_full(struct gw_log *log);

/* 2. Append: one request, or a whole batch. Lives in the caller's memory, entries included, until
 * mail.fn runs on reply's thread. The reservation is used up either way. */
struct gw_log_entry {
    struct gw_str bytes; /* an encoded record */
    uint64_t key_hash;
    int kind; /* enum gw_kind, kept in the header too */
    int64_t received_at_ns;
};
struct gw_append {
    struct gw_mail mail;
    struct gw_loop *reply;
    const struct gw_log_entry *entries;
    size_t n, reserved;
    int failed; /* 1: not kept (or nobody knows); err says why */
    struct gw_err err;
    struct gw_position first; /* of the first record */
};
void gw_log_append(struct gw_log *log, struct gw_append *a);

/* 3. Cursors: a pipeline's place, shared by its workers. */
struct gw_cursor;
enum gw_start { GW_START_NEW, GW_START_RETAINED };
/* Finds the cursor, or makes it (durably) at start. renamed_from may be NULL. */
struct gw_cursor *gw_log_cursor(struct gw_log *log, const char *pipeline, enum gw_start start,
                                const char *renamed_from, struct gw_err *err);

/* 4. Readers. wake is posted to loop once after a next that returned 0, when there is more. revoked
 * (may be NULL) is called from inside next. A record that is settled above the cursor already is
 * skipped; one that is damaged comes with .damaged set and no payload. */
struct gw_reader;
struct gw_reader *gw_reader_open(struct gw_cursor *c, struct gw_loop *loop, struct gw_mail *wake,
                                 void (*revoked)(void *ctx, uint32_t stream), void *ctx);
/* 1: *out is on mem; 0: none yet; -1: the log cannot be read. The first form reads the header only
 * (position, kind, key_hash, size): a worker skips what is not its own with gw_reader_skip. */
int gw_reader_peek(struct gw_reader *r, struct gw_record *out, struct gw_err *err);
int gw_reader_next(struct gw_reader *r, struct gw_arena *mem, struct gw_record *out,
                   struct gw_err *err);
void gw_reader_skip(struct gw_reader *r);
/* L9: how many records past its cursor's position a reader gives, at most; what is further waits
 * until the position has moved. Before the first peek or next. */
enum { GW_READ_AHEAD = 256 * 1024 }; /* unless it is set */
void gw_reader_ahead(struct gw_reader *r, uint64_t records);
void gw_reader_close(struct gw_reader *r); /* NULL is fine; wake is not posted after it */

/* 5. Settle: some records of one cursor have ended. In the caller's memory until mail.fn runs on
 * reply's thread, after the commit. */
enum gw_end { GW_PUBLISHED, GW_FILTERED, GW_DEAD };
struct gw_dead_letter {
    const char *reason;                    /* hook_error … undecodable */
    struct gw_str event_id, error, record; /* record: its encoded bytes */
    uint32_t attempts;
    int64_t first_at_ns, last_at_ns;
};
struct gw_settled {
    struct gw_position at;
    enum gw_end end;
    const struct gw_dead_letter *dead; /* GW_DEAD */
    int refused; /* out: the dead letters are full; the record is not settled, all others are */
};
struct gw_settle {
    struct gw_mail mail;
    struct gw_loop *reply;
    struct gw_cursor *cursor;
    struct gw_settled *items;
    size_t n;
    int failed; /* the state could not be written; the log's failed was called */
};
void gw_log_settle(struct gw_log *log, struct gw_settle *s);
/* What a cursor's dead letters may be: bytes of all of them (one more is refused while they are
 * there), and how long each is kept (0: for ever). Any thread. */
void gw_cursor_letters(struct gw_cursor *c, int64_t max_bytes, int64_t keep_ms);
/* Its pipeline is gone: an orphan from now on, counted and warned of. No reader, settle or stats
 * of it may be under way. */
void gw_cursor_release(struct gw_cursor *c);
/* Ends an orphan for good: the cursor and its dead letters. GW_ERR_REJECT: there is none of that
 * name, or a pipeline uses it. Waits for the commit. */
int gw_log_forget(struct gw_log *log, const char *pipeline, struct gw_err *err);

/* 6. One consistent snapshot (L8). */
struct gw_cursor_stats {
    char name[64];
    uint64_t accepted, published, filtered, dead_lettered, lag;
    int64_t oldest_ns; /* received_at of the oldest unsettled record; 0: none */
    int orphan;        /* no pipeline asked for it since the log was opened */
};
void gw_cursor_stats(struct gw_cursor *c, struct gw_cursor_stats *out);
struct gw_log_stats {
    uint64_t records, bytes; /* kept; bytes of segments in use */
    uint64_t unsettled;      /* records that some pipeline has not settled */
    size_t cursors, orphans;
};
/* cursors: room for max of them; the count is in out->cursors. */
void gw_log_stats(struct gw_log *log, struct gw_log_stats *out, struct gw_cursor_stats *cursors,
                  size_t max);

/* 7. Dead letters. Reading has a connection of its own: any thread, it waits for no writer and sees
 * what is committed. Their ids are `<pipeline>/<number>`. */
struct gw_letter_query {           /* all of these that are given */
    const char *pipeline, *reason; /* NULL: any */
    uint64_t number;               /* 0: any */
};
struct gw_letter {
    struct gw_str pipeline; /* also `ingest`, which is no pipeline */
    uint64_t number;
    struct gw_dead_letter d; /* on the arena; record is absent unless it was asked for */
    struct gw_position at;
};
struct gw_letters;
/* whole: with the records' bytes. By pipeline and number; what has come since the open is left out,
 * what goes meanwhile is passed over, what changes is shown as it is then (so it may stay open for
 * long). Closed before the log is. */
struct gw_letters *gw_letters_open(struct gw_log *log, const struct gw_letter_query *q, int whole,
                                   struct gw_err *err);
/* 1: *out is on mem; 0: no more; -1: the state cannot be read. A letter that alone is damaged has
 * reason `undecodable` and an error that says so. */
int gw_letters_next(struct gw_letters *l, struct gw_arena *mem, struct gw_letter *out,
                    struct gw_err *err);
/* The one with this number, of a query for one pipeline. 1; 0: it has gone; -1. For who wants them
 * in another order; gw_letters_next goes on where it was. */
int gw_letters_at(struct gw_letters *l, uint64_t number, struct gw_arena *mem,
                  struct gw_letter *out, struct gw_err *err);
void gw_letters_close(struct gw_letters *l);

/* One letter goes (again NULL), or is noted as failed again: reason, error, last_at and attempts
 * (added) of *again. In the caller's memory until mail.fn runs on reply's thread, after the commit.
 */
struct gw_letter_change {
    struct gw_mail mail;
    struct gw_loop *reply;
    struct gw_str pipeline;
    uint64_t number;
    const struct gw_dead_letter *again;
    int found;  /* out: it was there */
    int failed; /* out: the state could not be written, or that letter is damaged */
    void (*then)(struct gw_mail *m); /* the log's own, while it is under way */
};
void gw_letter_change(struct gw_log *log, struct gw_letter_change *c);

/* What came in and could not become a record: a letter of GW_INGEST, which is no pipeline, has no
 * cursor and keeps no record. Its `record` is a message (message.h), its position 0. Bounded as a
 * cursor's; by default 1 GiB, 720 h. In the caller's memory until mail.fn runs on reply's thread,
 * after the commit. */
#define GW_INGEST "ingest"
struct gw_letter_add {
    struct gw_mail mail;
    struct gw_loop *reply;
    const struct gw_dead_letter *d;
    int refused;                     /* out: the letters are full */
    int failed;                      /* out: the state could not be written */
    void (*then)(struct gw_mail *m); /* the log's own, while it is under way */
};
void gw_letter_add(struct gw_log *log, struct gw_letter_add *a);
void gw_log_ingest_letters(struct gw_log *log, int64_t max_bytes, int64_t keep_ms);

/* 8. Records by the time they came, without a cursor: nothing is pinned, what is trimmed meanwhile
 * is passed over and counted. Blocks for reads of the disk: not on a loop that must answer, but a
 * few records at a time. */
struct gw_scan;
/* From from_ns on and before to_ns (0: what is there now). */
struct gw_scan *gw_scan_open(struct gw_log *log, int64_t from_ns, int64_t to_ns,
                             struct gw_err *err);
/* As gw_reader_next, but 0 is the end. */
int gw_scan_next(struct gw_scan *s, struct gw_arena *mem, struct gw_record *out,
                 struct gw_err *err);
struct gw_scan_progress {
    uint64_t seen, span; /* bytes read and bytes in all, for a progress bar */
    uint64_t missed;     /* records that were trimmed while it ran */
};
void gw_scan_progress(const struct gw_scan *s, struct gw_scan_progress *out);
void gw_scan_close(struct gw_scan *s);

/* 9. For commands: the gateway that uses a directory. 1: pid and the admin address (empty: it has
 * none) are set; 0: nobody does; -1: it cannot be known. */
int gw_log_holder(const char *path, int *pid, char *admin, size_t admin_size, struct gw_err *err);

/* For spec/fault: every sync of the log and its state goes through here. */
extern int (*gw_log_sync)(int fd);

#endif
