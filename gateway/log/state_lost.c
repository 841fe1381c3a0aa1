/* A state.db that is missing or damaged, beside segments that hold records. Nobody knows then what
 * was settled: to begin anew on one's own would pass over records, or send all of them again. So
 * the start is refused, with the command to go on. That command leaves `state.db.lost`: with it,
 * every pipeline begins at the oldest record that is kept. It is there until all of them have their
 * cursors, so that a kill in between changes nothing. Before the log's threads, and at announce. */
#include "log/inside.h"

#include "base/diag.h"
#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOST "state.db.lost"

static off_t size_of(const struct gw_log *log, const char *name)
{
    struct stat st;

    return fstatat(log->dir_fd, name, &st, 0) ? -1 : st.st_size;
}

static int has_records(const struct gw_log *log)
{
    return log->n_segments || log->n_spares;
}

static int refuse(const struct gw_log *log, const char *what, const char *command,
                  struct gw_err *err)
{
    GW_DIAG(GW_ERROR, "log",
            gw_msg("what pipelines have done is not known: put state.db back from a copy (and no "
                   "state.db-wal beside it), or go on without it: every pipeline that is enabled "
                   "then publishes all records that are kept, those it had published as well, with "
                   "the same ids; counts begin anew, and dead letters stay in " LOST),
            gw_kv_cstr("path", log->path), gw_kv_cstr("found", what), gw_kv_cstr("go_on", command));
    return gw_err_set(err, GW_ERR_FATAL,
                      "state.db %s; put it back, or go on without it: cd %s && %s", what, log->path,
                      command);
}

static int refuse_missing(const struct gw_log *log, struct gw_err *err)
{
    return refuse(log, "is missing beside segments with records", "touch " LOST, err);
}

static int refuse_damaged(const struct gw_log *log, const char *what, struct gw_err *err)
{
    char found[160];

    (void)snprintf(found, sizeof(found), "is damaged (%s)", what);
    return refuse(log, found, "mv state.db " LOST, err);
}

/* Its first column of a query's first row, as SQLite has it; rc is what became of it. */
static int first_text(sqlite3 *db, const char *sql, char *out, size_t size)
{
    sqlite3_stmt *stmt;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

    *out = '\0';
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        (void)snprintf(out, size, "%s", (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    return rc;
}

static int is_damage(int rc)
{
    return (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB;
}

/* The cursors alone: dead letters may be many. What is merely locked or of another version is for
 * those who open it. */
static int look_inside(const struct gw_log *log, sqlite3 *db, struct gw_err *err)
{
    char version[32], found[128];
    int rc = first_text(db, "PRAGMA user_version", version, sizeof(version));

    if (is_damage(rc))
        return refuse_damaged(log, sqlite3_errmsg(db), err);
    if (rc != SQLITE_ROW)
        return 0;
    if (!strcmp(version, "0"))
        return has_records(log) && !log->state_lost ? refuse_damaged(log, "it holds no tables", err)
                                                    : 0;
    rc = first_text(db, "PRAGMA integrity_check(cursors)", found, sizeof(found));
    if (is_damage(rc))
        return refuse_damaged(log, sqlite3_errmsg(db), err);
    return rc == SQLITE_ROW && strcmp(found, "ok") != 0 ? refuse_damaged(log, found, err) : 0;
}

static int check(const struct gw_log *log, struct gw_err *err)
{
    sqlite3 *db = NULL;
    char *path;
    int rc;

    if (asprintf(&path, "%s/state.db", log->path) < 0)
        abort();
    rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, gw_state_vfs());
    rc = rc == SQLITE_OK ? look_inside(log, db, err) : 0;
    sqlite3_close(db);
    free(path);
    return rc;
}

/* SQLite would take the journal that is left for the new file's own. */
static void put_journal_aside(const struct gw_log *log)
{
    if (has_records(log))
        (void)renameat(log->dir_fd, "state.db-wal", log->dir_fd, LOST "-wal");
    (void)unlinkat(log->dir_fd, "state.db-wal", 0);
    (void)unlinkat(log->dir_fd, "state.db-shm", 0);
}

int gw_state_check(struct gw_log *log, struct gw_err *err)
{
    off_t size = size_of(log, "state.db");

    log->state_lost = size_of(log, LOST) >= 0;
    if (size > 0 || (size == 0 && size_of(log, "state.db-wal") > 0))
        return check(log, err);
    if (has_records(log) && !log->state_lost)
        return refuse_missing(log, err);
    put_journal_aside(log);
    if (has_records(log))
        GW_DIAG(GW_WARN, "log",
                gw_msg("state.db was lost: pipelines begin at the oldest record that is kept"),
                gw_kv_cstr("path", log->path));
    return 0;
}

int gw_state_damaged(const struct gw_log *log, struct gw_err *err)
{
    static const char place[] = "state.db: ";
    struct gw_err why = *err;
    size_t skip = strncmp(why.msg, place, sizeof(place) - 1) ? 0 : sizeof(place) - 1;

    return refuse_damaged(log, why.msg + skip, err);
}

void gw_state_found(struct gw_log *log)
{
    struct gw_err ignored; /* of names that may come back: the next start does this again */

    if (!log->state_lost || log->n_cursors == 0)
        return;
    log->state_lost = 0;
    (void)renameat(log->dir_fd, LOST "-wal", log->dir_fd, "state.db.damaged-wal");
    if (size_of(log, LOST) > 0)
        (void)renameat(log->dir_fd, LOST, log->dir_fd, "state.db.damaged");
    (void)unlinkat(log->dir_fd, LOST, 0);
    (void)gw_sync_dir(log->dir_fd, log->path, &ignored);
}
