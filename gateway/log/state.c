/* state.db: its tables and their versions, transactions, cursors with their counts. Used by one
 * thread at a time: the one that opens the log, then the state writer. Anyone may look into it with
 * sqlite3 while the gateway runs. Dead letters: state_letters.c. */
#include "log/state.h"

#include "base/buf.h"
#include "base/err.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SET = 64 * 1024 * 1024, VERSION = 3 };

static const char *const sql[GW_STATEMENTS] = {
    [GW_SQL_INSERT] = "INSERT INTO cursors (name, created, position, settled, published, filtered, "
                      "dead_lettered, next_letter) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [GW_SQL_SAVE] = "UPDATE cursors SET created = ?2, position = ?3, settled = ?4, published = ?5, "
                    "filtered = ?6, dead_lettered = ?7, next_letter = ?8 WHERE name = ?1",
    [GW_SQL_RENAME] = "UPDATE cursors SET name = ?2 WHERE name = ?1",
    [GW_SQL_RENAME_LETTERS] = "UPDATE dead_letters SET pipeline = ?2 WHERE pipeline = ?1",
    [GW_SQL_FORGET] = "DELETE FROM cursors WHERE name = ?1",
    [GW_SQL_LETTER] =
        "INSERT INTO dead_letters (pipeline, number, reason, event_id, attempts, first_at, "
        "last_at, error, record, position, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
        "?10, ?11)",
    [GW_SQL_ROOM] = "SELECT coalesce(sum(bytes), 0), (SELECT coalesce(max(number), 0) FROM "
                    "dead_letters WHERE pipeline = ?1) FROM dead_letters WHERE pipeline = ?1",
    [GW_SQL_FIND] = "SELECT bytes, coalesce(length(CAST(error AS BLOB)), 0) FROM dead_letters "
                    "WHERE pipeline = ?1 AND number = ?2",
    [GW_SQL_AGAIN] = "UPDATE dead_letters SET reason = ?3, error = ?4, last_at = ?5, attempts = "
                     "attempts + ?6, bytes = ?7 WHERE pipeline = ?1 AND number = ?2",
    [GW_SQL_DROP] = "DELETE FROM dead_letters WHERE pipeline = ?1 AND number = ?2",
    [GW_SQL_OLD] = "SELECT rowid, bytes FROM dead_letters WHERE pipeline = ?1 AND last_at < ?2 "
                   "ORDER BY last_at LIMIT ?3",
    [GW_SQL_DROP_ROW] = "DELETE FROM dead_letters WHERE rowid = ?1",
    [GW_SQL_NEXT] = "SELECT next_letter FROM letter_numbers WHERE name = ?1",
    [GW_SQL_SAVE_NEXT] =
        "INSERT OR REPLACE INTO letter_numbers (name, next_letter) VALUES (?1, ?2)",
};

/* Times are nanoseconds since 1970. settled: the set above position, a bit a record. bytes: of a
 * letter's record, error and event_id; the index holds it, so that their sum is quickly had. record
 * is last: SQLite walks through all of it to what is behind it. */
#define LETTERS                                                                                    \
    "CREATE TABLE dead_letters (pipeline TEXT NOT NULL, number INTEGER NOT NULL,"                  \
    " reason TEXT NOT NULL, event_id TEXT, attempts INTEGER NOT NULL, first_at INTEGER NOT NULL,"  \
    " last_at INTEGER NOT NULL, position INTEGER NOT NULL, bytes INTEGER NOT NULL, error TEXT,"    \
    " record BLOB, PRIMARY KEY (pipeline, number));"
/* Of what has letters and no cursor. */
#define LETTER_NUMBERS                                                                             \
    "CREATE TABLE letter_numbers (name TEXT PRIMARY KEY, next_letter INTEGER NOT NULL)"            \
    " WITHOUT ROWID;"
#define LETTERS_BY_AGE "CREATE INDEX letters_by_age ON dead_letters (pipeline, last_at, bytes);"

/* From the version that it is indexed by. */
static const char *const conversions[VERSION] = {
    "BEGIN IMMEDIATE;"
    "CREATE TABLE cursors (name TEXT PRIMARY KEY, created INTEGER NOT NULL,"
    " position INTEGER NOT NULL, settled BLOB NOT NULL, published INTEGER NOT NULL,"
    " filtered INTEGER NOT NULL, dead_lettered INTEGER NOT NULL, next_letter INTEGER NOT NULL)"
    " WITHOUT ROWID;" LETTERS LETTERS_BY_AGE LETTER_NUMBERS "PRAGMA user_version = 3;"
    "COMMIT",
    "BEGIN IMMEDIATE;"
    "ALTER TABLE dead_letters RENAME TO old_letters;" LETTERS
    "INSERT INTO dead_letters SELECT pipeline, number, reason, event_id, attempts, first_at,"
    " last_at, position, coalesce(length(record), 0) + coalesce(length(CAST(error AS BLOB)), 0)"
    " + coalesce(length(CAST(event_id AS BLOB)), 0), error, record FROM old_letters"
    " ORDER BY pipeline, number;"
    "DROP TABLE old_letters;" LETTERS_BY_AGE "PRAGMA user_version = 2;"
    "COMMIT",
    "BEGIN IMMEDIATE;" LETTER_NUMBERS "PRAGMA user_version = 3;"
    "COMMIT",
};

/* A file could not be made or grow, which SQLite tells in many ways. */
static int is_full(struct gw_state *s, int code)
{
    int why = sqlite3_system_errno(s->db);

    return code == SQLITE_FULL ||
           ((code == SQLITE_IOERR || code == SQLITE_CANTOPEN) && (why == ENOSPC || why == EDQUOT));
}

/* A disk without room is a log without room: it may be had later. */
int gw_state_fail(struct gw_state *s, struct gw_err *err)
{
    int code = sqlite3_errcode(s->db) & 0xff;

    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
        return gw_err_set(err, GW_ERR_FATAL,
                          "state.db is damaged (%s); put it back, or go on without it, in the data "
                          "directory: mv state.db state.db.lost",
                          sqlite3_errmsg(s->db));
    if (is_full(s, code))
        return gw_err_set(err, GW_ERR_FULL, "state.db: the disk has no room");
    return gw_err_set(err,
                      code == SQLITE_BUSY || code == SQLITE_LOCKED ? GW_ERR_RETRY : GW_ERR_FATAL,
                      "state.db: %s", sqlite3_errmsg(s->db));
}

static int run_sql(struct gw_state *s, const char *text, struct gw_err *err)
{
    return sqlite3_exec(s->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : gw_state_fail(s, err);
}

static int user_version(struct gw_state *s)
{
    sqlite3_stmt *stmt;
    int version = -1;

    if (sqlite3_prepare_v2(s->db, "PRAGMA user_version", -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        version = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    return version;
}

/* The checkpoint writes again what a process before us may have failed to sync. */
static int prepare(struct gw_state *s, struct gw_err *err)
{
    int version;

    sqlite3_busy_timeout(s->db, 5000);
    if (run_sql(s,
                "PRAGMA cache_size = -256; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                "PRAGMA wal_autocheckpoint = 500; PRAGMA wal_checkpoint(TRUNCATE)",
                err))
        return -1;
    version = user_version(s);
    if (version > VERSION)
        return gw_err_set(err, GW_ERR_FATAL, "state.db: of a newer moongate (version %d)", version);
    for (; version >= 0 && version < VERSION; version = user_version(s))
        if (run_sql(s, conversions[version], err))
            return -1;
    if (version < 0)
        return gw_state_fail(s, err);
    for (size_t i = 0; i < GW_STATEMENTS; i++)
        if (sqlite3_prepare_v3(s->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &s->stmt[i], NULL) !=
            SQLITE_OK)
            return gw_state_fail(s, err);
    return 0;
}

struct gw_state *gw_state_open(const char *path, struct gw_err *err)
{
    struct gw_state *s = calloc(1, sizeof(*s));
    int rc;

    if (!s)
        abort();
    gw_buf_init(&s->set, MAX_SET, NULL);
    rc = sqlite3_open_v2(path, &s->db,
                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                         gw_state_vfs());
    if (rc != SQLITE_OK)
        (void)gw_err_set(err, GW_ERR_FATAL, "open %s: %s", path, sqlite3_errstr(rc));
    if (rc == SQLITE_OK && !prepare(s, err))
        return s;
    gw_state_close(s);
    return NULL;
}

void gw_state_close(struct gw_state *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < GW_STATEMENTS; i++)
        sqlite3_finalize(s->stmt[i]);
    sqlite3_close(s->db);
    gw_buf_free(&s->set);
    free(s);
}

/* ---- reading ---- */

static int load_row(struct gw_state *s, sqlite3_stmt *row, struct gw_log *log, struct gw_err *err)
{
    const char *name = (const char *)sqlite3_column_text(row, 0);
    uint64_t created = (uint64_t)sqlite3_column_int64(row, 1);
    uint64_t position = (uint64_t)sqlite3_column_int64(row, 2), settled;
    struct gw_cursor *c = gw_cursor_add(log, name ? name : "", created);

    gw_settled_read(
        &c->done, position,
        (struct gw_str){sqlite3_column_blob(row, 3), (size_t)sqlite3_column_bytes(row, 3)});
    for (int i = 0; i < 3; i++)
        c->count[i] = c->next_count[i] = (uint64_t)sqlite3_column_int64(row, 4 + i);
    c->letters.next = (uint64_t)sqlite3_column_int64(row, 7);
    gw_settled_copy(&c->next, &c->done);
    settled = c->done.position - created + c->done.above;
    if (position < created || c->count[0] + c->count[1] + c->count[2] != settled)
        return gw_err_set(err, GW_ERR_FATAL, "state.db: the counts of cursor %s do not add up",
                          c->name);
    return gw_state_load_letters(s, c, err);
}

int gw_state_load(struct gw_state *s, struct gw_log *log, struct gw_err *err)
{
    sqlite3_stmt *row;
    int rc = sqlite3_prepare_v2(s->db,
                                "SELECT name, created, position, settled, published, filtered, "
                                "dead_lettered, next_letter FROM cursors ORDER BY name",
                                -1, &row, NULL);

    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(row);
        if (rc == SQLITE_ROW && load_row(s, row, log, err)) {
            sqlite3_finalize(row);
            return -1;
        }
    }
    sqlite3_finalize(row);
    return rc == SQLITE_DONE ? gw_state_load_next(s, log->ingest, err) : gw_state_fail(s, err);
}

/* ---- writing ---- */

int gw_state_begin(struct gw_state *s, struct gw_err *err)
{
    return run_sql(s, "BEGIN IMMEDIATE", err);
}

int gw_state_commit(struct gw_state *s, struct gw_err *err)
{
    return run_sql(s, "COMMIT", err);
}

void gw_state_rollback(struct gw_state *s)
{
    if (!sqlite3_get_autocommit(s->db))
        (void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

int gw_state_step(struct gw_state *s, enum gw_statement which, struct gw_err *err)
{
    int rc = sqlite3_step(s->stmt[which]), bad = rc != SQLITE_DONE ? gw_state_fail(s, err) : 0;

    gw_state_reset(s, which);
    return bad;
}

void gw_state_reset(struct gw_state *s, enum gw_statement which)
{
    sqlite3_reset(s->stmt[which]);
    sqlite3_clear_bindings(s->stmt[which]);
}

void gw_state_bind(sqlite3_stmt *stmt, int i, struct gw_str v)
{
    if (v.p)
        sqlite3_bind_text64(stmt, i, v.p, v.len, SQLITE_STATIC, SQLITE_UTF8);
}

static int put_cursor(struct gw_state *s, enum gw_statement which, const struct gw_cursor *c,
                      struct gw_err *err)
{
    sqlite3_stmt *stmt = s->stmt[which];
    struct gw_str set;

    gw_buf_clear(&s->set);
    gw_settled_put(&s->set, &c->next);
    if (s->set.failed)
        return gw_err_set(err, GW_ERR_FATAL, "state.db: too much is settled out of order");
    set = gw_buf_str(&s->set);
    gw_state_bind(stmt, 1, gw_str_of(c->name));
    sqlite3_bind_int64(stmt, 2, (int64_t)c->created);
    sqlite3_bind_int64(stmt, 3, (int64_t)c->next.position);
    sqlite3_bind_blob64(stmt, 4, set.p, set.len, SQLITE_STATIC);
    for (int i = 0; i < 3; i++)
        sqlite3_bind_int64(stmt, 5 + i, (int64_t)c->next_count[i]);
    sqlite3_bind_int64(stmt, 8, (int64_t)c->next_letters.next);
    return gw_state_step(s, which, err);
}

int gw_state_insert(struct gw_state *s, const struct gw_cursor *c, struct gw_err *err)
{
    return put_cursor(s, GW_SQL_INSERT, c, err);
}

int gw_state_save(struct gw_state *s, const struct gw_cursor *c, struct gw_err *err)
{
    return put_cursor(s, GW_SQL_SAVE, c, err);
}

int gw_state_rename(struct gw_state *s, const char *from, const char *to, struct gw_err *err)
{
    for (enum gw_statement i = GW_SQL_RENAME; i <= GW_SQL_RENAME_LETTERS; i++) {
        gw_state_bind(s->stmt[i], 1, gw_str_of(from));
        gw_state_bind(s->stmt[i], 2, gw_str_of(to));
        if (gw_state_step(s, i, err))
            return -1;
    }
    return 0;
}

int gw_state_forget(struct gw_state *s, const char *name, struct gw_err *err)
{
    gw_state_bind(s->stmt[GW_SQL_FORGET], 1, gw_str_of(name));
    return gw_state_step(s, GW_SQL_FORGET, err);
}
