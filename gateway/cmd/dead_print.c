/* Dead letters on a terminal. */
#include "cmd/dead.h"

#include "base/arena.h"
#include "base/buf.h"
#include "cmd/fields.h"
#include "cmd/plain.h"

#include <stdio.h>
#include <stdlib.h>

enum { LAST = 3, ERROR = 5, COLUMNS = 6 };
enum { ROWS = 500, MAX_TEXT = 256 * 1024 * 1024, ERROR_BYTES = 120 };

static const char *const fields[COLUMNS] = {"id",      "reason",   "attempts",
                                            "last_at", "event_id", "error"};
static const char *const heads[COLUMNS] = {"ID", "REASON", "ATTEMPTS", "LAST", "EVENT", "ERROR"};

/* So many rows are held back for their widths; the next ones line up with them where they can. */
struct gw_dead_table {
    struct gw_arena *mem;
    struct gw_str rows[ROWS][COLUMNS];
    size_t n, width[COLUMNS];
    int printed;
};

struct gw_dead_table *gw_dead_table_new(void)
{
    struct gw_dead_table *t = calloc(1, sizeof(*t));

    if (!t)
        abort();
    t->mem = gw_arena_new();
    return t;
}

/* Characters, not bytes. */
static size_t width_of(struct gw_str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

static void print_row(struct gw_dead_table *t, const struct gw_str row[COLUMNS])
{
    for (size_t c = 0; c < COLUMNS; c++) {
        gw_print_plain(row[c], 0);
        if (c + 1 < COLUMNS)
            printf("%*s", (int)(t->width[c] - width_of(row[c]) + 2), "");
    }
    putchar('\n');
}

static void print_rows(struct gw_dead_table *t)
{
    struct gw_str head[COLUMNS];

    for (size_t c = 0; c < COLUMNS; c++) {
        head[c] = gw_str_of(heads[c]);
        if (t->width[c] < head[c].len)
            t->width[c] = head[c].len;
        for (size_t i = 0; i < t->n; i++)
            if (t->width[c] < width_of(t->rows[i][c]))
                t->width[c] = width_of(t->rows[i][c]);
    }
    if (t->n && !t->printed++)
        print_row(t, head);
    for (size_t i = 0; i < t->n; i++)
        print_row(t, t->rows[i]);
    t->n = 0;
    gw_arena_reset(t->mem);
}

static struct gw_str first_line(struct gw_str s)
{
    const char *end = s.len ? memchr(s.p, '\n', s.len) : NULL;

    if (end)
        s.len = (size_t)(end - s.p);
    if (s.len > ERROR_BYTES) /* not within a character */
        for (s.len = ERROR_BYTES; s.len && ((unsigned char)s.p[s.len] & 0xc0) == 0x80; s.len--)
            ;
    return s;
}

/* To milliseconds. */
static struct gw_str short_time(struct gw_arena *mem, struct gw_str s)
{
    enum { SECONDS = 19, SHORT = 23 };

    if (s.len <= SHORT + 1 || s.p[SECONDS] != '.')
        return s;
    return gw_arena_printf(mem, "%.*sZ", SHORT, s.p);
}

void gw_dead_table_add(struct gw_dead_table *t, struct gw_str line)
{
    struct gw_str *row = t->rows[t->n++];

    for (size_t c = 0; c < COLUMNS; c++)
        row[c] = gw_arena_str(t->mem, gw_line_get(t->mem, line, fields[c]));
    row[LAST] = short_time(t->mem, row[LAST]);
    row[ERROR] = first_line(row[ERROR]);
    if (t->n == ROWS)
        print_rows(t);
}

void gw_dead_table_end(struct gw_dead_table *t)
{
    print_rows(t);
    gw_arena_free(t->mem);
    free(t);
}

static void show_error(struct gw_str error)
{
    const char *end;

    printf("error:\n");
    for (; error.len; error.p = end + 1) {
        end = memchr(error.p, '\n', error.len);
        if (!end)
            end = error.p + error.len;
        printf("  ");
        gw_print_plain((struct gw_str){error.p, (size_t)(end - error.p)}, 1);
        putchar('\n');
        error.len -= (size_t)(end - error.p);
        error.len -= error.len > 0;
    }
}

void gw_dead_show(struct gw_str line)
{
    static const char *const names[] = {"id",       "pipeline", "reason",  "event_id",
                                        "attempts", "first_at", "last_at", "seq"};
    struct gw_arena *mem = gw_arena_new();
    struct gw_str record, message;
    struct gw_buf text;

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        printf("%-10s ", names[i]);
        gw_print_plain(gw_line_get(mem, line, names[i]), 0);
        putchar('\n');
    }
    show_error(gw_line_get(mem, line, "error"));
    record = gw_line_get(mem, line, "record");
    message = gw_line_get(mem, line, "message");
    gw_buf_init(&text, MAX_TEXT, NULL);
    gw_json_put_pretty(&text, message.p ? message : record, 0);
    if (message.p)
        printf("message:\n%.*s\n", (int)text.len, text.p);
    else if (record.p)
        printf("record:\n%.*s\n", (int)text.len, text.p);
    else
        printf("record: lost, its bytes are damaged\n");
    gw_buf_free(&text);
    gw_arena_free(mem);
}
