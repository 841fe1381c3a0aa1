#ifndef GW_LOG_STATE_H
#define GW_LOG_STATE_H

#include "log/inside.h"

#include "base/buf.h"

#include <sqlite3.h>

/* What state.c and state_letters.c share. */
enum gw_statement {
    GW_SQL_INSERT,
    GW_SQL_SAVE,
    GW_SQL_RENAME,
    GW_SQL_RENAME_LETTERS,
    GW_SQL_FORGET,
    GW_SQL_LETTER,
    GW_SQL_ROOM,
    GW_SQL_FIND,
    GW_SQL_AGAIN,
    GW_SQL_DROP,
    GW_SQL_OLD,
    GW_SQL_DROP_ROW,
    GW_SQL_NEXT,
    GW_SQL_SAVE_NEXT,
    GW_STATEMENTS
};

enum { GW_BAD_ROWS = 1000 };

struct gw_state {
    sqlite3 *db;
    sqlite3_stmt *stmt[GW_STATEMENTS];
    struct gw_buf set;
    int64_t bad_rows[GW_BAD_ROWS]; /* letters that are damaged: they do not go when they are old */
    size_t n_bad_rows;
};

/* Sets err to what SQLite says; -1. */
int gw_state_fail(struct gw_state *s, struct gw_err *err);
/* Runs a statement that gives no rows, and makes it ready for the next use. */
int gw_state_step(struct gw_state *s, enum gw_statement which, struct gw_err *err);
void gw_state_reset(struct gw_state *s, enum gw_statement which);
void gw_state_bind(sqlite3_stmt *stmt, int i, struct gw_str v); /* absent: NULL */

#endif
