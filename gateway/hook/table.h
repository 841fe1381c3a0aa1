#ifndef GW_HOOK_TABLE_H
#define GW_HOOK_TABLE_H

#include "base/buf.h"
#include "base/str.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct gw_err;

/* A file of rows as moongate.lookup shows it, read once for all workers: keys to rows, rows to
 * values by the names of columns. Flat, outside of every Lua state; it never changes once it is
 * made, so it is read without a lock. */
struct gw_table {
    _Atomic unsigned holds;
    size_t n;    /* rows */
    uint64_t id; /* no other table has it */
    /* the makers' and readers' own */
    struct gw_buf bytes;       /* rows: column + 1 as a varint and its value, over and over, then 0;
                                  then the key as a string */
    struct gw_table_row *rows; /* in the order of the file */
    struct gw_table_column *columns;
    uint32_t *row_slots, *column_slots; /* number + 1; 0: free */
    size_t cap, n_columns, n_row_slots, n_column_slots;
    size_t max; /* bytes */
};
struct gw_table_row {
    size_t cells, key; /* places in bytes */
    int line;
};
struct gw_table_column {
    char *name;
    size_t len;
};
enum { GW_TABLE_COLUMNS = 4096 };

/* Held once. In the making: cells of a row, then its end. */
struct gw_table *gw_table_new(size_t max);
struct gw_table *gw_table_hold(struct gw_table *t);
void gw_table_drop(struct gw_table *t); /* NULL is fine */
/* Number of the column of this name, made if need be; -1: there are too many. */
int gw_table_column(struct gw_table *t, struct gw_str name);
/* What comes next into t->bytes is the value (hook/flat.h). */
void gw_table_cell(struct gw_table *t, int column);
/* 0; 1: another row has the key, *at is its number; -1: over max. */
int gw_table_row(struct gw_table *t, struct gw_str key, int line, size_t *at);
size_t gw_table_size(const struct gw_table *t);
void gw_table_trim(struct gw_table *t); /* it is made */

/* Number of the row; -1: there is none. */
int64_t gw_table_find(const struct gw_table *t, struct gw_str key);
struct gw_str gw_table_key(const struct gw_table *t, size_t row);
/* Takes the next cell off *cells and gives its column and its value; -1: no more. */
struct gw_str gw_table_cells(const struct gw_table *t, size_t row);
int gw_table_next(const struct gw_table *t, struct gw_str *cells, struct gw_str *value);
struct gw_str gw_table_name(const struct gw_table *t, int column);
/* The value in a column of this name; absent: none. *passed: cells that were looked at. */
struct gw_str gw_table_value(const struct gw_table *t, size_t row, struct gw_str name,
                             size_t *passed);

/* table_read.c: the rows of a file's text, by the end of its name: .csv, .json, .yaml, .yml.
 * column: of the keys; NULL: an object of objects, whose names are. NULL: err says LINE: why. A NUL
 * stands behind the text. */
struct gw_table *gw_table_read(const char *path, struct gw_str text, const char *column, size_t max,
                               struct gw_err *err);
int gw_table_can_read(const char *path);

#endif
