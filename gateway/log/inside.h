#ifndef GW_LOG_INSIDE_H
#define GW_LOG_INSIDE_H

#include "log/log.h"
#include "log/segment.h"
#include "log/settled.h"
#include "net/mailbox.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* What the files of this room share. One lock guards what readers, writers and statistics meet at;
 * no sync and no read of a segment happens under it. */
struct gw_histogram;
struct gw_state;

/* A segment holds the records from first up to the next segment's first. The last one is active. */
struct gw_segment {
    uint64_t first;
    uint64_t size;     /* room that is allocated */
    uint64_t end;      /* bytes of it that hold durable records; of an older run: its size */
    int64_t newest_ns; /* the latest time of its records; of an older run: when it was written */
    int64_t oldest_ns; /* the earliest; 0: not known */
    int64_t last_ms;   /* when its last record came, for retain: by the clock that never jumps */
    char *mem;         /* memory: its bytes */
    int unsaid;        /* embedded: no head is written and the directory is not synced yet */
};
static inline void gw_times_add(int64_t *oldest_ns, int64_t *newest_ns, int64_t ns)
{
    if (!*oldest_ns || ns < *oldest_ns)
        *oldest_ns = ns;
    if (ns > *newest_ns)
        *newest_ns = ns;
}
struct gw_spare { /* a segment that was trimmed, to be written again */
    uint64_t id, size;
};
enum { GW_MAX_SPARES = 2 };

/* Where a reader was, so that the time of a cursor's oldest record is found without a scan. */
enum { GW_MARKS = 64, GW_MARK_EVERY = 256 * 1024 };
struct gw_mark {
    uint64_t sequence, segment, at;
};

/* Of a cursor's dead letters: the number of the next one, and the bytes of those that are there. */
struct gw_letter_room {
    uint64_t next, bytes;
};
struct gw_kept_letter; /* memory_letters.c */

struct gw_cursor {
    struct gw_log *log;
    char name[64];
    int asked; /* some pipeline has asked for it since the log was opened, and not released it */
    int gone;  /* forgotten */
    struct gw_cursor *next_forgotten;
    _Atomic int64_t max_letter_bytes, keep_letters_ms;
    /* Committed; under the log's lock. */
    struct gw_settled_set done;
    uint64_t created, count[3]; /* count: by enum gw_end */
    struct gw_mark marks[GW_MARKS];
    size_t next_mark;
    uint64_t oldest_of; /* the sequence that oldest_ns is of */
    int64_t oldest_ns;
    struct gw_letter_room letters;
    struct gw_kept_letter **kept; /* memory: by number */
    size_t n_kept, room_kept;
    /* The state writer's: what the next commit will say. */
    struct gw_settled_set next;
    uint64_t next_count[3];
    struct gw_letter_room next_letters;
    int dirty;
};

struct gw_log {
    struct gw_log_conf conf;
    char *path;
    int dir_fd, segments_fd, lock_fd; /* embedded */
    uint64_t segment_bytes;           /* what a new segment gets: small logs have small ones */
    uint64_t salt;
    uint32_t seed;
    void (*on_failed)(void *ctx, const struct gw_err *why);
    void *failed_ctx;
    struct gw_metrics *metrics;
    struct gw_histogram *commit_seconds;

    pthread_mutex_t lock; /* of what follows, up to the threads */
    uint64_t head;        /* the last durable sequence */
    struct gw_segment *segments;
    size_t n_segments, room_segments;
    int active; /* the last segment may be appended to */
    int active_fd;
    struct gw_spare spares[GW_MAX_SPARES];
    size_t n_spares;
    uint64_t next_spare;
    uint64_t total;    /* bytes allocated: segments and spares */
    uint64_t reserved; /* bytes of records, until they are durable or have failed */
    uint64_t refused;  /* the smallest reservation refused since one of its size was taken */
    int disk_full;     /* the last allocation failed */
    int unproven;      /* a write met a full disk where room was allocated: allocations are tried */
    int64_t retry_ms;  /* when the next may be tried */
    int broken;        /* L7 */
    int state_lost;    /* cursors are made at the oldest record; who opens and asks */
    int state_broken, closing;
    int hurried; /* the state writer waits for nothing any more */
    pthread_cond_t close_asked;
    struct gw_err why;
    struct gw_reader *waiting;
    struct gw_reader *_Atomic woken; /* to be told, see gw_readers_post */
    struct gw_cursor **cursors;
    size_t n_cursors;
    struct gw_cursor *ingest;    /* no place, no counts: the letters of what became no record */
    struct gw_cursor *forgotten; /* freed at the close: a scrape may be looking at one */

    pthread_mutex_t telling; /* readers: taken before `lock` */
    pthread_mutex_t asks;    /* memory: cursors come and go one at a time */
    pthread_t writer, state_writer;
    int writer_runs, state_runs;
    struct gw_mailbox to_writer, to_state;
    struct gw_state *state;
};

/* ---- segments.c, room.c: files and room; all under the lock but the open ---- */

/* Room for what is reserved and bytes more in the active segment, made if need be. */
int gw_segments_make_room(struct gw_log *log, uint64_t bytes);
/* Whether gw_segments_make_room would: nothing is changed unless the disk has to be asked. */
int gw_segments_have_room(struct gw_log *log, uint64_t bytes);
/* A new active segment whose first record follows the last one written: sequence. -1: no room. */
int gw_segments_roll(struct gw_log *log, uint64_t sequence);
/* The segment that holds sequence: its index; -1: it is older than the first. */
ptrdiff_t gw_segments_find(const struct gw_log *log, uint64_t sequence);
/* Last sequence of segment i (head, for the last one). */
uint64_t gw_segments_last(const struct gw_log *log, size_t i);
/* A write met a full disk: the active segment ends where it is durable. */
void gw_segments_cut(struct gw_log *log);
/* What is allocated and not reserved is given back to the disk: the state needs the room, and it is
 * the state that gives segments up. */
void gw_segments_give_room(struct gw_log *log);
/* Gives up what every cursor has passed and retain lets go. */
void gw_segments_trim(struct gw_log *log);
/* Reads the directory. After it segments are in order, spares known, nothing is active. */
int gw_segments_scan(struct gw_log *log, struct gw_err *err);
void gw_segments_add(struct gw_log *log, const struct gw_segment *s);
int gw_segment_open(const struct gw_log *log, uint64_t first, int flags);
void gw_segments_close(struct gw_log *log);
uint64_t gw_min_position(const struct gw_log *log);
uint64_t gw_first_kept(const struct gw_log *log); /* head + 1: none */

/* ---- the rest, one file each ---- */

int gw_lock_open(struct gw_log *log, struct gw_err *err);
void gw_lock_close(struct gw_log *log);
/* network_fs.c. 1: fd is on a file system behind a network; its name. */
struct statfs;
extern int (*gw_log_statfs)(int fd, struct statfs *out);
int gw_network_fs(int fd, char *name, size_t size);
/* A small text file, NUL-terminated in out. -1 with errno. */
int gw_read_small(int dir, const char *name, char *out, size_t size);
int gw_sync_dir(int fd, const char *what, struct gw_err *err);

/* Finds the last durable append, cuts off what is torn behind it, sets head and the active segment.
 */
int gw_recover(struct gw_log *log, struct gw_err *err);
/* The cursors are ahead of what is left of the records: goes on after them. */
void gw_recover_past(struct gw_log *log, uint64_t sequence);

void *gw_writer_main(void *arg); /* arg: the log */
void gw_memory_append(struct gw_log *log, struct gw_append *a);
ssize_t gw_memory_read(void *ctx, void *p, size_t n, uint64_t at);

/* L7. Any thread, without the lock. */
void gw_log_break(struct gw_log *log, const struct gw_err *why);
void gw_readers_wake(struct gw_log *log);   /* under the lock: there are new records */
void gw_readers_let_go(struct gw_log *log); /* under the lock: a cursor has moved */
/* After either, without the lock: tells those that it is for. They run at once, often on the same
 * processor, and the first thing they do is to take the lock. */
void gw_readers_post(struct gw_log *log);
void gw_append_end(struct gw_append *a, const struct gw_err *failed); /* posts its mail */
void gw_mark_add(struct gw_cursor *c, const struct gw_mark *m);       /* under the lock */
void gw_lag_set(struct gw_log *log, const char *name, uint64_t events, int64_t age_ns);
int64_t gw_oldest_ns(struct gw_cursor *c, uint64_t sequence); /* without the lock */

/* cursor.c */
struct gw_cursor *gw_cursor_find(const struct gw_log *log, struct gw_str name);
struct gw_cursor *gw_cursor_add(struct gw_log *log, const char *name, uint64_t position);
struct gw_cursor *gw_cursor_new(struct gw_log *log, const char *name, uint64_t position);
void gw_cursor_free(struct gw_cursor *c);
/* Who may have letters, by i from 0; NULL past the last. */
static inline struct gw_cursor *gw_letters_owner(const struct gw_log *log, size_t i)
{
    return i < log->n_cursors ? log->cursors[i] : i == log->n_cursors ? log->ingest : NULL;
}
struct gw_cursor *gw_letters_find(const struct gw_log *log, struct gw_str name);
void gw_cursor_remove(struct gw_log *log, struct gw_cursor *c); /* under the lock */
/* Commits in memory what items say but for what was refused: under the lock. */
void gw_cursor_settle(struct gw_cursor *c, const struct gw_settled *items, size_t n);
uint64_t gw_unsettled(const struct gw_log *log); /* under the lock */
void gw_warn_orphan(const struct gw_cursor *c);  /* under the lock */
void gw_warn_orphans(struct gw_log *log);        /* any thread */

/* state.c: state.db. A cursor's row is read and written with its counts. */
struct gw_state *gw_state_open(const char *path, struct gw_err *err);
void gw_state_close(struct gw_state *s);
int gw_state_load(struct gw_state *s, struct gw_log *log, struct gw_err *err);
int gw_state_begin(struct gw_state *s, struct gw_err *err);
int gw_state_commit(struct gw_state *s, struct gw_err *err);
void gw_state_rollback(struct gw_state *s);
int gw_state_insert(struct gw_state *s, const struct gw_cursor *c, struct gw_err *err);
int gw_state_save(struct gw_state *s, const struct gw_cursor *c, struct gw_err *err);
int gw_state_rename(struct gw_state *s, const char *from, const char *to, struct gw_err *err);
int gw_state_forget(struct gw_state *s, const char *name, struct gw_err *err);
/* state_letters.c. A cursor's next_letters follow. */
int gw_state_load_letters(struct gw_state *s, struct gw_cursor *c, struct gw_err *err);
int gw_state_letter(struct gw_state *s, struct gw_cursor *c, uint64_t position,
                    const struct gw_dead_letter *d, struct gw_err *err);
/* The number of the next letter of c, which has no row among the cursors. */
int gw_state_load_next(struct gw_state *s, struct gw_cursor *c, struct gw_err *err);
int gw_state_save_next(struct gw_state *s, const struct gw_cursor *c, struct gw_err *err);
/* state_lost.c. Before gw_state_open: whether there is a state that may be opened, or made. */
int gw_state_check(struct gw_log *log, struct gw_err *err);
int gw_state_damaged(const struct gw_log *log, struct gw_err *err); /* -1; err says what is */
void gw_state_found(struct gw_log *log); /* every pipeline has its cursor */
/* c: NULL when the pipeline has no cursor. Sets found. GW_ERR_REJECT: this letter is damaged;
 * failed is set, and the same transaction may be tried again. */
int gw_state_change(struct gw_state *s, struct gw_cursor *c, struct gw_letter_change *change,
                    struct gw_err *err);
/* Some letters of c whose last time is before; *more: there may be others. */
int gw_state_expire(struct gw_state *s, struct gw_cursor *c, int64_t before_ns, int *more,
                    struct gw_err *err);
/* state_vfs.c: the VFS whose syncs go through gw_log_sync; its name, for sqlite3_open_v2. */
const char *gw_state_vfs(void);
/* state_writer.c */
void *gw_state_writer_main(void *arg);
/* One transaction: fn between begin and commit, or as if it had not been. */
int gw_state_do(struct gw_log *log, int (*fn)(struct gw_log *log, void *ctx, struct gw_err *err),
                void *ctx, struct gw_err *err);

/* asks.c: mail to the state writer from who waits for it. */
void gw_ask_is(struct gw_mail *m); /* the fn of an ask: its address tells one from other mail */
void gw_ask_answer(struct gw_log *log, struct gw_mail *m);

/* What a letter takes of max_bytes, and whether there is room for it. */
static inline uint64_t gw_letter_bytes(const struct gw_dead_letter *d)
{
    return d->record.len + d->error.len + d->event_id.len;
}
int gw_letter_fits(const struct gw_cursor *c, const struct gw_letter_room *room,
                   const struct gw_dead_letter *d);
extern const struct gw_dead_letter gw_letter_unsaid; /* of a settle that says nothing */

/* memory_letters.c: all under the lock. */
void gw_kept_add(struct gw_cursor *c, uint64_t position, const struct gw_dead_letter *d);
void gw_kept_change(struct gw_log *log, struct gw_letter_change *change);
void gw_kept_expire(struct gw_cursor *c, int64_t now_ns);
/* The first of c with after < number <= upto. */
const struct gw_kept_letter *gw_kept_find(const struct gw_cursor *c, uint64_t after, uint64_t upto);
void gw_kept_copy(const struct gw_kept_letter *k, int whole, struct gw_arena *mem,
                  struct gw_letter *out);
void gw_kept_free(struct gw_cursor *c);

#endif
