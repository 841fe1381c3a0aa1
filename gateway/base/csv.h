#ifndef GW_BASE_CSV_H
#define GW_BASE_CSV_H

#include "base/str.h"

struct gw_arena;
struct gw_err;

/* A pull reader of CSV as RFC 4180 has it: commas, rows that end with LF or CRLF, cells in quotes
 * that may hold commas, line breaks and doubled quotes. Empty lines are left out, a byte order mark
 * in front is skipped. Quotes elsewhere, a CR alone and control characters are errors. Nothing is
 * allocated but cells with doubled quotes.
 *
 *     gw_csv_init(&c, text);
 *     while (gw_csv_next(&c) > GW_CSV_END) ...
 *
 * Each row is its cells, at least one, and GW_CSV_ROW. */
enum gw_csv_token { GW_CSV_ERROR = -1, GW_CSV_END = 0, GW_CSV_CELL, GW_CSV_ROW };

struct gw_csv {
    enum gw_csv_token token; /* the current one */
    struct gw_str raw;       /* of a cell: without its quotes, doubled ones still so */
    int doubled;             /* it has doubled quotes */
    int line;                /* where the cell begins, or the row that has ended; from 1 */
    /* the reader's own */
    const char *at, *end, *why;
    int next_line, begins; /* begins: a row, not the next cell */
};

void gw_csv_init(struct gw_csv *c, struct gw_str text);
enum gw_csv_token gw_csv_next(struct gw_csv *c);
struct gw_str gw_csv_cell(const struct gw_csv *c, struct gw_arena *mem);
/* After GW_CSV_ERROR what is wrong, without the line (c->line). */
const char *gw_csv_why(const struct gw_csv *c);

#endif
