/* Dead letters in state.db: what the state writer does with them. The room they take is counted as
 * they come and go; SQLite is asked for the sum once, when a cursor is loaded. */
#include "log/state.h"

#include "base/diag.h"
#include "base/err.h"

enum { BATCH_ROWS = 200, BATCH_BYTES = 8 * 1024 * 1024 };

/* What somebody has changed by hand does not make it wrap. */
static uint64_t less(uint64_t from, uint64_t n)
{
    return n < from ? from - n : 0;
}

static int is_damage(struct gw_state *s)
{
    int code = sqlite3_errcode(s->db) & 0xff;

    return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

static void set_room(sqlite3_stmt *row, struct gw_cursor *c)
{
    uint64_t newest = (uint64_t)sqlite3_column_int64(row, 1);

    c->letters.bytes = (uint64_t)sqlite3_column_int64(row, 0);
    if (c->letters.next <= newest) /* somebody has changed it by hand */
        c->letters.next = newest + 1;
}

/* Of who has no row among the cursors. */
int gw_state_load_next(struct gw_state *s, struct gw_cursor *c, struct gw_err *err)
{
    sqlite3_stmt *stmt = s->stmt[GW_SQL_NEXT];
    int rc;

    gw_state_bind(stmt, 1, gw_str_of(c->name));
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        c->letters.next = (uint64_t)sqlite3_column_int64(stmt, 0);
    rc = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : gw_state_fail(s, err);
    gw_state_reset(s, GW_SQL_NEXT);
    return rc ? rc : gw_state_load_letters(s, c, err);
}

int gw_state_save_next(struct gw_state *s, const struct gw_cursor *c, struct gw_err *err)
{
    sqlite3_stmt *stmt = s->stmt[GW_SQL_SAVE_NEXT];

    gw_state_bind(stmt, 1, gw_str_of(c->name));
    sqlite3_bind_int64(stmt, 2, (int64_t)c->next_letters.next);
    return gw_state_step(s, GW_SQL_SAVE_NEXT, err);
}

/* Damage among the letters is no reason not to start: the cursors are whole. */
int gw_state_load_letters(struct gw_state *s, struct gw_cursor *c, struct gw_err *err)
{
    sqlite3_stmt *stmt = s->stmt[GW_SQL_ROOM];
    int rc, bad = 0;

    gw_state_bind(stmt, 1, gw_str_of(c->name));
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        set_room(stmt, c);
    else
        bad = gw_state_fail(s, err);
    if (bad && is_damage(s)) {
        GW_DIAG(GW_ERROR, "log", gw_msg("dead letters are damaged; their bytes are not counted"),
                gw_kv_cstr("pipeline", c->name), gw_kv_cstr("error", err->msg));
        bad = 0;
    }
    gw_state_reset(s, GW_SQL_ROOM);
    c->next_letters = c->letters;
    return bad;
}

int gw_state_letter(struct gw_state *s, struct gw_cursor *c, uint64_t position,
                    const struct gw_dead_letter *d, struct gw_err *err)
{
    sqlite3_stmt *stmt = s->stmt[GW_SQL_LETTER];

    gw_state_bind(stmt, 1, gw_str_of(c->name));
    sqlite3_bind_int64(stmt, 2, (int64_t)c->next_letters.next++);
    gw_state_bind(stmt, 3, gw_str_of(d->reason));
    gw_state_bind(stmt, 4, d->event_id);
    sqlite3_bind_int64(stmt, 5, d->attempts);
    sqlite3_bind_int64(stmt, 6, d->first_at_ns);
    sqlite3_bind_int64(stmt, 7, d->last_at_ns);
    gw_state_bind(stmt, 8, d->error);
    if (d->record.p)
        sqlite3_bind_blob64(stmt, 9, d->record.p, d->record.len, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 10, (int64_t)position);
    sqlite3_bind_int64(stmt, 11, (int64_t)gw_letter_bytes(d));
    c->next_letters.bytes += gw_letter_bytes(d);
    return gw_state_step(s, GW_SQL_LETTER, err);
}

/* ---- one letter changes ---- */

struct sizes {
    uint64_t bytes, error; /* of the letter, of its error alone */
};

static void bind_letter(sqlite3_stmt *stmt, const struct gw_letter_change *change)
{
    gw_state_bind(stmt, 1, change->pipeline);
    sqlite3_bind_int64(stmt, 2, (int64_t)change->number);
}

static int find(struct gw_state *s, struct gw_letter_change *change, struct sizes *out,
                struct gw_err *err)
{
    sqlite3_stmt *stmt = s->stmt[GW_SQL_FIND];
    int rc;

    bind_letter(stmt, change);
    rc = sqlite3_step(stmt);
    change->found = rc == SQLITE_ROW;
    if (change->found)
        *out = (struct sizes){(uint64_t)sqlite3_column_int64(stmt, 0),
                              (uint64_t)sqlite3_column_int64(stmt, 1)};
    rc = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : gw_state_fail(s, err);
    gw_state_reset(s, GW_SQL_FIND);
    return rc;
}

static int note_again(struct gw_state *s, const struct gw_letter_change *change, uint64_t bytes,
                      struct gw_err *err)
{
    sqlite3_stmt *stmt = s->stmt[GW_SQL_AGAIN];
    const struct gw_dead_letter *d = change->again;

    bind_letter(stmt, change);
    gw_state_bind(stmt, 3, gw_str_of(d->reason));
    gw_state_bind(stmt, 4, d->error);
    sqlite3_bind_int64(stmt, 5, d->last_at_ns);
    sqlite3_bind_int64(stmt, 6, d->attempts);
    sqlite3_bind_int64(stmt, 7, (int64_t)bytes);
    return gw_state_step(s, GW_SQL_AGAIN, err);
}

static int apply(struct gw_state *s, struct gw_cursor *c, struct gw_letter_change *change,
                 struct gw_err *err)
{
    struct sizes was = {0};
    uint64_t bytes = 0;

    if (find(s, change, &was, err))
        return -1;
    if (!change->found)
        return 0;
    if (change->again) {
        bytes = less(was.bytes, was.error) + change->again->error.len;
        if (note_again(s, change, bytes, err))
            return -1;
    } else {
        bind_letter(s->stmt[GW_SQL_DROP], change);
        if (gw_state_step(s, GW_SQL_DROP, err))
            return -1;
    }
    if (c)
        c->next_letters.bytes = less(c->next_letters.bytes + bytes, was.bytes);
    return 0;
}

/* One damaged page, under a letter, is no reason to end: only this change fails. The transaction is
 * to be done again without it: SQLite goes on with none that has met damage. */
int gw_state_change(struct gw_state *s, struct gw_cursor *c, struct gw_letter_change *change,
                    struct gw_err *err)
{
    if (change->failed || !apply(s, c, change, err))
        return 0;
    change->failed = is_damage(s);
    if (change->failed)
        err->kind = GW_ERR_REJECT;
    return -1;
}

/* ---- many go ---- */

static int is_bad(const struct gw_state *s, int64_t row)
{
    for (size_t i = 0; i < s->n_bad_rows; i++)
        if (s->bad_rows[i] == row)
            return 1;
    return 0;
}

/* Expiry goes on without it, in a transaction of its own. */
static int put_aside(struct gw_state *s, int64_t row, int *more)
{
    *more = is_damage(s) && s->n_bad_rows < GW_BAD_ROWS;
    if (*more)
        s->bad_rows[s->n_bad_rows++] = row;
    return -1;
}

struct batch {
    int64_t rows[BATCH_ROWS];
    size_t n;
    uint64_t bytes;
};

static int gather(struct gw_state *s, const struct gw_cursor *c, int64_t before_ns, struct batch *b,
                  struct gw_err *err)
{
    sqlite3_stmt *stmt = s->stmt[GW_SQL_OLD];
    int rc = SQLITE_DONE;

    b->n = 0;
    b->bytes = 0;
    gw_state_bind(stmt, 1, gw_str_of(c->name));
    sqlite3_bind_int64(stmt, 2, before_ns);
    sqlite3_bind_int64(stmt, 3, BATCH_ROWS + (int64_t)s->n_bad_rows);
    while (b->bytes < BATCH_BYTES && b->n < BATCH_ROWS && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const int64_t row = sqlite3_column_int64(stmt, 0);

        if (before_ns < INT64_MAX && is_bad(s, row))
            continue; /* a cursor goes with all of its letters or not at all */
        b->rows[b->n++] = row;
        b->bytes += (uint64_t)sqlite3_column_int64(stmt, 1);
    }
    rc = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : gw_state_fail(s, err);
    gw_state_reset(s, GW_SQL_OLD);
    return rc;
}

int gw_state_expire(struct gw_state *s, struct gw_cursor *c, int64_t before_ns, int *more,
                    struct gw_err *err)
{
    struct batch b;

    if (gather(s, c, before_ns, &b, err))
        return -1;
    for (size_t i = 0; i < b.n; i++) {
        sqlite3_bind_int64(s->stmt[GW_SQL_DROP_ROW], 1, b.rows[i]);
        if (gw_state_step(s, GW_SQL_DROP_ROW, err))
            return put_aside(s, b.rows[i], more);
    }
    c->next_letters.bytes = less(c->next_letters.bytes, b.bytes);
    *more = b.n == BATCH_ROWS || b.bytes >= BATCH_BYTES;
    return 0;
}
