/* Reading dead letters. Of state.db it has a connection of its own, read-only, and each look is a
 * read of its own: a listing that takes long (a replay) holds up neither the writer nor the reuse
 * of its write-ahead log. Numbers only grow, so what was there at the open is what is not above the
 * highest number then. One thread at a time. */
#include "log/inside.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AHEAD = 128 };
enum statement { NEWEST, NEXT, READ, STATEMENTS };
static const char *const sql[STATEMENTS] = {
    [NEWEST] = "SELECT pipeline, max(number) FROM dead_letters GROUP BY pipeline ORDER BY pipeline",
    [NEXT] = "SELECT number FROM dead_letters WHERE pipeline = ?1 AND number > ?2 "
             "AND number <= ?3 ORDER BY number LIMIT ?4",
    [READ] = "SELECT reason, event_id, attempts, first_at, last_at, error, position, "
             "CASE ?3 WHEN 1 THEN record END FROM dead_letters WHERE pipeline = ?1 AND number = ?2",
};

struct of_pipeline {
    char name[64];
    uint64_t upto; /* the highest number at the open */
};

struct gw_letters {
    struct gw_log *log;
    char *reason; /* NULL: any */
    int whole;
    struct of_pipeline *pipelines; /* by name */
    size_t n, i;                   /* i: the one at hand */
    uint64_t from, after;          /* after: its letter that was looked at last; from: at first */
    uint64_t ahead[AHEAD];         /* the numbers that come next */
    size_t n_ahead, i_ahead;
    sqlite3 *db; /* NULL: a log in memory */
    sqlite3_stmt *stmt[STATEMENTS];
};

static int fail(struct gw_letters *l, struct gw_err *err)
{
    return gw_err_set(err, GW_ERR_RETRY, "read the dead letters in %s/state.db: %s", l->log->path,
                      l->db ? sqlite3_errmsg(l->db) : "out of memory");
}

/* ---- which there are ---- */

static void add(struct gw_letters *l, const struct gw_letter_query *q, const char *name,
                uint64_t newest)
{
    struct of_pipeline *p;

    if (newest == 0 || newest < q->number || (q->pipeline && strcmp(name, q->pipeline) != 0))
        return;
    l->pipelines = realloc(l->pipelines, (l->n + 1) * sizeof(*l->pipelines));
    if (!l->pipelines)
        abort();
    p = &l->pipelines[l->n++];
    (void)snprintf(p->name, sizeof(p->name), "%s", name);
    p->upto = q->number ? q->number : newest;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct of_pipeline *)a)->name, ((const struct of_pipeline *)b)->name);
}

static void look_in_memory(struct gw_letters *l, const struct gw_letter_query *q)
{
    struct gw_log *log = l->log;
    struct gw_cursor *c;

    pthread_mutex_lock(&log->lock);
    for (size_t i = 0; (c = gw_letters_owner(log, i)); i++) {
        gw_kept_expire(c, gw_clock_wall_ns());
        add(l, q, c->name, c->letters.next - 1);
    }
    pthread_mutex_unlock(&log->lock);
    if (l->n)
        qsort(l->pipelines, l->n, sizeof(*l->pipelines), by_name);
}

static int look_in_state(struct gw_letters *l, const struct gw_letter_query *q, struct gw_err *err)
{
    sqlite3_stmt *stmt = l->stmt[NEWEST];
    int rc;

    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);

        if (name)
            add(l, q, name, (uint64_t)sqlite3_column_int64(stmt, 1));
    }
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE ? 0 : fail(l, err);
}

/* By SQLite's own VFS: ours has a second descriptor on each file, and closing one of those would
 * drop the locks that the writer's connection holds. */
static int open_state(struct gw_letters *l, struct gw_err *err)
{
    char *path;
    int rc;

    if (asprintf(&path, "%s/state.db", l->log->path) < 0)
        abort();
    rc = sqlite3_open_v2(path, &l->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    free(path);
    if (rc != SQLITE_OK)
        return fail(l, err);
    sqlite3_busy_timeout(l->db, 5000);
    for (size_t i = 0; i < STATEMENTS; i++)
        if (sqlite3_prepare_v3(l->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &l->stmt[i], NULL) !=
            SQLITE_OK)
            return fail(l, err);
    return 0;
}

struct gw_letters *gw_letters_open(struct gw_log *log, const struct gw_letter_query *q, int whole,
                                   struct gw_err *err)
{
    struct gw_letters *l = calloc(1, sizeof(*l));

    if (!l)
        abort();
    l->log = log;
    l->whole = whole;
    l->from = l->after = q->number ? q->number - 1 : 0;
    if (q->reason && !(l->reason = strdup(q->reason)))
        abort();
    if (!log->state)
        look_in_memory(l, q);
    else if (open_state(l, err) || look_in_state(l, q, err)) {
        gw_letters_close(l);
        return NULL;
    }
    return l;
}

void gw_letters_close(struct gw_letters *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(l->stmt[i]);
    sqlite3_close(l->db);
    free(l->pipelines);
    free(l->reason);
    free(l);
}

/* ---- one after the other ---- */

static struct gw_str column(sqlite3_stmt *stmt, int i, struct gw_arena *mem)
{
    const char *p = sqlite3_column_blob(stmt, i);
    size_t n = (size_t)sqlite3_column_bytes(stmt, i);

    if (sqlite3_column_type(stmt, i) == SQLITE_NULL)
        return (struct gw_str){0};
    return gw_arena_str(mem, (struct gw_str){p ? p : "", n});
}

static void set_damaged(struct gw_letters *l, struct gw_arena *mem, struct gw_letter *out)
{
    out->d = (struct gw_dead_letter){
        .reason = "undecodable",
        .error =
            gw_arena_printf(mem, "this letter is damaged in state.db: %s", sqlite3_errmsg(l->db))};
    out->at = (struct gw_position){0};
}

static void set_row(sqlite3_stmt *row, struct gw_arena *mem, struct gw_letter *out)
{
    struct gw_str reason = column(row, 0, mem);

    out->d = (struct gw_dead_letter){.reason = reason.p ? reason.p : "undecodable",
                                     .event_id = column(row, 1, mem),
                                     .attempts = (uint32_t)sqlite3_column_int64(row, 2),
                                     .first_at_ns = sqlite3_column_int64(row, 3),
                                     .last_at_ns = sqlite3_column_int64(row, 4),
                                     .error = column(row, 5, mem),
                                     .record = column(row, 7, mem)};
    out->at = (struct gw_position){0, (uint64_t)sqlite3_column_int64(row, 6)};
}

static int is_damage(int rc)
{
    return (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_IOERR;
}

/* 1: *out is set; 0: it has gone; -1. */
static int read_one(struct gw_letters *l, const struct of_pipeline *p, struct gw_arena *mem,
                    struct gw_letter *out, struct gw_err *err)
{
    sqlite3_stmt *stmt = l->stmt[READ];
    int rc;

    sqlite3_bind_text(stmt, 1, p->name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, (int64_t)out->number);
    sqlite3_bind_int(stmt, 3, l->whole);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        set_row(stmt, mem, out);
    else if (is_damage(rc))
        set_damaged(l, mem, out);
    sqlite3_reset(stmt);
    if (rc == SQLITE_DONE)
        return 0;
    return rc == SQLITE_ROW || is_damage(rc) ? 1 : fail(l, err);
}

static int look_ahead(struct gw_letters *l, const struct of_pipeline *p, struct gw_err *err)
{
    sqlite3_stmt *stmt = l->stmt[NEXT];
    int rc;

    l->n_ahead = l->i_ahead = 0;
    sqlite3_bind_text(stmt, 1, p->name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, (int64_t)l->after);
    sqlite3_bind_int64(stmt, 3, (int64_t)p->upto);
    sqlite3_bind_int64(stmt, 4, AHEAD);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
        l->ahead[l->n_ahead++] = (uint64_t)sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE ? 0 : fail(l, err);
}

/* The first letter of p above l->after. 1, 0 or -1, as gw_letters_next. */
static int next_in_state(struct gw_letters *l, const struct of_pipeline *p, struct gw_arena *mem,
                         struct gw_letter *out, struct gw_err *err)
{
    int rc = 0;

    while (rc == 0) {
        if (l->i_ahead == l->n_ahead && look_ahead(l, p, err))
            return -1;
        if (l->n_ahead == 0)
            return 0;
        l->after = out->number = l->ahead[l->i_ahead++];
        rc = read_one(l, p, mem, out, err);
    }
    return rc;
}

/* The first above after. */
static int find_in_memory(struct gw_letters *l, const struct of_pipeline *p, uint64_t after,
                          struct gw_arena *mem, struct gw_letter *out)
{
    const struct gw_kept_letter *k = NULL;
    const struct gw_cursor *c;

    pthread_mutex_lock(&l->log->lock);
    c = gw_letters_find(l->log, gw_str_of(p->name));
    if (c)
        k = gw_kept_find(c, after, p->upto);
    if (k)
        gw_kept_copy(k, l->whole, mem, out);
    pthread_mutex_unlock(&l->log->lock);
    return k != NULL;
}

static int next_in_memory(struct gw_letters *l, const struct of_pipeline *p, struct gw_arena *mem,
                          struct gw_letter *out)
{
    const int got = find_in_memory(l, p, l->after, mem, out);

    if (got)
        l->after = out->number;
    return got;
}

int gw_letters_next(struct gw_letters *l, struct gw_arena *mem, struct gw_letter *out,
                    struct gw_err *err)
{
    while (l->i < l->n) {
        const struct of_pipeline *p = &l->pipelines[l->i];
        int rc = l->db ? next_in_state(l, p, mem, out, err) : next_in_memory(l, p, mem, out);

        if (rc < 0)
            return -1;
        if (rc == 0) {
            l->i++;
            l->after = l->from;
            continue;
        }
        if (l->reason && strcmp(l->reason, out->d.reason) != 0)
            continue;
        out->pipeline = gw_arena_str(mem, gw_str_of(p->name));
        return 1;
    }
    return 0;
}

int gw_letters_at(struct gw_letters *l, uint64_t number, struct gw_arena *mem,
                  struct gw_letter *out, struct gw_err *err)
{
    const struct of_pipeline *p = l->pipelines;
    int rc;

    assert(l->n <= 1 && number > 0);
    if (!l->n) /* all of them have gone */
        return 0;
    out->number = number;
    if (l->db)
        rc = read_one(l, p, mem, out, err);
    else
        rc = find_in_memory(l, p, number - 1, mem, out) && out->number == number;
    if (rc == 1)
        out->pipeline = gw_arena_str(mem, gw_str_of(p->name));
    return rc;
}
